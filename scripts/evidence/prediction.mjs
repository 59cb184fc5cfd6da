// Measures the proof of a prediction: what `scripts/bench.sh NAME --json` says, with the check as the median of many.
//
//   node scripts/evidence/prediction.mjs NAME
//
// The last line is a JSON object for `scripts/evidence.sh add prediction FILE`. Needs what scripts/bench.sh needs.

import { execFileSync } from "node:child_process";

// Moves to the repository's root.
import { assay } from "../lib/assay.mjs";
import { medianCheck } from "../lib/checks.mjs";

const [name] = process.argv.slice(2);
if (!name) {
  console.error("prediction: name a network, as scripts/bench.sh does");
  process.exit(2);
}
const printed = execFileSync("bash", ["scripts/bench.sh", name, "--json"], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const figures = JSON.parse(printed.trim().split("\n").at(-1));
// What the measurement has left.
const [proof, bundle, keys] = ["proof", "model.bundle", "keys"].map((file) => `.cache/bench/${name}/${file}`);
const checks = medianCheck(assay, [proof, "--bundle", bundle, "--keys", keys, "--trust-key"]);
const { parameters } = assay(["model", "inspect", bundle]);
console.log(JSON.stringify({ ...figures, ...checks, parameters }));
