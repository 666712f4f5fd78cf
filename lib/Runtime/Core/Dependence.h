//===- Dependence.h - What a program computes from what ---------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_DEPENDENCE_H
#define AMPC_RUNTIME_CORE_DEPENDENCE_H

#include "Core/Tables.h"

#include <vector>

namespace ampc {

/// For each output of `program`, whether it is computed from an input that
/// `absent` marks. Follows bytes of the arena through the steps.
std::vector<bool> outputsThatNeed(const Tables &tables,
                                  const ampc_program_entry_t &program,
                                  const std::vector<bool> &absent);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_DEPENDENCE_H
