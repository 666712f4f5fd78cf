//===- Workspace.cpp - Memory that library calls use in turn --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/Workspace.h"

#include <algorithm>
#include <new>

namespace ampc {

void Workspace::reserve(const Requirement &need) {
  auto roundUp = [](uint64_t bytes) { return (bytes + 63) / 64 * 64; };
  uint64_t shared = std::max(sharedBytes, roundUp(need.sharedBytes));
  uint64_t thread = std::max(threadBytes, roundUp(need.threadBytes));
  uint64_t bytes = shared + thread * need.threads;
  if (bytes > total) {
    memory.reset(static_cast<char *>(std::aligned_alloc(64, bytes)));
    total = memory ? bytes : 0;
    if (!memory)
      throw std::bad_alloc();
  }
  sharedBytes = shared;
  threadBytes = thread;
}

} // namespace ampc
