# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ampc-run compare: two modules of one model side by side, on the host and on CUDA (through the
stand-in driver): losses, errors of values and gradients by their ONNX names, the page, the errors.

    python test/Driver/compare.py BUILD_DIR
"""
import json
import os
import re

import numpy as np

import harness

BATCH = 16
HOST = "--target=host"


class Compare(harness.Case):
    def pair(self, model, flags=(HOST,), a=("--amp=O0",), b=("--amp-dtype=f16",)):
        return [self.compile(model, name, *flags, *more) for name, more in (("a", a), ("b", b))]

    def npz(self, **arrays):
        np.savez(self.work / "data.npz", **arrays)
        return self.work / "data.npz"

    def compare(self, pair, data, *flags, code=0):
        result = self.build.ampc_run("compare", *pair, f"--data={data}", "--quiet", *flags)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def json_of(self, pair, data, *flags, code=0):
        return json.loads(self.compare(pair, data, "--json", *flags, code=code).stdout)

    @staticmethod
    def values(result):
        return {(v["tensor"], v["gradient"]): v for v in result["values"]}

    def mlp(self, widths=(12, 32, 24, 10)):
        model = harness.mlp(self, "mlp", widths, BATCH)
        return model, self.npz(**harness.classes(8 * BATCH, widths[0], widths[-1]))

    def test_the_same_module_twice(self):
        model, data = self.mlp()
        pair = self.pair(model, b=("--amp=O0",))
        result = self.json_of(pair, data)
        self.assertGreater(len(result["values"]), 10)
        self.assertEqual({v["error"] for v in result["values"]}, {0})
        self.assertEqual(result["only"], [[], []])
        self.assertEqual(len(result["steps"]), 10)
        for step in result["steps"]:
            self.assertEqual(step["loss"][0], step["loss"][1])
            self.assertEqual(step["gradient_error"], 0)
        # The losses are those of a run that nobody compares.
        log = self.work / "log.jsonl"
        self.build.ampc_run("train", pair[0], f"--data={data}", "--steps=10", f"--log={log}")
        self.assertEqual([np.float32(step["loss"][0]) for step in result["steps"]],
                         [np.float32(line["loss"]) for line in harness.read_log(log)])

    def test_errors_are_those_of_rounding(self):
        """The first layer: operands rounded to f16, summed in f32 or wider, rounded to f16."""
        model, data = self.mlp()
        result = self.json_of(self.pair(model), data, "--batch-order=file", "--steps=3")
        self.assertEqual(result["roundoff"], {"type": "f16", "size": 2.0**-11})
        module = self.open(self.work / "a.so")
        session = self.session(module)
        x = np.load(data)["x"][:BATCH]
        w, b = session.get("fc0_weight"), session.get("fc0_bias")

        def layer(dtype):
            narrow = [array.astype(dtype).astype(np.float64) for array in (x, w, b)]
            return np.maximum(narrow[0] @ narrow[1] + narrow[2], 0).astype(dtype).astype(np.float64)

        exact = layer(np.float64)
        expected = np.linalg.norm(layer(np.float16) - exact) / np.linalg.norm(exact)
        found = self.values(result)["relu0", False]
        self.assertEqual(found["types"], ["f32", "f16"])
        # What f32 rounds, 2^-24, may turn few of the roundings to f16.
        self.assertAlmostEqual(found["first_error"] / expected, 1, delta=0.02)
        self.assertEqual(found["elements"], BATCH * 32)
        # Gradients are compared without the loss scale that one side has.
        self.assertEqual([step["scale"] for step in result["steps"]], [[1, 65536]] * 3)
        for weight in ("fc0_weight", "fc1_weight", "fc2_weight"):
            self.assertLess(self.values(result)[weight, True]["first_error"], 8 * 2.0**-11)
        self.assertLess(result["steps"][0]["gradient_error"], 4 * 2.0**-11)
        self.assertGreater(result["steps"][0]["gradient_error"], 2.0**-13)
        errors = [v["error"] for v in result["values"]]
        self.assertEqual(errors, sorted(errors, reverse=True))

    def test_equal_runs_print_equal_bytes(self):
        model, data = self.mlp()
        pair = self.pair(model)
        texts = {self.compare(pair, data, "--json", "--seed=3").stdout for _ in range(4)}
        self.assertEqual(len(texts), 1)

    def test_dropout_draws_the_same_mask(self):
        text = (f'<ir_version: 8, opset_import: ["" : 17]> net (float[{BATCH},16] x, '
                f"int64[{BATCH}] target) => (float loss) "
                "{ h = MatMul(x, w) d = Dropout(h, ratio, training) y = MatMul(d, v) "
                "loss = SoftmaxCrossEntropyLoss(y, target) }")
        random = np.random.RandomState(0)
        model = self.model("net", text, w=random.randn(16, 64).astype(np.float32),
                           v=random.randn(64, 8).astype(np.float32),
                           ratio=np.float32(0.5), training=np.bool_(True))
        data = self.npz(x=random.randn(64, 16).astype(np.float32),
                        target=random.randint(0, 8, 64))
        result = self.json_of(self.pair(model, (HOST, "--train-mode=on")), data, "--same-state",
                              "--steps=4")
        self.assertLess(max(v["error"] for v in result["values"]), 0.02)

    def test_same_state(self):
        """Errors add up from step to step, unless B takes A's state before each."""
        model, data = self.mlp()
        flags = (HOST, "--optimizer=sgd", "--lr=1")
        pair = self.pair(model, flags)
        apart = self.json_of(pair, data, "--steps=60")["steps"]
        together = self.json_of(pair, data, "--steps=60", "--same-state")["steps"]
        # Weights that have come apart; on the other side a ReLU that rounding turns now and then.
        late = [sorted(s["gradient_error"] for s in steps[-20:])[10]
                for steps in (apart, together)]
        self.assertGreater(late[0], 20 * late[1])
        self.assertLess(late[1], 4 * 2.0**-11)
        self.assertEqual([s["loss"][0] for s in apart], [s["loss"][0] for s in together])

    def test_some_steps_only(self):
        model, data = self.mlp()
        pair = self.pair(model)
        steps = self.json_of(pair, data, "--steps=7", "--every=3")["steps"]
        self.assertEqual([s["step"] for s in steps if "gradient_error" in s], [1, 4, 7])

    def test_a_layer_that_overflows(self):
        text = (f'<ir_version: 8, opset_import: ["" : 17]> net (float[{BATCH},12] x, '
                f"int64[{BATCH}] target) => (float loss) "
                "{ h = MatMul(x, w) r = Relu(h) y = MatMul(r, v) "
                "loss = SoftmaxCrossEntropyLoss(y, target) }")
        random = np.random.RandomState(0)
        model = self.model("net", text, w=random.randn(12, 16).astype(np.float32) * 15000,
                           v=random.randn(16, 10).astype(np.float32) / 1e6)
        data = self.npz(**harness.classes(4 * BATCH, 12, 10))
        result = self.json_of(self.pair(model), data, "--steps=2")
        value = self.values(result)["r", False]
        self.assertIsNone(value["error"])
        self.assertGreater(value["not_finite"][1], 0)
        self.assertEqual(value["not_finite"][0], 0)
        self.assertEqual([step["applied"] for step in result["steps"]], [[True, False]] * 2)
        # Infinite ones come first, in the order of the step.
        self.assertEqual(result["values"][0]["tensor"], "r")
        text = self.compare(self.pair(model), data, "--steps=2").stdout
        self.assertIn("B is skipped", text)
        # Without a scaler the run of B ends there, and what was seen is told.
        pair = self.pair(model, b=("--amp-dtype=f16", "--loss-scale=none"))
        done = self.compare(pair, data, "--json", code=3)
        self.assertIn("b.so: error: step 1: the loss", done.stderr)
        result = json.loads(done.stdout)
        self.assertEqual(len(result["steps"]), 1)
        self.assertEqual(result["values"][0]["tensor"], "r")
        self.assertTrue(result["stopped"][1])

    def test_a_scale_that_is_too_large_is_found_before(self):
        """The gradients of the logarithm's small operand overflow at 65536."""
        text = (f'<ir_version: 8, opset_import: ["" : 17]> net (float[{BATCH},12] x, '
                f"int64[{BATCH}] target) => (float loss) "
                "{ h = MatMul(x, w) k = Mul(h, big) y = MatMul(k, v) "
                "loss = SoftmaxCrossEntropyLoss(y, target) }")
        random = np.random.RandomState(0)
        model = self.model("net", text, w=random.randn(12, 16).astype(np.float32) / 4,
                           v=random.randn(16, 10).astype(np.float32), big=np.float32(100))
        data = self.npz(**harness.classes(4 * BATCH, 12, 10))
        pair = self.pair(model, (HOST, "--lr=1e-5"))
        done = self.compare(pair, data, "--json", "--steps=4")
        self.assertRegex(done.stderr, r"note: the loss scale of .*b\.so begins with [0-9]+, ")
        result = json.loads(done.stdout)
        self.assertEqual({tuple(step["applied"]) for step in result["steps"]}, {(True, True)})
        self.assertLess(result["steps"][0]["scale"][1], 65536)
        self.assertLess(max(v["first_error"] for v in result["values"]), 0.02)

    def test_cuda_with_channels_last(self):
        """On CUDA 16-bit convolutions have their channels last: values are found all the same."""
        library = self.build.lib
        os.environ.update(AMPC_CUDA_DRIVER=str(library / "libampc_standin_cuda.so"),
                          AMPC_CUBLASLT=str(library / "libampc_standin_cublaslt.so"),
                          AMPC_CUDNN=str(library / "libampc_standin_cudnn.so"))
        flags = ["--batch=16", "--loss=cross_entropy", "--target=cuda,host"]
        pair = self.pair(harness.MODELS / "convnet.onnx", flags)
        data = self.data("mnist_like")
        seen = {}
        for device in ("host", "cuda"):
            result = self.json_of(pair, data, "--steps=2", f"--device={device}", "--same-state")
            seen[device] = self.values(result)
            self.assertGreaterEqual(len(result["values"]), 12)
            self.assertLess(max(v["error"] for v in result["values"]), 0.004)
        for key in ("conv2d", False), ("tanh", False), ("tanh", True), ("fc.weight", True):
            a, b = seen["host"][key]["first_error"], seen["cuda"][key]["first_error"]
            self.assertAlmostEqual(a / b, 1, delta=0.1)

    def test_a_loop(self):
        flags = [HOST, "--batch=64", "--loss=cross_entropy"]
        pair = self.pair(harness.MODELS / "row_reader.onnx", flags)
        result = self.json_of(pair, self.data("mnist_like"), "--steps=2", "--same-state")
        self.assertIn(("rnn.weight_hh_l0", True), self.values(result))
        self.assertLess(max(v["error"] for v in result["values"]), 0.004)

    def test_modules_that_only_evaluate(self):
        flags = [HOST, "--batch=32", "--loss=none", "--optimizer=none"]
        pair = self.pair(harness.MODELS / "digits.onnx", flags)
        result = self.json_of(pair, self.data("digits"), "--steps=5")
        (value,) = result["values"]
        self.assertEqual(value["tensor"], "logits")
        self.assertGreater(value["error"], 2.0**-13)
        self.assertLess(value["error"], 8 * 2.0**-11)
        self.assertIn("logits", self.compare(pair, self.data("digits"), "--steps=5").stdout)

    def test_bf16_has_no_scaler(self):
        model, data = self.mlp()
        pair = self.pair(model, a=("--amp-dtype=bf16",), b=("--amp-dtype=f16",))
        for step in self.json_of(pair, data, "--steps=2")["steps"]:
            self.assertEqual(step["scale"], [1, 65536])
        for name, has in (("a", False), ("b", True)):
            self.assertEqual("ampc.loss_scale" in self.open(self.work / f"{name}.so").tensors, has)
        for dtype, has in (("bf16", False), ("f16", True)):
            step = self.build.ampc(model, HOST, f"--amp-dtype={dtype}", "--emit=train").stdout
            self.assertIn("func.func @train", step)
            self.assertEqual("amp.scale_loss" in step or "@ampc.loss_scale" in step, has)

    def test_the_page_holds_names_as_text(self):
        evil = "</script><img src=x onerror=alert(1)>"
        model, data = self.mlp()
        import onnx
        proto = onnx.load(model)
        for node in proto.graph.node:
            if node.output[0] == "relu0":
                node.name = evil
        onnx.save(proto, model)
        page = self.work / "page.html"
        self.compare(self.pair(model), data, f"--page={page}")
        text = page.read_text()
        self.assertNotIn("<img", text)
        self.assertNotRegex(text, r"(src|href)\s*=\s*[\"']?https?:")
        held = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
        result = json.loads(held.group(1))
        self.assertIn(evil, {v["node"] for v in result["values"]})
        self.assertEqual(len(result["steps"]), 10)

    def test_errors(self):
        model, data = self.mlp()
        a, b = self.pair(model)
        other = self.compile(harness.mlp(self, "other", (12, 40, 24, 10), BATCH), "other", HOST)
        forward = self.compile(model, "forward", HOST, "--loss=none", "--optimizer=none")
        wide = self.compile(harness.mlp(self, "wide", (14, 32, 24, 10), BATCH), "wide", HOST)
        run = self.build.ampc_run
        for arguments, code, text in (
                ([a, other], 1, r"other\.so: error: is of another model than .*a\.so: parameter "
                                r"'fc0_.*' is \[.*40\] "),
                ([a, wide], 1, r"wide\.so: error: is of another model than .*a\.so: input 'x' is "
                               r"float32 \[16, 12\] in .*a\.so, and float32 \[16, 14\] here"),
                ([a, forward], 1, r"forward\.so: error: has no training step, and .*a\.so has one"),
                ([a], 2, "two modules are wanted, A.so and B.so; 1 is given"),
                ([a, b, a], 2, "3 are given"),
                ([a, self.work / "none.so"], 1, "none.so"),
                ([a, b, "--steps=0"], 2, "--steps"),
                ([a, b, f"--page={data}"], 1, "--page"),
                ([a, b, "--page=/nowhere/page.html"], 1, "--page")):
            done = run("compare", *arguments, f"--data={data}")
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertRegex(done.stderr, text)
            self.assertEqual(done.stdout, "")
        done = run("compare", a, b)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--data is missing", done.stderr)
        short = self.npz(x=np.zeros((4, 12), np.float32), target=np.zeros(4, np.int64))
        done = run("compare", a, b, f"--data={short}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("data.npz", done.stderr)


if __name__ == "__main__":
    harness.main()
