// The tables of the page, and the figures that follow from measured ones.

import { attacks, formula } from "./attacks.mjs";
import { format } from "./format.mjs";
import { sourced, sources, table } from "./markdown.mjs";
import { figure, number, perhaps, positive, wall } from "./measurements.mjs";

/** What the images and rows of the networks are. */
const DATA = {
  lenet: "MNIST", lenet5_mnist: "MNIST", mlp_mnist: "MNIST", lenet_clothes: "Fashion-MNIST",
  resnet8_cifar10_jpeg: "CIFAR-10", resnet8_cifar10: "CIFAR-10",
  "mobilenet_v2_0.5_96": "ImageNet-like", "mobilenet_v2_1.0_224": "ImageNet-like",
  "mobilenet_v2_0.75_192": "ImageNet-like", "mobilenet_v1_0.25_128": "ImageNet-like", squeezenet_224: "ImageNet-like",
  vww_96: "ImageNet-like, without labels of its own",
  breast_cancer: "table, 2 classes", credit_default: "table, 2 classes", digits_mlp: "table, 10 classes",
};
/** Networks whose classes the images are not labelled with: only whether both networks agree means something. */
const UNLABELLED = ["vww_96"];
/** Inputs below which a comparison is not shown. */
const FEWEST = 30;
/** Gas of a byte of calldata that is not zero (EIP-2028), and where calldata is most of a transaction (EIP-7623). */
export const [CALLDATA, CALLDATA_FLOOR] = [16, 40];
/** Gas that a transaction may use, EIP-7825. */
export const TRANSACTION = 2 ** 24;
/** Advice cells of a looked-up value: `pre`, `out`, `rem` and the lookup's helper (docs/circuit.md, sections 2, 3). */
export const LOOKUP_CELLS = 4;
/** Cells of a row of the tables: three fixed ones and the advice cell that counts its uses. */
export const TABLE_CELLS = 4;
/** The circuit's names of layers, in words that people know. */
const KINDS = { MaxPool: "max-pooling", SumPool: "average pooling", Pointwise: "function of each value", Add: "sum" };
/** The steps of a proof, as `scripts/bench.sh` names them. */
const STEPS = ["committing to the witness", "permutation argument", "constraints", "opening the commitments", "reading the key"];

const all = (measurements, about, wanted = () => true) => measurements.about(about).filter(wanted);
const parts = (row, key) => figure(row, "kinds")[key] ?? null;
const share = (part) => (part === null ? "-" : `${format(part.share, "percent")} (${format(part.nonlinear_share, "percent")})`);
/** A figure as text, or a dash where it was not measured. */
const shown = (value, how, unit = "") => (value === undefined ? "-" : `${format(value, how)}${unit}`);
/** Advice and fixed columns, and cells: columns times rows; nothing where the fixed ones were not said. */
export const columns = (row) =>
  perhaps(row, "fixed_columns") === undefined ? undefined : positive(row, "advice_columns") + positive(row, "fixed_columns");
export const cells = (row) => columns(row) && columns(row) * 2 ** positive(row, "k");
/** What a network is called on the page. */
export const title = (row) => perhaps(row, "title") ?? row.name;
const bySize = (measurements) => measurements.about("prediction")
  .map((row) => ({ row, cost: measurements.find("cost", row.name) ?? measurements.find("plan", row.name) }))
  .sort((a, b) => positive(a.row, "rows_used") - positive(b.row, "rows_used"));
const counted = ({ row, cost }, path) => shown((cost ? positive(cost, path) : undefined) ?? perhaps(row, path));
const lookupCells = (row) =>
  LOOKUP_CELLS * positive(row, "lookups") + TABLE_CELLS * (positive(row, "function_rows") + positive(row, "range_rows"));
const ms = (value) => `${format(value, value < 9.95 ? "fixed1" : "count")} ms`;

/** Proofs of an audit of LeNet by their size; the largest is that of the audits' table. */
export const batches = (measurements) => [...measurements.about("batch"), measurements.row("audit", "lenet")]
  .sort((a, b) => positive(a, "items") - positive(b, "items"));

const gas = (row) => (perhaps(row, "verify_gas") === undefined
  ? `${format(positive(row, "predicted_verify_gas"))} (planned)` : format(positive(row, "verify_gas")));
/** Proofs of others that are too long to cost only their calldata's gas. */
export const longProofs = (measurements) => all(measurements, "peer", (row) => row.figures.proof_bytes > 50000);
/** Others' lengths are given in three figures at best. */
const roundish = (value) => (value < 1e6 ? value : Number(value.toPrecision(3)));
/** Seconds by step; the program's steps have to be those that the page speaks of. */
export function steps(row) {
  const seconds = Object.fromEntries(figure(row, "steps_s"));
  const named = Object.keys(seconds);
  if (named.length !== STEPS.length || STEPS.some((step) => !named.includes(step))) {
    throw new Error(`${row.about} ${row.name} has the steps ${named.join(", ")}, and not ${STEPS.join(", ")}`);
  }
  for (const [step, time] of Object.entries(seconds)) {
    if (!(Number.isFinite(time) && time >= 0)) throw new Error(`${row.about} ${row.name}: ${step} took ${time}`);
  }
  return seconds;
}
/** Networks that have a counterpart among those of others. */
const OURS = ["mlp_mnist", "lenet", "resnet8_cifar10", "mobilenet_v2_0.5_96", "mobilenet_v2_0.75_192", "mobilenet_v2_1.0_224"];
/** What lookups save of the cells that bits would take; less than nothing is said in words. */
const spared = (row) => {
  const part = lookupCells(row) / positive(row, "bit_cells");
  return part < 1 ? format(1 - part, "percent") : `none: ${format(part, "times")} the cells`;
};

export const tables = {
  accuracy(measurements) {
    const measured = all(measurements, "cost", (row) => DATA[row.name] && positive(row, "accuracy.inputs") >= FEWEST);
    const order = Object.keys(DATA);
    const rows = measured.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
    return sourced(rows, ["network", "data", "compared on", "float, top-1 / top-5", "proven, top-1 / top-5", "same class", "refused"],
      rows.map((row) => {
        const accuracy = figure(row, "accuracy");
        const of = (count) => format(count / accuracy.inputs, "percent2");
        const ranks = (which) => UNLABELLED.includes(row.name) ? "-" : [1, 5].filter((rank) => rank === 1 || !DATA[row.name].includes("2 classes"))
          .map((rank) => of(accuracy[`${which}_top${rank}`])).join(" / ");
        return [row.name, DATA[row.name], format(accuracy.inputs), ranks("float"), ranks("quantized"), of(accuracy.agree), accuracy.refused];
      }));
  },

  audited(measurements) {
    const rows = all(measurements, "audit", (row) => figure(row, "labelled"));
    return sourced(rows, ["network", "hidden items", "right, by proofs", "right, by the integers", "proofs", "prove, wall", "peak", "gas in all", "gas an item"],
      rows.map((row) => {
        const f = (path) => positive(row, path);
        return [row.name, format(f("items")), format(number(row, "correct")), format(number(row, "reference_correct")), f("proofs"),
          `${format(f("prove_wall_s"), "seconds")} s`, format(f("peak_rss_mb"), "mib"), format(f("total_verify_gas")),
          format(Math.round(f("total_verify_gas") / f("items")))];
      }));
  },

  batches(measurements) {
    const rows = batches(measurements);
    return sourced(rows, ["items in a proof", "prove, CPU s", "CPU s an item", "peak", "gas", "gas an item"], rows.map((row) => {
      const f = (path) => positive(row, path);
      return [format(f("items")), format(f("prove_cpu_s"), "seconds"), format(f("prove_cpu_s") / f("items"), "fixed2"),
        format(f("peak_rss_mb"), "mib"), format(f("total_verify_gas")), format(Math.round(f("total_verify_gas") / f("items")))];
    }));
  },

  tabular(measurements) {
    const rows = all(measurements, "tabular", (row) => perhaps(row, "float") !== undefined);
    return sourced(rows, ["model", "compared on", "onnxruntime", "proven", "rows"], rows.map((row) =>
      [row.name, format(positive(row, "rows")), format(positive(row, "float"), "percent2"), format(positive(row, "proven"), "percent2"),
        `2^${positive(row, "k")}`]));
  },

  kinds(measurements) {
    const rows = ["lenet", "resnet8_cifar10", "mobilenet_v2_0.5_96", "mobilenet_v2_1.0_224"].map((name) => measurements.row("cost", name));
    const kinds = [...new Set(rows.flatMap((row) => Object.keys(figure(row, "kinds"))))];
    return sourced(rows, ["kind", ...rows.map(({ name }) => name)], [
      ...kinds.map((kind) => [KINDS[kind] ?? kind, ...rows.map((row) => share(parts(row, kind)))]),
      ["**all**", ...rows.map((row) => `100 % (${format(1 - number(row, "linear_share"), "percent")})`)],
    ]);
  },

  lookups(measurements) {
    const rows = all(measurements, "cost").sort((a, b) => positive(a, "lookups") - positive(b, "lookups"));
    return sourced(rows, ["network", "multiplications", "values looked up", "cells by lookups, tables and all", "cells by bits", "spared"], rows.map((row) =>
      [row.name, format(positive(row, "multiply_accumulates")), format(positive(row, "lookups")), format(lookupCells(row)),
        format(positive(row, "bit_cells")), spared(row)]));
  },

  sizes(measurements) {
    const rows = all(measurements, "cost").sort((a, b) => positive(a, "lookups") - positive(b, "lookups"));
    return sourced(rows, ["network", "layers", "functions", "rows of them", "ranges", "rows of them", "all rows of the circuit"], rows.map((row) =>
      [row.name, positive(row, "layers"), positive(row, "functions"), format(positive(row, "function_rows")), positive(row, "ranges"),
        format(positive(row, "range_rows")), `2^${positive(row, "predicted.k")}`]));
  },

  /** Who stores how much. */
  keys(measurements) {
    const rows = all(measurements, "keys").sort((a, b) => positive(a, "proving_key_bytes") - positive(b, "proving_key_bytes"));
    return sourced(rows, ["network", "card: published", "verifying key: on the chain", "proving key: the prover", "bundle with the weights: the prover"], rows.map((row) =>
      [row.name, ...["card", "verifying_key", "proving_key", "bundle"].map((what) => format(positive(row, `${what}_bytes`), "bytes"))]));
  },

  growth(measurements) {
    const pairs = bySize(measurements);
    return sourced(pairs.flatMap(({ row, cost }) => (cost ? [row, cost] : [row])),
      ["network", "weights", "multiplications", "rows", "columns", "keys", "prove, CPU", "prove, wall", "peak", "proof", "gas"],
      pairs.map((pair) => {
        const f = (path) => positive(pair.row, path);
        return [pair.row.name, counted(pair, "parameters"), counted(pair, "multiply_accumulates"), `${format(f("rows_used"))} of 2^${f("k")}`,
          columns(pair.row), shown(perhaps(pair.row, "keygen_wall_s"), "seconds", " s"), `${format(f("prove_cpu_s"), "seconds")} s`,
          `${format(wall(pair.row), "seconds")} s`, format(f("peak_rss_mb"), "mib"), `${format(f("proof_bytes"))} B`, gas(pair.row)];
      }));
  },

  /** Networks with a command of their own; each row may lack what its command does not print. */
  transformers(measurements) {
    const rows = measurements.about("network").sort((a, b) => positive(a, "rows_used") - positive(b, "rows_used"));
    return sourced(rows, ["network", "weights", "rows", "columns", "keys", "prove, CPU", "prove, wall", "peak", "verify", "proof", "gas"],
      rows.map((row) => {
        const f = (path) => positive(row, path);
        return [title(row), shown(perhaps(row, "parameters")), `${format(f("rows_used"))} of 2^${f("k")}`,
          columns(row) ?? `${f("advice_columns")} advice`, shown(perhaps(row, "keygen_wall_s"), "seconds", " s"),
          `${format(f("prove_cpu_s"), "seconds")} s`, `${format(wall(row), "seconds")} s`, format(f("peak_rss_mb"), "mib"), ms(f("verify_ms")),
          `${format(f("proof_bytes"))} B`, gas(row)];
      }));
  },

  library(measurements) {
    const rows = measurements.about("library");
    const f = (row, path) => positive(row, path);
    const three = (row, who) => [`${who}_cpu_s`, `${who}_wall_s`].map((path) => `${format(f(row, path), "seconds")} s`);
    return sourced(rows, ["network", "ours: CPU", "wall", "peak", "library: CPU", "wall", "peak", "CPU, times"], rows.map((row) =>
      [row.name, ...three(row, "prove"), format(f(row, "peak_rss_mb"), "mib"), ...three(row, "library"), format(f(row, "library_rss_mb"), "mib"),
        format(f(row, "library_cpu_s") / f(row, "prove_cpu_s"), "times")]));
  },

  softmax(measurements) {
    const rows = measurements.about("inside");
    return sourced(rows, ["network", "inputs", "same class as float", "largest error of a logit", "range of the logits", "rows of blocks", "rows of functions", "all rows", "Softmax's share of the time"], rows.map((row) => {
      const a = figure(row, "accuracy");
      return [row.name, a.inputs, `${a.agree} of ${a.inputs}`, format(a.max_logit_error, "fixed3"),
        a.logit_range.map((end) => format(end, "fixed2")).join(" to "), format(positive(row, "rows.tiles")), format(positive(row, "function_rows")),
        `${format(positive(row, "predicted.rows_used"))} of 2^${positive(row, "predicted.k")}`, format(positive(row, "softmax_share"), "percent")];
    }));
  },

  inference(measurements) {
    const rows = measurements.about("inference");
    const pairs = rows.map((row) => ({ row, proof: measurements.row("prediction", row.name) }));
    return sourced([...rows, ...pairs.map(({ proof }) => proof)],
      ["network", "inference in float, CPU", "prove, CPU", "verify, wall", "prove / inference", "verify / inference"],
      pairs.map(({ row, proof }) => {
        const [own, prove, verify] = [positive(row, "median_cpu_ms"), 1000 * positive(proof, "prove_cpu_s"), positive(proof, "verify_ms")];
        return [row.name, `${format(own, "seconds")} ms`, `${format(Math.round(prove))} ms`, ms(verify),
          format(prove / own, "times"), `${format(verify / own, "rough")} x`];
      }));
  },

  steps(measurements) {
    const rows = ["lenet", "mobilenet_v2_0.5_96", "mobilenet_v2_1.0_224"].map((name) => measurements.row("prediction", name));
    const seconds = rows.map(steps);
    const sums = seconds.map((all) => Object.values(all).reduce((sum, one) => sum + one, 0));
    return sourced(rows, ["step", ...rows.map(({ name }) => name)], STEPS.map((step) =>
      [step, ...seconds.map((all, index) => `${format(all[step], "seconds")} s, ${format(all[step] / sums[index], "percent")}`)]));
  },

  calldata(measurements) {
    const own = [["MobileNetV2 1.0, Assay", measurements.row("prediction", "mobilenet_v2_1.0_224")], ["GPT-2's shape, 32 tokens, Assay", measurements.row("network", "gpt2")]]
      .map(([name, row]) => ({ name, row, argument: "halo2 with KZG", bytes: positive(row, "proof_bytes"), each: CALLDATA }));
    const rows = [...own, ...longProofs(measurements).map((row) => ({ name: `${row.figures.system}, ${row.figures.network}`, row,
      argument: figure(row, "argument"), bytes: row.figures.proof_bytes, each: CALLDATA_FLOOR }))];
    return sourced(rows.map(({ row }) => row), ["proof", "argument", "length", "gas a byte", "gas of its bytes alone", "of a transaction's most"],
      rows.map(({ name, argument, bytes, each }) => [name, argument, format(bytes, "bytes"), each, format(roundish(bytes * each)),
        format((bytes * each) / TRANSACTION, "percent")]));
  },

  reuse(measurements) {
    const rows = all(measurements, "cost").sort((a, b) => positive(a, "lookups") - positive(b, "lookups"));
    return sourced(rows, ["network", "layers", "blocks that look up", "functions and ranges", "blocks for each of these", "columns"], rows.map((row) => {
      const shared = positive(row, "functions") + positive(row, "ranges");
      return [row.name, positive(row, "layers"), format(positive(row, "tiles")), shared, format(positive(row, "tiles") / shared, "fixed1"),
        positive(row, "predicted.advice_columns") + positive(row, "predicted.fixed_columns")];
    }));
  },

  peers(measurements) {
    const rows = measurements.about("peer");
    const needed = ["system", "network", "machine", "contract", "whose"];
    rows.forEach((row) => needed.forEach((field) => figure(row, field)));
    const time = (value) => shown(value, "seconds", " s");
    const ours = [...OURS.map((name) => measurements.row("prediction", name)), measurements.row("network", "gpt2")];
    const contract = (row, said) => [said, shown(perhaps(row, "verify_gas"), "count", " gas")].filter((text) => text !== "-").join(", ") || "-";
    const unproven = ({ figures }) => figures.unproven ?? (figures.at_least_s && `${format(figures.at_least_s, "seconds")} s at least`);
    return [table(["system", "network", "machine", "prove, wall", "verify", "proof", "checked by a contract", "whose figures"], [
      ...ours.map((row) => ["**Assay**", title(row), `${row.machine}: 2 vCPUs`, time(wall(row)), time(positive(row, "verify_ms") / 1000),
        format(positive(row, "proof_bytes"), "bytes"), contract(row, "yes"), "ours"]),
      ...rows.map((row) => [row.figures.system, row.figures.network, row.figures.machine, unproven(row) ?? time(perhaps(row, "prove_s")),
        time(perhaps(row, "verify_s")), shown(perhaps(row, "proof_bytes"), "bytes"), contract(row, row.figures.contract), row.figures.whose]),
    ]), sources(ours), sources(rows)].join("\n\n");
  },

  attacks,
  formula,
};
