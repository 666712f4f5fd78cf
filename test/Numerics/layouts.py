#!/usr/bin/env python3
"""Networks of convolutions compute with channels last what they compute as the file is written.

`--test-prefer-layout=nhwc` plans as if all libraries preferred that. The loss of each step and the
trained parameters must be those of the host's plan without it but for rounding: sums are taken in
another order, the rest is the same. Places that MaxPool hands out stay those in the file's order.
On CUDA it is cuDNN that convolves, which prefers it by itself for 16 bits.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import json
import pathlib
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import compiled

STEPS = 6
# Least distance of two numbers around 1. What a step computes is rounded to it again and again.
EPSILON = {"f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}
LEVELS = {"f32": ("--amp=O0",), "f16": ("--amp=O1", "--amp-dtype=f16", "--loss-scale=256"),
          "bf16": ("--amp=O1", "--amp-dtype=bf16")}


def node(operator: str, inputs: str, outputs: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def residual(rng: np.random.Generator) -> tuple[list, dict, list[int]]:
    """Two blocks with a normalization that is spelled out, one filter a channel, and a sum with
    what goes around; then a mean over the points and a product."""
    weights = {"w1": (8, 3, 3, 3), "b1": (8,), "w2": (8, 1, 3, 3), "w3": (8, 8, 1, 1),
               "scale": (1, 8, 1, 1), "shift": (8, 1, 1), "fc": (8, 5)}
    nodes = [node("Conv", "x w1 b1", "c1", pads=[1, 1, 1, 1], strides=[2, 2]),
             node("ReduceMean", "c1", "mean", axes=[0, 2, 3], keepdims=1),
             node("Sub", "c1 mean", "centred"),
             node("Mul", "centred centred", "squares"),
             node("ReduceMean", "squares", "variance", axes=[0, 2, 3], keepdims=1),
             node("Add", "variance eps", "positive"),
             node("Sqrt", "positive", "deviation"),
             node("Div", "centred deviation", "normal"),
             node("Mul", "normal scale", "scaled"),
             node("Add", "scaled shift", "shifted"),
             node("Relu", "shifted", "r1"),
             node("Conv", "r1 w2", "c2", pads=[1, 1, 1, 1], group=8),
             node("Relu", "c2", "r2"),
             node("Conv", "r2 w3", "c3"),
             node("Add", "c3 r1", "sum"),
             node("Relu", "sum", "r3"),
             node("ReduceMean", "r3", "pooled", axes=[2, 3], keepdims=0),
             node("MatMul", "pooled fc", "y")]
    values = {name: rng.standard_normal(shape).astype(np.float32) / 3
              for name, shape in weights.items()}
    values["eps"] = np.array(1e-5, np.float32)
    return nodes, values, [4, 5]


def branches(rng: np.random.Generator) -> tuple[list, dict, list[int]]:
    """Pools, a concatenation of two branches, slices, a pad, and a flattened layer."""
    weights = {"w1": (6, 3, 3, 3), "w2": (4, 6, 1, 1), "w3": (4, 6, 3, 3), "b3": (4,),
               "w4": (5, 6, 2, 2), "fc": (5 * 3 * 3, 5)}
    nodes = [node("Conv", "x w1", "c1", pads=[1, 1, 1, 1]),
             node("MaxPool", "c1", "p1 places", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
             node("Tanh", "p1", "t1"),
             node("Conv", "t1 w2", "left"),
             node("Conv", "t1 w3 b3", "right", pads=[1, 1, 1, 1]),
             node("Concat", "left right", "both", axis=1),
             node("Softmax", "both", "weights", axis=1),
             node("Slice", "weights from to along", "some"),
             node("Pad", "some around", "wide"),
             node("Conv", "wide w4", "c4", strides=[2, 2], dilations=[1, 1]),
             node("Flatten", "c4", "flat"),
             node("MatMul", "flat fc", "y")]
    values = {name: rng.standard_normal(shape).astype(np.float32) / 2
              for name, shape in weights.items()}
    values |= {"from": np.array([1], np.int64), "to": np.array([7], np.int64),
               "along": np.array([1], np.int64),
               "around": np.array([0, 0, 1, 0, 0, 0, 1, 2], np.int64)}
    return nodes, values, [4, 5]


def hourglass(rng: np.random.Generator) -> tuple[list, dict, list[int]]:
    """Down and up again with a transposed convolution, what goes around joined to it; batch norms
    with their statistics, and one of each image."""
    weights = {"w1": (6, 3, 3, 3), "w2": (8, 6, 3, 3), "w3": (8, 6, 2, 2), "b3": (6,),
               "w4": (5, 12, 3, 3), "b4": (5,), **{f"{name}{i}": (channels,) for i, channels in
                                                   enumerate((6, 8, 6)) for name in "sb"}}
    nodes = [node("Conv", "x w1", "c1", pads=[1, 1, 1, 1]),
             node("BatchNormalization", "c1 s0 b0 m0 v0", "n1 nm0 nv0", training_mode=1),
             node("Relu", "n1", "r1"),
             node("Conv", "r1 w2", "c2", pads=[1, 1, 1, 1], strides=[2, 2]),
             node("BatchNormalization", "c2 s1 b1 m1 v1", "n2 nm1 nv1", training_mode=1),
             node("Relu", "n2", "r2"),
             node("ConvTranspose", "r2 w3 b3", "up", strides=[2, 2]),
             node("InstanceNormalization", "up s2 b2", "n3"),
             node("Concat", "n3 r1", "both", axis=1),
             node("Conv", "both w4 b4", "y", pads=[1, 1, 1, 1])]
    values = {name: rng.standard_normal(shape).astype(np.float32) / 3 + (name[0] == "s")
              for name, shape in weights.items()}
    values |= {f"{name}{i}": np.full(channels, name == "v", np.float32)
               for i, channels in enumerate((6, 8)) for name in "mv"}
    return nodes, values, [4, 5, 8, 8]


NETWORKS = {"residual": residual, "branches": branches, "hourglass": hourglass}


def model(name: str) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    rng = np.random.default_rng(5)
    nodes, values, shape = NETWORKS[name](rng)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 3, 8, 8])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)]
    if any("places" in n.output for n in nodes):
        outputs.append(helper.make_tensor_value_info("places", TensorProto.INT64, [4, 6, 4, 4]))
    graph = helper.make_graph(nodes, name, inputs, outputs,
                              [numpy_helper.from_array(v, k) for k, v in values.items()])
    data = {"x": rng.standard_normal((4, 3, 8, 8)).astype(np.float32),
            "target": rng.standard_normal(shape).astype(np.float32)}
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                             ir_version=8), data


def parameters(path: pathlib.Path) -> dict[str, np.ndarray]:
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    found = {}
    for name, entry in json.loads(raw[8:8 + size]).items():
        if name != "__metadata__" and not name.startswith("ampc."):
            begin, end = entry["data_offsets"]
            found[name] = np.frombuffer(raw[8 + size + begin:8 + size + end],
                                        np.float32).reshape(entry["shape"])
    return found


class LayoutsTest(unittest.TestCase):
    tools: compiled.Tools
    host: compiled.Tools

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def outputs(self, tools: compiled.Tools, graph: onnx.ModelProto, data: dict[str, np.ndarray],
                flags: tuple[str, ...]) -> dict[str, np.ndarray]:
        """The losses of STEPS steps, the parameters behind them, and the values of @eval."""
        module = tools.compile(graph, self.folder, (
            "--loss=mse", "--optimizer=sgd", "--lr=0.05", *flags)).module
        where = tools.device
        feed, log = self.folder / "data.npz", self.folder / "log.jsonl"
        checkpoint = self.folder / "trained.safetensors"
        compiled.write_npz(feed, data)
        compiled.call(tools.runner, "train", str(module), f"--data={feed}",
                      f"--steps={STEPS}", "--batch-order=file", f"--log={log}",
                      f"--checkpoint={checkpoint}", f"--device={where.name}", "--quiet",
                      environment=where.environment(module))
        steps = [json.loads(line) for line in log.read_text().splitlines()]
        found = {"loss": np.array([step["loss"] for step in steps if "loss" in step])}
        self.assertEqual(len(found["loss"]), STEPS)
        found |= parameters(checkpoint)
        evaluated = tools.compile(graph, self.folder, (
            "--loss=none", "--optimizer=none", *flags)).evaluate({"x": data["x"]})
        return found | {f"evaluated {name}": value for name, value in evaluated.items()}

    def kernels(self, flags: tuple[str, ...]) -> str:
        target = "cuda" if self.tools.device.name == "cuda" else "host"
        return compiled.call(self.tools.compiler, str(self.folder / "model.onnx"),
                             "--loss=mse", "--emit=kernels", f"--target={target}", *flags)

    def test_gives_the_same(self) -> None:
        for name in NETWORKS:
            graph, data = model(name)
            for dtype, flags in LEVELS.items():
                with self.subTest(network=name, dtype=dtype):
                    as_written = self.outputs(self.host, graph, data, flags)
                    nhwc = self.outputs(self.tools, graph, data,
                                        (*flags, "--test-prefer-layout=nhwc"))
                    self.assertEqual(as_written.keys(), nhwc.keys())
                    self.assertLess(as_written["loss"][-1], as_written["loss"][0])
                    for key, expected in as_written.items():
                        if expected.dtype == np.int64:  # places in the file's order
                            np.testing.assert_array_equal(nhwc[key], expected)
                            continue
                        # Roundings of some thirty ops in a row, none above the largest value;
                        # each step adds its own.
                        bound = 32 * EPSILON[dtype] * np.abs(expected).max()
                        error = np.abs(nhwc[key] - expected).max()
                        self.assertLessEqual(error, bound, key)

    def test_is_what_it_is_told(self) -> None:
        """The test above compares two plans, not one with itself."""
        for name in NETWORKS:
            graph, _ = model(name)
            (self.folder / "model.onnx").write_bytes(graph.SerializeToString())
            for dtype, flags in LEVELS.items():
                as_written = self.kernels(flags)
                nhwc = self.kernels((*flags, "--test-prefer-layout=nhwc"))
                with self.subTest(network=name, dtype=dtype):
                    if self.tools.device.name == "cuda" and dtype != "f32":
                        self.assertEqual(as_written, nhwc)
                    else:
                        self.assertNotIn("channels_last", as_written)
                    calls = [line for line in nhwc.splitlines() if "plan.convolution" in line]
                    self.assertTrue(calls)
                    for line in calls:
                        self.assertIn("channels_last", line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    LayoutsTest.tools = compiled.from_options(options)
    LayoutsTest.host = compiled.Tools(options.bin)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
