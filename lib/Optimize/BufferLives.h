//===- BufferLives.h - When steps' results take memory ---------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_OPTIMIZE_BUFFERLIVES_H
#define AMPC_LIB_OPTIMIZE_BUFFERLIVES_H

#include "mlir/IR/Block.h"
#include "llvm/ADT/MapVector.h"

namespace ampc {
using namespace mlir;

/// What is in memory while a block of steps runs in its order, variables apart: from the step that
/// writes a buffer to the last that reads it. A snapshot.
class BufferLives {
public:
  struct Life {
    uint64_t bytes = 0; ///< as the arena pads them
    int64_t first = 0;  ///< the position of the step that writes it; -1 for an argument
    llvm::SmallVector<int64_t, 4> uses; ///< positions of steps that read it, in order
    bool isAssigned = false;            ///< lies in a variable

    int64_t last() const { return uses.empty() ? first : uses.back(); }
    /// The first use behind `position`; nullopt where there is none.
    std::optional<int64_t> nextUse(int64_t position) const;
  };

  explicit BufferLives(Block &block);

  /// An op's place in the block.
  int64_t positionOf(Operation *op) const { return positions.at(op); }
  Operation *opAt(int64_t position) const { return ops[position]; }

  /// The life of the buffer that a value owns (getBufferOwner); null for what is read from a
  /// variable.
  const Life *find(Value owner) const;
  const llvm::MapVector<Value, Life> &all() const { return lives; }

  /// The bytes that live at a position.
  uint64_t bytesAt(int64_t position) const { return alive[position]; }
  /// The position at which most bytes live, the first of several.
  int64_t findPeak() const;

private:
  llvm::SmallVector<Operation *> ops;
  llvm::DenseMap<Operation *, int64_t> positions;
  llvm::MapVector<Value, Life> lives;
  llvm::SmallVector<uint64_t> alive;
};

} // namespace ampc

#endif // AMPC_LIB_OPTIMIZE_BUFFERLIVES_H
