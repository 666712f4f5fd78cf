//===- StateNames.h - Names of state and parts of steps ------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_STATENAMES_H
#define AMPC_SUPPORT_STATENAMES_H

#include "llvm/ADT/StringRef.h"

namespace ampc {

/// i64 of rank 0: applied updates with those of the run that the module goes on from. Only there
/// where there is one; then the optimizer counts by it, not by the steps of this run.
constexpr llvm::StringLiteral kOptimizerStep = "ampc.optimizer_step";

/// Before the name of a parameter: the moving average of its values.
constexpr llvm::StringLiteral kAveragePrefix = "ampc.ema/";

/// On a variable: the name of the tensor in the state dict of PyTorch's module, where it is another
/// one or the variable is a buffer, and how it lies there: "transposed", "unknown", or "transposed,
/// by node" where only the place of the nodes that read it says so.
constexpr llvm::StringLiteral kStateDictAttr = "amp.state_dict";
constexpr llvm::StringLiteral kStateDictFormAttr = "amp.state_dict_form";

/// Functions of a step of several micro-batches, in the place of @train (accumulation.h).
constexpr llvm::StringLiteral kAccumulateFunction = "accumulate";
constexpr llvm::StringLiteral kApplyFunction = "apply";

} // namespace ampc

#endif // AMPC_SUPPORT_STATENAMES_H
