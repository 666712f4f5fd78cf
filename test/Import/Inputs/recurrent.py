# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""recurrent.py FOLDER AMPC: what ampc says of models whose recurrent layer has one thing wrong."""
import pathlib
import subprocess
import sys

import onnx
from onnx import TensorProto, helper

SHAPES = {"LSTM": {"x": [3, 2, 2], "w": [1, 8, 2], "r": [1, 8, 2]},
          "GRU": {"x": [3, 2, 2], "w": [1, 6, 2], "r": [1, 6, 2]}}
#: Operator, opset, what differs from a layer of two neurons: shapes, inputs, outputs, attributes.
MODELS = [
    ("LSTM", 22, {"x": [3, 2]}, {}),
    ("LSTM", 22, {"x": [0, 2, 2]}, {}),
    ("LSTM", 22, {"w": [1, 6, 2]}, {}),
    ("LSTM", 22, {}, {"direction": "bidirectional"}),
    ("LSTM", 22, {}, {"direction": "backward"}),
    ("LSTM", 22, {}, {"hidden_size": -5}),
    ("LSTM", 22, {}, {"layout": 2}),
    ("LSTM", 7, {}, {"layout": 1}),
    ("LSTM", 22, {}, {"clip": -1.0}),
    ("LSTM", 22, {}, {"clip": float("nan")}),
    ("LSTM", 22, {}, {"activations": ["Tanh"]}),
    ("LSTM", 22, {}, {"activations": ["Tanh", "Gelu", "Tanh"]}),
    ("LSTM", 22, {}, {"activations": ["Elu", "Tanh", "Tanh"], "activation_alpha": [0.5, 0.5]}),
    ("LSTM", 22, {"lengths": [3]}, {}),
    ("LSTM", 22, {"lengths": [2, 4]}, {"constant": True}),
    ("LSTM", 22, {"lengths": [-1, 2]}, {"constant": True}),
    ("LSTM", 22, {"initial_c": [1, 3, 2]}, {}),
    ("LSTM", 22, {}, {"outputs": 4}),
    ("GRU", 22, {}, {"outputs": 3}),
    ("GRU", 22, {"initial_c": [1, 2, 2]}, {}),
    ("GRU", 1, {}, {"linear_before_reset": 1}),
]
for number, (operator, opset, shapes, attributes) in enumerate(MODELS):
    shapes = SHAPES[operator] | shapes
    names = ["x", "w", "r", "", "lengths", "", "initial_c"]
    inputs = [name if name in shapes else "" for name in names]
    while not inputs[-1]:
        inputs.pop()
    outputs = ["y", "h", "c", "d"][:attributes.pop("outputs", 1)]
    constants = []
    if attributes.pop("constant", False):
        values = shapes.pop("lengths")
        constants.append(helper.make_tensor("lengths", TensorProto.INT32, [2], values))
    node = helper.make_node(operator, inputs, outputs, name="layer", **attributes)
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info(
            name, TensorProto.INT32 if name == "lengths" else TensorProto.FLOAT, shape)
         for name, shape in shapes.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path = pathlib.Path(sys.argv[1]) / f"{number}.onnx"
    onnx.save(model, path)
    done = subprocess.run([sys.argv[2], path, "--loss=none", "--emit=amp"],
                          capture_output=True, text=True)
    assert done.returncode == 1, (number, done.returncode)
    print(done.stderr.splitlines()[0])
