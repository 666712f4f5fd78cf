# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Initializers whose data is wrong."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from build import case, model, node, raw, tensor, weight


@case("initializer 'w': raw_data has 15 bytes, but 2x2xf32 needs 16")
def odd_raw_data(path):
    return model(initializers=[raw("w", [2, 2], b"\0" * 15)])


@case("initializer 'w': float_data has 5 values, but 3x2xf32 needs 6")
def short_float_data(path):
    return model(
        initializers=[TensorProto(name="w", data_type=1, dims=[3, 2], float_data=[1] * 5)]
    )


@case("initializer 'w': float_data has 0 values, but 3x2xf32 needs 6")
def data_in_wrong_field(path):
    return model(
        initializers=[TensorProto(name="w", data_type=1, dims=[3, 2], int64_data=[1] * 6)]
    )


@case("initializer 'w': has both raw_data and a typed data field")
def data_twice(path):
    both = raw("w", [3, 2], b"\0" * 24)
    both.float_data.extend([1] * 6)
    return model(initializers=[both])


@case("initializer 'w': int32_data holds 300, which is out of range for 'i8'")
def value_out_of_range(path):
    return model(
        initializers=[
            TensorProto(name="w", data_type=TensorProto.INT8, dims=[1], int32_data=[300])
        ]
    )


@case("initializer 'w': has the negative dimension -3")
def negative_initializer(path):
    return model(initializers=[raw("w", [-3, 2], b"")])


@case("initializer 'w': is too large: 4611686018427387904x4xf32")
def overflowing_initializer(path):
    return model(initializers=[raw("w", [1 << 62, 4], b"")])


@case("initializer 'w': is too large: 1000000x1000000x1000000xf32")
def huge_initializer(path):
    return model(initializers=[raw("w", [10**6] * 3, b"")])


@case("initializer 'w': element type STRING is not supported")
def string_initializer(path):
    return model(
        initializers=[TensorProto(name="w", data_type=8, dims=[1], string_data=[b"a"])]
    )


@case("initializer 'w': element type 99 is not supported")
def initializer_of_unknown_type(path):
    return model(initializers=[raw("w", [1], b"", 99)])


@case("initializer 'w': there are two of this name")
def initializer_twice(path):
    return model(initializers=[weight(), weight()])


@case("initializer 'main': ampc uses this name itself")
def reserved_name(path):
    return model([node("MatMul", ["x", "main"], ["y"])], initializers=[weight("main")])


@case("has an initializer without a name")
def nameless_initializer(path):
    return model(initializers=[weight(), weight("")])


@case("initializer 's' is sparse, which is not supported")
def sparse_initializer(path):
    result = model()
    result.graph.sparse_initializer.append(
        helper.make_sparse_tensor(
            weight("s", [1]), numpy_helper.from_array(np.zeros(1, np.int64), "i"), [3]
        )
    )
    return result


@case("initializer 'w': is a segment of a tensor")
def segment(path):
    part = weight()
    part.segment.begin = 0
    part.segment.end = 6
    return model(initializers=[part])


@case("initializer 'w' is 3x2xf32, but the input of its name is 3x5xf32")
def input_and_initializer_differ(path):
    return model(inputs=[tensor("x", [4, 3]), tensor("w", [3, 5])])
