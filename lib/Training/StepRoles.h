//===- StepRoles.h - What values are to a differentiated step -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_TRAINING_STEPROLES_H
#define AMPC_LIB_TRAINING_STEPROLES_H

#include "ampc/Dialect/Amp/AmpBase.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ampc {

/// Finds the roles in a step that the model file spells out with its backward pass, whose loss is
/// `loss` (null where it is not known), and leaves in it
/// - `amp.parameter_gradient` for each gradient, or none where not all of them are known;
/// - `amp.seed` where a loss scale can enter: only where it is certain that it reaches every
///   gradient, as a factor, and nothing else. Else `kUnscalableAttr` says what is missing.
///
/// A step that has a Gradient has no other roles: its gradients are those of that.
void findStepRoles(func::FuncOp train, Value loss);

} // namespace ampc

#endif // AMPC_LIB_TRAINING_STEPROLES_H
