"""One operator at one point: the model that computes it, its value and its gradients.

The model's inputs have a leading axis of 1 which a Reshape takes away again, so that one
call of ampc-run evaluates it at many points: rows of the data are points.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import dataclasses
import zlib
from collections.abc import Callable

import ml_dtypes
import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

DTYPES = {"f64": np.float64, "f32": np.float32, "f16": np.float16,
          "bf16": ml_dtypes.bfloat16}
PREVIEW = "ai.onnx.preview.training"


def spread(*shape: int, low: float = -2.0, high: float = 2.3, seed: int = 1) -> np.ndarray:
    """Evenly spaced values in a random order: no two are near each other, so that maxima
    have no ties within a difference step. Multiples of 2^-9 (they, and they plus a step of
    2^-17, are exact in f32); equal seeds and shapes give equal values."""
    count = int(np.prod(shape, dtype=np.int64))
    values = low + (np.arange(count) + 0.37) * (high - low) / max(count, 1)
    values = np.round(values * 512) / 512
    return np.random.default_rng(seed).permutation(values).reshape(shape)


@dataclasses.dataclass(frozen=True)
class OpCase:
    """`nodes` make outputs out0.. from x0.. (`inputs`) and the `constants`.

    Float inputs are differentiated by, except those whose index is in `fixed`."""
    operator: str  # as ampc --list-ops prints it
    variant: str
    nodes: tuple[onnx.NodeProto, ...]
    inputs: tuple[np.ndarray, ...]
    constants: dict[str, np.ndarray]
    opset: int
    outputs: int
    fixed: frozenset[int] = frozenset()
    step: float = 2.0**-17
    rtol: float = 1e-6
    types: tuple[str, ...] = ("f32", "f16", "bf16")  # it may run in, beside f64
    # The output from the inputs, where ONNX's reference implementation lacks the form.
    formula: Callable[..., np.ndarray] | None = None
    # Error that a low type may show, in last places of the largest result: an operator that
    # is made of several rounds in between, and cancels what it rounded.
    inner_roundings: float = 0.0
    random: bool = False  # its values are drawn, equal for all points of a call
    # The same on CUDA alone: what a library rounds before something is added.
    cuda_roundings: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.operator}{':' + self.variant if self.variant else ''}@{self.opset}"

    @property
    def wrt(self) -> list[int]:
        return [i for i, x in enumerate(self.inputs)
                if x.dtype == np.float64 and i not in self.fixed]

    def cotangent(self, index: int, shape: tuple[int, ...]) -> np.ndarray:
        """Fixed numbers around 1 that the output's elements are weighted by."""
        rng = np.random.default_rng(zlib.crc32(f"{self.name}/{index}".encode()))
        return np.round(rng.uniform(0.5, 1.5, shape) * 512) / 512


def op_case(operator: str, *inputs: np.ndarray, variant: str = "", opset: int = 21,
            constants: tuple[np.ndarray | None, ...] = (), outputs: int = 1,
            fixed: tuple[int, ...] = (), step: float = 2.0**-17, rtol: float = 1e-6,
            types: tuple[str, ...] = ("f32", "f16", "bf16"),
            formula: Callable[..., np.ndarray] | None = None,
            inner_roundings: float = 0.0, random: bool = False, cuda_roundings: float = 0.0,
            **attributes) -> OpCase:
    """A case of a single node: its inputs are `inputs`, then `constants` (None: absent)."""
    arguments = [f"x{i}" for i in range(len(inputs))]
    values = {}
    for i, constant in enumerate(constants):
        arguments.append("" if constant is None else f"c{i}")
        if constant is not None:
            values[f"c{i}"] = np.asarray(constant)
    domain, _, name = operator.rpartition(".")
    node = helper.make_node(name, arguments, [f"out{i}" for i in range(outputs)],
                            name="tested", domain=domain or None, **attributes)
    return OpCase(operator, variant, (node,), inputs, values, opset, outputs,
                  frozenset(fixed), step, rtol, types, formula, inner_roundings, random,
                  cuda_roundings)


def graph_case(operator: str, text: str, *inputs: np.ndarray, variant: str = "",
               opset: int = 21, constants: dict[str, np.ndarray] | None = None,
               outputs: int = 1, **options) -> OpCase:
    """A case of several nodes, one a line: `out0 = Op(x0, c)`, as onnx.parser reads them.

    For operators whose result has no gradient of its own or does not depend on values."""
    nodes = tuple(onnx.parser.parse_node(line.strip())
                  for line in text.strip().splitlines())
    return OpCase(operator, variant, nodes, inputs, constants or {}, opset, outputs,
                  **options)


def _typed(array: np.ndarray, dtype: str) -> np.ndarray:
    return array.astype(DTYPES[dtype]) if array.dtype == np.float64 else array


def _value_info(name: str, array: np.ndarray) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def _opsets(case: OpCase) -> list[onnx.OperatorSetIdProto]:
    return [helper.make_opsetid("", case.opset), helper.make_opsetid(PREVIEW, 1),
            helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("ai.onnx.preview", 1),
            helper.make_opsetid("ai.onnx.ml", 1)]


def op_model(case: OpCase, dtype: str) -> onnx.ModelProto:
    """The nodes alone: inputs x0.., outputs out0.. of types that are inferred."""
    constants = [numpy_helper.from_array(_typed(value, dtype), name)
                 for name, value in case.constants.items()]
    outputs = [onnx.ValueInfoProto(name=f"out{i}") for i in range(case.outputs)]
    graph = helper.make_graph(
        case.nodes, "operator",
        [_value_info(f"x{i}", _typed(x, dtype)) for i, x in enumerate(case.inputs)],
        outputs, constants)
    return helper.make_model(graph, opset_imports=_opsets(case)[:1], ir_version=8)


def reference_outputs(case: OpCase, dtype: str = "f64") -> list[np.ndarray]:
    """The outputs in f64 by ONNX's reference implementation, from inputs and constants that
    were rounded to `dtype`."""
    def rounded(array: np.ndarray) -> np.ndarray:
        return _typed(array, dtype).astype(np.float64) if array.dtype == np.float64 else array

    exact = dataclasses.replace(
        case, inputs=tuple(rounded(x) for x in case.inputs),
        constants={name: rounded(value) for name, value in case.constants.items()})
    if case.formula:
        made = case.formula(*exact.inputs)
        return [np.asarray(value) for value in (made if isinstance(made, tuple) else (made,))]
    feed = {f"x{i}": x for i, x in enumerate(exact.inputs)}
    outputs = ReferenceEvaluator(op_model(exact, "f64")).run(None, feed)
    return [np.asarray(output) for output in outputs]


def batched_model(case: OpCase, dtype: str, wanted: list[np.ndarray],
                  gradients: bool) -> onnx.ModelProto:
    """Inputs in0.. [1, ...]; outputs out0.., and with `gradients` y = sum of out * cotangent
    and d0.., its gradient by each input of case.wrt."""
    nodes, inputs, constants = [], [], []

    def constant(name: str, array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(array, name))
        return name

    for name, value in case.constants.items():
        constant(name, _typed(value, dtype))
    for i, x in enumerate(case.inputs):
        inputs.append(_value_info(f"in{i}", _typed(x[None], dtype)))
        shape = constant(f"shape{i}", np.array(x.shape, np.int64))
        nodes.append(helper.make_node("Reshape", [f"in{i}", shape], [f"x{i}"]))
    nodes += case.nodes
    outputs = []
    for i, value in enumerate(wanted):
        # A leading axis here too, so that rows of the result are points.
        shape = constant(f"rows{i}", np.array((1, *value.shape), np.int64))
        nodes.append(helper.make_node("Reshape", [f"out{i}", shape], [f"result{i}"]))
        outputs.append(_value_info(f"result{i}", _typed(value[None], dtype)))
    if gradients:
        terms = []
        for i, value in enumerate(wanted):
            if value.dtype.kind != "f":
                continue
            factor = f"out{i}"
            if value.dtype != np.float64:  # a Cast case: its type is its own
                nodes.append(helper.make_node(
                    "Cast", [factor], [f"wide{i}"],
                    to=helper.np_dtype_to_tensor_dtype(np.dtype(DTYPES[dtype]))))
                factor = f"wide{i}"
            weight = constant(f"cotangent{i}", _typed(case.cotangent(i, value.shape), dtype))
            nodes += [helper.make_node("Mul", [factor, weight], [f"product{i}"]),
                      helper.make_node("Reshape", [f"product{i}", constant(
                          f"flat{i}", np.array([-1], np.int64))], [f"terms{i}"]),
                      helper.make_node("ReduceSum", [f"terms{i}"], [f"sum{i}"], keepdims=1)]
            terms.append(f"sum{i}")
        for i, term in enumerate(terms[1:]):
            nodes.append(helper.make_node("Add", [terms[0], term], [f"partial{i}"]))
            terms[0] = f"partial{i}"
        nodes.append(helper.make_node("Identity", [terms[0]], ["y"]))
        outputs.append(_value_info("y", np.zeros(1, DTYPES[dtype])))
        names = [f"in{i}" for i in case.wrt]
        nodes.append(helper.make_node("Gradient", names, [f"d{i}" for i in case.wrt],
                                      domain=PREVIEW, name="gradient", xs=names, y="y"))
        outputs += [_value_info(f"d{i}", _typed(case.inputs[i][None], dtype))
                    for i in case.wrt]
    graph = helper.make_graph(nodes, case.name, inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=_opsets(case), ir_version=8)
