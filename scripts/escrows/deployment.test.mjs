// The deployment by `assay deploy`, and contracts that are taken for others.

import assert from "node:assert/strict";
import fs from "node:fs";

import { openStage, play, refused } from "./play.mjs";

const stage = await openStage("deployer", "seller");
const { deployer, seller } = stage.actors;
const at = (name) => stage.deployed.contracts[name].address;
const check = (...options) => stage.ask("deploy", "--check", ...options);

play(stage, "a deployment is complete, and is another one than with real setups", () => {
  assert.equal(check("--allow-dev-setup", "-o", stage.deployment).complete, true);
  refused("not deployed: AuditEscrow", () => check("-o", stage.deployment));
});

play(stage, "a second deployment finds everything", () => {
  const again = deployer.send("deploy", "--allow-dev-setup", "-o", stage.deployment);
  const gas = Object.values(again.contracts).map((contract) => contract.gas_used);
  assert.deepEqual(gas, Array(8).fill(0));
  assert.equal(again.block, stage.deployed.block, "the file keeps its block");
});

play(stage, "the first block is found without a file of addresses", () => {
  const lost = deployer.send("deploy", "--allow-dev-setup", "-o", stage.file("addresses.json"));
  assert.equal(lost.block, stage.deployed.block);
});

play(stage, "a file with another address is noticed", () => {
  const other = stage.file("other-addresses.json");
  const changed = JSON.parse(fs.readFileSync(stage.deployment, "utf8"));
  changed.contracts.AuditEscrow.address = at("ServiceBond");
  fs.writeFileSync(other, JSON.stringify(changed));
  refused("other-addresses.json for AuditEscrow", () => check("--allow-dev-setup", "-o", other));
});

play(stage, "a contract that is taken for another is noticed", () => {
  const nothing = `0x${"11".repeat(32)}`;
  refused("is no AuditEscrow", () => stage.ask("escrow", "audit", "show", "1", "--escrow", at("RetrievalEscrow")));
  refused("is no ServiceBond", () => stage.ask("service", "show", nothing, "--escrow", at("AuditEscrow")));
  refused("is no RetrievalEscrow", () => seller.send(
    "escrow", "retrieval", "settle", "1", "--escrow", at("ModelRegistry"),
  ));
});

play(stage, "a model goes to the registry of the deployment", () => {
  const { id, bundle, keys, verifier } = stage.register(seller, "prediction");
  const pair = seller.send("verifier", "deploy", verifier);
  const registered = seller.send("model", "register", bundle, "--setup", stage.found.setup, "--keys", keys,
    "--vk", pair.vk, "--verifier", pair.verifier);
  assert.deepEqual([registered.model_id, registered.was_there], [id, true], "the one that was named with --registry");
});
