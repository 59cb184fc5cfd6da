// Figures of the page's sentences that follow from measured ones.

import { format } from "./format.mjs";
import { figure, number, perhaps, positive, wall } from "./measurements.mjs";
import { CALLDATA, CALLDATA_FLOOR, LOOKUP_CELLS, TABLE_CELLS, TRANSACTION, cells, longProofs, steps } from "./tables.mjs";

/** The largest network of which everything was measured, and the smallest convolutional one. */
const [LARGE, SMALL] = ["mobilenet_v2_1.0_224", "lenet"];
/** Steps that a prover by sum-check has no need of. */
const SPARED = ["constraints", "permutation argument"];
/** Networks of the table of kinds. */
const PLANNED = ["lenet", "resnet8_cifar10", "mobilenet_v2_0.5_96", "mobilenet_v2_1.0_224"];
/** Compared inputs from which on a difference of accuracies means something. */
const MANY = 400;
/** What gas and ether are taken to cost, as `assay audit plan` does unless told otherwise: gwei, and dollars. */
const [GWEI, DOLLARS] = [1, 3000];
/** Networks that were trained on ImageNet, and the photographs of which there are a thousand. */
const [IMAGENET, PHOTOGRAPHS] = [/^(mobilenet|squeezenet)/, 1000];

const [large, small] = [LARGE, SMALL].map((name) => (m) => m.row("prediction", name));
const ratio = (m, path) => positive(large(m), path) / positive(small(m), path);
/** Every network that was proven, by which command ever, whose columns are known. */
const proven = (m) => [...m.about("prediction"), ...m.about("network")].filter((row) => cells(row));
/** Where a value lies, in words: so much below to so much above. */
const off = (part) => `${format(Math.abs(part), "percent")} ${part < 0 ? "below" : "above"}`;
const random = (m, path) => positive(m.row("attack", "random-answers"), path);
/** An amount of a story, in ether. */
const inEther = (m, path) => Number(figure(m.row("attack", "random-answers"), path)) / 1e18;
const ends = (values, how) => [Math.min(...values), Math.max(...values)].map((value) => format(value, how));
const perCell = (m, path, scale) => proven(m).map((row) => (positive(row, path) * scale) / cells(row));
const perInference = (m, path, scale) => m.about("inference")
  .map((row) => (positive(m.row("prediction", row.name), path) * scale) / positive(row, "median_cpu_ms"));
const spared = (m, name) => {
  const all = steps(m.row("prediction", name));
  const sum = Object.values(all).reduce((total, one) => total + one, 0);
  return SPARED.reduce((total, step) => total + all[step], 0) / sum;
};
/** Proofs by sum-check of others, against ours of the network that they are about: GPT-2. */
const lengths = (m) => longProofs(m).filter((row) => row.figures.argument === "sum-check")
  .map((row) => row.figures.proof_bytes / positive(m.row("network", "gpt2"), "proof_bytes"));
const compared = (m) => m.about("cost").filter((row) => IMAGENET.test(row.name));
const losses = (m) => m.about("cost").filter((row) => number(row, "accuracy.inputs") >= MANY).flatMap((row) => ["top1", "top5"]
  .map((rank) => (100 * Math.abs(number(row, `accuracy.float_${rank}`) - number(row, `accuracy.quantized_${rank}`))) / positive(row, "accuracy.inputs")));
const ezklPixel = (m) => (positive(m.row("peer", "ezkl-mlp"), "verify_gas") - positive(m.row("peer", "ezkl-mlp-private"), "verify_gas")) /
  positive(m.row("peer", "ezkl-mlp"), "public_inputs");
/** Images that are right in float and not as integers, less those the other way round. */
const lost = (row, rank) => {
  const images = number(row, `accuracy.float_${rank}`) - number(row, `accuracy.quantized_${rank}`);
  return `${images} (${format((100 * images) / positive(row, "accuracy.inputs"), "fixed2")} points)`;
};

export const derived = {
  rows: (m) => format(m.rows.filter((row) => !row.source).length),
  /** How much longer the largest network takes than LeNet, and how many more multiplications it has. */
  time_growth: (m) => format(Math.round(wall(large(m)) / wall(small(m)))),
  gas_growth: (m) => format(ratio(m, "verify_gas"), "fixed1"),
  work_growth: (m) => format(Math.round(positive(m.row("cost", LARGE), "multiply_accumulates") / positive(m.row("cost", SMALL), "multiply_accumulates"))),
  us_per_cell: (m) => ends(perCell(m, "prove_cpu_s", 1e6), "fixed2").join(" to "),
  with_transformers: (m) => (m.about("network").every((row) => cells(row)) ? ", transformers too" : ""),
  bytes_per_cell: (m) => ends(perCell(m, "peak_rss_mb", 2 ** 20)).map((text) => String(Math.round(Number(text)))).join(" to "),
  prove_per_inference: (m) => ends(perInference(m, "prove_cpu_s", 1000), "count").join(" to "),
  verify_per_inference: (m) => ends(perInference(m, "verify_ms", 1), "rough").join(" to "),
  /** How a check was timed; rows of an earlier day may have been timed once. */
  verify_how: (m) => {
    const runs = m.about("inference").map(({ name }) => perhaps(m.row("prediction", name), "verify_runs") ?? 1);
    return Math.min(...runs) > 1 ? `the median of ${Math.min(...runs)} checks` : "one check, where the median of many is not there yet, so that single values stray";
  },
  cheaper_checks: (m) => format(perInference(m, "verify_ms", 1).filter((one) => one < 1).length),
  inferences: (m) => format(m.about("inference").length),
  largest_loss: (m) => format(Math.max(...losses(m)), "fixed2"),
  /** Which network with fewer images loses the most of them, and which one answers otherwise the most often. */
  few_images: (m) => {
    const few = compared(m).filter((row) => number(row, "accuracy.inputs") < MANY);
    if (few.length === 0) return "";
    const share = (row) => Math.abs(number(row, "accuracy.float_top1") - number(row, "accuracy.quantized_top1")) / positive(row, "accuracy.inputs");
    const most = few.reduce((a, b) => (share(b) > share(a) ? b : a));
    return `With fewer images single ones count for more: of ${format(positive(most, "accuracy.inputs"))}, \`${most.name}\` loses ${lost(most, "top1")}.`;
  },
  most_different: (m) => {
    const part = (row) => positive(row, "accuracy.agree") / positive(row, "accuracy.inputs");
    const row = compared(m).reduce((a, b) => (part(b) < part(a) ? b : a));
    const inputs = positive(row, "accuracy.inputs");
    return `\`${row.name}\`, ${format(inputs - positive(row, "accuracy.agree"))} times of ${format(inputs)}`;
  },
  photographs: () => format(PHOTOGRAPHS),
  compared_images: (m) => ends(compared(m).map((row) => positive(row, "accuracy.inputs")), "count").join(" to "),
  planned_off: (m) => {
    const parts = PLANNED.map((name) => positive(m.row("cost", name), "predicted.cpu_s") / positive(m.row("prediction", name), "prove_cpu_s") - 1);
    return [Math.min(...parts), Math.max(...parts)].map(off).join(" to ");
  },
  many: () => format(MANY),
  spared_small: (m) => format(spared(m, SMALL), "percent"),
  spared_large: (m) => format(spared(m, LARGE), "percent"),
  lengths: (m) => ends(lengths(m), "rough").join(" to "),
  price: (m) => String(inEther(m, "price_wei")),
  check_price: (m) => String(inEther(m, "check_wei")),
  found_price: (m) => String(inEther(m, "price_wei") + inEther(m, "penalty_wei")),
  least_p: (m) => format(random(m, "rows.0.p"), "percent"),
  least_gained: (m) => format(random(m, "rows.0.p") * inEther(m, "price_wei"), "fixed3"),
  least_lost: (m) => format(random(m, "rows.0.cells.2.expected") * (inEther(m, "price_wei") + inEther(m, "penalty_wei")), "fixed2"),
  checks_price: (m) => String(Number((random(m, "most_checks") * inEther(m, "check_wei")).toFixed(6))),
  checks_gas: (m) => format((random(m, "most_checks") * random(m, "check_gas")) / 1e6, "fixed1"),
  softmax_share: (m) => ends(["vit-dynamo", "gpt-dynamo"].map((name) => positive(m.row("inside", name), "softmax_share")), "percent").join(" to "),
  transformers: (m) => format(m.about("network").length),
  /** The earlier way of measuring ResNet-50, without a contract. */
  second_proof: (m) => (perhaps(m.row("prediction", "resnet50"), "verify_gas") === undefined
    ? "; its row is of the second proof of its bundle, the others are of the first, which also commits to the weights" : ""),
  /** What the plots cannot show of the tables beside them. */
  unplotted: (m) => {
    const rows = [...m.about("prediction"), ...m.about("network")];
    const without = rows.filter((row) => !cells(row)).map(({ name }) => name);
    const planned = rows.filter((row) => cells(row) && perhaps(row, "verify_gas") === undefined).map(({ name }) => name);
    return [without.length > 0 && `not of ${without.join(", ")}, measured when the number of fixed columns was not kept`,
      planned.length > 0 && `without a gas of ${planned.join(", ")}, which is only planned`].filter(Boolean).map((text) => `; ${text}`).join("");
  },
  /** What EZKL's gas would be without its public inputs, by what one of them costs. */
  ezkl_pixel_gas: (m) => format(Math.round(ezklPixel(m))),
  ezkl_private_gas: (m) => format(Number((positive(m.row("peer", "ezkl-lenet"), "verify_gas") - positive(m.row("peer", "ezkl-lenet"), "public_inputs") * ezklPixel(m)).toPrecision(2))),
  claim_dollars: (m) => format((positive(m.row("attack", "copied-proof"), "seller_claim_gas") * GWEI * DOLLARS) / 1e9, "fixed1"),
  gwei: () => String(GWEI),
  dollars: () => format(DOLLARS),
  six_functions: (m) => format(positive(m.row("cost", LARGE), "functions") * 2 ** 16),
  calldata: () => String(CALLDATA),
  calldata_floor: () => String(CALLDATA_FLOOR),
  transaction: () => format(TRANSACTION),
  lookup_cells: () => String(LOOKUP_CELLS),
  table_cells: () => String(TABLE_CELLS),
};
