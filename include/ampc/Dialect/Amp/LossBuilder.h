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
#include <string>
#include <vector>

namespace ampc {

/// A loss that a flag names, and what it is built with. The defaults are PyTorch's.
struct LossOptions {
  std::string name;
  int64_t classAxis = 1; ///< may count from the end
  /// A sample with this label adds nothing, and is not counted by the mean: NaN where all are such.
  int64_t ignoreIndex = -100;
  double labelSmoothing = 0; ///< in [0, 1]: the share of a label that all classes have in common
  std::vector<double> classWeights; ///< one for each class, at least 0; empty: 1 each
  double huberDelta = 1;            ///< positive: where huber becomes linear
  double smoothL1Beta = 1;          ///< at least 0: where smooth_l1 becomes linear
  /// The target of cross_entropy holds a probability of each class, not a label.
  bool softLabels = false;
  /// The prediction of cross_entropy or nll holds probabilities: their logarithms are taken.
  bool fromProbabilities = false;
};

/// Losses that `--loss` takes by name, all averaged over their elements (cross_entropy and
/// nll: over the samples) as PyTorch's are.
llvm::ArrayRef<llvm::StringRef> getLossNames();

/// Whether the loss is over classes, which lie along one axis of the prediction.
bool hasClasses(llvm::StringRef name);
/// Whether its target holds class indices.
bool takesLabels(const LossOptions &options);

/// The type of the target that the loss takes for `prediction`: class indices, of the
/// prediction's shape without the axis of the classes, where it takes labels, else the
/// prediction's type. Failure, with `why` saying what it needs, where the loss does not apply.
mlir::FailureOr<mlir::RankedTensorType>
getTargetType(const LossOptions &options, mlir::RankedTensorType prediction, std::string &why);

/// Builds a loss, of rank 0, in f32 or wider. The arguments have passed getTargetType.
mlir::Value buildLoss(mlir::OpBuilder &builder, mlir::Location loc, const LossOptions &options,
                      mlir::Value prediction, mlir::Value target);

} // namespace ampc

#endif // AMPC_DIALECT_AMP_LOSSBUILDER_H
