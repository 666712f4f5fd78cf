//===- HostElementwise.cpp - Elementwise kernels on the host --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostLoops.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

namespace ampc::codegen {

Value allocate(Evaluator &e, int64_t count, Type type) {
  return memref::AllocaOp::create(e.b, e.loc, MemRefType::get({count}, getStorageType(type)));
}

void allowReassociation(Evaluator &e, const Reductions &reductions) {
  for (ArrayRef<Combiner> level : reductions.levels)
    for (const Combiner &c : level)
      e.allowReassociation(c.op);
}

namespace {

/// A loop over the innermost dimension, without a guard in it, in one over the others.
/// A block does a range of the others, or a part of one line where lines are long.
class HostElementwise : public Schedule {
public:
  explicit HostElementwise(const IterationStructure &s) : Schedule(s) {
    outer = s.keptDims();
    if (!outer.empty())
      inner.push_back(outer.pop_back_val());
    for (unsigned d : outer)
      lines *= s.dims[d].extent;
    for (unsigned d : inner)
      length = s.dims[d].extent;
    if (length > kHostChunk) {
      lineParts = hostBlocks(length, 1, 64, partLength);
      blocks = lines * lineParts;
    } else {
      partLength = length;
      blocks = hostBlocks(lines, length, 1, blockLines);
    }
    blocks = std::max<int64_t>(1, blocks);
  }

  void emit(Emission &at) const override {
    if (s.points() == 0)
      return;
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({outer, inner}, 1, 1);
    auto doLine = [&](Value line, HostRange columns) {
      e.splitCases(outer, {line, Value()}, [&] { doParts(e, line, columns); });
    };
    if (length > kHostChunk) {
      HostRange columns =
          hostRange(index, index.rem(at.block, lineParts), lineParts, partLength, length);
      doLine(index.div(at.block, lineParts), columns);
      return;
    }
    HostRange own = hostRange(index, at.block, blocks, blockLines, lines);
    e.loop(own.begin, own.end, 1, {}, [&](Value line, MutableArrayRef<Value>) {
      doLine(line, {index.constant(0), index.constant(length)});
    });
  }

private:
  /// Ops of all loops of a line together.
  static constexpr size_t kMostCopies = 512;

  /// A loop for each part of a line that lies within the same ranges, so that none has a guard.
  void doParts(Evaluator &e, Value line, HostRange columns) const {
    const IndexBuilder &index = e.index;
    auto doPart = [&](HostRange part) {
      e.loop(part.begin, part.end, 1, {},
             [&](Value i, MutableArrayRef<Value>) { storeAll(e, s.results, {line, i}); });
    };
    SmallVector<int64_t> cuts;
    if (!inner.empty())
      cuts = s.getCuts(inner.back());
    if (cuts.empty() || cuts.size() * s.ops.size() > kMostCopies)
      return doPart(columns);
    cuts.push_back(length);
    int64_t first = 0;
    for (int64_t last : cuts) {
      e.within(inner.back(), first, last, [&] {
        doPart({index.max(columns.begin, index.constant(first)),
                index.min(columns.end, index.constant(last))});
      });
      first = last;
    }
  }

  SmallVector<unsigned> outer, inner;
  int64_t lines = 1, length = 1;
  int64_t lineParts = 1, partLength = 1, blockLines = 1;
};

/// Square tiles of the innermost dimension and the one that crosses it: what is read of a
/// cache line serves several lines of the tile.
class HostCrossing : public Schedule {
public:
  HostCrossing(const IterationStructure &s, unsigned crossing) : Schedule(s) {
    for (unsigned d : s.keptDims())
      if (d != crossing && d + 1 != s.dims.size())
        outer.push_back(d);
    height = s.dims[crossing].extent;
    width = s.dims.back().extent;
    axes = {outer, {crossing}, {unsigned(s.dims.size() - 1)}};
    int64_t lines = llvm::divideCeil(height, kTile);
    for (unsigned d : outer)
      lines *= s.dims[d].extent;
    bands = lines;
    blocks = std::max<int64_t>(1, hostBlocks(bands, kTile * width, 1, blockBands));
  }

  void emit(Emission &at) const override {
    if (s.points() == 0)
      return;
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes(axes, 0, 1);
    auto each = [&](HostRange range, int64_t step, llvm::function_ref<void(Value)> body) {
      e.loop(range.begin, range.end, step, {}, [&](Value i, MutableArrayRef<Value>) { body(i); });
    };
    int64_t tiles = llvm::divideCeil(height, kTile);
    each(hostRange(index, at.block, blocks, blockBands, bands), 1, [&](Value band) {
      Value line = index.div(band, tiles);
      HostRange rows =
          hostRange(index, tiles == 1 ? band : index.rem(band, tiles), tiles, kTile, height);
      each({index.constant(0), index.constant(width)}, kTile, [&](Value first) {
        HostRange columns = {first, index.min(index.add(first, kTile), width)};
        each(rows, 1, [&](Value row) {
          each(columns, 1, [&](Value column) { storeAll(e, s.results, {line, row, column}); });
        });
      });
    });
  }

private:
  /// As many lines as a set of the first cache holds: a power of two apart, they share one.
  static constexpr int64_t kTile = 8;
  SmallVector<unsigned> outer;
  SmallVector<SmallVector<unsigned>> axes;
  int64_t height, width, bands, blockBands = 1;
};

} // namespace

std::unique_ptr<Schedule> hostElementwise(const IterationStructure &s) {
  if (std::optional<unsigned> crossing = findCrossing(s))
    return std::make_unique<HostCrossing>(s, *crossing);
  return std::make_unique<HostElementwise>(s);
}

} // namespace ampc::codegen
