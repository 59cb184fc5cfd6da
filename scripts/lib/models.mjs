// What all plays on a local chain have in common and what is expensive: the keys and verifiers of a few
// circuits, committed digits, a development setup. Made once, kept in .cache/escrows/models, only read
// after that. Bundles are not among it: they count the openings of their weights, so that every stage
// imports networks of its own (`importNetwork`), whose circuits are these.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { ASSAY, DIGITS, SOLC, assay } from "./assay.mjs";

export const CACHE = ".cache/escrows";
/** Items of a test set and of a run: small, so that a proof takes seconds. */
export const ITEMS = 4;
export const BATCH = 2;
export const DEPTH = 2;
/** The class that the retrieval looks for. */
export const WANTED_CLASS = 4;

/** A good network, and one that is quantized too coarsely. */
export const NETWORKS = { good: [], coarse: ["--activation-bits", "3"] };

const run = ["--items", String(BATCH), "--depth", String(DEPTH)];
/** The circuits: of which network, and how its bundle is derived from the network's, if it is another. */
export const CIRCUITS = {
  prediction: { network: "good", derived: null },
  audit: { network: "good", derived: ["--statement", "audit", ...run] },
  coarseAudit: { network: "coarse", derived: ["--statement", "audit", ...run] },
  classification: { network: "good", derived: ["--statement", "classification", ...run] },
  logits: { network: "good", derived: ["--statement", "prediction", "--outputs", "logits"] },
  retrieval: { network: "good", derived: ["--statement", "retrieval", "--class", String(WANTED_CLASS), ...run] },
};

const FOLDER = path.join(CACHE, "models");
const DESCRIPTION = path.join(FOLDER, "models.json");
/** Removed again, with what this machine records of them. */
const BUNDLES = path.join(FOLDER, "bundles");
const THIS = fileURLToPath(import.meta.url);

/** Imports one of `NETWORKS` under a fresh seed, as a bundle for predictions. */
export function importNetwork(network, bundle) {
  assay(["model", "import", `${DIGITS}/lenet.onnx`, "--calibrate", `${DIGITS}/calibration.npz`,
    ...NETWORKS[network], "-o", bundle]);
}

/** Derives the bundle of a circuit from its network's, with some of that one's openings. */
export function derive(source, circuit, bundle, openings) {
  assay(["model", "derive", source, ...CIRCUITS[circuit].derived, "--openings", String(openings), "-o", bundle]);
}

/**
 * The keys, verifiers and architectures by circuit; the digits with their labels; the test set with two
 * items that the coarse network gets wrong, one in each run; a short one, its first run; a collection for
 * the retrieval, the same without labels. Made by whoever asks first; others wait for it.
 */
export function models() {
  const stamp = stampOfInputs();
  const found = () => {
    const description = fs.existsSync(DESCRIPTION) && JSON.parse(fs.readFileSync(DESCRIPTION, "utf8"));
    return description && description.stamp === stamp ? description : null;
  };
  if (!found()) {
    fs.mkdirSync(CACHE, { recursive: true });
    // A lock that ends with its holder.
    execFileSync("flock", [path.join(CACHE, "lock"), process.execPath, THIS, stamp], {
      env: { ...process.env, ASSAY_SOLC: SOLC, ASSAY_STATE_DIR: path.join(BUNDLES, "state") },
      stdio: ["ignore", "inherit", "inherit"],
    });
  }
  return found();
}

function stampOfInputs() {
  const hash = createHash("sha256");
  const inputs = [ASSAY, `${DIGITS}/lenet.onnx`, `${DIGITS}/calibration.npz`, "scripts/solc", THIS];
  for (const input of inputs) hash.update(fs.readFileSync(input));
  return hash.digest("hex");
}

function make(stamp) {
  fs.rmSync(FOLDER, { recursive: true, force: true });
  fs.mkdirSync(FOLDER, { recursive: true });
  const at = (name) => path.join(FOLDER, name);
  const say = (text) => console.error(`  ${text}`);
  const bundles = BUNDLES;
  fs.mkdirSync(bundles);

  say("networks, quantized");
  const networks = Object.fromEntries(Object.keys(NETWORKS).map((network) => {
    const bundle = path.join(bundles, `${network}.bundle`);
    importNetwork(network, bundle);
    return [network, bundle];
  }));
  const made = Object.entries(CIRCUITS).map(([name, { network, derived }]) => {
    const bundle = derived ? path.join(bundles, `${name}-derived.bundle`) : networks[network];
    if (derived) derive(networks[network], name, bundle, 1);
    const architecture = at(`${name}.json`);
    assay(["model", "architecture", bundle, "-o", architecture]);
    const [keys, verifier] = [at(`${name}-keys`), at(`${name}-verifier`)];
    return { name, bundle, architecture, keys, verifier, k: assay(["model", "inspect", bundle]).k };
  });

  say("development setup");
  const setup = at("dev.srs");
  assay(["setup", "--dev", "-k", String(Math.max(...made.map(({ k }) => k))), "-o", setup]);
  for (const { name, bundle, keys, verifier } of made) {
    say(`keys and verifier: ${name}`);
    assay(["keygen", bundle, "--setup", setup, "-o", keys]);
    assay(["verifier", "generate", "--bundle", bundle, "--keys", keys, "-o", verifier], { ASSAY_SOLC: SOLC });
  }

  say("test set");
  const circuits = Object.fromEntries(
    made.map(({ name, architecture, keys, verifier }) => [name, { architecture, keys, verifier }]),
  );
  const digits = chooseDigits(networks.coarse, at("digits"));
  const commit = (name, ...options) => {
    const set = at(`${name}.set`);
    const { root } = assay(["dataset", "commit", at("digits"), "--architecture", circuits.audit.architecture,
      "--depth", String(DEPTH), ...options, "-o", set]);
    return { set, root };
  };
  const description = {
    stamp,
    setup,
    circuits,
    ...digits,
    test: commit("test"),
    short: commit("short", "--limit", String(BATCH)),
    collection: commit("collection", "--no-labels"),
  };
  // No second count over their seeds.
  fs.rmSync(bundles, { recursive: true });
  // Last: whoever reads it finds everything.
  const partial = at("partial.json");
  fs.writeFileSync(partial, JSON.stringify(description, null, 2));
  fs.renameSync(partial, DESCRIPTION);
}

/** Copies the digits of the sets to a folder: in each run one that the coarse network reads wrongly. */
function chooseDigits(coarse, folder) {
  const images = fs.readdirSync(`${DIGITS}/images`).sort();
  const label = (image) => Number(image.match(/_(\d)\.png$/)[1]);
  const reads = (image) => assay(["model", "predict", coarse, "--input", `${DIGITS}/images/${image}`]).class;
  const wrong = images.filter((image) => reads(image) !== label(image)).slice(0, 2);
  if (wrong.length < 2) throw new Error("the coarse network reads every digit; choose fewer bits");
  const right = images.filter((image) => !wrong.includes(image));
  const wanted = right.filter((image) => label(image) === WANTED_CLASS).slice(0, 1);
  const rest = right.filter((image) => label(image) !== WANTED_CLASS);
  const chosen = [wrong[0], wanted[0], wrong[1], ...rest].slice(0, ITEMS);
  const place = (image, index) => path.join(folder, `${index}_${label(image)}.png`);
  fs.mkdirSync(folder);
  chosen.forEach((image, index) => fs.copyFileSync(`${DIGITS}/images/${image}`, place(image, index)));
  return {
    images: chosen.map(place),
    labels: chosen.map(label),
    coarseCorrect: chosen.filter((image) => !wrong.includes(image)).length,
  };
}

// Under the lock: another may have made them meanwhile.
if (process.argv[1] === THIS) {
  const [stamp] = process.argv.slice(2);
  const there = fs.existsSync(DESCRIPTION) && JSON.parse(fs.readFileSync(DESCRIPTION, "utf8")).stamp === stamp;
  if (!there) make(stamp);
}
