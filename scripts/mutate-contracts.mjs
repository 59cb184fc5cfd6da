#!/usr/bin/env node
// Mutation check of the contracts: changes one operator or one condition of a source at a time, runs the
// matching tests, and reports the mutants that no test notices.
//
//   scripts/mutate-contracts.mjs [options] FILE...
//
//   FILE            a source below contracts/src
//   --tests GLOB    tests to run instead of the ones the file's name calls for
//   --lines A-B     mutants of these lines only
//   --shard I/N     every N-th mutant, starting with the I-th (from 1)
//   --list          print the mutants, run nothing
//
// Ends with 1 if a mutant survives that scripts/mutants-accepted.txt does not name. Works on a copy: the
// working tree is never changed.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { guard } from "./lib/guard.mjs";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const ACCEPTED = join(ROOT, "scripts/mutants-accepted.txt");

// Tests that a source's name calls for; sources without a line here get all tests.
const TESTS = {
  AuditEscrow: "contracts/test/audit/*.t.sol",
  AuditJobs: "contracts/test/audit/*.t.sol",
  AuditTerms: "contracts/test/audit/AuditEscrow{Open,Enter}.t.sol",
  Claims: "contracts/test/{shared/Libraries,audit/AuditContest}.t.sol",
  Deadlines: "contracts/test/{audit,prediction,retrieval,service}/{AuditEscrow,PredictionEscrow,RetrievalEscrow,ServiceBond}*.t.sol",
  Custody: "contracts/test/prediction/{Custody,PredictionHostile,PredictionEscrowOpen}.t.sol",
  Hints: "contracts/test/{audit,prediction,retrieval}/{AuditEscrow,PredictionEscrow,RetrievalEscrow}*.t.sol",
  ItemList: "contracts/test/{shared/Libraries,service/ServiceBondContest}.t.sol",
  IndexedMerkle: "contracts/test/{shared/Libraries,service/ServiceBondProof}.t.sol",
  InferenceVerifier: "contracts/test/registry/InferenceVerifier.t.sol",
  ModelRegistry: "contracts/test/registry/ModelRegistry*.t.sol",
  ModelVerification: "contracts/test/{prediction/PredictionEscrowOpen,prediction/PredictionEscrowClaim,audit/AuditEscrowEnter,retrieval/RetrievalEscrowOpen,service/ServiceBondPost}.t.sol",
  PredictionEscrow: "contracts/test/prediction/PredictionEscrow*.t.sol",
  PublicInputs: "contracts/test/{shared/Libraries,prediction/PredictionEscrowOpen,prediction/PredictionEscrowClaim}.t.sol",
  Runs: "contracts/test/{audit/AuditEscrow,retrieval/RetrievalEscrow}{Open,Enter,Prove}.t.sol",
  RetrievalEscrow: "contracts/test/retrieval/*.t.sol",
  ServiceBond: "contracts/test/service/*.t.sol",
  Signatures: "contracts/test/service/ServiceBond{Post,Signer}.t.sol",
  Statement: "contracts/test/registry/Statement.t.sol",
  Tally: "contracts/test/{shared/Libraries,audit/AuditContest}.t.sol",
  VerifyingKey: "contracts/test/registry/{VerifyingKey,ModelRegistryKeys}.t.sol",
};

// Operators, longest first, and what each becomes. Those that become nothing are only there to be skipped.
const OPERATORS = [
  [">>=", "<<="], ["<<=", ">>="],
  ["=>"], ["==", "!="], ["!=", "=="], ["<=", "<"], [">=", ">"], ["<<", ">>"], [">>", "<<"],
  ["&&", "||"], ["||", "&&"], ["++", "--"], ["--", "++"], ["+=", "-="], ["-=", "+="],
  ["|=", "&="], ["^=", "|="], ["**", "*"],
  ["<", "<="], [">", ">="], ["+", "-"], ["-", "+"], ["*", "/"], ["/", "*"], ["%", "*"],
  ["|", "&"], ["&", "|"], ["^", "|"], ["!", ""],
];

// Statements that refuse something; each is left out once.
const GUARD = /^[ \t]*((?:[A-Za-z]\w*\.)?_?(?:require|admit)\w*\s*\(|revert\s)/;

const options = parse(process.argv.slice(2));
let unexplained = 0;
const accepted = readAccepted();
const copy = options.list ? null : makeCopy();
if (copy) {
  const guardian = guard({ folder: copy });
  // Also where something fails half-way.
  process.on("exit", () => {
    guardian.kill();
    rmSync(copy, { recursive: true, force: true });
  });
}
for (const file of options.files) unexplained += check(file);
process.exit(unexplained === 0 ? 0 : 1);

function parse(args) {
  const parsed = { files: [], tests: null, lines: null, shard: [1, 1], list: false };
  while (args.length > 0) {
    const arg = args.shift();
    if (arg === "--list") parsed.list = true;
    else if (arg === "--tests") parsed.tests = args.shift();
    else if (arg === "--lines") parsed.lines = numbers(args.shift(), /^(\d+)-(\d+)$/);
    else if (arg === "--shard") parsed.shard = numbers(args.shift(), /^(\d+)\/(\d+)$/);
    else if (arg.startsWith("-")) fail(`unknown option ${arg}`);
    else parsed.files.push(arg);
  }
  if (parsed.files.length === 0) fail("no file given; the options are at the top of the script");
  return parsed;
}

function numbers(text, pattern) {
  const match = pattern.exec(text ?? "");
  if (!match) fail(`malformed range: ${text}`);
  return [Number(match[1]), Number(match[2])];
}

function fail(message) {
  console.error(`mutate-contracts: ${message}`);
  process.exit(2);
}

/** Mutants of `FILE: line => mutated line`, one a line, each below a comment that says why it may survive. */
function readAccepted() {
  if (!existsSync(ACCEPTED)) return new Set();
  const lines = readFileSync(ACCEPTED, "utf8").split("\n").map((line) => line.trim());
  return new Set(lines.filter((line) => line !== "" && !line.startsWith("#")));
}

function makeCopy() {
  const folder = mkdtempSync(join(tmpdir(), "mutants-"));
  for (const part of ["contracts/src", "contracts/test", "contracts/examples", "contracts/script", "foundry.toml"]) {
    if (existsSync(join(ROOT, part))) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  for (const part of ["node_modules", "scripts"]) symlinkSync(join(ROOT, part), join(folder, part));
  for (const part of ["contracts/fixtures", "contracts/test/fixtures"]) {
    if (existsSync(join(ROOT, part)) && !existsSync(join(folder, part))) {
      symlinkSync(join(ROOT, part), join(folder, part));
    }
  }
  return folder;
}

/** Runs the mutants of one file; returns how many survive without a written reason. */
function check(file) {
  const path = relative(ROOT, resolve(file));
  const source = readFileSync(join(ROOT, path), "utf8");
  const name = basename(path, ".sol");
  const tests = options.tests ?? TESTS[name] ?? "contracts/test/*.t.sol";
  const [first, step] = options.shard;
  const mutants = mutantsOf(source)
    .filter(({ line }) => !options.lines || (line >= options.lines[0] && line <= options.lines[1]))
    .filter((_, index) => index % step === first - 1);
  if (options.list) {
    for (const mutant of mutants) console.log(`${path}:${mutant.line}: ${describe(source, mutant)}`);
    console.log(`${mutants.length} mutants`);
    return 0;
  }

  if (run(tests) !== "survived") fail(`the tests ${tests} fail without any mutant`);
  const counts = { killed: 0, survived: 0, invalid: 0, accepted: 0 };
  for (const mutant of mutants) {
    writeFileSync(join(copy, path), apply(source, mutant));
    let result = run(tests);
    const text = describe(source, mutant);
    if (result === "survived" && accepted.has(`${name}.sol: ${text}`)) result = "accepted";
    ++counts[result];
    if (result === "survived") console.log(`SURVIVED ${path}:${mutant.line}: ${text}`);
  }
  writeFileSync(join(copy, path), source);
  console.log(
    `${path}: ${mutants.length} mutants, ${counts.killed} killed, ${counts.survived} survived, ` +
      `${counts.accepted} accepted, ${counts.invalid} do not compile`,
  );
  return counts.survived;
}

/** What becomes of the tests on the copy as it stands. */
function run(tests) {
  const environment = {
    ...process.env,
    FOUNDRY_PROFILE: "quick",
    FOUNDRY_DYNAMIC_TEST_LINKING: "true",
    FOUNDRY_DENY: "never",
    FOUNDRY_FUZZ_RUNS: "32",
    FOUNDRY_INVARIANT_RUNS: "4",
    FOUNDRY_INVARIANT_DEPTH: "48",
  };
  const forge = join(ROOT, "node_modules/.bin/forge");
  // An endless loop is a difference, too.
  const settings = { cwd: copy, env: environment, encoding: "utf8", timeout: 300_000 };
  const result = spawnSync(forge, ["test", "--match-path", tests, "--fail-fast"], settings);
  if (result.status === 0) return "survived";
  return /Compiler run failed|Compilation failed/.test(result.stdout + result.stderr) ? "invalid" : "killed";
}

function mutantsOf(source) {
  const code = mask(source);
  const mutants = [];
  const add = (start, end, text) =>
    mutants.push({ start, end, text, line: source.slice(0, start).split("\n").length });

  for (let at = 0; at < code.length; ) {
    const operator = OPERATORS.find(([symbol]) => code.startsWith(symbol, at));
    if (!operator) {
      ++at;
      continue;
    }
    if (operator.length === 2) add(at, at + operator[0].length, operator[1]);
    at += operator[0].length;
  }
  for (const [start, end] of conditions(code)) {
    // That a guard which always refuses is noticed needs no showing.
    if (!/^\)\s*\{?\s*revert\b/.test(code.slice(end))) add(start, end, "true");
    add(start, end, "false");
  }
  let offset = 0;
  for (const line of code.split("\n")) {
    const guard = GUARD.exec(line);
    // A definition has no semicolon that ends a statement right after its parameters.
    if (guard) {
      const start = offset + guard[0].length - guard[1].length;
      const end = code.indexOf(";", start);
      if (end > 0 && !code.slice(start, end).includes("{")) add(start, end, "");
    }
    offset += line.length + 1;
  }
  return mutants.sort((a, b) => a.start - b.start);
}

/** Blanks out comments, strings, imports and the pragma; keeps every position. */
function mask(source) {
  const blank = (text) => text.replace(/[^\n]/g, " ");
  return source
    .replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"/g, blank)
    .replace(/^[ \t]*(?:import|pragma)\b[^;]*;/gm, blank)
    .replace(/^[ \t]*function[^{;]*[{;]/gm, blank);
}

/** The conditions of `if` statements, as ranges of positions. */
function conditions(code) {
  const ranges = [];
  for (const match of code.matchAll(/\bif\s*\(/g)) {
    const start = match.index + match[0].length;
    let depth = 1;
    let end = start;
    for (; depth > 0 && end < code.length; ++end) {
      if (code[end] === "(") ++depth;
      else if (code[end] === ")") --depth;
    }
    ranges.push([start, end - 1]);
  }
  return ranges;
}

function apply(source, { start, end, text }) {
  return source.slice(0, start) + text + source.slice(end);
}

function describe(source, mutant) {
  const from = source.lastIndexOf("\n", mutant.start - 1) + 1;
  let to = source.indexOf("\n", mutant.end);
  if (to < 0) to = source.length;
  const flat = (text) => text.replace(/\s+/g, " ").trim();
  const before = source.slice(from, to);
  const after = source.slice(from, mutant.start) + mutant.text + source.slice(mutant.end, to);
  return `${flat(before)} => ${flat(after)}`;
}
