# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Families of graphs of any size, with next to no weights: what a compiler's time grows by.

    python benchmarks/growing_graphs.py FAMILY SIZE MODEL.onnx
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 4


class Graph:
    """Nodes and weights of a model from x [4, 4] to a value that mse compares."""

    def __init__(self, shape=(WIDTH, WIDTH)):
        self.random = np.random.RandomState(0)
        self.shape, self.nodes, self.weights = list(shape), [], []

    def weight(self, *shape):
        name = f"w{len(self.weights)}"
        value = self.random.randn(*shape) / 4
        self.weights.append(numpy_helper.from_array(value.astype(np.float32), name))
        return name

    def constant(self, value):
        return self.node("Constant", [], value=numpy_helper.from_array(np.asarray(value)))

    def node(self, kind, inputs, outputs=1, **attributes):
        stem = f"n{len(self.nodes)}"
        names = [stem] if outputs == 1 else [f"{stem}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=f"{kind}_{stem}",
                                           **attributes))
        return names[0] if outputs == 1 else names

    def model(self, result, shape):
        self.nodes[-1].output[0] = "y"
        assert result == f"n{len(self.nodes) - 1}"
        value = helper.make_tensor_value_info
        graph = helper.make_graph(self.nodes, "growing",
                                  [value("x", TensorProto.FLOAT, self.shape)],
                                  [value("y", TensorProto.FLOAT, list(shape))], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                 ir_version=8)


def unary(size):
    """x * w, then a chain of ops with one operand."""
    g = Graph()
    t = g.node("Mul", ["x", g.weight(WIDTH)])
    for i in range(size - 1):
        t = g.node(["Relu", "Tanh", "Sigmoid", "Abs"][i % 4], [t])
    return g.model(t, g.shape)


def relu(size):
    g = Graph()
    t = g.node("Mul", ["x", g.weight(WIDTH)])
    for _ in range(size - 1):
        t = g.node("Relu", [t])
    return g.model(t, g.shape)


def shared(kind, size):
    """An op of two operands, again and again with the same weight."""
    g = Graph()
    t, w = "x", g.weight(WIDTH)
    for _ in range(size):
        t = g.node(kind, [t, w])
    return g.model(t, g.shape)


def mul_shared(size):
    return shared("Mul", size)


def add_shared(size):
    return shared("Add", size)


def concat(size):
    """A Concat of many inputs, each computed."""
    g = Graph()
    v = g.node("Mul", ["x", g.weight(WIDTH)])
    t = g.node("Concat", [g.node("Relu", [v]) for _ in range(size)], axis=1)
    return g.model(g.node("ReduceMean", [t], axes=[1]), [WIDTH, 1])


def concat_distinct(size):
    """As concat; no two inputs are the same."""
    g = Graph()
    v = g.node("Mul", ["x", g.weight(WIDTH)])
    parts = []
    for i in range(size // 2):
        c = g.constant(np.float32(1 + i))
        parts.append(g.node("Mul", [v, c]))
    t = g.node("Concat", parts, axis=1)
    return g.model(g.node("ReduceMean", [t], axes=[1]), [WIDTH, 1])


def wide_sum(size):
    """A Sum of many inputs."""
    g = Graph()
    v = g.node("Mul", ["x", g.weight(WIDTH)])
    parts = []
    for i in range(size // 2):
        c = g.constant(np.float32(1 + i))
        parts.append(g.node("Mul", [v, c]))
    return g.model(g.node("Sum", parts), g.shape)


def recurrence(steps):
    """What a loop over slices of the input is once it is written out."""
    g = Graph((steps, WIDTH, WIDTH))
    w, t = g.weight(WIDTH, WIDTH), None
    for i in range(steps):
        part = g.node("Gather", ["x", g.constant(np.int64(i))])
        t = part if t is None else g.node("Add", [g.node("MatMul", [t, w]), part])
        t = g.node("Tanh", [t])
    return g.model(t, [WIDTH, WIDTH])


def mlp(layers):
    """Layers of Gemm and Relu, of a width that is worth a launch."""
    n = 8
    g = Graph((WIDTH, n))
    t = "x"
    for _ in range(layers):
        t = g.node("Relu", [g.node("Gemm", [t, g.weight(n, n), g.weight(n)])])
    return g.model(g.node("Gemm", [t, g.weight(n, n), g.weight(n)]), g.shape)


def transformer(layers):
    """Pre-norm encoder layers: two heads, LayerNormalization, an MLP with Gelu by Erf."""
    batch, length, heads, size = 2, 4, 2, 4
    n = heads * size
    g = Graph((batch, length, n))
    shape = g.constant(np.array([batch, length, heads, size], np.int64))
    back = g.constant(np.array([batch, length, n], np.int64))
    scale = g.constant(np.float32(size ** -0.5))
    half, one, root = (g.constant(np.float32(c)) for c in (0.5, 1.0, 2 ** 0.5))

    def linear(t, k, m):
        return g.node("Add", [g.node("MatMul", [t, g.weight(k, m)]), g.weight(m)])

    t = "x"
    for _ in range(layers):
        u = g.node("LayerNormalization", [t, g.weight(n), g.weight(n)], axis=-1)
        q, k, v = (g.node("Reshape", [linear(u, n, n), shape]) for _ in range(3))
        q = g.node("Transpose", [q], perm=[0, 2, 1, 3])
        k = g.node("Transpose", [k], perm=[0, 2, 3, 1])
        v = g.node("Transpose", [v], perm=[0, 2, 1, 3])
        p = g.node("Softmax", [g.node("Mul", [g.node("MatMul", [q, k]), scale])], axis=-1)
        a = g.node("Transpose", [g.node("MatMul", [p, v])], perm=[0, 2, 1, 3])
        t = g.node("Add", [t, linear(g.node("Reshape", [a, back]), n, n)])
        u = g.node("LayerNormalization", [t, g.weight(n), g.weight(n)], axis=-1)
        u = linear(u, n, 2 * n)
        e = g.node("Erf", [g.node("Div", [u, root])])
        u = g.node("Mul", [g.node("Mul", [u, half]), g.node("Add", [e, one])])
        t = g.node("Add", [t, linear(u, 2 * n, n)])
    return g.model(t, g.shape)


FAMILIES = {f.__name__: f for f in (unary, relu, mul_shared, add_shared, concat, concat_distinct,
                                    wide_sum, recurrence, mlp, transformer)}

if __name__ == "__main__":
    family, size, path = sys.argv[1:]
    onnx.save(FAMILIES[family](int(size)), path)
