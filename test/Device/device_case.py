"""harness.Case on the device that the command line names; see device.py.

    python test/Training/NAME.py BUILD_DIR [--device=..] [..] [unittest's arguments]

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Driver"))
import device  # noqa: E402
import harness  # noqa: E402


class Case(harness.Case):
    """Compiles for the device, and opens sessions on it."""

    device = device.Device()

    def setUp(self):
        super().setUp()
        self.compiled = []

    def compile(self, model, name, *flags):
        out = self.work / f"{name}.so"
        module = super().compile(model, name, *flags, *self.device.compile_flags(out))
        # The driver is loaded into this process, and looks kernels up as modules are loaded.
        self.compiled.append(module)
        os.environ.update(self.device.environment(*self.compiled))
        return module

    def session(self, module, **options):
        return super().session(module, device=self.device.name, **options)


def main():
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    device.add_options(parser)
    options, sys.argv[1:] = parser.parse_known_args()
    Case.device = device.from_options(options)
    harness.main()
