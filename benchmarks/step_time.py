# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the benchmarks of training steps share: batches, ampc's sessions, and the rounds.

All systems run in one process. In each round each of them in turn, in an order that rotates,
after a pause in which the others' threads go to sleep. The figure of a round is the time of its
steps, the last one waited for, divided by their number.
"""
import argparse
import pathlib
import statistics
import subprocess
import time

import numpy as np

BATCHES = 8
PRECISIONS = {"f32": ["--amp=O0"], "f16": ["--amp=O1", "--amp-dtype=f16"]}


def make_batches(batch, width):
    random = np.random.RandomState(0)
    return [(random.randint(0, 65, (batch, width)).astype(np.float32) / 64,
             random.randint(0, 10, batch).astype(np.int64)) for _ in range(BATCHES)]


def compile_module(build, model, out, batch, flags, target=("--target=host",)):
    done = subprocess.run([build / "bin/ampc", model, "-o", out, *target, f"--batch={batch}",
                           *flags], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"ampc {model}: {done.stderr}")


class Ampc:
    """A session of a compiled module; `info` asks what each step did."""

    def __init__(self, runtime, module, batches, info, device="host", threads=0):
        self.module = runtime.open(module)
        self.session = self.module.session(device=device, threads=threads)
        self.batches = [self.session.batch(x=x, target=t) for x, t in batches]
        self.step = self.session.step if info else self.session.enqueue

    def run(self, steps):
        for i in range(steps - 1):
            self.step(self.batches[i % BATCHES])
        self.loss = self.session.step(self.batches[(steps - 1) % BATCHES]).loss

    def close(self):
        self.session.close()
        self.module.close()


class OneBatch:
    """A session that takes all its steps on the arrays given by name; each step is waited for."""

    def __init__(self, runtime, module, arrays, threads):
        self.module = runtime.open(module)
        self.session = self.module.session(device="host", threads=threads)
        self.batch = self.session.batch(**arrays)

    def run(self, steps):
        for _ in range(steps):
            self.session.step(self.batch)

    def close(self):
        self.session.close()
        self.module.close()


def host_options(doc, rounds):
    """The flags of a benchmark on the host, before they are parsed."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between systems")
    return parser


def measure(systems, steps, rounds, pause, seconds=float("inf")):
    """Seconds a step, for each system and round; no round begins after `seconds`."""
    times = {name: [] for name in systems}
    end = time.monotonic() + seconds
    for system in systems.values():
        system.run(max(steps // 4, 2))  # warm caches, threads and allocators
    names = list(systems)
    for number in range(rounds):
        if number and time.monotonic() > end:
            break
        for name in names[number % len(names):] + names[:number % len(names)]:
            time.sleep(pause)
            systems[name].run(2)
            start = time.perf_counter()
            systems[name].run(steps)
            times[name].append((time.perf_counter() - start) / steps)
    return times


def summary(system, values):
    return {"median_us": statistics.median(values) * 1e6, "min_us": min(values) * 1e6,
            "last_loss": system.loss}
