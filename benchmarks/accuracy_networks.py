# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The networks of accuracy.py, with their data: small, real, and made of nothing but numpy and onnx.

Each has `model(seed)`, an onnx model whose first weights are drawn from the seed; `data()`, the arrays
to train and to test with; flags of ampc and of ampc-run; and `score(..)`, what the table shows.
"""
import gzip
import pathlib
import re
import subprocess
import sys

import numpy as np
from onnx import numpy_helper, parser

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples"))
import data as example_data  # noqa: E402


def make(name, inputs, outputs, lines, weights):
    text = (f'<ir_version: 10, opset_import: ["" : 20]> {name} ({inputs}) => ({outputs}) '
            "{ %s }" % "\n".join(lines))
    proto = parser.parse_model(text)
    for key, value in weights.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), key))
    for i, node in enumerate(proto.graph.node):
        node.name = f"{node.op_type.lower()}_{i}"
    return proto


def accuracy(logits, target):
    """In percent."""
    return 100 * float((logits.argmax(-1) == target).mean())


class DigitsCnn:
    """Three convolutions with batch norm, the last with Mish, spelled out; scikit-learn's digits: 797 to train, each at nine places."""

    title, measure, unit = "digits CNN", "accuracy on 1,000 digits at nine places each", "points"
    flags = ["--batch=64", "--loss=cross_entropy", "--optimizer=adam", "--lr=0.003",
             "--train-mode=on"]
    run_flags = ["--epochs=12", "--lr-schedule=cosine"]

    @staticmethod
    def model(seed):
        random = np.random.RandomState(seed)
        weights, lines, value, channels = {}, [], "x", 1
        for i, count in enumerate((16, 32, 32)):
            scale = np.sqrt(2 / (9 * channels))
            weights[f"conv{i}.weight"] = random.randn(count, channels, 3, 3) * scale
            weights[f"bn{i}.weight"] = np.ones(count)
            weights[f"bn{i}.bias"] = weights[f"bn{i}.mean"] = np.zeros(count)
            weights[f"bn{i}.var"] = np.ones(count)
            lines += [f"c{i} = Conv<pads=[1,1,1,1]>({value}, conv{i}.weight)",
                      f"n{i} = BatchNormalization(c{i}, bn{i}.weight, bn{i}.bias, bn{i}.mean, "
                      f"bn{i}.var)"]
            if i < 2:
                lines.append(f"r{i} = Relu(n{i})")
            else:
                lines += [f"m{i} = Softplus(n{i})", f"t{i} = Tanh(m{i})", f"r{i} = Mul(n{i}, t{i})"]
            value, channels = f"r{i}", count
            if i == 0:
                lines.append("p0 = MaxPool<kernel_shape=[2,2],strides=[2,2]>(r0)")
                value = "p0"
        weights["fc.weight"] = random.randn(32 * 16, 10) / np.sqrt(32 * 16)
        weights["fc.bias"] = np.zeros(10)
        lines += [f"flat = Flatten({value})", "logits = Gemm(flat, fc.weight, fc.bias)"]
        weights = {key: value.astype(np.float32) for key, value in weights.items()}
        return make("digits", "float[batch,1,8,8] x", "float[batch,10] logits", quoted(lines),
                    renamed(weights))

    @staticmethod
    def data():
        rows = np.loadtxt(gzip.open(example_data.DIGITS, "rt"), delimiter=",", dtype=np.int64)
        rows = rows[np.random.RandomState(0).permutation(len(rows))]
        images = np.pad(rows[:, :64].reshape(-1, 1, 8, 8).astype(np.float32) / 16,
                        ((0, 0), (0, 0), (1, 1), (1, 1)))

        def part(which):
            moved = [images[which][:, :, i:i + 8, j:j + 8] for i in range(3) for j in range(3)]
            return {"x": np.concatenate(moved), "target": np.tile(rows[which, 64], 9)}
        return part(slice(0, 797)), part(slice(797, 1797))

    @staticmethod
    def score(outputs, test, loss):
        return accuracy(outputs["logits"], test["target"])


def quoted(lines):
    """The text form takes no dots in names."""
    return [re.sub(r"(?<=[a-z0-9])\.(?=[a-z])", "_", line) for line in lines]


def renamed(weights):
    return {key.replace(".", "_"): value for key, value in weights.items()}


def pages():
    """The text of the project's pages that git knows, one after the other."""
    names = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split("\0")
    return "\n".join((ROOT / name).read_text() for name in sorted(names) if name)


def rows_of(arrays, length, block=2000):
    """Windows of `length`; every fifth block of the text is for the test."""
    count = len(next(iter(arrays.values())))
    train, test = example_data.split_in_blocks(count, block)
    parts = []
    for starts, stride in ((train, length // 2), (test, length)):
        places = [at for start in starts
                  for at in range(start, min(start + block, count) - length, stride)]
        parts.append({name: np.stack([array[at:at + length] for at in places])
                      for name, array in arrays.items()})
    return tuple(parts)


class ByteGpt:
    """A decoder of two layers, its GELU spelled out with a power as in Hugging Face's GPT-2, that
    reads bytes, 64 at once, and says what follows each."""

    title, measure, unit = "byte-level GPT", "loss on held-out text", "%"
    time, width, heads, layers = 64, 64, 4, 2
    flags = ["--batch=32", "--loss=output:loss", "--optimizer=adamw", "--lr=0.004"]
    run_flags = ["--steps=700", "--lr-schedule=cosine", "--warmup=50"]

    @classmethod
    def model(cls, seed):
        random, w, t = np.random.RandomState(seed), cls.width, cls.time
        weights = {"wte": random.randn(256, w) * 0.06, "wpe": random.randn(t, w) * 0.06,
                   "mask": np.triu(np.full((t, t), -10000.0), 1),
                   "lnf_w": np.ones(w), "lnf_b": np.zeros(w)}
        weights |= {"three": np.array(3), "cubic": np.array(0.044715), "one": np.array(1),
                    "half": np.array(0.5), "slope": np.array(np.sqrt(2 / np.pi))}
        shapes = {"heads": [0, t, cls.heads, w // cls.heads], "joined": [0, t, w],
                  "rows": [-1, 256], "flat": [-1]}
        lines = ["e = Gather(wte, ids)", "x0 = Add(e, wpe)"]

        def linear(name, source, inputs, outputs):
            weights[name + "_w"] = random.randn(inputs, outputs) * 0.06
            weights[name + "_b"] = np.zeros(outputs)
            return [f"{name}_m = MatMul({source}, {name}_w)", f"{name} = Add({name}_m, {name}_b)"]

        def norm(name, source):
            weights[name + "_w"], weights[name + "_b"] = np.ones(w), np.zeros(w)
            return [f"{name} = LayerNormalization<axis=-1>({source}, {name}_w, {name}_b)"]

        for i in range(cls.layers):
            x = f"x{i}"
            lines += norm(f"l{i}", x)
            for part, order in (("q", "0,2,1,3"), ("k", "0,2,3,1"), ("v", "0,2,1,3")):
                lines += linear(f"{part}{i}", f"l{i}", w, w)
                lines += [f"{part}{i}r = Reshape({part}{i}, heads)",
                          f"{part}{i}t = Transpose<perm=[{order}]>({part}{i}r)"]
            weights["root"] = np.array(np.sqrt(w / cls.heads))
            lines += [f"s{i} = MatMul(q{i}t, k{i}t)", f"d{i} = Div(s{i}, root)",
                      f"a{i} = Add(d{i}, mask)", f"p{i} = Softmax<axis=-1>(a{i})",
                      f"y{i} = MatMul(p{i}, v{i}t)", f"z{i} = Transpose<perm=[0,2,1,3]>(y{i})",
                      f"j{i} = Reshape(z{i}, joined)", *linear(f"o{i}", f"j{i}", w, w),
                      f"h{i} = Add({x}, o{i})", *norm(f"n{i}", f"h{i}"),
                      *linear(f"f{i}", f"n{i}", w, 4 * w),
                      f"u{i} = Pow(f{i}, three)", f"v{i}u = Mul(u{i}, cubic)",
                      f"w{i} = Add(f{i}, v{i}u)", f"w{i}s = Mul(w{i}, slope)",
                      f"w{i}t = Tanh(w{i}s)", f"w{i}o = Add(w{i}t, one)", f"w{i}h = Mul(f{i}, half)",
                      f"g{i} = Mul(w{i}h, w{i}o)", *linear(f"c{i}", f"g{i}", 4 * w, w),
                      f"x{i + 1} = Add(h{i}, c{i})"]
        lines += [f"lnf = LayerNormalization<axis=-1>(x{cls.layers}, lnf_w, lnf_b)",
                  "wtt = Transpose<perm=[1,0]>(wte)", "logits = MatMul(lnf, wtt)",
                  "flogits = Reshape(logits, rows)", "flabels = Reshape(labels, flat)",
                  "loss = SoftmaxCrossEntropyLoss(flogits, flabels)"]
        weights = {key: value.astype(np.float32) for key, value in weights.items()}
        weights |= {key: np.array(shape, np.int64) for key, shape in shapes.items()}
        return make("gpt", f"int64[batch,{t}] ids, int64[batch,{t}] labels",
                    f"float loss, float[batch,{t},256] logits", lines, weights)

    @classmethod
    def data(cls):
        text = np.frombuffer(pages().encode(), np.uint8).astype(np.int64)
        return rows_of({"ids": text[:-1], "labels": text[1:]}, cls.time)

    @staticmethod
    def score(outputs, test, loss):
        return loss


class LstmTagger:
    """Reads bytes both ways and tells of each what the page's writer did with it: left it as it is,
    made a capital of it, or put it into `code`. Capitals and backticks are taken out before. What the
    LSTM gives is gated by a softplus."""

    title, measure, unit = "LSTM tagger", "accuracy on held-out bytes", "points"
    time, width, hidden = 48, 32, 48
    flags = ["--batch=64", "--loss=output:loss", "--optimizer=adam", "--lr=0.006"]
    run_flags = ["--steps=500", "--lr-schedule=cosine"]

    @classmethod
    def model(cls, seed):
        random, w, h, t = np.random.RandomState(seed), cls.width, cls.hidden, cls.time
        bound = 1 / np.sqrt(h)
        weights = {"table": random.randn(256, w),
                   "lstm_w": random.uniform(-bound, bound, (2, 4 * h, w)),
                   "lstm_r": random.uniform(-bound, bound, (2, 4 * h, h)),
                   "lstm_b": random.uniform(-bound, bound, (2, 8 * h)),
                   "gate_w": random.randn(2 * h, w) / np.sqrt(2 * h), "gate_b": np.zeros(w),
                   "form_w": random.randn(2 * h, w) / np.sqrt(2 * h), "form_b": np.zeros(w),
                   "fc_w": random.randn(w, 3) / np.sqrt(w), "fc_b": np.zeros(3)}
        weights = {key: value.astype(np.float32) for key, value in weights.items()}
        weights |= {"joined": np.array([0, t, 2 * h], np.int64),
                    "rows": np.array([-1, 3], np.int64), "flat": np.array([-1], np.int64)}
        lines = ["e = Gather(table, ids)", "x = Transpose<perm=[1,0,2]>(e)",
                 f'y, last, cell = LSTM<direction="bidirectional",hidden_size={h}>(x, lstm_w, lstm_r, '
                 "lstm_b)", "b = Transpose<perm=[2,0,1,3]>(y)", "j = Reshape(b, joined)",
                 "k = MatMul(j, gate_w)", "l = Add(k, gate_b)", "gate = Softplus(l)",
                 "n = MatMul(j, form_w)", "o = Add(n, form_b)", "form = Tanh(o)",
                 "p = Mul(gate, form)", "m = MatMul(p, fc_w)", "logits = Add(m, fc_b)", "flogits = Reshape(logits, rows)",
                 "ftags = Reshape(tags, flat)", "loss = SoftmaxCrossEntropyLoss(flogits, ftags)"]
        return make("tagger", f"int64[batch,{t}] ids, int64[batch,{t}] tags",
                    f"float loss, float[batch,{t},3] logits", lines, weights)

    @classmethod
    def data(cls):
        ids, tags, is_code = [], [], False
        for line in re.sub("(?ms)^```.*?^```$", "", pages()).split("\n"):
            is_code = False
            for byte in (line + "\n").encode():
                if byte == ord("`"):
                    is_code = not is_code
                    continue
                is_capital = ord("A") <= byte <= ord("Z")
                ids.append(byte + 32 if is_capital else byte)
                tags.append(2 if is_code else int(is_capital))
        return rows_of({"ids": np.array(ids), "tags": np.array(tags)}, cls.time)

    @staticmethod
    def score(outputs, test, loss):
        return accuracy(outputs["logits"], test["tags"])


NETWORKS = {"digits": DigitsCnn, "gpt": ByteGpt, "tagger": LstmTagger}
