// The commands of an audit, for the tests that play one.

import assert from "node:assert/strict";

import { assay, ether, wei } from "../lib/assay.mjs";
import { ITEMS } from "../lib/models.mjs";
import { takeOut } from "./play.mjs";

export const REWARD = ether("1");
export const BOND = ether("0.1");
export const STAKE = ether("0.5");
export const FEE = ether("0.05");
export const HOUR = 3600;

const PLACE = "https://example.org/test.set.age";

/** The auditable models, registered by the seller, and the sellers' keys, to which a delivery is sealed. */
export function prepareAudits(stage) {
  const { seller, rival } = stage.actors;
  const registered = Object.fromEntries(
    ["audit", "coarseAudit"].map((circuit) => [circuit, stage.register(seller, circuit)]),
  );
  const sealing = Object.fromEntries([seller, rival].map(({ name }) => {
    const key = stage.file(`${name}.age-key`);
    return [name, assay(["dataset", "key", "-o", key])];
  }));
  return { stage, registered, sealing };
}

/** One audit on chain, with the files that its buyer and its sellers make. */
export class Audit {
  /** What `assay escrow audit open` reported, of an audit of `set`. */
  constructor({ stage, registered, sealing }, { job }, set = stage.found.test.set) {
    Object.assign(this, { stage, registered, sealing, job, set });
    /** Where the sealed delivery lies. */
    this.sealed = stage.file(`${job}.set.age`);
  }

  /** Opens one that admits both networks; options are those of the command. */
  static open(prepared, ...options) {
    const { stage } = prepared;
    const { found } = stage;
    const opened = stage.actors.buyer.send(
      "escrow", "audit", "open", "--set", found.test.set,
      "--admit", found.circuits.audit.architecture, "--admit", found.circuits.coarseAudit.architecture,
      "--reward", wei(REWARD), "--bond", wei(BOND), "--stake", wei(STAKE),
      "--abort-fee", wei(FEE), "--enter-within", String(HOUR), "--deliver-within", String(HOUR),
      "--accept-within", String(HOUR), "--prove-within", String(HOUR), ...options,
    );
    assert.deepEqual([opened.root, opened.items], [found.test.root, ITEMS]);
    return new Audit(prepared, opened);
  }

  send(actor, command, ...args) {
    return actor.send("escrow", "audit", command, this.job, ...args);
  }

  show() {
    return this.stage.ask("escrow", "audit", "show", this.job);
  }

  enter(actor, circuit, ...options) {
    const { id, architecture } = this.registered[circuit];
    return this.send(actor, "enter", "--model", id, "--architecture", architecture,
      "--encryption-key", this.sealing[actor.name].recipient, ...options);
  }

  deliver(set = this.set, ...options) {
    return this.send(this.stage.actors.buyer, "deliver", "--set", set, "--data", this.sealed, "--place", PLACE,
      ...options);
  }

  /** What a seller makes of the delivery. */
  unseal(actor, set = this.stage.file(`unsealed-${this.job}-${actor.name}.set`)) {
    return assay([
      "dataset", "unseal", this.sealed, "--key", this.sealing[actor.name].key, "-o", set,
    ]).unsealed;
  }

  /** A seller looks at the set with a bundle, and accepts. */
  accept(actor, circuit, { set = this.unseal(actor), bundle = this.stage.model(circuit).bundle } = {}) {
    return this.send(actor, "accept", "--set", set, "--bundle", bundle, "--setup", this.stage.found.setup);
  }

  /** Proves runs of an entry's model for its context, into a folder. */
  prove(circuit, { context }, proofs, ...runs) {
    const { bundle, keys } = this.stage.model(circuit);
    return assay(["audit", "prove", bundle, "--set", this.set, "--setup", this.stage.found.setup,
      "--keys", keys, "--context", context, "-o", proofs, ...runs]);
  }

  submit(actor, proofs) {
    return this.send(actor, "submit", "--proofs", proofs);
  }

  /** That it ended so, what everybody takes out, and what stays for ever. */
  async ended(state, expected, burnt) {
    assert.equal(this.show().state, state);
    await takeOut(this.stage, "AuditEscrow", "audit", expected, burnt);
  }
}
