# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What low precision costs in accuracy: trains three networks in f32 and in f16 and bf16 at O1 and O2
with both profiles, from the same first weights on the same batches, and writes the table of
docs/Accuracy.md.

    python benchmarks/accuracy.py BUILD_DIR [NETWORK...] [--seeds=5] [--out=F.json] [--page=F.md]

Needs numpy and onnx. A seed draws the first weights and the order of the batches. `f32 beside itself`
trains each network a second time in f32 with its first weights moved by a millionth: what differs then
is chaos, not precision. Results are added to F.json as they come, and runs that it has are not made again.
"""
import argparse
import datetime
import json
import math
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

from accuracy_networks import NETWORKS, ROOT

CONFIGURATIONS = {"f32": ["--amp=O0"], "f32 beside itself": ["--amp=O0"]} | {
    f"{dtype} {level} {profile}": [f"--amp={level}", f"--amp-dtype={dtype}",
                                   f"--amp-lists={profile}"]
    for dtype in ("f16", "bf16") for level in ("O1", "O2") for profile in ("balanced", "pytorch")}
#: The goal, in percent of the loss or in points of accuracy.
GOAL = 0.1


def move(model):
    """The first weights, each a millionth of itself away."""
    random = np.random.RandomState(1)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.size > 1:
            signs = random.choice([-1e-6, 1e-6], array.shape)
            tensor.CopyFrom(numpy_helper.from_array(
                (array * (1 + signs)).astype(np.float32), tensor.name))


def processor():
    found = re.search("model name\\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else "a processor without a name"


def call(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}:\n{done.stderr}")
    return done.stdout


class Bench:
    def __init__(self, build, work):
        self.ampc, self.ampc_run, self.work = build / "bin/ampc", build / "bin/ampc-run", work
        self.tests = {}

    def data(self, name):
        if name not in self.tests:
            train, test = NETWORKS[name].data()
            np.savez(self.work / f"{name}-train.npz", **train)
            np.savez(self.work / f"{name}-test.npz", **test)
            self.tests[name] = test
        return self.tests[name]

    def differences(self, name):
        """On how many nodes the profiles differ at O1, and of how many."""
        model = self.work / "model.onnx"
        onnx.save(NETWORKS[name].model(0), model)
        text = call(self.ampc, "diff-policy", "balanced", "pytorch", model, "--target=host",
                    *NETWORKS[name].flags)
        return [int(n) for n in re.search(r"^(\d+) of (\d+) nodes differ", text, re.M).groups()]

    def run(self, name, configuration, seed):
        """The score, and how many steps were skipped."""
        network, test = NETWORKS[name], self.data(name)
        model, module = self.work / "model.onnx", self.work / "model.so"
        state, outputs, log = (self.work / f for f in ("state.safetensors", "out.npz", "log.jsonl"))
        proto = network.model(seed)
        if configuration == "f32 beside itself":
            move(proto)
        onnx.save(proto, model)
        call(self.ampc, model, "-o", module, "--target=host", *network.flags,
             *CONFIGURATIONS[configuration])
        call(self.ampc_run, "train", module, f"--data={self.work / name}-train.npz",
             f"--seed={seed}", f"--checkpoint={state}", f"--log={log}", "--quiet",
             *network.run_flags)
        text = call(self.ampc_run, "eval", module, f"--data={self.work / name}-test.npz",
                    f"--checkpoint={state}", f"--outputs={outputs}", "--quiet")
        losses = [float(line.split()[1]) for line in text.splitlines() if line.startswith("loss")]
        steps = [json.loads(line) for line in log.read_text().splitlines()]
        log.unlink()
        with np.load(outputs) as arrays:
            score = network.score(arrays, test, losses[0] if losses else math.nan)
        return {"score": score, "skipped": sum(not step["applied"] for step in steps),
                "last_loss": steps[-1]["loss"]}


def summarize(network, runs, seeds):
    """Of each configuration: mean, spread over the seeds, the difference from f32 run by run (in
    percent of f32's mean for a loss) and the standard error of its mean."""
    base = [runs[f"f32/{seed}"]["score"] for seed in seeds]
    scale = 100 / statistics.mean(base) if network.unit == "%" else 1
    rows = {}
    for configuration in CONFIGURATIONS:
        found = [runs[f"{configuration}/{seed}"] for seed in seeds]
        scores = [run["score"] for run in found]
        differences = [(score - b) * scale for score, b in zip(scores, base)]
        rows[configuration] = {
            "mean": statistics.mean(scores), "spread": statistics.stdev(scores),
            "difference": statistics.mean(differences),
            "error": statistics.stdev(differences) / math.sqrt(len(seeds)),
            "skipped": sum(run["skipped"] for run in found)}
    return rows


def page(report, file):
    """docs/Accuracy.md."""
    seeds = report["seeds"]
    worst = max((row["difference"] if NETWORKS[name].unit == "%" else -row["difference"])
                for name, rows in report["summary"].items() for row in rows.values())
    text = f"""# Accuracy in low precision

Three networks trained in f32, and in f16 and bf16 at O1 and O2 with both profiles, from the same first
weights on the same batches, over {seeds} seeds each: a seed draws the first weights and the order of the
batches. Made on {report['date']} at {report['commit']}, for the host ({report['machine']}), by

    {report['command']} --out={file} --page=docs/Accuracy.md

where the JSON file has each run. A difference is that of a run from the run in f32 of the same seed, its
mean over the seeds, ± its standard error. `f32 beside itself` is f32 once more, its first weights moved
by a millionth: a difference of that size is chaos, not precision. The goal is at most {GOAL} % of the loss,
or {GOAL} points of accuracy, for the worse; the worst here is {worst:.3f}. Skipped steps are those of all
seeds together.
"""
    for name, rows in report["summary"].items():
        network = NETWORKS[name]
        is_loss = network.unit == "%"
        digits = 4 if is_loss else 2
        base = rows["f32"]
        spread = (f"{base['spread'] / base['mean'] * 100:.2f} %" if is_loss
                  else f"{base['spread']:.2f} points")
        differ, nodes = report["profiles_differ"][name]
        text += f"""
## {network.title[0].upper() + network.title[1:]}

{' '.join(network.__doc__.split())} {network.measure[0].upper() + network.measure[1:]}; over
the seeds f32's differs by {spread} (standard deviation). The profiles differ on {differ} of {nodes} nodes;
rows are equal where they round at the same places.

    ampc {' '.join(network.flags)}
    ampc-run train {' '.join(network.run_flags)}

| | {network.measure} | difference from f32 | skipped steps |
| --- | --- | --- | --- |
"""
        for configuration, row in rows.items():
            unit = "" if is_loss else " %"
            change = "" if configuration == "f32" else (
                f"{row['difference']:+.3f} ± {row['error']:.3f} {network.unit}")
            skipped = row["skipped"] if "f16 O" in configuration and "bf16" not in configuration else ""
            text += (f"| {configuration} | {row['mean']:.{digits}f}{unit} | {change} | "
                     f"{skipped} |\n")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--page", type=pathlib.Path)
    options = parser.parse_args()
    names = options.names or list(NETWORKS)
    seeds = range(options.seeds)
    report = {"runs": {}}
    if options.out and options.out.exists():
        report = json.loads(options.out.read_text())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True,
                            text=True).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="ampc-accuracy-") as work:
        bench = Bench(options.build.resolve(), pathlib.Path(work))
        # Seed by seed, so that what is there after half of the time says something.
        for seed in seeds:
            for name in names:
                runs = report["runs"].setdefault(name, {})
                for configuration in CONFIGURATIONS:
                    key = f"{configuration}/{seed}"
                    if key in runs:
                        continue
                    runs[key] = bench.run(name, configuration, seed)
                    print(f"{name:8} {key:24} {runs[key]['score']:.4f}  "
                          f"skipped {runs[key]['skipped']}", flush=True)
                    if options.out:
                        options.out.write_text(json.dumps(report, indent=1) + "\n")
        differ = {name: bench.differences(name) for name in names}
    # What an earlier run made was made then.
    for key, value in (("date", datetime.date.today().isoformat()), ("commit", commit),
                       ("machine", processor())):
        report.setdefault(key, value)
    report |= {"command": "python benchmarks/accuracy.py build" +
                          "".join(f" {name}" for name in options.names),
               "seeds": options.seeds, "profiles_differ": differ,
               "summary": {name: summarize(NETWORKS[name], report["runs"][name], seeds)
                           for name in names}}
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    if options.page:
        options.page.write_text(page(report, options.out))
    for name, rows in report["summary"].items():
        for configuration, row in rows.items():
            print(f"{name:8} {configuration:20} {row['mean']:.4f}  {row['difference']:+.4f} ± "
                  f"{row['error']:.4f} {NETWORKS[name].unit}")


if __name__ == "__main__":
    main()
