# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""--batch-dim: a network whose samples lie behind its time steps trains and evaluates as the same one
with the samples first.

    python test/Training/batch_dim.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import os
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Device"))
import device_case  # noqa: E402
import harness  # noqa: E402

TIME, WIDTH, CLASSES, SAMPLES, BATCH = 3, 4, 5, 22, 8
# Sums are in another order: of 24 losses, and of as many products for each weight.
TOLERANCE = 24 * 2.0 ** -24


class BatchDim(device_case.Case):
    def setUp(self):
        super().setUp()
        random = np.random.RandomState(1)
        self.weights = {"w": random.randn(WIDTH, CLASSES).astype(np.float32)}
        x = random.randint(-16, 17, (SAMPLES, TIME, WIDTH)).astype(np.float32) / 8
        t = np.argmax(x @ random.randn(WIDTH, CLASSES), axis=-1)
        place = random.randint(-16, 17, (TIME, WIDTH)).astype(np.float32) / 8
        self.arrays = {"x": x, "target": t, "place": place}
        self.behind = {"x": x.transpose(1, 0, 2), "target": t.T, "place": place[:, None]}

    def network(self, name, x="T,N", place="T,1", y="T,N", body="y = MatMul(sum, w)"):
        text = f"""<ir_version: 8, opset_import: ["" : 17]>
            g (float[{x},{WIDTH}] x, float[{place},{WIDTH}] place) => (float[{y},{CLASSES}] y)
            {{ sum = Add(x, place) {body} }}"""
        return self.model(name, text, **self.weights)

    def run_tool(self, module, *arguments):
        result = subprocess.run([self.build.bin / "ampc-run", *map(str, arguments)],
                                capture_output=True, text=True, timeout=300,
                                env={**os.environ, **self.device.environment(module)})
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stderr

    def train(self, module, name, arrays):
        """The log and the outputs of the trained network, evaluated on all samples."""
        np.savez(self.work / f"{name}.npz", **arrays)
        data, log = f"--data={self.work / name}.npz", self.work / f"{name}.log"
        checkpoint, outputs = self.work / f"{name}.ck", self.work / f"{name}-out.npz"
        device = f"--device={self.device.name}"
        told = self.run_tool(module, "train", module, data, device, "--epochs=3", f"--log={log}",
                             f"--checkpoint={checkpoint}")
        self.assertIn("22 rows are 2 batches of 8", told)
        self.run_tool(module, "eval", module, data, device, f"--checkpoint={checkpoint}",
                      f"--outputs={outputs}")
        return [s["loss"] for s in harness.read_log(log)], np.load(outputs)

    def test_trains_and_evaluates(self):
        flags = ["--loss=cross_entropy", "--class-axis=-1", "--amp=O0", f"--batch={BATCH}",
                 "--lr=0.05", f"--dim=T={TIME}"]
        first = self.compile(self.network("first", "N,T", "T", "N,T"), "first", *flags)
        plain, plain_outputs = self.train(first, "a", self.arrays)
        self.assertEqual(len(plain), 6)
        for name, y in (("behind", "T,N"), ("unnamed", "T,out")):
            module = self.compile(self.network(name, y=y), name, *flags, "--batch-dim=N")
            losses, outputs = self.train(module, name, self.behind)
            np.testing.assert_allclose(losses, plain, rtol=TOLERANCE)
            self.assertEqual(outputs["y"].shape, (TIME, SAMPLES, CLASSES))
            np.testing.assert_allclose(outputs["y"].transpose(1, 0, 2), plain_outputs["y"],
                                       rtol=0, atol=6 * TOLERANCE * np.abs(plain_outputs["y"]).max())
            ports = self.open(module).inspect(self.device.name)
            self.assertEqual({p["name"]: p["batched"] and p["batch_axis"]
                              for p in (*ports["inputs"], *ports["outputs"])},
                             {"x": 1, "place": False, "target": 1, "y": 1, "loss": False})
        # What is compared depends on which samples are in a batch.
        wrong = {**self.behind, "x": self.arrays["x"].reshape(self.behind["x"].shape)}
        self.assertGreater(abs(self.train(module, "wrong", wrong)[0][0] / plain[0] - 1), 1e-3)

    def test_axis_of_the_target(self):
        """Behind classes that lie before the samples it comes earlier; for elementwise losses not."""
        transposed = "product = MatMul(sum, w) y = Transpose<perm = [0, 2, 1]>(product)"
        for name, axis, shape, y, body, flags in (
                ("before", 1, [TIME, BATCH], f"T,{CLASSES},N", transposed,
                 ["--loss=cross_entropy", "--class-axis=1"]),
                ("mse", 1, [TIME, BATCH, CLASSES], f"T,N,{CLASSES}", "y = MatMul(sum, w)",
                 ["--loss=mse"])):
            model = self.model(name, f"""<ir_version: 8, opset_import: ["" : 17]>
                g (float[T,N,{WIDTH}] x, float[T,1,{WIDTH}] place) => (float[{y}] y)
                {{ sum = Add(x, place) {body} }}""", **self.weights)
            module = self.open(self.compile(model, name, *flags, f"--batch={BATCH}", "--amp=O0",
                                            f"--dim=T={TIME}", "--batch-dim=N"))
            target = next(p for p in module.inspect(self.device.name)["inputs"]
                          if p["name"] == "target")
            self.assertEqual((target["shape"], target["batch_axis"]), (shape, axis))

    def test_size_by_dim(self):
        """--batch-dim alone says which dimension counts samples, where --dim has its size."""
        module = self.open(self.compile(
            self.network("m"), "dim", "--loss=mse", f"--dim=N={BATCH}", f"--dim=T={TIME}",
            "--batch-dim=N"))
        x = module.inspect(self.device.name)["inputs"][0]
        self.assertEqual((x["shape"], x["batch_axis"]), ([TIME, BATCH, WIDTH], 1))

    def test_errors(self):
        model = self.network("m")
        twice = self.model("twice", """<ir_version: 8, opset_import: ["" : 17]>
            g (float[N,N] x) => (float[N,N] y) { y = Mul(x, w) }""", w=np.ones((), np.float32))
        for message, which, *flags in (
                ("--batch-dim=M: no input has a dimension of that name; they have 'N', 'T'", model,
                 "--batch-dim=M", "--batch=8"),
                ("--batch-dim=N: has no size: pass --batch=N", model, "--batch-dim=N", "--dim=T=3"),
                ("--batch-dim=N: --batch=8, but --dim sets it to 4", model, "--batch-dim=N",
                 "--batch=8", "--dim=T=3", "--dim=N=4"),
                ("dimension 0 of input 'x', 'T'", model, "--batch-dim=N", "--batch=8"),
                ("--batch-dim=N: input 'x' has this dimension twice", twice, "--batch-dim=N",
                 "--batch=8"),
                ("axis 1 of 'y', 'tensor<3x8x5xf32>', counts samples (--batch-dim) and holds no "
                 "classes: --class-axis=N", model, "--batch-dim=N", "--batch=8", "--dim=T=3",
                 "--loss=cross_entropy")):
            with self.subTest(flags=flags):
                loss = [] if "--loss=cross_entropy" in flags else ["--loss=mse"]
                result = self.build.ampc(which, "-o", self.work / "x.so", *loss, *flags)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn(message, result.stderr)
                self.assertEqual(result.stderr.count("error:"), 1)


if __name__ == "__main__":
    device_case.main()
