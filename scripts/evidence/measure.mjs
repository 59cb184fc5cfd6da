// Measures what `scripts/bench.sh` does not: accuracy, and what each kind of layer costs.
//
//   node scripts/evidence/measure.mjs NAME [--limit N]
//   node scripts/evidence/measure.mjs FILE.onnx --calibrate FILE [--inputs FILE] [--samples N] [--plan] [--scale=X --offset=Y]
//
// Imports a network of networks.mjs with default options, and compares the integer network with the float one on inputs
// that were not calibrated on. Of a file, the first N inputs calibrate: all, unless said, and then --inputs names others
// to compare on; --scale and --offset are the import's. --plan only plans the circuit. The last line is a JSON object for `scripts/evidence.sh add cost FILE` (or `add
// inside FILE`, `add plan FILE`). Needs the release build.

import path from "node:path";
import { parseArgs } from "node:util";

import { assay } from "../lib/assay.mjs";
import { NETWORKS, importNetwork, workFolder } from "./networks.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    limit: { type: "string", default: "10000" },
    calibrate: { type: "string" },
    inputs: { type: "string" },
    samples: { type: "string" },
    plan: { type: "boolean" },
    scale: { type: "string" },
    offset: { type: "string" },
  },
});
const [name] = positionals;
if (!name || (!NETWORKS[name] && !values.calibrate)) {
  console.error(`measure: name one of ${Object.keys(NETWORKS).join(", ")}, or a file with --calibrate`);
  process.exit(2);
}

const work = workFolder();
const bundle = path.join(work, "network.bundle");
const encoding = ["scale", "offset"].filter((option) => values[option] !== undefined).map((option) => `--${option}=${values[option]}`);
const { model, onnx, inputs, skip, resize, imported } =
  importNetwork(name, bundle, { calibrate: values.calibrate, samples: Number(values.samples ?? 0), options: encoding });
const shown = assay(["model", "inspect", bundle]);
if (values.plan) {
  const { parameters, multiply_accumulates } = imported;
  console.log(JSON.stringify({ model, parameters, multiply_accumulates, layers: shown.layers.length, predicted: shown.predicted }));
  process.exit(0);
}
const report = assay(["model", "report", bundle, "--float", onnx, "--inputs", values.inputs ?? inputs, ...resize, "--skip", String(skip),
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

// A Softmax is several layers, which bear the name of its node.
const softmax = report.cost.parts.filter((part) => /softmax/i.test(part.name)).reduce((sum, { share }) => sum + share, 0);

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
  model,
  parameters: report.parameters,
  multiply_accumulates: report.multiply_accumulates,
  layers: shown.layers.length,
  labelled: report.labelled,
  accuracy: report.accuracy,
  linear_share: report.cost.linear_share,
  kinds,
  softmax_share: softmax,
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
