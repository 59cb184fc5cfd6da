// The networks that are measured by name, and how they are imported: those of ../shared/data (ASSAY_SHARED names another
// folder), and `lenet`, the one of examples/digits.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";

// Moves to the repository's root.
import { assay } from "../lib/assay.mjs";

const DATA = path.join(process.env.ASSAY_SHARED ?? "../shared", "data");
/** Photographs of 224 pixels, which are cropped for networks of another size. */
const PHOTOGRAPHS = "nips17_224_jpg";
/** Images, how many of the first of them calibrate, and what their bytes stand for. */
export const NETWORKS = {
  lenet: ["mnist_test10k.npz", 0, "unit"],
  lenet5_mnist: ["mnist_test10k.npz", 200, "unit"],
  mlp_mnist: ["mnist_test10k.npz", 200, "unit"],
  resnet8_cifar10_jpeg: ["cifar10_test1000_jpegdecoded.npz", 100, "unit"],
  resnet8_cifar10: ["cifar10_test1000_jpegdecoded.npz", 200, "raw"],
  "mobilenet_v2_0.5_96": ["nips17_96_u8_500.npz", 100, "symmetric"],
  "mobilenet_v2_1.0_224": [PHOTOGRAPHS, 40, "symmetric"],
  "mobilenet_v1_0.25_128": [PHOTOGRAPHS, 64, "symmetric"],
  squeezenet_224: [PHOTOGRAPHS, 64, "symmetric"],
  "mobilenet_v2_0.75_192": [PHOTOGRAPHS, 40, "symmetric"],
  vww_96: ["nips17_96_u8_500.npz", 64, "unit"],
  breast_cancer: ["breast_cancer_test.npz", 100],
  credit_default: ["credit_default_test6000.npz", 1000],
  digits_mlp: ["digits_mlp_test.npz", 300],
};

/** A folder for what is made; it goes with the script. */
export function workFolder() {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "assay-measure-"));
  process.on("exit", () => fs.rmSync(work, { recursive: true, force: true }));
  process.env.ASSAY_STATE_DIR = path.join(work, "state");
  return work;
}

/**
 * Imports a network by its name, or a file with what calibrates it, how many of these inputs do (0 for all), and options of
 * the import. Returns what the import reported, and what a comparison with the float network takes: its file, inputs, how
 * many of them to leave out, and options.
 */
export function importNetwork(name, bundle, { calibrate, samples = 0, options = [] } = {}) {
  const [images, skip, encoding] = NETWORKS[name] ?? [calibrate, samples];
  const known = Boolean(NETWORKS[name]);
  const onnx = name === "lenet" ? "examples/digits/lenet.onnx" : known ? `${DATA}/models/${name}.onnx` : name;
  const inputs = known ? `${DATA}/images/${images}` : images;
  const resize = images.endsWith("_jpg") && !name.endsWith("_224") ? ["--resize", "crop"] : [];
  const imported = assay(["model", "import", onnx, "--calibrate", name === "lenet" ? "examples/digits/calibration.npz" : inputs,
    ...resize, ...(skip ? ["--calibration-limit", String(skip)] : []), ...(encoding ? ["--encoding", encoding] : []),
    ...options, "--accept-loss", "-o", bundle]);
  return { model: known ? name : path.basename(name, ".onnx"), onnx, inputs, skip, resize, imported };
}
