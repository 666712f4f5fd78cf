#!/usr/bin/env python3
"""The recorded compiler gives again what the real one gave, for the same model and flags only.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import numpy_helper

import canonical_model
import recorded_ampc

HERE = pathlib.Path(__file__).resolve().parent
# Writes its flags and the model's size; --bad makes it fail as a user's error does.
COMPILER = """#!/bin/sh
if [ "$2" = --bad ]; then echo "error: $1 is bad" >&2; exit 1; fi
echo "list of ops"
[ -z "$4" ] || { echo "made $4 of $1" >&2; { echo "$2"; wc -c <"$1"; } >"$4"; }
"""
TEXT = """<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 2]>
g (float[2,4] x) => (float[2,4] y) { y = Gemm<alpha = 2.0, beta = 1.0>(x, w, b) }"""


def make_model(scale: float = 1) -> onnx.ModelProto:
    model = onnx.parser.parse_model(TEXT)
    for name, shape in (("w", (4, 4)), ("b", (4,))):
        values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) * np.float32(scale)
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    return model


def rewritten(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model, as another writer may write it."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    other.producer_name, other.producer_version = "another", "2"
    other.graph.doc_string = "says nothing"
    other.graph.node[0].attribute.reverse()
    other.opset_import.reverse()
    for tensor in other.graph.initializer:
        values = numpy_helper.to_array(tensor).ravel().tolist()
        tensor.ClearField("raw_data")
        tensor.float_data.extend(values)
        tensor.data_location = onnx.TensorProto.DEFAULT
    return other


class Recorded(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.store = self.folder / "store"
        compiler = self.folder / "compiler"
        compiler.write_text(COMPILER)
        compiler.chmod(0o755)
        self.recording = {"AMPC_RECORD": str(compiler)}
        self.model = self.write("model.onnx", make_model())

    def write(self, name: str, model: onnx.ModelProto) -> pathlib.Path:
        path = self.folder / name
        path.write_bytes(model.SerializeToString())
        return path

    def call(self, *arguments, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, HERE / "recorded_ampc.py", *map(str, arguments)],
            capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(HERE), "AMPC_STORE": str(self.store),
                 **environment})

    def test_replays_files_streams_and_status(self) -> None:
        first, second = self.folder / "1.so", self.folder / "2.so"
        made = self.call(self.model, "--lr=1", "-o", first, **self.recording)
        copy = self.folder / "elsewhere.onnx"
        copy.write_bytes(self.model.read_bytes())
        again = self.call(copy, "--lr=1", "-o", second)
        self.assertEqual((made.returncode, again.returncode), (0, 0), again.stderr)
        self.assertEqual(first.read_bytes(), second.read_bytes())
        self.assertEqual(again.stderr, f"made {second} of {copy}\n")
        self.assertEqual(again.stdout, "list of ops\n")

    def test_replays_an_error(self) -> None:
        out = self.folder / "out.so"
        for environment in (self.recording, {}):
            done = self.call(self.model, "--bad", "-o", out, **environment)
            self.assertEqual((done.returncode, done.stderr), (1, f"error: {self.model} is bad\n"))
            self.assertFalse(out.exists())

    def test_what_was_not_recorded_is_an_error(self) -> None:
        out = self.folder / "out.so"
        self.call(self.model, "--lr=1", "-o", out, **self.recording)
        for model, flag in ((self.model, "--lr=2"),
                            (self.write("other.onnx", make_model(2)), "--lr=1")):
            done = self.call(model, flag, "-o", out)
            self.assertEqual(done.returncode, recorded_ampc.NOT_RECORDED)
            self.assertIn("was not recorded", done.stderr)

    def test_another_writer_of_the_model_is_answered(self) -> None:
        first, second = self.folder / "1.so", self.folder / "2.so"
        self.call(self.model, "--lr=1", "-o", first, **self.recording)
        entry = json.loads(next((self.store / "entries").iterdir()).read_text())
        key = recorded_ampc.key_of(entry["flags"], entry["asked"],
                                   canonical_model.form(self.model.read_bytes()))
        real = next((self.store / "entries").iterdir()).stem
        (self.store / "canonical.json").write_text(json.dumps({key: real}))
        other = self.write("other.onnx", rewritten(make_model()))
        self.assertNotEqual(other.read_bytes(), self.model.read_bytes())
        done = self.call(other, "--lr=1", "-o", second)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(first.read_bytes(), second.read_bytes())
        # One element, one attribute or one name more is another model.
        for change in (lambda m: setattr(m.graph.initializer[1], "name", "c"),
                       lambda m: setattr(m.graph.node[0].attribute[0], "f", 3.0),
                       lambda m: m.graph.initializer[0].float_data.__setitem__(0, 0.5)):
            changed = rewritten(make_model())
            change(changed)
            done = self.call(self.write("changed.onnx", changed), "--lr=1", "-o", second)
            self.assertEqual(done.returncode, recorded_ampc.NOT_RECORDED)

    def test_external_data_is_refused(self) -> None:
        model = make_model()
        model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
        with self.assertRaises(canonical_model.ExternalData):
            canonical_model.form(model.SerializeToString())


if __name__ == "__main__":
    unittest.main()
