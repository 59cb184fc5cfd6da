// The seller's side is served by a relayer alone, and what is due is done by keepers: nobody is at a keyboard.

import assert from "node:assert/strict";
import fs from "node:fs";
import { describe } from "node:test";

import { assay, ether, wei } from "../lib/assay.mjs";
import { BATCH, ITEMS, WANTED_CLASS } from "../lib/models.mjs";
import { Audit, BOND, FEE, HOUR, REWARD, STAKE, prepareAudits } from "./audits.mjs";
import { openStage, play, prepare, takeOut } from "./play.mjs";
import { relay, relayAndKill } from "./relay.mjs";

const [PENALTY, COST, PAID] = [ether("2"), ether("0.01"), ether("0.3")];
const RUNS = ITEMS / BATCH;
const stage = await openStage("deployer", "buyer", "seller", "rival");
const { buyer, seller } = stage.actors;
const { found } = stage;
const prediction = stage.register(seller, "prediction");
const classes = stage.register(seller, "classification");

const service = (actor, command, ...args) => actor.send("service", command, ...args);
const batchState = (batch) => stage.ask("service", "batch", batch).state;

/** What keepers had done when they were last asked, by their store. */
const before = new Map();
/** What an actor's keeper does when it looks once. */
const keep = (actor) =>
  actor.send("relayer", "keep", "--once", "--poll", "50", "--store", stage.file(`${actor.name}.db`)).duties;
/** That an actor's keeper does these kinds of things, one each, and has nothing left to do then. */
function kept(actor, ...kinds) {
  const store = stage.file(actor.name);
  const known = new Set(before.get(store) ?? []);
  const duties = keep(actor);
  assert.ok(duties.every(({ state }) => state === "over"), JSON.stringify(duties));
  const done = duties.filter(({ what }) => !known.has(what)).map(({ duty }) => duty.kind);
  before.set(store, duties.map(({ what }) => what));
  assert.deepEqual(done.sort(), [...kinds].sort(), `${actor.name} keeps`);
}

/** Opens a service of a model. */
const openService = (model) => service(
  seller, "open", "--model", model.id, ...model.checked, "--bond", wei(3n * PENALTY), "--penalty", wei(PENALTY),
  "--proof-cost", wei(COST), "--contest-window", "3600", "--proof-window", "3600", "--notice-period", "10000",
).service;

/** Sells answers, and leaves their file where the relayer looks. */
function sell(id, asked, bought) {
  const folder = stage.file("answers");
  fs.mkdirSync(folder, { recursive: true });
  const [answers, receipt] = [`${folder}/first.json`, stage.file("receipt.json")];
  assay(["service", "answer", ...asked, "-o", answers]);
  service(seller, "sign", answers, "--service", id, "--buyer", buyer.address, "--price", wei(PAID), "-o", receipt);
  return { folder, ...service(buyer, "post", receipt, "--answers", answers, ...bought) };
}

const own = (inputs, ...options) => [
  "--private-key-file", seller.keyFile, "--minimum-price", "1wei", "--inputs", inputs,
  "--store", stage.file("jobs.db"), ...options,
];

play(stage, "a service keeps its bond, and its buyer is served, by a relayer alone", async () => {
  const inputs = stage.file("inputs");
  const openings = found.images.map((image) => assay([
    "input", "commit", "--architecture", prediction.architecture, "--input", image, "-o", inputs,
  ]));
  const sold = sell(
    openService(prediction), [...openings.map(({ opening }) => opening), "--bundle", prediction.bundle],
    ["--inputs", inputs, ...prediction.checked],
  );
  service(buyer, "contest", sold.batch, "--items", "0,2");
  // A job beside it.
  const { job } = buyer.send(
    "escrow", "open", "--model", prediction.id, ...prediction.checked, "--commitment", openings[1].commitment,
    "--price", "1ether",
  );
  const log = stage.file("relayer.log");
  const { duties } = await relay(stage, prediction, own(inputs, "--answers", sold.folder), log, () =>
    batchState(sold.batch) === "posted" && stage.ask("escrow", "show", job).state === "claimed");
  assert.ok(duties.filter(({ duty }) => duty.kind === "prove_item").length === 2, JSON.stringify(duties));
  // Again, and this time the relayer is away until the end is near.
  service(buyer, "contest", sold.batch, "--items", "1");
  await stage.pass(3000);
  await relay(stage, prediction, own(inputs, "--answers", sold.folder, "--keep"), log, () =>
    batchState(sold.batch) === "posted");
  await stage.pass(601);
  await relay(stage, prediction, own(inputs, "--answers", sold.folder, "--keep"), log, async () =>
    batchState(sold.batch) === "upheld" && (await stage.held("ServiceBond")) === 3n * PENALTY);
});

play(stage, "a collection is proven, claimed and withdrawn run by run, and contested runs are proven", async () => {
  const inputs = stage.file("inputs");
  fs.mkdirSync(inputs);
  const { root, set } = found.collection;
  fs.copyFileSync(set, `${inputs}/${root.replace(/^0x/, "")}.set`);
  const sold = sell(openService(classes), ["--set", set, "--bundle", classes.bundle], ["--set", set, ...classes.checked]);
  service(buyer, "contest", sold.batch, "--items", "1");
  const { job } = buyer.send(
    "escrow", "open", "--model", classes.id, ...classes.checked, "--commitment", root, "--price", "0.1ether",
    "--items", String(ITEMS), "--deadline", "7200",
  );
  const log = stage.file("relayer.log");
  const { duties, jobs } = await relay(stage, classes, own(inputs, "--answers", sold.folder), log, async () =>
    batchState(sold.batch) === "posted" && stage.ask("escrow", "show", job).state === "claimed"
      && (await stage.held("PredictionEscrow")) === 0n);
  const count = (kind) => duties.filter(({ duty }) => duty.kind === kind).length;
  assert.deepEqual([count("prove_item"), count("claim_run")], [1, RUNS], JSON.stringify(duties));
  assert.deepEqual(jobs.map(({ state }) => state.name), ["skipped"]);
});

play(stage, "a retrieval is proven, published and paid by a relayer that is killed on its way, beside its jobs", async () => {
  const retrieval = stage.register(seller, "retrieval");
  const { root, set } = found.collection;
  const [inputs, collections, published] = ["inputs", "collections", "published"].map((name) => stage.file(name));
  fs.mkdirSync(collections);
  const key = stage.file("requester.age-key");
  const { recipient } = assay(["dataset", "key", "-o", key]);
  const { commitment } = assay([
    "input", "commit", "--architecture", prediction.architecture, "--input", found.images[0], "-o", inputs,
  ]);
  const { job: predicted } = buyer.send(
    "escrow", "open", "--model", prediction.id, ...prediction.checked, "--commitment", commitment, "--price", "1ether",
  );
  const { job } = buyer.send(
    "escrow", "retrieval", "open", "--model", retrieval.id, "--architecture", retrieval.architecture,
    "--class", String(WANTED_CLASS), "--holder", seller.address, "--root", root, "--items", String(ITEMS),
    "--price", "0.2ether", "--prove-within", "3600", "--open-within", "3600", "--hint", recipient,
  );
  const options = own(
    inputs, "--bundle", retrieval.bundle, "--keys", retrieval.keys, "--collections", collections,
    "--published", published, "--published-at", "https://example.org/openings/",
  );
  const shown = () => stage.ask("escrow", "retrieval", "show", job);
  const log = stage.file("relayer.log");
  // The collection is not there yet: it says so, and serves its jobs.
  const { left_alone: [left] } = await relay(stage, prediction, options, log, () =>
    stage.ask("escrow", "show", predicted).state === "claimed" && /put it there/.test(fs.readFileSync(log, "utf8")));
  assert.deepEqual([left.what, left.reason.kind], [`retrieval ${job}`, "collection"]);
  fs.copyFileSync(set, `${collections}/${root.replace(/^0x/, "")}.set`);
  await relayAndKill(stage, prediction, options, log, () => shown().missing.length < RUNS);
  const { duties, left_alone } = await relay(stage, prediction, options, log, async () =>
    shown().state === "paid" && (await stage.held("RetrievalEscrow")) === 0n);
  const count = (kind) => duties.filter(({ duty }) => duty.kind === kind).length;
  assert.deepEqual([count("prove_retrieval_run"), count("publish_retrieval"), left_alone], [RUNS, 1, []],
    JSON.stringify(duties));
  // What the requester has of it.
  const { selected, publication } = shown();
  const [, file] = /^https:\/\/example\.org\/openings\/(.*\.jsonl\.age)$/.exec(publication.place);
  const openings = stage.file("openings.jsonl");
  assay(["dataset", "unseal", `${published}/${file}`, "--key", key, "--any", "-o", openings]);
  const { files } = assay(["dataset", "verify", openings, "--root", root]);
  assert.deepEqual(files.map(({ index }) => index), selected);
  assert.ok(selected.length > 0);
});

play(stage, "an audit is entered, answered for and proven by a relayer that is killed on its way", async () => {
  const prepared = prepareAudits(stage);
  const { bundle, keys } = prepared.registered.audit;
  const [inputs, sets, log] = ["inputs", "sets", "relayer.log"].map((name) => stage.file(name));
  const audit = Audit.open(prepared, "--required", String(ITEMS));
  const options = own(
    inputs, "--bundle", bundle, "--keys", keys, "--audits", sets, "--audit-key", prepared.sealing.seller.key,
    "--audit-stake", wei(STAKE), "--audit-reward", wei(REWARD),
  );
  const entry = () => audit.show().entries[0];
  const rich = await seller.balance();
  await relayAndKill(stage, prediction, options, log, () => entry() !== undefined);
  await stage.rpc("evm_mine");
  audit.deliver();
  fs.copyFileSync(audit.sealed, `${sets}/from the buyer`);
  await relayAndKill(stage, prediction, options, log, () => entry().state === "accepted" && entry().missing < RUNS);
  const { duties } = await relay(stage, prediction, options, log, async () =>
    audit.show().state === "paid" && (await stage.held("AuditEscrow")) === BOND);
  const kinds = duties.map(({ duty }) => duty.kind).sort();
  assert.deepEqual(kinds, ["accept_audit", "enter_audit", ...Array(RUNS).fill("prove_audit_run"), "settle_audit", "withdraw"],
    JSON.stringify(duties));
  assert.deepEqual([audit.show().entries.length, entry().state], [1, "returned"]);
  assert.ok((await seller.balance()) > rich + REWARD - ether("0.02"), "the reward is there, and the stake is back");
});

describe("keepers", () => {
  let prepared;
  const scene = prepare(stage, () => {
    prepared = prepareAudits(stage);
  });

  play(scene, "have predictions and retrievals refunded", async () => {
    const retrieval = stage.register(seller, "retrieval");
    buyer.send("escrow", "open", "--model", prediction.id, ...prediction.checked, "--commitment", `0x${"01".repeat(31)}00`,
      "--price", "1ether", "--deadline", "3600");
    buyer.send(
      "escrow", "retrieval", "open", "--model", retrieval.id, "--architecture", retrieval.architecture,
      "--class", String(WANTED_CLASS), "--holder", seller.address, "--root", found.collection.root,
      "--items", String(ITEMS), "--price", "1ether", "--prove-within", "3600", "--open-within", "3600",
    );
    kept(buyer);
    await stage.pass(3601);
    kept(seller);
    kept(buyer, "refund_prediction", "settle_retrieval", "withdraw", "withdraw");
    for (const contract of ["PredictionEscrow", "RetrievalEscrow"]) assert.equal(await stage.held(contract), 0n);
    kept(buyer);
  });

  play(scene, "end an audit whose buyer does not deliver", async () => {
    const audit = Audit.open(prepared, "--required", "1");
    audit.enter(seller, "audit");
    kept(seller);
    await stage.pass(2 * HOUR + 1);
    kept(seller, "release_entry", "withdraw");
    kept(buyer, "settle_audit", "withdraw");
    await takeOut(stage, "AuditEscrow", "audit", []);
    assert.equal(audit.show().state, "undelivered");
  });

  play(scene, "end an audit whose claim is not proven, for its buyer", async () => {
    const audit = Audit.open(prepared, "--required", "1");
    audit.enter(seller, "coarseAudit");
    audit.deliver();
    audit.send(seller, "accept", "--unchecked", "--claim", String(ITEMS));
    kept(seller);
    kept(buyer, "return_bond", "withdraw");
    await stage.pass(4 * HOUR + 1);
    kept(seller);
    buyer.send("relayer", "keep", "--once", "--poll", "50", "--store", stage.file("buyer.db"));
    assert.deepEqual(audit.show().entries.map(({ state }) => state), ["forfeited"]);
    await takeOut(stage, "AuditEscrow", "audit", [], FEE);
  });

  play(scene, "pay the winner of an audit, with its stake", async () => {
    const audit = Audit.open(prepared, "--required", String(ITEMS));
    const entered = audit.enter(seller, "audit");
    audit.deliver();
    audit.accept(seller, "audit");
    const proofs = stage.file("proofs");
    audit.prove("audit", entered, proofs);
    audit.submit(seller, proofs);
    const rich = await seller.balance();
    keep(seller);
    keep(buyer);
    assert.equal(audit.show().state, "paid");
    assert.ok((await seller.balance()) > rich + REWARD + STAKE - ether("0.01"));
    await takeOut(stage, "AuditEscrow", "audit", []);
  });
});
