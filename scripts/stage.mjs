// A local chain with actors, contracts and models, for the scripts that play the protocols through the
// command line: check-escrows.mjs and demo-audit.mjs. Models, keys and compiled verifiers are kept in
// .cache/escrows, so that a second run starts in seconds.

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { guard } from "./guard.mjs";

// A compiler that the caller names is seen from the caller's folder, everything else from the repository.
const named = process.env.ASSAY_SOLC ?? fileURLToPath(new URL("solc", import.meta.url));
const SOLC = named.includes("/") ? path.resolve(named) : named;
process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const ASSAY = "target/release/assay";
const ANVIL = "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";
const DIGITS = "examples/digits";
const CACHE = ".cache/escrows";

/** Items of a test set and of a run: small, so that a proof takes seconds. */
export const ITEMS = 4;
export const BATCH = 2;
export const DEPTH = 2;
/** The class that the retrieval looks for. */
export const WANTED_CLASS = 4;

export const ether = (text) => {
  const [whole, fraction = ""] = text.split(".");
  return BigInt(whole) * 10n ** 18n + BigInt(fraction.padEnd(18, "0"));
};

export const etherText = (wei) => {
  const sign = wei < 0n ? "-" : "";
  const value = wei < 0n ? -wei : wei;
  const fraction = String(value % 10n ** 18n).padStart(18, "0").replace(/0+$/, "");
  return `${sign}${value / 10n ** 18n}${fraction && `.${fraction}`} ETH`;
};

/** Runs `assay` and returns its JSON report; what it says on stderr is the error. */
export function assay(args, environment = {}) {
  try {
    const text = execFileSync(ASSAY, [...args, "--json", "--progress", "never"], {
      env: { ...process.env, ...environment },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 1 << 28,
    });
    return JSON.parse(text);
  } catch (error) {
    if (error.stderr === undefined) throw error;
    throw new Error(`assay ${args.join(" ")}\n${error.stderr.trim()}`);
  }
}

/** An account of the chain, with its key in a file. */
class Actor {
  constructor(stage, name, address, keyFile) {
    Object.assign(this, { stage, name, address, keyFile });
  }

  /** Runs a command of `assay` that sends a transaction, signed by this account. */
  send(...args) {
    return assay([...args, "--private-key-file", this.keyFile], this.stage.environment);
  }

  /** Takes everything out of a contract and returns how much that was. */
  withdraw(holder) {
    return BigInt(this.send("escrow", "withdraw", "--from", holder).amount);
  }

  balance() {
    return this.stage.balance(this.address);
  }
}

export class Stage {
  /** Starts a node, deploys the contracts; `say` is told what goes on. */
  static async open(names, { fresh = false, say = () => {} } = {}) {
    if (fresh) fs.rmSync(CACHE, { recursive: true, force: true });
    fs.mkdirSync(CACHE, { recursive: true });
    const stage = new Stage();
    stage.folder = fs.mkdtempSync(path.join(CACHE, "run-"));
    await stage.#startNode(names);
    say("contracts");
    stage.deployment = path.join(stage.folder, "addresses.json");
    stage.deployed = stage.actors[names[0]].send(
      "deploy", "--allow-dev-setup", "-o", stage.deployment,
    );
    stage.environment.ASSAY_DEPLOYMENT = stage.deployment;
    return stage;
  }

  async #startNode(names) {
    const log = path.join(this.folder, "anvil.log");
    const out = fs.openSync(log, "w");
    this.node = spawn(ANVIL, ["--port", "0", "--hardfork", "osaka", "--enable-tx-gas-limit"], {
      stdio: ["ignore", out, out],
    });
    this.guard = guard({ process: this.node.pid, folder: path.resolve(this.folder) });
    process.on("exit", () => this.close());
    let text = "";
    for (let tries = 0; !/^Listening on/m.test(text); ++tries) {
      if (tries > 200 || this.node.exitCode !== null) throw new Error(`anvil did not start:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      text = fs.readFileSync(log, "utf8");
    }
    this.url = `http://${text.match(/^Listening on (.*)$/m)[1].trim()}`;
    this.environment = { ASSAY_RPC: this.url };
    const all = (pattern) => [...text.matchAll(pattern)].map((match) => match[1]);
    const addresses = all(/^\(\d+\) (0x[0-9a-fA-F]{40})(?: |$)/gm);
    const keys = all(/^\(\d+\) (0x[0-9a-fA-F]{64})$/gm);
    this.actors = {};
    names.forEach((name, index) => {
      const file = path.join(this.folder, `${name}.key`);
      fs.writeFileSync(file, keys[index], { mode: 0o600 });
      this.actors[name] = new Actor(this, name, addresses[index], file);
    });
  }

  /** Runs a command of `assay` that only reads the chain. */
  ask(...args) {
    return assay(args, this.environment);
  }

  async rpc(method, ...params) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const headers = { "content-type": "application/json" };
    const answer = await (await fetch(this.url, { method: "POST", headers, body })).json();
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  }

  /** Lets so many seconds pass on the chain. */
  async pass(seconds) {
    await this.rpc("evm_increaseTime", seconds);
    await this.rpc("evm_mine");
  }

  async balance(address) {
    return BigInt(await this.rpc("eth_getBalance", address, "latest"));
  }

  /** What a contract holds. */
  held(name) {
    return this.balance(this.deployed.contracts[name].address);
  }

  file(...parts) {
    return path.join(this.folder, ...parts);
  }

  close() {
    this.guard?.kill();
    this.guard = undefined;
    this.node?.kill();
    this.node = undefined;
    if (this.folder) fs.rmSync(this.folder, { recursive: true, force: true });
    this.folder = undefined;
  }
}

/**
 * The networks as bundles with keys and verifiers: a good one and one that was quantized too coarsely,
 * each for audits, the good one for single predictions and for retrieval too. And committed digits: the
 * test set with two items that the coarse network gets wrong, one in each run; a short one, its first
 * run; a collection for the retrieval, the same without labels.
 */
export function models(say = () => {}) {
  const inputs = [ASSAY, `${DIGITS}/lenet.onnx`, `${DIGITS}/calibration.npz`, "scripts/stage.mjs"];
  const hash = createHash("sha256");
  for (const input of inputs) hash.update(fs.readFileSync(input));
  const stamp = hash.digest("hex");
  const folder = path.join(CACHE, "models");
  const stampFile = path.join(folder, "stamp");
  const description = path.join(folder, "models.json");
  if (fs.existsSync(stampFile) && fs.readFileSync(stampFile, "utf8") === stamp) {
    const found = JSON.parse(fs.readFileSync(description, "utf8"));
    // A proof uses an opening of the weights; there are enough for many runs, not for ever.
    const left = ({ bundle }) => {
      const { options, openings_used } = assay(["model", "inspect", bundle]);
      return options.openings - openings_used;
    };
    if (Object.values(found.models).every((model) => left(model) > 16)) return found;
  }
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const at = (name) => path.join(folder, name);

  const made = {};
  const bundles = [
    ["prediction", "good", null],
    ["audit", "good", ["--statement", "audit", "--items", BATCH, "--depth", DEPTH]],
    ["coarseAudit", "coarse", ["--statement", "audit", "--items", BATCH, "--depth", DEPTH]],
    ["retrieval", "good",
      ["--statement", "retrieval", "--class", WANTED_CLASS, "--items", BATCH, "--depth", DEPTH]],
  ];
  say("networks, quantized");
  const importing = ["model", "import", `${DIGITS}/lenet.onnx`, "--calibrate", `${DIGITS}/calibration.npz`];
  assay([...importing, "-o", at("good.bundle")]);
  assay([...importing, "--activation-bits", "3", "-o", at("coarse.bundle")]);
  for (const [name, source, options] of bundles) {
    const bundle = options ? at(`${name}.bundle`) : at(`${source}.bundle`);
    if (options) assay(["model", "derive", at(`${source}.bundle`), ...options.map(String), "-o", bundle]);
    const architecture = at(`${name}.json`);
    assay(["model", "architecture", bundle, "-o", architecture]);
    made[name] = { bundle, architecture, k: assay(["model", "inspect", bundle]).k };
  }
  say("development setup");
  const k = Math.max(...Object.values(made).map((model) => model.k));
  const setup = at("dev.srs");
  assay(["setup", "--dev", "-k", String(k), "-o", setup]);
  for (const [name, model] of Object.entries(made)) {
    say(`keys and verifier: ${name}`);
    model.keys = at(`${name}-keys`);
    model.verifier = at(`${name}-verifier`);
    assay(["keygen", model.bundle, "--setup", setup, "-o", model.keys]);
    assay(["verifier", "generate", "--bundle", model.bundle, "--keys", model.keys, "-o", model.verifier],
      { ASSAY_SOLC: SOLC });
  }

  say("test set");
  const images = fs.readdirSync(`${DIGITS}/images`).sort();
  const label = (image) => Number(image.match(/_(\d)\.png$/)[1]);
  const reads = (image) =>
    assay(["model", "predict", at("coarse.bundle"), "--input", `${DIGITS}/images/${image}`]).class;
  const wrong = images.filter((image) => reads(image) !== label(image)).slice(0, 2);
  if (wrong.length < 2) throw new Error("the coarse network reads every digit; choose fewer bits");
  const right = images.filter((image) => !wrong.includes(image));
  const wanted = right.filter((image) => label(image) === WANTED_CLASS).slice(0, 1);
  const rest = right.filter((image) => label(image) !== WANTED_CLASS);
  // One that is read wrongly in each run.
  const chosen = [wrong[0], wanted[0], wrong[1], ...rest].slice(0, ITEMS);
  const place = (image, index) => at(`digits/${index}_${label(image)}.png`);
  fs.mkdirSync(at("digits"));
  chosen.forEach((image, index) => fs.copyFileSync(`${DIGITS}/images/${image}`, place(image, index)));
  const commit = (name, ...options) => {
    const set = at(`${name}.set`);
    const { root } = assay(["dataset", "commit", at("digits"), "--architecture", made.audit.architecture,
      "--depth", String(DEPTH), ...options, "-o", set]);
    return { set, root };
  };
  const found = {
    setup,
    models: made,
    images: chosen.map(place),
    labels: chosen.map(label),
    test: commit("test"),
    short: commit("short", "--limit", String(BATCH)),
    collection: commit("collection", "--no-labels"),
    coarseCorrect: chosen.filter((image) => !wrong.includes(image)).length,
  };
  fs.writeFileSync(description, JSON.stringify(found, null, 2));
  fs.writeFileSync(stampFile, stamp);
  return found;
}

/** Deploys a model's verifier and key and registers it; returns its id. */
export function register(actor, stage, model, setup) {
  const pair = actor.send("verifier", "deploy", model.verifier);
  const registered = actor.send(
    "model", "register", model.bundle, "--setup", setup, "--keys", model.keys,
    "--registry", stage.deployed.contracts.ModelRegistry.address,
    "--vk", pair.vk, "--verifier", pair.verifier,
  );
  return registered.model_id;
}
