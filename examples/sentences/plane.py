#!/usr/bin/env python3
"""Puts a plane behind the sentence embedding: class 0 is the side on which texts with a word lie.

    .venv/bin/python plane.py FOLDER [WORD]
    .venv/bin/python plane.py FOLDER --selected RETRIEVED.json

FOLDER is what sentences.py wrote. WORD (`object` where nothing is said) divides the texts for calibration into those that
hold it and those that do not; the plane stands between the means of both, half way. FOLDER gets plane.onnx, plane.txt with
what its import has to be told, and sides.json, on which side onnxruntime finds each test text. With --selected that is
compared with what `assay retrieve verify --json` printed, and the selected texts are shown.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from sentences import tokenizer


def network(folder: Path) -> tuple[list[str], dict[str, int], str]:
    """Options of the import without the output's name, the inputs that are one number everywhere, and that name."""
    words = (folder / "options.txt").read_text().split()
    pairs = list(zip(words[::2], words[1::2]))
    fixed = dict(value.split("=") for option, value in pairs if option == "--fixed-input")
    output = next(value for option, value in pairs if option == "--output-name")
    rest = [f"{option} {value}" for option, value in pairs if option != "--output-name"]
    return rest, {name: int(value) for name, value in fixed.items()}, output


def run(model: Path, output: str, ids: np.ndarray, fixed: dict[str, int]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model)
    inputs = {"input_ids": ids} | {name: np.full_like(ids, value) for name, value in fixed.items()}
    return session.run([output], inputs)[0].astype(float)


def texts(ids: np.ndarray) -> list[str]:
    words = tokenizer()
    return [words.decode(list(row)) for row in ids]


def write(folder: Path, word: str) -> None:
    options, fixed, output = network(folder)
    calibration = np.load(folder / "calibration.npz")["x"]
    holds = np.array([word in text for text in texts(calibration)])
    if holds.all() or not holds.any():
        raise SystemExit(f"plane: {'every' if holds.all() else 'no'} text holds `{word}`; name another word")
    embeddings = run(folder / "model.onnx", output, calibration, fixed)
    middle = [embeddings[side].mean(axis=0) for side in (holds, ~holds)]
    normal = (middle[0] - middle[1]) / np.linalg.norm(middle[0] - middle[1])
    offset = normal @ (middle[0] + middle[1]) / 2

    model = onnx.load(folder / "model.onnx")
    graph = model.graph
    sides = np.stack([normal, -normal], axis=1).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(sides, "plane_normal"))
    graph.initializer.append(numpy_helper.from_array(np.array([-offset, offset], np.float32), "plane_offset"))
    graph.node.append(helper.make_node("MatMul", [output, "plane_normal"], ["plane_distance"]))
    graph.node.append(helper.make_node("Add", ["plane_distance", "plane_offset"], ["side"]))
    graph.output.append(helper.make_tensor_value_info("side", TensorProto.FLOAT, [1, 2]))
    onnx.save(model, folder / "plane.onnx")
    (folder / "plane.txt").write_text("\n".join([*options, "--output-name side"]) + "\n")

    side = run(folder / "plane.onnx", "side", np.load(folder / "test.npz")["x"], fixed).argmax(axis=1)
    (folder / "sides.json").write_text(json.dumps(side.tolist()) + "\n")
    print(f"{holds.sum()} of {len(holds)} texts hold `{word}`; {(side == 0).sum()} of {len(side)} test texts lie on their side")


def compare(folder: Path, retrieved: Path) -> None:
    selected = set(json.loads(retrieved.read_text())["selected"])
    items = json.loads(retrieved.read_text())["covered"]
    side = json.loads((folder / "sides.json").read_text())[:items]
    for at, text in enumerate(texts(np.load(folder / "test.npz")["x"][:items])):
        if at in selected:
            print(f"{at:4} {text}")
    agree = sum((at in selected) == (side[at] == 0) for at in range(items))
    print(f"{len(selected)} of {items} texts selected; onnxruntime puts {agree} of {items} on the same side")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("word", nargs="?", default="object")
    parser.add_argument("--selected", type=Path, help="what `assay retrieve verify --json` printed")
    args = parser.parse_args()
    if args.selected:
        compare(args.folder, args.selected)
    else:
        write(args.folder, args.word)
