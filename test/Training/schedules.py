# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Schedules of the learning rate through the C API: PyTorch's formulas of the number of applied
updates, kept in checkpoints.

    python test/Training/schedules.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import math
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Device"))
import device_case  # noqa: E402
import ampc_api  # noqa: E402
import harness  # noqa: E402

BATCH, WIDTH, CLASSES = 4, 6, 3


def anneal(a, b, p):
    return b + (a - b) * (1 + math.cos(math.pi * p)) / 2


# Settings, and the rate of the update behind i applied ones as torch.optim.lr_scheduler has it.
KINDS = {
    "constant": (dict(base=0.5), lambda i: 0.5),
    "linear": (dict(base=0.5, last=8), lambda i: 0.5 * (1 - min(i / 8, 1))),
    "cosine": (dict(base=0.5, last=8), lambda i: anneal(0.5, 0, min(i / 8, 1))),
    "step": (dict(base=0.5, every=3, factor=0.25), lambda i: 0.5 * 0.25 ** (i // 3)),
    "onecycle": (dict(base=0.5, last=10), lambda i: anneal(0.02, 0.5, i / 2) if i < 2 else
                 anneal(0.5, 2e-6, (i - 2) / 7)),
}


class Schedules(device_case.Case):
    @classmethod
    def batches(cls):
        good = harness.classes(BATCH, WIDTH, CLASSES, 5)
        return good, {**good, "x": good["x"] * np.float32(1e30)}

    def module(self, name="m", *flags):
        return self.open(self.compile(harness.mlp(self, name, [WIDTH, 4, CLASSES], BATCH), name,
                                      "--optimizer=sgd", *flags))

    def rates(self, session, skips, count=10, asks=True):
        """The rate of each attempted update; the attempts in `skips` are skipped."""
        good, bad = (session.batch(b) for b in self.batches())
        for n in range(count):
            batch = bad if n in skips else good
            session.step(batch) if asks else session.enqueue(batch)
        return [(i.learning_rate, bool(i.applied)) for i in
                (session.step_info(session.steps() - count + 1 + n) for n in range(count))]

    def test_kinds(self):
        module = self.module()
        for kind, (settings, formula) in KINDS.items():
            for skips in ((), (0, 3, 4)):
                for asks in (True, False):
                    with self.subTest(kind, skips=skips, asks=asks):
                        session = self.session(module)
                        session.set_schedule(session.schedule(kind, **settings))
                        found = self.rates(session, skips, asks=asks)
                        applied = 0
                        for n, (rate, isApplied) in enumerate(found):
                            self.assertEqual(isApplied, n not in skips)
                            wanted = np.float32(formula(applied))
                            # Once rounded; the cosine's last bits are the library's.
                            np.testing.assert_allclose(rate, wanted, rtol=3e-7, atol=1e-12)
                            applied += isApplied

    def test_warmup(self):
        session = self.session(self.module())
        session.set_schedule(session.schedule("linear", 1, warmup=4, last=8))
        self.assertEqual([r for r, _ in self.rates(session, (1,))],
                         [0.25, 0.5, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25, 0])

    def test_checkpoints_carry_it(self):
        module = self.module()
        settings = dict(base=0.5, warmup=2, last=9)
        whole = self.session(module)
        whole.set_schedule(whole.schedule("cosine", **settings))
        expected = self.rates(whole, (3,))
        whole.save(self.work / "whole.st")
        first = self.session(module)
        first.set_schedule(first.schedule("cosine", **settings))
        found = self.rates(first, (3,), 4)
        first.save(self.work / "cut.st")
        second = self.session(module)
        self.assertIsNone(second.get_schedule())
        second.load(self.work / "cut.st")
        known = second.get_schedule()
        self.assertEqual((known.kind, known.base, known.warmup, known.last), (2, 0.5, 2, 9))
        found += self.rates(second, (), 6)
        self.assertEqual(found, expected)
        second.save(self.work / "end.st")
        self.assertEqual((self.work / "end.st").read_bytes(),
                         (self.work / "whole.st").read_bytes())
        # A rate that is set ends it, as does NULL; a load brings it back.
        second.set_learning_rate(0.125)
        self.assertIsNone(second.get_schedule())
        self.assertEqual(self.rates(second, (), 2), [(0.125, True)] * 2)
        second.load(self.work / "cut.st")
        self.assertIsNotNone(second.get_schedule())
        second.set_schedule(None)
        self.assertIsNone(second.get_schedule())

    def test_micro_batches(self):
        session = self.session(self.module("micro", "--accumulate=2"))
        session.set_schedule(session.schedule("linear", 1, last=4))
        good = session.batch(self.batches()[0])
        rates = []
        for n in range(8):
            info = session.step(good)
            if n % 2:
                rates.append(info.learning_rate)
        self.assertEqual(rates, [1, 0.75, 0.5, 0.25])

    def test_what_cannot_be(self):
        session = self.session(self.module())
        before = session.get("ampc.learning_rate")
        for wrong in (session.schedule("linear", -1, last=4), session.schedule("step", 1),
                      session.schedule("linear", float("nan")),
                      session.schedule("cosine", 1, last=-1),
                      ampc_api.Schedule(56, 7, 1), ampc_api.Schedule(8, 0, 1)):
            with self.assertRaises(ampc_api.Error) as refused:
                session.set_schedule(wrong)
            self.assertEqual(refused.exception.code, ampc_api.INVALID_ARGUMENT)
            self.assertTrue(math.isnan(session.c.ampc_schedule_rate(wrong, 0)))
        with self.assertRaisesRegex(ampc_api.Error, "is the schedule's"):
            session.set_metadata("lr.schedule", "linear")
        self.assertIsNone(session.get_schedule())
        self.assertSameBits(session.get("ampc.learning_rate"), before)
        fine = session.schedule("linear", 1, last=4)
        self.assertEqual(session.c.ampc_schedule_rate(fine, 1), 0.75)


if __name__ == "__main__":
    device_case.main()
