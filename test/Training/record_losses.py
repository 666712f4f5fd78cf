#!/usr/bin/env python3
"""Writes recordings/losses.json: what PyTorch says of the losses that --loss names, in f64.

    python record_losses.py

Needs torch==2.11.0. Operands are numbers that f32 holds; among them are the places where a loss has
a kink, where a logarithm has no value, labels that are not counted and targets of 0 and 1.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import pathlib

import torch
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent

SCORES = [[2, -1, 0.5, 0.25], [-3, 0, 4, 1], [0.125, 0.125, 0.125, -8]]
VALUES = [[0.5, -0.5, 1, -1.5], [0, 3, -0.25, 0.75], [-1, 2, -2, 0.625]]
ZEROS = [[0, 0, 0, 0]] * 3
PROBABILITIES = [[0, 1, 0.5, 0.125], [1, 0, 0.25, 0.9375], [0.5, 0.75, 2.0 ** -20, 0.5]]
SHARES = [[1, 1, 0, 0.25], [0, 0, 1, 0.5], [0.5, 0, 1, 1]]
SOFT = [[0.5, 0.25, 0.125, 0.125], [0.0625, 0.5, 0.25, 0.1875], [0.25, 0.25, 0.25, 0.25]]
SIGNS = [[1, -1, 1, 1], [-1, 1, -1, -1], [1, 1, -1, 1]]
WEIGHTS = [0.5, 1, 2, 0.25]
IMAGES = [[[0.5, -1], [2, 0.25], [-0.75, 1.5]], [[1, 1], [-2, 3], [0.125, -0.5]]]


def hinge(x, target):
    return torch.relu(1 - x * target).mean()


def token_losses():
    """Classes along axes 1 and -1 of two and three dimensions, with every option together and alone."""
    numbers = torch.arange(2 * 3 * 5, dtype=torch.float64)
    tokens = (numbers * 7 % 11 / 4 - 1).reshape(2, 3, 5)  # [batch, time, class]
    flat, labels = tokens[:, 1], torch.tensor([[4, -100, 1], [0, 2, 2]])
    weight = torch.tensor([0.5, 1, 2, 0.25, 3], dtype=torch.float64)
    weights = "--class-weights=" + ",".join(f"{w:g}" for w in weight.tolist())
    for x, t in ((flat, labels[:, 0]), (tokens, labels)):
        for axis in ("--class-axis=1", "--class-axis=-1"):
            last = axis == "--class-axis=-1"
            given = x if last or x.dim() == 2 else x.transpose(1, 2)
            for name, smoothing, weighted, ignored in (
                    ("cross_entropy", 0, False, -100), ("cross_entropy", 0.25, True, -100),
                    ("cross_entropy", 0, True, 2), ("cross_entropy", 0.25, False, 2),
                    ("nll", 0, False, -100), ("nll", 0, True, 2)):
                flags, options = [axis], {"ignore_index": ignored}
                labelled = t
                if smoothing:
                    flags.append(f"--label-smoothing={smoothing}")
                    options["label_smoothing"] = smoothing
                if weighted:
                    flags.append(weights)
                    options["weight"] = weight
                if ignored != -100:
                    flags.append(f"--ignore-index={ignored}")
                    labelled = torch.where(t == -100, ignored, t)
                loss = F.cross_entropy if name == "cross_entropy" else F.nll_loss

                def function(x, t, loss=loss, options=options, last=last):
                    return loss(x.transpose(1, 2) if last and x.dim() == 3 else x, t, **options)

                yield name, flags, given.tolist(), labelled.tolist(), function


def soft_labels(images):
    """A probability of each class as the target; and predictions behind a softmax."""
    def soft(**options):
        if "weight" in options:
            options["weight"] = torch.tensor(options["weight"], dtype=torch.float64)
        return lambda x, t: F.cross_entropy(x, t, **options)

    weights = "--class-weights=" + ",".join(map(str, WEIGHTS))
    for flags, function in (([], soft()), (["--label-smoothing=0.125"], soft(label_smoothing=0.125)),
                            ([weights], soft(weight=WEIGHTS)),
                            ([weights, "--label-smoothing=0.125"],
                             soft(weight=WEIGHTS, label_smoothing=0.125))):
        yield "cross_entropy", ["--soft-labels", *flags], SCORES, SOFT, function
    shares = [[[0.5, 0], [0.25, 1], [0.25, 0]], [[1, 0.125], [0, 0.5], [0, 0.375]]]
    yield "cross_entropy", ["--soft-labels", "--class-axis=1"], IMAGES, shares, F.cross_entropy
    moved = torch.tensor(shares).transpose(1, 2).tolist()
    yield "cross_entropy", ["--soft-labels", "--class-axis=-1", "--label-smoothing=0.25"], images, \
        moved, lambda x, t: F.cross_entropy(x.transpose(1, 2), t.transpose(1, 2),
                                            label_smoothing=0.25)
    yield "cross_entropy", ["--from-probabilities"], SOFT, [2, 1, 3], \
        lambda x, t: F.cross_entropy(torch.log(x), t)
    yield "nll", ["--from-probabilities", weights], SOFT, [2, 1, 3], lambda x, t: F.nll_loss(
        torch.log(x), t, weight=torch.tensor(WEIGHTS, dtype=torch.float64))


def cases():
    """name, flags, prediction, target, function."""
    def classes(labels, scores=SCORES, **options):
        if "weight" in options:
            options["weight"] = torch.tensor(options["weight"], dtype=torch.float64)
        return scores, labels, lambda x, t: F.cross_entropy(x, t, **options)

    weights = "--class-weights=" + ",".join(map(str, WEIGHTS))
    labels, ignoring = [2, 0, 3], [2, -100, 3]
    yield "cross_entropy", [], *classes(labels)
    yield "cross_entropy", ["--label-smoothing=0.125"], *classes(labels, label_smoothing=0.125)
    yield "cross_entropy", ["--label-smoothing=1"], *classes(labels, label_smoothing=1.0)
    yield "cross_entropy", [weights], *classes(labels, weight=WEIGHTS)
    yield "cross_entropy", [weights, "--label-smoothing=0.125"], *classes(
        labels, weight=WEIGHTS, label_smoothing=0.125)
    yield "cross_entropy", [], *classes(ignoring)
    yield "cross_entropy", ["--label-smoothing=0.125"], *classes(ignoring, label_smoothing=0.125)
    yield "cross_entropy", [weights, "--label-smoothing=0.125"], *classes(
        ignoring, weight=WEIGHTS, label_smoothing=0.125)
    yield "cross_entropy", ["--label-smoothing=0.125", "--ignore-index=3"], *classes(
        labels, label_smoothing=0.125, ignore_index=3)
    pixels = [[2, 0], [1, 1]]
    yield "cross_entropy", ["--class-axis=1", "--label-smoothing=0.25", "--class-weights=1,3,0.5"], \
        *classes(pixels, IMAGES, label_smoothing=0.25, weight=[1, 3, 0.5])
    last = torch.tensor(IMAGES).transpose(1, 2).tolist()
    yield "cross_entropy", ["--class-axis=-1", "--label-smoothing=0.25"], last, pixels, \
        lambda x, t: F.cross_entropy(x.transpose(1, 2), t, label_smoothing=0.25)
    yield from soft_labels(last)
    yield from token_losses()
    yield "nll", [], SCORES, labels, F.nll_loss
    yield "nll", [weights], SCORES, ignoring, lambda x, t: F.nll_loss(
        x, t, weight=torch.tensor(WEIGHTS, dtype=torch.float64))
    yield "mse", [], VALUES, ZEROS, F.mse_loss
    yield "l1", [], VALUES, ZEROS, F.l1_loss
    yield "huber", [], VALUES, ZEROS, F.huber_loss
    yield "huber", ["--huber-delta=0.5"], VALUES, ZEROS, lambda x, t: F.huber_loss(x, t, delta=0.5)
    yield "smooth_l1", [], VALUES, ZEROS, F.smooth_l1_loss
    yield "smooth_l1", ["--smooth-l1-beta=0.5"], VALUES, ZEROS, \
        lambda x, t: F.smooth_l1_loss(x, t, beta=0.5)
    yield "smooth_l1", ["--smooth-l1-beta=0"], VALUES, ZEROS, \
        lambda x, t: F.smooth_l1_loss(x, t, beta=0.0)
    yield "bce", [], PROBABILITIES, SHARES, F.binary_cross_entropy
    yield "bce_with_logits", [], SCORES, SHARES, F.binary_cross_entropy_with_logits
    yield "kl_div", [], SCORES, SHARES, F.kl_div
    yield "hinge", [], VALUES, SIGNS, hinge


def record(name, flags, prediction, target, function):
    x = torch.tensor(prediction, dtype=torch.float64, requires_grad=True)
    t = torch.tensor(target)
    labels = name in ("cross_entropy", "nll") and "--soft-labels" not in flags
    t = t if labels else t.double()
    loss = function(x, t)
    loss.backward()
    return {"loss": name, "flags": flags, "prediction": prediction, "target": target,
            "value": loss.item(), "gradient": x.grad.tolist()}


def main():
    recordings = [record(*case) for case in cases()]
    text = ",\n".join(json.dumps(r) for r in recordings)
    (HERE / "recordings/losses.json").write_text(
        f'{{"torch": "{torch.__version__}", "losses": [\n{text}\n]}}\n')


if __name__ == "__main__":
    main()
