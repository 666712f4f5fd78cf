# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""More trained tensors than a launch has arguments: the finite check, the norm and the update
take several launches, and train what numpy trains in f64.

    python test/Training/many_tensors.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Device"))
import device_case  # noqa: E402
import ampc_api  # noqa: E402
import models  # noqa: E402

STEPS, LR, CLIP = 3, 16.0, 0.02
BATCH = ROWS = 4
STOPPED = 7  # AMPC_STATUS_TRAINING_STOPPED


def reference_step(w, x, target, unit):
    """The step's new weights in f64, its norm, and how far a step may be from them that rounds
    each value to `unit`: of y, of its gradient, of the two products, of the root and the
    quotient; first order, doubled."""
    root = np.sqrt(w)
    y = x @ root
    dy = 2 * (y - target) / y.size
    gradient = x.T @ dy * 0.5 / root
    norm = np.sqrt((gradient ** 2).sum())
    factor = min(1.0, CLIP / (norm + 1e-6))
    dy_error = unit * (2 * 3 * np.abs(y) / y.size + 2 * np.abs(dy))
    error = np.abs(x.T) @ dy_error * 0.5 / root + 4 * unit * np.abs(gradient)
    norm_error = np.sqrt((error ** 2).sum()) / norm
    moved = LR * factor * (error + np.abs(gradient) * norm_error)
    return w - LR * factor * gradient, norm, 2 * moved + 2.0 ** -23 * np.abs(w), 2 * norm_error


class ManyTensors(device_case.Case):
    def check(self, count, culprits, *flags, unit, scaled):
        model = self.work / f"{count}.onnx"
        proto = models.concat(count, ROWS, BATCH)
        onnx.save(proto, model)
        weights = {w.name: numpy_helper.to_array(w) for w in proto.graph.initializer}
        name = "".join(flags).replace("=", "")  # one file is loaded once
        module = self.open(self.compile(model, name, "--loss=mse", "--optimizer=sgd",
                                        f"--lr={LR}", f"--clip-grad-norm={CLIP}", *flags))
        names = list(weights)
        self.assertEqual(sorted(n for n in module.names("parameter")), sorted(names))
        session = self.session(module)
        random = np.random.RandomState(1)
        x = random.randint(16, 65, (BATCH, ROWS)).astype(np.float32) / 64
        columns = sum(w.shape[1] for w in weights.values())
        target = -random.randint(0, 65, (BATCH, columns)).astype(np.float32) / 64
        batch = session.batch(x=x, target=target)

        def joined():
            return np.concatenate([session.get(n) for n in names], axis=1)

        start = np.concatenate(list(weights.values()), axis=1).astype(np.float64)
        w, allowed, clipped = start, 0, False
        for _ in range(STEPS):
            w, norm, error, norm_error = reference_step(w, x.astype(np.float64), target, unit)
            allowed = allowed + error
            clipped |= norm > CLIP
            info = session.step(batch)
            self.assertTrue(info.applied)
            self.assertLessEqual(abs(info.grad_norm / norm - 1), norm_error)
            worst = (np.abs(joined() - w) / allowed).max()
            self.assertLessEqual(worst, 1)
        self.assertTrue(clipped, "the norm is below what it is clipped to")
        self.assertGreater((np.abs(w - start) / allowed).min(), 4, "the bound sees no update")
        print(f"\n  {count} tensors {' '.join(flags)}: deviates by {worst:.2f} of what is allowed",
              end="")

        for chosen in culprits:
            kept = {n: session.get(n) for n in (names[i] for i in chosen)}
            for n, value in kept.items():
                session.set(n, np.where(np.arange(value.size).reshape(value.shape) == 3, 0, value))
            before, first = joined(), names[min(chosen)]
            if scaled:
                info = session.step(batch)
                self.assertFalse(info.applied)
                self.assertEqual(info.culprit.decode(), first)
            else:
                with self.assertRaises(ampc_api.Error) as stopped:
                    session.step(batch)
                self.assertEqual(stopped.exception.code, STOPPED)
                self.assertIn(f"'{first}'", str(stopped.exception))
            self.assertSameBits(joined(), before, f"{chosen}: a skipped step changed weights")
            for n, value in kept.items():
                session.set(n, value)
        self.assertTrue(session.step(batch).applied)

    def test_700(self):
        culprits = [[0], [63], [64], [511], [512], [613], [699], [613, 70, 699]]
        self.check(700, culprits, "--amp=O1", "--amp-dtype=f16", unit=2.0 ** -11, scaled=True)
        self.check(700, culprits, "--amp=O0", unit=2.0 ** -22, scaled=False)

    def test_2100(self):
        culprits = [[0], [613], [2047], [2048], [2099], [2098, 1300]]
        self.check(2100, culprits, "--amp=O1", "--amp-dtype=f16", unit=2.0 ** -11, scaled=True)


if __name__ == "__main__":
    device_case.main()
