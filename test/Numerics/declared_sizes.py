#!/usr/bin/env python3
"""Operators whose values decide how many results there are, against numpy, and what becomes of a
number that the model does not declare.

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
from onnx.reference import ReferenceEvaluator

import compiled


class DeclaredSizesTest(unittest.TestCase):
    tools: compiled.Tools

    def evaluate(self, text: str, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        model = onnx.parser.parse_model('<ir_version: 10, opset_import: ["": 22]>' + text)
        with tempfile.TemporaryDirectory() as folder:
            return self.tools.compile(model, pathlib.Path(folder)).evaluate(feeds)

    def unique(self, x: np.ndarray, axis: int | None, in_order: bool, element: str) -> None:
        y, firsts, kinds, counts = np.unique(x, True, True, True, axis=axis)
        kinds = kinds.ravel()
        if not in_order:
            order = np.argsort(firsts)
            firsts, counts = firsts[order], counts[order]
            kinds = np.argsort(order)[kinds]
        along = 0 if axis is None else axis
        y = np.take(x.ravel() if axis is None else x, firsts, along)
        shapes = [",".join(map(str, a.shape)) for a in (x, y)]
        option = "" if axis is None else f"axis = {axis}, "
        got = self.evaluate(f"""
            g ({element}[{shapes[0]}] x) => ({element}[{shapes[1]}] y, int64[{len(firsts)}] f,
                                            int64[{len(kinds)}] k, int64[{len(counts)}] c) {{
              y, f, k, c = Unique <{option}sorted = {int(in_order)}> (x)
            }}""", {"x": x})
        for name, wanted in (("y", y), ("f", firsts), ("k", kinds), ("c", counts)):
            np.testing.assert_array_equal(got[name], wanted, name)

    def test_unique(self) -> None:
        rng = np.random.default_rng(1)
        for in_order in (True, False):
            with self.subTest(sorted=in_order):
                self.unique(rng.integers(-9, 9, (7, 11)), None, in_order, "int64")
                x = rng.integers(0, 40, 3000).astype(np.float32)
                x[[5, 70, 71]] = np.nan, -np.inf, np.nan
                self.unique(x, None, in_order, "float")
                self.unique(rng.integers(0, 2, (9, 2, 2)).astype(np.float32), 0, in_order, "float")
                self.unique(rng.integers(0, 2, (2, 9, 2)).astype(np.uint8), 1, in_order, "uint8")

    def test_places(self) -> None:
        rng = np.random.default_rng(2)
        x = rng.integers(0, 3, (5, 4, 3)).astype(np.float32)
        mask, scalar = rng.integers(0, 2, 4).astype(bool), np.array(2.0, np.float32)
        count, kept = np.count_nonzero(x), int(mask.sum())
        got = self.evaluate(f"""
            g (float[5,4,3] x, bool[4] m, float s) =>
              (int64[3,{count}] y, float[5,{kept},3] z, float[{kept}] w, int64[0,1] v) {{
              y = NonZero(x)
              z = Compress <axis = 1> (x, m)
              w = Compress (x, m)
              v = NonZero(s)
            }}""", {"x": x, "m": mask, "s": scalar})
        np.testing.assert_array_equal(got["y"], np.array(np.nonzero(x)))
        np.testing.assert_array_equal(got["z"], x[:, mask])
        np.testing.assert_array_equal(got["w"], x.ravel()[:4][mask])

    def suppress(self, boxes: np.ndarray, scores: np.ndarray, options: str,
                 extra: dict[str, np.ndarray]) -> None:
        names = {"limit": "int64", "iou": "float", "score": "float"}
        inputs = "".join(f", {names[name]}[{','.join(map(str, a.shape))}] {name}"
                         for name, a in extra.items())
        shape = [",".join(map(str, a.shape)) for a in (boxes, scores)]

        def text(size: int | str) -> str:
            return f"""
                g (float[{shape[0]}] boxes, float[{shape[1]}] scores{inputs}) =>
                  (int64[{size},3] y) {{
                  y = NonMaxSuppression {options} (boxes, scores, {', '.join(extra)})
                }}"""
        feeds = {"boxes": boxes, "scores": scores, **extra}
        model = onnx.parser.parse_model('<ir_version: 10, opset_import: ["": 22]>' + text("n"))
        wanted, = ReferenceEvaluator(model).run(None, feeds)
        self.assertGreater(len(wanted), 0)
        np.testing.assert_array_equal(self.evaluate(text(len(wanted)), feeds)["y"], wanted)

    def test_boxes(self) -> None:
        rng = np.random.default_rng(3)
        # Scores with ties: of equal ones the first box.
        boxes = rng.uniform(0, 4, (2, 30, 4)).astype(np.float32)
        scores = (rng.integers(0, 12, (2, 3, 30)) / 8).astype(np.float32)
        extra = {"limit": np.array([6]), "iou": np.array([0.2], np.float32),
                 "score": np.array([0.3], np.float32)}
        self.suppress(boxes, scores, "", extra)
        self.suppress(boxes, scores, "<center_point_box = 1>", extra)
        del extra["score"]
        self.suppress(boxes, scores, "", extra)

    def test_another_number(self) -> None:
        """Is an error of the batch, and the next one is computed."""
        model = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["": 22]>
            g (int64[4] x) => (int64[3] y) { y = Unique(x) }""")
        with tempfile.TemporaryDirectory() as folder:
            module = self.tools.compile(model, pathlib.Path(folder))
            for bad in ([1, 1, 1, 2], [1, 2, 3, 4]):
                with self.assertRaises(compiled.ToolError) as caught:
                    module.evaluate({"x": np.array(bad)})
                self.assertIn("another number of them than the model declares",
                              caught.exception.line)
            got = module.evaluate({"x": np.array([4, 4, 9, 1])})
            np.testing.assert_array_equal(got["y"], [1, 4, 9])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    DeclaredSizesTest.tools = compiled.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
