"""LeNet-5 with ReLU and max pooling in NumPy: forward pass, gradients, ONNX export.

Activations of the convolutional part are held as (channels, batch, height, width), so that a
convolution is one matrix product over the unfolded patches. Weights have the shapes ONNX gives
them: Conv (out, in, 5, 5), Gemm (out, in).
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

KERNEL = 5
# name, weight shape, zero padding on each side (convolutions only)
CONVOLUTIONS = [("conv1", (6, 1, KERNEL, KERNEL), 2), ("conv2", (16, 6, KERNEL, KERNEL), 0)]
DENSE = [("fc1", (120, 400)), ("fc2", (84, 120)), ("fc3", (10, 84))]
LAYERS = [name for name, *_ in CONVOLUTIONS + DENSE]


def init_parameters(rng):
    """He-normal weights and zero biases, float32, as a dict of `<layer>.weight` / `<layer>.bias`."""
    parameters = {}
    for name, shape, *_ in CONVOLUTIONS + DENSE:
        fan_in = int(np.prod(shape[1:]))
        weight = rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)
        parameters[f"{name}.weight"] = weight.astype(np.float32)
        parameters[f"{name}.bias"] = np.zeros(shape[0], np.float32)
    return parameters


def forward(parameters, images):
    """Logits (n, 10) of `images` (n, 28, 28; pixels / 255), and what `backward` needs.

    The trace also keeps each layer's sums before its ReLU, under `sums`, in LAYERS' order.
    """
    trace = {"sums": []}
    x = images[np.newaxis]
    for name, _, pad in CONVOLUTIONS:
        x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))) if pad else x
        weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
        columns = _unfold(x)
        n, height, width = x.shape[1], x.shape[2] - KERNEL + 1, x.shape[3] - KERNEL + 1
        sums = weight.reshape(len(weight), -1) @ columns + bias[:, np.newaxis]
        sums = sums.reshape(len(weight), n, height, width)
        # ReLU and the maximum commute; ReLU on a quarter of the values is cheaper.
        pooled, argmax = _max_pool(sums)
        trace[name] = (x.shape, columns, argmax, pooled > 0)
        trace["sums"].append(sums)
        x = np.maximum(pooled, 0)
    x = x.transpose(1, 0, 2, 3).reshape(len(images), -1)
    for name, _ in DENSE:
        sums = x @ parameters[f"{name}.weight"].T + parameters[f"{name}.bias"]
        trace[name] = (x, sums > 0)
        trace["sums"].append(sums)
        x = sums if name == DENSE[-1][0] else np.maximum(sums, 0)
    return x, trace


def backward(parameters, trace, grad):
    """Gradients of all parameters, `grad` (n, 10) being the loss's gradient in the logits."""
    gradients = {}
    for name, _ in reversed(DENSE):
        x, active = trace[name]
        if name != DENSE[-1][0]:
            grad = grad * active
        gradients[f"{name}.weight"] = grad.T @ x
        gradients[f"{name}.bias"] = grad.sum(0)
        grad = grad @ parameters[f"{name}.weight"]
    channels = CONVOLUTIONS[-1][1][0]
    side = int(np.sqrt(grad.shape[1] // channels))
    grad = grad.reshape(len(grad), channels, side, side).transpose(1, 0, 2, 3)
    for name, shape, pad in reversed(CONVOLUTIONS):
        input_shape, columns, argmax, active = trace[name]
        grad = _max_unpool(grad * active, argmax).reshape(shape[0], -1)
        gradients[f"{name}.weight"] = (grad @ columns.T).reshape(shape)
        gradients[f"{name}.bias"] = grad.sum(1)
        if name != CONVOLUTIONS[0][0]:
            flat = parameters[f"{name}.weight"].reshape(shape[0], -1).T @ grad
            grad = _fold(flat, input_shape)
            grad = grad[:, :, pad : grad.shape[2] - pad, pad : grad.shape[3] - pad]
    return gradients


def to_onnx(parameters):
    """The network as an ONNX model: opset 13, float32, input (1, 1, 28, 28), logits (1, 10)."""
    nodes, x = [], "input"
    for name, _, pad in CONVOLUTIONS:
        nodes += [
            helper.make_node(
                "Conv",
                [x, f"{name}.weight", f"{name}.bias"],
                [name],
                name=name,
                kernel_shape=[KERNEL, KERNEL],
                pads=[pad] * 4,
                strides=[1, 1],
            ),
            helper.make_node("Relu", [name], [f"{name}.relu"], name=f"{name}.relu"),
            helper.make_node(
                "MaxPool",
                [f"{name}.relu"],
                [f"{name}.pool"],
                name=f"{name}.pool",
                kernel_shape=[2, 2],
                strides=[2, 2],
            ),
        ]
        x = f"{name}.pool"
    nodes.append(helper.make_node("Flatten", [x], ["flatten"], name="flatten", axis=1))
    x = "flatten"
    for name, _ in DENSE:
        last = name == DENSE[-1][0]
        inputs = [x, f"{name}.weight", f"{name}.bias"]
        x = "logits" if last else name
        nodes.append(helper.make_node("Gemm", inputs, [x], name=name, transB=1))
        if not last:
            x = f"{name}.relu"
            nodes.append(helper.make_node("Relu", [name], [x], name=x))
    graph = helper.make_graph(
        nodes,
        "lenet",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(value, name) for name, value in parameters.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="assay examples/digits",
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=7,  # the one that came with opset 13
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _unfold(x):
    """(channels, n, h, w) to (channels * 25, n * h' * w'), one column per kernel position."""
    channels, n, height, width = x.shape
    height, width = height - KERNEL + 1, width - KERNEL + 1
    columns = np.empty((channels, KERNEL, KERNEL, n, height, width), x.dtype)
    for i in range(KERNEL):
        for j in range(KERNEL):
            columns[:, i, j] = x[:, :, i : i + height, j : j + width]
    return columns.reshape(channels * KERNEL * KERNEL, -1)


def _fold(columns, shape):
    """Adjoint of `_unfold`: adds every patch value back to where it came from."""
    channels, n, height, width = shape
    height, width = height - KERNEL + 1, width - KERNEL + 1
    columns = columns.reshape(channels, KERNEL, KERNEL, n, height, width)
    x = np.zeros(shape, columns.dtype)
    for i in range(KERNEL):
        for j in range(KERNEL):
            x[:, :, i : i + height, j : j + width] += columns[:, i, j]
    return x


def _max_pool(x):
    """2x2 maxima, and for each of the four window corners where it is the (first) maximum."""
    corners = [x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    top, bottom = np.maximum(*corners[:2]), np.maximum(*corners[2:])
    largest = np.maximum(top, bottom)
    taken = np.zeros(largest.shape, bool)
    argmax = []
    for corner in corners:
        # Blank background gives ties; only one corner may receive the gradient.
        chosen = (corner == largest) & ~taken
        taken |= chosen
        argmax.append(chosen)
    return largest, argmax


def _max_unpool(grad, argmax):
    """Adjoint of `_max_pool`: each gradient goes to the corner that held the maximum."""
    channels, n, height, width = grad.shape
    x = np.empty((channels, n, 2 * height, 2 * width), grad.dtype)
    for chosen, (i, j) in zip(argmax, ((0, 0), (0, 1), (1, 0), (1, 1))):
        x[:, :, i::2, j::2] = grad * chosen
    return x
