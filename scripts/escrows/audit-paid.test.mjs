// A bounty for a proven accuracy, from the entry to the certificate, and what is refused on the way.

import assert from "node:assert/strict";
import fs from "node:fs";
import { describe } from "node:test";

import { DIGITS, assay } from "../lib/assay.mjs";
import { BATCH, ITEMS, derive, importNetwork } from "../lib/models.mjs";
import { Audit, BOND, FEE, HOUR, REWARD, STAKE, prepareAudits } from "./audits.mjs";
import { forge, openStage, play, prepare, refused } from "./play.mjs";

const stage = await openStage("deployer", "buyer", "seller", "rival");
const { deployer, buyer, seller, rival } = stage.actors;
const prepared = prepareAudits(stage);
const { found } = stage;
const RUNS = ITEMS / BATCH;

/** Another set of as many digits. */
function otherSet() {
  const set = stage.file("other.set");
  assay(["dataset", "commit", `${DIGITS}/images`, "--architecture", found.circuits.audit.architecture,
    "--limit", String(ITEMS), "-o", set]);
  return set;
}

describe("an audit that is open", () => {
  let audit;
  const scene = prepare(stage, () => {
    audit = Audit.open(prepared, "--required", String(ITEMS));
  });

  play(scene, "holds the reward and the buyer's bond", async () => {
    assert.equal(await stage.held("AuditEscrow"), REWARD + BOND);
  });

  play(scene, "cannot be entered with a model of another circuit", () => {
    const { id } = stage.register(seller, "prediction");
    refused("is registered with circuit", () => audit.send(
      seller, "enter", "--model", id, "--architecture", found.circuits.audit.architecture,
    ));
  });

  play(scene, "takes no second entry", () => {
    assert.equal(audit.enter(seller, "audit").batch, BATCH);
    refused("EntriesFull", () => audit.enter(rival, "coarseAudit"));
  });
});

describe("an audit with a challenge", () => {
  let audit, challenge;
  const scene = prepare(stage, () => {
    challenge = otherSet();
    audit = Audit.open(prepared, "--required", String(ITEMS), "--challenge", challenge);
  });

  /** The first run of the challenge, proven for the context that `assay escrow audit enter` asks for. */
  const proven = (actor, circuit, set = challenge) => {
    const asked = refused("prove to have the weights", () => audit.enter(actor, circuit));
    const [, context] = /--context (0x[0-9a-f]{64})/.exec(asked);
    const proofs = stage.file(`possession-${actor.name}`);
    const { bundle, keys } = stage.model(circuit);
    assay(["audit", "prove", bundle, "--set", set, "--setup", found.setup, "--keys", keys, "--runs", "0", "1",
      "--context", context, "-o", proofs]);
    return proofs;
  };

  play(scene, "is entered with a proof of the weights, and with nobody else's", () => {
    const proofs = proven(seller, "audit");
    refused("another use", () => audit.enter(rival, "audit", "--possession", proofs));
    refused("verifying key", () => audit.enter(seller, "coarseAudit", "--possession", proofs));
    refused("ProofInvalid", () => audit.enter(seller, "audit", "--possession", forge(stage, "proof", proofs)));
    audit.enter(seller, "audit", "--possession", proofs);
    assert.equal(audit.show().entries[0].state, "entered");
  });

  play(scene, "is not entered with a proof on another collection", () => {
    const proofs = proven(seller, "audit", found.test.set);
    refused("is about the collection", () => audit.enter(seller, "audit", "--possession", proofs));
  });
});

describe("an audit that was entered", () => {
  let audit;
  const scene = prepare(stage, () => {
    audit = Audit.open(prepared, "--required", String(ITEMS));
    audit.enter(seller, "audit");
  });

  play(scene, "gets the committed set and no other, sealed to the seller", () => {
    refused("not the test set", () => audit.deliver(otherSet()));
    audit.deliver();
    const sealed = fs.readFileSync(audit.sealed);
    assert.ok(!sealed.includes(fs.readFileSync(found.test.set).subarray(-200, -32)), "the set is not in the open");
    refused("not sealed to this key", () => audit.unseal(rival));
    assert.deepEqual(fs.readFileSync(audit.unseal(seller)), fs.readFileSync(found.test.set));
  });
});

describe("a delivered set", () => {
  let audit;
  const scene = prepare(stage, () => {
    audit = Audit.open(prepared, "--required", String(ITEMS));
    audit.enter(seller, "audit");
    audit.deliver();
  });

  /** A bundle of the audit's circuit. */
  const derived = (source, openings) => {
    const bundle = stage.file("derived.bundle");
    derive(source, "audit", bundle, openings);
    return bundle;
  };

  play(scene, "is not accepted when it is another one", () => {
    refused("not the test set", () => audit.accept(seller, "audit", { set: otherSet() }));
  });

  play(scene, "is not accepted with a bundle of another circuit", () => {
    refused("is registered with circuit", () => audit.accept(seller, "retrieval"));
  });

  play(scene, "is not accepted with the same network under another seed", () => {
    const again = stage.file("again.bundle");
    importNetwork("good", again);
    const bundle = derived(again, 1);
    refused("which was entered, is", () => audit.accept(seller, "audit", { bundle }));
  });

  play(scene, "is not accepted with fewer openings than runs", () => {
    const bundle = derived(stage.model("audit").bundle, 1);
    refused("1 of the 1 openings", () => audit.accept(seller, "audit", { bundle }));
  });
});

describe("an accepted audit", () => {
  let audit, entered, first;
  const scene = prepare(stage, () => {
    audit = Audit.open(prepared, "--required", String(ITEMS));
    entered = audit.enter(seller, "audit");
    audit.deliver();
    audit.accept(seller, "audit");
    first = stage.file("first-run");
    assert.equal(audit.prove("audit", entered, first, "--runs", "0", "1").made, 1);
  });

  play(scene, "is paid and certified once all runs are proven", async () => {
    const proofs = stage.file("proofs");
    fs.cpSync(first, proofs, { recursive: true });
    assert.equal(audit.submit(seller, proofs).submitted, 1);
    refused("Undecided", () => audit.send(seller, "settle"));
    assert.equal(audit.prove("audit", entered, proofs).made, 1);
    const { submitted, proven_before, correct, missing } = audit.submit(seller, proofs);
    assert.deepEqual([submitted, proven_before], [1, 1]);
    assert.deepEqual([correct, missing], [String(ITEMS), "0"]);
    const end = audit.send(deployer, "settle");
    assert.deepEqual([end.state, end.winner], ["paid", "1"]);
    audit.send(deployer, "certify", "--entry", "1");
    refused("AlreadyCertified", () => audit.send(deployer, "certify", "--entry", "1"));
    const shown = audit.show();
    assert.deepEqual([shown.entries[0].state, shown.entries[0].certified], ["returned", true]);
    assert.equal(shown.winner, "1");
    await audit.ended("paid", [[buyer, BOND], [seller, REWARD + STAKE]]);
  });

  play(scene, "refuses a changed proof, and takes the honest one", () => {
    refused("the escrow refuses run 0", () => audit.submit(seller, forge(stage, "proof", first)));
    assert.equal(audit.show().entries[0].missing, String(RUNS));
    const { submitted, correct, missing } = audit.submit(seller, first);
    assert.deepEqual([submitted, correct, missing], [1, String(BATCH), String(RUNS - 1)]);
  });

  play(scene, "refuses a proof file that was damaged", () => {
    const damaged = stage.file("damaged");
    fs.cpSync(first, damaged, { recursive: true });
    const file = `${damaged}/run-00000.proof`;
    const bytes = fs.readFileSync(file);
    bytes[bytes.length >> 1] ^= 1;
    fs.writeFileSync(file, bytes);
    refused("does not match its integrity hash", () => audit.submit(seller, damaged));
  });

  play(scene, "refuses a proof of another audit", () => {
    const next = Audit.open(prepared, "--required", "1");
    next.enter(seller, "audit");
    next.deliver();
    next.accept(seller, "audit");
    refused("made for another use", () => next.submit(seller, first));
  });

  play(scene, "costs the seller the stake if it proves nothing", async () => {
    await stage.pass(4 * HOUR + 1);
    audit.send(deployer, "settle");
    assert.equal(audit.show().entries[0].state, "forfeited");
    await audit.ended("refunded", [[buyer, REWARD + BOND + STAKE - FEE]], FEE);
  });
});
