# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Time of single matrix products on the host: ours beside oneDNN's and PyTorch's (MKL).

    python benchmarks/host_product.py BUILD_DIR [--out=F.json] [--rounds=5]

Needs torch==2.11.0 (CPU), whose own copy of oneDNN is asked for f32 (`_linear_pointwise`, where the
right operand is transposed) and multiplies bf16 with torch.mm; and `ninja ampc-matmul-benchmark`.
In each round each of them in turn computes the product for a moment, ours in a process of its own.
Reported is the best time of all rounds, and the ratio to ours of the best of each round, its median.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import time

import torch

from step_time import host_options

# m, n, k, transposed operands
CASES = [(256, 1024, 1024, "-T"), (256, 1024, 1024, "--"), (1024, 1024, 256, "T-"),
         (1024, 1024, 1024, "--"), (64, 128, 784, "-T"), (1024, 3072, 768, "-T")]
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
SECONDS = 0.3  # a system and round


def best_of(run):
    run()
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def systems_of(case, dtype, threads, program):
    m, n, k, transposes = case
    a = torch.randn(*((k, m) if transposes[0] == "T" else (m, k))).to(TYPES[dtype])
    b = torch.randn(*((n, k) if transposes[1] == "T" else (k, n))).to(TYPES[dtype])
    left = a.t() if transposes[0] == "T" else a
    right = b.t() if transposes[1] == "T" else b

    def ours(count):
        done = subprocess.run([program, *map(str, (m, n, k)), transposes, dtype, str(threads),
                               str(count)], check=True, capture_output=True, text=True)
        return min(map(float, done.stdout.split())) * 1e-6

    count = max(3, round(SECONDS / ours(3)))
    systems = {"ours": lambda: ours(count), "torch_mm": lambda: best_of(lambda: torch.mm(left, right))}
    if dtype == "f32" and transposes == "-T":
        linear = torch.ops.mkldnn._linear_pointwise
        systems["onednn"] = lambda: best_of(lambda: linear(a, b, None, "none", [], ""))
    return systems


def main():
    options = host_options(__doc__, rounds=5).parse_args()
    program = options.build / "bin/ampc-matmul-benchmark"
    report = {"command": " ".join(sys.argv), "torch": torch.__version__, "products": []}
    for case in CASES:
        for dtype in TYPES:
            for threads in range(1, options.threads + 1):
                torch.set_num_threads(threads)
                systems = systems_of(case, dtype, threads, program)
                names = list(systems)
                times = {name: [] for name in names}
                for number in range(options.rounds):
                    for name in names[number % len(names):] + names[:number % len(names)]:
                        time.sleep(options.pause)
                        times[name].append(systems[name]())
                m, n, k, transposes = case
                result = {"m": m, "n": n, "k": k, "transposed": transposes, "type": dtype,
                          "threads": threads}
                text = f"{m:4} x {n:4} x {k:4} {transposes} {dtype:4} {threads}x"
                for name in names:
                    best = min(times[name])
                    result[f"{name}_us"] = best * 1e6
                    text += f"  {name} {best * 1e6:8.1f} us {2e-9 * m * n * k / best:6.1f} GF/s"
                    if name != "ours":
                        ratio = statistics.median(t / o for t, o in zip(times[name], times["ours"]))
                        result[f"{name}_over_ours"] = ratio
                        text += f" ({ratio:.2f})"
                print(text, flush=True)
                report["products"].append(result)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    with torch.no_grad():
        main()
