//===- Estimators.h - Operators of ai.onnx.ml -------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_ESTIMATORS_H
#define AMPC_LIB_DIALECT_AMP_OPS_ESTIMATORS_H

#include "Common.h"

namespace ampc {

/// Operators of ai.onnx.ml, as scikit-learn's exporter writes them, that are arithmetic on tensors.
FailureOr<Value> importScaler(OnnxNode &node, OpBuilder &builder);
FailureOr<Value> importNormalizer(OnnxNode &node, OpBuilder &builder);
FailureOr<Value> importBinarizer(OnnxNode &node, OpBuilder &builder);
FailureOr<Value> importArrayFeatureExtractor(OnnxNode &node, OpBuilder &builder);
/// LinearRegressor and LinearClassifier, whose inputs 1 and 2 are the attributes `coefficients` and
/// `intercepts`.
FailureOr<SmallVector<Value>> importLinearModel(OnnxNode &node, OpBuilder &builder);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_ESTIMATORS_H
