# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Running statistics of batch norm: each step moves them, a skipped step does not, evaluation
reads them, checkpoints keep them, and nothing trains them.

    python test/Training/running_statistics.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Device"))
import device_case  # noqa: E402

BATCH, CHANNELS, WIDTH, CLASSES = 8, 3, 5, 4
MOMENTUM, EPSILON = np.float32(0.75), np.float32(1e-3)
MODEL = f"""
<ir_version: 8, opset_import: ["" : 15]>
network (float[{BATCH}, {CHANNELS}, {WIDTH}] x, int64[{BATCH}] target) => (float loss, float[{BATCH}, {CLASSES}] logits)
{{
  h, m, v = BatchNormalization<training_mode = 1, momentum = {MOMENTUM}, epsilon = {EPSILON}>(x, scale, bias, mean, variance)
  f = Flatten(h)
  logits = MatMul(f, weight)
  loss = SoftmaxCrossEntropyLoss(logits, target)
}}
"""
STATISTICS = ["mean", "variance"]


class RunningStatistics(device_case.Case):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(1)
        self.weights = {
            "scale": random.uniform(0.5, 1.5, CHANNELS), "bias": random.normal(size=CHANNELS),
            "mean": random.normal(size=CHANNELS), "variance": random.uniform(0.5, 1.5, CHANNELS),
            "weight": random.normal(size=(CHANNELS * WIDTH, CLASSES))}
        self.weights = {k: v.astype(np.float32) for k, v in self.weights.items()}

    def trained(self, name, *flags):
        model = self.model(name, MODEL, **self.weights)
        module = self.open(self.compile(model, name, "--loss=output:loss", "--optimizer=sgd",
                                        "--lr=0.1", *flags))
        self.assertEqual(module.names("state"), STATISTICS)
        self.assertEqual(sorted(module.names("parameter")), ["bias", "scale", "weight"])
        return module, self.session(module)

    @staticmethod
    def data(seed):
        random = np.random.default_rng(seed)
        x = random.normal(1.5, 2, (BATCH, CHANNELS, WIDTH)).astype(np.float32)
        return {"x": x, "target": random.integers(0, CLASSES, BATCH)}

    @staticmethod
    def moved(before, x):
        x = x.astype(np.float64)
        return {"mean": before["mean"] * MOMENTUM + x.mean((0, 2)) * (1 - MOMENTUM),
                "variance": before["variance"] * MOMENTUM + x.var((0, 2)) * (1 - MOMENTUM)}

    def logits(self, state, x):
        x = x.astype(np.float64)
        inverse = 1 / np.sqrt(state["variance"].astype(np.float64) + EPSILON)
        h = (x - state["mean"][:, None]) * (inverse * state["scale"])[:, None]
        return (h + state["bias"][:, None]).reshape(BATCH, -1) @ state["weight"]

    def check(self, name, *flags, low=False):
        module, session = self.trained(name, *flags)
        names = module.names("parameter", "state")
        get = lambda: {n: session.get(n) for n in names}  # noqa: E731
        # The input is rounded where it is read in the low type; all else is f32.
        tolerance = 2e-3 if low else 2e-6
        for seed in range(3):
            before, data = get(), self.data(seed)
            self.assertTrue(session.step(session.batch(data)).applied)
            after = get()
            for key, expected in self.moved(before, data["x"]).items():
                np.testing.assert_allclose(after[key], expected, rtol=tolerance, atol=tolerance)
                self.assertGreater(np.abs(after[key] - before[key]).min(), 10 * tolerance)
        state, data = get(), self.data(9)
        logits = session.evaluate(session.batch(data))["logits"]
        expected = self.logits(state, data["x"])
        scale = np.abs(expected).max()
        np.testing.assert_allclose(logits, expected, atol=tolerance * 5 * scale)
        other = self.logits({**state, **{k: self.weights[k] for k in STATISTICS}}, data["x"])
        self.assertGreater(np.abs(other - expected).max(), 50 * tolerance * scale)
        for key, value in get().items():
            self.assertSameBits(value, state[key], f"evaluation changed {key}")
        return module, session, state

    def test_levels(self):
        for level in ("O0", "O1", "O2"):
            with self.subTest(level):
                self.check(level, f"--amp={level}", low=level != "O0")
        self.check("O2f32", "--amp=O2", "--amp-keep-fp32=.*")
        self.check("bf16", "--amp=O1", "--amp-dtype=bf16", low=True)

    def test_skipped_step(self):
        module, session, before = self.check("skipped", low=True)
        bad = self.data(4)
        bad["x"][0, 0, 0] = np.inf
        self.assertFalse(session.step(session.batch(bad)).applied)
        for key, value in before.items():
            self.assertSameBits(session.get(key), value, key)
        self.assertTrue(session.step(session.batch(self.data(5))).applied)
        for key, value in before.items():
            self.assertNotEqual(session.get(key).tobytes(), value.tobytes(), key)

    def test_checkpoint(self):
        module, session, before = self.check("saved", low=True)
        path = self.work / "saved.safetensors"
        session.save(path)
        loaded = self.session(module)
        self.assertTrue(loaded.load(path))
        for step in range(2):
            for key in before:
                self.assertSameBits(loaded.get(key), session.get(key), f"{step}: {key}")
            for each in (session, loaded):
                each.step(each.batch(self.data(6)))
        # They lie in the file under the initializers' names.
        self.assertIn(b'"mean":', path.read_bytes())

    def test_frozen_statistics(self):
        """--train-mode=off normalizes by the file's statistics, which stay as they are."""
        model = self.model("off", MODEL, **self.weights)
        module = self.open(self.compile(model, "off", "--loss=output:loss", "--optimizer=sgd",
                                        "--train-mode=off", "--amp=O0"))
        session = self.session(module)
        self.assertNotIn("mean", module.names("state", "parameter"))
        data = self.data(0)
        loss = float(session.evaluate(session.batch(data))["loss"])
        self.assertTrue(session.step(session.batch(data)).applied)
        self.assertAlmostEqual(session.info.loss, loss, places=5)


if __name__ == "__main__":
    device_case.main()
