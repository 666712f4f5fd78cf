#!/usr/bin/env python3
"""Less memory, the same numbers: with --memory-limit a step computes results again that it has no
room to keep, and trains bit for bit what it trains without.

usage: memory_limit.py BUILD_DIR [--device=host|cuda] [--stand-in=BUILD_DIR]

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "Device"))
import device  # noqa: E402

STEPS = 3
#: Of each example: flags, and the share of its memory that must be enough, parameters included.
NETWORKS = {
    "gpt2": (("--batch=32", "--optimizer=adamw", "--amp-dtype=bf16"), 0.55),
    "bert": (("--batch=32", "--loss=cross_entropy", "--optimizer=adam", "--amp=O0"), 0.65),
    "unet": (("--batch=8", "--loss=mse", "--optimizer=sgd", "--amp-dtype=bf16"), 0.7),
}


class MemoryLimitTest(unittest.TestCase):
    bin: pathlib.Path
    device: device.Device

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_tool(self, *command, module: pathlib.Path | None = None):
        return subprocess.run(
            [str(c) for c in command], capture_output=True, text=True, timeout=300,
            env={**os.environ, **(self.device.environment(module) if module else {})})

    def compile(self, name: str, *flags: str, limit: int | None = None):
        """The module, and what the compiler said."""
        module = self.folder / f"{name}-{limit}.so"
        given = () if limit is None else (f"--memory-limit={limit}",)
        done = self.run_tool(self.bin / "ampc", ROOT / f"examples/{name}/{name}.onnx", "-o", module,
                             *flags, *self.device.compile_flags(module), *given)
        return module, done

    def inspect(self, module: pathlib.Path) -> dict:
        done = self.run_tool(self.bin / "ampc-run", "inspect", module, "--json",
                             f"--target={self.device.name}")
        return json.loads(done.stdout)

    def trained(self, module: pathlib.Path, data: pathlib.Path) -> tuple[list[float], dict, bytes]:
        """The losses, and the tensors of the checkpoint behind them."""
        log, checkpoint = self.folder / "log.jsonl", self.folder / "state.safetensors"
        log.unlink(missing_ok=True)
        done = self.run_tool(
            self.bin / "ampc-run", "train", module, f"--data={data}", f"--steps={STEPS}",
            "--batch-order=file", f"--log={log}", f"--checkpoint={checkpoint}", "--quiet",
            f"--device={self.device.name}", module=module)
        self.assertEqual(done.returncode, 0, done.stderr)
        steps = [json.loads(line) for line in log.read_text().splitlines()]
        raw = checkpoint.read_bytes()
        begin = 8 + int.from_bytes(raw[:8], "little")
        tensors = json.loads(raw[8:begin])
        del tensors["__metadata__"]  # which says of which module it is
        return [step["loss"] for step in steps if "loss" in step], tensors, raw[begin:]

    def write_data(self, inputs: list[dict]) -> pathlib.Path:
        random = np.random.default_rng(3)
        data = {i["name"]: random.standard_normal(i["shape"]).astype(np.float32)
                if i["dtype"].startswith("f") else random.integers(0, 2, i["shape"])
                for i in inputs}
        path = self.folder / "data.npz"
        np.savez(path, **data)
        return path

    def test_trains_the_same(self) -> None:
        for name, (flags, share) in NETWORKS.items():
            with self.subTest(network=name):
                module, done = self.compile(name, *flags)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("--memory-limit", done.stderr)
                roomy = self.inspect(module)
                limit = int(share * roomy["arena_bytes"])
                small, done = self.compile(name, *flags, limit=limit)
                self.assertEqual(done.returncode, 0, done.stderr)
                said = re.search(r"@train computes (\d+) steps again, which takes about [\d.]+ % "
                                 r"longer, and needs about ([\d.]+) MiB in the place of ([\d.]+)",
                                 done.stderr)
                self.assertTrue(said, done.stderr)
                plan = self.inspect(small)
                self.assertLessEqual(plan["arena_bytes"], limit)
                self.assertEqual(len(plan["steps"]), len(roomy["steps"]) + int(said[1]))
                for said_mebibytes, arena in ((said[2], plan), (said[3], roomy)):
                    # An estimate: it does not know of kernels' own memory, parts of sums, nor what
                    # is computed in place later, each some percent of networks as small as these.
                    self.assertAlmostEqual(float(said_mebibytes) * 2**20 / arena["arena_bytes"], 1,
                                           delta=0.08)
                data = self.write_data(roomy["inputs"])
                losses, *state = self.trained(module, data)
                self.assertEqual(len(losses), STEPS)
                self.assertLess(losses[-1], losses[0])
                again, *same = self.trained(small, data)
                self.assertEqual(again, losses)
                self.assertTrue(same == state)

    def test_says_what_is_too_little(self) -> None:
        module, done = self.compile("gpt2", *NETWORKS["gpt2"][0], limit=200_000)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"error: the program needs \d+ bytes of memory, "
                                      r"--memory-limit allows 200000; a smaller --batch needs less")
        self.assertNotIn("remark: --memory-limit", done.stderr)
        self.assertFalse(module.exists())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    device.add_options(parser)
    options, rest = parser.parse_known_args()
    MemoryLimitTest.bin = options.build.resolve() / "bin"
    MemoryLimitTest.device = device.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
