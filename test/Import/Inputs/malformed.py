# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles models that are wrong, one way each, and checks what ampc says.

    malformed.py WORK_FOLDER AMPC

For each: exit code 1, nothing on standard output, one error on standard error, which starts with
the file's name and matches the case's pattern, and no output file.
"""
import gzip
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

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


# The file.


@case("cannot open the model: No such file or directory")
def missing_file(path):
    pass


@case("is empty, not an ONNX model")
def empty_file(path):
    path.write_bytes(b"")


@case("is a directory, not an ONNX model")
def directory(path):
    path.mkdir()


@case("is a pipe, not an ONNX model")
def pipe(path):
    os.mkfifo(path)


@case("is a device, not an ONNX model")
def device(path):
    path.symlink_to("/dev/zero")


@case("(cannot open the model|is a socket)")
def socket_file(path):
    here = os.getcwd()
    os.chdir(path.parent)  # addresses of sockets are short
    socket.socket(socket.AF_UNIX).bind(path.name)
    os.chdir(here)


@case("cannot open the model: Too many levels of symbolic links")
def link_to_itself(path):
    path.symlink_to(path.name)


@case("has 3221225472 bytes, but protobuf's limit is 2 GiB: .*external data")
def three_gibibytes(path):
    with open(path, "wb") as file:
        file.truncate(3 << 30)


@case("cannot be parsed: the file is truncated, damaged or not an ONNX model")
def one_byte(path):
    path.write_bytes(b"\x08")


@case("it looks like a text file")
def text(path):
    path.write_text("Not a model.\n")


@case("it looks like a gzip archive")
def gzipped(path):
    path.write_bytes(gzip.compress(model().SerializeToString(), mtime=0))


@case("it looks like a zip archive")
def pytorch_checkpoint(path):
    np.savez(path, x=np.zeros(3))
    os.rename(str(path) + ".npz", path)


@case("it looks like protobuf text")
def protobuf_text(path):
    path.write_text(str(model()))


@case("cannot be parsed: the file is truncated")
def truncated_by_one(path):
    path.write_bytes(model().SerializeToString()[:-1])


@case("cannot be parsed: the file is truncated")
def truncated_in_the_middle(path):
    data = model().SerializeToString()
    path.write_bytes(data[: len(data) // 2])


@case("cannot be parsed")
def random_bytes(path):
    path.write_bytes(np.random.RandomState(0).bytes(4096))


@case("cannot be parsed")
def endless_varint(path):
    path.write_bytes(b"\x08" + b"\xff" * 11)


@case("cannot be parsed")
def nested_too_deeply(path):
    def field(number, content):
        length = len(content)
        encoded = b""
        while length > 127:
            encoded += bytes([length & 127 | 128])
            length >>= 7
        return bytes([number << 3 | 2]) + encoded + bytes([length]) + content

    graph = b""
    for _ in range(100):  # graph in attribute in node
        graph = field(1, field(5, field(6, graph)))
    path.write_bytes(b"\x08\x08" + field(7, graph))


@case("is not an ONNX model: it has no graph")
def no_graph(path):
    return onnx.ModelProto(ir_version=8)


@case("is not an ONNX model: its ir_version is 0")
def ir_version_0(path):
    result = model()
    result.ir_version = 0
    return result


@case("has ir_version 99, but the newest known is 14")
def ir_version_99(path):
    result = model()
    result.ir_version = 99
    return result


# The graph.


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


# Types and shapes.


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


@case("--batch=0: the size must be positive", "--batch=0")
def zero_batch(path):
    return model(inputs=[tensor("x", ["N", 3])])


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
def sequence_input(path):
    return model(
        inputs=[helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [4, 3])]
    )


@case("input 'x': element type STRING is not supported")
def string_input(path):
    return model(inputs=[tensor("x", [4, 3], TensorProto.STRING)])


@case("input 'x': element type 99 is not supported")
def unknown_type(path):
    return model(inputs=[tensor("x", [4, 3], 99)])


# Attributes.


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


# Initializers.


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


# External data. `data.bin` of 24 bytes lies beside each model.


def external(**entries):
    result = TensorProto(name="w", data_type=1, dims=[3, 2], data_location=1)
    for key, value in entries.items():
        result.external_data.add(key=key, value=value)
    return model(initializers=[result])


@case("initializer 'w': external data '../data.bin' is not a path inside of the model's folder")
def external_above(path):
    (path.parent.parent / "data.bin").write_bytes(b"\0" * 24)
    return external(location="../data.bin")


@case("initializer 'w': external data 'a/../../data.bin' is not a path inside of")
def external_above_nested(path):
    (path.parent / "a").mkdir()
    return external(location="a/../../data.bin")


@case("initializer 'w': external data '/dev/zero' is not a path inside of the model's folder")
def external_absolute(path):
    return external(location="/dev/zero")


@case("external data '' is not a path inside of the model's folder")
def external_nowhere(path):
    return external(location="")


@case("initializer 'w': external data has no 'location'")
def external_without_location(path):
    return external(offset="0")


@case("external data 'none.bin' cannot be opened: No such file")
def external_missing(path):
    return external(location="none.bin")


@case("external data 'link.bin' is reached through a symbolic link")
def external_link(path):
    (path.parent / "link.bin").symlink_to("data.bin")
    return external(location="link.bin")


@case("external data 'link/data.bin' is reached through a symbolic link")
def external_link_to_folder(path):
    (path.parent / "link").symlink_to(".")
    return external(location="link/data.bin")


@case("external data 'hard.bin' has other names \\(hard links\\)")
def external_hard_link(path):
    os.link(path.parent / "data.bin", path.parent / "hard.bin")
    return external(location="hard.bin")


@case("external data 'folder' is not a regular file")
def external_directory(path):
    (path.parent / "folder").mkdir()
    return external(location="folder")


@case("external data 'pipe' is not a regular file")
def external_pipe(path):
    os.mkfifo(path.parent / "pipe")
    return external(location="pipe")


@case("external data 'data.bin.x00/x' cannot be opened|is not a path inside")
def external_nul(path):
    return external(location="data.bin\0/x")


@case("external data has the offset '-4', which is no size")
def external_negative_offset(path):
    return external(location="data.bin", offset="-4")


@case("external data has the offset '4x', which is no size")
def external_odd_offset(path):
    return external(location="data.bin", offset="4x")


@case("external data has the offset '9223372036854775808', which is no size")
def external_overflowing_offset(path):
    return external(location="data.bin", offset="9223372036854775808")


@case("external data 'data.bin' has 24 bytes, too few for 24 from 4 on")
def external_past_the_end(path):
    return external(location="data.bin", offset="4")


@case("external data 'data.bin' has 24 bytes, too few for 24 from 9223372036854775807 on")
def external_offset_at_the_limit(path):
    return external(location="data.bin", offset="9223372036854775807")


@case("external data has the length 12, but 3x2xf32 needs 24 bytes")
def external_wrong_length(path):
    return external(location="data.bin", length="12")


@case("external data has two entries 'offset'")
def external_offset_twice(path):
    result = external(location="data.bin", offset="0")
    result.graph.initializer[0].external_data.add(key="offset", value="8")
    return result


@case("initializer 'w': has external data and data in the file as well")
def external_and_raw(path):
    result = external(location="data.bin")
    result.graph.initializer[0].raw_data = b"\0" * 24
    return result


# Flags that do not fit the model.


@case("--amp-keep-fp32=\\^conv matches no node's name", "--amp-keep-fp32=^conv")
def keep_nothing(path):
    return model()


@case("--amp-deny=Frobnicate: there is no such operator", "--amp-deny=Frobnicate")
def deny_unknown(path):
    return model()


@case("--freeze=bias matches no parameter", "--freeze=bias")
def freeze_nothing(path):
    return model()


@case("--train=\\(: parentheses not balanced", "--train=(")
def bad_regex(path):
    return model()


# Names are printed, but not acted upon.


@case("node 'a.x1b\\[31m.x0ab' \\(Frobnicate\\)")
def control_characters(path):
    return model([node("Frobnicate", ["x"], ["y"], "a\x1b[31m\nb")])


@case("node 'a.xffb' \\(Relu\\): input 'gone'")
def name_is_not_utf8(path):
    data = model([node("Relu", ["gone"], ["y"], "aXb")]).SerializeToString()
    path.write_bytes(data.replace(b"aXb", b"a\xffb"))


def check(name, build, pattern, flags, work, ampc):
    """What is wrong with ampc's answer, or None."""
    folder = work / name
    folder.mkdir()
    (folder / "data.bin").write_bytes(b"\0" * 24)
    path = folder / "model.onnx"
    built = build(path)
    if built is not None:
        path.write_bytes(built.SerializeToString())
    out = folder / "out.mlir"
    command = [ampc, str(path), "--emit=amp", "-o", str(out), *flags]
    run = subprocess.run(command, capture_output=True, timeout=120)
    stderr = run.stderr.decode(errors="replace")
    errors = [line for line in stderr.splitlines() if ": error: " in line]
    if run.returncode != 1:
        return f"exit code {run.returncode}, not 1\n{stderr}"
    if run.stdout:
        return f"printed {run.stdout[:200]}"
    if len(errors) != 1 or "Sanitizer" in stderr or "runtime error" in stderr:
        return f"not one error, but\n{stderr}"
    if not re.match(re.escape(f"{path}: error: ") + ".*" + f"({pattern})", errors[0]):
        return f"expected {pattern}, but was told\n{stderr}"
    if list(folder.glob("out*")):
        return "left an output file behind"
    return None


def main():
    work, ampc = pathlib.Path(sys.argv[1]).absolute(), sys.argv[2]
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    failures = 0
    for name, build, pattern, flags in CASES:
        problem = check(name, build, pattern, flags, work, ampc)
        if problem:
            failures += 1
            print(f"{name}: {problem}")
    print(f"{len(CASES) - failures} of {len(CASES)} malformed models are refused as they should")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
