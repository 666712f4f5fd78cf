# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bind.py FOLDER: a model whose shape, bias and flag are inputs, and arrays for them."""
import pathlib
import sys

import numpy as np
import onnx
import onnx.parser

folder = pathlib.Path(sys.argv[1])
model = onnx.parser.parse_model('''
    <ir_version: 8, opset_import: ["": 17]>
    g (float[2,3] x, int64[2] shape, float[2] bias, bool flag)
        => (float[3,2] y, float loss) {
      r = Reshape(x, shape)
      p = MatMul(r, w)
      s = Add(p, bias)
      zero = Sub(s, s)
      y = Where(flag, s, zero)
      loss = ReduceMean <keepdims = 0> (y)
    }''')
model.graph.initializer.append(
    onnx.numpy_helper.from_array(np.array([[0.5, 1.5], [2.5, 3.5]], np.float32), "w"))
onnx.save(model, folder / "model.onnx")
np.save(folder / "bias.npy", np.array([1, 2], np.float32))
np.save(folder / "wide.npy", np.array([1, 2], np.float64))
np.save(folder / "shape.npy", np.array([1, 2, 3], np.float32))
