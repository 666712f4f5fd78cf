# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Exports networks by both of PyTorch's exporters and records how PyTorch trains them: recordings/.

    python record.py                    all
    python record.py NAME...            these
    python record.py --tune NAME..      tries learning rates, writes nothing

Needs torch==2.11.0, torchvision==0.26.0, onnx==1.22.0, onnxscript, transformers and timm; the test that
reads the recordings needs onnx and numpy only. README.md beside this file says what a recording holds.
A recording that would prove nothing is not written.
"""
import argparse
import contextlib
import copy
import io
import logging
import pathlib
import re
import sys
import tempfile
import time
import warnings

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent)]
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import torch  # noqa: E402

import common  # noqa: E402
import sequences  # noqa: E402
import structures  # noqa: E402
import vision  # noqa: E402
from network import SCALE, build, train  # noqa: E402

NETWORKS = {n.name: n for n in (*vision.NETWORKS, *sequences.NETWORKS, *structures.NETWORKS)}
TOLERANCE = 1e-4
SEEDS, NOISY = 32, 5

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def deviation(losses, reference):
    return float(np.max(np.abs(losses - reference) / np.abs(reference)))


def export(network, module, example, how):
    """The model that one exporter writes: `dynamo` as by default, `dynamo-plain` without its
    optimizer, `script` with the sizes of batches left open."""
    module.train()
    names = list(network.inputs)
    with (tempfile.TemporaryDirectory() as work, contextlib.redirect_stdout(io.StringIO()),
          contextlib.redirect_stderr(io.StringIO())):
        path = f"{work}/model.onnx"
        if how == "script":
            torch.onnx.export(module, example, path, input_names=names, output_names=["y"],
                              dynamo=False, opset_version=17, do_constant_folding=False,
                              training=torch.onnx.TrainingMode.TRAINING,
                              dynamic_axes=network.dynamic_axes()[0])
        else:
            torch.onnx.export(module, example, path, input_names=names, output_names=["y"],
                              dynamo=True, opset_version=18, external_data=False,
                              optimize=how == "dynamo")
        model = onnx.load(path)
    # Paths of the machine, and most of the bytes.
    for node in [*model.graph.node, *(n for f in model.functions for n in f.node)]:
        kept = [p for p in node.metadata_props if "stack_trace" not in p.key]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
        node.doc_string = ""
    return model


def exports_of(network, module, weights, arrays):
    """how -> model and what is said of it. Where the default of dynamo loses parameters there are two
    of it: the default, which the compiler refuses, and the one without its optimizer."""
    example = tuple(torch.from_numpy(arrays[n][:shape[0]])
                    for n, (_, shape, _) in network.inputs.items())
    models, told = {}, {}
    for how in ("dynamo", "dynamo-plain", "script"):
        if how == "dynamo-plain" and "dynamo" in told and not any(
                told["dynamo"][k] for k in ("lost", "moved")):
            continue
        source = module
        if how == "script" and network.make_for_script:
            source, _ = build(network, network.make_for_script)
        try:
            model = export(network, source, example, how)
        except Exception as error:
            print(f"{network.name} {how}: not exported: {type(error).__name__}: {str(error)[-200:]}",
                  flush=True)
            continue
        filled = common.strip(model, weights)
        lost = sorted(set(weights) - {parameter for parameter, _ in filled.values()})
        # Rows of an embedding in their order, a scale with dimensions of 1: the same elements.
        shapes = {t.name: list(t.dims) for t in model.graph.initializer}
        moved = [p for t, (p, transposed) in filled.items()
                 if shapes[t] != list(weights[p].shape)[::-1 if transposed else 1]]
        if how == "dynamo" and lost:
            # Nothing is computed with it: values that were folded from weights need not be kept.
            for tensor in model.graph.initializer:
                if tensor.data_type == onnx.TensorProto.FLOAT and tensor.ByteSize() > 4096:
                    value = np.full(list(tensor.dims), 0.25, np.float32)
                    tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
        elif lost:
            raise SystemExit(f"{network.name} {how}: {lost} are not in the file")
        models[how], told[how] = model, {"filled": filled, "lost": lost, "moved": moved}
        told[how]["flags"] = network.dynamic_axes()[1] if how == "script" else []
    return models, told


def reverse(network, arrays):
    """The same batches with their samples in reverse: sums over them are taken in another order."""
    def flip(array, rows):
        return np.ascontiguousarray(array.reshape(-1, *rows)[:, ::-1]).reshape(array.shape)
    return {name: flip(arrays[name], shape) if shape[0] == common.BATCH else arrays[name]
            for name, (_, shape, _) in network.data_of().items()}


def rounding(network, module, arrays, lr):
    """f32 losses, their fall, how far they are from those in f64, and how far PyTorch's f32 moves them
    when it sums up in another order."""
    losses, _ = train(network, module, arrays, lr=lr)
    exact, _ = train(network, module, arrays, "f64", lr=lr)
    others = [train(network, module, reverse(network, arrays), lr=lr)[0]]
    with torch.backends.mkldnn.flags(enabled=False):
        others.append(train(network, module, arrays, lr=lr)[0])
    sets = network.sets
    return (losses, float(1 - losses[-sets:].mean() / losses[:sets].mean()), deviation(losses, exact),
            max(deviation(other, losses) for other in others))


def noise(network, module, arrays, lr):
    """How far weights that are wrong by a rounding move the curve, at most, in a few runs: a network in
    which activations lie at the kink of a ReLU jumps in some of them."""
    losses, _ = train(network, module, arrays, lr=lr)
    moved = []
    for seed in range(NOISY):
        other, generator = copy.deepcopy(module), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in other.parameters():
                p.mul_(1 + 1e-7 * torch.randn(p.shape, generator=generator))
        moved.append(deviation(train(network, other, arrays, lr=lr)[0], losses))
    return max(moved)


def tune(network):
    module, _ = build(network)
    arrays = common.make_data({"inputs": network.data_of(), "sets": network.sets})
    for factor in (0.1, 0.3, 1, 3, 10):
        lr = network.lr * factor
        losses, fall, error, moved = rounding(network, module, arrays, lr)
        print(f"{network.name} lr {lr:g}: {losses[0]:.3f} to {losses[-1]:.3f}, falls by {fall:.2f}, "
              f"f64 {error:.1e}, in another order {moved:.1e}, with noise "
              f"{noise(network, module, arrays, lr):.1e}", flush=True)


def seeds_of(network, module, arrays, lr):
    """Mean and deviation over seeds of each step's loss."""
    curves = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        curves.append(train(network, module, arrays, lr=lr)[0])
    return np.mean(curves, 0), np.std(curves, 0, ddof=1)


def record_random(network, module, case, arrays):
    """A network that draws numbers, which are others in each system: f32 over seeds. Without the
    numbers it must train otherwise."""
    mean, spread = seeds_of(network, module, arrays, network.lr)
    half, _ = seeds_of(network, module, arrays, network.lr / 2)
    drawn, torch.randn_like = torch.randn_like, torch.zeros_like
    none, _ = seeds_of(network, module, arrays, network.lr)
    torch.randn_like = drawn
    error = spread * (1 / SEEDS + 1 / common.SEEDS) ** 0.5
    case |= {"flags": network.flags(network.lr), "freeze": network.freeze,
             "seeds": {"count": SEEDS, "mean": [float(f"{v:.9g}") for v in mean],
                       "deviation": [float(f"{v:.4g}") for v in spread]},
             "falls_by": round(float(1 - mean[-network.sets:].mean() / mean[:network.sets].mean()), 3),
             "half_lr": float(np.max(np.abs(half - mean) / error)),
             "no_noise": float(np.max(np.abs(none - mean) / error))}
    print(f"{network.name}: {mean[0]:.3f} to {mean[-1]:.3f}, falls by {case['falls_by']}, in standard "
          f"errors: half lr {case['half_lr']:.0f}, no noise {case['no_noise']:.0f}", flush=True)
    return case["falls_by"] >= 1 / 3 and min(case["half_lr"], case["no_noise"]) > 10


def record(network, low_precision=True):
    module, weights = build(network)
    case = {"name": network.name, "sets": network.sets, "inputs": network.data_of(),
            "parameters": weights, "steps": common.STEPS,
            "trained": [n for n, p in module.named_parameters()
                        if not (network.freeze and re.search(network.freeze, n))],
            "buffers": {n: list(b.shape) for n, b in module.named_buffers() if b.is_floating_point()},
            "torch": torch.__version__.split("+")[0], "scale": SCALE}
    arrays = common.make_data(case)
    models, case["exports"] = exports_of(network, module, common.initial_weights(case), arrays)
    if network.is_random:
        good = record_random(network, module, case, arrays)
        common.write(case, models)
        return good
    lr = network.lr
    losses, fall, error, moved = rounding(network, module, arrays, lr)
    case |= {"flags": network.flags(lr), "freeze": network.freeze, "falls_by": round(fall, 3),
             "error_vs_f64": error, "error_reordered": moved,
             "losses": {"f32": [float(f"{v:.9g}") for v in losses]}, "errors": {}}
    half, _ = train(network, module, arrays, lr=lr / 2)
    case["half_lr"] = deviation(half, losses)
    failures = []
    for precision in ("f16", "bf16") if low_precision else ():
        try:
            low, scales = train(network, module, arrays, precision)
        except RuntimeError as reason:
            failures.append(f"{precision}: {str(reason)[:100]}")
            continue
        case["errors"][precision] = deviation(low, losses)
        if len(set(scales)) > 1:
            failures.append(f"{precision}: a step was skipped")
    common.write(case, models)
    if fall < 1 / 3:
        failures.append(f"the loss falls by {fall:.0%} only")
    if max(error, moved) > TOLERANCE / 3:
        failures.append(f"rounding alone moves the curve by {max(error, moved):.1e}")
    if case["half_lr"] < 10 * TOLERANCE:
        failures.append("half the learning rate would pass")
    size = (common.RECORDINGS / f"{network.name}.zip").stat().st_size
    elements = sum(int(np.prod(w[0])) for w in weights.values())
    print(f"{network.name}: {elements} elements, {', '.join(models)}, {size} bytes, "
          f"loss {losses[0]:.4f} to {losses[-1]:.4f}, falls by {fall:.2f}, f64 {error:.1e}, "
          f"reordered {moved:.1e}, half lr {case['half_lr']:.1e}, {case['errors']}", *(f"FAILED {f}" for f in failures), flush=True)
    return not failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--full-only", action="store_true", help="without f16 and bf16")
    options = parser.parse_args()
    common.RECORDINGS.mkdir(exist_ok=True)
    good = True
    for name in options.names or NETWORKS:
        start = time.monotonic()
        if options.tune:
            tune(NETWORKS[name])
        else:
            good &= record(NETWORKS[name], not options.full_only)
        print(f"  {time.monotonic() - start:.0f} s", flush=True)
    sys.exit(not good)


if __name__ == "__main__":
    main()
