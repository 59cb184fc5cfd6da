#!/usr/bin/env python3
"""Trains a ViT on digits and a GPT on characters, and exports both by both exporters of PyTorch.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python train.py FOLDER [NAME...]

NAME is `vit` or `gpt`; both without one. FOLDER gets NAME-script.onnx (the older exporter, over TorchScript) and
NAME-dynamo.onnx (the newer one), NAME-calibration.npz, NAME-test.npz with 1,000 labelled inputs that were not trained on,
and NAME.json: how often onnxruntime is right on them. Fixed seeds, ten minutes on two cores.

The digits are MNIST, from the package that examples/digits takes; the characters are those of Python's own documentation.
"""

import json
import re
import sys
import warnings
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import onnxruntime
import torch
from torch.nn import functional

from networks import Gpt, Vit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "digits"))
import mnist

TESTED, CALIBRATED = 1000, 256
CONTEXT = 32
LETTERS = " \nabcdefghijklmnopqrstuvwxyz0123456789.,:;()[]'\"=_-+*/<>"


def fit(model, batches, loss_of, steps, rate):
    """One cycle: the rate rises over the first tenth and falls along a cosine."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.05)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    model.train()
    for step in range(steps):
        loss = loss_of(*next(batches))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        cycle.step()
        if step % 500 == 0 or step == steps - 1:
            print(f"step {step} of {steps}: loss {loss.item():.3f}", flush=True)
    return model.eval()


def vit():
    (images, labels), (test, test_labels) = mnist.load()
    rng = np.random.default_rng(1)

    def batches():
        while True:
            for part in np.array_split(rng.permutation(len(images)), len(images) // 128):
                # Moved by up to two pixels each way.
                down, right = rng.integers(0, 5, 2)
                padded = np.pad(images[part], ((0, 0), (2, 2), (2, 2)))
                moved = padded[:, None, down : down + 28, right : right + 28]
                yield torch.from_numpy(moved.astype(np.float32) / 255), torch.from_numpy(labels[part].astype(np.int64))

    model = Vit()
    fit(model, batches(), lambda x, y: functional.cross_entropy(model(x), y), 3500, 2e-3)
    calibration = images[rng.choice(len(images), CALIBRATED, replace=False)]
    return model, calibration[:, None], test[:TESTED, None], test_labels[:TESTED]


def gpt():
    text = re.sub(r"[ \t]+", " ", "\n".join(topics[name] for name in sorted(topics)).lower())
    codes = np.array([LETTERS.index(letter) for letter in text if letter in LETTERS], dtype=np.int64)
    rng = np.random.default_rng(1)
    # The last tenth is not trained on.
    split = len(codes) * 9 // 10
    windows = lambda starts: np.stack([codes[at : at + CONTEXT + 1] for at in starts])

    def batches():
        while True:
            yield (torch.from_numpy(windows(rng.integers(0, split - CONTEXT, 96))),)

    model = Gpt(len(LETTERS), CONTEXT, 64, 4, 3)

    def loss(window):
        logits = model.all_logits(window[:, :-1])
        return functional.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())

    fit(model, batches(), loss, 3000, 3e-3)
    calibration = windows(rng.integers(0, split - CONTEXT, CALIBRATED))[:, :-1]
    test = windows(rng.integers(split, len(codes) - CONTEXT, TESTED))
    return model, calibration, test[:, :-1], test[:, -1]


def numbers(inputs):
    return inputs.astype(np.float32) / 255 if inputs.dtype == np.uint8 else inputs


def export(model, example, folder, name):
    names = {"input_names": ["x"], "output_names": ["y"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (example,), folder / f"{name}-script.onnx", dynamo=False, opset_version=17, **names)
        torch.onnx.export(
            model, (example,), folder / f"{name}-dynamo.onnx", dynamo=True, opset_version=18, external_data=False, verbose=False, **names
        )


def main(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in (("vit", vit), ("gpt", gpt)):
        if names and name not in names:
            continue
        torch.manual_seed(1)
        model, calibration, test, labels = make()
        export(model, torch.from_numpy(numbers(test[:1])), folder, name)
        np.savez_compressed(folder / f"{name}-calibration.npz", x=calibration)
        np.savez_compressed(folder / f"{name}-test.npz", x=test, y=labels)
        session = onnxruntime.InferenceSession(str(folder / f"{name}-script.onnx"))
        right = sum(int(session.run(None, {"x": row[None]})[0].argmax() == label) for row, label in zip(numbers(test), labels))
        figures = {"parameters": sum(p.numel() for p in model.parameters()), "inputs": len(test), "onnxruntime_right": right}
        (folder / f"{name}.json").write_text(json.dumps(figures))
        print(f"{name}: {figures}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
