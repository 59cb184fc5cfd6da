// Computes the commitment to the outputs that a proof hides from their opening alone.
//
//   node scripts/output-commitment.mjs OPENING.json
//
// OPENING.json is what `assay prove` writes beside the proof of a model with `--outputs commitment`. Prints the
// commitment. See docs/inputs.md.
import { readFileSync } from "node:fs";

import { chain, word } from "./lib/poseidon.mjs";

const OUTPUTS_PER_ELEMENT = 15;
const OFFSET = 1 << 15;

function fail(problem) {
  console.error(`output-commitment: ${problem}`);
  process.exit(1);
}

const [file] = process.argv.slice(2);
if (file === undefined) fail("name the opening");
const { outputs, output_salt: salt } = JSON.parse(readFileSync(file, "utf8"));
if (!Array.isArray(outputs) || typeof salt !== "string") fail(`${file} is no opening of outputs`);

const elements = [];
outputs.forEach((output, index) => {
  if (!Number.isInteger(output) || output < -OFFSET || output >= OFFSET) fail(`output ${index}: ${output}`);
  const place = index % OUTPUTS_PER_ELEMENT;
  if (place === 0) elements.push(0n);
  elements[elements.length - 1] += BigInt(output + OFFSET) << BigInt(16 * place);
});
console.log(word(chain("assay.output.v1", outputs.length, [BigInt(salt), ...elements])));
