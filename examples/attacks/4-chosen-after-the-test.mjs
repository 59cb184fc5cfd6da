// A seller would like to look at the hidden test set first, and choose its network then.

import { assay } from "../../scripts/lib/assay.mjs";
import { BATCH, ITEMS, NETWORKS, importNetwork, derive } from "../../scripts/lib/models.mjs";
import { Stage } from "../../scripts/lib/stage.mjs";
import { Audit, BOND, FEE, HOUR, REWARD, STAKE, prepareAudits } from "../../scripts/escrows/audits.mjs";
import { bareProof, errorSelector, inOneBlock, newest, runCall, sendForged } from "./forge.mjs";
import { Story, eth, percent } from "./story.mjs";
import { importChanged, lessInclined, sameCircuit } from "./weights.mjs";

const story = new Story("chosen-after-the-test", "Attack 4: a seller chooses its network after it has seen the test set");

/** The digits that the seller's network confuses others with on this set, and how much less it shall say them. */
const [CONFUSED_WITH, LESS] = [[0, 3], 5];
const TRUE = 0.9;
const FEW = 60;
const NEEDED = [1, 10, 100].map((models) => {
  const { accuracy: { items } } = assay(["audit", "plan", "--eps", "0.05", "--models", String(models)]);
  return { models, items };
});
story.scene(`Why it would pay: networks that are right ${percent(TRUE, 0)} of the time, the best of them on a set is shown`);
/** What the best of `models` networks shows on `items` items on average, as a share: exactly, from the binomial distribution. */
function best(models, items) {
  // As a logarithm: none right of hundreds is less likely than a number can say.
  let [logChance, below, sum] = [items * Math.log(1 - TRUE), 0, 0];
  for (let right = 0; right <= items; right++) {
    const upTo = Math.min(1, below + Math.exp(logChance));
    sum += right * (upTo ** models - below ** models);
    below = upTo;
    logChance += Math.log((items - right) / (right + 1)) + Math.log(TRUE / (1 - TRUE));
  }
  return sum / items;
}
const rows = NEEDED.map(({ models, items }) => ({ models, items, small: best(models, FEW), planned: best(models, items) }));
story.demand(Math.abs(rows[0].small - TRUE) < 1e-9, "one network shows what it is");
story.demand(rows.every(({ planned }) => planned > TRUE - 1e-9 && planned < TRUE + 0.05), "with the planned items the best is off by less than 5 points");
story.demand(rows.at(-1).small > TRUE + 0.05, `on ${FEW} items the best of many is off by more`);
story.figure("rows", rows);
story.figure("right", TRUE);
story.figure("few", FEW);
story.table(["networks to choose from", `shown on ${FEW} items`, "items needed to be within 5 points", "shown on these"],
  ...rows.map(({ models, items, small, planned }) => [models, percent(small), items, percent(planned)]));

/** The entered network, less inclined to say what it says wrongly on this set: better weights, the same circuit. */
function fit() {
  const [network, bundle] = ["fitted-network.bundle", "fitted.bundle"].map((one) => stage.file(one));
  importChanged(lessInclined(CONFUSED_WITH, LESS), stage.file("fitted"), network, ...NETWORKS.coarse);
  derive(network, "coarseAudit", bundle, 8);
  story.demand(sameCircuit(bundle, found.circuits.coarseAudit.architecture), "the fitted network has the circuit that was entered");
  const right = found.images.filter((image, index) => assay(["model", "predict", network, "--input", image]).class === found.labels[index]);
  story.demand(right.length === ITEMS, "the fitted weights are right on all of the set");
  return bundle;
}

story.scene(`A bounty of ${eth(REWARD)} for ${ITEMS} of ${ITEMS}; the seller enters a network, puts up ${eth(STAKE)}, and gets the set`);
const stage = await Stage.open(["deployer", "buyer", "seller", "rival"]);
const { buyer, seller } = stage.actors;
const { found } = stage;
const prepared = prepareAudits(stage);
const audit = Audit.open(prepared, "--required", String(ITEMS));
// Played once, and undone, for the calls: then both of them come in one block.
const undo = await stage.mark();
const rehearsed = new Audit(prepared, audit);
const entered = rehearsed.enter(seller, "coarseAudit");
const entering = await newest(stage);
rehearsed.deliver();
const delivering = await newest(stage);
await undo();
const [entry, delivery] = await inOneBlock(stage, [entering, delivering]);
story.demand(entry.ok && entry.block === delivery.block && entry.place < delivery.place, "the seller enters, in the block of the delivery");
story.demand(!delivery.ok && delivery.said.startsWith(errorSelector("SameBlock(uint256)")), `the contract says SameBlock, and not ${delivery.said}`);
story.line("The buyer would like to deliver in the block in which the seller enters; but whoever sees a delivery wait could still");
story.line("enter in front of it. The entry goes through, and then:");
await story.refusedCall("the delivery right behind the entry", "SameBlock(uint256)", () => delivery.gas);
audit.deliver();
story.line("A block later it is taken.");
const set = audit.unseal(seller);
story.refused("its own program", "it looks at the set with its network, which is too weak, and would accept", `classifies ${found.coarseCorrect} of the ${ITEMS} items`, () =>
  audit.accept(seller, "coarseAudit", { set }));

story.scene("It has a better network, and tries to bring it in");
story.refused("the contract", "it enters the better network too", "WrongJobState", () => audit.enter(seller, "audit"));
story.refused("its own program", "it accepts with the better network", "is registered with circuit", () =>
  audit.accept(seller, "audit", { set }));
const [again, same] = [stage.file("again.bundle"), stage.file("same.bundle")];
importNetwork("coarse", again);
derive(again, "coarseAudit", same, 8);
story.refused("its own program", "it accepts even with the same network, imported a second time (new seed, so another fingerprint)",
  "which was entered, is", () => audit.accept(seller, "coarseAudit", { set, bundle: same }));
const fitted = fit();
story.refused("its own program", "it accepts with weights that it has fitted to the set, in the very circuit that it entered",
  "which was entered, is", () => audit.accept(seller, "coarseAudit", { set, bundle: fitted }));
audit.send(seller, "accept", "--unchecked", "--claim", String(ITEMS));
story.line(`It accepts without looking, and claims ${ITEMS} of ${ITEMS}.`);
const proofs = stage.file("proofs");
audit.prove("audit", entered, proofs);
const fittedProofs = stage.file("fitted-proofs");
assay(["audit", "prove", fitted, "--set", set, "--setup", found.setup, "--keys", found.circuits.coarseAudit.keys,
  "--context", entered.context, "-o", fittedProofs]);
const calls = [
  ["a proof of the better network", "ProofInvalid()", proofs],
  ["a proof of the fitted weights: all items right, and valid under the key that was entered", "ModelHashMismatch(bytes32,bytes32)", fittedProofs],
];
const forged = [];
for (const [attempt, error, from] of calls) {
  const run = { entry: entered.entry, run: 0, correct: BATCH };
  forged.push([attempt, error, await runCall(stage, run, bareProof(`${from}/run-00000.proof`))]);
}
story.refused("its own program", "it shows proofs of the better network", "belongs to verifying key", () => audit.submit(seller, proofs));
story.line("That program only saves it gas. Another one sends what it likes to the contract:");
const spent = [];
for (const [attempt, error, data] of forged) {
  spent.push(await story.refusedCall(attempt, error, () => sendForged(stage, seller, "AuditEscrow", data, error)));
}
story.figure("forged_gas", spent);

story.scene("Its time passes");
await stage.pass(4 * HOUR + 1);
const end = audit.send(buyer, "settle");
const back = buyer.withdraw("audit");
story.figure("state", end.state);
story.figure("buyer_back_wei", String(back));
story.figure("seller_lost_wei", String(STAKE));
story.line(`The audit is ${end.state}. The buyer takes out ${eth(back)}: reward, bond, and the stake but ${eth(FEE)}, which is burnt.`);
story.line(`The seller has lost ${eth(STAKE)}. Had it given up after its look, that would have been ${eth(FEE)}.`);
story.demand(end.state === "refunded" && back === REWARD + BOND + STAKE - FEE, "the seller pays");
stage.close();

story.end({
  stopped: [
    "The order of things: a network is entered, by the fingerprint of its weights, in an earlier block than the",
    "set is delivered. Proofs of other weights show another fingerprint (so does a second import of the same ones), and",
    "the contract compares it with the one that was entered.",
  ],
  left: [
    `A seller may look and give up for a fee (here ${eth(FEE)}, burnt from both sides), and knows the set from then on.`,
    "Use a set for one audit. If several networks are tried on one set, more items are needed, as the table says:",
    "`assay audit plan --models 100`. And approve only of sellers that you would deliver to.",
  ],
});
