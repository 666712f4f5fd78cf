//===- ArenaAccesses.h - Who touched which bytes last ---------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_OPTIMIZE_ARENAACCESSES_H
#define AMPC_OPTIMIZE_ARENAACCESSES_H

#include "ampc/Optimize/StepOrder.h"
#include <map>

namespace ampc {

/// The bytes of an arena with the step that wrote them last and those that have read them since,
/// to find two steps that nothing orders and that touch the same bytes, one of them writing.
class ArenaAccesses {
public:
  explicit ArenaAccesses(const StepOrder &order) : order(order) {}

  /// Returns a step that writes some of the bytes [begin, end) and need not have ended when
  /// `step`, which reads them, starts; null where there is none.
  mlir::Operation *read(uint64_t begin, uint64_t end, mlir::Operation *step);
  /// The same for a step that writes them, of those that read or write.
  mlir::Operation *write(uint64_t begin, uint64_t end, mlir::Operation *step);

private:
  struct Piece {
    uint64_t end;
    mlir::Operation *writer;                      ///< null before the first
    llvm::SmallVector<mlir::Operation *> readers; ///< since; the last of each queue
  };
  using Pieces = std::map<uint64_t, Piece>;

  /// Makes pieces begin and end at the given bytes, and new ones where there are none.
  std::pair<Pieces::iterator, Pieces::iterator> cut(uint64_t begin, uint64_t end);
  void cutAt(uint64_t byte);

  const StepOrder &order;
  Pieces pieces; ///< by their begin
};

} // namespace ampc

#endif // AMPC_OPTIMIZE_ARENAACCESSES_H
