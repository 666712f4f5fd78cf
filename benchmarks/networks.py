# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Time of a training step of whole networks on the host: ampc beside PyTorch eager.

    python benchmarks/networks.py BUILD_DIR [NAME...] [--precision=f32|bf16] [--out=F.json]
                                  [--threads=2] [--rounds=7]

Needs torch==2.11.0 (CPU), torchvision, timm, transformers and onnx==1.22.0. The networks, their
files and optimizers are those of test/Training/networks; the first export that compiles is taken:
one that lost parameters does not. In bf16 PyTorch runs under autocast, ampc at O1. Rounds as
step_time.py says; reported are medians, and the ratio to PyTorch, taken within each round. Every
step of ampc is waited for.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import onnx
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "test/Driver"), str(ROOT / "test/Training/networks")]
import ampc_api  # noqa: E402
import common  # noqa: E402
import record  # noqa: E402
from network import batches_of, build, loss_of, make_optimizer  # noqa: E402
from step_time import OneBatch, host_options, measure  # noqa: E402

#: Flags of ampc.
PRECISIONS = {"f32": ["--amp=O0"], "bf16": ["--amp=O1", "--amp-dtype=bf16"]}


class Torch:
    def __init__(self, network, batch, threads, precision):
        self.network, self.batch, self.threads = network, batch, threads
        self.is_mixed = precision == "bf16"
        self.module, _ = build(network)
        self.optimizer = make_optimizer(network, self.module, network.lr)

    def run(self, steps):
        torch.set_num_threads(self.threads)
        for _ in range(steps):
            self.optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=self.is_mixed):
                loss = loss_of(self.network, self.module, self.batch)
            loss.backward()
            self.optimizer.step()


def measure_network(path, options, runtime, work):
    case, models = common.read(path)
    network = record.NETWORKS[case["name"]]
    model, module = work / "model.onnx", work / f"{case['name']}.so"
    freeze = [f"--freeze={case['freeze']}"] if case["freeze"] else []
    for how, told in case["exports"].items():
        onnx.save(models[how], model)
        done = subprocess.run([options.build / "bin/ampc", model, "-o", module, "--target=host",
                               *PRECISIONS[options.precision], "--train-mode=on",
                               *told["flags"], *case["flags"], *freeze],
                              stderr=subprocess.PIPE, text=True)
        if done.returncode == 0:
            break
    else:
        raise RuntimeError(done.stderr[:500])
    arrays = batches_of(network, common.make_data(case))[0]
    systems = {"torch": Torch(network, arrays, options.threads, options.precision),
               "ampc": OneBatch(runtime, module, {n: a.numpy() for n, a in arrays.items()},
                                options.threads)}
    times = measure(systems, options.steps, options.rounds, options.pause, seconds=options.seconds)
    systems["ampc"].close()
    return {f"{name}_ms": statistics.median(values) * 1e3 for name, values in times.items()} | {
        "export": how, "ratio": statistics.median(t / a for t, a in zip(times["torch"], times["ampc"]))}


def main():
    parser = host_options(__doc__, rounds=7)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--precision", choices=PRECISIONS, default="f32")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60, help="no round of a network begins later")
    options = parser.parse_args()
    runtime = ampc_api.Runtime(options.build / "lib/libampc_runtime.so")
    report = {"command": " ".join(sys.argv), "torch": torch.__version__, "threads": options.threads,
              "precision": options.precision, "networks": {}}
    for path in sorted(common.RECORDINGS.glob("*.zip")):
        if options.names and path.stem not in options.names:
            continue
        with tempfile.TemporaryDirectory(prefix="ampc-benchmark-") as work:
            try:
                result = measure_network(path, options, runtime, pathlib.Path(work))
            except RuntimeError as error:
                print(f"{path.stem:18} {error}", flush=True)
                continue
        report["networks"][path.stem] = result
        print(f"{path.stem:18} {result['export']:13} torch {result['torch_ms']:8.2f} ms   "
              f"ampc {result['ampc_ms']:8.2f} ms   {result['ratio']:.2f} times as fast", flush=True)
    ratios = [r["ratio"] for r in report["networks"].values()]
    if ratios:
        print(f"{len(ratios)} networks, slowest {min(ratios):.2f}, median {statistics.median(ratios):.2f}")
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
