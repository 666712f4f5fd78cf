//===- AmpOps.td - All families of ops -*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_AMPOPS_TD
#define AMPC_DIALECT_AMP_AMPOPS_TD

include "ampc/Dialect/Amp/Ops/Activation.td"
include "ampc/Dialect/Amp/Ops/Binary.td"
include "ampc/Dialect/Amp/Ops/Comparison.td"
include "ampc/Dialect/Amp/Ops/Convolution.td"
include "ampc/Dialect/Amp/Ops/Indexing.td"
include "ampc/Dialect/Amp/Ops/Loss.td"
include "ampc/Dialect/Amp/Ops/MatMul.td"
include "ampc/Dialect/Amp/Ops/Normalization.td"
include "ampc/Dialect/Amp/Ops/Optimizer.td"
include "ampc/Dialect/Amp/Ops/Pooling.td"
include "ampc/Dialect/Amp/Ops/Random.td"
include "ampc/Dialect/Amp/Ops/Reduction.td"
include "ampc/Dialect/Amp/Ops/Scaling.td"
include "ampc/Dialect/Amp/Ops/Scatter.td"
include "ampc/Dialect/Amp/Ops/Shape.td"
include "ampc/Dialect/Amp/Ops/Slice.td"
include "ampc/Dialect/Amp/Ops/Softmax.td"
include "ampc/Dialect/Amp/Ops/Sort.td"
include "ampc/Dialect/Amp/Ops/State.td"
include "ampc/Dialect/Amp/Ops/Unary.td"

#endif // AMPC_DIALECT_AMP_AMPOPS_TD
