// A service whose unproven answers are spot-checked.

import assert from "node:assert/strict";
import fs from "node:fs";

import { assay, ether, wei } from "../lib/assay.mjs";
import { openStage, play, refused, takeOut } from "./play.mjs";

const PENALTY = ether("2");
const BOND = 3n * PENALTY;
const COST = ether("0.01");
const PRICE = ether("0.3");
const stage = await openStage("deployer", "buyer", "seller", "rival", "provider");
const { deployer, buyer, seller, rival, provider } = stage.actors;
const { found } = stage;
const model = stage.register(seller, "prediction");

const service = (actor, command, ...args) => actor.send("service", command, ...args);
const { service: id } = service(
  provider, "open", "--model", model.id, ...model.checked, "--bond", wei(BOND), "--penalty", wei(PENALTY),
  "--proof-cost", wei(COST), "--contest-window", "3600", "--proof-window", "3600", "--notice-period", "10000",
);
const inputs = stage.file("inputs");
const openings = found.images.map((image) => assay([
  "input", "commit", "--architecture", model.architecture, "--input", image, "-o", inputs,
]).opening);

/** The provider's answers to all inputs. */
function answer() {
  const file = stage.file("answers.json");
  const { answers } = assay(["service", "answer", ...openings, "--bundle", model.bundle, "-o", file]);
  assert.deepEqual(answers.map((one) => one.outputs), found.labels.map((label) => [label]));
  return { file, list: answers };
}

/** The provider's signature over answers, for which the buyer shall pay. */
function sign(answers, price = PRICE) {
  const receipt = stage.file(`receipt-of-${price}.json`);
  service(
    provider, "sign", answers, "--service", id, "--buyer", buyer.address, "--price", wei(price), "-o", receipt,
  );
  return receipt;
}

const post = (actor, receipt, answers) =>
  service(actor, "post", receipt, "--answers", answers, "--inputs", inputs, ...model.checked);

/** Posts a batch of answers; those that `wrong` names are. */
function sell({ wrong = () => false } = {}) {
  const { file: answers, list } = answer();
  for (const [index, one] of list.entries()) if (wrong(index)) one.outputs[0] = (one.outputs[0] + 1) % 10;
  fs.writeFileSync(answers, JSON.stringify(list));
  const { batch } = post(buyer, sign(answers), answers);
  return { batch, answers };
}

const contest = ({ batch }, ...which) => service(buyer, "contest", batch, ...which);
const prove = ({ batch, answers }, { bundle, keys } = model) => service(
  provider, "prove", batch, "--answers", answers, "--inputs", inputs, "--bundle", bundle,
  "--setup", found.setup, "--keys", keys,
);
const state = ({ batch }) => stage.ask("service", "batch", batch).state;

/** Ends the service: of the bond so much is left, and nothing else. */
async function closed(bond) {
  service(provider, "notice", id);
  refused("NoticeNotPassed", () => service(provider, "close", id));
  await stage.pass(10001);
  service(deployer, "close", id);
  assert.equal(stage.ask("service", "show", id).state, "closed");
  await takeOut(stage, "ServiceBond", "service", [[provider, bond]]);
}

play(stage, "a batch is posted by its buyer, for its answers, when it can pay", () => {
  const { file: answers, list } = answer();
  const receipt = sign(answers);
  const others = stage.file("others.json");
  fs.writeFileSync(others, JSON.stringify(list.slice(1)));
  refused("do not pay", () => post(buyer, receipt, others));
  refused("NotBatchBuyer", () => post(rival, receipt, answers));
  refused("send funds to it", () => post(buyer, sign(answers, ether("1000000")), answers));
  post(buyer, receipt, answers);
  refused("ReceiptUsed", () => post(buyer, receipt, answers));
});

play(stage, "nothing is proven that was not contested", () => {
  const batch = sell();
  refused("not contested", () => prove(batch));
  refused("--checks", () => contest(batch));
  refused("no item 99", () => contest(batch, "--items", "99"));
});

play(stage, "spot checks are upheld by proofs of every contested item, one after the other", async () => {
  const batch = sell();
  const { items } = contest(batch, "--checks", "2");
  assert.equal(new Set(items).size, 2, "different ones, at random");
  refused("BatchNotPosted", () => contest(batch, "--checks", "1"));
  const { proven } = prove(batch);
  assert.deepEqual([...proven].sort(), items.map(Number).sort());
  assert.equal(state(batch), "posted");
  assert.deepEqual(contest(batch, "--items", "1").items, ["1"]);
  assert.deepEqual(prove(batch).proven, [1]);
  refused("DeadlineNotPassed", () => service(provider, "settle", batch.batch));
  await stage.pass(3601);
  refused("DeadlinePassed", () => contest(batch, "--checks", "1"));
  service(deployer, "settle", batch.batch);
  assert.equal(state(batch), "upheld");
  assert.equal(provider.withdraw("service"), PRICE + 3n * COST);
  await closed(BOND);
});

play(stage, "a spot check is not proven with another model, which loses no opening", async () => {
  const batch = sell();
  contest(batch, "--checks", "1");
  const bundle = stage.network("coarse");
  const used = () => assay(["model", "inspect", bundle]).openings_used;
  const before = used();
  // Its keys would be made when needed.
  refused("the bundle holds model", () => prove(batch, { bundle, keys: stage.file("keys") }));
  assert.equal(used(), before);
});

play(stage, "a batch that nobody contests is paid after the window", async () => {
  const batch = sell();
  refused("DeadlineNotPassed", () => service(provider, "settle", batch.batch));
  await stage.pass(3601);
  service(provider, "settle", batch.batch);
  assert.equal(state(batch), "paid");
  assert.equal(provider.withdraw("service"), PRICE);
  await closed(BOND);
});

play(stage, "a spot check punishes wrong answers", async () => {
  const batch = sell({ wrong: () => true });
  contest(batch, "--checks", "3");
  refused("it cannot be proven", () => prove(batch));
  refused("DeadlineNotPassed", () => service(buyer, "punish", batch.batch));
  await stage.pass(3601);
  service(deployer, "punish", batch.batch);
  assert.equal(state(batch), "punished");
  assert.equal(buyer.withdraw("service"), PRICE + 3n * COST + PENALTY);
  await closed(BOND - PENALTY);
});

play(stage, "an answer that the buyer knows to be wrong is contested as such", async () => {
  const batch = sell({ wrong: (index) => index === 1 });
  const { items } = contest(batch, "--items", "1", "--checks", "2");
  assert.ok(items.length === 2 && items.includes("1"));
  refused("it cannot be proven", () => prove(batch));
  await stage.pass(3601);
  service(deployer, "punish", batch.batch);
  assert.equal(state(batch), "punished");
});

play(stage, "the bond goes back with what was added to it", async () => {
  service(provider, "top-up", id, "--amount", wei(PENALTY));
  await closed(BOND + PENALTY);
});
