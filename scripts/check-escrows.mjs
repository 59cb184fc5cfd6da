// Plays the audits, the service and the retrieval on a local chain, from the command line and with real
// proofs, and checks every balance and state.
//
//   node scripts/check-escrows.mjs [--fresh]
//
// --fresh  make models, keys and verifiers again (.cache/escrows keeps them)
//
// Needs the release build, `forge build` and the packages of package-lock.json.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";

import { guard } from "./guard.mjs";
import { BATCH, DEPTH, ITEMS, Stage, WANTED_CLASS, assay, ether, etherText, models, register } from "./stage.mjs";

const started = Date.now();
const seconds = () => `${((Date.now() - started) / 1000).toFixed(0).padStart(4)} s`;
const say = (text) => console.log(`${seconds()}  ${text}`);

if (process.argv.includes("--help") || process.argv.includes("-h")) {
  console.log("node scripts/check-escrows.mjs [--fresh]   plays audits, services and retrievals on a local chain");
  process.exit(0);
}
const fresh = process.argv.includes("--fresh");
const stage = await Stage.open(["deployer", "buyer", "seller", "rival", "provider"], { fresh, say });
const found = models(say);
const { buyer, seller, rival, provider, deployer } = stage.actors;
say("models on chain");
const ids = Object.fromEntries(
  Object.entries(found.models).map(([name, model]) => [name, register(seller, stage, model, found.setup)]),
);

const REWARD = ether("1");
const BOND = ether("0.1");
const STAKE = ether("0.5");
const FEE = ether("0.05");
const HOUR = 3600;

/** That a command is refused, and says why. */
function refused(reason, work) {
  assert.throws(work, (error) => error.message.includes(reason) || assert.fail(`${reason}? ${error.message}`));
}

// --- deployment ---------------------------------------------------------------------------------------
const check = stage.ask("deploy", "--check", "--allow-dev-setup", "-o", stage.deployment);
assert.equal(check.complete, true);
refused("not deployed: AuditEscrow", () => stage.ask("deploy", "--check", "-o", stage.deployment));
const again = deployer.send("deploy", "--allow-dev-setup", "-o", stage.deployment);
assert.deepEqual(Object.values(again.contracts).map((contract) => contract.gas_used), Array(8).fill(0));
assert.equal(again.block, stage.deployed.block, "the file keeps its block");
const other = stage.file("other-addresses.json");
const lost = deployer.send("deploy", "--allow-dev-setup", "-o", other);
assert.equal(lost.block, stage.deployed.block, "without a file the block is found");
const at = (name) => stage.deployed.contracts[name].address;
const changed = JSON.parse(fs.readFileSync(other, "utf8"));
changed.contracts.AuditEscrow.address = at("ServiceBond");
fs.writeFileSync(other, JSON.stringify(changed));
refused("other-addresses.json for AuditEscrow", () => stage.ask(
  "deploy", "--check", "--allow-dev-setup", "-o", other,
));
// Contracts that are taken for others.
refused("is no AuditEscrow", () => stage.ask(
  "escrow", "audit", "show", "1", "--escrow", at("RetrievalEscrow"),
));
refused("is no ServiceBond", () => stage.ask(
  "service", "show", `0x${"11".repeat(32)}`, "--escrow", at("AuditEscrow"),
));
refused("is no RetrievalEscrow", () => seller.send(
  "escrow", "retrieval", "settle", "1", "--escrow", at("ModelRegistry"),
));
// The contracts' own list has the same addresses, so that constructors have got the same arguments.
const list = "contracts/cache/addresses.json";
const listing = ["script", "contracts/script/Addresses.s.sol", "--sig", "run(string,bool)", list, "true"];
execFileSync("node_modules/.bin/forge", listing, { stdio: "pipe" });
const listed = Object.entries(JSON.parse(fs.readFileSync(list, "utf8")));
assert.equal(listed.length, Object.keys(stage.deployed.contracts).length);
for (const [name, address] of listed) assert.equal(at(name), address.toLowerCase(), name);
say("deployed; a second deployment finds everything, at the addresses of the contracts' list");
{
  const { bundle, keys, verifier } = found.models.prediction;
  const pair = seller.send("verifier", "deploy", verifier);
  const registered = seller.send("model", "register", bundle, "--setup", found.setup, "--keys", keys,
    "--vk", pair.vk, "--verifier", pair.verifier);
  assert.equal(registered.model_id, String(Object.keys(ids).length + 1), "in the registry of the deployment");
}

// --- audits -------------------------------------------------------------------------------------------
const audit = (actor, command, job, ...args) => actor.send("escrow", "audit", command, job, ...args);
const show = (job) => stage.ask("escrow", "audit", "show", job);
// Sellers' keys, to which the buyer's delivery is sealed.
const sealing = Object.fromEntries(
  [seller, rival].map(({ name }) => {
    const key = stage.file(`${name}.age-key`);
    return [name, assay(["dataset", "key", "-o", key])];
  }),
);
const place = "https://example.org/test.set.age";

/** Opens an audit that admits both networks; options are those of the command. */
function openAudit(...options) {
  const opened = buyer.send(
    "escrow", "audit", "open", "--set", found.test.set,
    "--admit", found.models.audit.verifier, "--admit", found.models.coarseAudit.verifier,
    "--reward", String(REWARD), "--bond", String(BOND), "--stake", String(STAKE),
    "--abort-fee", String(FEE), "--enter-within", String(HOUR), "--deliver-within", String(HOUR),
    "--accept-within", String(HOUR), "--prove-within", String(HOUR), ...options,
  );
  assert.deepEqual([opened.root, opened.items], [found.test.root, ITEMS]);
  return opened.job;
}

const enter = (actor, job, model) =>
  audit(actor, "enter", job, "--model", ids[model], "--architecture", found.models[model].architecture,
    "--encryption-key", sealing[actor.name].recipient);
const deliver = (job, set = found.test.set) =>
  audit(buyer, "deliver", job, "--set", set, "--data", stage.file(`${job}.set.age`), "--place", place);
/** What a seller makes of the delivery. */
function unseal(actor, job) {
  const set = stage.file(`${job}-${actor.name}.set`);
  return assay([
    "dataset", "unseal", stage.file(`${job}.set.age`), "--key", sealing[actor.name].key, "-o", set,
  ]).unsealed;
}
const accept = (actor, job, model = "audit", set = unseal(actor, job)) =>
  audit(actor, "accept", job, "--set", set, "--bundle", found.models[model].bundle, "--setup", found.setup);

/** Proves runs of an entry's model for its context, and hands them in. */
function prove(actor, job, model, entered, { set = found.test.set, runs = [] } = {}) {
  const proofs = stage.file(`${model}-${job}`);
  const proving = assay([
    "audit", "prove", found.models[model].bundle, "--set", set, "--setup", found.setup,
    "--keys", found.models[model].keys, "--context", entered.context, "-o", proofs, ...runs,
  ]);
  return { proofs, proving, submitted: audit(actor, "submit", job, "--proofs", proofs) };
}

/** What everybody takes out after a job; nothing is left. */
async function settled(job, state, expected) {
  assert.equal(show(job).state, state);
  for (const [actor, amount] of expected) {
    const before = await actor.balance();
    assert.equal(actor.withdraw("audit"), amount, `${actor.name}: ${etherText(amount)} expected`);
    const gained = (await actor.balance()) - before;
    assert.ok(gained <= amount && gained > amount - ether("0.01"), `${actor.name} was paid`);
  }
  assert.equal(await stage.held("AuditEscrow"), 0n, "the escrow is empty");
}

// A bounty that is paid.
{
  const job = openAudit("--required", String(ITEMS));
  assert.equal(await stage.held("AuditEscrow"), REWARD + BOND);
  refused("is registered with circuit", () => audit(
    seller, "enter", job, "--model", ids.prediction, "--architecture", found.models.audit.architecture,
  ));
  const entered = enter(seller, job, "audit");
  assert.equal(entered.batch, BATCH);
  refused("EntriesFull", () => enter(rival, job, "coarseAudit"));
  const other = stage.file("other.set");
  assay(["dataset", "commit", "examples/digits/images", "--architecture", found.models.audit.architecture,
    "--limit", String(ITEMS), "-o", other]);
  refused("not the test set", () => deliver(job, other));
  deliver(job);
  const sealed = fs.readFileSync(stage.file(`${job}.set.age`));
  assert.ok(!sealed.includes(fs.readFileSync(found.test.set).subarray(-200, -32)), "the set is not in the open");
  refused("not sealed to this key", () => assay([
    "dataset", "unseal", stage.file(`${job}.set.age`), "--key", sealing[rival.name].key, "-o", stage.file("x"),
  ]));
  refused("not the test set", () => accept(seller, job, "audit", other));
  refused("is registered with circuit", () => accept(seller, job, "retrieval", found.test.set));
  // The same circuit: of the network imported once more, and of the model with one opening for two runs.
  const derived = (source, name) => {
    const bundle = stage.file(name);
    assay(["model", "derive", source, "--statement", "audit", "--items", String(BATCH), "--depth", String(DEPTH),
      "--openings", "1", "-o", bundle]);
    return audit(seller, "accept", job, "--set", found.test.set, "--bundle", bundle, "--setup", found.setup);
  };
  const again = stage.file("again.bundle");
  assay(["model", "import", "examples/digits/lenet.onnx", "--calibrate", "examples/digits/calibration.npz", "-o", again]);
  refused("which was entered, is", () => derived(again, "other.bundle"));
  refused("1 of the 1 openings", () => derived(found.models.audit.bundle, "short.bundle"));
  accept(seller, job);
  const first = prove(seller, job, "audit", entered, { runs: ["--runs", "0", "1"] });
  assert.equal(first.submitted.submitted, 1);
  refused("Undecided", () => audit(seller, "settle", job));
  // A proof that was changed, and one of another use.
  const forged = stage.file("forged");
  fs.cpSync(first.proofs, forged, { recursive: true });
  const last = prove(seller, job, "audit", entered);
  assert.deepEqual([last.proving.made, last.submitted.submitted, last.submitted.proven_before], [1, 1, 1]);
  assert.deepEqual([last.submitted.correct, last.submitted.missing], [String(ITEMS), "0"]);
  const end = audit(deployer, "settle", job);
  assert.deepEqual([end.state, end.winner], ["paid", "1"]);
  audit(deployer, "certify", job, "--entry", "1");
  refused("AlreadyCertified", () => audit(deployer, "certify", job, "--entry", "1"));
  const shown = show(job);
  assert.deepEqual([shown.entries[0].state, shown.entries[0].certified], ["returned", true]);
  assert.equal(shown.winner, "1");
  await settled(job, "paid", [[buyer, BOND], [seller, REWARD + STAKE]]);
  refused("made for another use", () => {
    const next = openAudit("--required", "1");
    enter(seller, next, "audit");
    deliver(next);
    accept(seller, next);
    audit(seller, "submit", next, "--proofs", forged);
  });
  say("a bounty is paid");
}

// The job that the last refusal left open: the seller accepted and falls silent.
{
  await stage.pass(4 * HOUR + 1);
  const job = "2";
  audit(deployer, "settle", job);
  assert.equal(show(job).entries[0].state, "forfeited");
  await settled(job, "refunded", [[buyer, REWARD + BOND + STAKE]]);
  say("a seller that accepted and proves nothing loses the stake");
}

// A model that is too weak.
{
  const job = openAudit("--required", String(ITEMS));
  const entered = enter(seller, job, "coarseAudit");
  deliver(job);
  refused(`classifies ${found.coarseCorrect} of the ${ITEMS} items correctly`, () => accept(seller, job, "coarseAudit"));
  audit(seller, "accept", job, "--unchecked");
  const { submitted } = prove(seller, job, "coarseAudit", entered);
  assert.equal(submitted.correct, String(found.coarseCorrect));
  assert.ok(found.coarseCorrect < ITEMS);
  const end = audit(buyer, "settle", job);
  assert.deepEqual([end.state, end.winner], ["refunded", null]);
  await settled(job, "refunded", [[buyer, REWARD + BOND + STAKE]]);
  refused("has a credit of 0 ETH", () => seller.withdraw("audit"));
  say("a bounty is lost by a model that is too weak");
}

// The seller gives up; the seller does not answer at all.
for (const silent of [false, true]) {
  const job = openAudit("--required", String(ITEMS));
  enter(seller, job, "coarseAudit");
  deliver(job);
  if (silent) {
    refused("Undecided", () => audit(buyer, "settle", job));
    await stage.pass(3 * HOUR + 1);
  } else {
    audit(seller, "abort", job);
  }
  audit(buyer, "settle", job);
  assert.equal(show(job).entries[0].state, "aborted");
  await settled(job, "refunded", [[buyer, REWARD + BOND + FEE], [seller, STAKE - FEE]]);
  say(silent ? "a seller that does not answer pays the abort fee" : "a seller gives up for the abort fee");
}

// The buyer does not deliver.
{
  const job = openAudit("--required", String(ITEMS));
  enter(seller, job, "audit");
  refused("DeadlineNotPassed", () => audit(seller, "settle", job));
  await stage.pass(2 * HOUR + 1);
  refused("DeadlinePassed", () => deliver(job));
  assert.equal(audit(seller, "settle", job).state, "undelivered");
  await settled(job, "undelivered", [[buyer, REWARD], [seller, STAKE + BOND]]);
  say("a buyer that does not deliver loses its bond");
}

// Nobody enters; and a job without a list, where delivering is the approval.
{
  const job = openAudit("--required", "1");
  await stage.pass(HOUR + 1);
  audit(buyer, "settle", job);
  await settled(job, "refunded", [[buyer, REWARD + BOND]]);
  const open = buyer.send(
    "escrow", "audit", "open", "--set", found.test.set, "--required", "1", "--reward", String(REWARD),
    "--stake", String(STAKE), "--enter-within", "60", "--deliver-within", "60", "--accept-within", "60",
    "--prove-within", "60",
  );
  // With a key of another kind, and a set that the buyer encrypted by other means.
  const foreign = stage.file("foreign.pub");
  fs.writeFileSync(foreign, "a key for another program");
  const hurried = (...options) => audit(seller, "enter", open.job, "--model", ids.coarseAudit,
    "--architecture", found.models.coarseAudit.architecture, "--encryption-key", foreign, ...options);
  refused("60 s to accept", () => hurried());
  hurried("--short-windows");
  refused("no key that files are sealed to", () => audit(
    buyer, "deliver", open.job, "--set", found.test.set, "--data", stage.file("x"), "--place", "-", "--approve",
  ));
  const encrypted = stage.file("other-means");
  fs.writeFileSync(encrypted, "what that key opens");
  const trusting = (...trusted) =>
    audit(buyer, "deliver", open.job, "--data", encrypted, "--place", "-", ...trusted);
  refused("approves of its entries", () => trusting());
  refused("none of the folders has", () => trusting("--verifier", found.models.audit.verifier));
  refused("no longer those", () => trusting("--approve", "--entries", `0x${"11".repeat(32)}`));
  trusting("--verifier", found.models.coarseAudit.verifier, "--entries", show(open.job).entries_hash);
  audit(seller, "abort", open.job);
  audit(seller, "settle", open.job);
  await settled(open.job, "refunded", [[buyer, REWARD], [seller, STAKE]]);
  say("nobody enters; a buyer approves of the entries it knows");
}

// A contest: the better of two is paid, the other gets its stake back.
{
  const { job } = buyer.send(
    "escrow", "audit", "open", "--set", found.short.set, "--required", "1", "--max-entries", "2",
    "--admit", found.models.audit.verifier, "--admit", found.models.coarseAudit.verifier,
    "--reward", String(REWARD), "--bond", String(BOND), "--stake", String(STAKE),
  );
  const [coarse, good] = [enter(rival, job, "coarseAudit"), enter(seller, job, "audit")];
  assert.deepEqual([coarse.entry, good.entry], ["1", "2"]);
  // One file for both.
  deliver(job, found.short.set);
  accept(rival, job, "coarseAudit");
  accept(seller, job);
  assert.equal(prove(rival, job, "coarseAudit", coarse, found.short).submitted.correct, "1");
  refused("Undecided", () => audit(rival, "settle", job));
  assert.equal(prove(seller, job, "audit", good, found.short).submitted.correct, "2");
  const end = audit(deployer, "settle", job);
  assert.deepEqual([end.state, end.winner], ["paid", "2"]);
  audit(deployer, "release", job, "--entry", "1");
  refused("EntryEnded", () => audit(deployer, "release", job, "--entry", "1"));
  await settled(job, "paid", [[buyer, BOND], [seller, REWARD + STAKE], [rival, STAKE]]);
  say("a contest of two sellers goes to the better one");
}

/** The coarse network for single predictions, which nobody has registered; its keys are made when needed. */
const coarse = {
  bundle: found.models.coarseAudit.bundle.replace("coarseAudit", "coarse"),
  keys: stage.file("coarse-keys"),
};
const used = (bundle) => assay(["model", "inspect", bundle]).openings_used;

// --- a service with spot checks --------------------------------------------------------------------------
const service = (actor, command, ...args) => actor.send("service", command, ...args);
{
  const PENALTY = ether("2");
  const COST = ether("0.01");
  const PRICE = ether("0.3");
  const opened = service(
    provider, "open", "--model", ids.prediction, "--bond", String(3n * PENALTY), "--penalty", String(PENALTY),
    "--proof-cost", String(COST), "--contest-window", "3600", "--proof-window", "3600",
    "--notice-period", "10000",
  );
  const inputs = stage.file("openings");
  const openings = found.images.map((image) => assay([
    "input", "commit", "--architecture", found.models.prediction.architecture, "--input", image,
    "-o", inputs,
  ]).opening);

  /** Posts a batch of answers; `cheat` makes them wrong. Returns its id and files. */
  const sell = async (name, cheat) => {
    const answers = stage.file(`${name}-answers.json`);
    const receipt = stage.file(`${name}-receipt.json`);
    const secret = stage.file(`${name}.secret`);
    const { answers: list } = assay(
      ["service", "answer", ...openings, "--bundle", found.models.prediction.bundle, "-o", answers],
    );
    assert.deepEqual(list.map((answer) => answer.class), found.labels);
    if (cheat) {
      for (const answer of list) answer.class = (answer.class + 1) % 10;
      fs.writeFileSync(answers, JSON.stringify(list));
    }
    service(
      provider, "sign", answers, "--service", opened.service, "--buyer", buyer.address,
      "--price", String(PRICE), "-o", receipt,
    );
    const posting = ["--answers", answers, "--inputs", inputs, "--secret", secret];
    if (!cheat) {
      const others = stage.file("others.json");
      fs.writeFileSync(others, JSON.stringify(list.slice(1)));
      refused("do not pay", () => service(buyer, "post", receipt, "--answers", others, ...posting.slice(2)));
      refused("NotBatchBuyer", () => service(rival, "post", receipt, ...posting));
      const dear = stage.file("dear.json");
      service(
        provider, "sign", answers, "--service", opened.service, "--buyer", buyer.address,
        "--price", "1000000ether", "-o", dear,
      );
      refused("send funds to it", () => service(buyer, "post", dear, ...posting));
      assert.ok(!fs.existsSync(secret), "nothing was sent: the next attempt draws a secret");
    }
    const { batch } = service(buyer, "post", receipt, ...posting);
    refused("must be there before", () => service(buyer, "contest", batch, "--checks", "1", "--secret", secret));
    await stage.rpc("evm_mine");
    return { batch, answers, secret };
  };
  const state = (batch) => stage.ask("service", "batch", batch).state;
  const proving = ({ batch, answers }, { bundle, keys } = found.models.prediction) => service(
    provider, "prove", batch, "--answers", answers, "--inputs", inputs, "--bundle", bundle,
    "--setup", found.setup, "--keys", keys,
  );

  // Upheld: every drawn item is proven.
  const honest = await sell("honest", false);
  refused("not contested", () => proving(honest));
  const contested = service(buyer, "contest", honest.batch, "--checks", "2", "--secret", honest.secret);
  const before = used(coarse.bundle);
  refused("the bundle holds model", () => proving(honest, coarse));
  assert.equal(used(coarse.bundle), before, "no opening is spent on another model");
  const done = proving(honest);
  assert.deepEqual([...done.proven].sort(), contested.drawn.map(Number).sort());
  assert.equal(state(honest.batch), "upheld");
  assert.equal(provider.withdraw("service"), PRICE + 2n * COST);
  say("a spot check is upheld");

  // Not contested: paid after the window.
  const quiet = await sell("quiet", false);
  refused("DeadlineNotPassed", () => service(provider, "settle", quiet.batch));
  await stage.pass(3601);
  service(provider, "settle", quiet.batch);
  assert.equal(state(quiet.batch), "paid");
  assert.equal(provider.withdraw("service"), PRICE);

  // Punished: the answers are wrong, so nothing can be proven.
  const wrong = await sell("wrong", true);
  service(buyer, "contest", wrong.batch, "--checks", "3", "--secret", wrong.secret);
  refused("it cannot be proven", () => proving(wrong));
  refused("DeadlineNotPassed", () => service(buyer, "punish", wrong.batch));
  await stage.pass(3601);
  service(deployer, "punish", wrong.batch);
  assert.equal(state(wrong.batch), "punished");
  assert.equal(buyer.withdraw("service"), PRICE + 3n * COST + PENALTY);
  say("a spot check punishes");

  // The rest of the bond goes back.
  service(provider, "top-up", opened.service, "--amount", String(PENALTY));
  service(provider, "notice", opened.service);
  refused("NoticeNotPassed", () => service(provider, "close", opened.service));
  await stage.pass(10001);
  service(deployer, "close", opened.service);
  assert.equal(provider.withdraw("service"), 3n * PENALTY);
  assert.equal(stage.ask("service", "show", opened.service).state, "closed");
  assert.equal(await stage.held("ServiceBond"), 0n);
  say("the service is closed");
}

// --- retrievals ------------------------------------------------------------------------------------------
{
  const PRICE = ether("0.2");
  const retrieval = (actor, command, job, ...args) =>
    actor.send("escrow", "retrieval", command, job, ...args);
  const open = () => buyer.send(
    "escrow", "retrieval", "open", "--model", ids.retrieval,
    "--architecture", found.models.retrieval.architecture, "--holder", seller.address,
    "--root", found.collection.root, "--items", String(ITEMS), "--price", String(PRICE),
    "--prove-within", "3600", "--open-within", "3600",
  );
  const job = open();
  const proofs = stage.file("retrieval");
  const prove = (set) => assay([
    "retrieve", "prove", found.models.retrieval.bundle, "--set", set, "--setup", found.setup,
    "--keys", found.models.retrieval.keys, "--context", job.context, "-o", proofs,
  ]);
  prove(found.collection.set);
  const verified = assay([
    "retrieve", "verify", proofs, "--architecture", found.models.retrieval.architecture,
    "--keys", found.models.retrieval.keys, "--items", String(ITEMS), "--root", found.collection.root,
    "--context", job.context,
  ]);
  const openings = stage.file("openings.tar.age");
  fs.writeFileSync(openings, "what the requester's key opens");
  const publishing = ["--data", openings, "--place", "https://example.org/openings.tar.age"];
  refused("NotCovered", () => retrieval(seller, "publish", job.job, ...publishing));
  assert.equal(retrieval(seller, "submit", job.job, "--proofs", proofs).missing, "0");
  assert.equal(retrieval(seller, "submit", job.job, "--proofs", proofs).submitted, 0, "nothing is sent twice");
  const selected = found.labels.flatMap((label, index) => (label === WANTED_CLASS ? [index] : []));
  assert.ok(selected.length > 0);
  assert.deepEqual([verified.selected, verified.complete], [selected, true], "without the chain");
  assert.deepEqual(stage.ask("escrow", "retrieval", "show", job.job).selected, selected);
  refused("DeadlineNotPassed", () => retrieval(buyer, "settle", job.job));
  assert.equal(retrieval(seller, "publish", job.job, ...publishing).state, "paid");
  assert.equal(seller.withdraw("retrieval"), PRICE);

  const ignored = open();
  refused("made for another use", () => retrieval(seller, "submit", ignored.job, "--proofs", proofs));
  await stage.pass(3601);
  assert.equal(retrieval(deployer, "settle", ignored.job).state, "refunded");
  assert.equal(buyer.withdraw("retrieval"), PRICE);
  assert.equal(await stage.held("RetrievalEscrow"), 0n);
  say("a retrieval is paid, another one refunded");
}

// --- the relayer, with a keystore, paid in a token ---------------------------------------------------------
{
  const PRICE = 1000n;
  const forged = JSON.parse(fs.readFileSync("contracts/out/Tokens.sol/PlainToken.json", "utf8"));
  const transaction = await stage.rpc(
    "eth_sendTransaction", { from: deployer.address, data: forged.bytecode.object },
  );
  let deployed = null;
  for (let tries = 0; !deployed && tries < 100; tries += 1) {
    deployed = await stage.rpc("eth_getTransactionReceipt", transaction);
    if (!deployed) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const token = deployed.contractAddress;
  const cast = (...args) => execFileSync("node_modules/.bin/cast", args, { encoding: "utf8" }).trim();
  const call = (signature, ...args) => cast("calldata", signature, ...args);
  await stage.rpc("eth_sendTransaction", {
    from: deployer.address, to: token, data: call("mint(address,uint256)", buyer.address, String(PRICE)),
  });
  const tokens = async (account) =>
    BigInt(await stage.rpc("eth_call", { to: token, data: call("balanceOf(address)", account) }, "latest"));

  // The seller's key, encrypted.
  const password = stage.file("password");
  fs.writeFileSync(password, "correct horse\n");
  cast("wallet", "import", "seller", "--private-key", fs.readFileSync(seller.keyFile, "utf8"),
    "--keystore-dir", stage.folder, "--unsafe-password", "correct horse");
  const keystore = ["--keystore", stage.file("seller"), "--password-file", password];
  const inputs = stage.file("relayer-inputs");
  const { commitment } = assay([
    "input", "commit", "--architecture", found.models.prediction.architecture,
    "--input", found.images[0], "-o", inputs,
  ]);
  const { job } = buyer.send(
    "escrow", "open", "--model", ids.prediction, "--commitment", commitment,
    "--price", String(PRICE), "--token", token,
  );
  assert.equal(await tokens(buyer.address), 0n);

  /** Runs a relayer until `until` holds, then asks it to stop; returns the jobs in its store. */
  const store = stage.file("jobs.redb");
  const relay = async (until, ...options) => {
    const log = fs.openSync(stage.file("relayer.log"), "a");
    const relayer = spawn("target/release/assay", [
      "relayer", "run", "--json", "--bundle", found.models.prediction.bundle, "--setup", found.setup,
      "--keys", found.models.prediction.keys, "--inputs", inputs, "--store", store, "--poll", "200",
      "--minimum-price", "1ether", ...keystore, ...options,
    ], { env: { ...process.env, ...stage.environment, ASSAY_LOG: "info" }, stdio: ["ignore", "pipe", log] });
    const guardian = guard({ process: relayer.pid });
    let report = "";
    relayer.stdout.on("data", (text) => (report += text));
    const ended = new Promise((resolve) => relayer.on("close", resolve));
    for (const limit = Date.now() + 180_000; !(await until()) && relayer.exitCode === null; ) {
      if (Date.now() > limit) break;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    relayer.kill("SIGTERM");
    const code = await ended;
    guardian.kill();
    assert.equal(code, 0, fs.readFileSync(stage.file("relayer.log"), "utf8"));
    return JSON.parse(report).jobs;
  };
  const state = () => stage.ask("escrow", "show", job).state;
  // Stopped while it proves, it ends that proof, and goes on with it after a restart.
  const proving = () => /proving/.test(fs.readFileSync(stage.file("relayer.log"), "utf8"));
  const [begun] = await relay(proving, "--token", `${token}=${PRICE}`);
  assert.match(begun.state.name, /^prov(ing|en)$/);
  assert.equal(state(), "open");
  await relay(async () => (await tokens(seller.address)) === PRICE, "--token", `${token}=${PRICE}`);
  assert.deepEqual([state(), await tokens(seller.address)], ["claimed", PRICE]);
  const [after] = stage.ask("relayer", "status", "--store", store).jobs;
  assert.equal(after.state.name, "confirmed");
  say("a relayer with a keystore is stopped, started again, and paid in a token");
}

// --- a proof for a job, made by hand -----------------------------------------------------------------------
{
  const { bundle, keys, architecture } = found.models.prediction;
  const { commitment, opening } = assay([
    "input", "commit", "--architecture", architecture, "--input", found.images[1], "-o", stage.file("job"),
  ]);
  const { job } = buyer.send(
    "escrow", "open", "--model", ids.prediction, "--commitment", commitment, "--price", "7",
  );
  const proof = stage.file("job.proof");
  const prove = (model) => assay([
    "prove", model.bundle, "--setup", found.setup, "--keys", model.keys, "--opening", opening,
    "--job", job, "--recipient", seller.address, "-o", proof,
  ], stage.environment);
  const before = used(coarse.bundle);
  refused("the bundle holds model", () => prove(coarse));
  assert.equal(used(coarse.bundle), before, "no opening is spent on another model");
  assert.equal(prove({ bundle, keys }).class, found.labels[1]);
  seller.send("escrow", "claim", job, "--proof", proof);
  refused("the escrow refuses this claim", () => seller.send("escrow", "claim", job, "--proof", proof));
  assert.equal(seller.withdraw("prediction"), 7n);
  say("a proof made by hand is paid");
}

stage.close();
say("every balance and state is as it should be");
