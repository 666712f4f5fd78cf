"""Compiles an ONNX model and evaluates it through ampc-run.

What the numeric tests share: they see the product as a user does, through its two tools
and .npz files, so that nothing between the command line and the kernels goes untested.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import zipfile

import ml_dtypes
import numpy as np
import onnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Device"))
import device  # noqa: E402

AS_WRITTEN = ("--loss=none", "--optimizer=none", "--amp=O0")
TIMEOUT_S = 120


class ToolError(Exception):
    """A tool ended with an error: `tool`, its `code` and its first line that says why."""

    def __init__(self, tool: str, code: int, text: str):
        self.tool, self.code, self.text = tool, code, text
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if "error:" in line]
        self.line = (errors or lines or ["no message"])[0]
        super().__init__(f"{tool} ended with {code}: {self.line}")


def call(*command: str, environment: dict[str, str] | None = None) -> str:
    """The standard output of a tool; ToolError where it does not end with 0. The tool sees
    `environment` beside what is there."""
    tool = pathlib.Path(command[0]).name
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S,
                              env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired:
        raise ToolError(tool, 124, f"error: no end after {TIMEOUT_S} s") from None
    if done.returncode:
        raise ToolError(tool, done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="replace")


# Types that numpy lacks, and what ampc-run reads and writes in their place.
ARRAY_TYPES = {
    **{np.dtype(getattr(ml_dtypes, name)): np.dtype(np.float32)
       for name in ("bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
                    "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn")},
    **{np.dtype(getattr(ml_dtypes, name)): np.dtype(np.int8) for name in ("int4", "int2")},
    **{np.dtype(getattr(ml_dtypes, name)): np.dtype(np.uint8) for name in ("uint4", "uint2")},
}


def as_numpy(array: np.ndarray) -> np.ndarray:
    """The same numbers in a type that arrays of numpy have by themselves."""
    return array.astype(ARRAY_TYPES.get(array.dtype, array.dtype))


def write_npz(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    """As numpy.savez, which takes no array called 'file' and knows no type of ml_dtypes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            array = as_numpy(array)
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


class Tools:
    """The programs under test, in the `bin` folder of a build, and where modules run."""

    def __init__(self, bin_dir: pathlib.Path, where: device.Device = device.Device()):
        self.bin_dir, self.device = bin_dir, where
        self.compiler = str(bin_dir / "ampc")
        self.runner = str(bin_dir / "ampc-run")

    def list_ops(self) -> dict[str, bool]:
        """Each operator that the importer knows, and whether it has a gradient."""
        return {row[0]: row[3] == "yes" for row in self._table()}

    def allow_list(self) -> set[str]:
        """The operators that compute in low precision by the balanced list for f16."""
        return {row[0] for row in self._table() if row[2] == "allow"}

    def _table(self) -> list[list[str]]:
        rows = [line.split() for line in call(self.compiler, "--list-ops").splitlines()]
        if not rows or rows[0][:4] != ["operator", "opsets", "list", "gradient"]:
            raise SystemExit("ampc --list-ops prints another table than expected")
        return rows[1:]

    def compile(self, model: onnx.ModelProto | pathlib.Path, folder: pathlib.Path,
                flags: tuple[str, ...] = AS_WRITTEN) -> "Compiled":
        """Compiles into `folder`, which is the model's own and outlives the result."""
        if isinstance(model, onnx.ModelProto):
            path = folder / "model.onnx"
            path.write_bytes(model.SerializeToString())
            model = path
        module = folder / "model.so"
        call(self.compiler, str(model), *flags, *self.device.compile_flags(module),
             "-o", str(module))
        return Compiled(self, module)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bin", type=pathlib.Path, required=True,
                        help="folder of ampc and ampc-run")
    device.add_options(parser)


def from_options(options: argparse.Namespace) -> Tools:
    return Tools(options.bin, device.from_options(options))


class Compiled:
    """A compiled module and what it says of its outputs."""

    def __init__(self, tools: Tools, module: pathlib.Path):
        self.tools, self.module = tools, module
        self.info = json.loads(call(tools.runner, "inspect", str(module), "--json"))

    def evaluate(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs for one batch, in the shapes that the module declares."""
        where = self.tools.device
        feed = self.module.with_name("in.npz")
        result = self.module.with_name("out.npz")
        write_npz(feed, inputs)
        call(self.tools.runner, "eval", str(self.module), f"--data={feed}",
             f"--outputs={result}", f"--device={where.name}", "--quiet",
             environment=where.environment(self.module))
        outputs = {}
        with np.load(result) as archive:
            for spec in self.info["outputs"]:
                array = archive[spec["name"]]
                # ampc-run stacks what belongs to no sample, one value a batch.
                if array.ndim == len(spec["shape"]) + 1 and array.shape[0] == 1:
                    array = array[0]
                outputs[spec["name"]] = array
        return outputs

    def train(self, batch: dict[str, np.ndarray], steps: int, *flags: str) -> list[dict]:
        """The lines of the log of a new session's steps, all with the same batch."""
        where = self.tools.device
        feed, log = self.module.with_name("in.npz"), self.module.with_name("log.jsonl")
        write_npz(feed, batch)
        log.unlink(missing_ok=True)
        call(self.tools.runner, "train", str(self.module), f"--data={feed}", f"--steps={steps}",
             "--batch-order=file", f"--log={log}", f"--device={where.name}", "--quiet", *flags,
             environment=where.environment(self.module))
        return [json.loads(line) for line in log.read_text().splitlines()]
