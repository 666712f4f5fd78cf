//===- ScalarBuilder.h - Arithmetic on single elements ------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_SCALARBUILDER_H
#define AMPC_SUPPORT_SCALARBUILDER_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/ValueRange.h"

namespace ampc {

/// Arithmetic on scalars of a kernel body: one vocabulary for float and integer types,
/// chosen by the operands, whose types must agree. Integers are signed, i1 is a boolean. Unsigned
/// types (ui8) are those of stored elements: they are only converted, to a wider signed type and
/// back (KernelBuilder::computeType).
class ScalarBuilder {
public:
  ScalarBuilder(mlir::OpBuilder &builder, mlir::Location loc) : builder(builder), loc(loc) {}

  mlir::OpBuilder &builder;
  mlir::Location loc;

  /// A constant of `type` (rounded to it).
  mlir::Value constant(mlir::Type type, double value);
  mlir::Value constant(mlir::Type type, int64_t value);
  /// A constant of the type of `like`.
  mlir::Value constantLike(mlir::Value like, double value) {
    return constant(like.getType(), value);
  }

  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  /// Integer division truncates; by zero it is undefined, as in ONNX.
  mlir::Value div(mlir::Value x, mlir::Value y);
  /// What truncating division leaves: of the sign of `x`.
  mlir::Value remainder(mlir::Value x, mlir::Value y);
  /// NaN where either operand is NaN.
  mlir::Value maximum(mlir::Value x, mlir::Value y);
  mlir::Value minimum(mlir::Value x, mlir::Value y);
  mlir::Value neg(mlir::Value x);
  mlir::Value abs(mlir::Value x);

  // Floats only.
  mlir::Value exp(mlir::Value x);
  mlir::Value log(mlir::Value x);
  mlir::Value log1p(mlir::Value x);
  mlir::Value sqrt(mlir::Value x);
  mlir::Value tanh(mlir::Value x);
  mlir::Value erf(mlir::Value x);
  mlir::Value pow(mlir::Value x, mlir::Value y);
  mlir::Value sin(mlir::Value x);
  mlir::Value cos(mlir::Value x);
  mlir::Value tan(mlir::Value x);
  mlir::Value asin(mlir::Value x);
  mlir::Value acos(mlir::Value x);
  mlir::Value atan(mlir::Value x);
  mlir::Value sinh(mlir::Value x);
  mlir::Value cosh(mlir::Value x);
  mlir::Value asinh(mlir::Value x);
  mlir::Value acosh(mlir::Value x);
  mlir::Value atanh(mlir::Value x);
  mlir::Value floor(mlir::Value x);
  mlir::Value ceil(mlir::Value x);
  /// To the nearest integer, ties to even.
  mlir::Value roundEven(mlir::Value x);
  /// 1 / (1 + exp(-x)) without overflow.
  mlir::Value sigmoid(mlir::Value x);
  /// i1: neither infinite nor NaN.
  mlir::Value isFinite(mlir::Value x);
  mlir::Value isNaN(mlir::Value x);

  // i1 results; comparisons with NaN are false, but for notEqual.
  mlir::Value equal(mlir::Value x, mlir::Value y);
  mlir::Value notEqual(mlir::Value x, mlir::Value y);
  mlir::Value less(mlir::Value x, mlir::Value y);
  mlir::Value lessOrEqual(mlir::Value x, mlir::Value y);
  mlir::Value greater(mlir::Value x, mlir::Value y);
  mlir::Value greaterOrEqual(mlir::Value x, mlir::Value y);

  // Bitwise on integers, logical on i1.
  mlir::Value logicalAnd(mlir::Value x, mlir::Value y);
  mlir::Value logicalOr(mlir::Value x, mlir::Value y);
  mlir::Value logicalXor(mlir::Value x, mlir::Value y);
  mlir::Value logicalNot(mlir::Value x);
  /// Integers by a count in [0, bits): zeros come in.
  mlir::Value shiftLeft(mlir::Value x, mlir::Value count);
  mlir::Value shiftRight(mlir::Value x, mlir::Value count);

  /// `condition ? x : y`.
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  /// `initial`, replaced by what `fn` makes of it for each index (of type index) in
  /// [from, to), in this order. `fn` builds with the ScalarBuilder that it is given.
  mlir::Value
  fold(mlir::Value from, mlir::Value to, mlir::Value initial,
       llvm::function_ref<mlir::Value(ScalarBuilder &, mlir::Value index, mlir::Value value)> fn);
  /// The same with several values.
  llvm::SmallVector<mlir::Value>
  fold(mlir::Value from, mlir::Value to, mlir::ValueRange initial,
       llvm::function_ref<llvm::SmallVector<mlir::Value>(ScalarBuilder &, mlir::Value index,
                                                         mlir::ValueRange values)>
           fn);
  /// To another element type as ONNX Cast does: floats to nearest even, float to integer
  /// truncates, anything to i1 tests for not zero.
  mlir::Value convert(mlir::Value x, mlir::Type type);
  /// The bits of `x` as another type of as many bits.
  mlir::Value bitCast(mlir::Value x, mlir::Type type);
};

} // namespace ampc

#endif // AMPC_SUPPORT_SCALARBUILDER_H
