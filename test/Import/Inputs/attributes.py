# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""No attribute is refused that its operator has, in any of the operator's versions.

The nodes are those of ONNX's own tests. Each gets, for each version of its operator's schema, all
attributes that have a default there; it need not be valid otherwise.

    attributes.py SCRATCH AMPC
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

import onnx
import onnx.defs

REFUSAL = "does not have in opset"


def schemas_of(ampc):
    """By domain and name: the schemas of each operator that ampc knows, newest first."""
    table = subprocess.run([ampc, "--list-ops"], capture_output=True, text=True, check=True).stdout
    operators = {line.split()[0] for line in table.splitlines()[1:]}
    schemas = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.name in operators:
            schemas.setdefault((schema.domain, schema.name), []).append(schema)
    for versions in schemas.values():
        versions.sort(key=lambda s: -s.since_version)
    return schemas


def variants(model, schemas):
    """The model for each version of its node's operator, and what tells it from others."""
    node = model.graph.node[0]
    for schema in schemas.get((node.domain, node.op_type), []):
        made = onnx.ModelProto()
        made.CopyFrom(model)
        for opset in made.opset_import:
            if opset.domain == node.domain:
                opset.version = schema.since_version
        kept = [a for a in node.attribute if a.name in schema.attributes]
        names = {a.name for a in kept}
        kept += [a.default_value for a in schema.attributes.values()
                 if a.name not in names and a.default_value.name]
        del made.graph.node[0].attribute[:]
        made.graph.node[0].attribute.extend(kept)
        yield (node.domain, node.op_type, schema.since_version, len(node.input),
               tuple(sorted(names))), made


def main(scratch, ampc):
    scratch = pathlib.Path(scratch)
    scratch.mkdir(exist_ok=True)
    schemas = schemas_of(ampc)
    cases = {}
    tests = pathlib.Path(onnx.__file__).parent / "backend/test/data/node"
    for path in sorted(tests.glob("*/model.onnx")):
        model = onnx.load(path)
        if len(model.graph.node) == 1:
            for key, made in variants(model, schemas):
                cases.setdefault(key, made)

    def check(item):
        number, (key, model) = item
        path = scratch / f"{number}.onnx"
        path.write_bytes(model.SerializeToString())
        run = subprocess.run([ampc, path, "--emit=amp", "--loss=none", "--optimizer=none",
                              "-o", os.devnull], capture_output=True, text=True, check=False)
        path.unlink()
        return key, run

    imported, refused = set(), 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for key, run in pool.map(check, enumerate(cases.items())):
            if run.returncode == 0:
                imported.add(key[:3])
            elif REFUSAL in run.stderr:
                refused += 1
                print(*key, run.stderr.strip())
    print(f"{len(cases)} nodes: {refused} refused; {len(imported)} versions of operators imported")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
