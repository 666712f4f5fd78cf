# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A network whose gradients flush to zero in f16 learns with the loss scaler and not without.

    python test/Training/underflow.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Device"))
import device_case  # noqa: E402
import harness  # noqa: E402

BATCH, STEPS = 32, 150
# The gradient of the logits is about 1e-8, below the smallest f16 (6e-8). Adam does not care how
# small a gradient is, as long as it is not zero.
MODEL = """<ir_version: 8, opset_import: ["" : 17]>
underflow (float[32,8] x, int64[32] target) => (float loss, float[32,4] logits) {
  hidden = MatMul(x, w0)
  active = Relu(hidden)
  logits = MatMul(active, w1)
  cross_entropy = SoftmaxCrossEntropyLoss(logits, target)
  tiny = Constant<value = float {1e-6}>()
  loss = Mul(cross_entropy, tiny)
}"""


class Underflow(device_case.Case):
    def train(self, name, *flags):
        """First and last loss, and how many elements of the masters moved."""
        random = np.random.RandomState(0)
        model = self.model(name, MODEL, w0=random.randn(8, 16).astype(np.float32) / 4,
                           w1=random.randn(16, 4).astype(np.float32) / 4)
        module = self.open(self.compile(model, name, "--loss=output:loss",
                                        "--optimizer=adam", "--lr=0.02", "--eps=1e-14", *flags))
        session = self.session(module)
        batch = session.batch(harness.classes(BATCH, 8, 4))
        start = {n: session.get(n) for n in module.names("parameter")}
        losses = []
        for _ in range(STEPS):
            info = session.step(batch)
            self.assertTrue(info.applied)
            losses.append(info.loss)
        moved = sum(int((session.get(n) != v).sum()) for n, v in start.items())
        print(f"\n  {name}: loss {losses[0]:.3g} -> {losses[-1]:.3g}, {moved} of "
              f"{sum(v.size for v in start.values())} weights moved", end="")
        return losses[0], losses[-1], moved

    def test_learns_only_with_loss_scale(self):
        first, last, moved = self.train("f32", "--amp=O0")
        self.assertLess(last, first / 3, "the network does not learn in f32 either")
        first, last, moved = self.train("f16-none", "--loss-scale=none")
        self.assertEqual((last, moved), (first, 0), "gradients did not flush to zero")
        first, last, moved = self.train("f16-default")
        self.assertLess(last, first / 3)
        self.assertGreater(moved, 0)


if __name__ == "__main__":
    device_case.main()
