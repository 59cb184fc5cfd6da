#!/usr/bin/env python3
"""Exports networks with random weights as their users would.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python export.py FOLDER                  # all, twenty minutes and 1.5 GB
    .venv/bin/python export.py FOLDER --small          # the small ones, a minute
    .venv/bin/python export.py FOLDER resnet18 unet    # some
    .venv/bin/python export.py --cases ../../prover/import/tests/cases      # those that the tests have

For each export FOLDER gets NAME.onnx, NAME-calibration.npz and NAME-test.npz. The labels of the latter are the classes
that onnxruntime finds, and NAME.json has its outputs. Fixed seeds.

Random weights alone make networks that say the same of every input. So batch normalizations get the statistics of
sample inputs, inputs are smooth patterns of many colours, and the last layer is scaled until its outputs spread over
about one unit.
"""

import argparse
import json
import logging
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.nn import functional

from models import CASES, EXPORTS, FULL, SMALL

CALIBRATION = {"small": 64, "full": 8}
TEST = {"small": 12, "full": 4}


def inputs(shape, count, seed):
    """Pictures as bytes, of few waves each; sequences as numbers that walk."""
    rng = np.random.default_rng(seed)
    if len(shape) == 2:
        return rng.standard_normal((count, *shape)).cumsum(1).astype(np.float32) / 2
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((count, shape[0], 4, 4), generator=generator)
    fine = torch.rand((count, *shape), generator=generator)
    picture = functional.interpolate(coarse, size=shape[1:], mode="bicubic").clamp(0, 1) * 0.85 + 0.15 * fine
    return (picture * 255).round().to(torch.uint8).numpy()


def numbers(values):
    return values.astype(np.float32) / 255 if values.dtype == np.uint8 else values


def settle(model, shape):
    """Statistics of batch normalizations, and the scale of the last layer."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    for module in model.modules():
        # No drops while the statistics are taken.
        if not isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.training = False
    with torch.no_grad():
        samples = torch.from_numpy(numbers(inputs(shape, 24, 1)))
        if norms:
            for batch in samples.split(8):
                model(batch)
        model.eval()
        last = [module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d))][-1]
        nn.init.normal_(last.weight, std=last.weight[0].numel() ** -0.5)
        nn.init.zeros_(last.bias)
        outputs = model(samples[:8])
        # What differs from input to input, not what all have in common.
        last.weight /= outputs.std(0).mean()
        last.bias -= model(samples[:8]).transpose(0, 1).flatten(1).mean(1)


def export(model, shape, exporter, opset, path):
    example = (torch.from_numpy(numbers(inputs(shape, 1, 2))),)
    names = {"input_names": ["x"], "output_names": ["y"], "opset_version": opset}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if exporter == "script":
            torch.onnx.export(model, example, path, dynamo=False, **names)
        else:
            torch.onnx.export(model, example, path, dynamo=True, external_data=False, verbose=False, **names)


def right_values(path, values):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options)
    rows = [session.run(None, {session.get_inputs()[0].name: row[None]})[0].ravel() for row in numbers(values)]
    return np.stack(rows).astype(float)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("names", nargs="*", help="networks; all without any")
    parser.add_argument("--small", action="store_true", help="the small ones only")
    parser.add_argument("--cases", type=Path, help="a folder for each export that the tests have")
    args = parser.parse_args()
    if not args.folder and not args.cases:
        parser.error("name a folder")
    logging.disable(logging.WARNING)
    known = SMALL if args.small or args.cases else SMALL | FULL
    for name, exporter, opset in EXPORTS:
        if name not in known or args.names and name not in args.names:
            continue
        if args.cases and (name, exporter) not in CASES:
            continue
        size = "small" if name in SMALL else "full"
        make, shape = known[name]
        torch.manual_seed(0)
        model = make().eval()
        settle(model, shape)
        stem = f"{name}-{exporter}{opset}"
        if args.cases:
            folder = args.cases / f"export-{stem}"
            path, calibration, test = folder / "model.onnx", folder / "calib.npz", folder / "test.npz"
            right = folder / "expected.json"
        else:
            folder = args.folder
            path, calibration = folder / f"{stem}.onnx", folder / f"{stem}-calibration.npz"
            test, right = folder / f"{stem}-test.npz", folder / f"{stem}.json"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            export(model, shape, exporter, opset, path)
        except Exception as error:
            print(f"{stem}: cannot be exported: {str(error).splitlines()[0]}", flush=True)
            continue
        samples, tested = inputs(shape, CALIBRATION[size], 3), inputs(shape, TEST[size], 4)
        outputs = right_values(path, tested)
        classes = outputs.argmax(1)
        if args.cases:
            # Few, as the files of the tests are small; so that none is out of range, those tested are among them.
            samples, tested = numbers(np.concatenate([tested, samples[:20]])), numbers(tested)
        np.savez_compressed(calibration, X=samples)
        np.savez_compressed(test, X=tested, **({} if args.cases else {"y": classes}))
        right.write_text(json.dumps({"logits": outputs.round(6).tolist(), "class": classes.tolist()}))
        print(f"{stem}: {path.stat().st_size / 1e3:.0f} kB, classes {sorted(set(classes.tolist()))}", flush=True)


if __name__ == "__main__":
    main()
