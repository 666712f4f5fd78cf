# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Files that hold no model."""
import gzip
import os
import socket

import numpy as np
import onnx

from build import case, field, model


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
    graph = b""
    for _ in range(400):  # graph in attribute in node
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
