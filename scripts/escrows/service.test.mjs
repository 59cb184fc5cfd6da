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
  assert.deepEqual(answers.map((one) => one.class), found.labels);
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

const post = (actor, receipt, answers, secret) =>
  service(actor, "post", receipt, "--answers", answers, "--inputs", inputs, "--secret", secret,
    ...model.checked);

/** Posts a batch of answers; those of a cheat are wrong. */
async function sell({ cheat = false } = {}) {
  const { file: answers, list } = answer();
  if (cheat) {
    for (const one of list) one.class = (one.class + 1) % 10;
    fs.writeFileSync(answers, JSON.stringify(list));
  }
  const secret = stage.file("buyer.secret");
  const { batch } = post(buyer, sign(answers), answers, secret);
  return { batch, answers, secret };
}

const contest = ({ batch, secret }, checks) =>
  service(buyer, "contest", batch, "--checks", String(checks), "--secret", secret);
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
  const secret = stage.file("buyer.secret");
  const others = stage.file("others.json");
  fs.writeFileSync(others, JSON.stringify(list.slice(1)));
  refused("do not pay", () => post(buyer, receipt, others, secret));
  refused("NotBatchBuyer", () => post(rival, receipt, answers, secret));
  refused("send funds to it", () => post(buyer, sign(answers, ether("1000000")), answers, secret));
  assert.ok(!fs.existsSync(secret), "nothing was sent: the next attempt draws a secret");
  post(buyer, receipt, answers, secret);
  assert.ok(fs.existsSync(secret));
});

play(stage, "a batch is contested in a later block, and proven only then", async () => {
  const batch = await sell();
  refused("must be there before", () => contest(batch, 1));
  refused("not contested", () => prove(batch));
});

play(stage, "a spot check is upheld by proofs of every drawn item", async () => {
  const batch = await sell();
  await stage.rpc("evm_mine");
  const { drawn } = contest(batch, 2);
  const { proven } = prove(batch);
  assert.deepEqual([...proven].sort(), drawn.map(Number).sort());
  assert.equal(state(batch), "upheld");
  assert.equal(provider.withdraw("service"), PRICE + 2n * COST);
  await closed(BOND);
});

play(stage, "a spot check is not proven with another model, which loses no opening", async () => {
  const batch = await sell();
  await stage.rpc("evm_mine");
  contest(batch, 1);
  const bundle = stage.network("coarse");
  const used = () => assay(["model", "inspect", bundle]).openings_used;
  const before = used();
  // Its keys would be made when needed.
  refused("the bundle holds model", () => prove(batch, { bundle, keys: stage.file("keys") }));
  assert.equal(used(), before);
});

play(stage, "a batch that nobody contests is paid after the window", async () => {
  const batch = await sell();
  refused("DeadlineNotPassed", () => service(provider, "settle", batch.batch));
  await stage.pass(3601);
  service(provider, "settle", batch.batch);
  assert.equal(state(batch), "paid");
  assert.equal(provider.withdraw("service"), PRICE);
  await closed(BOND);
});

play(stage, "a spot check punishes wrong answers", async () => {
  const batch = await sell({ cheat: true });
  await stage.rpc("evm_mine");
  contest(batch, 3);
  refused("it cannot be proven", () => prove(batch));
  refused("DeadlineNotPassed", () => service(buyer, "punish", batch.batch));
  await stage.pass(3601);
  service(deployer, "punish", batch.batch);
  assert.equal(state(batch), "punished");
  assert.equal(buyer.withdraw("service"), PRICE + 3n * COST + PENALTY);
  await closed(BOND - PENALTY);
});

play(stage, "the bond goes back with what was added to it", async () => {
  service(provider, "top-up", id, "--amount", wei(PENALTY));
  await closed(BOND + PENALTY);
});
