# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the built files export, need and weigh.

    python test/Driver/artifacts.py BUILD_DIR
"""
import re
import subprocess

import harness

FORBIDDEN = re.compile(r"llvm|mlir|cuda|cublas|cudnn|nvrtc|python|torch|onnx|protobuf|boost", re.I)


def lines(*command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True,
                          text=True).stdout.splitlines()


def needed(path):
    """The names in DT_NEEDED."""
    return {m[1] for line in lines("readelf", "-d", path)
            if (m := re.search(r"\(NEEDED\).*\[(.*)\]", line))}


class Artifacts(harness.Case):
    def test_module_exports_one_symbol_and_needs_libc_and_libm(self):
        for name in harness.EXAMPLES:
            for flags in ((), ("--target=host",), ("--target=cuda",), ("--amp=O0",)):
                with self.subTest(name, flags=flags):
                    path = self.example(name, *flags, out=name + "".join(flags))
                    defined = [line.split()[-1] for line in lines("nm", "-D", "--defined-only",
                                                                  path)]
                    self.assertEqual(defined, ["ampc_module_v1"])
                    libraries = needed(path)
                    self.assertLessEqual(libraries, {"libc.so.6", "libm.so.6"})
                    undefined = [line.split()[-1] for line in lines("nm", "-D", "-u", path)]
                    # Whatever is undefined must come from what is named.
                    linked = [line for line in lines("ldd", "-r", path) if "undefined" in line]
                    self.assertEqual(linked, [])
                    print(f"\n  {path.name}: {path.stat().st_size} bytes, needs "
                          f"{sorted(libraries)}, undefined {undefined}", end="")

    def test_module_has_no_path_of_this_machine(self):
        data = self.example("digits").read_bytes()
        for path in (self.work, harness.ROOT, self.build.bin):
            self.assertNotIn(str(path).encode(), data)

    def test_same_input_gives_same_bytes(self):
        first, second = (self.example("digits", out=o).read_bytes() for o in ("a", "b"))
        self.assertEqual(first, second)

    def test_runtime_and_tool_need_no_framework(self):
        for path in (self.build.runtime_path, self.build.bin / "ampc-run"):
            listed = [line.split()[0] for line in lines("ldd", path)]
            self.assertTrue(any("libc.so" in line for line in listed), listed)
            self.assertEqual([line for line in listed if FORBIDDEN.search(line)], [])
            print(f"\n  {path.name}: {' '.join(listed)}", end="")

    def test_runtime_is_small(self):
        size = self.build.runtime_path.resolve().stat().st_size
        print(f"\n  libampc_runtime.so: {size} bytes", end="")
        if self.sanitized():
            self.skipTest("a sanitizer makes it larger")
        self.assertLess(size, 1 << 20)

    def sanitized(self):
        return any("asan" in n or "ubsan" in n or "tsan" in n
                   for n in needed(self.build.runtime_path)) or any(
                       "__asan" in line or "__ubsan" in line or "__tsan" in line
                       for line in lines("nm", "-D", self.build.runtime_path))


if __name__ == "__main__":
    harness.main()
