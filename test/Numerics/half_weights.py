#!/usr/bin/env python3
"""Models whose weights are stored in f16 or bf16 train beside the same models in f32.

The masters are f32 and start as the file's values, exactly; the graph computes in the file's
types; outputs have the types that it declares.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import json
import pathlib
import sys
import tempfile
import unittest

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import compiled

LOW = {"f16": (np.float16, TensorProto.FLOAT16, 2.0**-10),
       "bf16": (ml_dtypes.bfloat16, TensorProto.BFLOAT16, 2.0**-7)}
STEPS = 30
LEVELS = (("--amp=O0",), ("--amp=O1", "--amp-dtype=f16"), ("--amp=O1", "--amp-dtype=bf16"),
          ("--amp=O2", "--amp-dtype=f16"), ("--amp=O2", "--amp-dtype=bf16"))


def mlp(weights: dict[str, np.ndarray], element: int, loss: bool, tied: bool) -> onnx.ModelProto:
    """Two layers, tied or not; with its own loss (mean of squares), or with a target's."""
    second = "w1" if tied else "w2"
    nodes = [helper.make_node("Gemm", ["x", "w1", "b"], ["h"], transB=1),
             helper.make_node("Tanh", ["h"], ["a"]),
             helper.make_node("MatMul", ["a", second], ["y"])]
    outputs = [helper.make_tensor_value_info("y", element, [8, 4])]
    if loss:
        nodes += [helper.make_node("Mul", ["y", "y"], ["q"]),
                  helper.make_node("ReduceMean", ["q"], ["l"], keepdims=0)]
        outputs.append(helper.make_tensor_value_info("l", element, []))
    graph = helper.make_graph(
        nodes, "half", [helper.make_tensor_value_info("x", element, [8, 4])], outputs,
        [numpy_helper.from_array(value, name) for name, value in weights.items()
         if name != "w2" or not tied])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def masters(path: pathlib.Path) -> dict[str, tuple[str, np.ndarray]]:
    """Type and bits of each parameter in a checkpoint."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__" and not name.startswith("ampc."):
            begin, end = entry["data_offsets"]
            found[name] = (entry["dtype"], np.frombuffer(
                raw[8 + size + begin:8 + size + end], np.float32).reshape(entry["shape"]))
    return found


class HalfWeightsTest(unittest.TestCase):
    tools: compiled.Tools

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        rng = np.random.default_rng(3)
        self.weights = {name: rng.standard_normal(shape).astype(np.float32) / 2
                        for name, shape in (("w1", (4, 4)), ("b", (4,)), ("w2", (4, 4)))}
        self.x, self.target = rng.standard_normal((2, 8, 4)).astype(np.float32)

    def train(self, low, element: int, flags: tuple[str, ...], steps: int, loss: bool,
              tied: bool) -> tuple[list[dict], dict]:
        dtype = np.float32 if low is None else low
        typed = {name: value.astype(dtype) for name, value in self.weights.items()}
        # Both start from what the low type holds.
        model = mlp(typed, element, loss, tied)
        module = self.tools.compile(model, self.folder, (
            "--loss=output:l" if loss else "--loss=mse", "--optimizer=sgd", "--lr=0.1", *flags))
        arrays = {"x": self.x} if loss else {"x": self.x, "target": self.target}
        stored = np.float16 if element == TensorProto.FLOAT16 else np.float32
        batch = {name: value.astype(stored) for name, value in arrays.items()}
        end = self.folder / "c.safetensors"
        return module.train(batch, steps, f"--checkpoint={end}"), masters(end)

    def test_trains_beside_f32(self) -> None:
        for dtype, (low, element, ulp) in LOW.items():
            self.weights = {name: value.astype(low).astype(np.float32)
                            for name, value in self.weights.items()}
            self.x, self.target = (v.astype(low).astype(np.float32)
                                   for v in (self.x, self.target))
            for loss in (False, True):
                for tied in (False, True):
                    twin, twin_end = self.train(None, TensorProto.FLOAT, ("--amp=O0",), STEPS,
                                                loss, tied)
                    for flags in LEVELS:
                        with self.subTest(dtype=dtype, flags=flags, loss=loss, tied=tied):
                            self.check(low, element, flags, twin, twin_end, loss, tied,
                                       max(ulp, 2.0**-7 if "bf16" in flags[-1] else 0))

    def check(self, low, element, flags, twin, twin_end, loss, tied, ulp) -> None:
        log, end = self.train(low, element, flags, STEPS, loss, tied)
        applied = [line for line in log if line["applied"]]
        # The scaler may start too high, never for long.
        self.assertGreaterEqual(len(applied), STEPS - 2)
        self.assertLess(applied[-1]["loss"], applied[0]["loss"] * 0.8)
        # A forward pass rounds a handful of times; the error of the weights adds up over
        # steps that contract. The loss is a mean of squares: twice the error.
        bound = 16 * ulp
        for mine, other in zip(applied, twin):
            self.assertLess(abs(mine["loss"] - other["loss"]), bound * twin[0]["loss"])
        for name, (kind, value) in end.items():
            self.assertEqual(kind, "F32")
            # The bits below the file's type are the master's own.
            self.assertFalse(np.array_equal(value, value.astype(low).astype(np.float32)), name)
            if len(applied) == STEPS:
                self.assertLess(np.abs(value - twin_end[name][1]).max(), bound, name)

    def test_masters_start_as_the_file_says(self) -> None:
        # A rate of 0 leaves them.
        for dtype, (low, element, _) in LOW.items():
            with self.subTest(dtype=dtype):
                log, end = self.train(low, element, ("--amp=O0", "--lr=0"), 1, False, False)
                for name, (kind, value) in end.items():
                    self.assertEqual(kind, "F32")
                    np.testing.assert_array_equal(
                        value, self.weights[name].astype(low).astype(np.float32))

    def test_the_scaler_is_on_for_f16_only(self) -> None:
        for dtype, (low, element, _) in LOW.items():
            with self.subTest(dtype=dtype):
                log, _ = self.train(low, element, ("--amp=O0",), 4, False, False)
                self.assertEqual(log[0]["scale"], 65536 if dtype == "f16" else 1)

    def test_outputs_have_the_declared_type(self) -> None:
        for flags in LEVELS:
            with self.subTest(flags=flags):
                typed = {name: v.astype(np.float16) for name, v in self.weights.items()}
                module = self.tools.compile(
                    mlp(typed, TensorProto.FLOAT16, False, False), self.folder,
                    ("--loss=mse", "--optimizer=sgd", *flags))
                x = self.x.astype(np.float16)
                got = module.evaluate({"x": x, "target": self.target.astype(np.float16)})["y"]
                self.assertEqual(got.dtype, np.float16)
                w = {name: v.astype(np.float64) for name, v in typed.items()}
                want = np.tanh(x @ w["w1"].T + w["b"]) @ w["w2"]
                ulp = 2.0**-7 if "bf16" in flags[-1] else 2.0**-10
                # Each operand of a product of four terms is rounded once more.
                self.assertLess(np.abs(got - want).max(), 8 * ulp)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    HalfWeightsTest.tools = compiled.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
