# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""16 bits are left where they cost more than they save, and take less than f32.

    python test/Driver/profit.py BUILD_DIR [--all] [unittest's arguments]

Without --all only one small network. What is compared is the plan itself: `inspect --roofline` for CUDA, bytes for the
host.
"""
import json
import sys
import zipfile

import harness

EXPORTS = harness.ROOT / "test/Training/exports/exports.zip"
DTYPES = {"f16": [], "bf16": ["--amp-dtype=bf16"]}


class Profit(harness.Case):
    whole = False

    def plan(self, model, *flags):
        """Bytes for the host; the roofline's least seconds, without launches and with them."""
        module = self.compile(model, "profit", "--target=cuda,host", "--cuda-arch=sm_90", *flags)

        def inspect(*more):
            result = self.build.ampc_run("inspect", module, "--json", *more)
            self.assertEqual(result.returncode, 0, result.stderr)
            return json.loads(result.stdout)
        roofline = inspect("--target=cuda", "--roofline=h100")["roofline"]
        moved = sum((s["read_bytes"] + s["written_bytes"]) * s.get("runs", 1)
                    for s in inspect("--target=host")["steps"])
        least = roofline["least_seconds"]
        return moved, least, least + roofline["launch_seconds"]

    def test_an_input_that_the_loss_reads_in_f32(self):
        """Its cast would be a launch: the first layer stays in f32, but not where it is asked for."""
        model, batch = harness.MODELS / "conv_autoencoder.onnx", "--batch=64"
        for dtype, flags in DTYPES.items():
            with self.subTest(dtype):
                explained = self.build.ampc(model, batch, *flags, "--explain=^/encoder/Conv$")
                self.assertRegex(explained.stdout, r"computes-in type=f32 list=deny; its casts take "
                                                   r"[\d.]+ ns, and 16 bits save [\d.]+ ns\n")
                for more in (["--amp-allow=Conv"], ["--amp-lists=pytorch"]):
                    explained = self.build.ampc(model, batch, *flags, *more,
                                                "--explain=^/encoder/Conv$")
                    self.assertIn(f"computes-in type={dtype}", explained.stdout)
                    self.assertNotIn("computes-in type=f32", explained.stdout)
                weighed = self.plan(model, batch, *flags)
                asked = self.plan(model, batch, *flags, "--amp-allow=Conv")
                self.assertLess(weighed[2], asked[2])

    def test_takes_less_than_f32(self):
        """By bytes and operations. By launches not always: a step that is all launches can have a
        few more in 16 bits, for other layouts, the loss scale, and what is fused in another way."""
        if not self.whole:
            self.skipTest("with --all")
        with zipfile.ZipFile(EXPORTS) as archive:
            networks = sorted(n for n in archive.namelist() if n.endswith("-script-eval-folded.onnx"))
            archive.extractall(self.work, networks)
        print()
        for name in networks:
            loss = ["--loss=mse", "--optimizer=sgd"]
            full = self.plan(self.work / name, *loss, "--amp=O0")
            for dtype, flags in DTYPES.items():
                with self.subTest(name, dtype=dtype):
                    low = self.plan(self.work / name, *loss, *flags)
                    ratios = [a / b for a, b in zip(low, full)]
                    print(f"  {name} {dtype}: host bytes {ratios[0]:.3f}, least {ratios[1]:.3f}, "
                          f"with launches {ratios[2]:.3f}", flush=True)
                    self.assertLessEqual(max(ratios[:2]), 1)


if __name__ == "__main__":
    Profit.whole = "--all" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--all"]
    harness.main()
