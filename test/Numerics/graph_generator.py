"""Random graphs with their values, gradients and how far rounding moves them.

A graph is built operator by operator; every value is computed in f64 and, beside that, a few
times with each result moved up or down by the rounding unit of the type that is to be
tested. What those runs differ by is what a compiled graph may differ by. An operator whose
result would leave the range, or lie too near a kink for that rounding (an argument of Relu
near 0, two equal candidates of a maximum), is not added: another one is tried.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import dataclasses
import math
import random

import numpy as np
import onnx

import graph_ops
from graph_ops import OPERATORS, REDUCTIONS

# Relative distance that a result moves by: f32 with the few units of a polynomial; f16 and
# bf16 as they round, once for the operator and once for what it is made of.
ROUNDING = {"f32": 2.0**-22, "f16": 2.0**-10, "bf16": 2.0**-7}
F32_UNIT = 2.0**-24
# What is lost below the smallest numbers.
UNDERFLOW = {"f32": 2.0**-149, "f16": 2.0**-24, "bf16": 2.0**-133}
NOISY_RUNS = 4
LARGEST_VALUE, LARGEST_GRADIENT = 30.0, 1e4
# Opset 18 turned the axes of reductions into inputs.
OPSETS = (17, 21)
SIZES = (1, 2, 3, 5, 7, 8, 16, 17, 33, 64, 65)
LARGE_SIZES = (130, 257, 300, 1000, 4100, 20000)
MOST_ELEMENTS, MOST_LARGE_ELEMENTS = 6000, 90000


@dataclasses.dataclass
class Node:
    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict


class Graph:
    """Values by name: `runs[0]` are exact, the others rounded at random."""

    def __init__(self, rng: np.random.Generator, dtype: str):
        self.rng, self.dtype = rng, dtype
        self.nodes: list[Node] = []
        self.inputs: dict[str, np.ndarray] = {}
        self.parameters: dict[str, np.ndarray] = {}
        self.constants: dict[str, np.ndarray] = {}
        self.runs: list[dict[str, np.ndarray]] = [{} for _ in range(1 + NOISY_RUNS)]
        self.loss = ""
        self.outputs: list[str] = []
        self.opset = 17

    def shape(self, name: str) -> tuple[int, ...]:
        return self.runs[0][name].shape

    def is_float(self, name: str) -> bool:
        return self.runs[0][name].dtype == np.float64

    def add_leaf(self, name: str, array: np.ndarray, kind: dict[str, np.ndarray]) -> str:
        kind[name] = array
        for run, values in enumerate(self.runs):
            exact = array.astype(np.float64) if array.dtype == np.float32 else array
            values[name] = self.underflowed(self.rounded(exact, run, self.dtype), run)
        return name

    def rounded(self, x: np.ndarray, run: int, dtype: str, below: float = 0.0) -> np.ndarray:
        """As it is in run 0 and where it is no float; else moved by a rounding unit, and by
        `below` where numbers end."""
        if run == 0 or x.dtype != np.float64:
            return x
        moved = x * (1 + ROUNDING[dtype] * self.rng.choice((-1.0, 1.0), x.shape))
        return moved + below * self.rng.choice((-1.0, 1.0), x.shape) * (x != 0) if below else moved

    def underflowed(self, x: np.ndarray, run: int) -> np.ndarray:
        """A float of a run that is rounded, off by the smallest number of the type."""
        if run == 0 or x.dtype != np.float64:
            return x
        return x + UNDERFLOW[self.dtype] * (1 if run % 2 else -1) * (x != 0)

    def mean(self, x: np.ndarray, axes: int | tuple[int, ...], run: int) -> np.ndarray:
        """Over axes that stay as 1: rounded, and off by what a sum in f32 loses, the square
        root of the number of terms for their sizes."""
        mean = self.rounded(x.mean(axes, keepdims=True), run, self.dtype)
        if run == 0:
            return mean
        lost = F32_UNIT * math.sqrt(x.size / mean.size) * abs(x).mean(axes, keepdims=True)
        return mean + lost * self.rng.choice((-1.0, 1.0), mean.shape)

    def attributes(self, node: Node, run: int) -> dict:
        """What OPERATORS look up."""
        return {**node.attributes, "rounded": lambda x: self.rounded(x, run, self.dtype),
                "mean": lambda x, axes: self.mean(x, axes, run)}

    def compute(self, node: Node) -> list[list[np.ndarray]]:
        """The outputs of a node in each run."""
        operator = OPERATORS[node.operator]
        results = []
        for run, values in enumerate(self.runs):
            outputs = operator.forward([values[n] for n in node.inputs],
                                       self.attributes(node, run))
            results.append(outputs if operator.moves else
                           [self.underflowed(self.rounded(y, run, self.dtype), run)
                            for y in outputs])
        return results

    def append(self, node: Node) -> None:
        for values, outputs in zip(self.runs, self.compute(node)):
            values.update(zip(node.outputs, outputs))
        self.nodes.append(node)

    def prune(self) -> None:
        """Drops what neither the loss nor another output needs."""
        needed = {self.loss, *self.outputs}
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                needed.update(node.inputs)
        self.nodes = [n for n in self.nodes if needed.intersection(n.outputs)]
        for leaves in (self.inputs, self.parameters, self.constants):
            for name in [n for n in leaves if n not in needed]:
                del leaves[name]

    def deviation(self, name: str) -> np.ndarray:
        """How far rounding moves each element."""
        return np.max([abs(v[name] - self.runs[0][name]) for v in self.runs[1:]], axis=0)

    def gradients(self, scale: float = 1.0) -> list[dict[str, np.ndarray]]:
        """The gradient of the loss for each value, in each run; in the backward pass f16
        numbers end at their smallest over the loss scale."""
        return [self._differentiate(run, UNDERFLOW[self.dtype] / scale)
                for run in range(len(self.runs))]

    def _differentiate(self, run: int, below: float) -> dict[str, np.ndarray]:
        values = self.runs[run]
        sums = {self.loss: np.ones_like(values[self.loss])}
        for node in reversed(self.nodes):
            given = [sums.get(n) for n in node.outputs]
            if all(g is None for g in given):
                continue
            outputs = [values[n] for n in node.outputs]
            given = [np.zeros_like(y) if g is None else g for g, y in zip(given, outputs)]
            inputs = [values[n] for n in node.inputs]
            found = OPERATORS[node.operator].backward(inputs, outputs, given,
                                                      self.attributes(node, run))
            for name, gradient in zip(node.inputs, found):
                if gradient is None or not self.is_float(name):
                    continue
                gradient = self.rounded(np.asarray(gradient, np.float64), run, self.dtype, below)
                sums[name] = sums[name] + gradient if name in sums else gradient
        return sums

    def model(self, rng: random.Random) -> onnx.ModelProto:
        """As ONNX has it. Integers and constants are initializers or Constant nodes."""
        helper = onnx.helper
        nodes, initializers = [], []

        def constant(name: str, array: np.ndarray) -> str:
            tensor = onnx.numpy_helper.from_array(array, name)
            if rng.random() < 0.5:
                initializers.append(tensor)
            else:
                nodes.append(helper.make_node("Constant", [], [name], value=tensor))
            return name

        for name, array in self.constants.items():
            constant(name, array)
        for i, node in enumerate(self.nodes):
            inputs, attributes = list(node.inputs), dict(node.attributes)
            axes = attributes.pop("axes", None)
            if axes is not None:
                if self.opset >= 18 or node.operator in ("ReduceSum", "Squeeze", "Unsqueeze"):
                    inputs.append(constant(f"axes{i}", np.asarray(axes, np.int64)))
                else:
                    attributes["axes"] = axes
            if node.operator == "Cast":
                attributes["to"] = onnx.TensorProto.FLOAT
            nodes.append(helper.make_node(node.operator, inputs, node.outputs, name=f"node{i}",
                                          **attributes))
        initializers += [onnx.numpy_helper.from_array(x, n) for n, x in self.parameters.items()]

        def info(name: str) -> onnx.ValueInfoProto:
            kind = onnx.TensorProto.FLOAT if self.is_float(name) else onnx.TensorProto.BOOL
            return helper.make_tensor_value_info(name, kind, self.shape(name))

        graph = helper.make_graph(
            nodes, "random", [info(n) for n in self.inputs], [info(n) for n in self.outputs],
            initializers)
        return helper.make_model(graph, ir_version=8,
                                 opset_imports=[helper.make_opsetid("", self.opset)])


class Generator:
    """Draws graphs: all of one seed are equal."""

    def __init__(self, seed: int, dtype: str, most_nodes: int = 60):
        self.random = random.Random(seed)
        self.graph = Graph(np.random.default_rng(seed), dtype)
        self.graph.opset = self.random.choice(OPSETS)
        self.count = self.random.choice((1, 2, 3, 5, 8, 13, 20, 35, most_nodes))
        self.count = self.random.randint(1, min(self.count, most_nodes))
        is_large = self.random.random() < 0.08
        self.most_elements = MOST_LARGE_ELEMENTS if is_large else MOST_ELEMENTS
        sizes = SIZES + LARGE_SIZES if is_large else SIZES
        self.sizes = self.random.sample(sizes, self.random.randint(1, 4))
        self.serial = 0

    # Leaves.

    def fresh(self, letter: str) -> str:
        self.serial += 1
        return f"{letter}{self.serial}"

    def leaf(self, shape: tuple[int, ...], kind: str = "") -> str:
        """A float tensor from outside; of a magnitude from 0.25 to 1.5, away from kinks."""
        g = self.graph
        kind = kind or self.random.choice(("input", "parameter", "parameter", "constant"))
        if kind == "parameter" and not shape:
            shape = (1,)  # of rank 0 would be a constant for the importer
        x = g.rng.uniform(0.25, 1.5, shape)
        if self.random.random() < 0.6:
            x *= g.rng.choice((-1.0, 1.0), shape)
        places = {"input": g.inputs, "parameter": g.parameters, "constant": g.constants}
        return g.add_leaf(self.fresh({"input": "x", "parameter": "p", "constant": "c"}[kind]),
                          np.asarray(x, np.float32), places[kind])

    def integers(self, values: list[int]) -> str:
        return self.graph.add_leaf(self.fresh("i"), np.asarray(values, np.int64),
                                   self.graph.constants)

    def new_shape(self) -> tuple[int, ...]:
        while True:
            shape = tuple(self.random.choice(self.sizes)
                          for _ in range(self.random.choice((1, 2, 2, 3, 3, 4))))
            if math.prod(shape) <= self.most_elements:
                return shape

    def new_shape_of_rank(self, rank: int) -> tuple[int, ...]:
        shape = [self.random.choice(self.sizes[:2]) for _ in range(rank)]
        while math.prod(shape) > self.most_elements:
            shape[shape.index(max(shape))] = 1
        return tuple(shape)

    def any_float(self, least_rank: int = 0) -> str:
        """Mostly of the last ones."""
        g = self.graph
        names = [n for n in g.runs[0] if g.is_float(n) and len(g.shape(n)) >= least_rank]
        if not names or self.random.random() < 0.05:
            return self.leaf(self.new_shape_of_rank(least_rank) if least_rank else
                             self.new_shape())
        if self.random.random() < 0.6:
            return self.random.choice(names[-4:])
        return self.random.choice(names)

    def partner(self, name: str) -> str:
        """Something that broadcasts with `name`, often the value itself or one that is there."""
        g, shape = self.graph, self.graph.shape(name)
        if self.random.random() < 0.1:
            return name
        if self.random.random() < 0.5:
            def fits(other: tuple[int, ...]) -> bool:
                try:
                    return math.prod(np.broadcast_shapes(shape, other)) <= self.most_elements
                except ValueError:
                    return False
            names = [n for n in g.runs[0] if g.is_float(n) and fits(g.shape(n))]
            if names:
                return self.random.choice(names)
        own = [n if self.random.random() < 0.6 else 1 for n in shape]
        return self.leaf(tuple(own[self.random.choice((0, 0, 0, 1, 2)):]))

    # Nodes.

    def add(self, operator: str, inputs: list[str], outputs: int = 1, **attributes) -> bool:
        """Adds a node, unless what it computes is not well conditioned."""
        node = Node(operator, inputs, [self.fresh("v") for _ in range(outputs)], attributes)
        with np.errstate(all="ignore"):
            results = self.graph.compute(node)
        exact = results[0]
        for i, y in enumerate(exact):
            if y.size == 0 or y.size > self.most_elements:
                return False
            if y.dtype != np.float64:
                continue
            if not all(np.isfinite(run[i]).all() for run in results):
                return False
            moved = max(abs(run[i] - y).max() for run in results)
            if abs(y).max() > LARGEST_VALUE or moved > 0.05 * max(0.1, abs(y).max()):
                return False
        self.graph.append(node)
        return True

    def is_away(self, name: str, from_value: float = 0.0) -> bool:
        """Whether rounding is far from taking an element across a value."""
        x, moved = self.graph.runs[0][name], self.graph.deviation(name)
        return bool((abs(x - from_value) > 0.02 + 8 * moved).all())

    def are_apart(self, a: str, b: str) -> bool:
        g = self.graph
        gap = abs(g.runs[0][a] - g.runs[0][b])
        return a == b or bool((gap > 0.001 + 8 * (g.deviation(a) + g.deviation(b))).all())

    def unary(self) -> bool:
        x = self.any_float()
        name = self.random.choice(list(graph_ops.UNARY))
        values = self.graph.runs[0][x]
        if name in ("Sqrt", "Log", "Reciprocal") and not (
                self.is_away(x) and abs(values).min() > 0.2
                and (name == "Reciprocal" or values.min() > 0)):
            return False
        if name in ("Relu", "LeakyRelu", "Elu", "Abs") and not self.is_away(x):
            return False
        alpha = {"alpha": 0.25} if name in ("LeakyRelu", "Elu") else {}
        return self.add(name, [x], **alpha)

    def binary(self) -> bool:
        x = self.any_float()
        y = self.partner(x)
        name = self.random.choice(("Add", "Sub", "Mul", "Mul", "Div", "Max", "Min", "Add"))
        if self.random.random() < 0.3:
            x, y = y, x
        if name == "Div" and not (self.is_away(y) and abs(self.graph.runs[0][y]).min() > 0.2):
            return False
        if name in ("Max", "Min") and (x == y or not self.are_apart(x, y)):
            return False
        return self.add(name, [x, y])

    def power(self) -> bool:
        x = self.any_float()
        values = self.graph.runs[0][x]
        exponent = self.random.choice((2.0, 3.0, 0.5, 1.5, -1.0))
        if exponent not in (2.0, 3.0) and values.min() < 0.2:
            return False
        name = self.graph.add_leaf(self.fresh("c"), np.float32(exponent), self.graph.constants)
        for run in self.graph.runs:  # is no value that is rounded
            run[name] = np.float64(exponent)
        return self.add("Pow", [x, name])

    def variadic(self) -> bool:
        x = self.any_float()
        inputs = [x] + [self.partner(x) for _ in range(self.random.randint(0, 3))]
        try:
            np.broadcast_shapes(*(self.graph.shape(n) for n in inputs))
        except ValueError:
            return False
        return self.add(self.random.choice(("Sum", "Mean")), inputs)

    def reduction(self) -> bool:
        g, x = self.graph, self.any_float(1)
        rank = len(g.shape(x))
        axes = self.random.sample(range(rank), self.random.randint(1, rank))
        if self.random.random() < 0.5:
            axes = [i - rank if self.random.random() < 0.5 else i for i in sorted(axes)]
        axes = None if len(axes) == rank and self.random.random() < 0.5 else axes
        name = self.random.choice([*REDUCTIONS, "ReduceSum", "ReduceMean", "ReduceSum"])
        values = g.runs[0][x]
        along = tuple(range(rank)) if axes is None else tuple(i % rank for i in axes)
        if name in ("ReduceMax", "ReduceMin"):
            rest = [i for i in range(rank) if i not in along]
            def rows(y: np.ndarray) -> np.ndarray:
                return y.transpose(rest + list(along)).reshape(
                    math.prod(y.shape[i] for i in rest), -1)
            ordered = np.sort(rows(values), axis=1)
            gap = 0.001 + 16 * g.deviation(x).max()
            end = ordered[:, -2:] if name == "ReduceMax" else ordered[:, :2]
            if end.shape[1] == 2 and (end[:, 1] - end[:, 0]).min() < gap:
                return False
        if name in ("ReduceProd", "ReduceL1") and not self.is_away(x):
            return False
        if name == "ReduceProd":
            # Of no part of the factors may the product leave the range of f32.
            exponents = np.log2(abs(values))
            if max(np.maximum(sign * exponents, 0).sum(along).max()
                   for sign in (1, -1)) > 100:
                return False
        if name == "ReduceL2" and abs(values).min() < 0.01:
            return False
        return self.add(name, [x], axes=axes, keepdims=self.random.randint(0, 1))

    def reshape(self) -> bool:
        x = self.any_float()
        shape = self.graph.shape(x)
        kind = self.random.choice(("merge", "split", "any", "Flatten", "Squeeze", "Unsqueeze"))
        if kind == "Flatten":
            return len(shape) > 0 and self.add(kind, [x],
                                               axis=self.random.randint(0, len(shape)))
        if kind == "Squeeze":
            axes = [i for i, n in enumerate(shape) if n == 1]
            return bool(axes) and self.add(kind, [x], axes=self.random.sample(axes, 1))
        if kind == "Unsqueeze":
            return len(shape) < 5 and self.add(kind, [x],
                                               axes=[self.random.randint(0, len(shape))])
        sizes = list(shape)
        if kind == "merge" and len(sizes) > 1:
            i = self.random.randrange(len(sizes) - 1)
            sizes[i:i + 2] = [sizes[i] * sizes[i + 1]]
        else:
            if kind == "any":
                sizes = [math.prod(shape)]
            if not sizes:
                return False
            i = self.random.randrange(len(sizes))
            divisors = [d for d in range(1, sizes[i] + 1) if sizes[i] % d == 0][:40]
            d = self.random.choice(divisors)
            sizes[i:i + 1] = [d, sizes[i] // d]
        if len(sizes) > 5:
            return False
        return self.add("Reshape", [x, self.integers(sizes)])

    def transpose(self) -> bool:
        x = self.any_float(2)
        perm = list(range(len(self.graph.shape(x))))
        self.random.shuffle(perm)
        return self.add("Transpose", [x], perm=perm)

    def product(self) -> bool:
        x = self.any_float(1)
        shape = self.graph.shape(x)
        columns = self.random.choice(self.sizes)
        if math.prod(shape[:-1]) * columns > self.most_elements:
            return False
        if len(shape) == 2 and self.random.random() < 0.4:
            trans_a, trans_b = self.random.randint(0, 1), self.random.randint(0, 1)
            rows, inner = shape[::-1] if trans_a else shape
            w = self.leaf((columns, inner) if trans_b else (inner, columns))
            bias = self.random.choice((None, (columns,), (rows, columns), (1, columns), (rows, 1)))
            return self.add("Gemm", [x, w] + ([self.leaf(bias)] if bias else []),
                            alpha=self.random.choice((1.0, 0.5)),
                            beta=self.random.choice((1.0, 0.25)), transA=trans_a,
                            transB=trans_b)
        if len(shape) >= 2 and self.random.random() < 0.3:
            # With its own transpose, or that of one of the same shape.
            same = [n for n in self.graph.runs[0]
                    if self.graph.is_float(n) and self.graph.shape(n) == shape]
            perm = list(range(len(shape)))
            perm[-2:] = perm[:-3:-1]
            if not self.add("Transpose", [self.random.choice(same)], perm=perm):
                return False
            return self.add("MatMul", [x, self.graph.nodes[-1].outputs[0]])
        batch = shape[:-2] if len(shape) > 2 and self.random.random() < 0.4 else ()
        if self.random.random() < 0.1:
            return self.add("MatMul", [x, self.leaf((shape[-1],))])
        if shape[-1] * columns * math.prod(batch) > self.most_elements:
            return False
        return self.add("MatMul", [x, self.leaf((*batch, shape[-1], columns))])

    def choice(self) -> bool:
        """Where, by a constant or by a comparison of what is far from equal."""
        g, x = self.graph, self.any_float()
        y, other = self.partner(x), self.partner(x)
        try:
            shape = np.broadcast_shapes(g.shape(x), g.shape(y), g.shape(other))
        except ValueError:
            return False
        if math.prod(shape) > self.most_elements:
            return False
        if self.random.random() < 0.5:
            mask = g.rng.random(shape[self.random.randint(0, len(shape)):]) < 0.6
            condition = g.add_leaf(self.fresh("m"), mask,
                                   self.random.choice((g.constants, g.inputs)))
        else:
            if x == other or not self.are_apart(x, other):
                return False
            if not self.add(self.random.choice(("Greater", "Less")), [x, other]):
                return False
            condition = g.nodes[-1].outputs[0]
            if self.random.random() < 0.3:
                return (self.add("Cast", [condition])
                        and self.add("Mul", [y, g.nodes[-1].outputs[0]]))
        return self.add("Where", [condition, x, y])

    def softmax(self) -> bool:
        g, x = self.graph, self.any_float(1)
        rank = len(g.shape(x))
        if self.random.random() < 0.3:
            shape = g.shape(x)[self.random.randrange(rank):]
            axes = tuple(range(rank - len(shape), rank))
            if math.prod(shape) < 3 or g.runs[0][x].std(axes).min() < 0.1:
                return False
            return self.add("LayerNormalization",
                            [x, self.leaf(shape)] + [self.leaf(shape)] * self.random.randint(0, 1),
                            axis=-len(shape), epsilon=0.015625)
        return self.add(self.random.choice(("Softmax", "LogSoftmax")), [x],
                        axis=self.random.randrange(-rank, rank))

    def concat(self) -> bool:
        g, x = self.graph, self.any_float(1)
        shape = g.shape(x)
        axis = self.random.randrange(len(shape))
        def fits(other: tuple[int, ...]) -> bool:
            return (len(other) == len(shape)
                    and other[:axis] + other[axis + 1:] == shape[:axis] + shape[axis + 1:])
        names = [n for n in g.runs[0] if g.is_float(n) and fits(g.shape(n))]
        inputs = [x] + [self.random.choice(names) for _ in range(self.random.randint(0, 3))]
        return self.add("Concat", inputs, axis=axis)

    def part(self) -> bool:
        g, x = self.graph, self.any_float(1)
        shape = g.shape(x)
        axis = self.random.randrange(len(shape))
        size = shape[axis]
        kind = self.random.choice(("Slice", "Split", "Gather", "Pad", "Tile", "Expand"))
        if kind == "Slice":
            start = self.random.randrange(size)
            end = self.random.randint(start + 1, size)
            step = self.random.choice((1, 1, 2))
            if self.random.random() < 0.2:  # backwards, to the first element at the earliest
                start, end, step = end - 1, start - 1 if start else -size - 1, -1
            return self.add("Slice", [x] + [self.integers([i]) for i in (start, end, axis, step)])
        if kind == "Split":
            if size < 2:
                return False
            first = self.random.randint(1, size - 1)
            return self.add("Split", [x, self.integers([first, size - first])], outputs=2,
                            axis=axis)
        if kind == "Gather":
            indices = [self.random.randrange(size) for _ in range(self.random.randint(1, 6))]
            return self.add("Gather", [x, self.integers(indices)], axis=axis)
        if kind == "Pad":
            pads = [self.random.choice((0, 0, 1, 2)) for _ in range(2 * len(shape))]
            return self.add("Pad", [x, self.integers(pads)])
        if kind == "Tile":
            repeats = [self.random.choice((1, 1, 2, 3)) for _ in shape]
            return self.add("Tile", [x, self.integers(repeats)])
        wide = [self.random.choice(self.sizes) if n == 1 else n for n in shape]
        wide = [self.random.choice(self.sizes)] * self.random.randint(0, 1) + wide
        if math.prod(wide) > self.most_elements:
            return False
        return self.add("Expand", [x, self.integers(wide)])

    def clip(self) -> bool:
        x = self.any_float()
        low, high = self.random.choice(((-1.0, 1.0), (-0.5, 2.0), (0.0, 6.0)))
        if not (self.is_away(x, low) and self.is_away(x, high)):
            return False
        bounds = []
        for value in (low, high):
            bounds.append(self.graph.add_leaf(self.fresh("c"), np.float32(value),
                                              self.graph.constants))
            for run in self.graph.runs:
                run[bounds[-1]] = np.float64(value)
        return self.add("Clip", [x, *bounds])

    STEPS = ((unary, 5), (binary, 7), (power, 1), (variadic, 1), (reduction, 4), (reshape, 2),
             (transpose, 2), (product, 2), (choice, 2), (softmax, 1), (concat, 1), (part, 2),
             (clip, 1))

    def draw(self) -> Graph:
        """The whole graph, with a loss that all ends reach; its gradients are in range."""
        g = self.graph
        self.leaf(self.new_shape(), "parameter")
        steps, weights = zip(*self.STEPS)
        tries = 0
        while len(g.nodes) < self.count and tries < 40 * self.count:
            tries += 1
            self.random.choices(steps, weights)[0](self)
        self.close()
        return g

    def close(self) -> None:
        """Reduces what nothing reads to scalars, adds these up, and drops unused leaves."""
        g = self.graph
        read = {n for node in g.nodes for n in node.inputs}
        ends = [n for node in g.nodes for n in node.outputs
                if n not in read and g.is_float(n)] or [next(iter(g.parameters))]
        total = ""
        for end in ends:
            if self.random.random() < 0.4 and g.runs[0][end].size > 1:
                end = self.must_add("Mul", [end, self.leaf(g.shape(end), "input")])
            if g.shape(end):
                kind = self.random.choice(("ReduceMean", "ReduceSum"))
                if abs(g.runs[0][end].sum()) > 100:
                    kind = "ReduceMean"
                end = self.must_add(kind, [end], axes=None, keepdims=0)
            total = self.must_add("Add", [total, end]) if total else end
        g.loss = total
        if not any(n in g.gradients()[0] for n in g.parameters):
            mean = self.must_add("ReduceMean", [self.leaf((3,), "parameter")], axes=None,
                                 keepdims=0)
            g.loss = self.must_add("Add", [total, mean])
        g.prune()

    def must_add(self, operator: str, inputs: list[str], **attributes) -> str:
        self.graph.append(Node(operator, inputs, [self.fresh("v")], attributes))
        return self.graph.nodes[-1].outputs[0]
