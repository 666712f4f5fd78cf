#!/usr/bin/env python3
"""Files that cannot be written, killed processes, closed streams and foreign surroundings.

usage: faults.py BUILD_DIR [unittest's arguments]
"""
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import threading
import time

import numpy as np

import harness

SMALL = """<ir_version: 8, opset_import: ["" : 17]>
    small (float[2,3] x) => (float loss, float[2,2] y) {
      y = MatMul(x, w)
      z = Mul(y, y)
      loss = ReduceMean<keepdims=0>(z)
    }"""


class Faults(harness.Case):
    def setUp(self):
        super().setUp()
        self.small = self.model("small", SMALL, w=np.arange(6, dtype=np.float32).reshape(3, 2))
        self.out = self.work / "out"
        self.out.mkdir()
        self.shim = self.build.lib / "libampc_failing_calls.so"

    def start(self, command, surroundings={}, **more):
        """The process; what it may not inherit is left out."""
        environment = {**os.environ, **{k: str(v) for k, v in surroundings.items()}}
        if any(name.startswith("AMPC_CALLS") for name in surroundings):
            environment["LD_PRELOAD"] = str(self.shim)
        return subprocess.Popen([str(c) for c in command], env=environment, **more)

    def call(self, command, surroundings={}, **more):
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL,
                **more}
        process = self.start(command, surroundings, **more)
        out, err = process.communicate(timeout=120)
        text = [(t or b"").decode("utf-8", "replace") for t in (out, err)]
        return subprocess.CompletedProcess(command, process.returncode, *text)

    def calls(self, command):
        """The calls that change files in a run that nothing stops: pairs (name, file)."""
        log = self.work / "calls"
        log.unlink(missing_ok=True)
        done = self.call(command, {"AMPC_CALLS_LOG": log})
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line.split(" ", 1) for line in log.read_text().splitlines()]

    def compile_command(self, *flags):
        return [self.build.bin / "ampc", self.small, "-o", self.out / "t.so", "--target=host", *flags]

    def compiled(self, *flags):
        """The bytes of a good compilation; nothing is left of it."""
        done = self.call(self.compile_command(*flags))
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.take("t.so")

    def take(self, name):
        path = self.out / name
        data = path.read_bytes()
        path.unlink()
        return data

    def files(self):
        return {path.name: path.read_bytes() for path in self.out.iterdir()}

    def trained(self):
        """A module, data of four batches, and the command that trains on it without its outputs."""
        module = self.compile(self.small, "module", "--target=host", "--lr=0.01", "--batch=2")
        data = self.work / "data.npz"
        if not data.exists():
            np.savez(data, x=np.random.RandomState(0).randn(8, 3).astype(np.float32))
        return [self.build.bin / "ampc-run", "train", module, f"--data={data}", "--epochs=2",
                "--quiet"]


class FailingCalls(Faults):
    def test_compiler(self):
        """At each call in turn: exit 1, one error, the old file as it was, and no other."""
        command = self.compile_command()
        total = len(self.calls(command))
        self.out.joinpath("t.so").unlink()
        self.assertGreaterEqual(total, 3)
        before = {"t.so": b"as it was"}
        for n in range(1, total + 1):
            with self.subTest(call=n):
                self.out.joinpath("t.so").write_bytes(before["t.so"])
                done = self.call(command, {"AMPC_CALLS_FAIL": n})
                if done.returncode == 0:  # only where the call was not needed, as a cache's
                    self.assertNotEqual(self.files(), before, "exit 0 without an output")
                    continue
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertEqual(self.files(), before)
                errors = [line for line in done.stderr.splitlines() if ": remark: " not in line]
                self.assertEqual(len(errors), 1, done.stderr)
                self.assertIn("error:", errors[0])
                self.assertIn(os.strerror(errno.ENOSPC), errors[0])

    def test_compiler_with_several_outputs(self):
        """All of them are new, or none."""
        report = f"--report={self.out}/r.json"
        command = self.compile_command(report)
        total = len(self.calls(command))
        before = {"t.so": b"as it was", "r.json": b"as it was, too"}
        for n in range(1, total + 1):
            with self.subTest(call=n):
                for name, content in before.items():
                    (self.out / name).write_bytes(content)
                done = self.call(command, {"AMPC_CALLS_FAIL": n})
                if done.returncode != 0:
                    self.assertEqual(done.returncode, 1, done.stderr)
                    self.assertEqual(self.files(), before)

    def test_disk_that_stays_full(self):
        command = self.compile_command()
        self.out.joinpath("t.so").write_bytes(b"as it was")
        for code in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS):
            done = self.call(command, {"AMPC_CALLS_FROM": 1, "AMPC_CALLS_ERRNO": code})
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(self.files(), {"t.so": b"as it was"})
            self.assertIn(os.strerror(code), done.stderr)

    def test_short_writes(self):
        """Writes that take a byte, and are interrupted, end in the same file."""
        expected = self.compiled()
        done = self.call(self.compile_command(), {"AMPC_CALLS_SHORT": 1})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.take("t.so"), expected)
        command = self.trained() + [f"--checkpoint={self.out}/c", f"--log={self.out}/l",
                                    f"--plot={self.out}/p"]
        self.assertEqual(self.call(command).returncode, 0)
        expected = self.files()
        for name in expected:
            self.take(name)
        done = self.call(command, {"AMPC_CALLS_SHORT": 1})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.files(), expected)

    def test_training(self):
        """Whatever fails, a checkpoint is whole or the one before, and exit 0 means the last."""
        train = self.trained()
        command = train + [f"--checkpoint={self.out}/c", "--save-every=3"]
        total = len(self.calls(command))
        last = self.take("c")
        self.assertGreater(total, 6)
        command_before = train[:-2] + ["--steps=1", f"--checkpoint={self.out}/c"]
        self.assertEqual(self.call(command_before).returncode, 0)
        before = self.take("c")
        whole = set()  # the checkpoints there can be
        for steps in (3, 6):
            self.call(train[:-2] + [f"--steps={steps}", f"--checkpoint={self.out}/c"])
            whole.add(self.take("c"))
        for n in range(1, total + 1):
            with self.subTest(call=n):
                (self.out / "c").write_bytes(before)
                done = self.call(command, {"AMPC_CALLS_FAIL": n})
                self.assertIn(done.returncode, (0, 1), done.stderr)
                if n > 1:  # the first makes the lock, without which a run goes on
                    self.assertIn(os.strerror(errno.ENOSPC), done.stderr)
                state = self.files()
                self.assertEqual(list(state), ["c"], "a file is left")
                if done.returncode == 0:
                    self.assertEqual(state["c"], last)
                else:
                    self.assertIn(state["c"], {before, last} | whole)

    def test_plot_and_best(self):
        """Whatever fails, plot and checkpoints are whole or what was there before."""
        train = self.trained()
        command = train + [f"--checkpoint={self.out}/c", f"--plot={self.out}/p", "--keep-best",
                           f"--eval-{train[3][2:]}"]
        total = len(self.calls(command))
        last = self.files()
        self.assertEqual(set(last), {"c", "c.best", "p"})
        for n in range(1, total + 1):
            with self.subTest(call=n):
                for name in last:
                    (self.out / name).write_bytes(b"as it was")
                done = self.call(command, {"AMPC_CALLS_FAIL": n})
                self.assertIn(done.returncode, (0, 1), done.stderr)
                # The first makes the lock; the last syncs the folder of the plot, which is there.
                if 1 < n < total:
                    self.assertIn(os.strerror(errno.ENOSPC), done.stderr)
                state = self.files()
                self.assertEqual(set(state), set(last), "a file is left")
                if state["p"] != b"as it was":
                    self.assertEqual(state["p"], last["p"])
                for name in ("c", "c.best"):
                    if state[name] != b"as it was":
                        self.assertEqual(len(state[name]), self.safetensors_size(state[name]))
                if done.returncode == 0:
                    self.assertEqual(state["p"], last["p"])
                    self.assertNotEqual(state["c"], b"as it was")

    @staticmethod
    def safetensors_size(data):
        header = int.from_bytes(data[:8], "little")
        tensors = json.loads(data[8:8 + header])
        return 8 + header + max(entry["data_offsets"][1] for name, entry in tensors.items()
                                if name != "__metadata__")

    def test_evaluation(self):
        module = self.trained()[2]
        command = [self.build.bin / "ampc-run", "eval", module, f"--data={self.work}/data.npz",
                   f"--outputs={self.out}/o.npz"]
        total = len(self.calls(command))
        self.assertGreater(total, 2)
        (self.out / "o.npz").write_bytes(b"as it was")
        after_rename = False
        for n in range(1, total + 1):
            with self.subTest(call=n):
                done = self.call(command, {"AMPC_CALLS_FAIL": n})
                if n == total and done.returncode == 0:
                    after_rename = True  # the folder's fsync: the file is in its place
                    continue
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(os.strerror(errno.ENOSPC), done.stderr)
                self.assertEqual(self.files(), {"o.npz": b"as it was"})
        self.assertTrue(after_rename)

    def test_checkpoints_are_durable(self):
        """The file is on the disk before it has its name, and then the name is."""
        calls = self.calls(self.trained() + [f"--checkpoint={self.out}/c", "--save-every=2"])
        renames = [i for i, (name, file) in enumerate(calls)
                   if name == "rename" and file.endswith("/c")]
        self.assertGreaterEqual(len(renames), 4)
        for i in renames:
            self.assertEqual(calls[i - 1][0], "fsync")
            self.assertTrue(calls[i - 1][1].startswith(str(self.out / "c.")), calls[i - 1])
            self.assertEqual(calls[i + 1], ["fsync", str(self.out)])


class Kills(Faults):
    def test_compiler_at_each_call(self):
        """The output is the old one or the new one, whole."""
        expected = self.compiled()
        command = self.compile_command()
        (self.out / "t.so").write_bytes(b"as it was")  # one more call replaces it
        total = len(self.calls(command))
        for n in range(1, total + 1):
            with self.subTest(call=n):
                (self.out / "t.so").write_bytes(b"as it was")
                done = self.call(command, {"AMPC_CALLS_KILL": n})
                self.assertEqual(done.returncode, -signal.SIGKILL)
                self.assertIn((self.out / "t.so").read_bytes(), (b"as it was", expected))

    def test_compiler_at_any_time(self):
        expected = self.compiled()
        began = time.monotonic()
        self.compiled()
        duration = time.monotonic() - began
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            for part in range(6):
                with self.subTest(signal=number, part=part):
                    for path in self.out.iterdir():
                        path.unlink()
                    (self.out / "t.so").write_bytes(b"as it was")
                    process = self.start(self.compile_command(), stderr=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL)
                    time.sleep(duration * (part + 0.5) / 6)
                    process.send_signal(number)
                    self.assertIn(process.wait(60), (-number, 0))
                    files = self.files()
                    self.assertIn(files.pop("t.so"), (b"as it was", expected))
                    if number != signal.SIGKILL:
                        self.assertEqual(files, {}, "a file is left")

    def test_two_compilers_write_one_file(self):
        expected = self.compiled()
        running = [self.start(self.compile_command(), stderr=subprocess.DEVNULL) for _ in range(4)]
        seen = set()

        def look():
            while any(process.poll() is None for process in running):
                if (self.out / "t.so").exists():
                    seen.add((self.out / "t.so").read_bytes() == expected)

        reader = threading.Thread(target=look)
        reader.start()
        self.assertEqual([process.wait(60) for process in running], [0] * 4)
        reader.join()
        self.assertLessEqual(seen, {True}, "a reader has seen a file that is not whole")
        self.assertEqual(self.files(), {"t.so": expected})

    def test_file_that_another_takes_for_abandoned(self):
        """A file is not locked yet when another process looks at it, which removes it later."""
        expected = self.compiled()
        process = self.start(self.compile_command(), {"AMPC_CALLS_LOCK_LATE": 500})
        while not (found := list(self.out.iterdir())) and process.poll() is None:
            time.sleep(0.001)
        with open(found[0]) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            time.sleep(1)
            found[0].unlink()
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(self.files(), {"t.so": expected})


class Streams(Faults):
    """Standard streams that are closed: what is opened next must not take their place."""

    CLOSED = ({"stdout"}, {"stderr"}, {"stdin"}, {"stdin", "stdout", "stderr"})

    def closed(self, command, streams):
        numbers = [{"stdin": 0, "stdout": 1, "stderr": 2}[s] for s in streams]

        def close():
            for number in numbers:
                os.close(number)

        return self.call(command, preexec_fn=close)

    def test_compiler(self):
        expected = self.compiled()
        for streams in self.CLOSED:
            with self.subTest(streams):
                done = self.closed(self.compile_command(), streams)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(self.take("t.so"), expected)

    def test_training(self):
        command = self.trained()
        command.remove("--quiet")
        command += [f"--checkpoint={self.out}/c", f"--log={self.out}/l", "--device=host"]
        self.assertEqual(self.call(command).returncode, 0)
        expected = self.files()
        for streams in self.CLOSED:
            with self.subTest(streams):
                for name in list(self.files()):
                    self.take(name)
                done = self.closed(command, streams)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(self.files(), expected)

    def test_text_that_cannot_be_written(self):
        module = self.trained()[2]
        for command in ([self.build.bin / "ampc", self.small, "--emit=amp"],
                        [self.build.bin / "ampc", "--list-ops"],
                        [self.build.bin / "ampc-run", "inspect", module],
                        [self.build.bin / "ampc-run", "inspect", "--json", module]):
            with self.subTest(command[1:]):
                self.assertEqual(self.call(command).returncode, 0)
                with open("/dev/full", "w") as full:
                    done = self.call(command, stdout=full)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(os.strerror(errno.ENOSPC), done.stderr)
                done = self.closed(command, {"stdout"})
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("error:", done.stderr)


class Surroundings(Faults):
    def test_folder_that_is_gone(self):
        expected = self.compiled()

        def in_no_folder(command):
            gone = self.work / "gone"
            gone.mkdir()
            return self.call(["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', gone, *command])

        done = in_no_folder(self.compile_command())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.take("t.so"), expected)
        done = in_no_folder(self.trained() + [f"--checkpoint={self.out}/c"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.take("c")
        for command in ([self.build.bin / "ampc", "small.onnx", "-o", self.out / "t.so"],
                        [self.build.bin / "ampc", self.small, "-o", "t.so"],
                        [self.build.bin / "ampc-run", "inspect", "t.so"],
                        self.trained() + ["--checkpoint=c"]):
            with self.subTest(command[1:]):
                done = in_no_folder(command)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(os.strerror(errno.ENOENT), done.stderr)
                self.assertEqual(self.files(), {})

    def test_locale(self):
        """Numbers are read and written with a point, and letters compared as in C."""
        folder = self.work / "locales"
        folder.mkdir()
        for name in ("de_DE", "tr_TR"):
            try:
                done = self.call(["localedef", "-i", name, "-f", "UTF-8", folder / f"{name}.UTF-8"])
            except FileNotFoundError:
                self.skipTest("no localedef")
            if done.returncode != 0:
                self.skipTest(f"localedef cannot make {name}: install the package locales")
        check = "import locale; locale.setlocale(locale.LC_ALL, ''); print(locale.str(0.5))"
        flags = ["--lr=0.015625", "--loss-scale-init=1024.5", "--optimizer=adam", "--beta1=0.75",
                 "--clip-grad-norm=1.5"]
        command = self.trained() + [f"--checkpoint={self.out}/c", f"--log={self.out}/l",
                                    "--lr=0.125", "--lr-schedule=cosine", f"--plot={self.out}/p"]
        inspect = [self.build.bin / "ampc-run", "inspect", self.trained()[2]]
        expected = []
        for name in ("C", "de_DE.UTF-8", "tr_TR.UTF-8"):
            surroundings = {"LOCPATH": folder, "LC_ALL": name, "LANG": name}
            if name != "C":
                done = self.call([os.sys.executable, "-c", check], surroundings)
                self.assertEqual(done.stdout.strip(), "0,5", done.stderr)  # so it is in force
            done = self.call(self.compile_command(*flags), surroundings)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.call(command, surroundings).returncode, 0)
            wrong = self.call(self.compile_command("--lr=0,5"), surroundings)
            self.assertEqual(wrong.returncode, 2, wrong.stderr)
            got = (self.files(), self.call(inspect, surroundings).stdout, wrong.stderr)
            expected = expected or got
            self.assertEqual(got, expected, name)

    def test_temporary_folder(self):
        """One that is missing or full is an error; no HOME is none."""
        for folder in (self.work / "none", "/proc"):
            done = self.call(self.compile_command(), {"TMPDIR": folder})
            if done.returncode != 0:
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
                self.assertEqual(self.files(), {})
            else:
                self.take("t.so")
        command = ["env", "-i", *self.compile_command()]
        self.assertEqual(self.call(command).returncode, 0)

    def test_umask(self):
        for mask in (0o022, 0o077, 0o002):
            command = ["sh", "-c", f'umask {mask:o}; exec "$@"', "-", *self.compile_command()]
            done = self.call(command)
            self.assertEqual(done.returncode, 0, done.stderr)
            mode = (self.out / "t.so").stat().st_mode & 0o666
            self.assertEqual(mode, 0o666 & ~mask)
            self.take("t.so")

    def test_paths(self):
        """Names that a shell would take apart."""
        expected = self.compiled()
        for name in ("a b", "a'b", 'a"b', "$(touch x)", "a;b", "-", "ü", "a\nb", "*"):
            with self.subTest(name):
                folder = self.out / name
                folder.mkdir()
                model = folder / "small.onnx"  # the name is kept in the module
                model.write_bytes(self.small.read_bytes())
                out = folder / (name + ".so")
                done = self.call([self.build.bin / "ampc", model, "-o", out, "--target=host"])
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(out.read_bytes(), expected)
                self.assertEqual(len(list(folder.iterdir())), 2)
                done = self.call([self.build.bin / "ampc-run", "inspect", "--json", out])
                self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("x" * 300, "/".join(["y" * 200] * 25)):
            done = self.call([self.build.bin / "ampc", self.small, "-o", self.out / name])
            self.assertEqual(done.returncode, 1)
            self.assertIn("error: cannot write", done.stderr)

    def test_percent_sign(self):
        """In a path it is a letter as any other."""
        expected = self.compiled()
        (self.out / "50%").mkdir()
        out = self.out / "50%" / "%s.so"
        done = self.call([self.build.bin / "ampc", self.small, "-o", out, "--target=host"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(out.read_bytes(), expected)

    def test_link_as_output(self):
        """A link is written through or replaced, never half; what it names stays whole."""
        expected = self.compiled()
        (self.out / "aim").write_bytes(b"as it was")
        (self.out / "t.so").symlink_to(self.out / "aim")
        done = self.call(self.compile_command())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.out / "t.so").read_bytes(), expected)
        self.assertIn((self.out / "aim").read_bytes(), (b"as it was", expected))

    def test_same_bytes(self):
        """The output depends on the model and the flags alone."""
        expected = self.compiled()
        other = self.work / "elsewhere"
        other.mkdir()
        for surroundings in ({"TMPDIR": other}, {"HOME": "/"}, {"OMP_NUM_THREADS": 7},
                             {"MALLOC_PERTURB_": 85}, {"SOURCE_DATE_EPOCH": 1}):
            done = self.call(self.compile_command(), surroundings, cwd=other)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.take("t.so"), expected, surroundings)


if __name__ == "__main__":
    harness.main()
