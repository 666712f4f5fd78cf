#!/usr/bin/env python3
"""What JAX, TensorFlow, Paddle and scikit-learn export trains as they train it.

For each file in exports/frameworks.zip, as their exporters wrote it: compiles it with a size for the
batch, which the exporters leave open (with --all for both targets), and compares the losses of some
steps of SGD with the framework's (scikit-learn's: with those of its layers in f64).

usage: frameworks.py BUILD_DIR [--all] [REGEX]

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import zipfile

import numpy as np
import onnx
from onnx import helper

HERE = pathlib.Path(__file__).resolve().parent
# f32 on both sides: roundings, which a few steps of SGD do not amplify.
TOLERANCE = 1e-4


def draw(kind, shape, seed, batch):
    """As exports/record_frameworks.py draws it."""
    random = np.random.RandomState(seed)
    shape = (2 * batch, *shape)
    if kind == "ids":
        return random.randint(0, 40, shape)
    if kind in ("labels", "bits"):
        return random.randint(0, 10, shape) % (2 if kind == "bits" else 10)
    return (random.randint(-64, 65, shape) / 32).astype(np.float32)


class Frameworks(unittest.TestCase):
    build, only, all = pathlib.Path(), re.compile(""), False

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ampc-frameworks-")
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)

    def run_tool(self, tool, *arguments):
        return subprocess.run([str(self.build / "bin" / tool), *map(str, arguments)],
                              capture_output=True, text=True, timeout=300)

    def losses(self, name, case, content):
        module, data, log = (self.work / f"{name}{end}" for end in (".so", ".npz", ".jsonl"))
        batch = content["batch"]
        targets = "cuda,host" if self.all else "host"
        done = self.run_tool("ampc", self.work / f"{name}.onnx", "-o", module, "--amp=O0",
                             f"--target={targets}", f"--batch={batch}", f"--loss={case['loss']}",
                             "--optimizer=sgd", f"--lr={case['lr']}", *case["flags"])
        self.assertEqual(done.returncode, 0, done.stderr)
        arrays = {key: draw(*what, batch) for key, what in case["inputs"].items()}
        np.savez(data, **arrays)
        done = self.run_tool("ampc-run", "train", module, f"--data={data}", "--device=host",
                             "--batch-order=file", f"--steps={content['steps']}", "--quiet",
                             f"--log={log}")
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line)["loss"] for line in log.read_text().splitlines()]

    def test_losses(self):
        archive = zipfile.ZipFile(HERE / "exports" / "frameworks.zip")
        content = json.loads(archive.read("cases.json"))
        archive.extractall(self.work)
        frameworks = {name.split("-")[0] for name in content["cases"]}
        self.assertEqual(frameworks, {"jax", "tensorflow", "paddle", "sklearn"})
        for name, case in content["cases"].items():
            if not self.only.search(name):
                continue
            with self.subTest(name):
                ours = self.losses(name, case, content)
                self.assertEqual(len(ours), len(case["losses"]))
                off = max(abs(a - b) / abs(b) for a, b in zip(ours, case["losses"]))
                print(f"{name}: {off:.0e}", flush=True)
                self.assertLess(off, TOLERANCE, f"{ours}\n instead of {case['losses']}")

    def test_what_no_gradient_trains(self):
        """A forest, and classes that are named by strings."""
        def model(operator, outputs, **attributes):
            graph = helper.make_graph(
                [helper.make_node(operator, ["X"], outputs, "it", domain="ai.onnx.ml", **attributes)],
                "g", [helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, [4, 3])],
                [helper.make_tensor_value_info(outputs[-1], onnx.TensorProto.FLOAT, None)])
            path = self.work / "m.onnx"
            onnx.save(helper.make_model(graph, opset_imports=[
                helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]), path)
            return self.run_tool("ampc", path, "-o", self.work / "m.so", "--loss=mse")

        done = model("TreeEnsembleRegressor", ["y"])
        self.assertEqual(done.returncode, 1)
        self.assertIn("(TreeEnsembleRegressor): the operator is not supported", done.stderr)
        self.assertIn("no gradient trains it", done.stderr)
        done = model("LinearClassifier", ["label", "y"], coefficients=[1.0] * 6,
                     intercepts=[0.0, 1.0], classlabels_strings=["yes", "no"])
        self.assertEqual(done.returncode, 1)
        self.assertIn("its classes are named by strings", done.stderr)
        done = model("LinearRegressor", ["y"], coefficients=[1.0] * 5)
        self.assertEqual(done.returncode, 1)
        self.assertIn("attribute 'coefficients' has 5 numbers for 3 features", done.stderr)


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--all"]
    Frameworks.all = len(arguments) < len(sys.argv) - 1
    Frameworks.build = pathlib.Path(arguments[0])
    Frameworks.only = re.compile(arguments[1] if len(arguments) > 1 else "")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    unittest.main(argv=sys.argv[:1])
