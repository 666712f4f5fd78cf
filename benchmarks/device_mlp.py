# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Time of a training step on a GPU: ampc in f32 and f16 beside PyTorch, in one process.

    python benchmarks/device_mlp.py BUILD_DIR --device=cuda [--out=F.json] [--compile]

Rounds as step_time.py says; reported are the median over rounds, and the smallest.

    f32, f16        ampc --amp=O0 and --amp-dtype=f16, ampc_session_step with info NULL
    .._info         the same, each step asked for its info
    torch           eager, f32
    torch_amp       autocast to f16 and GradScaler, as PyTorch's documentation writes it
    torch_graph     the whole step, optimizer included, in one CUDA graph; f32, fused optimizer
    torch_graph_amp the same with autocast and GradScaler
    torch_compile.. network and loss compiled, fused optimizer; with --compile
    .._staged       the same, each batch copied from pinned memory of the host

What is timed. ampc_session_step takes a batch in the host's memory: converting it into pinned
memory and copying it to the device are in ampc's figures always. PyTorch's batches lie on the
device, so that its figures without _staged leave out work that ampc's hold; those with it are
alike. A graph reads its batch from fixed memory, which is part of its step too: one copy on the
device, or from the host with _staged.

Without a GPU ampc runs on the host (or through --stand-in) and PyTorch on the CPU: a dry run,
whose figures say nothing; what needs CUDA is left out and named. --only-ampc needs no torch.
"""
import argparse
import datetime
import json
import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("examples", "test/Driver", "test/Device")]
import ampc_api  # noqa: E402
import device  # noqa: E402
from step_time import (PRECISIONS, Ampc, compile_module, make_batches, measure,  # noqa: E402
                       summary)

# network: batch, flags, torch's optimizer and its learning rate, steps a round
CASES = {
    "mlp_10_100_10": (100, ["--optimizer=sgd", "--lr=0.01"], ("SGD", 0.01), 1000),
    "mlp_784_128_10": (64, ["--loss=cross_entropy", "--optimizer=adam", "--lr=0.001"],
                       ("Adam", 0.001), 1000),
}


def make_torch_systems(name, optimizer, batches, with_compile):
    """PyTorch's systems by name, and what was left out, with the reason."""
    import device_torch
    systems, skipped = {}, {}
    for system, options in device_torch.VARIANTS.items():
        why = device_torch.why_not(options)
        if not why and options.compiled and not with_compile:
            why = "needs --compile"
        if why:
            skipped[system] = why
        else:
            systems[system] = device_torch.TorchStep(name, optimizer, batches, options)
    return systems, skipped


def run_case(name, options, where, runtime, work):
    batch, flags, optimizer, steps = CASES[name]
    batches = make_batches(batch, int(name.split("_")[1]))
    modules = {}
    for precision, precision_flags in PRECISIONS.items():
        modules[precision] = work / f"{name}-{precision}.so"
        compile_module(options.build, ROOT / "examples/models" / f"{name}.onnx",
                       modules[precision], batch, flags + precision_flags,
                       where.compile_flags(modules[precision]))
    os.environ.update(where.environment(*modules.values()))
    systems = {precision + suffix: Ampc(runtime, module, batches, info, where.name)
               for precision, module in modules.items()
               for suffix, info in (("", False), ("_info", True))}
    torch_systems, skipped = {}, {}
    if not options.only_ampc:
        torch_systems, skipped = make_torch_systems(name, optimizer, batches, options.compile)
    systems.update(torch_systems)
    steps = options.steps or steps
    times = measure(systems, steps, options.rounds, options.pause,
                    options.limit / len(CASES))
    result = {"batch": batch, "optimizer": optimizer[0], "steps_a_round": steps,
              "rounds": len(times["f32"]), "skipped": skipped}
    for system, values in times.items():
        result[system] = summary(systems[system], values)
    for system in systems.values():
        if isinstance(system, Ampc):
            system.close()
    return result


def versions(options, runtime, where):
    report = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
              "command": " ".join(sys.argv), "ampc": runtime.c.ampc_version().decode(),
              "ampc_device": where.name + (", stand-in" if where.stand_in else "")}
    if not options.only_ampc:
        import torch
        report.update(torch=torch.__version__, torch_cuda=torch.version.cuda,
                      torch_device=torch.cuda.get_device_name()
                      if torch.cuda.is_available() else "cpu")
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    device.add_options(parser)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, help="in a round, in place of each network's")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between systems")
    parser.add_argument("--limit", type=float, default=200, help="seconds for all rounds")
    parser.add_argument("--only-ampc", action="store_true")
    parser.add_argument("--compile", action="store_true", help="torch.compile too: a minute more")
    options = parser.parse_args()
    options.build = options.build.resolve()
    where = device.from_options(options)
    runtime = ampc_api.Runtime(options.build / "lib/libampc_runtime.so")
    report = {**versions(options, runtime, where), "networks": {}}
    with tempfile.TemporaryDirectory(prefix="ampc-benchmark-") as work:
        for name in CASES:
            result = report["networks"][name] = run_case(name, options, where, runtime,
                                                         pathlib.Path(work))
            print(f"{name}, batch {result['batch']}, {result['optimizer']}, "
                  f"{result['rounds']} rounds")
            for system, figures in result.items():
                if isinstance(figures, dict) and "median_us" in figures:
                    print(f"  {system:26}{figures['median_us']:10.1f} us   "
                          f"best {figures['min_us']:10.1f} us   "
                          f"last loss {figures['last_loss']:.4f}")
            for system, why in result["skipped"].items():
                print(f"  {system:26}left out: {why}", flush=True)
            if options.out:  # what is there when the time runs out
                options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
