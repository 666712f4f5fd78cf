"""Points for the operators that move elements or only look at shapes.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np

from opcase import OpCase, graph_case, op_case, spread


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def layout() -> list[OpCase]:
    x = spread(2, 3, 4)
    return [
        op_case("Reshape", x, constants=(ints(4, 6),)),
        op_case("Reshape", x, variant="0 and -1", constants=(ints(0, -1),)),
        op_case("Reshape", spread(1, 1), variant="to rank 0",
                constants=(np.zeros(0, np.int64),)),
        op_case("Flatten", x), op_case("Flatten", x, variant="axis 0", axis=0),
        op_case("Flatten", x, variant="negative", axis=-1),
        op_case("Transpose", x), op_case("Transpose", x, variant="perm", perm=[1, 2, 0]),
        op_case("Transpose", spread(2, 1, 3, 2), variant="rank 4", perm=[0, 2, 1, 3]),
        op_case("Squeeze", spread(1, 3, 1)),
        op_case("Squeeze", spread(1, 3, 1), variant="axes", constants=(ints(-1),)),
        op_case("Squeeze", spread(1, 3, 1), variant="opset 11", opset=11, axes=[0]),
        op_case("Unsqueeze", spread(3, 2), constants=(ints(0, -1),)),
        op_case("Unsqueeze", spread(3, 2), variant="opset 11", opset=11, axes=[1]),
        op_case("Expand", spread(3, 1), constants=(ints(2, 1, 4),)),
        op_case("Expand", spread(3, 1), variant="smaller shape", constants=(ints(1, 4),)),
        op_case("Tile", spread(2, 3), constants=(ints(2, 3),)),
        op_case("Tile", spread(2, 1, 2), variant="rank 3", constants=(ints(1, 4, 2),)),
    ]


def parts() -> list[OpCase]:
    x = spread(4, 6)
    return [
        op_case("Concat", spread(2, 3), spread(1, 3, seed=2), axis=0),
        op_case("Concat", spread(2, 3), spread(2, 1, seed=2), spread(2, 2, seed=3),
                variant="negative axis", axis=-1),
        op_case("Concat", spread(2, 2, 3), spread(2, 4, 3, seed=2), variant="middle", axis=1),
        graph_case("Concat", "out0 = Concat <axis = 0> (x0, x0)", spread(2, 2),
                   variant="twice the same"),
        graph_case("Concat", "t0 = Exp(x0)\nt1 = Mul(x1, x1)\n"
                   "t2 = Concat <axis = 1> (t0, t1, x2)\nout0 = Tanh(t2)",
                   spread(3, 4), spread(3, 8, seed=2), spread(3, 5, seed=3),
                   variant="of results"),
        graph_case("Concat", "t0 = Concat <axis = 0> (x0, x1, x0)\n"
                   "out0 = Softmax <axis = 0> (t0)", spread(2, 3), spread(1, 3, seed=2),
                   variant="softmax"),
        op_case("Split", x, outputs=2, axis=1, num_outputs=2),
        op_case("Split", x, variant="sizes", constants=(ints(1, 3, 2),), outputs=3, axis=-1),
        op_case("Split", spread(2, 7), variant="uneven", outputs=4, axis=1, num_outputs=4),
        op_case("Split", x, variant="opset 11", opset=11, outputs=2, axis=0, split=[1, 3]),
        op_case("Slice", x, constants=(ints(1, 0), ints(3, 5))),
        op_case("Slice", x, variant="steps", constants=(ints(0), ints(6), ints(1), ints(2))),
        op_case("Slice", x, variant="backwards",
                constants=(ints(-1, 3), ints(-10, 0), ints(1, 0), ints(-2, -1))),
        op_case("Slice", x, variant="third places",
                constants=(ints(4), ints(-9), ints(1), ints(-3))),
        graph_case("Slice", "t0 = Slice(x0, start, start, axis)\n"
                   "out0 = Concat <axis = 1> (t0, x1, t0)", x, spread(4, 2, seed=2),
                   constants={"start": ints(3), "axis": ints(1)}, variant="empty"),
        graph_case("Slice", "t0 = Mul(x0, x1)\n"
                   "t1 = Slice(t0, starts, ends, axes)\nout0 = Add(t1, x2)",
                   spread(4, 8), spread(4, 8, seed=2), spread(2, 5, seed=3),
                   constants={"starts": ints(1, 2), "ends": ints(3, 7), "axes": ints(0, 1)},
                   variant="of a product"),
        op_case("Slice", x, variant="opset 9", opset=9, axes=[0, 1], starts=[1, -4],
                ends=[4, -1]),
        op_case("Pad", x, constants=(ints(1, 0, 0, 2),)),
        op_case("Pad", spread(2, 3), variant="value", constants=(ints(0, 1, 1, 0),
                                                                 np.array(1.5))),
        op_case("Pad", spread(2, 3), variant="negative", constants=(ints(0, -1, 1, 0),),
                formula=lambda x: np.pad(x[:, 1:], ((0, 1), (0, 0)))),
        op_case("Pad", spread(3, 4), variant="axes", constants=(ints(1, 2), None, ints(1))),
        op_case("Pad", spread(2, 1, 3, 4), variant="borders",
                constants=(ints(0, 1, 2, 1, 0, 0, 1, 3), np.array(-1.0))),
        op_case("Pad", spread(2, 3), variant="opset 2", opset=10, pads=[1, 0, 0, 1],
                value=0.5),
    ]


def chosen() -> list[OpCase]:
    x, many = spread(5, 3), np.arange(40) * 7 % 11  # each of 11 rows several times
    return [
        op_case("Gather", x, ints(4, 0, 4, 4, 2)),
        op_case("Gather", x, ints(-1, 1, -5), variant="negative"),
        op_case("Gather", x, np.array([[0, 1], [3, 1]], np.int32), variant="i32, rank 2"),
        op_case("Gather", x, np.array(2), variant="rank 0"),
        op_case("Gather", spread(2, 4, 3), ints(3, 1, 3), variant="middle axis", axis=1),
        op_case("Gather", spread(2, 4), np.array([[1, 0, 1]]), variant="last axis", axis=-1),
        op_case("Gather", spread(13, 2), many, variant="many"),
        op_case("Gather", x, ints(1, 3), variant="opset 1", opset=10),
        op_case("Gather", x, variant="known", constants=(ints(4, 1, 1),)),
        op_case("ReverseSequence", spread(4, 3, 2), ints(2, 4, 1)),
        op_case("ReverseSequence", spread(3, 4), ints(1, 3, 4), variant="batch first",
                time_axis=1, batch_axis=0),
        op_case("Gather", x, variant="one known", constants=(np.array(-2),), axis=1),
        graph_case("Gather", """
            s = Shape(x0)
            i = Constant <value_int = 1> ()
            n = Gather(s, i)
            f = CastLike(n, x0)
            out0 = Mul(f, x0)""", x, variant="of a shape"),
    ]


def replaced(x: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    result = x.copy()
    np.put_along_axis(result, indices, updates, 0)
    return result


def scattered() -> list[OpCase]:
    x, updates = spread(4, 3), spread(2, 3, seed=2)
    rows = np.array([[1, 0, 2], [0, 2, 3]])  # each place once
    doubled = np.array([[1, -4, 2], [1, 2, -2]])
    cases = [
        op_case("ScatterElements", x, rows, updates),
        op_case("ScatterElements", x, doubled.astype(np.int32), updates, variant="doubled"),
        op_case("ScatterElements", spread(2, 6), np.array([[1, -1, 5, 0, 1], [2, 2, 2, 0, 4]]),
                spread(2, 5, seed=2), variant="last axis", axis=-1),
        op_case("ScatterElements", x, np.array([[3, 1]]), spread(1, 2, seed=2),
                variant="narrower"),
        op_case("ScatterElements", spread(2, 3, 4), np.zeros((2, 2, 4), np.int64),
                spread(2, 2, 4, seed=2), variant="middle axis", axis=1),
        op_case("ScatterElements", x, rows, updates, variant="opset 11", opset=11),
        op_case("Scatter", x, rows, updates, opset=10, formula=replaced),
        op_case("GatherElements", x, doubled),
        op_case("GatherElements", spread(2, 3), np.array([[2, -1, 0, 2], [1, 1, 0, 0]], np.int32),
                variant="last axis", axis=1),
        op_case("GatherElements", x, rows, variant="opset 11", opset=11),
    ]
    cases += [op_case("ScatterElements", x, doubled, updates, variant="add",
                      opset=opset, reduction="add") for opset in (16, 18)]
    # Products, also with zeros among the factors; extrema without ties: a difference quotient
    # has no value at those.
    zeros, none = x.copy(), updates.copy()
    zeros[1, 0] = zeros[2, 1] = 0
    none[0, 2] = 0
    cases += [
        op_case("ScatterElements", x, doubled, updates, variant="mul", opset=18, reduction="mul"),
        op_case("ScatterElements", zeros, doubled, none, variant="mul zeros", opset=18,
                reduction="mul"),
        op_case("ScatterElements", x, doubled, updates + 2.0**-6, variant="max", opset=18,
                reduction="max"),
        op_case("ScatterElements", x, doubled, updates + 2.0**-6, variant="min", opset=18,
                reduction="min"),
    ]
    return cases


def tuples() -> list[OpCase]:
    x = spread(3, 4, 2)
    pairs, doubled = np.array([[0, 1], [-1, -4], [2, 3]]), np.array([[1], [-2], [0]])
    cases = [
        op_case("GatherND", x, pairs),
        op_case("GatherND", x, np.array([[[1], [0]], [[2], [-3]]]), variant="slices"),
        op_case("GatherND", x, np.array([[0, 1, 1], [2, 3, 0]]), variant="elements"),
        op_case("GatherND", x, np.array([[[1], [3]], [[0], [-1]], [[2], [2]]]), variant="batch",
                batch_dims=1),
        op_case("GatherND", x, variant="known", constants=(pairs,)),
        op_case("GatherND", x, pairs, variant="opset 11", opset=11),
        op_case("ScatterND", x, pairs, spread(3, 2, seed=2)),
        op_case("ScatterND", x, np.array([[[0, 1, 0]], [[2, -1, 1]]]), spread(2, 1, seed=2),
                variant="elements"),
        op_case("ScatterND", x, variant="known", fixed=(), constants=(pairs, spread(3, 2, seed=2))),
        op_case("ScatterND", x, pairs, spread(3, 2, seed=2), variant="opset 11", opset=11),
    ]
    cases += [op_case("ScatterND", x, doubled, spread(3, 4, 2, seed=2) + 2.0**-6,
                      variant=reduction, opset=18, reduction=reduction)
              for reduction in ("add", "mul", "max", "min")]
    return cases


def one_hot(indices: np.ndarray, values: np.ndarray, axis: int, depth: int = 5) -> np.ndarray:
    """ONNX's reference takes an index out of range modulo the depth."""
    places = np.where(indices < 0, indices + depth, indices)[..., None] == np.arange(depth)
    return np.moveaxis(np.where(places, values[1], values[0]), -1, axis)


def places() -> list[OpCase]:
    """Operators that choose by where an element stands."""
    x, depth = spread(2, 3, 4), np.array(5)
    return [
        op_case("Trilu", x), op_case("Trilu", x, variant="lower", upper=0),
        op_case("Trilu", x, variant="k", constants=(np.array(-1),)),
        op_case("Trilu", x, variant="lower, k", upper=0, constants=(np.array(2),)),
        op_case("Trilu", spread(40, 30), variant="large", constants=(np.array(1),)),
        graph_case("OneHot", "out0 = OneHot(x0, depth, x1)", np.array([[0, 3, -1], [4, 7, -5]]),
                   np.array([0.25, 1.5]), constants={"depth": depth},
                   formula=lambda i, v: one_hot(i, v, -1)),
        graph_case("OneHot", "out0 = OneHot <axis = 0> (x0, depth, x1)", np.array([1, -2, 9]),
                   np.array([0.25, 1.5]), constants={"depth": depth}, variant="axis 0",
                   formula=lambda i, v: one_hot(i, v, 0)),
        graph_case("ArgMax", """
            i = ArgMax <axis = 1, keepdims = 0> (x0)
            f = CastLike(i, x0)
            out0 = Mul(x1, f)""", spread(3, 5), spread(3, seed=2), fixed=frozenset({0})),
        graph_case("ArgMin", """
            i = ArgMin <axis = 0> (x0)
            f = CastLike(i, x0)
            out0 = Mul(x1, f)""", spread(3, 5), spread(1, 5, seed=2), fixed=frozenset({0})),
        graph_case("Range", """
            r = Range(start, limit, delta)
            f = CastLike(r, x0)
            out0 = Mul(x0, f)""", spread(5), constants={
                "start": np.array(3), "limit": np.array(-6), "delta": np.array(-2)}),
        graph_case("Range", """
            r = Range(start, limit, delta)
            out0 = Mul(x0, r)""", spread(4), variant="floats", constants={
                "start": np.array(0.5), "limit": np.array(2.5), "delta": np.array(0.5)}),
        graph_case("EyeLike", """
            e = EyeLike <k = 1> (x0)
            out0 = Mul(x0, e)""", spread(3, 4)),
        graph_case("Compress", "out0 = Compress <axis = 1> (x0, c)", spread(2, 4),
                   constants={"c": np.array([True, False, True])}),
        graph_case("Compress", "out0 = Compress(x0, c)", spread(2, 3), variant="flat",
                   constants={"c": np.array([False, True, True, False, True])}),
    ]


def sorted_out() -> list[OpCase]:
    x, k = spread(3, 7), {"k": ints(3)}
    return [
        graph_case("TopK", "out0, i = TopK(x0, k)", x, constants=k),
        graph_case("TopK", "out0, i = TopK <largest = 0> (x0, k)", x, variant="smallest",
                   constants=k),
        graph_case("TopK", "out0, i = TopK <axis = 0> (x0, k)", spread(40, 2),
                   variant="columns", constants=k),
        graph_case("TopK", """
            v, i = TopK(x0, k)
            f = CastLike(i, x0)
            out0 = Mul(f, v)""", x, variant="indices", constants=k),
        graph_case("TopK", "out0, i = TopK(x0, k)", x, variant="opset 10", opset=10,
                   constants=k),
        graph_case("TopK", "out0, i = TopK <k = 2> (x0)", x, variant="opset 1", opset=9),
        graph_case("TopK", "out0, i = TopK(x0, k)", spread(2, 300), variant="few of many",
                   constants={"k": ints(5)}),
        graph_case("TopK", "out0, i = TopK <largest = 0> (x0, k)", spread(2, 300),
                   variant="many", constants={"k": ints(90)}),
    ]


def shapes() -> list[OpCase]:
    """Operators whose result hangs on the shape alone: nothing flows through them."""
    x = spread(2, 3)
    return [
        graph_case("Shape", """
            s = Shape(x0)
            f = CastLike(s, x1)
            out0 = Mul(f, x1)""", x, spread(2, seed=2)),
        graph_case("Size", """
            n = Size(x0)
            f = CastLike(n, x0)
            out0 = Mul(f, x0)""", x),
        graph_case("ConstantOfShape", """
            s = Shape(x0)
            c = ConstantOfShape(s)
            f = CastLike(c, x0)
            out0 = Sub(f, x0)""", x),
        graph_case("Expand", """
            s = Shape(x0)
            out0 = Expand(x1, s)""", x, spread(1, 3, seed=2), variant="as another"),
    ]


def all_cases() -> list[OpCase]:
    return [*layout(), *parts(), *chosen(), *scattered(), *tuples(), *places(),
            *sorted_out(), *shapes()]
