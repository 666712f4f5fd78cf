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
//===----------------------------------------------------------------------===//

#include "CodeSize.h"
#include "Schedule.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {
namespace {

/// Elements of a row that a thread keeps in registers, over all inputs; half as many of
/// 64 bits.
constexpr int64_t kRowRegisters = 32;
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

/// Inputs that are read at every point.
int64_t countFullInputs(const IterationStructure &s) {
  llvm::DenseSet<Value> full;
  for (linalg::GenericOp op : s.ops)
    for (OpOperand &operand : op->getOpOperands())
      if (const LinearAccess *access = s.getRead(operand))
        if (llvm::all_of(access->strides, [](int64_t stride) { return stride != 0; }))
          full.insert(s.getSource(operand.get()));
  return std::max<int64_t>(1, llvm::PowerOf2Ceil(full.size()));
}

/// Whole rows, with all phases.
class DeviceRow : public Schedule {
public:
  DeviceRow(const IterationStructure &s, const Reductions &reductions, const ScheduleLimits &limits)
      : Schedule(s), reductions(reductions), rows(s.keptPoints()), columns(s.reducedPoints()) {
    lanes = limitLanes(s, widestLanes(s, s.reducedDims(), /*whole=*/true));
    vectors = columns / lanes;
    int64_t inputs = countFullInputs(s), words = wordsOf(s);
    int64_t maxChunks = std::max<int64_t>(1, kRowRegisters / lanes / inputs / words);
    rowThreads =
        vectors <= 32
            ? std::max<int64_t>(1, llvm::PowerOf2Ceil(vectors))
            : std::max<int64_t>(32, llvm::PowerOf2Ceil(llvm::divideCeil(vectors, maxChunks)));
    int64_t most = limits.threads ? limits.threads : 1024;
    int64_t columnsOfThread = llvm::divideCeil(vectors, rowThreads) * lanes;
    inRegisters = rowThreads <= most && limitCopies(s, columnsOfThread) == columnsOfThread;
    // 512 threads leave 128 registers for unrolled loads and accumulators.
    if (!inRegisters)
      rowThreads =
          std::max<int64_t>(32, std::min(limits.threads ? limits.threads : 512, 512 / inputs));
    threads = limits.threads ? limits.threads : std::max<int64_t>(rowThreads, 128);
    blockRows = threads / rowThreads;
    chunks = llvm::divideCeil(vectors, rowThreads);
    unroll = limitUnroll(s, lanes, kUnrolledLanes / words / lanes);
    holdsRows = inRegisters;
    looped = inRegisters ? 0 : vectors / rowThreads / unroll * unroll;
    blocks = std::max<int64_t>(1, llvm::divideCeil(rows, blockRows));
  }

  void emit(Emission &at) const override {
    if (rows == 0)
      return;
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({s.keptDims(), s.reducedDims()}, 1, lanes);
    Value lane = at.thread, row = at.block, isRow;
    if (blockRows > 1) {
      lane = index.rem(at.thread, rowThreads);
      row = index.add(index.mul(at.block, blockRows), index.div(at.thread, rowThreads));
      if (rows % blockRows != 0) {
        // The surplus threads do the last row again, without writing.
        isRow = index.less(row, rows);
        row = index.min(row, rows - 1);
      }
    }
    Chunks fixed = makeChunks(e, row, lane, looped, chunks);
    Point rowPoint = {row, Value()};
    for (unsigned level = 0; level <= s.maxLevel; ++level) {
      ArrayRef<Combiner> merged = reductions.at(level);
      SmallVector<Value> full = fullResultsAt(s, level, at.tied);
      if (merged.empty() && full.empty())
        continue;
      SmallVector<Value> accumulators = neutrals(e, merged, lanes);
      if (looped != 0)
        accumulators = e.loop(index.constant(0), index.constant(looped), unroll, accumulators,
                              [&](Value first, MutableArrayRef<Value> inner) {
                                Chunks several;
                                for (int64_t u = 0; u < unroll; ++u) {
                                  Value chunk =
                                      index.add(index.mul(index.add(first, u), rowThreads), lane);
                                  several.push_back({{row, index.mul(chunk, lanes)}, Value()});
                                }
                                visit(e, several, merged, full, inner, isRow);
                              });
      auto rest = [&] { visit(e, fixed, merged, full, accumulators, isRow); };
      if (inRegisters)
        rest();
      else
        e.scoped(rest); // forgets the elements
      SmallVector<Value> totals =
          reduceThreads(e, merged, accumulators, at.thread, rowThreads, blockRows, at.arrays);
      for (auto [c, total] : llvm::zip(merged, totals))
        e.setValue(c.result, rowPoint, 0, finish(e, c, total, rowPoint, 0));
    }
    SmallVector<Value> kept = keptResults(s);
    if (kept.empty())
      return;
    // Other threads of the row may still read what a tied result overwrites.
    if (llvm::any_of(kept, [&](Value r) { return at.tied.contains(r); }))
      gpu::BarrierOp::create(at.b, at.loc);
    Value isFirst = index.equal(lane, 0);
    e.guarded(both(e, rowThreads == 1 ? Value() : isFirst, isRow),
              [&] { storeAll(e, kept, rowPoint); });
  }

private:
  /// A vector of lanes, and whether it lies in the row; null: it does.
  struct Chunk {
    Point point;
    Value isInside;
  };
  using Chunks = SmallVector<Chunk>;

  static Value both(Evaluator &e, Value x, Value y) {
    if (!x || !y)
      return x ? x : y;
    return arith::AndIOp::create(e.b, e.loc, x, y);
  }

  Chunks makeChunks(Evaluator &e, Value row, Value lane, int64_t first, int64_t last) const {
    const IndexBuilder &index = e.index;
    Chunks made;
    for (int64_t c = first; c < last; ++c) {
      Value column = index.mul(index.add(lane, c * rowThreads), lanes), isInside;
      if ((c + 1) * rowThreads > vectors) {
        isInside = index.less(column, columns);
        column = index.min(column, columns - lanes); // loads stay inside
      }
      made.push_back({{row, column}, isInside});
    }
    return made;
  }

  void visit(Evaluator &e, const Chunks &points, ArrayRef<Combiner> merged, ArrayRef<Value> full,
             MutableArrayRef<Value> accumulators, Value isRow) const {
    for (const Chunk &chunk : points)
      accumulate(e, merged, accumulators, chunk.point, chunk.isInside);
    if (full.empty())
      return;
    for (const Chunk &chunk : points) {
      for (Value v : full)
        e.evalLanes(v, chunk.point); // before the guard: later phases use it too
      Value writes = both(e, chunk.isInside, isRow);
      auto write = [&] {
        for (Value v : full)
          e.store(v, chunk.point);
      };
      if (writes)
        e.guarded(writes, write);
      else
        write();
    }
  }

  const Reductions &reductions;
  int64_t rows, columns;
  int64_t lanes, vectors; ///< elements in a vector, vectors in a row
  int64_t rowThreads, blockRows;
  int64_t chunks, unroll, looped; ///< vectors of a thread; at once; in the loop
  bool inRegisters;
};

/// Parts of a few long rows. Block [row, split] writes what does not wait for the
/// reductions, and its partial results at [split, row].
class DeviceRowPartial : public Schedule {
public:
  DeviceRowPartial(const IterationStructure &s, const Reductions &reductions, int64_t splits)
      : Schedule(s), reductions(reductions), splits(splits) {
    threads = 256;
    blocks = s.keptPoints() * splits;
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
  }

private:
  const Reductions &reductions;
  int64_t splits, lanes;
};

} // namespace

std::unique_ptr<Schedule> deviceRow(const IterationStructure &s, const Reductions &r,
                                    const ScheduleLimits &limits) {
  return std::make_unique<DeviceRow>(s, r, limits);
}

std::unique_ptr<Schedule> deviceRowPartial(const IterationStructure &s, const Reductions &r,
                                           int64_t splits) {
  return std::make_unique<DeviceRowPartial>(s, r, splits);
}

} // namespace ampc::codegen
