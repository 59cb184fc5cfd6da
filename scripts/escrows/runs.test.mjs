// Predictions of the items of a committed collection, answered, proven and paid for by runs; and a prediction that shows
// several words.

import assert from "node:assert/strict";
import fs from "node:fs";
import { describe } from "node:test";

import { assay, ether, wei } from "../lib/assay.mjs";
import { BATCH, ITEMS } from "../lib/models.mjs";
import { forge, openStage, play, prepare, refused, takeOut } from "./play.mjs";

const RUNS = ITEMS / BATCH;
const PRICE = 3n;
const stage = await openStage("deployer", "buyer", "seller", "rival");
const { deployer, buyer, seller, rival } = stage.actors;
const { found } = stage;
const { root, set } = found.collection;
const model = stage.register(seller, "classification");
const logits = stage.register(seller, "logits");

/** The word that a proof of a run shows: 16 bits for each of its items. */
const word = (run) =>
  found.labels.slice(run * BATCH, (run + 1) * BATCH).reduce((packed, label, i) => packed + label * 2 ** (16 * i), 0);

/** Proves runs of the collection, for a use. */
function proveRuns(context, ...runs) {
  const proofs = stage.file(`proofs-${runs.join("-")}`);
  assay([
    "classify", "prove", model.bundle, "--set", set, "--setup", found.setup, "--keys", model.keys,
    "--context", context, ...(runs.length > 0 ? ["--runs", ...runs.map(String)] : []), "-o", proofs,
  ]);
  return proofs;
}

describe("an order of a collection", () => {
  const open = (what, ...args) => buyer.send(
    "escrow", "open", "--model", what.id, ...what.checked, "--commitment", root, "--price", `${PRICE}wei`,
    "--deadline", "7200", ...args,
  );
  let job, context;
  const scene = prepare(stage, () => {
    const opened = open(model, "--items", String(ITEMS));
    assert.equal(BigInt(opened.escrowed), PRICE * BigInt(ITEMS));
    ({ job } = opened);
    ({ context } = stage.ask("escrow", "show", job, "--recipient", seller.address));
  });
  const claim = (actor, proofs) => actor.send("escrow", "claim", job, "--proofs", proofs);

  play(scene, "is paid for by runs, to whom its proofs name", async () => {
    const proofs = proveRuns(context);
    refused("made for another use", () => claim(rival, proofs));
    refused("the escrow refuses run 0", () => claim(seller, forge(stage, "count", proofs)));
    const claimed = claim(seller, proofs);
    assert.deepEqual([claimed.submitted, claimed.unclaimed], [RUNS, "0"]);
    assert.equal(stage.ask("escrow", "show", job).state, "claimed");
    await takeOut(stage, "PredictionEscrow", "prediction", [[seller, PRICE * BigInt(ITEMS)]]);
  });

  play(scene, "pays what is proven in time, and gives the rest back", async () => {
    const proofs = proveRuns(context, 1, 2);
    assert.deepEqual([claim(seller, proofs).unclaimed, claim(seller, proofs).submitted], [String(ITEMS - BATCH), 0]);
    refused("DeadlineNotPassed", () => buyer.send("escrow", "refund", job));
    await stage.pass(7201);
    deployer.send("escrow", "refund", job);
    const part = PRICE * BigInt(BATCH);
    await takeOut(stage, "PredictionEscrow", "prediction", [[seller, part], [buyer, PRICE * BigInt(ITEMS) - part]]);
  });

  play(stage, "is refused where the model cannot prove it", () => {
    refused(`up to ${ITEMS} items`, () => open(model, "--items", String(ITEMS + 1)));
    refused("one input at a time", () => open(logits, "--items", "2"));
  });
});

play(stage, "a prediction of all logits is paid for", async () => {
  const { opening, commitment } = assay([
    "input", "commit", "--architecture", logits.architecture, "--input", found.images[1], "-o", stage.file("inputs"),
  ]);
  const { job } = buyer.send(
    "escrow", "open", "--model", logits.id, ...logits.checked, "--commitment", commitment, "--price", "7wei",
  );
  const proof = stage.file("job.proof");
  assay([
    "prove", logits.bundle, "--setup", found.setup, "--keys", logits.keys, "--opening", opening,
    "--job", job, "--recipient", seller.address, "-o", proof,
  ], stage.environment);
  const { outputs } = seller.send("escrow", "claim", job, "--proof", proof);
  const best = outputs.map(Number).reduce((best, value, i, all) => (value > all[best] ? i : best), 0);
  assert.deepEqual([outputs.length, best], [10, found.labels[1]]);
  await takeOut(stage, "PredictionEscrow", "prediction", [[seller, 7n]]);
});

describe("a service that answers by runs", () => {
  const [PENALTY, COST, PAID] = [ether("2"), ether("0.01"), ether("0.3")];
  let id;
  const service = (actor, command, ...args) => actor.send("service", command, ...args);
  const scene = prepare(stage, () => {
    ({ service: id } = service(
      seller, "open", "--model", model.id, ...model.checked, "--bond", wei(3n * PENALTY), "--penalty", wei(PENALTY),
      "--proof-cost", wei(COST), "--contest-window", "3600", "--proof-window", "3600", "--notice-period", "10000",
    ));
    assert.equal(stage.ask("service", "show", id).batch, String(BATCH));
  });

  /** Posts a batch of answers; the words of run `wrong` are others. */
  function sell(wrong) {
    const answers = stage.file("answers.json");
    assay(["service", "answer", "--set", set, "--bundle", model.bundle, "-o", answers]);
    const file = JSON.parse(fs.readFileSync(answers, "utf8"));
    assert.deepEqual(file.runs.map(({ outputs }) => outputs), [...Array(RUNS).keys()].map((run) => [word(run)]));
    if (wrong !== undefined) file.runs[wrong].outputs[0] ^= 1;
    fs.writeFileSync(answers, JSON.stringify(file));
    const receipt = stage.file("receipt.json");
    service(seller, "sign", answers, "--service", id, "--buyer", buyer.address, "--price", wei(PAID), "-o", receipt);
    refused("not yours", () => service(
      buyer, "post", receipt, "--answers", answers, "--inputs", stage.folder, ...model.checked,
    ));
    const { batch } = service(buyer, "post", receipt, "--answers", answers, "--set", set, ...model.checked);
    return { batch, answers, ...stage.ask("service", "batch", batch) };
  }
  const prove = ({ batch, answers }, proofs) =>
    service(seller, "prove", batch, "--answers", answers, "--proofs", proofs);

  play(scene, "proves what is contested", async () => {
    const sold = sell();
    refused(`no item ${RUNS}`, () => service(buyer, "contest", sold.batch, "--items", String(RUNS)));
    service(buyer, "contest", sold.batch, "--items", "1");
    const other = proveRuns(sold.context, 0, 1);
    refused("--runs 1 2", () => prove(sold, other));
    refused("the contract refuses the proof of item 1", () =>
      prove(sold, forge(stage, "proof", rename(proveRuns(sold.context, 1, 2)))));
    assert.deepEqual(prove(sold, proveRuns(sold.context, 1, 2)).proven, [1]);
    await stage.pass(3601);
    service(deployer, "settle", sold.batch);
    assert.equal(stage.ask("service", "batch", sold.batch).state, "upheld");
    assert.equal(seller.withdraw("service"), PAID + COST);
  });

  play(scene, "is punished for a wrong word", async () => {
    const sold = sell(1);
    service(buyer, "contest", sold.batch, "--checks", String(RUNS));
    const proofs = proveRuns(sold.context);
    refused("it cannot be proven", () => prove(sold, proofs));
    await stage.pass(3601);
    service(deployer, "punish", sold.batch);
    // The first run was proven.
    assert.equal(buyer.withdraw("service"), PAID + COST + PENALTY);
    assert.equal(seller.withdraw("service"), COST);
  });

  /** Puts the proof of run 1 where `forge` looks. */
  function rename(proofs) {
    const copy = stage.file("renamed");
    fs.mkdirSync(copy);
    fs.copyFileSync(`${proofs}/run-00001.proof`, `${copy}/run-00000.proof`);
    return copy;
  }
});
