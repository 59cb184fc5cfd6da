// Calls that no honest program makes: a cheater with a program of its own sends them straight to a contract.

import { execFileSync } from "node:child_process";
import fs from "node:fs";

const CAST = "node_modules/.bin/cast";
/** A proof's call of a contract as it is built: the selector, and how many words stand in each of its tuples. */
function proveCall(contract) {
  const { abi, methodIdentifiers } = JSON.parse(fs.readFileSync(`contracts/out/${contract}.sol/${contract}.json`, "utf8"));
  const [, selector] = Object.entries(methodIdentifiers).find(([signature]) => signature.startsWith("prove("));
  const { inputs } = abi.find(({ type, name }) => type === "function" && name === "prove");
  return { selector: `0x${selector}`, words: inputs.map(({ components }) => components?.length ?? 1) };
}
const [PROVE_ITEM, PROVE_RUN] = ["ServiceBond", "AuditEscrow"].map(proveCall);
/** Words of a receipt, and of an audit's job and terms, which stand first in each call about them. */
const RECEIPT_WORDS = PROVE_ITEM.words[0];
const JOB_WORDS = PROVE_RUN.words[0] + PROVE_RUN.words[1];
/** A proof's file: a head, how many public inputs, these, the proof, a checksum (prover/proof/src/proof_file.rs). */
const [HEAD, CHECKSUM] = [56, 32];
/** Gas that a forged call may use. */
const GAS = "0xe00000";

const cast = (...args) => execFileSync(CAST, args, { encoding: "utf8" }).trim();
const word = (value) => BigInt(value).toString(16).padStart(64, "0");
const bytes = (hex) => word(hex.length / 2) + hex.padEnd(64 * Math.ceil(hex.length / 64), "0");

/** The bare proof in a file, in hexadecimal. */
export function bareProof(file) {
  const content = fs.readFileSync(file);
  const start = HEAD + 4 + 32 * content.readUInt32LE(HEAD);
  return content.subarray(start, content.length - CHECKSUM).toString("hex");
}

/** The first words of the newest transaction: an actor's own call about the same batch or job. */
async function lastCall(stage, count) {
  const { transactions } = await stage.rpc("eth_getBlockByNumber", "latest", true);
  const words = transactions[0].input.slice(10);
  return words.slice(0, 64 * count);
}

/** What the proofs of a batch or job are bound to. */
export async function contextOf(stage, contract, job, recipient) {
  const data = cast("calldata", "contextOf(uint256,address)", job, recipient);
  return stage.rpc("eth_call", { to: address(stage, contract), data }, "latest");
}

/**
 * `ServiceBond.prove` of a contested item, after the buyer's contest; the answers are those that were signed, `position` is
 * the place among the contested ones.
 */
export async function itemCall(stage, answers, { index, position = 0, output }, proof) {
  const receipt = await lastCall(stage, RECEIPT_WORDS);
  const path = pathTo(answers, index);
  // Four words, of which two say where the lists stand: the output's, then the path.
  const head = [position, answers[index].commitment, 4 * 32, 6 * 32];
  const opening = [...head, 1, output, path.length].map(word).join("") + path.join("");
  const offset = 32 * (RECEIPT_WORDS + 2);
  return PROVE_ITEM.selector + receipt + word(offset) + word(offset + opening.length / 2) + opening + bytes(proof);
}

/** `AuditEscrow.prove` of one run, after the seller's own call about the job. */
export async function runCall(stage, { entry, run, correct }, proof) {
  const job = await lastCall(stage, JOB_WORDS);
  const head = 32 * (JOB_WORDS + 4);
  return PROVE_RUN.selector + job + [entry, run, correct, head].map(word).join("") + bytes(proof);
}

/** Siblings from a leaf of the tree of answers to its root, as `AnswerTree` makes them. */
function pathTo(answers, index) {
  const keccak = (hex) => cast("keccak", `0x${hex}`).slice(2);
  let level = answers.map(({ commitment, outputs }, place) =>
    keccak(word(place) + word(commitment) + keccak(outputs.map(word).join(""))));
  while (Math.log2(level.length) % 1 !== 0) level.push(word(0));
  const path = [];
  for (let place = index; level.length > 1; place >>= 1) {
    path.push(level[place ^ 1]);
    level = Array.from({ length: level.length / 2 }, (_, pair) => keccak(level[2 * pair] + level[2 * pair + 1]));
  }
  return path;
}

const address = (stage, contract) => stage.deployed.contracts[contract].address;

/**
 * Sends a call from an account, past every program; it must fail, and with this error of the contract's. Returns the
 * gas that it has cost.
 */
export async function sendForged(stage, from, contract, data, error) {
  const to = address(stage, contract);
  const reason = await reverted(stage, { from: from.address, to, data });
  if (!reason.startsWith(cast("sig", error))) throw new Error(`${contract} says ${reason}, and not ${error}`);
  const hash = await stage.rpc("eth_sendTransaction", { from: from.address, to, data, gas: GAS });
  let receipt;
  while (!(receipt = await stage.rpc("eth_getTransactionReceipt", hash))) await new Promise((resolve) => setTimeout(resolve, 50));
  if (Number(receipt.status) !== 0) throw new Error(`${contract} takes a forged call`);
  return Number(receipt.gasUsed);
}

/** The data with which a call reverts. */
export async function reverted(stage, { from, to, data }) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_call", params: [{ from, to, data, gas: GAS }, "latest"] });
  const answer = await (await fetch(stage.url, { method: "POST", headers: { "content-type": "application/json" }, body })).json();
  if (!answer.error) throw new Error("the call goes through");
  return answer.error.data ?? answer.error.message;
}

/** The newest transaction, as it was sent. */
export async function newest(stage) {
  const { transactions } = await stage.rpc("eth_getBlockByNumber", "latest", true);
  const [{ from, to, input, value }] = transactions;
  return { from, to, data: input, value, gas: GAS };
}

/** Sends calls into one block, in this order; their receipts, and what each said. */
export async function inOneBlock(stage, calls) {
  await stage.rpc("evm_setAutomine", false);
  const hashes = [];
  for (const [place, call] of calls.entries()) {
    // Whoever pays more comes first.
    const fee = `0x${(10n ** 10n * BigInt(calls.length - place)).toString(16)}`;
    hashes.push(await stage.rpc("eth_sendTransaction", { ...call, maxFeePerGas: fee, maxPriorityFeePerGas: fee }));
  }
  await stage.rpc("evm_mine");
  await stage.rpc("evm_setAutomine", true);
  const ended = [];
  for (const hash of hashes) {
    const { blockNumber, transactionIndex, status, gasUsed } = await stage.rpc("eth_getTransactionReceipt", hash);
    const { returnValue } = await stage.rpc("debug_traceTransaction", hash, { disableStorage: true, disableStack: true });
    ended.push({ block: Number(blockNumber), place: Number(transactionIndex), ok: Number(status) === 1, gas: Number(gasUsed), said: `0x${returnValue.replace(/^0x/, "")}` });
  }
  return ended;
}

/** The first four bytes of an error. */
export const errorSelector = (error) => cast("sig", error);
