//===- Link.h - The linker, in this process ---------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_TARGET_LINK_H
#define AMPC_LIB_TARGET_LINK_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace ampc {

/// Links ELF objects to a shared object, against libc and libm and nothing
/// else. An undefined symbol is an error. See writeSharedObject about llvm::cl
/// and threads.
llvm::Expected<llvm::SmallVector<char, 0>> linkShared(llvm::ArrayRef<llvm::ArrayRef<char>> objects);

} // namespace ampc

#endif // AMPC_LIB_TARGET_LINK_H
