# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""docs/Operators.md is what utils/operators-page writes, and says what `ampc --list-ops` says.

    python test/Driver/operators.py BUILD_DIR
"""
import subprocess
import sys

import harness

PAGE = harness.ROOT / "docs/Operators.md"
SCRIPT = harness.ROOT / "utils/operators-page"


class Operators(harness.Case):
    def test_page_is_as_written(self):
        done = subprocess.run([sys.executable, SCRIPT, "--print"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(PAGE.read_text(), done.stdout, f"run {SCRIPT.name} to write the page again")

    def test_compiler_says_the_same(self):
        rows = [[cell.strip() for cell in line.split("|")[1:-1]]
                for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]
        self.assertGreater(len(rows), 100)
        documented = {(row[0], row[1].replace("from ", "") + ("-28" if "from" in row[1] else ""),
                       row[4], "-" if row[3] == "none" else "yes", row[7].strip("`"), row[5], row[6])
                      for row in rows}
        done = self.build.ampc("--list-ops")
        self.assertEqual(done.returncode, 0, done.stderr)
        listed = {tuple(line.split()) for line in done.stdout.splitlines()[1:]}
        self.assertEqual(documented, listed)


if __name__ == "__main__":
    harness.main()
