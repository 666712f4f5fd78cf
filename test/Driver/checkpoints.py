# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs that keep several checkpoints, find the latest again, and survive kills at any time.

    python test/Driver/checkpoints.py BUILD_DIR [--all] [unittest's arguments]

--all: 1,000 kills while checkpoints are saved, and 100 runs that are killed and resumed.
"""
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

import numpy as np

import harness

BATCH, WIDTH, CLASSES, ROWS = 8, 6, 3, 40  # five batches an epoch


class Checkpoints(harness.Case):
    whole = False

    def setUp(self):
        super().setUp()
        self.data_file = self.work / "data.npz"
        arrays = harness.classes(ROWS, WIDTH, CLASSES)
        arrays["x"][13] *= np.float32(1e30)  # this row's step is skipped, once an epoch
        np.savez(self.data_file, **arrays)
        self.out = self.work / "out"
        self.out.mkdir()

    def module(self, name, *flags):
        model = harness.mlp(self, name, [WIDTH, 8, CLASSES], BATCH)
        return self.compile(model, name, "--target=host", "--optimizer=adam", "--amp-dtype=f16",
                            *flags)

    def command(self, module, *flags, folder=None, steps=75):
        folder = folder or self.out
        return [str(a) for a in (
            self.build.bin / "ampc-run", "train", module, f"--data={self.data_file}", "--quiet",
            "--device=host", f"--steps={steps}", f"--checkpoint={folder / 'run.safetensors'}",
            f"--log={folder / 'run.log'}", *flags)]

    def run_it(self, command, returncode=0):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, returncode, done.stderr)
        self.assertEqual(done.stderr.count("error:"), 1 if returncode else 0, done.stderr)
        return done.stderr

    def files(self, folder=None):
        return {p.name: p.read_bytes() for p in (folder or self.out).iterdir()
                if not p.name.endswith((".tmp", ".lock"))}

    def reference(self, module, steps, save_every=1, name="reference"):
        """An unbroken run that keeps all; its files."""
        folder = self.work / name
        folder.mkdir()
        self.run_it(self.command(module, f"--save-every={save_every}", "--keep=1000000",
                                 folder=folder, steps=steps))
        return self.files(folder)

    KEEP = ("--save-every=10", "--keep=3")

    def test_keeps_the_latest(self):
        module = self.module("m")
        expected = self.reference(module, 75, 10)
        self.assertEqual(len(expected), 7 + 2)
        self.run_it(self.command(module, *self.KEEP))
        found = self.files()
        self.assertEqual(sorted(found), ["run.log", "run.safetensors"] + [
            f"run.step-{n}.safetensors" for n in (50, 60, 70)])
        for name, data in found.items():
            self.assertEqual(data, expected[name], name)

    def test_finds_the_latest(self):
        module = self.module("m")
        expected = self.reference(module, 75, 10)
        auto = [*self.KEEP, "--resume=auto"]
        said = self.run_it(self.command(module, *auto, steps=72))
        self.assertIn("there is no checkpoint", said)
        self.assertIn("the run begins", said)
        cases = {  # what is damaged; what it goes on from
            (): "run.safetensors, after step 72",
            ("run.safetensors",): "run.step-70.safetensors, after step 70",
            ("run.safetensors", "run.step-70.safetensors"):
                "run.step-60.safetensors, after step 60",
        }
        saved = self.files()
        for how in (lambda data: data[:-1] + bytes([data[-1] ^ 4]), lambda data: data[:len(data) // 2],
                    lambda data: b""):
            for damaged, source in cases.items():
                with self.subTest(source):
                    for path in self.out.iterdir():
                        path.unlink()
                    for name, data in saved.items():
                        (self.out / name).write_bytes(how(data) if name in damaged else data)
                    said = self.run_it(self.command(module, *auto))
                    self.assertIn(f"goes on from {self.out}/{source}", said)
                    self.assertEqual(said.count("warning: --resume=auto"), len(damaged), said)
                    for name in damaged:
                        self.assertRegex(said, f"warning: --resume=auto: .*{name}")
                    found = self.files()
                    for name in ("run.safetensors", "run.log"):
                        self.assertEqual(found[name], expected[name], name)

    def test_nothing_is_left_to_go_on_from(self):
        module = self.module("m")
        self.run_it(self.command(module, *self.KEEP))
        for path in self.out.glob("*.safetensors"):
            path.write_bytes(path.read_bytes()[:100])
        before = self.files()
        said = self.run_it(self.command(module, *self.KEEP, "--resume=auto", steps=80), 1)
        self.assertIn("none of 4 checkpoints can be read", said)
        self.assertEqual(self.files(), before)

    def test_another_module_is_an_error(self):
        """Not passed over: an older one would not fit either, or be of another run."""
        self.run_it(self.command(self.module("m"), *self.KEEP))
        other = self.module("o", "--optimizer=sgd")
        before = self.files()
        said = self.run_it(self.command(other, *self.KEEP, "--resume=auto", steps=80), 1)
        self.assertIn("'ampc.optimizer' is adam", said)
        self.assertEqual(self.files(), before)

    def test_another_run_is_not_overwritten(self):
        module = self.module("m")
        self.run_it(self.command(module, *self.KEEP))
        before = self.files()
        said = self.run_it(self.command(module, *self.KEEP), 1)
        self.assertIn("has checkpoints of an earlier run beside it", said)
        self.assertEqual(self.files(), before)
        # One that goes back replaces what it goes back behind, once it has something better.
        back = f"--resume={self.out / 'run.step-50.safetensors'}"
        said = self.run_it(self.command(module, *self.KEEP, back, steps=55))
        self.assertIn("are removed when the run has saved its next one", said)
        self.assertIn("run.step-70.safetensors", self.files())
        self.run_it(self.command(module, *self.KEEP, back, steps=61))
        self.assertEqual(sorted(self.files()), ["run.log", "run.safetensors"] + [
            f"run.step-{n}.safetensors" for n in (50, 60)])

    def test_nothing_is_removed_for_a_save_that_failed(self):
        module = self.module("m")
        self.run_it(self.command(module, *self.KEEP, steps=35))
        before = self.files()
        environment = {**os.environ, "AMPC_CALLS_FROM": "1",
                       "LD_PRELOAD": str(self.build.lib / "libampc_failing_calls.so")}
        command = [a for a in self.command(module, *self.KEEP, "--resume=auto", steps=55)
                   if not a.startswith("--log")]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("was not saved", done.stderr)
        self.assertEqual(self.files(), before)

    def test_usage(self):
        module = self.module("m")
        base = [self.build.bin / "ampc-run", "train", module, f"--data={self.data_file}"]
        checkpoint = f"--checkpoint={self.out / 'c'}"
        for flags, said in (([checkpoint, "--keep=2"], "--keep needs --save-every"),
                            ([checkpoint, "--save-every=1", "--keep=0"], "--keep"),
                            (["--resume=auto"], "--resume=auto needs --checkpoint")):
            done = subprocess.run([*map(str, base), *flags], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(said, done.stderr)
        self.assertEqual(self.files(), {})

    #===--- Another batch ------------------------------------------------------------------===#

    def test_another_batch(self):
        """The place in the data is one among samples: no sample of the epoch comes twice."""
        module = self.module("m")
        model = harness.mlp(self, "m16", [WIDTH, 8, CLASSES], 16)
        wide = self.compile(model, "wide", "--target=host", "--optimizer=adam", "--amp-dtype=f16")
        order = "--batch-order=file"
        self.run_it(self.command(module, order, steps=3))  # 24 of 40 samples
        before = self.work / "before.safetensors"
        shutil.copyfile(self.out / "run.safetensors", before)
        said = self.run_it(self.command(wide, "--resume=auto", steps=4))
        self.assertIn("was trained with batches of 8, and this module takes 16: the run goes on "
                      "behind the 24 samples of epoch 1 that are used up", said)
        # The epoch has room for one batch of 16, and ends with it.
        metadata = self.metadata(self.out / "run.safetensors")
        self.assertEqual([metadata[f"user.data.{key}"] for key in ("epoch", "sample", "batch")],
                         ["1", "0", "16"])
        arrays = np.load(self.data_file)
        module = self.open(wide)
        session, other = self.session(module), self.session(module)
        session.load(before)
        session.step(session.batch({k: arrays[k][24:40] for k in ("x", "target")}))
        other.load(self.out / "run.safetensors")
        for name in module.names("parameter", "state"):
            self.assertSameBits(other.get(name), session.get(name), name)
        # Back again, with no word from a run of the same batch.
        self.assertIn("batches of 16", self.run_it(
            self.command(self.work / "m.so", "--resume=auto", steps=6)))
        self.assertNotIn("batches of", self.run_it(
            self.command(self.work / "m.so", "--resume=auto", steps=8)))

    def fresh(self, name):
        folder = self.work / name
        folder.mkdir(exist_ok=True)
        return folder

    @staticmethod
    def metadata(path):
        with open(path, "rb") as file:
            return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))["__metadata__"]

    #===--- Kills --------------------------------------------------------------------------===#

    def test_resumes_at_any_step(self):
        """Right after a skipped step, in mid-epoch, between micro-batches."""
        steps = 30 if self.whole else 12
        for name, flags in (("plain", ()), ("accumulated", ("--accumulate=3",))):
            module = self.module(name, *flags)
            folder = self.fresh(f"{name}-whole")
            self.run_it(self.command(module, folder=folder, steps=steps))
            log = harness.read_log(folder / "run.log")
            self.assertTrue(any(not s["applied"] for s in log[:-1]))
            for step in range(1, steps):
                cut = self.fresh(f"{name}-{step}")
                self.run_it(self.command(module, folder=cut, steps=step))
                self.run_it(self.command(module, "--resume=auto", folder=cut, steps=steps))
                self.assertEqual(self.files(cut), self.files(folder), step)
                shutil.rmtree(cut)

    def test_kills_while_saving(self):
        """A file that has a checkpoint's name is whole, and what is left resumes bit for bit."""
        kills = 1000 if self.whole else 12
        module = self.module("m")
        steps = 2 * kills
        expected = self.reference(module, steps)
        draw = random.Random(1)
        environment = {**os.environ,
                       "LD_PRELOAD": str(self.build.lib / "libampc_failing_calls.so")}
        log = self.work / "calls"
        subprocess.run(self.command(module, "--save-every=1", "--keep=2", steps=1, folder=self.fresh("calls-run")),
                       env={**environment, "AMPC_CALLS_LOG": str(log)}, check=True,
                       capture_output=True)
        most = 3 * len(log.read_text().splitlines())  # a save or three
        done, latest, seen = 0, 0, set()
        while done < kills:
            environment["AMPC_CALLS_KILL"] = str(draw.randint(1, most))
            run = subprocess.run(
                self.command(module, "--save-every=1", "--keep=2", "--resume=auto", steps=steps),
                env=environment, capture_output=True, text=True, timeout=60)
            self.assertIn(run.returncode, (-signal.SIGKILL, 0), run.stderr)
            self.assertNotIn("warning", run.stderr)
            if run.returncode == 0:  # begin again, the kills go on
                self.assertEqual(self.files()["run.safetensors"], expected["run.safetensors"])
                for path in self.out.iterdir():
                    path.unlink()
                latest = 0
                continue
            done += 1
            kept = []
            for name, data in self.files().items():
                if name.endswith(".safetensors"):
                    self.assertEqual(data, expected[name], name)
                    kept.append(int(name.split("-")[1].split(".")[0]))
            self.assertGreaterEqual(max(kept, default=0), latest, "a step was lost")
            latest = max(kept, default=0)
            seen.add(latest)
        del environment["AMPC_CALLS_KILL"]
        said = self.run_it(self.command(module, "--save-every=1", "--keep=2", "--resume=auto",
                                        steps=steps))
        self.assertEqual("goes on from" in said, latest > 0)
        found = self.files()
        for name, data in found.items():
            self.assertEqual(data, expected[name], name)
        # Kills between a save and the removal that follows it have left more for a while.
        self.assertEqual(len([name for name in found if "step-" in name]), 2)
        print(f"\n  {done} kills while saving, at {len(seen)} steps; {len(found)} files, each as "
              "the unbroken run's", end="", flush=True)

    def test_killed_and_resumed(self):
        """Killed at any time, resumed from the latest, again and again."""
        runs = 100 if self.whole else 2
        draw = random.Random(2)
        total = 0
        for name, flags in (("plain", ()), ("accumulated", ("--accumulate=3",))):
            module = self.module(name, *flags)
            steps = (6000 if name == "plain" else 2500) if self.whole else 1500
            folder = self.fresh(f"{name}-whole")
            began = time.monotonic()
            self.run_it(self.command(module, "--save-every=17", "--keep=2", folder=folder, steps=steps))
            duration = time.monotonic() - began
            expected = self.files(folder)
            for number in range(runs // 2):
                cut = self.fresh(f"{name}-{number}")
                command = self.command(module, "--save-every=17", "--keep=2", "--resume=auto",
                                       folder=cut, steps=steps)
                kills = 0
                for _ in range(3):
                    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
                    time.sleep(draw.uniform(0.005, duration / 2))
                    process.kill()
                    kills += process.wait(60) == -signal.SIGKILL
                self.run_it(command)
                self.assertEqual(self.files(cut), expected, f"{name} {number}")
                total += kills
                shutil.rmtree(cut)
        self.assertGreater(total, 0)
        print(f"\n  {runs} runs, killed {total} times in all: the bytes of the unbroken ones",
              end="", flush=True)


if __name__ == "__main__":
    Checkpoints.whole = "--all" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--all"]
    harness.main()
