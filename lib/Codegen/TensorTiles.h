//===- TensorTiles.h - Tiles of matrices for tensor cores ------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A warp multiplies 16 rows of A by 8 columns of B, 16 steps at a time, with f32 accumulators
// (mma.sync.m16n8k16, PTX ISA 9.7.14). Its lanes hold the matrices in a fixed way: with
// `group` = lane / 4 and `pair` = lane % 4,
//
// - of A, four registers of two elements each: rows group and group + 8, at steps 2 pair and
//   2 pair + 1, then the same rows at steps 8 further on;
// - of B, two registers: column group, at steps 2 pair and 2 pair + 1, then 8 further on;
// - of the accumulators, four numbers: row group at columns 2 pair and 2 pair + 1, then row
//   group + 8.
//
// So two tiles of accumulators side by side, rounded, are an A as they are.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_CODEGEN_TENSORTILES_H
#define AMPC_LIB_CODEGEN_TENSORTILES_H

#include "IndexBuilder.h"
#include "ampc/Support/ScalarBuilder.h"

namespace ampc::codegen {

/// Rows and steps of a product by a warp.
constexpr int64_t kTileRows = 16, kTileColumns = 8, kTileSteps = 16;

/// The numbers of a warp's accumulators, four for each 8 columns.
using Accumulators = llvm::SmallVector<Value>;
/// What lanes hold of an A: four registers for each 16 steps.
using Registers = llvm::SmallVector<Value>;

/// A matrix in global memory, row-major.
struct MatrixRows {
  Value memref;   ///< flat
  Value base;     ///< where its first element lies
  int64_t stride; ///< from one row to the next
  int64_t rows, columns;
};

/// Two tiles in workgroup memory, one of which is read while the other is filled.
struct StagedTile {
  Value memref; ///< [2, rows, padded columns]
  int64_t rows;
};

/// Code of one warp.
class TensorTiles : public ScalarBuilder {
public:
  /// `thread` is that of the block, which has `threads`; rows have `columns` elements of type
  /// `element`, f16 or bf16, a multiple of 8.
  TensorTiles(OpBuilder &builder, Location loc, Value thread, int64_t threads, Type element,
              int64_t columns);

  IndexBuilder index() const { return IndexBuilder(builder, loc); }
  Value number(int64_t n) { return index().constant(n); }

  /// Columns with what fills them up to whole steps of a product, all 0.
  int64_t paddedColumns() const { return llvm::alignTo(columns, kTileSteps); }
  /// The type of a StagedTile: rows lie so far apart that no two of 8 are in one bank.
  MemRefType stagedType(int64_t rows) const;

  /// Begins to copy rows from `first` on to half `half` of `tile`; what lies behind the end is 0.
  /// All threads of the block take part, here and in what follows.
  void beginCopy(const MatrixRows &matrix, Value first, const StagedTile &tile, Value half);
  /// The same of the rows that the block's warps own, 16 each, to all of `tile`.
  void beginCopyOfOwn(const MatrixRows &matrix, Value first, const StagedTile &tile);
  /// Waits until the thread's copies have ended; other threads' after a barrier.
  void endCopies();

  /// Of no products.
  Accumulators zeros(int64_t columns);
  /// Adds A times the transpose of the tile, whose rows are columns of the result.
  void addProductByRows(Accumulators &sums, ArrayRef<Value> a, const StagedTile &tile, Value half);
  /// Adds A times the tile, whose rows are the steps.
  void addProduct(Accumulators &sums, ArrayRef<Value> a, const StagedTile &tile, Value half);
  /// Accumulators as an A.
  Registers round(ArrayRef<Value> sums);
  /// Merges what the four lanes of a row hold.
  Value mergeRow(Value x, llvm::function_ref<Value(Value, Value)> merge);
  /// The warp's rows of those that the block owns, which have been copied to `tile`, as an A.
  Registers loadOwn(const StagedTile &tile);
  /// Rounds the accumulators of the block's warps, whose rows begin at `first`, and stores those
  /// no further than the end, by way of `tile`, which nobody uses any more.
  void storeOwn(ArrayRef<Value> sums, const MatrixRows &matrix, Value first,
                const StagedTile &tile);
  void barrier();

  /// e ^ x, as precise as what rounds it to 16 bits needs.
  Value approximateExp(Value x);

  const Type element;
  const int64_t columns;
  Value group, pair; ///< of this lane, as above
  Value warp;

private:
  int64_t ownRows() const { return threads / 32 * kTileRows; }
  void copyRows(const MatrixRows &matrix, Value first, const StagedTile &tile, Value half,
                int64_t count);
  /// Calls `fn` with the row and column of each part of 8 elements of `rows` rows of
  /// `columns` columns that is the thread's.
  void eachPart(int64_t rows, int64_t columns,
                llvm::function_ref<void(OpBuilder &, Value row, Value column)> fn);
  /// Where row `row` of those that the block owns lies in a tile: half, and row of it.
  std::pair<Value, Value> placeOfOwn(const StagedTile &tile, Value row);
  /// A matrix of 16 by 16 elements by all lanes: the four of 8 by 8 in the order of an A, or with
  /// `byColumns` such that the second is right of the first.
  Registers loadSquare(const StagedTile &tile, Value half, Value row, int64_t column,
                       bool byColumns, bool isTransposed);
  Value toRegister(Value pair);
  void multiply(MutableArrayRef<Value> sums, ArrayRef<Value> a, ArrayRef<Value> b);

  const int64_t threads;
  Value thread, lane;
};

} // namespace ampc::codegen

#endif // AMPC_LIB_CODEGEN_TENSORTILES_H
