"""Points for the operators that look at windows of images, and for those that resize them.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np

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


def all_cases() -> list[OpCase]:
    return [*averages(), *extrema(), *p_norms()]
