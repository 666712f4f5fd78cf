"""The suites that run on a GPU machine, and how each is called.

One list for utils/gpu-bundle, which records what they compile, and utils/gpu-run, which runs
them on the device.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import dataclasses
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@dataclasses.dataclass(frozen=True)
class Suite:
    """`arguments` may hold {bin}, {build}, {data} and {jobs}; `seconds` is the most that a run
    may take; `whole` takes the place of `arguments` with --all."""
    name: str
    script: str
    arguments: str
    seconds: int
    whole: str = ""

    def command(self, build: pathlib.Path, data: pathlib.Path | None, jobs: int, whole: bool,
                place: list[str]) -> list[str]:
        """`place` is where it runs, as device.py's options say."""
        text = self.whole if whole and self.whole else self.arguments
        words = [word.format(bin=build / "bin", build=build, jobs=jobs)
                 for word in text.split()]
        if data and self.script in TAKES_DATA:
            words.append(f"--onnx-data={data}")
        return [sys.executable, str(ROOT / self.script), *words, *place]


TAKES_DATA = ("test/Numerics/expanded.py", "test/Conformance/run.py")
NUMERICS = "--bin {bin} --jobs {jobs}"
TESTS = (
    Suite("first_checks", "test/Device/first_checks.py", "--bin {bin}", 90),
    Suite("forward", "test/Numerics/forward.py", NUMERICS, 90),
    Suite("gradients", "test/Numerics/gradients.py", NUMERICS, 90),
    Suite("expanded", "test/Numerics/expanded.py", NUMERICS, 90),
    Suite("precision", "test/Numerics/precision.py", "--bin {bin}", 60),
    Suite("skipped_step", "test/Training/skipped_step.py", "{build}", 60),
    Suite("running_statistics", "test/Training/running_statistics.py", "{build}", 60),
    Suite("check_finite", "test/Training/check_finite.py", "{build}", 60),
    Suite("underflow", "test/Training/underflow.py", "{build}", 60),
    Suite("training_info", "test/Training/training_info.py", "{build}", 60),
    Suite("differentiated", "test/Training/differentiated.py", "{build}", 60),
    Suite("parity", "test/Training/parity.py", "{build} --jobs {jobs}", 120),
    Suite("conformance", "test/Conformance/run.py", NUMERICS, 120, NUMERICS + " --expected"),
    Suite("grad_scaler", "test/Training/grad_scaler.py", "{build}", 120),
)
BENCHMARKS = (
    Suite("device_mlp", "benchmarks/device_mlp.py", "{build}", 240),
)
