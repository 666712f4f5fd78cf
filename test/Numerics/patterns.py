#!/usr/bin/env python3
"""What a file spells out computes and trains as the operator does that it stands for.

For each pattern and each spelling of it: the report has it as recovered; its values, and the losses
of some steps, are those of the file as it is written (O0), both in f32, but for rounding; and where
there is an operator, its losses in bf16 have the operator's bits, as the ops are the same.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import dataclasses
import json
import pathlib
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import compiled

BATCH, ROWS, WIDTH, HEADS = 2, 6, 16, 4
SIZE = WIDTH // HEADS
STEPS = 4


def node(operator: str, inputs: str, outputs: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def nodes(text: str) -> list[onnx.NodeProto]:
    """`y = Operator(a, b) name=1,2 ..`, a node a line."""
    made = []
    for line in filter(None, map(str.strip, text.splitlines())):
        outputs, call = line.split(" = ", 1)
        operator, rest = call.split("(", 1)
        inputs, attributes = rest.rsplit(")", 1)
        values = {}
        for attribute in attributes.split():
            key, value = attribute.split("=")
            number = float if "." in value else int
            values[key] = ([number(v) for v in value.split(",") if v] if "," in value
                           else value[1:] if value.startswith("'") else number(value))
        made.append(helper.make_node(operator, [n.strip() for n in inputs.split(",") if n.strip()],
                                     [n.strip() for n in outputs.split(",")], **values))
    return made


ANGLES = np.outer(np.arange(ROWS), 1.0 / 10 ** np.arange(SIZE // 2)).astype(np.float32)
MASK = np.triu(np.full((ROWS, ROWS), -np.inf, np.float32), 1)
CONSTANTS = {
    "zero": np.float32(0), "one": np.float32(1), "two": np.float32(2), "three": np.float32(3),
    "half": np.float32(0.5), "root2": np.float32(np.sqrt(2)), "cubic": np.float32(0.044715),
    "root2pi": np.float32(np.sqrt(2 / np.pi)), "alpha": np.float32(1.702),
    "width": np.float32(WIDTH), "epsilon": np.float32(1e-5), "last": np.array([-1]),
    "rootsize": np.float32(np.sqrt(SIZE)), "fourthroot": np.float32(SIZE**-0.25),
    "quarter": np.float32(0.25), "rootsizes": np.float32(4 / np.sqrt(SIZE)),
    "scale": np.float32(1 / np.sqrt(SIZE)), "mask": MASK, "isvisible": MASK == 0,
    "minusinf": np.float32(-np.inf),
    "cos": np.concatenate([np.cos(ANGLES)] * 2, 1), "sin": np.concatenate([np.sin(ANGLES)] * 2, 1),
    "cos2": np.repeat(np.cos(ANGLES), 2, 1), "sin2": np.repeat(np.sin(ANGLES), 2, 1),
    "cosines": np.stack([np.cos(ANGLES)] * BATCH), "sines": np.stack([np.sin(ANGLES)] * BATCH),
    "heads": np.array([BATCH, ROWS, HEADS, SIZE]), "keyheads": np.array([BATCH, ROWS, 2, SIZE]),
    "whole": np.array([BATCH, ROWS, WIDTH]), "axis2": np.array([2]), "axis1": np.array([1]),
    "repeated": np.array([BATCH, 2, 2, ROWS, SIZE]), "tiles": np.array([1, 1, 2, 1, 1]), "split": np.array([BATCH, HEADS, ROWS, SIZE]),
    "flat": np.array([BATCH * ROWS, WIDTH]), "begin": np.array([0]), "middle": np.array([SIZE // 2]),
    "end": np.array([SIZE]), "axis3": np.array([3]), "step2": np.array([2]), "begin1": np.array([1]),
    "axis4": np.array([4]), "groups": np.array([BATCH, 4, WIDTH * ROWS // 4]), "image": np.array([BATCH, 8, 3, 4]),
    "classes": np.array(WIDTH), "offon": np.array([0, 1], np.float32),
    "samples": np.float32(BATCH * ROWS),
    "ones": np.ones(4, np.float32), "zeros": np.zeros(4, np.float32),
}
WEIGHTS = {"gamma": (WIDTH,), "beta": (WIDTH,), "channelscale": (8, 1, 1),
           "channelbias": (8, 1, 1),
           "wq": (WIDTH, WIDTH), "wk": (WIDTH, WIDTH), "wv": (WIDTH, WIDTH),
           "wk2": (WIDTH, WIDTH // 2), "wv2": (WIDTH, WIDTH // 2)}


@dataclasses.dataclass
class Case:
    kind: str
    spellings: dict[str, str]  # from h [BATCH, ROWS, WIDTH] to y of the same shape
    operator: str = ""  # the same
    count: int = 1
    ends: bool = False  # y is the loss


NORM = "q = Mul(h, h)\nv = ReduceMean(q, last)\ne = Add(v, epsilon)\ns = Sqrt(e)\n"
QKV = """q0 = MatMul(h, wq)\nq1 = Reshape(q0, heads)\nq = Transpose(q1) perm=0,2,1,3
k0 = MatMul(h, wk)\nk1 = Reshape(k0, heads)\nk = Transpose(k1) perm=0,2,1,3
v0 = MatMul(h, wv)\nv1 = Reshape(v0, heads)\nv = Transpose(v1) perm=0,2,1,3
"""
SHARED = QKV.split("\n")[0:3] + """k0 = MatMul(h, wk2)\nk1 = Reshape(k0, keyheads)
k2 = Transpose(k1) perm=0,2,1,3\nv0 = MatMul(h, wv2)\nv1 = Reshape(v0, keyheads)
v2 = Transpose(v1) perm=0,2,1,3""".split("\n")
SHARED = "\n".join(line for line in SHARED if line) + "\n"
REPEAT = "".join(f"{x}3 = Unsqueeze({x}2, axis2)\n{x}4 = Expand({x}3, repeated)\n"
                 f"{x} = Reshape({x}4, split)\n" for x in "kv")
TILE = "".join(f"{x}3 = Unsqueeze({x}2, axis2)\n{x}4 = Tile({x}3, tiles)\n"
               f"{x} = Reshape({x}4, split)\n" for x in "kv")
END = "o = MatMul(p, v)\no1 = Transpose(o) perm=0,2,1,3\ny = Reshape(o1, whole)"
KT = "kt = Transpose(k) perm=0,1,3,2\n"
HEADS_OF = "q1 = Reshape(h, heads)\nx = Transpose(q1) perm=0,2,1,3\n"
HALVES = ("a = Slice(x, begin, middle, axis3)\nc = Slice(x, middle, end, axis3)\n"
          "n = Neg(c)\nt = Concat(n, a) axis=-1\n")
NEIGHBOURS = ("a = Slice(x, begin, end, axis3, step2)\nc = Slice(x, begin1, end, axis3, step2)\n"
              "n = Neg(c)\nn1 = Unsqueeze(n, axis4)\na1 = Unsqueeze(a, axis4)\n"
              "t1 = Concat(n1, a1) axis=-1\nt = Reshape(t1, split)\n")
JOIN = "r1 = Transpose(r) perm=0,2,1,3\ny = Reshape(r1, whole)"
LOGITS = "x = Reshape(h, flat)\n"
MEAN = "y = ReduceMean(l) keepdims=0"

CASES = [
    Case("gelu", {
        "torch": "u = Div(h, root2)\ne = Erf(u)\na = Add(e, one)\np = Mul(h, a)\ny = Mul(p, half)",
        "onnxscript": "u = Div(h, root2)\ne = Erf(u)\na = Add(e, one)\np = Mul(half, a)\n"
                      "y = Mul(h, p)",
        "jax": "n = Neg(h)\nu = Div(n, root2)\ne = Erf(u)\na = Sub(one, e)\np = Mul(h, a)\n"
               "y = Div(p, two)"}, "y = Gelu(h)"),
    Case("gelu", {
        "power": "a = Mul(h, half)\np = Pow(h, three)\nq = Mul(p, cubic)\ns = Add(h, q)\n"
                 "u = Mul(s, root2pi)\nt = Tanh(u)\nb = Add(t, one)\ny = Mul(a, b)",
        "factored": "q = Mul(h, h)\nc = Mul(q, cubic)\ns = Add(one, c)\nr = Mul(root2pi, h)\n"
                    "u = Mul(r, s)\nt = Tanh(u)\nb = Add(one, t)\na = Mul(half, b)\ny = Mul(a, h)"},
         "y = Gelu(h) approximate='tanh"),
    Case("silu", {"product": "s = Sigmoid(h)\ny = Mul(h, s)",
                  "exponential": "n = Neg(h)\ne = Exp(n)\na = Add(one, e)\ny = Div(h, a)"},
         "y = Swish(h)"),
    Case("swish", {"quick": "u = Mul(h, alpha)\ns = Sigmoid(u)\ny = Mul(h, s)"},
         "y = Swish(h) alpha=1.702"),
    Case("rms norm", {
        "power": "q = Pow(h, two)\nv = ReduceMean(q, last)\ne = Add(v, epsilon)\ns = Sqrt(e)\n"
                 "i = Reciprocal(s)\nn = Mul(h, i)\ny = Mul(gamma, n)",
        "quotient": NORM + "n = Div(h, s)\ny = Mul(n, gamma)",
        "sum": "q = ReduceSumSquare(h, last)\nv = Div(q, width)\ne = Add(epsilon, v)\ns = Sqrt(e)\n"
               "i = Div(one, s)\nr = Mul(i, gamma)\ny = Mul(h, r)"},
         "y = RMSNormalization(h, gamma) epsilon=0.00001"),
    Case("layer norm", {
        "tensorflow": "m = ReduceMean(h, last)\nd = Sub(h, m)\nq = Mul(d, d)\n"
                      "v = ReduceMean(q, last)\ne = Add(v, epsilon)\ns = Sqrt(e)\n"
                      "i = Reciprocal(s)\nr = Mul(i, gamma)\np = Mul(h, r)\nt = Mul(m, r)\n"
                      "o = Sub(beta, t)\ny = Add(p, o)"},
         "y = LayerNormalization(h, gamma, beta) epsilon=0.00001"),
    Case("softmax cross entropy", {
        "likelihood": LOGITS + "p = LogSoftmax(x) axis=1\n"
                               "y = NegativeLogLikelihoodLoss(p, labels)"},
         LOGITS + "y = SoftmaxCrossEntropyLoss(x, labels)", ends=True),
    Case("softmax cross entropy", {
        "logarithm": LOGITS + "s = Softmax(x) axis=1\np = Log(s)\n"
                              "y = NegativeLogLikelihoodLoss(p, labels)",
        "onehot": LOGITS + "p = LogSoftmax(x) axis=1\no = OneHot(labels, classes, offon)\n"
                           "m = Mul(o, p)\nl0 = ReduceSum(m, axis1)\nl = Neg(l0)\n" + MEAN,
        "whole onehot": LOGITS + "p = LogSoftmax(x) axis=1\no = OneHot(labels, classes, offon)\n"
                                 "m = Mul(p, o)\ns = ReduceSum(m) keepdims=0\nl = Neg(s)\n"
                                 "y = Div(l, samples)",
        "gather": LOGITS + "p = LogSoftmax(x) axis=1\ni = Unsqueeze(labels, axis1)\n"
                           "g = GatherElements(p, i) axis=1\nl = Neg(g)\n" + MEAN,
        "logsumexp": LOGITS + "s = ReduceLogSumExp(x, axis1) keepdims=0\n"
                              "i = Unsqueeze(labels, axis1)\ng = GatherElements(x, i) axis=1\n"
                              "p = Squeeze(g, axis1)\nl = Sub(s, p)\n" + MEAN,
        "jax": LOGITS + "i = Unsqueeze(labels, axis1)\ng = GatherND(x, i) batch_dims=1\n"
                        "s = ReduceLogSumExp(x, axis1) keepdims=0\nd = Sub(g, s)\nl = Neg(d)\n"
                        + MEAN,
        "below the maximum": LOGITS + "m = ReduceMax(x, axis1)\nd = Sub(x, m)\ne = Exp(d)\n"
                                      "t = ReduceSum(e, axis1)\nq = Log(t)\ns = Add(q, m)\n"
                                      "i = Unsqueeze(labels, axis1)\n"
                                      "g = GatherElements(x, i) axis=1\nl = Sub(s, g)\n" + MEAN},
         ends=True),
    Case("attention", {
        "torch": QKV + KT + "s = MatMul(q, kt)\nz = Mul(s, scale)\nm = Add(z, mask)\n"
                            "p = Softmax(m) axis=-1\n" + END,
        "divided": QKV + KT + "s = MatMul(q, kt)\nz = Div(s, rootsize)\nm = Add(mask, z)\n"
                              "p = Softmax(m) axis=-1\n" + END,
        "query": QKV + KT + "z = Mul(scale, q)\ns = MatMul(z, kt)\nm = Add(s, mask)\n"
                            "p = Softmax(m) axis=-1\n" + END,
        "both": QKV + "z = Mul(q, fourthroot)\nkz = Transpose(k) perm=0,1,3,2\n"
                      "kt = Mul(kz, fourthroot)\ns = MatMul(z, kt)\nm = Add(s, mask)\n"
                      "p = Softmax(m) axis=-1\n" + END,
        "exactly": QKV + "z = Mul(q, quarter)\nkz = Transpose(k) perm=0,1,3,2\n"
                         "kt = Mul(kz, rootsizes)\ns = MatMul(z, kt)\nm = Add(s, mask)\n"
                         "p = Softmax(m) axis=-1\n" + END},
         QKV + "o = Attention(q, k, v, mask)\no1 = Transpose(o) perm=0,2,1,3\n"
               "y = Reshape(o1, whole)"),
    Case("attention", {
        "where": QKV + KT + "s = MatMul(q, kt)\nz = Mul(s, scale)\n"
                            "m = Where(isvisible, z, minusinf)\np = Softmax(m) axis=-1\n" + END},
         QKV + "o = Attention(q, k, v, isvisible)\no1 = Transpose(o) perm=0,2,1,3\n"
               "y = Reshape(o1, whole)"),
    Case("attention", {
        "grouped": SHARED + REPEAT + KT + "s = MatMul(q, kt)\nz = Mul(s, scale)\nm = Add(z, mask)\n"
                                          "p = Softmax(m) axis=-1\n" + END,
        "tiled": SHARED + TILE + KT + "s = MatMul(q, kt)\nz = Mul(s, scale)\nm = Add(z, mask)\n"
                                      "p = Softmax(m) axis=-1\n" + END},
         SHARED + "o = Attention(q, k2, v2, mask)\no1 = Transpose(o) perm=0,2,1,3\n"
                  "y = Reshape(o1, whole)"),
    Case("attention", {  # with a guard, which the operator has not
        "exported": SHARED + REPEAT +
                    "kf = Reshape(k, flatheads)\nkg = Transpose(kf) perm=0,2,1\n"
                    "kh = Reshape(kg, turned)\nkt = Mul(kh, fourthroot)\nz = Mul(q, fourthroot)\n"
                    "s = MatMul(z, kt)\nm = Add(s, mask)\np0 = Softmax(m) axis=-1\n"
                    "n = IsNaN(p0)\np = Where(n, zero, p0)\n" + END}),
    Case("rotary embedding", {
        "halves": HEADS_OF + HALVES + "b = Mul(x, cos)\nd = Mul(t, sin)\nr = Add(b, d)\n" + JOIN},
         HEADS_OF + "r = RotaryEmbedding(x, cosines, sines)\n" + JOIN),
    Case("rotary embedding", {
        "neighbours": HEADS_OF + NEIGHBOURS +
                      "b = Mul(cos2, x)\nd = Mul(sin2, t)\nr = Add(d, b)\n" + JOIN},
         HEADS_OF + "r = RotaryEmbedding(x, cosines, sines) interleaved=1\n" + JOIN),
    Case("group norm", {
        "instances": "h1 = Reshape(h, image)\nh2 = Reshape(h1, groups)\n"
                     "n = InstanceNormalization(h2, ones, zeros) epsilon=0.00001\n"
                     "n1 = Reshape(n, image)\np = Mul(n1, channelscale)\nr = Add(p, channelbias)\n"
                     "y = Reshape(r, whole)"}),
    Case("batch norm", {
        "spelled": "m = ReduceMean(h, rows)\nd = Sub(h, m)\nq = Mul(d, d)\nv = ReduceMean(q, rows)\n"
                   "e = Add(v, epsilon)\ns = Sqrt(e)\nn = Div(d, s)\na = Mul(n, gamma)\n"
                   "y = Add(a, beta)"}),
]
CONSTANTS["flatheads"] = np.array([BATCH * HEADS, ROWS, SIZE])
CONSTANTS["turned"] = np.array([BATCH, HEADS, SIZE, ROWS])
CONSTANTS["rows"] = np.array([0, 1])


def network(text: str, case: Case) -> onnx.ModelProto:
    """y of h = input * w_in, then y * w_out, or the loss y."""
    rng = np.random.default_rng(3)
    body = nodes(text)
    used = {name for n in body for name in n.input}
    made = [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value, name))
            for name, value in ((n, np.asarray(v)) for n, v in CONSTANTS.items() if n in used)]
    weights = {name: rng.uniform(-0.5, 0.5, shape) + (name == "gamma")
               for name, shape in WEIGHTS.items() if name in used}
    weights["w_in"] = rng.standard_normal((WIDTH, WIDTH)) * 0.4
    made += [node("MatMul", "input w_in", "h"), *body]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [BATCH, ROWS, WIDTH])]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [BATCH, ROWS, WIDTH])
    if case.ends:
        made.append(node("Identity", "y", "output"))
        inputs.append(helper.make_tensor_value_info("labels", TensorProto.INT64, [BATCH * ROWS]))
        output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [])
    else:
        weights["w_out"] = rng.standard_normal((WIDTH, WIDTH)) * 0.4
        made.append(node("MatMul", "y w_out", "output"))
    graph = helper.make_graph(made, "pattern", inputs, [output],
                              [numpy_helper.from_array(value.astype(np.float32), name)
                               for name, value in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=11)


def all_spellings():
    for case in CASES:
        for name, text in case.spellings.items():
            yield case, name, network(text, case)


class PatternsTest(unittest.TestCase):
    tools: compiled.Tools

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        rng = np.random.default_rng(4)
        self.x = rng.standard_normal((BATCH, ROWS, WIDTH)).astype(np.float32)
        self.target = rng.standard_normal((BATCH, ROWS, WIDTH)).astype(np.float32)
        self.labels = rng.integers(0, WIDTH, BATCH * ROWS)

    def losses(self, model: onnx.ModelProto, case: Case, *flags: str) -> list[float]:
        loss = "--loss=output:output" if case.ends else "--loss=mse"
        module = self.tools.compile(model, self.folder, (
            loss, "--optimizer=sgd", "--lr=0.1", "--train=^(w.*|gamma|beta|channel.*)$", *flags))
        given = {"labels": self.labels} if case.ends else {"target": self.target}
        return [line["loss"] for line in module.train({"input": self.x, **given}, STEPS)]

    def test_is_recovered(self) -> None:
        """And trains in f32 as the file is written: a few roundings of sums of 16 terms apart."""
        for case, name, model in all_spellings():
            with self.subTest(kind=case.kind, spelling=name):
                self.check_recovered(case, model)

    def check_recovered(self, case: Case, model: onnx.ModelProto) -> None:
        wanted = self.losses(model, case, "--amp=O0")
        report = self.folder / "report.json"
        found = self.losses(model, case, "--amp-keep-fp32=.", f"--report={report}")
        kinds = [entry["kind"] for entry in json.loads(report.read_text())
                 if entry["decision"] == "recovered" and entry["function"] == "train"]
        self.assertEqual(kinds, [case.kind] * case.count)
        np.testing.assert_allclose(found, wanted, rtol=64 * 2.0**-24)
        self.assertLess(wanted[-1], wanted[0])

    def test_trains_as_the_operator(self) -> None:
        for case, name, model in all_spellings():
            if not case.operator:
                continue
            with self.subTest(kind=case.kind, spelling=name):
                wanted = self.losses(network(case.operator, case), case, "--amp-dtype=bf16")
                found = self.losses(model, case, "--amp-dtype=bf16")
                if name == "both":
                    # The square of the rounded root is not the scale, so that single values round
                    # to another bf16; "exactly" has factors whose product is.
                    np.testing.assert_allclose(found, wanted, rtol=2.0**-8)
                else:
                    self.assertEqual(found, wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    PatternsTest.tools = compiled.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
