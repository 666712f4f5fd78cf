//===- LowCopies.h - Parameters in the low type ---------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_PRECISION_LOWCOPIES_H
#define AMPC_LIB_PRECISION_LOWCOPIES_H

#include "ampc/Dialect/Amp/Ops/State.h"

namespace ampc {

/// The parameter or constant of which `value` is a copy in 16 bits or less, made by a cast that
/// autocast has put in; null where it is anything else.
VariableOp getCopiedVariable(Value value, const SymbolTable &symbols);

/// Whether tensors that lie one behind the other each begin where a buffer may.
bool areAlignedInARow(ValueRange parts);

} // namespace ampc

#endif // AMPC_LIB_PRECISION_LOWCOPIES_H
