# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Turns a model in ONNX's text format into an .onnx file.

    make_model.py OUT.onnx < MODEL.txt

Lines that start with // are comments. Nothing is checked: tests need wrong models, too. After
the model may stand lines of the form

    %training_info                   begins an entry of training_info
    %algorithm <graph text>          its algorithm, as ONNX's text format writes graphs, on
    %initialization <graph text>     the line itself and those up to the next line with %
    %update W = W_new                an update_binding
    %initialize W = W_0              an initialization_binding
    %metadata KEY = VALUE            an entry of the graph's metadata, with \\n for newlines
    %node OUTPUT KEY = VALUE         an entry of the metadata of the node that makes OUTPUT
    %value NAME KEY = VALUE          an entry of the metadata of a value's value_info
    %producer NAME                   who wrote the file
"""
import re
import sys

import onnx
from onnx import parser


def split_sections(text):
    """The model's text, then (directive, text) for each line with %."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("//")]
    pieces = re.split(r"^%(\w+)", "\n".join(lines), flags=re.MULTILINE)
    return pieces[0], list(zip(pieces[1::2], pieces[2::2]))


def parse_binding(text):
    key, value = text.split("=", 1)
    return onnx.StringStringEntryProto(key=key.strip(), value=value.strip())


def add_metadata(graph, directive, body):
    name, entry = body.strip().split(" ", 1)
    if directive == "node":
        owner = next(n for n in graph.node if name in n.output)
    else:
        owner = next((v for v in [*graph.value_info, *graph.output] if v.name == name), None)
        if owner is None:
            owner = graph.value_info.add(name=name)
    owner.metadata_props.append(parse_binding(entry))


def build(text):
    model_text, sections = split_sections(text)
    model = parser.parse_model(model_text)
    entry = None
    for directive, body in sections:
        if directive == "training_info":
            entry = model.training_info.add()
        elif directive == "algorithm":
            entry.algorithm.CopyFrom(parser.parse_graph(body))
        elif directive == "initialization":
            entry.initialization.CopyFrom(parser.parse_graph(body))
        elif directive == "update":
            entry.update_binding.append(parse_binding(body))
        elif directive == "initialize":
            entry.initialization_binding.append(parse_binding(body))
        elif directive == "metadata":
            binding = parse_binding(body)
            binding.value = binding.value.replace("\\n", "\n")
            model.graph.metadata_props.append(binding)
        elif directive in ("node", "value"):
            add_metadata(model.graph, directive, body)
        elif directive == "producer":
            model.producer_name = body.strip()
        else:
            sys.exit(f"unknown directive %{directive}")
    return model


if __name__ == "__main__":
    onnx.save(build(sys.stdin.read()), sys.argv[1])
