// A provider saves work: with probability p it answers at random instead of running the network.
// How often do spot checks find it? Drawn many times by this script, compared with the formula; then played with real
// proofs, where the buyer's program draws.

import fs from "node:fs";

import { assay, ether, wei } from "../../scripts/lib/assay.mjs";
import { Stage } from "../../scripts/lib/stage.mjs";
import { bareProof, contextOf, itemCall, sendForged } from "./forge.mjs";
import { SHORT, Story, digits, draw, eth, percent, seeded, takeOut } from "./story.mjs";
import { importChanged, sameCircuit, swapped } from "./weights.mjs";

const CLASSES = 10;
const SHARES = [0.01, 0.05, 0.2];
const CHECKS = [1, 4, 16];
/** Answers in a drawn batch, and batches drawn for each cell. */
const ITEMS = 64;
const BATCHES = SHORT ? 4000 : 100000;
/** Batches drawn for each provider that goes on until it is found. */
const PROVIDERS = 20;
/** Contests that the program draws, each undone again, and the checks of one. */
const [DRAWN, DRAWN_CHECKS] = [SHORT ? 20 : 300, 4];
/** With which probability the provider of the played batch answers at random. */
const PLAYED = 0.2;
/** Checks in one contest, at most. */
const MOST = CHECKS.at(-1);
const story = new Story("random-answers", "Attack 2: a provider answers at random, with probability p");

// A random class is right one time in ten, and nobody can tell it then from an answer that was computed.
const wrongShare = (p) => p * (1 - 1 / CLASSES);
const formula = (p, checks) => 1 - (1 - wrongShare(p)) ** checks;

const random = seeded(2026);

/** One batch and one contest, as the contract judges it: a single contested answer that is wrong is enough. */
function caught(random, p, checks) {
  const honest = Array.from({ length: ITEMS }, () => Math.floor(random() * CLASSES));
  const given = honest.map((answer) => (random() < p ? Math.floor(random() * CLASSES) : answer));
  return draw(random, checks, ITEMS).some((index) => given[index] !== honest[index]);
}

/** In which batch a provider is found that goes on until then: the mean of many, and that of the formula. */
function firstFound(p) {
  const tries = BATCHES / PROVIDERS;
  let batches = 0;
  for (let one = 0; one < tries; one++) do batches++; while (!caught(random, p, MOST));
  const [measured, expected] = [batches / tries, 1 / formula(p, MOST)];
  const deviation = (expected * Math.sqrt(1 - formula(p, MOST))) / Math.sqrt(tries);
  story.demand(Math.abs(measured - expected) < 5 * deviation + 1e-9, `${measured} batches are about ${expected}`);
  return { measured, expected };
}

story.scene(`${BATCHES} batches of ${ITEMS} answers for each cell, k different ones of each batch checked`);
const rows = SHARES.map((p) => {
  const cells = CHECKS.map((checks) => {
    let found = 0;
    for (let batch = 0; batch < BATCHES; batch++) found += caught(random, p, checks);
    const [measured, expected] = [found / BATCHES, formula(p, checks)];
    const deviation = Math.sqrt((expected * (1 - expected)) / BATCHES);
    story.demand(Math.abs(measured - expected) < 5 * deviation, `${measured} is about ${expected}`);
    return { checks, measured, expected };
  });
  const batches = Math.ceil(Math.log(0.05) / Math.log(1 - formula(p, MOST)));
  return { p, cells, batches, first: firstFound(p) };
});
story.figure("batches_drawn", BATCHES);
story.figure("providers_drawn", BATCHES / PROVIDERS);
story.figure("items", ITEMS);
story.figure("rows", rows);
story.table(
  ["p", ...CHECKS.map((k) => `k = ${k}: found`), ...CHECKS.map((k) => `k = ${k}: formula`)],
  ...rows.map(({ p, cells }) => [
    percent(p, 0), ...cells.map(({ measured }) => percent(measured, 2)),
    ...cells.map(({ expected }) => percent(expected, 2)),
  ]),
);
story.line("Formula: 1 - (1 - 0.9 p)^k.");

story.scene(`Batch after batch, with ${MOST} checks each, until one is found`);
story.table(["p", "batches, mean", "formula", "with 95 % until"], ...rows.map(({ p, batches, first }) => [
  percent(p, 0), first.measured.toFixed(2), first.expected.toFixed(2), batches,
]));

const [PRICE, PENALTY, COST] = ["0.3", "2", "0.01"].map(ether);
story.scene(`What it is worth: a batch pays ${eth(PRICE)}, a batch that is found costs that and ${eth(PENALTY)}`);
const inEther = (wei) => Number(wei) / 1e18;
const worth = rows.map(({ p }) => ({
  p, gained: p * inEther(PRICE), lost: formula(p, MOST) * inEther(PRICE + PENALTY),
}));
story.figure("worth", worth);
story.figure("price_wei", String(PRICE));
story.figure("penalty_wei", String(PENALTY));
story.figure("check_wei", String(COST));
story.figure("most_checks", MOST);
story.table(["p", "gained by not computing, at most", `lost on average, ${MOST} checks`], ...worth.map(({ p, gained, lost }) => [
  percent(p, 0), `${gained.toFixed(4)} ETH`, `${lost.toFixed(4)} ETH`,
]));
story.line(`The buyer advances ${eth(COST * BigInt(MOST))} for ${MOST} checks. It has that back for answers that are not proven; for those`);
story.line("that are, it is the provider's.");
worth.forEach(({ gained, lost }) => story.demand(lost > gained, "not computing does not pay"));

story.scene("The same on a chain, with real proofs");
const stage = await Stage.open(["deployer", "buyer", "provider"]);
const { deployer, buyer, provider } = stage.actors;
const model = stage.register(provider, "prediction");
const { service } = provider.send(
  "service", "open", "--model", model.id, ...model.checked, "--bond", wei(3n * PENALTY), "--penalty", wei(PENALTY),
  "--proof-cost", wei(COST), "--contest-window", "3600", "--proof-window", "3600", "--notice-period", "10000",
);
const { images } = digits(SHORT ? 16 : 30);
const inputs = stage.file("inputs");
const openings = images.map((image) => assay([
  "input", "commit", "--architecture", model.architecture, "--input", image, "-o", inputs,
]).opening);

/** Signs and posts a batch of answers; `change` makes them what the provider gives. */
function sell(name, change) {
  const answers = stage.file(`${name}-answers.json`);
  const { answers: list } = assay(["service", "answer", ...openings, "--bundle", model.bundle, "-o", answers]);
  const right = list.map(({ outputs: [output] }) => output);
  const wrong = list.filter((one) => {
    const [honest] = one.outputs;
    one.outputs = [change(honest)];
    return one.outputs[0] !== honest;
  }).length;
  fs.writeFileSync(answers, JSON.stringify(list));
  const receipt = stage.file(`${name}-receipt.json`);
  provider.send("service", "sign", answers, "--service", service, "--buyer", buyer.address, "--price", wei(PRICE), "-o", receipt);
  const { batch } = buyer.send("service", "post", receipt, "--answers", answers, "--inputs", inputs, ...model.checked);
  // The program draws them, as a buyer's would.
  const contest = (checks) => buyer.send("service", "contest", batch, "--checks", String(checks)).items.map(Number);
  const prove = () => provider.send("service", "prove", batch, "--answers", answers, "--inputs", inputs,
    "--bundle", model.bundle, "--setup", stage.found.setup, "--keys", model.keys);
  return { batch, list, right, wrong, contest, prove };
}

const checks = SHORT ? 2 : 8;
const honest = sell("honest", (answer) => answer);
honest.contest(checks);
const from = Date.now();
const { proven, gas_used: proofGas } = honest.prove();
story.demand(proven.length === checks, "an honest provider proves what is asked");
story.line(`An honest batch of ${images.length}: ${checks} contested, ${proven.length} proven in ${((Date.now() - from) / 1000).toFixed(1)} s with the transactions.`);
await stage.pass(3601);
deployer.send("service", "settle", honest.batch);
const paid = provider.withdraw("service");
const checkGas = story.figure("check_gas", Math.round(proofGas / checks));
story.line(`The provider is paid ${eth(paid)}: the price, and ${eth(COST)} for each proof. That part, ${eth(BigInt(checks) * COST)}, is the buyer's loss:`);
story.line(`checks of honest answers cost it something. ${MOST} of them would be ${eth(COST * BigInt(MOST))} on a price of ${eth(PRICE)}, and`);
story.line(`${(MOST * checkGas).toLocaleString("en-US")} gas for their proofs, which the provider pays.`);

const lazy = sell("lazy", (answer) => (random() < PLAYED ? Math.floor(random() * CLASSES) : answer));
story.demand(lazy.wrong > 0, "some answers are wrong");
const isWrong = (index) => lazy.list[index].outputs[0] !== lazy.right[index];
story.scene(`A batch with p = ${percent(PLAYED, 0)}: ${lazy.wrong} of ${images.length} answers are wrong. The buyer's program draws ${DRAWN_CHECKS} of them`);

/** One contest as the program draws it; the chain goes back behind it. */
async function drawn() {
  const before = await stage.rpc("evm_snapshot");
  const items = lazy.contest(DRAWN_CHECKS);
  story.demand(new Set(items).size === DRAWN_CHECKS, "the program draws different answers");
  story.demand(await stage.rpc("evm_revert", before), "the chain goes back");
  return items;
}
/** That so many of `DRAWN` draws are what is expected, within five standard deviations. */
const asExpected = (count, chance, what) => story.demand(
  Math.abs(count - DRAWN * chance) < 5 * Math.sqrt(DRAWN * chance * (1 - chance)), `${what}: ${count} of ${DRAWN} draws, expected ${percent(chance)}`);
const times = Array(images.length).fill(0);
let hits = 0;
for (let one = 0; one < DRAWN; one++) {
  const items = await drawn();
  items.forEach((index) => times[index]++);
  hits += items.some(isWrong);
}
// Of the answers that are there, without repetition: not the formula above, which is about the mean of all batches.
const chance = 1 - Array.from({ length: DRAWN_CHECKS }, (_, index) => index)
  .reduce((missed, index) => (missed * (images.length - lazy.wrong - index)) / (images.length - index), 1);
asExpected(hits, chance, "a wrong answer is among them");
times.forEach((count, index) => asExpected(count, DRAWN_CHECKS / images.length, `answer ${index} is drawn`));
story.figure("program", { draws: DRAWN, checks: DRAWN_CHECKS, items: images.length, wrong: lazy.wrong, found: hits / DRAWN, expected: chance,
  least: Math.min(...times), most: Math.max(...times) });
story.line(`Drawn ${DRAWN} times, and undone each time: a wrong answer was among them in ${percent(hits / DRAWN)} of the draws, expected ${percent(chance)}.`);
story.line(`Each answer was drawn ${Math.min(...times)} to ${Math.max(...times)} times, on average ${((DRAWN * DRAWN_CHECKS) / images.length).toFixed(1)}.`);

// The draw that the story goes on with is one that finds it: the chain goes back behind the others.
let items = [];
while (!items.some(isWrong)) {
  const snapshot = await stage.rpc("evm_snapshot");
  items = lazy.contest(DRAWN_CHECKS);
  if (!items.some(isWrong)) await stage.rpc("evm_revert", snapshot);
}
const context = await contextOf(stage, "ServiceBond", lazy.batch, provider.address);
const position = items.findIndex(isWrong);
const one = items[position];
const [rightClass, wrongClass] = [lazy.right[one], lazy.list[one].outputs[0]];
story.line(`One more draw finds answer ${one}: ${wrongClass} was given, ${rightClass} is what the network says.`);
const proveOne = (bundle, file) => assay(["prove", bundle, "--setup", stage.found.setup, "--keys", model.keys, "--opening", openings[one],
  "--context", context, "-o", file]).class;
const [rightProof, madeProof] = [stage.file("right.proof"), stage.file("made.proof")];
proveOne(model.bundle, rightProof);
const made = importChanged(swapped(rightClass, wrongClass), stage.file("made"), stage.file("made.bundle"));
story.demand(sameCircuit(made, model.architecture), "the made-up network has the circuit that serves");
story.demand(proveOne(made, madeProof) === wrongClass, "the made-up network gives the answer that was signed");
const calls = [
  ["its network's proof of the right answer, for the wrong one", "ProofInvalid()", rightProof],
  ["a valid proof of the wrong answer, in the very circuit, of weights made up for it", "ModelHashMismatch(bytes32,bytes32)", madeProof],
];
const forged = [];
for (const [attempt, error, file] of calls) {
  forged.push([attempt, error, await itemCall(stage, lazy.list, { index: one, position, output: wrongClass }, bareProof(file))]);
}
story.refused("the provider's own program", "it tries to prove what was contested", "it cannot be proven", lazy.prove);
story.line("That program only saves it gas. Another one sends what it likes to the contract:");
for (const [attempt, error, data] of forged) {
  await story.refusedCall(attempt, error, () => sendForged(stage, provider, "ServiceBond", data, error));
}
await stage.pass(3601);
deployer.send("service", "punish", lazy.batch);
const [back, kept] = [buyer, provider].map((actor) => takeOut(actor, "service"));
const earlier = Number(kept / COST);
story.line(earlier === 0 ? "The first contested answer was wrong: the provider has proven none." :
  `Before the first wrong answer it had proven ${earlier} right one${earlier === 1 ? "" : "s"}, and keeps ${eth(kept)} for ${earlier === 1 ? "that" : "those"}.`);
story.line(`The buyer gets ${eth(back)}: price, penalty, and what it advanced for the others.`);
story.demand(back + kept === PRICE + PENALTY + COST * BigInt(DRAWN_CHECKS), "the buyer has all the rest");
story.figure("paid_honest_wei", String(paid));
story.figure("buyer_back_wei", String(back));
stage.close();

story.end({
  stopped: [
    "A contested answer has to be proven to the contract, and a wrong one has no proof: not of the network, and not of",
    "others, whose weights have another fingerprint. The buyer's program draws which, after the provider has signed all",
    "of them, so the provider cannot answer just those well.",
  ],
  left: [
    "Sixteen checks find p = 1 % in one batch of seven or eight. So check in many batches, and ask for a penalty",
    "larger than what cheating saves until then: `assay audit plan --cheat 0.01` says how many checks.",
    "What is checked and right costs the buyer the proof. So check few answers of each batch, of an honest provider too.",
    "What you know to be wrong, contest by name (`assay service contest --items`): that is found for certain.",
  ],
});
