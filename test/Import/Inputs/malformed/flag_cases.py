# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Flags that do not fit the model, and names that must not reach the terminal."""
from build import case, model, node


@case("--amp-keep-fp32=\\^conv matches no node's name", "--amp-keep-fp32=^conv")
def keep_nothing(path):
    return model()


@case("--amp-deny=Frobnicate: there is no such operator", "--amp-deny=Frobnicate")
def deny_unknown(path):
    return model()


@case("--freeze=bias matches no parameter", "--freeze=bias")
def freeze_nothing(path):
    return model()




@case("node 'a.x1b\\[31m.x0ab' \\(Frobnicate\\)")
def control_characters(path):
    return model([node("Frobnicate", ["x"], ["y"], "a\x1b[31m\nb")])


@case("node 'a.xffb' \\(Relu\\): input 'gone'")
def name_is_not_utf8(path):
    data = model([node("Relu", ["gone"], ["y"], "aXb")]).SerializeToString()
    path.write_bytes(data.replace(b"aXb", b"a\xffb"))
