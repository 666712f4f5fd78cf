# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the export scripts of the examples share: a PyTorch network as an ONNX file that trains.

Needs torch==2.11.0 and onnx==1.22.0.
"""
import hashlib
import logging
import pathlib
import warnings

import onnx
import torch

logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, we do not


def strip_paths(message):
    """Removes the exporter's stack traces: they hold paths of this machine."""
    for descriptor, value in message.ListFields():
        if descriptor.name == "metadata_props":
            kept = [p for p in value if p.key != "pkg.torch.onnx.stack_trace"]
            del value[:]
            value.extend(kept)
        elif descriptor.name == "doc_string":
            message.ClearField("doc_string")
        elif descriptor.type == descriptor.TYPE_MESSAGE:
            repeated = hasattr(value, "add")
            for child in value if repeated else [value]:
                strip_paths(child)


def export(network, path, inputs, outputs, fixed=()):
    """Writes `network` to `path`, in training mode: dropout and batch norm as they train, nothing
    folded, the weights under their state_dict names. `inputs` are example batches by name, whose
    first dimension becomes the symbol `batch`, as does that of the outputs that are not `fixed`.
    """
    network.train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter announces its end
        torch.onnx.export(
            network, tuple(inputs.values()), str(path), dynamo=False, opset_version=17,
            training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False,
            input_names=list(inputs), output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in [*inputs, *outputs] if name not in fixed})
    model = onnx.load(str(path))
    strip_paths(model)
    onnx.checker.check_model(str(path), full_check=True)
    large = sum(p.numel() for p in network.parameters()) * 4 > 1 << 30
    if not large:
        onnx.save(model, str(path))
    parameters = sum(p.numel() for p in network.parameters())
    digest = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:16]
    print(f"{path}: {parameters} parameters, {pathlib.Path(path).stat().st_size} bytes, "
          f"sha256 {digest}")
