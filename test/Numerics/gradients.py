#!/usr/bin/env python3
"""Gradients of every operator against central finite differences in f64.

Each case of *_cases.py becomes a model with a Gradient node. With y = sum of output times a
fixed cotangent, dy/dx must equal (y(x + h) - y(x - h)) / 2h in every element of every
differentiable input; all points go through one compiled module in one call. The outputs
themselves must equal ONNX's reference implementation, so that both sides cannot be wrong
together. An operator that says it has a gradient and has no case here fails the test, and so
does a configuration of ONNX Runtime's gradient tests that has none (listed_cases.py).

Tolerance. With h = 2^-17 the truncation error is h^2/6 |y'''| < 1e-11 |y'''|, and |y'''|
stays below 100 at the points chosen; the rounding error is about eps |y| / h < 3e-11 |y|
with |y| below 100. Both stay under atol = 1e-8 (scaled by |y| where it is larger than 1),
and rtol = 1e-6 leaves no room for an f32 step, whose relative error is 6e-8 before
cancellation: most cases fail when anything is computed in f32.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import pathlib
import sys
import tempfile

import numpy as np

import attention_cases
import command_line
import compiled
import control_cases
import elementwise_cases
import estimator_cases
import listed_cases
import norm_cases
import opcase
import product_cases
import recurrent_cases
import region_cases
import sampling_cases
import shape_cases
import spectrum_cases
import window_cases

ATOL = 1e-8
FORWARD_RTOL = 1e-7


def all_cases() -> list[opcase.OpCase]:
    cases = [*elementwise_cases.all_cases(), *shape_cases.all_cases(),
             *product_cases.all_cases(), *norm_cases.all_cases(), *recurrent_cases.all_cases(),
             *estimator_cases.all_cases(),
             *window_cases.all_cases(), *attention_cases.all_cases(),
             *sampling_cases.all_cases(), *spectrum_cases.all_cases(), *region_cases.all_cases(),
             *control_cases.all_cases(), *listed_cases.all_cases()]
    names = [case.name for case in cases]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise SystemExit(f"cases share a name: {', '.join(sorted(doubled))}")
    return cases


def points(case: opcase.OpCase) -> dict[str, np.ndarray]:
    """The point, then for each element of each differentiated input a step up and down."""
    feeds: dict[str, list[np.ndarray]] = {f"in{i}": [x] for i, x in enumerate(case.inputs)}
    for moved in case.wrt:
        for element in range(case.inputs[moved].size):
            for sign in (1, -1):
                for i, x in enumerate(case.inputs):
                    x = x.copy()
                    if i == moved:
                        x.reshape(-1)[element] += sign * case.step
                    feeds[f"in{i}"].append(x)
    return {name: np.stack(arrays) for name, arrays in feeds.items()}


def check(tools: compiled.Tools, case: opcase.OpCase) -> str:
    """Empty where the case holds, else what is wrong."""
    wanted = opcase.reference_outputs(case)
    model = opcase.batched_model(case, "f64", wanted, gradients=True)
    feeds = points(case)
    count = len(feeds["in0"])
    with tempfile.TemporaryDirectory() as scratch:
        try:
            module = tools.compile(model, pathlib.Path(scratch))
            got = module.evaluate(feeds)
        except compiled.ToolError as error:
            return f"{error.tool} ({error.code}): {error.line.split('error: ', 1)[-1]}"
    for i, value in enumerate(wanted):
        result = got[f"result{i}"].reshape(count, *value.shape)[0]
        if not case.random and not np.allclose(result, value, rtol=FORWARD_RTOL, atol=1e-9):
            return (f"output {i} is {result.ravel()[:6]}, "
                    f"the reference says {value.ravel()[:6]}")
    y = got["y"].reshape(count)
    differences = (y[1::2] - y[2::2]) / (2 * case.step)
    atol = ATOL * max(1.0, abs(y[0]))
    place = 0
    for i in case.wrt:
        x = case.inputs[i]
        expected = differences[place:place + x.size].reshape(x.shape)
        place += x.size
        gradient = got[f"d{i}"].reshape(count, *x.shape)[0]
        bad = ~np.isclose(gradient, expected, rtol=case.rtol, atol=atol)
        if bad.any():
            where = tuple(int(k) for k in np.argwhere(bad)[0])
            return (f"input {i}, {bad.sum()} of {x.size} elements: at {list(where)} the "
                    f"gradient is {gradient[where]:.12g}, the difference quotient "
                    f"{expected[where]:.12g}")
    return ""


def main() -> int:
    options = command_line.parser(__doc__).parse_args()
    tools = compiled.from_options(options)
    cases = all_cases()
    with_gradient = {name for name, has in tools.list_ops().items() if has}
    uncovered = sorted(with_gradient - {case.operator for case in cases if case.wrt})
    chosen = [case for case in cases if command_line.is_chosen(options, case.name)]
    if not chosen:
        print("error: no case to run")
        return 1
    failed = command_line.run_checks(options, lambda case: check(tools, case), chosen,
                                     lambda case: case.name)
    for name in uncovered:
        print(f"error: {name} has a gradient and no case")
    lost = listed_cases.lost_cases(cases)
    for problem in lost:
        print(f"error: {problem}")
    print(f"{len({case.operator for case in chosen})} operators, {len(chosen)} cases: "
          f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or uncovered or lost else 0


if __name__ == "__main__":
    sys.exit(main())
