#!/usr/bin/env python3
"""Exports transformers of well-known shapes with random weights: what such a network costs does not depend on them.

    .venv/bin/python shapes.py FOLDER gpt2|vit_tiny|vit_b_16 [DEPTH] [VOCABULARY]

FOLDER gets NAME.onnx and NAME-calibration.npz. `gpt2` is GPT-2 small on 32 tokens: 12 layers of width 768, with another
DEPTH fewer of them, with another VOCABULARY fewer ids than 50,257. `vit_tiny` (12 layers of width 192) and `vit_b_16` are
torchvision's, for pictures of 224x224.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional

from networks import Gpt

TOKENS, SAMPLES = 32, 16


def gpt2(depth=12, vocabulary=50257):
    ids = np.random.default_rng(2).integers(0, vocabulary, (SAMPLES, TOKENS))
    model = Gpt(vocabulary, TOKENS, 768, 12, depth)
    # As GPT-2 is initialized; the head is the table of tokens.
    for part in model.modules():
        if isinstance(part, (nn.Linear, nn.Embedding)):
            nn.init.normal_(part.weight, std=0.02)
    model.head.weight = model.tokens.weight
    return model, ids


def vit(**shape):
    # The exporter does not know the one operator that attention is without this.
    torch.backends.mha.set_fastpath_enabled(False)
    model = torchvision.models.VisionTransformer(image_size=224, patch_size=16, **shape)
    nn.init.normal_(model.heads.head.weight, std=0.2)
    generator = torch.Generator().manual_seed(2)
    coarse, fine = torch.rand((SAMPLES, 3, 8, 8), generator=generator), torch.rand((SAMPLES, 3, 224, 224), generator=generator)
    picture = functional.interpolate(coarse, size=(224, 224), mode="bicubic").clamp(0, 1) * 0.85 + 0.15 * fine
    return model, (picture * 255).round().to(torch.uint8).numpy()


SHAPES = {
    "gpt2": gpt2,
    "vit_tiny": lambda depth=12: vit(num_layers=depth, num_heads=3, hidden_dim=192, mlp_dim=768),
    "vit_b_16": lambda depth=12: vit(num_layers=depth, num_heads=12, hidden_dim=768, mlp_dim=3072),
}


def main(folder, name, *sizes):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    model, inputs = SHAPES[name](*map(int, sizes))
    example = torch.from_numpy(inputs[:1])
    example = example.to(torch.float32) / 255 if inputs.dtype == np.uint8 else example
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(), (example,), folder / f"{name}.onnx", dynamo=False, opset_version=17, input_names=["x"], output_names=["y"]
        )
    np.savez_compressed(folder / f"{name}-calibration.npz", x=inputs)
    print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
