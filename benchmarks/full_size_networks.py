# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The networks of full_size.py, as PyTorch modules with the inputs that export them.

Weights are PyTorch's initial ones: what is measured does not depend on them.
"""
import torch
from torch import nn
from torch.nn import functional as F


class Forward(nn.Module):
    """A network of transformers, called with its ids and mask and reduced to its logits."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, mask=None):
        return self.network(input_ids=x, attention_mask=mask).logits


def ids(batch, tokens):
    return torch.zeros(batch, tokens, dtype=torch.long)


def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel
    config = GPT2Config(resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, use_cache=False,
                        attn_implementation="eager")
    return Forward(GPT2LMHeadModel(config)), (ids(2, 1024),)


def bert():
    from transformers import BertConfig, BertForMaskedLM
    config = BertConfig(hidden_dropout_prob=0, attention_probs_dropout_prob=0,
                        attn_implementation="eager")
    return Forward(BertForMaskedLM(config)), (ids(2, 512), torch.ones(2, 512, dtype=torch.long))


def resnet50():
    import torchvision
    return torchvision.models.resnet50(), (torch.zeros(2, 3, 224, 224),)


def vit():
    import torchvision
    return torchvision.models.vit_b_16(), (torch.zeros(2, 3, 224, 224),)


def llama():
    """As TinyLlama 1.1B: 22 layers, 32 heads that share 4 keys and values."""
    from transformers import LlamaConfig, LlamaForCausalLM
    config = LlamaConfig(hidden_size=2048, intermediate_size=5632, num_hidden_layers=22,
                         num_attention_heads=32, num_key_value_heads=4, vocab_size=32000,
                         max_position_embeddings=2048, use_cache=False,
                         attn_implementation="eager")
    return Forward(LlamaForCausalLM(config)), (ids(2, 2048),)


class Residual(nn.Module):
    """Two convolutions, moved by the embedding of the time."""

    def __init__(self, inputs, outputs, time):
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(32, inputs), nn.SiLU(),
                                   nn.Conv2d(inputs, outputs, 3, padding=1))
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(time, outputs))
        self.second = nn.Sequential(nn.GroupNorm(32, outputs), nn.SiLU(),
                                    nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, time):
        h = self.first(x) + self.time(time)[:, :, None, None]
        return self.skip(x) + self.second(h)


class Attention(nn.Module):
    def __init__(self, width, context, heads):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(context, width, bias=False)
        self.v = nn.Linear(context, width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x, context):
        def split(t):
            return t.view(t.shape[0], t.shape[1], self.heads, -1).transpose(1, 2)

        h = F.scaled_dot_product_attention(split(self.q(x)), split(self.k(context)),
                                           split(self.v(context)))
        return self.out(h.transpose(1, 2).reshape(x.shape))


class GatedLinear(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up, self.down = nn.Linear(width, 8 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        value, gate = self.up(x).chunk(2, dim=-1)
        return self.down(value * F.gelu(gate))


class Transformer(nn.Module):
    """Attention among the pixels, then to the text, then two layers."""

    def __init__(self, width, context, heads=8):
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.enter, self.leave = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.own, self.cross = Attention(width, width, heads), Attention(width, context, heads)
        self.layers = GatedLinear(width)

    def forward(self, x, context):
        h = self.enter(self.norm(x))
        shape = h.shape
        h = h.flatten(2).transpose(1, 2)
        n = self.norms[0](h)
        h = h + self.own(n, n)
        h = h + self.cross(self.norms[1](h), context)
        h = h + self.layers(self.norms[2](h))
        return x + self.leave(h.transpose(1, 2).reshape(shape))


class DiffusionUNet(nn.Module):
    """Of Stable Diffusion 1's size: 860 M parameters, latents of 64 x 64, a text of 77 tokens."""

    WIDTHS, CONTEXT, TIME = (320, 640, 1280, 1280), 768, 1280

    def __init__(self):
        super().__init__()
        width = self.WIDTHS[0]
        self.time = nn.Sequential(nn.Linear(width, self.TIME), nn.SiLU(),
                                  nn.Linear(self.TIME, self.TIME))
        self.enter = nn.Conv2d(4, width, 3, padding=1)
        self.down, self.up, skips = nn.ModuleList(), nn.ModuleList(), [width]
        for level, outputs in enumerate(self.WIDTHS):
            for _ in range(2):
                self.down.append(self.block(width, outputs, level))
                width = outputs
                skips.append(width)
            if level < 3:
                self.down.append(nn.ModuleList([nn.Conv2d(width, width, 3, 2, 1)]))
                skips.append(width)
        self.middle = nn.ModuleList([Residual(width, width, self.TIME),
                                     Transformer(width, self.CONTEXT),
                                     Residual(width, width, self.TIME)])
        for level, outputs in reversed(list(enumerate(self.WIDTHS))):
            for part in range(3):
                block = self.block(width + skips.pop(), outputs, level)
                width = outputs
                if level > 0 and part == 2:
                    block.append(nn.Sequential(nn.Upsample(scale_factor=2),
                                               nn.Conv2d(width, width, 3, padding=1)))
                self.up.append(block)
        self.leave = nn.Sequential(nn.GroupNorm(32, width), nn.SiLU(),
                                   nn.Conv2d(width, 4, 3, padding=1))

    def block(self, inputs, outputs, level):
        parts = nn.ModuleList([Residual(inputs, outputs, self.TIME)])
        if level < 3:
            parts.append(Transformer(outputs, self.CONTEXT))
        return parts

    def run(self, block, x, time, context):
        for part in block:
            if isinstance(part, Residual):
                x = part(x, time)
            elif isinstance(part, Transformer):
                x = part(x, context)
            else:
                x = part(x)
        return x

    def forward(self, x, time, context):
        time = self.time(time)
        x = self.enter(x)
        skips = [x]
        for block in self.down:
            x = self.run(block, x, time, context)
            skips.append(x)
        x = self.run(self.middle, x, time, context)
        for block in self.up:
            x = self.run(block, torch.cat([x, skips.pop()], dim=1), time, context)
        return self.leave(x)


def unet():
    return DiffusionUNet(), (torch.zeros(2, 4, 64, 64), torch.zeros(2, 320), torch.zeros(2, 77, 768))
