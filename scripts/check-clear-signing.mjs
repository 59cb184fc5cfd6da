#!/usr/bin/env node
// Compares the ERC-7730 descriptors in contracts/erc7730 with the contracts as built: wallets show a call by them.
// Every call that changes something is described, by its exact signature; every argument is either shown, or the token
// of an amount that is, or named as left out; and each is shown as what it is.
//
//   scripts/check-clear-signing.mjs
//
// Needs the artifacts of `forge build`. The descriptors name no addresses: these follow from the build.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const FOLDER = join(ROOT, "contracts/erc7730");

// Contracts that hold money or move it.
const DESCRIBED = ["AuditEscrow", "PredictionEscrow", "Purses", "RetrievalEscrow", "ServiceBond", "SignedOpenings"];
// What a format may show.
const SHOWS = {
  addressName: /^address$/,
  amount: /^uint/,
  date: /^uint/,
  duration: /^uint/,
  raw: /./,
  tokenAmount: /^uint/,
};

const faults = [];
const seen = new Set();
for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".json"))) {
  const descriptor = JSON.parse(readFileSync(join(FOLDER, file), "utf8"));
  const { contractName } = descriptor.metadata;
  const { abi } = artifact(contractName);
  if (descriptor.context.eip712) checkMessages(file, descriptor, contractName);
  else checkCalls(file, descriptor, abi);
  if (descriptor.context.contract) seen.add(contractName);
}
for (const name of DESCRIBED) if (!seen.has(name)) faults.push(`${name} has no descriptor`);
for (const fault of faults) console.error(`check-clear-signing: ${fault}`);
console.log(`${seen.size} contracts are described, ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);

function artifact(name) {
  try {
    return JSON.parse(readFileSync(join(ROOT, `contracts/out/${name}.sol/${name}.json`), "utf8"));
  } catch (error) {
    console.error(`check-clear-signing: no artifact of ${name}, run forge build first: ${error.message}`);
    process.exit(2);
  }
}

function checkCalls(file, descriptor, abi) {
  const calls = new Map();
  for (const item of abi) {
    if (item.type !== "function" || ["view", "pure"].includes(item.stateMutability)) continue;
    calls.set(`${item.name}(${item.inputs.map(parameter).join(",")})`, item);
  }
  const formats = Object.entries(descriptor.display.formats);
  for (const [signature, format] of formats) {
    const call = calls.get(signature);
    if (!call) {
      faults.push(`${file}: the contract has no call ${signature}`);
      continue;
    }
    const types = leaves(call.inputs);
    if (call.stateMutability === "payable") types.set("@.value", "uint256");
    checkFields(`${file}: ${call.name}`, format, types);
  }
  const described = new Set(formats.map(([signature]) => signature));
  for (const signature of calls.keys()) {
    if (!described.has(signature)) faults.push(`${file}: ${signature} is not described`);
  }
}

/** The type's string stands in the contract's source, from which its hash is made. */
function checkMessages(file, descriptor, contractName) {
  const folder = contractName === "Purses" ? "contracts/src/periphery" : "contracts/src";
  const source = readFileSync(join(ROOT, folder, `${contractName}.sol`), "utf8");
  const { name, version } = descriptor.context.eip712.domain;
  if (!source.includes(`EIP712("${name}", "${version}")`)) faults.push(`${file}: the domain is another`);
  for (const [type, format] of Object.entries(descriptor.display.formats)) {
    if (!source.includes(`"${type}"`)) faults.push(`${file}: ${contractName} has no type ${type}`);
    const members = type.slice(type.indexOf("(") + 1, -1).split(",").map((member) => member.split(" "));
    checkFields(`${file}: ${type.split("(")[0]}`, format, new Map(members.map(([kind, member]) => [member, kind])));
  }
}

function checkFields(where, format, types) {
  const accounted = new Set(format.excluded);
  if (!format.intent) faults.push(`${where} has no intent`);
  for (const { path, label, format: shownAs, params } of format.fields) {
    const type = types.get(path);
    if (!type) faults.push(`${where}: there is no ${path}`);
    else if (!SHOWS[shownAs]?.test(type)) faults.push(`${where}: ${path} is ${type}, not for ${shownAs}`);
    if (!label) faults.push(`${where}: ${path} has no label`);
    if (accounted.has(path)) faults.push(`${where}: ${path} is shown twice, or left out as well`);
    accounted.add(path);
    if (shownAs !== "tokenAmount") continue;
    if (types.get(params.tokenPath) !== "address") faults.push(`${where}: ${path} is of no token`);
    accounted.add(params.tokenPath);
  }
  for (const path of types.keys()) if (!accounted.has(path)) faults.push(`${where}: ${path} is neither shown nor left out`);
  for (const path of accounted) if (!types.has(path)) faults.push(`${where}: there is no ${path}`);
  for (const path of format.required) {
    if (!format.fields.some((field) => field.path === path)) faults.push(`${where}: ${path} is required, but not shown`);
  }
}

function parameter({ name, type, components }) {
  return `${components ? `(${components.map(parameter).join(",")})${type.slice("tuple".length)}` : type} ${name}`;
}

/** The types of all arguments that are no structs, by the path that leads to them. */
function leaves(inputs, prefix = "", found = new Map()) {
  for (const { name, type, components } of inputs) {
    const list = type.endsWith("[]") ? ".[]" : "";
    if (components) leaves(components, `${prefix}${name}${list}.`, found);
    else found.set(`${prefix}${name}${list}`, type.replace(/\[\]$/, ""));
  }
  return found;
}
