#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A step whose backward pass the file spells out trains as the one that asks for a Gradient: the
same losses, the same steps skipped, the same loss scales.

    python test/Training/differentiated.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Device"))
import device_case  # noqa: E402
import ampc_api  # noqa: E402

MAKE_MODEL = HERE.parent.parent / "utils/onnx/make_model.py"
BATCH, WIDTH, HIDDEN, OUT = 8, 12, 16, 5
SHAPES = {"w1": (WIDTH, HIDDEN), "b1": (HIDDEN,), "w2": (HIDDEN, OUT), "b2": (OUT,)}
STEPS = 24

GRADIENT = """
  gw1, gb1, gw2, gb2 = ai.onnx.preview.training.Gradient<xs = ["w1", "b1", "w2", "b2"], y = "loss">(w1, b1, w2, b2)
"""
# The mean of the squares of d, of which y is a part.
BACKWARD = """
  d_s = Mul(share, %s)
  d_d = Mul(d_s, d)
  d_d2 = Mul(d_d, two)
  d_e = Mul(d_d2, one_too)
  h_t = Transpose(h)
  gw2 = MatMul(h_t, d_e)
  gb2 = ReduceSum<keepdims = 0>(d_e, rows)
  w2_t = Transpose(w2)
  d_h = MatMul(d_e, w2_t)
  positive = Greater(z, zero)
  d_z = Where(positive, d_h, zero)
  gw1 = Gemm<transA = 1>(x, d_z)
  gb1 = ReduceSum<keepdims = 0>(d_z, rows)
"""
# The scale would change what is clipped: not linear.
CLIPPED = BACKWARD.replace("gb1 = ReduceSum", "raw = ReduceSum") + """
  gb1 = Clip(raw, low, high)
"""
ADAM = {"node": "Adam<alpha = 0.9, beta = 0.99, epsilon = 1e-6>", "states": ("v", "h"), "rate": 0.01}
MOMENTUM = {"node": 'Momentum<alpha = 0.9, beta = 1.0, norm_coefficient = 0.001, mode = "standard">',
            "states": ("v",), "rate": 0.05}


def floats(values):
    return ", ".join(repr(float(x)) for x in np.asarray(values).ravel())


def model_text(backward, optimizer, outputs=""):
    """The model in ONNX's text format."""
    random = np.random.RandomState(1)
    weights = {name: (random.randn(*shape) / np.sqrt(shape[0])).astype(np.float32)
               for name, shape in SHAPES.items()}
    dims = {name: "float[" + ", ".join(map(str, shape)) + "]" for name, shape in SHAPES.items()}
    states = {f"{kind}_{name}": name for kind in optimizer["states"] for name in SHAPES}
    new = [*SHAPES, *states]
    inputs = [*SHAPES, *(f"g{name}" for name in SHAPES), *states]
    text = f"""<ir_version: 8, opset_import: ["" : 17, "ai.onnx.preview.training" : 1]>
network (float[{BATCH}, {WIDTH}] x, float[{BATCH}, {OUT}] target) => (float[{BATCH}, {OUT}] y)
<{", ".join(f"{dims[n]} {n} = {{{floats(w)}}}" for n, w in weights.items())}>
{{
  a = MatMul(x, w1)
  z = Add(a, b1)
  h = Relu(z)
  p = MatMul(h, w2)
  y = Add(p, b2)
}}
%training_info
%algorithm
step () => (float loss, int64 T_new, {", ".join(f"{dims[states.get(n, n)]} {n}_new" for n in new)}{outputs})
<{", ".join(f"{dims[n]} {s} = {{{floats(np.zeros(SHAPES[n]))}}}" for s, n in states.items())},
 int64 T = {{0}}, int64 one_step = {{1}}, float R = {{{optimizer["rate"]}}}, int64[1] rows = {{0}},
 float one = {{1}}, float two = {{2}}, float one_too = {{1}}, float zero = {{0}},
 float low = {{-1e-4}}, float high = {{1e-4}}, float share = {{{1 / (BATCH * OUT)}}}>
{{
  d = Sub(y, target)
  s = Mul(d, d)
  loss = ReduceMean<keepdims = 0>(s)
{backward}
  {", ".join(f"{n}_new" for n in new)} = ai.onnx.preview.training.{optimizer["node"]}(R, T, {", ".join(inputs)})
  T_new = Add(T, one_step)
}}
%update T = T_new
"""
    return text + "".join(f"%update {n} = {n}_new\n" for n in new)


class Differentiated(device_case.Case):
    def make(self, text):
        path = self.work / f"{len(list(self.work.iterdir()))}.onnx"
        subprocess.run([sys.executable, MAKE_MODEL, path], input=text, text=True, check=True)
        return path

    def train(self, path, name, *flags, overflow_at=()):
        """For each step loss, scale, whether it was applied and what was not finite; and the
        weights at the end."""
        session = self.session(self.open(self.compile(path, name, *flags)))
        random, log = np.random.RandomState(2), []
        fixed = random.randn(WIDTH, OUT).astype(np.float32)
        batches = random.randn(3, BATCH, WIDTH).astype(np.float32)
        for step in range(STEPS):
            x = batches[step % 3].copy()
            target = (x @ fixed).astype(np.float32)
            if step in overflow_at:
                x[3, 4] = np.float32(1e30)
            info = session.step(session.batch(x=x, target=target))
            log.append((info.loss, info.loss_scale, bool(info.applied), info.culprit))
        return log, {name: session.get(name) for name in SHAPES}

    def assertAlike(self, first, second, tolerance):
        for (loss, *rest), (expected, *others) in zip(first[0], second[0]):
            self.assertEqual(rest, others)
            if rest[1]:
                self.assertLess(abs(loss - expected), tolerance * expected)
        self.assertLess(first[0][-1][0], 0.8 * first[0][0][0], "does not learn")
        for name, value in first[1].items():
            np.testing.assert_allclose(value, second[1][name], rtol=tolerance,
                                       atol=tolerance * np.abs(value).max())

    def test_f32(self):
        for optimizer in (ADAM, MOMENTUM):
            spelled = self.make(model_text(BACKWARD % "one", optimizer))
            asked = self.make(model_text(GRADIENT, optimizer))
            self.assertAlike(self.train(spelled, f"spelled{optimizer['rate']}", "--amp=O0"),
                             self.train(asked, f"asked{optimizer['rate']}", "--amp=O0"), 1e-5)

    def test_f16(self):
        """Half a percent is what parity.py allows f16. The scale of 2^22 overflows by itself."""
        for optimizer in (ADAM, MOMENTUM):
            for flags in ((), ("--loss-scale-init=4194304",), ("--loss-scale=1024",)):
                with self.subTest(optimizer=optimizer["node"], flags=flags):
                    name = f"{optimizer['rate']}{flags}"
                    spelled = self.train(self.make(model_text(BACKWARD % "one", optimizer)),
                                         "spelled" + name, *flags, overflow_at=(4, 7))
                    asked = self.train(self.make(model_text(GRADIENT, optimizer)),
                                       "asked" + name, *flags, overflow_at=(4, 7))
                    self.assertAlike(spelled, asked, 5e-3)
                    skipped = [i for i, step in enumerate(spelled[0]) if not step[2]]
                    self.assertIn(4, skipped)
                    self.assertIn(7, skipped)
                    self.assertEqual(0 in skipped, "--loss-scale-init=4194304" in flags)

    def test_the_scale_is_in_the_gradients(self):
        """So small a loss that its gradients are 0 in f16, unless they are scaled."""
        text = model_text(BACKWARD % "one", MOMENTUM).replace("coefficient = 0.001",
                                                              "coefficient = 0.0")
        small = 2.0 ** -30
        tiny = self.make(text.replace(f"share = {{{1 / (BATCH * OUT)}}}",
                                      f"share = {{{small / (BATCH * OUT)}}}")
                             .replace("R = {0.05}", f"R = {{{0.05 / small}}}"))
        scaled = self.train(tiny, "scaled", "--loss-scale=1048576")
        plain = self.train(self.make(text), "plain", "--loss-scale=1024")
        unscaled = self.train(tiny, "unscaled", "--loss-scale=none")
        self.assertLess(abs(scaled[0][-1][0] / plain[0][-1][0] - 1), 0.05)
        self.assertGreater(abs(unscaled[0][-1][0] / plain[0][-1][0] - 1), 0.5)

    def test_what_is_not_finite_is_named(self):
        path = self.make(model_text(BACKWARD % "one", ADAM))
        with self.assertRaisesRegex(ampc_api.Error,
                                    "step 3: the loss is not finite.*: the output 'loss' of node "
                                    "'loss' .ReduceMean.*, inf$"):
            self.train(path, "finite", "--amp=O0", overflow_at=(2,))

    def test_where_a_scale_cannot_enter(self):
        gradient = ", float[12, 16] gw1"
        for backward, outputs in ((CLIPPED % "one", ""), (BACKWARD % "two", ""),
                                  (BACKWARD % "one", gradient)):
            if backward == BACKWARD % "two":
                backward = backward.replace("one_too", "two")
            path = self.make(model_text(backward, ADAM, outputs))
            out = self.work / "refused.so"
            result = self.build.ampc(path, "-o", out, *self.device.compile_flags(out))
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertRegex(result.stderr, "error: .*f16 needs --loss-scale=none here")
            self.assertRegex(result.stderr, "note: .*no constant 1 that all gradients")
            self.train(path, f"none{len(self.compiled)}", "--loss-scale=none")


if __name__ == "__main__":
    device_case.main()
