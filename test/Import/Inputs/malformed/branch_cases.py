# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""If, whose branches are graphs in a node."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from build import case, field, model, node, tensor

DEEP = 120


def branch(*nodes, outputs=("v",), inputs=(), initializers=()):
    return helper.make_graph(list(nodes), "branch", [tensor(name, [4, 3]) for name in inputs],
                             [tensor(name, [4, 3]) for name in outputs], list(initializers))


RELU = node("Relu", ["x"], ["v"], "inside")


def choice(then_branch=branch(RELU), else_branch=branch(RELU), before=(), **more):
    """y = x, through an If whose condition is true."""
    attributes = {"then_branch": then_branch, "else_branch": else_branch, **more}
    condition = numpy_helper.from_array(np.array(True), "true")
    return model(
        [*before, node("If", ["true"], ["y"], "choice",
                       **{key: value for key, value in attributes.items() if value is not None})],
        outputs=[tensor("y", [4, 3])], initializers=[condition])


@case("node 'choice' \\(If\\): the condition must be one boolean, but is 'tensor<4x3xf32>'")
def branch_of_floats(path):
    result = choice()
    result.graph.node[0].input[0] = "x"
    return result


@case("node 'choice' \\(If\\): lacks the attribute 'else_branch'")
def branch_missing(path):
    return choice(else_branch=None)


@case("node 'choice' \\(If\\): attribute 'else_branch' is of type INT, but should be GRAPH")
def branch_of_other_type(path):
    return choice(else_branch=1)


@case("node 'choice' \\(If\\): attribute 'else_branch' is a graph of 1 inputs and 1 outputs, but a "
      "branch has no input and an output for each of the 1 of the node")
def branch_with_input(path):
    return choice(else_branch=branch(RELU, inputs=["a"]))


@case("node 'choice' \\(If\\): attribute 'else_branch' is a graph of 0 inputs and 0 outputs")
def branch_without_output(path):
    return choice(else_branch=branch(RELU, outputs=[]))


@case("node 'inside' \\(NoSuch\\): the operator is not supported")
def branch_of_unknown_operator(path):
    return choice(branch(node("NoSuch", ["x"], ["v"], "inside")))


@case("node 'inside' \\(Add\\): input 'nowhere' is made by no node")
def branch_of_missing_value(path):
    return choice(branch(node("Add", ["x", "nowhere"], ["v"], "inside")))


@case("node 'choice' \\(If\\): output 'nowhere' of its graph 'branch' is made by no node")
def branch_of_missing_output(path):
    return choice(branch(RELU, outputs=["nowhere"]))


@case("node 'before' \\(Relu\\): depends on its own result: 'before' -> 'choice' -> 'before'")
def branch_of_cycle(path):
    return choice(branch(node("Relu", ["h"], ["v"], "inside")),
                  before=[node("Relu", ["y"], ["h"], "before")])


@case("initializer 'c': there are two of this name")
def branch_of_initializer_twice(path):
    values = [numpy_helper.from_array(np.ones(3, np.float32), "c")] * 2
    return choice(branch(node("Add", ["x", "c"], ["v"], "inside"), initializers=values))


@case("node 'choice' \\(If\\): attribute 'else_branch' is given twice")
def branch_twice(path):
    result = choice()
    result.graph.node[0].attribute.append(result.graph.node[0].attribute[0])
    return result


@case("node 'relu' \\(Relu\\): has the attribute 'body', which Relu does not have")
def graph_of_other_operator(path):
    return model([node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"], body=branch(RELU))])


@case("calls of functions and graphs in nodes are nested deeper than 100")
def branches_too_deep(path):
    # onnx reads and writes no message so deep. A message that is there twice is merged.
    then_branch = branch(RELU).SerializeToString()
    for i in range(DEEP):
        attribute = (onnx.AttributeProto(name="then_branch", type=onnx.AttributeProto.GRAPH)
                     .SerializeToString() + field(6, then_branch))
        rest = node("If", ["true"], ["y" if i == DEEP - 1 else "v"], f"if{i}",
                    else_branch=branch(RELU))
        then_branch = (branch().SerializeToString()
                       + field(1, rest.SerializeToString() + field(5, attribute)))
    result = choice()
    del result.graph.node[:]
    path.write_bytes(result.SerializeToString()
                     + field(7, then_branch[len(branch().SerializeToString()):]))


@case("function 'f' calls itself")
def branch_of_recursion(path):
    body = branch(helper.make_node("f", ["a"], ["v"], domain="local", name="again"))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    function = helper.make_function(
        "local", "f", ["a"], ["b"],
        [helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array(True))),
         helper.make_node("If", ["c"], ["b"], then_branch=body, else_branch=body)], opsets)
    return model([helper.make_node("f", ["x"], ["y"], domain="local")], opset=opsets,
                 outputs=[tensor("y", [4, 3])], functions=[function])
