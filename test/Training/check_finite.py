# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is not finite never reaches the weights: without a loss scale the run ends before the
update, and the message names the tensor; with --check-finite=off it goes on, as PyTorch does.

    python test/Training/check_finite.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Device"))
import device_case  # noqa: E402
import ampc_api  # noqa: E402
import harness  # noqa: E402

STOPPED = 7  # AMPC_STATUS_TRAINING_STOPPED
PRECISIONS = (["--amp=O0"], ["--amp-dtype=bf16"], ["--loss-scale=none"])

# The loss is not finite where c is not, its gradients do not depend on c.
OFFSET = """<ir_version: 8, opset_import: ["" : 17]>
offset (float[4,3] x, float[1] c) => (float cost) {
  y = MatMul(x, w)
  d = Add(y, c)
  cost = ReduceMean<keepdims = 0>(d)
}"""

# Two Gradient nodes: y reaches the first loss through a, the second through b.
TWO_GRADIENTS = """<ir_version: 8, opset_import: ["" : 17, "ai.onnx.preview.training" : 1]>
two (float[4,3] x, float[4,3] z) => (float[4,2] y)
<float[3,2] a = {1, 2, 3, 4, 5, 6}, float[3,2] b = {6, 5, 4, 3, 2, 1}>
{
  y = MatMul(x, a)
}
%training_info
%algorithm
step () => (float[3,2] a_new, float[3,2] b_new)
<float R = {0.125}>
{
  l1 = ReduceMean<keepdims = 0>(y)
  z1 = MatMul(z, b)
  l2 = ReduceMean<keepdims = 0>(z1)
  ga = ai.onnx.preview.training.Gradient<xs = ["a"], y = "l1">(a)
  gb = ai.onnx.preview.training.Gradient<xs = ["b"], y = "l2">(b)
  ra = Mul(R, ga)
  rb = Mul(R, gb)
  a_new = Sub(a, ra)
  b_new = Sub(b, rb)
}
%update a = a_new
%update b = b_new
"""

# No Gradient: what is assigned is all there is to look at.
SPELLED_OUT = """<ir_version: 8, opset_import: ["" : 17, "ai.onnx.preview.training" : 1]>
spelled (float[4,3] x) => (float[4,2] y)
<float[3,2] a = {1, 2, 3, 4, 5, 6}>
{
  y = MatMul(x, a)
}
%training_info
%algorithm
step () => (float[3,2] a_new)
<float R = {0.125}>
{
  ones = Sign(y)
  xt = Transpose<perm = [1, 0]>(x)
  g = MatMul(xt, ones)
  r = Mul(R, g)
  a_new = Sub(a, r)
}
%update a = a_new
"""


class CheckFinite(device_case.Case):
    def state(self, session):
        module = session.module
        return {n: session.get(n) for n in (*module.names("parameter", "state"), "ampc.step")}

    def stops(self, session, batch, pattern, node=None):
        """The step ends the run, and no bit of the state has changed."""
        before = self.state(session)
        with self.assertRaises(ampc_api.Error) as caught:
            session.step(batch)
        self.assertEqual(caught.exception.code, STOPPED, str(caught.exception))
        self.assertRegex(str(caught.exception), pattern)
        self.assertFalse(caught.exception.info.applied)
        if node is not None:
            self.assertEqual(caught.exception.node, node)
        for name, value in self.state(session).items():
            self.assertSameBits(value, before[name], name)
        return caught.exception.info

    def make(self, name, text):
        path = self.work / f"{name}.onnx"
        subprocess.run([sys.executable, HERE.parent.parent / "utils/onnx/make_model.py", path],
                       input=text, text=True, check=True)
        return path

    def test_a_value_of_the_batch(self):
        model = harness.mlp(self, "model", [12, 16, 5], 8)
        data = harness.classes(8, 12, 5)
        for flags in PRECISIONS:
            for value in (np.nan, np.inf, -np.inf):
                with self.subTest(flags, value=value):
                    module = self.open(self.compile(model, "batch", "--optimizer=adam", *flags))
                    session = self.session(module)
                    self.assertTrue(session.step(session.batch(data)).applied)
                    x = data["x"].copy()
                    x[5, 1] = value
                    info = self.stops(session, session.batch({**data, "x": x}),
                                      "step 2: the loss 'loss' is not finite", "loss")
                    self.assertEqual(info.culprit.decode(), "fc0_weight")
                    # What is -inf may be a mask: then it is the first product with it.
                    first = b"the input 'x', " if value != -np.inf else b" of node '"
                    self.assertIn(first, info.bad_text)
                    self.assertTrue(session.step(session.batch(data)).applied)

    def test_a_loss_with_finite_gradients(self):
        w = np.ones((3, 2), np.float32)
        x = np.ones((4, 3), np.float32)
        for flags in PRECISIONS:
            with self.subTest(flags):
                model = self.model("offset", OFFSET, w=w)
                module = self.open(self.compile(model, "offset", "--optimizer=sgd", *flags))
                session = self.session(module)
                for value in (np.inf, np.nan):
                    info = self.stops(session, session.batch(x=x, c=np.float32([value])),
                                      "the loss 'cost' is not finite", "cost")
                    self.assertEqual(info.culprit, b"")
                self.assertTrue(session.step(session.batch(x=x, c=np.float32([0]))).applied)

    def test_a_norm_that_overflows(self):
        """Squares of 1e25 are infinite in f32, and clipping would leave gradients of zero."""
        w = np.ones((3, 2), np.float32)
        model = self.model("offset", OFFSET, w=w)
        module = self.open(self.compile(model, "norm", "--optimizer=sgd", "--amp=O0",
                                        "--clip-grad-norm=1"))
        session = self.session(module)
        c = np.float32([0])
        self.assertTrue(session.step(session.batch(x=np.ones((4, 3), np.float32), c=c)).applied)
        self.stops(session, session.batch(x=np.full((4, 3), 1e25, np.float32), c=c),
                   "the norm of all gradients is not finite")

    def test_off(self):
        """PyTorch's silence: applied, with whatever that leaves."""
        w = np.ones((3, 2), np.float32)
        model = self.model("offset", OFFSET, w=w)
        for flags in PRECISIONS:
            with self.subTest(flags):
                module = self.open(self.compile(model, "off", "--optimizer=sgd",
                                                "--check-finite=off", *flags))
                session = self.session(module)
                info = session.step(session.batch(x=np.full((4, 3), np.nan, np.float32),
                                                  c=np.float32([0])))
                self.assertTrue(info.applied)
                self.assertTrue(np.isnan(info.loss))
                self.assertTrue(np.isnan(session.get("w")).any())
        # The scaler needs its check, whatever the flag.
        module = self.open(self.compile(model, "scaled", "--optimizer=sgd", "--check-finite=off"))
        session = self.session(module)
        info = session.step(session.batch(x=np.full((4, 3), np.nan, np.float32),
                                          c=np.float32([0])))
        self.assertFalse(info.applied)

    def test_unscaling_that_overflows(self):
        """Gradients that are finite before they are divided by a small scale, and not behind."""
        w = np.ones((3, 2), np.float32)
        model = self.model("sum", OFFSET.replace("ReduceMean", "ReduceSum"), w=w)
        module = self.open(self.compile(
            model, "small", "--optimizer=sgd", "--amp-deny=MatMul", "--loss-scale-min=0",
            "--loss-scale-init=1.1754944e-38"))
        session = self.session(module)
        c = np.float32([0])
        info = session.step(session.batch(x=np.full((4, 3), 1e4, np.float32), c=c))
        self.assertTrue(info.applied)
        before = self.state(session)
        # Four rows of 3e38 times 2^-126 are 14; unscaled they are beyond f32.
        info = session.step(session.batch(x=np.full((4, 3), 3e38, np.float32), c=c))
        self.assertFalse(info.applied)
        self.assertEqual(info.culprit, b"w")
        # The scale cannot fall below what f32 holds with its reciprocal, and stays.
        self.assertEqual(info.next_loss_scale, np.float32(2.0**-126))
        for name, value in self.state(session).items():
            self.assertSameBits(value, before[name], name)

    def test_two_gradients(self):
        """Both overflow: that is no bad label, and the first of all culprits is named."""
        model = self.make("two", TWO_GRADIENTS)
        good = np.ones((4, 3), np.float32)
        bad = np.full((4, 3), np.inf, np.float32)
        module = self.open(self.compile(model, "two", "--amp=O0"))
        session = self.session(module)
        self.assertTrue(session.step(session.batch(x=good, z=good)).applied)
        self.stops(session, session.batch(x=bad, z=bad), "the loss is not finite.*: the input 'x'",
                   "a")
        self.stops(session, session.batch(x=good, z=bad), "the gradient of 'b' is", "b")
        self.stops(session, session.batch(x=bad, z=good), "the loss is not finite", "a")
        module = self.open(self.compile(model, "scaled", "--amp-dtype=f16"))
        session = self.session(module)
        before = self.state(session)
        info = session.step(session.batch(x=bad, z=bad))
        self.assertEqual((info.applied, info.culprit), (0, b"a"))
        # The loss that the step records is the first: no scale would help it.
        self.assertEqual(ampc_api.FAILURES[info.failure], "forward")
        self.assertEqual(info.next_loss_scale, 65536)
        info = session.step(session.batch(x=good, z=bad))
        self.assertEqual((info.applied, info.culprit), (0, b"b"))
        self.assertEqual(ampc_api.FAILURES[info.failure], "gradient")
        self.assertEqual(info.next_loss_scale, 32768)
        for name, value in self.state(session).items():
            self.assertSameBits(value, before[name], name)

    def test_a_gradient_by_an_input(self):
        """It is checked as those of parameters are, and has no name in the tables."""
        text = TWO_GRADIENTS.replace('gb = ai.onnx.preview.training.Gradient<xs = ["b"], y = '
                                     '"l2">(b)', 'gb, gz = ai.onnx.preview.training.Gradient'
                                     '<xs = ["b", "z"], y = "l2">(b, z)')
        self.assertIn("gz", text)
        module = self.open(self.compile(self.make("input", text), "input", "--amp=O0"))
        session = self.session(module)
        good = np.ones((4, 3), np.float32)
        self.assertTrue(session.step(session.batch(x=good, z=good)).applied)
        session.set("b", np.full((3, 2), np.inf, np.float32))
        self.stops(session, session.batch(x=good, z=good), "a gradient is not finite", "")

    def test_a_step_without_gradients(self):
        module = self.open(self.compile(self.make("spelled", SPELLED_OUT), "spelled", "--amp=O0"))
        session = self.session(module)
        self.assertTrue(session.step(session.batch(x=np.ones((4, 3), np.float32))).applied)
        self.stops(session, session.batch(x=np.full((4, 3), np.inf, np.float32)),
                   "the new value of 'a' is not finite", "a")

    def test_same_bits_where_all_is_finite(self):
        if self.device.name != "host":
            self.skipTest("a check may change which kernel sums the gradient of a bias, and how")
        model = harness.mlp(self, "model", [12, 16, 5], 8)
        ends = []
        for check in ("on", "off"):
            module = self.open(self.compile(model, check, "--optimizer=adam", "--amp=O0",
                                            f"--check-finite={check}"))
            session = self.session(module)
            losses = [session.step(session.batch(harness.classes(8, 12, 5, seed))).loss
                      for seed in range(20)]
            ends.append((losses, self.state(session)))
        self.assertEqual(ends[0][0], ends[1][0])
        for name, value in ends[0][1].items():
            self.assertSameBits(value, ends[1][1][name], name)


if __name__ == "__main__":
    device_case.main()
