#!/usr/bin/env python3
"""ONNX Runtime's training artifacts train as ONNX Runtime trains them.

For each network in artifacts.zip (record.py made it with onnxruntime-training-cpu 1.19.2): compiles the
artifacts, trains 50 steps from the checkpoint and compares the losses with the recorded ones; in f16 and
bf16 too. Checkpoints written back are read here by code of its own: of the first state they hold the
bits of the file that was read, of the last what ONNX Runtime had then. Damaged checkpoints give an error.

usage: ort.py BUILD_DIR [REGEX]

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import concurrent.futures
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import odtc
import onnx

HERE = pathlib.Path(__file__).resolve().parent
#: Relative distance of losses: f32 as the project's goal has it; the others as parity.py's least,
#: where three times the distance of PyTorch's autocast, as far as it is recorded, is not more.
TOLERANCES = {"f32": 1e-4, "f16": 5e-3, "bf16": 3e-2}
#: Networks that train in 16 bits as well.
LOW = ("mlp", "cnn", "bert", "tagger")
#: Networks of which each gradient node has a definition (lib/Import/GradientFunctions.cpp).
SPELLED_OUT = ("mlp", "bits", "encoder", "cnn", "bert")
#: Changes of a checkpoint that are tried, besides cuts.
MUTATIONS = 40


class Short(Exception):
    """What does not hold of a case."""


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def done(*command):
    code, text = run(*command)
    if code:
        raise Short(f"{pathlib.Path(command[0]).name} ends with {code}: {text}")
    return text


class Runner:
    def __init__(self, build, work):
        self.bin, self.work = pathlib.Path(build).resolve() / "bin", pathlib.Path(work)
        with zipfile.ZipFile(HERE / "artifacts.zip") as archive:
            archive.extractall(self.work)
        content = json.loads((self.work / "cases.json").read_text())
        self.steps, self.batch, self.cases = content["steps"], content["batch"], content["cases"]

    def flags(self, name):
        folder = self.work / name
        return [folder / "training_model.onnx", f"--optimizer-model={folder / 'optimizer_model.onnx'}",
                f"--ort-checkpoint={folder / 'checkpoint'}", f"--batch={self.batch}"]

    def first_batch(self, name):
        file = self.work / f"{name}-batch.npz"
        np.savez(file, **{k: v[:self.batch] for k, v in np.load(self.work / name / "data.npz").items()})
        return file

    def compile(self, name, precision, module):
        case, amp = self.cases[name], ["--amp=O0"]
        if precision != "f32":
            amp = ["--amp=O1", f"--amp-dtype={precision}"]
        done(self.bin / "ampc", *self.flags(name), f"--lr={case['rate']}", "--target=host", *amp,
             f"--eval-model={self.work / name / 'eval_model.onnx'}", "-o", module)

    def train(self, name, module, checkpoint):
        folder, log = self.work / name, module.with_suffix(".jsonl")
        done(self.bin / "ampc-run", "train", module, f"--data={folder / 'data.npz'}",
             "--batch-order=file", f"--steps={self.steps}", "--quiet", f"--log={log}",
             f"--checkpoint={checkpoint}")
        steps = [json.loads(line) for line in log.read_text().splitlines()]
        if not all(step["applied"] for step in steps):
            raise Short("skips a step")
        return [step["loss"] for step in steps]

    def export(self, module, output, *flags):
        done(self.bin / "ampc-run", "export-ort-checkpoint", module, f"--output={output}", *flags)
        return odtc.read(output)

    def check(self, name, precision):
        case = self.cases[name]
        module = self.work / f"{name}-{precision}.so"
        checkpoint = module.with_suffix(".safetensors")
        self.compile(name, precision, module)
        if precision == "f32":
            self.check_first(name, self.export(module, module.with_suffix(".first")))
        losses = self.train(name, module, checkpoint)
        off = max(abs(a - b) / abs(b) for a, b in zip(losses, case["losses"], strict=True))
        if not off < max(TOLERANCES[precision], 3 * case.get("autocast", {}).get(precision, 0)):
            raise Short(f"losses differ by {off:.1e}: {losses} instead of {case['losses']}")
        if precision != "f32":
            return f"losses {off:.0e}"
        if case["evaluated"] is not None:  # ONNX Runtime does not load its evaluation model of the cnn
            text = done(self.bin / "ampc-run", "eval", module, f"--data={self.first_batch(name)}",
                        f"--checkpoint={checkpoint}", "--quiet")
            loss = float(re.search(r"^loss +([\d.]+)", text, re.MULTILINE)[1])
            if not abs(loss - case["evaluated"]) < 1e-4 * case["evaluated"]:
                raise Short(f"evaluates to {loss}, not {case['evaluated']}")
        last = self.export(module, module.with_suffix(".last"), f"--checkpoint={checkpoint}")
        return f"losses {off:.0e}, weights {self.check_last(name, last):.0e}"

    def check_first(self, name, written):
        """What is written before the first step is what was read, to the bit."""
        given = odtc.read(self.work / name / "checkpoint")
        if written["version"] != given["version"] or written["nominal"]:
            raise Short("the file's head is another one")
        for kind in ("trained", "frozen"):
            same(kind, written[kind], given[kind])
        group, = written["groups"]
        if group["name"] != "group0" or not np.isclose(group["rate"], self.cases[name]["rate"], 1e-6, 0):
            raise Short(f"the group is {group['name']} with the learning rate {group['rate']}")
        if group["step"] != self.cases[name]["before"]:
            raise Short(f"the step is {group['step']}")
        for parameter, states in given["groups"][0]["states"].items() if given["groups"] else ():
            same(parameter, group["states"][parameter], states)

    def check_last(self, name, written):
        """The largest distance of a tensor to ONNX Runtime's, relative to its largest element."""
        wanted = odtc.read(self.work / name / "trained")
        group, reference = written["groups"][0], wanted["groups"][0]
        if group["step"] != reference["step"] or group["states"].keys() != reference["states"].keys():
            raise Short(f"step {group['step']}, states of {list(group['states'])}")
        worst = 0
        for kind in ("trained", "frozen"):
            if written[kind].keys() != wanted[kind].keys():
                raise Short(f"{kind} are {list(written[kind])}, not {list(wanted[kind])}")
            for parameter, value in written[kind].items():
                other = wanted[kind][parameter]
                if value.shape != other.shape:
                    raise Short(f"{parameter} is {value.shape}, not {other.shape}")
                worst = max(worst, float(np.abs(value - other).max() / max(np.abs(other).max(), 0.1)))
        if not worst < 1e-2:
            raise Short(f"weights differ by {worst:.1e}")
        return worst

    def check_gradients(self, name):
        """The gradients that the file spells out are those that ampc takes of the forward graph."""
        folder, data = self.work / name, self.first_batch(name)
        batch = np.load(data)
        model = onnx.load(folder / "training_model.onnx")
        graph, given = model.graph, odtc.read(folder / "checkpoint")
        accumulators = [n for n in graph.node if n.op_type == "InPlaceAccumulatorV2"]
        gradients = [n.input[1] for n in accumulators]
        for node in accumulators:
            graph.node.remove(node)
        loss = graph.output[0].name
        del graph.output[1:]
        shapes = {f"{k}_grad": v.shape for k, v in given["trained"].items()}
        graph.output.extend(onnx.helper.make_tensor_value_info(g, onnx.TensorProto.FLOAT, shapes[g])
                            for g in gradients)
        parameters = {**given["trained"], **given["frozen"]}
        inputs = [i for i in graph.input if i.name in batch or i.name in parameters]
        del graph.input[:]
        graph.input.extend(inputs)
        graph.initializer.extend(onnx.numpy_helper.from_array(v, k) for k, v in parameters.items())
        spelled, own = self.work / f"{name}-spelled.onnx", self.work / f"{name}-own.so"
        onnx.save(model, spelled)
        flags = ["--target=host", "--amp=O0", f"--batch={self.batch}"]
        done(self.bin / "ampc", spelled, "--loss=none", *flags, "-o", spelled.with_suffix(".so"))
        outputs = spelled.with_suffix(".npz")
        done(self.bin / "ampc-run", "eval", spelled.with_suffix(".so"), f"--data={data}", "--quiet",
             f"--outputs={outputs}")
        # With a rate of 1, what SGD takes off is the gradient.
        done(self.bin / "ampc", *self.flags(name)[::2], *flags[:2], f"--batch={self.batch}", "--optimizer=sgd",
             "--lr=1", "-o", own)
        self.train_once(own, data)
        after = self.export(own, own.with_suffix(".after"), "--weights-only",
                            f"--checkpoint={own.with_suffix('.safetensors')}")["trained"]
        worst, computed = 0, np.load(outputs)
        for parameter, value in given["trained"].items():
            gradient = computed[f"{parameter}_grad"]
            if not gradient.any():
                raise Short(f"the gradient of {parameter} is 0")
            size = max(np.abs(gradient).max(), 1e-3)
            # The difference of two weights has lost digits.
            lost = np.spacing(np.abs(value).max() + size)
            worst = max(worst, float((np.abs(value - after[parameter] - gradient).max() - lost) / size))
        if not worst < 1e-4 or loss not in computed:
            raise Short(f"gradients differ by {worst:.1e}")
        return f"gradients {worst:.0e}"

    def train_once(self, module, data):
        done(self.bin / "ampc-run", "train", module, f"--data={data}", "--steps=1", "--quiet",
             f"--checkpoint={module.with_suffix('.safetensors')}")

    def check_readme(self):
        """The commands of the example run, and its text tells the loss that they reach."""
        example = HERE.parents[2] / "examples/from-onnxruntime"
        text, folder = (example / "README.md").read_text(), self.work / "example"
        shutil.copytree(example, folder)
        commands = re.findall(r"^\$ (ampc.*)$", text, re.MULTILINE)
        if len(commands) < 4:
            raise Short(f"has {len(commands)} commands")
        environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        printed = ""
        for command in commands:
            ran = subprocess.run(shlex.split(command), cwd=folder, env=environment, capture_output=True,
                                 text=True, timeout=300)
            if ran.returncode:
                raise Short(f"{command}: exit {ran.returncode}: {ran.stderr}")
            printed += ran.stdout
        wanted, reached = (float(re.search(r"^loss +([\d.]+)", s, re.MULTILINE)[1]) for s in (text, printed))
        if not abs(reached - wanted) < 2e-3 or "rows      512\n" not in printed:
            raise Short(f"reaches {printed}, and the page says {wanted}")
        odtc.read(folder / "checkpoint")
        return f"loss {reached}"

    def check_damaged(self):
        """Damaged checkpoints: an error, or what the bytes say; no crash."""
        flags = self.flags("mlp_resumed")
        whole = (self.work / "mlp_resumed" / "checkpoint").read_bytes()
        draw, refused = random.Random(1), 0
        cuts = [whole[:n] for n in (0, 3, 8, 20, 100, len(whole) // 2, len(whole) - 40)]
        changed = []
        for _ in range(MUTATIONS):
            data = bytearray(whole)
            for _ in range(draw.randint(1, 8)):  # the head holds most offsets
                at = draw.randrange(200 if draw.random() < 0.5 else len(data))
                data[at] = draw.choice((0, 1, 0x7f, 0x80, 0xff, draw.randrange(256)))
            changed.append(bytes(data))
        for number, data in enumerate(cuts + changed):
            file = self.work / "damaged"
            file.write_bytes(data)
            code, text = run(self.bin / "ampc", flags[0], flags[1], f"--ort-checkpoint={file}", flags[3],
                             "--emit=amp", "-o", self.work / "damaged.mlir")
            if code not in (0, 1) or (code == 1 and "error: " not in text):
                raise Short(f"damage {number}: exit {code}: {text}")
            if code == 0 and number < len(cuts):
                raise Short(f"a checkpoint cut to {len(data)} bytes is taken")
            refused += code
        return f"{refused} of {len(cuts + changed)} refused"


def same(what, written, given):
    if written.keys() != given.keys():
        raise Short(f"{what}: {list(written)}, not {list(given)}")
    for name, value in given.items():
        if written[name].dtype != value.dtype or not np.array_equal(written[name], value):
            raise Short(f"{what}: {name} is another one")


def main():
    build, regex = sys.argv[1], re.compile(sys.argv[2] if len(sys.argv) > 2 else "")
    with tempfile.TemporaryDirectory() as work, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runner = Runner(build, work)
        jobs = {"damaged checkpoints": runner.check_damaged, "README": runner.check_readme}
        for name in SPELLED_OUT:
            jobs[f"{name} gradients"] = (lambda n=name: runner.check_gradients(n))
        for name in runner.cases:
            for precision in TOLERANCES if name in LOW else ("f32",):
                jobs[f"{name} {precision}"] = (lambda n=name, p=precision: runner.check(n, p))
        jobs = {title: pool.submit(job) for title, job in jobs.items() if regex.search(title)}
        failed = 0
        for title, job in jobs.items():
            try:
                print(f"{title}: {job.result()}")
            except (Short, AssertionError, subprocess.TimeoutExpired) as short:
                failed += 1
                print(f"{title}: FAILED: {short}")
    return 1 if failed or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
