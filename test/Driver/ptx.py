# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads PTX as text: the kernels' block sizes and workgroup memory, and of each access to global
memory its width and the arguments that its address comes from.
"""
import collections
import dataclasses
import re

ENTRY = re.compile(r"\.entry (\w+)\((.*?)\)\s*((?:\.\w+ [\d, ]+\s*)*)\{(.*?)^\}", re.DOTALL | re.M)
SHARED = re.compile(r"\.shared [^;]*\.[bu](\d+) [\w$]+(?:\[(\d+)\])?;")  # an array or one number
INSTRUCTION = re.compile(r"^\s*(?:@!?%p\d+\s+)?([a-z][\w.:]*)\s+(.*);", re.M)
REGISTER = re.compile(r"%[a-z]+\d+|%tid\.x")
WIDTH = re.compile(r"(?:\.v(\d))?\.\w(\d+)$")  # of ld.global.nc.v4.b32


@dataclasses.dataclass
class Access:
    arguments: frozenset  # the one that is read or written, or those among which blocks choose
    is_store: bool
    bytes: int
    varies: bool  # from thread to thread; else all threads of a block access one place


@dataclasses.dataclass
class Kernel:
    parameters: int
    threads: int  # of a block
    shared: int  # bytes of workgroup memory
    accesses: list

    def widest(self, is_store):
        return max((a.bytes for a in self.accesses if a.is_store == is_store), default=0)


def kernels(text):
    """The kernels of a PTX module, by name."""
    return {name: Kernel(parameters=head.count(".param"),
                         threads=int(re.search(r"\.maxntid (\d+)", limits)[1]),
                         shared=sum(int(bits) // 8 * int(count or 1)
                                    for bits, count in SHARED.findall(body)),
                         accesses=find_accesses(name, body))
            for name, head, limits, body in ENTRY.findall(text)}


def find_accesses(name, body):
    """Every access to global memory. What an instruction computes comes from all that its operands
    come from; what it loads, from no argument, but differs between threads if the address does.
    """
    sources, users, memory = collections.defaultdict(set), collections.defaultdict(list), []
    for operation, operands in INSTRUCTION.findall(body):
        if operation.startswith(("ld.global", "st.global")):
            memory.append((operation, operands))
        if operation.startswith(("st.", "bra", "bar.", "ret")):
            continue
        if operands.startswith("{"):
            targets, _, rest = operands.partition("}")
        else:
            targets, _, rest = operands.partition(",")
        loads = operation.startswith("ld.") and not operation.startswith("ld.param")
        for target in REGISTER.findall(targets):
            sources[target] |= {int(i) for i in re.findall(rf"\b{name}_param_(\d+)", rest)}
            for register in REGISTER.findall(rest):
                users[register].append((target, loads))
    sources["%tid.x"] = {"tid"}
    work = list(sources)
    while work:
        register = work.pop()
        for user, loads in users[register]:
            new = sources[register] & {"tid"} if loads else sources[register]
            if not new <= sources[user]:
                sources[user] |= new
                work.append(user)
    found = []
    for operation, operands in memory:
        count, bits = WIDTH.search(operation).groups()
        origin = sources[REGISTER.search(operands[operands.index("["):])[0]]
        found.append(Access(frozenset(origin - {"tid"}), operation.startswith("st"),
                            int(count or 1) * int(bits) // 8, "tid" in origin))
    return found
