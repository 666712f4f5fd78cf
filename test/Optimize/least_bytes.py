# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a CUDA plan moves and how many steps it has, beside the least that there can be.

    python test/Optimize/least_bytes.py BUILD_DIR

Layers of the size of BERT-base and blocks of ResNet-50, at their batch; nothing runs. The least is
counted by hand in benchmarks/least_bytes.py. Steps of a layer are those that layers more add.
"""
import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test/Driver"))
sys.path.insert(0, str(ROOT / "benchmarks"))
import harness  # noqa: E402
import least_bytes  # noqa: E402
import models  # noqa: E402

#: Most that a plan may move, in shares of the least.
MOST = 1.25
LAYER_STEPS, BLOCK_STEPS = 24, 22
BATCH, LENGTH, WIDTH = 64, 512, 768
IMAGES = 256


def bottleneck_network(blocks):
    """The stem of a ResNet v1.5 and `blocks` blocks of its first stage: x [IMAGES, 3, 224, 224] ->
    logits [IMAGES, 10]."""
    b = models.Builder(0)

    def convolution(x, name, inputs, outputs, window=1, stride=1):
        weight = b.weight(f"{name}.weight", outputs, inputs, window, window,
                          scale=(2 / inputs / window**2) ** 0.5)
        x = b.add("Conv", [x, weight], f"{name}.out", strides=[stride] * 2,
                  pads=[window // 2] * 4)
        parts = [b.weight(f"{name}.norm.{part}", outputs, value=value)
                 for part, value in (("weight", 1.0), ("bias", 0.0), ("mean", 0.0), ("var", 1.0))]
        b.nodes.append(helper.make_node(
            "BatchNormalization", [x, *parts],
            [f"{name}.norm", f"{name}.norm.mean.next", f"{name}.norm.var.next"],
            name=f"{name}.norm", training_mode=1))
        return f"{name}.norm"

    x = b.add("Relu", [convolution("x", "stem", 3, 64, 7, 2)], "stem.relu")
    x = b.add("MaxPool", [x], "stem.pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for i in range(blocks):
        at = f"block{i}"
        y = b.add("Relu", [convolution(x, f"{at}.1", 64 if i == 0 else 256, 64)], f"{at}.relu1")
        y = b.add("Relu", [convolution(y, f"{at}.2", 64, 64, 3)], f"{at}.relu2")
        y = convolution(y, f"{at}.3", 64, 256)
        if i == 0:
            x = convolution(x, f"{at}.join", 64, 256)
        x = b.add("Relu", [b.add("Add", [y, x], f"{at}.sum")], f"{at}.relu3")
    x = b.add("Flatten", [b.add("GlobalAveragePool", [x], "pool")], "flat")
    b.add("Identity", [b.linear(x, "fc", 256, 10)], "logits")
    return b.model("bottlenecks", [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [IMAGES, 3, 224, 224])
    ], [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [IMAGES, 10])])


def parameters(model):
    return sum(int(np.prod(i.dims)) for i in model.graph.initializer)


class LeastBytes(harness.Case):
    def plan(self, model, name, *flags):
        path = self.work / f"{name}.onnx"
        onnx.save(model, path)
        module = self.compile(path, name, "--target=cuda", "--loss=cross_entropy", *flags)
        result = self.build.ampc_run("inspect", module, "--target=cuda", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)["steps"]

    def check(self, name, few, many, added, least, most_steps):
        """`many` has `added` layers more than `few`, and may move `MOST` times `least`."""
        moved = sum(s["read_bytes"] + s["written_bytes"] for s in many)
        launches = sum(s["kind"] == "launch" for s in many)
        print(f"{name}: {moved / 1e9:.2f} GB, {moved / least:.2f} of the least; {len(many)} steps, "
              f"{launches} of them launches; a layer is {(len(many) - len(few)) / added:g} steps",
              flush=True)
        self.assertLess(moved, MOST * least)
        self.assertGreater(moved, least)  # else what is counted is not what is moved
        self.assertLessEqual(len(many) - len(few), added * most_steps)

    def test_transformer(self):
        few, many = (models.transformer(layers, WIDTH, vocabulary=1024, length=LENGTH, batch=BATCH,
                                        transposed=True) for layers in (1, 2))
        # Sums of residuals are in f32 where norms are.
        for level, residual in (("O1", 4), ("O2", 2)):
            flags = [f"--amp={level}", "--amp-dtype=bf16", "--optimizer=adamw"]
            least = least_bytes.Transformer(BATCH * LENGTH, WIDTH, 2, parameters(many),
                                            residual=residual)
            self.check(f"transformer {level}", self.plan(few, f"few-{level}", *flags),
                       self.plan(many, f"many-{level}", *flags), 1, least.bytes(), LAYER_STEPS)

    def test_bottlenecks(self):
        few, many = bottleneck_network(2), bottleneck_network(4)
        flags = ["--amp-dtype=f16", "--optimizer=momentum"]
        convolutions = least_bytes.bottlenecks(stages=((64, 4, 1),))
        least = least_bytes.residual_network(IMAGES, convolutions, parameters(many))
        self.check("bottlenecks", self.plan(few, "few", *flags), self.plan(many, "many", *flags),
                   2, least, BLOCK_STEPS)


if __name__ == "__main__":
    harness.main()
