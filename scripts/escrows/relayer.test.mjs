// A relayer with a keystore, paid in a token.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";

import { ASSAY, assay, units } from "../lib/assay.mjs";
import { guard } from "../lib/guard.mjs";
import { openStage, play } from "./play.mjs";

const PRICE = 1000n;
const PASSWORD = "correct horse";
const stage = await openStage("deployer", "buyer", "seller");
const { deployer, buyer, seller } = stage.actors;
const { found } = stage;
const model = stage.register(seller, "prediction");

const cast = (...args) => execFileSync("node_modules/.bin/cast", args, { encoding: "utf8" }).trim();
const call = (signature, ...args) => cast("calldata", signature, ...args);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A token of which the buyer has the price. */
async function deployToken() {
  const { bytecode } = JSON.parse(fs.readFileSync("contracts/out/Tokens.sol/PlainToken.json", "utf8"));
  const send = async (transaction) => {
    const hash = await stage.rpc("eth_sendTransaction", { from: deployer.address, ...transaction });
    for (let tries = 0; tries < 100; tries += 1) {
      const receipt = await stage.rpc("eth_getTransactionReceipt", hash);
      if (receipt) return receipt;
      await pause(100);
    }
    throw new Error(`transaction ${hash} is not mined`);
  };
  const { contractAddress: address } = await send({ data: bytecode.object });
  await send({ to: address, data: call("mint(address,uint256)", buyer.address, String(PRICE)) });
  const balance = async (account) =>
    BigInt(await stage.rpc("eth_call", { to: address, data: call("balanceOf(address)", account) }, "latest"));
  return { address, balance };
}

/** The seller's key, encrypted; returns the options that name it. */
function keystore() {
  const password = stage.file("password");
  fs.writeFileSync(password, `${PASSWORD}\n`);
  cast("wallet", "import", "seller", "--private-key", fs.readFileSync(seller.keyFile, "utf8"),
    "--keystore-dir", stage.folder, "--unsafe-password", PASSWORD);
  return ["--keystore", stage.file("seller"), "--password-file", password];
}

/** Runs a relayer until `until` holds, then asks it to stop; returns the jobs in its store. */
async function relay(options, log, until) {
  const out = fs.openSync(log, "a");
  const relayer = spawn(ASSAY, [
    "relayer", "run", "--json", "--bundle", model.bundle, "--setup", found.setup, "--keys", model.keys,
    "--poll", "200", "--minimum-price", "1ether", ...options,
  ], { env: { ...process.env, ...stage.environment, ASSAY_LOG: "info" }, stdio: ["ignore", "pipe", out] });
  fs.closeSync(out);
  const guardian = guard({ process: relayer.pid });
  let report = "";
  relayer.stdout.on("data", (text) => (report += text));
  const ended = new Promise((resolve) => relayer.on("close", resolve));
  try {
    for (const limit = Date.now() + 180_000; !(await until()) && relayer.exitCode === null; await pause(200)) {
      if (Date.now() > limit) break;
    }
  } finally {
    relayer.kill("SIGTERM");
  }
  const code = await ended;
  guardian.kill();
  assert.equal(code, 0, fs.readFileSync(log, "utf8"));
  return JSON.parse(report).jobs;
}

play(stage, "a relayer with a keystore is stopped, started again, and paid in a token", async () => {
  const token = await deployToken();
  const inputs = stage.file("inputs");
  const { commitment } = assay([
    "input", "commit", "--architecture", model.architecture, "--input", found.images[0], "-o", inputs,
  ]);
  const { job } = buyer.send(
    "escrow", "open", "--model", model.id, ...model.checked, "--commitment", commitment,
    "--price", units(PRICE), "--token", token.address,
  );
  assert.equal(await token.balance(buyer.address), 0n);

  const [store, log] = [stage.file("jobs.redb"), stage.file("relayer.log")];
  const options = [...keystore(), "--inputs", inputs, "--store", store, "--token", `${token.address}=${units(PRICE)}`];
  const state = () => stage.ask("escrow", "show", job).state;
  // Stopped while it proves, it ends that proof, and goes on with it after a restart.
  const [begun] = await relay(options, log, () => /proving/.test(fs.readFileSync(log, "utf8")));
  assert.match(begun.state.name, /^prov(ing|en)$/);
  assert.equal(state(), "open");
  await relay(options, log, async () => (await token.balance(seller.address)) === PRICE);
  assert.deepEqual([state(), await token.balance(seller.address)], ["claimed", PRICE]);
  const [after] = stage.ask("relayer", "status", "--store", store).jobs;
  assert.equal(after.state.name, "confirmed");
});
