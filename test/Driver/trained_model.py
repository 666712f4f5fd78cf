#!/usr/bin/env python3
"""Trained weights go back into the ONNX file (--emit=onnx --checkpoint): it computes what `ampc-run
eval` does, as onnx's reference evaluator has it, and keeps its symbols, names and everything else.

usage: trained_model.py BUILD_DIR [unittest's options]

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "examples/models"
BIN = pathlib.Path(sys.argv[1]).resolve() / "bin"
# f32 through a few layers, summed in another order.
TOLERANCE = 1e-5
BATCH = 4
#: Files, and flags for a step.
CASES = {
    "digits": ("--loss=cross_entropy",),
    "mlp_10_100_10": (),
    "convnet": ("--loss=cross_entropy",),
    "batch_norm_net": ("--loss=cross_entropy",),
    "autoencoder_tied": (),
    "bag_of_tokens": ("--loss=cross_entropy",),
}


#: Exports with one initializer for several equal parameters, which training makes different; of a
#: fixed batch.
MERGED = ("convnext-script-eval-plain", "smallllama-dynamo-eval-folded", "mixer-dynamo-eval-folded")


def run(*command) -> subprocess.CompletedProcess:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)


class TrainedModelTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def good(self, *command) -> subprocess.CompletedProcess:
        done = run(*command)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def inputs_of(self, graph: onnx.GraphProto) -> dict[str, np.ndarray]:
        random = np.random.default_rng(1)
        own = {i.name for i in graph.initializer}
        data = {}
        for value in graph.input:
            if value.name in own:
                continue
            tensor = value.type.tensor_type
            shape = [d.dim_value or BATCH for d in tensor.shape.dim]
            is_float = tensor.elem_type == TensorProto.FLOAT
            data[value.name] = (random.random(shape).astype(np.float32) if is_float
                                else random.integers(0, 8, shape))
        return data

    def train(self, model: pathlib.Path, flags, data: dict, steps: int = 3,
              batch=(f"--batch={BATCH}",)) -> pathlib.Path:
        """The checkpoint behind some steps; module.so and data.npz lie beside it."""
        module, checkpoint = self.folder / "module.so", self.folder / "trained.safetensors"
        self.good(BIN / "ampc", model, "-o", module, "--target=host", *batch, "--amp=O0",
                   "--optimizer=sgd", "--lr=0.2", *flags)
        arrays = dict(data)
        if any(flag.startswith("--loss=cross_entropy") for flag in flags):
            arrays["target"] = np.arange(BATCH, dtype=np.int64) % 2
        np.savez(self.folder / "data.npz", **arrays)
        self.good(BIN / "ampc-run", "train", module, f"--data={self.folder / 'data.npz'}",
                  f"--steps={steps}", f"--checkpoint={checkpoint}", "--quiet")
        return checkpoint

    def evaluated(self, checkpoint: pathlib.Path) -> dict[str, np.ndarray]:
        outputs = self.folder / "outputs.npz"
        self.good(BIN / "ampc-run", "eval", self.folder / "module.so",
                  f"--data={self.folder / 'data.npz'}", f"--checkpoint={checkpoint}",
                  f"--outputs={outputs}", "--quiet")
        return dict(np.load(outputs))

    def written(self, model: pathlib.Path, checkpoint: pathlib.Path, *flags) -> onnx.ModelProto:
        path = self.folder / "trained.onnx"
        self.good(BIN / "ampc", model, f"--checkpoint={checkpoint}", "--emit=onnx", "-o", path,
                  *flags)
        return onnx.load(path)

    def compare(self, model: pathlib.Path, flags=()) -> onnx.ModelProto:
        before = onnx.load(model)
        data = self.inputs_of(before.graph)
        checkpoint = self.train(model, flags, data)
        want = self.evaluated(checkpoint)
        trained = self.written(model, checkpoint)
        names = [o.name for o in trained.graph.output]
        found = dict(zip(names, ReferenceEvaluator(trained).run(None, data)))
        untrained = dict(zip([o.name for o in before.graph.output],
                             ReferenceEvaluator(before).run(None, data)))
        self.assertTrue(names)
        for name in names:
            bound = TOLERANCE * max(1, np.abs(want[name]).max())
            np.testing.assert_allclose(found[name], want[name], rtol=0, atol=bound)
            self.assertGreater(np.abs(found[name] - untrained[name]).max(), 100 * bound)
        return trained

    def test_computes_what_eval_does(self) -> None:
        for name, flags in CASES.items():
            with self.subTest(model=name):
                model = MODELS / f"{name}.onnx"
                trained, before = self.compare(model, flags), onnx.load(model)
                onnx.checker.check_model(trained, full_check=True)
                self.assertEqual([i for i in trained.graph.input], [i for i in before.graph.input])
                self.assertEqual(len(trained.graph.node), len(before.graph.node))
                self.assertEqual(trained.opset_import, before.opset_import)

    def test_parameters_that_the_exporter_merged(self) -> None:
        """Each gets an initializer of its own."""
        archive = zipfile.ZipFile(ROOT / "test/Training/exports/exports.zip")
        cases = json.loads(archive.read("cases.json"))["cases"]
        for name in MERGED:
            with self.subTest(model=name):
                model = pathlib.Path(archive.extract(cases[name]["model"], self.folder))
                before = onnx.load(model).graph
                shape = [d.dim_value for d in before.input[0].type.tensor_type.shape.dim]
                random = np.random.default_rng(4)
                x = (random.integers(0, 40, shape) if cases[name]["sample"][0] == "ids"
                     else random.standard_normal(shape).astype(np.float32))
                inputs = {before.input[0].name: x}
                output = cases[name]["output"]
                checkpoint = self.train(model, ("--loss=mse",), {
                    **inputs, "target": np.full(output, 0.25, np.float32)}, batch=())
                want = self.evaluated(checkpoint)[before.output[0].name]
                trained = self.written(model, checkpoint)
                self.assertGreater(len(trained.graph.initializer), len(before.initializer))
                found = ReferenceEvaluator(trained).run(None, inputs)[0]
                self.assertEqual(want.shape, (1, *found.shape))  # a value for each batch
                bound = TOLERANCE * max(1, np.abs(want).max())
                np.testing.assert_allclose(found, want[0], rtol=0, atol=bound)

    def test_weights_among_attributes(self) -> None:
        """Those of scikit-learn's exporter go back to where they were."""
        node = helper.make_node("LinearRegressor", ["x"], ["y"], domain="ai.onnx.ml",
                                coefficients=[0.5, -1.0, 0.25, 2.0], intercepts=[0.125], targets=1)
        graph = helper.make_graph(
            [node], "linear", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])])
        path = self.folder / "linear.onnx"
        onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[
            helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]), path)
        x = np.random.default_rng(6).standard_normal((BATCH, 4)).astype(np.float32)
        checkpoint = self.train(path, ("--loss=mse",), {"x": x, "target": np.ones((BATCH, 1),
                                                                                 np.float32)})
        want = self.evaluated(checkpoint)["y"]
        trained = self.written(path, checkpoint)
        self.assertEqual(len(trained.graph.initializer), 0)
        self.assertNotEqual(list(trained.graph.node[0].attribute[0].floats),
                            list(node.attribute[0].floats))
        found = ReferenceEvaluator(trained).run(None, {"x": x})[0]
        np.testing.assert_allclose(found, want, rtol=TOLERANCE, atol=TOLERANCE)

    def test_narrow_weights(self) -> None:
        """In f16 and bf16 the file has the rounded weights, cast back for a graph in f32."""
        for name, dtype, kind in (("mlp_10_100_10", "f16", TensorProto.FLOAT16),
                                  ("digits", "bf16", TensorProto.BFLOAT16),
                                  ("autoencoder_tied", "f16", TensorProto.FLOAT16)):
            with self.subTest(model=name, dtype=dtype):
                model = MODELS / f"{name}.onnx"
                data = self.inputs_of(onnx.load(model).graph)
                checkpoint = self.train(model, CASES[name], data)
                wide = self.written(model, checkpoint)
                narrow = self.written(model, checkpoint, f"--onnx-dtype={dtype}")
                onnx.checker.check_model(narrow, full_check=True)
                found = {t.name: t for t in narrow.graph.initializer}
                rounded = 0
                for tensor in wide.graph.initializer:
                    if tensor.name in found:
                        continue
                    weight = numpy_helper.to_array(tensor)
                    other = found[f"{tensor.name}.{dtype}"]
                    self.assertEqual(other.data_type, kind)
                    value = numpy_helper.to_array(other).astype(np.float32)
                    # Half of a unit in the last place, and of the least subnormal.
                    part, least = (2.0**-11, 2.0**-25) if dtype == "f16" else (2.0**-8, 0)
                    self.assertTrue((np.abs(value - weight) <= part * np.abs(weight) + least).all())
                    tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
                    rounded += 1
                self.assertGreater(rounded, 1)
                self.assertEqual(len(narrow.graph.node), len(wide.graph.node) + rounded)
                for a, b in zip(ReferenceEvaluator(narrow).run(None, data),
                                ReferenceEvaluator(wide).run(None, data)):
                    np.testing.assert_array_equal(a, b)

    def test_weights_that_f16_does_not_hold(self) -> None:
        model = onnx.load(self.model())
        values = {t.name: numpy_helper.to_array(t).copy() for t in model.graph.initializer}
        values["v"][3, 4] = 70000
        for tensor in model.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))
        path = self.folder / "large.onnx"
        onnx.save(model, path)
        x = {"x": np.zeros((BATCH, 8), np.float32), "target": np.zeros((BATCH, 8), np.float32)}
        checkpoint = self.train(path, ("--loss=mse", "--train=^[wv]$"), x)
        out = self.folder / "narrow.onnx"
        command = (BIN / "ampc", path, f"--checkpoint={checkpoint}", "--emit=onnx", "-o", out,
                   "--train=^[wv]$")
        done = run(*command, "--onnx-dtype=f16")
        self.assertEqual((done.returncode, done.stderr.count("error:")), (1, 1), done.stderr)
        self.assertIn("the weight 'v' has values that it does not hold", done.stderr)
        self.assertFalse(out.exists())
        self.good(*command, "--onnx-dtype=bf16")

    def test_inference_form(self) -> None:
        """A layer of training mode is one of inference in what is written; what it gave in
        training only is gone."""
        trained = self.written(MODELS / "batch_norm_net.onnx", self.train(
            MODELS / "batch_norm_net.onnx", CASES["batch_norm_net"],
            self.inputs_of(onnx.load(MODELS / "batch_norm_net.onnx").graph)))
        norms = [n for n in trained.graph.node if n.op_type == "BatchNormalization"]
        self.assertTrue(norms)
        for node in norms:
            self.assertEqual(len(node.output), 1)
            self.assertEqual([a.i for a in node.attribute if a.name == "training_mode"], [0])

    def model(self, dtype=TensorProto.FLOAT, external=False, shared=False) -> pathlib.Path:
        """y = tanh(x w) v, with `shared` v = w."""
        random = np.random.default_rng(2)
        kind = helper.tensor_dtype_to_np_dtype(dtype)
        values = {name: numpy_helper.from_array(
            (random.standard_normal((8, 8)) / 2).astype(kind), name) for name in ("w", "v")}
        second = "w" if shared else "v"
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["h"]),
             helper.make_node("Tanh", ["h"], ["a"]),
             helper.make_node("MatMul", ["a", second], ["y"])], "two",
            [helper.make_tensor_value_info("x", dtype, ["N", 8])],
            [helper.make_tensor_value_info("y", dtype, ["N", 8])],
            [values["w"]] if shared else list(values.values()))
        path = self.folder / "model.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                    ir_version=8), path, save_as_external_data=external,
                  size_threshold=0, location="model.onnx.data")
        return path

    def test_data_beside_the_file(self) -> None:
        """The new file needs none of the old one's."""
        model = self.model(external=True)
        x = np.random.default_rng(3).random((BATCH, 8)).astype(np.float32)
        checkpoint = self.train(model, ("--loss=mse",), {"x": x, "target": np.ones_like(x)})
        want = self.evaluated(checkpoint)["y"]
        path = self.folder / "elsewhere"
        path.mkdir()
        self.good(BIN / "ampc", model, f"--checkpoint={checkpoint}", "--emit=onnx", "-o",
                  path / "trained.onnx", "--freeze=^v$")
        (self.folder / "model.onnx.data").unlink()
        found = ReferenceEvaluator(onnx.load(path / "trained.onnx")).run(None, {"x": x})[0]
        np.testing.assert_allclose(found, want, rtol=TOLERANCE, atol=TOLERANCE)
        self.assertEqual([p.name for p in path.iterdir()], ["trained.onnx"])

    def test_data_are_not_overwritten(self) -> None:
        model, data = self.model(external=True), self.folder / "model.onnx.data"
        x = np.random.default_rng(3).random((BATCH, 8)).astype(np.float32)
        checkpoint = self.train(model, ("--loss=mse",), {"x": x, "target": np.ones_like(x)})
        before = data.read_bytes()
        done = run(BIN / "ampc", model, f"--checkpoint={checkpoint}", "--emit=onnx", "-o", data)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "error: .*model.onnx.data.*external data")
        self.assertEqual(data.read_bytes(), before)

    def test_types_of_the_file(self) -> None:
        """Masters of weights in 16 bits are rounded back to them."""
        model = self.model(TensorProto.FLOAT16)
        x = np.random.default_rng(3).random((BATCH, 8)).astype(np.float16)
        checkpoint = self.train(model, ("--loss=mse",), {"x": x, "target": np.ones_like(x)})
        trained = self.written(model, checkpoint)
        raw = checkpoint.read_bytes()
        size = int.from_bytes(raw[:8], "little")
        entry = json.loads(raw[8:8 + size])["w"]
        self.assertEqual(entry["dtype"], "F32")
        begin, end = (8 + size + at for at in entry["data_offsets"])
        master = np.frombuffer(raw[begin:end], np.float32).reshape(8, 8)
        values = {i.name: numpy_helper.to_array(i) for i in trained.graph.initializer}
        self.assertEqual(values["w"].dtype, np.float16)
        np.testing.assert_array_equal(values["w"], master.astype(np.float16))

    def test_mistakes(self) -> None:
        """One error each, exit 1 or 2, and nothing written."""
        model = self.model()
        x = np.random.default_rng(3).random((BATCH, 8)).astype(np.float32)
        data = {"x": x, "target": np.ones_like(x)}
        checkpoint = self.train(model, ("--loss=mse",), data)
        raw = checkpoint.read_bytes()
        other = self.folder / "other.safetensors"
        out = self.folder / "out.onnx"

        def fails(code: int, text: str, *flags, content: bytes | None = None,
                  file: pathlib.Path = model) -> None:
            if content is not None:
                other.write_bytes(content)
            done = run(BIN / "ampc", file, "-o", out, *flags)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertRegex(done.stderr, text)
            self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
            self.assertFalse(out.exists())

        emit = ("--emit=onnx", f"--checkpoint={other}")
        fails(1, "is damaged: its bytes have the checksum", *emit,
              content=raw[:-1] + bytes([raw[-1] ^ 1]))
        fails(2, "--emit=onnx: needs the trained weights: --checkpoint=FILE", "--emit=onnx")
        fails(2, "--checkpoint: goes with --emit=onnx", f"--checkpoint={checkpoint}")
        fails(1, "cannot be opened", "--emit=onnx", "--checkpoint=/nonexistent")
        fails(1, "is no safetensors file .* it has 3 bytes", *emit, content=b"abc")
        fails(1, "its header would have", *emit, content=b"\xff" * 64)
        fails(1, "its header:", *emit, content=(2).to_bytes(8, "little") + b"{x" + raw)
        header = b'{"w":{"dtype":"F32","shape":[8,8],"data_offsets":[0,99999]}}'
        fails(1, "the entry of 'w' has no type, shape and place", *emit,
              content=len(header).to_bytes(8, "little") + header)
        header = b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},' \
                 b'"v":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
        fails(1, "another model.*its '[wv]' is not 8x8xf32", *emit,
              content=len(header).to_bytes(8, "little") + header + bytes(16))
        smaller = self.model(shared=True)
        fails(1, "another model.*it holds 'v', which is no initializer", "--emit=onnx",
              f"--checkpoint={checkpoint}", file=smaller)
        header = b'{"w":{"dtype":"F32","shape":[8,8],"data_offsets":[0,256]}}'
        fails(1, "another model.*it lacks the parameter 'v'", *emit, file=self.model(),
              content=len(header).to_bytes(8, "little") + header + bytes(256))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
