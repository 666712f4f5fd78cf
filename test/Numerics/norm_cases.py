"""Points for normalizations, and for ONNX Runtime's fused operators.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import math

import numpy as np

from opcase import OpCase, op_case, spread


def factors(*shape: int) -> np.ndarray:
    return spread(*shape, low=0.5, high=1.5, seed=2)


def offsets(*shape: int) -> np.ndarray:
    return spread(*shape, seed=3)


def by_channel(v: np.ndarray, x: np.ndarray) -> np.ndarray:
    return v.reshape(-1, *[1] * (x.ndim - 2))


def batch_norm(x, scale, bias, mean=None, variance=None, epsilon=np.float32(1e-5)) -> np.ndarray:
    """By the batch's own statistics where none are given."""
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axes) if mean is None else mean
    variance = x.var(axes) if variance is None else variance
    inverse = 1 / np.sqrt(variance + epsilon)
    return ((x - by_channel(mean, x)) * by_channel(inverse, x) * by_channel(scale, x)
            + by_channel(bias, x))


def batch_norms() -> list[OpCase]:
    name, x, mean, variance = "BatchNormalization", spread(4, 3, 2, 3), offsets(3), factors(3)

    def training(x: np.ndarray, variant: str, opset: int = 21, **attributes) -> OpCase:
        channels = x.shape[1] if x.ndim > 1 else 1
        if opset >= 14:
            attributes["training_mode"] = 1
        names = {"formula", "fixed", "types", "inner_roundings"} & attributes.keys()
        options = {k: attributes.pop(k) for k in names}
        return op_case(name, x, factors(channels), offsets(channels), variant=variant, opset=opset,
                       constants=(np.full(channels, 0.25), np.full(channels, 1.5)),
                       **{"formula": batch_norm, **options}, **attributes)

    def updated(x, scale, bias, mean, variance):
        axes, momentum = (0, 2, 3), np.float64(np.float32(0.75))
        return (batch_norm(x, scale, bias),
                mean * momentum + x.mean(axes) * (1 - momentum),
                variance * momentum + x.var(axes) * (1 - momentum))

    def places(x, scale, bias):
        shape = x.shape
        return batch_norm(x.reshape(shape[0], -1), scale, bias).reshape(shape)

    moving = (0, 3, 4)  # what the running statistics depend on, which have no gradient
    return [
        training(x, "trains"),
        training(x, "trains, epsilon", epsilon=0.25,
                 formula=lambda x, s, b: batch_norm(x, s, b, epsilon=0.25)),
        training(x, "trains", opset=14),
        training(x, "trains", opset=15),
        # The attribute decides, whatever outputs there are.
        training(x, "trains", opset=6),
        training(spread(6, 4), "trains, rank 2"),
        training(spread(3, 2, 5), "trains, rank 3"),
        training(spread(2, 2, 2, 3, 2), "trains, rank 5"),
        training(spread(7), "trains, rank 1",
                 formula=lambda x, s, b: batch_norm(x[:, None], s, b)[:, 0]),
        training(spread(1, 3, 4, 2), "trains, one image"),
        # Squares lose what distances from an element keep: 1000 ** 2 has no bits for 1 in f32. The
        # mean itself is rounded by up to 2^-15, which is 2^8 last places of a result of 1
        # (and in f64 more than a difference quotient by the input allows).
        training(1000 + x, "trains, far from 0", types=("f32",), inner_roundings=256,
                 fixed=(0,)),
        # Sums that 16 bits do not hold.
        training(spread(4, 2, 40, 32, low=0.5, high=1.5), "trains, large", fixed=(0, 1)),
        op_case(name, x, factors(3), offsets(3), mean, variance, variant="all outputs",
                outputs=3, training_mode=1, momentum=0.75, fixed=moving, formula=updated),
        op_case(name, x, factors(3), offsets(3), mean, variance, variant="all outputs",
                opset=9, outputs=5, momentum=0.75, fixed=moving,
                formula=lambda x, *rest: (*updated(x, *rest), x.mean((0, 2, 3)),
                                          x.var((0, 2, 3)))),
        *[op_case(name, x, factors(3), offsets(3), mean, variance, fixed=(3, 4), opset=opset,
                  formula=batch_norm, **{"is_test": 1} if opset < 7 else {})
          for opset in (21, 15, 14, 9, 7, 6)],
        op_case(name, spread(5, 3), factors(3), offsets(3), mean, variance, variant="rank 2",
                fixed=(3, 4), epsilon=0.25,
                formula=lambda *x: batch_norm(*x, epsilon=0.25)),
        op_case(name, spread(4, 2, 3), factors(6), offsets(6), variant="trains, by place",
                opset=6, spatial=0, constants=(np.zeros(6), np.ones(6)), formula=places),
    ]


def rows_norm(x: np.ndarray, axes: tuple[int, ...], epsilon=np.float32(1e-5)) -> np.ndarray:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def instance_norm(x, scale, bias, epsilon=np.float32(1e-5)) -> np.ndarray:
    return (rows_norm(x, tuple(range(2, x.ndim)), epsilon) * by_channel(scale, x)
            + by_channel(bias, x))


def group_norm(groups: int, of_group: bool):
    def formula(x, scale, bias):
        each = x.reshape(x.shape[0], groups, -1)
        y = rows_norm(each, (2,)).reshape(x.shape)
        if of_group:
            scale, bias = (np.repeat(v, x.shape[1] // groups) for v in (scale, bias))
        return y * by_channel(scale, x) + by_channel(bias, x)
    return formula


def channel_norms() -> list[OpCase]:
    name, x, wide = "InstanceNormalization", spread(2, 3, 2, 4), spread(3, 4, 3)
    group = "GroupNormalization"
    return [
        op_case(name, x, factors(3), offsets(3), opset=22, formula=instance_norm),
        op_case(name, x, factors(3), offsets(3), opset=6, formula=instance_norm),
        op_case(name, wide, factors(4), offsets(4), variant="rank 3", epsilon=0.25,
                formula=lambda *x: instance_norm(*x, epsilon=0.25)),
        op_case(group, x, factors(3), offsets(3), num_groups=1, formula=group_norm(1, False)),
        op_case(group, wide, factors(4), offsets(4), num_groups=2, variant="2 of 4",
                formula=group_norm(2, False)),
        op_case(group, wide, factors(2), offsets(2), num_groups=2, variant="2 of 4", opset=18,
                formula=group_norm(2, True)),
        op_case(group, spread(3, 6), factors(6), offsets(6), num_groups=2, variant="rank 2",
                formula=group_norm(2, False)),
    ]


def line_norms() -> list[OpCase]:
    mvn, lp = "MeanVarianceNormalization", "LpNormalization"
    x, lines = spread(3, 2, 2, 2), spread(3, 4)
    return [
        op_case(mvn, x, formula=lambda x: rows_norm(x, (0, 2, 3), 1e-18)),
        op_case(mvn, x, opset=9, variant="axes", axes=[-1, 1],
                formula=lambda x: rows_norm(x, (1, 3), 1e-18)),
        op_case(lp, lines, formula=lambda x: x / np.sqrt((x * x).sum(-1, keepdims=True))),
        op_case(lp, lines, variant="axis 0", opset=6, axis=0,
                formula=lambda x: x / np.sqrt((x * x).sum(0, keepdims=True))),
        op_case(lp, lines, variant="sums", p=1, opset=22,
                formula=lambda x: x / np.abs(x).sum(-1, keepdims=True)),
    ]


def rms_norm(x: np.ndarray, scale: np.ndarray, axis: int = -1,
             epsilon=np.float32(1e-5)) -> np.ndarray:
    axes = tuple(range(axis % x.ndim, x.ndim))
    return x / np.sqrt((x * x).mean(axes, keepdims=True) + epsilon) * scale


def rms_norms() -> list[OpCase]:
    name, x, cube = "RMSNormalization", spread(3, 5), spread(2, 3, 4)
    simple, microsoft = "SimplifiedLayerNormalization", "com.microsoft.SimplifiedLayerNormalization"
    tiny = np.float32(1e-12)

    def with_statistic(x, scale):
        return (rms_norm(x, scale),
                1 / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(1e-5)))

    return [
        op_case(name, x, factors(5), opset=23, formula=rms_norm),
        op_case(name, cube, factors(3, 4), opset=24, variant="axis 1", axis=1, epsilon=0.25,
                formula=lambda *x: rms_norm(*x, axis=1, epsilon=0.25)),
        op_case(name, cube, factors(3, 1), opset=23, variant="scale broadcasts", axis=-2,
                formula=lambda *x: rms_norm(*x, axis=-2)),
        op_case(name, spread(2, 67), factors(67), opset=23, variant="long rows",
                formula=rms_norm),
        op_case(simple, x, factors(5), formula=rms_norm),
        op_case(microsoft, x, factors(5), outputs=2, types=("f32",), formula=with_statistic),
        op_case("com.microsoft.SkipSimplifiedLayerNormalization", cube, spread(2, 3, 4, seed=4),
                factors(4), offsets(4),
                formula=lambda x, skip, s, b: rms_norm(x + skip + b, s, epsilon=tiny)),
        op_case("com.microsoft.SkipLayerNormalization", cube, spread(2, 3, 4, seed=4),
                factors(4), offsets(4), spread(4, seed=5), inner_roundings=4,
                formula=lambda x, skip, s, b, added: (
                    rows_norm(x + skip + added, (2,), tiny) * s + b)),
    ]


def local_norm(size: int, alpha=np.float32(1e-4), beta=np.float32(0.75), bias=np.float32(1.0)):
    def formula(x):
        total = np.zeros_like(x)
        for c in range(x.shape[1]):
            first = max(0, c - (size - 1) // 2)
            total[:, c] = (x[:, first:c + size // 2 + 1] ** 2).sum(1)
        return x / (np.float64(bias) + np.float64(alpha) / size * total) ** np.float64(beta)
    return formula


def local_norms() -> list[OpCase]:
    x = spread(2, 5, 2, 2)
    return [
        op_case("LRN", x, size=3, formula=local_norm(3)),
        op_case("LRN", x, variant="even", opset=6, size=4, alpha=0.5, beta=0.5, bias=2.0,
                formula=local_norm(4, 0.5, 0.5, 2.0)),
        op_case("LRN", x, variant="wider than the channels", size=9, alpha=0.5,
                formula=local_norm(9, 0.5)),
        # Squares that f16 does not hold.
        op_case("LRN", 300 * spread(2, 4), variant="large", size=3, step=2.0**-8,
                formula=local_norm(3)),
    ]


def softmax(x: np.ndarray, axes=-1) -> np.ndarray:
    powers = np.exp(x - x.max(axes, keepdims=True))
    return powers / powers.sum(axes, keepdims=True)


def runtime_operators() -> list[OpCase]:
    x, cube, bias = spread(3, 4), spread(2, 3, 4), offsets(4)
    erf = np.vectorize(math.erf)

    def gelu(x):
        return x / 2 * (1 + erf(x / math.sqrt(2)))

    def fast(x):
        return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    def quick(alpha):
        return lambda x: x / (1 + np.exp(-np.float64(np.float32(alpha)) * x))

    def name(operator):
        return f"com.microsoft.{operator}"

    return [
        op_case(name("Gelu"), x, formula=gelu),
        op_case(name("BiasGelu"), x, bias, formula=lambda x, b: gelu(x + b), inner_roundings=2),
        op_case(name("FastGelu"), x, formula=fast),
        op_case(name("FastGelu"), x, bias, variant="bias", formula=lambda x, b: fast(x + b),
                inner_roundings=2),
        op_case(name("QuickGelu"), x, formula=quick(1.702), inner_roundings=2),
        op_case(name("QuickGelu"), x, variant="alpha", alpha=0.5, formula=quick(0.5),
                inner_roundings=2),
        op_case(name("BiasSoftmax"), cube, offsets(2, 1, 4), axis=2, is_inner_broadcast=0,
                formula=lambda x, b: softmax(x + b), inner_roundings=4),
        op_case(name("BiasSoftmax"), cube, bias, variant="axis 1", is_inner_broadcast=1,
                formula=lambda x, b: softmax(x + b, (1, 2)), inner_roundings=4),
        op_case(name("FusedMatMul"), cube, spread(4, 2, seed=2), alpha=0.5,
                formula=lambda a, b: 0.5 * (a @ b)),
        op_case(name("FusedMatMul"), spread(2, 4, 3), spread(2, 5, 4, seed=2),
                variant="transposed", transA=1, transB=1,
                formula=lambda a, b: a.swapaxes(1, 2) @ b.swapaxes(1, 2)),
    ]


def all_cases() -> list[OpCase]:
    return [*batch_norms(), *channel_norms(), *line_norms(), *rms_norms(), *local_norms(),
            *runtime_operators()]
