// Figures of the page's sentences that follow from measured ones.

import { format } from "./format.mjs";
import { number, positive } from "./measurements.mjs";
import { CALLDATA, CALLDATA_FLOOR, LOOKUP_CELLS, TRANSACTION, cells, longProofs, steps } from "./tables.mjs";

/** The largest network of which everything was measured, and the smallest convolutional one. */
const [LARGE, SMALL] = ["mobilenet_v2_1.0_224", "lenet"];
/** Steps that a prover by sum-check has no need of. */
const SPARED = ["constraints", "permutation argument"];
/** Networks of the table of kinds, and the cores that a predicted time on the clock stands for. */
const PLANNED = ["lenet", "resnet8_cifar10", "mobilenet_v2_0.5_96", "mobilenet_v2_1.0_224"];
const CPUS = 2;
/** Compared inputs from which on a difference of accuracies means something. */
const MANY = 400;
/** What gas and ether are taken to cost, as `assay audit plan` does unless told otherwise: gwei, and dollars. */
const [GWEI, DOLLARS] = [1, 3000];
/** What a batch of attack 2 costs, and what is lost besides when it is found, in ether: those of 2-random-answers.mjs. */
const [PRICE, PENALTY, CHECK] = [0.3, 2, 0.01];

const ratio = (m, path) => positive(m.row("prediction", LARGE), path) / positive(m.row("prediction", SMALL), path);
const ends = (values, how) => [Math.min(...values), Math.max(...values)].map((value) => format(value, how));
const perCell = (m, path, scale) => m.about("prediction").map((row) => (positive(row, path) * scale) / cells(row));
const perInference = (m, path, scale) => m.about("inference")
  .map((row) => (positive(m.row("prediction", row.name), path) * scale) / positive(row, "median_cpu_ms"));
const spared = (m, name) => {
  const all = steps(m.row("prediction", name));
  const sum = Object.values(all).reduce((total, one) => total + one, 0);
  return SPARED.reduce((total, step) => total + all[step], 0) / sum;
};
const lengths = (m) => longProofs(m).map((row) => row.figures.proof_bytes / positive(m.row("prediction", LARGE), "proof_bytes"));
const losses = (m) => m.about("cost").filter((row) => number(row, "accuracy.inputs") >= MANY).flatMap((row) => ["top1", "top5"]
  .map((rank) => (100 * Math.abs(number(row, `accuracy.float_${rank}`) - number(row, `accuracy.quantized_${rank}`))) / positive(row, "accuracy.inputs")));
/** Images that are right in float and not as integers, less those the other way round. */
const lost = (row, rank) => {
  const images = number(row, `accuracy.float_${rank}`) - number(row, `accuracy.quantized_${rank}`);
  return `${images} (${format((100 * images) / positive(row, "accuracy.inputs"), "fixed2")} points)`;
};

export const derived = {
  rows: (m) => format(m.rows.filter((row) => !row.source).length),
  /** How much longer the largest network takes than LeNet, and how many more multiplications it has. */
  time_growth: (m) => format(Math.round(ratio(m, "prove_wall_s"))),
  gas_growth: (m) => format(ratio(m, "verify_gas"), "fixed1"),
  work_growth: (m) => format(Math.round(positive(m.row("cost", LARGE), "multiply_accumulates") / positive(m.row("cost", SMALL), "multiply_accumulates"))),
  us_per_cell: (m) => ends(perCell(m, "prove_cpu_s", 1e6), "fixed2").join(" to "),
  bytes_per_cell: (m) => ends(perCell(m, "peak_rss_mb", 2 ** 20)).map((text) => String(Math.round(Number(text)))).join(" to "),
  prove_per_inference: (m) => ends(perInference(m, "prove_cpu_s", 1000), "count").join(" to "),
  verify_per_inference: (m) => ends(perInference(m, "verify_ms", 1), "fixed1").join(" to "),
  cheaper_checks: (m) => format(perInference(m, "verify_ms", 1).filter((one) => one < 1).length),
  inferences: (m) => format(m.about("inference").length),
  largest_loss: (m) => format(Math.max(...losses(m)), "fixed2"),
  lost_v1: (m) => lost(m.row("cost", "mobilenet_v1_0.25_128"), "top1"),
  other_squeezenet: (m) => {
    const row = m.row("cost", "squeezenet_224");
    const inputs = positive(row, "accuracy.inputs");
    return `${inputs - positive(row, "accuracy.agree")} of ${inputs}`;
  },
  planned_above: (m) => ends(PLANNED.map((name) => m.row("prediction", name))
    .map((row) => (CPUS * positive(row, "predicted_wall_s")) / positive(row, "prove_cpu_s") - 1), "percent").join(" to "),
  many: () => format(MANY),
  spared_small: (m) => format(spared(m, SMALL), "percent"),
  spared_large: (m) => format(spared(m, LARGE), "percent"),
  lengths: (m) => ends(lengths(m).map((one) => Number(one.toPrecision(2))), "count").join(" to "),
  price: () => String(PRICE),
  check_price: () => String(CHECK),
  found_price: () => String(PRICE + PENALTY),
  least_p: (m) => format(positive(m.row("attack", "random-answers"), "rows.0.p"), "percent"),
  least_gained: (m) => format(positive(m.row("attack", "random-answers"), "rows.0.p") * PRICE, "fixed3"),
  least_lost: (m) => format(positive(m.row("attack", "random-answers"), "rows.0.cells.2.expected") * (PRICE + PENALTY), "fixed2"),
  claim_dollars: (m) => format((positive(m.row("attack", "copied-proof"), "seller_claim_gas") * GWEI * DOLLARS) / 1e9, "fixed1"),
  gwei: () => String(GWEI),
  dollars: () => format(DOLLARS),
  six_functions: (m) => format(positive(m.row("cost", LARGE), "functions") * 2 ** 16),
  calldata: () => String(CALLDATA),
  calldata_floor: () => String(CALLDATA_FLOOR),
  transaction: () => format(TRANSACTION),
  lookup_cells: () => String(LOOKUP_CELLS),
};
