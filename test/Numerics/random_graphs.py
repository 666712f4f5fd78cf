#!/usr/bin/env python3
"""Random graphs: the loss, the outputs and the gradients of one training step against numpy.

Each seed gives a graph (graph_generator.py) and the flags to compile it with: level and type,
loss scale, clipping. Reference values are computed in f64 with gradients written down operator
by operator (graph_ops.py). The step runs with momentum, whose state after it is the gradient.

Tolerance. An element may differ by what rounding does to it: the reference is computed again
with each result moved by the rounding unit of the type, and the largest change seen in a
tensor, times MARGIN for the runs that were not drawn, is what the whole tensor is allowed.

    --seeds=A:B      seeds from A up to B
    --shrink=DIR     cuts a failing graph down while it fails, and writes it to DIR

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import dataclasses
import json
import math
import pathlib
import random
import sys
import tempfile

import numpy as np
import onnx

import command_line
import compiled
import graph_generator
from graph_generator import F32_UNIT, Graph

MARGIN = 6.0
LEVELS = (("O0", "f32"), ("O0", "f32"), ("O1", "f16"), ("O1", "bf16"), ("O2", "f16"),
          ("O2", "bf16"))
LEARNING_RATE = 0.125  # a power of two: the product with a gradient is exact


@dataclasses.dataclass
class Case:
    seed: int
    level: str
    dtype: str
    clip: float  # of the norm there is; 0 for none
    scaling: str
    graph: Graph

    @staticmethod
    def draw(seed: int) -> "Case":
        rng = random.Random(seed + 1_000_000)
        level, dtype = rng.choice(LEVELS)
        clip = rng.choice((0.0, 0.0, 0.5, 2.0))
        scaling = rng.choice(("default", "default", "dynamic", "static", "none"))
        graph = graph_generator.Generator(seed, dtype).draw()
        values = [n for node in graph.nodes for n in node.outputs if n != graph.loss]
        # Leaves are outputs too, as they may be in a model.
        leaves = [*graph.inputs, *graph.parameters]
        outputs = rng.sample(values, min(len(values), rng.choice((0, 1, 2, 3))))
        if rng.random() < 0.15:
            outputs.append(rng.choice(leaves))
        graph.outputs = [*outputs, graph.loss]
        if rng.random() < 0.3:
            rng.shuffle(graph.outputs)
        return Case(seed, level, dtype, clip, scaling, graph)


def read_checkpoint(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The f32 tensors of a safetensors file."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    tensors = {}
    for name, entry in json.loads(raw[8:8 + size]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(raw[8 + size + begin:8 + size + end],
                                          np.float32).reshape(entry["shape"])
    return tensors


def compare(what: str, got: np.ndarray, runs: list[np.ndarray], terms: int = 1) -> str:
    """Empty where `got` is the exact value runs[0], as far as the other runs tell. A sum of
    `terms` in f32 is off by the square root of their number, one rounding for each."""
    exact = runs[0]
    if got.shape != exact.shape:
        return f"{what} has the shape {got.shape}, not {exact.shape}"
    moved = max(abs(run - exact).max() for run in runs[1:])
    allowed = MARGIN * moved + (16 + math.sqrt(terms)) * F32_UNIT * abs(exact).max() + 1e-30
    error = abs(got.astype(np.float64) - exact)
    if (error <= allowed).all():
        return ""
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
    return (f"{what}{list(map(int, worst))} is {got[worst]:.9g}, not {exact[worst]:.9g} "
            f"(tolerance {allowed:.1e}, largest {abs(exact).max():.3g})")


class Step:
    """One training step of a graph: what it should be, and what the tools make of it."""

    def __init__(self, tools: compiled.Tools, case: Case):
        self.tools, self.case, self.graph = tools, case, case.graph
        graph = self.graph
        exact = graph.gradients()[0]
        largest = max((abs(g).max() for g in exact.values()), default=1.0)
        # The largest power of two under which f16 holds each gradient with room for the
        # values that operators compute on the way.
        self.scale = 2.0**min(16, math.floor(math.log2(256 / max(largest, 1e-6))))
        self.is_scaled = case.scaling in ("dynamic", "static") or (
            case.scaling == "default" and case.dtype == "f16")
        runs = graph.gradients(self.scale if self.is_scaled else 1.0)
        # What no gradient can reach is not trained.
        self.gradients = {name: [run[name] for run in runs]
                          for name in graph.parameters if name in exact}
        self.norms = [np.asarray(math.sqrt(sum((g[i]**2).sum() for g in self.gradients.values())))
                      for i in range(len(runs))]
        self.terms = max(x.size for x in graph.runs[0].values())
        self.clip = float(np.float32(case.clip * self.norms[0])) if case.clip else 0.0
        if self.clip:
            for gradients in self.gradients.values():
                for i, norm in enumerate(self.norms):
                    gradients[i] = gradients[i] * min(1.0, self.clip / (norm + 1e-6))

    def flags(self) -> tuple[str, ...]:
        case = self.case
        flags = [f"--loss=output:{self.graph.loss}", "--optimizer=momentum",
                 f"--lr={LEARNING_RATE}", "--train=^p[0-9]", f"--amp={case.level}"]
        if case.level != "O0":
            flags.append(f"--amp-dtype={case.dtype}")
        if self.clip:
            flags.append(f"--clip-grad-norm={self.clip!r}")
        if case.scaling == "static":
            flags.append(f"--loss-scale={self.scale!r}")
        elif self.is_scaled:
            flags += ["--loss-scale=dynamic", f"--loss-scale-init={self.scale!r}"]
        elif case.scaling == "none":
            flags.append("--loss-scale=none")
        return tuple(flags)

    def is_defined(self) -> bool:
        """Whether f16 without a scale could hold the gradients, as it must."""
        return self.is_scaled or self.case.dtype != "f16" or self.scale >= 1.0

    def problems(self, folder: pathlib.Path) -> list[str]:
        graph = self.graph
        model = graph.model(random.Random(self.case.seed))
        onnx.checker.check_model(model)
        try:
            module = self.tools.compile(model, folder, self.flags())
            outputs = module.evaluate(graph.inputs)
            log, state = self.train(module, folder)
        except compiled.ToolError as error:
            return [f"{error.tool} ({error.code}): {error.text.strip()[:400]}"]
        found = [self.compare_output(name, outputs) for name in graph.outputs]
        if not log["applied"] or log["loss"] is None:
            return [*found, f"the step was not applied: {log}"]
        loss = [run[graph.loss] for run in graph.runs]
        found.append(compare("the loss", np.asarray(log["loss"]).reshape(loss[0].shape), loss,
                             self.terms))
        if self.clip:
            found.append(compare("the norm", np.asarray(log["grad_norm"]), self.norms,
                                 self.terms))
        for name, runs in self.gradients.items():
            gradient = state.get(f"ampc.momentum_buffer/{name}")
            if gradient is None:
                found.append(f"{name} has no momentum: {sorted(state)}")
                continue
            found.append(compare(f"the gradient of {name}", gradient, runs, self.terms))
            weight = graph.parameters[name] - np.float32(LEARNING_RATE) * gradient
            if (abs(state[name] - weight) > 2 * F32_UNIT * (abs(weight) + abs(gradient))).any():
                found.append(f"{name} was not updated with its gradient")
        return [problem for problem in found if problem]

    def compare_output(self, name: str, outputs: dict[str, np.ndarray]) -> str:
        runs = [run[name] for run in self.graph.runs]
        if runs[0].dtype == np.float64:
            return compare(f"output {name}", outputs[name], runs, self.terms)
        return "" if np.array_equal(outputs[name], runs[0]) else f"output {name} differs"

    def train(self, module: compiled.Compiled, folder: pathlib.Path) -> tuple[dict, dict]:
        where = self.tools.device
        data, log, state = folder / "in.npz", folder / "log.jsonl", folder / "state.safetensors"
        log.unlink(missing_ok=True)
        compiled.call(self.tools.runner, "train", str(module.module), f"--data={data}",
                      "--batch-order=file", "--steps=1", "--quiet", f"--log={log}",
                      f"--checkpoint={state}", f"--device={where.name}",
                      environment=where.environment(module.module))
        return json.loads(log.read_text().splitlines()[0]), read_checkpoint(state)


def check(tools: compiled.Tools, case: Case) -> str:
    """Empty where the case holds, else what is wrong."""
    step = Step(tools, case)
    if not step.is_defined():
        return ""
    with tempfile.TemporaryDirectory() as scratch:
        problems = step.problems(pathlib.Path(scratch))
    return "; ".join(problems[:3])


def main() -> int:
    parser = command_line.parser(__doc__)
    parser.add_argument("--seeds", default="0:300", metavar="A:B", help="from A up to B")
    parser.add_argument("--shrink", type=pathlib.Path, metavar="DIR")
    options = parser.parse_args()
    tools = compiled.from_options(options)
    first, last = map(int, options.seeds.split(":"))
    seeds = list(range(first, last))

    def check_seed(seed: int) -> str:
        case = Case.draw(seed)
        problem = check(tools, case)
        if problem and options.shrink:
            import graph_shrinker
            problem += "\n" + graph_shrinker.shrink(case, lambda c: check(tools, c), options.shrink,
                                                    lambda c: Step(tools, c).flags())
        if problem:
            print(f"seed {seed}: {problem}", flush=True)
        return problem

    failed = command_line.run_checks(options, check_seed, seeds, lambda seed: f"seed {seed}")
    print(f"{len(seeds)} graphs: {len(seeds) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
