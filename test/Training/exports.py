#!/usr/bin/env python3
"""What is trained of a network, however PyTorch exported it, is what PyTorch trains.

For each export in exports/exports.zip: compiles it, compares the parameters that are trained with
PyTorch's (shapes up to transposition, names where the file has them), trains and compares the losses.
A buffer that the file cannot tell from a parameter must be named in a note and is frozen by hand.
Where the exporter lost parameters the compiler must refuse and name them.

usage: exports.py BUILD_DIR [REGEX]

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import concurrent.futures
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import onnx

HERE = pathlib.Path(__file__).resolve().parent
# PyTorch's f32 and ours differ by roundings, which a few steps of SGD do not amplify.
TOLERANCE = 1e-4
#: Networks of which the folded export from dynamo holds values computed from parameters, which
#: are lost with it -> those. The compiler refuses such a file.
POSITIONS = "model.embeddings.position_embeddings.weight"
LOST = {
    "convnorm": ["norm.weight", "norm.bias"],
    "towers": ["logit_scale"],
    "recurrent": ["gate.weight", "gate.bias"],  # of the gate of a state of zeros
    "distilbert": [POSITIONS],
    "albert": [POSITIONS, "model.embeddings.token_type_embeddings.weight"],
    "gpt2": ["model.transformer.wpe.weight"],
    "vit": ["class_token"],  # repeated for each sample
}


class Short(Exception):
    """What does not hold of a case."""


def make_data(kind, shape, rows):
    """As record.py makes it."""
    random = np.random.RandomState(1)
    if kind == "ids":
        return random.randint(0, 40, (rows, *shape)).astype(np.int64)
    return random.randint(-64, 65, (rows, *shape)).astype(np.float32) / 32


def element_count(shape):
    return math.prod(shape)


def key(shape):
    """A shape up to transposition."""
    return tuple(sorted(shape))


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr


class Runner:
    def __init__(self, build, archive, work):
        self.bin, self.work = pathlib.Path(build) / "bin", pathlib.Path(work)
        content = json.loads(archive.read("cases.json"))
        self.settings, self.cases = content["settings"], content["cases"]
        archive.extractall(work)

    def compile(self, name, *flags):
        """Exit code, messages, and the parameters that are trained: names and shapes."""
        module = self.work / f"{name}.so"
        code, text = run(self.bin / "ampc", self.work / self.cases[name]["model"], "-o", module,
                         "--target=host", "--loss=mse", "--optimizer=sgd", "--amp=O0",
                         f"--lr={self.settings['lr']}", *flags)
        if code:
            return code, text, {}
        inspected = json.loads(subprocess.check_output(
            [self.bin / "ampc-run", "inspect", module, "--json"]))
        return code, text, {p["name"]: p["shape"] for p in inspected["parameters"] if p["trained"]}

    def losses(self, name):
        case, steps, batch = self.cases[name], self.settings["steps"], self.settings["batch"]
        data, log = self.work / f"{name}.npz", self.work / f"{name}.jsonl"
        x = make_data(*case["sample"], steps * batch)
        target = np.full((steps * case["output"][0], *case["output"][1:]), 0.25, np.float32)
        np.savez(data, x=x, target=target)
        code, text = run(self.bin / "ampc-run", "train", self.work / f"{name}.so", f"--data={data}",
                         "--batch-order=file", "--quiet", f"--log={log}")
        if code:
            raise Short(f"training ends with {code}: {text}")
        return [json.loads(line)["loss"] for line in log.read_text().splitlines()]

    def check(self, name):
        """What was seen of a case, for the table."""
        case = self.cases[name]
        network, exporter, mode, folding = name.rsplit("-", 3)
        code, text, trained = self.compile(name)
        # The dynamo exporter writes batch norms in inference form, whatever the network's mode is.
        if code == 0 and mode == "train" and re.search(r"\(.*BatchNormalization\): --train-mode", text):
            code, text, trained = self.compile(name, "--train-mode=on")
        if code == 1 and ("cannot be imported" in text or "is not supported" in text):
            return "operator missing"
        if network in LOST and exporter == "dynamo" and folding == "folded":
            if code != 1 or any(f"'{p}'" not in text for p in LOST[network]):
                raise Short(f"exit {code}, {LOST[network]} not named as lost: {text}")
            return "refused"
        if code:
            raise Short(f"exit {code}: {text}")
        file = onnx.load(self.work / case["model"])
        in_file = {t.name for t in file.graph.initializer}
        if any(name.startswith("onnx::Conv") for name in in_file):
            # TorchScript tells nothing of what it folded; only a note can say what may be gone.
            if "BatchNormalization" not in text:
                raise Short(f"no note that BatchNormalization may have been folded: {text}")
            return "noted"

        surplus = self.surplus(case, trained)
        if surplus:
            if exporter != "script":
                raise Short(f"trains {surplus}, which PyTorch does not")
            untold = [s for s in surplus if f"'{s}'" not in text]
            if untold:
                raise Short(f"no note names {untold}: {text}")
            freeze = "|".join(re.escape(s) for s in surplus)
            code, text, trained = self.compile(name, f"--freeze=^({freeze})$")
            if code:
                raise Short(f"exit {code} with --freeze={freeze}: {text}")
        self.compare(case, trained, in_file)
        losses = self.losses(name)
        off = max(abs(a - b) / abs(b) for a, b in zip(losses, case["losses"], strict=True))
        if not off < TOLERANCE:
            raise Short(f"losses differ by {off:.1e}: {losses} instead of {case['losses']}")
        return f"{len(trained)} parameters, {off:.0e}" + (f", {len(surplus)} frozen" if surplus else "")

    @staticmethod
    def surplus(case, trained):
        """What is trained beyond PyTorch's parameters and has a buffer's shape."""
        left = [key(s) for s in case["parameters"].values()]
        surplus = []
        for name, shape in sorted(trained.items(), key=lambda t: t[0] in case["buffers"]):
            if name not in case["buffers"] and key(shape) in left:
                left.remove(key(shape))
            elif name in case["buffers"] or key(shape) in map(key, case["buffers"].values()):
                surplus.append(name)
        return surplus

    @staticmethod
    def compare(case, trained, in_file):
        expected = case["parameters"]
        shapes, wanted = sorted(map(key, trained.values())), sorted(map(key, expected.values()))
        elements = sum(map(element_count, trained.values()))
        if elements != sum(map(element_count, expected.values())) or shapes != wanted:
            raise Short(f"trains {len(shapes)} tensors, {elements} elements: {sorted(trained)}; "
                        f"PyTorch {len(wanted)}: {sorted(expected)}")
        unnamed = [n for n in expected if n in in_file and n not in trained]
        if unnamed:
            raise Short(f"does not train {unnamed}, which the file holds")


def main():
    build, only = sys.argv[1], re.compile(sys.argv[2] if len(sys.argv) > 2 else "")
    failed, counts = 0, {}
    with tempfile.TemporaryDirectory(prefix="ampc-exports-") as work:
        runner = Runner(build, zipfile.ZipFile(HERE / "exports" / "exports.zip"), work)
        names = [name for name in runner.cases if only.search(name)]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            futures = {name: pool.submit(runner.check, name) for name in names}
        for name, future in futures.items():
            try:
                seen = future.result()
                kind = seen if seen in ("operator missing", "refused", "noted") else "trained"
                counts[kind] = counts.get(kind, 0) + 1
                print(f"ok    {name}: {seen}")
            except Short as why:
                failed += 1
                print(f"SHORT {name}: {why}")
    print(f"{len(names)} exports, {failed} short, {counts}")
    # Operators that come later make more cases run, never fewer.
    if not only.pattern and counts.get("trained", 0) < 97:
        sys.exit("fewer exports are trained than were before")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
