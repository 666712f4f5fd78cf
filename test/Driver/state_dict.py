#!/usr/bin/env python3
"""Parameters under PyTorch's names (ampc-run export --state-dict), however its exporter wrote the
network: names and shapes are those of the module, values the same from each export.

usage: state_dict.py BUILD_DIR [--all] [unittest's options]

--all: each network of test/Training/exports.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import pathlib
import struct
import sys
import zipfile

import numpy as np

import harness

ARCHIVE = harness.ROOT / "test/Training/exports/exports.zip"
DAILY = ("mlp", "tied_autoencoder", "convnet", "convnorm", "mixer", "tagger")
TYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64}
#: What the file has under the other one of two names, or does not tell.
TIED = {"embedding.weight": "head.weight",
        "model.transformer.wte.weight": "model.lm_head.weight"}
#: Buffers that no step moves may be numbers of the graph by now.
UNMOVED = ("running_mean", "running_var", "inv_freq")
#: TorchScript's names of what it folded do not say what it is: a bias of a function, of a
#: convolution with the norm behind it, of a weight read in two places.
UNKNOWN = {"convnorm-script-eval-folded", "recurrent-script-eval-folded",
           "albert-script-eval-folded", "vit-script-eval-folded"}


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    assert header.pop("__metadata__") == {"format": "pt"} and size % 8 == 0
    tensors, end = {}, 0
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        assert first == end, "a gap between tensors"
        end = last
        tensors[name] = np.frombuffer(data[8 + size + first:8 + size + last],
                                      TYPES[entry["dtype"]]).reshape(entry["shape"])
    assert 8 + size + end == len(data)
    return tensors


class StateDict(harness.Case):
    whole = False

    def export(self, module, name, *flags):
        out = self.work / f"{name}.safetensors"
        return out, self.build.ampc_run("export", module, f"--state-dict={out}", *flags)

    def test_exports(self):
        archive = zipfile.ZipFile(ARCHIVE)
        cases = json.loads(archive.read("cases.json"))["cases"]
        archive.extractall(self.work)
        found, refused = {}, set()
        for name, case in cases.items():
            network = name.rsplit("-", 3)[0]
            if "-train-" in name or (not self.whole and network not in DAILY):
                continue
            with self.subTest(name):
                module = self.work / f"{name}.so"
                done = self.build.ampc(self.work / case["model"], "-o", module, "--target=host",
                                       "--loss=mse", "--optimizer=sgd", "--amp=O0")
                if done.returncode:
                    self.assertIn("folded", done.stderr)  # parameters are lost
                    continue
                out, done = self.export(module, name)
                module.unlink()
                if name in UNKNOWN:
                    refused.add(name)
                    self.assertEqual((done.returncode, done.stderr.count("error:")), (1, 1))
                    self.assertRegex(done.stderr, "does not tell which tensors of PyTorch's module "
                                                  "these are.*'onnx::")
                    self.assertFalse(out.exists())
                    continue
                self.assertEqual(done.returncode, 0, done.stderr)
                tensors = read_safetensors(out)
                for key, other in TIED.items():
                    if key in case["parameters"] and key not in tensors and other in tensors:
                        tensors[key] = tensors.pop(other)
                wanted = {**case["parameters"], **case["buffers"]}
                for key in [k for k in wanted if k.endswith(UNMOVED) and k not in tensors]:
                    del wanted[key]
                self.assertEqual({k: list(v.shape) for k, v in tensors.items()}, wanted)
                first = found.setdefault(network, tensors)
                for key in tensors.keys() & first.keys():
                    # A bias that was merged with another may have the other's signs of zeros.
                    np.testing.assert_array_equal(tensors[key], first[key], f"{name} {key}")
        self.assertGreaterEqual(len(found), 6)
        self.assertTrue(refused)

    def test_trained(self):
        """Behind training, and of moving averages, which are of the same form."""
        archive = zipfile.ZipFile(ARCHIVE)
        case = json.loads(archive.read("cases.json"))["cases"]["mixer-dynamo-eval-folded"]
        model = pathlib.Path(archive.extract(case["model"], self.work))
        module = self.compile(model, "m", "--target=host", "--loss=mse", "--optimizer=sgd",
                              "--lr=0.05", "--amp=O0", "--ema=0.5")
        random = np.random.default_rng(3)
        data, checkpoint = self.work / "d.npz", self.work / "c.safetensors"
        np.savez(data, x=random.normal(size=(32, *case["sample"][1])).astype(np.float32),
                 target=random.normal(size=(32, *case["output"][1:])).astype(np.float32))
        done = self.build.ampc_run("train", module, f"--data={data}", "--quiet",
                                   f"--checkpoint={checkpoint}")
        self.assertEqual(done.returncode, 0, done.stderr)
        dicts = {}
        for name, flags in (("initial", ()), ("trained", (f"--checkpoint={checkpoint}",)),
                            ("averaged", (f"--checkpoint={checkpoint}", "--ema"))):
            out, done = self.export(module, name, *flags)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            dicts[name] = read_safetensors(out)
            self.assertEqual({k: list(v.shape) for k, v in dicts[name].items()},
                             case["parameters"])
        header, values = {}, {}
        raw = checkpoint.read_bytes()
        size = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8:8 + size])
        for name, entry in header.items():
            if name != "__metadata__":
                first, last = entry["data_offsets"]
                values[name] = np.frombuffer(raw[8 + size + first:8 + size + last],
                                             np.float32).reshape(entry["shape"])
        held = 0
        for key, value in dicts["trained"].items():
            self.assertFalse(np.array_equal(value, dicts["initial"][key]))
            self.assertFalse(np.array_equal(value, dicts["averaged"][key]))
            for prefix, which in (("", "trained"), ("ampc.ema/", "averaged")):
                if prefix + key in values:
                    self.assertSameBits(dicts[which][key], values[prefix + key])
                    held += 1
            if key not in values:  # a folded weight has another name there, and is transposed
                others = [v for n, v in values.items() if n.startswith("val_")]
                self.assertTrue(any(np.array_equal(value.T, v) for v in others), key)
        self.assertGreater(held, 0)
        self.assertLess(held, 2 * len(dicts["trained"]), "nothing was folded")

    def test_errors(self):
        module = self.example("mlp_10_100_10", "--target=host")
        out = self.work / "never.safetensors"
        for flags, code, said in (
                ([], 2, "--state-dict is missing"),
                ([f"--state-dict={out}", "--ema"], 1, "keeps no averages"),
                ([f"--state-dict={out}", f"--checkpoint={self.work / 'none'}"], 1, "none"),
                ([f"--state-dict={self.work / 'no/folder'}"], 1, "no"),
                ([f"--state-dict={module}"], 1, "also read")):
            with self.subTest(flags):
                done = self.build.ampc_run("export", module, *flags)
                self.assertEqual((done.returncode, done.stderr.count("error:")), (code, 1),
                                 done.stderr)
                self.assertIn(said, done.stderr)
                self.assertFalse(out.exists())


if __name__ == "__main__":
    StateDict.whole = "--all" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--all"]
    harness.main()
