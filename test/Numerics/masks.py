#!/usr/bin/env python3
"""Masked attention in low precision: no form of mask changes what is computed.

Scores are masked in each way that exporters write, by each constant; one batch entry is
masked in part, one as a whole. Values are compared with numpy in f64 (the masked sum rounded
to f32, as it is in f32), and each training step must be applied.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import itertools
import json
import pathlib
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import compiled

LOWEST = float(np.finfo(np.float32).min)
LEVELS = (("--amp=O1", "--amp-dtype=f16"), ("--amp=O1", "--amp-dtype=bf16"),
          ("--amp=O2", "--amp-dtype=f16"), ("--amp=O2", "--amp-dtype=bf16"))
ROWS, KEYS, WIDTH = 2, 5, 8


def node(operator: str, inputs: str, output: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), [output], **attributes)


# How the scores `s` become `ss`: nodes, and the same in numpy. `c` is the constant, `one` and
# `zero` are constants, `m` is 1 where a key is seen, `mb` the same as a boolean; a `frozen`
# tensor of the scores' shape holds c and 0.
FORMS = {
    "where": ([node("Where", "mb s c", "ss")], lambda s, m, c: np.where(m > 0, s, c)),
    "where_swapped": ([node("Not", "mb", "nb"), node("Where", "nb c s", "ss")],
                      lambda s, m, c: np.where(m > 0, s, c)),
    "sub_mul_add": ([node("Sub", "one m", "i"), node("Mul", "i c", "k"),
                     node("Add", "s k", "ss")], lambda s, m, c: s + (1 - m) * c),
    "sub_of_large": ([node("Sub", "one m", "i"), node("Neg", "c", "n"),
                      node("Mul", "i n", "k"), node("Sub", "s k", "ss")],
                     lambda s, m, c: s + (1 - m) * c),
    "where_of_constants": ([node("Where", "mb zero c", "k"), node("Add", "s k", "ss")],
                           lambda s, m, c: s + np.where(m > 0, 0, c)),
    "moved": ([node("Where", "mb zero c", "k"), node("Identity", "k", "k2"),
               node("Expand", "k2 shape", "k3"), node("Add", "s k3", "a"),
               node("Transpose", "a", "t", perm=[1, 0, 2]),
               node("Transpose", "t", "ss", perm=[1, 0, 2])],
              lambda s, m, c: s + np.where(m > 0, 0, c)),
    "frozen": ([node("Add", "s frozen", "ss")], lambda s, m, c: s + np.where(m > 0, 0, c)),
    "bounded": ([node("Where", "mb s c", "a"), node("Max", "a c", "b"),
                 node("Neg", "c", "n"), node("Min", "b n", "ss")],
                lambda s, m, c: np.where(m > 0, s, c)),
}
# The same by one operator: nodes that make its mask `ss`.
OPERATOR_FORMS = {
    "boolean": ([node("Unsqueeze", "mb axis", "ss")],
                lambda s, m, c: np.where(m > 0, s, -np.inf)),
    "added": ([node("Where", "mb zero c", "k"), node("Unsqueeze", "k axis", "ss")],
              lambda s, m, c: s + np.where(m > 0, 0, c)),
}
CONSTANTS = {"1e9": -1e9, "1e4": -1e4, "lowest": LOWEST}


def attention(form: str, value: float, mask: np.ndarray, wq: np.ndarray,
              wk: np.ndarray) -> onnx.ModelProto:
    shape = [ROWS, KEYS, KEYS]
    constants = {"c": np.float32(value), "one": np.float32(1), "zero": np.float32(0),
                 "shape": np.array(shape), "axis": np.array([1])}
    nodes = [helper.make_node("Constant", [], [name],
                              value=numpy_helper.from_array(np.asarray(x), name))
             for name, x in constants.items()]
    nodes += [node("Cast", "m", "mb", to=TensorProto.BOOL), node("MatMul", "x wq", "q"),
              node("MatMul", "x wk", "k0")]
    if form in OPERATOR_FORMS:
        attend = helper.make_node("Attention", ["q", "k0", "x", "ss"], ["y0", "", "", "p4"],
                                  q_num_heads=1, kv_num_heads=1, scale=1.0,
                                  qk_matmul_output_mode=3)
        nodes += [*OPERATOR_FORMS[form][0], attend, node("Squeeze", "p4 axis", "p")]
    else:
        nodes += [node("Transpose", "k0", "kt", perm=[0, 2, 1]), node("MatMul", "q kt", "s"),
                  *FORMS[form][0], node("Softmax", "ss", "p", axis=-1),
                  node("MatMul", "p x", "y0")]
    nodes.append(node("MatMul", "y0 wq", "y"))
    frozen = np.broadcast_to(np.where(mask > 0, 0, value), shape).astype(np.float32)
    weights = {"wq": wq, "wk": wk} | ({"frozen": frozen} if form == "frozen" else {})
    graph = helper.make_graph(
        nodes, "masks",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [ROWS, KEYS, WIDTH]),
         helper.make_tensor_value_info("m", TensorProto.FLOAT, [ROWS, 1, KEYS])],
        # The loss is of y, a product, so that the mask is not on the way to the loss, in f32.
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [ROWS, KEYS, WIDTH]),
         helper.make_tensor_value_info("p", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.ascontiguousarray(v), name) for name, v in weights.items()])
    opset = 23 if form in OPERATOR_FORMS else 17
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


class MasksTest(unittest.TestCase):
    tools: compiled.Tools

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        rng = np.random.default_rng(1)
        self.wq, self.wk = (rng.standard_normal((2, WIDTH, WIDTH)) * 0.3).astype(np.float32)
        self.x = rng.standard_normal((ROWS, KEYS, WIDTH)).astype(np.float32)
        self.mask = np.ones((ROWS, 1, KEYS), np.float32)
        self.mask[0, 0, 3:] = 0
        self.mask[1] = 0

    def check(self, form: str, value: float, flags: tuple[str, ...]) -> None:
        model = attention(form, value, self.mask, self.wq, self.wk)
        freeze = ("--freeze=^frozen$",) if form == "frozen" else ()
        module = self.tools.compile(model, self.folder, (
            "--loss=mse", "--optimizer=sgd", "--lr=0.01", *flags, *freeze))
        feeds = {"x": self.x, "m": self.mask,
                 "target": np.zeros((ROWS, KEYS, WIDTH), np.float32)}
        got = module.evaluate(feeds)
        x = self.x.astype(np.float64)
        s = (x @ self.wq) @ (x @ self.wk).transpose(0, 2, 1)
        apply = (FORMS | OPERATOR_FORMS)[form][1]
        masked = np.float32(apply(s, self.mask, value)).astype(np.float64)
        p = np.exp(masked - masked.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        # A score is a sum of 64 products of numbers that were rounded once or twice; a
        # probability changes by at most a quarter of a score's error for each of two scores.
        ulp = 2.0**-8 if "bf16" in flags[-1] else 2.0**-11
        bound = 0.5 * 4 * ulp * np.abs(s).max() + ulp
        self.assertLess(np.abs(got["p"] - p).max(), bound)
        np.testing.assert_array_equal(got["p"][0, :, 3:], 0)
        np.savez(self.folder / "d.npz", **feeds)
        log = self.folder / "log.jsonl"
        log.unlink(missing_ok=True)
        compiled.call(self.tools.runner, "train", str(module.module),
                      f"--data={self.folder / 'd.npz'}", "--steps=4", "--batch-order=file",
                      "--quiet", f"--log={log}")
        steps = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertEqual([step["applied"] for step in steps], [True] * 4)
        self.assertLess(steps[-1]["loss"], steps[0]["loss"])

    def test_forms(self) -> None:
        for form, (name, value), flags in itertools.product(FORMS, CONSTANTS.items(), LEVELS):
            with self.subTest(form=form, constant=name, flags=flags):
                self.check(form, value, flags)

    def test_infinite_where(self) -> None:
        """A row that is masked as a whole is NaN in f32 too, so none is."""
        self.mask[1, 0, 0] = 1
        for form, flags in itertools.product(("where", "where_of_constants", "boolean"), LEVELS):
            with self.subTest(form=form, flags=flags):
                self.check(form, -np.inf, flags)

    def test_operator(self) -> None:
        for (name, value), flags in itertools.product(CONSTANTS.items(), LEVELS):
            with self.subTest(constant=name, flags=flags):
                self.check("added", value, flags)

    def test_epsilons(self) -> None:
        """0 / sqrt(0 + 1e-12) is 0, not NaN, where f16 has no 1e-12."""
        for operator, epsilon in itertools.product(("Add", "Max"), (1e-12, 1e-8)):
            nodes = [helper.make_node("Constant", [], ["e"], value_float=epsilon),
                     node("MatMul", "x wq", "h"), node("Mul", "h h", "h2"),
                     node("ReduceMean", "h2", "v", axes=[-1]), node(operator, "v e", "ve"),
                     node("Sqrt", "ve", "r"), node("Div", "h r", "y")]
            graph = helper.make_graph(
                nodes, "epsilon",
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, [ROWS, WIDTH])],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, [ROWS, WIDTH])],
                [numpy_helper.from_array(self.wq, "wq")])
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                      ir_version=8)
            x = self.x[:, 0].copy()
            x[1] = 0
            for flags in LEVELS:
                with self.subTest(operator=operator, epsilon=epsilon, flags=flags):
                    module = self.tools.compile(model, self.folder, (
                        "--loss=none", "--optimizer=none", *flags))
                    got = module.evaluate({"x": x})["y"]
                    h = x.astype(np.float64) @ self.wq
                    want = h / np.sqrt((h * h).mean(-1, keepdims=True) + epsilon)
                    ulp = 2.0**-8 if "bf16" in flags[-1] else 2.0**-11
                    self.assertLess(np.abs(got - want).max(), 16 * ulp)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    MasksTest.tools = compiled.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
