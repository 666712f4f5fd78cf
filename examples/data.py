# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the data sets of the examples: data.py NAME OUT_DIR

    mlp10        x [2000,10],  target [2000]    points, labelled by a linear teacher
    mnist_like   x [1280,784], target [1280]    noisy 28x28 images of ten prototypes
    patterns64   x [2048,64]                    sums of few 8x8 patterns, for the autoencoder
    tokens       x [1600,12] i64, target [1600]  words of 50, labelled by the words in them
    digits       x [n,64], target [n], as digits-train.npz and digits-test.npz:
                 scikit-learn's handwritten digits, read from its data file

The bytes are the same on every machine: random integers from numpy.random.RandomState, whose
stream is frozen, integer arithmetic, and at the end a division by a power of two. Needs numpy.
"""
import argparse
import gzip
import pathlib

import numpy as np

# Where Debian's package python3-sklearn puts it.
DIGITS = "/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz"


def mislabel(random, target, percent):
    """Noise in the labels keeps the loss away from zero, where relative errors mean nothing."""
    wrong = random.randint(0, 100, len(target)) < percent
    return np.where(wrong, random.randint(0, 10, len(target)), target)


def mlp10(random):
    x = random.randint(-128, 129, (2000, 10))
    teacher = random.randint(-8, 9, (10, 10))
    target = mislabel(random, np.argmax(x @ teacher, axis=1), 10)
    return x, 64, target


def mnist_like(random):
    # A prototype lights 4x4 blocks of pixels; samples are prototypes that lost half their blocks.
    # Dark and sparse, for under Adam a unit moves by lr * sum|x| a step: with bright images one
    # rounding error that flips a ReLU shows in the loss, and a recorded curve proves less.
    target = random.randint(0, 10, 1280)
    prototypes = random.randint(0, 4, (10, 7, 7)) == 0
    kept = random.randint(0, 2, (1280, 7, 7))
    blocks = np.kron(prototypes[target] * kept, np.ones((1, 4, 4), np.int64))
    brightness = random.randint(6, 25, (1280, 28, 28))
    noise = random.randint(0, 16, (1280, 28, 28)) == 0
    x = np.where(noise, random.randint(0, 25, (1280, 28, 28)), blocks * brightness)
    return x.reshape(1280, 784), 64, mislabel(random, target, 20)


def patterns64(random):
    patterns = random.randint(-1, 2, (12, 64))
    amounts = random.randint(-1, 2, (2048, 12))
    x = amounts @ patterns * 8 + random.randint(-8, 9, (2048, 64))
    return x, 32, None


def tokens(random):
    # Some words are frequent: several of a sample, and many of a batch, are the same.
    x = random.randint(0, 50, (1600, 12)) * random.randint(1, 51, (1600, 12)) // 50
    votes = random.randint(-8, 9, (50, 10))
    return x, None, mislabel(random, np.argmax(votes[x].sum(axis=1), axis=1), 10)


def digits(random, path):
    rows = np.loadtxt(gzip.open(path, "rt"), delimiter=",", dtype=np.int64)
    rows = rows[random.permutation(len(rows))]
    split = len(rows) * 4 // 5
    return rows[:split], rows[split:]


def arrays(x, divisor, target):
    """`divisor` is a power of two, so that the quotients are exact; None keeps integers."""
    result = {"x": x.astype(np.int64) if divisor is None else (x / divisor).astype(np.float32)}
    if target is not None:
        result["target"] = target.astype(np.int64)
    return result


def make(name, path=DIGITS):
    """A dictionary of file stem -> arrays."""
    if name == "digits":
        parts = zip(("digits-train", "digits-test"), digits(np.random.RandomState(0), path))
        return {stem: arrays(rows[:, :64], 16, rows[:, 64]) for stem, rows in parts}
    makers = {"mlp10": mlp10, "mnist_like": mnist_like, "patterns64": patterns64,
              "tokens": tokens}
    return {name: arrays(*makers[name](np.random.RandomState(0)))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["mlp10", "mnist_like", "patterns64", "tokens", "digits"])
    parser.add_argument("out_dir", type=pathlib.Path)
    parser.add_argument("--digits", default=DIGITS, metavar="FILE", help="scikit-learn's file")
    options = parser.parse_args()
    try:
        sets = make(options.name, options.digits)
    except FileNotFoundError as error:
        parser.exit(1, f"data.py: {error.filename} not found: apt-get install python3-sklearn\n")
    options.out_dir.mkdir(parents=True, exist_ok=True)
    for stem, data in sets.items():
        np.savez(options.out_dir / f"{stem}.npz", **data)
        print(f"{options.out_dir / stem}.npz:",
              ", ".join(f"{k} {v.dtype} {list(v.shape)}" for k, v in data.items()))


if __name__ == "__main__":
    main()
