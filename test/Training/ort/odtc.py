"""Reads checkpoints of ONNX Runtime's training API without ampc's code.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import struct

import numpy as np

TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16,
         11: np.float64}


class Table:
    """A table of a FlatBuffers file; fields are numbered from 0 in the schema's order."""

    def __init__(self, data, at):
        self.data, self.at = data, at
        assert at % 4 == 0, "a table is not aligned"
        self.list = at - struct.unpack_from("<i", data, at)[0]
        self.listed = struct.unpack_from("<H", data, self.list)[0]

    def place(self, field):
        if 4 + 2 * field >= self.listed:
            return None
        offset = struct.unpack_from("<H", self.data, self.list + 4 + 2 * field)[0]
        return self.at + offset if offset else None

    def number(self, field, kind, otherwise=None):
        at = self.place(field)
        if at is None:
            return otherwise
        assert at % struct.calcsize(kind) == 0, "a number is not aligned"
        return struct.unpack_from("<" + kind, self.data, at)[0]

    def follow(self, at):
        return at + struct.unpack_from("<I", self.data, at)[0]

    def table(self, field):
        at = self.place(field)
        return None if at is None else Table(self.data, self.follow(at))

    def vector(self, field):
        """The place of the first element, and how many there are."""
        at = self.place(field)
        if at is None:
            return 0, 0
        at = self.follow(at)
        return at + 4, struct.unpack_from("<I", self.data, at)[0]

    def tables(self, field):
        first, count = self.vector(field)
        return [Table(self.data, self.follow(first + 4 * i)) for i in range(count)]

    def string(self, field):
        first, count = self.vector(field)
        assert self.data[first + count] == 0, "a string does not end in 0"
        return bytes(self.data[first:first + count]).decode()

    def tensor(self):
        first, rank = self.vector(2)
        shape = struct.unpack_from(f"<{rank}q", self.data, first)
        data, size = self.vector(4)
        array = np.frombuffer(self.data, TYPES[self.number(3, "i", 0)], offset=data,
                              count=int(np.prod(shape)))
        assert array.nbytes == size, "a tensor has other bytes than its shape takes"
        return self.string(0), array.reshape(shape)


def read(path):
    data = path.read_bytes()
    assert data[4:8] == b"ODTC"
    root = Table(data, struct.unpack_from("<I", data)[0])
    module = root.table(1)
    result = {"version": root.number(0, "i"), "trained": dict(t.tensor() for t in module.tables(0)),
              "frozen": dict(t.tensor() for t in module.tables(1)), "nominal": module.number(2, "B", 0),
              "groups": []}
    for group in root.tables(2):
        states = {s.string(0): dict(t.tensor() for t in s.tables(1)) for s in group.tables(3)}
        result["groups"].append({"name": group.string(0), "step": group.number(1, "q", 0),
                                 "rate": group.number(2, "f", 0), "states": states})
    return result
