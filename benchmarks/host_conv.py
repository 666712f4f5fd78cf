# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Time of training steps with one convolution on the host: ampc in f32 and f16 beside PyTorch.

    python benchmarks/host_conv.py BUILD_DIR [--out=F.json] [--threads=2] [--rounds=15]

Needs torch==2.11.0 (CPU) and onnx==1.22.0. Each network is a convolution of one by one, so that the
one behind it has all three products (forward and both gradients), then that convolution, the mean of
squares, and SGD. Rounds as step_time.py says; reported are medians, and the ratio to PyTorch, taken
within each round.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import warnings

import torch
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "test/Driver")]
import ampc_api  # noqa: E402
from step_time import PRECISIONS, OneBatch, host_options, measure  # noqa: E402

# name: images, channels, filters, taps along each dimension, stride, groups, rows and columns
CASES = {
    "3x3, 64 channels of 28x28": (16, 64, 64, 3, 1, 1, 28),
    "3x3, 128 channels of 14x14": (16, 128, 128, 3, 1, 1, 14),
    "1x1, 256 channels of 14x14": (16, 256, 256, 1, 1, 1, 14),
    "3x3 stride 2, 64 to 128 channels of 28x28": (16, 64, 128, 3, 2, 1, 28),
    "3x3 depthwise, 64 channels of 28x28": (16, 64, 64, 3, 1, 64, 28),
    "7x7 stride 2, 3 to 64 channels of 64x64": (8, 3, 64, 7, 2, 1, 64),
}
STEPS = 10
RATE = 1e-3


class Network(nn.Module):
    def __init__(self, channels, filters, taps, stride, groups):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 1)
        self.second = nn.Conv2d(channels, filters, taps, stride, padding=taps // 2, groups=groups)

    def forward(self, x):
        return (self.second(self.first(x)) ** 2).mean()


class Torch:
    def __init__(self, network, x, threads):
        self.network, self.x, self.threads = network, x, threads
        self.optimizer = torch.optim.SGD(network.parameters(), lr=RATE)

    def run(self, steps):
        torch.set_num_threads(self.threads)
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.network(self.x).backward()
            self.optimizer.step()


def run_case(case, options, runtime, work):
    images, channels, filters, taps, stride, groups, extent = case
    torch.manual_seed(0)
    network = Network(channels, filters, taps, stride, groups)
    x = torch.randn(images, channels, extent, extent)
    model = work / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the legacy exporter announces its end
        torch.onnx.export(network, (x,), str(model), input_names=["x"], output_names=["loss"],
                          dynamo=False, opset_version=17,
                          training=torch.onnx.TrainingMode.TRAINING)
    systems = {"torch": Torch(network, x, options.threads)}
    for precision, flags in PRECISIONS.items():
        module = work / f"{precision}.so"
        subprocess.run([options.build / "bin/ampc", model, "-o", module, "--target=host",
                        "--optimizer=sgd", f"--lr={RATE}", *flags], check=True,
                       stderr=subprocess.DEVNULL)
        systems[precision] = OneBatch(runtime, module, {"x": x.numpy()}, options.threads)
    times = measure(systems, STEPS, options.rounds, options.pause)
    result = {f"{name}_ms": statistics.median(values) * 1e3 for name, values in times.items()}
    for precision in PRECISIONS:
        result[f"torch_over_{precision}"] = statistics.median(
            t / a for t, a in zip(times["torch"], times[precision]))
        systems[precision].close()
    return result


def main():
    options = host_options(__doc__, rounds=15).parse_args()
    runtime = ampc_api.Runtime(options.build / "lib/libampc_runtime.so")
    report = {"command": " ".join(sys.argv), "torch": torch.__version__,
              "threads": options.threads, "cases": {}}
    with tempfile.TemporaryDirectory(prefix="ampc-benchmark-") as work:
        for name, case in CASES.items():
            result = report["cases"][name] = run_case(case, options, runtime, pathlib.Path(work))
            print(f"{name:42} torch {result['torch_ms']:6.2f} ms   f32 {result['f32_ms']:6.2f} ms, "
                  f"{result['torch_over_f32']:.2f}x   f16 {result['f16_ms']:6.2f} ms, "
                  f"{result['torch_over_f16']:.2f}x", flush=True)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
