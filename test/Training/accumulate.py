# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Steps of several micro-batches: updated as by all of their samples at once, skipped as a whole,
resumed anywhere bit for bit.

    python test/Training/accumulate.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import json
import pathlib
import struct
import sys
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Device"), str(HERE)]
import device_case  # noqa: E402
import ampc_api  # noqa: E402
import exports  # noqa: E402
import harness  # noqa: E402

BATCH, WIDTH, CLASSES, COUNT = 4, 6, 3, 3
# Random inputs, sums over at most 12 samples and 8 units in f32: what numpy computes in f64 is
# within some 30 roundings of 2^-24 of terms that are not larger than 4.
TOLERANCE = 8e-6


def tensors_of(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    metadata = header.pop("__metadata__")
    return header, metadata


class Reference:
    """A perceptron with one ReLU, its cross entropy and SGD, in f64."""

    def __init__(self, session, lr, reduction="mean", clip=None):
        self.names = session.module.names("parameter")
        self.w = {n: session.get(n).astype(np.float64) for n in self.names}
        self.lr, self.reduction, self.clip = lr, reduction, clip

    def gradients(self, x, target):
        w, x = self.w, x.astype(np.float64)
        h = x @ w["fc0_weight"] + w["fc0_bias"]
        r = np.maximum(h, 0)
        z = r @ w["fc1_weight"] + w["fc1_bias"]
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        rows = np.arange(len(x))
        loss = -np.log(p[rows, target])
        p[rows, target] -= 1
        if self.reduction == "mean":
            p /= len(x)
        dh = p @ w["fc1_weight"].T * (h > 0)
        return (loss.mean() if self.reduction == "mean" else loss.sum()), {
            "fc0_weight": x.T @ dh, "fc0_bias": dh.sum(0), "fc1_weight": r.T @ p,
            "fc1_bias": p.sum(0)}

    def step(self, batches):
        """One update with all samples of the batches; loss and norm of the gradients."""
        loss, g = self.gradients(np.concatenate([b["x"] for b in batches]),
                                 np.concatenate([b["target"] for b in batches]))
        norm = np.sqrt(sum((v**2).sum() for v in g.values()))
        factor = min(1, self.clip / (norm + 1e-6)) if self.clip else 1
        for n in self.names:
            self.w[n] -= self.lr * factor * g[n]
        return loss, norm


class Accumulate(device_case.Case):
    def mlp(self, batch=BATCH, reduction="mean"):
        path = harness.mlp(self, "model", [WIDTH, 8, CLASSES], batch)
        if reduction != "mean":
            import onnx
            model = onnx.load(path)
            node = next(n for n in model.graph.node if n.op_type == "SoftmaxCrossEntropyLoss")
            node.attribute.append(onnx.helper.make_attribute("reduction", reduction))
            onnx.save(model, path)
        return path

    def build_module(self, model, name, *flags, count=COUNT):
        module = self.open(self.compile(model, name, f"--accumulate={count}", *flags))
        self.assertEqual(module.micro_batches(), count)
        return module

    @staticmethod
    def micro(step, i, count=COUNT):
        return harness.classes(BATCH, WIDTH, CLASSES, 100 + step * count + i)

    def feed(self, session, step, count=COUNT, first=0, bad=None):
        """Gives the micro-batches of a step from `first` on; what the last one tells."""
        for i in range(first, count):
            arrays = dict(self.micro(step, i, count))
            if i == bad:
                arrays["x"] = arrays["x"] * np.float32(1e30)
            self.assertEqual(session.micro_batch(), i)
            info = session.step(session.batch(arrays))
            self.assertEqual((info.micro_batch, info.micro_batches), (i + 1, count))
            if i + 1 < count:
                self.assertFalse(info.applied)
                self.assertTrue(np.isnan(info.loss))
        self.assertEqual(session.micro_batch(), 0)
        return info

    def state(self, session):
        module = session.module
        return {n: session.get(n) for n in module.names("parameter", "state", "scalar")
                if n != "ampc.micro_batches"
                and not n.startswith(("ampc.accumulated/", "ampc.window"))}

    def assertSameState(self, a, b, but=()):
        self.assertEqual(a.keys(), b.keys())
        for key in a:
            if key not in but:
                self.assertSameBits(a[key], b[key], key)

    #===--- Values -------------------------------------------------------------------------===#

    def check_reference(self, name, reduction, *flags, clip=None, count=COUNT):
        lr = 0.25 if reduction == "mean" else 0.03125
        module = self.build_module(self.mlp(reduction=reduction), name, "--optimizer=sgd",
                                   f"--lr={lr}", "--amp=O0", *flags, count=count)
        session = self.session(module)
        reference = Reference(session, lr, reduction, clip)
        before = {n: w.copy() for n, w in reference.w.items()}
        for step in range(4):
            info = self.feed(session, step, count)
            self.assertTrue(info.applied)
            loss, norm = reference.step([self.micro(step, i, count) for i in range(count)])
            self.assertAlmostEqual(info.loss / loss, 1, delta=TOLERANCE)
            if clip:
                self.assertAlmostEqual(info.grad_norm / norm, 1, delta=TOLERANCE)
        for n in reference.names:
            np.testing.assert_allclose(session.get(n), reference.w[n], rtol=0, atol=TOLERANCE,
                                       err_msg=f"{name} {n}")
            self.assertGreater(np.abs(reference.w[n] - before[n]).max(), 100 * TOLERANCE)

    def test_mean(self):
        self.check_reference("mean", "mean")

    def test_sum(self):
        self.check_reference("sum", "sum")

    def test_clipping_comes_after_the_sum(self):
        self.check_reference("clip", "mean", "--clip-grad-norm=0.25", clip=0.25, count=2)

    def test_as_the_whole_batch(self):
        """Adam in f16: as a module compiled for all samples at once, but for rounding."""
        flags = ("--optimizer=adam", "--lr=0.01", "--amp-dtype=f16")
        small = self.session(self.build_module(self.mlp(), "small", *flags))
        whole = self.session(self.open(self.compile(self.mlp(BATCH * COUNT), "whole", *flags)))
        for step in range(6):
            info = self.feed(small, step)
            parts = [self.micro(step, i) for i in range(COUNT)]
            other = whole.step(whole.batch({k: np.concatenate([p[k] for p in parts])
                                            for k in parts[0]}))
            self.assertTrue(info.applied and other.applied)
            self.assertAlmostEqual(info.loss, other.loss, delta=2e-3)  # 2^-11 in f16's scores
        for n in small.module.names("parameter"):
            # An update of Adam is at most lr, whatever the gradient; six of them.
            np.testing.assert_allclose(small.get(n), whole.get(n), rtol=0, atol=6e-3)

    def test_grows_with_the_batch(self):
        """What the loss is over the samples, read off the graph."""
        body = {
            "mean of sums": ("s = ReduceSum<keepdims = 0>(q, axes1)\nloss = ReduceMean<keepdims = 0>(s)", "mean", ""),
            "sum of means": ("s = ReduceMean<axes = [0], keepdims = 0>(q)\nloss = ReduceSum<keepdims = 0>(s)", "mean", ""),
            "sum": ("loss = ReduceSum<keepdims = 0>(q)", "sum", "is a sum"),
            "sum of sums": ("s = ReduceSum<keepdims = 0>(q, axes1)\nl = ReduceSum<keepdims = 0>(s)\nloss = Reshape(l, none)", "sum", "is a sum"),
            "scaled sum": ("s = ReduceSum<keepdims = 0>(q)\nloss = Mul(s, eighth)", "mean", "does not tell"),
            "scaled mean": ("s = ReduceMean<keepdims = 0>(q)\nloss = Mul(s, eighth)", "mean", ""),
            "mean and sum": ("s = ReduceMean<keepdims = 0>(q)\nt = ReduceSum<keepdims = 0>(y)\nloss = Add(s, t)", "mean", "does not tell"),
        }
        for number, (name, (text, growth, said)) in enumerate(body.items()):
            with self.subTest(name):
                model = self.model(f"m{number}", f"""
                    <ir_version: 8, opset_import: ["" : 13]>
                    m (float[2,3] x) => (float loss)
                    <int64[1] axes1 = {{1}}, int64[0] none = {{}}, float eighth = {{0.125}}>
                    {{
                      y = MatMul(x, w)
                      q = Mul(y, y)
                      {text}
                    }}""", w=np.eye(3, dtype=np.float32))
                out = self.work / f"m{number}.so"
                result = self.build.ampc(model, "-o", out, "--target=host", "--amp=O0",
                                         "--accumulate=2", "--optimizer=sgd", "--lr=1",
                                         "--loss=output:loss")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(said, result.stderr)
                if not said:
                    self.assertNotIn("--accumulate", result.stderr)
                ir = self.build.ampc(model, "--emit=train", "--amp=O0", "--accumulate=2",
                                     "--loss=output:loss", "--optimizer=sgd").stdout
                apply = ir[ir.index("@apply"):]
                self.assertEqual("dense<2.0" in apply, growth == "mean", apply)
        forced = self.build.ampc(self.work / "m2.onnx", "--emit=train", "--amp=O0",
                                 "--accumulate=2", "--accumulate-by=mean", "--loss=output:loss",
                                 "--optimizer=sgd")
        self.assertEqual(forced.stderr.count("--accumulate"), 0, forced.stderr)
        self.assertIn("dense<2.0", forced.stdout[forced.stdout.index("@apply"):])

    #===--- Bad micro-batches --------------------------------------------------------------===#

    def test_one_bad_micro_batch_skips_the_step(self):
        module = self.build_module(self.mlp(), "bad", "--optimizer=adam", "--amp-dtype=f16")
        session, other = self.session(module), self.session(module)
        self.assertTrue(self.feed(session, 0).applied)
        self.feed(other, 0)
        before = self.state(session)
        for bad in range(COUNT):
            info = self.feed(session, 1, bad=bad)
            self.assertFalse(info.applied)
            self.assertEqual(info.bad_micro_batch, bad + 1)
            self.assertEqual(ampc_api.FAILURES[info.failure], "forward")
            self.assertTrue(info.bad_text, "no tensor is named")
            self.assertIn(info.culprit.decode(), module.names("parameter"))
            self.assertEqual(session.step_info(info.step).bad_micro_batch, bad + 1)
        moved = {"ampc.attempt", "ampc.micro_batch"}
        self.assertSameState(self.state(session), before, moved)
        # Gradients alone overflow: the scale falls once for the window.
        session.set("ampc.loss_scale", 2.0**40)
        info = self.feed(session, 1)
        self.assertFalse(info.applied)
        self.assertEqual(info.bad_micro_batch, 1)
        self.assertEqual(ampc_api.FAILURES[info.failure], "gradient")
        self.assertEqual((info.loss_scale, info.next_loss_scale), (2.0**40, 2.0**39))
        # It goes on as one that never saw them.
        session.set("ampc.loss_scale", 65536)
        session.set("ampc.growth_tracker", before["ampc.growth_tracker"])
        for step in (2, 3):
            self.assertTrue(self.feed(session, step).applied)
            self.feed(other, step)
        self.assertSameState(self.state(session), self.state(other), moved)

    def test_the_first_bad_one_is_told(self):
        module = self.build_module(self.mlp(), "first", "--optimizer=sgd", "--amp=O0")
        session = self.session(module)
        batches = [dict(self.micro(0, i)) for i in range(COUNT)]
        batches[1]["x"][2, 3] = np.nan
        batches[2]["x"][0, 0] = np.inf
        session.step(session.batch(batches[0]))
        info = session.step(session.batch(batches[1]))
        self.assertEqual((info.bad_micro_batch, info.bad_tensor, info.bad_index), (2, b"x", 15))
        with self.assertRaises(ampc_api.Error) as stopped:
            session.step(session.batch(batches[2]))
        self.assertEqual(stopped.exception.code, ampc_api.TRAINING_STOPPED)
        self.assertIn("step 1, micro-batch 2 of 3: the loss 'loss' is not finite",
                      str(stopped.exception))
        self.assertIn("NaN at [2, 3]", str(stopped.exception))
        self.assertEqual(session.get("ampc.step"), 0)

    def test_bad_labels(self):
        module = self.build_module(self.mlp(), "labels", "--optimizer=sgd", "--amp=O0")
        session = self.session(module)
        before = self.state(session)
        batches = [dict(self.micro(0, i)) for i in range(COUNT)]
        batches[1]["target"][0] = CLASSES
        for arrays in batches[:2]:
            session.step(session.batch(arrays))
        with self.assertRaises(ampc_api.Error) as refused:
            session.step(session.batch(batches[2]))
        self.assertEqual(refused.exception.code, ampc_api.DATA)
        self.assertIn("step 1, micro-batch 2 of 3: a label in input 'target'",
                      str(refused.exception))
        self.assertSameState(self.state(session), before, {"ampc.attempt"})
        self.assertTrue(self.feed(session, 0).applied)

    #===--- State that the forward pass moves -----------------------------------------------===#

    def test_running_statistics(self):
        random = np.random.default_rng(1)
        weights = {"scale": np.ones(3), "bias": np.zeros(3), "mean": random.normal(size=3),
                   "variance": random.uniform(0.5, 1.5, 3), "weight": random.normal(size=(15, 4))}
        model = self.model("bn", """
            <ir_version: 8, opset_import: ["" : 15]>
            network (float[8,3,5] x, int64[8] target) => (float loss, float[8,4] logits)
            {
              h, m, v = BatchNormalization<training_mode = 1, momentum = 0.75>(x, scale, bias, mean, variance)
              f = Flatten(h)
              logits = MatMul(f, weight)
              loss = SoftmaxCrossEntropyLoss(logits, target)
            }""", **{k: v.astype(np.float32) for k, v in weights.items()})
        module = self.build_module(model, "bn", "--loss=output:loss", "--optimizer=sgd", count=2)
        session = self.session(module)
        batches = [{"x": random.normal(1, 2, (8, 3, 5)).astype(np.float32),
                    "target": random.integers(0, 4, 8)} for _ in range(4)]
        expected = {n: session.get(n).astype(np.float64) for n in ("mean", "variance")}
        for i, batch in enumerate(batches):
            kept = {n: session.get(n) for n in expected}
            session.step(session.batch(batch))
            x = batch["x"].astype(np.float64)
            for n, moment in (("mean", x.mean((0, 2))), ("variance", x.var((0, 2)))):
                expected[n] = 0.75 * expected[n] + 0.25 * moment
                if i % 2 == 0:  # until the step is applied, nobody sees it
                    self.assertSameBits(session.get(n), kept[n])
                else:
                    np.testing.assert_allclose(session.get(n), expected[n], rtol=TOLERANCE)
        kept = {n: session.get(n) for n in expected}
        bad = dict(batches[0], x=np.full_like(batches[0]["x"], np.nan))
        session.step(session.batch(batches[1]))
        self.assertFalse(session.step(session.batch(bad)).applied)
        for n in expected:
            self.assertSameBits(session.get(n), kept[n])

    def test_dropout_differs(self):
        model = self.model("drop", """
            <ir_version: 8, opset_import: ["" : 17]>
            m (float[8,16] x) => (float loss)
            <float ratio = {0.5}, bool on = {1}>
            {
              d = Dropout(x, ratio, on)
              y = MatMul(d, w)
              loss = ReduceMean<keepdims = 0>(y)
            }""", w=np.ones((16, 4), np.float32))
        module = self.build_module(model, "drop", "--loss=output:loss", "--optimizer=sgd",
                                   "--amp=O0", count=2)
        batch = np.ones((8, 16), np.float32)
        seen = []
        for _ in range(2):
            session = self.session(module)
            for _ in range(3):  # steps; the gradient of w counts what was kept
                session.step(session.batch(x=batch))
                first = session.get("ampc.accumulated/w")
                session.step(session.batch(x=batch))
                seen += [first, session.get("ampc.accumulated/w") - first]
        for a, b in zip(seen[:6], seen[6:]):
            self.assertSameBits(a, b)  # of a second run
        for i in range(6):
            for j in range(i):
                self.assertFalse(np.array_equal(seen[i], seen[j]), (i, j))

    #===--- Checkpoints --------------------------------------------------------------------===#

    def test_resumes_in_a_window(self):
        module = self.build_module(self.mlp(), "resume", "--optimizer=adam", "--amp-dtype=f16")
        whole = self.session(module)
        for step in range(4):
            self.feed(whole, step, bad=1 if step == 2 else None)
        whole.save(self.work / "whole.st")
        expected = (self.work / "whole.st").read_bytes()
        header, metadata = tensors_of(self.work / "whole.st")
        self.assertFalse([n for n in header if n.startswith("ampc.accumulated/")])
        self.assertEqual(metadata["ampc.micro_batch"], "0")
        session = self.session(module)
        for step in range(4):
            for i in range(COUNT):
                path = self.work / "cut.st"
                session.save(path)
                header, metadata = tensors_of(path)
                self.assertEqual(metadata["ampc.micro_batch"], str(i))
                self.assertEqual("ampc.accumulated/fc0_weight" in header, i > 0)
                session = self.session(module)
                self.assertTrue(session.load(path))
                self.assertEqual((session.steps(), session.micro_batch()), (step, i))
                arrays = dict(self.micro(step, i))
                if (step, i) == (2, 1):
                    arrays["x"] = arrays["x"] * np.float32(1e30)
                info = session.step(session.batch(arrays))
                if step == 2 and i > 0:
                    self.assertEqual(info.bad_micro_batch, 2)
        session.save(self.work / "end.st")
        self.assertEqual((self.work / "end.st").read_bytes(), expected)

    def test_other_numbers_of_micro_batches(self):
        modules = {n: self.open(self.compile(self.mlp(), f"n{n}", "--optimizer=adam",
                                             f"--accumulate={n}")) for n in (1, 2, 3)}
        session = self.session(modules[3])
        self.feed(session, 0)
        session.save(self.work / "start.st")
        for i in range(2):
            session.step(session.batch(self.micro(1, i)))
        session.save(self.work / "window.st")
        for n, module in modules.items():
            with self.subTest(n):
                other = self.session(module)
                self.assertEqual(other.load(self.work / "start.st"), n == 3)
                self.assertEqual((other.steps(), other.micro_batch()), (1, 0))
                self.assertTrue(self.feed(other, 1, n).applied if n > 1 else
                                other.step(other.batch(self.micro(1, 0))).applied)
                other.save(self.work / f"after{n}.st")
        for n, said in ((1, r"'ampc.accumulated/..' is unknown to the model \(4 tensors\)"),
                        (2, r"'ampc.micro_batch' is '2'.*0 to 1 have been given")):
            other = self.session(modules[n])
            before = self.state(other)
            with self.assertRaisesRegex(ampc_api.Error, said):
                other.load(self.work / "window.st")
            self.assertSameState(self.state(other), before)
        # And from a step of one batch.
        session = self.session(modules[3])
        session.load(self.work / "after1.st")
        self.assertTrue(self.feed(session, 2).applied)

    def test_the_scale_is_constant(self):
        module = self.build_module(self.mlp(), "scale", "--optimizer=sgd", "--amp-dtype=f16")
        session = self.session(module)
        session.step(session.batch(self.micro(0, 0)))
        with self.assertRaisesRegex(ampc_api.Error, "cannot be set after 1 of the 3"):
            session.set("ampc.loss_scale", 1024)
        with self.assertRaisesRegex(ampc_api.Error, "0 to 2 have been given"):
            session.set("ampc.micro_batch", 3)
        self.feed(session, 0, first=1)
        session.set("ampc.loss_scale", 1024)


class CommandLine(harness.Case):
    def test_without_the_flag_nothing_changes(self):
        model = harness.mlp(self, "model", [WIDTH, 8, CLASSES], BATCH)
        for stage in ("train", "plan"):
            plain, one = (self.build.ampc(model, f"--emit={stage}", *flags)
                          for flags in ([], ["--accumulate=1"]))
            self.assertEqual(plain.returncode, 0, plain.stderr)
            self.assertEqual(plain.stdout, one.stdout)

    def test_run(self):
        model = harness.mlp(self, "model", [WIDTH, 8, CLASSES], BATCH)
        module = self.compile(model, "run", "--accumulate=3", "--target=host", "--optimizer=adam")
        data = self.work / "data.npz"
        np.savez(data, **harness.classes(40, WIDTH, CLASSES))  # ten batches an epoch
        train = ["train", module, f"--data={data}", "--quiet", "--device=host"]
        whole = self.build.ampc_run(*train, "--epochs=2", f"--log={self.work / 'whole.log'}",
                                    f"--checkpoint={self.work / 'whole.st'}")
        self.assertEqual(whole.returncode, 0, whole.stderr)
        self.assertIn("the run ends with 2 of the 3 micro-batches of step 7; the checkpoint keeps "
                      "them", whole.stderr)
        log = harness.read_log(self.work / "whole.log")
        self.assertEqual([s["step"] for s in log], [1, 2, 3, 4, 5, 6])
        for epochs in (1, 2):  # one batch of step 4 is in the first checkpoint
            cut = self.build.ampc_run(
                *train, f"--epochs={epochs}", f"--log={self.work / 'cut.log'}",
                f"--checkpoint={self.work / 'cut.st'}",
                *([f"--resume={self.work / 'cut.st'}"] if epochs > 1 else []))
            self.assertEqual(cut.returncode, 0, cut.stderr)
        for end in ("log", "st"):
            self.assertEqual((self.work / f"cut.{end}").read_bytes(),
                             (self.work / f"whole.{end}").read_bytes())
        steps = self.build.ampc_run(*train, "--steps=3", "--save-every=1",
                                    f"--checkpoint={self.work / 'steps.st'}")
        self.assertEqual((steps.returncode, steps.stderr), (0, ""))
        _, metadata = tensors_of(self.work / "steps.st")
        self.assertEqual((metadata["ampc.attempt"], metadata["user.data.sample"]), ("3", "36"))
        inspected = json.loads(self.build.ampc_run("inspect", module, "--json").stdout)
        self.assertEqual(inspected["micro_batches"], 3)
        self.assertTrue(inspected["trains"] and inspected["apply_steps"])
        result = self.build.ampc_run("eval", module, f"--data={data}", "--quiet",
                                     f"--checkpoint={self.work / 'cut.st'}")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_as_pytorch(self):
        """Each batch twice, which gives its own gradients: the losses that PyTorch recorded."""
        archive = zipfile.ZipFile(HERE / "exports/exports.zip")
        content = json.loads(archive.read("cases.json"))
        steps, batch = content["settings"]["steps"], content["settings"]["batch"]
        for name in ("mlp-dynamo-eval-plain", "tagger-dynamo-eval-plain",
                     "convnorm-dynamo-eval-plain"):
            with self.subTest(name):
                case = content["cases"][name]
                model = pathlib.Path(archive.extract(case["model"], self.work))
                module = self.compile(model, name, "--accumulate=2", "--loss=mse", "--amp=O0",
                                      "--optimizer=sgd", f"--lr={content['settings']['lr']}",
                                      "--target=host")
                shape, data, log = case["output"], self.work / "data.npz", self.work / "log"
                x = exports.make_data(*case["sample"], steps * batch)
                np.savez(data, x=np.repeat(x.reshape(steps, 1, batch, *x.shape[1:]), 2, 1).reshape(
                    2 * steps * batch, *x.shape[1:]),
                    target=np.full((2 * steps * shape[0], *shape[1:]), 0.25, np.float32))
                result = self.build.ampc_run("train", module, f"--data={data}", "--quiet",
                                             "--batch-order=file", f"--log={log}")
                self.assertEqual(result.returncode, 0, result.stderr)
                losses = [s["loss"] for s in harness.read_log(log)]
                np.testing.assert_allclose(losses, case["losses"], rtol=exports.TOLERANCE)

    def test_roofline(self):
        """The least time of a step is that of all its micro-batches and of the update."""
        model = harness.mlp(self, "model", [WIDTH, 8, CLASSES], BATCH)
        module = self.compile(model, "roof", "--accumulate=4", "--target=cuda")
        result = self.build.ampc_run("inspect", module, "--roofline=h100", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
        for key in ("flops", "read_bytes"):
            self.assertGreater(sum(s[key] for s in found["apply_steps"]), 0)
        flops = [sum(s["flops"] for s in found[key]) for key in ("steps", "apply_steps")]
        self.assertEqual(found["roofline"]["flops"], 4 * flops[0] + flops[1])
        self.assertGreater(found["roofline"]["launches"], 4 * len(found["steps"]) - 4)

    def test_looked_at_as_they_are_made(self):
        """--check-finite=every and --memory-limit go with it."""
        model = harness.mlp(self, "model", [WIDTH, 8, CLASSES], BATCH)
        module = self.compile(model, "every", "--accumulate=2", "--target=host", "--amp=O0",
                              "--loss-scale=dynamic", "--memory-limit=1000000")
        arrays = harness.classes(40, WIDTH, CLASSES)
        arrays["x"][21, 2] = np.nan
        data, log = self.work / "data.npz", self.work / "log"
        np.savez(data, **arrays)
        result = self.build.ampc_run("train", module, f"--data={data}", "--batch-order=file",
                                     "--check-finite=every", f"--log={log}", "--device=host")
        self.assertEqual(result.returncode, 0, result.stderr)
        steps = harness.read_log(log)
        self.assertEqual([s["applied"] for s in steps], [True, True, False, True, True])
        self.assertEqual(steps[2]["micro_batch"], 2)
        self.assertEqual((steps[2]["failure"], steps[2]["culprit"]["tensor"]), ("forward", "x"))
        self.assertIn("step 3 is skipped: in micro-batch 2 of 2 the loss is not finite; first the "
                      "input 'x', NaN at [1, 2]", result.stderr)

    def test_errors(self):
        model = harness.mlp(self, "model", [WIDTH, 8, CLASSES], BATCH)
        out = self.work / "never.so"
        for flags, said in ((["--accumulate=0"], "must be from 1 to 65535"),
                            (["--accumulate=65536"], "must be from 1 to 65535"),
                            (["--accumulate=2", "--accumulate-by=max"], "auto, mean"),
                            (["--accumulate=2", "--loss=none"], "nothing is trained")):
            result = self.build.ampc(model, "-o", out, *flags)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertEqual(result.stderr.count("error:"), 1)
            self.assertIn(said, result.stderr)
            self.assertFalse(out.exists())
        step = self.model("step", """
            <ir_version: 8, opset_import: ["" : 17]>
            m (float[2,3] w, float[2,3] g) => (float loss, float[2,3] next)
            {
              next = Sub(w, g)
              q = Mul(g, g)
              loss = ReduceMean<keepdims = 0>(q)
            }""")
        result = self.build.ampc(step, "-o", out, "--update=w=next", "--bind=w=0",
                                 "--accumulate=2")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(result.stderr.count("error:"), 1)
        self.assertIn("is a step of one batch, whose gradients cannot be added up", result.stderr)
        self.assertFalse(out.exists())


if __name__ == "__main__":
    device_case.main()
