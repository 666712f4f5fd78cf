//===- LibraryTable.h - Which library computes what ----------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_OPTIMIZE_LIBRARYTABLE_H
#define AMPC_OPTIMIZE_LIBRARYTABLE_H

#include "ampc/Dialect/Plan/Plan.h"
#include "ampc/Support/LibrarySupport.h"
#include "ampc/Support/Target.h"

namespace ampc {

/// The calls of one target's libraries, a row each in LibraryTable.cpp.
class LibraryTable : public LibrarySupport {
public:
  explicit LibraryTable(Target target) : target(target) {}

  bool supports(const LibraryRequest &request) const override;
  mlir::Type nearestResult(const LibraryRequest &request) const override;
  bool prefersChannelsLast(const LibraryRequest &request) const override;
  bool fusesAttention(mlir::Type element, int64_t size) const override;
  bool hasManyThreads() const override { return target != Target::Host; }
  /// Whether the library does this to the result of `call` as our kernels would.
  bool supports(plan::LibraryCallOpInterface call, plan::EpilogueKind epilogue) const;
  /// Whether the library can give sums of the operands of `call` beside its result.
  bool supportsSums(plan::LibraryCallOpInterface call) const;

private:
  Target target;
};

} // namespace ampc

#endif // AMPC_OPTIMIZE_LIBRARYTABLE_H
