# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models of any depth and width for tests and benchmarks: no files, no framework.

    python test/Driver/models.py transformer:layers=2,width=768 OUT.onnx
    python test/Driver/models.py mlp:layers=200,width=8 OUT.onnx
"""
import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save


class Builder:
    """Adds nodes with one output and float initializers to a graph."""

    def __init__(self, seed, transposed=False):
        """`transposed`: weights of products lie [outputs, inputs], behind a Transpose."""
        self.random = np.random.RandomState(seed)
        self.nodes, self.initializers = [], []
        self.transposed = transposed

    def add(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name, value):
        self.nodes.append(helper.make_node("Constant", [], [name],
                                           value=numpy_helper.from_array(np.asarray(value))))
        return name

    def weight(self, name, *shape, scale=None, value=None):
        """Normal values of deviation `scale` (1 / sqrt(rows) if none is given), or `value`."""
        if value is None:
            array = self.random.randn(*shape) * (scale or shape[0] ** -0.5)
        else:
            array = np.full(shape, value)
        self.initializers.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def linear(self, x, name, inputs, outputs):
        if self.transposed:
            weight = self.weight(f"{name}.weight", outputs, inputs, scale=inputs ** -0.5)
            weight = self.add("Transpose", [weight], f"{name}.weight.t", perm=[1, 0])
        else:
            weight = self.weight(f"{name}.weight", inputs, outputs)
        product = self.add("MatMul", [x, weight], f"{name}.product")
        return self.add("Add", [product, self.weight(f"{name}.bias", outputs, value=0.0)],
                        f"{name}.out")

    def model(self, name, inputs, outputs):
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                  ir_version=8)
        checker.check_model(model)
        return model


def transformer(layers=2, width=768, heads=12, hidden=None, vocabulary=4096, length=128, batch=8,
                classes=2, masked=True, seed=0, transposed=False):
    """An encoder of DistilBERT's shape with a classifier on the first token.

    ids [batch, length] (int64), mask [batch, length] (float, 1: a token) -> logits
    [batch, classes]. Norms and GELU are spelled out as exporters do: LayerNormalization is one
    node, GELU five.
    """
    hidden = hidden or 4 * width
    b, head = Builder(seed, transposed), width // heads

    def norm(x, name):
        return b.add("LayerNormalization",
                     [x, b.weight(f"{name}.weight", width, value=1.0),
                      b.weight(f"{name}.bias", width, value=0.0)], f"{name}.out",
                     axis=-1, epsilon=1e-12)

    words = b.add("Gather", [b.weight("words.weight", vocabulary, width, scale=0.02), "ids"],
                  "words.out")
    x = b.add("Add", [words, b.weight("positions.weight", length, width, scale=0.02)], "embedded")
    x = norm(x, "embeddings.norm")
    split = b.constant("split", np.array([batch, length, heads, head], np.int64))
    joined = b.constant("joined", np.array([batch, length, width], np.int64))
    half, one = b.constant("half", np.float32(0.5)), b.constant("one", np.float32(1))
    root = b.constant("root", np.float32(2 ** 0.5))
    if masked:
        lowest = b.constant("lowest", np.float32(-1e4))
        shape = b.constant("mask.shape", np.array([batch, 1, 1, length], np.int64))
        keep = b.add("Reshape", ["mask", shape], "mask.wide")
        bias = b.add("Mul", [b.add("Sub", [one, keep], "mask.hole"), lowest], "mask.bias")
    scale = b.constant("scale", np.float32(head ** 0.5))
    for i in range(layers):
        at = f"layer{i}"
        q, k, v = (b.linear(x, f"{at}.{part}", width, width) for part in "qkv")

        def by_head(value, perm):
            value = b.add("Reshape", [value, split], f"{value}.split")
            return b.add("Transpose", [value], f"{value}.heads", perm=perm)

        scores = b.add("MatMul", [by_head(q, [0, 2, 1, 3]), by_head(k, [0, 2, 3, 1])],
                       f"{at}.product")
        scores = b.add("Div", [scores, scale], f"{at}.scores")
        if masked:
            scores = b.add("Add", [scores, bias], f"{at}.masked")
        weights = b.add("Softmax", [scores], f"{at}.softmax", axis=-1)
        mixed = b.add("MatMul", [weights, by_head(v, [0, 2, 1, 3])], f"{at}.mixed")
        mixed = b.add("Transpose", [mixed], f"{at}.back", perm=[0, 2, 1, 3])
        mixed = b.add("Reshape", [mixed, joined], f"{at}.joined")
        x = norm(b.add("Add", [b.linear(mixed, f"{at}.proj", width, width), x], f"{at}.sum1"),
                 f"{at}.norm1")
        h = b.linear(x, f"{at}.up", width, hidden)
        erf = b.add("Erf", [b.add("Div", [h, root], f"{at}.gelu.x")], f"{at}.gelu.erf")
        h = b.add("Mul", [h, b.add("Add", [erf, one], f"{at}.gelu.one")], f"{at}.gelu.mul")
        h = b.add("Mul", [h, half], f"{at}.gelu")
        x = norm(b.add("Add", [b.linear(h, f"{at}.down", hidden, width), x], f"{at}.sum2"),
                 f"{at}.norm2")
    zero = b.constant("zero", np.int64(0))
    first = b.add("Gather", [x, zero], "first", axis=1)
    first = b.add("Relu", [b.linear(first, "pre", width, width)], "pre.relu")
    b.add("Identity", [b.linear(first, "classifier", width, classes)], "logits")
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, [batch, length])]
    if masked:
        inputs.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [batch, length]))
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, classes])]
    return b.model("transformer", inputs, outputs)


def mlp(layers=50, width=8, batch=16, seed=0, gain=1.0, biases=True):
    """x [batch, width] -> y [batch, width]: `layers` products with residuals and Tanh.

    Each adds `gain / layers` of its output, so that any depth trains.
    """
    b, x = Builder(seed), "x"
    step = b.constant("step", np.float32(gain / layers))
    for i in range(layers):
        h = b.add("MatMul", [x, b.weight(f"fc{i}.weight", width, width)], f"fc{i}.product")
        if biases:
            h = b.add("Add", [h, b.weight(f"fc{i}.bias", width, value=0.0)], f"fc{i}.out")
        h = b.add("Mul", [b.add("Tanh", [h], f"fc{i}.tanh"), step], f"fc{i}.step")
        x = b.add("Add", [x, h], f"fc{i}.sum")
    b.add("Identity", [x], "y")
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, width])
             for name in ("x", "y")]
    return b.model("mlp", value[:1], value[1:])


def concat(count=700, rows=4, batch=4, joined=16, seed=0):
    """x [batch, rows] -> y [batch, columns] = x @ sqrt(w0, w1, .. side by side): `count` weights
    of one or two columns in turn, `joined` of them in a Concat. A weight with a 0 has an infinite
    gradient of its own, and y stays finite.
    """
    b = Builder(seed)
    parts = []
    for i in range(count):
        value = b.random.uniform(0.5, 2, (rows, 1 + i % 2)).astype(np.float32)
        b.initializers.append(numpy_helper.from_array(value, f"w{i}"))
        parts.append(f"w{i}")
    while len(parts) > 1:
        parts = [b.add("Concat", parts[at:at + joined], f"joined{len(b.nodes)}", axis=1)
                 for at in range(0, len(parts), joined)]
    b.add("MatMul", ["x", b.add("Sqrt", parts, "root")], "y")
    columns = sum(1 + i % 2 for i in range(count))
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, size])
             for name, size in (("x", rows), ("y", columns))]
    return b.model("concat", value[:1], value[1:])


def products(count=1000, width=4):
    """x [width, width] -> y [width, width]: multiplied by one weight, `count` times. The weight's
    gradient is a sum of `count` sums of columns.
    """
    b, x = Builder(0), "x"
    weight = b.weight("weight", width)
    for i in range(count):
        x = b.add("Mul", [x, weight], "y" if i == count - 1 else f"product{i}")
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [width, width])
             for name in ("x", "y")]
    return b.model("products", value[:1], value[1:])


def make(text):
    """A model from "NAME:key=value,..": the functions of this file, with integers."""
    name, _, settings = text.partition(":")
    pairs = (part.split("=") for part in settings.split(",") if part)
    makers = {"transformer": transformer, "mlp": mlp, "concat": concat, "products": products}
    return makers[name](**{k: int(v) for k, v in pairs})


if __name__ == "__main__":
    save(make(sys.argv[1]), sys.argv[2])
