#!/usr/bin/env python3
"""The gradient of an operator equals that of the function it stands for.

ONNX's node data has test_x and test_x_expanded, the same computation as one operator and
spelled out in others. Both get a Gradient node of y = sum of outputs times a fixed
cotangent, by the differentiable inputs, on the test's own data, in f32. No finite
differences, and nobody here chose the points.

Tolerance: both sides are chains of a few f32 operations on sums of some dozen terms; 1e-4
of the value and 1e-5 of the largest element leave 80 roundings of that.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import pathlib
import sys
import tempfile
import zlib

import numpy as np
import onnx
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Conformance"))

import cases as suite  # noqa: E402
import command_line  # noqa: E402
import compiled  # noqa: E402
from opcase import PREVIEW  # noqa: E402

RTOL, ATOL_OF_LARGEST = 1e-4, 1e-5
LEAST_PAIRS = 50  # fewer means that the data or the operators went missing
DIFFERENTIABLE = onnx.defs.OpSchema.DifferentiationCategory.Differentiable
# Operators of whose inputs the schema says nothing, though they have gradients.
UNTAGGED = ("Attention", "RotaryEmbedding", "CausalConvWithState")
Pair = tuple[suite.Case, suite.Case]


def find_pairs(data: pathlib.Path) -> list[Pair]:
    found = {case.test: case for case in suite.find_cases("onnx", data)}
    pairs = []
    for name, case in found.items():
        base, mark, _ = name.partition("_expanded")
        if mark and base in found:
            pairs.append((found[base], case))
    return pairs


def is_f32(value: onnx.ValueInfoProto) -> bool:
    return value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def differentiable_inputs(model: onnx.ModelProto) -> list[str]:
    """The f32 inputs by which ONNX's schema says that the model's one node has gradients;
    none where no result is f32, or a sequence is among the inputs."""
    graph = model.graph
    if (len(graph.node) != 1 or not any(is_f32(value) for value in graph.output) or
            any(suite.is_sequence(value) for value in graph.input)):
        return []
    node = model.graph.node[0]
    if node.domain not in ("", "ai.onnx"):
        return []
    version = next(o.version for o in model.opset_import if o.domain == node.domain)
    declared = onnx.defs.get_schema(node.op_type, version, node.domain).inputs
    floats = {value.name for value in model.graph.input if is_f32(value)}
    names = []
    for i, name in enumerate(node.input):
        formal = declared[min(i, len(declared) - 1)]
        is_tagged = formal.differentiation_category == DIFFERENTIABLE
        if name in floats and (is_tagged or node.op_type in UNTAGGED):
            names.append(name)
    return names


def with_gradient(model: onnx.ModelProto, case: suite.Case,
                  names: list[str]) -> onnx.ModelProto:
    """The model with outputs test.d0.., the gradients by `names`."""
    graph = model.graph
    outputs = suite.read_values(case.folder / "test_data_set_0", "output", graph)
    sums = []
    for i, value in enumerate(graph.output):
        if not is_f32(value):
            continue
        array = outputs[value.name]
        rng = np.random.default_rng(zlib.crc32(case.test.partition("_expanded")[0].encode()))
        weight = rng.uniform(0.5, 1.5, array.shape).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(weight, f"test.cotangent{i}"))
        graph.node.extend([
            helper.make_node("Mul", [value.name, f"test.cotangent{i}"], [f"test.product{i}"]),
            helper.make_node("ReduceSum", [f"test.product{i}"], [f"test.sum{i}"], keepdims=0)])
        sums.append(f"test.sum{i}")
    graph.node.append(helper.make_node("Sum", sums, ["test.y"]))
    results = [f"test.d{i}" for i in range(len(names))]
    graph.node.append(helper.make_node("Gradient", names, results, domain=PREVIEW, xs=names,
                                       y="test.y", name="gradient"))
    shapes = {value.name: value.type for value in graph.input}
    graph.output.extend(onnx.ValueInfoProto(name=result, type=shapes[name])
                        for result, name in zip(results, names))
    model.opset_import.append(helper.make_opsetid(PREVIEW, 1))
    return model


def gradients(tools: compiled.Tools, case: suite.Case, names: list[str]) -> list[np.ndarray]:
    model = with_gradient(onnx.load(case.folder / "model.onnx"), case, names)
    arrays = suite.read_values(case.folder / "test_data_set_0", "input", model.graph)
    feeds = {}
    for value in [value for value in model.graph.input if value.name in arrays]:
        array = arrays[value.name]
        if value.name in ("axes", "shape"):  # known when compiled, or the results' shapes are not
            model.graph.initializer.append(numpy_helper.from_array(array, value.name))
            model.graph.input.remove(value)
            continue
        # At a kink the two forms may choose different slopes, and both are right.
        feeds[value.name] = np.where(array == 0, array.dtype.type(0.5), array) if is_f32(
            value) else array
    with tempfile.TemporaryDirectory() as scratch:
        module = tools.compile(model, pathlib.Path(scratch))
        results = module.evaluate(feeds)
    return [results[f"test.d{i}"] for i in range(len(names))]


def check(tools: compiled.Tools, pair: Pair, names: list[str]) -> str:
    """Empty where the pair agrees, else what is wrong."""
    try:
        whole, spelled = (gradients(tools, case, names) for case in pair)
    except compiled.ToolError as error:
        return f"{error.tool} ({error.code}): {error.line.split('error: ', 1)[-1]}"
    for name, one, other in zip(names, whole, spelled):
        largest = np.abs(other).max(initial=0.0)
        if not np.allclose(one, other, rtol=RTOL, atol=ATOL_OF_LARGEST * largest):
            place = np.unravel_index(np.abs(one - other).argmax(), one.shape)
            where = tuple(int(k) for k in place)
            return (f"gradient by {name} at {list(where)} is {one[where]:.7g}, "
                    f"of the expanded form {other[where]:.7g}")
    return ""


def main() -> int:
    options = command_line.parser(__doc__).parse_args()
    tools = compiled.from_options(options)
    known = set(tools.list_ops())
    chosen, outside = [], 0
    for pair in find_pairs(command_line.onnx_data(options)[command_line.WHEEL]):
        models = [onnx.load(case.folder / "model.onnx") for case in pair]
        names = differentiable_inputs(models[0])
        if not names or not command_line.is_chosen(options, pair[1].test):
            continue
        if any(suite.unknown_parts(model, known) for model in models):
            outside += 1
        else:
            chosen.append((pair, names))
    failed = command_line.run_checks(options, lambda item: check(tools, *item), chosen,
                                     lambda item: item[0][1].test)
    few = not options.filter and len(chosen) < LEAST_PAIRS // options.sample
    if few:
        print(f"error: only {len(chosen)} pairs, at least {LEAST_PAIRS} are expected")
    print(f"{len(chosen)} pairs: {len(chosen) - failed} passed, {failed} failed; "
          f"{outside} use operators that ampc does not know")
    return 1 if failed or few or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
