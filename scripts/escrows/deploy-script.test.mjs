// forge's script deploys what `assay deploy` does.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";

import { openStage, play } from "./play.mjs";

const stage = await openStage("deployer");

play(stage, "forge's script finds every contract of assay deploy", () => {
  // It finds everything, so that it needs no key, and writes the addresses.
  const deploy = ["script", "contracts/script/Deploy.s.sol", "--rpc-url", stage.url, "--broadcast"];
  execFileSync("node_modules/.bin/forge", deploy, {
    env: { ...process.env, ALLOW_DEV_SETUP: "true" },
    stdio: "pipe",
  });
  const forge = JSON.parse(fs.readFileSync("contracts/deployments/31337.json", "utf8"));
  for (const [name, { address, code_hash }] of Object.entries(stage.deployed.contracts)) {
    const { address: there, codeHash } = forge.contracts[name];
    assert.deepEqual([address, code_hash], [there.toLowerCase(), codeHash], `${name}, as forge has it`);
  }
});
