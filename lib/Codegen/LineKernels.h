//===- LineKernels.h - What kernels that go along lines share --*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Scans, sorts and scatters have an order along one axis, and so no iteration space that an
// Evaluator could walk. Their code is written in scalars, loops, loads and stores.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_LINEKERNELS_H
#define AMPC_LIB_CODEGEN_LINEKERNELS_H

#include "HostLoops.h"
#include "KernelEmitter.h"
#include "ampc/Support/ScalarBuilder.h"

namespace ampc::codegen {

/// A tensor as lines along one axis: [outer, extent, inner] in memory.
struct Lines {
  int64_t outer = 1, extent, inner = 1;

  Lines(RankedTensorType type, int64_t axis);
  int64_t count() const { return outer * inner; }
};

/// Scalar code that reads and writes memory.
class LineBuilder : public ScalarBuilder {
public:
  using ScalarBuilder::ScalarBuilder;
  using Body = llvm::function_ref<void(LineBuilder &, Value index)>;
  using Step =
      llvm::function_ref<SmallVector<Value>(LineBuilder &, Value index, ValueRange carried)>;

  IndexBuilder index() const { return IndexBuilder(builder, loc); }
  Value number(int64_t n) { return constant(builder.getIndexType(), n); }

  /// An element of a flat memref, a boolean as i8.
  Value load(Value memref, Value at);
  void store(Value x, Value memref, Value at);
  /// An element of type `type` as scalars compute, from how it is stored, and back.
  Value widen(Value stored, Type type);
  Value narrow(Value x, Type type);

  /// A loop over [from, to).
  void loop(Value from, Value to, int64_t step, Body body);
  /// The same, handing values from one step to the next.
  SmallVector<Value> loop(Value from, Value to, ValueRange initial, Step step);
  /// What the body of a plan op makes of its arguments.
  Value apply(Region &body, ValueRange arguments);
};

/// Equal shares of a kernel's work, none of which waits for another: one for each thread of a
/// device; on the host, many for each block.
class Workers {
public:
  /// `weight`: elements that one of them treats.
  Workers(const EmitTarget &target, int64_t count, int64_t weight);

  int64_t blocks, threads = 1;
  /// Emits `body` for each worker in [0, count).
  void emit(KernelFunction &function, LineBuilder::Body body) const;

private:
  bool device;
  int64_t count, share = 1;
};

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_LINEKERNELS_H
