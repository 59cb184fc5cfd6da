// The contracts' own list of addresses is what `assay deploy` does.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";

import { openStage, play } from "./play.mjs";

const stage = await openStage("deployer");

play(stage, "the contracts' list has the addresses of assay deploy", () => {
  // The same addresses, so that constructors have got the same arguments.
  const list = "contracts/cache/addresses.json";
  const listing = ["script", "contracts/script/Addresses.s.sol", "--sig", "run(string,bool)", list, "true"];
  execFileSync("node_modules/.bin/forge", listing, { stdio: "pipe" });
  const listed = Object.entries(JSON.parse(fs.readFileSync(list, "utf8")));
  const deployed = stage.deployed.contracts;
  assert.equal(listed.length, Object.keys(deployed).length);
  for (const [name, address] of listed) assert.equal(deployed[name].address, address.toLowerCase(), name);
});
