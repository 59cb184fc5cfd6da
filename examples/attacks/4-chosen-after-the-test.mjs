// A seller would like to look at the hidden test set first, and choose its network then.

import { assay } from "../../scripts/lib/assay.mjs";
import { ITEMS, importNetwork, derive } from "../../scripts/lib/models.mjs";
import { Stage } from "../../scripts/lib/stage.mjs";
import { Audit, BOND, FEE, HOUR, REWARD, STAKE, prepareAudits } from "../../scripts/escrows/audits.mjs";
import { SHORT, Story, eth, percent, seeded } from "./story.mjs";

const story = new Story("chosen-after-the-test", "Attack 4: a seller chooses its network after it has seen the test set");

const TRUE = 0.9;
const REPEATS = SHORT ? 200 : 5000;
const NEEDED = [1, 10, 100].map((models) => {
  const { accuracy: { items } } = assay(["audit", "plan", "--eps", "0.05", "--models", String(models)]);
  return { models, items };
});
story.scene(`Why it would pay: networks that are right ${percent(TRUE, 0)} of the time, the best of them on a set is shown`);
const random = seeded(19);
/** The highest count of `models` networks on `items` items, as a share; the mean of many tries. */
function best(models, items) {
  let sum = 0;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    let most = 0;
    for (let model = 0; model < models; model++) most = Math.max(most, binomial(items));
    sum += most / items;
  }
  return sum / REPEATS;
}
/** The normal approximation of a count, which is close enough for hundreds of items. */
function binomial(items) {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.min(items, Math.round(items * TRUE + normal * Math.sqrt(items * TRUE * (1 - TRUE))));
}
const rows = NEEDED.map(({ models, items }) => ({ models, items, small: best(models, 60), planned: best(models, items) }));
story.figure("rows", rows);
story.table(["networks to choose from", "shown on 60 items", "items to be off by at most 5 %", "shown on so many"],
  ...rows.map(({ models, items, small, planned }) => [models, percent(small), items, percent(planned)]));

story.scene(`A bounty of ${eth(REWARD)} for ${ITEMS} of ${ITEMS}; the seller enters a network, puts up ${eth(STAKE)}, and gets the set`);
const stage = await Stage.open(["deployer", "buyer", "seller", "rival"]);
const { buyer, seller } = stage.actors;
const { found } = stage;
const prepared = prepareAudits(stage);
const audit = Audit.open(prepared, "--required", String(ITEMS));
const entered = audit.enter(seller, "coarseAudit");
audit.deliver();
const set = audit.unseal(seller);
story.refused("it looks: its network is too weak", `classifies ${found.coarseCorrect} of the ${ITEMS} items`, () =>
  audit.accept(seller, "coarseAudit", { set }));

story.scene("It has a better network, and tries to bring it in");
story.refused("it enters the better network too", "WrongJobState", () => audit.enter(seller, "audit"));
story.refused("it accepts with the better network", "is registered with circuit", () =>
  audit.accept(seller, "audit", { set }));
const [again, fitted] = [stage.file("again.bundle"), stage.file("fitted.bundle")];
importNetwork("coarse", again);
derive(again, "coarseAudit", fitted, 8);
story.refused("it accepts with other weights in the circuit that it entered", "which was entered, is", () =>
  audit.accept(seller, "coarseAudit", { set, bundle: fitted }));
audit.send(seller, "accept", "--unchecked", "--claim", String(ITEMS));
story.line(`It accepts without looking, and claims ${ITEMS} of ${ITEMS}.`);
const proofs = stage.file("proofs");
audit.prove("audit", entered, proofs);
story.refused("it shows proofs of the better network", "belongs to verifying key", () => audit.submit(seller, proofs));

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
    "set is delivered. Proofs of other weights show another fingerprint.",
  ],
  left: [
    `A seller may look and give up for a fee (here ${eth(FEE)}, burnt from both sides), and knows the set from then on.`,
    "Use a set for one audit. If several networks are tried on one set, more items are needed, as the table says:",
    "`assay audit plan --models 100`. And approve only of sellers that you would deliver to.",
  ],
});
