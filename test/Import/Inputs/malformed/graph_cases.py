# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Graphs, operators and opsets that do not hold together."""
from onnx import TensorProto, helper

from build import case, model, node, tensor


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
    "Loop \\(1 node, 'c'\\)"
)
def unknown_operators(path):
    return model(
        [
            node("Frobnicate", ["x"], ["p"], "a"),
            node("Frobnicate", ["p"], ["q"], "b"),
            node("Loop", ["q"], ["y"], "c", body=helper.make_graph([], "g", [], [])),
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


@case("node 'reshape' \\(Reshape\\): .*must be known at compile time")
def computed_shape(path):
    return model(
        [node("Reshape", ["x", "shape"], ["y"])],
        inputs=[tensor("x", [4, 3]), tensor("shape", [1], TensorProto.INT64)],
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
