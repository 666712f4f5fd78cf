//===- HostLoops.h - Loops that LLVM vectorises ----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_HOSTLOOPS_H
#define AMPC_LIB_CODEGEN_HOSTLOOPS_H

#include "Schedule.h"
#include "ampc/Dialect/Plan/KernelCost.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {

using plan::kHostChunk;
/// A kernel with fewer elements is one block, which the runtime calls without threads.
constexpr int64_t kHostInline = 32768;

/// The part of [0, extent) that a block does, as a range of at most `size` elements.
struct HostRange {
  Value begin, end;
};

/// How many blocks share `extent` elements that cost `weight` each; `size` is the share.
inline int64_t hostBlocks(int64_t extent, int64_t weight, int64_t multiple, int64_t &size) {
  size = std::max<int64_t>(1, extent);
  if (extent * weight <= kHostInline)
    return 1;
  size = std::max<int64_t>(1, kHostChunk / std::max<int64_t>(1, weight));
  size = std::min<int64_t>(extent, llvm::alignTo(size, multiple));
  return llvm::divideCeil(extent, size);
}

/// Share number `part` of `parts` of [0, extent).
inline HostRange hostRange(const IndexBuilder &index, Value part, int64_t parts, int64_t size,
                           int64_t extent) {
  if (parts == 1)
    return {index.constant(0), index.constant(extent)};
  Value begin = index.mul(part, size);
  Value end = index.add(begin, size);
  return {begin, extent % size == 0 ? end : index.min(end, extent)};
}

/// The dimensions in loops of their own, as axes.
inline void appendAxes(llvm::SmallVector<llvm::SmallVector<unsigned>> &axes,
                       llvm::ArrayRef<unsigned> dims) {
  for (unsigned d : dims)
    axes.push_back({d});
}

/// A buffer of the thread's own.
Value allocate(Evaluator &e, int64_t count, Type type);

/// LLVM vectorises a loop that sums only if it may change the order.
void allowReassociation(Evaluator &e, const Reductions &reductions);

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_HOSTLOOPS_H
