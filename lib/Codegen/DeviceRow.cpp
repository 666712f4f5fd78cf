//===- DeviceRow.cpp - Reductions of neighbouring elements on a device ----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// T threads work on a row. Each level of reductions is a phase: threads merge their own
// elements, then lanes, then warps. A row that fits stays in registers between phases;
// a longer one is read again, from the cache for all phases but the first.
//
// Where sums of columns are asked for, too, a block does a group of rows, one after the other, or
// several at a time, and each thread keeps the sums of its columns in registers. At the end the
// threads that have the same columns merge theirs, in a fixed order.
//
//===----------------------------------------------------------------------===//

#include "BlockCounters.h"
#include "CodeSize.h"
#include "Schedule.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {
namespace {

/// Elements of a row that a thread keeps in registers, over all inputs; half as many of
/// 64 bits.
constexpr int64_t kRowRegisters = 32;
/// Threads of a block that adds rows up, where a row does not take more, and at most. Some 100
/// registers a thread leave a multiprocessor two blocks of the first size, one of which loads
/// while the other one merges.
constexpr int64_t kSumThreads = 256, kMostSumThreads = 512;
/// Lanes that a loop over a long row does at once; half as many of 64 bits.
constexpr int64_t kUnrolledLanes = 16;

/// Registers that the widest scalar takes.
int64_t wordsOf(const IterationStructure &s) {
  auto isWide = [](Value v) {
    return getElementTypeOrSelf(v.getType()).getIntOrFloatBitWidth() == 64;
  };
  return llvm::any_of(s.ops,
                      [&](linalg::GenericOp op) {
                        return llvm::any_of(op.getInputs(), isWide) ||
                               llvm::any_of(op.getResults(), isWide);
                      })
             ? 2
             : 1;
}

/// Inputs that are read at every point, and `more` values that are held beside them.
int64_t countFullInputs(const IterationStructure &s, size_t more) {
  llvm::DenseSet<Value> full;
  for (linalg::GenericOp op : s.ops)
    for (OpOperand &operand : op->getOpOperands())
      if (const LinearAccess *access = s.getRead(operand))
        if (llvm::all_of(access->strides, [](int64_t stride) { return stride != 0; }))
          full.insert(s.getSource(operand.get()));
  return std::max<int64_t>(1, llvm::PowerOf2Ceil(full.size() + more));
}

/// Whole rows, with all phases.
class DeviceRow : public Schedule {
public:
  DeviceRow(const IterationStructure &s, const Reductions &reductions, const ScheduleLimits &limits)
      : Schedule(s), reductions(reductions), rows(s.groupRows()), columns(s.reducedPoints()) {
    if (!s.hasSums())
      rows = s.keptPoints();
    lanes = limitLanes(s, widestLanes(s, s.reducedDims(), /*whole=*/true));
    vectors = columns / lanes;
    int64_t inputs = countFullInputs(s, reductions.sums.size()), words = wordsOf(s);
    int64_t maxChunks = std::max<int64_t>(1, kRowRegisters / lanes / inputs / words);
    rowThreads =
        vectors <= 32
            ? std::max<int64_t>(1, llvm::PowerOf2Ceil(vectors))
            : std::max<int64_t>(32, llvm::PowerOf2Ceil(llvm::divideCeil(vectors, maxChunks)));
    int64_t most = limits.threads ? limits.threads : s.hasSums() ? kMostSumThreads : 1024;
    int64_t columnsOfThread = llvm::divideCeil(vectors, rowThreads) * lanes;
    inRegisters = rowThreads <= most && limitCopies(s, columnsOfThread) == columnsOfThread;
    if (s.hasSums()) {
      inRegisters = true; // see holdsSums
      rowThreads = std::min(rowThreads, most);
    }
    // 512 threads leave 128 registers for unrolled loads and accumulators.
    if (!inRegisters)
      rowThreads =
          std::max<int64_t>(32, std::min(limits.threads ? limits.threads : 512, 512 / inputs));
    threads = limits.threads ? limits.threads : std::max<int64_t>(rowThreads, 128);
    if (s.hasSums() && !limits.threads)
      threads = std::clamp<int64_t>(rowThreads * llvm::PowerOf2Ceil(std::max<int64_t>(rows, 1)),
                                    threads, std::max(threads, kSumThreads));
    blockRows = threads / rowThreads;
    chunks = llvm::divideCeil(vectors, rowThreads);
    unroll = limitUnroll(s, lanes, kUnrolledLanes / words / lanes);
    holdsRows = inRegisters;
    looped = inRegisters ? 0 : vectors / rowThreads / unroll * unroll;
    blocks = s.hasSums() ? s.groups() : std::max<int64_t>(1, llvm::divideCeil(rows, blockRows));
  }

  void emit(Emission &at) const override {
    if (s.hasSums())
      return emitGroup(at);
    if (rows == 0)
      return;
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({s.keptDims(), {}, s.reducedDims()}, 2, lanes);
    Value lane = at.thread, row = at.block, isRow;
    if (blockRows > 1) {
      lane = index.rem(at.thread, rowThreads);
      row = index.add(index.mul(at.block, blockRows), index.div(at.thread, rowThreads));
      std::tie(row, isRow) = limitRow(e, row);
    }
    emitRow(e, at, {row, Value(), Value()}, isRow, makeChunks(e, lane, looped, chunks), lane, {});
  }

private:
  /// A vector of lanes, and whether it lies in the row; null: it does.
  struct Chunk {
    Value column, isInside;
  };
  using Chunks = SmallVector<Chunk>;

  /// A row of the rows, and whether it is one: surplus threads do the last row again, without
  /// writing. Null: it is.
  std::pair<Value, Value> limitRow(Evaluator &e, Value row) const {
    if (rows % blockRows == 0)
      return {row, Value()};
    return {e.index.min(row, rows - 1), e.index.less(row, rows)};
  }

  /// The rows of a group, whose columns are added up.
  void emitGroup(Emission &at) const {
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({s.groupDims(), s.summedDims(), s.reducedDims()}, 2, lanes);
    Value lane = index.rem(at.thread, rowThreads), y = index.div(at.thread, rowThreads);
    Chunks fixed = makeChunks(e, lane, 0, chunks);
    // Those of a chunk are neighbours.
    SmallVector<Value> sums;
    for (int64_t c = 0; c < chunks; ++c)
      llvm::append_range(sums, neutrals(e, reductions.sums, lanes));
    sums = e.loop(index.constant(0), index.constant(rows), blockRows, sums,
                  [&](Value first, MutableArrayRef<Value> inner) {
                    auto [row, isRow] = limitRow(e, blockRows == 1 ? first : index.add(first, y));
                    emitRow(e, at, {at.block, row, Value()}, isRow, fixed, lane, inner);
                    if (rowThreads > 32) // what the phases have in workgroup memory
                      gpu::BarrierOp::create(at.b, at.loc);
                  });
    for (auto [c, chunk] : llvm::enumerate(fixed))
      for (auto [i, sum] : llvm::enumerate(reductions.sums)) {
        size_t place = (c * reductions.sums.size() + i) * lanes;
        storeSum(e, at, sum, chunk, MutableArrayRef(sums).slice(place, lanes), lane, y);
      }
  }

  /// Writes the sums of a chunk of columns, from what the threads that have them hold.
  void storeSum(Evaluator &e, Emission &at, const Combiner &sum, const Chunk &chunk,
                MutableArrayRef<Value> held, Value lane, Value y) const {
    at.arrays.release();
    mergeRows(e, at, sum, held, lane, y);
    Value isFirst = blockRows == 1 ? Value() : e.index.equal(y, 0);
    e.guarded(both(e, isFirst, chunk.isInside), [&] {
      Point p = {at.block, Value(), chunk.column};
      for (int64_t l = 0; l < lanes; ++l)
        e.setValue(sum.result, p, l, finish(e, sum, held[l], p, l));
      e.store(sum.result, p);
    });
  }

  /// Merges what the threads of a block that have the same columns hold, halves of the block with
  /// one another; those of the first row get the totals.
  void mergeRows(Evaluator &e, Emission &at, const Combiner &sum, MutableArrayRef<Value> held,
                 Value lane, Value y) const {
    if (blockRows == 1)
      return;
    const IndexBuilder &index = e.index;
    auto place = [&](Value line, int64_t l) {
      return index.add(index.mul(line, lanes * rowThreads), index.add(lane, l * rowThreads));
    };
    gpu::BarrierOp::create(at.b, at.loc); // the array's last readers
    Value parts = at.arrays.take(at.loc, threads * lanes, sum.getType());
    auto store = [&] {
      for (int64_t l = 0; l < lanes; ++l)
        e.storeScalar(held[l], parts, place(y, l));
    };
    store();
    for (int64_t half = blockRows / 2; half >= 1; half /= 2) {
      gpu::BarrierOp::create(at.b, at.loc);
      // Threads of no use read what others do, and write nothing.
      Value other = index.min(index.add(y, half), 2 * half - 1);
      for (int64_t l = 0; l < lanes; ++l)
        held[l] = combine(e, sum, held[l], e.loadScalar(parts, sum.getType(), place(other, l)));
      if (half > 1)
        e.guarded(index.less(y, half), store);
    }
  }

  /// A row, with all phases. `sums` are those of its columns, which it adds to.
  void emitRow(Evaluator &e, Emission &at, Point row, Value isRow, const Chunks &fixed, Value lane,
               MutableArrayRef<Value> sums) const {
    const IndexBuilder &index = e.index;
    for (unsigned level = 0; level <= s.maxLevel; ++level) {
      ArrayRef<Combiner> merged = reductions.at(level);
      SmallVector<Value> full = fullResultsAt(s, level, at.tied);
      if (merged.empty() && full.empty() && sums.empty())
        continue;
      SmallVector<Value> accumulators = neutrals(e, merged, lanes);
      if (looped != 0)
        accumulators = e.loop(index.constant(0), index.constant(looped), unroll, accumulators,
                              [&](Value first, MutableArrayRef<Value> inner) {
                                Chunks several;
                                for (int64_t u = 0; u < unroll; ++u) {
                                  Value chunk =
                                      index.add(index.mul(index.add(first, u), rowThreads), lane);
                                  several.push_back({index.mul(chunk, lanes), Value()});
                                }
                                visit(e, row, several, merged, full, inner, isRow);
                              });
      auto rest = [&] {
        visit(e, row, fixed, merged, full, accumulators, isRow);
        addToSums(e, row, level, fixed, sums, isRow);
      };
      if (inRegisters)
        rest();
      else
        e.scoped(rest); // forgets the elements
      SmallVector<Value> totals =
          reduceThreads(e, merged, accumulators, at.thread, rowThreads, blockRows, at.arrays);
      for (auto [c, total] : llvm::zip(merged, totals))
        e.setValue(c.result, row, 0, finish(e, c, total, row, 0));
    }
    SmallVector<Value> kept = keptResults(s);
    if (kept.empty())
      return;
    // Other threads of the row may still read what a tied result overwrites.
    if (llvm::any_of(kept, [&](Value r) { return at.tied.contains(r); }))
      gpu::BarrierOp::create(at.b, at.loc);
    Value isFirst = index.equal(lane, 0);
    e.guarded(both(e, rowThreads == 1 ? Value() : isFirst, isRow), [&] { storeAll(e, kept, row); });
  }

  /// Adds a row to the sums that wait for `level` levels of reductions.
  void addToSums(Evaluator &e, const Point &row, unsigned level, const Chunks &points,
                 MutableArrayRef<Value> sums, Value isRow) const {
    auto isEarlier = [&](const Combiner &c) { return s.getLevel(c.result) <= level; };
    auto isOwn = [&](const Combiner &c) { return s.getLevel(c.result) == level + 1; };
    ArrayRef<Combiner> all = reductions.sums;
    size_t first = llvm::count_if(all, isEarlier), count = llvm::count_if(all, isOwn);
    for (auto [c, chunk] : llvm::enumerate(points))
      if (count != 0)
        accumulate(e, all.slice(first, count),
                   sums.slice((c * all.size() + first) * lanes, count * lanes), pointOf(row, chunk),
                   isRow);
  }

  static Point pointOf(Point row, const Chunk &chunk) {
    row.back() = chunk.column;
    return row;
  }

  static Value both(Evaluator &e, Value x, Value y) {
    if (!x || !y)
      return x ? x : y;
    return arith::AndIOp::create(e.b, e.loc, x, y);
  }

  Chunks makeChunks(Evaluator &e, Value lane, int64_t first, int64_t last) const {
    const IndexBuilder &index = e.index;
    Chunks made;
    for (int64_t c = first; c < last; ++c) {
      Value column = index.mul(index.add(lane, c * rowThreads), lanes), isInside;
      if ((c + 1) * rowThreads > vectors) {
        isInside = index.less(column, columns);
        column = index.min(column, columns - lanes); // loads stay inside
      }
      made.push_back({column, isInside});
    }
    return made;
  }

  void visit(Evaluator &e, const Point &row, const Chunks &points, ArrayRef<Combiner> merged,
             ArrayRef<Value> full, MutableArrayRef<Value> accumulators, Value isRow) const {
    for (const Chunk &chunk : points)
      accumulate(e, merged, accumulators, pointOf(row, chunk), chunk.isInside);
    if (full.empty())
      return;
    for (const Chunk &chunk : points) {
      for (Value v : full)
        e.evalLanes(v, pointOf(row, chunk)); // before the guard: later phases use it too
      Value writes = both(e, chunk.isInside, isRow);
      auto write = [&] {
        for (Value v : full)
          e.store(v, pointOf(row, chunk));
      };
      if (writes)
        e.guarded(writes, write);
      else
        write();
    }
  }

  const Reductions &reductions;
  int64_t rows, columns;  ///< rows of a group, where there are sums
  int64_t lanes, vectors; ///< elements in a vector, vectors in a row
  int64_t rowThreads, blockRows;
  int64_t chunks, unroll, looped; ///< vectors of a thread; at once; in the loop
  bool inRegisters;
};

/// A few long rows, each shared by `splits` blocks. Block [row, split] writes what does not wait
/// for the reductions, and its partial results at [split, row]; the last one of a row merges them.
class DeviceRowParts : public Schedule {
public:
  DeviceRowParts(const IterationStructure &s, const Reductions &reductions, int64_t splits)
      : Schedule(s), reductions(reductions), splits(splits) {
    threads = 256;
    blocks = s.keptPoints() * splits;
    counters = s.keptPoints();
    lanes = limitLanes(s, widestLanes(s, s.reducedDims(), /*whole=*/true));
  }

  void emit(Emission &at) const override {
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({s.keptDims(), s.reducedDims()}, 1, lanes);
    int64_t vectors = s.reducedPoints() / lanes;
    int64_t share = llvm::divideCeil(vectors, splits);
    Value row = index.div(at.block, splits), split = index.rem(at.block, splits);
    Value begin = index.mul(split, share);
    Value end = index.min(index.add(begin, share), vectors);
    ArrayRef<Combiner> merged = reductions.at(0);
    SmallVector<Value> full = fullResultsAt(s, 0, {});
    SmallVector<Value> accumulators = neutrals(e, merged, lanes);
    const int64_t unroll = limitUnroll(s, lanes, kUnrolledLanes / wordsOf(s) / lanes);
    auto visit = [&](Value from, Value to, int64_t count) {
      accumulators = e.loop(
          from, to, count * threads, accumulators, [&](Value vector, MutableArrayRef<Value> inner) {
            SmallVector<Point> points;
            for (int64_t u = 0; u < count; ++u)
              points.push_back({row, index.mul(index.add(vector, u * threads), lanes)});
            for (const Point &p : points)
              accumulate(e, merged, inner, p);
            for (const Point &p : points)
              storeAll(e, full, p);
          });
    };
    // Vectors first, first + threads, ..; `unroll` of them at once while all lie below end.
    Value first = index.add(begin, at.thread);
    Value span = index.sub(end, index.min(first, end));
    Value whole = arith::DivUIOp::create(at.b, at.loc, index.add(span, threads - 1),
                                         index.constant(unroll * threads));
    Value middle = index.add(first, index.mul(whole, unroll * threads));
    visit(first, middle, unroll);
    visit(middle, end, 1);
    SmallVector<Value> totals =
        reduceThreads(e, merged, accumulators, at.thread, threads, 1, at.arrays);
    e.guarded(index.equal(at.thread, 0), [&] {
      Value place = index.add(index.mul(split, s.keptPoints()), row);
      for (auto [buffer, total] : llvm::zip(at.partials, totals))
        e.storeScalar(total, buffer, place);
    });
    Value isLast =
        at.counters->isLast(at.b, at.loc, row, index.constant(splits), at.thread, at.arrays);
    e.guarded(isLast, [&] { finishRow(e, at, {row, Value()}); });
  }

private:
  /// Merges the parts of a row and writes what waits for them.
  void finishRow(Evaluator &e, Emission &at, const Point &row) const {
    ArrayRef<Combiner> merged = reductions.at(0);
    e.setLanes(1);
    SmallVector<Value> accumulators =
        e.loop(at.thread, e.index.constant(splits), threads, neutrals(e, merged, 1),
               [&](Value split, MutableArrayRef<Value> inner) {
                 Value place = e.index.add(e.index.mul(split, s.keptPoints()), row[0]);
                 for (auto [i, c] : llvm::enumerate(merged))
                   inner[i] =
                       combine(e, c, inner[i], e.loadScalar(at.partials[i], c.getType(), place));
               });
    at.arrays.release();
    gpu::BarrierOp::create(at.b, at.loc); // the arrays' last readers
    SmallVector<Value> totals =
        reduceThreads(e, merged, accumulators, at.thread, threads, 1, at.arrays);
    e.guarded(e.index.equal(at.thread, 0), [&] {
      for (auto [c, total] : llvm::zip(merged, totals))
        e.setValue(c.result, row, 0, finish(e, c, total, row, 0));
      storeAll(e, keptResults(s), row);
    });
  }

  const Reductions &reductions;
  int64_t splits, lanes;
};

} // namespace

std::unique_ptr<Schedule> deviceRow(const IterationStructure &s, const Reductions &r,
                                    const ScheduleLimits &limits) {
  return std::make_unique<DeviceRow>(s, r, limits);
}

std::unique_ptr<Schedule> deviceRowParts(const IterationStructure &s, const Reductions &r,
                                         int64_t splits) {
  return std::make_unique<DeviceRowParts>(s, r, splits);
}

} // namespace ampc::codegen
