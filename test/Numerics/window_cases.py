"""Points for the operators that look at windows of images, and for those that resize them.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import functools

import numpy as np
from onnx.reference.ops import op_resize

from opcase import OpCase, graph_case, op_case, spread


def norms(x: np.ndarray, p: float, taps: tuple[int, ...], strides: tuple[int, ...],
          pads: tuple[int, ...] = (), dilations: tuple[int, ...] = ()) -> np.ndarray:
    """LpPool from its definition. (ONNX's reference divides by what the pads leave.)"""
    rank = len(taps)
    pads, dilations = pads or (0,) * 2 * rank, dilations or (1,) * rank
    widths = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:])]
    padded = np.pad(np.abs(x)**p, widths)
    reach = [(t - 1) * d + 1 for t, d in zip(taps, dilations)]
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=range(2, 2 + rank))
    windows = windows[(slice(None),) * 2 + tuple(slice(None, None, s) for s in strides)
                      + tuple(slice(None, None, d) for d in dilations)]
    return windows.sum(axis=tuple(range(-rank, 0)))**(1 / p)


def averages() -> list[OpCase]:
    x, line, volume = spread(2, 3, 5, 6), spread(2, 2, 9), spread(1, 2, 3, 4, 3)
    pads = {"kernel_shape": [3, 3], "pads": [1, 0, 2, 1], "strides": [2, 2]}
    return [
        op_case("AveragePool", x, kernel_shape=[2, 3]),
        op_case("AveragePool", x, variant="pads", **pads),
        op_case("AveragePool", x, variant="counts pads", count_include_pad=1, **pads),
        op_case("AveragePool", x, variant="ceil", kernel_shape=[2, 2], strides=[3, 4],
                ceil_mode=1),
        op_case("AveragePool", x, variant="ceil, counts pads", kernel_shape=[3, 3],
                strides=[2, 2], pads=[1, 1, 0, 1], ceil_mode=1, count_include_pad=1),
        op_case("AveragePool", x, variant="dilations", kernel_shape=[2, 2], dilations=[3, 2]),
        op_case("AveragePool", x, variant="dilations, pads", kernel_shape=[3, 2],
                dilations=[2, 3], pads=[2, 1, 1, 2], strides=[1, 2]),
        op_case("AveragePool", x, variant="dilations, counts pads", kernel_shape=[3, 2],
                dilations=[2, 3], pads=[2, 1, 1, 2], count_include_pad=1),
        op_case("AveragePool", x, variant="same upper", kernel_shape=[2, 3], strides=[2, 1],
                auto_pad="SAME_UPPER"),
        op_case("AveragePool", x, variant="same lower", kernel_shape=[2, 2],
                auto_pad="SAME_LOWER"),
        op_case("AveragePool", x, variant="valid", kernel_shape=[2, 2], auto_pad="VALID"),
        op_case("AveragePool", line, variant="1 dimension", kernel_shape=[3], strides=[2],
                pads=[1, 1]),
        op_case("AveragePool", line, variant="apart", kernel_shape=[2], strides=[4]),
        op_case("AveragePool", volume, variant="3 dimensions", kernel_shape=[2, 2, 2],
                pads=[0, 1, 1, 0, 1, 0]),
        op_case("AveragePool", x, variant="opset 1", opset=6, kernel_shape=[2, 2]),
        op_case("AveragePool", x, variant="opset 7", opset=7, count_include_pad=1, **pads),
        op_case("AveragePool", x, variant="opset 22", opset=22, **pads),
        op_case("GlobalAveragePool", x),
        op_case("GlobalAveragePool", line, variant="1 dimension"),
        op_case("GlobalAveragePool", volume, variant="3 dimensions", opset=22),
    ]


def extrema() -> list[OpCase]:
    x, line, volume = spread(2, 3, 5, 6), spread(2, 2, 9), spread(1, 2, 3, 4, 3)
    places = np.array([[[[1, 6], [13, 15]]]])

    def column_major(x: np.ndarray) -> np.ndarray:
        """2 by 2 windows in steps of (2, 1): the largest times its place."""
        windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(2, 3))[:, :, ::2]
        n, c, p, q = windows.shape[:4]
        place = windows.reshape(n, c, p, q, 4).argmax(-1)
        rows = np.arange(p)[:, None] * 2 + place // 2
        columns = np.arange(q) + place % 2
        planes = np.arange(n * c).reshape(n, c, 1, 1) * x[0, 0].size
        return windows.max((-1, -2)) * (planes + columns * x.shape[2] + rows)

    return [
        op_case("GlobalMaxPool", x),
        op_case("GlobalMaxPool", line, variant="1 dimension",
                formula=lambda x: x.max(2, keepdims=True)),
        op_case("GlobalMaxPool", volume, variant="3 dimensions", opset=22,
                formula=lambda x: x.max((2, 3, 4), keepdims=True)),
        graph_case("MaxPool", """
            v, i = MaxPool <kernel_shape = [2, 2], strides = [2, 1], storage_order = 1> (x0)
            f = CastLike(i, x0)
            out0 = Mul(f, v)""", x, variant="column-major", types=("f32",),
                   formula=column_major),
        op_case("MaxPool", volume, variant="3 dimensions, ceil", kernel_shape=[2, 3, 2],
                strides=[2, 2, 2], pads=[1, 1, 0, 0, 1, 1], ceil_mode=1),
        op_case("MaxPool", volume, variant="3 dimensions, dilations", kernel_shape=[2, 2, 2],
                dilations=[2, 3, 1]),
        op_case("MaxPool", line, variant="1 dimension, same", kernel_shape=[4], strides=[2],
                auto_pad="SAME_UPPER", opset=22),
        op_case("MaxUnpool", spread(1, 1, 2, 2), places, kernel_shape=[2, 2], strides=[2, 2],
                formula=lambda x, i: unpooled(x, i, (1, 1, 4, 4))),
        op_case("MaxUnpool", spread(1, 1, 2, 2), np.array([[[[1, 6], [15, 14]]]]),
                variant="shape", opset=11, kernel_shape=[2, 2], strides=[2, 2],
                constants=(np.array([1, 1, 5, 6]),),
                formula=lambda x, i: np.pad(unpooled(x, i, (1, 1, 4, 4)),
                                            ((0, 0), (0, 0), (0, 1), (0, 2)))),
        graph_case("MaxUnpool", """
            v, i = MaxPool <kernel_shape = [2], strides = [2]> (x0)
            out0 = MaxUnpool <kernel_shape = [2], strides = [2]> (v, i)""", spread(2, 2, 8),
                   variant="of MaxPool", formula=lambda x: np.where(
                       x == np.repeat(x.reshape(2, 2, 4, 2).max(-1), 2, -1), x, 0)),
    ]


def unpooled(x: np.ndarray, places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    result = np.zeros(int(np.prod(shape)))
    result[places.ravel()] = x.ravel()
    return result.reshape(shape)


def p_norms() -> list[OpCase]:
    x, line = spread(2, 2, 5, 4), spread(2, 2, 9)
    square = {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [1, 1, 0, 1]}
    return [
        op_case("LpPool", x, kernel_shape=[2, 2], strides=[1, 2],
                formula=lambda x: norms(x, 2, (2, 2), (1, 2))),
        op_case("LpPool", x, variant="pads", **square,
                formula=lambda x: norms(x, 2, (2, 3), (2, 1), (1, 1, 0, 1))),
        op_case("LpPool", x, variant="p 1", p=1, **square,
                formula=lambda x: norms(x, 1, (2, 3), (2, 1), (1, 1, 0, 1))),
        op_case("LpPool", x, variant="p 3", p=3, kernel_shape=[2, 2], dilations=[2, 1],
                formula=lambda x: norms(x, 3, (2, 2), (1, 1), (), (2, 1))),
        op_case("LpPool", line, variant="ceil", kernel_shape=[3], strides=[4], ceil_mode=1,
                formula=lambda x: norms(x, 2, (3,), (4,), (0, 2))),
        op_case("LpPool", line, variant="opset 2", opset=10, p=3, kernel_shape=[3],
                formula=lambda x: norms(x, 3, (3,), (1,))),
        op_case("LpPool", line, variant="opset 22", opset=22, kernel_shape=[3], p=4,
                auto_pad="SAME_LOWER", formula=lambda x: norms(x, 4, (3,), (1,), (1, 1))),
        op_case("GlobalLpPool", x, formula=lambda x: norms(x, 2, x.shape[2:], (1, 1))),
        op_case("GlobalLpPool", x, variant="p 1", p=1,
                formula=lambda x: norms(x, 1, x.shape[2:], (1, 1))),
        op_case("GlobalLpPool", line, variant="p 3", p=3, opset=22,
                formula=lambda x: norms(x, 3, x.shape[2:], (1,))),
    ]


def transposed(x: np.ndarray, w: np.ndarray, size: tuple[int, ...], strides: tuple[int, ...],
               before: tuple[int, ...], dilations: tuple[int, ...] = (),
               groups: int = 1) -> np.ndarray:
    """ConvTranspose from its definition: each element of x adds the filter where it lies."""
    rank, dilations = len(size), dilations or (1,) * len(size)
    n, channels, each = len(x), x.shape[1] // groups, w.shape[1]
    result = np.zeros((n, each * groups, *size))
    for at in np.ndindex(*x.shape[2:]):
        for tap in np.ndindex(*w.shape[2:]):
            place = tuple(i * s + t * d - b
                          for i, s, t, d, b in zip(at, strides, tap, dilations, before))
            if any(not 0 <= p < extent for p, extent in zip(place, size)):
                continue
            for g in range(groups):
                part = slice(g * channels, (g + 1) * channels)
                result[(slice(None), slice(g * each, (g + 1) * each), *place)] += (
                    x[(slice(None), part, *at)] @ w[(part, slice(None), *tap)])
    return result


def correlated(x: np.ndarray, w: np.ndarray, strides: tuple[int, ...], pads: tuple[int, ...],
               dilations: tuple[int, ...] = (), groups: int = 1) -> np.ndarray:
    """Conv in any number of dimensions: the adjoint of `transposed`, by its definition."""
    rank, dilations = len(strides), dilations or (1,) * len(strides)
    reach = [(t - 1) * d + 1 for t, d in zip(w.shape[2:], dilations)]
    padded = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:])])
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=range(2, 2 + rank))
    windows = windows[(slice(None),) * 2 + tuple(slice(None, None, s) for s in strides)
                      + tuple(slice(None, None, d) for d in dilations)]
    each, filters = w.shape[1], len(w) // groups
    axes = [1, *range(2 + rank, 2 + 2 * rank)]
    parts = [np.tensordot(windows[:, g * each:(g + 1) * each], w[g * filters:(g + 1) * filters],
                          (axes, [1, *range(2, 2 + rank)])) for g in range(groups)]
    return np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)


def convolutions() -> list[OpCase]:
    x, w, b = spread(2, 2, 4, 3, 3), spread(3, 2, 2, 2, 3, seed=2), spread(3, seed=3)
    line = spread(2, 4, 7)

    def bias(b: np.ndarray, rank: int) -> np.ndarray:
        return b.reshape(-1, *(1,) * rank)

    return [
        op_case("Conv", x, w, b, variant="3 dimensions",
                formula=lambda x, w, b: correlated(x, w, (1, 1, 1), (0,) * 6) + bias(b, 3)),
        op_case("Conv", x, w, variant="3 dimensions, pads", pads=[1, 0, 1, 0, 1, 2],
                strides=[2, 1, 2],
                formula=lambda x, w: correlated(x, w, (2, 1, 2), (1, 0, 1, 0, 1, 2))),
        op_case("Conv", x, w, variant="3 dimensions, dilations", dilations=[3, 2, 1],
                pads=[1, 0, 1, 1, 0, 1], opset=22,
                formula=lambda x, w: correlated(x, w, (1, 1, 1), (1, 0, 1, 1, 0, 1), (3, 2, 1))),
        op_case("Conv", spread(1, 4, 3, 3, 2), spread(4, 2, 2, 2, 1, seed=2),
                variant="3 dimensions, groups", group=2,
                formula=lambda x, w: correlated(x, w, (1, 1, 1), (0,) * 6, groups=2)),
        op_case("Conv", x, w, variant="3 dimensions, same", auto_pad="SAME_UPPER",
                strides=[2, 2, 2],
                formula=lambda x, w: correlated(x, w, (2, 2, 2), (0, 0, 1, 0, 1, 1))),
        op_case("Conv", line, spread(4, 2, 3, seed=2), variant="1 dimension, groups", group=2,
                dilations=[2], pads=[2, 0],
                formula=lambda x, w: correlated(x, w, (1,), (2, 0), (2,), 2)),
        op_case("Conv", line, spread(3, 4, 2, seed=2), variant="1 dimension, same lower",
                auto_pad="SAME_LOWER",
                formula=lambda x, w: correlated(x, w, (1,), (1, 0))),
    ]


def runtime_convolutions() -> list[OpCase]:
    """ONNX Runtime's: with an activation, and of channels that lie last."""
    x, w, b = spread(2, 3, 4, 3), spread(4, 3, 2, 2, seed=2), spread(4, seed=3)
    summand = spread(2, 4, 3, 2, seed=4)
    functions = {
        "Relu": ((), lambda y: np.maximum(y, 0)),
        "Tanh": ((), np.tanh),
        "Sigmoid": ((), lambda y: 1 / (1 + np.exp(-y))),
        "Silu": ((), lambda y: y / (1 + np.exp(-y))),
        "LeakyRelu": ((0.25,), lambda y: np.where(y > 0, y, 0.25 * y)),
        "Clip": ((-1.5, 2.0), lambda y: np.clip(y, -1.5, 2)),
        "HardSigmoid": ((0.25, 0.375), lambda y: np.clip(0.25 * y + 0.375, 0, 1)),
    }

    def fused(name: str, *inputs: np.ndarray, variant: str = "", **attributes) -> OpCase:
        numbers, f = functions.get(name, ((), lambda y: y))
        if numbers:
            attributes["activation_params"] = numbers
        if name:
            attributes["activation"] = name

        def formula(x: np.ndarray, w: np.ndarray, *more: np.ndarray) -> np.ndarray:
            strides = tuple(attributes.get("strides", (1, 1)))
            y = correlated(x, w, strides, tuple(attributes.get("pads", (0,) * 4)),
                           groups=attributes.get("group", 1))
            return f(sum((part.reshape(-1, 1, 1) if part.ndim == 1 else part for part in more), y))

        return op_case("com.microsoft.FusedConv", *inputs, variant=f"{name}{variant}",
                       formula=formula, inner_roundings=4, **attributes)

    def last_to_first(x: np.ndarray) -> np.ndarray:
        return np.moveaxis(x, -1, 1)

    def channels_last(*inputs: np.ndarray, variant: str, **attributes) -> OpCase:
        rank = inputs[0].ndim - 2

        def formula(x: np.ndarray, w: np.ndarray, b: np.ndarray = np.zeros(1)) -> np.ndarray:
            y = correlated(last_to_first(x), last_to_first(w),
                           tuple(attributes.get("strides", (1,) * rank)),
                           tuple(attributes.get("pads", (0,) * 2 * rank)),
                           groups=attributes.get("group", 1))
            return np.moveaxis(y, 1, -1) + b

        return op_case("com.microsoft.NhwcConv", *inputs, variant=variant, formula=formula,
                       **attributes)

    image, filter_, line = spread(2, 4, 3, 4), spread(6, 3, 2, 4, seed=2), spread(2, 5, 3)
    return [
        *(fused(name, x, w, b) for name in functions),
        fused("", x, w), fused("Relu", x, w, variant=", pads", pads=[1, 0, 1, 2], strides=[2, 1]),
        fused("Tanh", x, w, b, summand, variant=", summand"),
        fused("Relu", spread(2, 4, 3, 3), spread(4, 2, 2, 2, seed=2), b, variant=", groups",
              group=2),
        channels_last(image, filter_, variant=""),
        channels_last(image, filter_, spread(6, seed=3), variant="pads", pads=[1, 0, 2, 1],
                      strides=[2, 1], kernel_shape=[3, 2]),
        channels_last(image, spread(6, 2, 2, 2, seed=2), variant="groups", group=2),
        channels_last(line, spread(2, 3, 3, seed=2), spread(2, seed=3), variant="1 dimension"),
        channels_last(spread(1, 3, 2, 3, 2), spread(3, 2, 1, 2, 2, seed=2),
                      variant="3 dimensions", strides=[1, 1, 2]),
    ]


def transposed_convolutions() -> list[OpCase]:
    x, w, b = spread(2, 3, 3, 2), spread(3, 2, 3, 2, seed=2), spread(2, seed=3)
    line, volume = spread(2, 2, 4), spread(2, 2, 2, 3, 2)
    deep = spread(2, 3, 3, 2, 2, seed=2)

    def case(variant: str, size: tuple[int, ...], strides: tuple[int, ...],
             before: tuple[int, ...], *inputs: np.ndarray, dilations: tuple[int, ...] = (),
             groups: int = 1, **options) -> OpCase:
        def formula(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
            y = transposed(x, w, size, strides, before, dilations, groups)
            return y if b is None else y + b.reshape(-1, *(1,) * len(size))
        if dilations:
            options["dilations"] = list(dilations)
        if groups > 1:
            options["group"] = groups
        if set(strides) != {1}:
            options["strides"] = list(strides)
        # cuDNN rounds the sums, which are not much larger here than what is left with the bias.
        options["cuda_roundings"] = 1.0 if len(inputs) == 3 else 0.0
        return op_case("ConvTranspose", *inputs, variant=variant, formula=formula, **options)

    return [
        case("", (5, 3), (1, 1), (0, 0), x, w),
        case("bias", (5, 3), (1, 1), (0, 0), x, w, b, kernel_shape=[3, 2]),
        case("strides", (7, 5), (2, 3), (0, 0), x, w),
        case("pads", (4, 4), (2, 3), (1, 0), x, w, pads=[1, 0, 2, 1]),
        case("output padding", (7, 5), (2, 3), (1, 1), x, w, b, pads=[1, 1, 0, 1],
             output_padding=[1, 2]),
        case("output padding behind all", (8, 7), (2, 3), (0, 0), x, w, output_padding=[1, 2]),
        case("output shape", (6, 6), (2, 3), (1, 0), x, w, output_shape=[6, 6]),
        case("output shape, upper", (6, 4), (2, 3), (0, 0), x, w, output_shape=[6, 4],
             auto_pad="SAME_UPPER"),
        case("larger output shape", (12, 9), (2, 3), (-2, -2), x, w, b, output_shape=[12, 9],
             inner_roundings=1.0),
        case("same upper", (6, 4), (2, 2), (0, 0), x, w, auto_pad="SAME_UPPER"),
        case("same lower", (6, 4), (2, 2), (1, 0), x, w, auto_pad="SAME_LOWER"),
        case("dilations", (7, 5), (1, 2), (0, 0), x, w, dilations=(2, 2)),
        case("groups", (5, 3), (1, 1), (0, 0), spread(1, 4, 3, 2), spread(4, 2, 3, 2, seed=2),
             spread(4, seed=3), groups=2),
        case("1 dimension", (9,), (2,), (0,), line, spread(2, 3, 3, seed=2), spread(3, seed=3)),
        case("1 dimension, pads", (7,), (2,), (1,), line, spread(2, 3, 3, seed=2), pads=[1, 1]),
        case("3 dimensions", (4, 4, 3), (1, 1, 1), (0, 0, 0), volume, deep, spread(3, seed=3)),
        case("3 dimensions, strides", (5, 6, 5), (2, 2, 3), (0, 0, 0), volume, deep, opset=22),
        case("3 dimensions, pads", (4, 5, 6), (2, 2, 3), (1, 0, 0), volume, deep,
             pads=[1, 0, 0, 1, 1, 0], output_padding=[1, 0, 1]),
        case("3 dimensions, dilations", (6, 6, 2), (1, 1, 1), (0, 0, 0), volume,
             spread(2, 2, 3, 2, 1, seed=2), dilations=(2, 3, 1)),
        case("3 dimensions, groups", (4, 4, 3), (1, 1, 1), (0, 0, 0), spread(1, 4, 2, 3, 2),
             spread(4, 2, 3, 2, 2, seed=2), groups=2),
    ]


def moved() -> list[OpCase]:
    """Pads that repeat elements, and what is cut from or put into the middle."""
    x = spread(3, 5)

    def pad(mode: str, low: list[int], high: list[int], variant: str = "", opset: int = 21,
            **options) -> OpCase:
        def formula(x: np.ndarray) -> np.ndarray:
            cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for a, b, n in zip(low, high, x.shape))
            widths = [(max(a, 0), max(b, 0)) for a, b in zip(low, high)]
            return np.pad(x[cut], widths, mode=mode)
        return op_case("Pad", x, variant=f"{mode}{variant}", opset=opset, formula=formula,
                       mode=mode, **({"constants": (np.array([*low, *high], np.int64),)}
                                     if opset >= 11 else {"pads": [*low, *high]}), **options)

    image = spread(2, 8, 2, 3)
    columns = spread(2, 12, 12)
    return [
        pad("reflect", [1, 2], [2, 3]), pad("reflect", [4, 0], [0, 9], ", back and forth"),
        pad("edge", [1, 0], [0, 3]), pad("edge", [-1, 2], [0, -2], ", negative"),
        pad("wrap", [2, 1], [1, 7]), pad("wrap", [0, -1], [2, 2], ", negative"),
        pad("reflect", [-1, 1], [1, -1], ", negative"),
        pad("edge", [1, 1], [1, 1], ", opset 2", opset=10),
        op_case("Pad", x, variant="reflect, axes", mode="reflect",
                constants=(np.array([2, 1]), None, np.array([-1])),
                formula=lambda x: np.pad(x, ((0, 0), (2, 1)), mode="reflect")),
        op_case("CenterCropPad", spread(4, 5, 3), constants=(np.array([3, 8, 3]),)),
        op_case("CenterCropPad", spread(5, 4), variant="axes", axes=[-1, 0],
                constants=(np.array([7, 2]),)),
        op_case("DepthToSpace", image, blocksize=2),
        op_case("DepthToSpace", image, variant="CRD", blocksize=2, mode="CRD"),
        op_case("DepthToSpace", image, variant="opset 1", opset=10, blocksize=2,
                formula=lambda x: x.reshape(2, 2, 2, 2, 2, 3).transpose(0, 3, 4, 1, 5, 2)
                .reshape(2, 2, 4, 6)),
        op_case("SpaceToDepth", spread(2, 2, 4, 6), blocksize=2),
        op_case("SpaceToDepth", spread(2, 2, 4, 6), variant="opset 1", opset=12, blocksize=2),
        op_case("Col2Im", columns, constants=(np.array([5, 4]), np.array([2, 2]))),
        op_case("Col2Im", spread(2, 12, 6), variant="all", strides=[2, 1], pads=[1, 0, 0, 1],
                dilations=[1, 2], constants=(np.array([5, 4]), np.array([3, 2]))),
        op_case("Col2Im", spread(1, 6, 4), variant="1 dimension",
                constants=(np.array([6]), np.array([3]))),
    ]


def cubic(x: np.ndarray, roi: np.ndarray | None, scales: np.ndarray | None,
          sizes: np.ndarray | None, cubic_coeff_a: float = -0.75, antialias: int = 0,
          exclude_outside: int = 0, **options) -> np.ndarray:
    """ONNX's reference, whose weights are rounded to f32 where it is asked by a node."""
    weights = op_resize._cubic_coeffs_antialias if antialias else op_resize._cubic_coeffs
    return op_resize._interpolate_nd(
        x, functools.partial(weights, A=cubic_coeff_a), scale_factors=scales, output_size=sizes,
        roi=roi, exclude_outside=bool(exclude_outside), **options)


def resized() -> list[OpCase]:
    x, line = spread(1, 2, 4, 3), spread(1, 2, 5)
    scales = lambda *numbers: np.array(numbers, np.float32)
    up, down = scales(1, 1, 2, 2.5), scales(1, 1, 0.6, 0.7)
    sizes = np.array([1, 2, 7, 2])

    def case(variant: str, *, scales: np.ndarray | None = None, sizes: np.ndarray | None = None,
             roi: np.ndarray | None = None, x: np.ndarray = x, **options) -> OpCase:
        constants = (roi, scales) if sizes is None else (roi, scales, sizes)
        formula = None
        if options.get("mode") == "cubic":
            formula = functools.partial(cubic, roi=roi, scales=scales, sizes=sizes, **{
                key: value for key, value in options.items() if key not in ("mode", "opset")})
        return op_case("Resize", x, variant=variant, constants=constants, formula=formula,
                       **options)

    cases = [case(f"nearest, {mode}, {'up' if scales is up else 'down'}", scales=scales,
                  mode="nearest", nearest_mode=mode)
             for scales in (up, down)
             for mode in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")]
    cases += [case(f"{mode}, {coordinates}", sizes=sizes, mode=mode, opset=opset,
                   coordinate_transformation_mode=coordinates)
              for mode, opset in (("linear", 19), ("cubic", 21), ("nearest", 22))
              for coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners",
                                  "asymmetric", "half_pixel_symmetric")]
    crop = {"roi": scales(0, 0, 0.1, -0.3, 1, 1, 0.8, 1.1), "sizes": sizes,
            "coordinate_transformation_mode": "tf_crop_and_resize"}
    cases += [
        case("linear, up", scales=up, mode="linear"),
        case("cubic, down", scales=down, mode="cubic", cubic_coeff_a=-0.5),
        case("cubic, exclude outside", scales=up, mode="cubic", exclude_outside=1),
        case("linear, antialias", scales=down, mode="linear", antialias=1),
        case("cubic, antialias", scales=down, mode="cubic", antialias=1),
        case("cubic, antialias, exclude outside", scales=scales(1, 1, 0.4, 0.5), mode="cubic",
             antialias=1, exclude_outside=1),
        case("linear, crop", mode="linear", **crop),
        case("cubic, crop, fill", mode="cubic", extrapolation_value=1.5, **crop),
        case("nearest, crop, fill", mode="nearest", extrapolation_value=-1.0, **crop),
        case("linear, symmetric", scales=scales(1, 1, 0.6, 1.7), mode="linear",
             coordinate_transformation_mode="half_pixel_symmetric"),
        case("axes", sizes=np.array([5, 7]), axes=[3, 2], mode="linear"),
        case("not larger", sizes=np.array([9, 5]), axes=[2, 3], mode="linear",
             keep_aspect_ratio_policy="not_larger"),
        case("not smaller", sizes=np.array([9, 5]), axes=[2, 3], mode="nearest",
             keep_aspect_ratio_policy="not_smaller"),
        case("1 dimension", scales=scales(1, 1, 1.6), mode="linear", x=line),
        case("3 dimensions", scales=scales(1, 1, 2, 1.5, 0.5), mode="linear",
             x=spread(1, 1, 2, 2, 4)),
        case("same", scales=scales(1, 1, 1, 1), mode="cubic"),
        case("opset 11", scales=up, mode="linear", opset=11),
        op_case("Resize", x, variant="opset 10", opset=10, constants=(scales(1, 1, 2, 2),),
                mode="nearest", formula=lambda x: x.repeat(2, 2).repeat(2, 3)),
        op_case("Resize", x, variant="opset 10, down", opset=10,
                constants=(scales(1, 1, 0.5, 0.5),), mode="nearest",
                formula=lambda x: x[:, :, ::2, :2:2]),
        op_case("Upsample", x, opset=9, constants=(scales(1, 1, 2, 3),), mode="nearest",
                formula=lambda x: x.repeat(2, 2).repeat(3, 3)),
        op_case("Upsample", x, variant="opset 7", opset=8, scales=[1.0, 1.0, 1.0, 2.0],
                mode="linear", formula=lambda x: np.stack(
                    (x, (x + x[..., [1, 2, 2]]) / 2), -1).reshape(1, 2, 4, 6)),
    ]
    return cases


def all_cases() -> list[OpCase]:
    return [*averages(), *extrema(), *p_norms(), *convolutions(), *runtime_convolutions(),
            *transposed_convolutions(),
            *moved(), *resized()]
