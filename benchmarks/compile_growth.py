# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How the compiler's time and memory grow with the graph: t = c * nodes ** exponent.

    python benchmarks/compile_growth.py BUILD_DIR [--sizes=1000,2500,..] [--families=relu,..]
        [--targets=host,cuda] [--limit=SECONDS] [--tries=N] [--out=RESULT.json]

Times are `user` seconds of the compiler and of what it starts, memory is the most that one of
them had resident; a compilation is tried --tries times, and the least counts. The exponent is
the slope of the least squares line through log(nodes), log(seconds). For CUDA, ptxas assembles
for one architecture, and its time counts.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading

import growing_graphs
import numpy as np
import onnx

SIZES = [1000, 2500, 5000, 10000, 20000]
FAMILIES = ["relu", "unary", "mul_shared", "mlp", "transformer", "concat_distinct", "wide_sum",
            "recurrence"]
FLAGS = {"host": ["--target=host"], "cuda": ["--target=cuda", "--cuda-arch=sm_80"]}
LIMIT_EXPONENT = 1.2


def build_model(family, nodes):
    """A model of the family of about `nodes` nodes: families count layers, or nodes."""
    make = growing_graphs.FAMILIES[family]
    one, two = (len(make(size).graph.node) for size in (8, 16))
    return make(max(1, round(8 + (nodes - one) * 8 / (two - one))))


def compile_model(command, limit):
    """User seconds and resident MiB, or None where the compiler failed or took too long."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               start_new_session=True,
                               preexec_fn=lambda: resource.setrlimit(
                                   resource.RLIMIT_CPU, (limit, limit)))
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    reader.start()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return None
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{errors[0].decode()[-2000:]}")
    return usage.ru_utime, usage.ru_maxrss / 1024


def fit_exponent(points):
    if len(points) < 2:
        return None
    nodes, seconds = np.log(np.array(points, dtype=float)).T
    return float(np.polyfit(nodes, seconds, 1)[0])


def measure(family, target, models, options):
    """Points of nodes, user seconds and MiB, the smallest model first."""
    points = []
    for model, nodes in models:
        command = [str(options.build_dir / "bin/ampc"), str(model), "--loss=mse",
                   "-o", str(model.with_suffix(".so")), *FLAGS[target]]
        tries = [compile_model(command, options.limit) for _ in range(options.tries)]
        if None in tries:
            print(f"{family:16} {target:5} {nodes:7}  over {options.limit} s", flush=True)
            break
        seconds, mebibytes = (min(values) for values in zip(*tries))
        points.append({"nodes": nodes, "user_s": round(seconds, 3), "rss_mib": round(mebibytes)})
        print(f"{family:16} {target:5} {nodes:7} {seconds:9.2f} s {mebibytes:8.0f} MiB", flush=True)
    return points


def main():
    parser = argparse.ArgumentParser()
    names = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("build_dir", type=pathlib.Path)
    parser.add_argument("--sizes", type=lambda text: [int(n) for n in names(text)], default=SIZES)
    parser.add_argument("--families", type=names, default=FAMILIES)
    parser.add_argument("--targets", type=names, default=list(FLAGS))
    parser.add_argument("--limit", type=int, default=300, help="seconds of one compilation")
    parser.add_argument("--tries", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()

    version = subprocess.run([options.build_dir / "bin/ampc", "--version"], capture_output=True,
                             text=True, check=True).stdout.strip()
    result = {"date": datetime.date.today().isoformat(),
              "command": "python benchmarks/compile_growth.py BUILD_DIR " + " ".join(
                  argument for argument in sys.argv[2:] if not argument.startswith("--out")),
              "machine": {"cpu": cpu_name(), "cores": os.cpu_count(),
                          "load": [round(x, 1) for x in os.getloadavg()]},
              "versions": {"ampc": version.splitlines(), "python": platform.python_version()},
              "flags": FLAGS, "families": {}}
    with tempfile.TemporaryDirectory() as folder:
        for family in options.families:
            models = []
            for size in options.sizes:
                model = build_model(family, size)
                path = pathlib.Path(folder) / f"{family}-{size}.onnx"
                onnx.save(model, path)
                models.append((path, len(model.graph.node)))
            for target in options.targets:
                points = measure(family, target, models, options)
                exponent = fit_exponent([(p["nodes"], p["user_s"]) for p in points])
                result["families"].setdefault(family, {})[target] = {
                    "exponent": exponent and round(exponent, 2), "points": points}
                if options.out:  # what is known so far, should the run be ended
                    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{'family':16} target exponent  (goal: at most {LIMIT_EXPONENT})")
    for family, targets in result["families"].items():
        for target, entry in targets.items():
            exponent = entry["exponent"]
            mark = "" if exponent is not None and exponent <= LIMIT_EXPONENT else "  above"
            print(f"{family:16} {target:6} {exponent if exponent is not None else '-':>8}{mark}")


def cpu_name():
    match = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return match[1] if match else platform.processor()


if __name__ == "__main__":
    main()
