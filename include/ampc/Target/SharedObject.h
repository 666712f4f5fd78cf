//===- SharedObject.h - Writes a train.so -----------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TARGET_SHAREDOBJECT_H
#define AMPC_TARGET_SHAREDOBJECT_H

#include "ampc/Target/HostCompiler.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <functional>

namespace llvm {
class raw_ostream;
}

namespace ampc {

/// The content of the weights section, written straight into the output file,
/// so that weights of any size pass through without a copy in memory.
struct WeightsSource {
  uint64_t bytes = 0;
  /// Writes exactly `bytes` bytes. May be null where `bytes` is 0.
  std::function<llvm::Error(llvm::raw_ostream &)> write;
};

/// Writes a train.so to `out`: `tables` (ampc_tables_t and what follows it),
/// the host kernels in the order of `host.symbols`, and the weights. Equal
/// arguments give equal bytes. The caller checks `out` for errors. Links in this
/// process: every llvm::cl option falls back to its default, and only one
/// thread may link at a time.
llvm::Error writeSharedObject(llvm::raw_ostream &out, const HostCode &host,
                              llvm::ArrayRef<char> tables, const WeightsSource &weights);

/// Writes it at `path`, which is replaced at the end, in one step; on an error
/// nothing is left or changed.
llvm::Error writeSharedObject(llvm::StringRef path, const HostCode &host,
                              llvm::ArrayRef<char> tables, const WeightsSource &weights);

} // namespace ampc

#endif // AMPC_TARGET_SHAREDOBJECT_H
