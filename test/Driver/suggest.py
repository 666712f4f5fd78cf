# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ampc suggest finds the nodes that have to be in f32, and no others, in networks that are made so
that one knows which; and says so where none is needed.

    python test/Driver/suggest.py BUILD_DIR
"""
import json
import re

import numpy as np
import onnx

import harness

BATCH = 16
HOST = "--target=host"


class Suggest(harness.Case):
    def network(self, name, lines, **weights):
        """Nodes are called after what they give."""
        text = (f'<ir_version: 8, opset_import: ["" : 17]> {name} (float[{BATCH},16] x, '
                f"int64[{BATCH}] target) => (float loss) "
                "{ %s loss = SoftmaxCrossEntropyLoss(y, target) }" % " ".join(lines))
        path = self.model(name, text, **{k: np.float32(v) for k, v in weights.items()})
        model = onnx.load(path)
        for node in model.graph.node:
            node.name = "n_" + node.output[0]
        onnx.save(model, path)
        return path

    def data(self, x):
        np.savez(self.work / "data.npz", x=x.astype(np.float32),
                 target=np.random.RandomState(1).randint(0, 10, len(x)))
        return self.work / "data.npz"

    def suggest(self, model, data, *flags, code=0):
        done = self.build.ampc("suggest", model, f"--data={data}", *flags)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done

    def kept(self, text):
        """Of the regular expression."""
        found = re.search(r"^--amp-keep-fp32='\^\((.*)\)\$'$", text, re.MULTILINE)
        return set(found.group(1).split("|")) if found else set()

    def accurate(self):
        """Rows of 1 and -1 whose sum is 0, times weights around 1000: what f16 makes of the weights
        is as large as what is left of them, and everything else is as usual."""
        random = np.random.RandomState(0)
        x = np.stack([random.permutation([1.0] * 8 + [-1.0] * 8) for _ in range(8 * BATCH)])
        model = self.network(
            "accurate", ["a = MatMul(x, w0)", "b = Relu(a)", "c = MatMul(b, w1)", "d = Tanh(c)",
                         "e = MatMul(d, w2)", "f = Relu(e)", "y = MatMul(f, w3)"],
            w0=1000 + random.randn(16, 24) / 4, w1=random.randn(24, 24) / 5,
            w2=random.randn(24, 24) / 5, w3=random.randn(24, 10) / 5)
        return model, self.data(x)

    def test_the_one_layer_that_loses_accuracy(self):
        model, data = self.accurate()
        for flags in ([], ["--amp-dtype=bf16", "--amp=O2"]):
            policy = self.work / "policy.json"
            done = self.suggest(model, data, HOST, *flags, "-o", policy)
            self.assertEqual(self.kept(done.stdout), {"n_a"}, done.stdout)
            self.assertEqual(json.loads(policy.read_text()),
                             {"extends": "balanced", "nodes": {"^(n_a)$": "deny"}})
            # A handful of trials, not one for each node.
            self.assertLessEqual(len(re.findall("^ampc: trial ", done.stderr, re.MULTILINE)), 4)
        # What is suggested is what the user can pass on, either way.
        low, kept = (self.compile(model, name, HOST, *more) for name, more in (
            ("low", []), ("kept", [f"--amp-lists={policy}"])))
        reference = self.compile(model, "f32", HOST, "--amp=O0")

        def error(module):
            done = self.build.ampc_run("compare", reference, module, f"--data={data}", "--json",
                                       "--same-state", "--quiet", "--steps=5")
            steps = json.loads(done.stdout)["steps"]
            return sorted(step["gradient_error"] for step in steps)[2]
        self.assertGreater(error(low), 0.05)
        self.assertLess(error(kept), 16 * 2.0**-11)
        flag = re.search(r"^--amp-keep-fp32='(.*)'$", done.stdout, re.MULTILINE).group(1)
        explained = self.build.ampc(model, f"--amp-keep-fp32={flag}", "--explain=n_a").stdout
        self.assertIn("type=f32", explained)

    def test_a_difference_needs_both_of_its_nodes(self):
        """Large values that cancel in the next layer: neither may round them."""
        random = np.random.RandomState(0)
        w1 = random.randn(32, 24) / 5
        model = self.network(
            "cancels", ["a = MatMul(x, w0)", "b = Tanh(a)", "c = MatMul(b, w1)", "s = Add(c, big)",
                        "d = MatMul(s, w2)", "e = Tanh(d)", "f = MatMul(e, w3)", "g = Relu(f)",
                        "y = MatMul(g, w4)"],
            w0=random.randn(16, 32) / 4, w1=w1, big=np.full(24, 900.0),
            w2=(lambda w: w - w.mean(0))(np.round(random.randn(24, 24) * 64) / 256),
            w3=random.randn(24, 24) / 5, w4=random.randn(24, 10) / 5)
        data = self.data(random.randn(8 * BATCH, 16))
        # Little is learned: with other weights nothing cancels any more. Products in 16 bits are
        # asked for: one that reads a product in f32, and saves less than its cast costs, is f32 too.
        done = self.suggest(model, data, HOST, "--lr=1e-7", "--amp-allow=MatMul")
        kept = self.kept(done.stdout)
        # The sum may be one op with the product before it, and take that with it.
        self.assertTrue({"n_s", "n_d"} <= kept or {"n_c", "n_d"} <= kept, done.stdout)
        self.assertFalse(kept & {"n_a", "n_b", "n_f", "n_g", "n_y"}, done.stdout)

    def overflowing(self):
        random = np.random.RandomState(0)
        model = self.network(
            "overflows", ["a = MatMul(x, w0)", "b = Relu(a)", "c = MatMul(b, w1)", "d = Relu(c)",
                          "e = MatMul(d, w2)", "f = Relu(e)", "y = MatMul(f, w3)"],
            w0=random.randn(16, 24) / 4, w1=random.randn(24, 24) * 9000,
            w2=random.randn(24, 24) / 20000, w3=random.randn(24, 10) / 5)
        return model, self.data(random.randn(8 * BATCH, 16))

    def test_a_layer_that_overflows(self):
        model, data = self.overflowing()
        done = self.suggest(model, data, HOST)
        self.assertIn("what is finite in f32 is not in f16; wanted is", done.stdout)
        kept = self.kept(done.stdout)
        self.assertLessEqual({"n_c", "n_e"}, kept, done.stdout)
        self.assertFalse(kept & {"n_a", "n_b", "n_f", "n_y"}, done.stdout)
        # bf16 has the range.
        done = self.suggest(model, data, HOST, "--amp-dtype=bf16")
        self.assertIn("nothing to keep", done.stdout)

    def test_nothing_to_keep(self):
        model = harness.mlp(self, "mlp", (12, 32, 24, 10), BATCH)
        np.savez(self.work / "data.npz", **harness.classes(8 * BATCH, 12, 10))
        policy = self.work / "policy.json"
        done = self.suggest(model, self.work / "data.npz", HOST, "-o", policy)
        self.assertRegex(done.stdout, r"^f32 beside f16 over 5 steps: the loss is off by [0-9.e-]+ "
                                      r"%, the gradients by 0\.0[0-9]+ %; wanted is 0\.781 %\n"
                                      r"nothing to keep: ")
        self.assertFalse(policy.exists())
        # Less than rounding does to a number: all that leads to the loss is asked for.
        done = self.suggest(model, self.work / "data.npz", HOST, "--target-error=1e-6")
        self.assertGreaterEqual(len(self.kept(done.stdout)), 3, done.stdout)

    def test_page(self):
        """What the page shows, but for the figures."""
        page = (harness.ROOT / "docs/PrecisionPolicies.md").read_text()
        shown = re.search(r"```console\n\$ ampc suggest .*\n((?:[^$].*\n)*)", page).group(1)

        def form(text):
            return re.sub(r" +", " ", re.sub(r"[0-9]*[.][0-9]+", "N", text)).replace("+ N us", "- N us")
        text = self.suggest(*self.accurate(), "--cuda-arch=sm_80").stdout
        self.assertEqual(form(text), form(shown))
        kept, low, full = (float(f) for f in re.search(
            "at least ([0-9.]+) us.*; ([0-9.]+) us with.*, ([0-9.]+) us", text).groups())
        self.assertLess(max(low, kept), full)

    def test_few_trials(self):
        model, data = self.overflowing()
        done = self.suggest(model, data, HOST, "--compilations=2")
        self.assertRegex(done.stdout, "no set of nodes that was tried reaches it|there may be fewer")

    def test_names_are_no_patterns(self):
        """Names that a regular expression would read otherwise, and a shell too."""
        model, data = self.accurate()
        proto = onnx.load(model)
        proto.graph.node[0].name = "/l.0/it's (a|b)*[c]$"
        onnx.save(proto, model)
        policy = self.work / "policy.json"
        done = self.suggest(model, data, HOST, "-o", policy)
        (pattern,) = json.loads(policy.read_text())["nodes"]
        self.assertEqual(pattern, r"^(/l\.0/it's \(a\|b\)\*\[c\]\$)$")
        self.assertIn(r"--amp-keep-fp32='^(/l\.0/it'\''s \(a\|b\)\*\[c\]\$)$'", done.stdout)
        self.compile(model, "kept", HOST, f"--amp-lists={policy}")

    def test_errors(self):
        model, data = self.accurate()
        for flags, code, text in (
                ([], 2, "--data=F.npz is missing"),
                ([f"--data={data}", "--amp=O0"], 2, "--amp=O0"),
                ([f"--data={data}", "--loss=none"], 2, "--loss=none"),
                ([f"--data={data}", "--emit=amp"], 2, "--emit: does not go with suggest"),
                ([f"--data={data}", "--target-error=-1"], 2, "--target-error"),
                ([f"--data={data}", "--roofline=b100"], 2, "one of h100, h200, a100"),
                ([f"--data={data}", "-o", data], 1, "data"),
                ([f"--data={data}", "-o", model], 1, "model"),
                (["--data=/nowhere.npz", HOST], 1, "/nowhere.npz")):
            done = self.build.ampc("suggest", model, *flags)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(text, done.stderr)
            self.assertEqual(done.stdout, "")
        done = self.build.ampc("suggest", f"--data={data}")
        self.assertEqual(done.returncode, 2)
        done = self.build.ampc(model, "-o", self.work / "x.so", f"--data={data}")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--data: goes with ampc suggest", done.stderr)
        np.savez(self.work / "nan.npz", x=np.full((64, 16), np.nan, np.float32),
                 target=np.zeros(64, np.int64))
        done = self.build.ampc("suggest", model, f"--data={self.work / 'nan.npz'}", HOST)
        self.assertEqual(done.returncode, 1)
        self.assertIn("in f32 the", done.stderr)

    def test_no_folder_is_left(self):
        model, data = self.accurate()
        import os
        folder = self.work / "tmp"
        folder.mkdir()
        old = os.environ.get("TMPDIR")
        os.environ["TMPDIR"] = str(folder)
        try:
            self.suggest(model, data, HOST)
        finally:
            os.environ.pop("TMPDIR")
            if old:
                os.environ["TMPDIR"] = old
        self.assertEqual(list(folder.iterdir()), [])


if __name__ == "__main__":
    harness.main()
