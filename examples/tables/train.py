#!/usr/bin/env python3
"""Trains models on tables of numbers and exports them as their users would.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python train.py FOLDER

For each model FOLDER gets NAME.onnx, NAME-calibration.npz (the training rows) and NAME-test.npz (the others), raw
numbers with their labels, and NAME.json with what onnxruntime makes of the test rows. Fixed seeds, a minute.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from lightgbm import LGBMClassifier
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CREDIT = Path(os.environ.get("ASSAY_SHARED", "../../../shared")) / "data/images/credit_default_test6000.npz"


def sklearn_model(model):
    def export(train, labels):
        model.fit(train, labels)
        options = {"zipmap": False} if hasattr(model, "classes_") else {}
        return to_onnx(model, train[:1], target_opset=17, options=options).SerializeToString()

    return export


def boosted_trees(train, labels):
    model = LGBMClassifier(n_estimators=40, num_leaves=15, random_state=0, verbose=-1, n_jobs=1)
    model.fit(train, labels)
    kind = [("input", FloatTensorType([1, train.shape[1]]))]
    return convert_lightgbm(model, initial_types=kind, target_opset=15, zipmap=False).SerializeToString()


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "models")
    folder.mkdir(parents=True, exist_ok=True)
    scaled = lambda model: sklearn_model(make_pipeline(StandardScaler(), model))
    network = MLPClassifier((32, 16), max_iter=2000, random_state=0)
    models = {
        "wine": (datasets.load_wine, scaled(network)),
        "breast-cancer": (datasets.load_breast_cancer, scaled(MLPClassifier((32,), max_iter=2000, random_state=0))),
        "breast-cancer-logistic": (datasets.load_breast_cancer, scaled(LogisticRegression(max_iter=1000))),
        "breast-cancer-forest": (
            datasets.load_breast_cancer,
            sklearn_model(RandomForestClassifier(20, max_depth=6, random_state=0)),
        ),
        "digits": (datasets.load_digits, sklearn_model(MLPClassifier((64,), max_iter=500, random_state=0))),
        "diabetes": (
            lambda return_X_y: datasets.load_diabetes(return_X_y=return_X_y, scaled=False),
            scaled(MLPRegressor(hidden_layer_sizes=(32, 16), max_iter=4000, alpha=1.0, random_state=0)),
        ),
    }
    if (Path(__file__).parent / CREDIT).exists():
        data = np.load(Path(__file__).parent / CREDIT)
        models["credit-boosted"] = (lambda return_X_y: (data["X"], data["labels"].astype(np.int64)), boosted_trees)
    else:
        print("skipped: credit-boosted, its data set is not there")
    for name, (load, export) in models.items():
        values, labels = load(return_X_y=True)
        values = values.astype(np.float32)
        train, test, train_labels, test_labels = train_test_split(values, labels, test_size=0.3, random_state=0)
        (folder / f"{name}.onnx").write_bytes(export(train, train_labels))
        session = onnxruntime.InferenceSession(str(folder / f"{name}.onnx"))
        feed = session.get_inputs()[0].name
        outputs = [session.run(None, {feed: row[None]}) for row in test]
        report = {"rows": len(test), "features": values.shape[1]}
        if labels.dtype.kind == "f":
            found = np.array([float(np.ravel(row[0])[0]) for row in outputs])
            report["float_outputs"] = found.tolist()
            report["float_mean_error"] = float(np.abs(found - test_labels).mean())
            np.savez(folder / f"{name}-calibration.npz", X=train)
            np.savez(folder / f"{name}-test.npz", X=test)
        else:
            found = np.array([int(np.ravel(row[0])[0]) for row in outputs])
            report["float_classes"] = found.tolist()
            report["float_accuracy"] = float((found == test_labels).mean())
            np.savez(folder / f"{name}-calibration.npz", X=train, y=train_labels)
            np.savez(folder / f"{name}-test.npz", X=test, y=test_labels)
        (folder / f"{name}.json").write_text(json.dumps(report))
        print(name, {key: value for key, value in report.items() if not isinstance(value, list)})


if __name__ == "__main__":
    main()
