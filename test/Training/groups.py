# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Parameter groups: each parameter is updated with the settings of the first group that matches it.

    python test/Training/groups.py BUILD_DIR [--device=cuda] [--stand-in=BUILD_DIR]
"""
import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Device"))
import device_case  # noqa: E402
import harness  # noqa: E402

BATCH, WIDTHS = 8, [12, 16, 5]
NAMES = ["fc0_weight", "fc0_bias", "fc1_weight", "fc1_bias"]


class Groups(device_case.Case):
    def setUp(self):
        super().setUp()
        self.network = harness.mlp(self, "model", WIDTHS, BATCH)
        self.data = harness.classes(BATCH, WIDTHS[0], WIDTHS[-1])
        self.count = 0

    def build_session(self, *flags):
        self.count += 1
        return self.session(self.open(self.compile(self.network, f"m{self.count}", "--amp=O0",
                                                   *flags)))

    def step(self, session, rate=None):
        """The parameters after one step."""
        if rate is not None:
            session.set_learning_rate(rate)
        session.step(session.batch(self.data))
        return {name: session.get(name) for name in NAMES}

    def test_each_parameter_as_in_a_run_of_its_settings(self):
        """The first step of a group is that of a run in which all have its settings: the same bits."""
        for optimizer, base, own in (("sgd", ["--lr=0.1", "--weight-decay=0.5"],
                                      {"lr": 0.3, "weight-decay": 0}),
                                     ("adamw", ["--lr=0.1"], {"lr": 0.003, "beta1": 0.5}),
                                     ("sgd", ["--lr=0.1"], {"momentum": 0.5, "weight-decay": 0.5}),
                                     ("nadam", ["--lr=0.1"], {"momentum-decay": 0.5}),
                                     ("lamb", ["--lr=0.1"], {"eps": 0.5, "weight-decay": 0.0})):
            with self.subTest(optimizer=optimizer, own=own):
                flags = [f"--optimizer={optimizer}", *base]
                text = ",".join(f"{k}={v}" for k, v in own.items())
                grouped = self.build_session(*flags, f"--group=bias:{text}")
                kept = [f for f in flags if f[2:].split("=")[0] not in own]
                sessions = [self.build_session(*flags),
                            self.build_session(*kept, *(f"--{k}={v}" for k, v in own.items()))]
                together = self.step(grouped)
                all_base, all_own = (self.step(s) for s in sessions)
                for name in NAMES:
                    alone, other = all_base, all_own
                    if "bias" in name:
                        alone, other = all_own, all_base
                    self.assertSameBits(together[name], alone[name], name)
                    self.assertNotEqual(together[name].tobytes(), other[name].tobytes(), name)
                if optimizer == "nadam":
                    self.assertSameBits(grouped.get("ampc.mu_product"),
                                        sessions[0].get("ampc.mu_product"))
                    self.assertSameBits(
                        grouped.get("ampc.mu_product/beta1=0.9,momentum-decay=0.5"),
                        sessions[1].get("ampc.mu_product"))

    def test_rates_follow_the_session(self):
        """At another rate a group has its share of it."""
        grouped = self.build_session("--optimizer=sgd", "--lr=0.25", "--group=bias:lr=0.5")
        plain = self.build_session("--optimizer=sgd", "--lr=0.25")
        start = {name: plain.get(name) for name in NAMES}
        moved, alone = self.step(grouped, 0.125), self.step(plain, 0.125)
        for name in NAMES:
            if "bias" not in name:
                self.assertSameBits(moved[name], alone[name], name)
                continue
            share = (moved[name] - start[name]) / (alone[name] - start[name])
            np.testing.assert_allclose(share, 2, rtol=2.0 ** -14)

    def test_first_match(self):
        session = self.build_session("--optimizer=sgd", "--lr=0.1", "--group=^fc0_bias$:lr=0.0",
                                     "--group=bias:lr=0.2", "--group=fc1:weight-decay=0.25")
        parameters = {p["name"]: p["settings"] for p in session.module.inspect(
            self.device.name)["parameters"]}
        def expected(**own):
            return {"optimizer": "sgd", "lr": 0.1, "momentum": 0, "dampening": 0,
                    "weight-decay": 0, **own}
        self.assertEqual(parameters, {
            "fc0_weight": expected(),
            "fc0_bias": expected(lr=0, group="^fc0_bias$"),
            "fc1_weight": expected(**{"weight-decay": 0.25, "group": "fc1"}),
            "fc1_bias": expected(lr=0.2, group="bias")})
        before = session.get("fc0_bias")
        after = self.step(session)
        self.assertSameBits(after["fc0_bias"], before)
        other = self.session(session.module)
        self.assertNotEqual(after["fc1_bias"].tobytes(), other.get("fc1_bias").tobytes())

    def test_report(self):
        report = self.work / "report.json"
        self.build_session("--optimizer=adamw", f"--report={report}",
                           "--group=bias:weight-decay=0")
        told = {e["nodes"][0]: e for e in json.loads(report.read_text())
                if e["pass"] == "optimizer"}
        self.assertEqual(set(told), set(NAMES))
        self.assertEqual(told["fc0_bias"]["group"], "bias")
        self.assertEqual(told["fc0_bias"]["weight-decay"], "0")
        self.assertNotIn("group", told["fc0_weight"])
        self.assertEqual(told["fc0_weight"]["weight-decay"], "0.01")

    def test_errors(self):
        for code, message, *flags in (
                (2, "--group=bias:beta3=1: beta3: --optimizer=adam has no such setting; it has lr, ",
                 "--group=bias:beta3=1"),
                (2, "--group=bias:momentum=1: momentum: --optimizer=adam has no such setting",
                 "--group=bias:momentum=1"),
                (2, "--group=bias:lr=-1: lr=-1: must be at least 0", "--group=bias:lr=-1"),
                (2, "--group=bias:lr=x: lr=x: a setting is FLAG=NUMBER", "--group=bias:lr=x"),
                (2, "--group=bias:lr=1,lr=2: lr: is given twice", "--group=bias:lr=1,lr=2"),
                (2, "--group=bias: takes REGEX:NAME=NUMBER", "--group=bias"),
                (2, "--group=bias:: takes REGEX:NAME=NUMBER", "--group=bias:"),
                (2, "--group=:lr=1: takes REGEX:NAME=NUMBER", "--group=:lr=1"),
                (2, "--group=(: ", "--group=(:lr=1"),
                (2, "lr: is kept as a multiple of --lr, which is 0", "--lr=0", "--group=bias:lr=1"),
                (2, "nothing is trained with --optimizer=none", "--optimizer=none",
                 "--group=bias:lr=1"),
                (1, "--group=norm:lr=1: matches no parameter that is trained", "--group=norm:lr=1"),
                (1, "only initializers that are not (--train, --freeze)", "--group=bias:lr=1",
                 "--freeze=bias"),
                (1, "--group=bias:lr=2: an earlier --group has every parameter that it matches, as "
                    "'fc0_bias' is in --group=.:lr=1", "--group=.:lr=1", "--group=bias:lr=2")):
            with self.subTest(flags=flags):
                result = self.build.ampc(self.network, "-o", self.work / "x.so", *flags)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertIn(message, result.stderr)
                self.assertEqual(result.stderr.count("error:"), 1)

    def test_launches_do_not_grow_with_parameters(self):
        """Updates of one group stay one launch, and two groups are not more than two."""
        many = harness.mlp(self, "many", [64] * 9 + [5], BATCH)

        def launches(*flags):
            self.count += 1
            module = self.open(self.compile(many, f"l{self.count}", "--amp=O0", "--optimizer=adamw",
                                            *flags))
            return sum(step["kind"] == "launch" for step in module.inspect(
                self.device.name)["steps"])

        plain = launches()
        self.assertLessEqual(launches("--group=bias:weight-decay=0"), plain + 2)
        self.assertLessEqual(launches("--group=bias:lr=0.01,weight-decay=0"), plain + 2)


if __name__ == "__main__":
    device_case.main()
