//===- TablesCheck.h - Refuses tables that contradict themselves *- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_TABLESCHECK_H
#define AMPC_RUNTIME_CORE_TABLESCHECK_H

#include "Core/Tables.h"

namespace ampc {

/// Checks what the header and its spans say of themselves: magic, version,
/// sizes, alignment. After it each span can be read.
void checkHeader(const ampc_module_v1_t &module, const std::string &path);

/// Checks the contents of all spans of `tables`, whose header has been
/// checked: every string, index, offset, size, rank, type and flag.
void checkContents(const Tables &tables, const ampc_module_v1_t &module, const std::string &path);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_TABLESCHECK_H
