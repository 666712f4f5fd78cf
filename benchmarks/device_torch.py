# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A training step in PyTorch, in the ways that device_mlp.py compares."""
import dataclasses

import torch
from torch.nn import functional as F

import export
from step_time import BATCHES

WARMUP = 11  # steps before a capture: allocators, autotuning, the scaler's state
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclasses.dataclass(frozen=True)
class Options:
    amp: bool = False
    graph: bool = False
    compiled: bool = False
    staged: bool = False


VARIANTS = {f"torch{kind}{'_amp' if amp else ''}{'_staged' if staged else ''}":
            Options(amp, kind == "_graph", kind == "_compile", staged)
            for kind in ("", "_graph", "_compile") for amp in (False, True)
            for staged in (False, True)}


def why_not(options):
    """Why a variant cannot run here; empty where it can."""
    if DEVICE.type == "cuda":
        return ""
    for wanted, name in ((options.graph, "CUDA graphs"), (options.compiled, "CUDA"),
                         (options.staged, "a device beside the host")):
        if wanted:
            return f"there is no GPU, it needs {name}"
    return ""


class TorchStep:
    """Owns a network; `optimizer` is the class of torch.optim and its learning rate."""

    def __init__(self, name, optimizer, batches, options):
        self.options = options
        self.network = export.build(name).to(DEVICE).train()
        self.takes_target = isinstance(self.network, export.MlpWithLoss)
        kind, rate = optimizer
        arguments = {"lr": rate}
        # Eager steps run as torch.optim chooses to. A fused optimizer takes the scaler's state
        # on the device, without which a step with a GradScaler cannot be captured.
        if options.graph or options.compiled:
            arguments["fused"] = True
            if kind == "Adam":
                arguments["capturable"] = True
        self.optimizer = getattr(torch.optim, kind)(self.network.parameters(), **arguments)
        self.scaler = torch.amp.GradScaler(DEVICE.type, enabled=options.amp)
        self.forward = torch.compile(self.compute_loss) if options.compiled else self.compute_loss
        pairs = [(torch.from_numpy(x), torch.from_numpy(t)) for x, t in batches]
        self.batches = ([(x.pin_memory(), t.pin_memory()) for x, t in pairs] if options.staged
                        else [(x.to(DEVICE), t.to(DEVICE)) for x, t in pairs])
        # Where a graph reads its batch, and where a staged one goes.
        self.fixed = tuple(tensor.to(DEVICE).clone() for tensor in pairs[0])
        self.graph = self.capture() if options.graph else None

    def compute_loss(self, x, target):
        with torch.autocast(DEVICE.type, torch.float16, enabled=self.options.amp):
            if self.takes_target:
                return self.network(x, target)[0]
            return F.cross_entropy(self.network(x), target)

    def train(self, x, target):
        self.optimizer.zero_grad()
        self.loss_tensor = self.forward(x, target)
        self.scaler.scale(self.loss_tensor).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def capture(self):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARMUP):
                self.train(*self.fixed)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()
        with torch.cuda.graph(graph):
            self.train(*self.fixed)
        return graph

    def run(self, steps):
        for i in range(steps):
            batch = self.batches[i % BATCHES]
            if self.graph or self.options.staged:
                for to, tensor in zip(self.fixed, batch):
                    to.copy_(tensor, non_blocking=True)
                batch = self.fixed
            if self.graph:
                self.graph.replay()
            else:
                self.train(*batch)
        self.loss = self.loss_tensor.item()
