// Audits that end otherwise than with a paid bounty, and a contest of two sellers.

import assert from "node:assert/strict";
import fs from "node:fs";
import { describe } from "node:test";

import { wei } from "../lib/assay.mjs";
import { BATCH, ITEMS } from "../lib/models.mjs";
import { Audit, BOND, FEE, HOUR, REWARD, STAKE, prepareAudits } from "./audits.mjs";
import { forge, openStage, play, prepare, refused } from "./play.mjs";

const stage = await openStage("deployer", "buyer", "seller", "rival");
const { deployer, buyer, seller, rival } = stage.actors;
const prepared = prepareAudits(stage);
const { found } = stage;

play(stage, "a bounty is lost by a model that is too weak, whatever its seller claims", async () => {
  const audit = Audit.open(prepared, "--required", String(ITEMS));
  const entered = audit.enter(seller, "coarseAudit");
  audit.deliver();
  refused(`classifies ${found.coarseCorrect} of the ${ITEMS} items correctly`, () =>
    audit.accept(seller, "coarseAudit"));
  refused("--claim", () => audit.send(seller, "accept", "--unchecked"));
  refused("ClaimOutOfRange", () => audit.send(seller, "accept", "--unchecked", "--claim", String(ITEMS + 1)));
  audit.send(seller, "accept", "--unchecked", "--claim", String(ITEMS));
  const proofs = stage.file("proofs");
  audit.prove("coarseAudit", entered, proofs);
  assert.ok(found.coarseCorrect < ITEMS);
  refused("the escrow refuses run 0", () => audit.submit(seller, forge(stage, "count", proofs)));
  assert.equal(audit.submit(seller, proofs).correct, String(found.coarseCorrect));
  refused("Undecided", () => audit.send(buyer, "settle"));
  await stage.pass(4 * HOUR + 1);
  const end = audit.send(buyer, "settle");
  assert.deepEqual([end.state, end.winner], ["refunded", null]);
  await audit.ended("refunded", [[buyer, REWARD + BOND + STAKE - FEE]], FEE);
  refused("has a credit of 0 ETH", () => seller.withdraw("audit"));
});

play(stage, "a contest of two sellers goes to the higher claim, for one seller's proofs", async () => {
  const { set } = found.short;
  const audit = new Audit(prepared, buyer.send(
    "escrow", "audit", "open", "--set", set, "--required", "1", "--max-entries", "2",
    "--admit", found.circuits.audit.architecture, "--admit", found.circuits.coarseAudit.architecture,
    "--reward", wei(REWARD), "--bond", wei(BOND), "--stake", wei(STAKE),
  ), set);
  const [coarse, good] = [audit.enter(rival, "coarseAudit"), audit.enter(seller, "audit")];
  assert.deepEqual([coarse.entry, good.entry], ["1", "2"]);
  // One file for both.
  audit.deliver();
  audit.accept(rival, "coarseAudit");
  audit.accept(seller, "audit");
  const claims = audit.show().entries.map(({ claim, prove_by }) => [claim, prove_by]);
  assert.deepEqual(claims.map(([claim]) => claim), [String(BATCH - 1), String(BATCH)]);
  assert.equal(claims[0][1] - claims[1][1], audit.show().prove_window, "one window after the other");
  refused("Undecided", () => audit.send(rival, "settle"));
  const proofs = stage.file("proofs");
  audit.prove("audit", good, proofs);
  const { correct, claim } = audit.submit(seller, proofs);
  assert.deepEqual([correct, claim], [String(BATCH), String(BATCH)]);
  const end = audit.send(deployer, "settle");
  assert.deepEqual([end.state, end.winner], ["paid", good.entry]);
  audit.send(deployer, "release", "--entry", coarse.entry);
  refused("EntryEnded", () => audit.send(deployer, "release", "--entry", coarse.entry));
  await audit.ended("paid", [[buyer, BOND], [seller, REWARD + STAKE], [rival, STAKE]]);
});

describe("a delivered set that the seller", () => {
  let audit;
  const scene = prepare(stage, () => {
    audit = Audit.open(prepared, "--required", String(ITEMS));
    audit.enter(seller, "coarseAudit");
    audit.deliver();
  });
  const aborted = async () => {
    audit.send(buyer, "settle");
    assert.equal(audit.show().entries[0].state, "aborted");
    await audit.ended("refunded", [[buyer, REWARD + BOND - FEE], [seller, STAKE - FEE]], 2n * FEE);
  };

  play(scene, "gives up costs both sides the abort fee", async () => {
    audit.send(seller, "abort");
    assert.equal(audit.send(buyer, "return-bond").lost, String(FEE));
    refused("BondReturned", () => audit.send(buyer, "return-bond"));
    assert.equal(audit.show().bond_returned, true);
    await aborted();
  });

  play(scene, "does not answer at all costs both sides the abort fee", async () => {
    refused("Undecided", () => audit.send(buyer, "settle"));
    await stage.pass(3 * HOUR + 1);
    await aborted();
  });
});

play(stage, "a buyer that does not deliver loses its bond", async () => {
  const audit = Audit.open(prepared, "--required", String(ITEMS));
  audit.enter(seller, "audit");
  refused("DeadlineNotPassed", () => audit.send(seller, "settle"));
  await stage.pass(2 * HOUR + 1);
  refused("DeadlinePassed", () => audit.deliver());
  assert.equal(audit.send(seller, "settle").state, "undelivered");
  await audit.ended("undelivered", [[buyer, REWARD], [seller, STAKE + BOND]]);
});

play(stage, "an audit that nobody enters is refunded", async () => {
  const audit = Audit.open(prepared, "--required", "1");
  await stage.pass(HOUR + 1);
  audit.send(buyer, "settle");
  await audit.ended("refunded", [[buyer, REWARD + BOND]]);
});

play(stage, "a claim that is not proven gives way to the next one", async () => {
  const audit = Audit.open(prepared, "--required", "1", "--max-entries", "2");
  const [bold, honest] = [audit.enter(rival, "coarseAudit"), audit.enter(seller, "audit")];
  audit.deliver();
  audit.send(rival, "accept", "--unchecked", "--claim", String(ITEMS));
  audit.send(seller, "accept", "--unchecked", "--claim", String(BATCH));
  const proofs = stage.file("proofs");
  audit.prove("audit", honest, proofs, "--runs", "0", "1");
  await stage.pass(4 * HOUR + 1);
  refused("Undecided", () => audit.send(buyer, "settle"));
  audit.submit(seller, proofs);
  const end = audit.send(buyer, "settle");
  assert.deepEqual([end.state, end.winner], ["paid", honest.entry]);
  audit.send(buyer, "release", "--entry", bold.entry);
  assert.deepEqual(audit.show().entries.map(({ state }) => state), ["forfeited", "returned"]);
  await audit.ended("paid", [[buyer, BOND + STAKE - FEE], [seller, REWARD + STAKE]], FEE);
});

describe("an audit without a list of models", () => {
  let audit;
  const foreign = () => stage.file("foreign.pub");
  /** Enters with a key of another kind. */
  const enter = () => {
    fs.writeFileSync(foreign(), "a key for another program");
    return audit.send(seller, "enter", "--model", prepared.registered.coarseAudit.id,
      "--architecture", found.circuits.coarseAudit.architecture, "--encryption-key", foreign());
  };
  const scene = prepare(stage, () => {
    audit = new Audit(prepared, buyer.send(
      "escrow", "audit", "open", "--set", found.test.set, "--required", "1", "--reward", wei(REWARD),
      "--stake", wei(STAKE), "--enter-within", "60", "--deliver-within", "600", "--accept-within", "600",
      "--prove-within", "600", "--admit-at-delivery",
    ));
  });

  play(scene, "cannot be sealed to a key of another program", () => {
    enter();
    refused("no key that files are sealed to", () => audit.send(
      buyer, "deliver", "--set", found.test.set, "--data", stage.file("x"), "--place", "-", "--trust-registry",
    ));
  });

  play(scene, "gets the set, encrypted by other means, when the buyer approves of the entries it knows", async () => {
    enter();
    const encrypted = stage.file("other-means");
    fs.writeFileSync(encrypted, "what that key opens");
    const deliver = (...trusted) => audit.send(buyer, "deliver", "--data", encrypted, "--place", "-", ...trusted);
    refused("approves of its entries", () => deliver());
    refused("none of those admitted has", () =>
      deliver("--admit", found.circuits.audit.architecture, "--approve", "1"));
    refused("none of the entries", () => deliver("--admit", found.circuits.audit.architecture));
    refused("no longer those", () => deliver("--trust-registry", "--entries", `0x${"11".repeat(32)}`));
    deliver("--admit", found.circuits.coarseAudit.architecture, "--entries", audit.show().entries_hash);
    audit.send(seller, "abort");
    audit.send(seller, "settle");
    // The bond was a fee of a tenth of the stake.
    await audit.ended("refunded", [[buyer, REWARD], [seller, STAKE - STAKE / 10n]], STAKE / 5n);
  });
});

describe("the entries of an audit", () => {
  let audit;
  const scene = prepare(stage, () => {
    audit = Audit.open(prepared, "--required", "1", "--max-entries", "2");
    audit.enter(seller, "audit");
    audit.enter(rival, "coarseAudit");
  });

  play(scene, "are turned away by a buyer that knows none of them", async () => {
    refused("WrongCaller", () => audit.send(seller, "decline"));
    refused("no longer those", () => audit.send(buyer, "decline", "--entries", `0x${"11".repeat(32)}`));
    assert.equal(audit.send(buyer, "decline").entries, 2);
    await audit.ended("refunded", [[buyer, REWARD + BOND], [seller, STAKE], [rival, STAKE]]);
  });

  play(scene, "get their stakes back at once where the set is delivered to others", async () => {
    refused("has no entry 3", () => audit.deliver(audit.set, "--approve", "3"));
    assert.deepEqual(audit.deliver(audit.set, "--approve", "2").approved, ["2"]);
    refused("not sealed to this key", () => audit.unseal(seller));
    assert.deepEqual(audit.show().entries.map(({ state }) => state), ["returned", "entered"]);
    audit.send(rival, "abort");
    audit.send(buyer, "settle");
    await audit.ended("refunded",
      [[buyer, REWARD + BOND - FEE], [seller, STAKE], [rival, STAKE - FEE]], 2n * FEE);
  });
});

play(stage, "an audit for named sellers takes each of them once, and nobody else", async () => {
  const list = stage.file("sellers");
  fs.writeFileSync(list, `${seller.address}\n${rival.address}\n`);
  const audit = Audit.open(prepared, "--required", "1", "--max-entries", "2", "--sellers", list);
  refused("names its sellers", () => audit.enter(rival, "coarseAudit"));
  refused("is none of the sellers", () => audit.send(deployer, "enter", "--model", prepared.registered.audit.id,
    "--architecture", found.circuits.audit.architecture, "--sellers", list));
  audit.enter(rival, "coarseAudit", "--sellers", list);
  refused("AlreadyEntered", () => audit.enter(rival, "audit", "--sellers", list));
  const alone = Audit.open(prepared, "--required", "1", "--seller", seller.address);
  refused("names its sellers", () => alone.enter(rival, "coarseAudit"));
  assert.equal(alone.enter(seller, "audit").entry, "1");
});
