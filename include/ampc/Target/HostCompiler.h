//===- HostCompiler.h - Host kernels to machine code ------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TARGET_HOSTCOMPILER_H
#define AMPC_TARGET_HOSTCOMPILER_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/SmallVector.h"
#include <functional>
#include <string>

namespace mlir {
class PassManager;
}

namespace ampc {

struct HostOptions {
  /// The processor to compile for, by LLVM's name (`x86-64-v3`). Empty: the
  /// highest x86-64 level that this machine has, scheduled for this machine.
  std::string cpu;
  /// Called with every pass manager before it runs: timing, IR printing.
  std::function<void(mlir::PassManager &)> configure;
};

/// Object code of the host kernels.
struct HostCode {
  /// Relocatable ELF objects, whose symbols are hidden; none where there are no
  /// kernels.
  llvm::SmallVector<llvm::SmallVector<char, 0>, 0> objects;
  /// Names of the kernels (ampc_host_kernel_t), in the order of the gpu.module.
  llvm::SmallVector<std::string> symbols;
  /// Instruction set extensions that the code may use, by LLVM's names, sorted,
  /// joined by commas: "avx,avx2,bmi,...". Empty where the architecture's
  /// baseline is enough.
  std::string features;
};

/// Compiles every gpu.func of `kernels`, each with a block of one thread and a
/// one-dimensional grid, to a function `void name(void *const *args, int64_t
/// begin, int64_t end)`. Leaves `kernels` as it is. Errors are reported at its
/// operations. Generates code in several threads; what comes out does not
/// depend on their number.
mlir::FailureOr<HostCode> compileHostKernels(mlir::gpu::GPUModuleOp kernels,
                                             const HostOptions &options = {});

} // namespace ampc

#endif // AMPC_TARGET_HOSTCOMPILER_H
