#!/usr/bin/env python3
"""The networks people train, from both of PyTorch's exporters, learn what PyTorch learns.

For each network in networks/recordings and each exporter: compiles the file, compares the parameters
that are trained with PyTorch's, trains 50 steps and compares every loss: in f32 with PyTorch's f32; in
f16 and bf16, O1 and O2, allowed is three times the distance that PyTorch's own autocast keeps from its
f32. A file in which the exporter lost parameters must be refused, the lost ones named. Prints a table.
How fast a step is beside PyTorch eager, benchmarks/networks.py measures.

usage: networks.py BUILD_DIR [--all] [--only=REGEX] [--exporter=dynamo,script]
                   [--precision=f32,f16,bf16] [--steps=N] [--jobs=N] [--keep=DIR]

Without --all and --only: a sample of small networks.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import concurrent.futures
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "networks"))
import common  # noqa: E402
import exports  # noqa: E402

#: Distance to PyTorch's f32 that roundings may make of 50 steps: record.py chose learning rates with
#: which PyTorch's own f32 and f64 differ by less than a third of it.
TOLERANCE = 1e-4
#: Small ones: convolutions both ways with BatchNorm, a graph, one loss of several terms.
SAMPLE = ["gan_discriminator", "gan_generator", "gnn_index_add", "vae"]
#: Of 50 steps, few are 4 standard errors away by chance; without noise one is 10 (record.py).
MOST_ERRORS = 5


class Failed(Exception):
    """What does not hold, in one sentence."""


def run(*command, timeout=3600):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stderr


class Runner:
    def __init__(self, options, work):
        self.options, self.work = options, pathlib.Path(work)
        self.bin = pathlib.Path(options.build).resolve() / "bin"

    def compile(self, case, how, label, *flags):
        """Exit code, messages, trained parameters with their shapes, and seconds."""
        module = self.work / f"{case['name']}-{label}.so"
        start = time.monotonic()
        code, text = run(self.bin / "ampc", self.work / f"{case['name']}-{how}.onnx", "-o", module,
                         "--target=host", "--train-mode=on", *case["exports"][how]["flags"], *case["flags"],
                         *flags)
        seconds = time.monotonic() - start
        if code:
            return code, text, {}, seconds
        inspected = json.loads(subprocess.check_output(
            [self.bin / "ampc-run", "inspect", module, "--json"]))
        trained = {p["name"]: p["shape"] for p in inspected["parameters"] if p["trained"]}
        return code, text, trained, seconds

    def losses(self, case, label, seed=0):
        module = self.work / f"{case['name']}-{label}.so"
        log = module.with_suffix(".jsonl")
        log.unlink(missing_ok=True)
        code, text = run(self.bin / "ampc-run", "train", module,
                         f"--data={self.work / case['name']}.npz", "--batch-order=file", "--quiet",
                         f"--steps={self.options.steps}", f"--log={log}", f"--seed={seed}")
        if code:
            raise Failed(f"training ends with {code}: {text.strip()}")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        if not all(line["applied"] for line in lines):
            raise Failed("a step was skipped")
        return np.array([line["loss"] for line in lines], float)

    def deviation(self, case, label):
        expected = np.array(case["losses"]["f32"][:self.options.steps])
        return float(np.max(np.abs(self.losses(case, label) - expected) / np.abs(expected)))

    def check_seeds(self, case, label):
        """A network that draws numbers: of each step, the mean over seeds, in standard errors."""
        curves = np.array([self.losses(case, label, seed) for seed in range(common.SEEDS)])
        recorded = case["seeds"]
        count = curves.shape[1]
        error = np.array(recorded["deviation"][:count])
        error *= (1 / recorded["count"] + 1 / common.SEEDS) ** 0.5
        off = float(np.max(np.abs(curves.mean(0) - recorded["mean"][:count]) / error))
        if off > MOST_ERRORS:
            raise Failed(f"the mean over seeds is {off:.1f} standard errors away")
        return off

    def refuses(self, case, lost):
        """The default of dynamo, where it computed parameters into other tensors."""
        code, text, _, _ = self.compile(case, "dynamo", "lost", "--amp=O0")
        named = re.findall(r"'([^']+)'", text.partition("folded")[2].partition("\n")[0])
        # A filter that BatchNorm went into keeps its name: the norm's own parameters tell.
        if code != 1 or not set(named) & set(lost):
            raise Failed(f"exit {code}, {lost} are not told as lost: {text[:500]}")

    def full(self, case, how):
        """f32: deviation, seconds of the compiler, and the flags that the file needs."""
        freeze = [f"--freeze={case['freeze']}"] if case["freeze"] else []
        code, text, trained, seconds = self.compile(case, how, how, "--amp=O0", *freeze)
        if code:
            raise Failed(f"exit {code}: {text.strip()[:1500]}")
        shapes = {n: how[0] for n, how in case["parameters"].items() if n in case["trained"]}
        view = {"parameters": shapes, "buffers": case["buffers"]}
        surplus = exports.Runner.surplus(view, trained)
        if surplus:
            if how != "script":
                raise Failed(f"trains {surplus}, which PyTorch does not")
            if any(f"'{s}'" not in text for s in surplus):
                raise Failed(f"no note names {surplus}: {text}")
            names = [f"^{re.escape(s)}$" for s in surplus] + [case["freeze"]] * bool(case["freeze"])
            freeze = [f"--freeze={'|'.join(names)}"]
            code, text, trained, seconds = self.compile(case, how, how, "--amp=O0", *freeze)
        if case["exports"][how].get("moved"):  # such as a scale with dimensions of 1
            view["parameters"], trained = ({n: [d for d in shape if d != 1] for n, shape in shapes.items()}
                                           for shapes in (shapes, trained))
        try:
            exports.Runner.compare(view, trained, set())
        except exports.Short as why:
            raise Failed(str(why)) from None
        off = self.check_seeds(case, how) if "seeds" in case else self.deviation(case, how)
        return off, seconds, freeze

    def low(self, case, how, precision, level, freeze):
        label = f"{how}-{precision}-{level}"
        code, text, _, _ = self.compile(case, how, label, f"--amp={level}", f"--amp-dtype={precision}",
                                        *([f"--loss-scale-init={case['scale']:g}"]
                                          if precision == "f16" else []), *freeze)
        if code:
            raise Failed(f"exit {code}: {text.strip()[:1500]}")
        return self.deviation(case, label)


def is_refused(runner, case, how, moved):
    """Whether the compiler refuses a file in which parameters have another shape: it cannot know
    whether rows that were looked up are all of them."""
    code, text, _, _ = runner.compile(case, how, how, "--amp=O0")
    return code == 1 and "folded" in text and any(f"'{name}'" in text for name in moved)


def check(runner, path):
    """The rows of the table, and failures, of one network."""
    options = runner.options
    case, models = common.read(path)
    rows, failures = [], []
    for how, model in models.items():
        onnx.save(model, runner.work / f"{case['name']}-{how}.onnx")
    np.savez(runner.work / f"{case['name']}.npz", **common.make_data(case))

    def attempt(label, function, *arguments):
        try:
            return function(*arguments)
        except Failed as why:
            failures.append(f"{case['name']} {label}: {why}")
            return None

    for how, exported in case["exports"].items():
        exporter = how.partition("-")[0]
        if exporter not in options.exporter:
            continue
        if exported["lost"]:
            attempt("of dynamo with lost parameters", runner.refuses, case, exported["lost"])
            continue
        if exported.get("moved") and is_refused(runner, case, how, exported["moved"]):
            continue
        full = attempt(f"{how} f32", runner.full, case, how)
        if full is None:
            continue
        row = {"name": case["name"], "how": how, "f32": full[0], "compiles": full[1],
               "elements": sum(math.prod(w[0]) for w in case["parameters"].values())}
        if "seeds" in case:
            print(f"{case['name']:18} {how:13} mean over seeds within {full[0]:.1f} standard errors",
                  flush=True)
            rows.append(row)
            continue
        if not full[0] <= TOLERANCE:
            failures.append(f"{case['name']} {how} f32: deviates by {full[0]:.1e}")
        for precision in options.precision:
            for level in ("O1", "O2") if precision in case["errors"] else ():
                allowed = 3 * case["errors"][precision]
                off = attempt(f"{how} {precision} {level}", runner.low, case, how, precision, level,
                              full[2])
                if off is None:
                    continue
                row[f"{precision} {level}"] = off / allowed * 3
                if not off <= allowed:
                    failures.append(f"{case['name']} {how} {precision} {level}: deviates by {off:.1e}, "
                                    f"allowed are {allowed:.1e}")
                elif off == full[0]:
                    failures.append(f"{case['name']} {how} {precision} {level}: is not low precision")
        rows.append(row)
        low = "".join(f"  {key} {row[key]:.2f}" for key in row if key[-2] == "O")
        print(f"{row['name']:18} {how:13} {row['elements']:9d} elements  compiled in "
              f"{row['compiles']:5.1f} s  f32 {row['f32']:.1e}{low}", flush=True)
    for failure in failures:
        print("FAILED", failure, flush=True)
    return rows, failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--exporter", default="dynamo,script", type=lambda t: t.split(","))
    parser.add_argument("--precision", default="f32,f16,bf16", type=lambda t: t.split(","))
    parser.add_argument("--steps", type=int, default=common.STEPS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", help="folder for models and modules, which is kept")
    options = parser.parse_args()
    paths = [p for p in sorted(common.RECORDINGS.glob("*.zip"))
             if (re.search(options.only, p.stem) if options.only
                 else options.all or p.stem in SAMPLE)]
    rows, failures = [], []
    with (tempfile.TemporaryDirectory(prefix="ampc-networks-") as work,
          concurrent.futures.ThreadPoolExecutor(options.jobs) as pool):
        if options.keep:
            pathlib.Path(options.keep).mkdir(exist_ok=True)
        runner = Runner(options, options.keep or work)
        for found in pool.map(lambda path: check(runner, path), paths):
            rows += found[0]
            failures += found[1]
    print(f"{len(paths)} networks, {len(rows)} exports trained, {len(failures)} failures; the figures of "
          "f16 and bf16 are multiples of the error of PyTorch's autocast, of which 3 are allowed")
    return 1 if failures or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
