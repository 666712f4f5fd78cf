# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`ampc-run inspect --roofline` says what follows from the plan's bytes and operations.

    python test/Driver/roofline.py BUILD_DIR
"""
import json
import math
import os
import re
import subprocess

import numpy as np
import onnx

import harness
import models

LOW, PAGE = ("f16", "bf16"), harness.ROOT / "docs/CommandLine.md"
#: Bytes a second, then operations: products of 16 bits, f32, products of f64, kernels of f64.
DEVICES = {
    "h100": (3.35e12, 989.4e12, 66.9e12, 66.9e12, 33.5e12),
    "h200": (4.8e12, 989.4e12, 66.9e12, 66.9e12, 33.5e12),
    "a100": (2.039e12, 312e12, 19.5e12, 19.5e12, 9.7e12),
}
LAUNCH = 0.875e-6


class Roofline(harness.Case):
    def inspect(self, module, *flags):
        result = self.build.ampc_run("inspect", module, "--target=cuda", "--json", *flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def check(self, module, device):
        """Compares with what the plan without the flag gives; its steps, with least times."""
        memory, low, f32, f64_products, f64 = DEVICES[device]
        plan = self.inspect(module, f"--roofline={device}")
        plain = self.inspect(module)
        runs = [s.get("runs", 1) for s in plain["steps"]]
        limits, least = [], []
        for step in plain["steps"]:
            if step["kind"] in ("matmul", "convolution") or step.get("tensor_cores"):
                kind = step["operand_types"][0]
                peak = {"f32": f32, "f64": f64_products}.get(kind, low)
            else:
                floats = set(step["operand_types"]) & {"f64", "f32", *LOW}
                kind, peak = ("f64", f64) if floats == {"f64"} else ("f32", f32)
            times = ((step["read_bytes"] + step["written_bytes"]) / memory, step["flops"] / peak)
            least.append(max(times))
            limits.append(None if max(times) == 0 else
                          "memory" if times[0] >= times[1] else "compute")
            step |= {"limit": limits[-1], "compute_type": kind if step["flops"] else None}
        found = plan.pop("roofline")
        for step, seconds in zip(plan["steps"], least):
            self.assertTrue(math.isclose(step.pop("least_seconds"), seconds, rel_tol=1e-14))
        self.assertEqual(plan, plain, "something else changed")  # and nothing else did

        def total(values):
            return sum(n * value for n, value in zip(runs, values))

        steps = plain["steps"]
        self.assertEqual(found["device"], device)
        self.assertEqual(found["memory_bytes_per_second"], memory)
        self.assertEqual(found["product_flops_per_second"],
                         {"f16": low, "bf16": low, "f32": f32, "f64": f64_products})
        self.assertEqual(found["kernel_flops_per_second"], {"f32": f32, "f64": f64})
        self.assertEqual(found["bytes"],
                         total(s["read_bytes"] + s["written_bytes"] for s in steps))
        self.assertEqual(found["flops"], total(s["flops"] for s in steps))
        # Sums of doubles in any order: relative errors of 2^-53 for each of them.
        rounding = 2 * len(steps) * 2**-53
        for key, expected in (
                ("least_seconds", total(least)),
                ("memory_seconds", total(t * (l == "memory") for t, l in zip(least, limits))),
                ("compute_seconds", total(t * (l == "compute") for t, l in zip(least, limits)))):
            self.assertLessEqual(abs(found[key] - expected), rounding * expected, key)
        self.assertEqual(found["seconds_per_launch"], LAUNCH)
        self.assertEqual(found["launch_seconds"], found["launches"] * LAUNCH)
        for step, seconds in zip(steps, least):
            step["least_seconds"] = seconds
        return steps, found

    def test_figures(self):
        """Of every device; products of f16 by tensor cores, of f32 without TF32."""
        for flags, types in (([], {"f16"}), (["--amp-dtype=bf16"], {"bf16"}),
                             (["--amp=O0"], {"f32"})):
            module = self.example("mlp_784_128_10", *flags)
            for device in DEVICES:
                with self.subTest(flags, device=device):
                    steps, found = self.check(module, device)
                    products = [s for s in steps if s["kind"] == "matmul"]
                    self.assertEqual({s["compute_type"] for s in products}, types)
                    # One product of 784 x 128 forwards and one backwards for each of 64 rows.
                    large = [s for s in products if s["flops"] == 2 * 64 * 784 * 128]
                    self.assertEqual(len(large), 2)
                    # In f32, with 26 operations a byte, they are limited by computing.
                    self.assertEqual({s["limit"] for s in large},
                                     {"compute" if types == {"f32"} else "memory"})
                    self.assertEqual(found["launches"], len(steps))

    def test_f64(self):
        random = np.random.RandomState(0)
        model = self.model("f64", """<ir_version: 8, opset_import: ["" : 17]>
            f64 (double[128,256] x) => (double loss) {
                y = MatMul(x, w)
                z = Tanh(y)
                loss = ReduceMean<keepdims = 0>(z)
            }""", w=random.randn(256, 512))
        steps, _ = self.check(self.compile(model, "f64", "--optimizer=sgd", "--lr=0.1"), "a100")
        kinds = {(s["kind"], s["compute_type"]) for s in steps}
        self.assertLessEqual({("matmul", "f64"), ("launch", "f64")}, kinds)

    def loop(self):
        random = np.random.RandomState(0)
        weights = {name: random.randn(*shape).astype(np.float32) / 8
                   for name, shape in (("w", (1, 64, 16)), ("r", (1, 64, 64)))}
        model = self.model("rnn", """<ir_version: 8, opset_import: ["" : 17]>
            rnn (float[12,4,16] x) => (float loss) {
                y = RNN <hidden_size = 64> (x, w, r)
                loss = ReduceMean <keepdims = 0> (y)
            }""", **weights)
        return self.compile(model, "rnn", "--optimizer=sgd", "--lr=0.1")

    def test_launches_and_products_are_what_the_runtime_records(self):
        """In the graph of one step: kernels, copies and products, those of loops many times."""
        data = self.work / "data.npz"
        np.savez(data, x=np.zeros((12, 4, 16), np.float32))
        for module, path in ((self.loop(), data),
                             (self.example("mlp_10_100_10"), self.data("mlp10"))):
            steps, found = self.check(module, "h100")
            trace = self.work / "trace.jsonl"
            trace.unlink(missing_ok=True)
            result = subprocess.run(
                [self.build.bin / "ampc-run", "train", module, f"--data={path}", "--steps=1",
                 "--device=cuda", "--quiet"], capture_output=True, text=True, timeout=300,
                env=dict(os.environ, AMPC_STANDIN_TRACE=str(trace),
                         AMPC_CUDA_DRIVER=str(self.build.lib / "libampc_standin_cuda.so"),
                         AMPC_CUBLASLT=str(self.build.lib / "libampc_standin_cublaslt.so"),
                         AMPC_CUDNN=str(self.build.lib / "libampc_standin_cudnn.so")))
            self.assertEqual(result.returncode, 0, result.stderr)
            recorded = [line for line in harness.read_log(trace) if line.get("captured")]
            print(f"\n  {module.name}: {len(recorded)} launches", end="")
            self.assertEqual(found["launches"], len(recorded))
            products = sorted(2 * math.prod(map(int, line["detail"].split("x")))
                              for line in recorded if line["work"] == "matmul")
            self.assertEqual(products, sorted(
                s["flops"] for s in steps if s["kind"] == "matmul" for _ in range(s.get("runs", 1))))

    def test_forward_only(self):
        module = self.example("digits", "--loss=none", "--optimizer=none")
        steps, _ = self.check(module, "h200")
        self.assertGreater(len(steps), 0)
        result = self.build.ampc_run("inspect", module, "--roofline=h200")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.startswith("Least times of a forward step"), result.stdout)

    def test_kernels_for_tensor_cores_are_products(self):
        model = self.work / "transformer.onnx"
        onnx.save(models.transformer(layers=1, width=128, heads=2, vocabulary=64, length=64), model)
        module = self.compile(model, "transformer", "--loss=cross_entropy", "--amp-dtype=bf16",
                              "--target=cuda")
        steps, _ = self.check(module, "h200")
        self.assertEqual([s["compute_type"] for s in steps if s.get("tensor_cores")],
                         ["bf16", "bf16"])

    def test_text_has_all_steps_once(self):
        module = self.example("digits")
        steps, found = self.check(module, "h100")
        text = self.build.ampc_run("inspect", module, "--roofline=h100").stdout
        counts = re.findall(r"^ +(\d+)  (?:launch|matmul|copy) ", text, re.MULTILINE)
        self.assertEqual(sum(map(int, counts)), len(steps))
        shares = [float(share) for share in re.findall(r" ([\d.]+) %", text)]
        self.assertEqual(shares, sorted(shares, reverse=True))
        self.assertLessEqual(abs(sum(shares) - 100), 0.05 * len(shares))
        self.assertIn(f": {found['launches']} of 875 ns\n", text)

    def test_page(self):
        """The example of the page looks like that, whatever its numbers."""
        block = re.search(r"^```\n(\$ ampc .*)\n(\$ ampc-run inspect .*--roofline.*)\n"
                          r"((?:(?!```).*\n)*)```$", PAGE.read_text(), re.MULTILINE)
        compile_line, inspect_line, wanted = block.groups()
        words = compile_line.split()[2:]
        module = self.compile(harness.MODELS / words[0], words[words.index("-o") + 1][:-3],
                              *[w for w in words if w.startswith("--")])
        result = self.build.ampc_run(*[module if w.endswith(".so") else w
                                       for w in inspect_line.split()[2:]])
        self.assertEqual(result.returncode, 0, result.stderr)

        def shape(text):
            """Without numbers and units, and the steps as one."""
            lines = [re.sub(r"[\d.]+ (?:[KMG]iB|[munM]?s|[kMGT])?\b", "N ", line)
                     for line in text.splitlines() if not re.match(r" +\d", line)]
            return [" ".join(line.split()) for line in lines]

        self.assertEqual(shape(result.stdout), shape(wanted))

    def test_page_has_the_figures(self):
        rows = re.findall(r"^\| (\w+), SXM, .*? GB \|(.*)\|$", PAGE.read_text(), re.MULTILINE)
        figures = {name: tuple(float(re.match(r" ([\d.]+)", cell).group(1) + "e12")
                               for cell in cells.split("|")) for name, cells in rows}
        self.assertEqual(figures, DEVICES)

    def test_errors(self):
        host = self.example("mlp_10_100_10", "--target=host")
        for flags in (["--target=cuda"], [], ["--json"]):
            result = self.build.ampc_run("inspect", host, "--roofline=h100", *flags)
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertIn("holds no CUDA code: compile it with --target=cuda", result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1)
        for flags, message in ((["--roofline=b200"], "--roofline=b200 is none of h100|h200|a100"),
                               (["--roofline=h100", "--target=host"],
                                "--roofline tells of the plan for CUDA, not of --target=host")):
            result = self.build.ampc_run("inspect", host, *flags)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(message, result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1)

    def test_low_precision_moves_less(self):
        """Casts are no steps of their own that move more than the low type saves."""
        for name, flags in (("digits", ["--batch=32"]), ("mlp_784_128_10", ["--batch=64"]),
                            ("convnet", ["--batch=64"])):
            moved = {}
            for dtype, more in (("f32", ["--amp-keep-fp32=."]), ("f16", []),
                                ("bf16", ["--amp-dtype=bf16"])):
                module = self.compile(harness.MODELS / f"{name}.onnx", f"{name}-{dtype}", *flags,
                                      "--loss=cross_entropy", "--target=cuda",
                                      "--cuda-arch=sm_80", *more)
                moved[dtype] = self.inspect(module, "--roofline=h100")["roofline"]["bytes"]
            with self.subTest(name):
                self.assertLess(max(moved["f16"], moved["bf16"]), moved["f32"], moved)


if __name__ == "__main__":
    harness.main()
