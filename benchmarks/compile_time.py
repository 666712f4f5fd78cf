# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Each example compiles, for both targets and with cubins, in under a second.

    python benchmarks/compile_time.py BUILD_DIR
"""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "test/Driver"))
import harness  # noqa: E402: what the tests of the driver share

LIMIT = 1.0  # seconds, on a machine with nothing else to do
TRIES = 5


class CompileTime(harness.Case):
    def measure(self, arguments):
        """Wall and processor seconds of one compilation, those of ptxas included."""
        before, start = os.times(), time.monotonic()
        result = self.build.ampc(*arguments)
        wall, after = time.monotonic() - start, os.times()
        self.assertEqual(result.returncode, 0, result.stderr)
        used = (after.children_user - before.children_user +
                after.children_system - before.children_system)
        return wall, used

    def test_examples(self):
        for name, flags in harness.EXAMPLES.items():
            with self.subTest(name):
                out = self.work / f"{name}.so"
                arguments = [harness.MODELS / f"{name}.onnx", "-o", out, *flags]
                tries = [self.measure(arguments) for _ in range(TRIES)]
                wall, used = (min(t) for t in zip(*tries))
                module = self.open(out)
                kinds = {i["kind"] for i in module.inspect("cuda")["images"]}
                print(f"\n  {name}: {wall:.2f} s, {used:.2f} s of processor time; {kinds}", end="")
                self.assertTrue(module.inspect("host")["steps"])
                # What other processes leave of the machine must not decide: the time that the
                # compiler itself takes, all on one core, is the upper bound of a calm machine's.
                self.assertLess(min(wall, used), LIMIT)


if __name__ == "__main__":
    harness.main()
