// Computes the commitment to an input from its numbers, the encoding of a model's features and a salt alone.
//
//   node scripts/input-commitment.mjs ENCODING.json NUMBERS.json SALT
//
// ENCODING.json is what `assay model inspect --json` prints, or its field `input_values` alone, for a network whose
// numbers lie in the file's order; NUMBERS.json an array of the numbers that the network takes, flat or nested as its
// file declares them; SALT 64 hexadecimal digits, with or without 0x. Prints the commitment. See docs/inputs.md.
import { readFileSync } from "node:fs";

import { chain, packed, word } from "./lib/poseidon.mjs";

function fail(problem) {
  console.error(`input-commitment: ${problem}`);
  process.exit(1);
}

// The numbers of the file in the order in which the circuit has them.
function stored(given, order) {
  if (order === undefined || order === null) return given;
  const [channels, height, width] = model.input_shape;
  const place = order === "channels_last"
    ? (index) => (index % channels) * height * width + Math.floor(index / channels)
    : (index) => order.listed[index];
  const result = Array(given.length);
  given.forEach((number, index) => { result[place(index)] = number; });
  return result;
}

const [encodingFile, numbersFile, salt] = process.argv.slice(2);
if (salt === undefined) fail("name the encoding, the numbers and the salt");
if (!/^(0x)?[0-9a-fA-F]{64}$/.test(salt)) fail(`the salt is not 64 hexadecimal digits: ${salt}`);
const model = JSON.parse(readFileSync(encodingFile, "utf8"));
const encoding = model.channels === undefined ? model.input_values : model;
if (!encoding) fail("the model's inputs are bytes: they have no encoding of features");
const given = JSON.parse(readFileSync(numbersFile, "utf8")).flat(Infinity);
const numbers = stored(given, model.input_order);
const channels = encoding.channels.length;
if (numbers.length % channels !== 0) fail(`${numbers.length} numbers for ${channels} features`);
const places = numbers.length / channels;

const bytes = [];
encoding.channels.forEach(({ scale, offset, most, whole }, channel) => {
  const integers = numbers.slice(channel * places, (channel + 1) * places).map((given) => {
    // Networks take float32, but for whole numbers, such as ids.
    const number = whole ? given : Math.fround(given);
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
console.log(word(chain("assay.input.v1", length, [BigInt(`0x${salt.replace(/^0x/, "")}`), ...packed(Buffer.from(bytes))])));
