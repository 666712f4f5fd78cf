# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Networks on images and signals: torchvision's and timm's, and those written out in every tutorial."""
import math

import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models

from network import Network

CLASSES = 10
IMAGE = {"x": ("images", (8, 3, 32, 32), 1.0)}
LABELS = ("ids", (8,), CLASSES)


def classifier(name, make, lr, **more):
    return Network(name, make, IMAGE, LABELS, "cross_entropy", lr=lr, **more)


def convnext():
    blocks = [models.convnext.CNBlockConfig(*c)
              for c in ((24, 48, 1), (48, 96, 1), (96, 192, 3), (192, None, 1))]
    return models.ConvNeXt(blocks, num_classes=CLASSES)


def densenet():
    return models.DenseNet(growth_rate=12, block_config=(6, 12, 24, 16), num_init_features=24,
                           num_classes=CLASSES)


def swin():
    return models.SwinTransformer(patch_size=[2, 2], embed_dim=32, depths=[2, 2], num_heads=[2, 4],
                                  window_size=[4, 4], stochastic_depth_prob=0.0,
                                  num_classes=CLASSES)


def vit():
    return models.VisionTransformer(image_size=32, patch_size=8, num_layers=4, num_heads=4,
                                    hidden_dim=64, mlp_dim=128, num_classes=CLASSES)


def mixer():
    from timm.models.mlp_mixer import MlpMixer
    return MlpMixer(num_classes=CLASSES, img_size=32, patch_size=8, num_blocks=4, embed_dim=64)


class UNet(nn.Module):
    """Three scales; the way up by transposed convolutions, GroupNorm throughout; logits of a mask."""

    @staticmethod
    def block(inputs, outputs):
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(4, outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(4, outputs), nn.ReLU())

    def __init__(self, widths=(16, 32, 64)):
        super().__init__()
        a, b, c = widths
        self.down1, self.down2, self.bottom = self.block(3, a), self.block(a, b), self.block(b, c)
        self.rise2, self.up2 = nn.ConvTranspose2d(c, b, 2, stride=2), self.block(2 * b, b)
        self.rise1, self.up1 = nn.ConvTranspose2d(b, a, 2, stride=2), self.block(2 * a, a)
        self.head = nn.Conv2d(a, 1, 1)

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        y = self.rise2(self.bottom(F.max_pool2d(second, 2)))
        y = self.rise1(self.up2(torch.cat([second, y], 1)))
        return self.head(self.up1(torch.cat([first, y], 1)))


class DiffusionUNet(nn.Module):
    """The noise predictor of a diffusion model: time through sines, residual blocks with GroupNorm and
    SiLU, attention in the middle, nearest upsampling."""

    class Block(nn.Module):
        def __init__(self, inputs, outputs, time):
            super().__init__()
            self.norm1, self.conv1 = nn.GroupNorm(8, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
            self.time = nn.Linear(time, outputs)
            self.norm2, self.conv2 = nn.GroupNorm(8, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
            self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

        def forward(self, x, time):
            y = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(time))[:, :, None, None]
            return self.skip(x) + self.conv2(F.silu(self.norm2(y)))

    class Attention(nn.Module):
        def __init__(self, width, heads=4):
            super().__init__()
            self.norm, self.heads = nn.GroupNorm(8, width), heads
            self.qkv, self.out = nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)

        def forward(self, x):
            n, c, h, w = x.shape
            q, k, v = self.qkv(self.norm(x)).reshape(n, 3, self.heads, c // self.heads, h * w) \
                .transpose(-1, -2).unbind(1)
            y = F.scaled_dot_product_attention(q, k, v)
            return x + self.out(y.transpose(-1, -2).reshape(n, c, h, w))

    def __init__(self, a=32, b=64, time=64):
        super().__init__()
        self.width = a
        self.embed = nn.Sequential(nn.Linear(a, time), nn.SiLU(), nn.Linear(time, time))
        self.stem = nn.Conv2d(3, a, 3, padding=1)
        self.down1, self.shrink = self.Block(a, a, time), nn.Conv2d(a, a, 3, stride=2, padding=1)
        self.down2 = self.Block(a, b, time)
        self.mid1, self.attention, self.mid2 = self.Block(b, b, time), self.Attention(b), self.Block(b, b, time)
        self.up2, self.grow = self.Block(2 * b, b, time), nn.Conv2d(b, b, 3, padding=1)
        self.up1 = self.Block(a + b, a, time)
        self.norm, self.head = nn.GroupNorm(8, a), nn.Conv2d(a, 3, 3, padding=1)

    def forward(self, x, time):
        half = self.width // 2
        angles = time[:, None].to(x.dtype) * torch.exp(
            torch.arange(half, dtype=x.dtype) * (-math.log(10000.0) / half))[None]
        t = self.embed(torch.cat([angles.sin(), angles.cos()], 1))
        first = self.down1(self.stem(x), t)
        second = self.down2(self.shrink(first), t)
        y = self.mid2(self.attention(self.mid1(second, t)), t)
        y = self.up2(torch.cat([y, second], 1), t)
        y = self.grow(F.interpolate(y, scale_factor=2.0, mode="nearest"))
        return self.head(F.silu(self.norm(self.up1(torch.cat([y, first], 1), t))))


class WaveNet(nn.Module):
    """Causal dilated convolutions, gates, residual and skip connections; logits of the next sample."""

    def __init__(self, classes=64, width=24, skip=48, dilations=(1, 2, 4, 8, 1, 2, 4, 8)):
        super().__init__()
        self.embed = nn.Embedding(classes, width)
        self.dilations = dilations
        self.gates = nn.ModuleList(nn.Conv1d(width, 2 * width, 2, dilation=d) for d in dilations)
        self.residuals = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in dilations[1:])
        self.skips = nn.ModuleList(nn.Conv1d(width, skip, 1) for _ in dilations)
        self.out1, self.out2 = nn.Conv1d(skip, skip, 1), nn.Conv1d(skip, classes, 1)

    def forward(self, x):
        y, total = self.embed(x).transpose(1, 2), 0
        for i, d in enumerate(self.dilations):
            if i > 0:
                y = y + self.residuals[i - 1](z)
            a, b = self.gates[i](F.pad(y, (d, 0))).chunk(2, 1)
            z = torch.tanh(a) * torch.sigmoid(b)
            total = total + self.skips[i](z)
        return self.out2(F.relu(self.out1(F.relu(total))))


class Generator(nn.Module):
    """DCGAN's, for 16x16."""

    def __init__(self, code=32, width=16):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(code, 4 * width, 4, bias=False), nn.BatchNorm2d(4 * width), nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width),
            nn.ReLU(), nn.ConvTranspose2d(2 * width, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        return self.layers(z[:, :, None, None])


class Discriminator(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2), nn.Conv2d(2 * width, 1, 4))

    def forward(self, x):
        return self.layers(x).flatten(1)


class DiscriminatorStep(nn.Module):
    """One half of a GAN's step: real images from made ones, the loss in the graph."""

    def __init__(self):
        super().__init__()
        self.discriminator = Discriminator()

    def forward(self, real, made):
        a, b = self.discriminator(real).float(), self.discriminator(made).float()
        return (F.binary_cross_entropy_with_logits(a, torch.ones_like(a))
                + F.binary_cross_entropy_with_logits(b, torch.zeros_like(b)))


class GeneratorStep(nn.Module):
    """The other half: the discriminator is there and keeps its weights."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = Generator(), Discriminator()

    def forward(self, z):
        a = self.discriminator(self.generator(z)).float()
        return F.softplus(-a).mean()


class Vae(nn.Module):
    """Reconstruction by cross-entropy and the divergence from a normal distribution, the loss in the
    graph. `noise` is an input, or drawn in the graph."""

    def __init__(self, pixels=144, hidden=64, code=8):
        super().__init__()
        self.encode, self.mean, self.spread = (nn.Linear(pixels, hidden), nn.Linear(hidden, code),
                                               nn.Linear(hidden, code))
        self.decode, self.out = nn.Linear(code, hidden), nn.Linear(hidden, pixels)

    def forward(self, x, noise=None):
        h = F.relu(self.encode(x))
        mean, spread = self.mean(h), self.spread(h)
        noise = torch.randn_like(mean) if noise is None else noise
        code = mean + noise * torch.exp(0.5 * spread)
        logits = self.out(F.relu(self.decode(code))).float()
        mean, spread = mean.float(), spread.float()
        divergence = -0.5 * (1 + spread - mean * mean - spread.exp()).sum() / x.shape[0]
        return F.binary_cross_entropy_with_logits(logits, x) * x.shape[1] + divergence


PIXELS = ("bits", (8, 144), 0.1)
# The last norm of a residual block starts low, as ever since "zero-init of residuals": else the batch of
# 8 and the images of 32x32, which end as one pixel, make BatchNorm amplify rounding to tens of percent.
# Before a ReLU, norms start with a bias of 2: fewer activations lie at the kink, where one that rounding
# moves to the other side is a jump of the curve.
PROJECTIONS = {r"block\.[23]\.1\.weight": 0.2}
NETWORKS = [
    classifier("resnet18", lambda: models.resnet18(num_classes=CLASSES), 2e-4, sets=2,
               means={r"bn2\.weight": 0.2, r"(bn1|downsample\.1)\.bias": 2.0}),
    classifier("resnet50", lambda: models.resnet50(num_classes=CLASSES), 1e-4, sets=2,
               means={r"bn3\.weight": 0.2, r"(bn[12]|downsample\.1)\.bias": 2.0}),
    classifier("mobilenetv3", lambda: models.mobilenet_v3_small(num_classes=CLASSES, dropout=0.0), 3e-4,
               sets=1, means=PROJECTIONS | {r"(features\.[1-3]\.block\.[0-2]\.1|fc1)\.bias": 2.0}),
    classifier("efficientnet", lambda: models.efficientnet_b0(
        num_classes=CLASSES, dropout=0.0, stochastic_depth_prob=0.0), 1e-5, sets=2, means=PROJECTIONS),
    classifier("convnext", convnext, 1e-2, means={"layer_scale": 0.3}),
    classifier("densenet", densenet, 1e-4, sets=1, means={r"norm.*\.bias": 2.0}),
    classifier("swin", swin, 2e-2),
    classifier("vit", vit, 4e-3),
    classifier("mixer", mixer, 2e-2),
    Network("unet", UNet, IMAGE, ("bits", (8, 1, 32, 32), 0.1), "bce_with_logits", lr=0.05),
    Network("diffusion", DiffusionUNet,
            {"x": ("images", (8, 3, 16, 16), 1.0), "time": ("ids", (8,), 1000)},
            ("images", (8, 3, 16, 16), 1.0), "mse", lr=0.01),
    Network("wavenet", WaveNet, {"x": ("ids", (8, 64), 64)}, ("ids", (8, 64), 64), "cross_entropy",
            lr=0.001, optimizer="adam", sets=1),
    Network("gan_discriminator", DiscriminatorStep,
            {"real": ("images", (8, 3, 16, 16), 1.0), "made": ("floats", (8, 3, 16, 16), 0.5)},
            None, None, lr=0.01),
    Network("gan_generator", GeneratorStep, {"z": ("floats", (8, 32), 1.7)}, None, None, lr=0.01,
            freeze="discriminator"),
    Network("vae_random", Vae, {"x": PIXELS}, None, None, lr=0.02, is_random=True),
    Network("vae", Vae, {"x": PIXELS, "noise": ("floats", (8, 8), 1.7)}, None, None, lr=0.02),
]
