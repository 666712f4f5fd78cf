//===- LibraryCall.cpp - The library calls that a program may hold --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/LibraryCall.h"

#include "Core/MatmulShape.h"

namespace ampc {

static constexpr LibraryCall kLibraryCalls[] = {
    {AMPC_LIBRARY_MATMUL, "matmul", checkMatmul},
};

const LibraryCall *findLibraryCall(uint32_t id) {
  for (const LibraryCall &call : kLibraryCalls)
    if (call.id == id)
      return &call;
  return nullptr;
}

} // namespace ampc
