# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles models that are wrong, one way each, and checks what ampc says.

    malformed WORK_FOLDER AMPC

For each: exit code 1, nothing on standard output, one error on standard error, which starts with
the file's name and matches the case's pattern, and no output file.
"""
import pathlib
import re
import shutil
import subprocess
import sys

# Each adds its cases to CASES.
import branch_cases
import external_cases
import file_cases
import flag_cases
import graph_cases
import loop_cases
import tensor_cases
import training_cases
import type_cases
from build import CASES


def check(name, build, pattern, flags, work, ampc):
    """What is wrong with ampc's answer, or None."""
    folder = work / name
    folder.mkdir()
    (folder / "data.bin").write_bytes(b"\0" * 24)
    path = folder / "model.onnx"
    built = build(path)
    if built is not None:
        path.write_bytes(built.SerializeToString())
    out = folder / "out.mlir"
    command = [ampc, str(path), "--emit=amp", "-o", str(out), *flags]
    run = subprocess.run(command, capture_output=True, timeout=120)
    stderr = run.stderr.decode(errors="replace")
    errors = [line for line in stderr.splitlines() if ": error: " in line]
    if run.returncode != 1:
        return f"exit code {run.returncode}, not 1\n{stderr}"
    if run.stdout:
        return f"printed {run.stdout[:200]}"
    if len(errors) != 1 or any(not line.startswith(str(path)) for line in stderr.splitlines()):
        return f"not one error, but\n{stderr}"
    if not re.match(re.escape(f"{path}: error: ") + ".*" + f"({pattern})", errors[0]):
        return f"expected {pattern}, but was told\n{stderr}"
    if list(folder.glob("out*")):
        return "left an output file behind"
    return None


def main():
    work, ampc = pathlib.Path(sys.argv[1]).absolute(), sys.argv[2]
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    problems = []
    for name, build, pattern, flags in CASES:
        if problem := check(name, build, pattern, flags, work, ampc):
            problems.append(f"{name}: {problem}")
    if problems:
        sys.exit("\n".join(problems))
    print(f"all {len(CASES)} malformed models are refused as they should")


if __name__ == "__main__":
    main()
