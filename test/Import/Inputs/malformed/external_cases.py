# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""External data that is not to be read. `data.bin` of 24 bytes lies beside each model."""
import os

from onnx import TensorProto

from build import case, model


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
