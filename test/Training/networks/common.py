# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What record.py and ../networks.py share: weights, data, and the files that hold neither.

Weights and data are functions of a name, a shape and a few numbers, so that a recording holds the
graph and the losses only. Everything is drawn by numpy's `random_sample` and `randint`, whose streams
are frozen: the same bits on every machine.
"""
import hashlib
import json
import math
import pathlib
import zipfile

import numpy as np
import onnx

RECORDINGS = pathlib.Path(__file__).resolve().parent / "recordings"
STEPS, BATCH = 50, 8
SEEDS = 8  # that the test trains of a network that draws numbers


def stream(name):
    return np.random.RandomState(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little"))


def make_weight(name, shape, mean, deviation):
    """Uniform around `mean`; parameters of two names are never equal, so no exporter merges them."""
    spread = 2 * math.sqrt(3) * deviation * (stream(name).random_sample(tuple(shape)) - 0.5)
    return (mean + spread).astype(np.float32)


def make_array(name, kind, shape, argument, sets):
    """`sets` batches of the input `name`, one behind the other along the first dimension."""
    shape = (sets * shape[0], *shape[1:])
    random = stream(f"data of {name}")
    if kind == "floats":
        return (argument * (2 * random.random_sample(shape) - 1)).astype(np.float32)
    if kind == "unit":  # 0 to 1
        return random.random_sample(shape).astype(np.float32)
    if kind == "ids":  # below the argument
        return random.randint(0, argument, shape).astype(np.int64)
    if kind == "tokens":  # the same, but 0
        return random.randint(1, argument, shape).astype(np.int64)
    if kind == "bits":  # ones with the argument's probability
        return (random.random_sample(shape) < argument).astype(np.float32)
    if kind == "images":  # waves, unlike each other: BatchNorm over few alike samples amplifies rounding
        rows, columns = np.arange(shape[2])[:, None] / shape[2], np.arange(shape[3]) / shape[3]
        draw = random.random_sample((4, 4, *shape[:2], 1, 1)) * 2 - 1
        waves = sum(a * np.cos(9 * (fx * columns + fy * rows + phase)) for a, fx, fy, phase in draw)
        return np.round(64 * argument * waves / 2).astype(np.float32) / 64
    if kind == "points":  # boxes of different sizes
        sizes = 0.1 + random.random_sample((*shape[:2], 1))
        return (argument * sizes * (2 * random.random_sample(shape) - 1)).astype(np.float32)
    if kind == "mask":  # ones up to a length, of at least the argument
        lengths = random.randint(argument, shape[1] + 1, shape[0])
        return (np.arange(shape[1]) < lengths[:, None]).astype(np.int64)
    raise ValueError(f"no data of kind {kind}")


def make_data(case):
    """The arrays of all inputs, the target among them."""
    return {name: make_array(name, kind, shape, argument, case["sets"])
            for name, (kind, shape, argument) in case["inputs"].items()}


def initial_weights(case):
    return {name: make_weight(name, *how) for name, how in case["parameters"].items()}


def strip(model, weights):
    """Takes the values of parameters out of the graph's initializers -> what fills them again: name of
    an initializer -> parameter, and whether it is transposed."""
    filled = {}
    same = {w.tobytes(): (n, False) for n, w in weights.items()}
    same |= {w.T.tobytes(): (n, True) for n, w in weights.items() if w.ndim == 2 and min(w.shape) > 1}
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            found = same.get(onnx.numpy_helper.to_array(tensor).tobytes())
            if found:
                filled[tensor.name] = found
                tensor.ClearField("raw_data")
                tensor.ClearField("float_data")
    return filled


def fill(model, filled, weights):
    for tensor in model.graph.initializer:
        if tensor.name in filled:
            parameter, transposed = filled[tensor.name]
            value = weights[parameter].T if transposed else weights[parameter]
            tensor.raw_data = np.ascontiguousarray(value.reshape(tensor.dims)).tobytes()


def write(case, models):
    """recordings/NAME.zip: case.json and the stripped graphs."""
    with zipfile.ZipFile(RECORDINGS / f"{case['name']}.zip", "w", zipfile.ZIP_LZMA) as archive:
        def add(file, content):
            archive.writestr(zipfile.ZipInfo(file, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_LZMA)
        add("case.json", json.dumps(case))
        for name, model in models.items():
            add(f"{name}.onnx", model.SerializeToString(deterministic=True))


def read(path):
    """A recording, and its graphs as the exporter wrote them."""
    with zipfile.ZipFile(path) as archive:
        case = json.loads(archive.read("case.json"))
        weights, models = initial_weights(case), {}
        for name, exported in case["exports"].items():
            models[name] = onnx.load_from_string(archive.read(f"{name}.onnx"))
            fill(models[name], exported["filled"], weights)
    return case, models
