// A thief sees a proof on its way to the chain and wants to be paid for it.

import { execFile } from "node:child_process";

import { ASSAY, assay, ether, wei } from "../../scripts/lib/assay.mjs";
import { Stage } from "../../scripts/lib/stage.mjs";
import { errorSelector, reverted } from "./forge.mjs";
import { Story, eth, takeOut } from "./story.mjs";

const PRICE = ether("1");
const story = new Story("copied-proof", "Attack 5: a thief copies a proof from the pool of waiting transactions");
const stage = await Stage.open(["deployer", "buyer", "seller", "thief"]);
const { buyer, seller, thief } = stage.actors;
const { found } = stage;
const model = stage.register(seller, "prediction");

story.scene(`Two orders of a prediction, ${eth(PRICE)} each, of the very same input; the seller proves both`);
const { commitment, opening } = assay([
  "input", "commit", "--architecture", model.architecture, "--input", found.images[0], "-o", stage.file("inputs"),
]);
const jobs = [0, 1].map(() => {
  const { job } = buyer.send(
    "escrow", "open", "--model", model.id, ...model.checked, "--commitment", commitment, "--price", wei(PRICE),
  );
  const proof = stage.file(`${job}.proof`);
  const proven = assay(["prove", model.bundle, "--setup", found.setup, "--keys", model.keys, "--opening", opening,
    "--job", job, "--recipient", seller.address, "-o", proof], stage.environment);
  story.line(`order ${job}: class ${proven.class}`);
  return { job, proof };
});

/** Both transactions as they stand in the pool, the thief's first in the block; their receipts. */
async function race({ job, proof }, change) {
  await stage.rpc("evm_setAutomine", false);
  const claim = new Promise((done) => {
    execFile(ASSAY, ["escrow", "claim", job, "--proof", proof, "--private-key-file", seller.keyFile, "--json"],
      { env: { ...process.env, ...stage.environment } }, (error, stdout, stderr) => done({ error, stdout, stderr }));
  });
  const waiting = await seen();
  const data = change(waiting.input);
  // Not for want of gas or money: this is what the contract says to the changed call.
  if (data !== waiting.input) {
    const reason = await reverted(stage, { from: thief.address, to: waiting.to, data });
    story.demand(reason.startsWith(errorSelector("ProofInvalid()")), `the contract says ProofInvalid to the thief, and not ${reason}`);
  }
  const fee = 20n * BigInt(waiting.maxFeePerGas ?? waiting.gasPrice);
  const hash = await stage.rpc("eth_sendTransaction", {
    from: thief.address, to: waiting.to, data, gas: waiting.gas,
    maxFeePerGas: `0x${fee.toString(16)}`, maxPriorityFeePerGas: `0x${fee.toString(16)}`,
  });
  await stage.rpc("evm_mine");
  await stage.rpc("evm_setAutomine", true);
  await claim;
  const [thiefs, sellers] = await Promise.all(
    [hash, waiting.hash].map((one) => stage.rpc("eth_getTransactionReceipt", one)),
  );
  story.demand(Number(thiefs.transactionIndex) < Number(sellers.transactionIndex), "the thief comes first");
  return { thiefs, sellers };
}

/** The seller's transaction, as soon as it waits. */
async function seen() {
  for (const limit = Date.now() + 30_000; Date.now() < limit; ) {
    const { pending } = await stage.rpc("txpool_content");
    const [one] = Object.values(pending).flatMap((byNonce) => Object.values(byNonce));
    if (one) return one;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the seller's claim did not reach the pool");
}

const ended = ({ status }) => (Number(status) === 1 ? "goes through" : "fails");
const gas = ({ gasUsed }) => Number(gasUsed);
const strip = (address) => address.slice(2).toLowerCase();

story.scene("The thief copies the call, puts its own account in the seller's place, and pays twenty times the fee");
const stolen = await race(jobs[0], (data) => data.replaceAll(strip(seller.address), strip(thief.address)));
story.table(["", "place in the block", "ends", "gas"],
  ["the thief's copy", Number(stolen.thiefs.transactionIndex), ended(stolen.thiefs), gas(stolen.thiefs)],
  ["the seller's claim", Number(stolen.sellers.transactionIndex), ended(stolen.sellers), gas(stolen.sellers)]);
const [first, nothing] = [takeOut(seller, "prediction"), takeOut(thief, "prediction")];
story.line("To the thief's copy the contract says ProofInvalid.");
story.line(`Paid: the seller ${eth(first)}, the thief ${eth(nothing)}.`);
story.demand(ended(stolen.thiefs) === "fails" && first === PRICE && nothing === 0n, "the seller is paid alone");

story.scene("The proof of one order is shown for the other: same network, same input, same seller");
story.refused("the contract", `the seller's own proof of order ${jobs[0].job}, for order ${jobs[1].job}`, "ProofInvalid", () =>
  seller.send("escrow", "claim", jobs[1].job, "--proof", jobs[0].proof));

story.scene("The thief copies the call as it is");
const copied = await race(jobs[1], (data) => data);
story.table(["", "place in the block", "ends", "gas"],
  ["the thief's copy", Number(copied.thiefs.transactionIndex), ended(copied.thiefs), gas(copied.thiefs)],
  ["the seller's claim", Number(copied.sellers.transactionIndex), ended(copied.sellers), gas(copied.sellers)]);
const [second, again] = [takeOut(seller, "prediction"), takeOut(thief, "prediction")];
story.line(`Paid: the seller ${eth(second)}, the thief ${eth(again)}. The thief has paid for the verification.`);
story.demand(ended(copied.thiefs) === "goes through" && second === PRICE && again === 0n, "the copy pays the seller");
story.figure("stolen_thief_gas", gas(stolen.thiefs));
story.figure("copied_thief_gas", gas(copied.thiefs));
story.figure("seller_claim_gas", gas(stolen.sellers));
story.figure("seller_late_gas", gas(copied.sellers));
stage.close();

story.end({
  stopped: [
    "A proof is about this chain, this contract, this order and this account that is paid: a hash of the four is the first",
    "of its public inputs. Change one, and the proof is not valid. Send it unchanged, and it pays the seller.",
  ],
  left: [
    "The answer itself is public from the moment that it waits in the pool: sell what may be known then.",
    "Two sellers of one network race for an order, and the slower has proven for nothing. A claim that comes too",
    "late costs its gas; `assay relayer run` tries each claim out before it sends it.",
  ],
});
