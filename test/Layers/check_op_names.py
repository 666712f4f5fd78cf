#!/usr/bin/env python3
"""Fails where a pass asks by name what an op of the amp dialect is (CONTRIBUTING.md, "House rules").

A pass may name the ops that manage state, precision and gradients, which are those of the
families State, Scaling and Gradient, and may create any op. What an op computes it asks of its interfaces
and traits, so that a new op is no new case in a pass.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import pathlib
import re
import sys

MANAGING = ("State", "Scaling", "Gradient")
LAYERS = ("Training", "Precision", "Optimize", "Import", "Codegen")
# `plan::MatMulOp` is of another dialect; `AddOp::create` asks nothing.
NAME = re.compile(r"(?<![\w:])(\w+Op)\b(?!::create\b)")
COMMENT = re.compile(r"//.*")


def computing_ops(families):
    """The C++ names of the ops whose family manages nothing."""
    names = set()
    for family in families:
        if family.stem not in MANAGING:
            names.update(re.findall(r"^def Amp_(\w+Op)\b", family.read_text(), re.MULTILINE))
    return names


def problems_of(path, names):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for name in NAME.findall(COMMENT.sub("", line)):
            if name in names:
                yield f"{number}: names {name}; ask an interface or a trait of the op"


def main():
    root = pathlib.Path(sys.argv[1])
    names = computing_ops((root / "include/ampc/Dialect/Amp/Ops").glob("*.td"))
    problems, seen = [], 0
    for layer in LAYERS:
        for path in sorted((root / "lib" / layer).rglob("*")):
            if path.suffix in (".h", ".cpp"):
                seen += 1
                problems += [f"{path.relative_to(root)}:{p}" for p in problems_of(path, names)]
    print("\n".join(problems) or f"{seen} files, none asks for one of {len(names)} ops by name")
    # A check that sees no file, or no op, checks nothing.
    return 1 if problems or seen < 50 or len(names) < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
