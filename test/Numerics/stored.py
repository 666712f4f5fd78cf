#!/usr/bin/env python3
"""Types that are stored and cast only, against ml_dtypes: every value of each, and casts to
8-bit floats of every f16 and bf16, of f32 and f64 around the places where rounding turns.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import pathlib
import sys
import tempfile
import unittest

import ml_dtypes
import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
from onnx import TensorProto

import compiled

FLOATS = {"FLOAT8E4M3FN": ml_dtypes.float8_e4m3fn, "FLOAT8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
          "FLOAT8E5M2": ml_dtypes.float8_e5m2, "FLOAT8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
          "FLOAT4E2M1": ml_dtypes.float4_e2m1fn, "FLOAT8E8M0": ml_dtypes.float8_e8m0fnu}
EIGHT_BITS = [name for name in FLOATS if "8E4" in name or "8E5" in name]
INTEGERS = {"INT4": ml_dtypes.int4, "UINT4": ml_dtypes.uint4, "INT2": ml_dtypes.int2,
            "UINT2": ml_dtypes.uint2}
TYPES = {**FLOATS, **INTEGERS}
# What stored types are cast to, and numpy's type of it.
COMPUTING = {"FLOAT": np.float32, "FLOAT16": np.float16, "BFLOAT16": ml_dtypes.bfloat16,
             "DOUBLE": np.float64, "INT8": np.int8, "UINT8": np.uint8, "INT64": np.int64,
             "BOOL": np.bool_}
MODES = ("up", "down", "nearest")


def number(name: str) -> int:
    return TensorProto.DataType.Value(name)


def all_values(dtype) -> np.ndarray:
    """One of each."""
    name = np.dtype(dtype).name
    bits = 4 if name in ("float4_e2m1fn", "int4", "uint4") else 2 if "int2" in name else 8
    return np.arange(1 << bits, dtype=np.uint8).view(dtype)


def same(got: np.ndarray, wanted: np.ndarray) -> None:
    """Equal, NaN and the signs of zeros included."""
    np.testing.assert_array_equal(got, wanted)
    if got.dtype.kind == "f":
        zero = wanted == 0
        np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(wanted[zero]))


def exponents(x: np.ndarray, saturating: bool, mode: str) -> np.ndarray:
    """ONNX's tables of casts to float8e8m0, as float32. Signs do not count."""
    x = np.abs(x.astype(np.float64))
    lowest, highest = 2.0 ** -127, 2.0 ** 127
    within = np.clip(x, lowest, highest)
    below = np.ldexp(1.0, np.frexp(within)[1] - 1)
    ratio = within / below  # in [1, 2), exactly
    above = {"up": ratio > 1, "down": np.zeros(x.shape, bool), "nearest": ratio >= 1.5}[mode]
    result = np.where(above, 2 * below, below)
    valid = ~np.isnan(x) & (saturating | ((x >= lowest) & (x <= highest)))
    return np.where(valid, result, np.nan).astype(np.float32)


def nearest(x: np.ndarray, dtype, saturating: bool) -> np.ndarray:
    """Each of f64 rounded once, to even, as float32. ml_dtypes rounds f64 to f32 before."""
    codes = all_values(dtype)
    finite = codes[:len(codes) // 2].astype(np.float64)
    finite = finite[np.isfinite(finite)]
    grid = np.append(finite, 2 * finite[-1] - finite[-2])
    above = np.clip(np.searchsorted(grid, np.abs(x)), 1, len(grid) - 1)
    middle = (grid[above - 1] + grid[above]) / 2
    is_up = (np.abs(x) > middle) | ((np.abs(x) == middle) & (above % 2 == 0))
    place = np.where(is_up, above, above - 1)
    is_beyond = place == len(finite)
    top = finite[-1] if saturating else np.inf if dtype == ml_dtypes.float8_e5m2 else np.nan
    result = np.copysign(np.where(is_beyond, top, grid[place]), x)
    if "fnuz" in np.dtype(dtype).name:
        result = np.where(result == 0, 0, result)
    if dtype == ml_dtypes.float4_e2m1fn:
        return np.where(np.isnan(x), -np.copysign(0, x), result).astype(np.float32)
    return np.where(np.isnan(x), np.nan, result).astype(np.float32)


def turning_points(dtype, to) -> np.ndarray:
    """All finite values of `dtype`, the middles between neighbours and what lies just beside."""
    values = all_values(dtype).astype(np.float64)
    values = np.unique(np.abs(values[np.isfinite(values)]))
    values = np.append(values, [2 * values[-1] - values[-2]])  # where infinity would be
    points = np.concatenate([values, (values[1:] + values[:-1]) / 2]).astype(to)
    points = np.concatenate([points, np.nextafter(points, to(0)), np.nextafter(points, to(np.inf)),
                             [np.inf, np.nan, np.finfo(to).max, np.finfo(to).tiny]]).astype(to)
    return np.concatenate([points, -points])


class StoredTest(unittest.TestCase):
    tools: compiled.Tools

    def evaluate(self, nodes, inputs, outputs, feeds, initializers=()) -> dict[str, np.ndarray]:
        """`inputs` and `outputs` are names with types and shapes."""
        graph = onnx.helper.make_graph(
            nodes, "g", *([onnx.helper.make_tensor_value_info(name, number(kind), shape)
                           for name, kind, shape in values] for values in (inputs, outputs)),
            initializer=[onnx.numpy_helper.from_array(array, name)
                         for name, array in initializers])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 25)])
        with tempfile.TemporaryDirectory() as folder:
            return self.tools.compile(model, pathlib.Path(folder)).evaluate(feeds)

    def cast(self, source: str, name: str, kind: str, **attributes):
        return onnx.helper.make_node("Cast", [source], [name], to=number(kind), **attributes)

    def test_every_value(self) -> None:
        """From each stored type, of which the file has all values, to all that compute."""
        for kind, dtype in TYPES.items():
            values = all_values(dtype)
            # What does not fit an integer is undefined.
            small = [i for i, value in enumerate(values.astype(np.float64))
                     if np.isfinite(value) and 0 <= value <= 127]
            got = self.evaluate(
                [onnx.helper.make_node("Identity", ["x"], ["same"]),
                 *(self.cast("x", f"to_{to}", to) for to in COMPUTING)],
                [], [("same", kind, values.shape),
                     *((f"to_{to}", to, values.shape) for to in COMPUTING)],
                {}, [("x", values)])
            with self.subTest(type=kind, to="itself"):
                same(got["same"], compiled.as_numpy(values))
            for to, target in COMPUTING.items():
                chosen = small if np.dtype(target).kind in "iu" and kind in FLOATS else ...
                with self.subTest(type=kind, to=to), np.errstate(all="ignore"):
                    wanted = values.astype(np.float32).astype(target) if kind in FLOATS \
                        else values.astype(target)
                    same(got[f"to_{to}"][chosen], compiled.as_numpy(wanted)[chosen])

    def check_casts_to_floats(self, source: str, x: np.ndarray) -> None:
        nodes, outputs, wanted = [], [], {}
        with np.errstate(all="ignore"):
            for kind in EIGHT_BITS:
                for saturating in (0, 1):
                    name = f"{kind}_{saturating}"
                    nodes.append(self.cast("x", name, kind, saturate=saturating))
                    outputs.append((name, kind, x.shape))
                    dtype = FLOATS[kind]
                    if source == "DOUBLE":
                        wanted[name] = nearest(x, dtype, bool(saturating))
                        continue
                    wanted[name] = onnx.numpy_helper.saturate_cast(x, dtype) if saturating \
                        else x.astype(dtype)
                    wanted[name] = wanted[name].astype(np.float32)
            nodes.append(self.cast("x", "FLOAT4E2M1", "FLOAT4E2M1"))
            outputs.append(("FLOAT4E2M1", "FLOAT4E2M1", x.shape))
            wanted["FLOAT4E2M1"] = nearest(x, ml_dtypes.float4_e2m1fn, True) \
                if source == "DOUBLE" else x.astype(ml_dtypes.float4_e2m1fn).astype(np.float32)
            for mode in MODES:
                for saturating in (0, 1):
                    name = f"e8m0_{mode}_{saturating}"
                    nodes.append(self.cast("x", name, "FLOAT8E8M0", saturate=saturating,
                                           round_mode=mode))
                    outputs.append((name, "FLOAT8E8M0", x.shape))
                    wanted[name] = exponents(x, bool(saturating), mode)
        got = self.evaluate(nodes, [("x", source, x.shape)], outputs, {"x": x})
        for name, values in wanted.items():
            with self.subTest(source=source, to=name):
                same(got[name], values)

    def test_from_every_f16(self) -> None:
        self.check_casts_to_floats("FLOAT16", np.arange(1 << 16, dtype=np.uint16).view(np.float16))

    def test_from_every_bf16(self) -> None:
        bits = np.arange(1 << 16, dtype=np.uint16)
        self.check_casts_to_floats("BFLOAT16", bits.view(ml_dtypes.bfloat16))

    def test_from_f32_where_rounding_turns(self) -> None:
        self.check_casts_to_floats("FLOAT", np.concatenate(
            [turning_points(dtype, np.float32) for dtype in FLOATS.values()]))

    def test_from_f64_where_rounding_turns(self) -> None:
        """Rounded once: f32 in between would round what lies beside a middle to it."""
        self.check_casts_to_floats("DOUBLE", np.concatenate(
            [turning_points(dtype, np.float64) for dtype in FLOATS.values()]))

    def test_from_integers(self) -> None:
        sources = {"INT8": np.int8, "UINT8": np.uint8, "INT32": np.int32, "INT64": np.int64,
                   "UINT64": np.uint64, "BOOL": np.bool_}
        for source, dtype in sources.items():
            x = np.arange(256).astype(np.uint8).view(np.int8).astype(dtype)
            if source in ("INT32", "INT64"):
                x = np.concatenate([x, np.array([1 << 24, (1 << 24) + 1, -(1 << 31)], dtype)])
            outputs = [(kind, kind, x.shape) for kind in TYPES]
            got = self.evaluate([self.cast("x", kind, kind) for kind in TYPES],
                                [("x", source, x.shape)], outputs, {"x": x})
            for kind, stored in TYPES.items():
                with self.subTest(source=source, to=kind):
                    if kind == "FLOAT8E8M0":
                        wanted = exponents(x, True, "up")
                    elif kind in FLOATS:
                        wanted = onnx.numpy_helper.saturate_cast(x.astype(np.float64), stored)
                    else:
                        wanted = x.astype(np.int64).astype(stored)
                    same(got[kind], compiled.as_numpy(wanted))

    def test_from_large_integers(self) -> None:
        """Rounded once: f64 in between would round what lies beside a power of two to it."""
        large = [2**62, 2**62 + 1, 2**62 - 1, 3 * 2**61, 3 * 2**61 - 1, 2**53 + 1, 2**63 - 1]
        sources = {"INT64": np.array([*large, -2**62 - 1, 1 - 3 * 2**61, -2**63]),
                   "UINT64": np.array([*large, 2**63 + 1, 3 * 2**62 - 1, 2**64 - 1], np.uint64)}
        for source, x in sources.items():
            below = [1 << (abs(int(n)).bit_length() - 1) for n in x]
            wanted = {
                "up": [b << (b != abs(int(n))) for n, b in zip(x, below)],
                "nearest": [b << (2 * abs(int(n)) >= 3 * b) for n, b in zip(x, below)],
                "down": below}
            got = self.evaluate(
                [self.cast("x", mode, "FLOAT8E8M0", round_mode=mode) for mode in MODES],
                [("x", source, x.shape)], [(mode, "FLOAT8E8M0", x.shape) for mode in MODES],
                {"x": x})
            for mode in MODES:
                with self.subTest(source=source, mode=mode):
                    same(got[mode], np.array(wanted[mode], np.float32))

    def test_from_floats_to_integers(self) -> None:
        x = np.arange(-9, 16, 0.25, dtype=np.float32)
        outputs = [(kind, kind, x.shape) for kind in INTEGERS]
        got = self.evaluate([self.cast("x", kind, kind) for kind in INTEGERS],
                            [("x", "FLOAT", x.shape)], outputs, {"x": x})
        for kind, dtype in INTEGERS.items():
            with self.subTest(to=kind):
                same(got[kind], compiled.as_numpy(np.trunc(x).astype(np.int32).astype(dtype)))

    def test_between_stored_types(self) -> None:
        for kind, dtype in TYPES.items():
            values = all_values(dtype)
            wide = values.astype(np.float32)
            values = values[np.isfinite(wide) & (np.abs(wide) <= 1 << 20)]
            got = self.evaluate([self.cast("x", "y", "FLOAT8E5M2"), self.cast("y", "z", kind)],
                                [("x", kind, values.shape)],
                                [("y", "FLOAT8E5M2", values.shape), ("z", kind, values.shape)],
                                {"x": values})
            with self.subTest(type=kind):
                y = onnx.numpy_helper.saturate_cast(values.astype(np.float32),
                                                    ml_dtypes.float8_e5m2)
                same(got["y"], y.astype(np.float32))
                back = exponents(y, True, "up") if kind == "FLOAT8E8M0" else \
                    onnx.numpy_helper.saturate_cast(y.astype(np.float32), dtype) \
                    if kind in EIGHT_BITS else y.astype(np.float32).astype(dtype)
                same(got["z"], compiled.as_numpy(back))

    def test_moves(self) -> None:
        node = onnx.helper.make_node
        for kind, dtype in TYPES.items():
            x = (np.arange(12) % 4 == 1).astype(np.float32).reshape(3, 4) + 1
            x = x.astype(dtype)
            wide = compiled.as_numpy(x)
            choice = wide > 1
            nodes = [
                node("Transpose", ["x"], ["transpose"]),
                node("Reshape", ["x", "shape"], ["reshape"]),
                node("Slice", ["x", "from", "to"], ["slice"]),
                node("Gather", ["x", "places"], ["gather"]),
                node("Concat", ["x", "x"], ["concat"], axis=1),
                node("Where", ["choice", "x", "slice1"], ["where"]),
                node("Slice", ["x", "from", "one"], ["slice1"]),
                node("Expand", ["slice1", "big"], ["expand"]),
                node("Unsqueeze", ["x", "axes"], ["unsqueeze"]),
                node("Identity", ["x"], ["identity"])]
            wanted = {"transpose": wide.T, "reshape": wide.reshape(2, 6), "slice": wide[:2],
                      "gather": wide[[2, 0]], "concat": np.concatenate([wide, wide], 1),
                      "where": np.where(choice, wide, wide[:1]),
                      "expand": np.broadcast_to(wide[:1], (3, 4)), "unsqueeze": wide[None],
                      "identity": wide}
            got = self.evaluate(
                nodes, [("x", kind, x.shape), ("choice", "BOOL", x.shape)],
                [(name, kind, array.shape) for name, array in wanted.items()],
                {"x": x, "choice": choice},
                [(name, np.array(value, np.int64)) for name, value in
                 {"shape": [2, 6], "from": [0], "to": [2], "places": [2, 0], "one": [1],
                  "big": [3, 4], "axes": [0]}.items()])
            for name, values in wanted.items():
                with self.subTest(type=kind, what=name):
                    same(got[name], values)

    def test_beside_training(self) -> None:
        """A frozen table of 8-bit floats in a network that is trained."""
        table = np.linspace(-2, 2, 12, dtype=np.float32).reshape(4, 3)
        table = table.astype(ml_dtypes.float8_e4m3fn)
        model = onnx.helper.make_model(onnx.helper.make_graph(
            [self.cast("table", "wide", "FLOAT"),
             onnx.helper.make_node("MatMul", ["x", "wide"], ["h"]),
             onnx.helper.make_node("MatMul", ["h", "w"], ["y"]),
             onnx.helper.make_node("Cast", ["h"], ["low"], to=number("FLOAT8E5M2"))],
            "g", [onnx.helper.make_tensor_value_info("x", TensorProto.FLOAT, [8, 4])],
            [onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, [8, 2]),
             onnx.helper.make_tensor_value_info("low", TensorProto.FLOAT8E5M2, [8, 3])],
            initializer=[onnx.numpy_helper.from_array(table, "table"),
                         onnx.numpy_helper.from_array(np.ones((3, 2), np.float32), "w")]),
            opset_imports=[onnx.helper.make_opsetid("", 25)])
        x = np.random.default_rng(1).standard_normal((8, 4)).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            module = self.tools.compile(model, pathlib.Path(folder),
                                        ("--loss=mse", "--optimizer=sgd", "--amp=O0"))
            self.assertEqual([p["name"] for p in module.info["parameters"] if p["trained"]], ["w"])
            got = module.evaluate({"x": x, "target": np.zeros((8, 2), np.float32)})
        h = x @ table.astype(np.float32)
        np.testing.assert_allclose(got["y"], h @ np.ones((3, 2), np.float32), rtol=1e-5, atol=1e-5)
        low = h.astype(ml_dtypes.float8_e5m2).astype(np.float32)
        np.testing.assert_allclose(got["low"], low, rtol=0.25)  # a step of the type at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    StoredTest.tools = compiled.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
