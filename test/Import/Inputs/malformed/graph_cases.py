# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Graphs, operators and opsets that do not hold together."""
import numpy as np
from onnx import TensorProto, helper

from build import case, model, node, tensor, weight


@case("node 'a' \\(Add\\): depends on its own result: 'a' -> 'b' -> 'a'")
def cycle(path):
    return model(
        [
            node("Add", ["x", "q"], ["p"], "a"),
            node("Relu", ["p"], ["q"], "b"),
            node("Relu", ["q"], ["y"], "c"),
        ]
    )


@case("node 'a' \\(Add\\): depends on its own result: 'a' -> 'a'")
def self_loop(path):
    return model([node("Add", ["x", "y"], ["y"], "a")])


@case("node 'matmul' \\(MatMul\\): input 'nowhere' is made by no node")
def missing_input(path):
    return model([node("MatMul", ["x", "nowhere"], ["y"])])


@case("node 'b' \\(Relu\\): output 'y' is made by node 'a' \\(Relu\\) as well")
def tensor_made_twice(path):
    return model([node("Relu", ["x"], ["y"], "a"), node("Relu", ["x"], ["y"], "b")])


@case("node 'relu' \\(Relu\\): output 'w' is an input or initializer of the graph, too")
def initializer_overwritten(path):
    return model([node("Relu", ["x"], ["w"])], outputs=[tensor("w", [4, 3])])


@case("output 'nowhere' of the graph is made by no node")
def missing_output(path):
    return model(outputs=[tensor("nowhere", [4, 2])])


@case("the graph has no output")
def no_output(path):
    return model(outputs=[])


@case("output 'y' is there twice")
def output_twice(path):
    return model(outputs=[tensor("y", [4, 2])] * 2)


@case("input 'x' is there twice")
def input_twice(path):
    return model(inputs=[tensor("x", [4, 3])] * 2)


@case("has an input without a name")
def nameless_input(path):
    return model(inputs=[tensor("x", [4, 3]), tensor("", [4, 3])])


@case("node 'odd' \\(Frobnicate\\): the operator is not supported")
def unknown_operator(path):
    return model([node("Frobnicate", ["x"], ["y"], "odd")])


@case(
    "3 nodes cannot be imported: Frobnicate \\(2 nodes, the first is 'a'\\), "
    "Repeat \\(1 node, 'c'\\)"
)
def unknown_operators(path):
    return model(
        [
            node("Frobnicate", ["x"], ["p"], "a"),
            node("Frobnicate", ["p"], ["q"], "b"),
            node("Repeat", ["q"], ["y"], "c", body=helper.make_graph([], "g", [], [])),
        ]
    )


@case("node 'odd' \\(Relu\\): the operator is not supported \\(domain com.acme\\)")
def unknown_domain(path):
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.acme", 1)]
    return model([node("Relu", ["x"], ["y"], "odd", domain="com.acme")], opset=opsets)


@case("node 'matmul' \\(MatMul\\): the model imports no opset of the domain ai.onnx")
def no_opset(path):
    return model([node("MatMul", ["x", "w"], ["y"])], opset=[])


@case("imports version 999 of the opset ai.onnx, but the newest known is 28")
def opset_999(path):
    return model(opset=999)


@case("imports version -5 of the opset ai.onnx")
def negative_opset(path):
    return model(opset=-5)


@case("node 'reshape' \\(Reshape\\): .*must be known at compile time: a constant or an "
      "initializer that no training step changes, or an input that --bind=shape=VALUE fixes, or "
      "the shape of output 'y' must be declared in the model, all of it")
def computed_shape(path):
    return model(
        [node("Reshape", ["x", "shape"], ["y"])],
        inputs=[tensor("x", [4, 3]), tensor("shape", [1], TensorProto.INT64)],
        outputs=[tensor("y", None)],
    )


@case("node 'reshape' \\(Reshape\\): output 'y' is declared as \\[5, 2\\], which no value of input "
      "1, 'shape', a 'tensor<2xi64>', gives from 'tensor<4x3xf32>'")
def impossible_shape(path):
    return model(
        [node("Reshape", ["x", "shape"], ["y"])],
        inputs=[tensor("x", [4, 3]), tensor("shape", [2], TensorProto.INT64)],
        outputs=[tensor("y", [5, 2])],
    )


@case("function 'F' calls itself")
def recursive_function(path):
    function = helper.make_function(
        "local", "F", ["a"], ["b"], [node("F", ["a"], ["b"], domain="local")],
        [helper.make_opsetid("local", 1)],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return model(
        [node("F", ["x"], ["y"], "call", domain="local")], opset=opsets, functions=[function]
    )


@case("has more than 300000 nodes once its functions are inlined")
def function_bomb(path):
    functions = [
        helper.make_function(
            "local", "F0", ["a"], ["b"], [node("Relu", ["a"], ["b"])],
            [helper.make_opsetid("", 17)],
        )
    ]
    for depth in range(1, 12):
        names = ["a"] + [f"t{i}" for i in range(9)] + ["b"]
        calls = [
            node(f"F{depth - 1}", [names[i]], [names[i + 1]], domain="local") for i in range(10)
        ]
        functions.append(
            helper.make_function(
                "local", f"F{depth}", ["a"], ["b"], calls, [helper.make_opsetid("local", 1)]
            )
        )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return model(
        [node("F11", ["x"], ["y"], domain="local")], opset=opsets, functions=functions
    )


LOCAL = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
SAME = [tensor("y", [4, 3])]  # as x is


def local(name, nodes, inputs=("a",), outputs=("b",)):
    return helper.make_function("local", name, list(inputs), list(outputs), nodes, LOCAL)


def call(functions, inputs=("x",), outputs=("y",)):
    """A model that calls the function F."""
    calls = [node("F", list(inputs), list(outputs), "call", domain="local")]
    return model(calls, outputs=SAME, opset=LOCAL, functions=functions)


@case("depends on its own result: 'a' -> 'b' -> 'c' -> 'a'")
def cycle_of_three(path):
    return model([node("Add", ["x", "c"], ["a"], "a"), node("Relu", ["a"], ["b"], "b"),
                  node("Neg", ["b"], ["c"], "c"), node("MatMul", ["c", "w"], ["y"])])


@case("node 'p' \\(Neg\\): depends on its own result: 'p' -> 'q' -> 'p'")
def cycle_that_nothing_reads(path):
    return model([node("MatMul", ["x", "w"], ["y"]), node("Neg", ["q"], ["p"], "p"),
                  node("Neg", ["p"], ["q"], "q")])


@case("imports versions 17 and 13 of the opset ai.onnx")
def opset_twice(path):
    return model(opset=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx", 13)])


@case("function 'F' of the domain local is there twice")
def function_twice(path):
    return call([local("F", [node("Relu", ["a"], ["b"])]), local("F", [node("Neg", ["a"], ["b"])])])


@case("function 'F' calls itself")
def functions_that_call_each_other(path):
    return call([local("F", [node("G", ["a"], ["b"], domain="local")]),
                 local("G", [node("F", ["a"], ["b"], domain="local")])])


@case("node 'call/far' \\(Far\\): the operator is not supported \\(domain far\\)")
def function_of_an_unknown_domain(path):
    return call([local("F", [node("Far", ["a"], ["b"], domain="far")])])


@case("node 'call' \\(F\\): has 2 inputs and 1 outputs, but function 'F' has 1 and 1")
def function_with_too_many_inputs(path):
    return call([local("F", [node("Relu", ["a"], ["b"])])], inputs=["x", "x"])


@case("node 'call' \\(F\\): has 1 inputs and 2 outputs, but function 'F' has 1 and 1")
def function_with_too_many_outputs(path):
    return call([local("F", [node("Relu", ["a"], ["b"])])], outputs=["y", "z"])


@case("node 'call/add' \\(Add\\): input 'call/q' is made by no node")
def function_with_a_missing_input(path):
    return call([local("F", [node("Add", ["a", "q"], ["b"])])])


@case("output 'y' of the graph is made by no node")
def function_with_a_missing_output(path):
    return call([local("F", [node("Relu", ["a"], ["c"])])])


@case("node 'add' \\(Add\\): has 1 inputs, but Add takes 2")
def too_few_inputs(path):
    return model([node("Add", ["x"], ["y"])], outputs=SAME)


@case("node 'add' \\(Add\\): has 1 inputs, but Add takes 2")
def required_input_left_out(path):
    return model([node("Add", ["x", ""], ["y"])], outputs=SAME)


@case("node 'relu' \\(Relu\\): ")
def too_many_inputs(path):
    return model([node("Relu", ["x", "x"], ["y"])], outputs=SAME)


@case("node 'relu' \\(Relu\\): has output 1, 'z', which Relu does not give here")
def too_many_outputs(path):
    return model([node("Relu", ["x"], ["y", "z"])], outputs=SAME)


@case("node 'relu' \\(Relu\\): has the attribute 'alpha', which Relu does not have in opset 17$")
def attribute_of_another_operator(path):
    return model([node("Relu", ["x"], ["y"], alpha=0.1)], outputs=SAME)


@case("\\(ReduceSum\\): has the attribute 'axes', which ReduceSum does not have in opset 17$")
def attribute_of_an_older_version(path):
    """An input since opset 13: all axes would be summed."""
    return model(
        [node("ReduceSum", ["x"], ["y"], axes=[1], keepdims=0)], outputs=[tensor("y", [4])]
    )


@case("\\(Reshape\\): has the attribute 'allowzero', which Reshape does not have in opset 13$")
def attribute_of_a_newer_version(path):
    shape = weight("shape", [2], np.int64)
    nodes = [node("Reshape", ["x", "shape"], ["y"], allowzero=1)]
    return model(nodes, [tensor("x", [1, 1])], [tensor("y", [1, 1])], [shape], opset=13)


@case("\\(Softmax\\): has the attributes 'axes', 'dim', which Softmax does not have in opset 17$")
def attributes_misspelt(path):
    return model([node("Softmax", ["x"], ["y"], dim=0, axes=0)], outputs=SAME)


@case("\\(Adam\\): has the attribute 'beta1', which Adam does not have in opset 1 of ai.onnx.preview")
def attribute_of_an_optimizer(path):
    domain = "ai.onnx.preview.training"
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    inputs = [tensor("r", []), tensor("t", [], TensorProto.INT64)]
    inputs += [tensor(name, [3]) for name in "xgvh"]
    step = node("Adam", ["r", "t", *"xgvh"], ["y", "v2", "h2"], domain=domain, beta1=0.5)
    return model([step], inputs, [tensor("y", [3])], [], opset=opsets)
