#!/usr/bin/env python3
"""Every operator in f32, f16 and bf16 against its f64 reference on the rounded inputs.

The points are those of gradients.py. Their values are rounded to the type first, then the
reference computes in f64: what is left is the kernel's own error. It computes in f32 and
rounds once where it stores, so a result lies within one unit in the last place of the type
(half of one, and half of another where an operator is made of two), and the f32 error of
its terms: 2^-20 of the largest result leaves 16 roundings. Sums are short here;
precision.py has the long ones that tell an f32 accumulator from a 16-bit one.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnx.compose

import command_line
import compiled
import gradients
import opcase

# One unit in the last place, relative.
RTOL = {"f32": 2.0**-20, "f16": 2.0**-10, "bf16": 2.0**-7}
TERMS = 2.0**-20  # of the largest result: f32 rounding of what is summed
TINY = {"f32": 2.0**-126, "f16": 2.0**-24, "bf16": 2.0**-126}
BF16_OPSET = 13  # from here on the operators take it


def types_of(case: opcase.OpCase) -> list[str]:
    return [dtype for dtype in case.types if dtype != "bf16" or case.opset >= BF16_OPSET]


def merged(case: opcase.OpCase, references: dict[str, list[np.ndarray]]) -> onnx.ModelProto:
    """One model with the case in each type, names prefixed by it: one compilation."""
    models = [onnx.compose.add_prefix(
        opcase.batched_model(case, dtype, wanted, gradients=False), f"{dtype}_")
        for dtype, wanted in references.items()]
    whole = models[0]
    for model in models[1:]:
        for field in ("node", "input", "output", "initializer"):
            getattr(whole.graph, field).extend(getattr(model.graph, field))
    return whole


def check(tools: compiled.Tools, case: opcase.OpCase) -> str:
    """Empty where the case holds, else what is wrong, by type."""
    references = {dtype: opcase.reference_outputs(case, dtype) for dtype in types_of(case)}
    feeds = {}
    for dtype in references:
        for i, x in enumerate(case.inputs):
            typed = x.astype(opcase.DTYPES[dtype]) if x.dtype == np.float64 else x
            feeds[f"{dtype}_in{i}"] = typed[None]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            module = tools.compile(merged(case, references), pathlib.Path(scratch))
            got = module.evaluate(feeds)
        except compiled.ToolError as error:
            return f"{error.tool} ({error.code}): {error.line.split('error: ', 1)[-1]}"
    problems = []
    for dtype, outputs in references.items():
        for i, wanted in enumerate(outputs):
            result = got[f"{dtype}_result{i}"].astype(np.float64).reshape(wanted.shape)
            wanted = wanted.astype(np.float64)
            largest = np.abs(wanted).max(initial=0.0)
            roundings = case.inner_roundings
            if tools.device.name == "cuda":
                roundings += case.cuda_roundings
            terms = max(TERMS, roundings * RTOL[dtype]) * largest
            bad = ~np.isclose(result, wanted, rtol=RTOL[dtype], atol=TINY[dtype] + terms)
            if bad.any():
                where = tuple(int(k) for k in np.argwhere(bad)[0])
                problems.append(f"{dtype}: output {i}, {bad.sum()} of {wanted.size} elements: "
                                f"at {list(where)} it is {result[where]:.9g}, "
                                f"not {wanted[where]:.9g}")
    return "; ".join(problems)


def main() -> int:
    options = command_line.parser(__doc__).parse_args()
    tools = compiled.from_options(options)
    chosen = [case for case in gradients.all_cases()
              if types_of(case) and command_line.is_chosen(options, case.name)]
    if not chosen:
        print("error: no case to run")
        return 1
    failed = command_line.run_checks(options, lambda case: check(tools, case), chosen,
                                     lambda case: case.name)
    print(f"{len(chosen)} cases: {len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
