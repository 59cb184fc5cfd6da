#!/usr/bin/env node
// Checks what can be checked of Dockerfile, compose.yaml and containers/ without an engine: that each command and option
// which they name is one of the program's, that each key of containers/relayer.toml is an option, that variables are read
// by the program, that images have a version, that files which are mounted or copied are there, and that each metric of the
// alerts is one that the relayer has.
//
//   scripts/check-containers.mjs [ASSAY]
//
// ASSAY is the program, target/release/assay unless told otherwise.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

process.chdir(path.join(import.meta.dirname, ".."));
const assay = process.argv[2] ?? "target/release/assay";
const read = (file) => fs.readFileSync(file, "utf8");
const faults = [];
const fault = (text) => faults.push(text);

const helps = new Map();
/** The options that a command has, by its help. */
function optionsOf(words) {
  const name = words.join(" ");
  if (!helps.has(name)) {
    let help = null;
    try {
      help = execFileSync(assay, [...words, "--help"], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    } catch (error) {
      if (error.code === "ENOENT") throw new Error(`${assay} is not built`);
    }
    helps.set(name, help === null ? null : new Set(help.match(/--[a-z][a-z-]*/g)));
  }
  return helps.get(name);
}

/** Checks a command line of the program. */
function checkCommand(file, line) {
  const first = line.findIndex((word) => word.startsWith("-"));
  const words = line.slice(0, first < 0 ? undefined : first);
  const options = optionsOf(words);
  if (!options) return fault(`${file}: there is no command \`assay ${words.join(" ")}\``);
  for (const option of line.filter((word) => word.startsWith("--"))) {
    const name = option.split("=")[0];
    if (!options.has(name)) fault(`${file}: \`assay ${words.join(" ")}\` has no option ${name}`);
  }
}

/** Variables of the environment that the program reads, by its sources. */
const sources = execFileSync("git", ["grep", "-hoE", "\"ASSAY_[A-Z_]+\"", "--", "*.rs"], { encoding: "utf8" });
const variables = new Set(sources.split("\n").map((line) => line.replaceAll('"', "")));
const checkVariables = (file, text) => {
  for (const [, name] of text.matchAll(/^\s*(?:ENV\s+)?(ASSAY_[A-Z_]+)\s*[:=]/gm)) {
    if (!variables.has(name)) fault(`${file}: no source reads ${name}`);
  }
};

/** An image has a version that has digits, and is not the newest of its kind. */
const checkImage = (file, image) => {
  const tag = image.split(":")[1] ?? "";
  if (!/\d+\.\d+/.test(tag)) fault(`${file}: ${image} has no version`);
};

const docker = read("Dockerfile");
let commands = 0;
const stages = new Set();
for (const line of docker.split("\n")) {
  const from = line.match(/^FROM\s+(\S+)(?:\s+AS\s+(\S+))?/i);
  if (from) checkImage("Dockerfile", from[1]);
  if (from?.[2]) stages.add(from[2]);
  const copied = line.match(/^COPY\s+--from=(\S+)/);
  if (copied && !stages.has(copied[1])) fault(`Dockerfile: there is no stage ${copied[1]}`);
  const command = line.match(/^CMD\s+(\[.*\])/);
  if (command) {
    checkCommand("Dockerfile", JSON.parse(command[1]));
    commands += 1;
  }
}
if (!/^USER\s+(?!root|0\b)\S+/m.test(docker)) fault("Dockerfile: it runs as root");
checkVariables("Dockerfile", docker);
for (const [, file] of read(".dockerignore").matchAll(/^!(\S+)/gm)) {
  if (!fs.existsSync(file)) fault(`.dockerignore: there is no ${file}`);
}
const members = read("Cargo.toml").match(/members = \[([^\]]*)\]/)[1].matchAll(/"([^"]+)"/g);
const context = [...read(".dockerignore").matchAll(/^!(\S+)/gm)].map(([, file]) => file);
for (const [, member] of members) {
  if (!context.some((folder) => member === folder || member.startsWith(`${folder}/`))) {
    fault(`.dockerignore: the crate ${member} does not go into the build`);
  }
}

const compose = read("compose.yaml");
checkVariables("compose.yaml", compose);
for (const [, image] of compose.matchAll(/^\s+image:\s*(\S+)/gm)) {
  if (image !== "assay:local") checkImage("compose.yaml", image);
}
for (const [, list] of compose.matchAll(/^\s+command:\s*(\[[^\]]*\])/gm)) {
  checkCommand("compose.yaml", JSON.parse(list));
  commands += 1;
}
for (const [, file] of compose.matchAll(/-\s+\.\/(containers\/[^:\s]+):/g)) {
  if (!fs.existsSync(file)) fault(`compose.yaml: there is no ${file}`);
}
if (commands < 3) fault("fewer commands were found than there are: the check cannot read the files any more");

const settings = optionsOf(["relayer", "run"]) ?? new Set();
for (const [, key] of read("containers/relayer.toml").matchAll(/^([a-z-]+)\s*=/gm)) {
  if (!settings.has(`--${key}`)) fault(`containers/relayer.toml: ${key} is no option of \`assay relayer run\``);
}
const metrics = read("relayer/src/metrics.rs");
for (const [, name] of read("containers/alerts.yml").matchAll(/assay_relayer_([a-z_]+)/g)) {
  if (!metrics.includes(`"${name}"`)) fault(`containers/alerts.yml: there is no metric assay_relayer_${name}`);
}

for (const text of faults) console.error(text);
if (faults.length > 0) process.exit(1);
console.log(`${commands} commands of containers are the program's`);
