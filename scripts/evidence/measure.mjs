// Measures what `scripts/bench.sh` does not: accuracy, and what each kind of layer costs.
//
//   node scripts/evidence/measure.mjs NAME [--limit N]
//   node scripts/evidence/measure.mjs FILE.onnx --calibrate FILE [--inputs FILE] [--samples N] [--plan]
//
// Imports a network of ../shared/data (ASSAY_SHARED names another folder) or `lenet`, the one of examples/digits,
// with default options, and compares the integer network with the float one on images that were not calibrated
// on. Of a file, the first N inputs calibrate: all, unless said, and then --inputs names others to compare on.
// --plan only plans the circuit. The last line is a JSON object for `scripts/evidence.sh add cost FILE` (or `add
// inside FILE`, `add plan FILE`). Needs the release build.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

// Moves to the repository's root.
import { assay } from "../lib/assay.mjs";

const DATA = path.join(process.env.ASSAY_SHARED ?? "../shared", "data");
/** Images, how many of the first of them calibrate, and what their bytes stand for. */
const NETWORKS = {
  lenet: ["mnist_test10k.npz", 0, "unit"],
  lenet5_mnist: ["mnist_test10k.npz", 200, "unit"],
  mlp_mnist: ["mnist_test10k.npz", 200, "unit"],
  resnet8_cifar10_jpeg: ["cifar10_test1000_jpegdecoded.npz", 100, "unit"],
  resnet8_cifar10: ["cifar10_test1000_jpegdecoded.npz", 200, "raw"],
  "mobilenet_v2_0.5_96": ["nips17_96_u8_500.npz", 100, "symmetric"],
  "mobilenet_v2_1.0_224": ["nips17_224_u8_100.npz", 20, "symmetric"],
  "mobilenet_v1_0.25_128": ["nips17_128_u8_100.npz", 30, "symmetric"],
  squeezenet_224: ["nips17_224_u8_100.npz", 60, "symmetric"],
  "mobilenet_v2_0.75_192": ["nips17_224_jpg", 40, "symmetric"],
  vww_96: ["nips17_96_u8_500.npz", 64, "unit"],
  breast_cancer: ["breast_cancer_test.npz", 100],
  credit_default: ["credit_default_test6000.npz", 1000],
  digits_mlp: ["digits_mlp_test.npz", 300],
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    limit: { type: "string", default: "10000" },
    calibrate: { type: "string" },
    inputs: { type: "string" },
    samples: { type: "string" },
    plan: { type: "boolean" },
  },
});
const [name] = positionals;
if (!name || (!NETWORKS[name] && !values.calibrate)) {
  console.error(`measure: name one of ${Object.keys(NETWORKS).join(", ")}, or a file with --calibrate`);
  process.exit(2);
}

const work = fs.mkdtempSync(path.join(os.tmpdir(), "assay-measure-"));
process.on("exit", () => fs.rmSync(work, { recursive: true, force: true }));
process.env.ASSAY_STATE_DIR = path.join(work, "state");
const bundle = path.join(work, "network.bundle");
const [images, skip, encoding] = NETWORKS[name] ?? [values.calibrate, Number(values.samples ?? 0)];
const onnx = name === "lenet" ? "examples/digits/lenet.onnx" : NETWORKS[name] ? `${DATA}/models/${name}.onnx` : name;
const samples = NETWORKS[name] ? `${DATA}/images/${images}` : images;
const calibrate = name === "lenet" ? "examples/digits/calibration.npz" : samples;
// Pictures for networks of another size are named by theirs; what is made of the middle is a network's usual input.
const resize = images.endsWith("_jpg") && !name.endsWith("_224") ? ["--resize", "crop"] : [];
const imported = assay(["model", "import", onnx, "--calibrate", calibrate, ...resize, ...(skip ? ["--calibration-limit", String(skip)] : []),
  ...(encoding ? ["--encoding", encoding] : []), "--accept-loss", "-o", bundle]);
const shown = assay(["model", "inspect", bundle]);
if (values.plan) {
  const { parameters, multiply_accumulates } = imported;
  const model = path.basename(name, ".onnx");
  console.log(JSON.stringify({ model, parameters, multiply_accumulates, layers: shown.layers.length, predicted: shown.predicted }));
  process.exit(0);
}
const report = assay(["model", "report", bundle, "--float", onnx, "--inputs", values.inputs ?? samples, ...resize, "--skip", String(skip),
  "--limit", values.limit, "-o", path.join(work, "report.html")]);

const size = (shape) => shape.reduce((product, side) => product * side, 1);
const layers = new Map(shown.layers.map((layer) => [layer.name, layer]));

/** What a layer is, in words that are not of the circuit, where each layer with weights is a convolution. */
function kindOf({ kind, name, part }) {
  if (typeof part === "string") return { input: "input", outputs: "ranking of the logits", hash: "hash of the input" }[part];
  const layer = layers.get(name);
  if (kind !== "Conv" || !layer?.window) return kind;
  const [channels, height, width] = layer.output_shape;
  if (height * width === 1) return "dense";
  const [across, down] = layer.window[0];
  // As many weights as one input channel takes; the first layer may have no more than that.
  const single = layer !== shown.layers[0] && layer.parameters === channels * (across * down + 1);
  if (single && across * down > 1) return "depthwise convolution";
  return across * down === 1 ? "1x1 convolution" : "convolution";
}

const kinds = {};
for (const part of report.cost.parts) {
  const kind = (kinds[kindOf(part)] ??= { share: 0, nonlinear_share: 0, cells: 0 });
  kind.share += part.share;
  kind.nonlinear_share += part.nonlinear_share;
  kind.cells += part.cells;
}

// Without lookups each bit is a cell of its own: those that a rescale drops, those of the value that the function
// reads, one for the result and one for what ties them together.
const bits = (low, high) => Math.ceil(Math.log2(high - low + 1));
const ranges = new Map(shown.tables.map((table) => [table.name, table.arguments]));
let [lookups, bitCells] = [0, 0];
for (const layer of shown.layers) {
  const taps = layer.operator === "MaxPool" ? size(layer.window[0]) : 1;
  const range = layer.function ? ranges.get(layer.function) : taps > 1 ? [layer.min - layer.max, layer.max - layer.min] : null;
  if (!range) continue;
  lookups += taps * size(layer.output_shape);
  bitCells += taps * size(layer.output_shape) * ((layer.shift ?? 0) + bits(...range) + 2);
}

console.log(JSON.stringify({
  model: NETWORKS[name] ? name : path.basename(name, ".onnx"),
  parameters: report.parameters,
  multiply_accumulates: report.multiply_accumulates,
  layers: shown.layers.length,
  labelled: report.labelled,
  accuracy: report.accuracy,
  linear_share: report.cost.linear_share,
  kinds,
  function_rows: report.cost.tables.filter(({ shift }) => shift === null).reduce((sum, { rows }) => sum + rows, 0),
  range_rows: report.cost.tables.filter(({ shift }) => shift !== null).reduce((sum, { rows }) => sum + rows, 0),
  functions: report.cost.tables.filter(({ shift }) => shift === null).length,
  ranges: report.cost.tables.filter(({ shift }) => shift !== null).length,
  tiles: report.cost.tables.reduce((sum, { tiles }) => sum + tiles, 0),
  rows: report.rows,
  lanes: report.lanes,
  weight_columns: report.weight_columns,
  predicted: report.predicted,
  lookups,
  bit_cells: bitCells,
}));
