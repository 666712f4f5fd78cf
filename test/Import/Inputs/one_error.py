# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What ampc says of models, each of which has one thing wrong."""
import pathlib
import subprocess

import onnx
import onnx.parser


def print_errors(models: dict[str, str], folder: str, ampc: str, opset: int) -> None:
    """The one line of each; `models` are graphs in onnx.parser's text, without their names."""
    for name, text in models.items():
        opsets = f'"": {opset}, "com.microsoft": 1, "ai.onnx.preview": 1'
        model = onnx.parser.parse_model(f"<ir_version: 8, opset_import: [{opsets}]> g {text}")
        path = pathlib.Path(folder) / f"{name}.onnx"
        onnx.save(model, path)
        done = subprocess.run([ampc, path, "--loss=none", "--emit=amp"],
                              capture_output=True, text=True)
        errors = [line for line in done.stderr.splitlines() if "error:" in line]
        assert done.returncode == 1 and len(errors) == 1, (name, done.stderr)
        print(errors[0])
