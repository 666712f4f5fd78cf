#!/usr/bin/env python3
"""Writes recordings/optimizers.json: parameters and state after each of a few updates, in f64.

    python record_optimizers.py

Needs torch==2.11.0. nadam and adafactor are torch.optim's, lamb and lion what record.py writes from
their papers. The gradients are given: numbers that f32 holds, among them a tensor of zeros, very
small ones, and parameters that are zero, so that each branch of the formulas is taken.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import pathlib

import numpy as np
import torch

import record

HERE = pathlib.Path(__file__).resolve().parent
STEPS = 5
SHAPES = {"matrix": (3, 4), "vector": (5,), "stack": (2, 3, 2), "number": (), "zeros": (2, 2),
          "still": (3,), "small": (2, 3)}
# The names of ampc's states by torch's.
STATES = {"exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq", "mu_product": "mu_product",
          "row_var": "row_var", "col_var": "col_var", "variance": "variance", "m": "exp_avg",
          "v": "exp_avg_sq"}
COMMON = {"mu_product"}
CONFIGS = [
    {"optimizer": "nadam", "lr": 0.01},
    {"optimizer": "nadam", "lr": 0.02, "beta1": 0.75, "beta2": 0.9, "eps": 0.01,
     "momentum_decay": 0.5, "weight_decay": 0.25},
    {"optimizer": "nadam", "lr": 0.02, "weight_decay": 0.25, "decoupled_weight_decay": True},
    {"optimizer": "adafactor", "lr": 0.05, "eps1": 2.0**-23},
    {"optimizer": "adafactor", "lr": 0.5, "beta2_decay": -0.5, "eps1": 0.125, "eps2": 0.25,
     "update_clip": 1.25, "weight_decay": 0.125},
    {"optimizer": "lamb", "lr": 0.01, "weight_decay": 0.01},
    {"optimizer": "lamb", "lr": 0.02, "beta1": 0.75, "beta2": 0.9, "eps": 0.01, "weight_decay": 0.5},
    {"optimizer": "adamw", "lr": 0.02, "weight_decay": 0.25,
     "group": ("^stack:weight-decay=0,lr=0.005,beta1=0.5", "stack|vector:lr=0.05,weight-decay=2")},
    {"optimizer": "lion", "lr": 0.01},
    {"optimizer": "lion", "lr": 0.02, "beta1": 0.75, "beta2": 0.9, "weight_decay": 0.5},
]


def arrays():
    """Parameters, and gradients for each step."""
    random = np.random.RandomState(3)

    def draw(shape):
        values = random.randint(1, 129, shape) * random.choice((-1, 1), shape) / 64
        return np.asarray(values, np.float64)

    parameters = {name: draw(shape) for name, shape in SHAPES.items()}
    parameters["zeros"] *= 0
    gradients = []
    for _ in range(STEPS):
        step = {name: draw(shape) for name, shape in SHAPES.items()}
        step["still"] *= 0
        step["small"] *= 2.0**-20
        gradients.append(step)
    return parameters, gradients


def listed(value):
    """With more digits than f32 has, and not all of f64's."""
    if isinstance(value, list):
        return [listed(v) for v in value]
    return float(f"{value:.12g}")


def run(config, start, gradients):
    parameters = {name: torch.nn.Parameter(torch.tensor(v)) for name, v in start.items()}
    optimizer = record.make_optimizer(parameters.items(), config)
    steps = []
    for step in gradients:
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(step[name])
        optimizer.step()
        values = {name: listed(p.detach().numpy().tolist()) for name, p in parameters.items()}
        for name, parameter in parameters.items():
            for key, state in optimizer.state[parameter].items():
                if key == "step":
                    continue
                kind = STATES[key]
                value = listed(np.asarray(state).tolist())
                values[f"ampc.{kind}" + ("" if kind in COMMON else f"/{name}")] = value
        steps.append(values)
    flags = [f"--{k.replace('_', '-')}" + ("" if v is True else f"={v}")
             for k, value in config.items() for v in (value if k == "group" else [value])]
    return {"flags": flags, "steps": steps}


def main():
    # mu_product is of the default type.
    torch.set_default_dtype(torch.float64)
    start, gradients = arrays()
    recordings = [run(config, start, gradients) for config in CONFIGS]
    given = [{k: v.tolist() for k, v in step.items()} for step in (start, *gradients)]
    text = ",\n".join(json.dumps(r) for r in recordings)
    (HERE / "recordings/optimizers.json").write_text(
        f'{{"torch": "{torch.__version__.split("+")[0]}",\n"start": {json.dumps(given[0])},\n'
        f'"gradients": {json.dumps(given[1:])},\n"optimizers": [\n{text}\n]}}\n')


if __name__ == "__main__":
    main()
