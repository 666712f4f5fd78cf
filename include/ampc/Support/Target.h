//===- Target.h - Where a program runs ---------------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_TARGET_H
#define AMPC_SUPPORT_TARGET_H

namespace ampc {

/// Where a program runs.
enum class Target { Host, Cuda };

} // namespace ampc

#endif // AMPC_SUPPORT_TARGET_H
