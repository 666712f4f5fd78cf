//===- DeviceColumn.cpp - Reductions of distant elements on a device ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A block owns a tile of columns, 32 threads wide; the threads of a column stride over the
// rows and merge in workgroup memory, in a fixed order. Columns that are too few to fill
// the device are split: blocks write partial results, which the last block of a tile to end
// merges, also in a fixed order.
//
//===----------------------------------------------------------------------===//

#include "BlockCounters.h"
#include "CodeSize.h"
#include "Schedule.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {
namespace {

/// Rows that a thread of a column does at once.
constexpr int64_t kUnroll = 4;
/// Partial results that a thread has under way at once.
constexpr int64_t kPartsAtOnce = 16;

/// Sets the reductions to their totals at a point of the kept axis (axis 0).
void setTotals(Evaluator &e, ArrayRef<Combiner> reductions, ArrayRef<Value> totals,
               const Point &p) {
  int64_t lanes = e.getLanes();
  for (auto [i, c] : llvm::enumerate(reductions))
    for (int64_t lane = 0; lane < lanes; ++lane)
      e.setValue(c.result, p, lane, finish(e, c, totals[i * lanes + lane], p, lane));
}

/// All columns, with all phases; where `splits` is above 1, so many blocks share each tile.
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
    counters = splits == 1 ? 0 : tiles;
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
    if (splits != 1) {
      Value isLast =
          at.counters->isLast(at.b, at.loc, tile, index.constant(splits), at.thread, at.arrays);
      return e.guarded(isLast, [&] {
        SmallVector<Value> totals = mergeParts(e, at, column, x, y);
        e.guarded(writes(e, isColumn, y), [&] {
          setTotals(e, reductions.at(0), totals, columnPoint);
          storeAll(e, kept, columnPoint);
        });
      });
    }
    if (kept.empty())
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

  /// The totals of this thread's columns, from what the blocks of the tile wrote.
  SmallVector<Value> mergeParts(Evaluator &e, Emission &at, Value column, Value x, Value y) const {
    const IndexBuilder &index = e.index;
    ArrayRef<Combiner> merged = reductions.at(0);
    SmallVector<Value> accumulators = neutrals(e, merged, lanes);
    auto visit = [&](Value from, Value to, int64_t count) {
      auto add = [&](Value split, MutableArrayRef<Value> inner) {
        SmallVector<Value> parts; // all of them are loaded first: they come from far
        for (int64_t u = 0; u < count; ++u) {
          Value line = index.add(index.mul(index.add(split, u * height), columns), column);
          for (auto [i, c] : llvm::enumerate(merged))
            for (int64_t lane = 0; lane < lanes; ++lane)
              parts.push_back(e.loadScalar(at.partials[i], c.getType(), index.add(line, lane)));
        }
        for (auto [i, part] : llvm::enumerate(parts)) {
          size_t place = i % inner.size();
          inner[place] = combine(e, merged[place / lanes], inner[place], part);
        }
      };
      accumulators = e.loop(from, to, count * height, accumulators, add);
    };
    int64_t several = std::max<int64_t>(1, kPartsAtOnce / lanes / int64_t(merged.size()));
    int64_t middle = splits / (several * height) * several * height;
    visit(y, index.constant(middle), several);
    visit(index.add(y, middle), index.constant(splits), 1);
    at.arrays.release();
    gpu::BarrierOp::create(at.b, at.loc); // the arrays' last readers
    return reduceColumn(e, at.arrays, merged, accumulators, x, y, height);
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

} // namespace

std::unique_ptr<Schedule> deviceColumn(const IterationStructure &s, const Reductions &r,
                                       const ScheduleLimits &limits, int64_t splits) {
  return std::make_unique<DeviceColumn>(s, r, limits, splits);
}

} // namespace ampc::codegen
