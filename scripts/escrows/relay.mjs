// A relayer that runs beside a test.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";

import { ASSAY } from "../lib/assay.mjs";
import { guard } from "../lib/guard.mjs";

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Runs a relayer for a model until `until` holds, then asks it to stop; returns its report. */
export async function relay(stage, model, options, log, until) {
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
    relayer.kill("SIGTERM");
  }
  const code = await ended;
  guardian.kill();
  assert.ok(held && code === 0, fs.readFileSync(log, "utf8"));
  return JSON.parse(report);
}
