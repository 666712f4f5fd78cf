# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every operator stands in each built-in list where the list's sources have it.

    python test/Driver/profiles.py BUILD_DIR
"""
import csv

import harness

TABLE = harness.ROOT / "test/Precision/categories.csv"
#: What a word of the table may be among our categories.
MEANS = {"allow": {"allow"}, "deny": {"deny"}, "infer": {"promote"}, "clear": {"follow", "promote"},
         "pin": {"deny", "-"}, "unlisted": {"promote", "follow"}, "promote": {"promote"},
         "none": {"allow", "deny", "promote", "follow", "-"}}
NORM = "one op with the other norms, whose statistics are f32 whatever it reads"
PARTS = "written out as products, which import marks as f32"
GRID = "the grid itself: coordinates stay f32"
#: Where ampc knows better: (operator, list) -> category, why.
OWN = {
    ("LRN", "f16"): ("promote", NORM),
    ("LpNormalization", "f16"): ("promote", NORM),
    ("MeanVarianceNormalization", "f16"): ("promote", NORM),
    ("LRN", "pytorch"): ("deny", "local_response_norm ends in pow, which is listed"),
    ("InstanceNormalization", "pytorch"): ("deny", NORM),
    ("DFT", "f16"): ("promote", PARTS), ("DFT", "bf16"): ("promote", PARTS),
    ("STFT", "f16"): ("promote", PARTS), ("STFT", "bf16"): ("promote", PARTS),
    ("Det", "pytorch"): ("deny", "16-bit types have no determinant there"),
    ("AffineGrid", "f16"): ("deny", GRID), ("AffineGrid", "bf16"): ("deny", GRID),
    ("AffineGrid", "pytorch"): ("deny", GRID),
    ("DeformConv", "pytorch"): ("allow", "samples, and a product as in a convolution"),
    ("If", "f16"): ("promote", "a choice between its branches, as Where"),
    ("If", "bf16"): ("promote", "a choice between its branches, as Where"),
}
#: Operators that stand in no list that was read: an op of their own kind decides.
LIKE = {
    "CausalConvWithState": "Conv", "LinearAttention": "Attention",
    "ConstantOfShape": "Expand", "MaxRoiPool": "RoiAlign", "RotaryEmbedding": "Concat",
    "SimplifiedLayerNormalization": "RMSNormalization", "Scatter": "ScatterElements",
    "TensorScatter": "ScatterND",
}
#: Operators without a place there: integers alone, and a gradient, which lists of forward ops lack.
APART = {"Shape", "Size", "MaxPoolGrad"}


class Profiles(harness.Case):
    @classmethod
    def setUpClass(cls):
        lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
        cls.table = {row["operator"]: row for row in csv.DictReader(lines)}
        done = cls.build.ampc("--list-ops")
        cls.ops = {}
        for line in done.stdout.splitlines()[1:]:
            name, _, f16, _, _, bf16, pytorch = line.split()
            cls.ops[name] = {"f16": f16, "bf16": bf16, "pytorch": pytorch}

    def test_every_operator(self):
        used = set()
        for name, own in self.ops.items():
            row = self.table.get(name) or self.table.get(LIKE.get(name, ""))
            if not row:
                continue
            for column, category in own.items():
                with self.subTest(f"{name} {column}"):
                    if (name, column) in OWN:
                        used.add((name, column))
                        self.assertNotIn(category, MEANS[row[column]], "an entry that nothing needs")
                        self.assertEqual(category, OWN[name, column][0])
                    elif set(own.values()) != {"-"}:
                        self.assertIn(category, MEANS[row[column]])
        self.assertEqual(used, set(OWN))

    def test_no_operator_is_missing(self):
        """An operator of ONNX that has categories stands in the table."""
        missing = {name for name, own in self.ops.items()
                   if "." not in name and set(own.values()) != {"-"} and name not in self.table and
                   LIKE.get(name) not in self.table}
        self.assertEqual(missing, APART)
        self.assertGreater(len(self.table), 140)
        self.assertLessEqual(set(self.table), set(self.ops))
        self.assertLessEqual(set(LIKE), set(self.ops) - set(self.table))

    def test_other_domains(self):
        """Of other domains the categories are those of ONNX's operators that compute the same."""
        for name, like in {"com.microsoft.FusedMatMul": "MatMul", "com.microsoft.Gelu": "Gelu",
                           "com.microsoft.SimplifiedLayerNormalization": "RMSNormalization"}.items():
            self.assertEqual(self.ops[name], self.ops[like], name)


if __name__ == "__main__":
    harness.main()
