// A proven selection from a committed collection.

import assert from "node:assert/strict";
import fs from "node:fs";
import { describe } from "node:test";

import { assay, ether, wei } from "../lib/assay.mjs";
import { ITEMS, WANTED_CLASS } from "../lib/models.mjs";
import { forge, openStage, play, prepare, refused, takeOut } from "./play.mjs";

const PRICE = ether("0.2");
const stage = await openStage("deployer", "buyer", "seller");
const { deployer, buyer, seller } = stage.actors;
const { found } = stage;
const { root, set } = found.collection;
const model = stage.register(seller, "retrieval");

const send = (actor, command, job, ...args) => actor.send("escrow", "retrieval", command, job, ...args);
const open = () => buyer.send(
  "escrow", "retrieval", "open", "--model", model.id, "--architecture", model.architecture,
  "--class", String(WANTED_CLASS), "--holder", seller.address, "--root", root, "--items", String(ITEMS), "--price", wei(PRICE),
  "--prove-within", "3600", "--open-within", "3600",
);

describe("a retrieval that is proven", () => {
  let job, context, proofs;
  const scene = prepare(stage, () => {
    ({ job, context } = open());
    proofs = stage.file("proofs");
    assay(["retrieve", "prove", model.bundle, "--set", set, "--setup", found.setup,
      "--keys", model.keys, "--context", context, "-o", proofs]);
  });
  const publish = () => {
    const openings = stage.file("openings.tar.age");
    fs.writeFileSync(openings, "what the requester's key opens");
    return send(seller, "publish", job, "--data", openings, "--place", "https://example.org/openings.tar.age");
  };

  play(scene, "is paid when its openings are published", async () => {
    refused("NotCovered", () => publish());
    assert.equal(send(seller, "submit", job, "--proofs", proofs).missing, "0");
    assert.equal(send(seller, "submit", job, "--proofs", proofs).submitted, 0, "nothing is sent twice");
    refused("DeadlineNotPassed", () => send(buyer, "settle", job));
    assert.equal(publish().state, "paid");
    await takeOut(stage, "RetrievalEscrow", "retrieval", [[seller, PRICE]]);
  });

  play(scene, "shows the selected items, on the chain and without it", () => {
    const selected = found.labels.flatMap((label, index) => (label === WANTED_CLASS ? [index] : []));
    assert.ok(selected.length > 0);
    const verified = assay(["retrieve", "verify", proofs, "--architecture", model.architecture,
      "--setup", found.setup, "--items", String(ITEMS), "--root", root, "--context", context]);
    assert.deepEqual([verified.selected, verified.complete], [selected, true], "without the chain");
    send(seller, "submit", job, "--proofs", proofs);
    assert.deepEqual(stage.ask("escrow", "retrieval", "show", job).selected, selected);
  });

  play(scene, "refuses a proof that claims another selection", () => {
    const forged = forge(stage, "count", proofs);
    refused("the escrow refuses run 0", () => send(seller, "submit", job, "--proofs", forged));
  });

  play(scene, "does not count for another retrieval", () => {
    const other = open();
    refused("made for another use", () => send(seller, "submit", other.job, "--proofs", proofs));
  });
});

play(stage, "a retrieval that nobody proves is refunded", async () => {
  const { job } = open();
  await stage.pass(3601);
  assert.equal(send(deployer, "settle", job).state, "refunded");
  await takeOut(stage, "RetrievalEscrow", "retrieval", [[buyer, PRICE]]);
});
