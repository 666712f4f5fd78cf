# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Precision policies that users write, what reports say of decisions, and how two policies differ.

    python test/Driver/policies.py BUILD_DIR
"""
import html.parser
import json
import re
import subprocess

import numpy as np
import onnx

import harness

PAGE = harness.ROOT / "docs/PrecisionPolicies.md"
MODEL = harness.MODELS / "mlp_10_100_10.onnx"
CHAIN = """<ir_version: 8, opset_import: ["" : 17]>
    chain (float[4,4] x, float[4,4] target) => (float loss) {
        [first] a = MatMul (x, w)
        [lift] b = Add (a, table)
        [exp] c = Exp (b)
        [turn] d = Transpose (c)
        [norm] n = LayerNormalization (d, scale)
        [last] e = MatMul (n, w)
        [difference] f = Sub (e, target)
        [square] g = Mul (f, f)
        [mean] loss = ReduceMean <keepdims = 0> (g)
    }"""


class Base(harness.Case):
    def chain(self):
        return self.model("chain", CHAIN, w=np.eye(4, dtype=np.float32),
                          table=np.full((4, 4), 0.5, np.float32), scale=np.ones(4, np.float32))

    def lists(self, content, name="lists.json"):
        path = self.work / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return path

    def report(self, model, *flags):
        path = self.work / "report.json"
        done = self.build.ampc(model, "--emit=train", "-o", "/dev/null", f"--report={path}", *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [e for e in json.loads(path.read_text()) if e["pass"] == "precision"]

    def types(self, model, *flags):
        """What each node computes in, and why."""
        found = {}
        for entry in self.report(model, *flags):
            if entry["decision"] == "node" and entry["computes_in"]:
                for name in entry["nodes"]:
                    found[name] = entry["computes_in"], entry.get("reason", "")
        return found

    def chain_types(self, lists, *flags):
        path = lists if isinstance(lists, str) else self.lists(lists)
        return self.types(self.chain(), f"--amp-lists={path}", *flags)


class Policies(Base):
    def test_page(self):
        """The page's file is taken, and the commands print what the page says."""
        text = PAGE.read_text()
        for model in (MODEL, harness.MODELS / "conv_autoencoder.onnx"):
            (self.work / model.name).write_bytes(model.read_bytes())
        self.lists(re.search(r"```json\n(.*?)```", text, re.DOTALL).group(1))
        shown = re.findall(r"```\n\$ (ampc [^\n]*)\n(.*?)```", text, re.DOTALL)
        self.assertEqual(len(shown), 3)
        for command, output in shown:
            with self.subTest(command):
                program, *arguments = command.split()
                done = subprocess.run([self.build.bin / program, *arguments], cwd=self.work,
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout, output)

    def test_operators_for_each_type(self):
        lists = {"operators": {"Exp": {"f16": "allow", "bf16": "deny"}, "MatMul": "deny"}}
        low = self.chain_types(lists)
        self.assertEqual(low["exp"], ("f16", f"{self.work}/lists.json:3 (operator Exp)"))
        self.assertEqual(low["first"], ("f32", f"{self.work}/lists.json:7 (operator MatMul)"))
        self.assertEqual(self.chain_types(lists, "--amp-dtype=bf16")["exp"][0], "f32")
        self.assertEqual(self.chain_types("balanced", "--amp-dtype=bf16")["exp"][0], "f32",
                         "behind an addition in f32")
        for name in ("ai.onnx:Exp", "Exp"):
            self.assertEqual(self.chain_types({"operators": {name: "allow"}})["exp"][0], "f16", name)
        both = {"operators": {"Exp": "allow", "ai.onnx:Exp": "deny"}}
        self.assertIn("ai.onnx:Exp", self.chain_types(both)["exp"][1])

    def test_an_allowed_product_keeps_its_bias(self):
        """A bias that is added behind a product belongs to it, whatever is said of the product."""
        model = self.model("biased", """<ir_version: 8, opset_import: ["" : 17]>
            biased (float[4,4] x) => (float[4,4] y) {
                [product] a = MatMul (x, w)
                [sum] b = Add (a, bias)
                [end] y = MatMul (b, w)
            }""", w=np.eye(4, dtype=np.float32), bias=np.ones(4, np.float32))
        types = self.types(model, "--loss=none",
                           f"--amp-lists={self.lists({'operators': {'MatMul': 'allow'}})}")
        self.assertEqual({name: kind for name, (kind, _) in types.items()},
                         {"product": "f16", "sum": "f16", "end": "f16"})

    def test_priority(self):
        lists = {"operators": {"Exp": "allow"}, "nodes": {"^first$": "deny"}}
        self.assertEqual(self.chain_types(lists, "--amp-deny=Exp")["exp"], ("f32", "--amp-deny=Exp"))
        self.assertEqual(self.chain_types(lists, "--amp-allow=MatMul")["first"][0], "f32")
        self.assertIn("nodes that match ^first$", self.chain_types(lists)["first"][1])
        kept = self.chain_types({"nodes": {"exp": "allow"}}, "--amp-keep-fp32=exp")["exp"]
        self.assertEqual(kept, ("f32", "--amp-keep-fp32=exp"))
        both = {"operators": {"Exp": "deny"}, "nodes": {"^exp": "allow"}}
        self.assertEqual(self.chain_types(both)["exp"][0], "f16")

    def test_extends(self):
        """The nearest file decides; relative names count from the file that says them."""
        self.lists({"extends": "pytorch", "operators": {"Exp": "allow", "Add": "allow"},
                    "nodes": {"^turn$": "deny"}}, "house/base.json")
        self.lists({"extends": "base.json", "operators": {"Add": "promote"}}, "house/middle.json")
        types = self.chain_types({"extends": "house/middle.json", "operators": {"Exp": "promote"}})
        self.assertIn("lists.json:4", types["exp"][1])
        self.assertIn("house/middle.json:4", types["lift"][1])
        self.assertIn("house/base.json:8", types["turn"][1])
        self.assertEqual(types["norm"], ("f32", "pytorch lists"))

    def test_operands(self):
        """A table in f32 makes a sum wide, unless it has no vote; a denied operand always does."""
        self.assertEqual(self.chain_types("balanced")["lift"][0], "f32")
        for operand in (1, "table"):
            rule = {"operator": "Add", "operand": operand, "precision": "allow"}
            types = self.chain_types({"operands": [rule]})
            self.assertEqual(types["lift"][0], "f16", operand)
            self.assertEqual(types["exp"][0], "f32")
        deny = {"operands": [{"node": "^last$", "operand": 0, "precision": "deny"}]}
        types = self.chain_types(deny)
        self.assertEqual(types["last"][0], "f32")
        self.assertIn("operand 0 of nodes that match ^last$", types["last"][1])
        self.assertEqual(types["first"][0], "f16")
        # The flag comes before what a file says of the operator's operands, not of the node's.
        self.assertEqual(self.chain_types(deny, "--amp-allow=MatMul")["last"][0], "f32")
        deny["operands"][0] = {"operator": "MatMul", "operand": 0, "precision": "deny"}
        self.assertEqual(self.chain_types(deny)["last"][0], "f32")
        self.assertEqual(self.chain_types(deny, "--amp-allow=MatMul")["last"][0], "f16")

    def test_recovered_ops_have_the_operators_rule(self):
        """A norm that the file spells out is denied by the norm's name."""
        model = self.model("spelled", """<ir_version: 8, opset_import: ["" : 17]>
            spelled (float[4,8] x) => (float[4,8] y)
            <int64[1] last = {-1}, float two = {2}, float epsilon = {1e-5}> {
                p = MatMul (x, w)
                m = ReduceMean <axes = [-1]> (p)
                d = Sub (p, m)
                q = Pow (d, two)
                v = ReduceMean <axes = [-1]> (q)
                e = Add (v, epsilon)
                s = Sqrt (e)
                [norm] n = Div (d, s)
                y = MatMul (n, w)
            }""", w=np.eye(8, dtype=np.float32))
        self.assertEqual(self.types(model, "--loss=none")["norm"][0], "f16")
        denied = self.types(model, "--loss=none", f"--amp-lists="
                            f"{self.lists({'operators': {'LayerNormalization': 'deny'}})}")
        self.assertEqual(denied["norm"][0], "f32")
        self.assertIn("operator LayerNormalization", denied["norm"][1])
        both = {"operators": {"LayerNormalization": "allow", "ai.onnx:LayerNormalization": "deny"}}
        exact = self.types(model, "--loss=none", f"--amp-lists={self.lists(both)}")
        self.assertIn("operator ai.onnx:LayerNormalization", exact["norm"][1])
        flag = self.types(model, "--loss=none", "--amp-deny=LayerNormalization")
        self.assertEqual(flag["norm"], ("f32", "--amp-deny=LayerNormalization"))

    def test_errors(self):
        """One error with file and line, exit 1, nothing written."""
        model, out = self.chain(), self.work / "out.so"
        operand = '{"operator": "Add", "operand": 0, "precision": "deny"}'
        cases = (
            ("", 1, "an object was expected, found the end of the file"),
            ("[]", 1, "an object was expected, found an array"),
            ('{"operators": {}} x', 1, "goes on behind its object, with 'x'"),
            ('{"operators": {},}', 1, "a key was expected, found '}'"),
            ('{"operators":\n {"Exp" "deny"}}', 2, "':' after \"Exp\" was expected, found a string"),
            ('{\n"nods": {}}', 2, 'unknown key "nods": one of extends, operators, nodes, operands'),
            ('{\n"operators": {},\n"operators": {}}', 3, '"operators" is given twice, in line 2'),
            ('{"operators": {"Exp": "deny",\n"Exp": "allow"}}', 2, '"Exp" is given twice, in line 1'),
            ('{"operators": {"Exp": {"f16": "deny",\n"f16": "allow"}}}', 2, '"f16" is given twice'),
            ('{"operators": {"Exp":\n 1}}', 2, "as a string was expected, found a number"),
            ('{"operators": {"Exp": null}}', 1, "found null"),
            ('{"operators": {"Exp": "low"}}', 1, '"low" is no category: one of allow, deny, promote'),
            ('{"operators": {"Exp": {"f32": "deny"}}}', 1, 'unknown key "f32": one of f16, bf16'),
            ('{"operators": {"Exp": {}}}', 1, "a category is missing"),
            ('{"operators": {\n"Exq": "deny"}}', 2, "there is no operator 'Exq'"),
            ('{"operators": {"nowhere:Exp": "deny"}}', 1, "there is no operator 'nowhere:Exp'"),
            ('{"operators": {"": "deny"}}', 1, "an operator is written as"),
            ('{"nodes": {\n"\\\\1": "deny"}}', 2, "has a back-reference"),
            ('{"nodes": {"(": "deny"}}', 1, "the regular expression"),
            ('{"nodes": {"": "deny"}}', 1, "is empty"),
            ('{"nodes": {%s}}' % ",\n".join(f'"(x{{{i}}}){{70}}": "deny"' for i in range(200, 255)), 7,
             "would take more than 100000 states together"),
            ('{"nodes": {\n"decoder": "deny"}}', 2, "'decoder' matches no node's name"),
            ('{"nodes": {"fir": "deny",\n"st$": "allow"}}', 2,
             "node 'first' is allow here and deny in line 1"),
            ('{"operands": {}}', 1, "an array of operands was expected, found an object"),
            ('{"operands": [\n{"operator": "Add", "precision": "deny"}]}', 2, '"operand" is missing'),
            ('{"operands": [{"operator": "Add", "operand": 0}]}', 1, '"precision" is missing'),
            ('{"operands": [{"operand": 0, "precision": "deny"}]}', 1, 'must say whose operand'),
            ('{"operands": [{"operator": "Add", "operand": -1, "precision": "deny"}]}', 1, "found a number"),
            ('{"operands": [{"operator": "Add", "operand": 1.5, "precision": "deny"}]}', 1, "whole number"),
            ('{"operands": [{"operator": "Add", "operand": 0, "precision": "follow"}]}', 1,
             "an operand is allow or deny"),
            ('{"operands": [%s,\n%s]}' % (operand, operand), 2, "has a rule in line 1 already"),
            ('{"operands": [{"operator": "Add", "operand": "tabel", "precision": "deny"}]}', 1,
             "no node that this speaks of has the operand"),
            ('{"operands": [{"node": "lift", "operand": 2, "precision": "deny"}]}', 1,
             "no node that this speaks of has the operand"),
            ('{"extends":\n"fast"}', 1, "extends "),
            ('{"extends": 3}', 1, "found a number"),
            ('{"extends": "lists.json"}', 1, "in a circle"),
            ("{" * 100000, 1, "a key was expected, found an object"),
            ('{"operators": {"Exp\\u0000": "deny"}}', 1, "a character that no name has"),
            ('{"operators": {"\\ud800": "deny"}}', 1, "a character that no name has"),
            ('{"nodes": {"\\d": "deny"}}', 1, "an escape that JSON does not know"),
        )
        for text, line, message in cases:
            with self.subTest(text[:80]):
                path = self.lists(text)
                done = self.build.ampc(model, "-o", out, f"--amp-lists={path}")
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(f"{path}:{line}: ", done.stderr)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
                self.assertFalse(out.exists())

    def test_files_that_are_none(self):
        model = self.chain()
        big = self.work / "big.json"
        big.write_text(" " * (1 << 20) + "{}")
        latin = self.work / "latin.json"
        latin.write_bytes(b'{"nodes": {"\xe9": "deny"}}')
        for path, message in ((self.work / "none.json", "No such file"), (self.work, "directory"),
                              ("/dev/zero", "--amp-lists=/dev/zero: "), (big, "larger than 1 MiB"),
                              (latin, "is not UTF-8")):
            with self.subTest(path):
                done = self.build.ampc(model, "--emit=train", f"--amp-lists={path}")
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stdout, "")
        for i in range(17):
            self.lists({"extends": f"{i + 1}.json"}, f"{i}.json")
        done = self.build.ampc(model, "--emit=train", f"--amp-lists={self.work}/0.json")
        self.assertIn("more than 16 files extend one another", done.stderr)
        lists = self.lists({})
        for flags in (["-o", lists], [f"--report={lists}"]):
            done = self.build.ampc(model, "--emit=train", *flags, f"--amp-lists={lists}")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(lists.read_text(), "{}")

    def test_o3(self):
        """All low, but for norms, unless asked for; the loss stays where no scale overflows it."""
        types = {name: kind for name, (kind, _) in self.types(self.chain(), "--amp=O3").items()}
        self.assertEqual(types, {"first": "f16", "lift": "f16", "exp": "f16", "turn": "f16", "norm": "f32",
                                 "last": "f16", "difference": "f32", "square": "f32", "mean": "f32"})
        self.assertEqual(self.types(self.chain(), "--amp=O2")["exp"][0], "f32")
        asked = self.types(self.chain(), "--amp=O3", "--amp-allow=LayerNormalization")
        self.assertEqual(asked["norm"][0], "f16")
        kept = self.types(self.chain(), "--amp=O3", "--amp-deny=Exp", "--amp-dtype=bf16")
        self.assertEqual((kept["exp"][0], kept["lift"][0]), ("f32", "bf16"))

    def test_o3_trains(self):
        """As in f32, up to roundings: 16 products of f16 in a row have an error of 1 % at most."""
        arrays, losses = np.load(self.data("digits")), {}
        for level in ("O0", "O3"):
            session = self.session(self.open(self.example(
                "digits", "--target=host", f"--amp={level}", "--lr=0.01", out=level)))
            batch = session.batch({name: arrays[name][:32] for name in ("x", "target")})
            losses[level] = [session.step(batch).loss for _ in range(12)]
        self.assertLess(losses["O0"][-1], 0.7 * losses["O0"][0])
        np.testing.assert_allclose(losses["O3"], losses["O0"], rtol=0.01)
        self.assertNotEqual(losses["O3"], losses["O0"])


class Reports(Base):
    def test_graph(self):
        """Casts and bytes of the report are those of the graph."""
        entries = self.report(self.chain())
        nodes = {e["nodes"][0]: e for e in entries if e["decision"] == "node"}
        self.assertEqual(nodes["first"]["operator"], "MatMul")
        self.assertEqual(nodes["first"]["gives"], [{"value": "a", "type": "4x4xf16", "bytes": 32}])
        self.assertEqual(nodes["first"]["reads"],
                         [{"value": "x", "type": "4x4xf32", "bytes": 64, "cast_to": "f16"},
                          {"value": "w", "type": "4x4xf32", "bytes": 64, "cast_to": "f16"}])
        casts = {(e["value"], e["to"]): e for e in entries if e["decision"] == "cast"}
        self.assertEqual(set(casts), {("x", "f16"), ("w", "f16"), ("a", "f32"), ("n", "f16"), ("e", "f32")})
        self.assertEqual(casts["w", "f16"]["of_parameter"], True)
        self.assertEqual(casts["w", "f16"]["for"], [["first"], ["last"]])
        up = casts["a", "f32"]
        self.assertEqual((up["nodes"], up["for"], up["read_bytes"], up["written_bytes"]),
                         (["first"], [["lift"]], 32, 64))
        (summary,) = [e for e in entries if e["decision"] == "summary"]
        values = [v for e in nodes.values() for v in e["gives"]]
        self.assertEqual(summary["value_bytes"], sum(v["bytes"] for v in values))
        self.assertEqual(summary["value_bytes_in_f32"],
                         sum(v["bytes"] * (2 if v["type"].endswith("f16") else 1) for v in values))
        self.assertEqual((summary["low_ops"], summary["casts"], summary["casts_in_step"]), (2, 5, 4))
        self.assertEqual(summary["cast_bytes_in_step"],
                         sum(c["read_bytes"] + c["written_bytes"] for c in casts.values()) - 96)

    def test_an_attached_loss_is_shown(self):
        """And nothing of the update behind it."""
        entries = self.report(harness.MODELS / "digits.onnx", *harness.EXAMPLES["digits"])
        nodes = [e["nodes"] for e in entries if e["decision"] == "node"]
        self.assertEqual(nodes, [["/fc1/Gemm"], ["/Relu"], ["/fc2/Gemm"], ["/Relu_1"], ["/fc3/Gemm"],
                                 ["loss"]])
        (last,) = [e for e in entries if e["decision"] == "cast" and e["for"] == [["loss"]]]
        self.assertEqual((last["from"], last["to"]), ("f16", "f32"))

    def test_as_written(self):
        entries = self.report(self.chain(), "--amp=O0", "--loss=none")
        self.assertEqual([e for e in entries if e["decision"] == "cast"], [])
        self.assertEqual({e["computes_in"] for e in entries if e["decision"] == "node"}, {"f32"})

    def test_page_holds_names_as_text(self):
        """A model's names are data on the page, whatever they hold."""
        evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'\"`${x}"
        path = self.chain()
        proto = onnx.load(path)
        for node in proto.graph.node:
            node.name = evil + node.name
        onnx.save(proto, path)
        page = self.work / "page.html"
        done = self.build.ampc(path, "--emit=train", "-o", "/dev/null", f"--report={page}")
        self.assertEqual(done.returncode, 0, done.stderr)

        class Parser(html.parser.HTMLParser):
            def __init__(self):
                super().__init__()
                self.tags, self.texts = [], []

            def handle_starttag(self, tag, attrs):
                self.tags.append((tag, dict(attrs)))

            def handle_data(self, data):
                self.texts.append((self.tags[-1] if self.tags else None, data))

        parser = Parser()
        parser.feed(page.read_text())
        scripts = [attrs for tag, attrs in parser.tags if tag == "script"]
        self.assertEqual(scripts, [{"type": "application/json", "id": "data"}, {}])
        self.assertNotIn("img", [tag for tag, _ in parser.tags])
        for tag, attrs in parser.tags:  # nothing from elsewhere
            self.assertFalse({"src", "onerror", "onload"} & set(attrs), tag)
        data = "".join(text for tag, text in parser.texts if tag == ("script", scripts[0]))
        names = [n for e in json.loads(data)["report"] for n in e["nodes"]]
        self.assertIn(evil + "first", names)
        code = page.read_text().split("</script>")[1]
        self.assertNotIn("innerHTML", code)
        self.assertNotIn("document.write", code)

    def test_difference(self):
        lists = self.lists({"operators": {"Exp": "allow"}})
        done = self.build.ampc("diff-policy", "balanced", lists, self.chain())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"exp (Exp): f32 | f16; deny: balanced lists for f16 | allow: {lists}:3 (operator Exp)",
                      done.stdout)
        self.assertIn("turn (Transpose): f32 | f16", done.stdout)
        same = self.build.ampc("diff-policy", "balanced", "balanced", self.chain())
        self.assertTrue(same.stdout.startswith("0 of 9 nodes differ\n"), same.stdout)
        model = self.model("scores", """<ir_version: 8, opset_import: ["" : 17]>
            scores (float[4,4] x) => (float[4,4] y) {
                [product] a = MatMul (x, w)
                [softmax] b = Softmax (a)
                [relu] c = Relu (b)
                [end] y = MatMul (c, w)
            }""", w=np.eye(4, dtype=np.float32))
        pytorch = self.build.ampc("diff-policy", "balanced", "pytorch", model, "--amp-dtype=bf16",
                                  "--loss=none")
        self.assertEqual(pytorch.stdout.splitlines()[:4], [
            "softmax (Softmax): bf16 | f32; promote: balanced lists for bf16 | deny: pytorch lists",
            "relu (Relu): bf16 | f32; follow: balanced lists for bf16 | follow: pytorch lists",
            "2 of 4 nodes differ", "  2: bf16 with balanced, f32 with pytorch"])

    def test_difference_usage(self):
        model = self.chain()
        for code, message, *arguments in (
                (2, "takes two policies and a model", "balanced", model),
                (2, "takes two policies and a model", "balanced", "pytorch", model, model),
                (2, "-o: does not go with", "balanced", "pytorch", model, "-o", self.work / "x.so"),
                (2, "--amp-lists: does not go with", "balanced", "pytorch", model, "--amp-lists=pytorch"),
                (1, "none.json: No such file", "balanced", self.work / "none.json", model),
                (1, "No such file", "balanced", "pytorch", self.work / "none.onnx")):
            with self.subTest(arguments):
                done = self.build.ampc("diff-policy", *arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stdout, "")
        done = self.build.ampc(model, model, "--emit=train")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("one model is compiled at a time", done.stderr)


if __name__ == "__main__":
    harness.main()
