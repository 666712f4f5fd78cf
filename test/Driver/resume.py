# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A run killed at some step and resumed ends in the same bits, with the same log.

    python test/Driver/resume.py BUILD_DIR
"""
import os
import signal
import subprocess
import time

import harness

# model, data set, flags of ampc beside the example's
RUNS = {
    "mlp10-f16": ("mlp_10_100_10", "mlp10", ["--amp-dtype=f16", "--optimizer=adam"]),
    "mlp10-momentum": ("mlp_10_100_10", "mlp10", ["--amp=O0", "--optimizer=momentum"]),
    "digits-bf16": ("digits", "digits", ["--amp-dtype=bf16"]),
}
STEPS, SAVE_EVERY = 12013, 311  # neither a multiple of an epoch's batches (20 and 44)
KILLS = (700, 5000)


class Resume(harness.Case):
    def train(self, module, data, prefix, *flags):
        """Arguments of a run that leaves `prefix`.log and `prefix`.ck in the directory."""
        return [str(a) for a in (
            self.build.bin / "ampc-run", "train", module, f"--data={data}", f"--steps={STEPS}",
            "--device=host", f"--save-every={SAVE_EVERY}", f"--log={self.work / prefix}.log",
            f"--checkpoint={self.work / prefix}.ck", "--quiet", *flags)]

    def run_whole(self, arguments):
        result = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stderr

    def kill_after(self, arguments, log, step):
        """SIGKILL once the log has `step` lines; the number of lines that it ends with."""
        process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if log.exists() and log.read_bytes().count(b"\n") >= step:
                os.kill(process.pid, signal.SIGKILL)
                break
            time.sleep(0.0005)
        self.assertEqual(process.wait(60), -signal.SIGKILL, "the run ended before it was killed")
        return log.read_bytes().count(b"\n")

    def check(self, name, order):
        example, data, flags = RUNS[name]
        module, data = self.example(example, "--target=host", *flags), self.data(data)
        straight, resumed = f"{name}-{order}-straight", f"{name}-{order}-killed"
        order = [f"--batch-order={order}", "--seed=5"]
        self.run_whole(self.train(module, data, straight, *order))
        log, checkpoint = self.work / f"{resumed}.log", self.work / f"{resumed}.ck"
        killed = []
        for step in KILLS:
            resume = [f"--resume={checkpoint}"] if killed else []
            killed.append(self.kill_after(
                self.train(module, data, resumed, *order, *resume), log, step))
            self.assertTrue(checkpoint.exists(), f"no checkpoint at step {killed[-1]}")
            self.assertLess(killed[-1], STEPS, "nothing was left to resume")
        self.run_whole(self.train(module, data, resumed, *order, f"--resume={checkpoint}"))
        straight_log = harness.read_log(self.work / f"{straight}.log")
        self.assertEqual([s["step"] for s in straight_log], list(range(1, STEPS + 1)))
        resumed_log = harness.read_log(log)
        self.assertEqual([s["step"] for s in resumed_log], list(range(1, STEPS + 1)))
        self.assertEqual(log.read_bytes(), (self.work / f"{straight}.log").read_bytes())
        self.assertEqual(checkpoint.read_bytes(), (self.work / f"{straight}.ck").read_bytes())
        print(f"\n  {name} {order[0]}: killed at steps {killed} of {STEPS}; same "
              f"{checkpoint.stat().st_size} bytes, same log", end="", flush=True)

    def test_file_order(self):
        self.check("mlp10-f16", "file")

    def test_shuffled(self):
        for name in RUNS:
            with self.subTest(name):
                self.check(name, "shuffle")

    def test_orders_and_seeds_differ(self):
        """What the others compare does depend on the position in the data."""
        module, data = self.example("mlp_10_100_10", "--target=host"), self.data("mlp10")
        results = set()
        for i, flags in enumerate((["--batch-order=file"], ["--seed=5"], ["--seed=6"])):
            self.run_whole(self.train(module, data, f"run{i}", *flags))
            results.add((self.work / f"run{i}.ck").read_bytes())
        self.assertEqual(len(results), 3)


class Evaluation(harness.Case):
    """A run that evaluates: training does not notice, and it survives a kill."""

    STEPS = 300

    def train(self, module, prefix, *flags):
        return [str(a) for a in (
            self.build.bin / "ampc-run", "train", module, f"--data={self.data('mnist_like')}",
            f"--steps={self.STEPS}", "--device=host", f"--log={self.work / prefix}.log",
            f"--checkpoint={self.work / prefix}.safetensors", "--quiet", *flags)]

    def run_whole(self, arguments):
        result = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)

    def files(self, prefix):
        return {end: (self.work / f"{prefix}{end}").read_bytes()
                for end in (".log", ".safetensors", ".best.safetensors", ".svg")}

    def test_evaluation(self):
        # Running statistics move with each step, and evaluation reads them.
        module = self.compile(harness.MODELS / "batch_norm_net.onnx", "net", "--target=host",
                              "--batch=64", "--loss=cross_entropy", "--optimizer=adam")
        evaluate = [f"--eval-data={self.data('mnist_like')}", "--eval-every=40", "--keep-best",
                    "--lr-schedule=cosine", "--warmup=20"]
        self.run_whole(self.train(module, "plain", *evaluate[3:]))
        whole = [*evaluate, f"--plot={self.work / 'whole.svg'}"]
        self.run_whole(self.train(module, "whole", *whole))
        lines = (self.work / "whole.log").read_text().splitlines(keepends=True)
        steps = [line for line in lines if "eval_loss" not in line]
        self.assertEqual("".join(steps), (self.work / "plain.log").read_text())
        self.assertEqual(len(lines), self.STEPS + self.STEPS // 40)
        # What the log says is what eval finds, and it is better than before.
        losses = {s["step"]: s["eval_loss"] for s in harness.read_log(self.work / "whole.log")
                  if "eval_loss" in s}
        best = min(losses, key=losses.get)
        self.assertLess(losses[best], 0.7 * losses[40])
        result = self.build.ampc_run("eval", module, f"--data={self.data('mnist_like')}", "--quiet",
                                     f"--checkpoint={self.work / 'whole.best.safetensors'}")
        self.assertIn(f"loss      {losses[best]:.6g} (mean of 20 batches", result.stdout)

        killed = self.train(module, "killed", *evaluate, f"--plot={self.work / 'killed.svg'}",
                            "--save-every=50")
        process = subprocess.Popen(killed, stderr=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        log, deadline = self.work / "killed.log", time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if log.exists() and log.read_bytes().count(b"\n") >= 110:
                process.kill()
                break
            time.sleep(0.0005)
        self.assertEqual(process.wait(60), -signal.SIGKILL, "the run ended before it was killed")
        self.run_whole([*killed, f"--resume={self.work / 'killed.safetensors'}"])
        self.assertEqual(self.files("killed"), self.files("whole"))


class OtherOptimizers(harness.Case):
    def test_what_differs_is_told_in_one_error(self):
        data = self.data("mlp10")
        modules = {name: self.example("mlp_10_100_10", "--target=host", f"--optimizer={name}",
                                      out=name) for name in ("adam", "adamw", "sgd")}
        checkpoint = self.work / "c.st"
        train = ["--quiet", "--steps=4", f"--data={data}"]
        result = self.build.ampc_run("train", modules["adam"], *train, f"--checkpoint={checkpoint}")
        self.assertEqual(result.returncode, 0, result.stderr)
        for name, other in (("adamw", ""), ("sgd", "'ampc.exp_avg/..' is unknown to the model "
                                                   "(4 tensors)")):
            result = self.build.ampc_run("train", modules[name], *train, f"--resume={checkpoint}")
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stderr.count("error:"), 1)
            self.assertIn(f"'ampc.optimizer' is adam, the module was compiled with --optimizer={name}",
                          result.stderr)
            self.assertIn(other, result.stderr)


if __name__ == "__main__":
    harness.main()
