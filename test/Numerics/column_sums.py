#!/usr/bin/env python3
"""Sums of columns that a kernel of rows adds up on its way (plan-divide-sums): gradients of norms'
parameters, and of a bias before a softmax, over so many rows that a device's blocks share them. The
stand-in runs the PTX. The losses and parameters must be the host's, which has kernels of their own
for these sums, but for the order of additions.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import json
import pathlib
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import compiled
from layouts import EPSILON, LEVELS, node, parameters

STEPS = 3
WIDTH = 24


def layer_norms(rng: np.random.Generator) -> tuple[list, dict, list[int]]:
    """Two norms with a sum that goes around the second one. 768 rows of 40 and 24 columns."""
    weights = {"w1": (WIDTH, 40), "b1": (40,), "s1": (40,), "t1": (40,), "w2": (40, WIDTH),
               "s2": (WIDTH,), "t2": (WIDTH,)}
    nodes = [node("MatMul", "x w1", "p1"),
             node("Add", "p1 b1", "h1"),
             node("LayerNormalization", "h1 s1 t1", "n1", axis=-1),
             node("Tanh", "n1", "a1"),
             node("MatMul", "a1 w2", "p2"),
             node("Add", "p2 x", "h2"),
             node("LayerNormalization", "h2 s2 t2", "n2", axis=-1),
             node("Add", "n2 h2", "y")]
    return nodes, weights, [16, 48]


def root_mean_squares(rng: np.random.Generator) -> tuple[list, dict, list[int]]:
    """A norm that is spelled out, without a mean. 660 rows: 132 groups of 5."""
    weights = {"w1": (WIDTH, 136), "s1": (136,), "w2": (136, WIDTH)}
    nodes = [node("MatMul", "x w1", "h1"),
             node("Mul", "h1 h1", "squares"),
             node("ReduceMean", "squares", "mean", axes=[-1], keepdims=1),
             node("Add", "mean eps", "positive"),
             node("Sqrt", "positive", "root"),
             node("Div", "h1 root", "normal"),
             node("Mul", "normal s1", "n1"),
             node("MatMul", "n1 w2", "y")]
    return nodes, weights, [12, 55]


def biased_softmax(rng: np.random.Generator) -> tuple[list, dict, list[int]]:
    """What the rows of a softmax's gradient come to is added up for a bias."""
    weights = {"b1": (WIDTH,), "w1": (WIDTH, WIDTH)}
    nodes = [node("Tanh", "x", "h1"),
             node("Add", "h1 b1", "h2"),
             node("Softmax", "h2", "p", axis=-1),
             node("MatMul", "p w1", "y")]
    return nodes, weights, [10, 128]


NETWORKS = {"layer_norms": layer_norms, "root_mean_squares": root_mean_squares,
            "biased_softmax": biased_softmax}


def model(name: str) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    rng = np.random.default_rng(7)
    nodes, weights, rows = NETWORKS[name](rng)
    values = {key: (rng.standard_normal(shape) / 3).astype(np.float32)
              for key, shape in weights.items()}
    values["eps"] = np.array(1e-5, np.float32)
    shape = [*rows, WIDTH]
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(v, k) for k, v in values.items()
         if any(k in n.input for n in nodes)])
    data = {key: rng.standard_normal(shape).astype(np.float32) for key in ("x", "target")}
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                             ir_version=8), data


class ColumnSumsTest(unittest.TestCase):
    tools: compiled.Tools
    host: compiled.Tools

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def trained(self, tools: compiled.Tools, graph: onnx.ModelProto, data: dict[str, np.ndarray],
                flags: tuple[str, ...]) -> dict[str, np.ndarray]:
        """The losses of STEPS steps, and the parameters behind them."""
        module = tools.compile(graph, self.folder, (
            "--loss=mse", "--optimizer=sgd", "--lr=0.5", *flags)).module
        feed, log = self.folder / "data.npz", self.folder / "log.jsonl"
        checkpoint = self.folder / "trained.safetensors"
        compiled.write_npz(feed, data)
        compiled.call(tools.runner, "train", str(module), f"--data={feed}", f"--steps={STEPS}",
                      "--batch-order=file", f"--log={log}", f"--checkpoint={checkpoint}",
                      f"--device={tools.device.name}", "--quiet",
                      environment=tools.device.environment(module))
        steps = [json.loads(line) for line in log.read_text().splitlines()]
        return {"loss": np.array([step["loss"] for step in steps if "loss" in step]),
                **parameters(checkpoint)}

    def test_is_what_the_host_computes(self) -> None:
        for name in NETWORKS:
            graph, data = model(name)
            before = {i.name: numpy_helper.to_array(i) for i in graph.graph.initializer}
            for dtype, flags in LEVELS.items():
                with self.subTest(network=name, dtype=dtype):
                    want = self.trained(self.host, graph, data, flags)
                    found = self.trained(self.tools, graph, data, flags)
                    self.assertEqual(found.keys(), want.keys())
                    self.assertEqual(len(found["loss"]), STEPS)
                    for key, expected in want.items():
                        if key in before and key != "eps":
                            self.assertTrue((expected != before[key]).any(), key)
                        # Roundings of some thirty ops in a row, none above the largest value.
                        bound = 32 * EPSILON[dtype] * np.abs(expected).max()
                        self.assertLessEqual(np.abs(found[key] - expected).max(), bound, key)

    def test_rows_and_columns_are_one_kernel(self) -> None:
        """The test above runs what it is meant to."""
        for name in NETWORKS:
            graph, _ = model(name)
            path = self.folder / "model.onnx"
            path.write_bytes(graph.SerializeToString())
            for target, expected in (("cuda", True), ("host", False)):
                with self.subTest(network=name, target=target):
                    kernels = compiled.call(self.tools.compiler, str(path), "--loss=mse",
                                            "--emit=kernels", f"--target={target}")
                    own = [part for part in kernels.split("plan.kernel fused")
                           if '"parallel", "reduction"]' in part
                           and '"reduction", "parallel"]' in part.split("plan.yield")[0]]
                    self.assertEqual(bool(own), expected)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    ColumnSumsTest.tools = compiled.from_options(options)
    ColumnSumsTest.host = compiled.Tools(pathlib.Path(options.bin))
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
