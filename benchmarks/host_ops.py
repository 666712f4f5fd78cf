# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Time of training steps with one operator on the host: ampc in f32 beside PyTorch eager.

    python benchmarks/host_ops.py BUILD_DIR [--filter=REGEX] [--out=F.json] [--threads=2] [--rounds=9]

Needs torch==2.11.0 (CPU) and onnx==1.22.0. Shapes are those of ResNet-50, a U-Net, BERT and an LSTM
tagger, with small batches. Each network is the input times a trained scalar, so that the operator's
gradient of its input is needed, then the operator, the mean of squares, and SGD. Rounds as
step_time.py says; reported are medians, and the ratio to PyTorch, taken within each round. Families
below 1.0 are listed at the end.
"""
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import warnings

import torch
from torch import nn
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "test/Driver")]
import ampc_api  # noqa: E402
from step_time import OneBatch, host_options, measure  # noqa: E402

RATE = 1e-3
SECONDS = 0.15  # of PyTorch a round, so that slow families take few steps


class Function(nn.Module):
    """A function that has no parameters."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *operands):
        return self.function(*operands)


class First(nn.Module):
    """The first result of a module that has several."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *operands):
        return self.module(*operands)[0]


class Embedding(nn.Module):
    """Rows of a table; the input only scales them."""

    def __init__(self, rows, width):
        super().__init__()
        self.table = nn.Embedding(rows, width)

    def forward(self, x, index):
        return self.table(index) * x


def integers(limit, *shape):
    return torch.randint(0, limit, shape)


IMAGES = (8, 64, 56, 56)     # ResNet-50, behind its first pool
DEEP = (8, 256, 14, 14)      # ResNet-50, fourth stage
TOKENS = (8, 128, 768)       # BERT-base
SCORES = (8, 12, 128, 128)   # its attention
SEQUENCE = (32, 64, 256)     # an LSTM tagger: batch, time, features


def cases():
    """family: module, shape of the input, other operands."""
    return {
        "convolution 3x3": (nn.Conv2d(64, 64, 3, padding=1), IMAGES),
        "convolution 1x1": (nn.Conv2d(256, 256, 1), DEEP),
        "convolution 3x3, stride 2": (nn.Conv2d(64, 128, 3, 2, 1), IMAGES),
        "convolution, depthwise": (nn.Conv2d(64, 64, 3, padding=1, groups=64), IMAGES),
        "convolution 1-D": (nn.Conv1d(128, 128, 5, padding=2), (8, 128, 256)),
        "convolution 3-D": (nn.Conv3d(16, 32, 3, padding=1), (2, 16, 16, 28, 28)),
        "transposed convolution 2x2": (nn.ConvTranspose2d(128, 64, 2, 2), (4, 128, 28, 28)),
        "product": (nn.Linear(768, 3072), TOKENS),
        "batched product": (Function(lambda x: x @ x.transpose(-1, -2)), (8, 12, 128, 64)),
        "max pool": (nn.MaxPool2d(3, 2, 1), (4, 64, 112, 112)),
        "average pool": (nn.AvgPool2d(2, 2), IMAGES),
        "global average pool": (nn.AdaptiveAvgPool2d(1), (32, 2048, 7, 7)),
        "batch norm": (nn.BatchNorm2d(64), IMAGES),
        "layer norm": (nn.LayerNorm(768), TOKENS),
        "group norm": (nn.GroupNorm(32, 64), IMAGES),
        "instance norm": (nn.InstanceNorm2d(64, affine=True), IMAGES),
        "softmax": (nn.Softmax(-1), SCORES),
        "log softmax": (nn.LogSoftmax(-1), (1024, 10000)),
        "relu": (nn.ReLU(), IMAGES),
        "gelu": (nn.GELU(), (8, 128, 3072)),
        "silu": (nn.SiLU(), IMAGES),
        "sigmoid": (nn.Sigmoid(), IMAGES),
        "tanh": (nn.Tanh(), IMAGES),
        "exp": (Function(torch.exp), IMAGES),
        "broadcast sum": (Function(lambda x, b: x + b), IMAGES, torch.randn(64, 1, 1)),
        "sum of rows": (Function(lambda x: x.sum(-1)), TOKENS),
        "sum of columns": (Function(lambda x: x.sum((0, 1))), TOKENS),
        "transpose": (Function(lambda x: x.transpose(1, 2) * 2), TOKENS),
        "concatenation": (Function(lambda x, y: torch.cat([x, y], 1)), IMAGES,
                          torch.randn(*IMAGES)),
        "slice": (Function(lambda x: x[:, :, 1:-1, 1:-1] * 2), IMAGES),
        "pad": (nn.ReflectionPad2d(2), IMAGES),
        "resize, nearest": (nn.Upsample(scale_factor=2), (4, 64, 28, 28)),
        "resize, linear": (nn.Upsample(scale_factor=2, mode="bilinear"), (4, 64, 28, 28)),
        "pixel shuffle": (nn.PixelShuffle(2), (4, 256, 28, 28)),
        "embedding": (Embedding(30522, 768), (8, 128, 1), integers(30522, 8, 128)),
        "gather of elements": (Function(lambda x, i: torch.gather(x, 1, i)), (1024, 1024),
                               integers(1024, 1024, 256)),
        "scatter add": (Function(lambda x, i: torch.zeros(1024, 1024).scatter_add(1, i, x)),
                        (1024, 256), integers(1024, 1024, 256)),
        "cumulative sum": (Function(lambda x: torch.cumsum(x, 1)), TOKENS),
        "top 8": (Function(lambda x: torch.topk(x, 8)[0]), (1024, 1000)),
        "LSTM": (First(nn.LSTM(256, 128, batch_first=True)), SEQUENCE),
        "LSTM, both directions": (First(nn.LSTM(256, 128, batch_first=True, bidirectional=True)),
                                  SEQUENCE),
        "GRU": (First(nn.GRU(256, 128, batch_first=True)), SEQUENCE),
        "dropout": (nn.Dropout(0.1), TOKENS),
        "grid sample": (Function(lambda x, g: F.grid_sample(x, g, align_corners=False)),
                        (4, 32, 56, 56), torch.rand(4, 56, 56, 2) * 2 - 1),
    }


class Network(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.module = module

    def forward(self, x, *operands):
        return (self.module(x * self.scale, *operands) ** 2).mean()


class Torch:
    def __init__(self, network, operands, threads):
        self.network, self.operands, self.threads = network.train(), operands, threads
        self.optimizer = torch.optim.SGD(network.parameters(), lr=RATE)

    def run(self, steps):
        torch.set_num_threads(self.threads)
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.network(*self.operands).backward()
            self.optimizer.step()


def steps_of(system):
    """As many steps as take about SECONDS, but one."""
    took = min(sum(v) for v in zip(*measure({"torch": system}, 1, 3, 0).values()))
    return max(1, min(200, round(SECONDS / took)))


def run_case(case, options, runtime, work):
    module, shape, *others = case
    torch.manual_seed(0)
    operands = [torch.randn(*shape), *others]
    names = ["x"] + [f"operand{i}" for i in range(len(others))]
    network = Network(module)
    model, library = work / "model.onnx", work / "model.so"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the legacy exporter announces its end
        torch.onnx.export(network, tuple(operands), str(model), input_names=names,
                          output_names=["loss"], dynamo=False, opset_version=17,
                          training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)
    done = subprocess.run([options.build / "bin/ampc", model, "-o", library, "--target=host",
                           "--amp=O0", "--optimizer=sgd", f"--lr={RATE}"],
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    eager = Torch(network, operands, options.threads)
    systems = {"torch": eager,
               "ampc": OneBatch(runtime, library,
                                {n: o.numpy() for n, o in zip(names, operands)}, options.threads)}
    times = measure(systems, steps_of(eager), options.rounds, options.pause)
    systems["ampc"].close()
    result = {f"{name}_ms": statistics.median(values) * 1e3 for name, values in times.items()}
    result["torch_over_ampc"] = statistics.median(
        t / a for t, a in zip(times["torch"], times["ampc"]))
    return result


def main():
    parser = host_options(__doc__, rounds=9)
    parser.add_argument("--filter", type=re.compile, default=re.compile(""))
    options = parser.parse_args()
    runtime = ampc_api.Runtime(options.build / "lib/libampc_runtime.so")
    report = {"command": " ".join(sys.argv), "torch": torch.__version__,
              "threads": options.threads, "families": {}}
    with tempfile.TemporaryDirectory(prefix="ampc-benchmark-") as work:
        for name, case in cases().items():
            if not options.filter.search(name):
                continue
            result = report["families"][name] = run_case(case, options, runtime,
                                                         pathlib.Path(work))
            if "error" in result:
                print(f"{name:28} {result['error']}", flush=True)
                continue
            print(f"{name:28} torch {result['torch_ms']:7.2f} ms   ampc {result['ampc_ms']:7.2f} ms"
                  f"   {result['torch_over_ampc']:5.2f}x", flush=True)
    slow = [name for name, result in report["families"].items()
            if result.get("torch_over_ampc", 0) < 1]
    print(f"below 1.0: {', '.join(slow) or 'none'}")
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
