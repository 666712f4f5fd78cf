# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A skipped step leaves every master, copy, moment and the step count bitwise as they were.

    python test/Training/skipped_step.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Device"))
import device_case  # noqa: E402
import ampc_api  # noqa: E402
import harness  # noqa: E402

BATCH, WIDTH, CLASSES = 8, 12, 5
OPTIMIZERS = {
    "sgd": ["--lr=0.1", "--weight-decay=0.01"],
    "momentum": ["--lr=0.1", "--dampening=0.5"],
    "nesterov": ["--lr=0.1"],
    "adagrad": ["--lr=0.1"],
    "adam": ["--lr=0.01"],
    "adamw": ["--lr=0.01"],
    "rmsprop": ["--lr=0.01", "--momentum=0.5", "--centered"],
    "nadam": ["--lr=0.01"],
    "adafactor": ["--lr=0.01"],
    "lamb": ["--lr=0.01"],
    "lion": ["--lr=0.01"],
}
STATES = {"sgd": 0, "momentum": 1, "nesterov": 1, "adagrad": 1, "adam": 2, "adamw": 2,
          "rmsprop": 3, "nadam": 2, "adafactor": 1.5, "lamb": 2, "lion": 1}  # of each parameter
COMMON = {"nadam": ["ampc.mu_product"]}
# What moves on whether a step is applied or not.
MOVES = {"ampc.attempt", "ampc.loss_scale", "ampc.growth_tracker", "ampc.stats"}


class SkippedStep(device_case.Case):
    def snapshot(self, session, batch):
        """All state, copies in the low type included, and what the copies compute."""
        module = session.module
        state = {n: session.get(n)
                 for n in module.names("parameter", "state", "scalar", "derived", "constant")}
        outputs = session.evaluate(batch)
        return state, outputs

    def check(self, optimizer, level, extra=()):
        name = f"{optimizer}-{level}" + "".join(extra)
        model = harness.mlp(self, "model", [WIDTH, 16, CLASSES], BATCH)
        module = self.open(self.compile(
            model, name, f"--optimizer={optimizer}", *OPTIMIZERS[optimizer],
            f"--amp={level}", "--amp-dtype=f16", *extra))
        session, other = self.session(module), self.session(module)
        good = [session.batch(harness.classes(BATCH, WIDTH, CLASSES, seed)) for seed in range(5)]
        bad = session.batch({**good[3].arrays, "x": good[3].arrays["x"] * np.float32(1e30)})

        for batch in good[:3]:
            self.assertTrue(session.step(batch).applied)
            other.step(batch)
        before, outputs = self.snapshot(session, good[0])
        moments, trained = module.names("state"), module.names("parameter")
        copies = [n for n in module.names("derived") if before[n].dtype == np.float16]
        common = COMMON.get(optimizer, [])
        self.assertLessEqual(set(common), set(moments))
        self.assertEqual(len(moments), STATES[optimizer] * len(trained) + len(common), moments)
        self.assertGreaterEqual(len(copies), 2, module.names("derived"))

        # A loss that is not finite is no matter of the scale; nor is it where only gradients are.
        info = session.step(bad)
        self.assertFalse(info.applied)
        self.assertEqual(ampc_api.FAILURES[info.failure], "forward")
        self.assertEqual((info.loss_scale, info.next_loss_scale), (65536, 65536))
        self.assertEqual(session.get("ampc.growth_tracker"), 3)
        session.set("ampc.loss_scale", 2.0**40)
        info = session.step(good[3])
        self.assertFalse(info.applied)
        self.assertEqual(ampc_api.FAILURES[info.failure], "gradient")
        culprit = info.culprit.decode()
        self.assertIn(culprit, trained)
        self.assertEqual((info.loss_scale, info.next_loss_scale), (2.0**40, 2.0**39))
        self.assertEqual(session.get("ampc.growth_tracker"), 0)
        session.set("ampc.loss_scale", 32768)
        after, outputs_after = self.snapshot(session, good[0])
        for key, value in before.items():
            if key not in MOVES:
                self.assertSameBits(after[key], value, f"{name}: {key} has changed")
        for key, value in outputs.items():
            self.assertSameBits(outputs_after[key], value, f"{name}: output {key} has changed")
        self.assertEqual(before["ampc.step"], 3)
        self.assertEqual(after["ampc.attempt"], before["ampc.attempt"] + 2)
        self.assertEqual(after["ampc.loss_scale"], 32768)
        self.assertEqual((before["ampc.growth_tracker"], after["ampc.growth_tracker"]), (3, 0))

        # The session goes on as one that never saw the batch: also what get_tensor does not show
        # is as it was.
        other.set("ampc.loss_scale", 32768)
        other.set("ampc.growth_tracker", 0)
        for batch in good[3:]:
            self.assertTrue(session.step(batch).applied)
            other.step(batch)
        moved, _ = self.snapshot(session, good[0])
        expected, _ = self.snapshot(other, good[0])
        for key in moved:
            if key not in ("ampc.attempt", "ampc.stats"):
                self.assertSameBits(moved[key], expected[key], f"{name}: {key} later")
        # An applied step does change all of it, so that the comparison can fail.
        for key in [*trained, *moments, *copies, "ampc.step"]:
            self.assertNotEqual(moved[key].tobytes(), before[key].tobytes(), f"{name}: {key}")
        print(f"\n  {name}: unchanged {len(trained)} masters, {len(copies)} copies, "
              f"{len(moments)} moments; culprit {culprit}", end="")

    def test_all_optimizers(self):
        for optimizer in OPTIMIZERS:
            for level in ("O1", "O2"):
                with self.subTest(optimizer=optimizer, level=level):
                    self.check(optimizer, level)

    def test_with_clipping(self):
        for flag in ("--clip-grad-norm=0.5", "--clip-grad-value=0.01"):
            with self.subTest(flag):
                self.check("adam", "O1", (flag,))

    def test_overflow_of_one_element(self):
        """A single row of the batch, and NaN as well as infinity."""
        model = harness.mlp(self, "model", [WIDTH, 16, CLASSES], BATCH)
        module = self.open(self.compile(model, "one", "--optimizer=adam"))
        session = self.session(module)
        data = harness.classes(BATCH, WIDTH, CLASSES)
        session.step(session.batch(data))
        names = module.names("parameter", "state") + ["ampc.step"]
        before = {n: session.get(n) for n in names}
        for value in (1e30, np.inf, -np.inf, np.nan):
            x = data["x"].copy()
            x[-1, -1] = value
            info = session.step(session.batch({**data, "x": x}))
            self.assertFalse(info.applied, value)
            for name in names:
                self.assertSameBits(session.get(name), before[name], f"{value}: {name}")
        self.assertEqual(session.get("ampc.loss_scale"), 65536)
        self.assertEqual(session.steps(), 5)

    def test_a_loss_that_is_never_finite(self):
        """Ends the run, and not before the 16th step in a row."""
        model = harness.mlp(self, "model", [WIDTH, 16, CLASSES], BATCH)
        for flags in ([], ["--loss-scale=1024"], ["--loss-scale-min=0"]):
            module = self.open(self.compile(model, "never" + "".join(flags), *flags))
            session = self.session(module)
            good = harness.classes(BATCH, WIDTH, CLASSES)
            bad = session.batch({**good, "x": np.full_like(good["x"], np.nan)})
            for count in (15, 15):  # a good step between
                for _ in range(count):
                    self.assertFalse(session.step(bad).applied)
                self.assertTrue(session.step(session.batch(good)).applied)
            scale = session.get("ampc.loss_scale") if not flags[:1] == ["--loss-scale=1024"] else 1024
            for _ in range(15):
                session.step(bad)
            for _ in range(2):  # and each time from then on
                with self.assertRaises(ampc_api.Error) as caught:
                    session.step(bad)
                self.assertEqual(caught.exception.code, ampc_api.TRAINING_STOPPED)
                self.assertRegex(str(caught.exception), "the loss 'loss' is not finite for the "
                                 "1[67]th time in a row.* the input 'x', NaN at ")
                self.assertEqual(caught.exception.info.next_loss_scale, scale)
            # Enqueued, it is told by who waits.
            session = self.session(module)
            for _ in range(16):
                session.enqueue(bad)
            with self.assertRaisesRegex(ampc_api.Error, "step 16: .*16th time"):
                session.synchronize()


if __name__ == "__main__":
    device_case.main()
