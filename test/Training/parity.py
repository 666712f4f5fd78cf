#!/usr/bin/env python3
"""Trains compiled models and compares every loss with PyTorch's recorded curves.

For each recording: compiles the model with the recorded flags, trains on the recorded data in
file order, and compares loss by loss. Then shows that the comparison can fail: the same run
with lr = 0, half the lr, no clipping or no weight decay must miss the tolerance.

usage: parity.py BUILD_DIR [--device=host|cuda] [--stand-in=BUILD_DIR] [--only=NAME]
                 [--level=O1,O2] [--jobs=N] [--out=F.json]

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "Device"))
import device  # noqa: E402


class Runner:
    """Compiles and trains; from several threads too."""

    def __init__(self, build, where, work, recordings):
        self.bin = pathlib.Path(build) / "bin"
        self.where = where
        self.data = {}
        for name in sorted({recording["data"] for recording in recordings}):
            subprocess.run([sys.executable, ROOT / "examples/data.py", name, work],
                           check=True, stdout=subprocess.DEVNULL)
            self.data[name] = pathlib.Path(work) / f"{name}.npz"

    def train(self, recording, flags):
        """The losses, and the log's other fields, of one run."""
        with tempfile.TemporaryDirectory(prefix="ampc-parity-") as work:
            module, log = pathlib.Path(work) / "train.so", pathlib.Path(work) / "log.jsonl"
            model = ROOT / "examples/models" / recording["model"]
            run_flags = ["--batch-order=file", f"--steps={recording['steps']}",
                         f"--device={self.where.name}", f"--log={log}", "--quiet"]
            for command in (
                    [self.bin / "ampc", model, "-o", module, *flags,
                     *self.where.compile_flags(module)],
                    [self.bin / "ampc-run", "train", module,
                     f"--data={self.data[recording['data']]}", *run_flags]):
                done = subprocess.run(command, stderr=subprocess.PIPE, text=True,
                                      env={**os.environ, **self.where.environment(module)})
                if done.returncode != 0:
                    raise RuntimeError(f"{model.name} {' '.join(flags)}: {done.stderr}")
            return [json.loads(line) for line in log.read_text().splitlines()]


def deviation(steps, recorded, field="loss"):
    """The largest relative distance to what was recorded of each step."""
    if len(steps) != len(recorded):
        return float("inf")
    worst = 0.0
    for step, expected in zip(steps, recorded):
        if step[field] is None:
            return float("inf")
        worst = max(worst, abs(step[field] - expected) / abs(expected))
    return worst


def variations(flags):
    """Wrong runs: name and flags."""
    def replace(prefix, value):
        return [f"{prefix}{value}" if f.startswith(prefix) else f for f in flags]

    lr = next(float(f[5:]) for f in flags if f.startswith("--lr="))
    yield "lr = 0", replace("--lr=", 0)
    yield "half the lr", replace("--lr=", lr / 2)
    for prefix, name in (("--clip-grad", "no clipping"), ("--weight-decay", "no weight decay")):
        kept = [f for f in flags if not f.startswith(prefix)]
        if prefix == "--weight-decay" and kept != flags:
            kept.append("--weight-decay=0")
        if kept != flags:
            yield name, kept


def check(runner, recording, reference, levels, results):
    """Failures of one recording, as sentences."""
    failures = []
    precision, tolerance = recording["precision"], recording["tolerance"]
    base = list(recording["flags"])
    for number, level in enumerate(["O0"] if precision == "f32" else levels):
        flags = base + [f"--amp={level}"]
        if precision != "f32":
            flags.append(f"--amp-dtype={precision}")
        name = f"{recording['name']} {precision} {level}"
        steps = runner.train(recording, flags)
        # f32 agrees with the recording itself. Low precision stays within three times the
        # error of PyTorch's own autocast, both measured from f32.
        worst = deviation(steps, reference["loss"])
        result = {"deviation": worst, "tolerance": tolerance, "wrong": {}}
        results[name] = result
        first, last = steps[0]["loss"], steps[-1]["loss"]
        result["falls_by"] = 1 - last / first
        if not all(step["applied"] for step in steps):
            failures.append(f"{name}: skips a step that PyTorch did not skip")
        if worst > tolerance:
            failures.append(f"{name}: deviates by {worst:.3g}, allowed are {tolerance:.3g}")
        if "grad_norm" in recording:
            norms = deviation(steps, reference["grad_norm"], "grad_norm")
            if norms > tolerance:
                failures.append(f"{name}: gradient norms deviate by {norms:.3g}")
        if "scale" in recording and [step["scale"] for step in steps] != recording["scale"]:
            failures.append(f"{name}: has other loss scales than GradScaler")
        if precision != "f32" and deviation(steps, results_f32(results, recording["name"])) == 0:
            failures.append(f"{name}: has the bits of f32, so nothing was computed low")
        if result["falls_by"] < 1 / 3:
            failures.append(f"{name}: falls by {result['falls_by']:.2f} only")
        # At one level: what they show is of the optimizer, which is the same at all.
        for wrong, wrong_flags in variations(flags) if number == 0 else ():
            missed = deviation(runner.train(recording, wrong_flags), reference["loss"])
            result["wrong"][wrong] = missed
            if missed <= tolerance:
                failures.append(f"{name}: {wrong} deviates by {missed:.3g} and passes unseen")
        if precision == "f32":
            result["loss"] = [step["loss"] for step in steps]
        line = ", ".join(f"{k} {v:.2g}" for k, v in result["wrong"].items())
        print(f"{name:38} deviates {worst:8.2e} of {tolerance:.1e}; wrong runs: {line}", flush=True)
    return failures


def results_f32(results, name):
    return results[f"{name} f32 O0"]["loss"]


def check_network(runner, name, by_precision, levels, results):
    """Failures of one network's recordings: f32 first, which the others are compared with."""
    failures = []
    try:
        for precision in ("f32", "f16", "bf16"):
            recording = by_precision[precision]
            recording["name"] = name
            failures += check(runner, recording, by_precision["f32"], levels, results)
    except RuntimeError as error:
        failures.append(f"{name}: {error}")
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    device.add_options(parser)
    parser.add_argument("--only", default="")
    parser.add_argument("--level", default="O1,O2")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out")
    args = parser.parse_args()
    recordings = {}
    for path in sorted((HERE / "recordings").glob("*_*.json")):
        name, _, precision = path.stem.rpartition("_")
        if precision in ("f32", "f16", "bf16") and args.only in name:
            recordings.setdefault(name, {})[precision] = json.loads(path.read_text())
    failures, results = [], {}
    with (tempfile.TemporaryDirectory() as work,
          concurrent.futures.ThreadPoolExecutor(args.jobs) as pool):
        runner = Runner(args.build, device.from_options(args), work,
                        [r for by_precision in recordings.values() for r in by_precision.values()])
        found = [pool.submit(check_network, runner, name, by_precision, args.level.split(","), results)
                 for name, by_precision in recordings.items()]
        for future in found:
            failures += future.result()
    if args.out:
        pathlib.Path(args.out).write_text(json.dumps(results, indent=1) + "\n")
    for failure in failures:
        print("FAILED", failure)
    print(f"{len(results) - len({f.split(':')[0] for f in failures})} passed, {len(failures)} failed")
    return 1 if failures or not results else 0


if __name__ == "__main__":
    sys.exit(main())
