// The tables of docs/benchmarks.md: more columns than the page of questions and answers shows.

import { format } from "./format.mjs";
import { sourced } from "./markdown.mjs";
import { figure, number, perhaps, positive, wall } from "./measurements.mjs";
import { batches, title } from "./tables.mjs";

const mib = (value) => format(value, "count");
const seconds = (value) => format(value, "seconds");
/** A measured figure, and in brackets what the planner had said, where that is known. */
const expected = (measured, planned, how) =>
  planned === undefined ? format(measured, how) : `${format(measured, how)} (${format(planned, how)})`;
const memory = (row) => expected(positive(row, "peak_rss_mb"), perhaps(row, "predicted_rss_mb"), "count");
const keys = (row) => {
  const held = perhaps(row, "keygen_rss_mb");
  return `${seconds(positive(row, "keygen_wall_s"))} s${held === undefined ? "" : `, ${mib(held)} MiB`}`;
};
const bySize = (rows) => [...rows].sort((a, b) => positive(a, "rows_used") - positive(b, "rows_used"));
/** What all tables of single proofs have in common. */
const PROOF = ["prove, CPU s", "prove, wall s", "peak, MiB", "verify, ms", "proof, bytes", "gas", "code, bytes"];
const proof = (row) => [seconds(positive(row, "prove_cpu_s")), seconds(wall(row)), memory(row), format(positive(row, "verify_ms"), "fixed1"),
  format(positive(row, "proof_bytes")), format(positive(row, "verify_gas")), format(positive(row, "verifier_code_bytes"))];
/** `2^k`, lanes, and the columns by kind. */
const SHAPE = ["rows", "lanes", "columns: weights, advice, fixed"];
const shape = (row) => [`${format(positive(row, "rows_used"))} of 2^${positive(row, "k")}`, positive(row, "lanes"),
  [positive(row, "weight_columns"), positive(row, "advice_columns"), perhaps(row, "fixed_columns") ?? "-"].join(", ")];
const gasOfTransactions = (row) => positive(row, "total_verify_gas");
const planned = (row) => expected(gasOfTransactions(row), perhaps(row, "predicted_verify_gas"), "count");

export const benchmarks = {
  lenet(measurements) {
    const [ours, theirs] = [measurements.row("prediction", "lenet"), measurements.row("peer", "ezkl-lenet")];
    const f = (path) => positive(ours, path);
    const g = (path) => positive(theirs, path);
    return sourced([ours, theirs], ["figure", "Assay", "EZKL 23.0.5"], [
      ["network", "LeNet-5, max-pooling, 61,706 weights, input hidden", figure(theirs, "network")],
      ["rows", `${format(f("rows_used"))} of 2^${f("k")}`, "-"],
      ["prove, wall", `${seconds(wall(ours))} s`, `${seconds(g("prove_s"))} s`],
      ["peak memory of the proving process", `${mib(f("peak_rss_mb"))} MiB`, `${format(g("peak_gib"), "fixed1")} GiB`],
      ["native verification", `${format(f("verify_ms"), "fixed1")} ms`, `${format(1000 * g("verify_s"))} ms`],
      ["proof", `${format(f("proof_bytes"))} bytes`, `${format(g("proof_bytes"))} bytes`],
      ["verification on chain, whole transaction", `${format(f("verify_gas"))} gas`, `${format(g("verify_gas"))} gas`],
    ]);
  },

  predictions(measurements) {
    const rows = bySize(measurements.about("prediction"));
    const answer = (row) => {
      const shown = perhaps(row, "proven_class") ?? figure(row, "class");
      return `${shown} / ${perhaps(row, "float_class") ?? "-"}`;
    };
    return sourced(rows, ["network", ...SHAPE, "keys", ...PROOF, "class: proven / float"], rows.map((row) =>
      [row.name, ...shape(row), keys(row), ...proof(row), answer(row)]));
  },

  lending(measurements) {
    const names = { default: "default options", "least-gas": "`--prefer gas --max-memory 1`" };
    const rows = Object.keys(names).map((name) => measurements.row("lending", name));
    return sourced(rows, ["imported with", "weights", ...SHAPE, "keys", ...PROOF], rows.map((row) =>
      [names[row.name], format(positive(row, "parameters")), ...shape(row), keys(row), ...proof(row)]));
  },

  portable(measurements) {
    const rows = measurements.about("portable");
    const library = rows.map((row) => measurements.row("library", row.name));
    return sourced([...rows, ...library], ["network", "CPU s", "wall s", "MiB", "of the library's CPU time"], rows.map((row, at) =>
      [row.name, seconds(positive(row, "prove_cpu_s")), seconds(wall(row)), mib(positive(row, "peak_rss_mb")),
        format(positive(row, "prove_cpu_s") / positive(library[at], "library_cpu_s"), "percent")]));
  },

  against(measurements) {
    const rows = measurements.about("library");
    const three = (row, who) => [`${who}_cpu_s`, `${who}_wall_s`].map((path) => seconds(positive(row, path)))
      .concat(mib(positive(row, who === "prove" ? "peak_rss_mb" : "library_rss_mb"))).join(", ");
    return sourced(rows, ["network", "ours: CPU s, wall s, MiB", "library: CPU s, wall s, MiB", "CPU", "wall", "memory"], rows.map((row) =>
      [row.name, three(row, "prove"), three(row, "library"),
        ...["cpu_ratio", "wall_ratio", "rss_ratio"].map((path) => format(positive(row, path), "times"))]));
  },

  audits(measurements) {
    const rows = measurements.about("audit");
    const labels = (row) => `${row.name}${figure(row, "labelled") ? "" : ", made-up labels"}`;
    return sourced(rows, ["network", "items", "correct (integer network)", "proofs x batch", "k, lanes, columns", "keys", "prove, CPU s", "prove, wall s",
      "peak, MiB", "proof, bytes", "gas (planned)", "code, bytes"], rows.map((row) => {
      const f = (path) => positive(row, path);
      return [labels(row), format(f("items")), `${format(number(row, "correct"))} (${format(number(row, "reference_correct"))})`,
        `${f("proofs")} x ${format(f("batch"))}`, ["k", "lanes", "columns"].map(f).join(", "), `${seconds(f("keygen_wall_s"))} s`,
        seconds(f("prove_cpu_s")), seconds(f("prove_wall_s")), memory(row), format(f("proof_bytes")), planned(row), format(f("verifier_code_bytes"))];
    }));
  },

  batch(measurements) {
    const rows = batches(measurements);
    return sourced(rows, ["batch", "k", "lanes", "CPU s", "CPU s an item", "wall s an item", "peak, MiB", "gas", "gas an item", "code, bytes"], rows.map((row) => {
      const f = (path) => positive(row, path);
      const items = f("items");
      return [format(items), f("k"), f("lanes"), seconds(f("prove_cpu_s")), format(f("prove_cpu_s") / items, "fixed2"), format(f("prove_wall_s") / items, "fixed2"),
        mib(f("peak_rss_mb")), format(gasOfTransactions(row)), format(Math.round(gasOfTransactions(row) / items)), format(f("verifier_code_bytes"))];
    }));
  },

  transformers(measurements) {
    const rows = bySize(measurements.about("network"));
    return sourced(rows, ["network", "weights", ...SHAPE, "keys", "witness, s", ...PROOF], rows.map((row) =>
      [title(row), format(positive(row, "parameters")), ...shape(row), keys(row), seconds(number(row, "witness_s")), ...proof(row)]));
  },

  trained(measurements) {
    const rows = ["vit-dynamo", "gpt-dynamo"].map((name) => measurements.row("inside", name));
    const names = { "vit-dynamo": "ViT on digits", "gpt-dynamo": "GPT on characters" };
    return sourced(rows, ["network", "inputs", "float", "integers, as they are proven", "same class as float"], rows.map((row) => {
      const { inputs, agree, float_top1, quantized_top1 } = figure(row, "accuracy");
      return [names[row.name], format(inputs), format(float_top1 / inputs, "percent1"), format(quantized_top1 / inputs, "percent1"),
        `${format(agree)} of ${format(inputs)}`];
    }));
  },

  tabular(measurements) {
    const rows = measurements.about("tabular");
    const share = (row, path) => (perhaps(row, path) === undefined ? "-" : format(positive(row, path), "percent2"));
    const off = (row) => (perhaps(row, "off") === undefined ? "-"
      : `${format(positive(row, "off"), "fixed3")} in ${figure(row, "range").map((end) => format(Math.round(end))).join(" to ")}`);
    return sourced(rows, ["model", "rows compared", "onnxruntime", "float network, imported", "proven", "off by at most", "circuit"], rows.map((row) =>
      [row.name, format(positive(row, "rows")), share(row, "float"), share(row, "imported"), share(row, "proven"), off(row), `2^${positive(row, "k")} rows`]));
  },

  transactions(measurements) {
    const row = measurements.row("transactions", "lenet");
    const of = { deploy_registry: "deploy registry", deploy_escrow: "deploy escrow", deploy_verifier: "deploy verifier (once for a column profile)",
      deploy_key: "deploy verifying key", register: "register model", open: "open a job", claim: "claim, verification included" };
    return sourced([row], ["transaction", "gas"], Object.entries(of).map(([path, name]) => [name, format(positive(row, path))]));
  },
};
