// Computes the root of a committed collection from its openings alone.
//
//   node scripts/collection-root.mjs FOLDER
//
// FOLDER holds an opening of every item, `0.json` onwards, as `assay dataset open --all` writes
// them. Prints the root. Fails when an opening's own path leads elsewhere or it claims
// another root. See docs/collections.md.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { chain, domain, hashBlock, packed, word } from "./lib/poseidon.mjs";

const leaf = ({ salt, label, input }) =>
  chain("assay.leaf.v1", input.length, [BigInt(salt), BigInt(label), ...packed(input)]);

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
console.log(word(root));
