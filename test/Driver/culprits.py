# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which tensor a step went wrong with: after a skipped or stopped step it is found by a replay, on
the host and on CUDA (through the stand-in driver), and the run goes on bit for bit as without.

    python test/Driver/culprits.py BUILD_DIR
"""
import json
import math
import os

import numpy as np
import onnx

import ampc_api
import harness

BATCH, WIDTHS = 16, (12, 32, 24, 20, 10)


class Culprits(harness.Case):
    def model_of(self, name, text, weights):
        """Nodes are called after what they give: `fc3` gives `h3`, and `n_a1` `a1`."""
        path = self.model(name, text, **weights)
        model = onnx.load(path)
        for node in model.graph.node:
            kind = "fc" if node.op_type == "Gemm" else "n_"
            node.name = kind + node.output[0].removeprefix("h" if kind == "fc" else "")
        onnx.save(model, path)
        return path

    def layers(self, name, scales=None, activation="Relu"):
        """Four layers; `scales` multiplies weights."""
        random, weights, lines, value = np.random.RandomState(0), {}, [], "x"
        for i, (k, n) in enumerate(zip(WIDTHS, WIDTHS[1:]), 1):
            scale = (scales or {}).get(i, 1) / math.sqrt(k)
            weights[f"w{i}"] = (random.randn(k, n) * scale).astype(np.float32)
            weights[f"b{i}"] = np.zeros(n, np.float32)
            lines.append(f"h{i} = Gemm({value}, w{i}, b{i})")
            if i < 4:
                lines.append(f"a{i} = {activation}(h{i})")
                value = f"a{i}"
        lines.append("loss = SoftmaxCrossEntropyLoss(h4, target)")
        text = (f'<ir_version: 8, opset_import: ["" : 17]> {name} '
                f"(float[{BATCH},{WIDTHS[0]}] x, int64[{BATCH}] target) => (float loss) "
                "{ %s }" % " ".join(lines))
        return self.model_of(name, text, weights)

    def batch(self, session, bad=None, scale=1.0):
        random = np.random.RandomState(1)
        x = (random.randn(BATCH, WIDTHS[0]) * scale).astype(np.float32)
        if bad is not None:
            x[3, 7] = bad
        return session.batch(x=x, target=random.randint(0, WIDTHS[-1], BATCH))

    def first_step(self, path, device, bad=None, **options):
        """What the first step tells, and its error or None."""
        session = self.session(self.open(path), device=device, **options)
        try:
            return session.step(self.batch(session, bad)), None
        except ampc_api.Error as error:
            self.assertEqual(error.code, ampc_api.TRAINING_STOPPED)
            return error.info, error

    def each_device(self, model, name, *flags, devices=("host", "cuda")):
        """Compiles for the devices: the module and a device, for each."""
        path = self.compile(model, name, "--target=" + ",".join(devices), *flags)
        library = self.build.lib
        os.environ.update(AMPC_CUDA_DRIVER=str(library / "libampc_standin_cuda.so"),
                          AMPC_CUBLASLT=str(library / "libampc_standin_cublaslt.so"),
                          AMPC_CUDNN=str(library / "libampc_standin_cudnn.so"),
                          AMPC_STANDIN_INTERPRET="1")
        return [(path, device) for device in devices]

    def test_third_layer_overflows_forward(self):
        model = self.layers("forward", {3: 40000}, activation="Tanh")
        for path, device in self.each_device(model, "forward", devices=["host"]):
            for check in ("skip", "every"):
                info, error = self.first_step(path, device, check_finite=check)
                self.assertIsNone(error)
                self.assertEqual(ampc_api.FAILURES[info.failure], "none")
            # Tanh takes what is infinite; only the loss is asked.
        model = self.layers("forward_relu", {3: 40000})
        for path, device in self.each_device(model, "forward_relu"):
            for check in ("skip", "every"):
                info, error = self.first_step(path, device, check_finite=check)
                self.assertIsNone(error)
                self.assertEqual(info.applied, 0)
                self.assertEqual(ampc_api.FAILURES[info.failure], "forward")
                # The product leaves its accumulator through the node behind it.
                self.assertEqual((info.bad_tensor, info.bad_node, info.bad_operator),
                                 (b"a3", b"n_a3", b"Relu"))
                self.assertEqual(info.bad_value, math.inf)
                row, column = divmod(info.bad_index, WIDTHS[3])
                self.assertRegex(info.bad_text.decode(),
                                 r"^the output 'a3' of node 'n_a3' \(Relu\)"
                                 r"( \(computed with 'fc3'\))?, "
                                 rf"inf at \[{row}, {column}\]$")
                x = np.random.RandomState(1).randn(BATCH, WIDTHS[0]).astype(np.float32)
                for i in (1, 2, 3):
                    module = self.open(path)
                    x = x @ self.session(module).get(f"w{i}")
                    x = np.maximum(x, 0) if i < 3 else x
                # The first that f16 does not hold, but for what rounding decides.
                self.assertGreater(x[row, column], 65000)
                self.assertLess(x.ravel()[:info.bad_index].max(), 66000)

    def test_gradients_overflow_in_layer_two(self):
        # What comes back through the second layer's weights does not fit f16 times the scale.
        model = self.layers("backward", {1: 1e-3, 2: 3000, 3: 0.3})
        for path, device in self.each_device(model, "backward", "--loss-scale-init=65536"):
            info, error = self.first_step(path, device)
            self.assertIsNone(error)
            self.assertEqual(info.applied, 0)
            self.assertTrue(math.isfinite(info.loss))
            self.assertEqual(ampc_api.FAILURES[info.failure], "gradient")
            self.assertTrue(math.isinf(info.bad_value))
            # The product leaves its accumulator in f16, or on CUDA in f32 and through the node
            # that reads it.
            self.assertIn(info.bad_text.decode().split(", ")[0],
                          ("the gradient of 'a1' from node 'fc2' (Gemm)",
                           "the gradient of 'h1' from node 'n_a1' (Relu)",
                           "the gradient of 'h1' from node 'n_a1' (Relu) (computed with 'fc2')"))

    def test_nan_in_a_batch(self):
        model = self.layers("nan")
        for flags in ([], ["--amp=O0"], ["--amp=O2", "--amp-dtype=bf16"]):
            devices = ("host",) if flags else ("host", "cuda")
            for path, device in self.each_device(model, f"nan{len(flags)}", *flags,
                                                 devices=devices):
                info, error = self.first_step(path, device, bad=np.nan)
                self.assertEqual(ampc_api.FAILURES[info.failure], "forward")
                self.assertEqual((info.bad_tensor, info.bad_node, info.bad_operator),
                                 (b"x", b"", b""))
                self.assertEqual(info.bad_index, 3 * WIDTHS[0] + 7)
                self.assertTrue(math.isnan(info.bad_value))
                self.assertEqual(info.bad_text, b"the input 'x', NaN at [3, 7]")
                if flags:
                    self.assertIn("step 1: the loss 'loss' is not finite", str(error))
                    self.assertIn("the first tensor that was not finite: the input 'x', NaN at "
                                  "[3, 7]", str(error))

    def test_a_weight_that_does_not_fit(self):
        """Finite in f32, and no f16; and one that is not finite itself."""
        model = self.layers("weight")
        for path, device in self.each_device(model, "weight", devices=["host"]):
            for value, text in ((1e6, b"the f16 copy of 'w2', inf at [2, 5]"),
                                (np.nan, b"the f16 copy of 'w2', NaN at [2, 5]")):
                session = self.session(self.open(path), device=device)
                weight = session.get("w2")
                weight[2, 5] = value
                session.set("w2", weight)
                info = session.step(self.batch(session))
                self.assertEqual(ampc_api.FAILURES[info.failure], "forward")
                self.assertEqual((info.bad_tensor, info.bad_text), (b"w2", text))

    def test_what_is_infinite_and_harmless_is_not_named(self):
        """Scores that are masked with -inf, and the logarithm of 0 behind a Where, stand before the
        layer that overflows; so they do in the gradient's case."""
        random = np.random.RandomState(0)
        weights = {f"w{i}": (random.randn(8, 8) / 3).astype(np.float32) for i in range(5)}
        weights["mask"] = np.triu(np.full((8, 8), -np.inf, np.float32), 1)
        weights["zero"] = np.zeros((), np.float32)
        text = """<ir_version: 8, opset_import: ["" : 17]> masked
            (float[8,8] x, float[8,8] target) => (float loss, float[8,8] logs) {
              q = MatMul(x, w0)  k = MatMul(x, w1)  s = MatMul(q, k)  masked = Add(s, mask)
              p = Softmax(masked)
              r = Relu(q)  logs = Log(r)  positive = Greater(r, zero)
              used = Where(positive, r, zero)
              v = MatMul(p, w2)  mixed = Add(v, used)  big = MatMul(mixed, w3)
              y = MatMul(big, w4)  d = Sub(y, target)  sq = Mul(d, d)  loss = ReduceMean <keepdims: int = 0> (sq) }"""
        for case, scale in (("forward", 1e6), ("gradient", 1)):
            scaled = dict(weights, w3=weights["w3"] * np.float32(min(scale, 20000)))
            flags = ["--loss=output:loss"]
            if case == "gradient":
                flags.append("--loss-scale-init=1e9")
            model = self.model_of(case, text, scaled)
            for path, device in self.each_device(model, case, *flags):
                session = self.session(self.open(path), device=device)
                x = np.random.RandomState(2).randn(8, 8).astype(np.float32) * 4
                try:
                    info = session.step(session.batch(x=x, target=np.zeros((8, 8), np.float32)))
                except ampc_api.Error as error:
                    info = error.info
                self.assertEqual(ampc_api.FAILURES[info.failure], case)
                self.assertNotIn(info.bad_tensor, (b"masked", b"logs", b"mask", b"p", b"x", b""))
                if case == "forward":
                    self.assertIn(info.bad_tensor, (b"big", b"y"))
                else:
                    self.assertTrue(info.bad_text.startswith(b"the gradient of "), info.bad_text)

    def test_enqueued_steps_on_the_host(self):
        path = self.compile(self.layers("enqueued"), "enqueued", "--target=host")
        session = self.session(self.open(path))
        session.enqueue(self.batch(session))
        session.enqueue(self.batch(session, bad=np.inf))
        session.enqueue(self.batch(session))
        self.assertEqual(session.step_info(2).bad_text, b"the input 'x', inf at [3, 7]")
        for step in (1, 3):
            self.assertEqual(session.step_info(step).bad_text, b"")
            self.assertEqual(session.step_info(step).bad_index, -1)

    def test_the_run_is_the_same_with_and_without(self):
        """Dropout, batch statistics and skips of both kinds: masters, moments, statistics, scaler
        and checkpoints, to the bit."""
        random = np.random.RandomState(0)
        weights = {"w1": (random.randn(12, 16) / 3).astype(np.float32),
                   "w2": (random.randn(16, 10) / 4).astype(np.float32),
                   "gamma": np.ones(16, np.float32), "beta": np.zeros(16, np.float32),
                   "mean": np.zeros(16, np.float32), "var": np.ones(16, np.float32),
                   "ratio": np.float32(0.25), "training": np.bool_(True)}
        text = f"""<ir_version: 8, opset_import: ["" : 17]> noisy
            (float[{BATCH},12] x, int64[{BATCH}] target) => (float loss) {{
              h = MatMul(x, w1)
              n, m, v = BatchNormalization <training_mode: int = 1> (h, gamma, beta, mean, var)
              a = Relu(n)  d, kept = Dropout(a, ratio, training)  y = MatMul(d, w2)
              loss = SoftmaxCrossEntropyLoss(y, target) }}"""
        flags = ["--loss-scale-init=16777216", "--loss-scale-interval=4"]
        model = self.model_of("noisy", text, weights)
        for path, device in self.each_device(model, "noisy", *flags):
            runs, steps = {}, 24 if device == "host" else 8
            for check in ("off", "skip", "every"):
                module = self.open(path)
                session = self.session(module, device=device, seed=3, check_finite=check)
                told = []
                for i in range(steps):
                    if i == steps // 2:  # goes on from a checkpoint, right after a skip
                        saved = self.work / f"{device}-{check}.safetensors"
                        session.save(saved)
                        session = self.session(module, device=device, seed=4, check_finite=check)
                        session.load(saved)
                    # The step before the checkpoint is skipped, and another.
                    bad = np.nan if i in (2, steps // 2 - 1) else None
                    random = np.random.RandomState(i)
                    x = random.randn(BATCH, 12).astype(np.float32)
                    if bad is not None:
                        x[0, 0] = bad
                    info = session.step(session.batch(x=x, target=random.randint(0, 10, BATCH)))
                    told.append(np.array([info.loss, info.loss_scale, info.next_loss_scale,
                                          info.grad_norm, info.applied], np.float32).tobytes())
                    wanted = check != "off" and not info.applied
                    self.assertEqual(bool(info.bad_text), wanted, (check, i))
                state = {n: session.get(n).tobytes()
                         for n in module.names("parameter", "state", "scalar", "derived")}
                runs[check] = (told, state, saved.read_bytes())
                self.assertGreater(sum(not np.frombuffer(t, np.float32)[4] for t in told), 3)
            self.assertEqual(runs["skip"], runs["off"])
            self.assertEqual(runs["every"], runs["off"])

    def train(self, path, *flags, x=None, code=0):
        """ampc-run's result, and the lines of its log."""
        log, data = self.work / "log.jsonl", self.work / "data.npz"
        random = np.random.RandomState(1)
        if x is None:
            x = random.randn(4 * BATCH, WIDTHS[0]).astype(np.float32)
        np.savez(data, x=x, target=random.randint(0, WIDTHS[-1], len(x)))
        result = self.build.ampc_run("train", path, f"--data={data}", f"--log={log}",
                                     "--batch-order=file", *flags)
        self.assertEqual(result.returncode, code, result.stderr)
        return result, [json.loads(line) for line in log.read_text().splitlines()]

    def test_ampc_run(self):
        model = self.layers("run")
        for path, device in self.each_device(model, "run", "--loss-scale-init=1e9"):
            x = np.random.RandomState(1).randn(4 * BATCH, WIDTHS[0]).astype(np.float32)
            x[2 * BATCH + 3, 7] = np.nan
            result, lines = self.train(path, f"--device={device}", x=x)
            self.assertRegex(result.stderr, r"step 1 is skipped: the gradient of 'w\d' is not finite"
                             r" at loss scale 1e\+09; first the gradient of '")
            first, third = lines[0], lines[2]
            self.assertEqual((first["applied"], first["failure"]), (False, "gradient"))
            self.assertTrue(first["culprit"]["text"].startswith("the gradient of '"))
            self.assertIn(first["culprit"]["value"], ("inf", "-inf", "NaN"))
            self.assertEqual(third["failure"], "forward")
            self.assertEqual(third["culprit"], {
                "tensor": "x", "node": "", "operator": "", "index": 3 * WIDTHS[0] + 7,
                "value": "NaN", "text": "the input 'x', NaN at [3, 7]"})
            self.assertEqual(third["scale"], lines[3]["scale"])
            _, without = self.train(path, f"--device={device}", "--check-finite=off", x=x)
            for line in lines:
                line.pop("culprit", None)
            self.assertEqual(without, lines)
        # A run that ends says it in its error, and the log has the step.
        path = self.compile(model, "stops", "--target=host", "--amp=O0")
        result, lines = self.train(path, x=x, code=3)
        self.assertIn("step 3: the loss 'loss' is not finite", result.stderr)
        self.assertIn("the input 'x', NaN at [3, 7]", result.stderr)
        self.assertEqual([line.get("failure") for line in lines], [None, None, "forward"])

    def test_exponents(self):
        model = self.layers("exponents", {3: 4})
        for path, device in self.each_device(model, "exponents", devices=["host"]):
            result, lines = self.train(path, f"--device={device}", "--epochs=2",
                                       "--trace-values=^(a2|h4)$", "--trace-every=3")
            traced = [line for line in lines if "values" in line]
            self.assertEqual([line["step"] for line in traced], [1, 4, 7])
            untraced = [line for line in lines if "values" not in line]
            self.assertEqual(untraced, self.train(path, f"--device={device}", "--epochs=2")[1])
            values = {(v["tensor"], v["gradient"]): v for v in traced[0]["values"]}
            self.assertIn(("a2", True), values)
            self.assertIn(("a2", False), values)
            for value in values.values():
                self.assertEqual(value["zeros"] + sum(value["exponents"].values()),
                                 value["elements"])
            # What the first batch makes of it, counted by hand; the weights are copied to f16.
            random = np.random.RandomState(1)
            x = random.randn(4 * BATCH, WIDTHS[0]).astype(np.float32)[:BATCH].astype(np.float16)
            session = self.session(self.open(path))
            for i in (1, 2):
                w = session.get(f"w{i}").astype(np.float16).astype(np.float32)
                x = np.maximum(x.astype(np.float32) @ w, 0).astype(np.float16)
            expected = np.bincount(np.frexp(x[x > 0].astype(np.float32))[1] - 1 + 30)
            seen = values["a2", False]
            self.assertEqual((seen["type"], seen["elements"]), ("f16", BATCH * WIDTHS[2]))
            # Rounding in another order may move one over a power of two.
            difference = sum(abs(seen["exponents"].get(str(e - 30), 0) - int(n))
                             for e, n in enumerate(expected))
            self.assertLessEqual(difference, 2)
            self.assertRegex(result.stdout, "exponents in 3 steps")
            self.assertRegex(result.stdout, r"\n  gradient of a2 +fc3 \(Gemm\) +f16 ")
        result, _ = self.train(path, "--trace-values=nothing")
        self.assertIn("--trace-values=nothing: the step writes no tensor of such a name",
                      result.stdout)
        for flags, error in ((["--trace-values=("], "is no regular expression"),
                             (["--trace-every=3"], "--trace-every needs --trace-values")):
            result, _ = self.train(path, *flags, code=2)
            self.assertIn(error, result.stderr)


if __name__ == "__main__":
    harness.main()
