# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""--amp-lists=pytorch gives each forward value the type that PyTorch's autocast gives it on CUDA.

    python test/Driver/autocast.py BUILD_DIR

../Precision/autocast.json holds PyTorch's types, ../Training/exports the networks, and ../Precision one
with an operator each (record_autocast.py made the first and the last). A value that ampc has no more, since the op that it belonged to
became a part of another one, is not compared; how many are, is.
"""
import json
import re
import zipfile

import harness

HERE = harness.ROOT / "test/Precision"
RECORDING = json.loads((HERE / "autocast.json").read_text())
EXPORTS = harness.ROOT / "test/Training/exports/exports.zip"
SPELLED = "the exporter spells it out with an op whose result is f32 where users write that"
#: Values that are f32 where PyTorch's are not, and why.
KNOWN = {
    ("operators", "of_gelu_tanh"): SPELLED,  # below opset 20; a power
    ("operators", "of_log_sigmoid"): SPELLED,  # a logarithm
    ("operators", "of_instance_norm"): "one op with the other norms, which are listed",
    ("operators", "of_addmm"): "a C that is a matrix is added by an op of its own",
}


class Autocast(harness.Case):
    def types(self, model, *flags):
        report = self.work / "report.json"
        done = self.build.ampc(model, "--loss=none", "--train-mode=off", "--emit=train", "-o", "/dev/null",
                               f"--report={report}", *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = {}
        for entry in json.loads(report.read_text()):
            if entry["pass"] == "precision" and entry["decision"] == "node":
                for value in entry["gives"]:
                    element = re.sub(r"^(\d+x)*", "", value["type"])
                    found[value["value"]] = element, entry
        return found

    def compare(self, name, dtype, lists):
        """Values of another type than PyTorch's, and how many were compared."""
        network = RECORDING["networks"][name]
        model = self.work / network["model"]
        if (HERE / network["model"]).exists():
            model = HERE / network["model"]
        elif not model.exists():
            with zipfile.ZipFile(EXPORTS) as archive:
                model.write_bytes(archive.read(network["model"]))
        found = self.types(model, f"--amp-lists={lists}", f"--amp-dtype={dtype}")
        wrong, compared = [], {"low": 0, "f32": 0}
        for kind, wanted in (("low", dtype), ("f32", "f32")):
            for value in network[kind]:
                if value in found:
                    compared[kind] += 1
                    if (name, value) in KNOWN and lists == "pytorch":
                        self.assertEqual(found[value][0], "f32", "an entry that nothing needs")
                    elif found[value][0] != wanted:
                        entry = found[value][1]
                        wrong.append(f"{value} is {found[value][0]}: {', '.join(entry['nodes'])}; "
                                     f"{entry.get('list')}, {entry.get('reason')}")
        return wrong, compared

    def test_networks(self):
        networks = RECORDING["networks"]
        self.assertGreaterEqual(len(networks), 12)
        totals = {"low": 0, "f32": 0}
        for name in networks:
            for dtype in ("f16", "bf16"):
                with self.subTest(f"{name} {dtype}"):
                    wrong, compared = self.compare(name, dtype, "pytorch")
                    self.assertEqual(wrong, [])
            self.assertGreaterEqual(compared["low"], 3, name)
            for kind in totals:
                totals[kind] += compared[kind]
        # 291 and 198 when this was written.
        self.assertGreater(totals["low"], 280)
        self.assertGreater(totals["f32"], 190)

    def test_other_lists_differ(self):
        """The recording tells lists apart: norms, softmax and buffers are low by our own."""
        for name in ("convnext", "recurrent", "albert", "vit", "mixer"):
            with self.subTest(name):
                self.assertGreater(len(self.compare(name, "f16", "balanced")[0]), 3)


if __name__ == "__main__":
    harness.main()
