// A buyer delivers garbage in place of the test set: can it make money with that?

import fs from "node:fs";
import path from "node:path";

import { assay, wei } from "../../scripts/lib/assay.mjs";
import { DEPTH, ITEMS } from "../../scripts/lib/models.mjs";
import { Stage } from "../../scripts/lib/stage.mjs";
import { Audit, BOND, FEE, HOUR, REWARD, STAKE, prepareAudits } from "../../scripts/escrows/audits.mjs";
import { Story, eth, takeOut } from "./story.mjs";

const PLACE = "https://example.org/test.set.age";
const story = new Story("garbage", "Attack 7: a buyer delivers garbage in place of the test set");
story.line(`Reward ${eth(REWARD)}, the buyer's bond ${eth(BOND)}, the seller's stake ${eth(STAKE)}, abort fee ${eth(FEE)}.`);
const stage = await Stage.open(["deployer", "buyer", "seller", "rival"]);
const { buyer, seller } = stage.actors;
const { found } = stage;
const prepared = prepareAudits(stage);
const architecture = found.circuits.audit.architecture;
const commit = (from, name) => {
  const set = stage.file(name);
  assay(["dataset", "commit", from, "--architecture", architecture, "--depth", String(DEPTH), "--limit", String(ITEMS), "-o", set]);
  return set;
};

/** The same digits under wrong names: each label is one too high. */
function mislabelled() {
  const to = stage.file("mislabelled");
  fs.mkdirSync(to);
  found.images.forEach((image, index) =>
    fs.copyFileSync(image, path.join(to, `${index}_${(found.labels[index] + 1) % 10}.png`)));
  return commit(to, "mislabelled.set");
}

const open = (set) => new Audit(prepared, buyer.send(
  "escrow", "audit", "open", "--set", set, "--required", String(ITEMS), "--admit", architecture,
  "--reward", wei(REWARD), "--bond", wei(BOND), "--stake", wei(STAKE), "--abort-fee", wei(FEE),
  "--enter-within", String(HOUR), "--deliver-within", String(HOUR), "--accept-within", String(HOUR),
  "--prove-within", String(HOUR),
), set);
const burntSoFar = () => stage.held("AuditEscrow");

/** One audit with garbage: what is seen of it, and what everybody has lost when it is over. */
async function spoiled(set, deliver, look) {
  const audit = open(set);
  audit.enter(seller, "audit");
  const burnt = await burntSoFar() - REWARD - BOND - STAKE;
  deliver(audit);
  look(audit);
  audit.send(seller, "abort");
  audit.send(buyer, "settle");
  const [b, s] = [buyer, seller].map((actor) => actor.withdraw("audit"));
  return { buyer: REWARD + BOND - b, seller: STAKE - s, burnt: await burntSoFar() - burnt };
}

const plain = found.test.set;
const other = commit("examples/digits/images", "other.set");
const rows = [];

story.scene("First: noise. The contract sees a hash and a place, and cannot tell");
rows.push(["noise", await spoiled(plain, (audit) => {
  story.refused("the buyer's own program", "to deliver another set than the committed one", "not the test set", () =>
    audit.deliver(other));
  fs.writeFileSync(audit.sealed, "nothing that anybody could open");
  audit.send(buyer, "deliver", "--data", audit.sealed, "--place", PLACE);
}, (audit) => story.refused("the seller's program", "the seller opens it", "no sealed set", () => audit.unseal(seller)))]);

story.scene("Second: another set, well sealed");
rows.push(["another set", await spoiled(plain, (audit) => {
  assay(["dataset", "seal", other, "--to", prepared.sealing.seller.recipient, "-o", audit.sealed]);
  audit.send(buyer, "deliver", "--data", audit.sealed, "--place", PLACE);
}, (audit) => story.refused("the seller's program", "the seller opens it, and compares it with the root", "not the test set", () =>
  audit.accept(seller, "audit")))]);

story.scene("Third: the committed set, with labels that are all wrong");
const wrong = mislabelled();
rows.push(["wrong labels", await spoiled(wrong, (audit) => audit.deliver(wrong), (audit) =>
  story.refused("the seller's program", "the seller opens it, and runs its network on it", `classifies 0 of the ${ITEMS} items`, () =>
    audit.accept(seller, "audit")))]);

story.scene("What each has lost; the seller looks, and gives up each time");
const head = ["delivered", "buyer", "seller", "burnt, nobody's"];
const told = ([name, lost]) => [name, eth(lost.buyer), eth(lost.seller), eth(lost.burnt)];
story.table(head, ...rows.map(told));
for (const [name, lost] of rows) {
  story.demand(lost.buyer === FEE && lost.seller === FEE && lost.burnt === 2n * FEE, `${name}: both lose the fee`);
}

story.scene("Fourth: noise again, and a seller who accepts without looking");
const blind = open(plain);
blind.enter(seller, "audit");
const burnt = await burntSoFar() - REWARD - BOND - STAKE;
fs.writeFileSync(blind.sealed, "nothing that anybody could open");
blind.send(buyer, "deliver", "--data", blind.sealed, "--place", PLACE);
blind.send(seller, "accept", "--unchecked", "--claim", String(ITEMS));
story.line(`It claims ${ITEMS} of ${ITEMS}, and cannot prove anything of a set that it has not got. Its time passes.`);
await stage.pass(4 * HOUR + 1);
blind.send(buyer, "settle");
const [gained, rest] = [buyer, seller].map((actor) => takeOut(actor, "audit"));
const lost = { buyer: REWARD + BOND - gained, seller: STAKE - rest, burnt: await burntSoFar() - burnt };
story.table(head, told(["noise, accepted blindly", lost]));
story.line(`The buyer has gained ${eth(-lost.buyer)} with garbage: the stake, but for the part that is burnt.`);
story.demand(lost.buyer === FEE - STAKE && lost.seller === STAKE && lost.burnt === FEE, "who accepts blindly loses its stake to the buyer");
rows.push(["blind", lost]);
story.figure("lost_wei", Object.fromEntries(rows.map(([name, lost]) =>
  [name, Object.fromEntries(Object.entries(lost).map(([who, amount]) => [who, String(amount)]))])));
stage.close();

story.end({
  stopped: [
    "Nothing stops the delivery; what stops the business is that a seller who looks and gives up costs the buyer what it",
    "costs the seller, and that the money is burnt: a buyer who enters its own audit under other names loses it twice.",
  ],
  left: [
    `A seller who accepts without looking loses its stake, and ${eth(STAKE - FEE)} of it goes to the buyer: that pays. Look first:`,
    "`assay escrow audit accept` does, and accepts nothing blindly unless told so (`--unchecked`).",
    `A buyer who only wants to harm can do so, at equal cost: ${eth(FEE)} for ${eth(FEE)}. Enter the audits of`,
    "buyers that you know, or with a low fee, and never one with the fee 0: `assay escrow audit show` says it.",
    "A network whose labels the buyer made up fails honestly. No proof says that labels are right.",
  ],
});
