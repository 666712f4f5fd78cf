#!/usr/bin/env python3
"""A layer norm that a file spells out computes and trains as the operator does.

Each spelling is compared with LayerNormalization on the same data: the losses of some steps have
the same bits, as the ops are the same. In f32, the recovered values are compared with those of
the file as it is written (O0). A spelling that is not recovered, as its epsilon is no constant,
moves more bytes.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import pathlib
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import compiled

ROWS, STEPS, WIDTH = 6, 5, 48
EPSILON = 1e-5


def node(operator: str, inputs: str, outputs: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


MEAN = [node("ReduceMean", "h", "m", axes=[-1]), node("Sub", "h m", "d")]
SQUARE = node("Mul", "d d", "q")
VARIANCE = [node("ReduceMean", "q", "v", axes=[-1]), node("Add", "v epsilon", "e"),
            node("Sqrt", "e", "s")]
AFFINE = [node("Mul", "n gamma", "a"), node("Add", "a beta", "y")]
# From h to y.
SPELLINGS = {
    "torchscript": [*MEAN, node("Pow", "d two", "q"), *VARIANCE, node("Div", "d s", "n"), *AFFINE],
    "keras": [*MEAN, SQUARE, *VARIANCE, node("Reciprocal", "s", "i"), node("Mul", "d i", "n"),
              node("Mul", "gamma n", "a"), node("Add", "beta a", "y")],
    "twice": [*MEAN, node("Sub", "h m", "d2"), node("Mul", "d2 d2", "q"), *VARIANCE,
              node("Div", "d s", "n"), *AFFINE],
}
OPERATOR = [node("LayerNormalization", "h gamma beta", "y", axis=-1, epsilon=EPSILON)]


def network(norm: list[onnx.NodeProto], product: bool = True,
            epsilon_is_input: bool = False) -> onnx.ModelProto:
    """z = norm(x * w) * w2, or norm(x) alone."""
    rng = np.random.default_rng(3)
    constants = {"two": np.float32(2)}
    inputs = {"x": [ROWS, WIDTH]}
    if epsilon_is_input:
        inputs["epsilon"] = []
    else:
        constants["epsilon"] = np.float32(EPSILON)
    nodes = [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(
        np.asarray(value), name)) for name, value in constants.items()]
    weights = {"gamma": rng.uniform(0.5, 1.5, WIDTH), "beta": rng.standard_normal(WIDTH)}
    if product:
        weights |= {name: rng.standard_normal((WIDTH, WIDTH)) * 0.2 for name in ("w", "w2")}
        nodes += [node("MatMul", "x w", "h"), *norm, node("MatMul", "y w2", "z")]
    else:
        nodes += [node("Identity", "x", "h"), *norm, node("Identity", "y", "z")]
    graph = helper.make_graph(
        nodes, "norm", [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                        for name, shape in inputs.items()],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [ROWS, WIDTH])],
        [numpy_helper.from_array(value.astype(np.float32), name)
         for name, value in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class RecoveredTest(unittest.TestCase):
    tools: compiled.Tools

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        rng = np.random.default_rng(4)
        self.x = (3 + rng.standard_normal((ROWS, WIDTH))).astype(np.float32)
        self.target = rng.standard_normal((ROWS, WIDTH)).astype(np.float32)

    def losses(self, model: onnx.ModelProto, *flags: str) -> list[float]:
        module = self.tools.compile(model, self.folder, (
            "--loss=mse", "--optimizer=sgd", "--lr=0.05", "--train=.", *flags))
        return [line["loss"] for line in module.train({"x": self.x, "target": self.target}, STEPS)]

    def test_trains_as_the_operator(self) -> None:
        for flags in (("--amp-dtype=f16",), ("--amp-dtype=bf16",), ("--amp=O2",)):
            wanted = self.losses(network(OPERATOR), *flags)
            self.assertEqual(len(wanted), STEPS)
            for name, norm in SPELLINGS.items():
                with self.subTest(spelling=name, flags=flags):
                    self.assertEqual(self.losses(network(norm), *flags), wanted)

    def test_values_in_f32(self) -> None:
        """Sums of 48 terms near 9, and a dozen roundings of values of at most 6."""
        for name, norm in SPELLINGS.items():
            with self.subTest(spelling=name):
                model = network(norm, product=False)
                values = [self.tools.compile(model, self.folder, (
                    "--loss=none", "--optimizer=none", level)).evaluate({"x": self.x})["z"]
                    for level in ("--amp=O0", "--amp=O1")]
                np.testing.assert_allclose(values[1], values[0], rtol=0, atol=64 * 2.0**-24 * 6)

    def bytes_of(self, model: onnx.ModelProto) -> int:
        module = self.tools.compile(model, self.folder, ("--loss=mse", "--amp-dtype=bf16"))
        steps = module.info["steps"]
        return sum(step["read_bytes"] + step["written_bytes"] for step in steps)

    def test_moves_fewer_bytes(self) -> None:
        recovered = self.bytes_of(network(SPELLINGS["torchscript"]))
        self.assertEqual(recovered, self.bytes_of(network(OPERATOR)))
        spelled = network(SPELLINGS["torchscript"], epsilon_is_input=True)
        self.assertLess(recovered, self.bytes_of(spelled))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    RecoveredTest.tools = compiled.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
