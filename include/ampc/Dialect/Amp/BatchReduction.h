//===- BatchReduction.h - What becomes of samples ------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_BATCHREDUCTION_H
#define AMPC_DIALECT_AMP_BATCHREDUCTION_H

#include "mlir/IR/OpDefinition.h"
#include <optional>

#include "ampc/Dialect/Amp/BatchReduction.h.inc"

#endif // AMPC_DIALECT_AMP_BATCHREDUCTION_H
