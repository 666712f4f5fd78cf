# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Names that stand for several things at once, losses that ignore labels, and gradients that
stop on the way: graphs that ONNX allows and few exporters write.

    python test/Driver/graphs.py BUILD_DIR
"""
import numpy as np

import harness

HEAD = '<ir_version: 8, opset_import: ["" : 17]>'
LINEAR = HEAD + " g (float[4,4] {x}) => ({outputs}) {{ {y} = Gemm ({x}, {w}) {more} }}"
OUTPUT = "float[4,3] {y}"


class Names(harness.Case):
    def setUp(self):
        super().setUp()
        random = np.random.RandomState(0)
        self.weight = random.randn(4, 3).astype(np.float32)
        self.x = random.randn(8, 4).astype(np.float32)
        self.target = random.randn(8, 3).astype(np.float32)

    def run_linear(self, x="x", w="w", y="y", outputs=OUTPUT, more=""):
        """One step with the mean of squares; the outputs of the model before it."""
        names = {"x": x, "w": w, "y": y}
        text = LINEAR.format(**names, outputs=outputs.format(**names), more=more.format(**names))
        module = self.compile(self.model("m", text, **{w: self.weight}), "m", "--target=host",
                              "--loss=mse", "--optimizer=sgd", "--lr=0.5", "--amp=O0")
        data, out, log = (self.work / n for n in ("d.npz", "o.npz", "l.jsonl"))
        log.unlink(missing_ok=True)
        np.savez(data, **{x: self.x, "target": self.target})
        result = self.build.ampc_run("eval", module, f"--data={data}", f"--outputs={out}")
        self.assertEqual(result.returncode, 0, result.stderr)
        result = self.build.ampc_run("train", module, f"--data={data}", f"--log={log}", "--quiet",
                                     "--batch-order=file")
        self.assertEqual(result.returncode, 0, result.stderr)
        w64, losses = self.weight.astype(np.float64), []
        for i in (0, 4):
            error = self.x[i:i + 4] @ w64 - self.target[i:i + 4]
            losses.append((error**2).mean())
            w64 -= 0.5 * self.x[i:i + 4].T @ error * 2 / 12
        np.testing.assert_allclose([s["loss"] for s in harness.read_log(log)], losses, rtol=1e-5)
        outputs = dict(np.load(out))
        outputs[y] = outputs[y].reshape(8, 3)  # the two batches of a model of fixed size
        np.testing.assert_allclose(outputs[y], self.x @ self.weight, rtol=1e-5, atol=1e-6)
        return outputs

    def test_outputs_that_are_given(self):
        outputs = self.run_linear(outputs=OUTPUT + ", float[4,4] {x}, float[4,3] {w}")
        self.assertSameBits(outputs["x"].reshape(8, 4), self.x)
        self.assertSameBits(outputs["w"], np.stack([self.weight] * 2))

    def test_outputs_that_are_one_value_or_constant(self):
        outputs = self.run_linear(
            outputs=OUTPUT + ", float[4,3] same, int64[2] constant",
            more="same = Identity ({y}) constant = Constant <value_ints = [3, 7]> ()")
        self.assertSameBits(outputs["same"].reshape(8, 3), outputs["y"])
        self.assertEqual(outputs["constant"].tolist(), [[3, 7], [3, 7]])

    def test_names_that_are_used_inside(self):
        for name in ("loss", "target", "host_kernels", "fused_0", "optimizer", "kernels"):
            with self.subTest(weight=name):
                self.run_linear(w=name)
        for name in ("loss", "main", "train", "host_kernels"):
            with self.subTest(input=name):
                self.run_linear(x=name)
        for name in ("target", "main", "eval", "host_kernels", "__metadata__"):
            with self.subTest(output=name):
                self.run_linear(y=name)

    def refuse(self, pattern, **names):
        names = {"x": "x", "w": "w", "y": "y", **names}
        text = LINEAR.format(**names, outputs=OUTPUT.format(**names), more="")
        model = self.model("refused", text, **{names["w"]: self.weight})
        result = self.build.ampc(model, "-o", self.work / "r.so", "--loss=mse", "--target=host")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(result.stderr, pattern)

    def test_names_that_are_refused(self):
        for name in ("main", "train", "__metadata__"):
            with self.subTest(name):
                self.refuse(f"initializer '{name}': ampc uses this name itself", w=name)
        self.refuse("would add an output 'loss', but the graph has one", y="loss")
        self.refuse("would add an input 'target', but the graph has one", x="target")


class Losses(harness.Case):
    def setUp(self):
        super().setUp()
        random = np.random.RandomState(1)
        self.weight = random.randn(4, 5).astype(np.float32)
        self.x = random.randn(6, 4).astype(np.float32)

    def first_step(self, target, *flags):
        """The exit code, what was said, and the line of the log."""
        text = HEAD + " g (float[6,4] x) => (float[6,5] y) { y = MatMul (x, w) }"
        module = self.compile(self.model("m", text, w=self.weight), "m", "--target=host",
                              "--loss=cross_entropy", "--amp=O0", *flags)
        data, log = self.work / "d.npz", self.work / "l.jsonl"
        log.unlink(missing_ok=True)
        np.savez(data, x=self.x, target=np.asarray(target))
        result = self.build.ampc_run("train", module, f"--data={data}", f"--log={log}", "--quiet",
                                     "--batch-order=file")
        return result.returncode, result.stderr, harness.read_log(log)[0]

    def test_ignored_labels(self):
        y = self.x.astype(np.float64) @ self.weight
        losses = np.log(np.exp(y).sum(1, keepdims=True)) - y
        for ignored, flags in ((-100, []), (-1, ["--ignore-index=-1"]), (2, ["--ignore-index=2"])):
            with self.subTest(ignored):
                target = [0, 1, ignored, 3, ignored, 0]
                code, text, line = self.first_step(target, *flags)
                self.assertEqual(code, 0, text)
                counted = [i for i, label in enumerate(target) if label != ignored]
                wanted = np.mean([losses[i, target[i]] for i in counted])
                self.assertAlmostEqual(line["loss"], wanted, places=5)

    def test_other_labels_are_errors_and_log_no_loss(self):
        for label, flags in ((-1, []), (5, []), (-100, ["--ignore-index=7"])):
            with self.subTest(label):
                code, text, line = self.first_step([0, 1, label, 3, 4, 0], *flags)
                self.assertEqual(code, 1)
                self.assertIn("not the number of a class", text)
                self.assertEqual((line["loss"], line["applied"]), (None, False))

    def test_takes_a_loss_over_classes(self):
        result = self.build.ampc("m.onnx", "-o", self.work / "m.so", "--loss=mse",
                                 "--ignore-index=3")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--ignore-index", result.stderr)

    def test_gradient_that_stops(self):
        text = HEAD + """ g (float[6,4] x) => (float l) {
            y = MatMul (x, w) [steps] z = Floor (y) l = ReduceMean <keepdims = 0> (z) }"""
        for shape in ((4, 5), (4, 2)):  # a variable, and few enough for a constant
            with self.subTest(shape):
                model = self.model("m", text, w=np.ones(shape, np.float32))
                result = self.build.ampc(model, "-o", self.work / "m.so", "--target=host")
                self.assertEqual(result.returncode, 1)
                self.assertRegex(result.stderr, r"node 'steps' \(Floor\): nothing to train: .*no "
                                                "gradient")


if __name__ == "__main__":
    harness.main()
