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
    # No gradient flows through these: it does beside them.
    cases += [graph_case("ScatterElements", f"""
        s = ScatterElements <reduction = "{reduction}"> (c, i, u)
        out0 = Mul(s, x0)""", x, variant=reduction, opset=18,
                         constants={"c": x, "i": doubled, "u": updates})
              for reduction in ("mul", "max", "min")]
    return cases


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
    return [*layout(), *parts(), *chosen(), *scattered(), *sorted_out(), *shapes()]
