#!/usr/bin/env python3
"""Compiles ONNX's own backend tests, runs them, and prints one table.

The tests that expected.txt names must pass; when others begin to pass the run says so, and
--update writes them down, so that the list only grows by a change that someone sees. The
default is a fixed sample of the list, with every test of the training operators and losses
in it; --all runs all data there is.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import collections
import concurrent.futures
import pathlib
import re
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Numerics"))

import cases as suite  # noqa: E402
import command_line  # noqa: E402
import compiled  # noqa: E402

EXPECTED = HERE / "expected.txt"
WHEEL = command_line.WHEEL
# What ampc promises whole: the training operators, Gradient and the two losses.
TRAINING = re.compile(r"test_(adagrad|adam|momentum|nesterov|gradient_of|sce|nllloss)(_|$)")
TRAINING_COUNT = 61
SAMPLE_EVERY = 5  # one in so many, which keeps the default run within three minutes


def is_training(case: suite.Case) -> bool:
    return (case.name.startswith(WHEEL) and "_expanded" not in case.test
            and bool(TRAINING.match(case.test)))


def in_sample(case: suite.Case) -> bool:
    """By a hash of the name: the sample of other tests stays when the list grows."""
    return is_training(case) or zlib.crc32(case.name.encode()) % SAMPLE_EVERY == 0


def find_all(folders: dict[str, pathlib.Path]) -> tuple[list[suite.Case], list[str]]:
    """All cases, and the sources that are not there."""
    found, missing = [], []
    for source, data in folders.items():
        cases = suite.find_cases(source, data)
        found += cases
        if not cases:
            missing.append(source)
    return found, missing


def print_table(results: list[suite.Result]) -> None:
    groups: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for result in results:
        groups[result.case.group][result.status] += 1
    columns = ("passed", "failed", "unsupported")
    print(f"{'group':<30}" + "".join(f"{column:>13}" for column in columns))
    for group, counts in sorted(groups.items()):
        print(f"{group:<30}" + "".join(f"{counts[column]:>13}" for column in columns))
    bound = [result for result in results if result.bound]
    print(f"of those that passed, {len(bound)} have inputs fixed by --bind")
    for status in ("failed", "unsupported"):
        for result in results:
            if result.status == status:
                print(f"{status:<12} {result.case.name}: {result.why}")


def run_all(tools: compiled.Tools, chosen: list[suite.Case], jobs: int) -> list[suite.Result]:
    known = set(tools.list_ops())
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda case: suite.run_case(tools, known, case), chosen))


def main() -> int:
    parser = command_line.parser(__doc__)
    parser.add_argument("--all", action="store_true", help="all data, not a sample")
    parser.add_argument("--expected", action="store_true",
                        help="all that must pass, not a sample of it")
    parser.add_argument("--update", action="store_true",
                        help="write what passes to expected.txt; takes --all")
    options = parser.parse_args()
    if options.update and (options.filter or options.sample > 1 or not options.all):
        parser.error("--update takes --all and no --filter: the list is of all data")

    found, missing = find_all(command_line.onnx_data(options))
    expected = set(EXPECTED.read_text().split()) if EXPECTED.exists() else set()
    training = {case.name for case in found if is_training(case)}
    if len(training) != TRAINING_COUNT and WHEEL not in missing:
        print(f"error: {len(training)} tests of training, not {TRAINING_COUNT}")
        return 1
    if options.all or (options.filter and not options.expected):
        chosen = found
    else:
        chosen = [case for case in found if (options.expected or in_sample(case))
                  and (case.name in expected or case.name in training)]
    chosen = [case for case in chosen if command_line.is_chosen(options, case.name)]
    if not chosen:
        print("error: no case to run")
        return 1

    results = run_all(compiled.from_options(options), chosen, options.jobs)
    print_table(results)
    passed = {result.case.name for result in results if result.status == "passed"}
    ran = {result.case.name for result in results}
    for source in missing:
        print(f"note: the data of {source} is not installed: its tests did not run")
    if options.update:
        kept = {name for name in expected if name.split("/")[0] in missing}
        EXPECTED.write_text("\n".join(sorted(passed | kept)) + "\n")
        return 0

    must = (expected | training) & ran
    gone = {name for name in expected - {case.name for case in found}
            if name.split("/")[0] not in missing}
    for name in sorted(must - passed):
        print(f"error: {name} must pass")
    for name in sorted(gone):
        print(f"error: {name} is expected, but there is no such test")
    for name in sorted(passed - must):
        print(f"note: {name} passes now: run.py --all --update")
    print(f"{len(passed)} passed, {len(results) - len(passed)} failed")
    return 1 if must - passed or gone else 0


if __name__ == "__main__":
    sys.exit(main())
