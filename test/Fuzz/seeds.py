#!/usr/bin/env python3
"""Writes the seeds of the fuzzers' corpus: small, and each with something the others lack.

usage: seeds.py BUILD_DIR

What is written is committed; run this again where a format changes. Other files of the corpus
are inputs that once found a fault, and stay.
"""
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

import ctypes
import io
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import onnx
import onnx.parser

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def write(target, name, data):
    path = CORPUS / target / ("seed-" + name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


# Models ------------------------------------------------------------------------------------------

HEAD = '<ir_version: 8, opset_import: ["" : %d%s]>'
MODELS = {
    "mlp": (17, """g (float[N,4] x) => (float[N,2] y)
        <float[4,3] W1, float[3] b1, float[3,2] W2> {
           h = Gemm(x, W1, b1)
           r = Relu(h)
           y = MatMul(r, W2)
        }"""),
    "loss": (17, """g (float[N,3] x, int64[N] label) => (float loss)
        <float[3,5] W> {
           z = MatMul(x, W)
           loss = SoftmaxCrossEntropyLoss<reduction="mean", ignore_index=-100>(z, label)
        }"""),
    "conv": (17, """g (float[N,2,6,6] x) => (float[N,27] y)
        <float[3,2,3,3] W, float[3] b> {
           c = Conv<kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]>(x, W, b)
           r = Relu(c)
           y = Flatten(r)
        }"""),
    "attention": (17, """g (float[N,3,4] x, bool[N,3,3] mask) => (float[N,3,4] y)
        <float[4,4] Wq, float[4,4] Wk, float[4] g, float[4] b> {
           low = Constant<value = float {-1e9}>()
           q = MatMul(x, Wq)
           k = MatMul(x, Wk)
           t = Transpose<perm=[0,2,1]>(k)
           s = MatMul(q, t)
           w = Where(mask, s, low)
           p = Softmax<axis=-1>(w)
           a = MatMul(p, x)
           r = Add(a, x)
           y = LayerNormalization<axis=-1>(r, g, b)
        }"""),
    "shapes": (13, """g (float[N,2,3] x, int64[N,2] i) => (float[M,6] y)
        <float[7,3] E> {
           s = Shape(x)
           z = Constant<value = int64 {0}>()
           n = Gather<axis=0>(s, z)
           one = Constant<value = int64[1] {-1}>()
           six = Constant<value = int64[1] {6}>()
           to = Concat<axis=0>(one, six)
           e = Gather(E, i)
           c = Concat<axis=-1>(x, e)
           h, t = Split<axis=2>(c)
           u = Sub(h, t)
           k = Reshape(u, to)
           y = Clip(k)
        }"""),
    "reductions": (13, """g (float[N,4] x) => (float y)
        <float[4] w> {
           a = Mul(x, w)
           e = Exp(a)
           m = ReduceMean<axes=[1], keepdims=1>(e)
           d = Div(e, m)
           l = Log(d)
           y = ReduceSum<keepdims=0>(l)
        }"""),
    "control": (17, """g (float[2] x, bool c) => (float[2] y)
        <float[2] w> {
           z = Mul(x, w)
           y = If(c) <then_branch = a () => (float[2] t) { t = Neg(z) },
                      else_branch = b () => (float[2] f) { f = Abs(z) }>
        }"""),
    "dropout": (17, """g (float[N,4] x) => (float[N,4] y)
        <float[4] w> {
           r = Constant<value = float {0.5}>()
           t = Constant<value = bool {1}>()
           m = Mul(x, w)
           y, mask = Dropout<seed=3>(m, r, t)
        }"""),
    "function": (17, """g (float[N,2] x) => (float[N,2] y)
        <float[2] w> {
           a = own.f<k=2>(x, w)
           y = own.f<k=3>(a, w)
        }
        <domain: "own", opset_import: ["" : 17]> f <k> (p, q) => (r) {
           m = Mul(p, q)
           r = LeakyRelu<alpha=0.1>(m)
        }"""),
    "opset6": (6, """g (float[N,4] x) => (float[N,4] y)
        <float[4] w> {
           a = Add<broadcast=1, axis=1>(x, w)
           y = Elu(a)
        }"""),
}


def model_seeds():
    for name, (opset, text) in MODELS.items():
        own = ', "own" : 1' if "own." in text else ""
        model = onnx.parser.parse_model(HEAD % (opset, own) + text)
        random = np.random.default_rng(0)
        for value in model.graph.value_info:  # declared in <..>: the weights
            shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
            data = random.standard_normal(shape).astype(np.float32)
            model.graph.initializer.append(onnx.numpy_helper.from_array(data, value.name))
        del model.graph.value_info[:]
        write("model", name, model.SerializeToString())
    text = (SOURCE / "test/Import/training-info.test").read_text()
    text = "".join(l for l in text.splitlines(True) if not l.startswith("//"))
    with tempfile.NamedTemporaryFile() as model:
        subprocess.run([sys.executable, SOURCE / "utils/onnx/make_model.py", model.name],
                       input=text, text=True, check=True)
        write("model", "training-info", pathlib.Path(model.name).read_bytes())


# Dialects ----------------------------------------------------------------------------------------

def dialect_seeds(build):
    """What the compiler prints of the models after import, training and planning."""
    for seed in sorted((CORPUS / "model").glob("seed-*")):
        for stage in ("amp", "train"):
            done = subprocess.run([build / "bin/ampc", seed, f"--emit={stage}", "--batch=2"],
                                  capture_output=True, text=True)
            if done.returncode == 0 and len(done.stdout) < 8000:
                write("dialect", f"{stage}-{seed.name[5:]}.mlir", done.stdout.encode())
    for path in sorted((SOURCE / "test/Dialect").rglob("*.mlir")):
        parts = re.split(r"^// -----.*$", path.read_text(), flags=re.M)
        text = max((p for p in parts if "error" not in p), key=len, default="")
        if text and len(text) < 6000:
            write("dialect", "test-" + path.name, re.sub(r"^//.*\n", "", text, flags=re.M).encode())


# Tables ------------------------------------------------------------------------------------------

class Module(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("struct_size", ctypes.c_uint32),
                ("tables", ctypes.c_void_p), ("tables_bytes", ctypes.c_uint64)]


def table_seeds(build):
    with tempfile.TemporaryDirectory() as folder:
        for name, target in (("mlp", "host"), ("conv", "host"), ("loss", "cuda")):
            library = pathlib.Path(folder) / (name + ".so")
            flags = [f"--target={target}", "--batch=2"] + ([] if name == "loss" else ["--loss=mse"])
            subprocess.run([build / "bin/ampc", CORPUS / "model" / ("seed-" + name), *flags,
                            "-o", library], check=True)
            module = Module.in_dll(ctypes.CDLL(str(library)), "ampc_module_v1")
            write("tables", name, ctypes.string_at(module.tables, module.tables_bytes))


# Data --------------------------------------------------------------------------------------------

def npy(array, version=(1, 0)):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version)
    return buffer.getvalue()


def npz_seeds():
    random = np.random.default_rng(0)
    x = random.standard_normal((3, 4)).astype(np.float32)
    for name, array in (("f64", x.astype(np.float64)), ("f16", x.astype(np.float16)),
                        ("i64", np.arange(4)), ("bool", x > 0), ("fortran", np.asfortranarray(x)),
                        ("scalar", np.float32(1)), ("empty", np.zeros((0, 3), np.float32))):
        write("npz", "npy-" + name, npy(array))
    write("npz", "npy-version2", npy(x, (2, 0)))
    for name, save in (("stored", np.savez), ("deflated", np.savez_compressed)):
        buffer = io.BytesIO()
        save(buffer, x=x, label=np.arange(3), half=x.astype(np.float16))
        write("npz", name, buffer.getvalue())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("big.npy", "w", force_zip64=True) as member:
            member.write(npy(np.zeros((64, 64), np.int32)))
        archive.writestr("notes.txt", "no array")
        archive.comment = b"a comment"
    write("npz", "zip64", buffer.getvalue())


def checkpoint_seeds():
    def safetensors(header, data=b""):
        text = header.encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + data

    write("checkpoint", "empty", safetensors("{}"))
    write("checkpoint", "one", safetensors(
        '{"__metadata__":{"a":"\\u00e9\\ud83d\\ude00"},'
        '"t":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},'
        '"u":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}}', bytes(10)))


def main():
    build = pathlib.Path(sys.argv[1])
    for seed in CORPUS.rglob("seed-*"):
        if seed.name != "seed-saved":
            seed.unlink()
    model_seeds()
    dialect_seeds(build)
    table_seeds(build)
    npz_seeds()
    checkpoint_seeds()


if __name__ == "__main__":
    main()
