//===- FuzzInput.h - What the fuzzers have in common ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_FUZZ_FUZZINPUT_H
#define AMPC_TEST_FUZZ_FUZZINPUT_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

/// What each fuzzer defines, for libFuzzer and for Replay.cpp: takes any bytes, returns 0.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace ampc::fuzz {

/// An input as a file, for what reads files: in memory only.
class InputFile {
public:
  InputFile(const uint8_t *data, size_t size) : descriptor(::memfd_create("input", MFD_CLOEXEC)) {
    require(descriptor >= 0, "memfd_create");
    require(::write(descriptor, data, size) == ssize_t(size), "write");
  }
  InputFile(const InputFile &) = delete;
  ~InputFile() { ::close(descriptor); }

  /// Valid as long as this is.
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor); }

private:
  static void require(bool isTrue, const char *what) {
    if (!isTrue) {
      std::perror(what);
      std::abort();
    }
  }
  int descriptor;
};

} // namespace ampc::fuzz

#endif // AMPC_TEST_FUZZ_FUZZINPUT_H
