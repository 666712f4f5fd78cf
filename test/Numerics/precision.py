#!/usr/bin/env python3
"""What is rounded to f16 and bf16, and what is not, seen in the numbers.

The values are chosen so that a wrong precision gives another number, not a less exact one:
4096 ones summed in f16 stop at 2048 and in bf16 at 256; 2049 is no f16; a difference that
rounding of the operands removes is there in f32.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import dataclasses
import pathlib
import sys
import tempfile
import unittest

import ml_dtypes
import numpy as np
import onnx
import onnx.compose

import compiled
import gradients
import opcase

LOW = {"f16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}
# The distance from 1 to the next number.
ULP = {"f16": 2.0**-10, "bf16": 2.0**-7}
ONNX_TYPE = {"f16": "float16", "bf16": "bfloat16"}
LONG = 4096


def o1(dtype: str) -> tuple[str, ...]:
    return ("--loss=none", "--optimizer=none", "--amp=O1", f"--amp-dtype={dtype}")


def operators_of(nodes) -> set[str]:
    """Those of the nodes, and of the graphs in them."""
    found = set()
    for node in nodes:
        found.add(f"{node.domain}.{node.op_type}".lstrip("."))
        for attribute in node.attribute:
            found |= operators_of(attribute.g.node)
    return found


class PrecisionTest(unittest.TestCase):
    tools: compiled.Tools

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def evaluate(self, text: str, feeds: dict[str, np.ndarray], flags=compiled.AS_WRITTEN,
                 **constants: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs of a graph in onnx.parser's text, at opset 21."""
        model = onnx.parser.parse_model(
            '<ir_version: 8, opset_import: ["": 21, "ai.onnx.preview.training": 1]>' + text)
        model.graph.initializer.extend(
            onnx.numpy_helper.from_array(value, name) for name, value in constants.items())
        return self.tools.compile(model, self.folder, flags).evaluate(feeds)

    def evaluate_all(self, models: list[onnx.ModelProto], feeds: dict[str, np.ndarray],
                     flags: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Outputs of several graphs of one opset, compiled as one."""
        whole = onnx.ModelProto()
        whole.CopyFrom(models[0])
        for model in models[1:]:
            for field in ("node", "input", "output", "initializer"):
                getattr(whole.graph, field).extend(getattr(model.graph, field))
        return self.tools.compile(whole, self.folder, flags).evaluate(feeds)

    def test_products_sum_in_f32(self) -> None:
        graph = f"g (float[2,{LONG}] x, float[{LONG},3] w) => (float[2,3] y) {{ y = Op(x, w) }}"
        ones = {"x": np.ones((2, LONG), np.float32), "w": np.ones((LONG, 3), np.float32)}
        for dtype in LOW:
            for operator in ("MatMul", "Gemm"):
                with self.subTest(dtype=dtype, operator=operator):
                    got = self.evaluate(graph.replace("Op", operator), ones, o1(dtype))
                    np.testing.assert_array_equal(got["y"], np.full((2, 3), LONG))

    def test_products_of_a_weight_sum_in_f32(self) -> None:
        rng = np.random.default_rng(5)
        x = rng.uniform(0, 1, (4, LONG)).astype(np.float32)
        w = (rng.uniform(0, 1, (LONG, 5)) / LONG).astype(np.float32)
        graph = f"g (float[4,{LONG}] x) => (float[4,5] y) {{ y = MatMul(x, w) }}"
        for dtype, low in LOW.items():
            with self.subTest(dtype=dtype):
                got = self.evaluate(graph, {"x": x}, o1(dtype), w=w)["y"]
                wanted = x.astype(low).astype(np.float64) @ w.astype(low).astype(np.float64)
                np.testing.assert_allclose(got, wanted, rtol=ULP[dtype])
                np.testing.assert_array_equal(
                    got, got.astype(low).astype(np.float32), "the result is stored low")

    def test_operands_of_products_are_rounded(self) -> None:
        graph = "g (float[1,64] x, float[64,1] w) => (float[1,1] y) { y = MatMul(x, w) }"
        for dtype in LOW:
            with self.subTest(dtype=dtype):
                # 1 + 0.4 ulp rounds to 1, so that each pair cancels.
                x = np.tile(np.float32([1 + 0.4 * ULP[dtype], -1]), 32)[None]
                feeds = {"x": x, "w": np.ones((64, 1), np.float32)}
                self.assertEqual(self.evaluate(graph, feeds, o1(dtype))["y"].item(), 0.0)
                full = self.evaluate(graph, feeds)["y"].item()
                self.assertAlmostEqual(full, 32 * 0.4 * ULP[dtype], places=5)

    def test_gradients_of_a_weight_leave_in_f32(self) -> None:
        # 2049 lies between two neighbours of f16, and of bf16.
        rows = 2049
        graph = (f"g (float[{rows},2] x) => (float[2,3] dw) {{ p = MatMul(x, w) "
                 'y = ReduceSum <keepdims = 0> (p) '
                 'dw = ai.onnx.preview.training.Gradient <xs = ["w"], y = "y"> (w) }')
        feeds = {"x": np.ones((rows, 2), np.float32)}
        for dtype in LOW:
            with self.subTest(dtype=dtype):
                got = self.evaluate(graph, feeds, o1(dtype), w=np.ones((2, 3), np.float32))
                np.testing.assert_array_equal(got["dw"], np.full((2, 3), rows))

    def test_cell_states_are_f32(self) -> None:
        """All gates of this LSTM are 1: its cell counts the steps, and so does its gradient."""
        steps, start = 2049, 2046.0
        graph = (f"g (float[{steps},1,1] x, float[1,1,1] c) => (float[1,1,1] y, float[1,1,1] dc) {{"
                 'all, y, cell = LSTM <hidden_size = 1, activations = ["Affine", "Affine", "Affine"], '
                 "activation_alpha = [0.0, 0.0, 1.0], activation_beta = [1.0, 1.0, "
                 f"{-start - steps}]> (x, w, w, b, lengths, h, c) "
                 "s = ReduceSum <keepdims = 0> (all) "
                 'dc = ai.onnx.preview.training.Gradient <xs = ["c"], y = "s"> (c) }')
        feeds = {"x": np.zeros((steps, 1, 1), np.float32), "c": np.full((1, 1, 1), start, np.float32)}
        constants = {"w": np.zeros((1, 4, 1), np.float32), "b": np.zeros((1, 8), np.float32),
                     "lengths": np.array([steps], np.int32), "h": np.zeros((1, 1, 1), np.float32)}
        for dtype in LOW:
            with self.subTest(dtype=dtype):
                got = self.evaluate(graph, feeds, o1(dtype), **constants)
                self.assertEqual(got["y"].item(), 0.0)
                self.assertEqual(got["dc"].item(), steps)

    def test_low_reductions_sum_in_f32(self) -> None:
        """In a model that is low itself; rows and columns are different kernels."""
        formulas = {"ReduceSum": LONG, "ReduceMean": 1.0, "ReduceL1": LONG, "ReduceL2": 64.0,
                    "ReduceSumSquare": LONG, "ReduceLogSum": np.log(LONG),
                    "ReduceLogSumExp": 1 + np.log(LONG)}
        for dtype, low in LOW.items():
            name = ONNX_TYPE[dtype]
            outputs, nodes = [], []
            for operator in formulas:
                for kind, axis, size in (("rows", "one", 2), ("columns", "zero", 2)):
                    outputs.append(f"{name}[{size}] {operator}_{kind}")
                    nodes.append(f"{operator}_{kind} = {operator} <keepdims = 0> "
                                 f"(x_{kind}, {axis})")
            graph = (f"g ({name}[2,{LONG}] x_rows, {name}[{LONG},2] x_columns) => "
                     f"({', '.join(outputs)}) {{ {' '.join(nodes)} }}")
            feeds = {"x_rows": np.ones((2, LONG), low), "x_columns": np.ones((LONG, 2), low)}
            got = self.evaluate(graph, feeds, zero=np.array([0]), one=np.array([1]))
            for operator, wanted in formulas.items():
                for kind in ("rows", "columns"):
                    with self.subTest(dtype=dtype, operator=operator, kind=kind):
                        np.testing.assert_allclose(got[f"{operator}_{kind}"].astype(float),
                                                   wanted, rtol=ULP[dtype] / 2)

    def test_low_softmax_sums_in_f32(self) -> None:
        for dtype, low in LOW.items():
            name = ONNX_TYPE[dtype]
            graph = (f"g ({name}[3,{LONG}] x) => ({name}[3,{LONG}] p, {name}[3,{LONG}] l) "
                     "{ p = Softmax(x) l = LogSoftmax(x) }")
            got = self.evaluate(graph, {"x": np.ones((3, LONG), low)})
            with self.subTest(dtype=dtype):
                np.testing.assert_array_equal(got["p"].astype(float), 1 / LONG)
                np.testing.assert_allclose(got["l"].astype(float), -np.log(LONG),
                                           rtol=ULP[dtype] / 2)

    def test_only_the_allow_list_rounds_what_is_f32(self) -> None:
        """One case of every operator in f32: with O1 the bits of those on the allow list
        change and those of all others stay."""
        cases = {}
        for case in sorted(gradients.all_cases(), key=lambda case: case.opset != 21):
            if "f32" in case.types:
                cases.setdefault(case.operator, case)
        allow = self.tools.allow_list()
        self.assertLessEqual({"MatMul", "Gemm"}, allow)
        self.assertLessEqual(allow, set(cases))
        for opset in sorted({case.opset for case in cases.values()}):
            self.check_what_is_rounded(
                {name: case for name, case in cases.items() if case.opset == opset}, allow)

    def check_what_is_rounded(self, cases: dict[str, opcase.OpCase], allow: set[str]) -> None:
        models, feeds = [], {}
        for operator, case in cases.items():
            # Thirds are exact in no type.
            case = dataclasses.replace(case, inputs=tuple(
                x / 3 if x.dtype == np.float64 else x for x in case.inputs))
            wanted = opcase.reference_outputs(case, "f32")
            models.append(onnx.compose.add_prefix(
                opcase.batched_model(case, "f32", wanted, gradients=False), operator + "_"))
            for i, x in enumerate(case.inputs):
                typed = x.astype(np.float32) if x.dtype == np.float64 else x
                feeds[f"{operator}_in{i}"] = typed[None]
        full = self.evaluate_all(models, feeds, compiled.AS_WRITTEN)
        for dtype in LOW:
            mixed = self.evaluate_all(models, feeds, o1(dtype))
            for operator in cases:
                same = all(np.array_equal(mixed[name], value) for name, value in full.items()
                           if name.startswith(operator + "_"))
                with self.subTest(dtype=dtype, operator=operator):
                    self.assertEqual(same, allow.isdisjoint(operators_of(cases[operator].nodes)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    PrecisionTest.tools = compiled.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
