//===- HostCodegen.h - LLVM for this machine --------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_TARGET_HOSTCODEGEN_H
#define AMPC_LIB_TARGET_HOSTCODEGEN_H

#include "ampc/Target/HostCompiler.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"
#include <memory>

namespace ampc {

/// A processor, as LLVM takes it.
struct HostProcessor {
  std::string cpu;      ///< instruction set: "x86-64-v3"
  std::string tune;     ///< scheduling: this machine's name
  std::string features; ///< HostCode::features
  /// It converts f16 to and from f32; else LLVM would call the compiler's runtime.
  bool hasF16 = true;
};

/// `cpu` by name, or the highest level of this machine where it is empty.
HostProcessor hostProcessor(llvm::StringRef cpu);

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createHostMachine(const HostProcessor &processor);

/// Gives `module` and its functions the target, and optimises at O3.
void optimizeForHost(llvm::Module &module, llvm::TargetMachine &machine,
                     const HostProcessor &processor);

llvm::Expected<llvm::SmallVector<char, 0>> emitHostObject(llvm::Module &module,
                                                          llvm::TargetMachine &machine);

} // namespace ampc

#endif // AMPC_LIB_TARGET_HOSTCODEGEN_H
