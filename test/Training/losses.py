# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The losses that --loss names have the values and gradients that PyTorch has.

    python test/Training/losses.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]

The prediction is the input plus a parameter that starts at zero. One step of SGD with a learning
rate of 1 leaves the gradient's negative in it. recordings/losses.json is in f64, by
record_losses.py; what is computed in f32 may be off by a few roundings of what it is made of.
"""
import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Device"))
import device_case  # noqa: E402

RECORDINGS = json.loads((HERE / "recordings/losses.json").read_text())["losses"]
# An exponential, a sum of four, a quotient, a product with a weight, a mean: each has an ulp or two.
ROUNDINGS = 16 * 2.0 ** -24


def allowed(gradient):
    """Of each element. A difference of two shares of a softmax, at most 1 before the mean and the
    weights (at most 3), is off by what its terms are."""
    return ROUNDINGS * (np.abs(gradient) + 3 / gradient.shape[0])


class Losses(device_case.Case):
    def step(self, recording, number):
        """The loss and the gradient of the first step."""
        x = np.asarray(recording["prediction"], np.float32)
        shape = ",".join(map(str, x.shape))
        name = f"{recording['loss']}-{number}"
        model = self.model(name, f"""<ir_version: 8, opset_import: ["" : 17]>
            g (float[{shape}] x) => (float[{shape}] y) {{ y = Add (x, w) }}""",
                           w=np.zeros(x.shape, np.float32))
        module = self.open(self.compile(
            model, name, f"--loss={recording['loss']}", *recording["flags"], "--train=^w$",
            "--optimizer=sgd", "--lr=1", "--amp=O0"))
        session = self.session(module)
        target = np.asarray(recording["target"])
        if recording["loss"] not in ("cross_entropy", "nll") or "--soft-labels" in recording["flags"]:
            target = target.astype(np.float32)
        info = session.step(session.batch(x=x, target=target))
        self.assertTrue(info.applied)
        return info.loss, -session.get("w").astype(np.float64)

    def test_values_and_gradients(self):
        names = {recording["loss"] for recording in RECORDINGS}
        self.assertEqual(len(names), 10)
        for number, recording in enumerate(RECORDINGS):
            with self.subTest(loss=recording["loss"], flags=recording["flags"], number=number):
                loss, gradient = self.step(recording, number)
                value, wanted = recording["value"], np.asarray(recording["gradient"])
                self.assertLessEqual(abs(loss - value), ROUNDINGS * max(abs(value), 1))
                worst = (np.abs(gradient - wanted) / allowed(wanted)).max()
                self.assertLessEqual(worst, 1, f"{gradient}\n is not\n{wanted}")

    def test_flags_matter(self):
        """Two recordings on the same operands are further apart than what is allowed."""
        def meaning(recording):
            """Of two dimensions, axis 1 is the last one."""
            flat = np.ndim(recording["prediction"]) == 2
            return [f for f in recording["flags"] if not (flat and f.startswith("--class-axis"))]

        for i, one in enumerate(RECORDINGS):
            for other in RECORDINGS[:i]:
                if meaning(one) == meaning(other):
                    continue
                if all(one[key] == other[key] for key in ("loss", "prediction", "target")):
                    a, b = np.asarray(one["gradient"]), np.asarray(other["gradient"])
                    self.assertGreater((np.abs(a - b) / allowed(a)).max(), 1000)

    def test_flags_of_other_losses_are_errors(self):
        for flag, loss in (("--label-smoothing=0.1", "nll"), ("--class-weights=1,2", "mse"),
                           ("--huber-delta=2", "smooth_l1"), ("--smooth-l1-beta=2", "huber"),
                           ("--soft-labels", "nll"), ("--from-probabilities", "mse"),
                           ("--label-smoothing=1.5", "cross_entropy"),
                           ("--class-weights=1,-2", "nll"), ("--class-weights=1,,2", "nll"),
                           ("--class-weights=", "nll"), ("--class-weights=1,x", "nll"), ("--huber-delta=0", "huber"),
                           ("--smooth-l1-beta=-1", "smooth_l1")):
            with self.subTest(flag=flag, loss=loss):
                result = self.build.ampc("m.onnx", "-o", self.work / "m.so", f"--loss={loss}", flag)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn(flag.split("=")[0], result.stderr)

    def test_a_weight_for_each_class(self):
        model = self.model("m", """<ir_version: 8, opset_import: ["" : 17]>
            g (float[2,3] x) => (float[2,3] y) { y = Add (x, w) }""",
                           w=np.zeros((2, 3), np.float32))
        result = self.build.ampc(model, "-o", self.work / "m.so", "--train=^w$",
                                 "--loss=cross_entropy", "--class-weights=1,2")
        self.assertEqual(result.returncode, 1)
        self.assertIn("--class-weights has 2 numbers for 3 classes", result.stderr)

    def test_soft_labels_have_no_ignored_one(self):
        result = self.build.ampc("m.onnx", "-o", self.work / "m.so", "--loss=cross_entropy",
                                 "--soft-labels", "--ignore-index=3")
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("--ignore-index: goes with labels, not with --soft-labels", result.stderr)

    def test_outputs_that_hold_probabilities_are_told(self):
        """Whose softmax would be taken again, and without a sound."""
        for last, loss, advice in (("Softmax", "cross_entropy", "--from-probabilities"),
                                   ("Softmax", "nll", "--from-probabilities"),
                                   ("Sigmoid", "bce_with_logits", "--loss=bce")):
            model = self.model(f"m-{loss}", f"""<ir_version: 8, opset_import: ["" : 17]>
                g (float[2,3] x) => (int64[2] label, float[2,3] y)
                {{ s = Add (x, w)  y = {last} (s)
                   label = ArgMax <axis = 1, keepdims = 0> (y) }}""",
                               w=np.zeros((2, 3), np.float32))
            flags = ["-o", self.work / "m.so", "--train=^w$", "--target=host"]
            result = self.build.ampc(model, *flags, f"--loss={loss}")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(f"'y' holds probabilities; {advice}", result.stderr)
            instead = ([f"--loss={loss}", advice] if advice.startswith("--from") else [advice])
            result = self.build.ampc(model, *flags, *instead)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertNotIn("holds probabilities", result.stderr)


if __name__ == "__main__":
    device_case.main()
