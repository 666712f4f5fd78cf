#!/usr/bin/env python3
"""Attention that a file spells out trains as its formula says, in f16 and bf16.

Each network is a layer of attention between products, with its own shapes, mask and way to lay out
query, key and value. Loss and gradients are compared with numpy's in f64; the gradients are read
off from one step of SGD. A target that computes attention without a matrix of scores has one
kernel each way.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import dataclasses
import json
import pathlib
import struct
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import compiled

# Units of rounding. Operands, scores or exponentials, results and their gradients are rounded once
# each; a norm of many such errors, which are independent, is below three units.
UNIT = {"bf16": 2.0 ** -8, "f16": 2.0 ** -11}
ROUNDINGS = 3
NEGATIVE = -1e4


@dataclasses.dataclass
class Case:
    batch: int
    heads: int
    key_heads: int
    rows: int
    columns: int
    size: int
    mask: str = ""      # "", "add", "where" (a number in the place of scores), "choice" (0 or a number)
    layout: str = "brh"  # order of batch, rows and heads; "joint": one product, split
    ratio: float = 0    # of dropout

    def __str__(self) -> str:
        return (f"{self.batch}x{self.heads}:{self.key_heads}x{self.rows}x{self.columns}"
                f"x{self.size} {self.mask} {self.layout} {self.ratio}")


CASES = [
    Case(2, 2, 2, 64, 64, 32),
    Case(1, 2, 2, 40, 40, 16, layout="joint"),
    Case(2, 3, 3, 70, 130, 64),
    Case(2, 4, 2, 65, 65, 40),
    Case(1, 2, 2, 100, 100, 80, "choice", "joint"),
    Case(1, 2, 1, 33, 97, 128, "add"),
    Case(2, 2, 2, 80, 80, 64, "where", "rbh"),
    Case(2, 2, 2, 81, 80, 24, "choice"),
    Case(1, 4, 2, 128, 128, 64, "add", "rbh"),
    Case(2, 1, 1, 1, 200, 8, "add"),
    Case(2, 3, 3, 70, 75, 32, ratio=0.25),
    Case(2, 4, 2, 66, 66, 96, "where", ratio=0.5),
]


class Graph:
    """Nodes of a network, each with one output."""

    def __init__(self):
        self.nodes, self.initializers, self.inputs = [], [], []

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes):
        names = [f"{operator}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names if outputs > 1 else names[0]

    def constant(self, value: np.ndarray, name: str = "") -> str:
        name = name or f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def input(self, name: str, shape: list[int], element: int = TensorProto.FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, element, shape))
        return name

    def shape(self, *extents: int) -> str:
        return self.constant(np.array(extents, np.int64))


def network(c: Case, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """z = attention(x * q, y * k, y * v) * o, of x [batch, rows, width]; `joint`: of x alone."""
    g = Graph()
    width = c.heads * c.size
    x = g.input("x", [c.batch, c.rows, width])
    y = x if c.layout == "joint" else g.input("y", [c.batch, c.columns, width])
    names = {name: g.constant(value.astype(np.float32), name) for name, value in weights.items()}
    if c.layout == "joint":
        all_three = g.add("MatMul", x, names["qkv"])
        parts = g.add("Split", all_three, g.shape(width, width, width), outputs=3, axis=2)
    else:
        parts = []
        for source, name in ((x, "q"), (y, "k"), (y, "v")):
            if c.layout == "rbh":
                source = g.add("Transpose", source, perm=[1, 0, 2])
            parts.append(g.add("MatMul", source, names[name]))
    tensors = []
    for part, heads, rows in zip(parts, (c.heads, c.key_heads, c.key_heads),
                                 (c.rows, c.columns, c.columns)):
        if c.layout == "rbh":
            split = g.add("Reshape", part, g.shape(rows, c.batch, heads, c.size))
            part = g.add("Transpose", split, perm=[1, 2, 0, 3])
        else:
            split = g.add("Reshape", part, g.shape(c.batch, rows, heads, c.size))
            part = g.add("Transpose", split, perm=[0, 2, 1, 3])
        if heads != c.heads:
            once = g.add("Unsqueeze", part, g.shape(2))
            times = g.add("Expand", once, g.shape(c.batch, heads, c.heads // heads, rows, c.size))
            part = g.add("Reshape", times, g.shape(c.batch, c.heads, rows, c.size))
        tensors.append(part)
    query, key, value = tensors
    scores = g.add("MatMul", query, g.add("Transpose", key, perm=[0, 1, 3, 2]))
    scores = g.add("Mul", scores, g.constant(np.float32(c.size ** -0.5)))
    if c.mask == "add":
        scores = g.add("Add", scores, g.input("mask", [c.batch, 1, c.rows, c.columns]))
    elif c.mask:
        on = g.input("on", [1, 1, c.rows, c.columns], TensorProto.BOOL)
        number = g.constant(np.float32(NEGATIVE))
        if c.mask == "where":
            scores = g.add("Where", on, scores, number)
        else:
            scores = g.add("Add", scores, g.add("Where", on, g.constant(np.float32(0)), number))
    probabilities = g.add("Softmax", scores, axis=-1)
    if c.ratio:
        probabilities = g.add("Dropout", probabilities, g.constant(np.float32(c.ratio)),
                              g.constant(np.array(True)))
    output = g.add("MatMul", probabilities, value)
    order = [2, 0, 1, 3] if c.layout == "rbh" else [0, 2, 1, 3]
    output = g.add("Transpose", output, perm=order)
    front = [c.rows, c.batch] if c.layout == "rbh" else [c.batch, c.rows]
    output = g.add("Reshape", output, g.shape(*front, width))
    z = g.add("MatMul", output, names["o"])
    if c.layout == "rbh":
        z = g.add("Transpose", z, perm=[1, 0, 2])
    result = helper.make_tensor_value_info(z, TensorProto.FLOAT, [c.batch, c.rows, width])
    graph = helper.make_graph(g.nodes, "attention", g.inputs, [result], g.initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def draw(c: Case) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Weights and a batch."""
    rng = np.random.default_rng(c.rows + c.size)
    width, key_width = c.heads * c.size, c.key_heads * c.size
    widths = {"qkv": 3 * width, "o": width} if c.layout == "joint" else {
        "q": width, "k": key_width, "v": key_width, "o": width}
    weights = {name: rng.standard_normal((width, n)) / np.sqrt(width)
               for name, n in widths.items()}
    feeds = {"x": rng.standard_normal((c.batch, c.rows, width)),
             "target": 3 * rng.standard_normal((c.batch, c.rows, width))}
    if c.layout != "joint":
        feeds["y"] = rng.standard_normal((c.batch, c.columns, width))
    if c.mask == "add":
        feeds["mask"] = -3.0 * (rng.random((c.batch, 1, c.rows, c.columns)) < 0.3)
    elif c.mask:
        feeds["on"] = rng.random((1, 1, c.rows, c.columns)) < 0.7
        feeds["on"][..., -1, :] = False  # a row of which nothing takes part
    return ({n: w.astype(np.float32) for n, w in weights.items()},
            {n: f if f.dtype == bool else f.astype(np.float32) for n, f in feeds.items()})


def reference(c: Case, weights, feeds) -> tuple[float, dict[str, np.ndarray]]:
    """The mean squared error and the weights' gradients, in f64."""
    weights = {n: w.astype(np.float64) for n, w in weights.items()}
    feeds = {n: f if f.dtype == bool else f.astype(np.float64) for n, f in feeds.items()}
    x, y = feeds["x"], feeds.get("y", feeds["x"])
    joint = c.layout == "joint"
    if joint:
        wq, wk, wv = np.split(weights["qkv"], 3, axis=1)
    else:
        wq, wk, wv = weights["q"], weights["k"], weights["v"]
    group = c.heads // c.key_heads

    def heads(t, n):
        return t.reshape(c.batch, -1, n, c.size).transpose(0, 2, 1, 3)

    def joined(t):
        return t.transpose(0, 2, 1, 3).reshape(c.batch, t.shape[2], -1)

    q = heads(x @ wq, c.heads)
    k = np.repeat(heads(y @ wk, c.key_heads), group, axis=1)
    v = np.repeat(heads(y @ wv, c.key_heads), group, axis=1)
    s = q @ k.swapaxes(2, 3) * c.size ** -0.5
    if c.mask == "add":
        s = s + feeds["mask"]
    elif c.mask == "where":
        s = np.where(feeds["on"], s, NEGATIVE)
    elif c.mask:
        s = s + np.where(feeds["on"], 0, NEGATIVE)
    p = np.exp(s - s.max(axis=3, keepdims=True))
    p /= p.sum(axis=3, keepdims=True)
    o = joined(p @ v)
    z = o @ weights["o"]
    difference = z - feeds["target"]
    dz = 2 * difference / difference.size
    do = heads(dz @ weights["o"].T, c.heads)
    dp = do @ v.swapaxes(2, 3)
    ds = p * (dp - (dp * p).sum(axis=3, keepdims=True))
    if c.mask == "where":
        ds = np.where(feeds["on"], ds, 0)
    ds *= c.size ** -0.5

    def shared(t):
        return joined(t.reshape(c.batch, c.key_heads, group, *t.shape[2:]).sum(axis=2))

    def product(a, b):
        return np.einsum("brm,brn->mn", a, b)

    gradients = {"q": product(x, joined(ds @ k)),
                 "k": product(y, shared(ds.swapaxes(2, 3) @ q)),
                 "v": product(y, shared(p.swapaxes(2, 3) @ do))}
    if joint:
        gradients = {"qkv": np.concatenate(list(gradients.values()), axis=1)}
    gradients["o"] = product(o, dz)
    return float((difference ** 2).mean()), gradients


def read_masters(path: pathlib.Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = json.loads(data[8:8 + size])
    return {name: np.frombuffer(data[8 + size:][slice(*t["data_offsets"])], np.float32).reshape(
        t["shape"]) for name, t in tensors.items() if name != "__metadata__" and "/" not in name
        and t["dtype"] == "F32" and t["shape"]}


class AttentionTest(unittest.TestCase):
    tools: compiled.Tools

    def step(self, tools: compiled.Tools, c: Case, folder: pathlib.Path, *flags: str):
        """The loss, the gradients and the plan of one step of SGD with a rate of 1."""
        weights, feeds = draw(c)
        module = tools.compile(network(c, weights), folder, (
            "--loss=mse", "--optimizer=sgd", "--lr=1", *flags))
        end = folder / "end.safetensors"
        loss = module.train(feeds, 1, f"--checkpoint={end}")[0]["loss"]
        after = read_masters(end)
        plan = json.loads(compiled.call(tools.runner, "inspect", str(module.module), "--json",
                                        f"--target={tools.device.target}"))
        return loss, {n: weights[n] - after[n] for n in weights}, plan["steps"]

    def test_trains_as_the_formula(self) -> None:
        for i, c in enumerate(CASES):
            dtype = ("bf16", "f16")[i % 2]
            with self.subTest(str(c), dtype=dtype), tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                scale = "128" if dtype == "f16" else "none"
                loss, gradients, steps = self.step(self.tools, c, folder, f"--amp-dtype={dtype}",
                                                   f"--loss-scale={scale}")
                if c.ratio:  # what is dropped, the operators as they are written know
                    host = compiled.Tools(self.tools.bin_dir)
                    expected, slopes, _ = self.step(host, c, folder, "--amp=O0")
                else:
                    expected, slopes = reference(c, *draw(c))
                self.assertLess(abs(loss - expected), UNIT[dtype] * expected)
                for name, gradient in gradients.items():
                    error = np.linalg.norm(gradient - slopes[name]) / np.linalg.norm(slopes[name])
                    self.assertLess(error, ROUNDINGS * UNIT[dtype], name)
                if self.tools.device.target == "cuda":
                    product = 2 * c.batch * c.heads * c.rows * c.columns * c.size
                    fused = [s for s in steps if s["kind"] == "launch" and s["flops"] >= 2 * product]
                    self.assertEqual([s["flops"] // product for s in fused], [2, 5])
                    self.assertEqual([s for s in steps if s.get("tensor_cores")], fused)

    def test_a_row_of_nothing_is_nan(self) -> None:
        c = Case(1, 2, 2, 20, 70, 16)
        g = Graph()
        query = g.input("q", [1, 2, 20, 16])
        key, value = g.input("k", [1, 2, 70, 16]), g.input("v", [1, 2, 70, 16])
        mask = g.input("mask", [20, 70])
        key = g.add("Transpose", key, perm=[0, 1, 3, 2])
        scores = g.add("Add", g.add("MatMul", query, key), mask)
        output = g.add("MatMul", g.add("Softmax", scores, axis=-1), value)
        graph = helper.make_graph(g.nodes, "attention", g.inputs, [
            helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, 2, 20, 16])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                  ir_version=9)
        rng = np.random.default_rng(0)
        feeds = {n: rng.standard_normal((1, 2, rows, c.size)).astype(np.float32)
                 for n, rows in (("q", 20), ("k", 70), ("v", 70))}
        feeds["mask"] = np.zeros((20, 70), np.float32)
        feeds["mask"][:, :65] = -np.inf  # the first tile of keys is off for all rows
        feeds["mask"][7] = -np.inf
        with tempfile.TemporaryDirectory() as folder:
            module = self.tools.compile(model, pathlib.Path(folder), (
                "--loss=none", "--optimizer=none", "--amp-dtype=f16"))
            y = module.evaluate(feeds)[output]
        s = feeds["q"].astype(np.float64) @ feeds["k"].swapaxes(2, 3).astype(np.float64)
        p = np.exp(s[..., 65:] - s[..., 65:].max(axis=3, keepdims=True))
        expected = p / p.sum(axis=3, keepdims=True) @ feeds["v"][:, :, 65:]
        self.assertTrue(np.isnan(y[:, :, 7]).all())
        rest = np.arange(20) != 7
        error = np.abs(y[:, :, rest] - expected[:, :, rest]).max()
        self.assertLess(error, 4 * UNIT["f16"] * np.abs(feeds["v"]).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    AttentionTest.tools = compiled.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
