# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""No kernel has more than 2,000 lines of PTX: the time of ptxas grows faster than the code of one
entry, and entries are assembled in parallel. None has more workgroup memory than a block can have
without asking for it.

    python test/Driver/kernel_size.py BUILD_DIR
"""
import re

import onnx

import harness
import models

MOST_LINES = 2000  # codegen::kMostLines
MOST_SHARED = 48 << 10  # bytes; CUDA C++ Programming Guide, technical specifications
CASES = {
    "transformer:layers=2,width=64,heads=4,vocabulary=256,length=16": [
        ["--loss=cross_entropy"],
        ["--loss=cross_entropy", "--optimizer=adamw", "--clip-grad-norm=1", "--amp-dtype=bf16"]],
    "transformer:layers=24,width=32,heads=4,vocabulary=256,length=16": [
        ["--loss=cross_entropy"], ["--loss=cross_entropy", "--amp=O0", "--optimizer=sgd"]],
    "transformer:layers=2,width=768,vocabulary=512": [["--loss=cross_entropy"]],
    "mlp:layers=50,width=8": [
        ["--loss=mse", "--clip-grad-norm=1"],
        ["--loss=mse", "--amp=O2", "--amp-dtype=bf16", "--clip-grad-value=1"]],
    "concat:count=300": [["--loss=mse", "--optimizer=sgd", "--clip-grad-norm=0.5"]],
    "concat:count=400": [["--loss=mse", "--optimizer=sgd", "--clip-grad-norm=0.5"]],
    "products:count=1000": [["--loss=mse"]],
}


def entries(ptx):
    """Name and lines of each kernel, from .entry to the closing brace."""
    name, lines = None, 0
    for line in ptx.splitlines():
        if found := re.search(r"\.entry (\w+)", line):
            name, lines = found[1], 0
        lines += 1
        if line.startswith("}") and name:
            yield name, lines
            name = None


def shared_bytes(ptx):
    """Bytes of workgroup memory of each kernel that has any."""
    found = {}
    for name, size in re.findall(r"\.shared [^;]*\b__wg_(\w+)_\d+\[(\d+)\];", ptx):
        found[name] = found.get(name, 0) + int(size)
    return found


class KernelSize(harness.Case):
    def check(self, name, model, flags):
        result = self.build.ampc(model, "-o", self.work / "kernels.ptx", "--target=cuda",
                                 "--emit=ptx", *flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        ptx = (self.work / "kernels.ptx").read_text()
        found, shared = dict(entries(ptx)), shared_bytes(ptx)
        self.assertGreaterEqual(len(found), 5, "these are not the kernels of a step")
        largest = max(found, key=found.get)
        print(f"\n  {name} {' '.join(flags)}: {len(found)} kernels, {sum(found.values())} lines, "
              f"at most {found[largest]} ({largest})", end="")
        self.assertLessEqual(found[largest], MOST_LINES, largest)
        self.assertTrue(shared, "kernels of a step reduce in workgroup memory")
        self.assertLessEqual(max(shared.values()), MOST_SHARED, shared)

    def test_examples(self):
        for name, flags in harness.EXAMPLES.items():
            with self.subTest(name):
                self.check(name, harness.MODELS / f"{name}.onnx", flags)

    def test_models(self):
        for text, variants in CASES.items():
            model = self.work / "model.onnx"
            onnx.save(models.make(text), model)
            for flags in variants:
                with self.subTest(text, flags=flags):
                    self.check(text, model, flags)


if __name__ == "__main__":
    harness.main()
