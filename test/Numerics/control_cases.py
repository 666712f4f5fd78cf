"""Points for control flow and sequences, which are written out when a file is imported.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np

from opcase import OpCase, graph_case, spread


def one_line(text: str) -> str:
    """Graphs in nodes may be written over several lines; graph_case takes a node a line."""
    return " ".join(text.split())


def case(operator: str, *nodes: str, inputs: tuple[np.ndarray, ...], **options) -> OpCase:
    return graph_case(operator, "\n".join(map(one_line, nodes)), *inputs, **options)


LOOP = """
out0, out1 = Loop(count, go, x0) <body = step (int64 i, bool before, h) => (after, next, y) {
  after = Identity(before)
  p = MatMul(h, x1)
  next = Tanh(p)
  y = Mul(next, h)
}>"""

# Runs on while 3 * i < 10, so that iteration 4 is the last; its number is a factor.
WHILE = """
out0, out1 = Loop(most, go, x0) <body = step (int64 i, bool before, h) => (after, next, y) {
  three = Constant<value: tensor = int64 {3}>()
  ten = Constant<value: tensor = int64 {10}>()
  scaled = Mul(i, three)
  after = Less(scaled, ten)
  number = CastLike(i, h)
  s = Sin(h)
  step = Mul(s, number)
  next = Add(h, step)
  y = Mul(h, h)
}>"""

NESTED = """
out0 = Loop(count, go, x0) <body = outer (int64 i, bool c, h) => (c_out, h_out) {
  c_out = Identity(c)
  w = Identity(x1)
  times = Constant<value: tensor = int64 {3}>()
  h_out = Loop(times, c, h) <body = inner (int64 j, bool d, g) => (d_out, g_out) {
    d_out = Identity(d)
    t = Tanh(g)
    number = Add(i, j)
    factor = CastLike(number, t)
    u = Mul(t, factor)
    g_out = Add(u, w)
  }>
}>"""

SCAN = """
out0, out1 = Scan<num_scan_inputs = 1, body = step (s, x) => (next, y) {
  t = Tanh(x)
  p = Mul(s, t)
  next = Add(p, x)
  y = Identity(next)
}>(x0, x1)"""

TWISTED = """
out0, out1, out2 = Scan<num_scan_inputs = 2, scan_input_axes = [1, -1],
    scan_input_directions = [1, 0], scan_output_axes = [1, -1], scan_output_directions = [0, 1],
    body = step (s, a, b) => (next, y, z) {
  p = Mul(a, b)
  next = Add(s, p)
  y = Mul(next, a)
  z = Sub(next, b)
}>(x0, x1, x2)"""

SCAN8 = """
out0, out1 = Scan<num_scan_inputs = 2, directions = [0, 1], body = step (s, a, b) => (next, y) {
  p = Mul(s, a)
  next = Add(p, b)
  y = Mul(next, b)
}>(lengths, x0, x1, x2)"""

CHOICE = """
out0 = If(isLarge) <
  then_branch = large () => (v) { v = Mul(x0, x1) },
  else_branch = small () => (v) { v = Sin(x0) }
>"""

GROWING = """
parts = Loop(count, go, none) <body = step (int64 i, bool c, list) => (c_out, longer) {
  c_out = Identity(c)
  one = Constant<value: tensor = int64 {1}>()
  zero = Constant<value: tensor = int64[1] {0}>()
  end = Add(i, one)
  ends = Unsqueeze(end, zero)
  part = Slice(x0, zero, ends, zero)
  squares = Mul(part, part)
  longer = SequenceInsert(list, squares)
}>"""

MAP = """
mapped = SequenceMap(rows, x1) <body = each (row, w) => (y) {
  p = Mul(row, w)
  y = Tanh(p)
}>"""


def twisted(s, a, b):
    ys, zs = [], []
    for t in range(a.shape[1]):
        at, bt = a[:, -1 - t], b[..., t]
        s = s + at * bt
        ys.append(s * at)
        zs.append(s - bt)
    return s, np.stack(ys, axis=1), np.stack(zs[::-1], axis=-1)


def scan8(lengths):
    def formula(s, a, b):
        ends, ys = [], np.zeros_like(b)
        for sample, length in enumerate(lengths):
            state = s[sample]
            for t in range(length):
                back = b[sample, length - 1 - t]
                state = state * a[sample, t] + back
                ys[sample, t] = state * back
            ends.append(state)
        return np.stack(ends), ys
    return formula


def loops() -> list[OpCase]:
    count = {"count": np.array(4, np.int64), "go": np.array(True)}
    most = {"most": np.array(2**63 - 1, np.int64), "go": np.array(True)}
    h, w = spread(3), spread(3, 3, low=-0.8, high=0.9, seed=2)
    return [
        case("Loop", LOOP, inputs=(h, w), constants=count, outputs=2, inner_roundings=16),
        case("Loop", LOOP, inputs=(h, w), variant="opset 11", opset=11, constants=count, outputs=2,
             inner_roundings=16),
        case("Loop", WHILE, inputs=(h,), variant="condition", constants=most, outputs=2,
             inner_roundings=64),
        case("Loop", NESTED, inputs=(h, spread(3, seed=3)), variant="nested",
             constants={**count, "count": np.array(3, np.int64)}, inner_roundings=128),
    ]


def scans() -> list[OpCase]:
    s, x = spread(3), spread(5, 3, seed=2)
    a, b = spread(3, 4, seed=3), spread(3, 4, low=-1.5, high=1.4, seed=4)
    states, xs, ys = spread(2, 3), spread(2, 4, 3, seed=5), spread(2, 4, 3, low=-1, high=1, seed=6)
    lengths = {"lengths": np.array([4, 2], np.int64)}
    return [
        case("Scan", SCAN, inputs=(s, x), outputs=2, inner_roundings=16),
        case("Scan", TWISTED, inputs=(s, a, b), variant="axes and directions", outputs=3,
             formula=twisted, inner_roundings=16),
        case("Scan", SCAN8, inputs=(states, xs, ys), variant="lengths", opset=8, outputs=2,
             constants=lengths, formula=scan8([4, 2]), inner_roundings=64),
    ]


def choices() -> list[OpCase]:
    x, w = spread(2, 3), spread(2, 3, seed=2)
    tests = ("sum = ReduceSum<keepdims = 0>(x1)", "isLarge = Greater(sum, limit)")
    return [case("If", *tests, CHOICE, inputs=(x, w), variant=variant,
                 constants={"limit": np.array(limit)}, inner_roundings=2)
            for variant, limit in (("then", -100.0), ("else", 100.0))]


def sequences() -> list[OpCase]:
    x, w = spread(4, 3), spread(3, seed=2)
    last = {"last": np.array(-1, np.int64), "one": np.array(1, np.int64)}
    count = {"count": np.array(3, np.int64), "go": np.array(True)}
    return [
        case("SequenceAt", "rows = SplitToSequence<keepdims = 0>(x0)", "a = SequenceAt(rows, last)",
             "b = SequenceAt(rows, one)", "out0 = Mul(a, b)", inputs=(x,), constants=last),
        case("ConcatFromSequence", "parts = SplitToSequence<axis = 1>(x0, sizes)",
             "fewer = SequenceErase(parts, one)", "more = SequenceInsert(fewer, x1, zero)",
             "out0 = ConcatFromSequence<axis = 1>(more)", inputs=(x, spread(4, 2, seed=2)),
             constants={"sizes": np.array([1, 2], np.int64), "one": np.array(1, np.int64),
                        "zero": np.array(0, np.int64)}),
        case("SequenceMap", "rows = SplitToSequence<keepdims = 0>(x0)", MAP,
             "out0 = ConcatFromSequence<axis = -1, new_axis = 1>(mapped)", inputs=(x, w), opset=17,
             inner_roundings=2),
        case("Loop", "none = SequenceEmpty()", GROWING,
             "out0 = ConcatFromSequence<axis = 0>(parts)", inputs=(x,), variant="sequence",
             constants=count),
    ]


def all_cases() -> list[OpCase]:
    return [*loops(), *scans(), *choices(), *sequences()]
