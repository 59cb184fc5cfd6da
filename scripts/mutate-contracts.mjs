#!/usr/bin/env node
// Mutation check of the contracts: changes one operator, condition or statement of a source at a time, runs the
// matching tests, and reports the mutants that no test notices. Statements (assignments, calls, events) are left out,
// and neighbouring arguments of a call change places, those of a hash with them. What an error says is left alone.
//
//   scripts/mutate-contracts.mjs [options] FILE...
//
//   FILE            a source below contracts/src
//   --changed REF   in place of files: what has changed since the commit REF, the mutants of changed lines only
//   --seconds N     begin no mutant after so long; which ones come first, the newest commit decides
//   --tests GLOB    tests to run instead of the ones the file's name calls for
//   --lines A-B     mutants of these lines only
//   --shard I/N     every N-th mutant, starting with the I-th (from 1)
//   --list          print the mutants, run nothing
//
// The tests are compiled once. Of a mutant only the contracts that have it are compiled, and put where the tests find
// what ships (contracts/test/shared/Shipped.sol): two or three seconds each. Libraries that tests themselves call are
// compiled with the tests as well, which takes longer.
//
// Ends with 1 if a mutant survives that scripts/mutants-accepted.txt does not name. Works on a copy: the
// working tree is never changed.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync,
} from "node:fs";
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
  Callbacks: "contracts/test/prediction/Prediction{Hostile,Callback}.t.sol",
  Claims: "contracts/test/{shared/Libraries,audit/AuditContest}.t.sol",
  Deadlines: "contracts/test/{audit,prediction,retrieval,service}/{AuditEscrow,PredictionEscrow,RetrievalEscrow,ServiceBond}*.t.sol",
  Custody: "contracts/test/{prediction/Custody,prediction/PredictionHostile,prediction/PredictionEscrowOpen,audit/AuditSpoiling}.t.sol",
  Hints: "contracts/test/{audit,prediction,retrieval}/{AuditEscrow,PredictionEscrow,RetrievalEscrow}*.t.sol",
  ItemList: "contracts/test/{shared/Libraries,service/ServiceBondContest}.t.sol",
  IndexedMerkle: "contracts/test/{shared/Libraries,service/ServiceBondProof}.t.sol",
  InferenceVerifier: "contracts/test/{registry/InferenceVerifier,prediction/WordPredictions}.t.sol",
  MarketViews: "contracts/test/periphery/MarketViews.t.sol",
  ModelRegistry: "contracts/test/registry/ModelRegistry*.t.sol",
  ModelVerification: "contracts/test/{prediction/PredictionEscrowOpen,prediction/PredictionEscrowClaim,prediction/PredictionBatches,registry/Adapters,audit/AuditEscrowEnter,audit/AuditEscrowProve,retrieval/RetrievalEscrowOpen,service/ServiceBondPost}.t.sol",
  Outputs: "contracts/test/shared/Libraries.t.sol",
  PredictionEscrow: "contracts/test/prediction/*.t.sol",
  ProofEvaluator: "contracts/test/{registry/Adapters,prediction/WordPredictions}.t.sol",
  ProofVerifierAdapter: "contracts/test/{registry/Adapters,prediction/WordPredictions}.t.sol",
  PublicInputs: "contracts/test/{shared/Libraries,prediction/PredictionEscrowOpen,prediction/PredictionEscrowClaim}.t.sol",
  Purses: "contracts/test/periphery/Purses.t.sol",
  Runs: "contracts/test/{audit/AuditEscrow,retrieval/RetrievalEscrow}{Open,Enter,Prove}.t.sol",
  RetrievalEscrow: "contracts/test/retrieval/*.t.sol",
  ServiceBond: "contracts/test/service/*.t.sol",
  SignedOpenings: "contracts/test/periphery/SignedOpenings.t.sol",
  Signatures: "contracts/test/service/ServiceBond{Post,Signer}.t.sol",
  Statement: "contracts/test/registry/Statement.t.sol",
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

// Statements, by how they begin: each is left out once. Assignments, but no declarations; counts; calls; events;
// refusals.
const STATEMENT =
  /^[ \t]*(?:[A-Za-z_][\w.]*(?:\[[^\]\n]*\])*(?:\.\w+)*\s*(?:[-+*|&^]|<<|>>)?=(?!=)|(?:\+\+|--)[A-Za-z_]|(?!(?:if|for|mapping|return|while)\b)(?:[A-Za-z_]\w*\.)*_?[a-z]\w*\s*\(|emit\s|revert\s)/;

// What stands before a parenthesis without being called, or whose arguments are not looked at.
const NO_CALL = new Set(["catch", "constructor", "error", "event", "for", "if", "mapping", "returns", "using", "while"]);
// Instructions to which the order of their arguments is nothing.
const COMMUTATIVE = new Set(["add", "and", "eq", "mul", "or", "xor"]);

const options = parse(process.argv.slice(2));
const started = Date.now();
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
if (copy && options.files.length > 0) build();
for (const file of options.files) unexplained += check(file);
process.exit(unexplained === 0 ? 0 : 1);

function parse(args) {
  const parsed = { files: [], changed: null, seconds: Infinity, tests: null, lines: null, shard: [1, 1], list: false };
  while (args.length > 0) {
    const arg = args.shift();
    if (arg === "--list") parsed.list = true;
    else if (arg === "--changed") parsed.changed = args.shift();
    else if (arg === "--seconds") parsed.seconds = numbers(`${args.shift()}-0`, /^(\d+)-(\d+)$/)[0];
    else if (arg === "--tests") parsed.tests = args.shift();
    else if (arg === "--lines") parsed.lines = numbers(args.shift(), /^(\d+)-(\d+)$/);
    else if (arg === "--shard") parsed.shard = numbers(args.shift(), /^(\d+)\/(\d+)$/);
    else if (arg.startsWith("-")) fail(`unknown option ${arg}`);
    else parsed.files.push(arg);
  }
  if (parsed.changed !== null) {
    if (parsed.files.length > 0) fail("give files or --changed, not both");
    parsed.changed = changedLines(parsed.changed);
    parsed.files = [...parsed.changed.keys()];
    if (parsed.files.length === 0) console.log("no line below contracts/src has changed");
    return parsed;
  }
  if (parsed.files.length === 0) fail("no file given; the options are at the top of the script");
  return parsed;
}

function numbers(text, pattern) {
  const match = pattern.exec(text ?? "");
  if (!match) fail(`malformed range: ${text}`);
  return [Number(match[1]), Number(match[2])];
}

function git(...args) {
  const result = spawnSync("git", args, { cwd: ROOT, encoding: "utf8" });
  if (result.status !== 0) fail(`git ${args.join(" ")}: ${result.stderr.trim()}`);
  return result.stdout;
}

/** The lines that are new since a commit, by file; of the working tree. */
function changedLines(ref) {
  const files = new Map();
  let lines = null;
  for (const line of git("diff", "--unified=0", "--no-color", "--no-renames", ref ?? fail("--changed needs a commit"),
    "--", "contracts/src").split("\n")) {
    const file = /^\+\+\+ (?:b\/(.*\.sol)|.*)$/.exec(line);
    if (file) lines = file[1] ? new Set() : null;
    if (file?.[1]) files.set(file[1], lines);
    const range = /^@@ -\S+ \+(\d+)(?:,(\d+))? @@/.exec(line);
    if (!range || !lines) continue;
    for (let i = 0; i < Number(range[2] ?? 1); ++i) lines.add(Number(range[1]) + i);
  }
  // Interfaces have nothing to mutate.
  return new Map([...files].filter(([file, found]) => found.size > 0 && !file.includes("/interfaces/")));
}

/** Another order with each commit, so that a run which is cut short does not always try the same mutants. */
function shuffled(mutants, path) {
  const head = git("rev-parse", "HEAD").trim();
  const key = ({ start, text }) => createHash("sha256").update(`${head} ${path} ${start} ${text}`).digest("hex");
  return mutants.map((mutant) => [key(mutant), mutant]).sort(([a], [b]) => (a < b ? -1 : 1)).map(([, mutant]) => mutant);
}

function isOver() {
  return Date.now() - started > 1000 * options.seconds;
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
  const parts = ["src", "test", "examples", "script", "cache/tests"].map((part) => `contracts/${part}`);
  for (const part of [...parts, "foundry.toml"]) {
    if (existsSync(join(ROOT, part))) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  for (const part of ["node_modules", "scripts"]) symlinkSync(join(ROOT, part), join(folder, part));
  return folder;
}

/** What forge does in the copy, with one of the profiles of foundry.toml. */
function forge(profile, args) {
  const environment = {
    ...process.env,
    FOUNDRY_PROFILE: profile,
    FOUNDRY_DENY: "never",
    FOUNDRY_FUZZ_RUNS: "32",
    FOUNDRY_INVARIANT_RUNS: "4",
    FOUNDRY_INVARIANT_DEPTH: "48",
  };
  // An endless loop is a difference, too.
  const settings = { cwd: copy, env: environment, encoding: "utf8", timeout: 300_000, maxBuffer: 1 << 28 };
  return spawnSync(join(ROOT, "node_modules/.bin/forge"), args, settings);
}

/** Compiles once what the mutants do not change: contracts as they ship, but without the IR pipeline. */
function build() {
  const result = forge("quick", ["build", "--skip", "test"]);
  if (result.status !== 0) fail(`the contracts do not compile: ${result.stdout}${result.stderr}`);
}

function sourcesBelow(folder) {
  return readdirSync(join(copy, folder), { recursive: true })
    .filter((file) => file.endsWith(".sol"))
    .map((file) => join(folder, file));
}

function importsOf(path) {
  const source = readFileSync(join(copy, path), "utf8");
  return [...source.matchAll(/^import\s[^;"]*"(\.[^"]+)"/gm)].map((match) => join(dirname(path), match[1]));
}

/** All files that a file is compiled with, itself among them; not further than where `isEnd` says. */
function compiledWith(path, isEnd = () => false, found = new Set()) {
  if (found.has(path)) return found;
  found.add(path);
  if (!isEnd(path)) for (const imported of importsOf(path)) compiledWith(imported, isEnd, found);
  return found;
}

function isShipped(path) {
  if (!path.startsWith("contracts/src/")) return false;
  const name = basename(path, ".sol");
  return new RegExp(`^contract ${name}\\b`, "m").test(readFileSync(join(copy, path), "utf8"));
}

/** The contracts that change with a source. */
function shippedWith(path) {
  return sourcesBelow("contracts/src").filter((file) => isShipped(file) && compiledWith(file).has(path));
}

/** Whether a source is a part of the tests, which take contracts as they ship, but libraries as they are written. */
function isPartOfTests(path) {
  const tests = ["contracts/test", "contracts/examples"].flatMap(sourcesBelow);
  return tests.some((file) => !file.includes("/symbolic/") && !isShipped(path) && compiledWith(file, isShipped).has(path));
}

/** Runs the mutants of one file; returns how many survive without a written reason. */
function check(file) {
  const path = relative(ROOT, resolve(file));
  const source = readFileSync(join(ROOT, path), "utf8");
  const name = basename(path, ".sol");
  const tests = options.tests ?? TESTS[name] ?? "contracts/test/*.t.sol";
  const [first, step] = options.shard;
  let mutants = mutantsOf(source)
    .filter(({ line }) => !options.lines || (line >= options.lines[0] && line <= options.lines[1]))
    .filter(({ line }) => !options.changed || options.changed.get(path).has(line))
    .filter((_, index) => index % step === first - 1);
  if (options.seconds !== Infinity) mutants = shuffled(mutants, path);
  if (options.list) {
    for (const mutant of mutants) console.log(`${path}:${mutant.line}: ${describe(source, mutant)}`);
    console.log(`${mutants.length} mutants`);
    return 0;
  }

  if (mutants.length === 0) return 0;
  if (isOver()) {
    console.log(`${path}: ${mutants.length} mutants, none tried: the time is over`);
    return 0;
  }
  const targets = shippedWith(path);
  const isInTests = isPartOfTests(path);
  const attempt = (text) => {
    if (isInTests) writeFileSync(join(copy, path), text);
    return compile(path, text, targets) ? run(tests) : "invalid";
  };
  const baseline = attempt(source);
  if (baseline !== "survived") fail(`${path}: the tests ${tests} without any mutant: ${baseline}`);
  const counts = { killed: 0, survived: 0, invalid: 0, accepted: 0 };
  const begun = Date.now();
  let tried = 0;
  for (const mutant of mutants) {
    if (isOver()) break;
    ++tried;
    let result = attempt(apply(source, mutant));
    const text = describe(source, mutant);
    if (result === "survived" && accepted.has(`${name}.sol: ${text}`)) result = "accepted";
    ++counts[result];
    if (result === "survived") console.log(`SURVIVED ${path}:${mutant.line}: ${text}`);
  }
  attempt(source);
  console.log(
    `${path}: ${tried} of ${mutants.length} mutants, ${counts.killed} killed, ${counts.survived} survived, ` +
      `${counts.accepted} accepted, ${counts.invalid} do not compile; ` +
      `${((Date.now() - begun) / 1000 / Math.max(tried, 1)).toFixed(1)} s each`,
  );
  return counts.survived;
}

/** Compiles contracts with another text of a source, and puts them where the tests find them; says whether it can be compiled. */
function compile(path, text, targets) {
  const outputs = Object.fromEntries(
    targets.map((file) => [file, { [basename(file, ".sol")]: ["evm.bytecode.object", "evm.deployedBytecode.object"] }]),
  );
  const sources = Object.fromEntries(
    targets.map((file) => [file, { content: readFileSync(join(copy, file), "utf8") }]),
  );
  sources[path] = { content: text };
  const settings = {
    remappings: ["@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/"],
    optimizer: { enabled: true, runs: 200 },
    evmVersion: "osaka",
    outputSelection: outputs,
  };
  const result = spawnSync(
    join(ROOT, "scripts/solc"),
    ["--standard-json", "--base-path", copy, "--allow-paths", `${copy},${realpathSync(join(ROOT, "node_modules"))}`],
    { input: JSON.stringify({ language: "Solidity", sources, settings }), encoding: "utf8", maxBuffer: 1 << 28 },
  );
  if (result.status !== 0) fail(`solc: ${result.stderr}`);
  const answer = JSON.parse(result.stdout);
  if ((answer.errors ?? []).some(({ severity }) => severity === "error")) return false;
  for (const file of targets) {
    const name = basename(file, ".sol");
    const artifact = join(copy, `contracts/out/${name}.sol/${name}.json`);
    const json = JSON.parse(readFileSync(artifact, "utf8"));
    const { bytecode, deployedBytecode } = answer.contracts[file][name].evm;
    json.bytecode.object = `0x${bytecode.object}`;
    json.deployedBytecode.object = `0x${deployedBytecode.object}`;
    writeFileSync(artifact, JSON.stringify(json));
  }
  return true;
}

/** What becomes of the tests on the copy as it stands. Those of one case come first: they notice most of it, sooner. */
function run(tests) {
  for (const skipped of ["^(test_GasOf|testFuzz|invariant_)", "^test_GasOf"]) {
    const result = forge("tests", ["test", "--match-path", tests, "--no-match-test", skipped, "--fail-fast"]);
    if (result.status === 0) continue;
    return /Compiler run failed|Compilation failed/.test(result.stdout + result.stderr) ? "invalid" : "killed";
  }
  return "survived";
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
    const end = STATEMENT.test(line) ? statementEnd(code, offset) : null;
    // An empty statement is not one of the language; an empty block is.
    if (end !== null) add(offset + line.search(/\S/), end + 1, "{}");
    offset += line.length + 1;
  }
  for (const [before, after] of neighbours(code)) {
    const [a, b] = [source.slice(...before), source.slice(...after)];
    if (a.trim() === b.trim()) continue;
    add(before[0], after[1], b.trimStart() + source.slice(before[1], after[0]) + a.trimEnd());
  }
  return mutants.sort((a, b) => a.start - b.start);
}

/** Where the statement ends that begins at a position: at its semicolon. Null for what is no statement, such as a definition or the second line of one. */
function statementEnd(code, start) {
  let depth = 0;
  for (let at = start; at < code.length; ++at) {
    const sign = code[at];
    if (sign === "(" || sign === "[") ++depth;
    else if (sign === ")" || sign === "]") --depth;
    if (depth < 0 || (sign === "{" && depth === 0) || sign === "}") return null;
    if (sign === ";" && depth === 0) {
      const before = code.slice(0, start).trimEnd();
      return /[;{})]$/.test(before) || /\belse$/.test(before) ? at : null;
    }
  }
  return null;
}

/** Neighbouring arguments of calls, as pairs of ranges. */
function neighbours(code) {
  const pairs = [];
  for (const match of code.matchAll(/(\b\w+(?:\.\w+)*)\s*\(/g)) {
    const [name] = match[1].split(".").slice(-1);
    const line = code.slice(code.lastIndexOf("\n", match.index) + 1, match.index);
    if (NO_CALL.has(name) || COMMUTATIVE.has(name) || /\b(?:revert|error|event)\s*$/.test(line)) continue;
    const starts = [match.index + match[0].length];
    let depth = 1;
    let at = starts[0];
    for (; depth > 0 && at < code.length; ++at) {
      if ("([{".includes(code[at])) ++depth;
      else if (")]}".includes(code[at])) --depth;
      else if (code[at] === "," && depth === 1) starts.push(at + 1);
    }
    const ranges = starts.map((start, i) => {
      const end = (starts[i + 1] ?? at) - 1;
      return [start + code.slice(start, end).search(/\S|$/), end];
    });
    for (let i = 1; i < ranges.length; ++i) pairs.push([ranges[i - 1], ranges[i]]);
  }
  return pairs;
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
