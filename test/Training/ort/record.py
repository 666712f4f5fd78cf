#!/usr/bin/env python3
"""Makes artifacts.zip: ONNX Runtime's training artifacts of small networks, and how it trains them.

Needs torch==2.11.0, onnx==1.17.0, numpy==1.26.4 and onnxruntime-training-cpu==1.19.2. For each network
the artifacts as onnxruntime.training.artifacts.generate_artifacts writes them, the data, and cases.json:
the losses of 50 steps from the checkpoint; the state that ONNX Runtime has then is in `trained`. For some
networks also how far PyTorch's autocast leaves its own f32 curve with the same optimizer.

usage: record.py [FOLDER]     writes the files to FOLDER as well

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import io
import json
import math
import pathlib
import shutil
import sys
import tempfile
import zipfile

import numpy as np
import onnx
import torch
from onnxruntime.training import artifacts, onnxblock
from onnxruntime.training.api import CheckpointState, Module, Optimizer
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
STEPS, BATCH, ROWS = 50, 8, 80
#: Networks of which PyTorch's error in 16 bits is recorded.
LOW = ("mlp", "cnn")


class Mlp(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 24), nn.Sigmoid(), nn.Linear(24, 5))


class Convolutions(nn.Module):
    """Convolutions, one in groups, with batch norm and pooling. ONNX Runtime's AveragePoolGrad divides by 0."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.second, self.pool = nn.Conv2d(6, 8, 3, padding=1), nn.MaxPool2d(2)
        self.third, self.last = nn.Conv2d(8, 8, 3, groups=2), nn.Linear(8, 5)

    def forward(self, x):
        x = self.pool(torch.relu(self.norm(self.first(x))))
        x = nn.functional.leaky_relu(self.second(x), 0.1)
        x = torch.tanh(self.third(self.pool(x)))
        return self.last(x.mean((2, 3)))


class Layer(nn.Module):
    def __init__(self, width=16, heads=2):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x, mask):
        batch, length, width = x.shape

        def split(y):
            return y.view(-1, length, self.heads, width // self.heads).transpose(1, 2)

        scores = split(self.query(x)) @ split(self.key(x)).transpose(2, 3)
        weights = torch.softmax(scores / math.sqrt(width // self.heads) + mask, -1)
        mixed = (weights @ split(self.value(x))).transpose(1, 2).reshape(-1, length, width)
        x = self.norm1(x + self.out(mixed))
        return self.norm2(x + self.down(nn.functional.gelu(self.up(x))))


class Bert(nn.Module):
    def __init__(self, width=16, length=8):
        super().__init__()
        self.words, self.places = nn.Embedding(40, width), nn.Embedding(length, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width) for _ in range(2))
        self.pooler, self.last = nn.Linear(width, width), nn.Linear(width, 5)
        self.register_buffer("positions", torch.arange(length))

    def forward(self, ids, mask):
        x = self.norm(self.words(ids) + self.places(self.positions))
        hidden = (1.0 - mask[:, None, None, :]) * -10000.0
        for layer in self.layers:
            x = layer(x, hidden)
        return self.last(torch.tanh(self.pooler(x[:, 0])))


class Tagger(nn.Module):
    """A tag for each token, from it and the one before."""

    def __init__(self, width=16):
        super().__init__()
        self.words, self.norm = nn.Embedding(40, width), nn.LayerNorm(2 * width)
        self.hidden, self.tags = nn.Linear(2 * width, width), nn.Linear(width, 5)

    def forward(self, ids):
        x = self.words(ids)
        before = nn.functional.pad(x[:, :-1], (0, 0, 1, 0))
        x = self.norm(torch.cat([x, before], -1))
        return self.tags(nn.functional.silu(self.hidden(x))).transpose(1, 2)


class Encoder(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 16))


def numbers(random, *shape):
    return random.randint(-64, 65, shape).astype(np.float32) / 32


def classes(random, rows, wrong=0.1):
    """Five classes that a linear layer tells apart, but for a share that is wrong."""
    flat = rows.reshape(len(rows), -1)
    labels = (flat @ random.randint(-8, 9, (flat.shape[1], 5))).argmax(1)
    return np.where(random.rand(len(rows)) < wrong, random.randint(0, 5, len(rows)), labels).astype(np.int64)


def flat_data(random):
    x = numbers(random, ROWS, 16)
    return {"x": x, "labels": classes(random, x)}


def image_data(random):
    """Squares of light and dark, with noise."""
    squares = numbers(random, ROWS, 1, 3, 3)
    x = squares.repeat(4, 2).repeat(4, 3) + numbers(random, ROWS, 1, 12, 12) / 4
    return {"x": x, "labels": classes(random, squares, wrong=0)}


def token_data(random):
    ids = random.randint(0, 40, (ROWS, 8)).astype(np.int64)
    mask = (np.arange(8) < random.randint(3, 9, (ROWS, 1))).astype(np.float32)
    return {"ids": ids, "mask": mask, "labels": (ids[:, 0] + ids[:, 1]) % 5}


def tag_data(random):
    # Five tokens: ONNX Runtime's labels have the scores' shape without the last axis, not the second.
    ids = random.randint(0, 40, (ROWS, 5)).astype(np.int64)
    before = np.pad(ids[:, :-1], ((0, 0), (1, 0)))
    return {"ids": ids, "labels": (ids // 8 + before // 20) % 5}


def same_data(random):
    x = numbers(random, ROWS, 4) @ numbers(random, 4, 16) / 4
    return {"x": x.astype(np.float32), "target": x.astype(np.float32)}


def bit_data(random):
    x = numbers(random, ROWS, 16)
    return {"x": x, "target": (x @ random.randint(-4, 5, (16, 5)) > 0).astype(np.float32)}


Loss, Optim = artifacts.LossType, artifacts.OptimType


def clipped():
    return onnxblock.optim.AdamW(weight_decay=0.05, clip_grad=onnxblock.optim.ClipGradNorm(0.5))


def torch_like():
    """Betas and decay of their own, and the form without bias correction."""
    return onnxblock.optim.AdamW(bias_correction=False, betas=(0.8, 0.95), eps=1e-5, weight_decay=0.01)


#: name -> network, data, loss, optimizer, learning rate, steps before the checkpoint, frozen
CASES = {
    "mlp": (Mlp, flat_data, Loss.CrossEntropyLoss, Optim.AdamW, 0.01, 0, []),
    "mlp_sgd": (Mlp, flat_data, Loss.CrossEntropyLoss, Optim.SGD, 1.5, 0, ["2.bias"]),
    "mlp_resumed": (Mlp, flat_data, Loss.CrossEntropyLoss, clipped, 0.01, 10, []),
    "bits": (Mlp, bit_data, Loss.BCEWithLogitsLoss, torch_like, 0.01, 0, []),
    "encoder": (Encoder, same_data, Loss.MSELoss, Optim.AdamW, 0.01, 0, []),
    "cnn": (Convolutions, image_data, Loss.CrossEntropyLoss, Optim.AdamW, 0.01, 0, ["first.bias"]),
    "bert": (Bert, token_data, Loss.CrossEntropyLoss, clipped, 0.005, 0, []),
    "tagger": (Tagger, tag_data, Loss.CrossEntropyLoss, Optim.AdamW, 0.01, 0, []),
}


def export(network, data, path):
    inputs = [k for k in data if k not in ("labels", "target")]
    torch.onnx.export(network, tuple(torch.from_numpy(data[k][:BATCH]) for k in inputs), path,
                      dynamo=False, export_params=True, do_constant_folding=False, opset_version=15,
                      training=torch.onnx.TrainingMode.TRAINING, input_names=inputs,
                      output_names=["output"], dynamic_axes={k: {0: "batch"} for k in [*inputs, "output"]})


def floats(state, names):
    return {name: np.asarray(state.parameters[name].data) for name in names}


def run(module, optimizer, data, first, count):
    """The losses of `count` steps on consecutive batches, from batch `first` on."""
    losses = []
    module.train()
    for step in range(first, first + count):
        rows = np.arange(step * BATCH, (step + 1) * BATCH) % ROWS
        result = module(*(v[rows] for v in data.values()))
        losses.append(float(result[0] if isinstance(result, (list, tuple)) else result))
        optimizer.step()
        module.lazy_reset_grad()
    return losses


def pytorch_losses(name, dtype):
    """How PyTorch trains the network with the artifacts' AdamW, under autocast to `dtype` (None: not)."""
    make_network, make, _, optimizer, rate, _, frozen = CASES[name]
    torch.manual_seed(1)
    network, data = make_network(), make(np.random.RandomState(1))
    trained = [p for n, p in network.named_parameters() if n not in frozen]
    decay, clip = (0.05, 0.5) if optimizer is clipped else (0, None)
    means, squares = ([torch.zeros_like(p) for p in trained] for _ in range(2))
    losses = []
    scale = 1024 if dtype == torch.float16 else 1
    for step in range(STEPS):
        rows = np.arange(step * BATCH, (step + 1) * BATCH) % ROWS
        *inputs, labels = (torch.from_numpy(v[rows]) for v in data.values())
        with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
            output = network(*inputs)
        loss = nn.functional.cross_entropy(output.float(), labels)
        gradients = [g / scale for g in torch.autograd.grad(loss * scale, trained)]
        losses.append(float(loss))
        if clip:
            norm = torch.sqrt(sum((g * g).sum() for g in gradients))
            gradients = [g * min(1, clip / (norm + 1e-6)) for g in gradients]
        correction = math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        with torch.no_grad():
            for p, g, m, v in zip(trained, gradients, means, squares):
                m.mul_(0.9).add_(g, alpha=0.1)
                v.mul_(0.999).addcmul_(g, g, value=0.001)
                p.sub_(rate * correction * m / (v.sqrt() + 1e-6))
                p.mul_(1 - rate * decay)
    return losses


def distance(losses, wanted):
    return max(abs(a - b) / abs(b) for a, b in zip(losses, wanted, strict=True))


def record(name, folder):
    network, make, loss, optimizer, rate, before, frozen = CASES[name]
    torch.manual_seed(1)
    network, data = network(), make(np.random.RandomState(1))
    folder.mkdir()
    export(network, data, str(folder / "forward.onnx"))
    model = onnx.load(folder / "forward.onnx")
    parameters = [n for n, _ in network.named_parameters()]
    trained = [n for n in parameters if n not in frozen]
    # Everything else that the network brings: parameters that are frozen, and buffers.
    others = [t.name for t in model.graph.initializer
              if t.name not in trained and t.name in network.state_dict()]
    artifacts.generate_artifacts(
        model, requires_grad=trained, frozen_params=others, loss=loss,
        optimizer=optimizer if isinstance(optimizer, Optim) else optimizer(),
        artifact_directory=str(folder))
    (folder / "forward.onnx").unlink()

    def load(checkpoint):
        state = CheckpointState.load_checkpoint(str(checkpoint))
        # ONNX Runtime does not load its own evaluation model of batch norm: it has the outputs of training.
        evaluation = None if name == "cnn" else str(folder / "eval_model.onnx")
        module = Module(str(folder / "training_model.onnx"), state, evaluation)
        optimizer = Optimizer(str(folder / "optimizer_model.onnx"), module)
        optimizer.set_learning_rate(rate)
        return state, module, optimizer

    if before:
        state, module, optimizer = load(folder / "checkpoint")
        run(module, optimizer, data, 0, before)
        CheckpointState.save_checkpoint(state, str(folder / "checkpoint"), include_optimizer_state=True)
    state, module, optimizer = load(folder / "checkpoint")
    losses = run(module, optimizer, data, 0, STEPS)
    evaluated = None
    if name != "cnn":
        module.eval()
        evaluated = module(*(v[:BATCH] for v in data.values()))
        evaluated = float(evaluated[0] if isinstance(evaluated, (list, tuple)) else evaluated)
    CheckpointState.save_checkpoint(state, str(folder / "trained"), include_optimizer_state=True)
    np.savez_compressed(folder / "data.npz", **data)
    return {"rate": rate, "before": before, "trained": trained, "frozen": others, "losses": losses,
            "evaluated": evaluated}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as work:
        work, cases = pathlib.Path(work), {}
        for name in CASES:
            case = cases[name] = record(name, work / name)
            if name in LOW:
                plain = pytorch_losses(name, None)
                assert distance(plain, case["losses"]) < 1e-4, "PyTorch trains it otherwise"
                case["autocast"] = {text: distance(pytorch_losses(name, dtype), plain)
                                    for text, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16))}
                print(f"{name}: autocast's own distance to f32 is {case['autocast']}")
            falls = 1 - np.mean(case["losses"][-5:]) / np.mean(case["losses"][:5])
            print(f"{name}: {case['losses'][0]:.4f} to {case['losses'][-1]:.4f}, falls by {falls:.0%}")
            if falls < 1 / 3:
                print(f"{name}: such a curve proves nothing")
        (work / "cases.json").write_text(json.dumps({"steps": STEPS, "batch": BATCH, "cases": cases}))
        if folder:
            shutil.copytree(work, folder, dirs_exist_ok=True)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for file in sorted(f for f in work.rglob("*") if f.is_file()):
                # One time for all: the same files are the same bytes.
                info = zipfile.ZipInfo(str(file.relative_to(work)), (2026, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, file.read_bytes())
        (HERE / "artifacts.zip").write_bytes(buffer.getvalue())
        print(f"artifacts.zip: {len(buffer.getvalue())} bytes")


if __name__ == "__main__":
    main()
