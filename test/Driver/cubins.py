# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What ptxas makes of the kernels: no spills, blocks that fit a multiprocessor, the workgroup
memory that the PTX declares, and loads and stores as wide as the tensors allow.

    python test/Driver/cubins.py BUILD_DIR [--all] [unittest's arguments]

The cubins are those of the train.so, the PTX too. Needs ptxas, no other tool and no GPU.
"""
import dataclasses
import glob
import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import onnx

import cubin
import harness
import models
import ptx

ARCHS = (80, 90)
TYPES = {"f32": ["--amp=O0"], "f16": ["--amp-dtype=f16"], "bf16": ["--amp-dtype=bf16"]}
BYTES = {"f64": 8, "i64": 8, "f32": 4, "i32": 4, "f16": 2, "bf16": 2, "i16": 2, "i8": 1, "ui8": 1,
         "i1": 1}
# A multiprocessor, by architecture: CUDA C++ Programming Guide, technical specifications. Registers
# go to warps by 256, four warps at once; each block has 1 KiB of workgroup memory for the system.
REGISTERS, WARPS, BLOCKS, GRANULE, WARPS_AT_ONCE = 65536, 64, 32, 256, 4
SHARED = {80: 164 << 10, 90: 228 << 10}
# An access of a device, and the elements of one thread: kVectorBytes, widestLanes.
MOST_BYTES, MOST_LANES = 16, 8
# Tensors below it cost a launch less than the launch itself.
LEAST_BYTES = 64 << 10
# Of the bytes that instructions name: loops over vectors have one over single elements behind them,
# for what is left.
LEAST_SHARE = 0.75

# Large tensors that may be accessed in less than 16 bytes: how the complaint about one begins, with
# the reason. Each must be needed.
WINDOWS = "windows: the neighbours that a result needs are at no multiple of 16 bytes"
NARROW = {
    "images": {
        r"p_\d+: argument 0, 8x16x32x32xf32, is read": WINDOWS,
        r"fused_\d+: argument \d, 8x\d+x32x\d+xb?f16, is \w+ in \[2\]":
            "channels go behind the points by way of workgroup memory, one element a thread",
    },
    "rms_norm of 256": {
        r"logits_\d+: argument \d, 128x256xb?f16, is \w+ in \[2\]":
            "each element waits for a sum of 16 products: one a thread, as there are few",
    },
    "transformer of 768": {
        r"\w+_final: argument 0, \w+x3072xf32, is read in \[4\]":
            "merges partial results, one column a thread: else there are too few threads",
    },
    "transformer of 1024": {
        r"\w+_final: argument \d, \w+xf32, is read in \[4\]":
            "merges partial results, one column a thread: else there are too few threads",
    },
}

OPTIMIZERS = ("adafactor", "adagrad", "adam", "adamw", "adamw_hf", "lamb", "lion", "momentum",
              "nadam", "nesterov", "rmsprop", "sgd")

LAUNCH = re.compile(r"plan\.launch @\w+::@(\w+) blocks \[(\d+).*?threads \[(\d+).*?"
                    r"tied = array<i64(?:: ([-\d, ]+))?>\} : \((.*?)\) -> (\(.*?\)|tensor<.*?>)")
TENSOR = re.compile(r"tensor<((?:\d+x)*)(\w+)>")


@dataclasses.dataclass
class Tensor:
    shape: list
    type: str

    @property
    def count(self):
        return math.prod(self.shape)

    @property
    def bytes(self):
        return self.count * BYTES[self.type]

    def __str__(self):
        return "x".join(map(str, [*self.shape, self.type]))


@dataclasses.dataclass
class Launch:
    kernel: str
    blocks: int
    threads: int
    arguments: list  # tensors


def tensors(text):
    return [Tensor([int(d) for d in dims.split("x")[:-1]], kind)
            for dims, kind in TENSOR.findall(text)]


def launches(plan):
    """Every launch of a plan. A kernel takes the inputs and what is not written over them."""
    for kernel, blocks, threads, tied, inputs, outputs in LAUNCH.findall(plan):
        own = [t for t, i in zip(tensors(outputs), tied.split(",")) if int(i) < 0]
        yield Launch(kernel, int(blocks), int(threads), tensors(inputs) + own)


def blocks_at_once(kernel, threads, arch):
    """Blocks of a kernel that a multiprocessor holds: as CUDA's occupancy calculator counts."""
    warps = -(-threads // 32)
    of_warp = -(-kernel.registers * 32 // GRANULE) * GRANULE
    by_registers = REGISTERS // of_warp // WARPS_AT_ONCE * WARPS_AT_ONCE // warps
    by_shared = SHARED[arch] // (cubin.own_shared(kernel, arch) + cubin.RESERVED)
    return min(by_registers, by_shared, WARPS // warps, BLOCKS)


def find_faults(found, declared, arch):
    """What is wrong with the kernels of a cubin, given those of the PTX."""
    if missing := set(declared) ^ set(found):
        yield f"sm_{arch}: PTX and cubin have different kernels: {missing}"
    for name in sorted(set(declared) & set(found)):
        kernel, source = found[name], declared[name]
        at = f"sm_{arch} {name}"
        if kernel.stack + kernel.widest("LDL") + kernel.widest("STL"):
            yield f"{at}: {kernel.stack} bytes of local memory, {kernel.registers} registers"
        if kernel.widest("LD") + kernel.widest("ST"):
            yield f"{at}: accesses whose memory ptxas does not know"
        if cubin.own_shared(kernel, arch) != source.shared:
            yield (f"{at}: {cubin.own_shared(kernel, arch)} bytes of workgroup memory, "
                   f"{source.shared} declared")
        if not 0 < kernel.registers < 256:
            yield f"{at}: {kernel.registers} registers"
        elif blocks_at_once(kernel, source.threads, arch) < 1:
            yield f"{at}: no block of {source.threads} threads fits, {kernel.registers} registers"
        for kind, is_store in (("LDG", False), ("STG", True)):
            if kernel.widest(kind) != source.widest(is_store):
                yield (f"{at}: {kind} of {kernel.widest(kind)} bytes, "
                       f"in the PTX {source.widest(is_store)}")


def streamed(launch):
    """Arguments that carry a launch's bytes, and that accesses of 16 bytes divide: (index, tensor,
    bytes of an access). Those with far fewer elements than others have one for a whole row.
    """
    most = max(t.count for t in launch.arguments)
    for i, t in enumerate(launch.arguments):
        width = min(MOST_BYTES, MOST_LANES * BYTES[t.type])
        row = t.shape[-1] * BYTES[t.type] if t.shape else 0
        if t.bytes >= LEAST_BYTES and 2 * t.count >= most and row % width == 0:
            yield i, t, width


def find_narrow(launch, kernel):
    """For each argument that is streamed, read or written at places of the threads' own: what is
    wrong with the width, or None.
    """
    for i, tensor, width in streamed(launch):
        for is_store in (False, True):
            sizes = [a.bytes for a in kernel.accesses
                     if i in a.arguments and a.is_store == is_store and a.varies]
            if not sizes:
                continue
            wide = sum(size for size in sizes if size >= width) / sum(sizes)
            verb = "written" if is_store else "read"
            yield None if wide >= LEAST_SHARE else (
                f"{launch.kernel}: argument {i}, {tensor}, is {verb} in {sorted(set(sizes))} "
                f"bytes; {wide:.0%} of them {width} wide")


def narrowed(text):
    """The PTX with each vector of four read and written by its elements."""
    def split(match):
        operation, first, registers, second = match.groups()
        place = re.search(r"\[(%rd\d+)(?:\+(-?\d+))?\]", first or second)
        lines = []
        for i, register in enumerate(registers.split(", ")):
            at = f"[{place[1]}+{int(place[2] or 0) + 4 * i}]"
            operands = f"{at}, {register}" if first else f"{register}, {at}"
            lines.append(f"\t{operation}.b32 \t{operands};")
        return "\n".join(lines)
    return re.sub(r"^\s*((?:ld|st)\.global(?:\.nc)?)\.v4\.b32 \t(\[.*?\], )?\{(.*?)\}(, \[.*?\])?;",
                  split, text, flags=re.M)


class Cubins(harness.Case):
    whole = False

    def setUp(self):
        super().setUp()
        places = [os.environ.get("AMPC_PTXAS", ""), "/usr/local/cuda/bin/ptxas",
                  *glob.glob(f"{harness.ROOT}/.venv/lib/python3*/site-packages/nvidia/*/bin/ptxas")]
        self.ptxas = next((p for p in places if p and os.access(p, os.X_OK)), None)
        self.assertTrue(self.ptxas, "no ptxas; utils/setup installs one")

    def build_module(self, model, *flags):
        """The PTX, plan, cubins and nodes of launches of a compiled model."""
        out = self.compile(model, "module", "--target=cuda", f"--dump-ir={self.work}", *flags)
        module = out.read_bytes()
        start = module.index(b".version ")
        self.text = module[start:module.index(b"\0", start)].decode()
        self.plan = list(launches((self.work / "4-plan-cuda.mlir").read_text()))
        self.kernels = ptx.kernels(self.text)
        self.cubins = {arch: cubin.kernels(elf) for arch, elf in cubin.cubins(module)}
        result = self.build.ampc_run("inspect", out, "--target=cuda", "--json")
        self.nodes = {node for step in json.loads(result.stdout)["steps"]
                      if step["kind"] == "launch" for node in step["nodes"]}

    def check(self, name, model, flags, nodes, types=TYPES):
        """Builds the model and looks at all its kernels. `nodes`: launches must compute these."""
        exceptions, used = NARROW.get(name, {}), set()
        for kind in TYPES if self.whole else types:
            with self.subTest(name, type=kind):
                self.build_module(model, *flags, *TYPES[kind])
                self.assertEqual(set(self.cubins), set(ARCHS))
                self.assertLessEqual(set(nodes), self.nodes)
                threads = {launch.kernel: launch.threads for launch in self.plan}
                self.assertEqual({k: self.kernels[k].threads for k in threads}, threads)
                faults = [fault for arch, found in self.cubins.items()
                          for fault in find_faults(found, self.kernels, arch)]
                looked = 0
                for launch in {launch.kernel: launch for launch in self.plan}.values():
                    kernel = self.kernels[launch.kernel]
                    self.assertEqual(len(launch.arguments), kernel.parameters, launch.kernel)
                    for fault in find_narrow(launch, kernel):
                        looked += 1
                        if not fault:
                            continue
                        pattern = next((p for p in exceptions if re.match(p, fault)), None)
                        used.add(pattern) if pattern else faults.append(fault)
                self.report(kind, looked)
                self.assertEqual(faults, [], "\n".join(faults))
                self.assertGreater(looked, 5, "no kernel streams large tensors")
        self.assertEqual(set(exceptions), used, f"{name}: exceptions that are none")

    def report(self, kind, looked):
        for arch, found in self.cubins.items():
            threads = {name: self.kernels[name].threads for name in found}
            blocks = {name: blocks_at_once(found[name], threads[name], arch) for name in found}
            least = min(found, key=lambda name: blocks[name] * threads[name])
            print(f"\n  {kind} sm_{arch}: {len(found)} kernels, {looked} accesses to large "
                  f"tensors; fewest threads at once: {blocks[least]} blocks of {threads[least]} "
                  f"with {found[least].registers} registers ({least})", end="")

    def assemble(self, text, arch):
        """The kernels, and what `ptxas -v` says of them."""
        source, out = self.work / "kernels.ptx", self.work / "kernels.cubin"
        source.write_text(text)
        result = subprocess.run([self.ptxas, "-v", f"-arch=sm_{arch}", source, "-o", out],
                                capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        return cubin.kernels(out.read_bytes()), result.stderr

    # The models. Nodes have names, so that kernels can be told.

    def test_mlp(self):
        model = harness.mlp(self, "mlp", [256, 512, 64], batch=64)
        self.check("mlp", model, ["--optimizer=adam", "--clip-grad-norm=1"], ["loss", "optimizer"])

    def test_transformer(self):
        model = self.work / "transformer.onnx"
        onnx.save(models.transformer(layers=1, width=256, heads=4, vocabulary=256, length=64),
                  model)
        self.check("transformer", model,
                   ["--loss=cross_entropy", "--optimizer=adamw", "--clip-grad-norm=1"],
                   ["layer0.softmax", "layer0.norm1.out", "layer0.gelu", "words.out", "optimizer"],
                   ["bf16"])

    def test_images(self):
        ones, small = np.ones(16, np.float32), np.full((16, 16, 3, 3), 0.01, np.float32)
        model = self.model("images", """<ir_version: 8, opset_import: ["" : 17]>
            images (float[8,16,32,32] x, int64[8] target) => (float loss) {
                a = Conv <pads = [1, 1, 1, 1]> (x, w)
                n, mean2, variance2 = BatchNormalization <training_mode = 1>
                    (a, scale, bias, mean, variance)
                r = Relu (n)
                p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
                g = GlobalAveragePool (p)
                logits = Flatten (g)
                loss = SoftmaxCrossEntropyLoss (logits, target)
            }""", w=small, scale=ones, bias=ones, mean=0 * ones, variance=ones)
        self.check("images", model, ["--optimizer=momentum"], ["n", "r", "p", "optimizer"],
                   ["f16", "f32"])

    def test_table(self):
        """Rows of a table, and sums of rows as its gradient."""
        table = np.random.RandomState(0).randn(1000, 256).astype(np.float32)
        model = self.model("table", """<ir_version: 8, opset_import: ["" : 17]>
            table (int64[512] ids, int64[512] target) => (float loss) {
                rows = Gather (table, ids)
                logits = MatMul (rows, w)
                loss = SoftmaxCrossEntropyLoss (logits, target)
            }""", table=table, w=table[:256, :64])
        self.check("table", model, ["--optimizer=sgd"], ["rows", "optimizer"], ["f16"])

    def test_rms_norm(self):
        """A gated block with residuals and rows of `width`."""
        for width in (256, 1024, 4096, 8192) if self.whole else (512,):
            random = np.random.RandomState(0)
            weights = {w: random.randn(width, n).astype(np.float32) / width
                       for w, n in (("w1", width), ("w2", width), ("head", 16))}
            model = self.model("rms", f"""<ir_version: 10, opset_import: ["" : 23]>
                rms (float[128,{width}] x, int64[128] target) => (float loss) {{
                    h = MatMul (x, w1)
                    s = Add (h, x)
                    n = RMSNormalization <axis = -1, epsilon = 1e-5> (s, scale)
                    u = MatMul (n, w2)
                    g = Sigmoid (u)
                    v = Mul (u, g)
                    r = Add (v, s)
                    logits = MatMul (r, head)
                    loss = SoftmaxCrossEntropyLoss (logits, target)
                }}""", scale=np.ones(width, np.float32), **weights)
            self.check(f"rms_norm of {width}", model, ["--optimizer=lion"],
                       ["n", "g", "optimizer"], ["bf16"])

    def test_wide_rows(self):
        """Softmax and cross entropy over rows of `width`, which registers do not hold."""
        for width in (1024, 4096, 32000, 50257) if self.whole else (8192,):
            model = self.model("wide", f"""<ir_version: 8, opset_import: ["" : 17]>
                wide (float[64,32] x, int64[64] target) => (float loss) {{
                    z = MatMul (x, w1)
                    p = Softmax <axis = -1> (z)
                    y = MatMul (p, w2)
                    loss = SoftmaxCrossEntropyLoss (y, target)
                }}""", w1=np.zeros((32, width), np.float32),
                w2=np.zeros((width, 4096), np.float32))
            self.check(f"rows of {width}", model, ["--optimizer=sgd"],
                       ["p", "loss", "optimizer"], ["f32"])

    # The larger set.

    def test_optimizers(self):
        if not self.whole:
            self.skipTest("with --all")
        model = harness.mlp(self, "mlp", [256, 512, 64], batch=64)
        for name in OPTIMIZERS:
            self.check(name, model, [f"--optimizer={name}", "--clip-grad-norm=1"], ["optimizer"])

    def test_transformers(self):
        if not self.whole:
            self.skipTest("with --all")
        for width, length in ((768, 128), (1024, 512)):
            model = self.work / "transformer.onnx"
            onnx.save(models.transformer(layers=1, width=width, heads=width // 64, vocabulary=512,
                                         length=length), model)
            self.check(f"transformer of {width}", model, ["--loss=cross_entropy"],
                       ["layer0.softmax"])

    # What the checks rest on.

    def test_faults_are_found(self):
        """Too few registers spill; accesses to single elements are seen, in PTX and cubin."""
        model = harness.mlp(self, "mlp", [256, 512, 64], batch=64)
        self.build_module(model, "--optimizer=adam", "--clip-grad-norm=1", *TYPES["f16"])
        spilled = re.sub(r"\.maxntid .*\n(\.minnctapersm .*\n)?", ".maxnreg 24\n", self.text)
        found, log = self.assemble(spilled, 90)
        spills = re.findall(r"entry function '(\w+)'.*\n.*\n.* [1-9]\d* bytes spill stores", log)
        self.assertGreater(len(spills), 3, log)
        faults = "\n".join(find_faults(found, self.kernels, 90))
        self.assertEqual(re.findall(r"sm_90 (\w+): \d+ bytes of local memory", faults),
                         sorted(spills), log)
        narrow = ptx.kernels(narrowed(self.text))
        found, _ = self.assemble(narrowed(self.text), 80)
        self.assertEqual(list(find_faults(found, narrow, 80)), [])
        faults = "\n".join(find_faults(found, self.kernels, 80))
        self.assertRegex(faults, "LDG of 4 bytes, in the PTX 16")
        self.assertRegex(faults, "STG of 4 bytes, in the PTX 16")
        wide, scalar = ([fault for launch in self.plan
                         for fault in find_narrow(launch, kernels[launch.kernel])]
                        for kernels in (self.kernels, narrow))
        self.assertFalse(any(wide), wide)
        self.assertTrue(all(scalar), "all accesses are narrow")

    def test_reader_agrees_with_ptxas(self):
        """Registers, workgroup memory and stack are those of `ptxas -v`. And no kernel had to be
        assembled again with more registers: a driver that compiles the PTX does not do that.
        """
        model = harness.mlp(self, "mlp", [784, 128, 10], batch=64)
        for kind in ("f32", "f16"):
            self.build_module(model, "--optimizer=adam", "--clip-grad-norm=1", *TYPES[kind])
            for arch in ARCHS:
                with self.subTest(kind, arch=arch):
                    found, log = self.assemble(self.text, arch)
                    told = re.findall(
                        r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame.*?"
                        r"Used (\d+) registers(?:[^\n]*?(\d+) bytes smem)?", log, re.DOTALL)
                    self.assertEqual({name: (int(stack), int(registers), int(shared or 0))
                                      for name, stack, registers, shared in told},
                                     {name: (k.stack, k.registers, cubin.own_shared(k, arch))
                                      for name, k in found.items()})
                    self.assertEqual(found, self.cubins[arch])


if __name__ == "__main__":
    Cubins.whole = "--all" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--all"]
    harness.main()
