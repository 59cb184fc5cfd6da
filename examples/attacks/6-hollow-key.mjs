// A thief registers a key that checks nothing, and a verifier contract that says yes to everything.

import { execFileSync } from "node:child_process";
import fs from "node:fs";

import { assay, ether, wei } from "../../scripts/lib/assay.mjs";
import { Stage } from "../../scripts/lib/stage.mjs";
import { SHORT, Story, eth } from "./story.mjs";

const PRICE = ether("1");
/** A class that a network for ten digits does not have. */
const CLASS = 999;
/** Where the commitments to fixed columns begin in a key, behind its head (docs/trust.md). */
const HEAD = 512;
const PROOF_SYSTEM = "0x301c92ec";
const CAST = "node_modules/.bin/cast";
const story = new Story("hollow-key", "Attack 6: a key that checks nothing, and a verifier that accepts everything");
const stage = await Stage.open(["deployer", "buyer", "seller", "thief"]);
const { buyer, seller, thief } = stage.actors;
const { found } = stage;
const { architecture, verifier: folder } = stage.model("prediction");
const { circuit_hash: circuit } = assay(["model", "inspect", architecture]);
const registry = stage.deployed.contracts.ModelRegistry.address;
const cast = (...args) => execFileSync(CAST, args, { encoding: "utf8" }).trim();

/** Sends a transaction of the thief's; its receipt. */
async function transact(data, to) {
  const hash = await stage.rpc("eth_sendTransaction", { from: thief.address, to, data, gas: "0xe00000" });
  let receipt;
  while (!(receipt = await stage.rpc("eth_getTransactionReceipt", hash))) await new Promise((resolve) => setTimeout(resolve, 50));
  story.demand(Number(receipt.status) === 1, "the thief's transaction goes through");
  return receipt;
}

/** Puts code at an address, by an init code of 11 bytes that returns what follows it. */
async function deploy(code) {
  const length = (code.length / 2 - 1).toString(16).padStart(6, "0");
  const { contractAddress } = await transact(`0x62${length}80600b5f395ff3${code.slice(2)}`);
  return contractAddress;
}

/** An entry of the registry with whatever the thief likes; its id. */
async function register(modelHash, vk, verifier) {
  const vkHash = cast("keccak", await stage.rpc("eth_getCode", vk, "latest"));
  const commitment = `(${modelHash},${circuit},${vkHash},${PROOF_SYSTEM},"")`;
  const types = "((bytes32,bytes32,bytes32,bytes4,string),address,address)";
  await transact(cast("calldata", `registerBoundModel${types}`, commitment, vk, verifier), registry);
  const id = cast("keccak", cast("abi-encode", "f(address,bytes32,bytes32,bytes32,bytes4)", thief.address, modelHash,
    circuit, vkHash, PROOF_SYSTEM));
  return { id, vkHash };
}

const { commitment } = assay([
  "input", "commit", "--architecture", architecture, "--input", found.images[0], "-o", stage.file("inputs"),
]);
const order = (id, ...options) => buyer.send(
  "escrow", "open", "--model", id, "--commitment", commitment, "--price", wei(PRICE), ...options,
);
const modelHash = `0x${"07".repeat(32)}`;

story.scene("The honest key and verifier are on the chain; the thief adds 39 bytes that return \"valid\"");
const pair = seller.send("verifier", "deploy", folder);
// PUSH32 hash, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN.
const yes = await deploy(`0x7f${modelHash.slice(2)}5f5260205ff3`);
const accepting = await register(modelHash, pair.vk, yes);
story.line(`The registry takes the entry: anybody may register anything. Model ${accepting.id.slice(0, 18)}...`);

story.scene(`A buyer orders a prediction of it for ${eth(PRICE)}`);
story.refused("the buyer's program", "with the published architecture", "its verifier's code is", () =>
  order(accepting.id, "--architecture", architecture));
story.refused("the buyer's program", "with nothing to compare", "nothing says which model this must be", () => order(accepting.id));
const opened = order(accepting.id, "--trust-registry");
story.line("With --trust-registry, which means \"do not check\", the order goes through.");
const claim = stage.file("claim.hex");
fs.writeFileSync(claim, `0x${Buffer.from("no proof at all").toString("hex")}`);
thief.send("escrow", "claim", opened.job, "--raw-proof", claim, "--class", String(CLASS));
const taken = thief.withdraw("prediction");
story.figure("taken_wei", String(taken));
story.line(`The thief claims class ${CLASS} of ten with the words "no proof at all", and is paid ${eth(taken)}.`);
story.demand(taken === PRICE, "who does not check pays");

story.scene("The thief's other way: the honest verifier, and a key whose constraints are wiped out");
const code = await stage.rpc("eth_getCode", pair.vk, "latest");
const fixed = code.length / 2 - 1 - HEAD;
const hollow = await deploy(code.slice(0, 2 + 2 * HEAD) + "0".repeat(2 * fixed));
const entry = await register(modelHash, hollow, pair.verifier);
story.figure("wiped_bytes", fixed);
story.line(`${fixed} of the key's ${fixed + HEAD} bytes are zero now: no rule is left. The registry and the verifier take it.`);
story.refused("the buyer's program", "with the published architecture", "its verifying key is", () =>
  order(entry.id, "--architecture", architecture));
story.refused("the buyer's program", "with nothing to compare", "nothing says which model this must be", () => order(entry.id));

if (SHORT) {
  story.line("Proofs forged under such a key: in this story without --short, and in the tests, cli/tests/commands/attacks.rs.");
} else {
  story.scene("Forged proofs under such a key, sold as predictions, audits and retrievals: the replay in the tests");
  // What scripts/test.sh has built, it has built with these checks.
  const checks = process.env.ASSAY_BUILT ? ["--config", "scripts/checked.toml"] : [];
  const run = execFileSync("cargo", [...checks, "test", "--release", "--workspace", "--test", "commands", "--", "attacks::"], {
    encoding: "utf8", env: { ...process.env, ASSAY_REQUIRE_ANVIL: "1" }, stdio: ["ignore", "pipe", "inherit"],
  });
  const sold = [...run.matchAll(/^test attacks::(\S*(?:whoever_checks|to_nobody)\S*) \.\.\. ok$/gm)].map(([, name]) => name);
  story.demand(/test result: ok\./.test(run) && sold.length > 0, "the replay ran");
  story.line(`${story.figure("replays", sold.length)} replays of cli/tests/commands/attacks.rs: paid where nobody checks, refused where somebody does.`);
}
stage.close();

story.end({
  stopped: [
    "No key is taken on trust. The buyer's program makes the key again from the published architecture, compiles the",
    "verifier again, and compares both with what stands on the chain, before it pays.",
  ],
  left: [
    "--trust-registry and --trust-key switch that off. Who types them can be robbed as above.",
    "No program knows whether the architecture is the network that you mean: look at it, `assay model inspect CARD`.",
  ],
});
