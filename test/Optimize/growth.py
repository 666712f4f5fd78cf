# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How the passes' work grows with the graph, by counts of it.

    python test/Optimize/growth.py BUILD_DIR

Time is not measured here (benchmarks/compile_growth.py does): what the passes that form, batch, line
up and emit kernels say of their work, in remarks, is what a pass that goes back to a search of the
whole graph at each query, or to comparing all with all, cannot hide.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test/Driver"))
sys.path.insert(0, str(ROOT / "benchmarks"))
import growing_graphs  # noqa: E402
import harness  # noqa: E402
import onnx  # noqa: E402

# Sizes from which on the passes' limits (of groups looked at, of readers tried) are in force.
FAMILIES = {"unary": 1000, "relu": 1000, "mul_shared": 1000, "concat_distinct": 2500, "wide_sum": 1000,
            "recurrence": 150, "mlp": 96, "transformer": 12}
FACTOR = 4  # between the two sizes
GOAL = 1.2  # most that the exponent of any count may be
# What a graph costs of any size; counts below it say nothing about growth.
FLOOR = 200


IMAGES = "tensor<2x8x4x4xf32>"


def layout_graph(sums, size):
    """A convolution that prefers another order, and `size` sums that go back to the file's: those
    of its result (fan), or one behind the other (chain)."""
    lines = [f"%y0 = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 "
             f": ({IMAGES}, tensor<8x8x1x1xf32>) -> {IMAGES}"]
    for i in range(1, size + 1):
        lines.append(f"%y{i} = amp.add %y{0 if sums == 'fan' else i - 1}, %a{i} "
                     f": ({IMAGES}, {IMAGES}) -> {IMAGES}")
    arguments = "".join(f", %a{i}: {IMAGES}" for i in range(1, size + 1))
    results = ", ".join(f"%y{i}" for i in range(1, size + 1))
    types = ", ".join([IMAGES] * size)
    return (f"func.func @main(%x: {IMAGES}, %w: tensor<8x8x1x1xf32>{arguments}) -> ({types}) {{\n"
            + "\n".join(lines) + f"\nreturn {results} : {types}\n}}\n")


class Growth(harness.Case):
    def layout_visits(self, sums, size):
        graph = self.work / f"{sums}-{size}.mlir"
        graph.write_text(layout_graph(sums, size))
        result = self.build.call(self.build.bin / "ampc-opt", [
            graph, "--plan-choose-layouts=target=host prefer-channels-last",
            "--remarks-filter=plan-work", "--remark-format=emitRemark"])
        self.assertEqual(result.returncode, 0, result.stderr[-2000:])
        self.assertEqual(result.stdout.count("amp.add"), size)
        self.assertEqual(result.stdout.count("amp.transpose"), 2)  # of %x and of the result
        return int(re.search(r"choose-layouts \|.* visits=(\d+)", result.stderr)[1])

    def test_layouts_are_chosen_in_linear_time(self):
        for sums in ("fan", "chain"):
            with self.subTest(sums=sums):
                small, large = (self.layout_visits(sums, size) for size in (500, 500 * FACTOR))
                self.assertGreater(small, 500)
                self.assertLess(large, FACTOR ** GOAL * small)

    def counts(self, family, size, target):
        model = self.work / f"{family}-{size}.onnx"
        if not model.exists():
            onnx.save(growing_graphs.FAMILIES[family](size), model)
        step = self.work / f"{family}-{size}.mlir"
        if not step.exists():
            result = self.build.ampc(model, "--emit=train", "--loss=mse", "-o", step)
            self.assertEqual(result.returncode, 0, result.stderr[-2000:])
        result = self.build.call(self.build.bin / "ampc-opt",
                                 [step, f"--ampc-kernels=target={target}",
                                  f"--ampc-emit-kernels=target={target}", "-o", "/dev/null",
                                  "--remarks-filter=plan-work", "--remark-format=emitRemark"])
        self.assertEqual(result.returncode, 0, result.stderr[-2000:])
        counts = {}
        for line in result.stderr.splitlines():
            if match := re.search(r"([a-z-]+) \| Category:plan-work \|", line):
                for name, count in re.findall(r"(\w+)=(\d+)", line):
                    key = f"{match[1]}: {name}"
                    counts[key] = counts.get(key, 0) + int(count)
        for key in ("form-kernels: attempts", "emit-kernels: comparisons"):
            self.assertIn(key, counts, result.stderr[-2000:])
        return counts

    def test_work_grows_no_faster(self):
        for family, size in FAMILIES.items():
            for target in ("host", "cuda"):
                small = self.counts(family, size, target)
                large = self.counts(family, FACTOR * size, target)
                for key, count in large.items():
                    with self.subTest(family=family, target=target, count=key):
                        self.assertLess(count, FACTOR ** GOAL * max(small.get(key, 0), FLOOR))


if __name__ == "__main__":
    harness.main()
