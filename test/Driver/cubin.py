# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads what ptxas made: the cubins of a train.so, and for each of their kernels what it takes of a
multiprocessor and how wide its loads and stores are. No tool of a CUDA toolkit is needed.

A cubin is an ELF file. `.nv.info` holds the kernels' attributes (registers, stack),
`.nv.shared.NAME` is a kernel's workgroup memory, `.text.NAME` its instructions, 16 bytes each since
Volta. Of some 900 kernels `nvdisasm` prints the same accesses.
"""
import collections
import dataclasses
import struct

EM_CUDA = 190
SHT_SYMTAB, SHT_NOBITS = 2, 8
# Attributes of `.nv.info`: a byte of format, one of kind, two of size; then symbol and value.
FORMAT_SIZED = 4
STACK, REGISTERS = 0x12, 0x2F  # the stack of what a kernel calls with it
# The lowest 12 bits of an instruction, with and without a descriptor of the memory.
MEMORY = {0x981: "LDG", 0x381: "LDG", 0x986: "STG", 0x386: "STG",
          0x980: "LD", 0x385: "ST", 0x985: "ST", 0x983: "LDL", 0x387: "STL", 0x984: "LDS",
          0x388: "STS"}
BYTES = (1, 1, 2, 2, 4, 8, 16)  # of a load or store, by bits 73 to 75
RESERVED = 1024  # bytes of workgroup memory of each block that are the system's


@dataclasses.dataclass
class Kernel:
    registers: int = 0  # a thread
    stack: int = 0  # bytes of local memory a thread: spills, and arrays with computed indices
    shared: int = 0  # bytes a block
    instructions: int = 0
    # How often there is an access of a kind ("LDG", "STG", "LDL", ..) and width in bytes.
    accesses: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def widest(self, kind):
        return max((width for k, width in self.accesses if k == kind), default=0)


def own_shared(kernel, arch):
    """Bytes of workgroup memory without those of the system, which from sm_90 on are counted where
    there are others."""
    return kernel.shared - RESERVED if arch >= 90 and kernel.shared else kernel.shared


def cubins(module):
    """Every cubin in the bytes of a train.so: (architecture, bytes)."""
    at = module.find(b"\x7fELF", 1)
    while at >= 0:
        if struct.unpack_from("<H", module, at + 18)[0] == EM_CUDA:
            yield module[at + 49], module[at:]
        at = module.find(b"\x7fELF", at + 1)


def sections(elf):
    """(name, type, flags, info, bytes, size) of each section."""
    start, = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", elf, start + i * size) for i in range(count)]
    strings = headers[names][4]
    for name, kind, _, _, offset, length, _, info, _, _ in headers:
        end = elf.index(b"\0", strings + name)
        data = b"" if kind == SHT_NOBITS else elf[offset:offset + length]
        yield elf[strings + name:end].decode(), kind, info, data, length


def attributes(info):
    """(kind, payload) of what is in `.nv.info`."""
    at = 0
    while at < len(info):
        form, kind, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if form == FORMAT_SIZED:
            yield kind, info[at:at + size]
            at += size


def kernels(elf):
    """The kernels of a cubin, by name."""
    found, symbols, strings, infos = {}, [], b"", b""
    for name, kind, info, data, length in sections(elf):
        if name.startswith(".text."):
            kernel = found.setdefault(name.removeprefix(".text."), Kernel())
            decode(kernel, data)
        elif name.startswith(".nv.shared.") and not name.startswith(".nv.shared.reserved"):
            found.setdefault(name.removeprefix(".nv.shared."), Kernel()).shared = length
        elif kind == SHT_SYMTAB:
            symbols = [struct.unpack_from("<I", data, i)[0] for i in range(0, len(data), 24)]
        elif name == ".strtab":
            strings = data
        elif name == ".nv.info":
            infos = data
    for kind, payload in attributes(infos):
        if kind in (STACK, REGISTERS):
            symbol, value = struct.unpack("<II", payload)
            name = strings[symbols[symbol]:strings.index(b"\0", symbols[symbol])].decode()
            if name in found:
                setattr(found[name], "stack" if kind == STACK else "registers", value)
    return found


def decode(kernel, code):
    for low, high in struct.iter_unpack("<QQ", code):
        kernel.instructions += 1
        if kind := MEMORY.get(low & 0xFFF):
            kernel.accesses[kind, BYTES[high >> 9 & 7]] += 1
