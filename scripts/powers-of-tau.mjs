#!/usr/bin/env node
// Makes powers of tau with snarkjs, as its ceremonies do, for the tests and the benchmark of imports: for
// each k given (10 without one) `.cache/snarkjs/potK-plain.ptau`, after one contribution, and
// `.cache/snarkjs/potK.ptau`, the same prepared for phase 2. What is there already stays.
//
//   scripts/powers-of-tau.mjs [--plain] [K...]
//
// --plain leaves the preparation out, which takes snarkjs more than ten minutes from k = 14 on.
//
// snarkjs comes from package-lock.json. It is GPL-3.0: a tool of the tests, started as a program, and no
// part of anything that is built or published.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const SNARKJS = path.join(ROOT, "node_modules", "snarkjs", "build", "cli.cjs");
const FOLDER = path.join(ROOT, ".cache", "snarkjs");

function fail(text) {
  console.error(`powers-of-tau: ${text}`);
  process.exit(1);
}

function snarkjs(...args) {
  execFileSync(process.execPath, [SNARKJS, "powersoftau", ...args], { stdio: ["ignore", "ignore", "inherit"] });
}

function make(k, isPlain) {
  const [plain, prepared] = [`pot${k}-plain.ptau`, `pot${k}.ptau`].map((name) => path.join(FOLDER, name));
  if (fs.existsSync(plain) && (isPlain || fs.existsSync(prepared))) return;
  if (!fs.existsSync(SNARKJS)) fail("snarkjs is missing; run npm ci");
  // Beside their place, so that nobody meets half a file.
  const work = fs.mkdtempSync(path.join(FOLDER, "work-"));
  try {
    const [empty, contributed, ready] = ["0", "1", "2"].map((name) => path.join(work, name));
    snarkjs("new", "bn128", String(k), empty);
    snarkjs("contribute", empty, contributed, "--name=test", `-e=${randomBytes(32).toString("hex")}`);
    if (!isPlain) {
      snarkjs("prepare", "phase2", contributed, ready);
      fs.renameSync(ready, prepared);
    }
    fs.renameSync(contributed, plain);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

const options = process.argv.slice(2);
const isPlain = options.includes("--plain");
const sizes = options.filter((option) => option !== "--plain");
if (sizes.includes("-h") || sizes.includes("--help")) {
  console.log("scripts/powers-of-tau.mjs [--plain] [K...]   makes .cache/snarkjs/potK-plain.ptau, and potK.ptau");
  process.exit(0);
}
for (const size of sizes) {
  if (!/^([2-9]|1[0-9]|2[0-4])$/.test(size)) fail(`${size} is no k between 2 and 24`);
}
fs.mkdirSync(FOLDER, { recursive: true });
for (const size of sizes.length ? sizes : ["10"]) make(Number(size), isPlain);
