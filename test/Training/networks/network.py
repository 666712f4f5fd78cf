# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One network of the recordings, and how it is trained in PyTorch."""
import copy
import dataclasses
import re

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import common

DTYPE = {"f16": torch.float16, "bf16": torch.bfloat16}
SCALE = 1024.0


@dataclasses.dataclass
class Network:
    name: str
    make: object  # () -> module
    inputs: dict  # name -> kind, shape of a batch, argument: see common.make_array
    target: tuple | None  # the same, for a loss that is attached by a flag
    loss: str | None  # that flag; None: the module returns its loss
    lr: float
    optimizer: str = "sgd"
    class_axis: int = 1
    sets: int = 4  # batches of the data, taken in turns
    is_random: bool = False  # draws numbers: curves are compared over seeds
    freeze: str | None = None  # parameters that are not trained
    means: dict = dataclasses.field(default_factory=dict)  # regex -> mean, where the module's is useless
    gains: dict = dataclasses.field(default_factory=dict)  # regex -> factor of the deviation
    open_sizes: dict | None = None  # what TorchScript's export leaves open; else all leading sizes
    make_for_script: object = None  # where TorchScript's exporter needs the module written otherwise

    def data_of(self):
        """Inputs, the target among them."""
        return self.inputs | ({"target": self.target} if self.target else {})

    def dynamic_axes(self):
        """Sizes that are left open, and the flags that give them again."""
        if self.open_sizes is None:
            return {name: {0: "batch"} for name in self.inputs}, [f"--batch={common.BATCH}"]
        sizes = {size: self.inputs[name][1][axis] for name, axes in self.open_sizes.items()
                 for axis, size in axes.items()}
        return self.open_sizes, [f"--dim={name}={size}" for name, size in sizes.items()]

    def flags(self, lr):
        flags = [f"--optimizer={self.optimizer}", f"--lr={lr:g}"]
        if self.loss:
            flags.append(f"--loss={self.loss}")
        if self.class_axis != 1:
            flags.append(f"--class-axis={self.class_axis}")
        return flags


def distribution(network, module, name, parameter):
    """Mean and deviation of a parameter: near the constant that the module starts it with, or scaled
    by the number of inputs."""
    def pick(table, default):
        return next((v for k, v in table.items() if re.search(k, name)), default)

    gain = pick(network.gains, 1.0)
    mean = pick(network.means, None)
    first = parameter.detach().flatten()[0].item()
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return 0.0, 0.1 * gain
    if isinstance(module, nn.modules.conv._ConvTransposeNd) and parameter.dim() > 1:
        taps = parameter[0, 0].numel() / np.prod(module.stride)
        return 0.0, gain * float((2 / (parameter.shape[0] * taps)) ** 0.5)
    if isinstance(module, nn.modules.conv._ConvNd) and parameter.dim() > 1:
        return 0.0, gain * float((2 / parameter[0].numel()) ** 0.5)
    if parameter.dim() > 1 and (isinstance(module, nn.Linear | nn.RNNBase | nn.MultiheadAttention)):
        return 0.0, gain * parameter.shape[1] ** -0.5
    if mean is None and bool((parameter == first).all()):
        mean = first
    if mean is not None:
        return mean, gain * (0.1 * abs(mean) if mean else 0.05)
    return 0.0, gain * (0.05 if parameter.dim() < 2 else 0.1)


def weights_of(network, module):
    """name -> shape, mean, deviation, for each parameter."""
    modules, result = dict(module.named_modules()), {}
    for name, parameter in module.named_parameters():
        owner = modules[name.rpartition(".")[0]]
        mean, deviation = distribution(network, owner, name, parameter)
        result[name] = [list(parameter.shape), mean, float(f"{deviation:.3g}")]
    return result


def build(network, make=None):
    """The module with the weights of its recording, and their description."""
    torch.manual_seed(0)
    module = (make or network.make)()
    weights = weights_of(network, module)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.from_numpy(common.make_weight(name, *weights[name])))
    return module.train(), weights


def loss_of(network, module, batch):
    y = module(*(batch[name] for name in network.inputs))
    if network.loss is None:
        return y
    # CPU autocast would leave log_softmax in f16. CUDA's, and ours, computes the loss in f32.
    y = y if y.dtype == torch.float64 else y.float()
    target = batch["target"]
    if network.loss == "cross_entropy":
        if network.class_axis == -1:
            y, target = y.flatten(0, -2), target.flatten()
        return F.cross_entropy(y, target)
    functions = {"mse": F.mse_loss, "bce_with_logits": F.binary_cross_entropy_with_logits}
    return functions[network.loss](y, target)


def make_optimizer(network, module, lr):
    trained = [p for n, p in module.named_parameters()
               if not (network.freeze and re.search(network.freeze, n))]
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[network.optimizer](trained, lr)


def batches_of(network, arrays, dtype=torch.float32):
    """The batches that steps take in turns, as tensors."""
    result = []
    for i in range(network.sets):
        batch = {}
        for name, (_, shape, _) in network.data_of().items():
            rows = torch.from_numpy(arrays[name][i * shape[0]:(i + 1) * shape[0]])
            batch[name] = rows.to(dtype) if rows.is_floating_point() else rows
        result.append(batch)
    return result


def train(network, module, arrays, precision="f32", lr=None, steps=common.STEPS):
    """The losses of the steps, before each update, and the loss scales."""
    try:
        return run_steps(network, module, arrays, precision, lr, steps)
    except RuntimeError as error:
        if "primitive" not in str(error):
            raise
        with torch.backends.mkldnn.flags(enabled=False):  # oneDNN has no LSTM in f16 here
            return run_steps(network, module, arrays, precision, lr, steps)


def run_steps(network, module, arrays, precision, lr, steps):
    module = copy.deepcopy(module)
    if precision == "f64":
        module = module.double()
    batches = batches_of(network, arrays, torch.float64 if precision == "f64" else torch.float32)
    optimizer = make_optimizer(network, module, network.lr if lr is None else lr)
    scaler = torch.amp.GradScaler("cpu", SCALE, enabled=precision == "f16")
    losses, scales = [], []
    for step in range(steps):
        optimizer.zero_grad()
        with torch.autocast("cpu", DTYPE.get(precision), enabled=precision in DTYPE):
            loss = loss_of(network, module, batches[step % len(batches)])
        scales.append(scaler.get_scale())
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return np.array(losses), scales
