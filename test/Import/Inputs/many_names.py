# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a model whose exporter's notes are as large and as wrong as a file can have them.

    many_names.py OUT.onnx COUNT

COUNT parameters in the signature, most of them twice; COUNT nodes with one call of COUNT operands
that all read one initializer; folds that do not end, and names that are no UTF-8.
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

path, count = sys.argv[1], int(sys.argv[2])
signature = "\n".join(f"p_{i}: PARAMETER target='w.{i // 2}'" for i in range(count))
signature += "\np_x: PARAMETER target='\np_y PARAMETER\n: PARAMETER target=''\nb: BUFFER target=\"w.0\"\n"
operands = ", ".join(f"%p_{i}" for i in range(count))
call = f"%big : [num_users=1] = call_function[target=f](args = ({operands}, %%, %p_), kwargs = {{"
nodes = []
for i in range(count):
    nodes.append(helper.make_node("Add", ["x" if i == 0 else f"v{i - 1}", "w.0"], [f"v{i}"]))
for node in nodes[:: max(count // 50, 1)]:
    node.metadata_props.add(key="pkg.torch.onnx.fx_node", value=call)
nodes.append(helper.make_node("MatMul", [f"v{count - 1}", "folded"], ["y"]))
graph = helper.make_graph(
    nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])],
    [numpy_helper.from_array(np.ones(4, np.float32), "w.0"),
     numpy_helper.from_array(np.eye(4, dtype=np.float32), "folded")])
value = graph.value_info.add(name="folded")
value.metadata_props.add(key="pkg.onnxscript.optimizer.folded_from", value="['w.0\", ]" + "'" * count)
graph.metadata_props.add(key="pkg.torch.export.ExportedProgram.graph_signature", value=signature)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
onnx.save(model, path)
