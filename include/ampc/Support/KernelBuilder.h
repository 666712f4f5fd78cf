//===- KernelBuilder.h - The vocabulary kernels are written in -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Ops say what they compute in these few words; what comes out is linalg on tensors,
// which later passes fuse and schedule by its iteration structure. Knows no op.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_KERNELBUILDER_H
#define AMPC_SUPPORT_KERNELBUILDER_H

#include "ampc/Support/ScalarBuilder.h"
#include "ampc/Support/Target.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ValueRange.h"

namespace ampc {

/// How KernelBuilder::reduce merges elements.
enum class Reduction {
  Sum,
  Product,
  Max, ///< NaN where an element is NaN
  Min,
  MaxNumber ///< ignores NaN: for shifts that only guard against overflow
};

class KernelBuilder {
public:
  using ScalarFn = llvm::function_ref<mlir::Value(ScalarBuilder &, mlir::ValueRange)>;

  KernelBuilder(mlir::OpBuilder &builder, mlir::Location loc, Target target)
      : builder(builder), loc(loc), target(target) {}

  mlir::OpBuilder &builder;
  mlir::Location loc;
  /// Where the kernel will run: not every target has every library call.
  Target target;

  /// Each element of the result from the elements at the same place in `inputs`, which
  /// broadcast to the result's shape as numpy's do. `fn` sees f16 and bf16 as f32 and
  /// other types as they are; what it returns is converted to the element type of `type`.
  mlir::Value pointwise(mlir::ValueRange inputs, mlir::RankedTensorType type, ScalarFn fn);

  /// Merges the elements of `input` along `axes`, in f32 for f16 and bf16. The result
  /// lacks these axes and has `elementType`. Over no elements: 0 for a sum, 1 for a
  /// product, the lowest or highest value otherwise.
  mlir::Value reduce(mlir::Value input, llvm::ArrayRef<int64_t> axes, Reduction kind,
                     mlir::Type elementType);

  /// Each element of the result from its indices (of type index), one for each dimension.
  /// `fn` may read any tensor with `load`.
  mlir::Value generate(mlir::RankedTensorType type, ScalarFn fn);
  /// Inside `fn` of `pointwise` or `generate`: an element of any tensor, with f16 and bf16
  /// as f32. The indices must be in range.
  mlir::Value load(ScalarBuilder &s, mlir::Value tensor, mlir::ValueRange indices);
  /// Inside `fn`: the index along dimension `dim` of the result, of type index.
  mlir::Value index(ScalarBuilder &s, int64_t dim);

  /// The same elements in row-major order under another shape; never moves data.
  mlir::Value reshape(mlir::Value input, llvm::ArrayRef<int64_t> shape);
  /// Dimension i of the result is dimension permutation[i] of the input.
  mlir::Value transpose(mlir::Value input, llvm::ArrayRef<int64_t> permutation);
  /// A tensor with every element `value`.
  mlir::Value splat(mlir::RankedTensorType type, double value);

  /// f32 for f16 and bf16, other types as they are: what scalars compute in.
  static mlir::Type computeType(mlir::Type elementType);
};

} // namespace ampc

#endif // AMPC_SUPPORT_KERNELBUILDER_H
