//===- BlockCounters.h - Which block of several is the last ----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_BLOCKCOUNTERS_H
#define AMPC_LIB_CODEGEN_BLOCKCOUNTERS_H

#include "Reductions.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace ampc::codegen {

/// Counts how many blocks of a launch have arrived, so that the last one can go on with what all
/// of them wrote, without a second launch. The counters lie in the kernel's module, each on its
/// own; they are 0 between launches, of which those of one kernel must come one after another:
/// a session has its own copy of the module and one stream.
class BlockCounters {
public:
  BlockCounters(gpu::GPUFuncOp kernel, int64_t count);

  /// Whether this block is the last of `blocks`, an index, that arrive at counter `number`; the
  /// same for all threads of a block, which must all come here. To the last block's threads
  /// everything is visible that the others' wrote before they arrived.
  Value isLast(OpBuilder &b, Location loc, Value number, Value blocks, Value thread,
               WorkgroupArrays &arrays) const;

private:
  LLVM::GlobalOp counters;
};

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_BLOCKCOUNTERS_H
