//===- Passes.h - Passes of mixed precision ------------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_PRECISION_PASSES_H
#define AMPC_PRECISION_PASSES_H

#include "ampc/Dialect/Amp/AmpBase.h"
#include "ampc/Support/DeviceModel.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace ampc {

#define GEN_PASS_DECL
#include "ampc/Precision/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "ampc/Precision/Passes.h.inc"

} // namespace ampc

#endif // AMPC_PRECISION_PASSES_H
