# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Memory of a training step on the host: ampc's arena beside what PyTorch eager holds at its peak.

    python benchmarks/peak_memory.py BUILD_DIR [--out=F.json]

Needs torch==2.11.0 (CPU), transformers and onnxscript. The network is a GPT-2 of two layers of width
256, trained with AdamW; PyTorch computes attention once in single ops, once with its fused kernel.
Counted are the bytes of all storages that a step makes (activations, gradients, what single ops need
meanwhile), parameters and the optimizer's state apart, at the moment when they are most; of ampc the
arena without its state. Bytes are the same in every run.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import weakref

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import GPT2Config, GPT2LMHeadModel

#: Batch, tokens, vocabulary.
SIZES = [(8, 128, 1000), (4, 256, 1000), (8, 256, 5000)]
#: Flags of ampc.
PRECISIONS = {"f32": ["--amp=O0"], "bf16": ["--amp=O1", "--amp-dtype=bf16"]}


class Peak(TorchDispatchMode):
    """The most bytes of storages, but for the `known` ones, that live at once."""

    def __init__(self, known):
        super().__init__()
        self.alive = self.most = 0
        self.seen = set(known)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self.add(value.untyped_storage())
        return result

    def add(self, storage):
        if storage._cdata in self.seen:
            return
        self.seen.add(storage._cdata)
        self.alive += storage.nbytes()
        self.most = max(self.most, self.alive)
        weakref.finalize(storage, self.remove, storage._cdata, storage.nbytes())

    def remove(self, key, count):
        self.alive -= count
        self.seen.discard(key)


class Network(torch.nn.Module):
    def __init__(self, tokens, vocabulary, attention):
        super().__init__()
        self.network = GPT2LMHeadModel(GPT2Config(
            n_embd=256, n_layer=2, n_head=4, n_positions=tokens, vocab_size=vocabulary, resid_pdrop=0,
            embd_pdrop=0, attn_pdrop=0, attn_implementation=attention)).train()

    def forward(self, ids):
        return self.network(input_ids=ids, use_cache=False).logits


def torch_bytes(network, ids, target, precision):
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = network(ids)
        loss = F.cross_entropy(logits.float().flatten(0, 1), target.flatten())
        del logits
        loss.backward()
        optimizer.step()

    step()  # makes the optimizer's state
    optimizer.zero_grad()
    state = [value for each in optimizer.state.values() for value in each.values()]
    kept = [*network.parameters(), *(value for value in state if torch.is_tensor(value))]
    with Peak(tensor.untyped_storage()._cdata for tensor in kept) as peak:
        step()
    return peak.most


def ampc_bytes(build, model, precision):
    module = model.with_suffix(".so")
    subprocess.run([build / "bin/ampc", model, "-o", module, "--target=host", "--optimizer=adamw",
                    "--loss=cross_entropy", "--class-axis=-1", *PRECISIONS[precision]],
                   check=True, stderr=subprocess.DEVNULL)
    done = subprocess.run([build / "bin/ampc-run", "inspect", module, "--target=host", "--json"],
                          check=True, stdout=subprocess.PIPE)
    plan = json.loads(done.stdout)
    return plan["arena_bytes"] - plan["state_bytes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    rows = []
    for attention in ("eager", "sdpa"):
        for batch, tokens, vocabulary in SIZES:
            network = Network(tokens, vocabulary, attention)
            ids, target = torch.randint(0, vocabulary, (2, batch, tokens))
            with tempfile.TemporaryDirectory(prefix="ampc-benchmark-") as work:
                model = pathlib.Path(work) / "model.onnx"
                torch.onnx.export(network, (ids,), dynamo=True, optimize=False,
                                  verbose=False).save(str(model))
                for precision in PRECISIONS:
                    theirs = torch_bytes(network, ids, target, precision)
                    ours = ampc_bytes(options.build, model, precision)
                    rows.append({"attention": attention, "batch": batch, "tokens": tokens,
                                 "vocabulary": vocabulary, "precision": precision,
                                 "torch_bytes": theirs, "ampc_bytes": ours, "ratio": ours / theirs})
                    print(f"{attention:5} {batch} x {tokens} tokens of {vocabulary}, {precision:4}  torch "
                          f"{theirs / 1e6:6.1f} MB   ampc {ours / 1e6:6.1f} MB   {ours / theirs:.2f}",
                          flush=True)
    if options.out:
        report = {"command": "benchmarks/peak_memory.py build", "torch": torch.__version__, "rows": rows}
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
