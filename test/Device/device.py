"""Where a test runs what it compiles: the options --device, --target and --stand-in.

    --device=host|cuda   the device of every run; host
    --target=LIST        what ampc compiles for, where that is not just the device
    --stand-in=BUILD     no GPU is asked: the stand-in driver of this build folder takes the
                         PTX that ships for CUDA and runs it on the CPU

With AMPC_TEST_COMPILED_KERNELS=1 in the environment the stand-in runs the same kernels compiled
for the CPU instead; that is a second compilation, and takes longer in all.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import argparse
import dataclasses
import os
import pathlib


@dataclasses.dataclass(frozen=True)
class Device:
    """Where modules run, and with what."""
    name: str = "host"
    target: str = "host"
    stand_in: pathlib.Path | None = None

    @property
    def has_compiled_kernels(self) -> bool:
        return bool(self.stand_in) and os.environ.get("AMPC_TEST_COMPILED_KERNELS") == "1"

    @staticmethod
    def kernels(module: pathlib.Path) -> pathlib.Path:
        """A module's device kernels compiled for the CPU."""
        return module.with_suffix(".simt.so")

    def compile_flags(self, module: pathlib.Path) -> list[str]:
        """What ampc is told to make `module` with."""
        flags = [f"--target={self.target}"]
        if self.has_compiled_kernels:
            flags.append(f"--test-simt-library={self.kernels(module)}")
        return flags

    def environment(self, *modules: pathlib.Path) -> dict[str, str]:
        """The variables that a process needs, beside those it has, to run these modules."""
        if not self.stand_in:
            return {}
        library = self.stand_in / "lib"
        variables = {"AMPC_CUDA_DRIVER": str(library / "libampc_standin_cuda.so"),
                     "AMPC_CUBLASLT": str(library / "libampc_standin_cublaslt.so"),
                     "AMPC_CUDNN": str(library / "libampc_standin_cudnn.so")}
        if self.has_compiled_kernels:
            variables["AMPC_SIMT_LIBRARY"] = os.pathsep.join(str(self.kernels(m)) for m in modules)
        return variables


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("host", "cuda"), default="host",
                        help="where modules run")
    parser.add_argument("--target", help="what they are compiled for; as the device")
    parser.add_argument("--stand-in", type=pathlib.Path, metavar="BUILD",
                        help="run CUDA through the stand-in driver of this build folder")


def from_options(options: argparse.Namespace) -> Device:
    if options.stand_in and options.device != "cuda":
        raise SystemExit("--stand-in takes the place of a GPU: it needs --device=cuda")
    stand_in = options.stand_in and options.stand_in.resolve()
    if stand_in and not (stand_in / "lib/libampc_standin_cuda.so").exists():
        raise SystemExit(f"--stand-in={stand_in}: there is no lib/libampc_standin_cuda.so")
    return Device(options.device, options.target or options.device, stand_in)
