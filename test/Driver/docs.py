# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tests that the pages name exist: in docs/Precision.md for what users complain about, in
test/README.md for each promise. The table of docs/Accuracy.md is what its runs give.

    python test/Driver/docs.py BUILD_DIR
"""
import functools
import json
import re
import subprocess
import sys
import unittest

import harness

TEST = harness.ROOT / "test"


def rows(page, heading):
    """The cells of the table below the heading of its first column."""
    lines = page.read_text().splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    for line in lines[begin + 2:]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


class Docs(harness.Case):
    @classmethod
    def setUpClass(cls):
        listed = subprocess.run(["ctest", "-N", "--test-dir", cls.build.bin.parent], check=True,
                                capture_output=True, text=True).stdout
        cls.registered = set(re.findall(r"Test +#\d+: (\S+)", listed))
        if not cls.registered:
            raise unittest.SkipTest("ctest lists no test")
        # Those of the sanitizers are there with `utils/check --all` only.
        cls.registered |= {f"Sanitize.{name}" for name in ("address", "thread")}
        sources = "\n".join(path.read_text() for path in TEST.rglob("*.cpp"))
        cls.unit = {f"{suite}.{name}" for suite, name in
                    re.findall(r"\bTEST(?:_[FP])?\((\w+), (\w+)\)", sources)}
        scripts = "\n".join(path.read_text() for path in TEST.rglob("*.py"))
        cls.python = set(re.findall(r"^ *(?:class|def) (\w+)", scripts, re.MULTILINE))

    @functools.cache
    def exists(self, name, suite):
        """`suite` is the name before, where a name stands in parentheses behind it."""
        def isOne(name):
            if name.endswith("*"):
                return any(other.startswith(name[:-1]) for other in self.registered | self.unit)
            return name in self.registered | self.unit | self.python
        return (isOne(name) or (harness.ROOT / name).exists() or (TEST / name).exists() or
                any(TEST.rglob(name) if "/" not in name and "." in name else [])
                # `Cuda`, `cuda`, `forward` behind `Numerics.gradients`: its brothers
                or isOne(f"{suite}.{name}") or isOne(f"{suite.split('.')[0]}.{name}")
                or name.startswith("--"))

    def check(self, page, heading, column):
        count = 0
        for cells in rows(page, heading):
            suite = ""
            names = re.findall(r"`([^`]+)`", cells[column])
            self.assertTrue(names, cells[0])
            for name in names:
                count += 1
                with self.subTest(row=cells[0], test=name):
                    self.assertTrue(self.exists(name, suite), "no test of this name")
                if "." in name and "/" not in name:
                    suite = name.split("(")[0]
        return count

    def test_complaints(self):
        self.assertGreater(self.check(harness.ROOT / "docs/Precision.md", "complaint", 2), 12)

    def test_promises(self):
        self.assertGreater(self.check(TEST / "README.md", "promise", 1), 60)

    def test_accuracy(self):
        """docs/Accuracy.md is what benchmarks/accuracy.py makes of its runs."""
        sys.path.insert(0, str(harness.ROOT / "benchmarks"))
        import accuracy
        text = (harness.ROOT / "docs/Accuracy.md").read_text()
        (file,) = re.findall(r"--out=(\S+)", text)
        report = json.loads((harness.ROOT / file).read_text())
        for name, rows in report["summary"].items():
            again = accuracy.summarize(accuracy.NETWORKS[name], report["runs"][name],
                                       range(report["seeds"]))
            self.assertEqual(json.loads(json.dumps(again)), rows)
            for row in rows.values():
                self.assertLess(abs(row["difference"]), accuracy.GOAL)
        self.assertEqual(accuracy.page(report, file), text)

    def test_a_name_that_is_none_is_found(self):
        for name in ("Driver.nothing", "CudaSession.Nothing", "test/Precision/nothing.mlir",
                     "Nothing.*", "nothing"):
            self.assertFalse(self.exists(name, "Driver.culprits"), name)


if __name__ == "__main__":
    harness.main()
