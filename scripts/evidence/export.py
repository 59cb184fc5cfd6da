#!/usr/bin/env python3
"""Exports larger networks with made-up weights, whose cost does not depend on what they have learned.

    python -m venv .venv && .venv/bin/pip install torch torchvision onnx
    .venv/bin/python scripts/evidence/export.py resnet50 FOLDER

Writes FOLDER/NAME.onnx. Batch normalizations take their statistics from random images, so that ranges stay sane.
"""

import sys
from pathlib import Path

import torch
import torchvision

SIDE = 224


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in NETWORKS:
        sys.exit(f"usage: export.py {'|'.join(NETWORKS)} FOLDER")
    torch.manual_seed(15)
    torch.set_num_threads(1)
    name, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    network = NETWORKS[name]()
    torch.onnx.export(
        network.eval(), (torch.randn(1, 3, SIDE, SIDE),), folder / f"{name}.onnx", opset_version=13, dynamo=False,
        input_names=["image"], output_names=["logits"],
    )
    print(name, sum(one.numel() for one in network.parameters()), "numbers")


def resnet50():
    """ResNet-50 of torchvision."""
    network = torchvision.models.resnet50(weights=None)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None
            part.reset_running_stats()
    network.train()
    with torch.no_grad():
        for _ in range(4):
            network(torch.randn(4, 3, SIDE, SIDE))
    return network


NETWORKS = {"resnet50": resnet50}

if __name__ == "__main__":
    main()
