"""Cuts a failing random graph down while it fails.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import copy
import dataclasses
import pathlib
import random
from collections.abc import Callable, Iterator

import numpy as np
import onnx

import compiled
from graph_generator import Graph, Node


def _replaced(graph: Graph, old: str, new: str) -> Graph:
    """`new` wherever `old` is read."""
    for node in graph.nodes:
        node.inputs = [new if n == old else n for n in node.inputs]
    graph.outputs = list(dict.fromkeys(new if n == old else n for n in graph.outputs))
    graph.loss = new if graph.loss == old else graph.loss
    return graph


def _recomputed(graph: Graph) -> Graph | None:
    """With all values anew, as what is read has changed; None where that makes no sense."""
    graph.prune()
    nodes, graph.nodes = graph.nodes, []
    known = {**graph.inputs, **graph.parameters, **graph.constants}
    graph.runs = [{n: run[n] for n in known} for run in graph.runs]
    try:
        for node in nodes:
            graph.append(node)
    except (ValueError, IndexError):
        return None
    is_sound = graph.parameters and graph.runs[0][graph.loss].shape == () and all(
        np.isfinite(run[n]).all() for run in graph.runs for n in run if graph.is_float(n))
    return graph if is_sound else None


def _smaller(graph: Graph) -> Iterator[Graph | None]:
    """Graphs with something less: an output, a node whose result is a leaf instead, one that
    hands its operand on, a loss that is part of the loss."""
    for name in graph.outputs:
        if name != graph.loss:
            less = copy.deepcopy(graph)
            less.outputs.remove(name)
            yield _recomputed(less)
    for i, node in enumerate(graph.nodes):
        for name in node.inputs:
            if graph.is_float(name) and graph.shape(name) == graph.shape(node.outputs[0]):
                yield _recomputed(_replaced(copy.deepcopy(graph), node.outputs[0], name))
        if node.outputs[0] == graph.loss or not graph.is_float(node.outputs[0]):
            continue
        for kind in ("parameters", "inputs"):
            less = copy.deepcopy(graph)
            del less.nodes[i]
            for name in node.outputs:
                array = graph.runs[0][name].astype(np.float32)
                leaf = {"parameters": "p", "inputs": "x"}[kind] + name[1:] + "0"
                if kind == "parameters" and not array.shape:
                    break
                less.add_leaf(leaf, array, getattr(less, kind))
                less = _replaced(less, name, leaf)
            else:
                yield _recomputed(less)
        less = copy.deepcopy(graph)
        name = node.outputs[0]
        less.nodes = less.nodes[:i + 1]
        less.outputs = [n for n in less.outputs if n in less.runs[0]
                        and any(n in m.outputs for m in less.nodes)]
        if graph.shape(name):
            less.append(Node("ReduceMean", [name], ["vloss"], {"axes": None, "keepdims": 0}))
            name = "vloss"
        if name != graph.loss:
            less.loss = name
            less.outputs = [*less.outputs, name]
            yield _recomputed(less)


def shrink(case, check: Callable[..., str], folder: pathlib.Path,
           flags: Callable[..., tuple[str, ...]]) -> str:
    """Writes the smallest case found that still fails, and says how."""
    problem = check(case)
    for simpler in ({"clip": 0.0}, {"scaling": "none"}, {"level": "O0", "dtype": "f32"}):
        if found := check(other := dataclasses.replace(case, **simpler)):
            case, problem = other, found
    changed = True
    while changed:
        changed = False
        for graph in _smaller(case.graph):
            if graph is None or len(graph.nodes) > len(case.graph.nodes):
                continue
            other = dataclasses.replace(case, graph=graph)
            try:
                found = check(other)
            except (ValueError, IndexError, KeyError, onnx.checker.ValidationError):
                continue
            if found and found[:8] == problem[:8]:
                case, problem, changed = other, found, True
                break
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed{case.seed}"
    model = case.graph.model(random.Random(case.seed))
    path.with_suffix(".onnx").write_bytes(model.SerializeToString())
    compiled.write_npz(path.with_suffix(".npz"), case.graph.inputs)
    text = f"{' '.join(flags(case))}\n{problem}\n{onnx.printer.to_text(model)}\n"
    path.with_suffix(".txt").write_text(text)
    return text
