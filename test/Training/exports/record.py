# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports networks from PyTorch in every way and records what PyTorch trains: exports.zip.

    python record.py            all (some minutes)
    python record.py NAME...    shows what becomes of these networks, writes nothing

Needs torch==2.11.0, torchvision==0.26.0, onnx==1.22.0, onnxscript, transformers and timm; the test that
reads the archive needs none of them. README.md beside this file says what the archive holds.
"""
import contextlib
import hashlib
import io
import json
import logging
import math
import pathlib
import sys
import tempfile
import warnings
import zipfile

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
STEPS, BATCH, LR = 5, 4, 0.1

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


class Mlp(nn.Module):
    """Layers on 2-D and on 3-D inputs, dropout that is off."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 12), nn.Tanh(),
                                    nn.Dropout(0.0), nn.Linear(12, 5))

    def forward(self, x):
        return self.layers(x) + self.layers(x[:, None, :])[:, 0]


class Tagger(nn.Module):
    """A buffer that must not be trained, a parameter of rank 0 that must, a tied head."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(40, 12)
        self.up, self.down = nn.Linear(12, 24), nn.Linear(24, 12, bias=False)
        self.norm = nn.LayerNorm(12)
        self.gain = nn.Parameter(torch.tensor(0.75))
        self.register_buffer("rotation", torch.cos(torch.arange(72.0).reshape(6, 12)))
        self.head = nn.Linear(12, 40, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        x = self.embedding(ids)
        return self.head(self.norm(x + self.down(F.gelu(self.up(x * self.rotation))) * self.gain))


class TiedAutoencoder(nn.Module):
    """One weight, used as it is and transposed."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(7, 10))
        nn.init.xavier_uniform_(self.weight)
        self.hidden_bias, self.bias = nn.Parameter(torch.zeros(7)), nn.Parameter(torch.zeros(10))

    def forward(self, x):
        return F.linear(torch.sigmoid(F.linear(x, self.weight, self.hidden_bias)),
                        self.weight.t(), self.bias)


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=2, bias=False)
        self.head = nn.Linear(8 * 16, 5)

    def forward(self, x):
        return self.head(F.relu(self.second(F.relu(self.first(x)))).flatten(1))


class ConvNormNet(nn.Module):
    """BatchNorm, which exporters fold into the convolution before it."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 64, 5)

    def forward(self, x):
        return self.head(F.relu(self.norm(self.conv(x))).flatten(1))


class ConvNextBlocks(nn.Module):
    """Depthwise convolutions, norms over channels, scales of layers."""

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
            self.norm = nn.LayerNorm(width, eps=1e-6)
            self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
            self.scale = nn.Parameter(torch.full((width,), 0.125))

        def forward(self, x):
            y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
            return x + (self.down(F.gelu(self.up(y))) * self.scale).permute(0, 3, 1, 2)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 2, stride=2)
        self.blocks = nn.Sequential(*(self.Block(8) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.stem(x)).mean((2, 3))))


class Recurrent(nn.Module):
    """A cell unrolled in Python: each weight is used at every step."""

    def __init__(self):
        super().__init__()
        self.input, self.state = nn.Linear(5, 9), nn.Linear(9, 9, bias=False)
        self.gate, self.head = nn.Linear(9, 9), nn.Linear(9, 3)

    def forward(self, x):
        h = torch.zeros(x.shape[0], 9)
        for t in range(4):
            z = torch.sigmoid(self.gate(h))
            h = z * h + (1 - z) * torch.tanh(self.input(x[:, t]) + self.state(h))
        return self.head(h)


class TwoTowers(nn.Module):
    """A temperature that enters through exp, as CLIP has it: an exporter folds exp(scale) away."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(6, 8, bias=False), nn.Linear(6, 8, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, x):
        a, b = F.normalize(self.left(x), dim=-1), F.normalize(self.right(x), dim=-1)
        return a @ b.t() * self.logit_scale.exp()


class Last(nn.Module):
    """A transformer's last hidden state or its logits."""

    def __init__(self, model, field, key):
        super().__init__()
        self.model, self.field, self.key = model, field, key

    def forward(self, x):
        extra = {"use_cache": False} if self.field == "logits" else {}
        return getattr(self.model(**{self.key: x}, **extra, return_dict=True), self.field)


def distilbert():
    from transformers import DistilBertConfig, DistilBertModel
    return Last(DistilBertModel(DistilBertConfig(
        vocab_size=40, max_position_embeddings=12, n_layers=2, n_heads=2, dim=12, hidden_dim=20,
        dropout=0.0, attention_dropout=0.0, attn_implementation="eager")),
        "last_hidden_state", "input_ids")


def albert():
    """Layers that share their weights."""
    from transformers import AlbertConfig, AlbertModel
    return Last(AlbertModel(AlbertConfig(
        vocab_size=40, max_position_embeddings=12, num_hidden_layers=3, num_attention_heads=2,
        embedding_size=8, hidden_size=12, intermediate_size=20, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, attn_implementation="eager"), add_pooling_layer=False),
        "last_hidden_state", "input_ids")


def gpt2():
    """A head that is tied to the embedding, a causal mask."""
    from transformers import GPT2Config, GPT2LMHeadModel
    return Last(GPT2LMHeadModel(GPT2Config(
        vocab_size=40, n_positions=12, n_embd=12, n_layer=2, n_head=2, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, attn_implementation="eager")), "logits", "input_ids")


def llama():
    from transformers import LlamaConfig, LlamaForCausalLM
    return Last(LlamaForCausalLM(LlamaConfig(
        vocab_size=40, hidden_size=12, intermediate_size=20, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=12,
        attn_implementation="eager")), "logits", "input_ids")


class SmallLlama(nn.Module):
    """Written by hand: buffers cos, sin and mask, RMSNorm, rotary positions."""

    class Norm(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(width))

        def forward(self, x):
            return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight

    class Layer(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads = heads
            self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
            self.gate, self.up = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
            self.down = nn.Linear(2 * width, width, bias=False)
            self.norm1, self.norm2 = SmallLlama.Norm(width), SmallLlama.Norm(width)

        def forward(self, x, cos, sin, mask):
            def heads(t):
                return t.reshape(t.shape[0], t.shape[1], self.heads, -1).transpose(1, 2)

            def rotate(t):
                a, b = t.chunk(2, -1)
                return t * cos + torch.cat((-b, a), -1) * sin

            y = self.norm1(x)
            q, k, v = rotate(heads(self.q(y))), rotate(heads(self.k(y))), heads(self.v(y))
            p = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask).softmax(-1)
            x = x + self.o((p @ v).transpose(1, 2).flatten(2))
            y = self.norm2(x)
            return x + self.down(F.silu(self.gate(y)) * self.up(y))

    def __init__(self, width=16, heads=2, length=6):
        super().__init__()
        self.embedding = nn.Embedding(40, width)
        self.layers = nn.ModuleList(SmallLlama.Layer(width, heads) for _ in range(2))
        self.norm, self.head = SmallLlama.Norm(width), nn.Linear(width, 40, bias=False)
        size = width // heads
        angles = torch.outer(torch.arange(float(length)),
                             10000.0 ** (-torch.arange(0, size, 2) / size)).repeat(1, 2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())
        self.register_buffer("mask", torch.full((length, length), float("-inf")).triu(1))

    def forward(self, ids):
        x = self.embedding(ids)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin, self.mask)
        return self.head(self.norm(x))


def vit():
    from torchvision.models import VisionTransformer
    return VisionTransformer(image_size=8, patch_size=4, num_layers=2, num_heads=2, hidden_dim=12,
                              mlp_dim=20, num_classes=5)


def mixer():
    from timm.models.mlp_mixer import MlpMixer
    return MlpMixer(num_classes=5, img_size=8, patch_size=4, num_blocks=2, embed_dim=12)


IMAGE, IDS = ("image", (3, 8, 8)), ("ids", (6,))
#: name -> (network, kind and shape of a sample)
NETWORKS = {
    "mlp": (Mlp, ("features", (6,))),
    "tagger": (Tagger, IDS),
    "tied_autoencoder": (TiedAutoencoder, ("features", (10,))),
    "convnet": (ConvNet, IMAGE),
    "convnorm": (ConvNormNet, IMAGE),
    "convnext": (ConvNextBlocks, IMAGE),
    "recurrent": (Recurrent, ("features", (4, 5))),
    "towers": (TwoTowers, ("features", (6,))),
    "distilbert": (distilbert, IDS),
    "albert": (albert, IDS),
    "gpt2": (gpt2, IDS),
    "llama": (llama, IDS),
    "smallllama": (SmallLlama, IDS),
    "vit": (vit, IMAGE),
    "mixer": (mixer, IMAGE),
}
#: name -> (exporter dynamo, training mode, folded)
EXPORTS = {f"{'dynamo' if dynamo else 'script'}-{'train' if train else 'eval'}"
           f"-{'folded' if folded else 'plain'}": (dynamo, train, folded)
           for dynamo in (True, False) for train in (False, True) for folded in (True, False)}


def make_data(kind, shape):
    """STEPS batches; legacy generators of numpy keep their streams."""
    random = np.random.RandomState(1)
    if kind == "ids":
        return random.randint(0, 40, (STEPS * BATCH, *shape)).astype(np.int64)
    return random.randint(-64, 65, (STEPS * BATCH, *shape)).astype(np.float32) / 32


def build(name):
    """The network; its weights are multiples of 1/64, so that the archive is small."""
    make, sample = NETWORKS[name]
    torch.manual_seed(3)
    network = make()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1 and not parameter.any():
                # torchvision's head, from which no gradient would reach the trunk.
                nn.init.normal_(parameter)
            # Narrow weights would round to zeros, which norms with an epsilon of 1e-12 divide.
            if parameter.dim() > 1 and parameter.std() < 0.1:
                parameter.mul_(0.2 / parameter.std().clamp(min=1e-3))
            parameter.copy_(torch.round(parameter * 64) / 64)
    return network, sample


def export(network, x, path, dynamo, train, folded, outputs=("y",)):
    network.train(train)
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with quiet[0], quiet[1]:
        if dynamo:
            torch.onnx.export(network, (x,), path, input_names=["x"], output_names=list(outputs),
                              dynamo=True, opset_version=18, external_data=False, optimize=folded)
        else:
            mode = torch.onnx.TrainingMode
            torch.onnx.export(network, (x,), path, input_names=["x"], output_names=list(outputs),
                              dynamo=False, opset_version=17, do_constant_folding=folded,
                              training=mode.TRAINING if train else mode.EVAL)
    model = onnx.load(path)
    # Paths of the machine, and most of the bytes.
    for node in [*model.graph.node, *(n for f in model.functions for n in f.node)]:
        kept = [p for p in node.metadata_props if "stack_trace" not in p.key]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
        node.doc_string = ""
    return model.SerializeToString(deterministic=True)


def losses(network, data, train):
    """Means of squares against targets of 0.25, steps of SGD."""
    network.train(train)
    optimizer = torch.optim.SGD(network.parameters(), lr=LR)
    result = []
    for step in range(STEPS):
        optimizer.zero_grad()
        y = network(torch.from_numpy(data[step * BATCH:(step + 1) * BATCH]))
        loss = F.mse_loss(y, torch.full_like(y, 0.25))
        loss.backward()
        optimizer.step()
        result.append(loss.item())
    return result


def main():
    only = sys.argv[1:]
    models, cases = {}, {}
    for name in only or NETWORKS:
        for how, flags in EXPORTS.items():
            network, sample = build(name)
            data = make_data(*sample)
            with tempfile.TemporaryDirectory() as work:
                try:
                    model = export(network, torch.from_numpy(data[:BATCH]), f"{work}/m.onnx", *flags)
                except Exception as error:
                    print(f"{name}/{how}: not exported: {type(error).__name__}: {str(error)[:200]}")
                    continue
            digest = hashlib.sha256(model).hexdigest()[:12]
            file = models.setdefault(digest, (f"{name}-{how}.onnx", model))[0]
            parameters = {n: list(p.shape) for n, p in network.named_parameters()}
            y = network(torch.from_numpy(data[:BATCH]))
            cases[f"{name}-{how}"] = {
                "model": file, "sample": [sample[0], list(sample[1])], "output": list(y.shape),
                "parameters": parameters,
                "buffers": {n: list(b.shape) for n, b in network.named_buffers()
                            if b.is_floating_point()},
                "losses": losses(network, data, flags[1]),
            }
            ops = sorted({n.op_type for n in onnx.load_from_string(model).graph.node})
            print(f"{name}/{how}: {len(model)} bytes, {file}, {len(parameters)} parameters, "
                  f"loss {cases[f'{name}-{how}']['losses'][0]:.4f} .. "
                  f"{cases[f'{name}-{how}']['losses'][-1]:.4f}; {' '.join(ops)}", flush=True)
    folder = pathlib.Path("/tmp/exports")
    if only:
        folder.mkdir(exist_ok=True)
        for file, model in models.values():
            (folder / file).write_bytes(model)
        return
    settings = {"steps": STEPS, "batch": BATCH, "lr": LR, "torch": torch.__version__}
    with zipfile.ZipFile(HERE / "exports.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        def add(file, content):
            archive.writestr(zipfile.ZipInfo(file, (2026, 1, 1, 0, 0, 0)), content,
                             zipfile.ZIP_DEFLATED, 9)
        add("cases.json", json.dumps({"settings": settings, "cases": cases}, indent=1))
        for file, model in sorted(models.values()):
            add(file, model)


if __name__ == "__main__":
    main()
