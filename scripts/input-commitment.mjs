// Computes the commitment to an input from its numbers, the encoding of a model's features and a salt alone.
//
//   node scripts/input-commitment.mjs ENCODING.json NUMBERS.json SALT
//
// ENCODING.json is the field `input_values` of `assay model inspect --json`, NUMBERS.json an array of the numbers
// that the network takes, SALT 64 hexadecimal digits. Prints the commitment. See docs/inputs.md.
import { readFileSync } from "node:fs";

import { chain, packed, word } from "./lib/poseidon.mjs";

function fail(problem) {
  console.error(`input-commitment: ${problem}`);
  process.exit(1);
}

const [encodingFile, numbersFile, salt] = process.argv.slice(2);
if (salt === undefined) fail("name the encoding, the numbers and the salt");
const encoding = JSON.parse(readFileSync(encodingFile, "utf8"));
const numbers = JSON.parse(readFileSync(numbersFile, "utf8")).flat(Infinity);
const channels = encoding.channels.length;
if (numbers.length % channels !== 0) fail(`${numbers.length} numbers for ${channels} features`);
const places = numbers.length / channels;

const bytes = [];
encoding.channels.forEach(({ scale, offset, most, whole }, channel) => {
  const integers = numbers.slice(channel * places, (channel + 1) * places).map((number) => {
    const steps = Math.round((number - offset) / scale);
    if (whole && steps !== (number - offset) / scale) fail(`feature ${channel}: ${number} is no whole number`);
    if (!(steps >= 0 && steps <= most) && !encoding.clamp) fail(`feature ${channel}: ${number} is outside`);
    return Math.min(Math.max(steps, 0), most);
  });
  // The more significant bytes of all places come first.
  for (let byte = encoding.bytes - 1; byte >= 0; byte--) {
    for (const integer of integers) bytes.push((integer >> (8 * byte)) & 255);
  }
});
// The length of the commitment's domain says in its highest byte how many bytes a number has.
const length = (BigInt(encoding.bytes - 1) << 56n) + BigInt(bytes.length);
console.log(word(chain("assay.input.v1", length, [BigInt(salt), ...packed(Buffer.from(bytes))])));
