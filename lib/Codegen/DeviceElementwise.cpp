//===- DeviceElementwise.cpp - Elementwise kernels on a device ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeSize.h"
#include "Schedule.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {
namespace {

/// One access of up to 16 bytes a thread over the linearised space; what is left at the
/// end is done one element a thread.
class DeviceElementwise : public Schedule {
public:
  DeviceElementwise(const IterationStructure &s, const ScheduleLimits &limits) : Schedule(s) {
    threads = limits.threads ? limits.threads : 256;
    lanes = limitLanes(s, widestLanes(s, allDims(), /*whole=*/false));
    // Lanes of a gather are apart, unless it is of rows; threads side by side are not.
    if (!gatherNeighbours(s, lanes))
      lanes = 1;
    blocks = std::max<int64_t>(1, llvm::divideCeil(vectors() + tail(), threads));
  }

  void emit(Emission &at) const override {
    if (s.points() == 0)
      return;
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({allDims()}, 0, lanes);
    Value linear = index.add(index.mul(at.block, threads), at.thread);
    bool exact = vectors() == blocks * threads;
    if (vectors() != 0)
      e.guarded(exact ? Value() : index.less(linear, vectors()),
                [&] { storeAll(e, s.results, {index.mul(linear, lanes)}); });
    if (tail() == 0)
      return;
    // The threads after those that had a vector; below them, `rest` wraps around.
    Value rest = index.sub(linear, index.constant(vectors()));
    e.guarded(index.less(rest, tail()), [&] {
      e.setLanes(1);
      storeAll(e, s.results, {index.add(rest, s.points() - tail())});
    });
  }

private:
  SmallVector<unsigned> allDims() const { return s.keptDims(); }
  int64_t vectors() const { return s.points() / lanes; }
  int64_t tail() const { return s.points() % lanes; }

  int64_t lanes;
};

/// Where inputs lie across the results, as in a transpose: square tiles go through workgroup
/// memory, so that threads side by side read and write neighbours. Lines of a tile are one element
/// longer than it is wide, else all elements of a column would lie in one bank.
class DeviceCrossing : public Schedule {
public:
  DeviceCrossing(const IterationStructure &s, unsigned crossing, const DeviceModel &model)
      : Schedule(s), crossing(crossing), mostBytes(model.blockShared) {
    for (unsigned d : s.keptDims())
      if (d != crossing && d + 1 != s.dims.size())
        outer.push_back(d);
    height = s.dims[crossing].extent;
    width = s.dims.back().extent;
    threads = kTile * kLines;
    blocks = llvm::divideCeil(height, kTile) * llvm::divideCeil(width, kTile);
    for (unsigned d : outer)
      blocks *= s.dims[d].extent;
  }

  /// Whether tiles are filled well enough to be worth their barrier, and a thread's elements are
  /// not too much code.
  static bool isWorthwhile(const IterationStructure &s, unsigned crossing) {
    constexpr int64_t kElements = kTile / kLines;
    return s.points() != 0 &&
           std::min(s.dims[crossing].extent, s.dims.back().extent) >= kTile / 2 &&
           limitCopies(s, kElements) == kElements;
  }

  void emit(Emission &at) const override {
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({outer, {crossing}, {unsigned(s.dims.size() - 1)}}, 0, 1);
    int64_t across = llvm::divideCeil(width, kTile), down = llvm::divideCeil(height, kTile);
    Value line = index.div(at.block, across * down);
    Value top = index.mul(index.rem(index.div(at.block, across), down), kTile);
    Value left = index.mul(index.rem(at.block, across), kTile);
    Value x = index.rem(at.thread, kTile), y = index.div(at.thread, kTile);

    SmallVector<Evaluator::StagedRead> reads = chooseStaged(e);
    SmallVector<Value> tiles;
    for (const Evaluator::StagedRead &read : reads)
      tiles.push_back(at.arrays.take(at.loc, kTile * kPitch, read.type));
    e.scoped([&] { // forgets the elements
      for (int64_t k = 0; k < kTile; k += kLines) {
        Value column = index.add(y, k);
        // At the edges threads read the last element again.
        Point p = {line, index.min(index.add(top, x), height - 1),
                   index.min(index.add(left, column), width - 1)};
        for (auto [read, tile] : llvm::zip(reads, tiles))
          e.storeScalar(e.load(read, p), tile, index.add(index.mul(column, kPitch), x));
      }
    });
    gpu::BarrierOp::create(at.b, at.loc);
    for (auto [read, tile] : llvm::zip(reads, tiles))
      e.stage(read, {tile, [&](const Point &p) {
                       return index.add(index.mul(index.sub(p[2], left), kPitch),
                                        index.sub(p[1], top));
                     }});
    for (int64_t k = 0; k < kTile; k += kLines) {
      Point p = {line, index.add(top, index.add(y, k)), index.add(left, x)};
      e.guarded(isInside(e, p), [&] { storeAll(e, s.results, p); });
    }
  }

private:
  /// A tile's extent, lines that the threads do at once, and elements from line to line.
  static constexpr int64_t kTile = 32, kLines = 8, kPitch = kTile + 1;

  /// As many of the reads that cross as have room; the others read memory with strides.
  SmallVector<Evaluator::StagedRead> chooseStaged(const Evaluator &e) const {
    SmallVector<Evaluator::StagedRead> reads = e.readsAcross(crossing);
    int64_t bytes = 0;
    auto isTooMuch = [&](const Evaluator::StagedRead &read) { // integers have 32 bits at least
      bytes += kTile * kPitch * std::max<int64_t>(4, getStorageBytes(read.type));
      return bytes > mostBytes;
    };
    reads.erase(llvm::find_if(reads, isTooMuch), reads.end());
    return reads;
  }

  /// Null where no tile reaches beyond the edges.
  Value isInside(Evaluator &e, const Point &p) const {
    Value inside;
    for (auto [i, extent] : {std::pair(p[1], height), std::pair(p[2], width)}) {
      if (extent % kTile == 0)
        continue;
      Value below = e.index.less(i, extent);
      inside = inside ? arith::AndIOp::create(e.b, e.loc, inside, below).getResult() : below;
    }
    return inside;
  }

  unsigned crossing;
  int64_t mostBytes; ///< of workgroup memory
  SmallVector<unsigned> outer;
  int64_t height, width;
};
} // namespace

std::unique_ptr<Schedule> deviceElementwise(const IterationStructure &s,
                                            const ScheduleLimits &limits) {
  // A sequence's phases have too few elements to gain.
  std::optional<unsigned> crossing = findCrossing(s);
  if (crossing && !limits.singleStage && DeviceCrossing::isWorthwhile(s, *crossing))
    return std::make_unique<DeviceCrossing>(s, *crossing, limits.model);
  return std::make_unique<DeviceElementwise>(s, limits);
}

} // namespace ampc::codegen
