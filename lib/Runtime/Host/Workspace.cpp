//===- Workspace.cpp - Memory that library calls use in turn --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/Workspace.h"

#include <algorithm>
#include <new>
#include <sys/mman.h>

namespace ampc {

void Workspace::reserve(const Requirement &need) {
  auto roundUp = [](uint64_t bytes) { return (bytes + 63) / 64 * 64; };
  uint64_t shared = std::max(sharedBytes, roundUp(need.sharedBytes));
  uint64_t thread = std::max(threadBytes, roundUp(need.threadBytes));
  uint64_t bytes = shared + thread * need.threads;
  if (bytes > total) {
    // Large pages, as packed operands are read all over: a wish, as for the arena.
    constexpr uint64_t kHugePage = uint64_t(2) << 20;
    uint64_t alignment = bytes >= kHugePage ? kHugePage : 64;
    bytes = (bytes + alignment - 1) / alignment * alignment;
    memory.reset(static_cast<char *>(std::aligned_alloc(alignment, bytes)));
    total = memory ? bytes : 0;
    if (!memory)
      throw std::bad_alloc();
    if (alignment == kHugePage)
      ::madvise(memory.get(), bytes, MADV_HUGEPAGE);
  }
  sharedBytes = shared;
  threadBytes = thread;
}

} // namespace ampc
