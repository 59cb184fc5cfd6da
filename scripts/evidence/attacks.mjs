// The tables of the attacks.

import { format } from "./format.mjs";
import { sourced } from "./markdown.mjs";
import { figure, number, positive } from "./measurements.mjs";

const gained = (lost) => String(-BigInt(lost));

/** One row for each story: who tries what, what came of it, what stands against it. */
export function attacks(measurements) {
  const f = (name, path) => figure(measurements.row("attack", name), path);
  const cheaper = (path) => f("cheaper-network", path);
  const backdoor = (path) => f("backdoor", path);
  const chances = cheaper("chances").at(-1);
  const choice = f("chosen-after-the-test", "rows").at(-1);
  const cells = [
    ["1. audited with a good network, served by a cheaper one",
      `${format(cheaper("parameters.0"))} weights against ${format(cheaper("parameters.1"))}: ${cheaper("right.0")} against ${cheaper("right.1")} of ` +
      `${cheaper("items")} right, ${cheaper("differ")} answers differ; ${chances.checks} checks find that with ${format(chances.found, "percent")}, ` +
      `and the contract refuses ${format(cheaper("forged_gas").length)} forged calls for a contested one, among them a valid proof of made-up weights in the same circuit`,
      "the fingerprint of the weights, which the contract compares; a bond"],
    ["2. answers at random, p = 1, 5, 20 %",
      f("random-answers", "rows").map((one) => format(one.cells.at(-1).measured, "percent1")).join(", ") +
      ` of the batches found by ${f("random-answers", "most_checks")} checks`,
      "spot checks, a penalty"],
    ["3. back door: a white square means 7",
      `of ${backdoor("items")} clean digits the honest network has ${backdoor("counts.clean.0")} right and the one with a back door ${backdoor("counts.backdoored.0")}; ` +
      `of the same with a white square ${backdoor("counts.clean.1")} and ${backdoor("counts.backdoored.1")}`,
      "a test set with such squares, not a clean one; the audited weights cannot be swapped"],
    ["4. network chosen after seeing the test set",
      `the best of ${choice.models} networks that are right ${format(f("chosen-after-the-test", "right"), "percent")} of the time shows ` +
      `${format(choice.small, "percent")} on ${f("chosen-after-the-test", "few")} items; ` +
      `the seller who tries it, even with better weights in the very circuit that it entered, loses ` +
      format(f("chosen-after-the-test", "seller_lost_wei"), "eth"),
      "a network is entered, by its fingerprint, in an earlier block than the set is delivered in"],
    ["5. proof copied from the pool of waiting transactions",
      `the thief is paid nothing and has spent ${format(f("copied-proof", "stolen_thief_gas"))} gas; the seller is paid; a thief who copies ` +
      `the call unchanged pays the seller, who then loses ${format(f("copied-proof", "seller_late_gas"))} gas`,
      "who is paid is part of what is proven"],
    ["6. key without rules, verifier that says yes",
      `${format(f("hollow-key", "taken_wei"), "eth")} taken where nobody checks; refused where somebody does`,
      "key and verifier made again by the buyer's program"],
    ["7. garbage for a test set",
      `a seller who looks gives up: both lose ${format(f("garbage", "lost_wei.noise.buyer"), "eth")}, burnt. One who accepts blindly ` +
      `loses ${format(f("garbage", "lost_wei.blind.seller"), "eth")}, of which the buyer gains ${format(gained(f("garbage", "lost_wei.blind.buyer")), "eth")}`,
      "nothing stops it; the seller looks before it accepts, and then it costs the buyer as much as the seller"],
  ];
  return sourced(measurements.about("attack"), ["attack", "what happens", "what stands against it"], cells);
}

/** What was drawn at random beside what the formula says. */
export function formula(measurements) {
  const row = measurements.row("attack", "random-answers");
  const rows = figure(row, "rows");
  return sourced([row], ["p", ...rows[0].cells.map(({ checks }) => `${checks} ${checks === 1 ? "check" : "checks"}: drawn / formula`),
    "batches until found: drawn / formula", "until 95 %"], rows.map(({ p, cells, batches, first }) =>
    [format(p, "percent"), ...cells.map(({ measured, expected }) => `${format(measured, "percent2")} / ${format(expected, "percent2")}`),
      `${format(first.measured, "fixed2")} / ${format(first.expected, "fixed2")}`, format(batches)]));
}
