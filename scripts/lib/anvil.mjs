// A local chain with the rules of Osaka, on a free port.
//
//   node scripts/lib/anvil.mjs LOG
//
// Prints a line of JSON, {"url", "accounts": [{"address", "key"}]}, when the node listens, and keeps it
// running until its own input ends: that is, until whoever started it with a pipe has ended, however. What
// the node says goes to the file LOG.

import { spawn } from "node:child_process";
import fs from "node:fs";
import { fileURLToPath } from "node:url";

import { guard } from "./guard.mjs";

const ANVIL = fileURLToPath(
  new URL("../../node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil", import.meta.url),
);

/** Starts a node, which ends with this script; `stop` ends it before. */
export async function startAnvil(log) {
  const out = fs.openSync(log, "w");
  const node = spawn(ANVIL, ["--port", "0", "--hardfork", "osaka", "--enable-tx-gas-limit"], {
    stdio: ["ignore", out, out],
  });
  fs.closeSync(out);
  let failure;
  node.on("error", (error) => (failure = error.message));
  node.on("exit", () => (failure ??= "it ended"));
  const guardian = node.pid === undefined ? undefined : guard({ process: node.pid });
  const stop = () => {
    guardian?.kill();
    node.kill();
  };
  process.on("exit", stop);
  let text = "";
  for (const limit = Date.now() + 30_000; !/^Listening on/m.test(text); ) {
    if (failure || Date.now() > limit) throw new Error(`anvil did not start: ${failure ?? ""}\n${text}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    text = fs.readFileSync(log, "utf8");
  }
  const all = (pattern) => [...text.matchAll(pattern)].map((match) => match[1]);
  const keys = all(/^\(\d+\) (0x[0-9a-fA-F]{64})$/gm);
  const accounts = all(/^\(\d+\) (0x[0-9a-fA-F]{40})(?: |$)/gm).map((address, index) => ({
    address,
    key: keys[index],
  }));
  return { url: `http://${text.match(/^Listening on (.*)$/m)[1].trim()}`, accounts, node, stop };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url, accounts, node } = await startAnvil(process.argv[2] ?? "/dev/null").catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
  console.log(JSON.stringify({ url, accounts }));
  node.on("exit", () => process.exit(1));
  process.stdin.on("end", () => process.exit()).on("error", () => process.exit()).resume();
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit());
}
