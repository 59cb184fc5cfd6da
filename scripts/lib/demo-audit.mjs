// The story of two accuracy audits on a local chain, told by their money: a bounty that is paid, and one
// that a model too weak for it loses. `scripts/demo.sh audit` builds what it needs and starts it.

import { assay, ether, etherText, wei } from "./assay.mjs";
import { ITEMS, models } from "./models.mjs";
import { Stage } from "./stage.mjs";

const colours = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code) => (text) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text);
const [bold, dim, green] = [paint(1), paint(2), paint(32)];

const started = Date.now();
const say = (text) => console.log(`\n${bold(text)}`);
const line = (text) => console.log(`  ${text}`);

/** A step with the time that it took and the gas of its transactions. */
function step(text, work) {
  const from = Date.now();
  const report = work();
  const gas = report.gas_used ? `${String(report.gas_used).padStart(9)} gas` : "";
  console.log(`  ${text.padEnd(58)} ${dim(`${((Date.now() - from) / 1000).toFixed(1).padStart(5)} s ${gas}`)}`);
  return report;
}

const REWARD = ether("1");
const BOND = ether("0.1");
const STAKE = ether("0.5");
const FEE = ether("0.05");

say("A good network, and one that was quantized too coarsely; keys, verifiers, a hidden test set");
const found = models();
line(`test set: ${ITEMS} digits under the root ${found.test.root}`);

say("A local chain with all contracts; both sellers register their models");
const stage = await Stage.open(["deployer", "buyer", "seller", "rival"]);
const { buyer, seller, rival } = stage.actors;
const registered = {
  audit: stage.register(seller, "audit"),
  coarseAudit: stage.register(rival, "coarseAudit"),
};

/** Where the money is: each party's account and credit, and what the escrow holds for jobs. */
async function books(who) {
  const escrow = stage.deployed.contracts.AuditEscrow.address;
  const rows = [["buyer", await buyer.balance()], ["seller", await who.balance()]];
  return [...rows, ["escrow", await stage.balance(escrow)]];
}

/** Prints what moved since `before`, gas left out. */
async function moved(before, who) {
  const parts = (await books(who)).map(([name, now], index) => {
    const change = now - before[index][1];
    // Gas is far below a hundredth of an ether.
    const rounded = ((change + (change < 0n ? -ether("0.005") : ether("0.005"))) / ether("0.01")) * ether("0.01");
    return `${name} ${rounded > 0n ? "+" : ""}${etherText(rounded)}`;
  });
  line(green(parts.join("    ")));
}

async function play(title, who, circuit, careless = false) {
  const model = registered[circuit];
  say(title);
  const start = await books(who);
  const send = (actor, command, job, ...args) => actor.send("escrow", "audit", command, job, ...args);
  const { job } = step(`buyer opens: ${etherText(REWARD)} for ${ITEMS} of ${ITEMS} correct, bond ${etherText(BOND)}`,
    () => buyer.send(
      "escrow", "audit", "open", "--set", found.test.set, "--required", String(ITEMS),
      "--admit", found.circuits.audit.architecture, "--admit", found.circuits.coarseAudit.architecture,
      "--reward", wei(REWARD), "--bond", wei(BOND), "--stake", wei(STAKE), "--abort-fee", wei(FEE),
    ));
  const key = assay(["dataset", "key", "-o", stage.file(`${job}.age-key`)]);
  const entered = step(`seller enters model ${model.id}, puts up ${etherText(STAKE)}`, () =>
    send(who, "enter", job, "--model", model.id, "--architecture", model.architecture,
      "--encryption-key", key.recipient));
  await moved(start, who);
  const [sealed, set] = [stage.file(`${job}.set.age`), stage.file(`${job}.set`)];
  step("buyer seals the test set to the seller's key and publishes it", () =>
    send(buyer, "deliver", job, "--set", found.test.set, "--data", sealed, "--place", "https://example.org/set.age"));
  step(careless ? "seller opens the set, claims all items without running the model"
    : "seller opens the set, checks it, runs the model on it, claims its count", () => {
    assay(["dataset", "unseal", sealed, "--key", key.key, "-o", set]);
    const look = careless ? ["--unchecked", "--claim", String(ITEMS)]
      : ["--set", set, "--bundle", model.bundle, "--setup", found.setup];
    return send(who, "accept", job, ...look);
  });
  const proofs = stage.file(`proofs-${job}`);
  const proving = step("seller proves the runs", () => assay([
    "audit", "prove", model.bundle, "--set", set, "--setup", found.setup,
    "--keys", model.keys, "--context", entered.context, "-o", proofs,
  ]));
  const { correct, claim } = step(`seller shows ${proving.proofs} proofs to the escrow`, () =>
    send(who, "submit", job, "--proofs", proofs));
  line(`proven: ${correct} of ${ITEMS} are classified correctly, ${claim} were claimed`);
  if (correct !== claim) {
    line("the claim's window passes");
    await stage.pass(12 * 86_400);
  }
  const end = step("buyer settles", () => send(buyer, "settle", job));
  step("the result goes on record", () => send(buyer, "certify", job, "--entry", "1"));
  line(end.state === "paid"
    ? `the reward and the stake are the seller's: ${etherText(who.withdraw("audit"))}`
    : "reward and stake are the buyer's, but for an abort fee, which is burnt; the seller has no credit");
  line(`the buyer takes out ${etherText(buyer.withdraw("audit"))}`);
  await moved(start, who);
  if (end.state !== (correct === claim ? "paid" : "refunded")) throw new Error("the wrong side was paid");
  return end.state;
}

const first = await play("A bounty, and a model that is good enough", seller, "audit");
const second = await play("The same bounty, and a model that is too weak", rival, "coarseAudit", true);
const kept = await stage.held("AuditEscrow");
stage.close();
if (first !== "paid" || second !== "refunded" || kept !== FEE) {
  throw new Error(`the audits ended ${first} and ${second}, the escrow kept ${kept} wei`);
}
const took = ((Date.now() - started) / 1000).toFixed(0);
console.log(`\n${green("The good model was paid, the weak one paid for its promise.")} (${took} s)`);
