// The file of measurements: machines, and rows of figures with where each comes from.

import fs from "node:fs";

/** What a measurement may be about, and the names without which the page would lose a part. */
const IMAGES = ["lenet", "lenet5_mnist", "mlp_mnist", "resnet8_cifar10", "vww_96", "mobilenet_v1_0.25_128",
  "mobilenet_v2_0.5_96", "mobilenet_v2_0.75_192", "mobilenet_v2_1.0_224", "squeezenet_224"];
const TOPICS = {
  prediction: [...IMAGES, "ad01_autoencoder", "kws_dscnn", "resnet50"],
  network: ["vit_digits", "gpt_characters", "minilm_l3", "minilm_l6", "minilm_l6_32_columns", "minilm_l6_128", "vit_tiny", "gpt2"],
  cost: [...IMAGES, "resnet8_cifar10_jpeg", "breast_cancer", "credit_default", "digits_mlp"],
  inference: IMAGES,
  audit: ["lenet", "mobilenet_v2_0.5_96", "resnet8_cifar10", "vww_96"],
  batch: ["lenet-1", "lenet-4", "lenet-16", "lenet-64"],
  keys: [...IMAGES, "resnet8_cifar10_jpeg", "breast_cancer", "credit_default", "digits_mlp"],
  plan: ["resnet50", "vit_b_16", "ad01_autoencoder", "kws_dscnn"],
  inside: ["11-self-attention", "18-softmax-inside", "vit-dynamo", "gpt-dynamo"],
  library: ["lenet", "mobilenet_v2_0.5_96"],
  portable: ["lenet", "mobilenet_v2_0.5_96"],
  lending: ["default", "least-gas"],
  endurance: ["lenet"],
  transactions: ["lenet"],
  tabular: ["breast-cancer", "credit-boosted", "digits", "wine"],
  attack: ["cheaper-network", "random-answers", "backdoor", "chosen-after-the-test", "copied-proof", "hollow-key", "garbage"],
  peer: ["paper-0.75-192", "zkml-mobilenet", "zktorch-bert", "zkgpt", "deepprove", "ezkl-mlp", "ezkl-mlp-private", "ezkl-lenet", "ezkl-mobilenet"],
  "peer-layout": ["ezkl-rows"],
};

/** What a row says of itself: either how it was measured, or whose figures it repeats. */
const MEASURED = ["machine", "date", "code", "command"];
/** A commit, with a + where the program had been changed since. */
const CODE = /^[0-9a-f]{7,40}\+?$/;

export class Measurements {
  /** Reads and checks the file. */
  static read(file) {
    return Measurements.parse(fs.readFileSync(file, "utf8"));
  }

  static parse(text) {
    const { machines, rows } = JSON.parse(text);
    return new Measurements(machines, rows);
  }

  constructor(machines, rows) {
    this.machines = machines;
    this.rows = rows;
    const seen = new Set();
    for (const row of rows) {
      this.#check(row);
      const id = `${row.about} ${row.name}`;
      if (seen.has(id)) throw new Error(`two measurements are called ${id}`);
      seen.add(id);
    }
  }

  /** Refuses a file in which a row is missing that the page shows by name. */
  requireAll() {
    for (const [about, names] of Object.entries(TOPICS)) names.forEach((name) => this.row(about, name));
  }

  #check(row) {
    const id = `${row.about} ${row.name}`;
    const missing = ["about", "name", "figures"].filter((field) => !row[field]);
    if (missing.length > 0) throw new Error(`a measurement (${id}) has no ${missing.join(", no ")}`);
    if (!Object.hasOwn(TOPICS, row.about)) {
      throw new Error(`${id}: nothing is measured about ${row.about}; topics: ${Object.keys(TOPICS).join(", ")}`);
    }
    if (row.figures.error !== undefined) throw new Error(`${id} is no measurement but a failure: ${row.figures.error}`);
    if (row.figures.short === true) throw new Error(`${id} was played with --short: measure it without`);
    if (row.source) return;
    const unsaid = MEASURED.filter((field) => !row[field]);
    if (unsaid.length > 0) throw new Error(`the measurement ${id} says no ${unsaid.join(", no ")}, and no source`);
    if (!CODE.test(row.code)) throw new Error(`${id} was measured on the code "${row.code}", which is no commit`);
    if (!this.machines[row.machine]) throw new Error(`${id} was measured on ${row.machine}, which is not described`);
  }

  find(about, name) {
    return this.rows.find((row) => row.about === about && row.name === name);
  }

  /** The row; one that is not there is an error. */
  row(about, name) {
    const row = this.find(about, name);
    if (!row) throw new Error(`there is no measurement ${about} ${name}`);
    return row;
  }

  /** All rows about something, in the order of the file. */
  about(about) {
    const rows = this.rows.filter((row) => row.about === about);
    if (rows.length === 0) throw new Error(`there is no measurement about ${about}`);
    return rows;
  }

  /** Adds a row, or replaces the one of that name. */
  put(row) {
    this.#check(row);
    const at = this.rows.findIndex((other) => other.about === row.about && other.name === row.name);
    if (at >= 0) this.rows[at] = row;
    else this.rows.push(row);
  }

  /** Writes one row a line, so that a change shows as a line. */
  text() {
    const rows = this.rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n");
    const machines = JSON.stringify(this.machines, null, 2).replaceAll("\n", "\n  ");
    return `{\n  "machines": ${machines},\n  "rows": [\n${rows}\n  ]\n}\n`;
  }
}

/** Seconds on the clock from input to proof: the witness, then the proof. */
export const wall = (row) => number(row, "witness_s") + positive(row, "prove_wall_s");

/** A figure by its path, `accuracy.inputs` or `steps_s.1`; one that is not there is an error. */
export function figure(row, path) {
  let value = row.figures;
  for (const key of path.split(".")) value = value?.[key];
  if (value === undefined) throw new Error(`${row.about} ${row.name} has no figure ${path}`);
  return value;
}

/** A figure that has to be a number, not below zero. */
export function number(row, path) {
  const value = figure(row, path);
  if (!Number.isFinite(value) || value < 0) throw new Error(`${row.about} ${row.name}: ${path} is ${JSON.stringify(value)}`);
  return value;
}

/** One that is above zero: a time, a size, a count of what was done. */
export function positive(row, path) {
  const value = number(row, path);
  if (value === 0) throw new Error(`${row.about} ${row.name}: ${path} is 0`);
  return value;
}

/** One that may be missing or `null`; then it is `undefined`. */
export function perhaps(row, path) {
  let value = row.figures;
  for (const key of path.split(".")) value = value?.[key];
  return value ?? undefined;
}
