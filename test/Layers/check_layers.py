#!/usr/bin/env python3
"""Fails where a layer includes what it must not (docs/Architecture.md, "Layers").

Support <- Dialect <- {Import, Training, Precision, Optimize, Codegen, Target} <- Pipeline
<- tools. Phases do not include one another. The runtime includes nothing of the compiler
and nothing of LLVM; of the runtime, the compiler includes the module format only. Files and
Numbers, which all of them may include, are built on the C library alone.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import pathlib
import re
import sys

FORMAT = {"ampc-runtime/module_format.h", "ampc-runtime/accumulation.h"}
PHASES = ["Import", "Training", "Precision", "Optimize", "Codegen", "Target"]
BELOW = {"Support": [], "Dialect": ["Support"]}
BELOW.update({phase: ["Support", "Dialect"] for phase in PHASES})
BELOW["Pipeline"] = ["Support", "Dialect", *PHASES]
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)


def check_compiler(path, layer, includes):
    for include in includes:
        if include.startswith("ampc-runtime/") and include not in FORMAT:
            yield f"{path}: the compiler includes {include} of the runtime"
        if not include.startswith("ampc/"):
            continue
        other = include.split("/")[1]
        if other != layer and other not in BELOW[layer]:
            yield f"{path}: layer {layer} includes {include} of layer {other}"


def check_runtime(path, includes):
    for include in includes:
        if include.startswith(("ampc/", "mlir/", "llvm/", "mlir-c/", "llvm-c/")):
            yield f"{path}: the runtime includes {include}"


def main():
    root = pathlib.Path(sys.argv[1])
    problems, seen = [], 0
    for folder in ("include", "lib", "tools"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".h", ".cpp", ".c", ".td"):
                continue
            seen += 1
            text = path.read_text()
            includes = INCLUDE.findall(text)
            includes += re.findall(r'^include\s+"([^"]+)"', text, re.MULTILINE)
            parts = path.relative_to(root).parts
            name = path.relative_to(root)
            if parts[1] in ("ampc-files", "Files", "ampc-numbers", "Numbers"):
                below = ("ampc-files/", "ampc-numbers/", "sys/")
                problems += [f"{name}: {parts[1]} includes {include}" for include in includes
                             if "/" in include and not include.startswith(below)]
            elif parts[1] in ("ampc-runtime", "Runtime", "ampc-run"):
                problems += check_runtime(name, includes)
            elif folder != "tools":
                layer = parts[2] if folder == "include" else parts[1]
                problems += check_compiler(name, layer, includes)
    print("\n".join(problems) or f"{seen} files, every include within its layer")
    # A check that sees no file checks nothing.
    return 1 if problems or seen < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
