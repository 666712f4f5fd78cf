# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports the example networks from PyTorch to ONNX.

    python export.py                  writes models/*.onnx beside this file
    python export.py --large DIR      writes mlp_784_1024_1024_10.onnx, too large for git, to DIR

Needs torch==2.11.0, onnx==1.22.0 and onnxscript==0.7.2. Nothing else in the project does, but
test/Training/record.py, which takes the networks from here.
"""
import argparse
import collections
import hashlib
import pathlib
import warnings

import onnx
import torch
from torch import nn
from torch.nn import functional as F

import onnx_file

HERE = pathlib.Path(__file__).resolve().parent


class Mlp(nn.Module):
    """Linear layers with ReLU between them; named fc1, fc2, ..."""

    def __init__(self, *widths):
        super().__init__()
        self.depth = len(widths) - 1
        for i in range(self.depth):
            self.add_module(f"fc{i + 1}", nn.Linear(widths[i], widths[i + 1]))

    def forward(self, x):
        for i in range(self.depth):
            x = getattr(self, f"fc{i + 1}")(x)
            if i + 1 < self.depth:
                x = F.relu(x)
        return x


class MlpWithLoss(Mlp):
    """The same, with the loss in the graph."""

    def forward(self, x, target):
        logits = super().forward(x)
        return F.cross_entropy(logits, target), logits


class TiedAutoencoder(nn.Module):
    """One weight, used by the encoder and, transposed, by the decoder. Returns the loss."""

    def __init__(self, width, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(hidden, width))
        self.encoder_bias = nn.Parameter(torch.empty(hidden))
        self.decoder_bias = nn.Parameter(torch.empty(width))
        nn.init.xavier_uniform_(self.weight)
        # Not zero: the exporter's optimizer removes a bias that is zero, trained or not.
        nn.init.uniform_(self.encoder_bias, -0.1, 0.1)
        nn.init.uniform_(self.decoder_bias, -0.1, 0.1)

    def forward(self, x):
        code = torch.tanh(F.linear(x, self.weight, self.encoder_bias))
        difference = F.linear(code, self.weight.t(), self.decoder_bias) - x
        return (difference * difference).mean()


class ConvNet(nn.Module):
    """Two convolutions over images of 28x28, the second one in groups, and a layer norm."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=2)
        self.norm = nn.LayerNorm(784)
        self.fc = nn.Linear(784, 10)

    def forward(self, x):
        x = torch.tanh(self.conv1(x.reshape(-1, 1, 28, 28)))
        x = torch.tanh(self.conv2(x))
        return self.fc(self.norm(x.flatten(1)))


class BatchNormNet(nn.Module):
    """Two convolutions over images of 28x28, each with a batch norm and ReLU."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(12)
        self.fc = nn.Linear(588, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x.reshape(-1, 1, 28, 28))))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.fc(x.flatten(1))


class BagOfTokens(nn.Module):
    """The mean of the tokens' embeddings, normalized; some tokens come several times."""

    def __init__(self, tokens, width):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        return self.fc(self.norm(self.embedding(x).mean(1)))


class RowReader(nn.Module):
    """A recurrent layer that reads an image of 28x28 row by row, and a linear one."""

    def __init__(self, hidden):
        super().__init__()
        self.rnn = nn.RNN(28, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 10)

    def forward(self, x):
        _, last = self.rnn(x.reshape(-1, 28, 28))
        return self.fc(last[0])


class ConvAutoencoder(nn.Module):
    """Images of 8x8 made small by a convolution and a mean of windows, and large again."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Conv2d(1, 16, 3, padding=1)
        self.decoder = nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1)
        self.last = nn.Conv2d(8, 1, 3)

    def forward(self, x):
        image = x.reshape(-1, 1, 8, 8)
        code = F.avg_pool2d(torch.tanh(self.encoder(image)), 2)
        image = F.pad(torch.tanh(self.decoder(code)), (1, 1, 1, 1), mode="reflect")
        difference = self.last(image).flatten(1) - x
        return (difference * difference).mean()


# name -> (network, input names, output names, exporter). Each network is built after
# torch.manual_seed(0), so the order here does not matter.
# `x` is one sample; None is as many floats as the first weight has columns.
Example = collections.namedtuple("Example", "build inputs outputs dynamo x", defaults=(None,))
EXAMPLES = {
    "mlp_10_100_10": Example(
        lambda: MlpWithLoss(10, 100, 10), ("x", "target"), ("loss", "logits"), False
    ),
    "mlp_784_128_10": Example(lambda: Mlp(784, 128, 10), ("x",), ("logits",), True),
    "autoencoder_tied": Example(lambda: TiedAutoencoder(64, 16), ("x",), ("loss",), True),
    "digits": Example(lambda: Mlp(64, 128, 64, 10), ("x",), ("logits",), False),
    "convnet": Example(ConvNet, ("x",), ("logits",), True, torch.zeros(784)),
    "batch_norm_net": Example(BatchNormNet, ("x",), ("logits",), False, torch.zeros(784)),
    "bag_of_tokens": Example(
        lambda: BagOfTokens(50, 16), ("x",), ("logits",), False,
        torch.zeros(12, dtype=torch.int64)
    ),
    "row_reader": Example(
        lambda: RowReader(32), ("x",), ("logits",), False, torch.zeros(784)
    ),
    "conv_autoencoder": Example(
        ConvAutoencoder, ("x",), ("loss",), False, torch.zeros(64)
    ),
}
LARGE = {
    "mlp_784_1024_1024_10": Example(
        lambda: Mlp(784, 1024, 1024, 10), ("x",), ("logits",), True
    ),
}


def build(name):
    torch.manual_seed(0)
    return {**EXAMPLES, **LARGE}[name].build()


def export(name, directory):
    example = {**EXAMPLES, **LARGE}[name]
    network = build(name).train()
    x = example.x
    if x is None:
        x = torch.zeros(next(p.shape[1] for p in network.parameters() if p.dim() == 2))
    # A batch of 3: the dynamo exporter takes a batch of 1 for a constant.
    arguments = {"x": torch.stack([x] * 3), "target": torch.zeros(3, dtype=torch.int64)}
    arguments = tuple(arguments[i] for i in example.inputs)
    path = pathlib.Path(directory) / f"{name}.onnx"
    common = dict(input_names=list(example.inputs), output_names=list(example.outputs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the legacy exporter announces its end
        if example.dynamo:
            batch = torch.export.Dim("batch")
            # optimize=True would fold the transpose of the tied weight into an initializer of its
            # own, and the two would train apart.
            torch.onnx.export(
                network, arguments, str(path), dynamo=True, external_data=False, verbose=False,
                optimize=False, dynamic_shapes=tuple({0: batch} for _ in example.inputs), **common,
            )
        else:
            dynamic = [n for n in example.inputs + example.outputs if n != "loss"]
            torch.onnx.export(
                network, arguments, str(path), dynamo=False, opset_version=17,
                training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False,
                dynamic_axes={n: {0: "batch"} for n in dynamic}, **common,
            )
    model = onnx.load(str(path))
    onnx_file.strip_paths(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    check(model, network, path)


def check(model, network, path):
    """Holds the file against the network: its weights, once each, under their names."""
    graph = model.graph
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    for key, value in network.state_dict().items():
        if key.endswith("num_batches_tracked"):  # only counts
            continue
        if not (weights[key] == value.numpy()).all():
            raise SystemExit(f"{path.name}: initializer {key} is not the network's")
    extra = sorted(set(weights) - set(network.state_dict()))
    if extra:
        raise SystemExit(f"{path.name}: unexpected initializers {extra}")
    print(f"{path.name}: {path.stat().st_size} bytes, opset {model.opset_import[0].version}, "
          f"IR {model.ir_version}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}")
    for value in list(graph.input) + list(graph.output):
        shape = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        print(f"  {value.name} {shape}")
    print("  initializers:", " ".join(f"{k}{list(v.shape)}" for k, v in weights.items()))
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        attributes = {k: v for k, v in attributes.items() if not isinstance(v, onnx.TensorProto)}
        print(f"  {node.op_type} {node.name!r} {list(node.input)} -> {list(node.output)} "
              f"{attributes or ''}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", metavar="DIR", help="write only the large model, to DIR")
    options = parser.parse_args()
    directory = pathlib.Path(options.large) if options.large else HERE / "models"
    directory.mkdir(parents=True, exist_ok=True)
    for name in LARGE if options.large else EXAMPLES:
        export(name, directory)


if __name__ == "__main__":
    main()
