"""What the operators of random graphs compute, in numpy's f64, and their gradients.

Each function of OPERATORS maps arrays and attributes to outputs, and the gradients of the
outputs to those of the inputs. Arrays that are not float (indices, shapes, conditions) have
no gradient. Axes are an attribute here, whatever they are in a model's opset. Among the
attributes are also `rounded`, which rounds a value that then nearly cancels, and `mean`, the
mean over axes as it is where an operator sums in f32.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Arrays = list[np.ndarray]
Attributes = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Operator:
    """`forward(inputs, attributes)` gives the outputs, `backward(inputs, outputs, gradients,
    attributes)` a gradient for each input, None for those without one. Where `moves` is set,
    it only moves or selects elements: no rounding happens."""
    forward: Callable[[Arrays, Attributes], Arrays]
    backward: Callable[[Arrays, Arrays, Arrays, Attributes], Sequence[np.ndarray | None]]
    moves: bool = False


def unbroadcast(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sums what broadcasting repeated."""
    extra = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=axes, keepdims=True) if axes else gradient


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))


# f(x, attributes) and its derivative from x and y = f(x).
UNARY = {
    "Identity": (lambda x, a: x, lambda x, y, a: np.ones_like(x)),
    "Neg": (lambda x, a: -x, lambda x, y, a: -np.ones_like(x)),
    "Exp": (lambda x, a: np.exp(x), lambda x, y, a: y),
    "Tanh": (lambda x, a: np.tanh(x), lambda x, y, a: 1 - y * y),
    "Sigmoid": (lambda x, a: _sigmoid(x), lambda x, y, a: y * (1 - y)),
    "Softplus": (lambda x, a: np.logaddexp(0, x), lambda x, y, a: _sigmoid(x)),
    "Erf": (lambda x, a: _erf(x), lambda x, y, a: 2 / math.sqrt(math.pi) * np.exp(-x * x)),
    "Sin": (lambda x, a: np.sin(x), lambda x, y, a: np.cos(x)),
    "Cos": (lambda x, a: np.cos(x), lambda x, y, a: -np.sin(x)),
    "Sqrt": (lambda x, a: np.sqrt(x), lambda x, y, a: 0.5 / y),
    "Log": (lambda x, a: np.log(x), lambda x, y, a: 1 / x),
    "Reciprocal": (lambda x, a: 1 / x, lambda x, y, a: -y * y),
    "Relu": (lambda x, a: np.maximum(x, 0), lambda x, y, a: (x > 0) * 1.0),
    "LeakyRelu": (lambda x, a: np.where(x > 0, x, a["alpha"] * x),
                  lambda x, y, a: np.where(x > 0, 1.0, a["alpha"])),
    "Elu": (lambda x, a: np.where(x > 0, x, a["alpha"] * np.expm1(x)),
            lambda x, y, a: np.where(x > 0, 1.0, y + a["alpha"])),
    "Abs": (lambda x, a: abs(x), lambda x, y, a: np.sign(x)),
}


def _unary(f: Callable, derivative: Callable) -> Operator:
    return Operator(lambda x, a: [f(x[0], a)],
                    lambda x, y, g, a: [g[0] * derivative(x[0], y[0], a)])


def _binary(f: Callable, derivatives: Callable) -> Operator:
    def backward(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
        return [unbroadcast(g[0] * d, v.shape)
                for d, v in zip(derivatives(x[0], x[1], y[0]), x)]
    return Operator(lambda x, a: [f(x[0], x[1])], backward)


BINARY = {
    "Add": (lambda x, y: x + y, lambda x, y, z: (1.0, 1.0)),
    "Sub": (lambda x, y: x - y, lambda x, y, z: (1.0, -1.0)),
    "Mul": (lambda x, y: x * y, lambda x, y, z: (y, x)),
    "Div": (lambda x, y: x / y, lambda x, y, z: (1 / y, -z / y)),
    "Max": (lambda x, y: np.maximum(x, y), lambda x, y, z: (x > y, y > x)),
    "Min": (lambda x, y: np.minimum(x, y), lambda x, y, z: (x < y, y < x)),
}


def _pow(x: Arrays, a: Attributes) -> Arrays:
    return [x[0]**x[1]]


def _pow_backward(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
    return [unbroadcast(g[0] * x[1] * x[0]**(x[1] - 1), x[0].shape), None]


def _axes(x: np.ndarray, a: Attributes) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if a["axes"] is None else tuple(i % x.ndim for i in a["axes"])


def _reduction(f: Callable, derivative: Callable) -> Operator:
    """`f(x, axes)` with dimensions kept; its derivative from x and the kept result."""
    def forward(x: Arrays, a: Attributes) -> Arrays:
        kept = f(x[0], _axes(x[0], a))
        return [kept if a["keepdims"] else kept.reshape(
            [n for i, n in enumerate(x[0].shape) if i not in _axes(x[0], a)])]

    def backward(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
        axes = _axes(x[0], a)
        kept = [1 if i in axes else n for i, n in enumerate(x[0].shape)]
        count = math.prod(x[0].shape[i] for i in axes)
        d = derivative(x[0], y[0].reshape(kept), count)
        return [g[0].reshape(kept) * d * np.ones_like(x[0])]
    return Operator(forward, backward)


REDUCTIONS = {
    "ReduceSum": (lambda x, a: x.sum(a, keepdims=True), lambda x, y, n: 1.0),
    "ReduceMean": (lambda x, a: x.mean(a, keepdims=True), lambda x, y, n: 1.0 / n),
    "ReduceMax": (lambda x, a: x.max(a, keepdims=True), lambda x, y, n: x == y),
    "ReduceMin": (lambda x, a: x.min(a, keepdims=True), lambda x, y, n: x == y),
    "ReduceProd": (lambda x, a: x.prod(a, keepdims=True), lambda x, y, n: y / x),
    "ReduceL1": (lambda x, a: abs(x).sum(a, keepdims=True), lambda x, y, n: np.sign(x)),
    "ReduceL2": (lambda x, a: np.sqrt((x * x).sum(a, keepdims=True)),
                 lambda x, y, n: x / y),
    "ReduceSumSquare": (lambda x, a: (x * x).sum(a, keepdims=True), lambda x, y, n: 2 * x),
    "ReduceLogSumExp": (lambda x, a: np.log(np.exp(x).sum(a, keepdims=True)),
                        lambda x, y, n: np.exp(x - y)),
}


def _variadic(f: Callable, derivative: Callable) -> Operator:
    return Operator(lambda x, a: [f(x)],
                    lambda x, y, g, a: [unbroadcast(g[0] * derivative(x), v.shape) for v in x])


def _moved(forward: Callable, backward: Callable) -> Operator:
    """Of the first input, elements go elsewhere; other inputs have no gradient."""
    return Operator(lambda x, a: [forward(x, a)],
                    lambda x, y, g, a: [backward(x, g[0], a)] + [None] * (len(x) - 1),
                    moves=True)


def _restore(x: Arrays, g: np.ndarray, a: Attributes) -> np.ndarray:
    return g.reshape(x[0].shape)


def _slice(x: Arrays) -> tuple[slice, ...]:
    slices = [slice(None)] * x[0].ndim
    for start, end, axis, step in zip(*(v.tolist() for v in x[1:])):
        slices[axis] = slice(start, None if end < -x[0].shape[axis] else end, step)
    return tuple(slices)


def _scatter(x: Arrays, g: np.ndarray, place: Any) -> np.ndarray:
    whole = np.zeros_like(x[0])
    np.add.at(whole, place, g)
    return whole


def _gather_place(x: Arrays, a: Attributes) -> tuple:
    return (slice(None),) * a["axis"] + (x[1],)


def _pad_place(x: Arrays) -> tuple[slice, ...]:
    return tuple(slice(int(n), int(n) + m) for n, m in zip(x[1], x[0].shape))


def _pad(x: Arrays, a: Attributes) -> np.ndarray:
    rank = x[0].ndim
    return np.pad(x[0], [(int(x[1][i]), int(x[1][rank + i])) for i in range(rank)])


def _tile_backward(x: Arrays, g: np.ndarray, a: Attributes) -> np.ndarray:
    shape = [n for pair in zip(x[1].tolist(), x[0].shape) for n in pair]
    return g.reshape(shape).sum(axis=tuple(range(0, len(shape), 2)))


def _split(x: Arrays, a: Attributes) -> Arrays:
    return np.split(x[0], np.cumsum(x[1])[:-1], axis=a["axis"])


def _concat_backward(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
    return np.split(g[0], np.cumsum([v.shape[a["axis"]] for v in x])[:-1], axis=a["axis"])


def _swap(x: np.ndarray) -> np.ndarray:
    return np.swapaxes(x, -1, -2)


def _matmul_backward(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
    left = x[0] if x[0].ndim > 1 else x[0][None, :]
    right = x[1] if x[1].ndim > 1 else x[1][:, None]
    g0 = g[0]
    if x[0].ndim == 1:
        g0 = np.expand_dims(g0, -1 if x[1].ndim == 1 else -2)
    if x[1].ndim == 1:
        g0 = np.expand_dims(g0, -1)
    return [unbroadcast(g0 @ _swap(right), left.shape).reshape(x[0].shape),
            unbroadcast(_swap(left) @ g0, right.shape).reshape(x[1].shape)]


def _gemm(x: Arrays, a: Attributes) -> Arrays:
    left = x[0].T if a["transA"] else x[0]
    right = x[1].T if a["transB"] else x[1]
    y = a["alpha"] * (left @ right)
    return [y + a["beta"] * x[2] if len(x) > 2 else y]


def _gemm_backward(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
    left = x[0].T if a["transA"] else x[0]
    right = x[1].T if a["transB"] else x[1]
    d_left, d_right = a["alpha"] * g[0] @ right.T, a["alpha"] * left.T @ g[0]
    gradients = [d_left.T if a["transA"] else d_left, d_right.T if a["transB"] else d_right]
    if len(x) > 2:
        gradients.append(unbroadcast(a["beta"] * g[0], x[2].shape))
    return gradients


def _softmax(x: Arrays, a: Attributes) -> Arrays:
    e = np.exp(x[0] - x[0].max(a["axis"], keepdims=True))
    return [e / e.sum(a["axis"], keepdims=True)]


def _softmax_backward(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
    axis = a["axis"]
    return [y[0] * (g[0] - a["mean"](g[0] * y[0], axis) * x[0].shape[axis])]


def _log_softmax_backward(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
    axis = a["axis"]
    return [g[0] - a["rounded"](np.exp(y[0])) * a["mean"](g[0], axis) * x[0].shape[axis]]


def _normalized(x: np.ndarray, a: Attributes) -> tuple[np.ndarray, np.ndarray, tuple]:
    axes = tuple(range(a["axis"] % x.ndim, x.ndim))
    centred = x - a["mean"](x, axes)
    deviation = np.sqrt((centred**2).mean(axes, keepdims=True) + a["epsilon"])
    return centred / deviation, deviation, axes


def _layer_norm(x: Arrays, a: Attributes) -> Arrays:
    y = _normalized(x[0], a)[0] * x[1]
    return [y + x[2] if len(x) > 2 else y]


def _layer_norm_backward(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
    n, deviation, axes = _normalized(x[0], a)
    d = g[0] * x[1]
    dx = (d - a["mean"](d, axes) - a["rounded"](n) * a["mean"](d * n, axes)) / deviation
    gradients = [dx, unbroadcast(g[0] * n, x[1].shape)]
    return gradients + ([unbroadcast(g[0], x[2].shape)] if len(x) > 2 else [])


def _clip(x: Arrays, a: Attributes) -> Arrays:
    return [np.clip(x[0], x[1], x[2])]


def _clip_backward(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
    return [g[0] * ((x[0] > x[1]) & (x[0] < x[2])), None, None]


def _where_backward(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
    return [None, unbroadcast(np.where(x[0], g[0], 0), x[1].shape),
            unbroadcast(np.where(x[0], 0, g[0]), x[2].shape)]


def _no_gradient(x: Arrays, y: Arrays, g: Arrays, a: Attributes):
    return [None] * len(x)


OPERATORS: dict[str, Operator] = {
    **{name: _unary(*pair) for name, pair in UNARY.items()},
    **{name: _binary(*pair) for name, pair in BINARY.items()},
    **{name: _reduction(*pair) for name, pair in REDUCTIONS.items()},
    "Pow": Operator(_pow, _pow_backward),
    "Sum": _variadic(lambda x: sum(x), lambda x: 1.0),
    "Mean": _variadic(lambda x: sum(x) / len(x), lambda x: 1.0 / len(x)),
    "Clip": Operator(_clip, _clip_backward),
    "Where": Operator(lambda x, a: [np.where(*x)], _where_backward, moves=True),
    "Greater": Operator(lambda x, a: [x[0] > x[1]], _no_gradient, moves=True),
    "Less": Operator(lambda x, a: [x[0] < x[1]], _no_gradient, moves=True),
    "Cast": Operator(lambda x, a: [x[0].astype(np.float64)], _no_gradient, moves=True),
    "Reshape": _moved(lambda x, a: x[0].reshape(x[1]), _restore),
    "Flatten": _moved(lambda x, a: x[0].reshape(math.prod(x[0].shape[:a["axis"]]), -1),
                      _restore),
    "Squeeze": _moved(lambda x, a: x[0].squeeze(tuple(a["axes"])), _restore),
    "Unsqueeze": _moved(lambda x, a: np.expand_dims(x[0], tuple(a["axes"])), _restore),
    "Transpose": _moved(lambda x, a: x[0].transpose(a["perm"]),
                        lambda x, g, a: g.transpose(np.argsort(a["perm"]))),
    "Expand": _moved(lambda x, a: x[0] * np.ones(x[1]),
                     lambda x, g, a: unbroadcast(g, x[0].shape)),
    "Slice": _moved(lambda x, a: x[0][_slice(x)], lambda x, g, a: _scatter(x, g, _slice(x))),
    "Gather": _moved(lambda x, a: x[0].take(x[1], a["axis"]),
                     lambda x, g, a: _scatter(x, g, _gather_place(x, a))),
    "Pad": _moved(_pad, lambda x, g, a: g[_pad_place(x)]),
    "Tile": _moved(lambda x, a: np.tile(x[0], x[1]), _tile_backward),
    "Split": Operator(_split, lambda x, y, g, a: [np.concatenate(g, a["axis"]), None],
                      moves=True),
    "Concat": Operator(lambda x, a: [np.concatenate(x, a["axis"])], _concat_backward,
                       moves=True),
    "MatMul": Operator(lambda x, a: [x[0] @ x[1]], _matmul_backward),
    "Gemm": Operator(_gemm, _gemm_backward),
    "Softmax": Operator(_softmax, _softmax_backward),
    "LogSoftmax": Operator(
        lambda x, a: [x[0] - np.log(np.exp(x[0]).sum(a["axis"], keepdims=True))],
        _log_softmax_backward),
    "LayerNormalization": Operator(_layer_norm, _layer_norm_backward),
}
