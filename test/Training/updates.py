#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A step in standard operators, as JAX's exporter writes one, carries over what --update names.

A layer with ReLU and one without, the mean of squares, gradients and Adam spelled out; the
parameters, the moments and the count are inputs and outputs.

    python test/Training/updates.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
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
RATE, BETA1, BETA2, EPSILON = 0.05, 0.9, 0.99, 1e-4
STEPS, BATCH = 12, 8
SHAPES = {"w": (6, 16), "v": (16, 4)}


def text():
    lines, inputs, outputs = [], ["float[8, 6] x", "float[8, 4] t", "int64 n"], ["float loss", "int64 n_new"]
    for p, shape in SHAPES.items():
        kind = "float[%d, %d]" % shape
        for state in (p, f"{p}_m", f"{p}_s"):
            inputs.append(f"{kind} {state}")
            outputs.append(f"{kind} {state}_new")
        lines.append(f"""
  {p}_m1 = Mul({p}_m, beta1)
  {p}_m2 = Mul({p}_g, rest1)
  {p}_m_new = Add({p}_m1, {p}_m2)
  {p}_gg = Mul({p}_g, {p}_g)
  {p}_s1 = Mul({p}_s, beta2)
  {p}_s2 = Mul({p}_gg, rest2)
  {p}_s_new = Add({p}_s1, {p}_s2)
  {p}_mc = Div({p}_m_new, correction1)
  {p}_sc = Div({p}_s_new, correction2)
  {p}_root = Sqrt({p}_sc)
  {p}_below = Add({p}_root, epsilon)
  {p}_ratio = Div({p}_mc, {p}_below)
  {p}_change = Mul({p}_ratio, rate)
  {p}_new = Sub({p}, {p}_change)""")
    return f"""<ir_version: 8, opset_import: ["" : 17]>
step ({", ".join(inputs)}) => ({", ".join(outputs)})
<int64 one = {{1}}, float unit = {{1}}, float zero = {{0}}, float rate = {{{RATE}}}, float epsilon = {{{EPSILON}}},
 float beta1 = {{{BETA1}}}, float rest1 = {{{1 - BETA1}}}, float beta2 = {{{BETA2}}}, float rest2 = {{{1 - BETA2}}},
 float share = {{{2 / (BATCH * 4)}}}>
{{
  n_new = Add(n, one)
  count = Cast<to = 1>(n_new)
  power1 = Pow(beta1, count)
  correction1 = Sub(unit, power1)
  power2 = Pow(beta2, count)
  correction2 = Sub(unit, power2)
  a = MatMul(x, w)
  above = Greater(a, zero)
  h = Max(a, zero)
  y = MatMul(h, v)
  d = Sub(y, t)
  dd = Mul(d, d)
  loss = ReduceMean<keepdims = 0>(dd)
  y_g = Mul(d, share)
  h_t = Transpose<perm = [1, 0]>(h)
  v_g = MatMul(h_t, y_g)
  v_t = Transpose<perm = [1, 0]>(v)
  h_g = MatMul(y_g, v_t)
  zeros = Mul(h_g, zero)
  a_g = Where(above, h_g, zeros)
  x_t = Transpose<perm = [1, 0]>(x)
  w_g = MatMul(x_t, a_g){"".join(lines)}
}}
"""


def formulas(first, batches):
    """Losses and the parameters at the end, in f64."""
    p = {k: v.astype(np.float64) for k, v in first.items()}
    m, s, losses = {k: 0 for k in p}, {k: 0 for k in p}, []
    for n, (x, t) in enumerate(batches, 1):
        a = x.astype(np.float64) @ p["w"]
        h = np.maximum(a, 0)
        d = h @ p["v"] - t
        losses.append((d * d).mean())
        y_g = d * 2 / d.size
        gradients = {"v": h.T @ y_g, "w": x.T @ np.where(a > 0, y_g @ p["v"].T, 0)}
        for k, g in gradients.items():
            m[k] = BETA1 * m[k] + (1 - BETA1) * g
            s[k] = BETA2 * s[k] + (1 - BETA2) * g * g
            p[k] = p[k] - RATE * (m[k] / (1 - BETA1**n)) / (np.sqrt(s[k] / (1 - BETA2**n)) + EPSILON)
    return losses, p


class Updates(device_case.Case):
    def setUp(self):
        super().setUp()
        random = np.random.RandomState(0)
        self.first = {k: (random.randint(-8, 9, shape) / 16).astype(np.float32)
                      for k, shape in SHAPES.items()}
        goal = random.randint(-4, 5, (6, 4)) / 4
        x = (random.randint(-8, 9, (STEPS, BATCH, 6)) / 8).astype(np.float32)
        self.batches = [(one, (one @ goal).astype(np.float32)) for one in x]

    def make(self, name, *flags):
        path = self.work / f"{name}.onnx"
        subprocess.run([sys.executable, MAKE_MODEL, path], input=text(), text=True, check=True)
        carried = ["n", *(p + end for p in SHAPES for end in ("", "_m", "_s"))]
        bound = ["--bind=n=0"]
        for p, value in self.first.items():
            np.save(self.work / f"{p}.npy", value)
            bound += [f"--bind={p}={self.work / p}.npy", f"--bind={p}_m=0", f"--bind={p}_s=0"]
        updates = [f"--update={k}={k}_new" for k in carried]
        return self.session(self.open(self.compile(path, name, *bound, *updates, *flags)))

    def train(self, session):
        return [session.step(session.batch(x=x, t=t)).loss for x, t in self.batches]

    def test_f32(self):
        session = self.make("f32", "--amp=O0")
        wanted, last = formulas(self.first, self.batches)
        self.assertLess(wanted[-1], wanted[0] / 2)
        np.testing.assert_allclose(self.train(session), wanted, rtol=1e-5)
        for p, value in last.items():
            np.testing.assert_allclose(session.get(p), value, rtol=1e-4, atol=1e-5)
        self.assertEqual(session.get("n"), STEPS)

    def test_low(self):
        """The products are in 16 bits, so that the losses differ, by little."""
        wanted, _ = formulas(self.first, self.batches)
        for dtype, tolerance in (("f16", 5e-3), ("bf16", 3e-2)):
            with self.subTest(dtype):
                losses = self.train(self.make(dtype, f"--amp-dtype={dtype}", "--loss-scale=none"))
                self.assertGreater(np.abs(np.array(losses) / wanted - 1).max(), 1e-6)
                np.testing.assert_allclose(losses, wanted, rtol=tolerance)

    def test_nothing_is_carried_over_where_a_parameter_would_not_be_finite(self):
        session = self.make("finite", "--amp=O0")
        session.step(session.batch(x=self.batches[0][0], t=self.batches[0][1]))
        names = ["n", *(p + end for p in SHAPES for end in ("", "_m", "_s"))]
        before = {name: session.get(name) for name in names}
        x = self.batches[1][0].copy()
        x[0, 0] = np.inf
        with self.assertRaises(ampc_api.Error):
            session.step(session.batch(x=x, t=self.batches[1][1]))
        for name, value in before.items():
            self.assertSameBits(session.get(name), value)


if __name__ == "__main__":
    device_case.main()
