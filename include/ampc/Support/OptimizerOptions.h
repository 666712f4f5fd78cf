//===- OptimizerOptions.h - What the user asks of the optimizer - -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_OPTIMIZEROPTIONS_H
#define AMPC_SUPPORT_OPTIMIZEROPTIONS_H

#include <optional>
#include <string>

namespace ampc {

/// The optimizer's name and settings; what is not set takes PyTorch's default, or the
/// one of the design where PyTorch has none.
struct OptimizerOptions {
  std::string name = "adam"; ///< as `--optimizer` takes it
  std::optional<double> learningRate, momentum, dampening, weightDecay, beta1, beta2, epsilon;
};

/// State that an optimizer keeps for each parameter, of the parameter's shape, in f32.
struct OptimizerState {
  std::string kind; ///< checkpoint prefix, as in "ampc.exp_avg/fc1.weight"
  double initial;
};

} // namespace ampc

#endif // AMPC_SUPPORT_OPTIMIZEROPTIONS_H
