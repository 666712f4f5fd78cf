//===- Passes.h - Passes that make a training step ------------ -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TRAINING_PASSES_H
#define AMPC_TRAINING_PASSES_H

#include "ampc/Dialect/Amp/AmpBase.h"
#include "mlir/Pass/Pass.h"

namespace ampc {

#define GEN_PASS_DECL
#include "ampc/Training/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "ampc/Training/Passes.h.inc"

} // namespace ampc

#endif // AMPC_TRAINING_PASSES_H
