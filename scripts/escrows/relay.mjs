// A relayer that runs beside a test.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";

import { ASSAY } from "../lib/assay.mjs";
import { guard } from "../lib/guard.mjs";

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Runs a relayer for a model until `until` holds, then asks it to stop; returns its report. */
export const relay = (stage, model, options, log, until) => run(stage, model, options, log, until, "SIGTERM");

/** Runs one until `until` holds, and kills it there, so that it can clear nothing away. */
export const relayAndKill = (stage, model, options, log, until) => run(stage, model, options, log, until, "SIGKILL");

async function run(stage, model, options, log, until, signal) {
  const out = fs.openSync(log, "a");
  const relayer = spawn(ASSAY, [
    "relayer", "run", "--json", "--bundle", model.bundle, "--setup", stage.found.setup, "--keys", model.keys,
    "--poll", "200", ...options,
  ], { env: { ...process.env, ...stage.environment, ASSAY_LOG: "info" }, stdio: ["ignore", "pipe", out] });
  fs.closeSync(out);
  const guardian = guard({ process: relayer.pid });
  let report = "", held = false;
  relayer.stdout.on("data", (text) => (report += text));
  const ended = new Promise((resolve) => relayer.on("close", resolve));
  try {
    for (const limit = Date.now() + 180_000; relayer.exitCode === null && Date.now() < limit; await pause(200)) {
      held = await until();
      if (held) break;
    }
  } finally {
    relayer.kill(signal);
  }
  const code = await ended;
  guardian.kill();
  const killed = signal === "SIGKILL";
  assert.ok(held && (killed || code === 0), fs.readFileSync(log, "utf8"));
  return killed ? null : JSON.parse(report);
}
