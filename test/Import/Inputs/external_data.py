# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""external_data.py MODEL.onnx DATA: a model whose outputs are tensors of the file DATA."""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper


def external(name, size, data_type=TensorProto.INT32, **entries):
    tensor = TensorProto(name=name, data_type=data_type, dims=[size], data_location=1)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


path, data = pathlib.Path(sys.argv[1]), sys.argv[2]
(path.parent / data).write_bytes(b"x\0" + np.arange(1, 6, dtype=np.int32).tobytes())
tensors = [
    external("two", 2, location=data, offset=10, length=8, checksum="none"),
    external("three", 3, location=f"./{data}", offset=10),
    external("none", 0, location=data, offset=22, length=0),
    external("x", 2, TensorProto.BOOL, location=data, length=2),
]
outputs = [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
graph = helper.make_graph([], "g", [], outputs, tensors)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
