//===- Values.h - Common values, without the families of their ops - C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// For units that need one such value of a family. They are not rebuilt where its .td changes.

#ifndef AMPC_DIALECT_AMP_VALUES_H
#define AMPC_DIALECT_AMP_VALUES_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/IR/Value.h"

namespace ampc {

/// The sum, difference, product and larger one of two tensors, which broadcast as numpy's do.
mlir::Value buildSum(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Value y);
mlir::Value buildDifference(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Value y);
mlir::Value buildProduct(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Value y);
mlir::Value buildMaximum(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, mlir::Value y);

/// `x` with its dimension order[i] at place i, leading dimensions of 1 added first where the order
/// has more than it. A reshape where no more than dimensions of 1 change places.
mlir::Value buildPermutation(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                             llvm::ArrayRef<int64_t> order);

/// The tensors one behind the other along `axis`; and of such a one the parts of these sizes.
mlir::Value buildConcatenation(mlir::OpBuilder &b, mlir::Location loc, mlir::ValueRange parts,
                               int64_t axis);
mlir::ResultRange buildSplit(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x, int64_t axis,
                             llvm::ArrayRef<int64_t> sizes);

/// A tensor known at compile time.
mlir::Value buildConstant(mlir::OpBuilder &b, mlir::Location loc, mlir::ElementsAttr value);

/// A list of tensors as one value of a tuple type, which exists while a file is imported
/// (amp.sequence); and the tensors of such a value.
mlir::Value buildSequence(mlir::OpBuilder &b, mlir::Location loc, mlir::ValueRange elements);
mlir::OperandRange getElements(mlir::Value sequence);

/// The variable that `value` is read from; null where it is the result of anything else.
mlir::FlatSymbolRefAttr getVariableRead(mlir::Value value);

} // namespace ampc

#endif // AMPC_DIALECT_AMP_VALUES_H
