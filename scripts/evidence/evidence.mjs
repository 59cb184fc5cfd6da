// See scripts/evidence.sh.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { Measurements } from "./measurements.mjs";
import { page } from "./page.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FILE = path.join(ROOT, "docs/measurements.json");
const PAGE = "docs/evidence.md";

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
  const made = page(Measurements.read(FILE), fs.readFileSync(new URL("page.md.in", import.meta.url), "utf8"));
  const files = { [PAGE]: made.text, ...made.plots };
  const differ = Object.entries(files).filter(([name, text]) => {
    const there = path.join(ROOT, name);
    return !fs.existsSync(there) || fs.readFileSync(there, "utf8") !== text;
  });
  if (words[0] === "--check") {
    if (differ.length > 0) {
      throw new Error(`${differ.map(([name]) => name).join(", ")}: not what the measurements give; run scripts/evidence.sh`);
    }
    console.log(`${PAGE} and ${Object.keys(made.plots).length} plots are those of the measurements`);
    return;
  }
  for (const [name, text] of differ) {
    fs.mkdirSync(path.dirname(path.join(ROOT, name)), { recursive: true });
    fs.writeFileSync(path.join(ROOT, name), text);
    console.log(`wrote ${name}`);
  }
  if (differ.length === 0) console.log("nothing has changed");
}

/** Adds the JSON object in the last line of each file. */
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
  const code = values.code ?? execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: ROOT, encoding: "utf8" }).trim();
  for (const source of sources) {
    const lines = fs.readFileSync(source, "utf8").trim().split("\n").filter((line) => line.startsWith("{"));
    // The stories of the attacks write a line each, everything else prints one object last.
    const wanted = about === "attack" ? lines : lines.slice(-1);
    if (wanted.length === 0) throw new Error(`${source} has no JSON object in a line of its own`);
    for (const object of wanted.flatMap((line) => parts(JSON.parse(line)))) {
      const { model, attack, resources: _, ...figures } = object;
      const name = values.name ?? model ?? attack;
      if (!name) throw new Error(`${source} says no name; give one with --name`);
      const before = measurements.find(about, name);
      measurements.put({
        about,
        name,
        machine: values.machine ?? before?.machine,
        date: values.date ?? new Date().toISOString().slice(0, 10),
        code,
        command: values.command?.replaceAll("NAME", name) ?? before?.command,
        figures,
      });
      console.log(`${about} ${name}`);
    }
  }
  measurements.write(FILE);
}

/** The measurements of an object: those of a table by the size of the batch are several. */
function parts(object) {
  if (!Array.isArray(object.rows) || object.rows[0]?.batch === undefined) return [object];
  return object.rows.map((row) => ({ ...row, model: `${row.model}-${row.batch}` }));
}
