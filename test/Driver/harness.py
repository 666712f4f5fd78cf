# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the end-to-end tests share: the build under test, a working directory, small models.

Each test is a unittest module that is called with the build directory:

    python test/Driver/NAME.py BUILD_DIR [unittest's arguments]
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import numpy_helper, parser

import ampc_api

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "examples/models"

# Compile flags of the example models, the batch included.
EXAMPLES = {
    "mlp_10_100_10": ["--batch=100", "--optimizer=sgd", "--lr=0.1"],
    "mlp_784_128_10": ["--batch=64", "--loss=cross_entropy", "--optimizer=adam"],
    "autoencoder_tied": ["--batch=32", "--optimizer=adam"],
    "digits": ["--batch=32", "--loss=cross_entropy", "--optimizer=adam"],
}


class Build:
    """The programs and libraries of one build folder."""

    def __init__(self, folder):
        folder = pathlib.Path(folder).resolve()
        self.bin, self.lib = folder / "bin", folder / "lib"
        self.runtime_path = self.lib / "libampc_runtime.so"
        self._runtime = None

    @property
    def runtime(self):
        """Loaded on first use: most tests need programs only."""
        if self._runtime is None:
            self._runtime = ampc_api.Runtime(self.runtime_path)
        return self._runtime

    def ampc(self, *arguments):
        return self.call(self.bin / "ampc", arguments)

    def ampc_run(self, *arguments):
        return self.call(self.bin / "ampc-run", arguments)

    @staticmethod
    def call(program, arguments):
        return subprocess.run([str(program), *map(str, arguments)], capture_output=True,
                              timeout=300, encoding="utf-8", errors="replace")


class Case(unittest.TestCase):
    """Has a build and an empty directory of its own."""

    build = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ampc-test-")
        self.addCleanup(directory.cleanup)
        self.work = pathlib.Path(directory.name)

    def compile(self, model, name, *flags):
        """Compiles `model` into `name`.so, which must succeed; its path."""
        out = self.work / f"{name}.so"
        result = self.build.ampc(model, "-o", out, *flags)
        self.assertEqual(result.returncode, 0, f"ampc {model} {flags}: {result.stderr}")
        return out

    def example(self, name, *flags, out=None):
        return self.compile(MODELS / f"{name}.onnx", out or name, *EXAMPLES[name], *flags)

    def model(self, name, text, **weights):
        """An ONNX model from its text form, with weights as initializers; its path."""
        path = self.work / f"{name}.onnx"
        proto = parser.parse_model(text)
        for key, value in weights.items():
            proto.graph.initializer.append(
                numpy_helper.from_array(np.asarray(value), key))
        onnx.save(proto, path)
        return path

    def data(self, name):
        """The npz file of an example's data set."""
        stem = {"digits": "digits-train"}.get(name, name)
        if not (self.work / f"{stem}.npz").exists():
            subprocess.run([sys.executable, ROOT / "examples/data.py", name, self.work],
                           check=True, stdout=subprocess.DEVNULL)
        return self.work / f"{stem}.npz"

    def open(self, path):
        module = self.build.runtime.open(path)
        self.addCleanup(module.close)
        return module

    def session(self, module, **options):
        session = module.session(**options)
        self.addCleanup(session.close)  # cleanups run last in, first out
        return session

    def assertSameBits(self, a, b, message=None):
        self.assertEqual((a.dtype, a.shape), (b.dtype, b.shape), message)
        self.assertEqual(a.tobytes(), b.tobytes(), message)


def mlp(case, name, widths, batch, seed=0, loss=True):
    """A classifier x [batch, widths[0]], target [batch] -> loss, logits; Gemm and Relu."""
    random = np.random.RandomState(seed)
    weights, lines, value = {}, [], "x"
    for i, (k, n) in enumerate(zip(widths, widths[1:])):
        weights[f"fc{i}_weight"] = (random.randn(k, n) / np.sqrt(k)).astype(np.float32)
        weights[f"fc{i}_bias"] = (random.randn(n) / 8).astype(np.float32)
        last = i + 2 == len(widths)
        out = "logits" if last else f"hidden{i}"
        lines.append(f"{out} = Gemm({value}, fc{i}_weight, fc{i}_bias)")
        if not last:
            lines.append(f"relu{i} = Relu({out})")
            value = f"relu{i}"
    inputs, outputs = f"float[{batch},{widths[0]}] x", f"float[{batch},{widths[-1]}] logits"
    if loss:
        lines.append("loss = SoftmaxCrossEntropyLoss(logits, target)")
        inputs, outputs = f"{inputs}, int64[{batch}] target", f"float loss, {outputs}"
    text = (f'<ir_version: 8, opset_import: ["" : 17]> {name} ({inputs}) => ({outputs}) '
            "{ %s }" % " ".join(line for line in lines))
    return case.model(name, text, **weights)


def classes(batch, width, count, seed=0):
    """A batch that a linear classifier can learn."""
    random = np.random.RandomState(seed)
    x = random.randint(-64, 65, (batch, width)).astype(np.float32) / 64
    teacher = np.random.RandomState(77).randn(width, count)
    return {"x": x, "target": np.argmax(x @ teacher, axis=1).astype(np.int64)}


def read_log(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(f"usage: {sys.argv[0]} BUILD_DIR [unittest's arguments]")
    Case.build = Build(sys.argv.pop(1))
    unittest.main(verbosity=2)
