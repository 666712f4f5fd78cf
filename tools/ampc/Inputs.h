//===- Inputs.h - What a run of ampc reads, and how it may fail -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TOOLS_AMPC_INPUTS_H
#define AMPC_TOOLS_AMPC_INPUTS_H

#include "ampc/Pipeline/CompileOptions.h"
#include "ampc/Pipeline/Compiler.h"
#include "ampc/Support/OutputFiles.h"

namespace ampc {

/// Makes the files known that a run reads, so that no output can be one of them.
llvm::Error addInputs(OutputFiles &outputs, const CompileOptions &options,
                      const std::string &checkpoint = "");

/// Tells of a bug of ours, and how to make it known. Returns the exit code.
int tellInternalError(const InternalError &error);

} // namespace ampc

#endif // AMPC_TOOLS_AMPC_INPUTS_H
