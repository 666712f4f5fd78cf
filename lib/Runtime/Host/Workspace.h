//===- Workspace.h - Memory that library calls use in turn ------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_WORKSPACE_H
#define AMPC_RUNTIME_HOST_WORKSPACE_H

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace ampc {

/// Memory that the library calls of a session use in turn: a part that is
/// shared, and one for each thread, each starting at a multiple of 64 bytes.
class Workspace {
public:
  struct Requirement {
    uint64_t sharedBytes;
    uint64_t threadBytes;
    int threads;
  };

  /// Makes room for `need`, beside what was asked for before. Throws
  /// std::bad_alloc.
  void reserve(const Requirement &need);

  void *shared() const { return memory.get(); }
  void *thread(int index) const { return memory.get() + sharedBytes + index * threadBytes; }
  uint64_t threadStride() const { return threadBytes; }

private:
  struct Free {
    void operator()(char *memory) const { std::free(memory); }
  };

  std::unique_ptr<char, Free> memory;
  uint64_t sharedBytes = 0, threadBytes = 0, total = 0;
};

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_WORKSPACE_H
