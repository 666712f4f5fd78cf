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


# Two entries, of which each has an update in plain operators; both initialize.
ENTRIES = """<ir_version: 8, opset_import: ["" : 17, "ai.onnx.preview.training" : 1]>
network (float[4, 3] x) => (float[4, 2] y)
<float[3, 2] w = {1, 2, 3, 4, 5, 6}, float[2] b = {1, 2}>
{
  p = MatMul(x, w)
  y = Add(p, b)
}
%training_info
%algorithm
weights () => (float[3, 2] w_new, float[3, 2] v_new, int64 T_new, float loss)
<float[3, 2] v = {0, 0, 0, 0, 0, 0}, int64 T = {0}, int64 one = {1}, float R = {0.125}, float alpha = {0.5}>
{
  s = Mul(y, y)
  loss = ReduceMean<keepdims = 0>(s)
  g = ai.onnx.preview.training.Gradient<xs = ["w"], y = "loss">(w)
  kept = Mul(alpha, v)
  v_new = Add(kept, g)
  d = Mul(R, v_new)
  w_new = Sub(w, d)
  T_new = Add(T, one)
}
%update w = w_new
%update v = v_new
%update T = T_new
%initialization
draw () => (float[3, 2] w0, int64 T0)
{
  w0 = RandomUniform<shape = [3, 2], low = 0.5, high = 1.5>()
  T0 = Constant<value_int = 5>()
}
%initialize w = w0
%initialize T = T0
%training_info
%algorithm
biases () => (float[2] b_new, float loss)
<float R = {0.25}>
{
  s = Mul(y, y)
  loss = ReduceMean<keepdims = 0>(s)
  g = ai.onnx.preview.training.Gradient<xs = ["b"], y = "loss">(b)
  d = Mul(R, g)
  b_new = Sub(b, d)
}
%update b = b_new
%initialization
half () => (float[2] b0)
<float[2] b0 = {0.5, -0.5}>
{}
%initialize b = b0
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

    def make_entries(self):
        path = self.work / "entries.onnx"
        subprocess.run([sys.executable, MAKE_MODEL, path], input=ENTRIES, text=True, check=True)
        return path

    def test_entries_and_their_initialization(self):
        path = self.make_entries()
        for chosen in (0, 1):
            module = self.open(self.compile(path, f"entry{chosen}", "--amp=O0",
                                            f"--training-info={chosen}"))
            session, same = self.session(module, seed=7), self.session(module, seed=7)
            other = self.session(module, seed=8)
            w, b = session.get("w"), session.get("b")
            # All initializations have run, those of the entry that does not train too.
            self.assertTrue(((w >= 0.5) & (w < 1.5)).all(), w)
            self.assertGreater(np.unique(w).size, 4)
            self.assertSameBits(w, same.get("w"))
            self.assertNotEqual(w.tobytes(), other.get("w").tobytes())
            np.testing.assert_array_equal(b, [0.5, -0.5])
            wide, bias, v = w.astype(np.float64), b.astype(np.float64), 0.0
            x = self.x.astype(np.float64)
            for _ in range(STEPS):
                y = x @ wide + bias
                loss = session.step(session.batch(x=self.x)).loss
                np.testing.assert_allclose(loss, (y * y).mean(), rtol=1e-6)
                dy = 2 * y / y.size
                if chosen == 0:
                    v = 0.5 * v + x.T @ dy
                    wide = wide - 0.125 * v
                else:
                    bias = bias - 0.25 * dy.sum(axis=0)
            np.testing.assert_allclose(session.get("w"), wide, rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose(session.get("b"), bias, rtol=1e-6, atol=1e-7)
            self.assertSameBits(session.get("b" if chosen == 0 else "w"), b if chosen == 0 else w)
            if chosen == 0:
                self.assertEqual(session.get("T"), 5 + STEPS)
                # A checkpoint's state is not initialized again.
                checkpoint = self.work / "c.safetensors"
                session.save(checkpoint)
                other.load(checkpoint)
                for name in ("w", "v", "T", "b"):
                    self.assertSameBits(other.get(name), session.get(name), name)

    def test_entry_must_be_chosen(self):
        path = self.make_entries()
        for message, *flags in (
                ("has 2 entries of training_info: choose one with --training-info=K, from 0 to 1",),
                ("--training-info=2: the model has 2 entries, counted from 0", "--training-info=2"),
                ("--group=w:lr=1: the model's training_info brings its own optimizer",
                 "--training-info=0", "--group=w:lr=1")):
            result = self.build.ampc(path, "-o", self.work / "x.so", *flags)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(message, result.stderr)

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
