//===- DeviceColumn.cpp - Reductions of distant elements on a device ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A block owns a tile of columns, 32 threads wide; the threads of a column stride over the
// rows and merge in workgroup memory, in a fixed order. Columns that are too few to fill
// the device are split: blocks write partial results, which a second kernel merges, also
// in a fixed order.
//
//===----------------------------------------------------------------------===//

#include "CodeSize.h"
#include "Schedule.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {
namespace {

/// Rows that a thread of a column does at once.
constexpr int64_t kUnroll = 4;

/// Sets the reductions to their totals at a point of the kept axis (axis 0).
void setTotals(Evaluator &e, ArrayRef<Combiner> reductions, ArrayRef<Value> totals,
               const Point &p) {
  int64_t lanes = e.getLanes();
  for (auto [i, c] : llvm::enumerate(reductions))
    for (int64_t lane = 0; lane < lanes; ++lane)
      e.setValue(c.result, p, lane, finish(e, c, totals[i * lanes + lane], p, lane));
}

/// All columns, with all phases; or, where `splits` is above 1, the first of two stages.
class DeviceColumn : public Schedule {
public:
  DeviceColumn(const IterationStructure &s, const Reductions &reductions,
               const ScheduleLimits &limits, int64_t splits)
      : Schedule(s), reductions(reductions), splits(splits), columns(s.keptPoints()),
        rows(s.reducedPoints()) {
    threads = limits.threads ? limits.threads : 256;
    height = threads / kColumnWidth;
    lanes = limitLanes(s, widestLanes(s, s.keptDims(), /*whole=*/true));
    // Less than a block may have, so that several of them fit.
    int64_t most = limits.model.blockShared * 2 / 3;
    int64_t bytes = 0;
    for (ArrayRef<Combiner> level : reductions.levels)
      for (const Combiner &c : level)
        bytes += threads * getStorageBytes(c.getType());
    while (lanes > 1 && bytes * lanes > most)
      lanes /= 2;
    unroll = limitUnroll(s, lanes, kUnroll);
    tiles = std::max<int64_t>(1, llvm::divideCeil(columns, kColumnWidth * lanes));
    blocks = tiles * splits;
  }

  void emit(Emission &at) const override {
    if (columns == 0)
      return;
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({s.keptDims(), s.reducedDims()}, 0, lanes);
    Value x = index.rem(at.thread, kColumnWidth), y = index.div(at.thread, kColumnWidth);
    Value tile = splits == 1 ? at.block : index.rem(at.block, tiles);
    Value split = splits == 1 ? index.constant(0) : index.div(at.block, tiles);
    Value column = index.mul(index.add(index.mul(tile, kColumnWidth), x), lanes);
    Value isColumn;
    if (columns % (kColumnWidth * lanes) != 0) {
      isColumn = index.less(column, columns);
      column = index.min(column, columns - lanes); // loads stay inside
    }
    int64_t share = llvm::divideCeil(rows, splits);
    Value begin = index.mul(split, share);
    Value end = index.min(index.add(begin, share), rows);
    Point columnPoint = {column, Value()};
    unsigned phases = splits == 1 ? s.maxLevel + 1 : 1;
    for (unsigned level = 0; level < phases; ++level) {
      ArrayRef<Combiner> merged = reductions.at(level);
      SmallVector<Value> full = fullResultsAt(s, level, at.tied);
      if (splits != 1) // nothing waits for the reductions
        full = fullResultsAt(s, 0, {});
      if (merged.empty() && full.empty())
        continue;
      SmallVector<Value> accumulators =
          addRows(e, merged, full, column, isColumn, index.add(begin, y), end);
      SmallVector<Value> totals = reduceColumn(e, at.arrays, merged, accumulators, x, y, height);
      if (splits == 1) {
        setTotals(e, merged, totals, columnPoint);
        continue;
      }
      e.guarded(writes(e, isColumn, y), [&] {
        for (auto [i, c] : llvm::enumerate(merged))
          for (int64_t lane = 0; lane < lanes; ++lane)
            e.storeScalar(totals[i * lanes + lane], at.partials[i],
                          index.add(index.add(index.mul(split, columns), column), lane));
      });
    }
    SmallVector<Value> kept = keptResults(s);
    if (splits != 1 || kept.empty())
      return;
    // Other threads of the column may still read what a tied result overwrites.
    if (llvm::any_of(kept, [&](Value r) { return at.tied.contains(r); }))
      gpu::BarrierOp::create(at.b, at.loc);
    e.guarded(writes(e, isColumn, y), [&] { storeAll(e, kept, columnPoint); });
  }

private:
  /// Whether this thread is the one that writes its columns.
  static Value writes(Evaluator &e, Value isColumn, Value y) {
    Value isFirst = e.index.equal(y, 0);
    if (!isColumn)
      return isFirst;
    return arith::AndIOp::create(e.b, e.loc, isColumn, isFirst);
  }

  /// Visits the rows first, first + height, .. below end.
  SmallVector<Value> addRows(Evaluator &e, ArrayRef<Combiner> merged, ArrayRef<Value> full,
                             Value column, Value isColumn, Value first, Value end) const {
    const IndexBuilder &index = e.index;
    SmallVector<Value> accumulators = neutrals(e, merged, lanes);
    auto visit = [&](Value from, Value to, int64_t count) {
      accumulators = e.loop(from, to, count * height, accumulators,
                            [&](Value row, MutableArrayRef<Value> inner) {
                              SmallVector<Point> points;
                              for (int64_t u = 0; u < count; ++u)
                                points.push_back({column, index.add(row, u * height)});
                              for (const Point &p : points)
                                accumulate(e, merged, inner, p);
                              for (const Point &p : points)
                                if (!full.empty()) {
                                  for (Value v : full)
                                    e.evalLanes(v, p);
                                  e.guarded(isColumn, [&] {
                                    for (Value v : full)
                                      e.store(v, p);
                                  });
                                }
                            });
    };
    // `unroll` rows at once while all of them lie below end.
    Value span = index.sub(end, index.min(first, end));
    Value whole = arith::DivUIOp::create(e.b, e.loc, index.add(span, height - 1),
                                         index.constant(unroll * height));
    Value middle = index.add(first, index.mul(whole, unroll * height));
    visit(first, middle, unroll);
    visit(middle, end, 1);
    return accumulators;
  }

  const Reductions &reductions;
  int64_t splits, columns, rows;
  int64_t lanes, height, tiles;
  int64_t unroll; ///< rows at once
};

/// Merges partial results and computes what waits for them.
class DeviceFinal : public Schedule {
public:
  DeviceFinal(const IterationStructure &s, const Reductions &reductions, int64_t splits)
      : Schedule(s), reductions(reductions), splits(splits) {
    // Few partial results need no more than a warp.
    height = std::min<int64_t>(8, llvm::PowerOf2Ceil(splits));
    threads = kColumnWidth * height;
    blocks = llvm::divideCeil(s.keptPoints(), kColumnWidth);
  }

  void emit(Emission &at) const override {
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({s.keptDims()}, 0, 1);
    int64_t columns = s.keptPoints();
    Value x = index.rem(at.thread, kColumnWidth), y = index.div(at.thread, kColumnWidth);
    Value column = index.add(index.mul(at.block, kColumnWidth), x), isColumn;
    if (columns % kColumnWidth != 0) {
      isColumn = index.less(column, columns);
      column = index.min(column, columns - 1);
    }
    ArrayRef<Combiner> merged = reductions.at(0);
    SmallVector<Value> accumulators =
        e.loop(y, index.constant(splits), height, neutrals(e, merged, 1),
               [&](Value split, MutableArrayRef<Value> inner) {
                 Value place = index.add(index.mul(split, columns), column);
                 for (auto [i, c] : llvm::enumerate(merged))
                   inner[i] =
                       combine(e, c, inner[i], e.loadScalar(at.partials[i], c.getType(), place));
               });
    SmallVector<Value> totals = reduceColumn(e, at.arrays, merged, accumulators, x, y, height);
    Value isWriter = index.equal(y, 0);
    if (isColumn)
      isWriter = arith::AndIOp::create(at.b, at.loc, isColumn, isWriter);
    e.guarded(isWriter, [&] {
      Point p = {column};
      setTotals(e, merged, totals, p);
      storeAll(e, keptResults(s), p);
    });
  }

private:
  const Reductions &reductions;
  int64_t splits, height;
};

} // namespace

std::unique_ptr<Schedule> deviceColumn(const IterationStructure &s, const Reductions &r,
                                       const ScheduleLimits &limits, int64_t splits) {
  return std::make_unique<DeviceColumn>(s, r, limits, splits);
}

std::unique_ptr<Schedule> deviceFinal(const IterationStructure &s, const Reductions &r,
                                      int64_t splits) {
  return std::make_unique<DeviceFinal>(s, r, splits);
}

} // namespace ampc::codegen
