"""Points for recurrent layers.

The formula is written out here: ONNX's reference implementation has one direction only.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np

from opcase import OpCase, op_case, spread

ACTIVATIONS = {"Tanh": np.tanh, "Relu": lambda x: np.maximum(x, 0),
               "Sigmoid": lambda x: 1 / (1 + np.exp(-x))}


def rnn(x, w, r, b=None, h=None, *, direction="forward", activations=None, layout=0, last=False):
    """Y of ONNX's RNN, or Y_h."""
    if layout:
        x, h = x.transpose(1, 0, 2), None if h is None else h.transpose(1, 0, 2)
    ways = {"forward": [1], "reverse": [-1], "bidirectional": [1, -1]}[direction]
    results, ends = [], []
    for d, way in enumerate(ways):
        f = ACTIVATIONS[activations[d] if activations else "Tanh"]
        hidden = r.shape[-1]
        bias = np.zeros(hidden) if b is None else b[d, :hidden] + b[d, hidden:]
        state = np.zeros((x.shape[1], hidden)) if h is None else h[d]
        states = []
        for slice_ in x[::way]:
            state = f(slice_ @ w[d].T + state @ r[d].T + bias)
            states.append(state)
        results.append(np.stack(states[::way]))
        ends.append(state)
    y, end = np.stack(results, axis=1), np.stack(ends)
    if last:
        return end.transpose(1, 0, 2) if layout else end
    return y.transpose(2, 0, 1, 3) if layout else y


def case(variant: str, sizes: tuple[int, int, int, int], *, bias=False, initial=False, last=False,
         opset=22, **attributes) -> OpCase:
    """`sizes`: time steps, batch, extent of the input, hidden."""
    steps, batch, width, hidden = sizes
    count = 2 if attributes.get("direction") == "bidirectional" else 1
    layout = attributes.get("layout", 0)
    inputs = [spread(*((batch, steps) if layout else (steps, batch)), width),
              spread(count, hidden, width, low=-0.9, high=0.8, seed=2),
              spread(count, hidden, hidden, low=-0.8, high=0.9, seed=3)]
    names = ["x0", "x1", "x2"]
    if bias:
        names.append(f"x{len(inputs)}")
        inputs.append(spread(count, 2 * hidden, low=-0.4, high=0.5, seed=4))
    if initial:
        names += [""] * (5 - len(names)) + [f"x{len(inputs)}"]
        inputs.append(spread(*((batch, count) if layout else (count, batch)), hidden,
                             low=-0.7, high=0.9, seed=5))

    def formula(*arrays):
        arrays = list(arrays)
        x, w, r = arrays[:3]
        b = arrays[3] if bias else None
        h = arrays[-1] if initial else None
        return rnn(x, w, r, b, h, last=last, **attributes)

    base = op_case("RNN", *inputs, variant=variant, opset=opset, formula=formula,
                   inner_roundings=2.0 * steps, hidden_size=hidden, **attributes)
    node, = base.nodes
    node.ClearField("input")
    node.input.extend(names)
    node.ClearField("output")
    node.output.extend(["", "out0"] if last else ["out0"])
    return base


def all_cases() -> list[OpCase]:
    small, aligned = (4, 2, 3, 2), (3, 4, 2, 4)
    return [
        case("", small),
        case("bias and initial", small, bias=True, initial=True),
        case("aligned slices", aligned, bias=True, initial=True),
        case("one step", (1, 2, 3, 2), initial=True),
        case("reverse", small, bias=True, initial=True, direction="reverse"),
        case("reverse, aligned", aligned, initial=True, direction="reverse"),
        case("bidirectional", (3, 2, 2, 2), bias=True, initial=True, direction="bidirectional"),
        case("relu", small, bias=True, activations=["Relu"]),
        case("two functions", (3, 2, 2, 2), direction="bidirectional",
             activations=["Relu", "Sigmoid"]),
        case("batch first", small, bias=True, initial=True, layout=1),
        case("last state", small, initial=True, last=True),
        case("last states, batch first", (3, 2, 2, 2), last=True, layout=1,
             direction="bidirectional"),
        case("opset 7", small, bias=True, opset=7),
        case("opset 14", small, bias=True, opset=14),
        case("opset 21", small, bias=True, opset=21),
    ]
