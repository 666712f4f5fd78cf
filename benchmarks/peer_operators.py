# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What PyTorch runs for a training step of the networks of full_size.py, without a GPU.

    python benchmarks/peer_operators.py [--filter=REGEX] [--out=F.json]

Eager mode under autocast to bf16 with scaled_dot_product_attention and the fused AdamW, the best that
is done without a compiler. A step runs on tensors that have no bytes (FakeTensorMode), and every
operator that computes something is counted: once as a launch, though some take several (both
gradients of a convolution, a norm's backward), and with the bytes of each operand and result once. So
both are the least that eager mode can do. Views, and what only makes room, are not counted.

The autograd engine asks for a CUDA device where tensors say that they are on one. The tensors here
say CPU, and CPU's autocast is given the list of operators that CUDA's computes in f32.

Needs torch==2.11.0, torchvision==0.26.0 and transformers.
"""
import argparse
import collections
import json
import logging
import pathlib
import re
import sys
import warnings

import torch
from torch._subclasses import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

import full_size
import full_size_networks

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

#: Operators that autocast computes in f32 on CUDA and not on a CPU, of those that the networks have
#: (https://docs.pytorch.org/docs/2.11/amp.html).
TO_F32 = ["layer_norm", "softmax.int", "log_softmax.int", "nll_loss_nd", "cross_entropy_loss",
          "group_norm", "native_layer_norm", "mse_loss", "exp", "pow.Tensor_Scalar", "rsqrt",
          "cumsum", "sum", "sum.dim_IntList"]
#: Those that only make room or read a number back.
FREE = re.compile(r"prim::|aten::(_unsafe_view|empty|empty_like|new_empty|empty_strided|new_empty_strided|"
                  r"detach|lift_fresh|_local_scalar_dense|set_|is_same_size)\b")
#: Operands, by number, of which nothing is read but the shape or next to nothing.
UNREAD = {"aten::nll_loss_forward": {0}, "aten::nll_loss_backward": {1}, "aten::embedding": {0},
          "aten::max_pool2d_with_indices_backward": {1}, "aten::zero_": {0}, "aten::fill_": {0},
          "aten::copy_": {0}}


def use_cuda_list():
    """Gives CPU's autocast the f32 list of CUDA's."""
    library = torch.library.Library("aten", "IMPL", "AutocastCPU")
    key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU)

    def wrap(operator):
        def widen(x):
            is_low = isinstance(x, torch.Tensor) and x.dtype in (torch.float16, torch.bfloat16)
            return x.float() if is_low else x

        def run(*arguments, **named):
            with torch._C._ExcludeDispatchKeyGuard(key):
                return operator(*tree_map(widen, arguments), **tree_map(widen, named))
        return run

    for name in TO_F32:
        packet, _, overload = name.partition(".")
        library.impl(name, wrap(getattr(getattr(torch.ops.aten, packet), overload or "default")))
    return library


class Count(TorchDispatchMode):
    """Counts operators, and the bytes that each reads and writes."""

    def __init__(self):
        super().__init__()
        self.operators, self.bytes = collections.Counter(), collections.Counter()

    def __torch_dispatch__(self, operator, types, arguments=(), named=None):
        named = named or {}
        result = operator(*arguments, **named)
        if operator.is_view or FREE.match(operator.name()):
            return result
        written = [x for i, argument in enumerate(operator._schema.arguments)
                   if argument.alias_info and argument.alias_info.is_write
                   for x in tree_leaves(arguments[i] if i < len(arguments)
                                        else named.get(argument.name))]
        name = operator.name()
        unread = UNREAD.get(name.partition(".")[0], ())
        read = [x for i, x in enumerate(arguments) if i not in unread]
        self.operators[name] += 1
        self.bytes[name] += sum_bytes((read, named)) + sum_bytes((result, written))
        return result


def sum_bytes(tree):
    """Of each tensor once; of one that is expanded, what there is of it."""
    sizes = {}
    for x in tree_leaves(tree):
        if isinstance(x, torch.Tensor):
            storage = x.untyped_storage()
            size = min(x.numel() * x.itemsize, storage.nbytes())
            sizes[storage._cdata] = max(size, sizes.get(storage._cdata, 0))
    return sum(sizes.values())


def count_step(name, batch, loss):
    with FakeTensorMode():
        network, inputs = getattr(full_size_networks, name)()
        network.train()
        if isinstance(network, full_size_networks.Forward):
            network.network.config._attn_implementation = "sdpa"
        inputs = [x.new_empty(batch, *x.shape[1:]) for x in inputs]
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

        def step():
            with torch.autocast("cpu", torch.bfloat16):
                y = network(*inputs)
                if loss == "mse":
                    value = F.mse_loss(y, torch.empty_like(y))
                else:
                    target = torch.empty(y.shape[:-1], dtype=torch.long)
                    value = F.cross_entropy(y.flatten(0, -2), target.flatten())
            value.backward()
            optimizer.step()
            optimizer.zero_grad()

        step()  # makes the optimizer's state
        count = Count()
        with count:
            step()
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", default="")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    library = use_cuda_list()
    report = {"command": " ".join(sys.argv), "torch": torch.__version__, "networks": {}}
    for name, (batch, flags, _) in full_size.NETWORKS.items():
        if not re.search(options.filter, name):
            continue
        count = count_step(name, batch, "mse" if "--loss=mse" in flags else "cross_entropy")
        report["networks"][name] = {
            "operators": sum(count.operators.values()), "bytes": sum(count.bytes.values()),
            "largest": {k: {"count": count.operators[k], "bytes": size}
                        for k, size in count.bytes.most_common(30)}}
        print(f"{name}: {sum(count.operators.values())} operators, "
              f"{sum(count.bytes.values()) / 1e9:.1f} GB", flush=True)
        for k, size in count.bytes.most_common(30):
            print(f"    {k}: {count.operators[k]}, {size / 1e9:.1f} GB")
    del library
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
