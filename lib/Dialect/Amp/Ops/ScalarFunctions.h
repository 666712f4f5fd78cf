//===- ScalarFunctions.h - Activation functions of a scalar -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// What ops of activations and recurrent layers have in common.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_SCALARFUNCTIONS_H
#define AMPC_LIB_DIALECT_AMP_OPS_SCALARFUNCTIONS_H

#include "ampc/Support/ScalarBuilder.h"

namespace ampc {

/// max(x, 0); NaN stays NaN.
mlir::Value buildRelu(ScalarBuilder &s, mlir::Value x);
/// x where it is positive, else alpha * x.
mlir::Value buildLeakyRelu(ScalarBuilder &s, mlir::Value x, double alpha);
/// e^x - 1 for x <= 0, without cancellation near 0.
mlir::Value buildExpMinusOne(ScalarBuilder &s, mlir::Value x);
/// log(1 + e^x), without overflow.
mlir::Value buildSoftplus(ScalarBuilder &s, mlir::Value x);
/// x / (1 + |x|)
mlir::Value buildSoftsign(ScalarBuilder &s, mlir::Value x);
/// x between 0 and 1.
mlir::Value buildWithin01(ScalarBuilder &s, mlir::Value x);
/// alpha * x + beta
mlir::Value buildAffine(ScalarBuilder &s, mlir::Value x, double alpha, double beta);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_SCALARFUNCTIONS_H
