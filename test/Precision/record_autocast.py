# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Records the type that PyTorch's autocast gives each forward value: autocast.json.

    python record_autocast.py            all networks (some minutes)
    python record_autocast.py NAME...    shows what becomes of these, writes nothing

The networks are those of ../Training/exports, as PyTorch's exporter wrote them into exports.zip
(*-dynamo-eval-plain.onnx), and one that has each operator by itself (operators.onnx, written here). The exported program runs with tensors that have no bytes and say that they
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
import tempfile
import warnings
import zipfile

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F
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


#: Of a product's result y (4x6, between 0.1 and 0.9), the features v (2x4x8x8) of a convolution, and a
#: tensor w in f32 of y's shape: what stands in a list, and what does not.
OPERATORS = {
    "acos": lambda y, v, w: torch.acos(y), "asin": lambda y, v, w: torch.asin(y),
    "cosh": lambda y, v, w: torch.cosh(y), "sinh": lambda y, v, w: torch.sinh(y),
    "tan": lambda y, v, w: torch.tan(y), "atan": lambda y, v, w: torch.atan(y),
    "atanh": lambda y, v, w: torch.atanh(y), "asinh": lambda y, v, w: torch.asinh(y),
    "sin": lambda y, v, w: torch.sin(y), "cos": lambda y, v, w: torch.cos(y),
    "exp": lambda y, v, w: torch.exp(y), "log": lambda y, v, w: torch.log(y),
    "pow": lambda y, v, w: torch.pow(y, 2.5), "pow_of": lambda y, v, w: torch.pow(2.0, y),
    "square": lambda y, v, w: torch.pow(y, 2.0), "root": lambda y, v, w: torch.pow(y, 0.5),
    "reciprocal": lambda y, v, w: torch.reciprocal(y), "sqrt": lambda y, v, w: torch.sqrt(y),
    "rsqrt": lambda y, v, w: torch.rsqrt(y), "erf": lambda y, v, w: torch.erf(y),
    "softmax": lambda y, v, w: F.softmax(y, -1), "log_softmax": lambda y, v, w: F.log_softmax(y, -1),
    "softplus": lambda y, v, w: F.softplus(y), "gelu": lambda y, v, w: F.gelu(y),
    "gelu_tanh": lambda y, v, w: F.gelu(y, approximate="tanh"), "elu": lambda y, v, w: F.elu(y),
    "selu": lambda y, v, w: F.selu(y), "leaky_relu": lambda y, v, w: F.leaky_relu(y),
    "hardsigmoid": lambda y, v, w: F.hardsigmoid(y), "hardswish": lambda y, v, w: F.hardswish(y),
    "silu": lambda y, v, w: F.silu(y), "mish": lambda y, v, w: F.mish(y),
    "relu": lambda y, v, w: F.relu(y), "relu6": lambda y, v, w: F.relu6(y),
    "sigmoid": lambda y, v, w: torch.sigmoid(y), "tanh": lambda y, v, w: torch.tanh(y),
    "clamp": lambda y, v, w: torch.clamp(y, 0.2, 0.7), "softsign": lambda y, v, w: F.softsign(y),
    "abs": lambda y, v, w: torch.abs(y), "neg": lambda y, v, w: -y,
    "floor": lambda y, v, w: torch.floor(y), "sum": lambda y, v, w: y.sum(1),
    "mean": lambda y, v, w: y.mean(1), "prod": lambda y, v, w: y.prod(1),
    "cumsum": lambda y, v, w: y.cumsum(1), "amax": lambda y, v, w: y.amax(1),
    "norm": lambda y, v, w: torch.linalg.vector_norm(y, 2, 1),
    "logsumexp": lambda y, v, w: torch.logsumexp(y, 1),
    "add": lambda y, v, w: y + w, "add_low": lambda y, v, w: y + y.abs(), "mul": lambda y, v, w: y * w,
    "number": lambda y, v, w: y * 2.5 + 1.0, "minimum": lambda y, v, w: torch.minimum(y, w),
    "where": lambda y, v, w: torch.where(w > 0, y, w), "cat": lambda y, v, w: torch.cat([y, w], 0),
    "stack": lambda y, v, w: torch.stack([y, y], 0), "gather": lambda y, v, w: y[:, [1, 0, 3]],
    "matmul": lambda y, v, w: w @ y.T, "einsum": lambda y, v, w: torch.einsum("ik,jk->ij", y, w),
    "layer_norm": lambda y, v, w: F.layer_norm(y, (6,)), "group_norm": lambda y, v, w: F.group_norm(v, 2),
    "max_pool": lambda y, v, w: F.max_pool2d(v, 2), "avg_pool": lambda y, v, w: F.avg_pool2d(v, 2),
    "adaptive": lambda y, v, w: F.adaptive_avg_pool2d(v, 1), "pad": lambda y, v, w: F.pad(v, (1, 1, 0, 0)),
    "nearest": lambda y, v, w: F.interpolate(v, scale_factor=2.0, mode="nearest"),
    "bilinear": lambda y, v, w: F.interpolate(v, scale_factor=2.0, mode="bilinear", align_corners=False),
    "shuffle": lambda y, v, w: F.pixel_shuffle(v, 2), "transpose": lambda y, v, w: v.transpose(1, 2),
    "attention": lambda y, v, w: F.scaled_dot_product_attention(v, v, v),
    "bmm": lambda y, v, w: torch.bmm(v.flatten(1, 2), v.flatten(1, 2).transpose(1, 2)),
    "addmm": lambda y, v, w: torch.addmm(w[:, :4], y, w.T), "celu": lambda y, v, w: F.celu(y),
    "log_sigmoid": lambda y, v, w: F.logsigmoid(y), "glu": lambda y, v, w: F.glu(y),
    "hardtanh": lambda y, v, w: F.hardtanh(y), "log1p": lambda y, v, w: torch.log1p(y),
    "expm1": lambda y, v, w: torch.expm1(y), "log2": lambda y, v, w: torch.log2(y),
    "var": lambda y, v, w: torch.var(y, 1), "std": lambda y, v, w: torch.std(y, 1),
    "normalize": lambda y, v, w: F.normalize(y, dim=1), "cosine": lambda y, v, w: F.cosine_similarity(y, w, 1),
    "addcmul": lambda y, v, w: torch.addcmul(y, y, w), "atan2": lambda y, v, w: torch.atan2(y, w + 1),
    "lp_pool": lambda y, v, w: F.lp_pool2d(v, 2.0, 2),
    "local_response": lambda y, v, w: F.local_response_norm(v, 3),
    "instance_norm": lambda y, v, w: F.instance_norm(v), "max": lambda y, v, w: y.max(1).values,
    "topk": lambda y, v, w: y.topk(2).values, "sort": lambda y, v, w: y.sort().values,
    "masked": lambda y, v, w: y.masked_fill(w > 0.5, 0.0), "tril": lambda y, v, w: y.tril(),
    "flip": lambda y, v, w: y.flip(1), "roll": lambda y, v, w: y.roll(1, 1),
    "expand": lambda y, v, w: y[None].expand(3, 4, 6) * 1, "split": lambda y, v, w: y.split(3, 1)[1],
    "round": lambda y, v, w: torch.round(y), "sign": lambda y, v, w: torch.sign(y - 0.5),
    "mse": lambda y, v, w: F.mse_loss(y, w), "l1": lambda y, v, w: F.l1_loss(y, w),
    "smooth_l1": lambda y, v, w: F.smooth_l1_loss(y, w),
    "cross_entropy": lambda y, v, w: F.cross_entropy(y, torch.tensor([0, 1, 2, 3], device=y.device)),
    "bce_logits": lambda y, v, w: F.binary_cross_entropy_with_logits(y, w),
}


class Operators(nn.Module):
    """Each of them by itself, so that one that is wrong is seen as such."""

    def __init__(self):
        super().__init__()
        self.linear, self.conv = nn.Linear(6, 6), nn.Conv2d(3, 4, 3, padding=1)
        self.slope = nn.Parameter(torch.full((4,), 0.25))
        self.up, self.norm = nn.ConvTranspose2d(4, 2, 2, stride=2), nn.BatchNorm2d(4)

    def forward(self, x):
        y = torch.sigmoid(self.linear(x))
        v = self.conv(x.reshape(1, 1, 4, 6).repeat(2, 3, 2, 2)[..., :8])
        results = [operator(y, v, x) for operator in OPERATORS.values()]
        return (*results, F.prelu(v, self.slope), self.up(v), self.norm(v))


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
    results = result if isinstance(result, tuple) else (result,)
    return {name: value.dtype for name, value in recorder.values.items()}, [r.dtype for r in results]


def record_network(network, x, model, names):
    """Types of values of `model`, whose results are called `names`."""
    program = torch.export.export(network, (torch.from_numpy(x),), strict=False).module()
    with torch.no_grad():
        exact = Recorder(program)
        exact.run(torch.from_numpy(x))
    given = reference_values(model, x)
    # The file has names of its own for what the program returns.
    returned = [n.name for out in program.graph.nodes if out.op == "output" for n in out.all_input_nodes]
    own = dict(zip(returned, names, strict=True))
    given.update({name: given[own[name]] for name in returned})
    same = [n for n, value in exact.values.items() if n in given and isinstance(given[n], np.ndarray) and
            given[n].shape == tuple(value.shape) and
            np.allclose(given[n], value.detach().numpy(), rtol=1e-3, atol=1e-4, equal_nan=True)]
    low, in_bf16 = (types(network, program, x, dtype) for dtype in (torch.float16, torch.bfloat16))
    by_type = {"low": [], "f32": []}
    for n in same:
        kind = {torch.float16: "low", torch.float32: "f32"}[low[0][n]]
        assert in_bf16[0][n] == (torch.bfloat16 if kind == "low" else torch.float32), n
        by_type[kind].append(own.get(n, n))
    for name, dtype in zip(returned, low[1], strict=True):
        assert low[0][name] == dtype, f"{name}: {low[0][name]} in the program, {dtype} in the network"
    others = [own.get(n, n) for n in exact.values if n not in same]
    print(f"{len(by_type['low'])} low, {len(by_type['f32'])} f32, {len(others)} values of PyTorch that the "
          f"file has not: {' '.join(others[:12])}", flush=True)
    return by_type


def record_export(name, archive):
    network, sample = record.build(name)
    network.eval()
    x = record.make_data(*sample)[:record.BATCH]
    file = f"{name}-dynamo-eval-plain.onnx"
    print(end=f"{name}: ")
    return {"model": file,
            **record_network(network, x, onnx.load_from_string(archive.read(file)), ["y"])}


def record_operators(path):
    torch.manual_seed(0)
    network, names = Operators().eval(), [f"of_{n}" for n in (*OPERATORS, "prelu", "conv_transpose", "batch_norm")]
    x = np.random.RandomState(1).rand(4, 6).astype(np.float32)
    record.export(network, torch.from_numpy(x), str(path), True, False, False, names)
    model = onnx.load(path)
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, model.graph):
        del part.metadata_props[:]  # most of the bytes
    path.write_bytes(model.SerializeToString(deterministic=True))
    print(end="operators: ")
    return {"model": path.name, **record_network(network, x, model, names)}


def main():
    check_lists()
    only = sys.argv[1:]
    with zipfile.ZipFile(EXPORTS / "exports.zip") as archive:
        networks = {name: record_export(name, archive)
                    for name in only or record.NETWORKS if name != "operators"}
    with tempfile.TemporaryDirectory() as folder:
        if not only or "operators" in only:
            networks["operators"] = record_operators(
                (pathlib.Path(folder) if only else HERE) / "operators.onnx")
    if only:
        return
    content = {"torch": torch.__version__, "networks": networks}
    (HERE / "autocast.json").write_text(json.dumps(content, indent=0) + "\n")


if __name__ == "__main__":
    main()
