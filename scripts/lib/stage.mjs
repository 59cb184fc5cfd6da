// A local chain with actors, contracts and models, for the scripts that play the protocols through the
// command line: scripts/escrows and demo-audit.mjs.

import fs from "node:fs";
import path from "node:path";

import { startAnvil } from "./anvil.mjs";
import { SOLC, assay } from "./assay.mjs";
import { guard } from "./guard.mjs";
import { CACHE, CIRCUITS, derive, importNetwork, models } from "./models.mjs";

/** Proofs that a stage may make with a derived bundle. */
const OPENINGS = 32;

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
  #base;
  #guard;
  #chain;
  #bundles = {};
  #folders = 0;

  /** Starts a node and deploys the contracts; each name becomes an account, the first deploys. */
  static async open(names) {
    const stage = new Stage();
    /** What all stages share; see models.mjs. */
    stage.found = models();
    stage.#base = fs.mkdtempSync(path.join(CACHE, "run-"));
    // What this machine records of the stage's bundles goes with them.
    process.env.ASSAY_STATE_DIR = path.join(stage.#base, "state");
    stage.#guard = guard({ folder: path.resolve(stage.#base) });
    process.on("exit", () => stage.close());
    stage.folder = stage.#base;
    stage.#chain = await startAnvil(stage.file("anvil.log"));
    stage.url = stage.#chain.url;
    stage.environment = { ASSAY_RPC: stage.url, ASSAY_SETUP: path.resolve(stage.found.setup), ASSAY_SOLC: SOLC };
    stage.actors = Object.fromEntries(names.map((name, index) => {
      const { address, key } = stage.#chain.accounts[index];
      const file = stage.file(`${name}.key`);
      fs.writeFileSync(file, key, { mode: 0o600 });
      return [name, new Actor(stage, name, address, file)];
    }));
    stage.deployment = stage.file("addresses.json");
    stage.deployed = stage.actors[names[0]].send(
      "deploy", "--allow-dev-setup", "-o", stage.deployment,
    );
    stage.environment.ASSAY_DEPLOYMENT = stage.deployment;
    return stage;
  }

  /** A network as a bundle for predictions, imported for this stage. */
  network(name) {
    return (this.#bundles[name] ??= this.#make(name, (bundle) => importNetwork(name, bundle)));
  }

  /** What a seller has for a circuit: a bundle of this stage, and the keys and so on that all share. */
  model(circuit) {
    const { network, derived } = CIRCUITS[circuit];
    const source = this.network(network);
    const bundle = derived
      ? (this.#bundles[circuit] ??= this.#make(circuit, (to) => derive(source, circuit, to, OPENINGS)))
      : source;
    return { bundle, ...this.found.circuits[circuit] };
  }

  #make(name, write) {
    const bundle = path.join(this.#base, `${name}.bundle`);
    write(bundle);
    return bundle;
  }

  /**
   * Deploys the verifier and key of a circuit and registers its model; returns that with its `id`, and with
   * the options by which a buyer checks it.
   */
  register(actor, circuit) {
    const model = this.model(circuit);
    const pair = actor.send("verifier", "deploy", model.verifier);
    const registered = actor.send(
      "model", "register", model.bundle, "--setup", this.found.setup, "--keys", model.keys,
      "--registry", this.deployed.contracts.ModelRegistry.address,
      "--vk", pair.vk, "--verifier", pair.verifier,
    );
    return { ...model, id: registered.model_id, checked: ["--architecture", model.architecture] };
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

  /** Notes the state of the chain and opens an empty folder for files; what it returns restores both. */
  async mark() {
    const [snapshot, folder] = [await this.rpc("evm_snapshot"), this.folder];
    this.folder = path.join(this.#base, String(this.#folders++));
    fs.mkdirSync(this.folder);
    return async () => {
      this.folder = folder;
      if (!(await this.rpc("evm_revert", snapshot))) throw new Error("the chain did not go back");
    };
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
    this.#chain?.stop();
    this.#chain = undefined;
    this.#guard?.kill();
    if (this.#guard) fs.rmSync(this.#base, { recursive: true, force: true });
    this.#guard = undefined;
  }
}
