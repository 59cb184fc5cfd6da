// The tables of the page, and the figures that follow from measured ones.

import { format } from "./format.mjs";
import { figure } from "./measurements.mjs";

/** What the images and rows of the networks are. */
const DATA = {
  lenet: "MNIST", lenet5_mnist: "MNIST", mlp_mnist: "MNIST",
  resnet8_cifar10_jpeg: "CIFAR-10", resnet8_cifar10: "CIFAR-10",
  "mobilenet_v2_0.5_96": "ImageNet-like", "mobilenet_v2_1.0_224": "ImageNet-like",
  "mobilenet_v2_0.75_192": "ImageNet-like", "mobilenet_v1_0.25_128": "ImageNet-like", squeezenet_224: "ImageNet-like",
  breast_cancer: "table, 2 classes", credit_default: "table, 2 classes", digits_mlp: "table, 10 classes",
};
/** Inputs below which a comparison is not shown. */
const FEWEST = 30;
/** Gas of a byte of calldata that is not zero, at least: EIP-7623. */
const CALLDATA_FLOOR = 40;
/** Gas that a transaction may use, EIP-7825. */
const TRANSACTION = 2 ** 24;
/** Advice cells of a looked-up value: `pre`, `out`, `rem` and the lookup's helper (docs/circuit.md, sections 2, 3). */
const LOOKUP_CELLS = 4;
/** The circuit's names of layers, in words that people know. */
const KINDS = { MaxPool: "max-pooling", SumPool: "average pooling", Pointwise: "function of each value", Add: "sum" };
/** The steps of a proof, as `scripts/bench.sh` names them. */
const STEPS = ["committing to the witness", "permutation argument", "constraints", "opening the commitments", "reading the key"];

/** A table in Markdown; numbers are aligned by the reader's program. */
function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** The table, and below it how its rows were measured. */
function sourced(rows, head, cells) {
  return `${table(head, cells)}\n\n${sources(rows)}`;
}

/** Every way in which the rows were measured, once: command, machine, day, state of the code. */
export function sources(rows) {
  const once = (texts) => [...new Set(texts)].join("; ");
  const measured = once(rows.filter((row) => !row.source).map((row) =>
    `\`${row.command.replaceAll(row.name, "NAME")}\`, machine ${row.machine}, ${row.date}, code ${row.code}`));
  const repeated = once(rows.filter((row) => row.source).map((row) => row.source));
  return [measured && `Measured by: ${measured}.`, repeated && `Not measured by a command here: ${repeated}.`].filter(Boolean).join(" ");
}

const all = (measurements, about, wanted = () => true) => measurements.about(about).filter(wanted);
const parts = (row, key) => figure(row, "kinds")[key] ?? null;
const share = (part) => (part === null ? "-" : `${format(part.share, "percent")} (${format(part.nonlinear_share, "percent")})`);
const bySize = (measurements) => measurements.about("prediction")
  .map((row) => ({ row, cost: measurements.find("cost", row.name) ?? measurements.find("plan", row.name) }))
  .sort((a, b) => figure(a.row, "rows_used") - figure(b.row, "rows_used"));
const counted = ({ cost }, path) => (cost ? format(figure(cost, path)) : "-");
const lookupCells = (row) =>
  LOOKUP_CELLS * figure(row, "lookups") + figure(row, "function_rows") + figure(row, "range_rows");

export const tables = {
  accuracy(measurements) {
    const measured = all(measurements, "cost", (row) => DATA[row.name] && figure(row, "accuracy.inputs") >= FEWEST);
    const order = Object.keys(DATA);
    const rows = [...measured, ...measurements.about("accuracy")].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
    return sourced(rows, ["network", "data", "compared on", "float, top-1 / top-5", "proven, top-1 / top-5", "same class", "refused"],
      rows.map((row) => {
        const accuracy = figure(row, "accuracy");
        const of = (count) => format(count / accuracy.inputs, "percent2");
        const ranks = (which) => [1, 5].filter((rank) => rank === 1 || !DATA[row.name].includes("2 classes"))
          .map((rank) => of(accuracy[`${which}_top${rank}`])).join(" / ");
        return [row.name, DATA[row.name], format(accuracy.inputs), ranks("float"), ranks("quantized"), of(accuracy.agree), accuracy.refused];
      }));
  },

  audited(measurements) {
    const rows = all(measurements, "audit", (row) => figure(row, "labelled"));
    return sourced(rows, ["network", "hidden items", "right, by proofs", "right, by the integers", "proofs", "prove, wall", "peak", "gas in all", "gas an item"],
      rows.map((row) => {
        const f = (path) => figure(row, path);
        return [row.name, format(f("items")), format(f("correct")), format(f("reference_correct")), f("proofs"),
          `${format(f("prove_wall_s"), "seconds")} s`, format(f("peak_rss_mb"), "mib"), format(f("total_verify_gas")),
          format(Math.round(f("total_verify_gas") / f("items")))];
      }));
  },

  batches(measurements) {
    const rows = measurements.about("batch");
    return sourced(rows, ["items in a proof", "prove, CPU s", "CPU s an item", "peak", "gas", "gas an item"], rows.map((row) => {
      const f = (path) => figure(row, path);
      return [format(f("items")), format(f("prove_cpu_s"), "seconds"), format(f("prove_cpu_s") / f("items"), "fixed2"),
        format(f("peak_rss_mb"), "mib"), format(f("total_verify_gas")), format(Math.round(f("total_verify_gas") / f("items")))];
    }));
  },

  tabular(measurements) {
    const rows = measurements.about("tabular");
    return sourced(rows, ["model", "rows", "onnxruntime", "proven", "k"], rows.map((row) =>
      [row.name, figure(row, "rows"), format(figure(row, "float"), "percent2"), format(figure(row, "proven"), "percent2"), figure(row, "k")]));
  },

  kinds(measurements) {
    const rows = ["lenet", "resnet8_cifar10", "mobilenet_v2_0.5_96", "mobilenet_v2_1.0_224"].map((name) => measurements.row("cost", name));
    const kinds = [...new Set(rows.flatMap((row) => Object.keys(figure(row, "kinds"))))];
    return sourced(rows, ["kind", ...rows.map(({ name }) => name)], [
      ...kinds.map((kind) => [KINDS[kind] ?? kind, ...rows.map((row) => share(parts(row, kind)))]),
      ["**all**", ...rows.map((row) => `100 % (${format(1 - figure(row, "linear_share"), "percent")})`)],
    ]);
  },

  lookups(measurements) {
    const rows = all(measurements, "cost", (row) => figure(row, "lookups") > 1000);
    return sourced(rows, ["network", "multiplications", "values looked up", "cells by lookups", "cells by bits", "spared"], rows.map((row) =>
      [row.name, format(figure(row, "multiply_accumulates")), format(figure(row, "lookups")), format(lookupCells(row)),
        format(figure(row, "bit_cells")), format(1 - lookupCells(row) / figure(row, "bit_cells"), "percent")]));
  },

  sizes(measurements) {
    const rows = all(measurements, "cost", (row) => figure(row, "lookups") > 1000);
    return sourced(rows, ["network", "layers", "functions", "rows of them", "ranges", "rows of them", "all rows of the circuit"], rows.map((row) =>
      [row.name, figure(row, "layers"), figure(row, "functions"), format(figure(row, "function_rows")), figure(row, "ranges"),
        format(figure(row, "range_rows")), `2^${figure(row, "predicted.k")}`]));
  },

  growth(measurements) {
    const pairs = bySize(measurements);
    return sourced(pairs.map(({ row }) => row), ["network", "numbers", "multiplications", "rows of 2^k", "columns", "keys", "prove, CPU / wall", "peak", "proof", "gas"],
      pairs.map((pair) => {
        const f = (path) => figure(pair.row, path);
        return [pair.row.name, counted(pair, "parameters"), counted(pair, "multiply_accumulates"), `${format(f("rows_used"))} of 2^${f("k")}`,
          f("advice_columns") + f("fixed_columns"), f("keygen_wall_s") === null ? "-" : `${format(f("keygen_wall_s"), "seconds")} s`,
          `${format(f("prove_cpu_s"), "seconds")} / ${format(f("prove_wall_s"), "seconds")} s`, format(f("peak_rss_mb"), "mib"),
          `${format(f("proof_bytes"))} B`, f("verify_gas") === null ? `${format(f("predicted_verify_gas"))} (planned)` : format(f("verify_gas"))];
      }));
  },

  softmax(measurements) {
    const rows = measurements.about("inside");
    return sourced(rows, ["network", "inputs", "same class as float", "largest error of a logit", "range of the logits", "rows of 2^k"], rows.map((row) => {
      const a = figure(row, "accuracy");
      return [row.name, a.inputs, `${a.agree} of ${a.inputs}`, format(a.max_logit_error, "fixed3"),
        a.logit_range.map((end) => format(end, "fixed2")).join(" to "), `${format(figure(row, "predicted.rows_used"))} of 2^${figure(row, "predicted.k")}`];
    }));
  },

  inference(measurements) {
    const rows = measurements.about("inference");
    const pairs = rows.map((row) => ({ row, proof: measurements.row("prediction", row.name) }));
    return sourced([...rows, ...pairs.map(({ proof }) => proof)],
      ["network", "inference in float, CPU", "prove, CPU", "verify, native", "prove / inference", "verify / inference"],
      pairs.map(({ row, proof }) => {
        const [own, prove, verify] = [figure(row, "median_cpu_ms"), 1000 * figure(proof, "prove_cpu_s"), figure(proof, "verify_ms")];
        return [row.name, `${format(own, "seconds")} ms`, `${format(Math.round(prove))} ms`, `${format(verify, "fixed1")} ms`,
          format(prove / own, "times"), format(verify / own, "times")];
      }));
  },

  steps(measurements) {
    const rows = ["lenet", "mobilenet_v2_0.5_96", "mobilenet_v2_1.0_224"].map((name) => measurements.row("prediction", name));
    const seconds = rows.map((row) => Object.fromEntries(figure(row, "steps_s")));
    const sums = seconds.map((steps) => Object.values(steps).reduce((sum, one) => sum + one, 0));
    return sourced(rows, ["step", ...rows.map(({ name }) => name)], STEPS.map((step) =>
      [step, ...seconds.map((steps, index) => `${format(steps[step], "seconds")} s, ${format(steps[step] / sums[index], "percent")}`)]));
  },

  calldata(measurements) {
    const lenet = measurements.row("prediction", "mobilenet_v2_1.0_224");
    const rows = [{ name: "MobileNetV2 1.0, Assay", row: lenet, bytes: figure(lenet, "proof_bytes") },
      ...all(measurements, "peer", (row) => row.figures.proof_bytes > 50000)
        .map((row) => ({ name: `${row.figures.system}, ${row.figures.network}`, row, bytes: row.figures.proof_bytes }))];
    return sourced(rows.map(({ row }) => row), ["proof", "bytes", "gas of its bytes alone", "of a transaction's most"], rows.map(({ name, bytes }) =>
      [name, format(bytes), format(bytes * CALLDATA_FLOOR), format((bytes * CALLDATA_FLOOR) / TRANSACTION, "percent")]));
  },

  reuse(measurements) {
    const rows = all(measurements, "cost", (row) => figure(row, "lookups") > 1000);
    return sourced(rows, ["network", "layers", "blocks of cells", "functions and ranges", "blocks for each of them", "advice and fixed columns"], rows.map((row) => {
      const shared = figure(row, "functions") + figure(row, "ranges");
      return [row.name, figure(row, "layers"), format(figure(row, "tiles")), shared, format(figure(row, "tiles") / shared, "fixed1"),
        figure(row, "predicted.advice_columns") + figure(row, "predicted.fixed_columns")];
    }));
  },

  peers(measurements) {
    const rows = measurements.about("peer");
    const time = (value) => (value === undefined ? "-" : `${format(value, "seconds")} s`);
    const ours = ["lenet", "mobilenet_v2_0.5_96", "mobilenet_v2_0.75_192", "mobilenet_v2_1.0_224"].map((name) => measurements.row("prediction", name));
    return [table(["system", "network", "machine", "prove", "verify", "proof", "checked by a contract", "whose figures"], [
      ...ours.map((row) => ["**Assay**", row.name, `${row.machine}: 2 vCPUs`, time(figure(row, "prove_wall_s")), time(figure(row, "verify_ms") / 1000),
        `${format(figure(row, "proof_bytes"))} B`, `yes, ${format(figure(row, "verify_gas"))} gas`, "ours"]),
      ...rows.map(({ figures: f }) => [f.system, f.network, f.machine, time(f.prove_s), time(f.verify_s),
        f.proof_bytes ? `${format(f.proof_bytes)} B` : "-", f.contract, f.whose]),
    ]), sources(ours), sources(rows)].join("\n\n");
  },

  attacks(measurements) {
    const row = (name) => measurements.row("attack", name);
    const f = (name, path) => figure(row(name), path);
    const cells = [
      ["1. audited with a good network, served by a cheaper one", `${f("cheaper-network", "differ")} of ${f("cheaper-network", "items")} answers differ; none of them can be proven`, "fingerprint of the weights, bond"],
      ["2. answers at random, p = 1, 5, 20 %", f("random-answers", "rows").map((one) => format(one.cells.at(-1).measured, "percent1")).join(", ") + " of the batches found by 16 checks", "spot checks, penalty"],
      ["3. back door", `clean set: ${f("backdoor", "counts.clean.0")} and ${f("backdoor", "counts.backdoored.0")} of ${f("backdoor", "items")}; with the trigger: ${f("backdoor", "counts.clean.1")} and ${f("backdoor", "counts.backdoored.1")}`, "not a clean test set; weights cannot be swapped"],
      ["4. network chosen after seeing the test set", `seller loses ${format(f("chosen-after-the-test", "seller_lost_wei"), "eth")}`, "entered in an earlier block"],
      ["5. proof copied from the pool", `thief is paid 0 ETH, has spent ${format(f("copied-proof", "stolen_thief_gas"))} gas`, "who is paid is part of what is proven"],
      ["6. key without rules, verifier that says yes", `${format(f("hollow-key", "taken_wei"), "eth")} taken where nobody checks, 0 where somebody does`, "key and verifier made again by the buyer"],
      ["7. garbage for a test set", `buyer and seller lose ${format(f("garbage", "lost_wei.noise.buyer"), "eth")} each, burnt`, "nothing; it pays nobody"],
    ];
    return sourced(measurements.about("attack"), ["attack", "what happens", "what stands against it"], cells);
  },

  formula(measurements) {
    const row = measurements.row("attack", "random-answers");
    const rows = figure(row, "rows");
    return sourced([row], ["p", ...rows[0].cells.map(({ checks }) => `${checks} ${checks === 1 ? "check" : "checks"}: drawn / formula`),
      "batches until found: drawn / formula", "until 95 %"], rows.map(({ p, cells, batches, first }) =>
      [format(p, "percent"), ...cells.map(({ measured, expected }) => `${format(measured, "percent2")} / ${format(expected, "percent2")}`),
        `${format(first.measured, "fixed2")} / ${format(first.expected, "fixed2")}`, batches]));
  },
};

const ratio = (measurements, path, [name, other]) => figure(measurements.row("prediction", name), path) / figure(measurements.row("prediction", other), path);

export const derived = {
  rows: (m) => format(m.rows.filter((row) => !row.source).length),
  /** How much longer the largest network takes than LeNet, and how many more multiplications it has. */
  time_growth: (m) => format(Math.round(ratio(m, "prove_wall_s", ["mobilenet_v2_1.0_224", "lenet"]))),
  gas_growth: (m) => format(ratio(m, "verify_gas", ["mobilenet_v2_1.0_224", "lenet"]), "fixed1"),
  work_growth: (m) => format(Math.round(figure(m.row("cost", "mobilenet_v2_1.0_224"), "multiply_accumulates") /
    figure(m.row("cost", "lenet"), "multiply_accumulates"))),
  calldata_floor: () => String(CALLDATA_FLOOR),
  transaction: () => format(TRANSACTION),
  lookup_cells: () => String(LOOKUP_CELLS),
};
