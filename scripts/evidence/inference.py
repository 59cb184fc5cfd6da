#!/usr/bin/env python3
"""Times the float network itself with onnxruntime: one input, one thread, the median CPU time of many runs.

    python -m venv .venv && .venv/bin/pip install numpy onnxruntime
    .venv/bin/python scripts/evidence/inference.py FILE.onnx [--runs N]

The last line is a JSON object for `scripts/evidence.sh add inference FILE`.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--runs", type=int, default=200)
    arguments = arguments.parse_args()
    options = onnxruntime.SessionOptions()
    # In the calling thread, so that its clock is that of the work.
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(arguments.file), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feed = {
        one.name: rng.random([side if isinstance(side, int) else 1 for side in one.shape]).astype(np.float32)
        for one in session.get_inputs()
    }
    times = []
    for run in range(arguments.runs + 20):
        start = time.thread_time()
        session.run(None, feed)
        if run >= 20:
            times.append(time.thread_time() - start)
    figures = {
        "model": arguments.file.stem,
        "runs": arguments.runs,
        "median_cpu_ms": 1000 * float(np.median(times)),
        "onnxruntime": onnxruntime.__version__,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
