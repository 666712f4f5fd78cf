# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What `ampc-run inspect` says of the compiled step: launches, bytes, types.

    python test/Driver/inspect_plan.py BUILD_DIR
"""
import json
import math

import numpy as np

import harness

TARGETS = ("cuda", "host")
LARGEST_STEP = 8  # launches of 10-100-10 with Adam
BYTES = 30  # Adam with an f32 gradient: reads it, the master and two moments, writes these three
SCALARS = 64  # and the copy; beside that scalars: found_inf, scale, step size, ..


class Inspect(harness.Case):
    def inspect(self, module, target):
        result = self.build.ampc_run("inspect", module, f"--target={target}", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    @staticmethod
    def elements(plan):
        return sum(math.prod(p["shape"]) for p in plan["parameters"] if p["trained"])

    def test_launches(self):
        module = self.example("mlp_10_100_10", "--optimizer=adam")
        plan = self.inspect(module, "cuda")
        steps = plan["steps"]
        for step in steps:
            print(f"\n  {step['kind']:8}{step['kernel'] or '':28}{', '.join(step['nodes'])[:60]}",
                  end="")
        # Less than one product forward and one backward for each of two layers cannot be.
        self.assertGreaterEqual(len(steps), 5)
        self.assertEqual(self.elements(plan), 2110)
        self.assertLessEqual(len(steps), LARGEST_STEP)

    def test_a_recurrent_layer_is_as_long_as_its_body(self):
        """The steps do not grow with the time steps; how often they run does."""
        random = np.random.RandomState(0)
        weights = {name: random.randn(*shape).astype(np.float32) / 8
                   for name, shape in (("w", (1, 64, 16)), ("r", (1, 64, 64)))}
        lengths = {}
        for count in (3, 48):
            model = self.model(f"rnn{count}", f"""<ir_version: 8, opset_import: ["" : 17]>
                rnn (float[{count},4,16] x) => (float loss) {{
                    y = RNN <hidden_size = 64> (x, w, r)
                    loss = ReduceMean <keepdims = 0> (y)
                }}""", **weights)
            module = self.compile(model, f"rnn{count}", "--optimizer=sgd", "--lr=0.1")
            for target in TARGETS:
                with self.subTest(target, count=count):
                    steps = self.inspect(module, target)["steps"]
                    lengths.setdefault(target, set()).add(len(steps))
                    # Forwards and backwards: a product and a kernel; forwards, a copy of the
                    # state, which is also an output.
                    self.assertEqual(sum(s["kind"] == "loop" for s in steps), 2)
                    inside = sorted(s["kind"] for s in steps if s.get("runs") == count)
                    self.assertEqual(inside, ["copy", "launch", "launch", "matmul", "matmul"])
        for target, found in lengths.items():
            # A sum over more elements may take a launch more.
            self.assertLessEqual(max(found) - min(found), 2, f"{target}: {found}")

    def test_bytes_of_the_update(self):
        module = self.example("mlp_784_128_10", "--amp-dtype=f16")
        for target in TARGETS:
            with self.subTest(target):
                plan = self.inspect(module, target)
                count = self.elements(plan)
                self.assertEqual(count, 101770)
                last = max(i for i, s in enumerate(plan["steps"]) if s["kind"] == "matmul")
                tail = [s["read_bytes"] + s["written_bytes"] for s in plan["steps"][last + 1:]]
                print(f"\n  {target}: the update moves {max(tail) / count:.5f} bytes a parameter; "
                      f"all after the last product {sum(tail) / count:.2f} in {len(tail)} launches",
                      end="")
                self.assertGreaterEqual(max(tail), BYTES * count, "less than Adam must move")
                self.assertLessEqual(max(tail), BYTES * count + SCALARS)
                # The finite check reads every gradient once more.
                self.assertLessEqual(sum(tail), (BYTES + 4) * count * 1.02)

    def types(self, plan):
        return {t for s in plan["steps"] if s["kind"] == "matmul" for t in s["operand_types"][:2]}

    def test_products_are_computed_in_the_low_type(self):
        for flags, expected, low in (
                (["--amp=O0"], {"f32"}, "f32"),
                (["--amp=O1", "--amp-dtype=f16"], {"f16"}, "f16"),
                (["--amp=O1", "--amp-dtype=bf16"], {"bf16"}, "bf16"),
                (["--amp=O2", "--amp-dtype=f16"], {"f16"}, "f16"),
                (["--amp=O2", "--amp-dtype=bf16"], {"bf16"}, "bf16"),
                (["--amp-deny=Gemm"], {"f32"}, "f16"),
                (["--amp-keep-fp32=fc1"], {"f32", "f16"}, "f16")):
            module = self.example("mlp_10_100_10", *flags)
            for target in TARGETS:
                with self.subTest(flags, target=target):
                    plan = self.inspect(module, target)
                    self.assertEqual(self.types(plan), expected)
                    self.assertEqual(plan["precision"]["low_dtype"], low)
            print(f"\n  {' '.join(flags)}: {self.types(plan)}", end="")

    def test_masters_and_moments_are_f32(self):
        module = self.example("mlp_10_100_10", "--amp=O2", "--optimizer=adam")
        for target in TARGETS:
            plan = self.inspect(module, target)
            self.assertEqual(len(plan["state"]), 8)
            for tensor in plan["parameters"] + plan["state"]:
                self.assertEqual(tensor["dtype"], "f32", tensor["name"])

    def test_memory_that_steps_need_for_themselves(self):
        for target in TARGETS:
            plan = self.inspect(self.example("mlp_10_100_10"), target)
            scratch = [step["scratch_bytes"] for step in plan["steps"]]
            print(f"\n  {target}: scratch {scratch}", end="")
            self.assertLessEqual(max(scratch), plan["arena_bytes"] - plan["state_bytes"])
            for step in plan["steps"]:
                # Kernels in a row keep in scratch what the one leaves to the next.
                self.assertTrue(step["kind"] == "launch" or step["scratch_bytes"] == 0, step)
                self.assertEqual(step["reserve_bytes"], 0, "no call of today keeps anything")

    def test_equal_bits_may_be_asked_for(self):
        for flags, expected in (([], False), (["--deterministic"], True)):
            module = self.example("mlp_10_100_10", *flags)
            for target in TARGETS:
                self.assertIs(self.inspect(module, target)["deterministic"], expected)

    def test_c_api_and_tool_agree(self):
        path = self.example("digits")
        module = self.open(path)
        for target in TARGETS:
            self.assertEqual(module.inspect(target), self.inspect(path, target))

    def test_text_names_what_it_holds(self):
        module = self.example("digits")
        result = self.build.ampc_run("inspect", module)
        self.assertEqual(result.returncode, 0, result.stderr)
        for word in ("fc1.weight", "fc3.bias", "x", "target", "logits", "f16"):
            self.assertIn(word, result.stdout)

    def test_target_that_is_not_there(self):
        module = self.example("digits", "--target=host")
        result = self.build.ampc_run("inspect", module, "--target=cuda")
        self.assertEqual(result.returncode, 1)
        self.assertIn("error", result.stderr)


if __name__ == "__main__":
    harness.main()
