# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Time of a training step on the host: ampc in f32 and f16 beside PyTorch eager in f32.

    python benchmarks/host_mlp.py BUILD_DIR [--out=F.json] [--threads=2] [--rounds=15]

Needs torch==2.11.0 (CPU), onnx==1.22.0 and onnxscript==0.7.2; the third network is exported on
the way, 7 MB in a temporary directory. All systems run in this one process, on the same cores,
with the same batches, which lie in memory, in rounds as step_time.py says; reported are the median
over rounds, and the smallest.

    torch      eager, f32, the optimizer as torch.optim chooses to run it
    torch_1    the same on one thread: small steps, and a machine with other work, gain by it
    f32, f16   ampc --amp=O0 and --amp-dtype=f16, ampc_session_step with info NULL
    .._info    the same, each step asked for its info

The goals are those of the acceptance list: f32 at least so many times as fast as the faster torch
of the round, f16 at most so many times the time of f32. Exit status 1 where one is missed and --check is given.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "test/Driver")]
import ampc_api  # noqa: E402
import export  # noqa: E402
from step_time import (BATCHES, PRECISIONS, Ampc, compile_module, make_batches,  # noqa: E402
                       measure, summary)

# network: batch, flags, torch's optimizer, steps a round, goals (times torch, f16 over f32)
CASES = {
    "mlp_10_100_10": (100, ["--optimizer=sgd", "--lr=0.01"], "sgd", 400, (4.0, 1.5)),
    "mlp_784_128_10": (64, ["--loss=cross_entropy", "--optimizer=adam", "--lr=0.001"], "adam", 200,
                       (2.0, 2.0)),
    "mlp_784_1024_1024_10": (256, ["--loss=cross_entropy", "--optimizer=sgd", "--lr=0.01"], "sgd",
                             12, (1.5, 3.0)),
}


class Torch:
    def __init__(self, name, optimizer, batches, threads):
        self.threads = threads
        self.network = export.build(name).train()
        parameters = self.network.parameters()
        self.optimizer = (torch.optim.SGD(parameters, lr=0.01) if optimizer == "sgd" else
                          torch.optim.Adam(parameters, lr=0.001))
        self.batches = [(torch.from_numpy(x), torch.from_numpy(t)) for x, t in batches]
        self.takes_target = isinstance(self.network, export.MlpWithLoss)

    def run(self, steps):
        torch.set_num_threads(self.threads)
        for i in range(steps):
            x, target = self.batches[i % BATCHES]
            self.optimizer.zero_grad()
            loss = (self.network(x, target)[0] if self.takes_target else
                    F.cross_entropy(self.network(x), target))
            loss.backward()
            self.optimizer.step()
        self.loss = loss.item()


def run_case(name, options, runtime, work):
    batch, flags, optimizer, steps, (times_torch, times_f32) = CASES[name]
    model = ROOT / "examples/models" / f"{name}.onnx"
    if name in export.LARGE:
        model = work / f"{name}.onnx"
        subprocess.run([sys.executable, ROOT / "examples/export.py", "--large", work], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    batches = make_batches(batch, int(name.split("_")[1]))
    systems = {"torch": Torch(name, optimizer, batches, options.threads),
               "torch_1": Torch(name, optimizer, batches, 1)}
    for precision, precision_flags in PRECISIONS.items():
        module = work / f"{name}-{precision}.so"
        compile_module(options.build, model, module, batch, flags + precision_flags)
        for suffix, info in (("", False), ("_info", True)):
            systems[precision + suffix] = Ampc(runtime, module, batches, info,
                                               threads=options.threads)
    times = measure(systems, steps, options.rounds, options.pause)
    result = {"batch": batch, "optimizer": optimizer, "steps_a_round": steps}
    for system, values in times.items():
        result[system] = summary(systems[system], values)
    # Of a round, all systems saw the same machine: ratios are taken there.
    ratio = [min(t) / a for *t, a in zip(times["torch"], times["torch_1"], times["f32"])]
    slower = [l / f for l, f in zip(times["f16"], times["f32"])]
    result["torch_over_f32"] = {"median": statistics.median(ratio), "goal_at_least": times_torch}
    result["f16_over_f32"] = {"median": statistics.median(slower), "goal_at_most": times_f32}
    for system in systems.values():
        if isinstance(system, Ampc):
            system.close()
    return result


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between systems")
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--check", action="store_true", help="fail where a goal is missed")
    options = parser.parse_args()
    options.build = options.build.resolve()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    runtime = ampc_api.Runtime(options.build / "lib/libampc_runtime.so")
    report = {"cpu": cpu_name(), "threads": options.threads, "rounds": options.rounds,
              "torch": torch.__version__, "load_at_start": os.getloadavg()[0], "networks": {}}
    missed = []
    with tempfile.TemporaryDirectory(prefix="ampc-benchmark-") as work:
        for name in CASES:
            if options.only not in name:
                continue
            result = report["networks"][name] = run_case(name, options, runtime,
                                                         pathlib.Path(work))
            print(f"{name}, batch {result['batch']}, {result['optimizer']}")
            for system in ("torch", "torch_1", "f32", "f32_info", "f16", "f16_info"):
                print(f"  {system:9}{result[system]['median_us']:10.1f} us   "
                      f"best {result[system]['min_us']:10.1f} us")
            speed, cost = result["torch_over_f32"], result["f16_over_f32"]
            if speed["median"] < speed["goal_at_least"]:
                missed.append(f"{name}: f32 is {speed['median']:.2f} times as fast as torch, "
                              f"not {speed['goal_at_least']}")
            if cost["median"] > cost["goal_at_most"]:
                missed.append(f"{name}: f16 takes {cost['median']:.2f} times the time of f32, "
                              f"not {cost['goal_at_most']} at most")
            print(f"  torch / f32 {speed['median']:.2f} (at least {speed['goal_at_least']}), "
                  f"f16 / f32 {cost['median']:.2f} (at most {cost['goal_at_most']})", flush=True)
    report["load_at_end"] = os.getloadavg()[0]
    report["missed"] = missed
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    for line in missed:
        print("MISSED", line)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
