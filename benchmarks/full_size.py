# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles networks of full size for both targets and tells what a step of each takes.

    python benchmarks/full_size.py BUILD_DIR [--filter=REGEX] [--models=DIR] [--out=F.json]
                                   [--page=docs/Models.md] [--peers=F.json]

Needs torch==2.11.0 (CPU), torchvision==0.26.0, transformers and onnxscript, about 20 GB of disk in
DIR and 16 GB of memory for the largest. A network that DIR holds already is not exported again.
Times are those of one compilation, in bf16 with AdamW, ptxas included. `bound` is the time that the
plan's products take at 790 TFLOP/s and its bytes at 4.3 TB/s, step by step the larger of the two:
what was measured of the best products and copies on an H200. `least` is the same at the peaks of an
H200, and `launching` what the launches add (`ampc-run inspect --roofline=h200`). They say how good
the plan is; times are only told by a GPU.
"""
import argparse
import json
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

import least_bytes

FLOPS, BYTES = 790e12, 4.3e12  # a second, on an H200
#: Network -> batch, flags, and the limit of the whole step in ms by counting what no plan can
#: avoid (products at 790 TFLOP/s, each activation and parameter moved as rarely as possible).
NETWORKS = {
    "gpt2": (32, ["--loss=cross_entropy", "--class-axis=-1"], 43.5),
    "bert": (64, ["--loss=cross_entropy", "--class-axis=-1"], 38.4),
    "resnet50": (256, ["--loss=cross_entropy", "--train-mode=on"], None),
    "vit": (256, ["--loss=cross_entropy"], 42.7),
    "llama": (4, ["--loss=cross_entropy", "--class-axis=-1"], None),
    "unet": (8, ["--loss=mse"], None),
}
TITLES = {
    "gpt2": "GPT-2 124M, 32 x 1024 tokens",
    "bert": "BERT-base, 64 x 512 tokens, all predicted",
    "resnet50": "ResNet-50, 256 x 224²",
    "vit": "ViT-B/16, 256 x 224²",
    "llama": "Llama 1.1B, 4 x 2048 tokens",
    "unet": "U-Net of Stable Diffusion 1, 8 x 64² latents",
}


def export(name, path):
    """Writes the network with a symbolic batch, by PyTorch's exporter with unfolded weights."""
    import torch

    import full_size_networks
    torch.manual_seed(0)
    network, inputs = getattr(full_size_networks, name)()
    network.train()
    batch = {0: torch.export.Dim("batch")}
    shapes = tuple(batch for _ in inputs)
    program = torch.onnx.export(network, inputs, dynamo=True, optimize=False, verbose=False,
                                dynamic_shapes=shapes)
    program.save(str(path), external_data=True)


def compile(build, model, out, batch, flags):
    """Seconds, processor seconds and peak bytes of one compilation."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [build / "bin/ampc", model, "-o", out, f"--batch={batch}", "--amp-dtype=bf16",
               "--optimizer=adamw", *flags]
    peak = subprocess.run(["/usr/bin/time", "-f", "%M", *command], check=True, text=True,
                          stderr=subprocess.PIPE).stderr.split()[-1]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.monotonic() - start, 1), "processor_seconds": round(used, 1),
            "peak_bytes": int(peak) * 1024,
            "command": " ".join(getattr(word, "name", word) for word in command[2:])}


def inspect(build, module, target):
    command = [build / "bin/ampc-run", "inspect", module, f"--target={target}", "--json"]
    if target == "cuda":
        command.append("--roofline=h200")
    plan = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    steps = plan["steps"]
    moved = [s["read_bytes"] + s["written_bytes"] for s in steps]
    result = {
        "parameters": sum(p["trained"] for p in plan["parameters"]),
        "arena_bytes": plan["arena_bytes"], "state_bytes": plan["state_bytes"],
        "launches": sum(s["kind"] == "launch" for s in steps),
        "library_calls": sum(s["kind"] not in ("launch", "copy", "memset") for s in steps),
        "steps": len(steps), "bytes": sum(moved), "flops": sum(s["flops"] for s in steps),
        "bound_ms": 1e3 * sum(max(b / BYTES, s["flops"] / FLOPS) for b, s in zip(moved, steps)),
    }
    if target == "cuda":
        roofline = plan["roofline"]
        result |= {"least_ms": 1e3 * roofline["least_seconds"],
                   "launch_ms": 1e3 * roofline["launch_seconds"]}
    return result


def row(*cells):
    return "| " + " | ".join(map(str, cells)) + " |\n"


def beside_peers(report, peers):
    """The section that compares plans with what PyTorch runs (peer_operators.py)."""
    text = f"""
## Beside PyTorch

What eager PyTorch {peers['torch'].partition('+')[0]} runs for the same step, under autocast to bf16 with its fused attention and
fused AdamW: operators, each counted as one launch, and the bytes of their operands and results, each
once. Counted without a GPU by `benchmarks/peer_operators.py`; neither column is a time.

"""
    text += row("network", "ampc: launches and calls", "operators of PyTorch", "ampc: moved",
                "PyTorch: moved") + row(*["---"] * 5)
    for name, r in report["networks"].items():
        if name in peers["networks"]:
            own, other = r["cuda"], peers["networks"][name]
            text += row(TITLES[name], own["launches"] + own["library_calls"], other["operators"],
                        f"{own['bytes'] / 1e9:.0f} GB", f"{other['bytes'] / 1e9:.0f} GB")
    return text


def page(report, peers):
    text = """# Networks of full size

Each compiles for both targets, with cubins for sm_80 and sm_90, in bf16 with AdamW; exported by
PyTorch's default exporter with `optimize=False`. Made by `benchmarks/full_size.py`, which has the
networks and the flags; the numbers are counted from the plan (`ampc-run inspect --json`).

## Compilation

"""
    text += f"{report['machine']}; one compilation each, ptxas included.\n\n"
    text += row("network", "time", "processor time", "memory") + row(*["---"] * 4)
    for name, r in report["networks"].items():
        c = r["compilation"]
        text += row(TITLES[name], f"{c['seconds']:.0f} s", f"{c['processor_seconds']:.0f} s",
                    f"{c['peak_bytes'] / 2**30:.1f} GiB")
    for target, title in (("cuda", "A step for CUDA"), ("host", "A step on the host")):
        text += f"\n## {title}\n\n"
        cells = ["network", "launches", "library calls", "moved", "TFLOP", "activations", "state"]
        if target == "cuda":
            cells += ["fewest bytes", "least", "launching", "bound", "limit"]
        text += row(*cells) + row(*["---"] * len(cells))
        for name, r in report["networks"].items():
            p = r[target]
            cells = [TITLES[name], p["launches"], p["library_calls"], f"{p['bytes'] / 1e9:.1f} GB",
                     f"{p['flops'] / 1e12:.1f}", f"{p['arena_bytes'] / 2**30:.1f} GiB",
                     f"{p['state_bytes'] / 2**30:.1f} GiB"]
            if target == "cuda":
                limit = NETWORKS[name][2]
                fewest = least_bytes.FULL_SIZE.get(name)
                cells += [f"{fewest / 1e9:.1f} GB" if fewest else "",
                          f"{p['least_ms']:.0f} ms", f"{p['launch_ms']:.1f} ms",
                          f"{p['bound_ms']:.0f} ms", f"{limit:.0f} ms" if limit else ""]
            text += row(*cells)
        if target == "cuda":
            text += """
`fewest bytes` is counted by hand (`benchmarks/least_bytes.py`): products move their operands and
results once, and what stands between two of them is one kernel; biases and GELU cost nothing.
`bound` adds up, step by step, the larger of the time of its products at 790 TFLOP/s and of its
bytes at 4.3 TB/s, the best that an H200 was seen to do; `limit` is the same for a plan that moves
each activation and parameter as rarely as one can. `least` is the same sum at an H200's peaks, of
f32 for kernels, and `launching` is what the launches add, as told by `ampc-run inspect` with
`--roofline=h200` ([Least times](CommandLine.md#least-times-on-a-gpu)). None is a measured time.
"""
    return text + (beside_peers(report, peers) if peers else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--filter", default="")
    parser.add_argument("--models", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--page", type=pathlib.Path)
    parser.add_argument("--peers", type=pathlib.Path, help="what peer_operators.py wrote")
    parser.add_argument("--machine", default="a machine of 2 cores")
    parser.add_argument("--export", choices=NETWORKS, help="only export this one, to --models")
    options = parser.parse_args()
    models = options.models or pathlib.Path(tempfile.mkdtemp())
    if options.export:
        return export(options.export, models / f"{options.export}.onnx")
    models.mkdir(parents=True, exist_ok=True)
    report = {"command": " ".join(sys.argv), "machine": options.machine, "networks": {}}
    for name, (batch, flags, _) in NETWORKS.items():
        if not re.search(options.filter, name):
            continue
        model, module = models / f"{name}.onnx", models / f"{name}.so"
        if not model.exists():  # in a process of its own, which gives its memory back
            subprocess.run([sys.executable, __file__, options.build, f"--models={models}",
                            f"--export={name}"], check=True)
        result = {"compilation": compile(options.build, model, module, batch, flags)}
        for target in ("cuda", "host"):
            result[target] = inspect(options.build, module, target)
        module.unlink()
        report["networks"][name] = result
        print(name, json.dumps(result, indent=1), flush=True)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    if options.page:
        peers = json.loads(options.peers.read_text()) if options.peers else None
        options.page.write_text(page(report, peers))


if __name__ == "__main__":
    main()
