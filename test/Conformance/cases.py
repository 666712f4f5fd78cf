"""The cases of ONNX's backend test data, and what one of them gives when compiled.

A case is a folder with model.onnx and test_data_set_*/{input,output}_*.pb. The judgement is
that of onnx.backend.test.runner: shape, element type, then values within the tolerances.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import dataclasses
import json
import pathlib
import re
import tempfile

import ml_dtypes
import numpy as np
import onnx
import onnx.numpy_helper

import compiled

GROUPS = ("node", "simple", "pytorch-operator", "pytorch-converted")
# onnx.backend.test.loader: the tolerances where data.json gives none.
RTOL, ATOL = 1e-3, 1e-7
TRAINING_DOMAIN = "ai.onnx.preview.training"
# What the importer has element types for; strings and complex numbers it has not.
ELEMENT_TYPES = frozenset({
    onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16,
    onnx.TensorProto.BFLOAT16, onnx.TensorProto.BOOL, onnx.TensorProto.INT8,
    onnx.TensorProto.INT16, onnx.TensorProto.INT32, onnx.TensorProto.INT64,
    onnx.TensorProto.UINT8, onnx.TensorProto.UINT16, onnx.TensorProto.UINT32,
    onnx.TensorProto.UINT64, onnx.TensorProto.FLOAT8E4M3FN, onnx.TensorProto.FLOAT8E4M3FNUZ,
    onnx.TensorProto.FLOAT8E5M2, onnx.TensorProto.FLOAT8E5M2FNUZ, onnx.TensorProto.FLOAT8E8M0,
    onnx.TensorProto.FLOAT4E2M1, onnx.TensorProto.INT4, onnx.TensorProto.UINT4,
    onnx.TensorProto.INT2, onnx.TensorProto.UINT2})
# Tests whose data is wrong, with what is wrong about it; they are run all the same.
FAULTY_DATA = {
    "onnx-1.12/node/test_adam_multiple":
        "it was computed with epsilon 1e-2, which its node lacks",
    "onnx-1.12/node/test_cast_FLOAT_to_BFLOAT16": "its numbers are cut off, not rounded",
    "onnx-1.12/node/test_castlike_BFLOAT16_to_FLOAT": "its input has not the shape declared",
    "onnx-1.12/node/test_castlike_BFLOAT16_to_FLOAT_expanded":
        "its input has not the shape declared",
    "onnx-1.12/node/test_castlike_FLOAT_to_BFLOAT16": "its input has not the shape declared",
    "onnx-1.12/node/test_castlike_FLOAT_to_BFLOAT16_expanded":
        "its input has not the shape declared",
    "onnx-1.22/node/test_dft_inverse": "it was rounded to f32: 2e-7 stands where 0 should",
    "onnx-1.22/node/test_dft_inverse_opset19":
        "it was rounded to f32: 2e-7 stands where 0 should",
}


@dataclasses.dataclass(frozen=True, order=True)
class Case:
    """One folder of test data; `name` is source/group/test, unique over all sources."""
    name: str
    folder: pathlib.Path

    @property
    def group(self) -> str:
        return self.name.rsplit("/", 1)[0]

    @property
    def test(self) -> str:
        return self.name.rsplit("/", 1)[1]


@dataclasses.dataclass(frozen=True)
class Result:
    """`status` is passed, failed or unsupported; `why` is empty for what passed. `bound` are
    the inputs that had to be fixed at compile time."""
    case: Case
    status: str
    why: str = ""
    bound: tuple[str, ...] = ()


class Mismatch(Exception):
    """An output that is not what the test data says."""


def find_cases(source: str, data: pathlib.Path) -> list[Case]:
    """All cases below a data folder of ONNX's layout, in the order of their names."""
    cases = []
    for group in GROUPS:
        for model in (data / group).glob("*/model.onnx"):
            # Without outputs there is nothing to compare with: the test proves nothing.
            if list(model.parent.glob("test_data_set_*/output_*.pb")):
                cases.append(Case(f"{source}/{group}/{model.parent.name}", model.parent))
    return sorted(cases)


def as_declared(array: np.ndarray, value: onnx.ValueInfoProto) -> np.ndarray:
    """ONNX 1.12 wrote the data of bf16 as uint16, their bits."""
    declared = value.type.tensor_type.elem_type
    if declared == onnx.TensorProto.BFLOAT16 and array.dtype == np.uint16:
        return array.view(ml_dtypes.bfloat16)
    return array


def is_sequence(value: onnx.ValueInfoProto) -> bool:
    return value.type.HasField("sequence_type")


def read_values(folder: pathlib.Path, kind: str, graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """The tensors of all data files, by name; those of a sequence as ampc names them."""
    files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda f: int(f.stem.rsplit("_", 1)[1]))
    declared = fed_inputs(graph, len(files)) if kind == "input" else list(graph.output)
    if len(files) != len(declared):
        raise Mismatch(f"{len(declared)} {kind}s, not {len(files)}")
    values = {}
    for value, file in zip(declared, files):
        if is_sequence(value):
            sequence = onnx.SequenceProto()
            sequence.ParseFromString(file.read_bytes())
            for i, array in enumerate(onnx.numpy_helper.to_list(sequence)):
                values[f"{value.name}[{i}]"] = array
        else:
            array = onnx.numpy_helper.to_array(onnx.load_tensor(str(file)))
            values[value.name] = as_declared(array, value)
    return values


def shape_flags(graph: onnx.GraphProto, values: dict[str, np.ndarray]) -> list[str]:
    """How many tensors the inputs that are sequences have, and of which shapes."""
    flags = []
    for value in filter(is_sequence, graph.input):
        shapes, i = [], 0
        while (array := values.get(f"{value.name}[{i}]")) is not None:
            shapes.append("x".join(map(str, array.shape)) or "scalar")
            i += 1
        flags.append(f"--sequence={value.name}={','.join(shapes)}")
    return flags


def tolerances(case: Case) -> tuple[float, float]:
    path = case.folder / "data.json"
    told = json.loads(path.read_text()) if path.exists() else {}
    return float(told.get("rtol", RTOL)), float(told.get("atol", ATOL))


def fed_inputs(graph: onnx.GraphProto, count: int) -> list[onnx.ValueInfoProto]:
    """The inputs that the data files are for: initializers that are inputs too may lack."""
    if len(graph.input) == count:
        return list(graph.input)
    initialized = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in initialized]


def compare(name: str, wanted: np.ndarray, got: np.ndarray, rtol: float, atol: float) -> None:
    if got.shape != wanted.shape:
        raise Mismatch(f"output {name} has shape {got.shape}, not {wanted.shape}")
    wanted = compiled.as_numpy(wanted)
    if got.dtype != wanted.dtype:
        raise Mismatch(f"output {name} is {got.dtype}, not {wanted.dtype}")
    try:
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=atol)
    except AssertionError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        telling = ("Mismatched", "Max abs", "x and y", "nan location", "inf location")
        facts = [line for line in lines if line.startswith(telling)]
        raise Mismatch(f"output {name}: " + "; ".join(facts or lines[:3])) from None


def unknown_parts(model: onnx.ModelProto, known: set[str]) -> str:
    """What of the model lies outside the importer's scope; empty where nothing does."""
    functions = {(f.domain, f.name) for f in model.functions}
    operators: set[str] = set()

    def visit(nodes) -> None:
        for node in nodes:
            if (node.domain, node.op_type) not in functions:
                plain = node.domain in ("", "ai.onnx")
                operators.add(node.op_type if plain else f"{node.domain}.{node.op_type}")
            for attribute in node.attribute:
                for graph in [attribute.g, *attribute.graphs]:
                    visit(graph.node)

    visit(model.graph.node)
    for function in model.functions:
        visit(function.node)
    if missing := sorted(operators - known):
        return "operators " + ", ".join(missing)
    for value in [*model.graph.input, *model.graph.output]:
        proto = value.type.sequence_type.elem_type if is_sequence(value) else value.type
        kind = proto.WhichOneof("value")
        if kind != "tensor_type":
            return f"{kind} {value.name}"
        if proto.tensor_type.elem_type not in ELEMENT_TYPES:
            type_name = onnx.TensorProto.DataType.Name(proto.tensor_type.elem_type)
            return f"element type {type_name} of {value.name}"
    return ""


def failure(case: Case, why: str) -> Result:
    faulty = FAULTY_DATA.get(case.name)
    return Result(case, "failed", f"{why} (faulty data: {faulty})" if faulty else why)


def bindings(graph: onnx.GraphProto,
             values: dict[str, np.ndarray]) -> list[tuple[str, ...]]:
    """Which inputs are fixed, one try after the other: none; integers that may be a shape, axes
    or a length; ratios and modes too."""
    named = [(value.name, values[value.name]) for value in graph.input if value.name in values]
    small = [(name, array) for name, array in named if array.ndim <= 1
             and compiled.as_numpy(array).dtype.kind in "iufb"]
    integers = tuple(name for name, array in small if array.dtype.kind in "iu")
    masks = tuple(name for name, array in named if array.dtype == bool and array.size <= 64)
    lists = tuple(name for name, array in small if array.dtype.kind in "iu" and array.ndim == 0
                  or array.dtype == np.int64)
    tries = [(), lists, integers, tuple(name for name, _ in small), masks]
    return [names for i, names in enumerate(tries) if names not in tries[:i]]


def compile_case(tools: compiled.Tools, case: Case, folder: pathlib.Path,
                 inputs: dict[str, np.ndarray], shapes: list[str],
                 tries: list[tuple[str, ...]]) -> tuple[compiled.Compiled, tuple[str, ...]]:
    """The module and the inputs that it fixes. The error of a model is that without any."""
    first = None
    for names in tries:
        flags = list(shapes)
        for i, name in enumerate(names):
            path = folder / f"bound{i}.npy"
            array = inputs[name]
            np.save(path, compiled.as_numpy(array))
            flags.append(f"--bind={name}={path}")
        try:
            return tools.compile(case.folder / "model.onnx", folder,
                                 (*compiled.AS_WRITTEN, *flags)), names
        except compiled.ToolError as error:
            first = first or error
            if error.code != 1:  # only a diagnosed refusal is worth another try
                raise
    raise first


def run_case(tools: compiled.Tools, known: set[str], case: Case) -> Result:
    """Compiles and evaluates one case, all its data sets."""
    bound: tuple[str, ...] = ()
    try:
        model = onnx.load(case.folder / "model.onnx", load_external_data=False)
        outside = unknown_parts(model, known)
        rtol, atol = tolerances(case)
        with tempfile.TemporaryDirectory() as scratch:
            module = None
            for data in sorted(case.folder.glob("test_data_set_*")):
                inputs = {} if outside else read_values(data, "input", model.graph)
                shapes = [] if outside else shape_flags(model.graph, inputs)
                if module is None or bound or shapes:  # what is fixed differs between data sets
                    tries = [()] if outside else bindings(model.graph, inputs)
                    try:
                        module, bound = compile_case(tools, case, pathlib.Path(scratch),
                                                     inputs, shapes, tries)
                    except compiled.ToolError as error:
                        # Only a diagnosed refusal is a limit; a crash is a bug whatever the
                        # model.
                        if outside and error.code == 1:
                            return Result(case, "unsupported", outside)
                        raise
                if outside:
                    inputs = read_values(data, "input", model.graph)
                try:
                    got = module.evaluate({name: array for name, array in inputs.items()
                                           if name not in bound})
                except compiled.ToolError as error:
                    # The declared shape was taken, and is not what the batch asks for.
                    names = tuple(re.findall(r"--bind=(\S+)=VALUE", error.line))
                    if not names or bound:
                        raise
                    module, bound = compile_case(tools, case, pathlib.Path(scratch), inputs,
                                                 shapes, [names])
                    got = module.evaluate({name: array for name, array in inputs.items()
                                           if name not in bound})
                wanted = read_values(data, "output", model.graph)
                if got.keys() != wanted.keys():
                    raise Mismatch(f"outputs {', '.join(got)}, not {', '.join(wanted)}")
                for name, array in wanted.items():
                    compare(name, array, got[name], rtol, atol)
    except compiled.ToolError as error:
        text = error.line.split("error: ", 1)[-1]
        return failure(case, f"{error.tool} ({error.code}): {text}")
    except Mismatch as error:
        return failure(case, f"result: {error}")
    return Result(case, "passed", bound=bound)
