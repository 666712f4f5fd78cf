# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports BERT with a classifier on its first token.

    python export.py             writes bert.onnx: 2 layers, width 40, 400 words, for 32 of them
    python export.py --base      writes bert-base.onnx: 12 layers, width 768, 30522 words, 438 MB

Needs torch==2.11.0 and onnx==1.22.0.
"""
import argparse
import pathlib
import sys

import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import onnx_file  # noqa: E402


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def split(self, x):
        batch, time, width = x.shape
        return x.view(batch, time, self.heads, width // self.heads).transpose(1, 2)

    def forward(self, x, mask):
        q, k, v = (self.split(f(x)) for f in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5) + mask
        y = F.softmax(scores, dim=-1) @ v
        return self.output(y.transpose(1, 2).reshape(x.shape))


class Layer(nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.intermediate = nn.Linear(width, inner)
        self.output = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x, mask):
        x = self.norm1(x + self.dropout(self.attention(x, mask)))
        return self.norm2(x + self.dropout(self.output(F.gelu(self.intermediate(x)))))


class Bert(nn.Module):
    """Tokens and a mask (1 for a word, 0 for padding) to the scores of `classes` classes."""

    def __init__(self, words, longest, width, layers, heads, classes):
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.positions = nn.Embedding(longest, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(0.1)
        self.layers = nn.ModuleList(Layer(width, heads, 4 * width) for _ in range(layers))
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, classes)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02 if width > 100 else 0.1)

    def forward(self, input_ids, attention_mask):
        time = input_ids.shape[1]
        mask = (1 - attention_mask[:, None, None, :].float()) * -10000.0
        x = self.dropout(self.norm(self.words(input_ids) + self.positions.weight[:time]))
        for layer in self.layers:
            x = layer(x, mask)
        return self.classifier(torch.tanh(self.pooler(x[:, 0])))


def build(base):
    torch.manual_seed(0)
    if base:
        return Bert(30522, 512, 768, 12, 12, 2)
    return Bert(400, 32, 40, 2, 4, 6)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", action="store_true")
    base = parser.parse_args().base
    ids = torch.zeros(2, 512 if base else 32, dtype=torch.int64)
    path = HERE / ("bert-base.onnx" if base else "bert.onnx")
    onnx_file.export(build(base), path,
                     {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, ["logits"])


if __name__ == "__main__":
    main()
