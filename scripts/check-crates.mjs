// Checks what docs/architecture.md says of the crates, against Cargo and the sources:
// * each crate depends on just those that its row of the table names;
// * what only one crate may use (the ONNX parser, the job store, ...) is used by no other;
// * every crate takes the workspace's lints (unsafe code only in the crate of kernels), and is tested with overflow
//   checks and debug assertions;
// * what runs in a browser needs no importer, no files and no threads of ours;
// * no files import each other in a circle.
//
//   node scripts/check-crates.mjs
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(root);
const faults = [];
const cargo = (...args) => execFileSync("cargo", args, { encoding: "utf8", maxBuffer: 1 << 28 });

// Libraries that belong to one idea, and the crates that may depend on them.
const RESERVED = {
  "tract-onnx": ["assay-import"],
  sqlx: ["assay-relayer"],
  axum: ["assay-relayer-http"],
  anyhow: ["assay"],
  age: ["assay-collection"],
  tempfile: ["assay-files"],
  "light-poseidon": ["assay-arithmetic"],
  revm: ["assay-testing"],
};

const metadata = JSON.parse(cargo("metadata", "--format-version", "1", "--no-deps", "--offline"));
const crates = metadata.packages.map((found) => {
  const normal = found.dependencies.filter((dependency) => dependency.kind === null);
  return {
    name: found.name,
    folder: relative(root, dirname(found.manifest_path)),
    manifest: readFileSync(found.manifest_path, "utf8"),
    ours: normal.map((d) => d.name).filter((name) => /^assay(-|$)/.test(name)).sort(),
    others: normal.map((d) => d.name),
  };
});

function tableOfCrates() {
  const rows = new Map();
  const page = readFileSync("docs/architecture.md", "utf8");
  for (const line of page.split("\n")) {
    const cells = line.split("|").map((cell) => cell.trim());
    const name = cells[1]?.match(/^`(assay[a-z-]*)`$/)?.[1];
    if (name) rows.set(name, (cells[4] ?? "").match(/`assay[a-z-]*`|[a-z-]+/g)?.map((word) => word.replaceAll("`", "")) ?? []);
  }
  return rows;
}

function checkArrows() {
  const table = tableOfCrates();
  for (const { name, ours } of crates) {
    const short = (crate) => crate.replace(/^assay-/, "");
    const found = ours.map(short).sort().join(", ");
    if (!table.has(name)) faults.push(`docs/architecture.md has no row for ${name}`);
    else {
      const said = table.get(name).map(short).sort().join(", ");
      if (said !== found) faults.push(`${name} depends on [${found}], docs/architecture.md says [${said}]`);
    }
  }
  for (const name of table.keys()) {
    if (!crates.some((crate) => crate.name === name)) faults.push(`docs/architecture.md names ${name}, which is no crate`);
  }
  for (const { name, others } of crates) {
    for (const library of others) {
      const owners = RESERVED[library];
      if (owners && !owners.includes(name)) faults.push(`${name} depends on ${library}, which is for ${owners.join(", ")}`);
    }
  }
}

function checkManifests() {
  const checked = readFileSync("scripts/checked.toml", "utf8");
  for (const { name, folder, manifest } of crates) {
    // The crate of kernels has lints of its own: it alone may use unsafe code, with an argument for each block.
    if (name === "assay-kernels") {
      if (!manifest.includes('undocumented_unsafe_blocks = "deny"')) faults.push("assay-kernels does not demand arguments for its unsafe code");
    } else if (!/\[lints\]\nworkspace = true/.test(manifest)) faults.push(`${folder}/Cargo.toml does not take the workspace's lints`);
    const profile = checked.match(new RegExp(`\\[profile\\.release\\.package\\.${name}\\]\\n((?:[a-z-]+ = .*\\n?)*)`))?.[1] ?? "";
    for (const check of ["overflow-checks = true", "debug-assertions = true"]) {
      if (!profile.includes(check)) faults.push(`scripts/checked.toml has ${name} tested without ${check}`);
    }
  }
}

function checkBrowser() {
  const tree = cargo("tree", "-p", "assay-verifier", "--target", "wasm32-unknown-unknown", "-e", "normal", "--prefix", "none", "--format", "{p}");
  const names = new Set(tree.split("\n").map((line) => line.split(" ")[0]));
  for (const absent of ["assay-files", "assay-import", "tract-onnx", "tempfile", "age", "alloy", "tokio"]) {
    if (names.has(absent)) faults.push(`assay-verifier, which is for browsers too, depends on ${absent}`);
  }
  // The library of proofs links it whatever its features; without threads it runs on the calling one.
  const direct = cargo("tree", "-p", "assay-verifier", "--target", "wasm32-unknown-unknown", "-e", "normal", "-i", "rayon", "--depth", "1", "--prefix", "none", "--format", "{p}");
  for (const line of direct.split("\n")) {
    if (/^assay-/.test(line)) faults.push(`${line.split(" ")[0]} needs rayon in a browser`);
  }
}

function sources(folder) {
  const crateFolders = crates.map((crate) => crate.folder);
  return readdirSync(folder).flatMap((entry) => {
    const path = join(folder, entry);
    if (statSync(path).isDirectory()) return crateFolders.includes(path) ? [] : sources(path);
    return path.endsWith(".rs") ? [path] : [];
  });
}

// Module path of a source file, as names below `crate`.
function modulePath(base, file) {
  const names = relative(base, file).replace(/\.rs$/, "").split("/");
  if (["mod", "lib", "main"].includes(names.at(-1))) names.pop();
  return names;
}

// Groups of a `use` declaration expanded: `[path, name it has here]`.
function expanded(body) {
  const paths = [];
  const expand = (prefix, rest) => {
    let depth = 0, start = 0;
    const items = [];
    for (let at = 0; at <= rest.length; at++) {
      if (rest[at] === "{") depth++;
      if (rest[at] === "}") depth--;
      if (at === rest.length || (rest[at] === "," && depth === 0)) {
        items.push(rest.slice(start, at).trim());
        start = at + 1;
      }
    }
    for (const item of items.filter(Boolean)) {
      const group = item.match(/^((?:\w+::)*)\{(.*)\}$/s);
      if (group) expand(prefix + group[1], group[2]);
      else {
        const [path, alias] = (prefix + item).split(" as ").map((part) => part.trim());
        const names = path.split("::");
        paths.push([names, alias ?? names.at(-1)]);
      }
    }
  };
  expand("", body);
  return paths;
}

// What a file imports or names by a path, and what it re-exports.
function pathsOf(text) {
  const code = text.replace(/\/\/.*$/gm, "");
  const used = [], shown = [];
  for (const [, shows, body] of code.matchAll(/^[ \t]*(pub(?:\([^)]*\))? )?use ([^;]+);/gm)) {
    (shows ? shown : used).push(...expanded(body));
  }
  const rest = code.replace(/^[ \t]*(?:pub(?:\([^)]*\))? )?use [^;]+;/gm, "").replace(/\bpub\(in [^)]*\)/g, "");
  for (const [path] of rest.matchAll(/\b(?:crate|super|self)(?:::\w+)+/g)) used.push([path.split("::"), ""]);
  return { used, shown };
}

function checkCircles() {
  for (const { name, folder } of crates) {
    const base = join(folder, "src");
    const files = sources(base).filter((file) => !/(^|\/)tests(\/|\.rs$)|\/example\.rs$/.test(relative(base, file)));
    const byModule = new Map(files.map((file) => [modulePath(base, file).join("::"), file]));
    const parsed = new Map(files.map((file) => {
      const text = readFileSync(file, "utf8").split(/^#\[cfg\(test\)\]\nmod tests \{/m)[0];
      return [file, pathsOf(text)];
    }));
    // A path from a file, from the root of the crate; nothing for another crate's.
    const absolute = (file, path) => {
      const here = modulePath(base, file), names = [...path];
      if (names[0] === "crate") return names.slice(1);
      if (names[0] === "self" || names[0] === "super") {
        while (names[0] === "super") { here.pop(); names.shift(); }
        if (names[0] === "self") names.shift();
        return [...here, ...names];
      }
      return byModule.has([...here, names[0]].join("::")) ? [...here, ...names] : null;
    };
    // The file that holds what a path names, re-exports followed.
    const holder = (names, depth = 0) => {
      let length = names.length;
      while (length >= 0 && !byModule.has(names.slice(0, length).join("::"))) length--;
      const file = byModule.get(names.slice(0, length).join("::"));
      if (!file || length === names.length || depth > 8) return file;
      const wanted = names[length];
      for (const [path, alias] of parsed.get(file).shown) {
        const target = absolute(file, path);
        if (target && alias === wanted) return holder([...target, ...names.slice(length + 1)], depth + 1);
      }
      return file;
    };
    const edges = new Map();
    for (const file of files) {
      const targets = new Set();
      for (const [path] of parsed.get(file).used) {
        const names = absolute(file, path);
        const target = names && holder(names);
        if (target && target !== file) targets.add(target);
      }
      edges.set(file, targets);
    }
    for (const circle of circlesOf(edges)) {
      const names = circle.map((file) => relative(base, file)).sort().join(", ");
      faults.push(`${name}: files import each other in a circle: ${names}`);
    }
  }
}

// Strongly connected components of more than one file (Tarjan).
function circlesOf(edges) {
  let counter = 0;
  const index = new Map(), low = new Map(), stack = [], circles = [];
  const visit = (node) => {
    index.set(node, counter);
    low.set(node, counter++);
    stack.push(node);
    for (const next of edges.get(node) ?? []) {
      if (!index.has(next)) {
        visit(next);
        low.set(node, Math.min(low.get(node), low.get(next)));
      } else if (stack.includes(next)) low.set(node, Math.min(low.get(node), index.get(next)));
    }
    if (low.get(node) === index.get(node)) {
      const circle = stack.splice(stack.indexOf(node));
      if (circle.length > 1) circles.push(circle);
    }
  };
  for (const node of edges.keys()) if (!index.has(node)) visit(node);
  return circles;
}

checkArrows();
checkManifests();
checkBrowser();
checkCircles();
for (const fault of faults) console.error(fault);
console.log(`${crates.length} crates, ${faults.length} faults`);
process.exit(faults.length ? 1 : 0);
