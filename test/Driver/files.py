# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the tools read and write: nothing that is read is overwritten, outputs appear together or
not at all, and a file that cannot be written is an error.

    python test/Driver/files.py BUILD_DIR
"""
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
from onnx import external_data_helper

import harness

MODEL = harness.MODELS / "mlp_10_100_10.onnx"
FLAGS = ["--batch=100", "--target=host"]


def limit_file_size():
    """In a child process: no file larger than 4 KiB, with the signal that tells of it on."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


class FilesCase(harness.Case):
    def snapshot(self):
        """Every file of the working directory, with its bytes."""
        return {str(p.relative_to(self.work)): p.read_bytes()
                for p in self.work.rglob("*") if p.is_file()}

    def run_tool(self, tool, *arguments, **options):
        options.setdefault("stdout", subprocess.PIPE)
        return subprocess.run([str(self.build.bin / tool), *map(str, arguments)],
                              stderr=subprocess.PIPE, timeout=120, encoding="utf-8",
                              errors="replace", **options)

    def refuse(self, tool, arguments, pattern, code=1, **options):
        """Ends with `code` and one error; every file is as it was."""
        before = self.snapshot()
        result = self.run_tool(tool, *arguments, **options)
        self.assertEqual(result.returncode, code, f"{arguments}: {result.stderr}")
        self.assertRegex(result.stderr, pattern)
        self.assertEqual(result.stderr.count("error:"), 1, result.stderr)
        after = self.snapshot()
        self.assertEqual(sorted(after), sorted(before))
        self.assertEqual(after, before)


class Compiler(FilesCase):
    def copy_model(self):
        """A model with external data, and every other name of its files: path by spelling."""
        model, data = self.work / "m.onnx", self.work / "m.data"
        proto = onnx.load(MODEL)
        external_data_helper.convert_model_to_external_data(proto, location="m.data",
                                                            size_threshold=0)
        onnx.save(proto, model)
        (self.work / "folder").symlink_to(self.work)
        spellings = []
        for path in (model, data):
            link = self.work / f"{path.suffix[1:]}-link"
            link.symlink_to(path)
            spellings += [path, f"{self.work}/./{path.name}", f"{self.work}/folder/{path.name}",
                          f"{self.work}//{path.name}", link]
        return model, spellings

    def test_outputs_that_are_inputs(self):
        model, spellings = self.copy_model()
        out = self.work / "x.so"
        for path in spellings:
            for flags in (["-o", path], ["-o", out, f"--report={path}"],
                          ["--emit=amp", "-o", path]):
                with self.subTest(flags):
                    self.refuse("ampc", [model, *FLAGS, *flags], "would overwrite")
        # The data may have no other names, the model may.
        hard = self.work / "hard.onnx"
        os.link(model, hard)
        self.refuse("ampc", [model, *FLAGS, "-o", hard], "would overwrite")
        # One of the stages.
        dumped = self.work / "2-train.mlir"
        shutil.copy(MODEL, dumped)
        self.refuse("ampc", [dumped, *FLAGS, "-o", out, f"--dump-ir={self.work}"],
                    "--dump-ir .*would overwrite the model")

    def test_two_outputs_that_are_one(self):
        (self.work / "real").mkdir()
        (self.work / "other").symlink_to(self.work / "real")
        (self.work / "void").symlink_to(self.work / "real/x.so")  # leads to a file to come
        out = self.work / "real/x.so"
        for report in (out, self.work / "other/x.so", self.work / "real/../real/x.so",
                       self.work / "void"):
            with self.subTest(report):
                self.refuse("ampc", [MODEL, *FLAGS, "-o", out, f"--report={report}"],
                            "the same file as -o")
        self.refuse("ampc", [MODEL, *FLAGS, "-o", self.work / "real/1-amp.mlir",
                             f"--dump-ir={self.work}/other"], "--dump-ir .*the same file as -o")

    def test_all_outputs_or_none(self):
        out, report = self.work / "x.so", self.work / "r.json"
        for content in (None, b"as it was"):
            if content:
                out.write_bytes(content)
                report.write_bytes(content)
            for flags in (["-o", out, "--report=/dev/full"],
                          ["-o", "/dev/full", f"--report={report}"],
                          ["-o", out, f"--report={self.work}/none/r.json"],
                          ["-o", out, f"--report={self.work}"]):
                with self.subTest(flags):
                    self.refuse("ampc", [MODEL, *FLAGS, *flags], "cannot write")
            with open("/dev/full", "w") as full:
                self.refuse("ampc", [MODEL, *FLAGS, "-o", out, f"--report={report}", "--explain"],
                            "cannot write 'standard output'", stdout=full)
        result = self.run_tool("ampc", MODEL, *FLAGS, "-o", out, f"--report={report}")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(out.read_bytes()[:4], b"\x7fELF")
        self.assertEqual(sorted(os.listdir(self.work)), ["r.json", "x.so"])

    def test_standard_output_is_checked(self):
        for flags in ([MODEL, *FLAGS, "--emit=amp"], [MODEL, *FLAGS, "--emit=plan", "-o", "-"],
                      [MODEL, *FLAGS, "--explain"], ["--list-ops"], ["--help"], ["--help-hidden"],
                      ["--version"]):
            with self.subTest(flags):
                with open("/dev/full", "w") as full:
                    self.refuse("ampc", flags, "(?m)^ampc: error: cannot write 'standard output'",
                                stdout=full)
                self.refuse("ampc", flags, "cannot write 'standard output'", stdout=None,
                            preexec_fn=lambda: os.close(1))
                reading, writing = os.pipe()
                os.close(reading)  # a write is SIGPIPE, or an error where that is ignored
                self.refuse("ampc", flags, "cannot write 'standard output'", stdout=writing,
                            preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
                os.close(writing)

    def test_what_is_no_regular_file(self):
        for path in ("/dev/null", "/dev/stdout"):
            result = self.build.call("/bin/sh", ["-c", f'"$@" | wc -c', "sh", self.build.bin / "ampc",
                                                 MODEL, *FLAGS, "-o", path])
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(int(result.stdout) > 4096, path == "/dev/stdout", path)
        # A file behind /dev/stdout is written, and nothing is put into /dev.
        out = self.work / "out.so"
        devices = os.listdir("/dev")
        with open(out, "wb") as file:
            result = self.run_tool("ampc", MODEL, *FLAGS, "-o", "/dev/stdout", stdout=file)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(out.read_bytes()[:4], b"\x7fELF")
        self.assertEqual(os.listdir("/dev"), devices)
        self.assertTrue(os.path.islink("/dev/stdout"))

    def test_pipes_without_partner(self):
        pipe, out = self.work / "pipe", self.work / "x.so"
        os.mkfifo(pipe)
        self.refuse("ampc", [pipe, *FLAGS, "-o", out], "is a pipe")
        self.refuse("ampc", [MODEL, *FLAGS, "-o", pipe], "cannot write .*pipe")
        self.refuse("ampc", [MODEL, *FLAGS, "-o", out, f"--report={pipe}"], "cannot write .*pipe")

    def test_limit_of_file_size(self):
        out = self.work / "x.so"
        temporary = self.work / "tmp"
        temporary.mkdir()
        self.refuse("ampc", [MODEL, *FLAGS, "-o", out], "File too large",
                    preexec_fn=limit_file_size, env={**os.environ, "TMPDIR": str(temporary)})

    def test_large_models_need_little_memory(self):
        """Weights beside the model are never in memory all at once: neither when they are checked
        nor when they are written."""
        def peak(megabytes):
            """Bytes that the compiler has at most for a model of 8 weights."""
            weights = {f"w{i}": np.full(megabytes << 15, i, np.float32) for i in range(8)}
            sums = "".join(f"m{w} = Mul(x, {w})\n s{w} = ReduceSum<keepdims=0>(m{w})\n"
                           for w in weights)
            path = self.model("large", '<ir_version: 8, opset_import: ["" : 17]> g (float[1] x) '
                              f"=> (float loss) {{ {sums} loss = Sum(s{', s'.join(weights)}) }}",
                              **weights)
            onnx.save(onnx.load(path), path, save_as_external_data=True, location="large.data")
            # By a process of its own: what starts the compiler counts as well.
            measure = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
                       "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
            done = subprocess.run([sys.executable, "-c", measure, self.build.bin / "ampc", path, "-o",
                                   self.work / "large.so", "--target=host"], check=True,
                                  capture_output=True, text=True)
            return int(done.stdout) << 10

        self.assertLess(peak(160) - peak(16), 50 << 20, "144 MiB of weights more")

    def test_leftovers_of_killed_runs(self):
        """Only the files of processes that are gone are removed."""
        gone = subprocess.Popen(["true"])
        gone.wait()
        out = self.work / "x.so"
        left = self.work / f"x.so.{gone.pid}.0.tmp"
        held = self.work / f"x.so.{gone.pid}.1.tmp"
        others = [self.work / name for name in
                  ("x.so.tmp", "x.so.1a.0.tmp", "y.so.4.0.tmp", f"x.so.{gone.pid}.0.tmp.txt")]
        for path in (left, held, *others):
            path.write_bytes(b"")
        with open(held) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.compile(MODEL, "x", *FLAGS)
        self.assertFalse(left.exists())
        self.assertTrue(held.exists())
        for path in others:
            self.assertTrue(path.exists(), path)
        # A run that is killed leaves what the next one removes.
        process = subprocess.Popen([self.build.bin / "ampc", MODEL, "--batch=100", "-o", out])
        try:
            deadline = time.monotonic() + 60
            name = self.work / f"x.so.{process.pid}.0.tmp"
            while not name.exists() and time.monotonic() < deadline:
                time.sleep(0.001)
        finally:
            process.kill()
            process.wait()
        self.assertTrue(name.exists())
        self.compile(MODEL, "x", *FLAGS)
        self.assertFalse(name.exists())

    def test_interrupted(self):
        process = subprocess.Popen([self.build.bin / "ampc", MODEL, "--batch=100", "-o",
                                    self.work / "x.so"], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not os.listdir(self.work) and time.monotonic() < deadline:
            time.sleep(0.001)
        process.terminate()
        process.wait()
        self.assertEqual(os.listdir(self.work), [])


class Run(FilesCase):
    def setUp(self):
        super().setUp()
        self.module = self.example("mlp_10_100_10", "--target=host", out="m")
        self.rows = self.data("mlp10")

    def spellings(self, path):
        folder = self.work / "folder"
        if not folder.exists():
            folder.symlink_to(self.work)
        link, hard = self.work / f"link-{path.name}", self.work / f"hard-{path.name}"
        if not link.exists():
            link.symlink_to(path)
            os.link(path, hard)
        return [path, f"{self.work}/./{path.name}", folder / path.name, link, hard]

    def test_outputs_that_are_inputs(self):
        resumed = self.work / "c.safetensors"
        train = ["train", self.module, f"--data={self.rows}", "--quiet"]
        result = self.run_tool("ampc-run", *train, "--steps=2", f"--checkpoint={resumed}")
        self.assertEqual(result.returncode, 0, result.stderr)
        for source in (self.module, self.rows):
            for path in self.spellings(source):
                for flag in ("--log", "--checkpoint"):
                    with self.subTest(flag, path=path):
                        self.refuse("ampc-run", [*train, f"{flag}={path}"], "also read")
                with self.subTest("--outputs", path=path):
                    self.refuse("ampc-run", ["eval", self.module, f"--data={self.rows}",
                                             "--quiet", f"--outputs={path}"], "also read")
        for path in self.spellings(resumed):
            with self.subTest("--resume", path=path):
                self.refuse("ampc-run", [*train, f"--resume={resumed}", "--steps=4",
                                         f"--log={path}"], "also read")
        # Its own successor is what a resumed run is for.
        result = self.run_tool("ampc-run", *train, f"--resume={resumed}", "--steps=4",
                               f"--checkpoint={resumed}")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_two_outputs_that_are_one(self):
        (self.work / "void").symlink_to(self.work / "c.st")
        for log in ("c.st", "./c.st", "void"):
            with self.subTest(log):
                self.refuse("ampc-run", ["train", self.module, f"--data={self.rows}", "--quiet",
                                         f"--checkpoint={self.work}/c.st",
                                         f"--log={self.work}/{log}"],
                            "the same file as --checkpoint")

    def test_two_runs_on_one_file(self):
        """The second is refused; one that was killed holds nothing."""
        log, checkpoint = self.work / "l.jsonl", self.work / "c.st"
        train = ["train", self.module, f"--data={self.rows}", "--quiet"]
        command = [self.build.bin / "ampc-run", *train, "--steps=100000000", f"--log={log}",
                   f"--checkpoint={checkpoint}"]
        first = subprocess.Popen([str(c) for c in command], stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 60
            while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
                time.sleep(0.01)
            for flag in (f"--log={log}", f"--checkpoint={checkpoint}"):
                result = self.run_tool("ampc-run", *train, "--steps=3", flag)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn("is being written by another run", result.stderr)
            self.assertGreater(log.stat().st_size, 0)
        finally:
            first.kill()
            first.wait()
        result = self.run_tool("ampc-run", *train, "--steps=3", f"--log={log}",
                               f"--checkpoint={checkpoint}")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(harness.read_log(log)), 3)
        self.assertFalse([p for p in os.listdir(self.work) if p.endswith((".lock", ".tmp"))])

    def test_pipes_without_partner(self):
        pipe = self.work / "pipe"
        os.mkfifo(pipe)
        data = f"--data={self.rows}"
        for arguments in (["train", pipe, data], ["train", self.module, f"--data={pipe}"],
                          ["train", self.module, f"--data=x={pipe}"],
                          ["train", self.module, data, f"--log={pipe}"],
                          ["train", self.module, data, f"--checkpoint={pipe}"],
                          ["train", self.module, data, f"--resume={pipe}"],
                          ["eval", self.module, data, f"--outputs={pipe}"],
                          ["eval", self.module, data, f"--checkpoint={pipe}"],
                          ["inspect", pipe]):
            with self.subTest(arguments):
                self.refuse("ampc-run", arguments, "pipe")

    def test_streams_are_checked(self):
        data = f"--data={self.rows}"
        outputs = self.work / "o.npz"
        for arguments in (["inspect", self.module], ["inspect", self.module, "--json"],
                          ["eval", self.module, data, "--quiet", f"--outputs={outputs}"],
                          ["--help"], ["--version"], ["train", "--help"]):
            with self.subTest(arguments):
                with open("/dev/full", "w") as full:
                    self.refuse("ampc-run", arguments, "(?m)^ampc-run: error: standard output",
                                stdout=full)
                self.refuse("ampc-run", arguments, "standard output", stdout=None,
                            preexec_fn=lambda: os.close(1))
        result = self.run_tool("ampc-run", "train", self.module, data, "--quiet",
                               "--log=/dev/full")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("error: cannot be written: No space left", result.stderr)

    def test_limit_of_file_size(self):
        data = f"--data={self.rows}"
        self.refuse("ampc-run", ["eval", self.module, data, "--quiet",
                                 f"--outputs={self.work}/o.npz"], "File too large",
                    preexec_fn=limit_file_size)
        self.refuse("ampc-run", ["train", self.module, data, "--quiet", "--steps=2",
                                 f"--checkpoint={self.work}/c.st"], "File too large",
                    preexec_fn=limit_file_size)


class UnreadInputs(harness.Case):
    def test_may_be_absent(self):
        """What no operator reads need not be given; what only evaluation reads, in training."""
        random = np.random.RandomState(0)
        model = self.model("unread", """<ir_version: 8, opset_import: ["" : 17]>
            unread (float[4,4] x, float[1] unread, float[4] echo) => (float[4,3] y, float[4] e) {
                y = MatMul (x, w)
                e = Abs (echo)
            }""", w=random.randn(4, 3).astype(np.float32))
        path = self.compile(model, "unread", "--target=host", "--loss=mse")
        module = self.open(path)
        session = self.session(module)
        batch = {"x": random.randn(4, 4).astype(np.float32),
                 "target": random.randn(4, 3).astype(np.float32)}
        self.assertTrue(session.step(session.batch(batch)).applied)
        data = self.work / "d.npz"
        np.savez(data, **batch)
        result = self.build.ampc_run("train", path, f"--data={data}", "--quiet")
        self.assertEqual(result.returncode, 0, result.stderr)
        result = self.build.ampc_run("eval", path, f"--data={data}", "--quiet")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "input 'echo' .* is missing")
        np.savez(data, x=batch["x"], echo=np.ones(4, np.float32))
        result = self.build.ampc_run("eval", path, f"--data={data}", "--quiet",
                                     f"--outputs={self.work}/o.npz")
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    harness.main()
