//===- Reductions.h - What a kernel merges, and how ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_REDUCTIONS_H
#define AMPC_LIB_CODEGEN_REDUCTIONS_H

#include "Evaluator.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace ampc::codegen {

/// A reduction of a kernel: which scalar op merges, and what it starts from.
struct Combiner {
  OpResult result;
  Operation *op; ///< in the body of the linalg.generic
  TypedAttr neutral;

  Type getType() const { return getElementTypeOrSelf(result.getType()); }
};

/// The reductions of a kernel by level: level[k] holds those that wait for k others.
struct Reductions {
  llvm::SmallVector<llvm::SmallVector<Combiner>> levels;
  /// Sums of columns of a kernel of rows, those that wait for fewest others first.
  llvm::SmallVector<Combiner> sums;

  ArrayRef<Combiner> at(unsigned level) const {
    return level < levels.size() ? ArrayRef<Combiner>(levels[level]) : ArrayRef<Combiner>();
  }
};

/// Fails, with the reason, where a reduction is more than one associative op.
FailureOr<Reductions> findReductions(const IterationStructure &s, std::string &reason);

/// `copies` accumulators for each reduction, that of reduction r and lane l at
/// r * copies + l.
llvm::SmallVector<Value> neutrals(Evaluator &e, ArrayRef<Combiner> reductions, int64_t copies);

/// Merges the elements at the lanes of `p` into the accumulators, where `mask` holds (null:
/// always).
void accumulate(Evaluator &e, ArrayRef<Combiner> reductions, MutableArrayRef<Value> accumulators,
                const Point &p, Value mask = {});

Value combine(Evaluator &e, const Combiner &c, Value x, Value y);

/// Merges what the reduction's init operand holds into its total.
Value finish(Evaluator &e, const Combiner &c, Value total, const Point &p, int64_t lane);

/// Merges the values of `width` threads, a power of 2 up to 32, that are neighbours in a
/// warp. All of them get the result.
Value shuffleReduce(Evaluator &e, const Combiner &c, Value x, int64_t width);

/// Threads of a block that do neighbouring columns.
constexpr int64_t kColumnWidth = 32;

/// Arrays in the workgroup memory of a kernel, which its phases share.
class WorkgroupArrays {
public:
  explicit WorkgroupArrays(gpu::GPUFuncOp kernel) : kernel(kernel) {}

  /// An array for `count` values of type `type` that no one else uses.
  Value take(Location loc, int64_t count, Type type);
  /// All arrays are free again. A barrier must stand before their next use.
  void release();

private:
  struct Array {
    Value memref;
    bool taken;
  };
  gpu::GPUFuncOp kernel;
  llvm::SmallVector<Array> arrays;
};

/// Merges the accumulators of the `height` threads (x, 0), (x, 1), .. of a block `kColumnWidth`
/// wide; all of them get the totals, one for each reduction and lane.
llvm::SmallVector<Value> reduceColumn(Evaluator &e, WorkgroupArrays &arrays,
                                      ArrayRef<Combiner> reductions, ArrayRef<Value> accumulators,
                                      Value x, Value y, int64_t height);

/// Merges the lanes of each accumulator, then those of the `width` neighbouring threads
/// that work together (a power of 2), of which all get the total. Other threads of the
/// block do the same, in `groups` of that width.
llvm::SmallVector<Value> reduceThreads(Evaluator &e, ArrayRef<Combiner> reductions,
                                       ArrayRef<Value> accumulators, Value thread, int64_t width,
                                       int64_t groups, WorkgroupArrays &arrays);

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_REDUCTIONS_H
