# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tables that do not fit the code behind them: every integer field of a kernel, a parameter, a
step and an argument is changed, a few ways each, in modules as the compiler writes them. Opening
the module and running it end in an error or in numbers, never in a crash.

    python test/Driver/mutations.py BUILD_DIR
"""
import os
import signal
import struct
import traceback

import numpy as np

import ampc_api
import harness

MAGIC = b"AMPCTBL\0"
# Spans of ampc_tables_t from byte 32 on, and the integers of their entries (module_format.h).
SPANS = ["strings", "integers", "tensors", "bindings", "programs", "steps", "waits", "arguments",
         "kernels", "parameters", "images", "gradients", "values"]
ENTRIES = {"steps": "<18I3Q", "arguments": "<2Q2IQ", "kernels": "<12I", "parameters": "<Q2I"}


class Tables:
    def __init__(self, path):
        self.bytes = bytearray(path.read_bytes())
        self.at = self.bytes.index(MAGIC)
        self.spans = {name: struct.unpack_from("<2Q", self.bytes, self.at + 32 + 16 * i)
                      for i, name in enumerate(SPANS)}
        # A layout that is not the writer's changes something else than it says.
        starts = sorted(offset for offset, count in self.spans.values() if count)
        for table, layout in ENTRIES.items():
            offset, count = self.spans[table]
            after = [start for start in starts if start > offset]
            if count and after:
                assert 0 <= after[0] - offset - count * struct.calcsize(layout) < 64, table

    def fields(self):
        """(table, entry, field, place in the file, struct's letter) of every integer."""
        for table, layout in ENTRIES.items():
            offset, count = self.spans[table]
            size = struct.calcsize(layout)
            letters = "".join(c * int(n or 1) for n, c in
                              zip(*[iter(pairs(layout[1:]))] * 2))
            for entry in range(count):
                place = self.at + offset + entry * size
                for field, letter in enumerate(letters):
                    yield table, entry, field, place, letter
                    place += struct.calcsize("<" + letter)


def pairs(layout):
    """"14I3Q" as 14, I, 3, Q; "Q2I" as "", Q, 2, I."""
    number = ""
    for c in layout:
        if c.isdigit():
            number += c
        else:
            yield number
            yield c
            number = ""


class Mutations(harness.Case):
    def ends(self, path, batch):
        """Opens, trains and evaluates in a process of its own; how that ended."""
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            code = 0
            try:
                with self.build.runtime.open(path) as module:
                    with module.session(threads=1) as session:
                        for _ in range(2):
                            session.step(session.batch(batch))
                        session.evaluate(session.batch(batch))
            except ampc_api.Error as error:
                # At opening, or what a step says of the numbers it got.
                code = 1 if error.code in (ampc_api.CORRUPT, ampc_api.INCOMPATIBLE) else 2
            except BaseException:
                traceback.print_exc()
                code = 3
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def mutate(self, name, model, batch, *flags):
        path = self.compile(model, name, "--target=host", *flags)
        tables, changed = Tables(path), self.work / "changed.so"
        self.assertEqual(self.ends(path, batch), 0)
        refused = ran = 0
        for table, entry, field, place, letter in list(tables.fields()):
            old, = struct.unpack_from("<" + letter, tables.bytes, place)
            most = 2**(32 if letter == "I" else 64) - 1
            for value in {0, old ^ 1, (old + 64) & most, most} - {old}:
                mutated = bytearray(tables.bytes)
                struct.pack_into("<" + letter, mutated, place, value)
                changed.unlink(missing_ok=True)  # the loader knows a file by its inode
                changed.write_bytes(mutated)
                code = self.ends(changed, batch)
                self.assertIn(code, (0, 1, 2),
                              f"{table}[{entry}], integer {field}: {old} became {value}")
                refused += code == 1
                ran += code != 1
        print(f"\n  {name}: {refused} refused, {ran} ran", end="")
        self.assertGreater(refused, ran)

    def test_embedding(self):
        """Indices, sorted runs of them, a norm over all gradients, sequences."""
        random = np.random.RandomState(0)
        model = self.model("embedding", """<ir_version: 8, opset_import: ["" : 17]>
            embedding (int64[5] tokens, int64[5] target) => (float loss, float[5,4] scores) {
                rows = Gather (table, tokens)
                scores = MatMul (rows, w)
                loss = SoftmaxCrossEntropyLoss (scores, target)
            }""", table=random.randn(7, 3).astype(np.float32),
                           w=random.randn(3, 4).astype(np.float32))
        batch = {"tokens": np.array([0, 6, 3, 3, 1]), "target": np.array([0, 1, 2, 3, 0])}
        self.mutate("embedding", model, batch, "--clip-grad-norm=1")

    def test_recurrent(self):
        """Loops, with slices that are read and written in place."""
        random = np.random.RandomState(0)
        model = self.model("recurrent", """<ir_version: 8, opset_import: ["" : 17]>
            recurrent (float[3,1,2] x) => (float loss) {
                y = RNN <hidden_size = 16> (x, w, r)
                loss = ReduceMean <keepdims = 0> (y)
            }""", w=random.randn(1, 16, 2).astype(np.float32),
                           r=random.randn(1, 16, 16).astype(np.float32))
        self.mutate("recurrent", model, {"x": np.ones((3, 1, 2), np.float32)},
                    "--optimizer=sgd", "--amp=O0")

    def test_mlp(self):
        """Products in f16, and one kernel for many tensors."""
        model = harness.mlp(self, "mlp", [33, 40, 5], 16)
        batch = harness.classes(16, 33, 5)
        self.mutate("mlp", model, batch, "--optimizer=sgd")


if __name__ == "__main__":
    harness.main()
