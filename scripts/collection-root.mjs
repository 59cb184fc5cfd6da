// Computes the root of a committed collection from its openings alone, with BigInt arithmetic and
// the Poseidon constants of the npm package poseidon-lite (those of circomlib).
//
//   node scripts/collection-root.mjs FOLDER
//
// FOLDER holds an opening of every item, `0.json` onwards, as `assay dataset open --all` writes
// them. Prints the root. Fails when an opening's own path leads elsewhere or it claims
// another root. See docs/collections.md.
import { readdirSync, readFileSync } from "node:fs";
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

const hashBlock = (initialState, block) => permute([initialState, ...block])[0];
const domain = (name, length) =>
  (BigInt(`0x${Buffer.from(name).toString("hex")}`) << 64n) + BigInt(length);

function leaf({ salt, label, input }) {
  const elements = [BigInt(salt), BigInt(label)];
  for (let i = 0; i < input.length; i += BYTES_PER_ELEMENT) {
    const reversed = Buffer.from(input.subarray(i, i + BYTES_PER_ELEMENT)).reverse();
    elements.push(BigInt(`0x${reversed.toString("hex")}`));
  }
  while (elements.length % 5 !== 0) elements.push(0n);
  let state = domain("assay.leaf.v1", input.length);
  for (let i = 0; i < elements.length; i += 5) state = hashBlock(state, elements.slice(i, i + 5));
  return state;
}

const node = (left, right) => hashBlock(domain("assay.node.v1", 0), [left, right, 0n, 0n, 0n]);

function rootOf(leaves, depth) {
  let level = leaves;
  let empty = 0n;
  for (let height = 0; height < depth; height++) {
    const above = [];
    for (let i = 0; i < level.length; i += 2) above.push(node(level[i], level[i + 1] ?? empty));
    level = above;
    empty = node(empty, empty);
  }
  return level[0];
}

function fail(problem) {
  console.error(`collection-root: ${problem}`);
  process.exit(1);
}

const [folder] = process.argv.slice(2);
if (folder === undefined) fail("name a folder of openings");

// The permutation written out here is the package's.
const probe = [1n, 2n, 3n, ORDER - 1n, 5n];
if (permute([0n, ...probe]).join() !== poseidon5(probe, 6).join()) {
  fail("the permutation differs from poseidon-lite's");
}

const openings = readdirSync(folder)
  .filter((name) => /^\d+\.json$/.test(name))
  .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")))
  .sort((a, b) => a.index - b.index)
  .map((opening) => ({ ...opening, input: Buffer.from(opening.input.slice(2), "hex") }));
if (openings.length === 0) fail(`${folder} holds no openings`);
openings.forEach((opening, i) => {
  if (opening.index !== i) fail(`the opening of item ${i} is missing`);
});

const leaves = openings.map(leaf);
const depth = openings[0].path.length;
const root = rootOf(leaves, depth);
for (const { index, path, root: claimed } of openings) {
  if (BigInt(claimed) !== root) fail(`the opening of item ${index} is of another root`);
  const found = path.reduce((below, sibling, height) => {
    const right = Math.floor(index / 2 ** height) % 2 === 1;
    return right ? node(BigInt(sibling), below) : node(below, BigInt(sibling));
  }, leaves[index]);
  if (path.length !== depth || found !== root) fail(`the path of item ${index} leads elsewhere`);
}
console.log(`0x${root.toString(16).padStart(64, "0")}`);
