#!/usr/bin/env python3
"""Operands that give a shape and come with the batch: the result has the shape that the model
declares and the values that it has where --bind fixes the operand; a batch that gives another
shape is refused.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import dataclasses
import pathlib
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnx.parser

import compiled

HEADER = '<ir_version: 10, opset_import: ["": 22]>'
TRAINED = ("--loss=output:loss", "--optimizer=sgd", "--lr=0.5")


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@dataclasses.dataclass(frozen=True)
class Given:
    """A graph whose inputs, but for 'x', give shapes."""
    name: str
    text: str  # of the inputs beside x, the outputs and the nodes
    x: np.ndarray
    given: dict[str, np.ndarray]  # what is declared
    same: tuple[dict[str, np.ndarray], ...] = ()  # what gives the same shape
    other: tuple[dict[str, np.ndarray], ...] = ()  # what gives another, or none

    def model(self) -> onnx.ModelProto:
        shape = ",".join(map(str, self.x.shape))
        return onnx.parser.parse_model(f"{HEADER} g (float[{shape}] x, {self.text}")


def ramp(*shape: int) -> np.ndarray:
    return (np.arange(np.prod(shape)) % 17 / 4 - 2).reshape(shape).astype(np.float32)


CASES = [
    Given("reshape", "int64[2] s) => (float[4,6] y) { y = Reshape(x, s) }", ramp(2, 3, 4),
          {"s": ints(4, 6)}, ({"s": ints(-1, 6)}, {"s": ints(4, -1)}),
          ({"s": ints(6, 4)}, {"s": ints(-1, -1)}, {"s": ints(0, 6)}, {"s": ints(-2, 6)},
           {"s": ints(2, 12)})),
    Given("reshape copies", "int64[3] s) => (float[2,4,3] y) { y = Reshape(x, s) }",
          ramp(2, 3, 4), {"s": ints(2, 4, 3)}, ({"s": ints(0, -1, 3)}, {"s": ints(0, 4, 3)}),
          ({"s": ints(2, 0, 3)}, {"s": ints(0, 0, 0)}, {"s": ints(0, -1, -1)})),
    Given("reshape allows zero",
          "int64[2] s) => (float[0,6] y) { y = Reshape <allowzero = 1> (x, s) }",
          ramp(0, 3), {"s": ints(0, 6)}, ({"s": ints(-1, 6)},),
          ({"s": ints(0, -1)}, {"s": ints(0, 3)})),
    Given("expand", "int64[3] s) => (float[2,3,4] y) { y = Expand(x, s) }", ramp(3, 1),
          {"s": ints(2, 3, 4)}, ({"s": ints(2, 1, 4)},),
          ({"s": ints(2, 3, 1)}, {"s": ints(1, 3, 4)}, {"s": ints(2, 3, 5)})),
    Given("expand by less", "int64[1] s) => (float[2,3] y) { y = Expand(x, s) }", ramp(2, 1),
          {"s": ints(3)}, (), ({"s": ints(1)}, {"s": ints(2)})),
    Given("constant of shape", """int64[2] s) => (float[2,3] y)
          <float[2,3] c> { c = ConstantOfShape <value = float[1] {1.5}> (s)
            y = Mul(x, c) }""",
          ramp(2, 3), {"s": ints(2, 3)}, (), ({"s": ints(3, 2)}, {"s": ints(2, -3)})),
    Given("tile", "int64[2] r) => (float[6,3] y) { y = Tile(x, r) }", ramp(2, 3),
          {"r": ints(3, 1)}, (), ({"r": ints(1, 1)}, {"r": ints(3, 2)})),
    Given("tile nothing", "int64[2] r) => (float[0,6] y) { y = Tile(x, r) }", ramp(0, 3),
          {"r": ints(1, 2)}, ({"r": ints(7, 2)},), ({"r": ints(1, 1)},)),
    Given("resize by sizes", """int64[4] n) => (float[1,2,5,7] y) {
            y = Resize <mode = "linear"> (x, , , n) }""",
          ramp(1, 2, 3, 4), {"n": ints(1, 2, 5, 7)}, (),
          ({"n": ints(1, 2, 5, 8)}, {"n": ints(2, 2, 5, 7)})),
    Given("resize by sizes of axes", """int64[2] n) => (float[1,2,2,6] y) {
            y = Resize <mode = "cubic", axes = [3, 2]> (x, , , n) }""",
          ramp(1, 2, 3, 4), {"n": ints(6, 2)}, (), ({"n": ints(2, 6)},)),
    Given("resize by scales", """float[4] k) => (float[1,2,6,6] y) {
            y = Resize <mode = "linear"> (x, , k) }""",
          ramp(1, 2, 3, 4), {"k": floats(1, 1, 2, 1.5)}, (),
          # The last gives the same shape, and other places.
          ({"k": floats(1, 1, 2, 2)}, {"k": floats(1, 1, 2, 1.6)})),
    Given("range", """int64 a, int64 b, int64 d) => (int64[3] y) { y = Range(a, b, d) }""",
          ramp(1), {"a": ints(5)[0], "b": ints(-1)[0], "d": ints(-2)[0]},
          ({"b": ints(0)[0]},),
          ({"b": ints(1)[0]}, {"b": ints(-2)[0]}, {"d": ints(0)[0]}, {"d": ints(2)[0]},
           {"a": ints(3)[0]})),
    Given("no range", """int32 b) => (int32[0] y) {
            a = Constant <value = int32 {2}> ()  d = Constant <value = int32 {3}> ()
            y = Range(a, b, d) }""",
          ramp(1), {"b": np.array(2, np.int32)}, ({"b": np.array(-9, np.int32)},),
          ({"b": np.array(3, np.int32)},)),
    Given("float range", """float a, float b, float d) => (float[4] y) { y = Range(a, b, d) }""",
          ramp(1), {"a": floats(0.25)[0], "b": floats(2.0)[0], "d": floats(0.5)[0]}, (),
          ({"b": floats(1.75)[0]}, {"b": floats(2.5)[0]}, {"d": floats(0)[0]},
           {"d": floats(np.nan)[0]}, {"d": floats(-0.5)[0]})),
    Given("top k", """int64[1] k) => (float[2,2,4] y, int64[m,n,o] i) {
            y, i = TopK <axis = 1> (x, k) }""",
          ramp(2, 3, 4), {"k": ints(2)}, (), ({"k": ints(3)}, {"k": ints(1)})),
    Given("one hot", """int64[3] i, float d, float[2] v) => (float[3,4] y) {
            y = OneHot(i, d, v) }""",
          ramp(1), {"i": ints(0, -1, 3), "d": np.float32(4), "v": floats(-1, 2)}, (),
          ({"d": np.float32(5)},)),
    Given("center crop pad", """int64[2] s) => (float[2,5,2] y) {
            y = CenterCropPad <axes = [1, -1]> (x, s) }""",
          ramp(2, 3, 4), {"s": ints(5, 2)}, (), ({"s": ints(2, 5)},)),
    Given("split", """int64[3] s) => (float[2,1] y, float[2,3] z, float[2,0] w) {
            y, z, w = Split <axis = 1> (x, s) }""",
          ramp(2, 4), {"s": ints(1, 3, 0)}, (), ({"s": ints(0, 3, 1)}, {"s": ints(2, 2, 0)})),
    Given("affine grid", "int64[4] s) => (float[2,3,4,2] y) { y = AffineGrid(x, s) }",
          ramp(2, 2, 3), {"s": ints(2, 7, 3, 4)}, ({"s": ints(2, 1, 3, 4)},),
          ({"s": ints(2, 7, 4, 3)},)),
    Given("col2im", """int64[2] s) => (float[1,2,4,5] y) {
            b = Constant <value_ints = [2, 2]> ()
            y = Col2Im <strides = [2, 1]> (x, s, b) }""",
          ramp(1, 8, 8), {"s": ints(4, 5)}, (), ({"s": ints(5, 4)}, {"s": ints(4, 6)})),
    Given("max unpool", """int64[1,1,2,2] i, int64[4] s) => (float[1,1,5,6] y) {
            y = MaxUnpool <kernel_shape = [2, 2], strides = [2, 2]> (x, i, s) }""",
          ramp(1, 1, 2, 2), {"i": ints(0, 3, 9, 10).reshape(1, 1, 2, 2), "s": ints(1, 1, 5, 6)},
          (), ({"s": ints(1, 1, 6, 5)},)),
]


class GivenShapesTest(unittest.TestCase):
    tools: compiled.Tools

    def compile(self, case: Given, folder: str, fixed: bool) -> compiled.Compiled:
        flags = []
        if fixed:
            for name, array in case.given.items():
                np.save(f"{folder}/{name}.npy", array)
                flags.append(f"--bind={name}={folder}/{name}.npy")
        return self.tools.compile(case.model(), pathlib.Path(folder),
                                  (*compiled.AS_WRITTEN, *flags))

    def test_values(self) -> None:
        for case in CASES:
            with (self.subTest(case.name), tempfile.TemporaryDirectory() as known,
                  tempfile.TemporaryDirectory() as later):
                wanted = self.compile(case, known, fixed=True).evaluate({"x": case.x})
                module = self.compile(case, later, fixed=False)
                for given in (case.given, *({**case.given, **same} for same in case.same)):
                    got = module.evaluate({"x": case.x, **given})
                    for name, array in wanted.items():
                        np.testing.assert_array_equal(got[name], array, f"{name} of {given}")
                for other in case.other:
                    with self.subTest(**other), self.assertRaises(compiled.ToolError) as caught:
                        module.evaluate({"x": case.x, **case.given, **other})
                    self.assertEqual(caught.exception.code, 1)
                    self.assertRegex(
                        caught.exception.line,
                        rf"inputs? .*'{next(iter(other))}'.* another shape than the model declares "
                        r"for its result: give that one, or compile for another with --bind=")

    def train(self, module: compiled.Compiled, data: dict[str, np.ndarray], *flags: str) -> bytes:
        """The checkpoint after a run."""
        where, path = self.tools.device, module.module.with_name("data.npz")
        state = module.module.with_name("state.safetensors")
        state.unlink(missing_ok=True)
        compiled.write_npz(path, data)
        compiled.call(self.tools.runner, "train", str(module.module), f"--data={path}",
                      "--batch-order=file", f"--device={where.name}", "--quiet",
                      f"--checkpoint={state}", *flags, environment=where.environment(module.module))
        return state.read_bytes()

    def test_training(self) -> None:
        """Steps are those of the module with fixed operands, bit for bit; a refused one leaves all
        state as it is."""
        model = onnx.parser.parse_model(HEADER + """
            g (float[2,12] x, int64[2] s, float[2] k) => (float loss)
            <float[4,6] w, float[4,6] h, float[8,6] t, float[8,9] u> {
              c = Constant <value_floats = [0.5, -0.25]> ()
              h = Reshape(x, s)
              m = Mul(h, w)
              p = Relu(m)
              r = Constant <value_ints = [2, 1]> ()
              t = Tile(p, r)
              u = Resize <mode = "linear", axes = [0, 1]> (t, , k)
              v = Mul(u, u)
              loss = ReduceMean <keepdims = 0> (v)
            }""")
        model.graph.initializer.append(onnx.numpy_helper.from_array(ramp(4, 6) + 1.25, "w"))
        x = np.random.default_rng(1).uniform(-1, 1, (6, 12)).astype(np.float32)
        scales = floats(1, 1.5)
        fixed = "--bind=s=4,6", "--bind=k=1,1.5"
        for flags in (("--amp=O0",), ("--amp-dtype=f16",), ("--amp-dtype=bf16",)):
            with (self.subTest(flags), tempfile.TemporaryDirectory() as known,
                  tempfile.TemporaryDirectory() as later):
                bound = self.tools.compile(model, pathlib.Path(known), (*TRAINED, *flags, *fixed))
                module = self.tools.compile(model, pathlib.Path(later), (*TRAINED, *flags))
                good = {"s": np.tile(ints(-1, 6), 3), "k": scales}
                wanted = self.train(bound, {"x": x})
                self.assertEqual(self.weight(self.train(module, {"x": x, **good})),
                                 self.weight(wanted))
                two = self.train(module, {"x": x, **good}, "--steps=2")
                self.assertNotEqual(self.weight(two), self.weight(wanted))
                for bad in ({"s": ints(4, 6, 4, 6, 6, 4)},
                            {"k": np.concatenate([scales, scales, floats(1, 2)])}):
                    with self.assertRaises(compiled.ToolError) as caught:
                        self.train(module, {"x": x, **good, **bad}, "--save-every=1")
                    self.assertRegex(caught.exception.line,
                                     r"error: step 3: one of the inputs .*'s'.*another shape")
                    state = module.module.with_name("state.safetensors").read_bytes()
                    self.assertEqual(self.weight(state), self.weight(two))

    @staticmethod
    def weight(state: bytes) -> bytes:
        """The tensors of a checkpoint, behind its header."""
        return state[8 + int.from_bytes(state[:8], "little"):]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    GivenShapesTest.tools = compiled.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
