#!/usr/bin/env python3
"""Products of one matrix with several weights, as of query, key and value, are one product
(amp-merge-products). The reference is the same network whose weights lie the other way round, which
are multiplied one by one: losses, the trained weights, and what a second session computes with them
must be the same but for roundings.

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
from layouts import EPSILON, LEVELS, node, parameters

STEPS = 4
WIDTH, ROWS = 64, [2, 16]


def heads(name: str, parts: str, count: int, transposed: bool = False) -> list[onnx.NodeProto]:
    """[2, 16, count * 32] as heads of 32, or their transposes."""
    order = [0, 2, 3, 1] if transposed else [0, 2, 1, 3]
    return [node("Reshape", f"{parts} heads{count}", f"{name}_4"),
            node("Transpose", f"{name}_4", name, perm=order)]


def attention(query_count: int, key_count: int, bias: bool, turn: bool) -> tuple[list, dict]:
    """tanh(x w0), its attention to itself and a last product; with `turn`, query and key are scaled
    by position first, so that something stands between the products and the attention."""
    widths = {"q": 32 * query_count, "k": 32 * key_count, "v": 32 * key_count}
    weights = {"w0": (WIDTH, WIDTH), "w1": (32 * query_count, WIDTH)}
    nodes = [node("MatMul", "x w0", "p0"), node("Tanh", "p0", "h0")]
    for name, width in widths.items():
        weights[f"w{name}"] = (width, WIDTH)
        nodes += [node("Transpose", f"w{name}", f"t{name}", perm=[1, 0]),
                  node("MatMul", f"h0 t{name}", f"p{name}")]
        last = f"p{name}"
        if bias:
            weights[f"b{name}"] = (width,)
            nodes.append(node("Add", f"{last} b{name}", f"s{name}"))
            last = f"s{name}"
        if turn and name != "v":
            nodes.append(node("Mul", f"{last} turn", f"r{name}"))
            last = f"r{name}"
        nodes += heads(name, last, width // 32, transposed=name == "k")
    nodes += [node("MatMul", "q k", "scores"),
              node("Mul", "scores scale", "scaled"),
              node("Softmax", "scaled", "weights", axis=-1),
              node("MatMul", "weights v", "mixed"),
              node("Transpose", "mixed", "rows", perm=[0, 2, 1, 3]),
              node("Reshape", "rows joined", "flat"),
              node("MatMul", "flat w1", "y")]
    return nodes, weights


#: Nodes and weights, and flags.
NETWORKS = {
    "biases": (attention(2, 2, bias=True, turn=False), ()),
    "shared_heads": (attention(2, 1, bias=False, turn=True), ()),
    "frozen_keys": (attention(2, 1, bias=True, turn=False), ("--freeze=^[wb]k$",)),
}


def model(name: str, merges: bool) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """The network; unless it `merges`, with weights that are stored as they are multiplied."""
    rng = np.random.default_rng(5)
    nodes, weights = NETWORKS[name][0]
    values = {key: (rng.standard_normal(shape) / 5).astype(np.float32)
              for key, shape in weights.items()}
    data = {key: rng.standard_normal([*ROWS, WIDTH]).astype(np.float32) for key in ("x", "target")}
    if not merges:
        turned = {n.output[0]: n.input[0] for n in nodes if n.output[0] in ("tq", "tk", "tv")}
        nodes = [helper.make_node(n.op_type, [turned.get(i, i) for i in n.input], n.output)
                 if n.op_type == "MatMul" else n for n in nodes if n.output[0] not in turned]
        for key in turned.values():
            values[key] = np.ascontiguousarray(values[key].T)
    values["scale"] = np.array(32**-0.5, np.float32)
    values["turn"] = np.cos(np.arange(ROWS[1], dtype=np.float32) / 9).reshape(1, ROWS[1], 1)
    shapes = {"heads1": [*ROWS, 1, 32], "heads2": [*ROWS, 2, 32], "joined": [*ROWS, 64]}
    values |= {key: np.array(shape, np.int64) for key, shape in shapes.items()}
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, [*ROWS, WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [*ROWS, WIDTH])],
        [numpy_helper.from_array(v, k) for k, v in values.items()
         if any(k in n.input for n in nodes)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                             ir_version=8), data


class MergedProductsTest(unittest.TestCase):
    tools: compiled.Tools

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def compile(self, name: str, merges: bool, flags: tuple[str, ...]) -> pathlib.Path:
        graph, data = model(name, merges)
        compiled.write_npz(self.folder / "data.npz", data)
        return self.tools.compile(graph, self.folder, (
            "--loss=mse", "--optimizer=momentum", "--lr=0.5", "--freeze=^(scale|turn)$",
            *NETWORKS[name][1], *flags)).module

    def run_tool(self, *command: str, module: pathlib.Path) -> None:
        compiled.call(self.tools.runner, *command, f"--data={self.folder / 'data.npz'}", "--quiet",
                      f"--device={self.tools.device.name}",
                      environment=self.tools.device.environment(module))

    def trained(self, module: pathlib.Path) -> dict[str, np.ndarray]:
        """The losses, the parameters behind them, and outputs of a session that loads them."""
        log, checkpoint = self.folder / "log.jsonl", self.folder / "trained.safetensors"
        outputs = self.folder / "outputs.npz"
        log.unlink(missing_ok=True)
        self.run_tool("train", str(module), f"--steps={STEPS}", "--batch-order=file",
                      f"--log={log}", f"--checkpoint={checkpoint}", module=module)
        self.run_tool("eval", str(module), f"--checkpoint={checkpoint}", f"--outputs={outputs}",
                      module=module)
        steps = [json.loads(line) for line in log.read_text().splitlines()]
        return {"loss": np.array([step["loss"] for step in steps if "loss" in step]),
                "y": np.load(outputs)["y"], **parameters(checkpoint)}

    def test_is_what_single_products_give(self) -> None:
        for name in NETWORKS:
            graph, _ = model(name, merges=True)
            before = {i.name: numpy_helper.to_array(i) for i in graph.graph.initializer}
            for dtype in ("f16", "bf16"):
                with self.subTest(network=name, dtype=dtype):
                    want = self.trained(self.compile(name, False, LEVELS[dtype]))
                    found = self.trained(self.compile(name, True, LEVELS[dtype]))
                    self.assertEqual(found.keys(), want.keys())
                    self.assertLess(want["loss"][-1], want["loss"][0])
                    for key, expected in want.items():
                        if key in ("wq", "wk", "wv"):
                            expected = expected.T
                        # What training changed, so that a gradient in another's place is seen.
                        start = before.get(key, np.zeros_like(expected))
                        change = np.abs(expected - start).max()
                        is_frozen = key in ("scale", "turn") or (
                            name == "frozen_keys" and key in ("wk", "bk"))
                        self.assertEqual(change == 0, is_frozen, key)
                        if key == "bk" and not is_frozen:
                            # A softmax does not see it: its gradient is sums of roundings, of
                            # what moves the query's as far as it does.
                            change = np.abs(want["bq"] - before["bq"]).max()
                        # Roundings of some thirty ops in a row, none above the largest value.
                        bound = 32 * EPSILON[dtype] * change
                        self.assertLessEqual(np.abs(found[key] - expected).max(), bound, key)

    def test_merges(self) -> None:
        """The test above compares two plans, not one with itself."""
        for name in NETWORKS:
            counts = []
            for merges in (False, True):
                module = self.compile(name, merges, LEVELS["bf16"])
                plan = json.loads(compiled.call(self.tools.runner, "inspect", str(module), "--json",
                                                f"--target={self.tools.device.name}"))
                counts.append(sum(step["kind"] == "matmul" for step in plan["steps"]))
            # Three become one, forward and for either gradient; or two, where a third is frozen.
            self.assertEqual(counts[0] - counts[1], 3 if name == "frozen_keys" else 6, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    compiled.add_options(parser)
    options, rest = parser.parse_known_args()
    MergedProductsTest.tools = compiled.from_options(options)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
