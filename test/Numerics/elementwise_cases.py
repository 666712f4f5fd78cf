"""Points for the elementwise operators, by families: unary, activations, binary, selection.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import math

import numpy as np
import onnx
from onnx import TensorProto, helper

from opcase import OpCase, graph_case, op_case, spread

POSITIVE = spread(3, 5, low=0.3, high=3.0)


def gelu(x: np.ndarray) -> np.ndarray:
    """ONNX's reference has constants of f32 in it."""
    return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def flat_softmax(x: np.ndarray) -> np.ndarray:
    """Softmax before opset 13 with axis 1: over all that follows the first axis. ONNX's
    reference takes the one axis there too."""
    e = np.exp(x - x.max())
    return e / e.reshape(len(x), -1).sum(axis=1).reshape(-1, *[1] * (x.ndim - 1))


def unary() -> list[OpCase]:
    x = spread(3, 5)
    cases = [op_case(name, x) for name in
             ("Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Neg", "Round", "Sigmoid",
              "Sign", "Sin", "Softplus", "Tanh", "Relu", "Identity")]
    cases += [op_case(name, POSITIVE) for name in ("Log", "Reciprocal", "Sqrt")]
    # Far out, where the plain formulas overflow or cancel.
    far = np.array([[-40.0, -20.25, -9.0, 9.5, 20.75, 40.0]])
    cases += [op_case(name, far, variant="far")
              for name in ("Sigmoid", "Softplus", "Tanh", "Erf")]
    cases += [
        op_case("Tanh", np.array(0.75), variant="rank 0"),
        op_case("Exp", spread(2, 3, 4), variant="opset 6", opset=6),
        op_case("Relu", spread(1, 7), variant="opset 6", opset=6),
        # The bits of a cast's result are the point's own: x is exact in both types.
        op_case("Cast", x, variant="to f32", to=TensorProto.FLOAT, types=("f32",)),
        graph_case("Cast", """
            h = Cast <to = 1> (x0)
            p = Mul(h, h)
            out0 = Cast <to = 11> (p)""", spread(3, 4), variant="f32 inside",
                   step=2.0**-6, rtol=1e-5, types=()),
        graph_case("CastLike", "out0 = CastLike(x0, like)", x,
                   constants={"like": np.zeros(1, np.float32)}, types=("f32",)),
        graph_case("Cast", """
            n = Cast <to = 7> (x0)
            f = Cast <to = 11> (n)
            out0 = Mul(f, x0)""", x, variant="through integers", types=()),
    ]
    return cases


def trigonometry() -> list[OpCase]:
    x, inside = spread(3, 5), spread(3, 5, low=-0.95, high=0.95)
    cases = [op_case(name, x) for name in ("Atan", "Sinh", "Cosh", "Asinh")]
    cases += [op_case(name, inside) for name in ("Asin", "Acos", "Atanh")]
    cases += [op_case("Tan", spread(3, 5, low=-1.3, high=1.25)),
              op_case("Acosh", spread(3, 5, low=3.3, high=9.0)),  # a third of it is above 1 too
              op_case("Atan", np.array([[-400.0, -30.5, 30.25, 500.0]]), variant="far",
                      types=("f32",)),
              op_case("Asinh", np.array([[-400.0, -30.5, 30.25, 500.0]]), variant="far",
                      types=("f32",)),
              op_case("Cosh", spread(2, 3), variant="opset 9", opset=9)]
    return cases


def rectifiers() -> list[OpCase]:
    """No point is a kink."""
    x, far = spread(4, 3, low=-3.7, high=3.9), np.array([[-40.0, -9.5, 9.25, 40.0]])
    slope = spread(4, 1, 1, low=0.1, high=0.6, seed=3)
    return [
        op_case("PRelu", spread(2, 4, 3), spread(4, 1, low=0.1, high=0.6, seed=3)),
        op_case("PRelu", x, np.array([0.25]), variant="one slope"),
        op_case("PRelu", spread(2, 4, 3, 2), slope, variant="channels"),
        op_case("PRelu", spread(2, 4, 3, 2), slope.ravel(), variant="opset 6", opset=6,
                formula=lambda x, a: np.where(x > 0, x, a[:, None, None] * x)),
        op_case("Selu", x, formula=lambda x: 1.05070102214813232421875 * np.where(
            x > 0, x, 1.67326319217681884765625 * np.expm1(x))),
        op_case("Selu", x, variant="alpha, gamma", alpha=1.5, gamma=0.75),
        op_case("Celu", x, formula=lambda x: np.where(x > 0, x, np.expm1(x))),
        op_case("Celu", x, variant="alpha", alpha=2.0, types=("f32",),
                formula=lambda x: np.where(x > 0, x, 2 * np.expm1(x / 2))),
        op_case("HardSigmoid", x, alpha=0.25, beta=0.5),
        op_case("HardSwish", x, formula=lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
        op_case("Mish", x), op_case("Mish", far, variant="far"),
        op_case("Swish", x, opset=24, formula=lambda x: x / (1 + np.exp(-x))),
        op_case("Swish", x, variant="alpha", opset=24, alpha=1.5,
                formula=lambda x: x / (1 + np.exp(-1.5 * x))),
        op_case("Softsign", x), op_case("Softsign", far, variant="far"),
        op_case("Shrink", x), op_case("Shrink", x, variant="bias", lambd=1.25, bias=0.5),
        op_case("ThresholdedRelu", x), op_case("ThresholdedRelu", x, variant="alpha", alpha=-0.25),
    ]


def remainders() -> list[OpCase]:
    x, y = spread(3, 4, low=-7.0, high=7.2), spread(3, 4, low=0.8, high=2.6, seed=2)
    return [op_case("Mod", x, y, fmod=1), op_case("Mod", x, -y, variant="negative", fmod=1),
            op_case("Mod", x, spread(4, low=0.8, high=2.6, seed=5), variant="broadcast", fmod=1)]


def activations() -> list[OpCase]:
    x = spread(4, 3)
    volume = spread(2, 3, 4)
    low, high = np.array(-0.75), np.array(1.25)
    return [
        op_case("Elu", x), op_case("Elu", x, variant="alpha", alpha=0.4),
        op_case("Elu", x, variant="opset 6", opset=6, alpha=2.0),
        op_case("LeakyRelu", x),
        op_case("LeakyRelu", x, variant="alpha", alpha=0.3),
        op_case("LeakyRelu", x, variant="negative alpha", alpha=-0.5),
        op_case("Gelu", x, formula=gelu),
        op_case("Gelu", x, variant="tanh", approximate="tanh"),
        op_case("Gelu", np.array([[-9.0, -4.5, 4.25, 9.0]]), variant="far", formula=gelu),
        op_case("Clip", x, constants=(low, high)),
        op_case("Clip", x, variant="lower", constants=(low,)),
        op_case("Clip", x, variant="upper", constants=(None, high)),
        op_case("Clip", x, variant="none"),
        op_case("Clip", x, variant="opset 6", opset=6, min=-0.5, max=0.5),
        op_case("Softmax", x), op_case("Softmax", x, variant="axis 0", axis=0),
        op_case("Softmax", spread(2, 3, 4), variant="middle axis", axis=-2),
        op_case("Softmax", volume, variant="opset 11", opset=11, formula=flat_softmax, axis=1),
        op_case("Softmax", volume, variant="opset 11 default", opset=11,
                formula=flat_softmax),
        op_case("LogSoftmax", x), op_case("LogSoftmax", x, variant="axis 0", axis=0),
        op_case("LogSoftmax", spread(2, 3, 4), variant="middle axis", axis=1),
        op_case("LogSoftmax", volume, variant="opset 11", opset=11, axis=1,
                formula=lambda x: np.log(flat_softmax(x))),
        op_case("LogSoftmax", spread(2, 3) * 30, variant="far"),
        # Eval runs the module as it stands; without training mode it is the identity.
        op_case("Dropout", x), op_case("Dropout", x, variant="opset 7", opset=7, ratio=0.4),
        op_case("Dropout", x, variant="ratio 0", fixed=(1,),
                constants=(np.float32(0.0), np.array(True))),
        op_case("Dropout", spread(8, 6), variant="training", random=True, types=(),
                constants=(np.float32(0.25), np.array(True))),
        op_case("Dropout", x, variant="training, default ratio", random=True, types=(),
                formula=lambda x: x, constants=(None, np.array(True))),
    ]


def binary() -> list[OpCase]:
    x, y = spread(3, 4), spread(3, 4, low=0.4, high=2.6, seed=2)
    cases = []
    for name in ("Add", "Sub", "Mul", "Div"):
        cases += [
            op_case(name, x, y),
            op_case(name, spread(2, 3, 4), spread(4, low=0.4, seed=3), variant="row"),
            op_case(name, spread(3, 1), spread(2, 1, 5, low=0.4, seed=3), variant="both"),
            op_case(name, spread(2, 3), np.array(0.75), variant="rank 0 right"),
            op_case(name, np.array(1.25), spread(2, 3, low=0.4), variant="rank 0 left"),
            op_case(name, spread(2, 1, 1, 3), spread(1, 3, 2, 1, low=0.5, seed=4),
                    variant="rank 4"),
        ]
    cases += [
        graph_case("Mul", "out0 = Mul(x0, x0)", x, variant="twice the same"),
        op_case("Add", spread(2, 3, 4), spread(3, seed=5), variant="opset 6 axis", opset=6,
                axis=1, broadcast=1, formula=lambda x, y: x + y[:, None]),
        op_case("Pow", y, x), op_case("Pow", y, np.array(1.5), variant="rank 0"),
        op_case("Pow", y, spread(1, 4, seed=4), variant="broadcast"),
        op_case("Pow", x, variant="square", constants=(np.array(2.0),)),
        op_case("Pow", x, variant="cube of negatives", constants=(np.array(3.0),)),
        op_case("Pow", y, variant="inverse root", constants=(np.array(-0.5),)),
        op_case("Pow", x, variant="integer exponent", constants=(np.array([2], np.int64),)),
    ]
    z = spread(3, 4, low=-1.9, high=2.4, seed=6) + 2.0**-6
    for name in ("Max", "Min"):
        cases += [
            op_case(name, x, z), op_case(name, x, z, spread(4, seed=9) + 2.0**-5,
                                         variant="three, broadcast"),
            op_case(name, x, variant="one"),
            op_case(name, x, z, variant="opset 8", opset=8),
        ]
    for name in ("Sum", "Mean"):
        cases += [op_case(name, x, y), op_case(name, x, variant="one"),
                  op_case(name, x, spread(4, seed=3), spread(3, 1, seed=4),
                          variant="three, broadcast")]
    return cases


def selection() -> list[OpCase]:
    condition = np.array([[True, False, True, False], [False, False, True, True]])
    return [
        op_case("Where", condition, spread(2, 4), spread(2, 4, seed=2)),
        op_case("Where", condition, spread(4), spread(2, 1, seed=2), variant="broadcast"),
        op_case("Where", condition[:, :1], spread(3, 1, 4), np.array(0.5),
                variant="condition broadcast"),
        graph_case("Where", """
            less = Less(x0, x1)
            out0 = Where(less, x0, x1)""", spread(3, 4),
                   spread(3, 4, seed=7) + 2.0**-6, variant="minimum spelled out"),
    ]


def branch(text: str) -> onnx.GraphProto:
    """A graph of one node `y = Op(x0)` that reads what is around it."""
    return helper.make_graph([onnx.parser.parse_node(text)], "branch", [],
                             [onnx.ValueInfoProto(name="y")])


def branches() -> list[OpCase]:
    """If whose condition is known: the branch that is taken, on values from around it."""
    taken, other = branch("y = Mul(x0, x1)"), branch("y = Sub(x0, x1)")
    return [OpCase("If", str(condition), (
        helper.make_node("If", ["condition"], ["out0"], then_branch=taken, else_branch=other),),
        (spread(2, 3), spread(2, 3, seed=2)), {"condition": np.array(condition)}, 21, 1)
            for condition in (True, False)]


def gradients() -> list[OpCase]:
    """Gradient nodes inside what is differentiated: of second order, and at another point
    than the one that the graph computes."""
    name = "ai.onnx.preview.training.Gradient"
    return [
        graph_case(name, f"""
            t = Tanh(x0)
            s = ReduceSum(t)
            g = {name} <xs = ["x0"], y = "s"> (x0)
            out0 = Mul(g, x0)""", spread(3, 4), variant="second order", types=(),
                   formula=lambda x: (1 - np.tanh(x)**2) * x),
        graph_case(name, f"""
            e = Exp(x0)
            p = Mul(e, x0)
            s = ReduceSum(p)
            out0 = {name} <xs = ["x0"], y = "s"> (x1)""", spread(3, 4),
                   spread(3, 4, seed=2), variant="at another point", types=(),
                   formula=lambda _, x: np.exp(x) * (1 + x)),
    ]


def all_cases() -> list[OpCase]:
    return [*unary(), *trigonometry(), *activations(), *rectifiers(), *binary(), *remainders(),
            *selection(), *branches(), *gradients()]
