//===- HostColumn.cpp - Reductions of distant elements on the host --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Memory is read in its order: rows outside, neighbouring columns inside, one accumulator
// for each column in a buffer. A tile is a part of the innermost kept dimension at one
// place of the others; a block does a range of tiles. Columns that are too few for the
// threads are split: blocks write partial results, which a second kernel merges.
//
//===----------------------------------------------------------------------===//

#include "HostLoops.h"

namespace ampc::codegen {
namespace {

/// The widest tile: its accumulators lie on the stack and in the first cache.
constexpr int64_t kWidestTile = 2048;
/// Rows that are added in one pass over the accumulators.
constexpr int64_t kUnroll = 4;

/// Accumulators of one level of reductions for the columns [begin, end) of the innermost
/// kept dimension, whose index is the point's `axis`.
class ColumnBuffers {
public:
  ColumnBuffers(Evaluator &e, ArrayRef<Combiner> reductions, int64_t width, unsigned axis)
      : e(e), reductions(reductions), axis(axis) {
    for (const Combiner &c : reductions)
      buffers.push_back(allocate(e, width, c.getType()));
  }

  void fill(HostRange columns) {
    begin = columns.begin;
    each(columns, [&](Value column) {
      for (auto [c, buffer] : llvm::zip(reductions, buffers))
        e.storeScalar(e.constant(c.neutral), buffer, place(column));
    });
  }

  SmallVector<Value> load(Value column) {
    SmallVector<Value> values;
    for (auto [c, buffer] : llvm::zip(reductions, buffers))
      values.push_back(e.loadScalar(buffer, c.getType(), place(column)));
    return values;
  }

  void store(Value column, ArrayRef<Value> values) {
    for (auto [value, buffer] : llvm::zip(values, buffers))
      e.storeScalar(value, buffer, place(column));
  }

  /// Turns the accumulators into totals, which the reductions then evaluate to.
  void finish(HostRange columns, Point p) {
    each(columns, [&](Value column) {
      p[axis] = column;
      SmallVector<Value> values = load(column);
      for (auto [c, value] : llvm::zip(reductions, values))
        value = codegen::finish(e, c, value, p, 0);
      store(column, values);
    });
    for (auto [c, buffer] : llvm::zip(reductions, buffers))
      e.stage(c.result, {buffer, [this](const Point &at) { return place(at[axis]); }}, axis);
  }

  /// A loop over the columns.
  void each(HostRange columns, llvm::function_ref<void(Value)> body) {
    e.loop(columns.begin, columns.end, 1, {},
           [&](Value column, MutableArrayRef<Value>) { body(column); });
  }

private:
  Value place(Value column) { return e.index.sub(column, begin); }

  Evaluator &e;
  ArrayRef<Combiner> reductions;
  unsigned axis;
  Value begin;
  SmallVector<Value> buffers;
};

class HostColumn : public Schedule {
public:
  HostColumn(const IterationStructure &s, const Reductions &reductions, int64_t splits)
      : Schedule(s), reductions(reductions), splits(splits), outer(s.keptDims()) {
    if (!outer.empty())
      inner.push_back(outer.pop_back_val());
    for (unsigned d : inner)
      length = s.dims[d].extent;
    int64_t lines = 1;
    for (unsigned d : outer)
      lines *= s.dims[d].extent;
    int64_t rows = std::max<int64_t>(1, s.reducedPoints() / splits);
    // Parts of the rows are blocks enough; whole lines are read fastest.
    if (s.points() > kHostInline && splits == 1)
      width = std::max<int64_t>(64, llvm::alignTo(kHostChunk / rows, 16));
    width = std::max<int64_t>(1, std::min({width, length, kWidestTile}));
    parts = llvm::divideCeil(length, width);
    tiles = lines * parts;
    blocks = std::max<int64_t>(1, splits * hostBlocks(tiles, width * rows, 1, blockTiles));
  }

  void emit(Emission &at) const override {
    if (s.keptPoints() == 0)
      return;
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    allowReassociation(e, reductions);
    SmallVector<SmallVector<unsigned>> axes = {outer, inner};
    appendAxes(axes, s.reducedDims());
    e.setAxes(axes, 0, 1);
    unsigned phases = splits == 1 ? s.maxLevel + 1 : 1;
    SmallVector<ColumnBuffers> buffers;
    for (unsigned level = 0; level < phases; ++level)
      buffers.emplace_back(e, reductions.at(level), width, 1);
    int64_t groups = blocks / splits;
    Value split = index.div(at.block, groups);
    HostRange own = hostRange(index, splits == 1 ? at.block : index.rem(at.block, groups), groups,
                              blockTiles, tiles);
    e.loop(own.begin, own.end, 1, {}, [&](Value tile, MutableArrayRef<Value>) {
      Value line = index.div(tile, parts);
      HostRange columns =
          hostRange(index, parts == 1 ? tile : index.rem(tile, parts), parts, width, length);
      Point p(axes.size());
      p[0] = line;
      for (unsigned level = 0; level < phases; ++level) {
        SmallVector<Value> full =
            splits == 1 ? fullResultsAt(s, level, at.tied) : fullResultsAt(s, 0, {});
        if (reductions.at(level).empty() && full.empty())
          continue;
        buffers[level].fill(columns);
        addRows(e, buffers[level], reductions.at(level), full, columns, p, split);
        if (splits == 1)
          buffers[level].finish(columns, p);
      }
      buffers[0].each(columns, [&](Value column) {
        p[1] = column;
        if (splits == 1) {
          storeAll(e, keptResults(s), p);
          return;
        }
        Value place = index.add(index.mul(line, length), column);
        place = index.add(index.mul(split, s.keptPoints()), place);
        for (auto [buffer, value] : llvm::zip(at.partials, buffers[0].load(column)))
          e.storeScalar(value, buffer, place);
      });
    });
  }

private:
  /// Adds the rows of one split to the accumulators, several at a time.
  void addRows(Evaluator &e, ColumnBuffers &buffers, ArrayRef<Combiner> merged,
               ArrayRef<Value> full, HostRange columns, Point p, Value split) const {
    const IndexBuilder &index = e.index;
    auto addAt = [&](ArrayRef<SmallVector<Value>> rows) {
      buffers.each(columns, [&](Value column) {
        SmallVector<Value> values = buffers.load(column);
        SmallVector<Point> points;
        for (ArrayRef<Value> row : rows) {
          points.push_back({p[0], column});
          points.back().append(row.begin(), row.end());
          accumulate(e, merged, values, points.back());
        }
        buffers.store(column, values);
        for (const Point &point : points)
          storeAll(e, full, point);
      });
    };
    SmallVector<unsigned> dims = s.reducedDims();
    if (dims.empty())
      return addAt(SmallVector<Value>());
    // The first dimension is what splits divide, the last what is unrolled.
    SmallVector<Value> row;
    std::function<void(unsigned)> visit = [&](unsigned i) {
      int64_t extent = s.dims[dims[i]].extent;
      HostRange range = {index.constant(0), index.constant(extent)};
      if (i == 0 && splits != 1)
        range = hostRange(index, split, splits, llvm::divideCeil(extent, splits), extent);
      if (i + 1 < dims.size()) {
        e.loop(range.begin, range.end, 1, {}, [&](Value x, MutableArrayRef<Value>) {
          row.push_back(x);
          visit(i + 1);
          row.pop_back();
        });
        return;
      }
      auto several = [&](Value from, Value to, int64_t count) {
        e.loop(from, to, count, {}, [&](Value x, MutableArrayRef<Value>) {
          SmallVector<SmallVector<Value>> rows;
          for (int64_t u = 0; u < count; ++u) {
            rows.emplace_back(row);
            rows.back().push_back(index.add(x, u));
          }
          addAt(rows);
        });
      };
      Value whole = index.mul(index.div(index.sub(range.end, range.begin), kUnroll), kUnroll);
      Value middle = index.add(range.begin, whole);
      several(range.begin, middle, kUnroll);
      several(middle, range.end, 1);
    };
    visit(0);
  }

  const Reductions &reductions;
  int64_t splits;
  SmallVector<unsigned> outer, inner;
  int64_t length = 1, width = kWidestTile, parts = 1, tiles = 1, blockTiles = 1;
};

/// Merges partial results and computes what waits for them.
class HostFinal : public Schedule {
public:
  HostFinal(const IterationStructure &s, const Reductions &reductions, int64_t splits)
      : Schedule(s), reductions(reductions), splits(splits) {
    width = std::min(s.keptPoints(), kWidestTile);
    tiles = llvm::divideCeil(s.keptPoints(), width);
    blocks = hostBlocks(tiles, width * splits, 1, blockTiles);
  }

  void emit(Emission &at) const override {
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({s.keptDims()}, 0, 1);
    ArrayRef<Combiner> merged = reductions.at(0);
    ColumnBuffers buffers(e, merged, width, 0);
    HostRange own = hostRange(index, at.block, blocks, blockTiles, tiles);
    e.loop(own.begin, own.end, 1, {}, [&](Value tile, MutableArrayRef<Value>) {
      HostRange columns = hostRange(index, tile, tiles, width, s.keptPoints());
      buffers.fill(columns);
      e.loop(index.constant(0), index.constant(splits), 1, {},
             [&](Value split, MutableArrayRef<Value>) {
               buffers.each(columns, [&](Value column) {
                 SmallVector<Value> values = buffers.load(column);
                 Value place = index.add(index.mul(split, s.keptPoints()), column);
                 for (auto [i, c] : llvm::enumerate(merged))
                   values[i] =
                       combine(e, c, values[i], e.loadScalar(at.partials[i], c.getType(), place));
                 buffers.store(column, values);
               });
             });
      buffers.finish(columns, Point(1));
      buffers.each(columns, [&](Value column) { storeAll(e, keptResults(s), {column}); });
    });
  }

private:
  const Reductions &reductions;
  int64_t splits;
  int64_t width, tiles, blockTiles = 1;
};

} // namespace

std::unique_ptr<Schedule> hostColumn(const IterationStructure &s, const Reductions &r,
                                     int64_t splits) {
  return std::make_unique<HostColumn>(s, r, splits);
}

std::unique_ptr<Schedule> hostFinal(const IterationStructure &s, const Reductions &r,
                                    int64_t splits) {
  return std::make_unique<HostFinal>(s, r, splits);
}

} // namespace ampc::codegen
