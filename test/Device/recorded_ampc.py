#!/usr/bin/env python3
"""Takes the compiler's place: answers a call of ampc from a store of recorded ones.

A GPU machine without LLVM cannot run ampc. There, this program is the bundle's bin/ampc; the
suites call it as they call the compiler. Where AMPC_RECORD names a real compiler, a call that
the store lacks goes to it and is kept: its files, exit status and both streams.

A call is found by its flags and by what its files hold, paths apart. First by the bytes of the
model; where these differ, since another version of onnx wrote them, by their canonical form.

    AMPC_STORE           the store's folder; beside bin/, unpacked/store
    AMPC_RECORD          the compiler to ask
    AMPC_RECORD_KERNELS  1: it makes kernels for the stand-in driver too

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

NOT_RECORDED = 70  # no exit status of ampc
OUTPUTS = ("-o", "--report", "--test-simt-library")
KERNELS = "--test-simt-library"


class Call:
    """The arguments of a call, sorted by what they are."""

    def __init__(self, arguments: list[str]):
        self.flags: list[str] = []  # paths of files replaced by what these hold
        self.outputs: dict[str, str] = {}
        self.model: pathlib.Path | None = None
        rest = iter(arguments)
        for argument in rest:
            name, mark, value = argument.partition("=")
            if name in OUTPUTS:
                self.outputs[name] = value if mark else next(rest, "")
                continue
            if not argument.startswith("-"):
                self.model = pathlib.Path(argument)
                continue
            # The last "=": --bind=NAME=FILE has two.
            name, mark, value = argument.rpartition("=")
            if mark and pathlib.Path(value).is_file():
                self.flags.append(f"{name}={digest(pathlib.Path(value).read_bytes())}")
            else:
                self.flags.append(argument)

    @property
    def asked(self) -> list[str]:
        """The files that the caller wants; kernels for the stand-in are none of the product's."""
        return sorted(set(self.outputs) - {KERNELS})

    def key(self, model: bytes) -> str:
        return key_of(self.flags, self.asked, model)

    def paths(self) -> dict[str, str]:
        """What stands for a path in recorded text."""
        named = {f"<{name}>": path for name, path in self.outputs.items() if path}
        return {**named, **({"<model>": str(self.model)} if self.model else {})}


def key_of(flags: list[str], asked: list[str], model: bytes) -> str:
    """Of a call with this model, or with this form of it."""
    return digest(json.dumps([flags, asked, digest(model)]).encode())


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:40]


def write_file(path: pathlib.Path, data: bytes) -> None:
    """All of it or nothing, with other writers of the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    os.replace(file.name, path)


class Store:
    """entries/KEY.json, blobs/DIGEST with the files, canonical.json from key to key; of a
    recording also models/DIGEST and used/KEY."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def entry(self, key: str) -> dict | None:
        path = self.folder / "entries" / f"{key}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def find(self, call: Call, model: bytes) -> dict | None:
        return self.entry(call.key(model)) or self.find_form(call, model)

    def find_form(self, call: Call, model: bytes) -> dict | None:
        known = self.folder / "canonical.json"
        if not call.model or not known.exists():
            return None
        import canonical_model  # imports onnx, which takes longer than all else
        keys = json.loads(known.read_text())
        return self.entry(keys.get(call.key(canonical_model.form(model)), ""))

    def record(self, compiler: str, arguments: list[str], call: Call, model: bytes) -> dict:
        """Asks the compiler; keeps its answer, and the model for its canonical form."""
        with tempfile.TemporaryDirectory() as scratch:
            if wants_kernels(call) and KERNELS not in call.outputs:
                call.outputs[KERNELS] = str(pathlib.Path(scratch) / "kernels.so")
                arguments = [*arguments, f"{KERNELS}={call.outputs[KERNELS]}"]
            done = subprocess.run([compiler, *arguments], capture_output=True)
            entry = {"code": done.returncode, "outputs": {}, "flags": call.flags,
                     "asked": call.asked, "model": digest(model)}
            for name, data in (("stdout", done.stdout), ("stderr", done.stderr)):
                text = data.decode(errors="replace")
                for mark, path in call.paths().items():
                    text = text.replace(path, mark)
                entry[name] = text
            for name, path in call.outputs.items():
                if pathlib.Path(path).is_file():
                    data = pathlib.Path(path).read_bytes()
                    entry["outputs"][name] = digest(data)
                    write_file(self.folder / "blobs" / digest(data), data)
        write_file(self.folder / "models" / digest(model), model)
        write_file(self.folder / "entries" / f"{call.key(model)}.json",
                   json.dumps(entry).encode())
        return entry

    def replay(self, call: Call, entry: dict) -> int:
        for name, path in call.outputs.items():
            if name in entry["outputs"]:
                blob = self.folder / "blobs" / entry["outputs"][name]
                write_file(pathlib.Path(path).absolute(), blob.read_bytes())
            elif name == KERNELS and entry["code"] == 0:
                print("error: recorded without kernels for the stand-in", file=sys.stderr)
                return NOT_RECORDED
        for stream, text in ((sys.stdout, entry["stdout"]), (sys.stderr, entry["stderr"])):
            for mark, path in call.paths().items():
                text = text.replace(mark, path)
            stream.write(text)
        return entry["code"]


def wants_kernels(call: Call) -> bool:
    return bool(os.environ.get("AMPC_RECORD_KERNELS")) and "-o" in call.outputs


def main() -> int:
    arguments = sys.argv[1:]
    call = Call(arguments)
    beside = pathlib.Path(__file__).resolve().parent.parent
    sys.path.append(str(beside / "test/Device"))
    store = Store(pathlib.Path(os.environ.get("AMPC_STORE") or beside / "unpacked/store"))
    model = call.model.read_bytes() if call.model and call.model.is_file() else b""
    compiler = os.environ.get("AMPC_RECORD")
    if compiler:
        entry = store.entry(call.key(model))
        if not entry or (wants_kernels(call) and not entry["code"]
                         and KERNELS not in entry["outputs"]):
            entry = store.record(compiler, arguments, call, model)
        write_file(store.folder / "used" / call.key(model), b"")
    else:
        entry = store.find(call, model)
    if not entry:
        print(f"error: this call of ampc was not recorded: {' '.join(arguments)}",
              file=sys.stderr)
        return NOT_RECORDED
    return store.replay(call, entry)


if __name__ == "__main__":
    sys.exit(main())
