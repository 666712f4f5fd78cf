# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes the data sets of the examples.

    mlp10        x [2000,10],  target [2000]    points, labelled by a linear teacher
    mnist_like   x [1280,784], target [1280]    noisy 28x28 images of ten prototypes
    patterns64   x [2048,64]                    sums of few 8x8 patterns, for the autoencoder
    tokens       x [1600,12] i64, target [1600]  words of 50, labelled by the words in them
    clicks       dense [n,8], categories [n,4] i64, bag [n,4] i64, target [n] f32, as
                 clicks-train.npz and clicks-test.npz: visitors, and who of them clicked

Others are real, and come as NAME-train.npz and NAME-test.npz as well:

    digits       x [n,64], target [n]: scikit-learn's handwritten digits, read from its data file
    digits_28    x [n,784]: the same, each pixel 3x3 times, with a margin
    digits_image x [n,1,8,8]; digits_rows x [n,8,8]: the same, in these shapes
    digits_224   x [n,3,224,224]: 128 and 64 of them, each pixel 28x28 times
    scenes       x [n,1,16,16], target [n,1,16,16]: a digit in noise, and where it is
    licenses     input_ids [n,32] i64, attention_mask [n,32] i64, target [n]: passages of the
                 licenses that Debian installs, in words, and which of six licenses they are from
    gpl          input_ids [n,48] i64, labels [n,48] i64: the GPL in characters, and what follows

The bytes are the same on every machine: random integers from numpy.random.RandomState, whose
stream is frozen, integer arithmetic, and at the end a division by a power of two. Needs numpy.
"""
import argparse
import collections
import gzip
import pathlib
import re

import numpy as np

# Where Debian's package python3-sklearn puts it.
DIGITS = "/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz"
# The package base-files, which every Debian has.
LICENSES = pathlib.Path("/usr/share/common-licenses")
LICENSE_NAMES = ("Apache-2.0", "Artistic", "CC0-1.0", "GFDL-1.3", "GPL-3", "MPL-2.0")


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


def clicks(random):
    count = 20000
    dense = random.randint(-64, 65, (count, 8))
    # Few categories are frequent, and most are rare.
    rows = (random.randint(0, 200, (count, 8)) * random.randint(0, 200, (count, 8))) // 200
    liking = random.randint(-8, 9, (5, 200))
    votes = (dense[:, :4].sum(1) // 16 + liking[4][rows[:, 4:]].sum(1) +
             sum(liking[i][rows[:, i]] for i in range(4)))
    # Two likings together count for more.
    votes += liking[0][rows[:, 0]] * liking[1][rows[:, 1]] // 4
    noise = random.randint(-8, 9, count)
    return {"dense": (dense / 64).astype(np.float32), "categories": rows[:, :4],
            "bag": rows[:, 4:], "target": (votes + noise > 0).astype(np.float32)}


def scenes(images, random):
    """Each digit somewhere in an image of noise; the target is the pixels that it inks."""
    count = len(images)
    x = random.randint(0, 9, (count, 16, 16))
    target = np.zeros((count, 16, 16), np.float32)
    for i, (top, left) in enumerate(random.randint(0, 9, (count, 2))):
        place = (i, slice(top, top + 8), slice(left, left + 8))
        x[place] = np.maximum(x[place], images[i])
        target[place] = images[i] > 8
    return {"x": (x / 16).astype(np.float32)[:, None], "target": target[:, None]}


def split_in_blocks(count, block):
    """Every fifth block of a text is for the test, so that no passage is in both parts."""
    place = np.arange(0, count, block)
    test = np.arange(len(place)) % 5 == 4
    return place[~test], place[test]


def licenses():
    texts = [re.findall("[a-z]+", (LICENSES / name).read_text().lower())
             for name in LICENSE_NAMES]
    counts = collections.Counter(word for text in texts for word in text)
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:397]
    # 0 is padding, 1 any other word, 2 stands before the first.
    number = {word: i + 3 for i, word in enumerate(frequent)}
    result = []
    for part in range(2):
        rows = []
        for label, text in enumerate(texts):
            words = [number.get(word, 1) for word in text]
            for start in split_in_blocks(len(words), 120)[part]:
                for at in range(start, min(start + 120, len(words)) - 30, 6):
                    length = 16 + at % 16
                    rows.append([2] + words[at:at + length] + [0] * (31 - length) + [label])
        rows = np.array(rows, np.int64)
        ids = rows[:, :32]
        result.append({"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64),
                       "target": rows[:, 32]})
    return result


def gpl():
    text = re.sub("[ \\t]+", " ", (LICENSES / "GPL-3").read_text())
    # 0 to 94 are the characters from the space on; 95 is the end of a line.
    codes = np.array([95 if c == "\n" else min(max(ord(c) - 32, 0), 94) for c in text], np.int64)
    result = []
    for part in range(2):
        rows = np.array([codes[at:at + 49] for start in split_in_blocks(len(codes), 480)[part]
                         for at in range(start, min(start + 480, len(codes)) - 48, 16)])
        result.append({"input_ids": rows[:, :-1], "labels": rows[:, 1:]})
    return result


def arrays(x, divisor, target):
    """`divisor` is a power of two, so that the quotients are exact; None keeps integers."""
    result = {"x": x.astype(np.int64) if divisor is None else (x / divisor).astype(np.float32)}
    if target is not None:
        result["target"] = target.astype(np.int64)
    return result


DIGIT_SHAPES = {
    "digits": lambda x: x,
    "digits_28": lambda x: np.pad(np.kron(x.reshape(-1, 8, 8), np.ones((1, 3, 3), np.float32)),
                                  ((0, 0), (2, 2), (2, 2))).reshape(-1, 784),
    "digits_image": lambda x: x.reshape(-1, 1, 8, 8),
    "digits_rows": lambda x: x.reshape(-1, 8, 8),
    "digits_224": lambda x: np.kron(x.reshape(-1, 1, 8, 8), np.ones((1, 3, 28, 28), np.float32)),
}
MAKERS = {"mlp10": mlp10, "mnist_like": mnist_like, "patterns64": patterns64, "tokens": tokens}
NAMES = [*MAKERS, "clicks", *DIGIT_SHAPES, "scenes", "licenses", "gpl"]


def parts(name, path):
    """What is for training, and what is for the test."""
    if name == "clicks":
        all = clicks(np.random.RandomState(0))
        return ({key: value[:16000] for key, value in all.items()},
                {key: value[16000:] for key, value in all.items()})
    if name in ("licenses", "gpl"):
        return licenses() if name == "licenses" else gpl()
    random = np.random.RandomState(0)
    halves = digits(random, path)
    if name == "scenes":
        return [scenes(rows[:, :64].reshape(-1, 8, 8), random) for rows in halves]
    if name == "digits_224":
        halves = halves[0][:128], halves[1][:64]
    sets = [arrays(rows[:, :64], 16, rows[:, 64]) for rows in halves]
    return [{"x": DIGIT_SHAPES[name](data["x"]), "target": data["target"]} for data in sets]


def make(name, path=DIGITS):
    """A dictionary of file stem -> arrays."""
    if name in MAKERS:
        return {name: arrays(*MAKERS[name](np.random.RandomState(0)))}
    return dict(zip((f"{name}-train", f"{name}-test"), parts(name, path)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, usage="data.py NAME OUT_DIR",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("out_dir", type=pathlib.Path)
    parser.add_argument("--digits", default=DIGITS, metavar="FILE", help="scikit-learn's file")
    options = parser.parse_args()
    try:
        sets = make(options.name, options.digits)
    except FileNotFoundError as error:
        package = "python3-sklearn" if "sklearn" in error.filename else "base-files"
        parser.exit(1, f"data.py: {error.filename} not found: apt-get install {package}\n")
    options.out_dir.mkdir(parents=True, exist_ok=True)
    for stem, data in sets.items():
        np.savez(options.out_dir / f"{stem}.npz", **data)
        print(f"{options.out_dir / stem}.npz:",
              ", ".join(f"{k} {v.dtype} {list(v.shape)}" for k, v in data.items()))


if __name__ == "__main__":
    main()
