"""Points for matrix products, distances, reductions, normalizations and losses.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np

from opcase import OpCase, graph_case, op_case, spread
from shape_cases import ints


def products() -> list[OpCase]:
    a, b = spread(3, 4), spread(4, 2, seed=2)
    cases = [
        op_case("MatMul", a, b),
        op_case("MatMul", spread(2, 3, 4), b, variant="3 by 2"),
        op_case("MatMul", a, spread(2, 4, 5, seed=2), variant="2 by 3"),
        op_case("MatMul", spread(2, 3, 4), spread(2, 4, 2, seed=2), variant="batched"),
        op_case("MatMul", spread(2, 1, 3, 2), spread(1, 3, 2, 3, seed=2),
                variant="batches broadcast"),
        op_case("MatMul", spread(4), b, variant="row vector"),
        op_case("MatMul", a, spread(4, seed=2), variant="column vector"),
        op_case("MatMul", spread(4), spread(4, seed=2), variant="dot"),
        op_case("MatMul", spread(2, 3, 4), spread(4, seed=2), variant="3 by vector"),
        op_case("Gemm", a, b),
        op_case("Gemm", a, b, spread(2, seed=3), variant="bias"),
        op_case("Gemm", a, b, np.array(0.5), variant="rank 0 bias", alpha=0.7, beta=1.5,
                inner_roundings=2),
        op_case("Gemm", a, b, spread(1, 2, seed=3), variant="row bias", beta=0.5),
        op_case("Gemm", a, b, spread(3, 1, seed=3), variant="column bias", alpha=0.7,
                inner_roundings=2),
        op_case("Gemm", a, b, spread(3, 2, seed=3), variant="full bias", alpha=0.7, beta=5.0,
                inner_roundings=2),
        op_case("Gemm", a, b, spread(3, 2, seed=3), variant="opset 6", opset=6, alpha=2.0),
    ]
    for left in (0, 1):
        for right in (0, 1):
            cases.append(op_case(
                "Gemm", a.T.copy() if left else a, b.T.copy() if right else b,
                spread(2, seed=3), variant=f"trans {left}{right}", transA=left, transB=right,
                alpha=0.7, beta=1.25, inner_roundings=2))
    return cases


def einsums() -> list[OpCase]:
    def einsum(equation: str, *inputs: np.ndarray, **options) -> OpCase:
        return op_case("Einsum", *inputs, variant=equation, equation=equation, **options)

    a, b, square = spread(3, 4), spread(4, 2, seed=2), spread(3, 3)
    return [
        einsum("ij,jk->ik", a, b), einsum("ij,kj->ki", a, spread(2, 4, seed=2)),
        einsum("ij,jk", a, b), einsum("ji->ij", a), einsum("ij->", a), einsum("ij->j", a),
        einsum("ii->i", square), einsum("ii->", square), einsum("iji->ij", spread(3, 2, 3)),
        einsum("i,j->ij", spread(3), spread(4, seed=2)),
        einsum("ij,ij->ij", a, spread(3, 4, seed=2)), einsum("ij,ij->", a, spread(3, 4, seed=2)),
        einsum("bhqd,bhkd->bhqk", spread(2, 2, 3, 4), spread(2, 2, 5, 4, seed=2)),
        einsum("bqhd,bkhd->bhqk", spread(2, 3, 2, 4), spread(2, 5, 2, 4, seed=2)),
        einsum("...ij,...jk->...ik", spread(2, 3, 4), spread(1, 4, 2, seed=2)),
        einsum("...i->i...", spread(2, 3, 4)),
        einsum("ij,jk,kl->il", a, b, spread(2, 3, seed=3), inner_roundings=4),
        einsum("ijk,k,j->i", spread(2, 3, 4), spread(4, seed=2), spread(3, seed=3),
               inner_roundings=4),
        einsum("ij , jk -> k", a, b, opset=12, inner_roundings=4),
    ]


def distances() -> list[OpCase]:
    def case(metric: str, a: np.ndarray, b: np.ndarray, variant: str = "", **options) -> OpCase:
        def formula(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            squares = np.square(a[:, None] - b).sum(-1)
            return np.sqrt(squares) if metric == "euclidean" else squares
        return op_case("com.microsoft.CDist", a, b, variant=f"{metric} {variant}".strip(),
                       metric=metric, formula=formula, **options)

    a, b = spread(3, 4), spread(5, 4, seed=2)
    equal = b.copy()
    equal[1] = a[2]
    cases = [op_case("com.microsoft.CDist", a, b,
                     formula=lambda a, b: np.square(a[:, None] - b).sum(-1))]
    for metric in ("sqeuclidean", "euclidean"):
        cases += [
            case(metric, a, b),
            # Differences by a step to both sides of 0 are equal: the gradient is 0.
            case(metric, a, equal, "of equal rows"),
            # |x - c|^2 by way of products of rows would lose all but the first digits.
            case(metric, a + 1024.0, b + 1024.0, "far from 0", types=("f32",)),
            case(metric, spread(1, 4), b, "one row"),
            case(metric, a, spread(1, 4, seed=2), "from one row"),
            case(metric, spread(3, 1, low=0.0), spread(2, 1, low=-2.0, high=-0.5, seed=2),
                 "one column"),
        ]
    return cases


def reductions() -> list[OpCase]:
    x = spread(2, 3, 4, low=0.3, high=1.9)
    mixed = spread(2, 3, 4)
    cases = []
    for name in ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
                 "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"):
        point = x if name == "ReduceLogSum" else mixed
        attribute_opset = 12 if name == "ReduceSum" else 17
        cases += [
            op_case(name, point),
            op_case(name, point, variant="rows", constants=(ints(-1),), keepdims=0),
            op_case(name, point, variant="columns", constants=(ints(0),)),
            op_case(name, point, variant="middle", constants=(ints(1),), keepdims=0),
            op_case(name, point, variant="two axes", constants=(ints(0, -1),)),
            op_case(name, point, variant="rank 0", keepdims=0),
            op_case(name, point, variant="no axes", noop_with_empty_axes=1,
                    constants=(np.zeros(0, np.int64),)),
            op_case(name, point, variant=f"opset {attribute_opset}", opset=attribute_opset,
                    axes=[0, 2], keepdims=0),
        ]
    return cases


def running_sums() -> list[OpCase]:
    x = spread(3, 5)
    return [
        op_case("CumSum", x, constants=(np.array(1),)),
        op_case("CumSum", x, variant="columns", constants=(np.array(0, np.int32),)),
        op_case("CumSum", x, variant="exclusive", constants=(np.array(-1),), exclusive=1),
        op_case("CumSum", x, variant="reverse", constants=(np.array(-2),), reverse=1),
        op_case("CumSum", spread(2, 3, 2), variant="both", constants=(np.array(1),),
                exclusive=1, reverse=1),
        op_case("CumSum", x, variant="opset 11", opset=11, constants=(np.array(1),)),
        *running_products(),
    ]


def running_products() -> list[OpCase]:
    x = spread(3, 5)
    zeros = x.copy()
    zeros[0, 2] = zeros[1, 0] = zeros[1, 4] = 0

    def before(x: np.ndarray) -> np.ndarray:
        return np.cumprod(np.concatenate([np.ones((len(x), 1)), x[:, :-1]], 1), 1)

    def case(x: np.ndarray, formula, axis: int = 1, **options) -> OpCase:
        return op_case("CumProd", x, opset=26, constants=(np.array(axis),), formula=formula,
                       **options)

    return [
        case(x, lambda x: np.cumprod(x, 1)),
        case(x, lambda x: np.cumprod(x, 0), axis=-2, variant="columns"),
        case(zeros, lambda x: np.cumprod(x, 1), variant="zeros"),
        case(zeros, before, variant="exclusive", exclusive=1),
        case(zeros, lambda x: np.cumprod(x[:, ::-1], 1)[:, ::-1], variant="reverse", reverse=1),
        case(x, lambda x: before(x[:, ::-1])[:, ::-1], variant="both", exclusive=1, reverse=1),
    ]


def normalized(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What LayerNormalization makes before it scales: rows, their mean, 1 / deviation."""
    axes = tuple(range(axis, x.ndim))
    mean = x.mean(axes, keepdims=True)
    inverse = 1 / np.sqrt(x.var(axes, keepdims=True) + np.float32(1e-5))
    return (x - mean) * inverse, mean, inverse


def normalizations() -> list[OpCase]:
    def factors(*shape: int) -> np.ndarray:
        return spread(*shape, low=0.5, high=1.5, seed=2)

    def offsets(*shape: int) -> np.ndarray:
        return spread(*shape, seed=3)

    name, x, cube = "LayerNormalization", spread(3, 5), spread(2, 3, 4)
    # Statistics of f64 are f32 unless the node asks for more, and then have no difference
    # quotients.
    every = "n, m, v = LayerNormalization <axis = 1, stash_type = {}> (x0, x1, x2)\n"
    return [
        op_case(name, x, factors(5), offsets(5)),
        op_case(name, x, factors(5), variant="no bias"),
        op_case(name, spread(2, 3, 2, 2), factors(3, 2, 2), offsets(3, 2, 2),
                variant="axis 1 of rank 4", axis=1, opset=17),
        op_case(name, cube, factors(3, 4), offsets(3, 4), variant="axis -2", axis=-2,
                epsilon=0.1),
        op_case(name, x, factors(3, 5), offsets(3, 5), variant="axis 0", axis=0),
        op_case(name, spread(5), factors(5), offsets(5), variant="rank 1"),
        op_case(name, cube, factors(3, 1), offsets(1, 4), variant="scale and bias broadcast",
                axis=1),
        op_case(name, cube, np.array(1.25), offsets(4), variant="rank 0 scale", axis=-2),
        op_case(name, cube, factors(2, 1, 4), offsets(3, 1), variant="scale of batches"),
        op_case(name, spread(3, 1), factors(1), offsets(1), variant="rows of one element"),
        op_case(name, spread(2, 67), factors(67), offsets(67), variant="long rows"),
        # Squares lose what distances from the mean keep: 1000 ** 2 has no bits for 1 in f32.
        op_case(name, 1000 + spread(2, 8), factors(8), offsets(8), variant="far from 0"),
        # Sums that 16 bits do not hold.
        op_case(name, spread(2, 4096, low=0.5, high=1.5), factors(4096), np.array(0.25),
                variant="longer rows", fixed=(0, 1)),
        graph_case(name, every.format(11) + "nv = Mul(n, v)\nout0 = Add(nv, m)", cube,
                   factors(3, 4), offsets(3, 4), variant="all outputs", types=(),
                   formula=lambda x, scale, bias: (
                       (normalized(x, 1)[0] * scale + bias) * normalized(x, 1)[2]
                       + normalized(x, 1)[1])),
        graph_case(name, every.format(11) + "out0 = Identity(m)", cube, factors(3, 4),
                   offsets(3, 4), variant="mean alone", types=(),
                   formula=lambda x, scale, bias: normalized(x, 1)[1]),
        graph_case(name, every.format(11) + "out0 = Identity(v)", cube, factors(3, 4),
                   offsets(3, 4), variant="deviation alone", types=(),
                   formula=lambda x, scale, bias: normalized(x, 1)[2]),
        graph_case(name, every.format(1) + "out0 = Identity(n)\nout1 = CastLike(m, n)\n"
                   "out2 = CastLike(v, n)", cube, factors(3, 4), offsets(3, 4),
                   variant="values of all outputs", outputs=3, fixed=frozenset({0, 1})),
    ]


def losses() -> list[OpCase]:
    """SoftmaxCrossEntropyLoss and NegativeLogLikelihoodLoss in all their forms."""
    labels, many = np.array([1, 0, 4, 2]), np.array([[[1, 0], [2, 2]], [[0, 2], [1, 0]]])
    scores, volume = spread(4, 5), spread(2, 3, 2, 2)
    weights = np.array([0.5, 1.5, 2.0, 0.25, 1.0])
    cases = []
    for name, point, formula in (
            ("SoftmaxCrossEntropyLoss", lambda v: v, None),
            # Where ignore_index is -1, ONNX's reference takes it for none.
            ("NegativeLogLikelihoodLoss", lambda v: v - 3.0,
             lambda x, labels: -x[labels >= 0, labels[labels >= 0]].mean())):
        for reduction in ("none", "sum", "mean"):
            options = {"reduction": reduction, "opset": 13}
            cases += [
                op_case(name, point(scores), labels, variant=reduction, **options),
                op_case(name, point(scores), labels, weights, fixed=(2,),
                        variant=f"{reduction}, weights", **options),
                op_case(name, point(scores), labels, variant=f"{reduction}, ignored",
                        ignore_index=4, **options),
                op_case(name, point(volume), many, weights[:3], fixed=(2,),
                        variant=f"{reduction}, rank 4, weights, ignored", ignore_index=2,
                        **options),
            ]
        cases += [
            op_case(name, point(volume), many.astype(np.int32), variant="i32 labels",
                    opset=13),
            op_case(name, point(scores), np.array([1, -1, 4, -1]), variant="negative ignored",
                    ignore_index=-1, opset=13, formula=formula),
            op_case(name, point(spread(2, 3, 4)), np.array([[0, 1, 2, 0], [1, 1, 0, 2]]),
                    variant="opset 12", opset=12),
        ]
    cases += [
        op_case("SoftmaxCrossEntropyLoss", scores, labels, variant="log_prob", outputs=2,
                opset=13),
        op_case("SoftmaxCrossEntropyLoss", volume, many, weights[:3], fixed=(2,),
                variant="log_prob, none, weights", outputs=2, opset=13, reduction="none"),
        op_case("SoftmaxCrossEntropyLoss", scores * 40, labels, variant="far", opset=13),
    ]
    return cases


def correlate(x: np.ndarray, w: np.ndarray, strides: tuple[int, int],
              pads: tuple[int, int, int, int]) -> np.ndarray:
    """A convolution from its definition. (ONNX's reference mistakes auto_pad.)"""
    top, left, bottom, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::strides[0], ::strides[1]]
    return np.einsum("ncpqrs,kcrs->nkpq", windows, w)


def convolutions() -> list[OpCase]:
    x, w, b = spread(2, 3, 5, 4), spread(4, 3, 3, 2, seed=2), spread(4, seed=3)
    grouped = spread(4, 2, 2, 2, seed=2)
    return [
        op_case("Conv", x, w),
        op_case("Conv", x, w, b, variant="bias", kernel_shape=[3, 2]),
        op_case("Conv", x, w, b, variant="pads", pads=[1, 0, 2, 1]),
        op_case("Conv", x, w, variant="strides", strides=[2, 3], pads=[1, 1, 1, 1]),
        op_case("Conv", x, w, variant="dilations", dilations=[2, 3], pads=[2, 1, 0, 1]),
        op_case("Conv", x, w, variant="strides and dilations", strides=[3, 2],
                dilations=[1, 2], pads=[2, 2, 2, 2]),
        op_case("Conv", spread(1, 4, 4, 3), grouped, b, variant="groups", group=2,
                pads=[0, 0, 1, 1]),
        op_case("Conv", spread(2, 4, 4, 3), spread(4, 1, 3, 3, seed=2), variant="depthwise",
                group=4, pads=[1, 1, 1, 1]),
        op_case("Conv", x, spread(4, 3, 1, 1, seed=2), b, variant="one by one"),
        op_case("Conv", x, spread(4, 3, 1, 1, seed=2), variant="one by one, strides",
                strides=[2, 2]),
        op_case("Conv", x, w, variant="same upper", auto_pad="SAME_UPPER", strides=[2, 1],
                formula=lambda x, w: correlate(x, w, (2, 1), (1, 0, 1, 1))),
        op_case("Conv", x, w, variant="same lower", auto_pad="SAME_LOWER", strides=[2, 1],
                formula=lambda x, w: correlate(x, w, (2, 1), (1, 1, 1, 0))),
        op_case("Conv", x, w, variant="valid", auto_pad="VALID",
                formula=lambda x, w: correlate(x, w, (1, 1), (0, 0, 0, 0))),
        op_case("Conv", spread(2, 3, 7), spread(4, 3, 3, seed=2), b, variant="1 dimension",
                strides=[2], pads=[1, 2]),
        op_case("Conv", spread(1, 2, 1, 1), spread(3, 2, 3, 3, seed=2), variant="all padding",
                pads=[2, 2, 2, 2]),
    ]


def poolings() -> list[OpCase]:
    x, line = spread(2, 3, 5, 6), spread(2, 2, 9)
    return [
        op_case("MaxPool", x, kernel_shape=[2, 3]),
        op_case("MaxPool", x, variant="strides", kernel_shape=[3, 3], strides=[2, 2],
                pads=[1, 1, 1, 1]),
        op_case("MaxPool", x, variant="dilations", kernel_shape=[2, 2], dilations=[3, 2]),
        op_case("MaxPool", x, variant="ceil", kernel_shape=[2, 2], strides=[3, 4], ceil_mode=1),
        op_case("MaxPool", x, variant="same upper", kernel_shape=[2, 3], strides=[2, 1],
                auto_pad="SAME_UPPER"),
        op_case("MaxPool", x, variant="same lower", kernel_shape=[2, 2], auto_pad="SAME_LOWER"),
        op_case("MaxPool", line, variant="1 dimension", kernel_shape=[3], strides=[2]),
        op_case("MaxPool", line, variant="apart", kernel_shape=[2], strides=[4]),
        op_case("MaxPool", spread(1, 2, 3, 4, 3), variant="3 dimensions",
                kernel_shape=[2, 2, 2]),
        op_case("MaxPool", x, variant="opset 1", opset=6, kernel_shape=[2, 2]),
        graph_case("MaxPool", """
            v, i = MaxPool <kernel_shape = [2, 2], strides = [2, 1]> (x0)
            f = CastLike(i, x0)
            out0 = Mul(f, v)""", x, variant="indices", types=("f32",)),
    ]


def all_cases() -> list[OpCase]:
    return [*products(), *einsums(), *distances(), *convolutions(), *reductions(), *running_sums(),
            *normalizations(), *losses(), *poolings()]
