# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Loops, scans and sequences, which are written out at compile time."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from build import case, model, node, tensor

F, I, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
NUMBERS = {"n": np.array(3), "yes": np.array(True), "no": np.array(False), "at": np.array(7),
           "pair": np.array([1, 2]), "parts": np.array([1, 4]), "none": np.array(0)}


def numbers():
    return [numpy_helper.from_array(value, name) for name, value in NUMBERS.items()]


def body(*nodes, inputs=("i", "c", "h"), outputs=("c2", "h2"), given=None):
    nodes = nodes or (node("Identity", ["c"], ["c2"]), node("Tanh", ["h"], ["h2"], "inside"))
    kinds = given or {"i": (I, []), "c": (B, [])}
    return helper.make_graph(
        list(nodes), "body",
        [tensor(name, kinds[name][1], kinds[name][0]) if name in kinds
         else onnx.ValueInfoProto(name=name) for name in inputs],
        [onnx.ValueInfoProto(name=name) for name in outputs])


def graph(*nodes, inputs=(), opset=17, outputs=("y",)):
    """A model of these nodes on x, which is [4, 3]."""
    return model(list(nodes), inputs=[tensor("x", [4, 3]), *inputs], opset=opset,
                 outputs=[onnx.ValueInfoProto(name=name) for name in outputs],
                 initializers=numbers())


def loop(given=body(), inputs=("n", "yes", "x"), outputs=("y",), given_inputs=()):
    return graph(node("Loop", list(inputs), list(outputs), "loop", body=given), outputs=outputs,
                 inputs=given_inputs)


@case("node 'loop' \\(Loop\\): input 0 \\(the number of iterations\\), 'k', must be known at "
      "compile time")
def loop_of_unknown_count(path):
    return loop(inputs=("k", "yes", "x"), given_inputs=[tensor("k", [], I)])


@case("node 'loop' \\(Loop\\): the number of iterations must be one, but has 2 elements")
def loop_of_two_counts(path):
    return loop(inputs=("pair", "yes", "x"))


@case("node 'loop' \\(Loop\\): the condition is not known at compile time, where iterations are "
      "written out: it may hang on constants and on the iteration's number alone")
def loop_of_unknown_condition(path):
    return loop(inputs=("n", "k", "x"), given_inputs=[tensor("k", [], B)])


@case("node 'loop' \\(Loop\\): the condition after iteration 0 is not known at compile time")
def loop_while_of_values(path):
    nodes = [node("ReduceSum", ["h"], ["s"], keepdims=0), node("Cast", ["s"], ["c2"], to=B),
             node("Tanh", ["h"], ["h2"])]
    return loop(body(*nodes))


@case("node 'loop' \\(Loop\\): the condition after iteration 0 must be one boolean, but is "
      "'?tensor<4x3xf32>'?")
def loop_while_of_floats(path):
    return loop(body(node("Tanh", ["h"], ["c2"]), node("Tanh", ["h"], ["h2"])))


@case("node 'loop' \\(Loop\\): has neither a number of iterations nor a condition: it never ends")
def loop_without_end(path):
    return loop(inputs=("", "", "x"))


@case("node 'loop' \\(Loop\\): is written out at compile time: 5001 iterations of 2 nodes are "
      "more than the 10000 that can be; use fewer iterations, or operators on whole tensors")
def loop_while_true(path):
    return loop(inputs=("", "yes", "x"))


@case("node 'loop' \\(Loop\\): is written out at compile time: 9223372036854775807 iterations of "
      "2 nodes are more than the 10000 that can be")
def loop_of_most_iterations(path):
    result = loop(inputs=("many", "", "x"))
    result.graph.initializer.append(
        numpy_helper.from_array(np.array(2**63 - 1, np.int64), "many"))
    return result


@case("node 'inner' \\(Loop\\): the graphs in nodes are more than 10000 nodes once all that they "
      "repeat is written out")
def loop_in_loop(path):
    inner = body(node("Identity", ["d"], ["d2"]), node("Tanh", ["g"], ["g2"]),
                 inputs=("j", "d", "g"), outputs=("d2", "g2"), given={"j": (I, []), "d": (B, [])})
    result = loop(body(node("Identity", ["c"], ["c2"]),
                       node("Loop", ["many", "c", "h"], ["h2"], "inner", body=inner)),
                  inputs=("many", "yes", "x"))
    result.graph.initializer.append(numpy_helper.from_array(np.array(1000, np.int64), "many"))
    return result


@case("node 'loop' \\(Loop\\): lacks the attribute 'body'")
def loop_without_body(path):
    return graph(node("Loop", ["n", "yes", "x"], ["y"], "loop"))


@case("node 'loop' \\(Loop\\): attribute 'body' is a graph of 2 inputs and 2 outputs, but a loop "
      "that carries 1 value and has 1 outputs takes 3 inputs")
def loop_of_short_body(path):
    return loop(body(node("Identity", ["c"], ["c2"]), node("Tanh", ["x"], ["h2"]),
                     inputs=("i", "c")))


@case("node 'loop' \\(Loop\\): attribute 'body' is a graph of 3 inputs and 2 outputs, but a loop "
      "that carries 1 value and has 2 outputs")
def loop_of_few_outputs(path):
    return loop(outputs=("y", "z"))


@case("node 'loop' \\(Loop\\): leaves out what an iteration carries to the next")
def loop_of_nothing_carried(path):
    return loop(body(inputs=("i", "c", "h", "g"), outputs=("c2", "h2", "h2")),
                inputs=("n", "yes", "", "x"))


@case("node 'loop' \\(Loop\\): output 1 of its graph is 'tensor<4x3xi64>', but what it carries on "
      "is 'tensor<4x3xf32>'")
def loop_that_changes_types(path):
    return loop(body(node("Identity", ["c"], ["c2"]), node("Cast", ["h"], ["h2"], to=I)))


@case("node 'loop' \\(Loop\\): what is stacked must have one shape, but there are "
      "'tensor<4x3xf32>' and 'tensor<8x3xf32>'")
def loop_of_growing_rows(path):
    nodes = [node("Identity", ["c"], ["c2"]), node("Concat", ["h", "h"], ["h2"], axis=0)]
    return loop(body(*nodes, outputs=("c2", "h2", "h")), outputs=("y", "z"))


@case("node 'loop' \\(Loop\\): runs no iteration, and its graph does not declare the shape of its "
      "output 2")
def loop_of_no_iteration(path):
    return loop(body(outputs=("c2", "h2", "h2")), inputs=("none", "yes", "x"), outputs=("y", "z"))


@case("node 'loop' \\(Loop\\): output 2 of its graph is a sequence, but must be a tensor")
def loop_that_stacks_sequences(path):
    nodes = [node("Identity", ["c"], ["c2"]), node("Tanh", ["h"], ["h2"]),
             node("SequenceConstruct", ["h"], ["s"])]
    return loop(body(*nodes, outputs=("c2", "h2", "s")), outputs=("y", "z"))


def scan(outputs=("y", "z"), opset=17, inputs=("x",), **attributes):
    given = body(node("Tanh", ["h"], ["t"], "inside"), inputs=("h",), outputs=("t",))
    attributes = {"body": given, "num_scan_inputs": 1, **attributes}
    return graph(node("Scan", list(inputs), ["y"], "scan", **attributes), opset=opset)


@case("node 'scan' \\(Scan\\): attribute 'num_scan_inputs' is 2, but there are 1 inputs")
def scan_of_many(path):
    return scan(num_scan_inputs=2)


@case("node 'scan' \\(Scan\\): attribute 'num_scan_inputs' is 0, but there are 1 inputs, of which "
      "at least 1 is scanned")
def scan_of_nothing(path):
    return scan(num_scan_inputs=0)


@case("node 'scan' \\(Scan\\): axis 2 is out of range")
def scan_of_missing_axis(path):
    return scan(scan_input_axes=[2])


@case("node 'scan' \\(Scan\\): axis 5 is out of range")
def scan_to_missing_axis(path):
    return scan(scan_output_axes=[5])


@case("node 'scan' \\(Scan\\): attribute 'scan_input_axes' has 2 numbers, but should have 1")
def scan_of_two_axes(path):
    return scan(scan_input_axes=[0, 1])


@case("node 'scan' \\(Scan\\): attribute 'scan_output_directions' has the direction 2: 0 is "
      "forward, 1 is from the end")
def scan_sideways(path):
    return scan(scan_output_directions=[2])


@case("node 'scan' \\(Scan\\): scans 'tensor<4x3xf32>' along axis 0 and 'tensor<4x3xf32>' along "
      "axis 1, whose extents differ")
def scan_of_other_extents(path):
    given = body(node("Tanh", ["h"], ["t"]), inputs=("h", "g"), outputs=("t",))
    return scan(inputs=("x", "x"), body=given, num_scan_inputs=2, scan_input_axes=[0, 1])


@case("node 'scan' \\(Scan\\): a sample has the length 5, which is not from 0 to 3")
def scan_beyond_end(path):
    result = scan(inputs=("lengths", "x"), opset=8)
    result.graph.initializer.append(
        numpy_helper.from_array(np.array([1, 5, 1, 1], np.int64), "lengths"))
    return result


@case("node 'at' \\(SequenceAt\\): position 7 is out of range: the sequence has 4 tensors")
def sequence_beyond_end(path):
    return graph(node("SplitToSequence", ["x"], ["s"]), node("SequenceAt", ["s", "at"], ["y"], "at"))


@case("node 'at' \\(SequenceAt\\): input 1 \\(position\\), 'k', must be known at compile time")
def sequence_at_unknown(path):
    return graph(node("SplitToSequence", ["x"], ["s"]), node("SequenceAt", ["s", "k"], ["y"], "at"),
                 inputs=[tensor("k", [], I)])


@case("node 'at' \\(SequenceAt\\): input 0, 'x', is 'tensor<4x3xf32>', but should be a sequence")
def sequence_of_tensor(path):
    return graph(node("SequenceAt", ["x", "n"], ["y"], "at"))


@case("node 'relu' \\(Relu\\): input 0, 's', is a sequence of 4 tensors, but should be a tensor")
def tensor_of_sequence(path):
    return graph(node("SplitToSequence", ["x"], ["s"]), node("Relu", ["s"], ["y"]))


@case("node 'split' \\(SplitToSequence\\): parts of \\[1, 4\\] do not make up the 4 elements along "
      "axis 0 of 'tensor<4x3xf32>'")
def sequence_of_wrong_parts(path):
    return graph(node("SplitToSequence", ["x", "parts"], ["s"], "split"),
                 node("SequenceAt", ["s", "none"], ["y"]))


@case("node 'split' \\(SplitToSequence\\): splits into parts of 0 elements")
def sequence_of_empty_parts(path):
    return graph(node("SplitToSequence", ["x", "none"], ["s"], "split"),
                 node("SequenceAt", ["s", "none"], ["y"]))


@case("node 'build' \\(SequenceConstruct\\): the tensors of a sequence have one element type, but "
      "there are 'tensor<4x3xf32>' and 'tensor<i64>'")
def sequence_of_two_types(path):
    return graph(node("SequenceConstruct", ["x", "n"], ["s"], "build"),
                 node("SequenceAt", ["s", "none"], ["y"]))


@case("node 'build' \\(SequenceConstruct\\): a sequence cannot be an element of a sequence")
def sequence_of_sequences(path):
    return graph(node("SplitToSequence", ["x"], ["s"]),
                 node("SequenceConstruct", ["s", "s"], ["t"], "build"),
                 node("SequenceAt", ["t", "none"], ["y"]))


@case("node 'erase' \\(SequenceErase\\): the sequence has no tensor to erase")
def sequence_that_is_empty(path):
    return graph(node("SequenceEmpty", [], ["s"]), node("SequenceErase", ["s"], ["y"], "erase"))


@case("output 'y' is a sequence without a tensor, which no file can hold")
def sequence_for_output_that_is_empty(path):
    return graph(node("SequenceEmpty", [], ["y"]))


@case("there are two outputs 'y\\[1\\]': the tensors of a sequence are called by its name and a "
      "number")
def sequence_named_as_output(path):
    return graph(node("SplitToSequence", ["x"], ["y"]), node("Relu", ["x"], ["y[1]"]),
                 outputs=("y[1]", "y"))


def with_sequence_input():
    element = helper.make_tensor_type_proto(F, [None, 3])
    kind = helper.make_sequence_type_proto(element)
    return graph(node("SequenceAt", ["s", "none"], ["y"]),
                 inputs=[helper.make_value_info("s", kind)])


@case("input 's' is a sequence, of which --sequence=s=SHAPE,.. must give the shapes of its tensors, "
      "such as 2x3,4x3")
def sequence_of_unknown_length(path):
    return with_sequence_input()


@case("input 's': --sequence gives it the tensor 2x4xf32, but it is declared as a sequence of "
      "\\?x3xf32", "--sequence=s=2x3,2x4")
def sequence_of_other_shape(path):
    return with_sequence_input()


@case("--sequence=t: the graph has no input of that name that is a sequence", "--sequence=t=2",
      "--sequence=s=2x3")
def sequence_that_is_not_there(path):
    return with_sequence_input()


@case("input 's': is too large: 4611686018427387904x3xf32", "--sequence=s=4611686018427387904x3")
def sequence_that_is_too_large(path):
    return with_sequence_input()


@case("node 'map' \\(SequenceMap\\): has sequences of 4 and 3 tensors")
def map_of_other_lengths(path):
    given = body(node("Add", ["a", "b"], ["v"]), inputs=("a", "b"), outputs=("v",))
    return graph(node("SplitToSequence", ["x"], ["s"], keepdims=0),
                 node("SplitToSequence", ["x"], ["t"], axis=1, keepdims=0),
                 node("SequenceMap", ["s", "t"], ["u"], "map", body=given),
                 node("SequenceAt", ["u", "none"], ["y"]))


@case("node 'choice' \\(If\\): the condition 'k' is not known at compile time, so that both branches "
      "must give the same shapes, but output 0 is 'tensor<4x3xf32>' and 'tensor<8x3xf32>'")
def branches_of_two_shapes(path):
    def branch(*nodes):
        return helper.make_graph(list(nodes), "branch", [], [onnx.ValueInfoProto(name="v")])
    return graph(node("If", ["k"], ["y"], "choice", then_branch=branch(node("Tanh", ["x"], ["v"])),
                      else_branch=branch(node("Concat", ["x", "x"], ["v"], axis=0))),
                 inputs=[tensor("k", [], B)])


@case("node 'choice' \\(If\\): the condition 'k' is not known at compile time, so that both branches "
      "are computed, but one updates running statistics: make it a constant, or compile with "
      "--train-mode=off", "--train-mode=on")
def branch_that_keeps_statistics(path):
    def branch(*nodes):
        return helper.make_graph(list(nodes), "branch", [], [onnx.ValueInfoProto(name="v")])
    norm = node("BatchNormalization", ["x", "one", "one", "mean", "one"], ["v"], "norm")
    result = graph(node("If", ["k"], ["y"], "choice", then_branch=branch(norm),
                        else_branch=branch(node("Tanh", ["x"], ["v"]))),
                   inputs=[tensor("k", [], B)])
    for name in ("one", "mean"):
        result.graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), name))
    return result
