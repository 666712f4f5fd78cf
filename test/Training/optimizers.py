# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Each update moves parameters and state as PyTorch's, or the paper's formulas, do; state comes back
from a checkpoint bit for bit.

    python test/Training/optimizers.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]

The loss is the sum of parameters times inputs, so that the inputs are the gradients.
recordings/optimizers.json is in f64, by record_optimizers.py.
"""
import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Device"))
import device_case  # noqa: E402
import harness  # noqa: E402

RECORDED = json.loads((HERE / "recordings/optimizers.json").read_text())
START = {name: np.asarray(v, np.float32) for name, v in RECORDED["start"].items()}
# An update is some 16 operations, each of which rounds to 24 bits, and so are the state's before it.
ROUNDINGS = 16 * 2.0 ** -24


class Optimizers(device_case.Case):
    def inner_product(self):
        """A model whose gradients are its inputs."""
        def tensor(shape):
            return f"float[{','.join(map(str, shape))}]" if shape else "float"

        inputs = ", ".join(f"{tensor(v.shape)} x_{name}" for name, v in START.items())
        lines, sums = [], []
        for name, value in START.items():
            lines.append(f"p_{name} = Mul({name}, x_{name})")
            lines.append(f"s_{name} = ReduceSum<keepdims = 0>(p_{name})")
            sums.append(f"s_{name}")
        lines.append(f"loss = Sum({', '.join(sums)})")
        return self.model("inner", f'<ir_version: 8, opset_import: ["" : 17]> g ({inputs}) => '
                          f'(float loss) {{ {" ".join(lines)} }}', **START)

    def test_recorded_updates(self):
        model = self.inner_product()
        kinds = set()
        for number, recording in enumerate(RECORDED["optimizers"]):
            flags = recording["flags"]
            kinds.add(flags[0])
            module = self.open(self.compile(model, f"r{number}", "--amp=O0", "--train=.", *flags))
            session = self.session(module)
            names = set(module.names("parameter", "state"))
            before = {}
            worst = 0
            with self.subTest(flags=flags):
                for t, (gradients, wanted) in enumerate(
                        zip(RECORDED["gradients"], recording["steps"]), 1):
                    self.assertEqual(names, set(wanted))
                    session.step(session.batch(
                        {f"x_{k}": np.asarray(v, np.float32) for k, v in gradients.items()}))
                    for name, value in wanted.items():
                        value = np.asarray(value)
                        change = np.abs(value - before.get(name, value)).max(initial=0)
                        allowed = t * ROUNDINGS * (np.abs(value) + change) + 2.0 ** -140
                        error = np.abs(session.get(name) - value) / allowed
                        worst = max(worst, error.max())
                        self.assertLessEqual(error.max(), 1, f"step {t}, {name}")
                        before[name] = value
            print(f"\n  {' '.join(flags)}: {worst:.2f} of what is allowed", end="")
        self.assertEqual(kinds, {f"--optimizer={k}" for k in ("nadam", "adafactor", "lamb", "lion",
                                                              "adamw")})

    def test_recordings_differ(self):
        """By more than what is allowed: a setting that is not looked at shows."""
        by_kind = {}
        for recording in RECORDED["optimizers"]:
            by_kind.setdefault(recording["flags"][0], []).append(recording["steps"][-1])
        for recordings in by_kind.values():
            for one in recordings:
                for other in recordings:
                    if one is not other:
                        a, b = np.asarray(one["matrix"]), np.asarray(other["matrix"])
                        self.assertGreater((np.abs(a - b) / np.abs(a)).max(), 1e-3)

    def test_checkpoints(self):
        batch = 8
        data = [harness.classes(batch, 12, 5, seed) for seed in range(6)]
        for optimizer in ("nadam", "adafactor", "lamb", "lion"):
            for dtype in ("f16", "bf16"):
                with self.subTest(optimizer=optimizer, dtype=dtype):
                    model = harness.mlp(self, "model", [12, 16, 5], batch)
                    module = self.open(self.compile(
                        model, f"{optimizer}-{dtype}", f"--optimizer={optimizer}", "--lr=0.01",
                        f"--amp-dtype={dtype}", "--clip-grad-norm=0.5",
                        "--group=bias:lr=0.05,weight-decay=0"))
                    whole, first, second = (self.session(module) for _ in range(3))
                    for arrays in data:
                        whole.step(whole.batch(arrays))
                    for arrays in data[:3]:
                        first.step(first.batch(arrays))
                    path = self.work / f"{optimizer}-{dtype}.safetensors"
                    first.save(path)
                    self.assertTrue(second.load(path))
                    for arrays in data[3:]:
                        second.step(second.batch(arrays))
                    for name in module.names("parameter", "state", "scalar"):
                        self.assertSameBits(second.get(name), whole.get(name), name)


if __name__ == "__main__":
    device_case.main()
