# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports a variational autoencoder of 8x8 images; its loss and its randomness are in the graph.

    python export.py             writes vae.onnx

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


class Vae(nn.Module):
    def __init__(self, width, hidden, code):
        super().__init__()
        self.encoder = nn.Linear(width, hidden)
        self.mean = nn.Linear(hidden, code)
        self.log_variance = nn.Linear(hidden, code)
        self.decoder1 = nn.Linear(code, hidden)
        self.decoder2 = nn.Linear(hidden, width)

    def forward(self, x):
        h = torch.tanh(self.encoder(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        logits = self.decoder2(torch.tanh(self.decoder1(code)))
        # -log p(x | code), for pixels from 0 to 1, and the distance of the code from N(0, 1).
        missed = (F.softplus(logits) - x * logits).sum(1)
        distance = 0.5 * (mean * mean + torch.exp(log_variance) - 1 - log_variance).sum(1)
        return (missed + distance).mean(), torch.sigmoid(logits), mean


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    torch.manual_seed(0)
    onnx_file.export(Vae(64, 128, 8), HERE / "vae.onnx", {"x": torch.zeros(3, 64)},
                     ["loss", "image", "code"], fixed=["loss"])


if __name__ == "__main__":
    main()
