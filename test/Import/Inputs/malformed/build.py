# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How the cases are written: a model that is right, to be spoilt in one place."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CASES = []


def case(pattern, *flags):
    """Adds a case: a function that writes the model to the path it is given, or returns it."""
    return lambda build: CASES.append((build.__name__, build, pattern, flags))


def tensor(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def weight(name="w", shape=(3, 2), dtype=np.float32):
    return numpy_helper.from_array(np.ones(shape, dtype), name)


def node(op, inputs, outputs, name=None, **attributes):
    return helper.make_node(op, inputs, outputs, name=name or op.lower(), **attributes)


def model(nodes=None, inputs=None, outputs=None, initializers=None, opset=17, **more):
    """A model that is right where it is not told otherwise: y = relu(x * w)."""
    if nodes is None:
        nodes = [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        inputs if inputs is not None else [tensor("x", [4, 3])],
        outputs if outputs is not None else [tensor("y", [4, 2])],
        initializers if initializers is not None else [weight()],
    )
    opsets = [helper.make_opsetid("", opset)] if isinstance(opset, int) else opset
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, **more)


def raw(name, dims, data, kind=TensorProto.FLOAT):
    return TensorProto(name=name, data_type=kind, dims=dims, raw_data=data)


def field(number, message):
    """A message within a message, as protobuf writes it."""
    def varint(value):
        return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)
    return varint(number << 3 | 2) + varint(len(message)) + message
