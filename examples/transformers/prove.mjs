#!/usr/bin/env node
// Proves one input of a bundle, each step by the command line in a process of its own, checks the proof many times, and has
// the generated verifier contract check it on a local chain. Prints the figures as one JSON object.
//
//   node examples/transformers/prove.mjs BUNDLE INPUT FOLDER
//
// Needs the release build (or ASSAY_BIN, another program) and scripts/install-tools.sh. FOLDER gets setup, keys, proof,
// openings and verifier. The proof takes one of the bundle's openings.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { startAnvil } from "../../scripts/lib/anvil.mjs";
import { medianCheck } from "../../scripts/lib/checks.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = path.resolve(process.env.ASSAY_BIN ?? path.join(root, "target/release/assay"));
const solc = process.env.ASSAY_SOLC ?? path.join(root, "scripts/solc");
const [bundle, input, folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("prove: give a bundle, an input and a folder");
  process.exit(2);
}

/** Runs a command of `assay`; its JSON report. */
function assay(...args) {
  const options = { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28 };
  return JSON.parse(execFileSync(program, [...args, "--json", "--progress", "never"], options));
}

const file = (name) => path.join(folder, name);
fs.mkdirSync(folder, { recursive: true });
for (const old of ["proof", "proof.opening.json", "proof.outputs.json"]) fs.rmSync(file(old), { force: true });

const { k, rows_used: rows, parameters, options } = assay("model", "inspect", bundle);
const setup = file(`dev-${k}.srs`);
if (!fs.existsSync(setup)) assay("setup", "--dev", "-k", String(k), "-o", setup);
const keys = assay("keygen", bundle, "--setup", setup, "--force", "-o", file("keys"));
const predicted = assay("model", "predict", bundle, "--input", input);
const proven = assay("prove", bundle, "--setup", setup, "--keys", file("keys"), "--input", input, "-o", file("proof"));
if (proven.class !== predicted.class) throw new Error(`the proof says class ${proven.class}, the network ${predicted.class}`);

// As a buyer: the key is made again from the setup, and the proof is about this input and these outputs.
const opened = fs.existsSync(file("proof.outputs.json")) ? ["--outputs-opening", file("proof.outputs.json")] : [];
const verified = assay(
  "verify", file("proof"), "--bundle", bundle, "--setup", setup, "--opening", file("proof.opening.json"), ...opened,
);

const checks = medianCheck((args) => assay(...args), [file("proof"), "--bundle", bundle, "--keys", file("keys"), "--trust-key"]);

const verifier = assay(
  "verifier", "generate", "--bundle", bundle, "--keys", file("keys"), "--solc", solc, "--force", "-o", file("verifier"),
);
const chain = await startAnvil(file("anvil.log"));
process.env.ASSAY_PRIVATE_KEY = chain.accounts[0].key;
const deployed = assay("verifier", "deploy", file("verifier"), "--rpc", chain.url);
const called = assay(
  "verifier", "call", file("proof"), "--verifier", deployed.verifier, "--vk", deployed.vk, "--rpc", chain.url,
);
if (called.weights_hash !== verified.model_hash) throw new Error("the contract accepts the proof for another model");

console.log(JSON.stringify({
  parameters,
  k,
  rows_used: rows,
  lanes: options.lanes,
  weight_columns: options.weight_columns,
  advice_columns: keys.advice_columns,
  fixed_columns: keys.fixed_columns,
  keygen_wall_s: keys.keygen_wall_s,
  keygen_rss_mb: keys.resources.peak_rss_mb,
  witness_s: proven.witness_s,
  prove_wall_s: proven.prove_wall_s,
  prove_cpu_s: proven.prove_cpu_s,
  peak_rss_mb: proven.resources.peak_rss_mb,
  ...checks,
  proof_bytes: proven.proof_bytes,
  verify_gas: called.gas_used,
  verifier_code_bytes: verifier.verifier_code_bytes,
  class: proven.class,
  predicted_cpu_s: proven.predicted.cpu_s,
  predicted_rss_mb: proven.predicted.rss_mb,
  steps_s: proven.steps_s,
}));
chain.stop();
