#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A step that the file spells out trains as its formulas say, at the rate of --lr where given.

    python test/Training/training_info.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Device"))
import device_case  # noqa: E402

MAKE_MODEL = HERE.parent.parent / "utils/onnx/make_model.py"
W = np.arange(1, 7, dtype=np.float32).reshape(3, 2) / 4
STEPS = 6
TEXT = """<ir_version: 8, opset_import: ["" : 17, "ai.onnx.preview.training" : 1]>
network (float[4, 3] x) => (float[4, 2] y)
<float[3, 2] w = {%s}>
{
  y = MatMul(x, w)
}
%%training_info
%%algorithm
step () => (float[3, 2] w_new, float[3, 2] v_new, int64 T_new, float loss)
<float[3, 2] v = {0, 0, 0, 0, 0, 0}, int64 T = {0}, float R = {%s}, int64 one = {1}>
{
  s = Mul(y, y)
  loss = ReduceMean<keepdims = 0>(s)
  g = ai.onnx.preview.training.Gradient<xs = ["w"], y = "loss">(w)
  w_new, v_new = ai.onnx.preview.training.Momentum<alpha = 0.9, beta = 0.5, norm_coefficient = 0.01, mode = "nesterov">(R, T, w, g, v)
  T_new = Add(T, one)
}
%%update w = w_new
%%update v = v_new
%%update T = T_new
"""


def formulas(x: np.ndarray, rates: list[float]) -> tuple[list[float], np.ndarray]:
    """Losses and the weight at the end, in f64."""
    w, v, losses = W.astype(np.float64), 0.0, []
    for t, rate in enumerate(rates):
        y = x @ w
        losses.append((y * y).mean())
        g = 0.01 * w + x.T @ (2 * y / y.size)
        v = 0.9 * v + (0.5 if t else 1.0) * g
        w = w - rate * (g + 0.9 * v)
    return losses, w


class TrainingInfo(device_case.Case):
    def make(self, name, rate, *flags):
        path = self.work / f"{name}.onnx"
        text = TEXT % (", ".join(map(str, W.ravel())), rate)
        subprocess.run([sys.executable, MAKE_MODEL, path], input=text, text=True, check=True)
        return self.session(self.open(self.compile(path, name, "--amp=O0", *flags)))

    def train(self, session, rates=None):
        """Losses and the weight at the end; with `rates` set before each step."""
        losses = []
        for step in range(STEPS):
            if rates:
                session.set_learning_rate(rates[step])
            losses.append(session.step(session.batch(x=self.x)).loss)
        return losses, session.get("w")

    def setUp(self):
        super().setUp()
        self.x = np.random.RandomState(0).randint(-8, 9, (4, 3)).astype(np.float32) / 8

    def assertFollows(self, result, rates):
        losses, w = formulas(self.x.astype(np.float64), rates)
        np.testing.assert_allclose(result[0], losses, rtol=1e-6)
        np.testing.assert_allclose(result[1], w, rtol=1e-6, atol=1e-7)

    def test_rate_of_the_file(self):
        session = self.make("given", 0.125)
        self.assertFollows(self.train(session), [0.125] * STEPS)
        self.assertEqual(session.get("T"), STEPS)

    def test_rate_of_the_flag(self):
        given = self.train(self.make("given", 0.125))
        session = self.make("flag", 0.5, "--lr=0.125")
        self.assertSameBits(session.get("ampc.learning_rate"), np.array(0.125, np.float32))
        replaced = self.train(session)
        self.assertEqual(replaced[0], given[0])
        self.assertSameBits(replaced[1], given[1])

    def test_rate_of_the_program(self):
        rates = [0.125, 0.25, 0.0, 0.0625, 0.5, 0.125]
        self.assertFollows(self.train(self.make("set", 9, "--lr=1"), rates), rates)


if __name__ == "__main__":
    device_case.main()
