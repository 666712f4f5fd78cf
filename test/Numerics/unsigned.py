#!/usr/bin/env python3
"""Unsigned integers against numpy, at the ends of their ranges, and what is drawn at random.

Arithmetic wraps, as numpy's does; division, order, widening and reductions are where a signed
reading of the bits would show.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import pathlib
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnx.parser

import compiled

TYPES = {"uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64}
DRAWS = 1 << 14


class UnsignedTest(unittest.TestCase):
    tools: compiled.Tools

    def evaluate(self, text: str, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        model = onnx.parser.parse_model('<ir_version: 10, opset_import: ["": 22]>' + text)
        with tempfile.TemporaryDirectory() as folder:
            return self.tools.compile(model, pathlib.Path(folder)).evaluate(feeds)

    def test_arithmetic(self) -> None:
        for name, dtype in TYPES.items():
            top = np.iinfo(dtype).max
            x = np.array([[0, 1, top, top - 1, top // 2, 7]], dtype)
            y = np.array([[3, top, 2, top, top // 2 + 1, 2]], dtype)
            binary = {"Add": x + y, "Sub": x - y, "Mul": x * y, "Div": x // y, "Mod": x % y,
                      "Max": np.maximum(x, y), "Min": np.minimum(x, y), "BitwiseXor": x ^ y,
                      "BitwiseAnd": x & y, "BitwiseOr": x | y}
            compared = {"Less": x < y, "Greater": x > y, "Equal": x == y,
                        "GreaterOrEqual": x >= y}
            outputs = [f"{name}[1,6] {op}_y" for op in binary]
            outputs += [f"bool[1,6] {op}_y" for op in compared]
            nodes = [f"{op}_y = {op}(x, y)" for op in {**binary, **compared}]
            got = self.evaluate(f"g ({name}[1,6] x, {name}[1,6] y) => ({', '.join(outputs)}) "
                                f"{{ {' '.join(nodes)} }}", {"x": x, "y": y})
            for op, wanted in {**binary, **compared}.items():
                with self.subTest(dtype=name, operator=op):
                    np.testing.assert_array_equal(got[f"{op}_y"], wanted)
                    self.assertEqual(got[f"{op}_y"].dtype, wanted.dtype)

    def test_conversions(self) -> None:
        for name, dtype in TYPES.items():
            top = np.iinfo(dtype).max
            x = np.array([[0, 1, top, top // 2 + 1]], dtype)
            wanted = {"float": (1, x.astype(np.float32)), "int64": (7, x.astype(np.int64)),
                      "uint8": (2, x.astype(np.uint8)), "uint64": (13, x.astype(np.uint64)),
                      "bool": (9, x != 0)}
            outputs = [f"{to}[1,4] to_{to}" for to in wanted]
            nodes = [f"to_{to} = Cast <to = {number}> (x)" for to, (number, _) in wanted.items()]
            nodes.append("back = CastLike(to_float, x)")
            got = self.evaluate(f"g ({name}[1,4] x) => ({', '.join(outputs)}, {name}[1,4] back) "
                                f"{{ {' '.join(nodes)} }}", {"x": x})
            for to, (_, values) in wanted.items():
                with self.subTest(dtype=name, to=to):
                    np.testing.assert_array_equal(got[f"to_{to}"], values)
            with self.subTest(dtype=name, to="and back"):
                # What f32 rounds up fits no more and becomes the next f32 below.
                below = int(np.nextafter(np.float32(top) + np.float32(1), np.float32(0)))
                self.assertEqual(got["back"][0, 2], min(top, below) if top > 2**24 else top)

    def test_lines(self) -> None:
        for name, dtype in TYPES.items():
            top = np.iinfo(dtype).max
            x = np.array([[top, 3, 0, top - 1], [1, top // 2 + 1, 5, top // 2]], dtype)
            wanted = {"s": x.sum(1, dtype=dtype), "h": x.max(1), "l": x.min(1),
                      "v": np.sort(x, 1)[:, :1:-1], "w": np.where(x > 4, x, dtype(9)),
                      "p": np.pad(x, ((0, 0), (1, 0)), constant_values=7)}
            outputs = [f"{name}[{','.join(map(str, value.shape))}] {key}"
                       for key, value in wanted.items()]
            got = self.evaluate(f"""
                g ({name}[2,4] x) => ({', '.join(outputs)}) {{
                  axis = Constant <value_ints = [1]> ()
                  two = Constant <value_ints = [2]> ()
                  shape = Constant <value_ints = [2, 1]> ()
                  seven = Constant <value_int = 7> ()
                  typed = CastLike(seven, x)
                  four = Constant <value_int = 4> ()
                  low = CastLike(four, x)
                  nine = Constant <value_int = 9> ()
                  other = CastLike(nine, x)
                  s = ReduceSum <keepdims = 0> (x, axis)
                  h = ReduceMax <keepdims = 0> (x, axis)
                  l = ReduceMin <keepdims = 0> (x, axis)
                  v, i = TopK (x, two)
                  above = Greater(x, low)
                  w = Where(above, x, other)
                  column = Expand(typed, shape)
                  p = Concat <axis = 1> (column, x)
                }}""", {"x": x})
            for key, value in wanted.items():
                with self.subTest(dtype=name, what=key):
                    np.testing.assert_array_equal(got[key], value)

    def test_draws(self) -> None:
        """Means and deviations within five standard errors; other streams, other numbers."""
        got = self.evaluate(f"""
            g (float[{DRAWS}] p, float[4,3] logits) =>
              (float[{DRAWS}] u, float[{DRAWS}] v, float[{DRAWS}] n, double[{DRAWS}] m,
               float[{DRAWS}] b, int64[4,{DRAWS}] c) {{
              u = RandomUniform <shape = [{DRAWS}], low = -1.0, high = 3.0> ()
              v = RandomUniformLike <low = -1.0, high = 3.0> (p)
              n = RandomNormal <shape = [{DRAWS}], mean = 2.0, scale = 0.5> ()
              m = RandomNormalLike <dtype = 11> (p)
              b = Bernoulli (p)
              c = Multinomial <sample_size = {DRAWS}, dtype = 7> (logits)
            }}""", {"p": np.full(DRAWS, 0.3, np.float32),
                    "logits": np.log(np.array([[1, 2, 1], [1, 1, 6], [3, 0, 1], [1, 0, 0]],
                                              np.float32) + 1e-30)})
        error = 5 / np.sqrt(DRAWS)
        for name, mean, deviation in (("u", 1, 4 / np.sqrt(12)), ("v", 1, 4 / np.sqrt(12)),
                                      ("n", 2, 0.5), ("m", 0, 1), ("b", 0.3, np.sqrt(0.21))):
            with self.subTest(name=name):
                self.assertAlmostEqual(got[name].mean(), mean, delta=error * deviation)
                self.assertAlmostEqual(got[name].std(), deviation, delta=error * deviation)
        self.assertTrue(((got["u"] >= -1) & (got["u"] < 3)).all())
        self.assertLess(np.mean(got["u"] == got["v"]), 0.01)
        self.assertLess(abs(np.corrcoef(got["u"], got["v"])[0, 1]), error)
        for row, wanted in enumerate(([0.25, 0.5, 0.25], [0.125, 0.125, 0.75], [0.75, 0, 0.25],
                                      [1, 0, 0])):
            shares = np.bincount(got["c"][row], minlength=3) / DRAWS
            np.testing.assert_allclose(shares, wanted, atol=error / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    UnsignedTest.tools = compiled.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
