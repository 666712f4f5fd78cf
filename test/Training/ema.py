# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Moving averages of parameters (--ema): the formula of torch.optim.swa_utils, after applied
updates only, in checkpoints, evaluated and exported.

    python test/Training/ema.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Device"))
import device_case  # noqa: E402
import ampc_api  # noqa: E402
import harness  # noqa: E402

BATCH, WIDTH, CLASSES = 4, 6, 3
EPSILON = 2.0**-24


def lerp(a, b, weight):
    """torch.lerp, in f64."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return a + weight * (b - a) if weight < 0.5 else b - (b - a) * (1 - weight)


class Averages(device_case.Case):
    def module(self, name, decay, *flags):
        model = harness.mlp(self, name, [WIDTH, 8, CLASSES], BATCH)
        return self.open(self.compile(model, name, f"--ema={decay}", "--optimizer=adam",
                                      "--lr=0.05", "--amp-dtype=f16", *flags))

    def check(self, name, decay, *flags, micro=1):
        module = self.module(name, decay, *flags)
        parameters = module.names("parameter")
        self.assertEqual(len(parameters), 4)
        session = self.session(module)
        means = None
        for step in range(8):
            batch = harness.classes(BATCH, WIDTH, CLASSES, step)
            if step in (0, 4):  # also before there is an average
                batch["x"] = batch["x"] * np.float32(1e30)
            before = {n: session.get(f"ampc.ema/{n}") for n in parameters}
            for _ in range(micro):
                info = session.step(session.batch(batch))
            self.assertEqual(bool(info.applied), step not in (0, 4))
            for n in parameters:
                average, weight = session.get(f"ampc.ema/{n}"), session.get(n)
                if not info.applied:
                    self.assertSameBits(average, before[n])
                elif means is None:
                    self.assertSameBits(average, weight)
                else:
                    # Three roundings of terms no larger than the average and its way.
                    wanted = lerp(before[n], weight, 1 - decay)
                    size = np.abs(before[n]) + np.abs(weight)
                    self.assertTrue((np.abs(average - wanted) <= 3 * EPSILON * size).all(), n)
                    self.assertFalse(np.array_equal(average, weight))
            means = means or info.applied or None

    def test_formula(self):
        for decay in (0.25, 0.9, 0.999):
            with self.subTest(decay):
                self.check(f"d{int(decay * 1000)}", decay)

    def test_with_others(self):
        self.check("micro", 0.9, "--accumulate=2", "--clip-grad-norm=1", micro=2)

    def test_nothing_else_changes(self):
        """Training has the bits that it has without."""
        model = harness.mlp(self, "plain", [WIDTH, 8, CLASSES], BATCH)
        flags = ("--optimizer=adam", "--lr=0.05", "--amp-dtype=f16")
        with_it = self.session(self.module("with", 0.9))
        without = self.session(self.open(self.compile(model, "without", *flags)))
        for step in range(6):
            batch = with_it.batch(harness.classes(BATCH, WIDTH, CLASSES, step))
            with_it.step(batch)
            without.step(batch)
        for n in without.module.names("parameter", "state"):
            self.assertSameBits(with_it.get(n), without.get(n), n)


class Tools(harness.Case):
    def setUp(self):
        super().setUp()
        self.data_file = self.work / "data.npz"
        np.savez(self.data_file, **harness.classes(40, WIDTH, CLASSES))
        self.model_file = harness.mlp(self, "m", [WIDTH, 8, CLASSES], BATCH)
        self.so = self.compile(self.model_file, "m", "--ema=0.9", "--target=host", "--optimizer=sgd",
                               "--lr=0.5", "--amp=O0")
        self.checkpoint = self.work / "c.safetensors"

    def good(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def train(self):
        self.good(self.build.ampc_run("train", self.so, f"--data={self.data_file}", "--quiet",
                                      "--epochs=2", f"--checkpoint={self.checkpoint}"))

    def evaluate(self, name, *flags):
        self.good(self.build.ampc_run("eval", self.so, f"--data={self.data_file}", "--quiet",
                                      f"--checkpoint={self.checkpoint}",
                                      f"--outputs={self.work / name}.npz", *flags))
        return np.load(self.work / f"{name}.npz")["logits"]

    def test_eval_and_export(self):
        self.train()
        plain, averaged = self.evaluate("plain"), self.evaluate("averaged", "--ema")
        self.assertGreater(np.abs(plain - averaged).max(), 1e-3)
        with self.build.runtime.open(self.so) as module, module.session() as session:
            session.load(self.checkpoint)
            names = module.names("parameter")
            averages = {n: session.get(f"ampc.ema/{n}") for n in names}
            weights = {n: session.get(n) for n in names}
        x = np.load(self.data_file)["x"].astype(np.float64)

        def logits(w):
            return (np.maximum(x @ w["fc0_weight"] + w["fc0_bias"], 0) @ w["fc1_weight"]
                    + w["fc1_bias"])
        np.testing.assert_allclose(averaged.reshape(-1, CLASSES), logits(averages), rtol=0,
                                   atol=2e-5)
        for flags, wanted in (((), weights), (("--ema-weights",), averages)):
            out = self.work / "trained.onnx"
            self.good(self.build.ampc(self.model_file, f"--checkpoint={self.checkpoint}",
                                      "--emit=onnx", "-o", out, *flags))
            found = {t.name: numpy_helper.to_array(t) for t in onnx.load(out).graph.initializer}
            for n in names:
                self.assertSameBits(found[n], wanted[n], n)

    def test_errors(self):
        out = self.work / "never"
        for flags in (["--ema=0"], ["--ema=1"], ["--ema=-0.5"], ["--ema=nan"], ["--ema-weights"],
                      ["--onnx-dtype=f16"], ["--onnx-dtype=f64"], ["--ema=0.9", "--loss=none"]):
            with self.subTest(flags):
                result = self.build.ampc(self.model_file, "-o", out, *flags)
                self.assertEqual((result.returncode, result.stderr.count("error:")), (2, 1))
        other = self.compile(self.model_file, "other", "--target=host")
        self.train()
        before = self.checkpoint.read_bytes()
        data = f"--data={self.data_file}"
        for said, result in (
                ("keeps no averages", self.build.ampc_run("eval", other, data, "--ema", "--quiet",
                                                          f"--outputs={out}.npz")),
                ("no update has been applied", self.build.ampc_run(
                    "eval", self.so, data, "--ema", "--quiet", f"--outputs={out}.npz"))):
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stderr.count("error:"), 1, result.stderr)
            self.assertIn(said, result.stderr)
        self.good(self.build.ampc_run("train", other, data, "--quiet",
                                      f"--checkpoint={self.work / 'o.safetensors'}"))
        result = self.build.ampc(self.model_file, f"--checkpoint={self.work / 'o.safetensors'}",
                                 "--emit=onnx", "--ema-weights", "-o", out)
        self.assertEqual((result.returncode, result.stderr.count("error:")), (1, 1), result.stderr)
        self.assertIn("was trained without --ema", result.stderr)
        result = self.build.ampc_run("train", other, data, f"--resume={self.checkpoint}")
        self.assertEqual(result.returncode, 1)
        self.assertIn("'ampc.ema/..' is unknown to the model (4 tensors)", result.stderr)
        self.assertEqual(self.checkpoint.read_bytes(), before)
        self.assertFalse(list(self.work.glob("never*")))


if __name__ == "__main__":
    device_case.main()
