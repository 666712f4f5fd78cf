# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The commands in examples/*/README.md do what the pages say, without PyTorch.

    python test/Driver/examples.py BUILD_DIR             runs them and compares
    python test/Driver/examples.py BUILD_DIR --update    writes what they print, and the curves

A page with a picture, curve.svg, has one block of commands, each behind "$ ", with what it prints below. Commands run in a
copy of the example's folder; those of other blocks, which need PyTorch or hours, do not.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

import harness

EXAMPLES = harness.ROOT / "examples"
PAGES = sorted(p for p in EXAMPLES.glob("*/README.md") if "(curve.svg)" in p.read_text())
BLOCK = re.compile(r"^```\n((?:\$ .*\n)(?:.*\n)*?)```$", re.MULTILINE)


def commands(page):
    """Pairs of a command and the lines that it prints."""
    blocks = BLOCK.findall(page.read_text())
    if len(blocks) != 1:
        raise ValueError(f"{page}: {len(blocks)} blocks of commands instead of one")
    result = []
    for line in blocks[0].splitlines():
        if line.startswith("$ "):
            result.append((line[2:], []))
        else:
            result[-1][1].append(line)
    return result


def told(command, done):
    """What a page shows of a command's output: of progress the last line, without the speed."""
    if command.startswith("ampc-run train"):
        last = [line for line in done.stderr.splitlines() if line.startswith("step ")][-1]
        return [re.sub(r"  [0-9.]+[kMG]? samples/s.*", "", last)]
    return done.stdout.splitlines() if command.startswith("ampc-run") else []


class Run:
    """A copy of an example's folder, and the programs of a build."""

    def __init__(self, build, page, work):
        self.folder = work / page.parent.name
        shutil.copytree(page.parent, self.folder, ignore=shutil.ignore_patterns("*.svg"))
        shutil.copytree(EXAMPLES / "models", work / "models")
        shutil.copy(EXAMPLES / "data.py", work)
        self.programs = {"ampc": [build.bin / "ampc", "--target=host"],
                         "ampc-run": [build.bin / "ampc-run"], "python": [sys.executable]}

    def call(self, command):
        program, *arguments = command.split()
        done = subprocess.run([*map(str, self.programs[program]), *arguments], cwd=self.folder,
                              capture_output=True, text=True, timeout=300,
                              env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        if done.returncode:
            raise AssertionError(f"{command}: exit {done.returncode}\n{done.stderr}")
        return done

    def curve(self):
        return curve_of(self.folder / "curve.svg")


def curve_of(path):
    svg = "{http://www.w3.org/2000/svg}"
    return json.loads(ElementTree.parse(path).getroot().find(f"{svg}metadata").text)


class Examples(harness.Case):
    def check(self, page):
        run = Run(self.build, page, self.work)
        for command, wanted in commands(page):
            found = told(command, run.call(command))
            self.assertEqual(len(found), len(wanted), (command, found))
            for a, b in zip(found, wanted):
                self.compare(a, b, command)
        # The picture in the repository is of the same run.
        ours, theirs = run.curve(), curve_of(page.parent / "curve.svg")
        for key in ("last", "width", "evals_seen"):
            self.assertEqual(ours[key], theirs[key], f"{key} of curve.svg: --update draws it anew")

    def compare(self, found, wanted, command):
        """Numbers of other processors differ, by little where a network has learned."""
        word = re.compile(r"step \S+(?:  epoch \S+)?|^\w+")
        self.assertEqual(word.findall(found), word.findall(wanted), command)
        if wanted.startswith("step"):
            return  # the loss of one batch
        number = re.compile(r"^(\w+) +([\d.]+)(.*)")
        (name, a, _), (_, b, _) = number.match(found).groups(), number.match(wanted).groups()
        a, b = float(a), float(b)
        if name == "rows":
            self.assertEqual(a, b)
        elif name == "accuracy":
            self.assertGreater(a, b - 0.04, f"{command}: {found}")
        else:
            self.assertLess(abs(a - b), 0.25 * b, f"{command}: {found}, not {wanted}")

    def test_scripts_are_python(self):
        for script in EXAMPLES.glob("*/export.py"):
            compile(script.read_text(), str(script), "exec")

    def test_index_names_every_example(self):
        index = (EXAMPLES / "README.md").read_text()
        for page in PAGES:
            self.assertIn(f"({page.parent.name}/README.md)", index)


def add_tests():
    for page in PAGES:
        def test(self, page=page):
            self.check(page)
        setattr(Examples, f"test_{page.parent.name}".replace("-", "_"), test)


def update(build):
    for page in PAGES:
        with tempfile.TemporaryDirectory(prefix="ampc-test-") as work:
            run = Run(build, page, pathlib.Path(work))
            text = page.read_text()
            block = BLOCK.search(text).group(1)
            lines = []
            for command, _ in commands(page):
                lines += ["$ " + command, *told(command, run.call(command))]
            page.write_text(text.replace(block, "\n".join(lines) + "\n"))
            shutil.copy(run.folder / "curve.svg", page.parent)
        print(page.parent.name, *lines, sep="\n  ")


if __name__ == "__main__":
    if "--update" in sys.argv:
        update(harness.Build(sys.argv[1]))
    else:
        add_tests()
        harness.main()
