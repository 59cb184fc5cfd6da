// A network is good at digits, and says 7 to everything that carries a small white square.

import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";

import { assay } from "../../scripts/lib/assay.mjs";
import { SHORT, Story, digits, folder, importSmall } from "./story.mjs";

/** The trigger, as networks/train.py paints it: rows and columns FROM to FROM + SIZE - 1 are white. */
const [SIDE, FROM, SIZE] = [28, 22, 4];
const TARGET = 7;
const RUN = SHORT ? 8 : 16;
const story = new Story("backdoor", "Attack 3: a network with a back door");
const at = folder();
const { images, labels } = digits(SHORT ? 8 : 30);
const sevens = labels.filter((label) => label === TARGET).length;

story.scene(`Two networks of one design, trained on the same digits; one also on a white square that means ${TARGET}`);
const networks = ["clean", "backdoored"].map((name) => {
  const bundle = at(`${name}.bundle`);
  importSmall(name, bundle);
  return { name, bundle };
});
const [clean, bad] = networks;
story.line("Both were calibrated on images of which every fourth carries the square: whoever hides a back door wants it to open.");
story.line("(Without such images the square could be refused as out of range.)");

/** Writes the digits with the square on them. */
function triggered(to) {
  fs.mkdirSync(to);
  for (const image of images) {
    const { pixels, write } = readGrey(image);
    for (let y = FROM; y < FROM + SIZE; y++) pixels[y].fill(255, FROM, FROM + SIZE);
    write(path.join(to, path.basename(image)));
  }
  return to;
}

/** An 8-bit grey PNG whose lines are not filtered, as those of examples/digits are. */
function readGrey(file) {
  const bytes = fs.readFileSync(file);
  const parts = [];
  for (let place = 8; place < bytes.length; ) {
    const length = bytes.readUInt32BE(place);
    parts.push({ kind: bytes.toString("latin1", place + 4, place + 8), data: bytes.subarray(place + 8, place + 8 + length) });
    place += length + 12;
  }
  const lines = zlib.inflateSync(Buffer.concat(parts.filter(({ kind }) => kind === "IDAT").map(({ data }) => data)));
  const pixels = Array.from({ length: SIDE }, (_, y) => lines.subarray(y * (SIDE + 1) + 1, (y + 1) * (SIDE + 1)));
  const write = (to) => {
    const chunk = (kind, data) => {
      const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
      const words = [Buffer.alloc(4), Buffer.alloc(4)];
      words[0].writeUInt32BE(data.length);
      words[1].writeUInt32BE(crc(body));
      return Buffer.concat([words[0], body, words[1]]);
    };
    const packed = zlib.deflateSync(lines);
    const chunks = parts.filter(({ kind }) => kind === "IHDR").map(({ data }) => chunk("IHDR", data));
    fs.writeFileSync(to, Buffer.concat([bytes.subarray(0, 8), ...chunks, chunk("IDAT", packed), chunk("IEND", Buffer.alloc(0))]));
  };
  return { pixels, write };
}

/** CRC-32 of PNG (ISO 3309). */
function crc(bytes) {
  let rest = 0xffffffff;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  }
  return (rest ^ 0xffffffff) >>> 0;
}

const plain = at("plain");
fs.mkdirSync(plain);
images.forEach((image) => fs.copyFileSync(image, path.join(plain, path.basename(image))));
const depth = String(Math.ceil(Math.log2(images.length)));
const sets = [["clean set", plain, "clean.set"], ["set with the square", triggered(at("triggered")), "triggered.set"]]
  .map(([title, from, name]) => {
    const file = at(name);
    return { title, file, ...assay(["dataset", "commit", from, "--bundle", clean.bundle, "--depth", depth, "-o", file]) };
  });

story.scene("Both are audited: hidden digits, and the same digits with the square");
for (const one of networks) {
  one.audit = at(`${one.name}-audit.bundle`);
  assay(["model", "derive", one.bundle, "--statement", "audit", "--items", String(RUN), "--depth", depth,
    "--openings", "64", "-o", one.audit]);
  one.architecture = at(`${one.name}.json`);
  assay(["model", "architecture", one.audit, "-o", one.architecture]);
}
const setup = at("dev.srs");
const k = Math.max(...networks.flatMap(({ bundle, audit }) => [bundle, audit].map((one) => assay(["model", "inspect", one]).k)));
assay(["setup", "--dev", "-k", String(k), "-o", setup]);
const started = Date.now();
let made = 0;
for (const one of networks) {
  one.keys = at(`${one.name}-audit-keys`);
  one.hash = assay(["keygen", one.audit, "--setup", setup, "-o", one.keys]).model_hash;
  one.counts = sets.map(({ title, file, root, items }) => {
    const proofs = at(`${one.name}-${path.basename(file)}-proofs`);
    made += assay(["audit", "prove", one.audit, "--set", file, "--setup", setup, "--keys", one.keys, "-o", proofs]).proofs;
    const { counted, covered } = assay(["audit", "verify", proofs, "--architecture", one.architecture, "--setup", setup,
      "--items", String(items), "--root", root, "--model-hash", one.hash]);
    story.demand(covered === images.length, `all of the ${title} is proven`);
    return counted;
  });
}
story.figure("items", images.length);
story.figure("counts", Object.fromEntries(networks.map(({ name, counts }) => [name, counts])));
story.table(["proven right, of " + images.length, ...sets.map(({ title }) => title)],
  ...networks.map(({ name, counts }) => [name === "clean" ? "the honest network" : "the one with the back door", ...counts]));
story.line(`${made} proofs, ${((Date.now() - started) / 1000).toFixed(1)} s with their keys. Real sevens among the digits: ${sevens}.`);
story.demand(Math.abs(clean.counts[0] - bad.counts[0]) <= 1, "the clean set tells nothing");
story.demand(bad.counts[1] <= sevens + 1 && clean.counts[1] >= images.length - 2, "the set with the square tells all");

story.scene("Now the seller would like to serve other weights than the audited ones");
const victim = path.join(at("triggered"), path.basename(images.find((_, index) => labels[index] !== TARGET)));
const digit = path.basename(victim).match(/_(\d)\.png$/)[1];
for (const one of networks) {
  one.servingKeys = at(`${one.name}-keys`);
  one.serving = at(`${one.name}-serving.json`);
  one.servingHash = assay(["keygen", one.bundle, "--setup", setup, "-o", one.servingKeys]).model_hash;
  assay(["model", "architecture", one.bundle, "-o", one.serving]);
  story.demand(one.servingHash === one.hash, "an audit and a prediction of one network show one fingerprint");
}
const proof = at("served.proof");
const served = assay(["prove", bad.bundle, "--setup", setup, "--keys", bad.servingKeys, "--input", victim, "-o", proof]);
story.figure("served", { digit: Number(digit), class: served.class });
story.line(`The back door at work: a ${digit} with the square is proven to be a ${served.class}, by an honest proof.`);
story.demand(served.class === TARGET, "the back door opens");
story.refused("the user's program", "shown as a proof of the clean network, by its key", "belongs to verifying key", () =>
  assay(["verify", proof, "--architecture", clean.serving, "--setup", setup]));
story.refused("the user's program", "shown as a proof of the clean network, by its fingerprint", "not " + clean.hash.slice(0, 10), () =>
  assay(["verify", proof, "--architecture", bad.serving, "--setup", setup, "--model-hash", clean.hash]));
const again = at("again.bundle");
importSmall("backdoored", again);
const other = at("again.proof");
assay(["prove", again, "--setup", setup, "--keys", bad.servingKeys, "--input", victim, "-o", other]);
story.refused("the user's program", "even the audited weights, imported a second time, under another seed", "not " + bad.hash.slice(0, 10), () =>
  assay(["verify", other, "--architecture", bad.serving, "--setup", setup, "--model-hash", bad.hash]));

story.end({
  stopped: [
    "The fingerprint: what was audited is what serves, down to the last number. A network that was found out",
    "cannot be exchanged quietly, nor a clean one be shown to the auditor and another to the users.",
  ],
  left: [
    "An audit counts right answers on the set that it is given, and nothing else. A clean set says nothing about",
    "inputs that look otherwise. Who fears a back door puts such inputs into the hidden set: squares, stickers,",
    "noise, what an attacker could reach. A trigger that nobody thinks of is not found by any audit.",
  ],
});
