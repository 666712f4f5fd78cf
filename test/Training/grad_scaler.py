# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The compiled step's loss scaler, driven with random overflows, against torch's GradScaler.

recordings/grad_scaler.json holds GradScaler's states over 10,000 sequences and more; README.md
says how the overflows are drawn and the states hashed. Here each overflow is a real one, in the
gradients alone: of a batch whose square root is 0 the slope is infinite at any scale. Scale and
tracker are read from the session. (What is not finite before the gradients is no matter of the scale
to ampc: skipped_step.py.)

    python test/Training/grad_scaler.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import hashlib
import json
import pathlib
import struct
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Device"))
import device_case  # noqa: E402

RECORDING = json.loads((HERE / "recordings/grad_scaler.json").read_text())

# One weight, which is 1 all the time. The mean over 16 rows keeps the seed of the gradient, a sixteenth of the scale,
# within f16 up to a scale of 2^19.
LOW = """<ir_version: 8, opset_import: ["" : 17]>
low (float[16,1] x) => (float loss) {
  y = MatMul(x, w)
  root = Sqrt(y)
  loss = ReduceMean<keepdims = 0>(root)
}"""
# In f32 whatever the lists say: for the group whose scale goes up to the largest f32.
WIDE = LOW.replace("MatMul", "Mul").replace("low", "wide")


def fnv1a64(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def overflows(group):
    """For each sequence, whether each of its steps overflows."""
    state = group["seed"]

    def draw():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return state >> 32

    for _ in range(group["sequences"]):
        rate = draw() >> 1 if group["rate"] is None else group["rate"]
        yield [draw() < rate for _ in range(group["steps"])]


class GradScaler(device_case.Case):
    def make_session(self, name, group, wide):
        flags = [f"--loss-scale-{key}={group[key]!r}"
                 for key in ("init", "growth", "backoff", "interval")]
        model = self.model(name, WIDE if wide else LOW, w=np.ones((1, 1), np.float32))
        # The floor is ours, GradScaler has none.
        module = self.open(self.compile(model, name, "--loss-scale-min=0",
                                        "--optimizer=sgd", "--lr=1e-12", *flags))
        types = {t for step in module.inspect(self.device.name)["steps"] for t in step["operand_types"]}
        self.assertEqual("f16" in types, not wide, f"the step computes in {types}")
        return self.session(module, threads=1)

    def drive(self, session, group, good, bad):
        """The state after each step, eight bytes each, and the number of skipped steps."""
        states, skipped = bytearray(), 0
        for sequence in overflows(group):
            session.set("ampc.loss_scale", group["init"])
            session.set("ampc.growth_tracker", 0)
            scale = np.float32(group["init"])
            for overflow in sequence:
                info = session.step(bad if overflow else good)
                self.assertTrue(np.isfinite(info.loss))
                self.assertEqual(info.applied, not overflow, f"step {info.step}")
                self.assertEqual(info.loss_scale, scale)
                skipped += overflow
                scale = session.get("ampc.loss_scale")
                self.assertEqual(info.next_loss_scale, scale)
                states += struct.pack("<fi", scale, session.get("ampc.growth_tracker"))
        return bytes(states), skipped

    def compare(self, name, good, bad, wide=False):
        """The number of sequences, all of which went as GradScaler's."""
        group, start = RECORDING["groups"][name], time.monotonic()
        session = self.make_session(name, group, wide)
        states, skipped = self.drive(
            session, group, *(session.batch(x=np.full((16, 1), v, np.float32))
                              for v in (good, bad)))
        scales = list(struct.iter_unpack("<fi", states))
        for i, example in enumerate(group["examples"]):
            mine = scales[i * group["steps"]:][:group["steps"]]
            recorded = [(struct.unpack("<f", struct.pack("<f", s))[0], t)
                        for s, t in zip(example["scale"], example["tracker"])]
            self.assertEqual(mine, recorded, f"{name}: sequence {i}")
        size = RECORDING["block"] * group["steps"] * 8
        hashes = [fnv1a64(states[i:i + size]) for i in range(0, len(states), size)]
        wrong = [i for i, pair in enumerate(zip(hashes, group["fnv1a64"])) if len(set(pair)) > 1]
        self.assertEqual(wrong, [], f"{name}: blocks of {RECORDING['block']} sequences")
        self.assertEqual(hashlib.sha256(states).hexdigest(), group["sha256"], name)
        self.assertEqual(skipped, group["overflows"], name)
        print(f"\n  {name}: {group['sequences']} sequences, {len(scales)} steps, {skipped} "
              f"skipped, as GradScaler's; {time.monotonic() - start:.1f} s", flush=True)
        return group["sequences"]

    def test_ten_thousand_sequences(self):
        count = sum(self.compare(name, good=1, bad=0)
                    for name in ("interval3", "interval7", "thirds", "tenths"))
        self.assertEqual(count, 10000)

    def test_default_interval(self):
        self.compare("default", good=1, bad=0)

    def test_ceiling(self):
        self.compare("ceiling", good=1, bad=0, wide=True)


if __name__ == "__main__":
    device_case.main()
