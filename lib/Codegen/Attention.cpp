//===- Attention.cpp - Attention without a matrix of scores ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The keys pass by the queries of a block. Each row knows the largest score and the sum of
// exponentials so far; where a score is larger, what was summed up by then is multiplied by
// e ^ (old - new).
//
//===----------------------------------------------------------------------===//

#include "AttentionTiles.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <limits>

namespace ampc::codegen {
namespace {

/// Sums for the rows of a warp: of values, and, for the two rows of a lane, the largest score and
/// the sum of exponentials that it has seen itself.
struct RowSums {
  Accumulators values;
  Value largest[2], sum[2];

  SmallVector<Value> list() const {
    SmallVector<Value> all(values);
    all.append({largest[0], largest[1], sum[0], sum[1]});
    return all;
  }
  static RowSums from(ValueRange all) {
    size_t n = all.size() - 4;
    return {Accumulators(all.take_front(n)), {all[n], all[n + 1]}, {all[n + 2], all[n + 3]}};
  }
};

class ForwardEmitter {
public:
  ForwardEmitter(plan::AttentionOp op, StringRef name, const EmitTarget &target)
      : op(op), problem(op), function(target, name, op.getLoc()) {}

  EmittedKernel emit() {
    unsigned number = 0;
    SmallVector<Value> inputs;
    auto add = [&](Value x) {
      return x ? function.addInput(number++, cast<RankedTensorType>(x.getType())) : Value();
    };
    for (Value x : op.getInputs())
      inputs.push_back(add(x));
    for (unsigned i = 0; i < 3; ++i)
      tensors[i] = inputs[problem.inputs == 1 ? 0 : i];
    std::array<Value, 4> operands{add(op.getMask()), add(op.getCondition()), add(op.getSeed()),
                                  add(op.getAttempt())};
    for (unsigned i = 0; i < 3; ++i)
      results[i] = function.addOutput(number++, cast<RankedTensorType>(op.getResult(i).getType()));
    function.begin();
    const AttentionExtents &e = problem.extents;
    int64_t rowBlocks = llvm::divideCeil(e.rows, kOwnRows);
    AttentionTiles tiles(problem, function.b, function.loc, function.thread, operands);
    for (StagedTile &tile : staged)
      tile = {
          addWorkgroupArray(function.func, tiles.stagedType(problem.passingRows()), function.loc),
          problem.passingRows()};
    emitBlock(tiles, rowBlocks);
    EmittedKernel emitted;
    emitted.stages.push_back(function.finish(rowBlocks * e.heads * e.batch, kAttentionThreads));
    emitted.stages.back().usesTensorCores = true;
    return emitted;
  }

private:
  void emitBlock(AttentionTiles &t, int64_t rowBlocks) {
    const AttentionExtents &e = problem.extents;
    IndexBuilder index = t.index();
    Value rest = index.div(function.block, rowBlocks);
    AttentionPoint at{index.div(rest, e.heads), index.rem(rest, e.heads), {}};
    at.keyHead = index.div(at.head, e.heads / e.keyHeads);
    Value first = index.mul(index.rem(function.block, rowBlocks), kOwnRows);
    Value row = index.add(first, index.mul(t.warp, kTileRows));
    t.beginCopyOfOwn(t.rowsOf(0, tensors[0], at), first, staged[0]);
    t.endCopies();
    t.barrier();
    Registers query = t.loadOwn(staged[0]);
    t.barrier();
    MatrixRows keys = t.rowsOf(1, tensors[1], at), values = t.rowsOf(2, tensors[2], at);

    int64_t passing = problem.passingRows(), count = llvm::divideCeil(e.columns, passing);
    auto copy = [&](Value tile, Value half) {
      Value first = t.index().mul(tile, passing);
      t.beginCopy(keys, first, staged[0], half);
      t.beginCopy(values, first, staged[1], half);
    };
    Type f32 = t.builder.getF32Type();
    Value lowest = t.constant(f32, -std::numeric_limits<double>::infinity());
    Value zero = t.constant(f32, 0.0);
    RowSums none{t.zeros(t.paddedColumns()), {lowest, lowest}, {zero, zero}};
    SmallVector<Value> all =
        t.pass(count, none.list(), copy, [&](Value tile, Value half, ValueRange before) {
          RowSums sums = RowSums::from(before);
          addTile(t, sums, query, at, row, t.index().mul(tile, passing), half);
          return sums.list();
        });
    finish(t, RowSums::from(all), at, first);
  }

  /// Adds the keys from `column` on.
  void addTile(AttentionTiles &t, RowSums &sums, const Registers &query, const AttentionPoint &at,
               Value row, Value column, Value half) {
    Accumulators products = t.zeros(staged[0].rows);
    t.addProductByRows(products, query, staged[0], half);
    SmallVector<Value> rows, columns;
    t.indicesOf(staged[0].rows, row, column, rows, columns);
    SmallVector<AttentionTiles::Score> scores = t.score(products, at, rows, columns);
    auto larger = [&](Value x, Value y) -> Value {
      return arith::MaxNumFOp::create(t.builder, t.loc, x, y);
    };
    for (unsigned i : {0, 1}) {
      Value largest;
      for (size_t k = 0; k < scores.size(); ++k)
        if (k / 2 % 2 == i)
          largest = largest ? larger(largest, scores[k].score) : scores[k].score;
      largest = larger(sums.largest[i], t.mergeRow(largest, larger));
      // No score minus infinity is 0 while all have been that.
      Value lowest = t.constantLike(largest, -std::numeric_limits<double>::infinity());
      Value shift = t.select(t.equal(largest, lowest), t.constantLike(largest, 0.0), largest);
      Value factor = t.approximateExp(t.sub(sums.largest[i], shift));
      Value sum = t.mul(sums.sum[i], factor);
      for (size_t k = 0; k < scores.size(); ++k)
        if (k / 2 % 2 == i) {
          products[k] = t.approximateExp(t.sub(scores[k].score, shift));
          sum = t.add(sum, products[k]);
        }
      for (size_t k = 0; k < sums.values.size(); ++k)
        if (k / 2 % 2 == i)
          sums.values[k] = t.mul(sums.values[k], factor);
      sums.largest[i] = largest;
      sums.sum[i] = sum;
    }
    t.drop(products, at, rows, columns);
    t.addProduct(sums.values, t.round(products), staged[1], half);
  }

  void finish(AttentionTiles &t, RowSums sums, const AttentionPoint &at, Value first) {
    Value row = t.index().add(first, t.index().mul(t.warp, kTileRows));
    for (unsigned i : {0, 1}) {
      Value sum = t.mergeRow(sums.sum[i], [&](Value x, Value y) { return t.add(x, y); });
      Value inverse = t.div(t.constantLike(sum, 1.0), sum);
      for (size_t k = 0; k < sums.values.size(); ++k)
        if (k / 2 % 2 == i)
          sums.values[k] = t.mul(sums.values[k], inverse);
      Value own = t.index().add(t.index().add(row, t.group), 8 * i);
      Value isFirst = t.index().equal(t.pair, 0);
      isFirst = t.logicalAnd(isFirst, t.index().less(own, problem.extents.rows));
      scf::IfOp::create(t.builder, t.loc, isFirst, [&](OpBuilder &b, Location loc) {
        Value place = t.rowIndex(at, own);
        memref::StoreOp::create(b, loc, sums.largest[i], results[1], place);
        memref::StoreOp::create(b, loc, sum, results[2], place);
        scf::YieldOp::create(b, loc);
      });
    }
    t.storeOwn(sums.values, t.rowsOf(3, results[0], at), first, staged[0]);
  }

  plan::AttentionOp op;
  AttentionProblem problem;
  KernelFunction function;
  Value tensors[3], results[3];
  StagedTile staged[2]; ///< of keys and values
};
} // namespace

FailureOr<EmittedKernel> emitAttention(plan::AttentionOp op, StringRef name,
                                       const EmitTarget &target) {
  if (!target.device)
    return op.emitOpError("has no kernel for the host");
  return ForwardEmitter(op, name, target).emit();
}

} // namespace ampc::codegen
