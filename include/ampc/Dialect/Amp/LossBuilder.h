//===- LossBuilder.h - Losses that a flag attaches ------------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_LOSSBUILDER_H
#define AMPC_DIALECT_AMP_LOSSBUILDER_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace ampc {

/// Losses that `--loss` takes by name, all averaged over their elements (cross_entropy and
/// nll: over the samples) as PyTorch's are.
llvm::ArrayRef<llvm::StringRef> getLossNames();

/// Whether the target of loss `name` holds class indices.
bool takesLabels(llvm::StringRef name);

/// The type of the target that loss `name` takes for `prediction`: class indices, of the
/// prediction's shape without `classAxis`, for cross_entropy and nll, else the prediction's
/// type. `classAxis` may count from the end. Failure, with `why` saying what it needs, where
/// the loss does not apply.
mlir::FailureOr<mlir::RankedTensorType> getTargetType(llvm::StringRef name,
                                                      mlir::RankedTensorType prediction,
                                                      int64_t classAxis, std::string &why);

/// Builds loss `name`, of rank 0, in f32 or wider. The arguments have passed getTargetType.
/// A sample whose label is `ignoreIndex` adds nothing to cross_entropy and nll, and is not
/// counted by their mean: NaN where all are such.
mlir::Value buildLoss(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name,
                      mlir::Value prediction, mlir::Value target, int64_t classAxis,
                      int64_t ignoreIndex);

} // namespace ampc

#endif // AMPC_DIALECT_AMP_LOSSBUILDER_H
