// Forges a proof file of an audit: changes it and seals it again, so that its integrity hash (BLAKE3,
// no secret) is right and only the proof itself can be found wrong.
//
//   node examples/audit/forge.mjs count|proof FROM TO
//
// `count` claims one more correct item, `proof` changes a byte of the proof. The file's layout is in
// prover/files/src/envelope.rs and prover/proof/src/proof_file.rs.
import { readFileSync, writeFileSync } from "node:fs";

const HEADER = 56;
const SEAL = 32;
const WORD = 32;
// Of the public inputs context, root, first index, items, correct.
const CORRECT = 4;

const [what, from, to] = process.argv.slice(2);
if (!["count", "proof"].includes(what) || !to) {
  console.error("usage: forge.mjs count|proof FROM TO");
  process.exit(2);
}
const bytes = readFileSync(from);
const sealed = bytes.subarray(0, bytes.length - SEAL);
if (!blake3(sealed).equals(bytes.subarray(bytes.length - SEAL))) {
  console.error(`forge: ${from} has another integrity hash than expected`);
  process.exit(1);
}
if (what === "count") {
  // Big-endian.
  sealed[HEADER + 4 + CORRECT * WORD + WORD - 1] += 1;
} else {
  // In the last evaluations: points would have to stay on the curve.
  sealed[sealed.length - 200] ^= 1;
}
writeFileSync(to, Buffer.concat([sealed, blake3(sealed)]));

/** BLAKE3 with 32 bytes of output: https://github.com/BLAKE3-team/BLAKE3-specs, section 2. */
function blake3(input) {
  const INITIAL = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  ];
  const ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
  // Words of the state that a round mixes: columns, then diagonals.
  const MIXED = [
    [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
    [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
  ];
  const FLAG = { start: 1, end: 2, parent: 4, root: 8 };
  const [CHUNK, BLOCK] = [1024, 64];
  const turn = (word, by) => (word >>> by) | (word << (32 - by));

  function compress(chain, message, counter, length, flags) {
    const state = [...chain, ...INITIAL.slice(0, 4), counter, 0, length, flags];
    let words = message;
    for (let round = 0; round < 7; round++) {
      MIXED.forEach(([a, b, c, d], index) => {
        for (const [word, first, second] of [
          [words[2 * index], 16, 12],
          [words[2 * index + 1], 8, 7],
        ]) {
          state[a] = (state[a] + state[b] + word) | 0;
          state[d] = turn(state[d] ^ state[a], first);
          state[c] = (state[c] + state[d]) | 0;
          state[b] = turn(state[b] ^ state[c], second);
        }
      });
      words = ORDER.map((place) => words[place]);
    }
    return state.slice(0, 8).map((word, index) => word ^ state[index + 8]);
  }

  function chunk(data, counter, last) {
    const blocks = Math.max(1, Math.ceil(data.length / BLOCK));
    let chain = INITIAL;
    for (let index = 0; index < blocks; index++) {
      const part = data.subarray(index * BLOCK, (index + 1) * BLOCK);
      const padded = Buffer.alloc(BLOCK);
      part.copy(padded);
      const words = Array.from({ length: 16 }, (_, word) => padded.readInt32LE(4 * word));
      const end = index === blocks - 1 ? FLAG.end | last : 0;
      chain = compress(chain, words, counter, part.length, (index === 0 ? FLAG.start : 0) | end);
    }
    return chain;
  }

  function tree(data, counter, last) {
    if (data.length <= CHUNK) return chunk(data, counter, last);
    // The left part has the largest power of two of chunks that leaves something to the right.
    let left = 1;
    while (2 * left * CHUNK < data.length) left *= 2;
    const halves = [
      tree(data.subarray(0, left * CHUNK), counter, 0),
      tree(data.subarray(left * CHUNK), counter + left, 0),
    ];
    return compress(INITIAL, halves.flat(), 0, BLOCK, FLAG.parent | last);
  }

  const output = Buffer.alloc(32);
  tree(input, 0, FLAG.root).forEach((word, index) => output.writeInt32LE(word | 0, 4 * index));
  return output;
}
