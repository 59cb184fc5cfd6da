// See scripts/evidence.sh.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { Measurements } from "./measurements.mjs";
import { benchmarksPage, page, readme } from "./page.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FILE = path.join(ROOT, "docs/measurements.json");
const PAGE = "docs/evidence.md";
const BENCHMARKS = "docs/benchmarks.md";
const README = "README.md";
const PLOTS = "docs/plots";
/** What the measured times and gas depend on. */
const MEASURED_CODE = ["prover", "cli", "contracts/src", "Cargo.lock"];

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`evidence: ${error.message}`);
  process.exit(1);
}

function main(words) {
  if (words[0] === "add") return add(words.slice(1));
  if (words.length > 1 || (words.length === 1 && words[0] !== "--check")) {
    throw new Error(`unknown: ${words.join(" ")}; see scripts/evidence.sh --help`);
  }
  const measurements = Measurements.read(FILE);
  const made = page(measurements, template("page"));
  const files = {
    [PAGE]: made.text,
    [BENCHMARKS]: benchmarksPage(measurements, template("benchmarks")),
    ...made.plots,
    [README]: withPeers(measurements),
  };
  const plots = fs.readdirSync(path.join(ROOT, PLOTS)).map((name) => `${PLOTS}/${name}`);
  const unused = plots.filter((name) => !made.plots[name]);
  const differ = Object.entries(files).filter(([name, text]) => {
    const there = path.join(ROOT, name);
    return !fs.existsSync(there) || fs.readFileSync(there, "utf8") !== text;
  });
  if (words[0] === "--check") {
    if (differ.length > 0) {
      throw new Error(`${differ.map(([name]) => name).join(", ")}: not what the measurements give; run scripts/evidence.sh`);
    }
    if (unused.length > 0) throw new Error(`${unused.join(", ")}: not on the page; run scripts/evidence.sh`);
    console.log(`${PAGE}, ${BENCHMARKS}, the table of ${README} and ${Object.keys(made.plots).length} plots are those of the measurements`);
    sayAge(measurements);
    return;
  }
  for (const [name, text] of differ) {
    fs.mkdirSync(path.dirname(path.join(ROOT, name)), { recursive: true });
    fs.writeFileSync(path.join(ROOT, name), text);
    console.log(`wrote ${name}`);
  }
  for (const name of unused) {
    fs.rmSync(path.join(ROOT, name));
    console.log(`removed ${name}`);
  }
  if (differ.length + unused.length === 0) console.log("nothing has changed");
}

function template(name) {
  return fs.readFileSync(new URL(`${name}.md.in`, import.meta.url), "utf8");
}

/** The README with the table of peers that the measurements give. */
function withPeers(measurements) {
  return readme(measurements, template("readme"), fs.readFileSync(path.join(ROOT, README), "utf8"));
}

function git(...words) {
  return execFileSync("git", words, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}

/** How many commits the measured program is behind this one. */
function sayAge({ rows }) {
  const codes = new Map();
  for (const { code } of rows) if (code) codes.set(code, (codes.get(code) ?? 0) + 1);
  for (const [code, count] of codes) {
    try {
      const since = git("rev-list", "--count", `${code.match(/^[0-9a-f]+/)}..HEAD`, "--", ...MEASURED_CODE);
      if (since !== "0") console.log(`  ${count} rows were measured ${since} commits to the program ago, on ${code}`);
    } catch {
      console.log(`  ${count} rows were measured on ${code}, which this copy does not know`);
    }
  }
}

/** This commit, with a + where the program in this folder is not what was committed. */
function codeHere() {
  const changed = git("status", "--porcelain", "--", ...MEASURED_CODE);
  return `${git("rev-parse", "--short", "HEAD")}${changed ? "+" : ""}`;
}

/** That a state of the code is a commit that this copy knows. */
function requireCommit(code) {
  try {
    git("cat-file", "-e", `${code.replace(/\+$/, "")}^{commit}`);
  } catch {
    throw new Error(`add: "${code}" is no commit of this repository`);
  }
}

/** Adds the JSON object in the last line of each file, or nothing at all if the page cannot be made of it. */
function add(words) {
  const text = { type: "string" };
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: { name: text, machine: text, command: text, date: text, code: text },
  });
  const [about, ...sources] = positionals;
  if (sources.length === 0) throw new Error("add: name a topic and the files with the measurements");
  const measurements = Measurements.read(FILE);
  const code = values.code ?? codeHere();
  requireCommit(code);
  const added = sources.flatMap((source) => objects(about, source)).map(({ source, object }) => {
    const { model, attack, resources: _, ...figures } = object;
    const name = values.name ?? model ?? attack;
    if (!name && !figures.error) throw new Error(`${source} says no name; give one with --name`);
    const before = measurements.find(about, name);
    // What a row is called on the page is not measured.
    figures.title ??= before?.figures.title;
    measurements.put({
      about,
      name: name ?? source,
      machine: values.machine ?? before?.machine,
      date: values.date ?? new Date().toISOString().slice(0, 10),
      code,
      command: values.command?.replaceAll("NAME", name) ?? before?.command,
      figures,
    });
    return `${about} ${name}`;
  });
  // What is written, is read and shown first.
  const written = Measurements.parse(measurements.text());
  page(written, template("page"));
  benchmarksPage(written, template("benchmarks"));
  withPeers(written);
  fs.writeFileSync(FILE, measurements.text());
  added.forEach((line) => console.log(line));
}

/** The objects in a file of measurements. */
function objects(about, source) {
  const lines = fs.readFileSync(source, "utf8").trim().split("\n").filter((line) => line.startsWith("{"));
  // The stories of the attacks and the tables of numbers write a line each, everything else prints one object last.
  const wanted = ["attack", "tabular"].includes(about) ? lines : lines.slice(-1);
  if (wanted.length === 0) throw new Error(`${source} has no JSON object in a line of its own`);
  return wanted.flatMap((line) => {
    try {
      return parts(JSON.parse(line)).map((object) => ({ source, object }));
    } catch (error) {
      throw new Error(`${source}: ${error.message}`);
    }
  });
}

/** The measurements of an object: those of a table by the size of the batch are several. */
function parts(object) {
  if (!Array.isArray(object.rows) || object.rows[0]?.batch === undefined) return [object];
  return object.rows.map((row) => ({ ...row, model: `${row.model}-${row.batch}` }));
}
