// Poseidon with circom's parameters for five inputs, with BigInt arithmetic and the constants of the npm package
// poseidon-lite (those of circomlib). docs/circuit.md, section 7.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const { poseidon5 } = require("poseidon-lite");
// The package's functions start at state 0, so the permutation is written out here. Its constants
// are not among its exports; they are found beside its entry.
const { C, M } = require(join(dirname(require.resolve("poseidon-lite")), "constants", "5.js")).default;

const ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
const FULL_ROUNDS = 8;
const PARTIAL_ROUNDS = 60;
const BYTES_PER_ELEMENT = 31;

const element = (base64) => BigInt(`0x${Buffer.from(base64, "base64").toString("hex")}`);
const constants = C.map(element);
const matrix = M.map((row) => row.map(element));

function permute(input) {
  let state = input;
  for (let round = 0; round < FULL_ROUNDS + PARTIAL_ROUNDS; round++) {
    const full = round < FULL_ROUNDS / 2 || round >= FULL_ROUNDS / 2 + PARTIAL_ROUNDS;
    const boxed = state.map((value, i) => {
      const sum = (value + constants[round * state.length + i]) % ORDER;
      const square = (sum * sum) % ORDER;
      return full || i === 0 ? (((square * square) % ORDER) * sum) % ORDER : sum;
    });
    state = matrix.map((row) => row.reduce((sum, m, j) => sum + m * boxed[j], 0n) % ORDER);
  }
  return state;
}

export const hashBlock = (initialState, block) => permute([initialState, ...block])[0];
export const domain = (name, length) =>
  (BigInt(`0x${Buffer.from(name).toString("hex")}`) << 64n) + BigInt(length);

// Field elements of bytes, 31 to each, the first byte the least significant.
export function packed(bytes) {
  const elements = [];
  for (let i = 0; i < bytes.length; i += BYTES_PER_ELEMENT) {
    const reversed = Buffer.from(bytes.subarray(i, i + BYTES_PER_ELEMENT)).reverse();
    elements.push(BigInt(`0x${reversed.toString("hex")}`));
  }
  return elements;
}

// The chain over elements, five at a time, zeros at the end.
export function chain(name, length, elements) {
  const padded = [...elements];
  while (padded.length % 5 !== 0) padded.push(0n);
  let state = domain(name, length);
  for (let i = 0; i < padded.length; i += 5) state = hashBlock(state, padded.slice(i, i + 5));
  return state;
}

export const word = (value) => `0x${value.toString(16).padStart(64, "0")}`;

// The permutation written out here is the package's.
const probe = [1n, 2n, 3n, ORDER - 1n, 5n];
if (permute([0n, ...probe]).join() !== poseidon5(probe, 6).join()) {
  throw new Error("the permutation differs from poseidon-lite's");
}
