//===- AttentionTiles.cpp - What kernels of attention share ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttentionTiles.h"
#include "ampc/Support/RandomBits.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <limits>

namespace ampc::codegen {

AttentionTiles::AttentionTiles(const AttentionProblem &problem, OpBuilder &builder, Location loc,
                               Value thread, std::array<Value, 4> operands)
    : TensorTiles(builder, loc, thread, kAttentionThreads, problem.element, problem.extents.size),
      problem(problem), mask(operands[0]), condition(operands[1]) {
  if (!problem.drops)
    return;
  auto load = [&](Value scalar) -> Value {
    return memref::LoadOp::create(builder, loc, scalar, number(0));
  };
  key = buildRandomKey(*this, load(operands[2]), load(operands[3]), problem.stream);
}

void AttentionTiles::drop(MutableArrayRef<Value> numbers, const AttentionPoint &at,
                          ArrayRef<Value> rows, ArrayRef<Value> columns) {
  if (!problem.drops)
    return;
  // Places in [batch, heads, rows, columns], which may be more than an index counts.
  const AttentionExtents &e = problem.extents;
  Type i64 = builder.getI64Type();
  auto times = [&](Value x, int64_t n) { return mul(x, constant(i64, n)); };
  Value head = add(times(convert(at.batch, i64), e.heads), convert(at.head, i64));
  Value first = times(head, e.rows);
  for (auto [x, row, column] : llvm::zip_equal(numbers, rows, columns)) {
    Value place = times(add(first, convert(row, i64)), e.columns);
    place = add(place, convert(column, i64));
    Value kept = mul(x, constantLike(x, keptScale(problem.ratio)));
    x = select(drawKept(*this, place, key, problem.ratio), kept, constantLike(x, 0.0));
  }
}

MatrixRows AttentionTiles::rowsOf(unsigned which, Value memref, const AttentionPoint &at) {
  const AttentionPlace &place = problem.places[which];
  bool isKey = which == 1 || which == 2;
  Value base = index().add(index().mul(at.batch, place.batch),
                           index().mul(isKey ? at.keyHead : at.head, place.head));
  return {memref, index().add(base, place.offset), place.row,
          isKey ? problem.extents.columns : problem.extents.rows, problem.extents.size};
}

Value AttentionTiles::rowIndex(const AttentionPoint &at, Value row) {
  Value head = index().add(index().mul(at.batch, problem.extents.heads), at.head);
  return index().add(index().mul(head, problem.extents.rows), row);
}

Value AttentionTiles::loadMask(Value memref, RankedTensorType type, const AttentionPoint &at,
                               Value row, Value column) {
  Value place = number(0);
  int64_t stride = 1;
  Value indices[] = {at.batch, at.head, row, column};
  for (int64_t d = 3; d >= 0; --d) {
    if (type.getDimSize(d) != 1)
      place = index().add(index().mul(indices[d], stride), place);
    stride *= type.getDimSize(d);
  }
  return memref::LoadOp::create(builder, loc, memref, place);
}

SmallVector<Value>
AttentionTiles::pass(int64_t count, ArrayRef<Value> initial,
                     llvm::function_ref<void(Value, Value)> copy,
                     llvm::function_ref<SmallVector<Value>(Value, Value, ValueRange)> add) {
  Value zero = number(0), one = number(1);
  copy(zero, zero);
  auto loop = scf::ForOp::create(builder, loc, zero, number(count), one, initial);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value tile = loop.getInductionVar(), half = index().rem(tile, 2);
  endCopies();
  // All threads' copies have ended, and nobody reads the other half any more.
  barrier();
  Value next = index().add(tile, 1);
  auto more = scf::IfOp::create(builder, loc, index().less(next, count));
  {
    OpBuilder::InsertionGuard inner(builder);
    builder.setInsertionPointToStart(more.thenBlock());
    copy(next, index().sub(one, half));
  }
  SmallVector<Value> sums = add(tile, half, llvm::to_vector_of<Value>(loop.getRegionIterArgs()));
  scf::YieldOp::create(builder, loc, sums);
  return llvm::to_vector_of<Value>(loop.getResults());
}

void AttentionTiles::indicesOf(int64_t columns, Value row, Value column,
                               SmallVectorImpl<Value> &rows, SmallVectorImpl<Value> &ofColumns) {
  Value first = index().add(row, group), second = index().add(first, 8);
  Value left = index().add(column, index().mul(pair, 2));
  for (int64_t c = 0; c < columns; c += kTileColumns) {
    Value at = index().add(left, c), next = index().add(left, c + 1);
    rows.append({first, first, second, second});
    ofColumns.append({at, next, at, next});
  }
}

SmallVector<AttentionTiles::Score> AttentionTiles::score(ArrayRef<Value> products,
                                                         const AttentionPoint &at,
                                                         ArrayRef<Value> rows,
                                                         ArrayRef<Value> columns) {
  SmallVector<Score> scores;
  bool hasEnd = problem.extents.columns % kOwnRows != 0, isMasked = mask || condition;
  bool hasLastRow = problem.extents.rows % kOwnRows != 0;
  for (auto [product, row, column] : llvm::zip_equal(products, rows, columns)) {
    Value x = mul(product, constantLike(product, problem.scale)), isOwn;
    // What is behind the end is not read.
    Value safeRow = isMasked && hasLastRow ? index().min(row, problem.extents.rows - 1) : row;
    Value safe = isMasked && hasEnd ? index().min(column, problem.extents.columns - 1) : column;
    if (mask)
      x = add(x, loadMask(mask, problem.mask, at, safeRow, safe));
    if (condition) {
      Value byte = loadMask(condition, problem.condition, at, safeRow, safe);
      isOwn = notEqual(byte, constant(byte.getType(), int64_t(0)));
      Value off = constantLike(x, problem.off);
      x = select(isOwn, x, problem.replaces ? off : add(x, off));
    }
    if (hasEnd)
      x = select(index().less(column, problem.extents.columns), x,
                 constantLike(x, -std::numeric_limits<double>::infinity()));
    scores.push_back({x, isOwn});
  }
  return scores;
}

} // namespace ampc::codegen
