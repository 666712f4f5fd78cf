//===- BatchGrowth.h - How a loss grows with the batch -------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_TRAINING_BATCHGROWTH_H
#define AMPC_LIB_TRAINING_BATCHGROWTH_H

#include "ampc/Dialect/Amp/AmpBase.h"

namespace ampc {

/// What a loss is over the samples of a batch.
enum class BatchGrowth {
  Mean,
  Sum,
  Unknown ///< neither can be read off the graph, such as a sum that is multiplied by a number
};

/// Follows `loss` through the ops that are linear in what depends on the batch, to the reduction
/// that takes in the samples.
BatchGrowth findBatchGrowth(Value loss);

} // namespace ampc

#endif // AMPC_LIB_TRAINING_BATCHGROWTH_H
