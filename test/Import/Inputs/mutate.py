# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Changes a valid model at random places and checks that ampc neither crashes nor babbles.

    mutate.py MODEL.onnx COUNT AMPC
"""
import concurrent.futures
import os
import pathlib
import random
import subprocess
import sys


def mutate(data, rng):
    """A few bytes changed, and now and then a piece cut out, doubled, or lost at the end."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 8])):
        at = rng.randrange(len(data))
        kind = rng.randrange(10)
        if kind < 4:
            data[at] ^= 1 << rng.randrange(8)
        elif kind < 7:
            data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif kind < 8:
            del data[at : at + rng.randrange(1, 16)]
        elif kind < 9:
            data[at:at] = data[at : at + rng.randrange(1, 64)]
        else:
            del data[max(1, at) :]
    return bytes(data)


def run(model, index, ampc):
    """1 where the mutated model is imported, 0 where it is refused; else says why not."""
    rng = random.Random(index)
    path = model.with_name(f"{model.stem}-{index}.onnx")
    path.write_bytes(mutate(model.read_bytes(), rng))
    command = [ampc, str(path), "--emit=amp", "-o", os.devnull]
    result = subprocess.run(command, capture_output=True, timeout=120)
    errors = result.stderr.count(b": error: ")
    clean = b"Sanitizer" not in result.stderr and b"runtime error" not in result.stderr
    if clean and (result.returncode, errors) in [(0, 0), (1, 1)]:
        path.unlink()
        return 1 - errors
    text = result.stderr.decode(errors="replace")[-2000:]
    return f"{path}: exit code {result.returncode}, {errors} errors\n{text}"


def main():
    model, count, ampc = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda index: run(model, index, ampc), range(count)))
    problems = [result for result in results if isinstance(result, str)]
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(1)
    imported = sum(results)
    print(f"{count} mutations: {imported} imported, {count - imported} refused")


if __name__ == "__main__":
    main()
