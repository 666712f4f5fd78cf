# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Types, shapes and attributes that are wrong."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from build import case, model, node, raw, tensor, weight


@case("node 'matmul' \\(MatMul\\): inner dimensions differ")
def wrong_shapes(path):
    return model(initializers=[weight(shape=(5, 2))])


@case("node 'relu' \\(Relu\\): output 'y' is 4x2xf32, but the model declares 4x7xf32")
def wrong_output_shape(path):
    return model(outputs=[tensor("y", [4, 7])])


@case("node 'relu' \\(Relu\\): output 'y' is 4x2xf32, but the model declares 4x2x1xf32")
def wrong_output_rank(path):
    return model(outputs=[tensor("y", [4, 2, 1])])


@case("node 'relu' \\(Relu\\): output 'y' is 4x2xf32, but the model declares 4x2xi64")
def wrong_output_type(path):
    return model(outputs=[tensor("y", [4, 2], TensorProto.INT64)])


@case("node 'matmul' \\(MatMul\\): output 'h' is 4x2xf32, but the model declares 4x9xf32")
def wrong_value_info(path):
    result = model()
    result.graph.value_info.append(tensor("h", [4, 9]))
    return result


@case("input 'x' has a leading dimension without a size, 'N': pass --batch=N")
def open_batch(path):
    return model(inputs=[tensor("x", ["N", 3])])


@case("has dimensions without a size: dimension 1 of input 'x', 'len'; .* 2 .*'x', 'width'")
def open_dimensions(path):
    return model(inputs=[tensor("x", [4, "len", "width"])])


@case("--dim=rows=4: the model has no dimension of that name; it has 'N'", "--dim=rows=4")
def unknown_dimension(path):
    return model(inputs=[tensor("x", ["N", 3])])


@case("--batch=8: input 'x' has the leading dimension 4, which is fixed", "--batch=8")
def fixed_batch(path):
    return model()


@case("input 'x': is too large", "--batch=9223372036854775807")
def overflowing_batch(path):
    return model(inputs=[tensor("x", ["N", 3])])


@case("input 'x': is too large: 4611686018427387904x4xf32")
def overflowing_input(path):
    return model(inputs=[tensor("x", [1 << 62, 4])])


@case("input 'x': has the negative dimension -3")
def negative_dimension(path):
    return model(inputs=[tensor("x", [4, -3])])


@case("output 'y' would be too large: 1000000000x1000000000xf32")
def huge_result(path):
    return model(
        [node("Add", ["x", "z"], ["y"])],
        inputs=[tensor("x", [10**9, 1]), tensor("z", [1, 10**9])],
        outputs=[tensor("y", None)],
    )


@case("input 'x' has no shape in the model")
def unranked_input(path):
    return model(inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, None)])


@case("input 'x' is no tensor")
def optional_input(path):
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, [4, 3])
    return model(
        inputs=[helper.make_value_info("x", helper.make_optional_type_proto(kind))]
    )


@case("input 'x': element type STRING is not supported")
def string_input(path):
    return model(inputs=[tensor("x", [4, 3], TensorProto.STRING)])


@case("input 'x': element type 99 is not supported")
def unknown_type(path):
    return model(inputs=[tensor("x", [4, 3], 99)])




@case("node 'c' \\(Constant\\): attribute 'value_int' is of type FLOAT, but should be INT")
def attribute_of_wrong_type(path):
    return model([node("Constant", [], ["y"], "c", value_int=1.5)], outputs=[tensor("y", [])])


@case("node 'c' \\(Constant\\): attribute 'value_int' is given twice")
def attribute_twice(path):
    constant = node("Constant", [], ["y"], "c", value_int=1)
    constant.attribute.append(helper.make_attribute("value_int", 2))
    return model([constant])


@case("node 'c' \\(Constant\\): attribute 'value_int' is of type INT but has no value")
def attribute_without_value(path):
    constant = node("Constant", [], ["y"], "c", value_int=1)
    constant.attribute[0].ClearField("i")
    return model([constant])


@case("node 'c' \\(Constant\\): attribute 'sparse_value' is of type SPARSE_TENSOR, which is not")
def sparse_attribute(path):
    sparse = helper.make_sparse_tensor(
        weight("v", [1]), numpy_helper.from_array(np.zeros(1, np.int64), "i"), [3]
    )
    return model([node("Constant", [], ["y"], "c", sparse_value=sparse)])


@case("node 'c' \\(Constant\\): attribute 'value' raw_data has 15 bytes, but 2x2xf32 needs 16")
def damaged_constant(path):
    return model([node("Constant", [], ["y"], "c", value=raw("v", [2, 2], b"\0" * 15))])


@case("node 'relu' \\(Relu\\): attribute 'a' refers to attribute 'b' of a function, but is in")
def reference_outside_of_function(path):
    relu = node("Relu", ["x"], ["y"])
    relu.attribute.append(onnx.AttributeProto(name="a", ref_attr_name="b", type=2))
    return model([relu])
