"""The command line and the report that the suites of cases share.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import concurrent.futures
import pathlib
import re
import zlib
from collections.abc import Callable
from typing import TypeVar

import onnx

import compiled

Item = TypeVar("Item")
# ONNX's backend tests: the wheel's of utils/setup, and those of Debian's libonnx-testdata.
WHEEL, DEBIAN = "onnx-1.22", "onnx-1.12"


def parser(text: str) -> argparse.ArgumentParser:
    """Says `text`'s first line, and knows the options that all suites have."""
    known = argparse.ArgumentParser(description=text.split("\n", 1)[0])
    compiled.add_options(known)
    known.add_argument("--filter", type=re.compile, help="only cases that this matches")
    known.add_argument("--sample", type=int, default=1, metavar="N", help="one case in N")
    known.add_argument("--jobs", type=int, default=2)
    known.add_argument("--onnx-data", type=pathlib.Path, metavar="DIR",
                       help=f"has the data of ONNX's tests as {WHEEL} and {DEBIAN}; "
                            "without it, where it is installed")
    return known


def onnx_data(options: argparse.Namespace) -> dict[str, pathlib.Path]:
    """Where the test data of each source is, or would be."""
    if folder := options.onnx_data:
        return {WHEEL: folder / WHEEL, DEBIAN: folder / DEBIAN}
    return {WHEEL: pathlib.Path(onnx.__file__).parent / "backend/test/data",
            DEBIAN: pathlib.Path("/usr/share/libonnx-testdata/data")}


def is_chosen(options: argparse.Namespace, name: str) -> bool:
    """The sample goes by a hash of the name: it stays when others are added."""
    return ((not options.filter or bool(options.filter.search(name)))
            and zlib.crc32(name.encode()) % options.sample == 0)


def run_checks(options: argparse.Namespace, check: Callable[[Item], str],
               items: list[Item], name: Callable[[Item], str]) -> int:
    """Prints what `check` says is wrong; returns the number of items where that is any."""
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        problems = list(pool.map(check, items))
    for item, problem in zip(items, problems):
        if problem:
            print(f"failed  {name(item)}: {problem}")
    return sum(bool(problem) for problem in problems)
