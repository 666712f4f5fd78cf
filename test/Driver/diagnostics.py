# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs that stop, wrong command lines, and what the compiler prints about itself.

    python test/Driver/diagnostics.py BUILD_DIR
"""
import json
import re
import shutil
import subprocess

import numpy as np
import onnx

import ampc_api
import harness

MODEL = harness.MODELS / "mlp_10_100_10.onnx"
BATCH = 100
BAD = 2 * BATCH + 50  # a row in the third batch


class Stops(harness.Case):
    def train(self, module, arrays, *flags):
        """The finished process, the log, and the checkpoint's path."""
        data, log = self.work / "data.npz", self.work / "log.jsonl"
        checkpoint = self.work / "end.safetensors"
        np.savez(data, **arrays)
        log.unlink(missing_ok=True)
        result = self.build.ampc_run(
            "train", module, f"--data={data}", "--batch-order=file", "--device=host", "--quiet",
            f"--log={log}", f"--checkpoint={checkpoint}", *flags)
        return result, harness.read_log(log), checkpoint

    def arrays(self):
        return dict(np.load(self.data("mlp10")))

    def test_label_out_of_range(self):
        module = self.example("mlp_10_100_10", "--target=host")
        for label in (10, 12, -3, 2**40, -2**63):
            with self.subTest(label):
                arrays = self.arrays()
                arrays["target"][BAD] = label
                result, log, _ = self.train(module, arrays)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertRegex(result.stderr, r"error: step 3: .*'target'")
                self.assertEqual([s["applied"] for s in log], [True, True, False])
                self.assertIsNone(log[2]["loss"], "a loss of a label that is none")

    def test_evaluation_refuses_labels_and_indices(self):
        """Exit 1 with the input's name, and no outputs, in a module that trains or does not."""
        labelled = self.arrays()
        labelled["target"][BAD] = 10
        table = np.random.RandomState(0).randn(7, 4).astype(np.float32)
        model = self.model("lookup", """<ir_version: 8, opset_import: ["" : 17]>
            lookup (int32[5] words) => (float[5,4] rows) { rows = Gather (table, words) }""",
                           table=table)
        words = np.zeros(15, np.int32)
        words[12] = 7
        for module, arrays, pattern in (
                (self.example("mlp_10_100_10", "--target=host"), labelled,
                 r"error: rows 200 to 299: a label in input 'target' is not"),
                (self.compile(model, "lookup", "--loss=none", "--target=host"), {"words": words},
                 r"error: rows 10 to 14: an index in input 'words' lies outside")):
            with self.subTest(module.name):
                data, out = self.work / "bad.npz", self.work / "out.npz"
                np.savez(data, **arrays)
                result = self.build.ampc_run("eval", module, "--device=host", f"--data={data}",
                                             f"--outputs={out}")
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertRegex(result.stderr, pattern)
                self.assertEqual(result.stdout, "")
                self.assertEqual([p.name for p in self.work.iterdir() if "out" in p.name], [])

    def test_divergence_stops_and_leaves_the_checkpoint(self):
        for flag in ("--amp=O0", "--amp-dtype=bf16", "--loss-scale=none"):
            with self.subTest(flag):
                module = self.example("mlp_10_100_10", "--target=host", flag)
                arrays, checkpoint = self.arrays(), self.work / "end.safetensors"
                arrays["x"] *= 100 # so that the first update overflows
                result, _, _ = self.train(module, arrays, "--steps=2", "--lr=1e-6")
                self.assertEqual(result.returncode, 0, result.stderr)
                good = checkpoint.read_bytes()
                result, log, _ = self.train(module, arrays, "--steps=20", "--save-every=1",
                                            "--lr=3e38", f"--resume={checkpoint}")
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertRegex(result.stderr, "the checkpoint of step 3 was not saved: "
                                                "parameter 'fc.*' is no longer finite")
                self.assertRegex(result.stderr, "error: step 4: .* not finite")
                self.assertEqual([(s["step"], s["applied"]) for s in log], [(3, True), (4, False)])
                self.assertEqual(checkpoint.read_bytes(), good)

    def test_last_update_leaves_infinities(self):
        """The final checkpoint is refused too; without one the run ends as it did."""
        module = self.example("mlp_10_100_10", "--target=host", "--amp=O0", "--lr=3e38")
        arrays, checkpoint = self.arrays(), self.work / "end.safetensors"
        arrays["x"] *= 100
        checkpoint.write_bytes(b"as it was")
        result, log, _ = self.train(module, arrays, "--steps=1")
        self.assertEqual([s["applied"] for s in log], [True])
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertRegex(result.stderr, "parameter 'fc.*' is no longer finite")
        self.assertEqual(checkpoint.read_bytes(), b"as it was")

    def test_label_out_of_range_updates_nothing(self):
        module = self.open(self.example("mlp_10_100_10", "--target=host", "--optimizer=adam"))
        session, arrays = self.session(module), self.arrays()
        batch = {n: a[:BATCH] for n, a in arrays.items()}
        session.step(session.batch(batch))
        names = module.names("parameter", "state") + ["ampc.step"]
        before = {n: session.get(n) for n in names}
        wrong = batch["target"].copy()
        wrong[7] = 10
        with self.assertRaises(ampc_api.Error) as caught:
            session.step(session.batch(batch, target=wrong))
        self.assertEqual(caught.exception.code, ampc_api.DATA)
        self.assertFalse(caught.exception.info.applied)
        for name in names:
            self.assertSameBits(session.get(name), before[name], name)
        self.assertTrue(session.step(session.batch(batch)).applied)
        self.assertEqual(session.get("ampc.step"), 2)

    def test_index_out_of_range_updates_nothing(self):
        table = np.random.RandomState(0).randn(7, 4).astype(np.float32)
        model = self.model("embedding", """<ir_version: 8, opset_import: ["" : 17]>
            embedding (int64[5] tokens, int64[5] target) => (float loss) {
                rows = Gather (table, tokens)
                loss = SoftmaxCrossEntropyLoss (rows, target)
            }""", table=table)
        module = self.open(self.compile(model, "embedding", "--target=host", "--optimizer=adam"))
        session = self.session(module)
        good = {"tokens": np.array([0, 6, -7, -1, 3]), "target": np.array([0, 1, 2, 3, 0])}
        session.step(session.batch(good))
        before = session.get("table")
        for index in (7, -8, 2**40, -2**63):
            with self.subTest(index), self.assertRaises(ampc_api.Error) as caught:
                session.step(session.batch(good, tokens=np.array([0, 1, index, 2, 3])))
            self.assertEqual(caught.exception.code, ampc_api.DATA)
            self.assertIn("an index in input 'tokens' lies outside", str(caught.exception))
            self.assertTrue(np.isnan(caught.exception.info.loss))
            self.assertSameBits(session.get("table"), before)
            wrong = session.batch(good, tokens=np.array([0, 1, index, 2, 3]))
            with self.subTest(index, evaluates=True), self.assertRaises(ampc_api.Error) as caught:
                session.evaluate(wrong)
            self.assertEqual((caught.exception.code, caught.exception.node),
                             (ampc_api.DATA, "tokens"))
            self.assertIn("an index in input 'tokens' lies outside", str(caught.exception))
        self.assertTrue(np.isfinite(session.evaluate(session.batch(good))["loss"]))
        self.assertTrue(session.step(session.batch(good)).applied)

    def test_scattered_index_out_of_range_updates_nothing(self):
        table = np.random.RandomState(0).randn(7, 4).astype(np.float32)
        model = self.model("scattered", """<ir_version: 8, opset_import: ["" : 18]>
            scattered (int64[5] tokens, int64[5, 4] places, int64[5] target) => (float loss) {
                rows = Gather (table, tokens)
                put = ScatterElements (rows, places, rows)
                got = GatherElements (put, places)
                sums = ScatterElements <reduction = "add"> (put, places, got)
                loss = SoftmaxCrossEntropyLoss (sums, target)
            }""", table=table)
        module = self.open(self.compile(model, "scattered", "--target=host", "--optimizer=adam"))
        session = self.session(module)
        places = np.arange(20).reshape(5, 4) % 10 - 5
        good = {"tokens": np.array([0, 6, -7, -1, 3]), "places": places,
                "target": np.array([0, 1, 2, 3, 0])}
        session.step(session.batch(good))
        before = session.get("table")
        for index in (5, -6, 2**40, 2**63 - 1, -2**63):
            wrong = places.copy()
            wrong[2, 1] = index
            with self.subTest(index), self.assertRaises(ampc_api.Error) as caught:
                session.step(session.batch(good, places=wrong))
            self.assertEqual(caught.exception.code, ampc_api.DATA)
            self.assertIn("an index in one of the inputs 'tokens', 'places' lies outside",
                          str(caught.exception))
            self.assertSameBits(session.get("table"), before)
        self.assertTrue(session.step(session.batch(good)).applied)

    def test_image_of_a_region_out_of_range(self):
        """Images of regions do not count from the end."""
        model = self.model("regions", """<ir_version: 10, opset_import: ["" : 21]>
            regions (float[2,1,4,4] x, float[1,4] boxes, int64[1] image, float[1,5] rois) =>
                (float[1,1,1,1] mean, float[1,1,1,1] most) {
                mean = RoiAlign (x, boxes, image)
                most = MaxRoiPool <pooled_shape = [1, 1]> (x, rois)
            }""")
        module = self.open(self.compile(model, "regions", "--target=host", "--loss=none"))
        session = self.session(module)
        good = {"x": np.ones((2, 1, 4, 4), np.float32),
                "boxes": np.array([[0, 0, 3, 3]], np.float32), "image": np.array([1]),
                "rois": np.array([[1, 0, 0, 3, 3]], np.float32)}
        for image in (2, -1):
            for name, wrong in (("image", np.array([image])),
                                ("rois", np.array([[image, 0, 0, 3, 3]], np.float32))):
                with self.subTest(name, image=image), self.assertRaises(ampc_api.Error) as caught:
                    session.evaluate(session.batch(good, **{name: wrong}))
                self.assertEqual(caught.exception.code, ampc_api.DATA)
        self.assertEqual(session.evaluate(session.batch(good))["most"].item(), 1)

    def test_not_finite_without_a_scaler(self):
        for flags in (["--amp-dtype=bf16"], ["--loss-scale=none"]):
            with self.subTest(flags):
                module = self.example("mlp_10_100_10", "--target=host", *flags)
                arrays = self.arrays()
                arrays["x"][BAD, 3] = np.inf
                result, log, _ = self.train(module, arrays)
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertRegex(result.stderr, r"error: step 3: the loss 'loss' is not finite.*: "
                                 rf"the input 'x', inf at \[{BAD % 100}, 3\]")
                self.assertEqual([s["applied"] for s in log], [True, True, False])
                self.assertEqual({s["scale"] for s in log}, {1})

    def test_scale_floor(self):
        for flags, steps in (([], 31), (["--loss-scale-min=1000", "--loss-scale-init=4000"], 3)):
            with self.subTest(flags):
                result, log, _ = self.train(*self.infinite_slope(*flags), "--steps=100")
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertRegex(result.stderr, r"loss scale fell to .*the gradient of 'w'")
                self.assertEqual(len(log), steps)
                self.assertFalse(any(s["applied"] for s in log))
                self.assertEqual({s["loss"] for s in log}, {0})

    def test_no_floor(self):
        """Zero turns the floor off, and a run that only skips goes on to its end."""
        result, log, _ = self.train(*self.infinite_slope("--loss-scale-min=0"), "--steps=60")
        self.assertEqual((result.returncode, len(log)), (0, 60), result.stderr)
        self.assertEqual(np.float32(log[-1]["scale"]), 65536 * 2.0**-59)

    def infinite_slope(self, *flags):
        """A module, and data for it whose gradients are infinite at any scale; the loss is 0."""
        model = self.model("root", """<ir_version: 8, opset_import: ["" : 17]>
            root (float[16,1] x) => (float loss) {
              y = MatMul(x, w)
              r = Sqrt(y)
              loss = ReduceMean<keepdims = 0>(r)
            }""", w=np.ones((1, 1), np.float32))
        return (self.compile(model, "root", "--target=host", *flags),
                {"x": np.zeros((64, 1), np.float32)})

    def test_loss_that_is_never_finite(self):
        """No scale helps that, so none is tried."""
        for flags in ([], ["--loss-scale-min=0"]):
            with self.subTest(flags):
                module = self.example("mlp_10_100_10", "--target=host", *flags)
                arrays = self.arrays()
                arrays["x"][:] = np.inf
                result, log, _ = self.train(module, arrays, "--steps=60")
                self.assertEqual((result.returncode, len(log)), (3, 16), result.stderr)
                self.assertRegex(result.stderr, "step 16: the loss 'loss' is not finite for the 16th "
                                 "time in a row.* the input 'x', inf at")
                self.assertEqual({s["scale"] for s in log}, {65536})

    def test_evaluates_without_labels(self):
        for name, data in (("mlp_10_100_10", "mlp10"), ("digits", "digits")):
            with self.subTest(name):
                self.check_without_labels(self.example(name, "--target=host"), self.data(data))

    def check_without_labels(self, module, data):
        """The loss is left out, and the other output has the bits that it has with labels."""
        unlabelled = self.work / "unlabelled.npz"
        np.savez(unlabelled, x=np.load(data)["x"])
        outputs = []
        for path in (data, unlabelled):
            out = self.work / f"{path.stem}-out.npz"
            result = self.build.ampc_run("eval", module, "--device=host", f"--data={path}",
                                         f"--outputs={out}")
            self.assertEqual(result.returncode, 0, result.stderr)
            outputs.append(np.load(out))
        self.assertEqual(sorted(outputs[1]), ["logits"])
        self.assertSameBits(outputs[1]["logits"], outputs[0]["logits"])
        self.assertEqual(len(outputs[1]["logits"]), len(np.load(data)["x"]))


class CommandLine(harness.Case):
    def refuse(self, code, pattern, *flags, model=MODEL):
        """Compiles with exit status `code`; the output stays as it was, one error is printed."""
        for content in (None, b"as it was"):
            out = self.work / "train.so"
            out.unlink(missing_ok=True)
            if content:
                out.write_bytes(content)
            result = self.build.ampc(model, "-o", out, *flags)
            self.assertEqual(result.returncode, code, f"{flags}: {result.stderr}")
            self.assertRegex(result.stderr, pattern)
            self.assertEqual(out.read_bytes() if out.exists() else None, content)
            self.assertEqual([p.name for p in self.work.iterdir() if p.suffix != ".onnx"],
                             ["train.so"] if content else [], "files are left")
        return result.stderr

    def test_usage(self):
        for flags in (["--bogus"], ["--amp=O9"], ["--batch=0"], ["--batch=x"], ["--lr=nan"],
                      ["--optimizer=sg"], ["--emit=wrong"], ["--freeze=["], ["--loss-scale=soon"],
                      ["--amp-dtype=f8"], ["--clip-grad-norm=-1"], ["--target=tpu"],
                      ["--host-cpu=i486"], ["--class-axis=1"],
                      ["--class-axis=0", "--loss=cross_entropy"]):
            with self.subTest(flags):
                text = self.refuse(2, re.escape(flags[0].split("=")[0]), *flags)
                self.assertTrue(all(line.startswith("ampc: ") for line in text.splitlines()), text)

    def test_numbers_that_f32_does_not_hold(self):
        adam, sgd = ["--optimizer=adam"], ["--optimizer=momentum"]
        for flag, *more in (
                ["--lr=1e39"], ["--lr=1e-46"], ["--lr=-1"], ["--lr=inf"],
                ["--weight-decay=1e40"], ["--weight-decay=1e-50"], ["--eps=1e-46", *adam],
                ["--eps=1e300", *adam], ["--beta1=0.99999999999", *adam], ["--beta2=1", *adam],
                ["--beta2=nan", *adam], ["--momentum=1e39", *sgd], ["--dampening=1e39", *sgd],
                ["--dampening=nan", *sgd], ["--clip-grad-norm=1e39"], ["--clip-grad-norm=1e-46"],
                ["--clip-grad-value=1e39"], ["--loss-scale=1e-40"], ["--loss-scale=1e39"],
                ["--loss-scale=0"], ["--loss-scale=-1"], ["--loss-scale=nan"],
                ["--loss-scale=1e-38"], ["--loss-scale-init=1e39"], ["--loss-scale-init=1e-40"],
                ["--loss-scale-init=0"], ["--loss-scale-growth=1e39"], ["--loss-scale-growth=1"],
                ["--loss-scale-backoff=1e-46"], ["--loss-scale-backoff=0.999999999999"],
                ["--loss-scale-min=1e39"], ["--loss-scale-min=1e-40"], ["--loss-scale-min=nan"],
                ["--check-finite=maybe"]):
            with self.subTest(flag):
                text = self.refuse(2, "error: " + re.escape(flag.split("=")[0] + "="),
                                   "--batch=100", flag, *more)
                self.assertEqual(text.count("error:"), 1, text)
        module = self.example("mlp_10_100_10", "--target=host")
        for flag in ("--lr=1e39", "--lr=-1", "--lr=nan"):
            result = self.build.ampc_run("train", module, "--data=x.npz", flag)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(flag, result.stderr)

    def test_settings_of_other_optimizers(self):
        for flag, optimizer in (("--momentum", "adam"), ("--beta1", "sgd"), ("--eps", "nesterov"),
                                ("--dampening", "adagrad"), ("--beta2", "adagrad")):
            with self.subTest(flag):
                self.refuse(2, f"error: {flag}: --optimizer={optimizer} has no such setting",
                            "--batch=100", f"{flag}=0.5", f"--optimizer={optimizer}")
        self.refuse(2, "error: --dampening: has no effect without --momentum", "--batch=100",
                    "--dampening=0.5", "--optimizer=sgd")

    def test_empty_values(self):
        for flag in ("--report", "--dump-ir", "--loss", "--emit", "--freeze", "--train",
                     "--cuda-path", "--checkpoint", "--dim", "--host-cpu", "--amp-deny"):
            with self.subTest(flag):
                self.refuse(2, f"error: {flag}=: a value is missing", f"{flag}=")
        result = self.build.ampc(MODEL, "--batch=100", "-o", "")
        self.assertEqual(result.returncode, 2)
        self.assertIn("a value is missing", result.stderr)

    def test_files_of_flags_are_not_read(self):
        flags = self.work / "flags"
        flags.write_text("--batch=100")
        result = self.build.ampc(MODEL, f"@{flags}", "-o", self.work / "a.so")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, "error: @.*: files of flags are not read")
        self.assertEqual([p.name for p in self.work.iterdir()], ["flags"])

    def test_regexes_that_cannot_be_matched(self):
        for regex, why in (("(" * 50000 + ")" * 50000, "longer than"), ("(" * 4000, "parentheses"),
                           ("(" * 101 + "a" + ")" * 101, "parentheses"),
                           ("((((a{255}){255}){255}){255})", "states"), ("a{255}" * 200, "states"),
                           ("(a*)*\\1b", "back-reference"), ("a{2", ""), ("[[:alpha:", "")):
            for flag in ("--freeze", "--train", "--amp-keep-fp32", "--explain"):
                with self.subTest(f"{flag}={regex[:20]}"):
                    self.refuse(2, f"error: {flag}=.*{why}", "--batch=100", f"{flag}={regex}")
        fine = ("(" * 100 + "fc1" + ")" * 100, "fc[12]{1,3}", "[]x[:digit:]]", "f(c1|c2)+", "a|fc1")
        for regex in fine:
            result = self.build.ampc(MODEL, "--batch=100", "--target=host", f"--freeze={regex}",
                                     "-o", self.work / "a.so")
            self.assertIn(result.returncode, (0, 1), result.stderr)
            self.assertNotIn("states", result.stderr)

    def test_missing_operators_and_other_errors(self):
        model = self.model("both", """<ir_version: 8, opset_import: ["" : 17]>
            both (float[2,2] x) => (float[2,2] y) {
                a = NoSuchOperator (x)
                b = MatMul (a, w)
                y = NotThisOneEither (b)
            }""", w=np.zeros((2, 2), np.float32))
        proto = onnx.load(model)
        proto.graph.initializer.append(proto.graph.initializer[0])
        onnx.save(proto, model)
        text = self.refuse(1, "NoSuchOperator.*NotThisOneEither", model=model)
        self.assertRegex(text, "note: and another error: initializer 'w': there are two")
        self.assertEqual(text.count(" error: "), 2, text)  # one is in the note

    def test_artifacts_without_a_training_model(self):
        for flag in ("--ort-checkpoint", "--optimizer-model", "--eval-model"):
            with self.subTest(flag):
                self.refuse(1, f"error: {flag}: goes with a training_model.onnx", "--batch=100",
                            f"{flag}={MODEL}")

    def test_errors_in_the_model(self):
        broken = self.work / "broken.onnx"
        broken.write_bytes(MODEL.read_bytes()[:1000])
        for flags, pattern, model in (
                (["--batch=100"], "error: ", broken),
                (["--batch=100"], "error: .*No such file", self.work / "none.onnx"),
                ([], "error: input 'x'.*--batch", MODEL),
                (["--batch=100", "--dim=batch=3"], "error: .*--dim", MODEL),
                (["--batch=100", "--amp-deny=Nope"], "error: .*Nope", MODEL),
                (["--batch=100", "--memory-limit=10"], "error: .*--memory-limit", MODEL),
                (["--batch=100", "--loss=output:nope"], "error: .*nope", MODEL)):
            with self.subTest(flags, model=model.name):
                text = self.refuse(1, pattern, *flags, model=model)
                self.assertEqual(text.count("error:"), 1, text)

    def test_output_folder_is_missing(self):
        result = self.build.ampc(MODEL, "--batch=100", "-o", self.work / "no/train.so")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "error: .*no/train.so")


class Output(harness.Case):
    # A weight of the model as MLIR would print it, in hexadecimal or as decimals.
    WEIGHTS = re.compile(r'dense_resource|dense<"0x|dense<\[\[?[-0-9.eE+]+, [-0-9.eE+]+, ')

    def run_ampc(self, *flags):
        result = self.build.ampc(*flags)
        self.assertEqual(result.returncode, 0, f"{flags}: {result.stderr}")
        return result.stdout

    def test_stages(self):
        expected = {"amp": "amp.softmax_cross_entropy", "train": "amp.unscale",
                    "kernels": "linalg.generic", "plan": "plan.launch", "gpu": "gpu.module",
                    "ptx": ".visible .entry"}
        for stage, text in expected.items():
            with self.subTest(stage):
                out = self.run_ampc(MODEL, "--batch=100", f"--emit={stage}")
                self.assertIn(text, out)
                self.assertIsNone(self.WEIGHTS.search(out), "weights are printed")
                path = self.work / stage
                self.run_ampc(MODEL, "--batch=100", f"--emit={stage}", "-o", path)
                self.assertEqual(path.read_text(), out)
                print(f"\n  --emit={stage}: {len(out)} characters", end="")

    def test_dump_ir(self):
        folder = self.work / "ir"
        self.run_ampc(MODEL, "--batch=100", "-o", self.work / "a.so", f"--dump-ir={folder}")
        files = sorted(folder.iterdir())
        self.assertGreaterEqual(len(files), 4)
        for path in files:
            text = path.read_text()
            self.assertIn("module", text, path.name)
            self.assertIsNone(self.WEIGHTS.search(text), f"weights are printed in {path.name}")

    def test_explain(self):
        out = self.run_ampc(MODEL, "--batch=100", "--explain")
        for node in ("/fc1/Gemm", "/Relu", "/fc2/Gemm", "/SoftmaxCrossEntropyLoss"):
            self.assertIn(node, out)
        self.assertRegex(out, r"/fc1/Gemm: .*f16")
        self.assertRegex(out, r"/SoftmaxCrossEntropyLoss: .*f32")
        fc1 = self.run_ampc(MODEL, "--batch=100", "--explain=fc1", "--amp-keep-fp32=fc1")
        self.assertRegex(fc1, r"/fc1/Gemm: .*f32.*keep-fp32")
        self.assertNotIn("/fc2/Gemm: amp.matmul computes", fc1)

    def test_explain_prints_what_differs(self):
        """In training mode a node may compute otherwise than in evaluation; said once else."""
        out = self.run_ampc(MODEL, "--batch=100", "--explain")
        lines = out.splitlines()
        self.assertEqual(len(lines), len(set(lines)))
        self.assertNotIn("[", out)
        report = self.work / "r.json"
        self.run_ampc(MODEL, "--batch=100", "-o", self.work / "a.so", f"--report={report}")
        functions = {d.get("function") for d in json.loads(report.read_text())}
        self.assertLessEqual({"train", "eval"}, functions)

    def test_explain_says_where_train_and_eval_differ(self):
        """Dropout of a constant votes for its f32 in training, and is the constant, without a
        vote, in evaluation."""
        model = self.model("drop", """<ir_version: 8, opset_import: ["" : 17]>
            m (float[4,3] x, float[4,3] target) => (float loss)
            <float ratio = {0.5}, bool mode = {1}> {
                gain = Constant <value = float[3] {1, 2, 3}> ()
                [first] h = MatMul (x, w)
                [drop] c = Dropout (gain, ratio, mode)
                [scale] y = Mul (h, c)
                [last] z = MatMul (y, w)
                [difference] d = Sub (z, target)
                [square] s = Mul (d, d)
                [mean] loss = ReduceMean <keepdims = 0> (s)
            }""", w=np.eye(3, dtype=np.float32))
        lines = self.run_ampc(model, "--explain").splitlines()
        (first,) = [i for i, line in enumerate(lines) if line.startswith("scale: ")][:1]
        self.assertRegex(lines[first], r"^scale: amp.mul .*type=f16 .* \[eval\]$")
        self.assertRegex(lines[first + 1], r"^scale: amp.mul .*type=f32 .* \[train\]$")
        self.assertEqual(sum("[" in line for line in lines), 2, "nodes that compute the same")

    def test_class_axis(self):
        """Classes along the last axis train as they do behind a Transpose, to the bit."""
        random = np.random.RandomState(0)
        w = (random.randn(4, 5) / 2).astype(np.float32)
        head = """<ir_version: 8, opset_import: ["" : 17]> m (float[2,3,4] x) => """
        last = self.model("last", head + "(float[2,3,5] y) { y = MatMul (x, w) }", w=w)
        second = self.model("second", head + """(float[2,5,3] y) {
            z = MatMul (x, w)
            y = Transpose <perm = [0, 2, 1]> (z)
        }""", w=w)
        data = self.work / "d.npz"
        np.savez(data, x=random.randn(4, 3, 4).astype(np.float32),
                 target=random.randint(0, 5, (4, 3)))
        logs = []
        for model, flags in ((last, ["--class-axis=-1"]), (last, ["--class-axis=2"]), (second, [])):
            result = self.build.ampc(model, "--target=host", "--loss=cross_entropy", *flags,
                                     "-o", self.work / "m.so")
            self.assertEqual(result.returncode, 0, result.stderr)
            # Told where the user has not said it.
            self.assertEqual("axis 1 of 'y'" in result.stderr, not flags, result.stderr)
            log = self.work / "l.jsonl"
            result = self.build.ampc_run("train", self.work / "m.so", f"--data={data}", "--quiet",
                                         "--epochs=5", f"--log={log}")
            self.assertEqual(result.returncode, 0, result.stderr)
            logs.append(log.read_text())
        self.assertEqual(len(set(logs)), 1)
        for axis in ("3", "-3"):
            result = self.build.ampc(last, "--loss=cross_entropy", f"--class-axis={axis}",
                                     "-o", self.work / "n.so")
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"along axis {axis}", result.stderr)

    def test_host_cpu(self):
        """Code for a processor has none of another one's instructions, and the same results."""
        disassembler = shutil.which("llvm-objdump-22") or shutil.which("llvm-objdump")
        wide = re.compile(r"%[yz]mm|\sv[a-z0-9]+\s")
        for dtype in ("f16", "bf16"):
            losses = {}
            for cpu in ("native", "x86-64-v2", "x86-64-v3"):
                module = self.example("mlp_10_100_10", "--target=host", f"--host-cpu={cpu}",
                                      f"--amp-dtype={dtype}", out=cpu)
                log = self.work / "l.jsonl"
                result = self.build.ampc_run("train", module, f"--data={self.data('mlp10')}",
                                             "--quiet", "--steps=20", f"--log={log}")
                if cpu != "native" and result.returncode == 1:
                    self.assertIn("which this processor lacks", result.stderr)
                    self.assertIn("--host-cpu=", result.stderr)
                    continue
                self.assertEqual(result.returncode, 0, result.stderr)
                losses[cpu] = [s["loss"] for s in harness.read_log(log)]
                features = json.loads(self.build.ampc_run("inspect", module, "--json").stdout)[
                    "cpu_features"].split(",")
                self.assertIn("sse4.2", features)
                if cpu == "x86-64-v2":
                    self.assertNotIn("avx", features)
                if disassembler:
                    code = subprocess.run([disassembler, "-d", module], capture_output=True,
                                          text=True, check=True).stdout
                    self.assertIn("xmm", code)
                    if cpu == "x86-64-v2":
                        self.assertIsNone(wide.search(code))
            for values in losses.values():
                # Sums of 100 products in f32, in another order, and a rounding to 16 bits each.
                np.testing.assert_allclose(values, losses["native"],
                                           rtol=2.0**-11 if dtype == "f16" else 2.0**-8)

    def test_explain_of_no_node(self):
        module = self.work / "a.so"
        alone = self.build.ampc(MODEL, "--batch=100", "--explain=fc7")
        self.assertEqual(alone.returncode, 1)
        self.assertIn("error: --explain=fc7: no node's name matches", alone.stderr)
        beside = self.build.ampc(MODEL, "--batch=100", "--explain=fc7", "-o", module)
        self.assertEqual(beside.returncode, 0, beside.stderr)
        self.assertIn("warning: --explain=fc7: no node's name matches", beside.stderr)
        self.assertTrue(module.exists())

    def test_report(self):
        path = self.work / "report.json"
        self.run_ampc(MODEL, "--batch=100", "-o", self.work / "a.so", f"--report={path}")
        text = path.read_text()
        self.assertTrue(json.loads(text))
        for word in ("/fc1/Gemm", "f16", "fc1.weight"):
            self.assertIn(word, text)

    def test_list_ops(self):
        lines = self.run_ampc("--list-ops").splitlines()
        self.assertGreater(len(lines), 50)
        for op in ("Gemm", "MatMul", "SoftmaxCrossEntropyLoss", "ai.onnx.preview.training.Adam"):
            self.assertTrue(any(line.split()[0] == op for line in lines), op)

    def test_says_what_it_trains(self):
        result = self.build.ampc(MODEL, "--batch=100", "-o", self.work / "a.so")
        self.assertIn("4 parameters", result.stderr)
        result = self.build.ampc(MODEL, "--batch=100", "-o", self.work / "a.so", "--freeze=fc1")
        self.assertIn("2 parameters", result.stderr)


if __name__ == "__main__":
    harness.main()
