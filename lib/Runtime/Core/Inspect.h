//===- Inspect.h - Tells what a module holds --------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_INSPECT_H
#define AMPC_RUNTIME_CORE_INSPECT_H

#include "Core/Module.h"

#include "ampc-runtime/ampc.h"

#include <string>

namespace ampc {

/// What `module` holds for `device`, as the JSON object that docs/Runtime.md
/// describes. AUTO takes the host where the module has it. Throws
/// AMPC_STATUS_INCOMPATIBLE where the module has no code for `device`.
std::string inspect(const Module &module, ampc_device_t device);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_INSPECT_H
