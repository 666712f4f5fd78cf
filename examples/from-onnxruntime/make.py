#!/usr/bin/env python3
"""Makes artifacts/ and data.npz as a user of ONNX Runtime's training API has them, and trains with it.

Needs torch==2.11.0, onnx==1.17.0, numpy==1.26.4 and onnxruntime-training-cpu==1.19.2.

    python make.py                writes artifacts/ and data.npz; trains ten epochs with ONNX Runtime
    python make.py CHECKPOINT     evaluates a checkpoint with ONNX Runtime, and trains one epoch more

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import pathlib
import sys

import numpy as np
import onnx
import torch
from onnxruntime.training import artifacts
from onnxruntime.training.api import CheckpointState, Module, Optimizer

HERE = pathlib.Path(__file__).resolve().parent
FOLDER, BATCH, RATE = HERE / "artifacts", 32, 0.01


def make_data():
    """512 points in 16 dimensions, five classes that a linear layer tells apart but for a tenth."""
    random = np.random.RandomState(1)
    x = random.randint(-64, 65, (512, 16)).astype(np.float32) / 32
    labels = (x @ random.randint(-8, 9, (16, 5))).argmax(1)
    labels = np.where(random.rand(512) < 0.1, random.randint(0, 5, 512), labels)
    np.savez_compressed(HERE / "data.npz", x=x, labels=labels.astype(np.int64))


def make_artifacts():
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.GELU(), torch.nn.LayerNorm(32),
                                  torch.nn.Linear(32, 5))
    forward = HERE / "forward.onnx"
    torch.onnx.export(network, (torch.zeros(BATCH, 16),), str(forward), dynamo=False, opset_version=15,
                      training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False,
                      input_names=["x"], output_names=["output"],
                      dynamic_axes={"x": {0: "batch"}, "output": {0: "batch"}})
    FOLDER.mkdir(exist_ok=True)
    artifacts.generate_artifacts(
        onnx.load(forward), requires_grad=[name for name, _ in network.named_parameters()],
        loss=artifacts.LossType.CrossEntropyLoss, optimizer=artifacts.OptimType.AdamW,
        artifact_directory=str(FOLDER))
    forward.unlink()


def run(checkpoint, epochs):
    state = CheckpointState.load_checkpoint(str(checkpoint))
    module = Module(str(FOLDER / "training_model.onnx"), state, str(FOLDER / "eval_model.onnx"))
    optimizer = Optimizer(str(FOLDER / "optimizer_model.onnx"), module)
    optimizer.set_learning_rate(RATE)
    data = np.load(HERE / "data.npz")
    batches = [(data["x"][i:i + BATCH], data["labels"][i:i + BATCH]) for i in range(0, 512, BATCH)]

    def evaluate():
        module.eval()
        return np.mean([float(module(*batch)) for batch in batches])

    print(f"loss {evaluate():.4f}")
    for _ in range(epochs):
        module.train()
        for batch in batches:
            module(*batch)
            optimizer.step()
            module.lazy_reset_grad()
    print(f"loss {evaluate():.4f} after {epochs} epochs")


if len(sys.argv) > 1:
    run(sys.argv[1], 1)
else:
    make_data()
    make_artifacts()
    run(FOLDER / "checkpoint", 10)
