#!/usr/bin/env python3
"""What a device is asked first: does it do what the CUDA target takes for granted?

Each test is one thing that the stand-in driver cannot vouch for, as small as it can be. All
numbers are small integers, whose sums are exact in every type: results are compared bit for
bit, whatever order the device sums in.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import ml_dtypes
import numpy as np
import onnx

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "Numerics"))

import compiled  # noqa: E402
import cublaslt  # noqa: E402
import cuda_driver  # noqa: E402

TYPES = {"double": np.float64, "float": np.float32, "float16": np.float16,
         "bfloat16": ml_dtypes.bfloat16}
# Rows, columns and inner size; the odd ones are leading dimensions that 16 bytes do not divide.
SIZES = ((1, 1, 1), (3, 5, 7), (1, 33, 65), (17, 1, 67), (129, 67, 33), (8, 16, 24))


class FirstChecks(unittest.TestCase):
    tools: compiled.Tools

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.random = np.random.RandomState(0)

    def draw(self, dtype: str, *shape: int) -> np.ndarray:
        """-1, 0 and 1: a sum of up to 256 of them is exact in bf16 too."""
        return self.random.randint(-1, 2, shape).astype(TYPES[dtype])

    def evaluate(self, dtype: str, products: list[tuple]) -> None:
        """Each product is (expression, wanted, operands by name), all in one model."""
        inputs, outputs, nodes, feeds = [], [], [], {}
        for i, (expression, wanted, operands) in enumerate(products):
            for name, array in operands.items():
                dims = ",".join(map(str, array.shape))
                inputs.append(f"{dtype}[{dims}] {name}{i}")
                feeds[f"{name}{i}"] = array
                expression = expression.replace(f"${name}", f"{name}{i}")
            dims = ",".join(map(str, wanted.shape))
            outputs.append(f"{dtype}[{dims}] y{i}")
            nodes.append(f"y{i} = {expression}")
        model = onnx.parser.parse_model(
            f'<ir_version: 8, opset_import: ["": 21]> products ({", ".join(inputs)}) => '
            f'({", ".join(outputs)}) {{ {" ".join(nodes)} }}')
        module = self.tools.compile(model, self.folder)
        got = module.evaluate(feeds)
        for i, (expression, wanted, _) in enumerate(products):
            np.testing.assert_array_equal(got[f"y{i}"].astype(np.float64), wanted,
                                          f"{dtype} {wanted.shape}: {expression}")

    @staticmethod
    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a.astype(np.float64) @ b.astype(np.float64)

    def for_each_type(self, make) -> None:
        for dtype in TYPES:
            with self.subTest(dtype):
                self.evaluate(dtype, make(dtype))

    def test_odd_leading_dimensions(self) -> None:
        def make(dtype):
            pairs = [(self.draw(dtype, m, k), self.draw(dtype, k, n)) for m, n, k in SIZES]
            return [("MatMul($a, $b)", self.product(a, b), {"a": a, "b": b}) for a, b in pairs]
        self.for_each_type(make)

    def test_transposed_operands(self) -> None:
        def make(dtype):
            products = []
            for m, n, k in SIZES:
                a, b = self.draw(dtype, m, k), self.draw(dtype, k, n)
                wanted = self.product(a, b)
                products += [
                    ("Gemm <transA = 1> ($a, $b)", wanted, {"a": a.T.copy(), "b": b}),
                    ("Gemm <transB = 1> ($a, $b)", wanted, {"a": a, "b": b.T.copy()})]
            return products
        self.for_each_type(make)

    def test_bias(self) -> None:
        """The epilogue in f64 too, which few use."""
        def make(dtype):
            products = []
            for m, n, k in SIZES:
                a, b, bias = (self.draw(dtype, *s) for s in ((m, k), (k, n), (n,)))
                products.append(("Gemm($a, $b, $c)",
                                 self.product(a, b) + bias.astype(np.float64),
                                 {"a": a, "b": b, "c": bias}))
            return products
        self.for_each_type(make)

    def test_batch_stride_of_zero(self) -> None:
        """One matrix for the whole batch, on the left and on the right."""
        def make(dtype):
            products = []
            for (m, n, k), batch in zip(SIZES, (2, 3, 5, 4, 2, 3)):
                for left, right in (((m, k), (batch, k, n)), ((batch, m, k), (k, n))):
                    a, b = self.draw(dtype, *left), self.draw(dtype, *right)
                    products.append(("MatMul($a, $b)", self.product(a, b), {"a": a, "b": b}))
            return products
        self.for_each_type(make)

    def test_f32_is_not_tf32(self) -> None:
        """TF32 keeps 10 bits of the operands, and would lose the last bit here."""
        a = np.full((16, 32), 1 + 2.0**-13, np.float32)
        b = np.ones((32, 16), np.float32)
        self.evaluate("float", [("MatMul($a, $b)", self.product(a, b), {"a": a, "b": b})])

    def test_graph_capture_with_lazy_loading(self) -> None:
        """The first product of a process may be one that is recorded into a graph: what it
        loads then must not break the recording. Lazily or not, the bits are the same."""
        subprocess.run([sys.executable, ROOT / "examples/data.py", "mlp10", self.folder],
                       check=True, stdout=subprocess.DEVNULL)
        where = self.tools.device
        for level in ("O0", "O1"):
            module, logs = self.folder / f"{level}.so", {}
            compiled.call(self.tools.compiler, str(ROOT / "examples/models/mlp_10_100_10.onnx"),
                          "--batch=100", "--optimizer=sgd", "--lr=0.1", f"--amp={level}",
                          *where.compile_flags(module), "-o", str(module))
            for loading in ("", "LAZY", "EAGER"):
                log = self.folder / f"{level}{loading}.jsonl"
                compiled.call(self.tools.runner, "train", str(module), "--steps=20", "--quiet",
                              f"--data={self.folder / 'mlp10.npz'}", "--batch-order=file",
                              f"--device={where.name}", f"--log={log}",
                              environment={**where.environment(module),
                                           **({"CUDA_MODULE_LOADING": loading} if loading
                                              else {})})
                logs[loading] = [json.loads(line) for line in log.read_text().splitlines()]
            with self.subTest(level):
                self.assertEqual(len(logs[""]), 20)
                self.assertLess(logs[""][-1]["loss"], logs[""][0]["loss"])
                self.assertEqual(logs["LAZY"], logs["EAGER"])
                self.assertEqual(logs[""], logs["LAZY"])

    def test_what_relu_does_with_nan(self) -> None:
        """Told, not judged: ampc keeps ReLU out of cuBLASLt because it was seen to hide NaN."""
        if self.tools.device.name != "cuda":
            self.skipTest("asks the device")
        os.environ.update(self.tools.device.environment())
        library = cublaslt.Library()
        self.addCleanup(library.close)
        a = np.ones((16, 16), np.float32)
        a[0] = np.nan
        a[1] = -1
        got = library.multiply(a, np.ones((16, 16), np.float32), cublaslt.EPILOGUE_RELU)
        self.assertEqual(got[1:3, 0].tolist(), [0, 16])
        print(f"note: RELU of cuBLASLt {library.version} makes {got[0, 0]} of NaN", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    FirstChecks.tools = compiled.from_options(options)
    try:
        print("note:", json.dumps(cuda_driver.describe()))
    except cuda_driver.Error as error:
        print(f"note: no CUDA device: {error}")
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
