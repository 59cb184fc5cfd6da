// A provider is audited with a good network and serves a cheaper one.

import fs from "node:fs";

import { assay, ether, wei } from "../../scripts/lib/assay.mjs";
import { BATCH, ITEMS } from "../../scripts/lib/models.mjs";
import { Stage } from "../../scripts/lib/stage.mjs";
import { bareProof, contextOf, itemCall, sendForged } from "./forge.mjs";
import { Story, digits, eth, importSmall, percent } from "./story.mjs";
import { importChanged, sameCircuit, swapped } from "./weights.mjs";

const [PRICE, PENALTY, COST] = ["0.3", "2", "0.01"].map(ether);
const story = new Story("cheaper-network", "Attack 1: audited with a good network, served by a cheaper one");
const stage = await Stage.open(["deployer", "buyer", "provider"]);
const { deployer, buyer, provider } = stage.actors;
const { found } = stage;
const model = stage.register(provider, "prediction");
const [cheap, cheapKeys] = [stage.file("cheap.bundle"), stage.file("cheap-keys")];
const parameters = (bundle) => assay(["model", "inspect", bundle]).parameters;
importSmall("cheap", cheap);
const sizes = story.figure("parameters", [model.bundle, cheap].map(parameters));
story.line(`The good network has ${sizes[0]} numbers, the cheap one ${sizes[1]}: ${Math.round(sizes[0] / sizes[1])} times fewer.`);

story.scene("The audit: the good network on a hidden test set");
const audit = stage.model("audit");
const proofs = stage.file("audit-proofs");
assay(["audit", "prove", audit.bundle, "--set", found.test.set, "--setup", found.setup, "--keys", audit.keys, "-o", proofs]);
const verified = assay(["audit", "verify", proofs, "--architecture", audit.architecture, "--setup", found.setup,
  "--items", String(ITEMS), "--root", found.test.root]);
story.line(`Proven in ${ITEMS / BATCH} proofs: ${verified.counted} of ${verified.covered} right. (A real audit takes 600 items or more.)`);

story.scene("The service: answers without proofs, behind a bond");
const { service } = provider.send(
  "service", "open", "--model", model.id, ...model.checked, "--bond", wei(2n * PENALTY), "--penalty", wei(PENALTY),
  "--proof-cost", wei(COST), "--contest-window", "3600", "--proof-window", "3600", "--notice-period", "10000",
);
const { images, labels } = digits();
const inputs = stage.file("inputs");
const openings = images.map((image) => assay([
  "input", "commit", "--architecture", model.architecture, "--input", image, "-o", inputs,
]).opening);
const answersOf = (bundle, file) => assay(["service", "answer", ...openings, "--bundle", bundle, "-o", file])
  .answers.map(({ outputs: [output] }) => output);
const good = answersOf(model.bundle, stage.file("good.json"));
const answers = stage.file("answers.json");
const given = answersOf(cheap, answers);
const right = (all) => all.filter((one, index) => one === labels[index]).length;
const other = given.flatMap((one, index) => (one === good[index] ? [] : [index]));
story.figure("items", images.length);
story.figure("right", [right(good), right(given)]);
story.figure("differ", other.length);
story.table(["", "right", "of"], ["the audited network would give", right(good), images.length],
  ["what the provider gives", right(given), images.length]);
story.demand(other.length > 0, "the cheap network gives other answers somewhere");

const receipt = stage.file("receipt.json");
provider.send("service", "sign", answers, "--service", service, "--buyer", buyer.address, "--price", wei(PRICE), "-o", receipt);
const { batch } = buyer.send("service", "post", receipt, "--answers", answers, "--inputs", inputs, ...model.checked);
story.line(`The buyer pays ${eth(PRICE)} into escrow. It cannot see which network answered.`);
const missed = (checks) => Array.from({ length: checks }, (_, index) => index)
  .reduce((chance, index) => chance * Math.max(0, images.length - other.length - index) / (images.length - index), 1);
const chances = [1, 4, 8, 16].map((checks) => ({ checks, found: 1 - missed(checks) }));
story.figure("chances", chances);
story.table(["checks of the 30", ...chances.map(({ checks }) => checks)],
  ["a wrong one is among them", ...chances.map(({ found: chance }) => percent(chance))]);

story.scene(`The buyer asks for the proof of one answer, and has luck: answer ${other[0]} is a wrong one`);
buyer.send("service", "contest", batch, "--items", String(other[0]));
const prove = (bundle, keys) => provider.send("service", "prove", batch, "--answers", answers, "--inputs", inputs,
  "--bundle", bundle, "--setup", found.setup, "--keys", keys);
assay(["keygen", cheap, "--setup", found.setup, "-o", cheapKeys]);
story.refused("its own program", "it proves with the cheap network", "the bundle holds model", () => prove(cheap, cheapKeys));
story.refused("its own program", "it proves with the audited network", "it cannot be proven", () => prove(model.bundle, model.keys));
story.line("That program only saves it gas. It writes another one, which sends what it likes to the contract:");
const signed = JSON.parse(fs.readFileSync(answers, "utf8"));
const context = await contextOf(stage, "ServiceBond", batch, provider.address);
const proof = stage.file("cheap.proof");
const proveItem = (bundle, keys, file) => assay(["prove", bundle, "--setup", found.setup, "--keys", keys,
  "--opening", openings[other[0]], "--context", context, "-o", file]).class;
const wrong = { index: other[0], output: given[other[0]] };
const cheapClass = proveItem(cheap, cheapKeys, proof);
story.demand(cheapClass === wrong.output, "the cheap network gives the answer that was signed");
const honestProof = stage.file("good.proof");
const goodClass = proveItem(model.bundle, model.keys, honestProof);
story.demand(goodClass !== wrong.output, "the audited network gives another");
// Weights made for this one answer: the classes of the two answers have changed places.
const made = importChanged(swapped(goodClass, wrong.output), stage.file("made"), stage.file("made.bundle"));
story.demand(sameCircuit(made, model.architecture), "the made-up network has the circuit that serves");
const madeProof = stage.file("made.proof");
story.demand(proveItem(made, model.keys, madeProof) === wrong.output, "the made-up network gives the answer that was signed");
const calls = [
  ["an honest proof of the cheap network, whose circuit is smaller", "ProofLength()", wrong, proof],
  ["an honest proof of the audited network, for the answer that was signed", "ProofInvalid()", wrong, honestProof],
  ["the same, for the right answer", "ItemNotInRoot(bytes32,uint256)", { ...wrong, output: goodClass }, honestProof],
  ["a valid proof of the signed answer, in the very circuit, of weights made up for it", "ModelHashMismatch(bytes32,bytes32)", wrong, madeProof],
];
// The receipt stands in the buyer's contest, which is the newest transaction: all calls are made of it first.
const forged = [];
for (const [attempt, error, item, file] of calls) {
  forged.push([attempt, error, await itemCall(stage, signed, item, bareProof(file))]);
}
const spent = [];
for (const [attempt, error, data] of forged) {
  spent.push(await story.refusedCall(attempt, error, () => sendForged(stage, provider, "ServiceBond", data, error)));
}
story.figure("forged_gas", spent);
story.refused("the buyer's program", "it shows the buyer an honest proof of the cheap network", "belongs to verifying key", () =>
  assay(["verify", proof, "--architecture", model.architecture, "--setup", found.setup]));
await stage.pass(3601);
deployer.send("service", "punish", batch);
const back = story.figure("buyer_back_wei", String(buyer.withdraw("service")));
story.line(`The buyer gets ${eth(back)}: its price, what it advanced, and ${eth(PENALTY)} of the bond.`);
story.demand(BigInt(back) === PRICE + COST + PENALTY, "the buyer has all of it");

story.scene("And a card that says the cheap network is the audited one");
const card = stage.file("cheap.json");
assay(["model", "architecture", cheap, "-o", card]);
story.refused("the buyer's program", "`assay model link` of both", "of different networks", () => assay(["model", "link", card, audit.architecture]));
assay(["model", "link", model.architecture, audit.architecture]);
story.line("Of the cards of the good network, audited and serving, it says: one network.");
stage.close();

story.end({
  stopped: [
    "A proof shows a fingerprint of the weights, the same in an audit and in a prediction, and the contract compares it",
    "with the registered one. It is valid under the key of one architecture only. The bond pays for other answers.",
  ],
  left: [
    "Answers that nobody contests are not proven. Where both networks agree, the cheap answer is the right one,",
    "and nobody is harmed. Contest a few answers of each batch, chosen at random: attack 2 has the odds.",
    "Compare the audit's model with the serving one: `assay model link`, on a chain `ModelRegistry.sameWeights`.",
  ],
});
