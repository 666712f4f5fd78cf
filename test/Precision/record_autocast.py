# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Records the type that PyTorch's autocast gives each forward value: autocast.json.

    python record_autocast.py            all networks (some minutes)
    python record_autocast.py NAME...    shows what becomes of these, writes nothing

The networks are those of ../Training/exports, as PyTorch's exporter wrote them into exports.zip
(*-dynamo-eval-plain.onnx). The exported program runs with tensors that have no bytes and say that they
are on a CUDA device (FakeTensorMode), so that CUDA's lists are in force on a machine without a GPU;
check_lists() makes sure that they are. A value of the file is PyTorch's value of the same name where
both have the same shape and, computed in f32 by onnx's reference and by PyTorch, the same numbers.

Needs torch==2.11.0 (a CUDA build; no GPU), torchvision==0.26.0, transformers, timm and onnx; the test that reads
the recording (../Driver/autocast.py) needs none of them.
"""
import contextlib
import json
import logging
import pathlib
import sys
import warnings
import zipfile

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from torch._subclasses import FakeTensorMode

HERE = pathlib.Path(__file__).resolve().parent
EXPORTS = HERE.parent / "Training/exports"
sys.path.insert(0, str(EXPORTS))
import record  # noqa: E402

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


@contextlib.contextmanager
def autocast(dtype):
    """What torch.autocast("cuda") sets; that itself turns off where there is no GPU."""
    torch.set_autocast_dtype("cuda", dtype)
    torch.set_autocast_enabled("cuda", True)
    try:
        yield
    finally:
        torch.clear_autocast_cache()
        torch.set_autocast_enabled("cuda", False)


def check_lists():
    """CUDA's lists, not the CPU's, which know no softmax, exp nor layer_norm, and have cat."""
    with FakeTensorMode(), autocast(torch.float16):
        x = torch.empty(4, 8, device="cuda")
        y = torch.nn.functional.linear(x, torch.empty(8, 8, device="cuda"))
        for value, dtype in ((y, torch.float16), (y.softmax(-1), torch.float32), (y.exp(), torch.float32),
                             (torch.nn.functional.layer_norm(y, (8,)), torch.float32),
                             (y.sum(), torch.float32), (y.mean(), torch.float16), (y.tanh(), torch.float16)):
            assert value.dtype == dtype and value.device.type == "cuda", (value, dtype)


class Recorder(torch.fx.Interpreter):
    """Runs a program and keeps the float tensors by their nodes' names."""

    def __init__(self, module, convert=None):
        super().__init__(module)
        self.convert, self.values = convert, {}

    def get_attr(self, target, args, kwargs):
        value = super().get_attr(target, args, kwargs)
        return self.convert(value) if self.convert and isinstance(value, torch.Tensor) else value

    def call_function(self, target, args, kwargs):
        if target is torch.ops.aten._assert_tensor_metadata.default:
            return None  # the types are what changes
        if self.convert:
            # Another device, other strides, where kernels choose them.
            target = torch.ops.aten.reshape.default if target is torch.ops.aten.view.default else target
            on_cuda = lambda a: torch.device("cuda") if isinstance(a, torch.device) else a
            args = torch.utils._pytree.tree_map(on_cuda, args)
            kwargs = torch.utils._pytree.tree_map(on_cuda, kwargs)
        return super().call_function(target, args, kwargs)

    def run_node(self, node):
        value = super().run_node(node)
        if node.op == "call_function" and isinstance(value, torch.Tensor) and value.is_floating_point():
            self.values[node.name] = value
        return value


def reference_values(model, x):
    """All values of the file in f32."""
    return ReferenceEvaluator(model).run(None, {"x": x}, intermediate=True)


def types(network, program, x, dtype):
    """Type by value, and that of the network's result without the exporter."""
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = {}

        def convert(value):
            if id(value) not in fake:
                fake[id(value)] = value, torch.empty(value.shape, dtype=value.dtype, device="cuda")
            return fake[id(value)][1]

        given = torch.empty(x.shape, dtype=torch.from_numpy(x).dtype, device="cuda")
        with autocast(dtype), torch.no_grad(), torch.device("cuda"):
            recorder = Recorder(program, convert)
            recorder.run(given)
            state = {n: convert(v) for n, v in [*network.named_parameters(remove_duplicate=False),
                                                *network.named_buffers(remove_duplicate=False)]}
            result = torch.func.functional_call(network, state, (given,), tie_weights=False)
    return {name: value.dtype for name, value in recorder.values.items()}, result.dtype


def record_network(name, archive):
    network, sample = record.build(name)
    network.eval()
    x = record.make_data(*sample)[:record.BATCH]
    file = f"{name}-dynamo-eval-plain.onnx"
    model = onnx.load_from_string(archive.read(file))
    program = torch.export.export(network, (torch.from_numpy(x),), strict=False).module()
    with torch.no_grad():
        exact = Recorder(program)
        exact.run(torch.from_numpy(x))
    given = reference_values(model, x)
    # The file has its own name for what the program returns.
    (result,) = [n.name for out in program.graph.nodes if out.op == "output" for n in out.all_input_nodes]
    given[result] = given["y"]
    same = [n for n, value in exact.values.items() if n in given and isinstance(given[n], np.ndarray) and
            given[n].shape == tuple(value.shape) and
            np.allclose(given[n], value.detach().numpy(), rtol=1e-3, atol=1e-4, equal_nan=True)]
    low, in_bf16 = (types(network, program, x, dtype) for dtype in (torch.float16, torch.bfloat16))
    by_type = {"low": [], "f32": []}
    for n in same:
        kind = {torch.float16: "low", torch.float32: "f32"}[low[0][n]]
        assert in_bf16[0][n] == (torch.bfloat16 if kind == "low" else torch.float32), n
        by_type[kind].append("y" if n == result else n)
    last = list(low[0].values())[-1]
    assert last == low[1], f"{name}: the program gives {last}, the network {low[1]}"
    others = [n for n in exact.values if n not in same]
    print(f"{name}: {len(by_type['low'])} low, {len(by_type['f32'])} f32, {len(others)} values of PyTorch that the "
          f"file has not: {' '.join(others[:12])}", flush=True)
    return {"model": file, **by_type}


def main():
    check_lists()
    only = sys.argv[1:]
    with zipfile.ZipFile(EXPORTS / "exports.zip") as archive:
        networks = {name: record_network(name, archive) for name in only or record.NETWORKS}
    if only:
        return
    content = {"torch": torch.__version__, "networks": networks}
    (HERE / "autocast.json").write_text(json.dumps(content, indent=0) + "\n")


if __name__ == "__main__":
    main()
