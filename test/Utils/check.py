#!/usr/bin/env python3
"""utils/check fails unless every registered test ran, whatever the folder was configured for.

usage: check.py
"""
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]

# Stand in the place of cmake and ninja: the first notes its arguments and leaves the tests that
# the case brings, unless it is told to leave tests out as a real configuration does.
CMAKE = """#!/bin/sh
echo "$@" >> "$LOG"
mkdir -p build
case "$*" in *AMPC_BUILD_TESTS=ON*) cp tests.cmake build/CTestTestfile.cmake ;; esac
"""
NOTHING = "#!/bin/sh\n"


class Check(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        for script in ("check", "quickstart", "run-tests"):
            self.write(f"utils/{script}", (SOURCE / "utils" / script).read_text())
        self.write("utils/setup", '#!/bin/sh\necho "$@" > packages\n')
        self.write("bin/cmake", CMAKE)
        self.write("bin/ninja", NOTHING)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run_script(self, script, *flags):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AMPC_", "CTEST_"))}
        environment.update(PATH=f"{self.folder}/bin:{environment['PATH']}",
                           LOG=str(self.folder / "log"), TMPDIR=str(self.folder))
        return subprocess.run([self.folder / "utils" / script, *flags], cwd=self.folder, text=True,
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60)

    def check(self, tests, *flags):
        self.write("tests.cmake", tests)
        return self.run_script("check", *flags)

    def arguments(self):
        return (self.folder / "log").read_text().splitlines()

    def test_passes(self):
        done = self.check("add_test(a true)\nadd_test(b true)\n")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("2 passed, 0 failed, 0 skipped themselves, of 2 registered", done.stdout)

    def test_fails_with_a_test(self):
        done = self.check("add_test(a true)\nadd_test(b false)\n")
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn("1 passed, 1 failed", done.stdout)

    def test_fails_without_tests(self):
        for tests in ("", None):
            with self.subTest(tests=tests):
                done = self.check(tests or "")
                if tests is None:  # not even a file that registers them
                    (self.folder / "build/CTestTestfile.cmake").unlink()
                    done = self.run_script("run-tests", "build")
                self.assertNotEqual(done.returncode, 0, done.stdout)

    def test_fails_where_one_did_not_run(self):
        gone = {
            "disabled": "set_tests_properties(b PROPERTIES DISABLED ON)",
            "without its program": "add_test(c /no/such/program)",
            "after a fixture that failed": "set_tests_properties(b PROPERTIES FIXTURES_REQUIRED F)\n"
                                           "add_test(f false)\n"
                                           "set_tests_properties(f PROPERTIES FIXTURES_SETUP F)",
        }
        for why, line in gone.items():
            with self.subTest(why):
                done = self.check(f"add_test(a true)\nadd_test(b true)\n{line}\n")
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertIn(" registered tests did not run", done.stdout)

    def test_a_test_may_skip_itself(self):
        done = self.check("add_test(a true)\nadd_test(b sh -c \"exit 77\")\n"
                          "set_tests_properties(b PROPERTIES SKIP_RETURN_CODE 77)\n")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("1 passed, 0 failed, 1 skipped themselves, of 2 registered", done.stdout)

    def test_after_the_quickstart(self):
        """In the folder that it has configured, and with every option that there is."""
        self.run_script("quickstart")
        done = self.check("add_test(a true)\n")
        self.assertEqual(done.returncode, 0, done.stdout)
        quickstart, check = self.arguments()
        self.assertIn("-DAMPC_BUILD_TESTS=OFF", quickstart)
        own = {"AMPC_PCH", "AMPC_PYTHON", "AMPC_ONNX_PROTO"}  # the user's own, right either way
        declared = set()
        for path in (SOURCE / "CMakeLists.txt", SOURCE / "test/CMakeLists.txt"):
            declared |= set(re.findall(r"^(?:option|set)\((AMPC_\w+) .*(?:ON|OFF|CACHE.*)\)$",
                                       path.read_text(), re.M))
        self.assertLessEqual({"AMPC_BUILD_TESTS", "AMPC_TEST_ALL", "AMPC_SANITIZE"}, declared)
        for option in declared - own:
            self.assertIn(f"-D{option}=", check)
            if option != "AMPC_TEST_ALL":  # of the tests, which the quickstart leaves out
                self.assertIn(f"-D{option}=", quickstart)

    def test_all(self):
        for flags, value in (((), "OFF"), (("--all",), "ON")):
            done = self.check("add_test(a true)\n", *flags)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn(f"-DAMPC_TEST_ALL={value}", self.arguments()[-1])
            # The sanitizers are installed where they are used, and only there.
            packages = (self.folder / "packages").read_text()
            self.assertEqual("libclang-rt" in packages, value == "ON")
        self.assertEqual(self.check("add_test(a true)\n", "--al").returncode, 2)


if __name__ == "__main__":
    unittest.main()
