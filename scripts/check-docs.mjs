// Checks the project's Markdown; see scripts/check-docs.sh.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

process.chdir(process.argv[2] ?? ".");

// What git knows, and what is new and not ignored: build folders and installed packages are left out.
const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
  .toString()
  .split("\0")
  .filter((file) => file && fs.existsSync(file));
const known = new Set(files);
const read = (file) => fs.readFileSync(file, "utf8");
const pages = files.filter((file) => file.endsWith(".md"));
const faults = [];

/** The page without fenced and indented code, line by line; `spans` also blanks code within a line. */
function prose(page, spans) {
  let fence = null;
  let code = true; // Code may be indented after an empty line or more code, not in the middle of a list.
  return read(page)
    .split("\n")
    .map((line) => {
      const mark = line.match(/^ {0,3}(```+|~~~+)/)?.[1];
      if (fence) {
        if (mark?.startsWith(fence)) fence = null;
        return "";
      }
      if (mark) {
        fence = mark;
        return "";
      }
      code = line.trim() === "" || (code && /^ {4}/.test(line));
      if (code) return "";
      return spans ? line.replace(/`[^`]*`/g, "") : line;
    });
}

/** The anchor that GitHub and mdBook make of a heading. */
const slug = (heading) =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");

const anchors = new Map();
function anchorsOf(page) {
  if (!anchors.has(page)) {
    const seen = new Map();
    const found = prose(page, false).flatMap((line) => {
      const heading = line.match(/^#{1,6}\s+(.*?)\s*#*$/)?.[1];
      if (heading === undefined) return [];
      const name = slug(heading);
      const count = seen.get(name) ?? 0;
      seen.set(name, count + 1);
      return [count === 0 ? name : `${name}-${count}`];
    });
    anchors.set(page, new Set(found));
  }
  return anchors.get(page);
}

/** Links of a page, `[line number, target]`: in brackets, by reference, and of images. */
function linksOf(page) {
  return prose(page, true).flatMap((line, index) =>
    [...line.matchAll(/\]\(\s*<?([^)\s>]*)>?[^)]*\)|^\s*\[[^\]]+\]:\s*(\S+)/g)].map((match) => [
      index + 1,
      match[1] ?? match[2],
    ]),
  );
}

let links = 0;
const listed = new Set();
for (const page of pages) {
  for (const [line, target] of linksOf(page)) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) continue;
    links += 1;
    const fault = (problem) => faults.push(`${page}:${line}: ${target}: ${problem}`);
    const [place, anchor] = target.split("#");
    const file = place ? path.normalize(path.join(path.dirname(page), decodeURI(place))).replace(/\/$/, "") : page;
    if (!known.has(file) && !files.some((other) => other.startsWith(`${file}/`))) {
      fault("no such file");
      continue;
    }
    if (page === "docs/SUMMARY.md") listed.add(file);
    if (page.startsWith("docs/") && !file.startsWith("docs/")) {
      fault("outside of docs/, so it is dead in the book; name the file instead of linking it");
    }
    if (anchor !== undefined && (!file.endsWith(".md") || !anchorsOf(file).has(anchor))) {
      fault("no such heading");
    }
  }
}

for (const page of pages.filter((file) => file.startsWith("docs/") && file !== "docs/SUMMARY.md")) {
  if (!listed.has(page)) faults.push(`${page}: not in docs/SUMMARY.md`);
}

// What the sources define: functions of Rust, functions and contracts of Solidity.
const functions = new Set();
const contracts = new Set();
for (const file of files.filter((name) => /\.(rs|sol)$/.test(name))) {
  const source = read(file);
  for (const [, name] of source.matchAll(/\b(?:fn|function)\s+([A-Za-z_]\w*)/g)) functions.add(name);
  for (const [, name] of source.matchAll(/\bcontract\s+(\w+)/g)) contracts.add(name);
}
const tests = [...functions].filter((name) => /^(test|check|invariant)/.test(name));

// Names that docs cite as a test: those of forge and halmos; `..Rest` for a test whose beginning was written
// just before; `SomethingTest` for a contract of tests; words of four parts or more in Rust's way of writing.
const cited = [
  [/^(test|testFuzz|check|invariant)_\w+$/, (name) => functions.has(name)],
  [/^\.\.[A-Z]\w*$/, (name) => tests.some((test) => test.endsWith(`_${name.slice(2)}`) || test.endsWith(name.slice(2)))],
  [/^[A-Z]\w*Test$/, (name) => contracts.has(name)],
  [/^[a-z0-9]+(_[a-z0-9]+){3,}$/, (name) => functions.has(name)],
];
const source = /^[\w.*/-]+\.(rs|sol|sh|mjs|py)$/;
let names = 0;
let paths = 0;
for (const page of pages) {
  prose(page, false).forEach((line, index) => {
    for (const [, name] of line.matchAll(/`([^`]+)`/g)) {
      const kind = cited.find(([pattern]) => pattern.test(name));
      if (kind) {
        names += 1;
        if (!kind[1](name)) faults.push(`${page}:${index + 1}: no test ${name} in any .rs or .sol file`);
      } else if (source.test(name) && !name.includes("*")) {
        paths += 1;
        if (!files.some((file) => file === name || file.endsWith(`/${name}`))) {
          faults.push(`${page}:${index + 1}: no file ${name}`);
        }
      }
    }
  });
}

// Each cell of a payoff table names a test: of a table that has a column for tests that column, of others all but those
// that say of what the row is.
const payoffs = "docs/protocols.md";
if (known.has(payoffs)) {
  let inPayoffs = false;
  let header = null;
  prose(payoffs, false).forEach((line, index) => {
    if (/^#/.test(line)) inPayoffs = /^#+ Payoffs$/.test(line);
    if (!inPayoffs || !line.startsWith("|")) {
      header = null;
      return;
    }
    const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
    if (header === null) {
      header = cells;
      return;
    }
    if (/^-+$/.test(cells[0])) return;
    cells.forEach((cell, column) => {
      const isNamed = header.at(-1) === "test" ? column < cells.length - 1 : ["state", "time"].includes(header[column]);
      if (!isNamed && !/`[^`]*test/i.test(cell)) {
        faults.push(`${payoffs}:${index + 1}: no test in the cell "${cell}"`);
      }
    });
  });
}

// The gas of whole calls is what the snapshot says; what is a difference or rounded ("less", "more") has no figure there.
const snapshot = "contracts/snapshots/gas.json";
if (known.has(payoffs) && known.has(snapshot)) {
  const measured = new Set(Object.values(JSON.parse(read(snapshot))));
  let inGas = false;
  prose(payoffs, false).forEach((line, index) => {
    if (/^#/.test(line)) inGas = /^#+ Gas$/.test(line);
    if (!inGas || !line.startsWith("|")) return;
    const [call, gas] = line.split("|").slice(1, -1);
    if (/ (less|more) *$/.test(gas) || / more *$/.test(call)) return;
    for (const [figure] of gas.matchAll(/\d[\d,]+/g)) {
      if (!measured.has(figure.replaceAll(",", ""))) faults.push(`${payoffs}:${index + 1}: no gas ${figure} in ${snapshot}`);
    }
  });
}

// The page that is made from measurements is what they give.
if (known.has("scripts/evidence/evidence.mjs")) {
  try {
    execFileSync(process.execPath, ["scripts/evidence/evidence.mjs", "--check"], { stdio: "pipe" });
  } catch (error) {
    faults.push(String(error.stderr).trim());
  }
}

for (const fault of faults) console.error(fault);
console.log(
  `${pages.length} pages, ${links} relative links, ${names} names of tests, ${paths} names of files: ${faults.length} faults`,
);
process.exit(faults.length === 0 ? 0 : 1);
