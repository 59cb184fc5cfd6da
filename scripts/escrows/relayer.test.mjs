// A relayer with a keystore, paid in a token.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";

import { assay, units } from "../lib/assay.mjs";
import { openStage, play } from "./play.mjs";
import { pause, relay } from "./relay.mjs";

const PRICE = 1000n;
const PASSWORD = "correct horse";
const stage = await openStage("deployer", "buyer", "seller");
const { deployer, buyer, seller } = stage.actors;
const { found } = stage;
const model = stage.register(seller, "prediction");

const cast = (...args) => execFileSync("node_modules/.bin/cast", args, { encoding: "utf8" }).trim();
const call = (signature, ...args) => cast("calldata", signature, ...args);

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

  const [store, log] = [stage.file("jobs.db"), stage.file("relayer.log")];
  const options = [
    ...keystore(), "--minimum-price", "1ether", "--inputs", inputs, "--store", store,
    "--config", stage.file("relayer.toml"),
  ];
  // The least price in the token stands in a file, and is too high at first.
  const config = stage.file("relayer.toml");
  const accept = (price) => fs.writeFileSync(config, `token = ["${token.address}=${units(price)}"]\n`);
  accept(PRICE + 1n);
  const state = () => stage.ask("escrow", "show", job).state;
  const said = () => fs.readFileSync(log, "utf8");
  let lowered = false;
  const begins = () => {
    if (!lowered && said().includes("job skipped")) {
      lowered = true;
      accept(PRICE);
    }
    return /proving/.test(said());
  };
  // Stopped while it proves, it ends that proof, and goes on with it after a restart.
  const { jobs: [begun] } =
    await relay(stage, model, options, log, begins);
  assert.ok(lowered && said().includes("the policy admits the job now"), said());
  assert.match(begun.state.name, /^prov(ing|en)$/);
  assert.equal(state(), "open");
  await relay(stage, model, options, log, async () => (await token.balance(seller.address)) === PRICE);
  assert.deepEqual([state(), await token.balance(seller.address)], ["claimed", PRICE]);
  const [after] = stage.ask("relayer", "status", "--store", store).jobs;
  assert.equal(after.state.name, "confirmed");
});
