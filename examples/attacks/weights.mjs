// Other weights in the circuit of a network: what a cheater changes in the file examples/digits/lenet.onnx, so that
// nothing but the weights' fingerprint tells its proofs from those of the registered network.

import fs from "node:fs";
import path from "node:path";

import { DIGITS, assay } from "../../scripts/lib/assay.mjs";

/** The last layer in the ONNX file: a row of weights for each class, and an addend. */
const [WEIGHTS, ADDENDS] = ["fc3.weight", "fc3.bias"];
const CLASSES = 10;

/** The field `raw_data` (9) of an ONNX tensor, which stands behind its name. */
const RAW_DATA = 0x4a;

/** Where a tensor's numbers stand in the file, and how many bytes they are. */
function numbers(onnx, name) {
  const mark = Buffer.concat([Buffer.from(name), Buffer.from([RAW_DATA])]);
  const at = onnx.indexOf(mark);
  if (at < 0) throw new Error(`lenet.onnx has no ${name} where it was`);
  // The length is a varint: seven bits a byte, the lowest first.
  let [start, length, shift] = [at + mark.length, 0, 0];
  for (let more = true; more; shift += 7) {
    length |= (onnx[start] & 0x7f) << shift;
    more = onnx[start++] >= 0x80;
  }
  return { start, length };
}

/** The last layer's numbers of one class change places with those of another: each is said in place of the other. */
export function swapped(one, other) {
  return (onnx) => {
    for (const { start, length } of [WEIGHTS, ADDENDS].map((name) => numbers(onnx, name))) {
      const [a, b] = [one, other].map((place) => onnx.subarray(start + (place * length) / CLASSES, start + ((place + 1) * length) / CLASSES));
      const kept = Buffer.from(a);
      b.copy(a);
      kept.copy(b);
    }
  };
}

/** Some classes are said less often. */
export function lessInclined(classes, less) {
  return (onnx) => {
    const { start } = numbers(onnx, ADDENDS);
    for (const one of classes) onnx.writeFloatLE(onnx.readFloatLE(start + 4 * one) - less, start + 4 * one);
  };
}

/** Imports the changed file as a bundle in `folder`; options are those of the import. */
export function importChanged(change, folder, bundle, ...options) {
  const onnx = fs.readFileSync(`${DIGITS}/lenet.onnx`);
  change(onnx);
  fs.mkdirSync(folder, { recursive: true });
  // The file's name is the graph's, a part of the circuit.
  const file = path.join(folder, "lenet.onnx");
  fs.writeFileSync(file, onnx);
  assay(["model", "import", file, "--calibrate", `${DIGITS}/calibration.npz`, "--accept-loss", ...options, "-o", bundle]);
  return bundle;
}

/** Whether a bundle or card has the circuit of another one. */
export const sameCircuit = (...files) =>
  new Set(files.map((file) => assay(["model", "inspect", file]).circuit_hash)).size === 1;
