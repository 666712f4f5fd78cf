//===- BufferPlaces.h - Where buffers lie in the arena ---------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_OPTIMIZE_BUFFERPLACES_H
#define AMPC_LIB_OPTIMIZE_BUFFERPLACES_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"

namespace ampc {
using namespace mlir;

/// Bytes that live from one position of a program to another, both inclusive.
struct PlacedBuffer {
  uint64_t bytes = 0; ///< a multiple of the alignment
  int64_t first = 0, last = 0;
  uint64_t offset = 0; ///< where they lie
};

/// Places buffers from `start` on, so that those that live at one position do not overlap; `alive`
/// is the most bytes that do, less than which no placement takes. Returns the buffer that finds no
/// place below 2^63 bytes; null where all do.
PlacedBuffer *placeBuffers(llvm::ArrayRef<PlacedBuffer *> buffers, uint64_t alive, uint64_t start);

/// The bytes from the arena's begin to the end of the last of the buffers.
uint64_t endOf(llvm::ArrayRef<PlacedBuffer *> buffers);

} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_BUFFERPLACES_H
