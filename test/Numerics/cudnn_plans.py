#!/usr/bin/env python3
"""The real cuDNN has a plan for every convolution of small networks, and of ResNet-50, on an A100
and an H100: `ampc-cudnn-plans` asks it, as the runtime does when a session is created, for devices
that are described and need not be there. Exit 77 where there is no cuDNN.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import compiled
import layouts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    tools = compiled.Tools(parser.parse_args().bin)
    with tempfile.TemporaryDirectory() as folder:
        modules = []
        for name in layouts.NETWORKS:
            model = pathlib.Path(folder) / f"{name}.onnx"
            model.write_bytes(layouts.model(name)[0].SerializeToString())
            for dtype, flags in layouts.LEVELS.items():
                modules.append(model.with_name(f"{name}.{dtype}.so"))
                compiled.call(tools.compiler, str(model), "-o", str(modules[-1]), "--loss=mse",
                              "--optimizer=sgd", "--target=cuda", *flags)
        return subprocess.run([tools.bin_dir / "ampc-cudnn-plans", *modules]).returncode


if __name__ == "__main__":
    sys.exit(main())
