// Measures how many bytes a network's card and keys have.
//
//   node scripts/evidence/keys.mjs NAME
//
// NAME is one of networks.mjs. The last line is a JSON object for `scripts/evidence.sh add keys FILE`. Needs the release
// build. Development setups are kept in .cache/bench, as scripts/bench.sh does.

import fs from "node:fs";
import path from "node:path";

import { SOLC, assay } from "../lib/assay.mjs";
import { NETWORKS, importNetwork, workFolder } from "./networks.mjs";

const SETUPS = ".cache/bench";
const [name] = process.argv.slice(2);
if (!NETWORKS[name]) {
  console.error(`keys: name one of ${Object.keys(NETWORKS).join(", ")}`);
  process.exit(2);
}
const work = workFolder();
const [bundle, card, keys] = ["network.bundle", "card.json", "keys"].map((file) => path.join(work, file));
importNetwork(name, bundle);
const { k } = assay(["model", "inspect", bundle]);
const setup = `${SETUPS}/dev-${k}.srs`;
fs.mkdirSync(SETUPS, { recursive: true });
if (!fs.existsSync(setup)) assay(["setup", "--dev", "-k", String(k), "-o", setup]);
assay(["model", "card", bundle, "--setup", setup, "--solc", SOLC, "-o", card]);
assay(["keygen", bundle, "--setup", setup, "-o", keys]);
const [card_bytes, verifying_key_bytes, proving_key_bytes, bundle_bytes] =
  [card, path.join(keys, "verifying.key"), path.join(keys, "proving.key"), bundle].map((file) => fs.statSync(file).size);
console.log(JSON.stringify({ model: name, k, card_bytes, verifying_key_bytes, proving_key_bytes, bundle_bytes }));
