"""The configurations of ONNX Runtime's own gradient tests (orttraining's gradient_ops_test.cc).

Operators, ranks, broadcasts and attributes are theirs; extents are smaller where differences would
be many; values and tolerance are this suite's. Several are nodes of one model, each with inputs of
its own, so that they are compiled once. `LISTED` says how many configurations of each operator
there are: one that goes lost is an error.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np
import onnx.parser

from elementwise_cases import gelu
from opcase import OpCase, reference_outputs, spread
from window_cases import transposed

# Without those of operators that ONNX does not have (ConcatTraining, PadAndUnflatten, ScaledSum),
# which ampc does not take, and without random ones (Dropout: elementwise_cases.py). Its two
# SoftmaxCrossEntropy are ONNX's SoftmaxCrossEntropyLoss here; its Gelus of com.microsoft are in
# norm_cases.py.
LISTED = {
    "Abs": 1, "Add": 8, "AveragePool": 8, "BatchNormalization": 5, "Cast": 1, "Clip": 3,
    "Concat": 5, "Conv": 11, "ConvTranspose": 5, "Cos": 1, "Div": 8, "Erf": 1, "Exp": 1,
    "Expand": 6, "Flatten": 4, "Gather": 3, "GatherElements": 4, "GatherND": 4, "Gelu": 1,
    "Gemm": 12, "GlobalAveragePool": 2, "LayerNormalization": 2, "LeakyRelu": 1, "Log": 1,
    "LogSoftmax": 3, "MatMul": 12, "Max": 4, "MaxPool": 5, "Min": 4, "Mul": 8, "Neg": 1, "Pad": 3,
    "Pow": 3, "Reciprocal": 1, "ReduceL2": 8, "ReduceLogSumExp": 8, "ReduceMean": 8,
    "ReduceSum": 8, "Relu": 1, "ScatterElements": 4, "ScatterND": 3, "Sigmoid": 1, "Sin": 1,
    "Slice": 4, "Softmax": 3, "SoftmaxCrossEntropyLoss": 8, "Split": 2, "Sqrt": 1, "Squeeze": 4,
    "Sub": 8, "Tanh": 1, "Tile": 3, "TopK": 4, "Transpose": 7, "Trilu": 6, "Unsqueeze": 3,
    "Where": 3,
}


@dataclasses.dataclass(frozen=True)
class Point:
    """One configuration: an operator's attributes, its inputs, and constants behind them."""
    operator: str
    inputs: tuple[np.ndarray, ...]
    attributes: str = ""
    constants: tuple[np.ndarray, ...] = ()
    outputs: int = 1
    unread: int = 0  # outputs behind those that nothing reads
    # The outputs, where ONNX's reference implementation lacks the form or computes it in f32.
    formula: Callable[..., np.ndarray] | None = None

    def values(self, inputs: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        if self.formula:
            return [self.formula(*inputs)]
        return reference_outputs(together("", [dataclasses.replace(self, inputs=inputs)]))


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def some(*shapes: tuple[int, ...], **options) -> tuple[np.ndarray, ...]:
    return tuple(spread(*shape, seed=i + 1, **options) for i, shape in enumerate(shapes))


CUBE = (2, 3, 4)
MOST_ELEMENTS = 300  # of the inputs of a case of several points
# Pairs that broadcast: equal, a number, an element, trailing and leading dimensions, both ways;
# the last two stand for its symbolic ones.
PAIRS = [(CUBE, CUBE), (CUBE, ()), (CUBE, (1,)), ((2, 3), (1, 2, 3)), ((1, 2, 3), (2, 1, 1)),
         ((2, 1, 1, 3), (1, 3, 2, 1)), ((3, 2, 1, 4), (3, 2, 1, 1)), ((2, 2, 3, 3), (2, 1, 1, 3))]


def elementwise() -> Iterator[Point]:
    for name in ("Abs", "Cos", "Erf", "Exp", "Neg", "Relu", "Sigmoid", "Sin", "Tanh", "LeakyRelu"):
        yield Point(name, some(CUBE))
    yield Point("Gelu", some(CUBE), formula=gelu)
    for name in ("Log", "Reciprocal", "Sqrt"):
        yield Point(name, some(CUBE, low=0.3, high=4.0))
    yield Point("Cast", some(CUBE), "to = 11")
    for name in ("Add", "Sub", "Mul"):
        yield from (Point(name, some(*pair)) for pair in PAIRS)
    for one, other in PAIRS:
        yield Point("Div", (spread(*one), spread(*other, low=0.4, high=3.0, seed=2)))
    positive = some(CUBE, low=0.3, high=2.0)
    yield from (Point("Pow", positive, constants=(np.array(x),)) for x in (2.0, 3.0, 0.5))
    for name in ("Max", "Min"):
        # Inputs of one shape are parts of one tensor: no two of their elements are equal.
        all_of = spread(4, *CUBE)
        yield Point(name, (all_of[0],))
        yield Point(name, (all_of[0], all_of[1]))
        yield Point(name, tuple(all_of[:3]))
        yield Point(name, (spread(*CUBE), spread(3, 1, seed=5) + 2.0**-12))
    for limits in ((-1.0, 1.5), (0.25,), (-0.75, 0.5)):
        yield Point("Clip", some(CUBE), constants=tuple(np.array(x) for x in limits))
    condition = spread(*CUBE, seed=9) > 0
    yield Point("Where", (condition, *some(CUBE, CUBE)))
    yield Point("Where", (condition[0], *some(CUBE, (1, 4))))
    yield Point("Where", (condition[:, :1], *some((3, 1), (2, 1, 4))))


def products() -> Iterator[Point]:
    for pair in (((2, 2), (2, 3)), ((2, 3, 2), (2, 2, 3)), (CUBE, (4, 2)), ((3, 4), (2, 4, 2)),
                 ((2, 1, 3, 2), (2, 1, 2, 3)), ((2, 2, 3, 2), (2, 3)), ((2, 2, 3, 2), (2, 2, 3)),
                 ((2, 1, 3, 2), (1, 3, 2, 3)), ((2, 3), (2, 2, 3, 2)), ((3, 2), (2,)),
                 ((2,), (2, 3)), ((3,), (3,))):
        yield Point("MatMul", some(*pair))
    a, b = (2, 4), (4, 3)
    for more in ((), ((),), ((1,),), ((3,),), ((1, 3),), ((2, 3),), ((2, 1),)):
        yield Point("Gemm", some(a, b, *more))
    yield Point("Gemm", some(a[::-1], b, (2, 3)), "transA = 1")
    yield Point("Gemm", some(a, b[::-1], (2, 3)), "transB = 1")
    yield Point("Gemm", some(a[::-1], b[::-1], (2, 3)), "transA = 1, transB = 1")
    for more in ((2, 3), (3,)):
        yield Point("Gemm", some(a, b, more), "alpha = 0.7, beta = 5.0")


def reductions() -> Iterator[Point]:
    axes = [(None, 1), ((0, 1, 2), 0), ((0, 2), 1), ((0, 1), 0), ((1,), 1), ((2,), 0), ((-2,), 1),
            ((-2, -1), 0)]
    for name, (along, keeps) in itertools.product(
            ("ReduceMean", "ReduceSum", "ReduceL2", "ReduceLogSumExp"), axes):
        known = () if along is None else (ints(*along),)
        yield Point(name, some((4, 3, 2)), f"keepdims = {keeps}", known)
    for name in ("Softmax", "LogSoftmax"):
        for axis in (-1, 0, 2):
            yield Point(name, some((3, 4, 5)), f"axis = {axis}")
    for i, reduction in enumerate(("none", "mean", "sum")):
        labels = np.arange(8) * 3 % 7
        yield Point("SoftmaxCrossEntropyLoss", (spread(8, 7), labels),
                    f'reduction = "{reduction}"')
        weights = spread(7, low=0.25, high=1.75, seed=i)
        yield Point("SoftmaxCrossEntropyLoss", (spread(8, 7), labels),
                    f'reduction = "{reduction}"', (weights,))
    for reduction in ("mean", "sum"):
        yield Point("SoftmaxCrossEntropyLoss",
                    (spread(2, 11, 3, 2), np.arange(12).reshape(2, 3, 2) * 5 % 11),
                    f'reduction = "{reduction}"')


def norms() -> Iterator[Point]:
    for shape in ((3, 3, 2, 4), (3, 1, 2, 4), (1, 4, 2), (1, 4, 3), (3, 2, 1, 3, 2, 2)):
        channels = (shape[1],)
        state = (np.zeros(channels), np.ones(channels))
        text = "training_mode = 1" + (", epsilon = 0.00001" if shape != (1, 4, 3) else "")
        yield Point("BatchNormalization", some(shape, channels, channels), text, state, unread=2)
    yield Point("LayerNormalization", some(CUBE, (4,), (4,)), "axis = -1")
    yield Point("LayerNormalization", some(CUBE, (3, 4), (3, 4)), "axis = 1")


def windows() -> Iterator[Point]:
    for shape, text in (((2, 2, 9), "kernel_shape = [2]"),
                        ((2, 3, 5, 5), "kernel_shape = [2, 2], strides = [1, 1]"),
                        ((1, 1, 5, 5), "kernel_shape = [3, 3], pads = [2, 2, 2, 2]"),
                        ((2, 1, 3, 3, 3), "kernel_shape = [2, 2, 2]")):
        yield Point("MaxPool", some(shape), text)
    # Its images have three or four channels; each is for itself, and differences are many here.
    for shape, text in (
            ((1, 2, 8), "kernel_shape = [2], strides = [2]"),
            ((1, 2, 8, 8), "kernel_shape = [2, 2], strides = [1, 1]"),
            ((1, 1, 4, 4, 4), "kernel_shape = [2, 2, 2], strides = [2, 2, 2]"),
            ((1, 2, 8), "kernel_shape = [3], strides = [3], pads = [1, 0]"),
            ((1, 1, 7, 8), "kernel_shape = [3, 2], strides = [3, 2], pads = [1, 0, 1, 0], "
                           "count_include_pad = 1"),
            ((1, 1, 7, 7), "kernel_shape = [3, 3], strides = [3, 3], pads = [1, 1, 1, 1]"),
            ((1, 1, 5, 5, 5), "kernel_shape = [3, 3, 3], strides = [3, 3, 3], "
                              "pads = [1, 1, 1, 0, 0, 0]"),
            ((1, 1, 4, 4, 4), "kernel_shape = [3, 3, 3], strides = [3, 3, 3], "
                              "pads = [1, 1, 1, 1, 1, 1], count_include_pad = 1")):
        yield Point("AveragePool", some(shape), text)
    yield Point("GlobalAveragePool", some((2, 3, 5, 5)))
    yield Point("GlobalAveragePool", some((2, 1, 3, 3)))
    yield Point("MaxPool", some((1, 1, 32, 32), low=-8.0, high=8.0),
                "kernel_shape = [5, 5], strides = [3, 3]")


def convolutions() -> Iterator[Point]:
    line, image, volume = (2, 2, 5), (2, 1, 7, 5), (1, 1, 4, 4, 3)
    yield Point("Conv", some(line, (2, 2, 3), (2,)))
    yield Point("Conv", some(line, (2, 2, 3), (2,)), "pads = [1, 1], strides = [2]")
    yield Point("Conv", some(line, (2, 1, 3), (2,)), "group = 2, pads = [1, 1]")
    yield Point("Conv", some(line, (2, 2, 3)), "dilations = [2]")
    yield Point("Conv", some((2, 1, 5, 5), (1, 1, 3, 3), (1,)), "pads = [1, 1, 1, 1]")
    yield Point("Conv", some(image, (1, 1, 3, 3), (1,)), "pads = [1, 1, 1, 1], strides = [2, 2]")
    yield Point("Conv", some((2, 2, 4, 4), (2, 1, 3, 3), (2,)), "group = 2, pads = [1, 1, 1, 1]")
    yield Point("Conv", some(image, (1, 1, 3, 3), (1,)), "dilations = [2, 2], pads = [2, 2, 2, 2]")
    yield Point("ConvTranspose", some((2, 2, 3), (2, 2, 3), (2,)))
    yield Point("ConvTranspose", some((2, 1, 3, 3), (1, 1, 3, 3), (1,)))
    yield Point("ConvTranspose", some((2, 1, 3, 3), (1, 1, 3, 3), (1,)),
                "strides = [2, 2], pads = [1, 1, 1, 1]")
    yield Point("ConvTranspose", some((1, 2, 3, 3), (2, 1, 2, 2), (2,)), "group = 2",
                formula=lambda x, w, b: b[:, None, None] + transposed(
                    x, w, (4, 4), (1, 1), (0, 0), groups=2))
    yield Point("ConvTranspose", some((1, 1, 3, 2), (1, 2, 2, 2), (2,)),
                "strides = [2, 1], dilations = [2, 2]")
    # Of three dimensions; its images are 5 by 5 by 5.
    yield Point("Conv", some(volume, (1, 1, 3, 3, 3), (1,)), "pads = [1, 1, 1, 1, 1, 1]")
    yield Point("Conv", some(volume, (1, 1, 3, 3, 3), (1,)),
                "pads = [1, 1, 1, 1, 1, 1], strides = [2, 2, 2]")
    yield Point("Conv", some(volume, (1, 1, 2, 2, 2)), "dilations = [2, 2, 2]")


def layouts() -> Iterator[Point]:
    for shape, count, axis in (((2,), 3, 0), ((2, 2), 3, 1), ((1, 2, 3), 3, 2)):
        yield Point("Concat", some(*[shape] * count), f"axis = {axis}")
    for axis in (1, -1):
        yield Point("Concat", some((2, 2), (2, 4)), f"axis = {axis}")
    yield Point("Split", some((9, 5)), "axis = 0", (ints(3, 3, 3),), outputs=3)
    yield Point("Split", some((9, 5)), "axis = 1", (ints(2, 3),), outputs=2)
    yield Point("Transpose", some(CUBE))
    for order in itertools.permutations(range(3)):
        yield Point("Transpose", some(CUBE), f"perm = {list(order)}")
    for axes in ((0, 3), (0, 1), (0, 2, 4)):
        yield Point("Unsqueeze", some((2, 3)), constants=(ints(*axes),))
    for shape, axes in (((1, 2, 3, 1), (0, 3)), ((1, 1, 2, 3, 4), (0, 1)),
                        ((1, 2, 1, 3, 1), (0, 2, 4)), ((1, 2, 1, 3, 1), (2,))):
        yield Point("Squeeze", some(shape), constants=(ints(*axes),))
    for axis in (0, 1, 2, -2):
        yield Point("Flatten", some(CUBE), f"axis = {axis}")
    for shape, wanted in (((2, 3, 1), (2, 3, 4)), ((1, 3), (2, 3)), ((3, 1), (2, 1, 6)),
                          ((), (2, 3)), ((1, 1, 3), (2, 2, 1)), ((2, 3), (1, 1))):
        yield Point("Expand", some(shape), constants=(ints(*wanted),))
    yield Point("Tile", some((2, 3)), constants=(ints(2, 2),))
    yield Point("Tile", some((4,)), constants=(ints(3),))
    yield Point("Tile", some((2, 3, 1)), constants=(ints(1, 2, 3),))
    for pads in ((0, 2, 1, 1), (1, 1, 0, 1), (1, 0, 0, 0)):
        yield Point("Pad", some((3, 4)), constants=(ints(*pads),))
    for starts, ends, axes, steps in (((0, 1), (2, 3), (0, 1), (1, 1)), ((1,), (-1,), (2,), (2,)),
                                      ((-1,), (-5,), (2,), (-1,)),
                                      ((0, 0), (9, 9), (0, 2), (1, 3))):
        yield Point("Slice", some(CUBE),
                    constants=(ints(*starts), ints(*ends), ints(*axes), ints(*steps)))
    for upper, k in itertools.product((0, 1), (-1, 0, 1)):
        yield Point("Trilu", some((2, 3, 5)), f"upper = {upper}", (np.array(k),))


def places() -> Iterator[Point]:
    yield Point("Gather", (*some((5, 4, 3, 2)), ints(0, 3, 4, 3)), "axis = 0")
    yield Point("Gather", (*some((2, 4, 3, 2)), np.array([[0, 3], [1, 1]])), "axis = 1")
    yield Point("Gather", (*some((3, 2)), ints(2)), "axis = 0")
    yield Point("GatherND", (*some((2, 2)), np.array([[0, 1], [1, 0]])))
    yield Point("GatherND", (*some((2, 2, 3)), np.array([[1], [0], [1]])))
    yield Point("GatherND", (*some((2, 2, 2)), np.array([[1], [0]])), "batch_dims = 1")
    yield Point("GatherND", (*some((2, 2, 2, 2)), np.array([[[0], [1]], [[1], [1]]])),
                "batch_dims = 2")
    for shape, index, axis in (((3, 3), [[1, 2, 0], [2, 0, 0]], 0), ((2, 2), [[0, 0], [1, 0]], 1),
                               ((1, 3), [[2, 0, 2]], 1), ((2, 2, 2), [[[0, 1]], [[1, 1]]], 1)):
        yield Point("GatherElements", (*some(shape), np.array(index)), f"axis = {axis}")
    for axis in (0, 1, 2, -1):
        yield Point("TopK", some((2, 2, 2)), f"axis = {axis}", (ints(1),), unread=1)
    for shape, index, axis in (((3, 3), [[1, 2, 0], [2, 0, 1]], 0), ((2, 3), [[2, 0], [1, 2]], 1),
                               ((1, 5), [[1, 3]], 1), ((2, 2, 2), [[[1, 0], [0, 1]]], 0)):
        x, updates = some(shape, np.shape(index))
        yield Point("ScatterElements", (x, np.array(index), updates), f"axis = {axis}")
    x, updates = some((8,), (4,))
    yield Point("ScatterND", (x, np.array([[4], [3], [1], [7]]), updates))
    x, updates = some((2, 2, 2), (2, 2))
    yield Point("ScatterND", (x, np.array([[0, 1], [1, 0]]), updates))
    x, updates = some((2, 2, 2), (1, 2, 2))
    yield Point("ScatterND", (x, np.array([[1]]), updates))


def together(name: str, points: list[Point]) -> OpCase:
    """The points as nodes of one model."""
    lines, inputs, constants, outputs = [], [], {}, 0
    for k, point in enumerate(points):
        arguments = []
        for x in point.inputs:
            arguments.append(f"x{len(inputs)}")
            inputs.append(x)
        for i, constant in enumerate(point.constants):
            arguments.append(f"c{k}_{i}")
            constants[f"c{k}_{i}"] = constant
        results = [f"out{outputs + i}" for i in range(point.outputs)]
        outputs += point.outputs
        results += [f"unread{k}_{i}" for i in range(point.unread)]
        attributes = f" <{point.attributes}>" if point.attributes else ""
        lines.append(f"{', '.join(results)} = {point.operator}{attributes} "
                     f"({', '.join(arguments)})")

    def values(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        left = iter(arrays)
        return tuple(value for point in points for value in
                     point.values(tuple(itertools.islice(left, len(point.inputs)))))

    nodes = tuple(onnx.parser.parse_node(line) for line in lines)
    return OpCase("listed", name, nodes, tuple(inputs), constants, 20, outputs, types=(),
                  formula=values if len(points) > 1 else points[0].formula)


def all_cases() -> list[OpCase]:
    """Each case has few elements: each is a point, at which all of the case is computed."""
    cases = []
    for group in (elementwise, products, reductions, norms, windows, convolutions, layouts, places):
        chosen, elements = [], 0
        for point in [*group(), None]:
            size = sum(x.size for x in point.inputs) if point else MOST_ELEMENTS
            if chosen and elements + size > MOST_ELEMENTS:
                number = sum(case.variant.startswith(group.__name__) for case in cases) + 1
                cases.append(together(f"{group.__name__} {number}", chosen))
                chosen, elements = [], 0
            if point:
                chosen.append(point)
                elements += size
    return cases


def lost_cases(cases: list[OpCase]) -> list[str]:
    """What of `LISTED` is in none of the cases, each in words."""
    counts: dict[str, int] = {}
    for case in cases:
        for node in case.nodes if case.operator == "listed" else ():
            counts[node.op_type] = counts.get(node.op_type, 0) + 1
    return [f"{name} has {counts.get(name, 0)} of the {count} listed configurations"
            for name, count in LISTED.items() if counts.get(name, 0) != count]
