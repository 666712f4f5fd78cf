//===- Members.h - One code for many kernels -------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// What kernels over many tensors share: which of them can run the same code, how that code
// finds the buffers of one of them, and what it does with its elements.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_MEMBERS_H
#define AMPC_LIB_CODEGEN_MEMBERS_H

#include "KernelEmitter.h"

namespace ampc::codegen {

/// Whether a fused kernel is one loop over all elements alike, so that its code does for
/// other extents.
bool hasFlatLoop(KernelOp kernel, const IterationStructure &s);

/// Whether the code of `model`, which has a flat loop, does for `own` with other extents.
bool areSameButForExtents(KernelOp model, const IterationStructure &modelStructure, KernelOp own,
                          const IterationStructure &ownStructure);

/// Whether two kernels differ in nothing but their operands.
bool areEqual(KernelOp a, KernelOp b);

/// The values that `row` makes for the last number i with firsts[i] <= `chosen`, found by a
/// tree of comparisons with constants. `row` is called once for each, inside a branch; all
/// rows have the same types.
llvm::SmallVector<Value> selectRow(OpBuilder &b, Location loc, Value chosen,
                                   ArrayRef<int64_t> firsts,
                                   llvm::function_ref<llvm::SmallVector<Value>(size_t)> row);

/// A flat memref as one of any extent.
Value withoutExtent(OpBuilder &b, Location loc, Value memref);

/// Elements [begin, end) of a kernel with a flat loop, which `threads` threads share.
struct ElementRange {
  Value begin, end, thread; ///< of type index
  int64_t threads;
};

/// Computes and writes the elements of a range. Returns the totals of the reductions, which
/// all threads get.
llvm::SmallVector<Value> emitElements(Evaluator &e, const Reductions &reductions, bool device,
                                      const ElementRange &range, WorkgroupArrays &arrays);

/// Writes the results of a kernel with a flat loop that wait for the totals.
void writeKept(Evaluator &e, const Reductions &reductions, ArrayRef<Value> totals);

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_MEMBERS_H
