//===- AttentionTiles.h - What kernels of attention share ------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A block goes through the keys (or queries) of a head for 64 of its queries (or keys), 16 of them
// a warp, and holds their results in registers: FlashAttention-2 (Dao, 2023, arXiv:2307.08691),
// but that gradients of queries are sums of a block of their own, where that paper adds them up
// with atomics. So results have the same bits in every run.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_ATTENTIONTILES_H
#define AMPC_LIB_CODEGEN_ATTENTIONTILES_H

#include "KernelEmitter.h"
#include "TensorTiles.h"
#include "ampc/Dialect/Plan/AttentionPlaces.h"
#include <array>

namespace ampc::codegen {

/// Warps of a block, and the rows that they own.
constexpr int64_t kAttentionWarps = 4, kAttentionThreads = 32 * kAttentionWarps,
                  kOwnRows = kTileRows * kAttentionWarps;

/// What both ops of the plan dialect say.
struct AttentionProblem {
  AttentionExtents extents;
  AttentionPlace places[4];         ///< of query, key, value and output
  RankedTensorType mask, condition; ///< null where there is none
  Type element;
  double scale, off;
  double ratio; ///< of what dropout drops; 0 without it
  uint64_t stream;
  bool replaces, drops;
  unsigned inputs; ///< 1, where all lie in one tensor, or 3

  template <typename OpTy>
  explicit AttentionProblem(OpTy op)
      : extents(AttentionExtents::from(op.getExtents())),
        element(cast<RankedTensorType>(op.getInputs()[0].getType()).getElementType()),
        scale(op.getScale().convertToDouble()), off(op.getOff().convertToDouble()),
        ratio(op.getRatio() ? op.getRatio()->convertToDouble() : 0),
        stream(uint64_t(op.getStream().value_or(0))), replaces(op.getReplaces()),
        drops(bool(op.getSeed())), inputs(op.getInputs().size()) {
    for (unsigned i = 0; i < 4; ++i)
      places[i] = AttentionPlace::from(op.getPlaces(), i);
    if (op.getMask())
      mask = cast<RankedTensorType>(op.getMask().getType());
    if (op.getCondition())
      condition = cast<RankedTensorType>(op.getCondition().getType());
  }

  /// Rows that pass in one go: as many as leave two halves of two tiles in 48 KiB, and what a lane
  /// has of scores and sums in 255 registers. Gradients have twice as much of both.
  int64_t passingRows() const { return extents.size <= 64 ? 64 : 32; }
  int64_t passingRowsOfGradient() const { return extents.size <= 32 ? 64 : 32; }
};

/// Where a warp is in an attention.
struct AttentionPoint {
  Value batch, head, keyHead;
};

/// Code of a warp that computes scores.
class AttentionTiles : public TensorTiles {
public:
  /// `operands` are those of the op that change scores: mask, condition, seed and attempt, null
  /// where there is none.
  AttentionTiles(const AttentionProblem &problem, OpBuilder &builder, Location loc, Value thread,
                 std::array<Value, 4> operands);

  /// The rows of one head, of the query, key, value (0 to 2) or output (3) in `memref`.
  MatrixRows rowsOf(unsigned which, Value memref, const AttentionPoint &at);
  /// The index of row `row` in a tensor [batch, heads, rows].
  Value rowIndex(const AttentionPoint &at, Value row);

  /// What the products of query row `row` and key `column` become before the softmax, minus
  /// infinity behind the last key; and which of the scores are their own, null where all are.
  struct Score {
    Value score, isOwn;
  };
  /// Both for each accumulator. `rows` has a query row for each and `columns` a key.
  llvm::SmallVector<Score> score(ArrayRef<Value> products, const AttentionPoint &at,
                                 ArrayRef<Value> rows, ArrayRef<Value> columns);
  /// The numbers for each accumulator where dropout keeps them, made larger; else 0. As they are
  /// where nothing is dropped.
  void drop(MutableArrayRef<Value> numbers, const AttentionPoint &at, ArrayRef<Value> rows,
            ArrayRef<Value> columns);
  /// Goes through `count` tiles that pass: `copy` begins to copy one to a half of workgroup memory,
  /// while `add` makes of the values so far, `initial` at first, those with the tile before.
  /// Returns the last ones.
  llvm::SmallVector<Value>
  pass(int64_t count, ArrayRef<Value> initial,
       llvm::function_ref<void(Value tile, Value half)> copy,
       llvm::function_ref<llvm::SmallVector<Value>(Value tile, Value half, ValueRange sums)> add);
  /// The row and the column of each accumulator of tiles that begin at `row` and `column`.
  void indicesOf(int64_t columns, Value row, Value column, llvm::SmallVectorImpl<Value> &rows,
                 llvm::SmallVectorImpl<Value> &ofColumns);

protected:
  const AttentionProblem &problem;

private:
  /// An element of a mask, which broadcasts.
  Value loadMask(Value memref, RankedTensorType type, const AttentionPoint &at, Value row,
                 Value column);

  Value mask, condition, key; ///< `key`: of what dropout draws
};

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_ATTENTIONTILES_H
