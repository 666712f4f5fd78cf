"""Points for recurrent layers.

The formulas are written out here: ONNX's reference implementation has one direction, the default
functions and no lengths.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import numpy as np

from opcase import OpCase, op_case, spread

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
STATES = {"RNN": 1, "LSTM": 2, "GRU": 1}
DEFAULTS = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


#: Functions of x and, where they take them, of alpha and beta; then the defaults of these.
ACTIVATIONS = {
    "Tanh": (np.tanh,),
    "Relu": (lambda x: np.maximum(x, 0),),
    "Sigmoid": (sigmoid,),
    "Softsign": (lambda x: x / (1 + abs(x)),),
    "Softplus": (lambda x: np.log1p(np.exp(x)),),
    "LeakyRelu": (lambda x, a: np.where(x >= 0, x, a * x), 0.01),
    "ThresholdedRelu": (lambda x, a: np.where(x >= a, x, 0), 1.0),
    "Elu": (lambda x, a: np.where(x >= 0, x, a * np.expm1(x)), 1.0),
    "Affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "ScaledTanh": (lambda x, a, b: a * np.tanh(b * x), 1.0, 1.0),
    "HardSigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), 0.2, 0.5),
}


def functions(names, clip, alphas, betas):
    """The activations, with their numbers and what they get bounded."""
    alphas, betas = iter(alphas), iter(betas)

    def bounded(name):
        f, *numbers = ACTIVATIONS[name]
        values = [next(source, default) for source, default in zip((alphas, betas), numbers)]
        values = [np.float64(np.float32(value)) for value in values]  # ONNX's attributes are f32
        return lambda x: f(x if clip is None else np.clip(x, -clip, clip), *values)

    return [bounded(name) for name in names]


def step(kind, x, state, r, bias, peepholes, fs, linear, coupled):
    """The states after a step. `x` has the products with the input and their bias."""
    h = state[0]
    if kind == "RNN":
        return [fs[0](x + h @ r.T + bias)]
    if kind == "GRU":
        (xz, xr, xn), (rz, rr, rn) = np.split(x, 3, axis=-1), np.split(r, 3)
        bz, br, bn = np.split(bias, 3)
        z, reset = fs[0](xz + h @ rz.T + bz), fs[0](xr + h @ rr.T + br)
        inner = reset * (h @ rn.T + bn) if linear else (reset * h) @ rn.T + bn
        return [(1 - z) * fs[1](xn + inner) + z * h]
    c = state[1]
    i, o, f, new = np.split(x + h @ r.T + bias, 4, axis=-1)
    pi, po, pf = np.split(peepholes, 3)
    i = fs[0](i + pi * c)
    f = 1 - i if coupled else fs[0](f + pf * c)
    c = f * c + i * fs[1](new)
    return [fs[0](o + po * c) * fs[2](c), c]


def layer(kind, x, w, r, b=None, lengths=None, h=None, c=None, p=None, *, direction="forward",
          activations=None, activation_alpha=(), activation_beta=(), clip=None, layout=0,
          linear_before_reset=0, input_forget=0, output_sequence=0):
    """Y, Y_h and, of an LSTM, Y_c."""
    if layout:
        x, h, c = (None if a is None else a.transpose(1, 0, 2) for a in (x, h, c))
    ways = {"forward": [1], "reverse": [-1], "bidirectional": [1, -1]}[direction]
    hidden, steps, batch = r.shape[-1], *x.shape[:2]
    fs = functions(activations or DEFAULTS[kind] * len(ways), clip, activation_alpha,
                   activation_beta)
    fs = np.array_split(np.array(fs, object), len(ways))
    lengths = np.full(batch, steps) if lengths is None else lengths
    y, last = np.zeros((steps, len(ways), batch, hidden)), []
    for d, way in enumerate(ways):
        bias, inner = np.split(np.zeros(2 * GATES[kind] * hidden) if b is None else b[d], 2)
        peepholes = np.zeros(3 * hidden) if p is None else p[d]
        state = [np.zeros((batch, hidden)) if a is None else a[d] for a in (h, c)][:STATES[kind]]
        for t in range(steps)[::way]:
            made = step(kind, x[t] @ w[d].T + bias, state, r[d], inner, peepholes, fs[d],
                        linear_before_reset, input_forget)
            has = (t < lengths)[:, None]
            y[t, d] = np.where(has, made[0], 0)
            state = [np.where(has, new, old) for new, old in zip(made, state)]
        last.append(state)
    ends = [np.stack(states) for states in zip(*last)]
    if layout:
        y, ends = y.transpose(2, 0, 1, 3), [end.transpose(1, 0, 2) for end in ends]
    return y, *ends


def case(kind: str, variant: str, sizes: tuple[int, int, int, int] = (3, 2, 2, 2), *,
         given: str = "", outputs: str = "y", lengths=None, constant=False, opset=22,
         types=("f32", "f16", "bf16"), **attributes) -> OpCase:
    """`sizes`: time steps, batch, extent of the input, hidden. `given` are the optional inputs
    among b, h, c and p, `outputs` those among y, h and c. Lengths are an input, or `constant`."""
    steps, batch, width, hidden = sizes
    count = 2 if attributes.get("direction") == "bidirectional" else 1
    layout, rows = attributes.get("layout", 0), GATES[kind] * hidden
    state = (batch, count, hidden) if layout else (count, batch, hidden)
    arrays = {"x": spread(*((batch, steps) if layout else (steps, batch)), width),
              "w": spread(count, rows, width, low=-0.9, high=0.8, seed=2),
              "r": spread(count, rows, hidden, low=-0.8, high=0.9, seed=3)}
    optional = {"b": (lambda: spread(count, 2 * rows, low=-0.4, high=0.5, seed=4)),
                "h": (lambda: spread(*state, low=-0.7, high=0.9, seed=5)),
                "c": (lambda: spread(*state, low=-0.8, high=0.7, seed=6)),
                "p": (lambda: spread(count, 3 * hidden, low=-0.6, high=0.7, seed=7))}
    for key in given:
        arrays[key] = optional[key]()
    if lengths is not None and not constant:
        arrays["l"] = np.array(lengths, np.int32)
    keys = list(arrays)

    def formula(*inputs):
        values = dict(zip(keys, inputs))
        if lengths is not None:
            values["l"] = np.array(lengths)
        results = layer(kind, *(values.get(key) for key in "xwrblhcp"), **attributes)
        return tuple(value for name, value in zip("yhc", results) if name in outputs)

    base = op_case(kind, *arrays.values(), variant=variant, opset=opset, formula=formula,
                   constants=(np.array(lengths, np.int32),) if constant else (),
                   outputs=len(outputs), types=types, inner_roundings=3.0 * steps,
                   hidden_size=hidden, **attributes)
    names = {key: f"x{i}" for i, key in enumerate(keys)} | ({"l": "c0"} if constant else {})
    node, = base.nodes
    node.ClearField("input")
    node.input.extend([names.get(key, "") for key in "xwrblhcp"])
    while not node.input[-1]:
        node.input.pop()
    node.ClearField("output")
    node.output.extend([f"out{outputs.index(key)}" if key in outputs else "" for key in "yhc"])
    while not node.output[-1]:
        node.output.pop()
    return base


def of_kind(kind: str) -> list[OpCase]:
    """What all kinds have in common."""
    functions, states = len(DEFAULTS[kind]), "hc"[:STATES[kind]]
    given, outputs = "b" + states, "y" + states
    bidirectional = {"direction": "bidirectional"}
    return [
        case(kind, ""),
        case(kind, "all inputs", (3, 2, 3, 2), given=given, outputs=outputs),
        case(kind, "aligned slices", (2, 4, 2, 2), given=given),
        case(kind, "one step", (1, 2, 3, 2), given=states, outputs=outputs),
        case(kind, "reverse", given=given, outputs=outputs, direction="reverse"),
        case(kind, "bidirectional", given=given, outputs=outputs, **bidirectional),
        case(kind, "batch first", given=given, outputs=outputs, layout=1, **bidirectional),
        case(kind, "last state", given=states, outputs="h"),
        case(kind, "lengths", (3, 4, 2, 2), given=given, outputs=outputs, lengths=[3, 1, 0, 2]),
        case(kind, "lengths, reverse", (3, 3, 2, 2), given=given, outputs=outputs,
             lengths=[2, 3, 0], direction="reverse"),
        case(kind, "lengths, bidirectional", given=given, outputs=states, lengths=[1, 3],
             layout=1, **bidirectional),
        case(kind, "constant lengths", given="b", lengths=[2, 3], constant=True,
             direction="reverse"),
        case(kind, "full lengths", given="h", lengths=[3, 3], constant=True),
        case(kind, "clip", given=given, outputs=outputs, clip=0.75),
        case(kind, "functions of the result", given=given, outputs=outputs,
             activations=["Affine", "Relu", "Sigmoid"][:functions], activation_alpha=[0.5],
             activation_beta=[0.25]),
        case(kind, "functions of the argument", given=given, outputs=outputs,
             activations=["HardSigmoid", "Softsign", "Softplus"][:functions]),
        case(kind, "functions with alpha", given=given, outputs=outputs,
             activations=["LeakyRelu", "Elu", "ThresholdedRelu"][:functions],
             activation_alpha=[0.5, 0.75, -0.5][:functions]),
        case(kind, "functions of two directions", given=given, **bidirectional,
             activations=["ScaledTanh", "Elu", "LeakyRelu"][:functions]
             + ["Softplus", "ScaledTanh", "HardSigmoid"][:functions],
             activation_alpha=[0.5, 0.75], activation_beta=[1.25]),
        case(kind, "opset 5", given="b", opset=5, output_sequence=1, types=("f32", "f16")),
        case(kind, "opset 7", given="b", opset=7, types=("f32", "f16")),
        case(kind, "opset 14", given="b", opset=14, types=("f32", "f16")),
    ]


def all_cases() -> list[OpCase]:
    both = {"direction": "bidirectional"}
    return [
        *of_kind("RNN"), *of_kind("LSTM"), *of_kind("GRU"),
        case("LSTM", "peepholes", (3, 2, 2, 2), given="bhcp", outputs="yhc"),
        case("LSTM", "peepholes, lengths", (3, 3, 2, 2), given="bhcp", outputs="yhc",
             lengths=[1, 3, 2], **both),
        case("LSTM", "peepholes, clip", given="bhcp", outputs="yhc", clip=0.5, direction="reverse"),
        case("LSTM", "cell state", given="c", outputs="c"),
        case("LSTM", "coupled", given="bhcp", outputs="yhc", input_forget=1),
        case("LSTM", "coupled, lengths", (3, 3, 2, 2), given="bhc", outputs="yc", input_forget=1,
             lengths=[1, 3, 2], direction="reverse"),
        case("GRU", "linear", given="bh", outputs="yh", linear_before_reset=1),
        case("GRU", "linear, no bias", given="h", outputs="y", linear_before_reset=1),
        case("GRU", "linear, aligned", (2, 4, 2, 2), given="bh", linear_before_reset=1),
        case("GRU", "linear, lengths", (3, 3, 2, 2), given="bh", outputs="yh",
             linear_before_reset=1, lengths=[2, 0, 3], **both),
        case("GRU", "linear, clip", given="bh", outputs="yh", linear_before_reset=1, clip=0.75,
             direction="reverse"),
        case("GRU", "linear, functions", given="bh", outputs="yh", linear_before_reset=1,
             activations=["HardSigmoid", "Softsign"]),
        case("GRU", "linear, opset 5", given="bh", opset=5, linear_before_reset=1,
             types=("f32", "f16")),
    ]
