#!/usr/bin/env python3
"""Gradient nodes of ONNX Runtime, one by one, compute what their operators' slopes are.

Each node of lib/Import/GradientFunctions.cpp alone in a graph, beside central differences in f64 of what
it is the gradient of, or a loop written here. What a definition does not know is refused.

usage: gradients.py BUILD_DIR

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

BIN = pathlib.Path(sys.argv.pop(1)).resolve() / "bin"
RNG = np.random.default_rng(3)
STEP = 1e-6  # of central differences in f64, good to 1e-9
TOLERANCE = 2e-5  # some tens of roundings in f32, and sums of few


def draw(*shape):
    """Away from 0, where some have kinks or poles."""
    return (RNG.uniform(0.3, 2, shape) * RNG.choice([-1, 1], shape)).astype(np.float32)


def slopes(forward, seed, inputs):
    """The gradient of sum(seed * forward(inputs)) of each input."""
    inputs = [np.array(x, np.float64) for x in inputs]
    results = [np.zeros(x.shape) for x in inputs]
    for x, result in zip(inputs, results):
        for at in np.ndindex(x.shape):
            kept, values = x[at], []
            for moved in (kept + STEP, kept - STEP):
                x[at] = moved
                values.append((seed * forward(*inputs)).sum())
            x[at] = kept
            result[at] = (values[0] - values[1]) / (2 * STEP)
    return results


def normal(x):
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def gelu(x):
    return x * normal(x)


def fast_gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def log_softmax(x, axis):
    shifted = x - x.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolve(x, w, pads, strides, dilations, groups):
    """A convolution along any number of dimensions, a tap at a time."""
    rank = x.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:])])
    points = [(x.shape[2 + d] - dilations[d] * (w.shape[2 + d] - 1) - 1) // strides[d] + 1 for d in range(rank)]
    y = np.zeros((x.shape[0], w.shape[0], *points))
    inputs, outputs = w.shape[1], w.shape[0] // groups
    for tap in np.ndindex(*w.shape[2:]):
        at = tuple(slice(t * d, t * d + (p - 1) * s + 1, s) for t, d, p, s in zip(tap, dilations, points, strides))
        for g in range(groups):
            own = slice(g * outputs, (g + 1) * outputs)
            y[:, own] += np.einsum("nc...,kc->nk...", x[:, g * inputs:(g + 1) * inputs][(..., *at)],
                                   w[(own, slice(None), *tap)])
    return y


def largest(x, taps, strides, before):
    """Of images, the largest element of each window, and its place in its image."""
    n, c, h, w = x.shape
    points = [(e + 2 * b - t) // s + 1 for e, b, t, s in zip((h, w), before, taps, strides)]
    y, places = np.zeros((n, c, *points)), np.zeros((n, c, *points), int)
    for at in np.ndindex(*y.shape):
        rows, columns = ([i for i in range(p * s - b, p * s - b + t) if 0 <= i < e] for p, s, b, t, e in
                         zip(at[2:], strides, before, taps, (h, w)))
        y[at], places[at] = max((x[at[0], at[1], i, j], i * w + j) for i in rows for j in columns)
    return y, places


class Gradients(unittest.TestCase):
    def compute(self, op, inputs, shapes, refused=None, domain="com.microsoft", before=(), read=None, **attributes):
        """The node's outputs; integers are constants of the graph, as shapes must be. The sizes that the
        graph declares are open, so that only the definition gives them. It reads the inputs, x0 and so on,
        or those that `read` names, which nodes `before` it make of them."""
        names = [f"x{i}" if x is not None else "" for i, x in enumerate(inputs)]
        outputs = [f"y{i}" for i in range(len(shapes))]
        given = {n: x for n, x in zip(names, inputs) if n and x.dtype == np.float32}
        nodes = [*before, helper.make_node(op, read or names, [f"{y}_" for y in outputs], "node", domain=domain,
                                           **attributes)]
        nodes += [helper.make_node("Identity", [f"{y}_"], [y]) for y in outputs]
        graph = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info(n, TensorProto.FLOAT, x.shape) for n, x in given.items()],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, [f"{y}{i}" for i in range(len(s))])
             for y, s in zip(outputs, shapes)],
            [numpy_helper.from_array(x, n) for n, x in zip(names, inputs) if n and n not in given])
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            model = helper.make_model(graph, ir_version=8, opset_imports=[
                helper.make_opsetid("", 15), helper.make_opsetid("com.microsoft", 1)])
            save(model, folder / "m.onnx")
            done = subprocess.run([BIN / "ampc", folder / "m.onnx", "-o", folder / "m.so", "--target=host",
                                   "--loss=none", "--optimizer=none", "--amp=O0"], capture_output=True, text=True)
            if refused:
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(refused, done.stderr)
                self.assertFalse((folder / "m.so").exists())
                return None
            self.assertEqual(done.returncode, 0, done.stderr)
            for name, x in given.items():
                np.save(folder / f"{name}.npy", x)
            subprocess.run([BIN / "ampc-run", "eval", folder / "m.so", f"--outputs={folder / 'y.npz'}", "--quiet",
                            *(f"--data={n}={folder / n}.npy" for n in given)], check=True, capture_output=True)
            with np.load(folder / "y.npz") as results:
                return [results[y].reshape(s) for y, s in zip(outputs, shapes)]

    def check(self, op, inputs, expected, **attributes):
        found = self.compute(op, inputs, [np.shape(e) for e in expected], **attributes)
        for a, b in zip(found, expected):
            self.assertEqual(a.shape, np.shape(b), op)
            self.assertLess(np.abs(a - b).max(), TOLERANCE * max(1, np.abs(b).max()), op)

    def test_functions_of_the_input(self):
        x, dy = draw(3, 5), draw(3, 5)
        for op, forward, attributes in [
                ("GeluGrad", gelu, {}), ("FastGeluGrad", fast_gelu, {}),
                ("QuickGeluGrad", lambda x: x * sigmoid(1.702 * x), {}),
                ("QuickGeluGrad", lambda x: x * sigmoid(0.5 * x), {"alpha": 0.5})]:
            self.check(op, [dy, x], slopes(forward, dy, [x]), **attributes)
        b = draw(5)
        for op, forward in [("BiasGeluGrad_dX", gelu), ("BiasFastGeluGrad_dX", fast_gelu)]:
            self.check(op, [dy, x, b], slopes(forward, dy, [x + b]))

    def test_functions_of_the_output(self):
        x, dy = draw(2, 3, 4), draw(2, 3, 4)
        leaky = lambda x: np.where(x > 0, x, 0.2 * x)  # noqa: E731
        for op, forward, attributes in [
                ("TanhGrad", np.tanh, {}), ("SigmoidGrad", sigmoid, {}),
                ("ReluGrad", lambda x: np.maximum(x, 0), {}), ("LeakyReluGrad", leaky, {"alpha": 0.2}),
                *[("SoftmaxGrad_13", lambda x, a=a: np.exp(log_softmax(x, a)), {"axis": a}) for a in (1, -1)],
                *[("LogSoftmaxGrad_13", lambda x, a=a: log_softmax(x, a), {"axis": a}) for a in (0, 2)]]:
            self.check(op, [dy, forward(x).astype(np.float32)], slopes(forward, dy, [x]), **attributes)

    def test_quotients_of_all_shapes(self):
        for a, b in [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), ()), ((1, 3), (2, 1)), ((3,), (2, 3)),
                     ((4, 1, 3), (2, 3))]:
            a, b = draw(*a), np.asarray(draw(*b))
            dy = draw(*np.broadcast_shapes(a.shape, b.shape))
            self.check("DivGrad", [dy, a, b], slopes(np.divide, dy, [a, b]))

    def test_norms(self):
        x, dy = draw(2, 3, 4), draw(2, 3, 4)
        for axis in (2, -1, 1, 0):
            inner = tuple(range(axis % 3, 3))
            scale, bias = draw(*x.shape[axis % 3:]), draw(*x.shape[axis % 3:])
            mean = x.mean(inner, keepdims=True)
            inverse = 1 / np.sqrt(((x - mean) ** 2).mean(inner, keepdims=True) + 1e-5)

            def layer(x, scale, bias, inner=inner):
                c = x - x.mean(inner, keepdims=True)
                return c / np.sqrt((c * c).mean(inner, keepdims=True) + 1e-5) * scale + bias

            def rms(x, scale, inner=inner):
                return x / np.sqrt((x * x).mean(inner, keepdims=True) + 1e-5) * scale

            self.check("LayerNormalizationGrad", [dy, x, scale, mean, inverse],
                       slopes(layer, dy, [x, scale, bias]), axis=axis, epsilon=1e-5)
            inverse = (1 / np.sqrt((x.astype(np.float64) ** 2).mean(inner, keepdims=True) + 1e-5)).astype(np.float32)
            self.check("SimplifiedLayerNormalizationGrad", [dy, x, scale, inverse],
                       slopes(rms, dy, [x, scale]), axis=axis, epsilon=1e-5)

    def test_convolutions(self):
        # Along one dimension; in groups, with a row and a column that no window reaches; along three.
        for x, w, pads, strides, dilations, groups in [
                ((2, 3, 7), (4, 3, 3), [1, 0], [2], [1], 1),
                ((2, 4, 6, 7), (6, 2, 3, 2), [1, 0, 0, 1], [2, 3], [1, 2], 2),
                ((1, 3, 4, 4), (3, 1, 3, 3), [1, 1, 1, 1], [1, 1], [1, 1], 3),
                ((2, 2, 5, 5), (3, 2, 1, 1), [0, 0, 0, 0], [2, 2], [1, 1], 1),
                ((1, 2, 3, 4, 3), (2, 2, 2, 3, 2), [0, 1, 1, 1, 1, 0], [1, 2, 1], [1, 1, 1], 1)]:
            x, w, b = draw(*x), draw(*w), draw(w[0])
            forward = lambda x, w, b: (convolve(x, w, pads, strides, dilations, groups)  # noqa: E731
                                       + b.reshape(-1, *[1] * (x.ndim - 2)))
            dy = draw(*forward(x, w, b).shape)
            self.check("ConvGrad", [dy, x, w], slopes(forward, dy, [x, w, b]), pads=pads, strides=strides,
                       dilations=dilations, group=groups, kernel_shape=w.shape[2:], auto_pad="NOTSET")
        # What a node leaves out has the values that Conv gives it.
        x, w = draw(1, 2, 4, 5), draw(2, 2, 3, 2)
        for attributes, pads in [({}, [0, 0, 0, 0]), ({"auto_pad": "SAME_UPPER"}, [1, 0, 1, 1])]:
            forward = lambda x, w: convolve(x, w, pads, [1, 1], [1, 1], 1)  # noqa: E731
            dy = draw(*forward(x, w).shape)
            self.check("ConvGrad", [dy, x, w], slopes(forward, dy, [x, w]), **attributes)

    def test_a_filter_made_of_the_image(self):
        """Slopes of the one hold the other, though it is made of it."""
        x = draw(1, 2, 4, 4)
        dy = draw(1, 1, 3, 3)
        before = [helper.make_node("Slice", ["x1", "x2", "x3", "x4"], ["half"]),
                  helper.make_node("Mul", ["half", "half"], ["w"])]
        w = (x[:, :, :2, :2] ** 2).astype(np.float32)
        forward = lambda x, w: convolve(x, w, [0] * 4, [1, 1], [1, 1], 1)  # noqa: E731
        self.check("ConvGrad", [dy, x, np.array([0, 0]), np.array([2, 2]), np.array([2, 3])],
                   slopes(forward, dy, [x, w]), before=before, read=["x0", "x1", "w"])

    def test_pools(self):
        x = draw(2, 3, 6, 7)
        for taps, strides, pads in [((2, 2), (2, 2), (0, 0)), ((3, 3), (2, 2), (1, 1)), ((3, 2), (1, 3), (1, 0))]:
            y, places = largest(x, taps, strides, pads)
            dy = draw(*y.shape)
            expected = np.zeros((2, 3, 42))
            for at in np.ndindex(*y.shape):
                expected[at[0], at[1], places[at]] += dy[at]
            attributes = {"kernel_shape": taps, "strides": strides, "pads": [*pads, *pads]}
            pool = helper.make_node("MaxPool", ["x1"], ["y", "places"], **attributes)
            self.check("MaxPoolGrad", [dy, x], [expected.reshape(x.shape)], domain="", before=[pool],
                       read=["x0", "places"], storage_order=0, dilations=[1, 1], ceil_mode=0, auto_pad="NOTSET",
                       **attributes)

    def test_batch_norms(self):
        for shape in [(6, 3), (4, 3, 5), (2, 3, 4, 2), (3, 1, 2, 2)]:
            axes, upright = (0, *range(2, len(shape))), (-1, *[1] * (len(shape) - 2))
            x, dy = draw(*shape), draw(*shape)
            scale, bias, mean, variance = (draw(shape[1]) for _ in range(4))
            variance = abs(variance)

            def norm(x, scale, bias, axes=axes, upright=upright):
                c = x - x.mean(axes, keepdims=True)
                c = c / np.sqrt((c * c).mean(axes, keepdims=True) + 1e-3)
                return c * scale.reshape(upright) + bias.reshape(upright)

            wide = x.astype(np.float64)
            own, spread = wide.mean(axes), wide.var(axes)
            inverse = 1 / np.sqrt(spread + 1e-3)
            self.check("BatchNormalizationGrad",
                       [dy, x, scale, own.astype(np.float32), inverse.astype(np.float32)],
                       slopes(norm, dy, [x, scale, bias]), epsilon=1e-3)
            self.check("BatchNormInternal", [x, scale, bias, mean, variance],
                       [norm(wide, scale, bias), 0.8 * mean + 0.2 * own, 0.8 * variance + 0.2 * spread, own, inverse],
                       epsilon=1e-3, momentum=0.8, training_mode=1)

    def test_dropout(self):
        dy, mask = draw(3, 4), RNG.random((3, 4)) < 0.6
        for ratio in (0.25, 0.0):
            self.check("DropoutGrad", [dy, mask, np.asarray(np.float32(ratio)), np.asarray(True)],
                       [np.where(mask, dy / (1 - ratio), 0)])

    def test_scales(self):
        x = draw(3, 4)
        for scale in (np.asarray(np.float32(2.5)), np.asarray(3), np.array([4])):
            self.check("Scale", [x, scale], [x * scale])
            self.check("Scale", [x, scale], [x * scale], scale_down=0)
            self.check("Scale", [x, scale], [x / scale], scale_down=1)

    def test_cross_entropy(self):
        x, labels = draw(6, 4), np.array([0, 3, 1, -100, 2, 2])
        kept, lp = labels != -100, log_softmax(x, 1).astype(np.float32)
        each = lambda x: np.where(kept, -log_softmax(x, 1)[np.arange(6), labels * kept], 0)  # noqa: E731
        for reduction, dy, forward in [("mean", np.float32(0.7), lambda x: each(x).sum() / kept.sum()),
                                       ("sum", np.float32(0.7), lambda x: each(x).sum()), ("none", draw(6), each)]:
            self.check("SoftmaxCrossEntropyLossGrad", [np.asarray(dy), lp, labels], slopes(forward, dy, [x]),
                       reduction=reduction, ignore_index=-100)

    def test_moves(self):
        shape = np.array([4, 3])
        indices, dy = np.array([1, 3, 1, 0]), draw(4, 3)
        self.check("GatherGrad", [shape, indices, dy], slopes(lambda x: x[indices], dy, [draw(4, 3)]))
        columns, dy = np.array([2, 2]), draw(4, 2)
        self.check("GatherGrad", [shape, columns, dy], slopes(lambda x: x[:, columns], dy, [draw(4, 3)]), axis=-1)
        at, dy = np.array([[0, 2, 2], [1, 1, 0]]), draw(2, 3)
        self.check("GatherElementsGrad", [dy, shape, at],
                   slopes(lambda x: np.take_along_axis(x, at, 0), dy, [draw(4, 3)]), axis=0)
        at, dy = np.array([[0, 2], [3, 1], [0, 2]]), draw(3)
        self.check("GatherNDGrad", [shape, at, dy], slopes(lambda x: x[at[:, 0], at[:, 1]], dy, [draw(4, 3)]))
        dy = draw(2, 3)
        self.check("SliceGrad", [dy, shape, np.array([3]), np.array([-5]), np.array([0]), np.array([-2])],
                   slopes(lambda x: x[::-2], dy, [draw(4, 3)]))

    def test_what_is_not_known_is_refused(self):
        self.compute("GatherNDGrad", [np.array([2, 3]), np.array([[0], [2]]), draw(2)], [(2, 3)],
                     refused="GatherNDGrad", batch_dims=1)
        x, w = draw(1, 1, 4, 4), draw(1, 1, 2, 2)
        self.compute("ConvGrad", [draw(1, 1, 3, 3), x, w], [x.shape, w.shape], refused="ConvGrad", activation="Relu")
        self.compute("ConvGrad", [draw(1, 1, 4, 4), x, w], [x.shape, w.shape], refused="tensor<1x1x3x3xf32>")
        self.compute("BatchNormalizationGrad", [x, x, w[0, 0, 0], w[0, 0, 0], w[0, 0, 0]], [x.shape, (1,), (1,)],
                     refused="BatchNormalizationGrad", spatial=2)

    def test_pools_that_are_refused(self):
        """The image's size is the pool's that the indices are of; ONNX Runtime's AveragePoolGrad has none
        (and divides by 0)."""
        x, windows = draw(1, 1, 4, 4), {"kernel_shape": [2, 2], "strides": [2, 2]}
        pool = helper.make_node("MaxPool", ["x1"], ["y", "places"], **windows)
        by_columns = helper.make_node("MaxPool", ["x1"], ["y", "places"], storage_order=1, **windows)
        for inputs, before, read, attributes, refused in [
                ([draw(1, 1, 2, 2), np.zeros((1, 1, 2, 2), int)], [], ["x0", "x1"], windows, "MaxPool"),
                ([draw(1, 1, 2, 2), x], [by_columns], ["x0", "places"], windows, "row-major"),
                ([draw(1, 1, 2, 3), x], [pool], ["x0", "places"], windows, "tensor<1x1x2x2xf32>"),
                ([draw(1, 1, 2, 2), x], [pool], ["x0", "places"], windows | {"strides": [1, 1]}, "other windows")]:
            self.compute("MaxPoolGrad", inputs, [x.shape], refused=refused, domain="", before=before, read=read,
                         **attributes)
        self.compute("AveragePoolGrad", [draw(1, 1, 2, 2)], [x.shape], refused="AveragePoolGrad", domain="", **windows)


if __name__ == "__main__":
    unittest.main()
