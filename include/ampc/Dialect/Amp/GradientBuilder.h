//===- GradientBuilder.h - What an op writes its gradient with - -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_GRADIENTBUILDER_H
#define AMPC_DIALECT_AMP_GRADIENTBUILDER_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

namespace ampc {

/// Handed to GradientOpInterface::buildGradient: the gradients of the op's results come
/// in, those of its operands go out. Gradient ops are built at `builder`, with `loc`, the
/// location of the forward op.
class GradientBuilder {
public:
  GradientBuilder(mlir::OpBuilder &builder, mlir::Operation *op,
                  llvm::ArrayRef<mlir::Value> resultGradients,
                  llvm::ArrayRef<mlir::Type> operandGradientTypes)
      : builder(builder), loc(op->getLoc()), op(op), resultGradients(resultGradients),
        gradientTypes(operandGradientTypes), operandGradients(op->getNumOperands()) {}

  mlir::OpBuilder &builder;
  mlir::Location loc;

  /// The gradient of result `i`, of the result's type, or in f32 where a `Follow` op makes the
  /// result of a parameter alone; null where none flows. At least one result has one.
  mlir::Value resultGradient(unsigned i = 0) const { return resultGradients[i]; }

  /// Whether operand `i` wants its gradient.
  bool needs(unsigned i) const { return bool(gradientTypes[i]); }
  /// The element type the gradient of operand `i` should have: the operand's, or f32
  /// where the operand is a low-precision copy of a parameter, whose gradients leave
  /// their op in the accumulator's type.
  mlir::Type gradientElementType(unsigned i) const { return gradientTypes[i]; }

  /// Sets the gradient of operand `i`. A value that is broadcast relative to the operand
  /// is summed back to the operand's shape; another float type is cast.
  void set(unsigned i, mlir::Value gradient);
  /// What was set, null where nothing was.
  mlir::Value get(unsigned i) const { return operandGradients[i]; }

  /// `x` in element type `type` (itself where it has it).
  mlir::Value cast(mlir::Value x, mlir::Type type);
  /// `x` summed over the dimensions along which `shape` was broadcast to it, in `type`.
  mlir::Value sumTo(mlir::Value x, llvm::ArrayRef<int64_t> shape, mlir::Type type);
  /// A tensor like `like` with every element `value`.
  mlir::Value splatLike(mlir::Value like, double value);

  /// Builds an op with its result types inferred, at `loc`.
  template <typename OpTy, typename... Args>
  mlir::Value create(Args &&...args) {
    return OpTy::create(builder, loc, std::forward<Args>(args)...)->getResult(0);
  }

private:
  mlir::Operation *op;
  llvm::ArrayRef<mlir::Value> resultGradients;
  llvm::ArrayRef<mlir::Type> gradientTypes;
  llvm::SmallVector<mlir::Value> operandGradients;
};

} // namespace ampc

#endif // AMPC_DIALECT_AMP_GRADIENTBUILDER_H
