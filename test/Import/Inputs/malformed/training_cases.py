# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Entries of training_info that break the rules of TrainingInfoProto."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from build import case, model, node, tensor, weight


def algorithm(nodes=None, outputs=None, initializers=()):
    """One step: w_new = w + w."""
    return helper.make_graph(
        nodes or [node("Add", ["w", "w"], ["w_new"])],
        "algorithm",
        [],
        outputs or [tensor("w_new", [3, 2])],
        list(initializers),
    )


def initialization(inputs=()):
    zeros = numpy_helper.from_array(np.zeros((3, 2), np.float32), "zeros")
    outputs = [tensor("zeros", [3, 2])]
    return helper.make_graph([], "initialization", list(inputs), outputs, [zeros])


def training(*entries):
    """The model with entries of (algorithm, updates, initialization, initial values)."""
    result = model()
    for entry in entries:
        step, updates, initial, values = (*entry, None, None)[:4]
        result.training_info.append(helper.make_training_info(step, updates, initial, values))
    return result


RIGHT = [("w", "w_new")]


@case("training_info\\[0\\]: update_binding changes 'v', which is no initializer of the graph or")
def update_of_no_variable(path):
    return training((algorithm(), [("v", "w_new")]))


@case("training_info\\[0\\]: update_binding changes 'h', which is no initializer")
def update_of_computed_value(path):
    return training((algorithm(), [("h", "w_new")]))


@case("update_binding gives 'w' the value of 'h', which is no output of the graph or the algorithm")
def update_with_inner_value(path):
    return training((algorithm(), [("w", "h")]))


@case("training_info\\[0\\]: update_binding changes 'w' twice")
def two_updates(path):
    return training((algorithm(), RIGHT * 2))


@case("training_info\\[1\\]: update_binding changes 'w', as that of training_info\\[0\\] does")
def two_updates_in_two_entries(path):
    return training((algorithm(), RIGHT), (algorithm(), RIGHT))


@case("training_info: 'w_new' is 3x2x1xf32, but 'w', which it updates, is 3x2xf32")
def update_of_wrong_shape(path):
    shape = numpy_helper.from_array(np.array([3, 2, 1]), "shape")
    step = algorithm(
        [node("Reshape", ["w", "shape"], ["w_new"])], [tensor("w_new", [3, 2, 1])], [shape]
    )
    return training((step, RIGHT))


@case("training_info\\[0\\]: the initialization graph has the input 'seed', but must have none")
def initialization_with_input(path):
    initial = initialization([tensor("seed", [1])])
    return training((algorithm(), RIGHT, initial, [("w", "zeros")]))


@case("training_info\\[0\\]: has an initialization_binding, but no initialization graph")
def initialization_missing(path):
    result = training((algorithm(), RIGHT))
    result.training_info[0].initialization_binding.add(key="w", value="zeros")
    return result


@case("initialization_binding gives 'w' the value of 'ones', which is no output of")
def initialization_without_value(path):
    return training((algorithm(), RIGHT, initialization(), [("w", "ones")]))


@case("has 2 entries of training_info: choose one with --training-info=K, from 0 to 1")
def entry_not_chosen(path):
    second = algorithm(initializers=[weight("v")])
    return training((algorithm(), RIGHT), (second, [("v", "w_new")]))


@case("--training-info=3: the model has 1 entry, counted from 0", "--training-info=3")
def entry_out_of_range(path):
    return training((algorithm(), RIGHT))


@case("--training-info=0: the model has no training_info", "--training-info=0")
def no_entry(path):
    return model()


@case("--train and --freeze do not apply: the update bindings", "--freeze=w")
def freeze_what_a_binding_trains(path):
    return training((algorithm(), RIGHT))


@case("initializer 'w': there are two of this name")
def initializer_in_both_graphs(path):
    return training((algorithm(initializers=[weight()]), RIGHT))


@case("node 'add' \\(Add\\): output 'h' is made by node 'matmul' \\(MatMul\\) as well")
def tensor_in_both_graphs(path):
    step = algorithm([node("Add", ["w", "w"], ["h"])], [tensor("h", [3, 2])])
    return training((step, [("w", "h")]))


@case("node 'relu' \\(Relu\\): input 'w_new' is made by no node")
def graph_reads_from_algorithm(path):
    result = training((algorithm(), RIGHT))
    result.graph.node[1].input[0] = "w_new"
    return result


@case("node 'adam' \\(Adam\\): ")
def optimizer_without_operands(path):
    adam = node("Adam", ["w"], ["w_new"], domain="ai.onnx.preview.training")
    result = training((algorithm([adam]), RIGHT))
    result.opset_import.add(domain="ai.onnx.preview.training", version=1)
    return result


@case("initializer 't': element type COMPLEX64 is not supported")
def counter_of_unsupported_type(path):
    counter = TensorProto(name="t", data_type=TensorProto.COMPLEX64, raw_data=b"\0" * 8)
    step = algorithm(initializers=[counter])
    return training((step, RIGHT))
