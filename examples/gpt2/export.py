# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports GPT-2, its head tied to the embedding and its loss in the graph.

    python export.py             writes gpt2.onnx: 2 layers, width 48, 96 characters, for 48 of them
    python export.py --small     writes gpt2-small.onnx: 12 layers, width 768 (124 M), for 1024 tokens

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


class Block(nn.Module):
    def __init__(self, width, heads, longest):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_out = nn.Linear(4 * width, width)
        causal = torch.full((longest, longest), -10000.0).triu(1)
        self.register_buffer("causal", causal, persistent=False)

    def attention(self, x):
        batch, time, width = x.shape
        parts = self.c_attn(x).view(batch, time, 3 * self.heads, width // self.heads)
        q, k, v = parts.transpose(1, 2).split(self.heads, dim=1)
        scores = q @ k.transpose(-1, -2) / (width // self.heads) ** 0.5 + self.causal[:time, :time]
        y = F.softmax(scores, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).reshape(x.shape))

    def forward(self, x):
        x = x + self.attention(self.ln_1(x))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt2(nn.Module):
    """Tokens and the tokens that follow them to the loss and the scores of what follows."""

    def __init__(self, tokens, longest, width, layers, heads):
        super().__init__()
        self.wte = nn.Embedding(tokens, width)
        self.wpe = nn.Embedding(longest, width)
        self.h = nn.ModuleList(Block(width, heads, longest) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02 if width > 100 else 0.06)

    def forward(self, input_ids, labels):
        x = self.wte(input_ids) + self.wpe.weight[:input_ids.shape[1]]
        for block in self.h:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)  # one weight, used at both ends
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return loss, logits


def build(small):
    torch.manual_seed(0)
    return Gpt2(50257, 1024, 768, 12, 12) if small else Gpt2(96, 48, 48, 2, 4)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    ids = torch.zeros(2, 1024 if small else 48, dtype=torch.int64)
    path = HERE / ("gpt2-small.onnx" if small else "gpt2.onnx")
    onnx_file.export(build(small), path, {"input_ids": ids, "labels": ids.clone()},
                     ["loss", "logits"], fixed=["loss"])


if __name__ == "__main__":
    main()
