# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The arena of a training step is at most 5 % larger than what lives at the same time.

    python test/Optimize/arena.py BUILD_DIR

Six networks of test/Training/networks, in bf16 with Adam, for both targets; the figures are those
that the pass tells in its remark.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import onnx

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test/Training/networks"))
import common  # noqa: E402

NETWORKS = ["bert", "gpt2", "llama", "resnet18", "unet", "vit"]
MOST = 1.05


def figures(build, model, flags, target, work):
    plan = work / "plan.mlir"
    subprocess.run([build / "bin/ampc", model, "--emit=plan", "-o", plan, f"--target={target}",
                    "--amp-dtype=bf16", *flags, "--optimizer=adam"], check=True, stderr=subprocess.DEVNULL)
    done = subprocess.run([build / "bin/ampc-opt", plan, "-plan-memory", "-remarks-filter=plan-memory",
                           "-remark-format=emitRemark", "-o", "/dev/null"],
                          check=True, stderr=subprocess.PIPE, text=True)
    found = re.search(r"Function=train \| alive=(\d+), bytes=(\d+)", done.stderr)
    return map(int, found.groups())


def main():
    build = pathlib.Path(sys.argv[1])
    worst = 0
    for name in NETWORKS:
        case, models = common.read(common.RECORDINGS / f"{name}.zip")
        flags = [*case["exports"]["script"]["flags"], *case["flags"], "--train-mode=on"]
        with tempfile.TemporaryDirectory(prefix="ampc-arena-") as folder:
            work = pathlib.Path(folder)
            onnx.save(models["script"], work / "model.onnx")
            for target in ("host", "cuda"):
                alive, bytes_ = figures(build, work / "model.onnx", flags, target, work)
                print(f"{name:10} {target:5} {bytes_:12,} bytes, {alive:12,} alive, {bytes_ / alive:.4f}",
                      flush=True)
                worst = max(worst, bytes_ / alive)
    if worst > MOST:
        sys.exit(f"an arena is {worst:.3f} times what lives at the same time, allowed is {MOST}")


if __name__ == "__main__":
    main()
