#!/usr/bin/env python3
"""Trains the network that lenders ask for: 96 numbers of an applicant, 14 layers, 3.2 million parameters.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python train.py FOLDER

FOLDER gets lending_mlp.onnx, lending_mlp-calibration.npz and lending_mlp-test.npz (raw numbers with their labels), and
lending_mlp.json with what onnxruntime makes of the test rows. Fixed seeds, two minutes. `--random-weights` exports the
same network without any training.

The applicants are made up: amounts, rates, counts, ages and flags of very different ranges, and a rule with noise that
says who does not pay back. The scaler is a part of the network, so that it takes raw numbers.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

FEATURES = 96
WIDTH = 512
LAYERS = 14
ROWS = 12_000
TEST = 2_000


def applicants(rng, rows):
    """Raw numbers `[rows, 96]` and whether each applicant fails to pay, 0 or 1."""
    # A few hidden traits move many of the numbers, as in real tables.
    traits = rng.standard_normal((rows, 8))
    load = rng.standard_normal((8, FEATURES)) * 0.6
    latent = traits @ load + 0.8 * rng.standard_normal((rows, FEATURES))
    values = np.empty_like(latent)
    values[:, :24] = np.round(np.exp(8 + 0.7 * latent[:, :24]).clip(0, 250_000), 2)  # amounts
    values[:, 24:48] = 1 / (1 + np.exp(-latent[:, 24:48]))  # rates
    values[:, 48:72] = np.floor(np.exp(1 + 0.6 * latent[:, 48:72])).clip(0, 60)  # counts
    values[:, 72:84] = (40 + 12 * latent[:, 72:84]).clip(18, 95)  # years
    values[:, 84:] = latent[:, 84:] > 0.5  # flags
    rule = latent @ rng.standard_normal(FEATURES) * 0.25 + 1.2 * traits[:, 0] * traits[:, 1] - 0.9 * np.abs(traits[:, 2])
    labels = rule + 0.6 * rng.standard_normal(rows) > 0.3
    return values.astype(np.float32), labels.astype(np.int64)


class Scaled(nn.Module):
    """The scaler, then the layers."""

    def __init__(self, layers, mean, deviation):
        super().__init__()
        self.layers = layers
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("deviation", torch.from_numpy(deviation))

    def forward(self, applicant):
        return self.layers((applicant - self.mean) / self.deviation)


def layers():
    sizes = [FEATURES] + [WIDTH] * (LAYERS - 1) + [2]
    made = []
    for index, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        linear = nn.Linear(inputs, outputs)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        made += [linear, nn.ReLU()] if index + 1 < LAYERS else [linear]
    return nn.Sequential(*made)


def train(model, values, labels, epochs):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.05)
    loss = nn.CrossEntropyLoss()
    values, labels = torch.from_numpy(values), torch.from_numpy(labels)
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(values)).split(256):
            optimizer.zero_grad()
            found = loss(model(values[batch]), labels[batch])
            found.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += found.item() * len(batch)
        print(f"epoch {epoch + 1}: loss {total / len(values):.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default="models", type=Path)
    parser.add_argument("--epochs", default=4, type=int)
    parser.add_argument("--random-weights", action="store_true", help="export without training")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(15)
    values, labels = applicants(np.random.default_rng(15), ROWS + TEST)
    mean, deviation = values[:ROWS].mean(0), values[:ROWS].std(0)
    model = Scaled(layers(), mean, deviation)
    if not args.random_weights:
        train(model, values[:ROWS], labels[:ROWS], args.epochs)
    model.eval()
    path = args.folder / "lending_mlp.onnx"
    names = {"input_names": ["applicant"], "output_names": ["logits"]}
    torch.onnx.export(model, (torch.from_numpy(values[:1]),), path, opset_version=17, dynamo=False, **names)
    np.savez(args.folder / "lending_mlp-calibration.npz", X=values[:1024], y=labels[:1024])
    np.savez(args.folder / "lending_mlp-test.npz", X=values[ROWS:], y=labels[ROWS:])
    session = onnxruntime.InferenceSession(str(path))
    logits = np.concatenate([session.run(None, {"applicant": row[None]})[0] for row in values[ROWS:]])
    classes = logits.argmax(1)
    report = {
        "rows": TEST,
        "features": FEATURES,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "float_accuracy": float((classes == labels[ROWS:]).mean()),
        "float_classes": classes.tolist(),
    }
    (args.folder / "lending_mlp.json").write_text(json.dumps(report))
    print({key: value for key, value in report.items() if not isinstance(value, list)})


if __name__ == "__main__":
    main()
