//===- HostRow.cpp - Reductions of neighbouring elements on the host ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A block does a range of rows, each phase as a loop over the row. What a phase computes
// at some cost and a later one needs again is kept in a buffer of the row's length. Rows of
// a few elements would leave vectors empty: there the loop over the rows is the innermost,
// and a row is straight-line code.
//
//===----------------------------------------------------------------------===//

#include "HostLoops.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace ampc::codegen {
namespace {

/// The longest row whose intermediate values are kept; they lie on the stack.
constexpr int64_t kLongestStaged = 16384;

/// The longest row that is straight-line code, and how many rows make it worth while.
constexpr int64_t kLongestUnrolled = 16, kFewestUnrolled = 16;

/// Whether computing the op again costs more than to store and load its result.
bool isExpensive(linalg::GenericOp op) {
  return llvm::any_of(*op.getBody(), [](Operation &scalar) {
    return isa<math::MathDialect>(scalar.getDialect())
               ? !isa<math::AbsFOp, math::AbsIOp, math::CopySignOp, math::FloorOp, math::CeilOp,
                      math::FmaOp>(scalar)
               : isa<arith::DivFOp, arith::DivSIOp, arith::RemSIOp>(scalar);
  });
}

/// Which values are computed in which phases.
class PhaseUses {
public:
  PhaseUses(const IterationStructure &s, const Reductions &reductions,
            const llvm::DenseSet<Value> &tied)
      : s(s) {
    for (unsigned level = 0; level <= s.maxLevel; ++level) {
      SmallVector<Value> &roots = rootsOf.emplace_back();
      for (const Combiner &c : reductions.at(level))
        for (OpOperand *input : cast<linalg::GenericOp>(c.result.getOwner()).getDpsInputOperands())
          roots.push_back(input->get());
      llvm::append_range(roots, fullResultsAt(s, level, tied));
    }
  }

  /// Values to keep once they are computed, in program order.
  SmallVector<Value> chooseStaged() {
    SmallVector<Value> staged;
    // From the last op on: a value that is kept spares those it is made of.
    for (linalg::GenericOp op : llvm::reverse(s.ops)) {
      if (plan::isReduction(op) || !isExpensive(op))
        continue;
      for (Value v : op.getResults())
        if (s.variesAlongReduced(v) && !s.isPartial(v) && phasesOf(v, staged).size() > 1)
          staged.push_back(v);
    }
    std::reverse(staged.begin(), staged.end());
    return staged;
  }

  /// The phases in which `v` is computed, given what is staged; only the first computes
  /// staged values.
  SmallVector<unsigned> phasesOf(Value v, ArrayRef<Value> staged) {
    SmallVector<unsigned> phases;
    llvm::DenseSet<Value> done;
    for (auto [phase, roots] : llvm::enumerate(rootsOf)) {
      llvm::DenseSet<Value> seen;
      SmallVector<Value> work(roots);
      while (!work.empty()) {
        Value next = s.getSource(work.pop_back_val());
        auto op = next.getDefiningOp<linalg::GenericOp>();
        if (!op || !llvm::is_contained(s.ops, op) || plan::isReduction(op) || done.contains(next) ||
            !seen.insert(next).second)
          continue;
        for (OpOperand &operand : op->getOpOperands())
          if (op.payloadUsesValueFromOperand(&operand))
            work.push_back(operand.get());
      }
      if (seen.contains(v))
        phases.push_back(phase);
      for (Value x : staged)
        if (seen.contains(x))
          done.insert(x);
    }
    return phases;
  }

private:
  const IterationStructure &s;
  SmallVector<SmallVector<Value>> rootsOf;
};

/// The axes: all kept dimensions as one, each reduced one for itself.
SmallVector<SmallVector<unsigned>> rowAxes(const IterationStructure &s) {
  SmallVector<SmallVector<unsigned>> axes = {s.keptDims()};
  appendAxes(axes, s.reducedDims());
  return axes;
}

/// Adds what a part of a row came to to its accumulators.
auto adder(Evaluator &e, ArrayRef<Combiner> reductions) {
  return [&e, reductions](MutableArrayRef<Value> accumulators, ArrayRef<Value> part) {
    for (auto [c, x, y] : llvm::zip(reductions, accumulators, part))
      x = combine(e, c, x, y);
  };
}

/// Whether merging rounds, as sums do and a maximum does not. Long sums are sums of parts.
bool isRounded(ArrayRef<Combiner> reductions) {
  return llvm::any_of(reductions,
                      [](const Combiner &c) { return isa<arith::AddFOp, arith::MulFOp>(c.op); });
}

/// Rows of a few elements.
class HostShortRow : public Schedule {
public:
  HostShortRow(const IterationStructure &s, const Reductions &reductions)
      : Schedule(s), reductions(reductions) {
    blocks = hostBlocks(s.keptPoints(), s.reducedPoints(), 64, blockRows);
  }

  void emit(Emission &at) const override {
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    e.setAxes({s.keptDims(), s.reducedDims()}, 0, 1);
    SmallVector<Value> columns;
    for (int64_t c = 0; c < s.reducedPoints(); ++c)
      columns.push_back(index.constant(c));
    HostRange own = hostRange(index, at.block, blocks, blockRows, s.keptPoints());
    e.loop(own.begin, own.end, 1, {}, [&](Value row, MutableArrayRef<Value>) {
      Point rowPoint = {row, Value()};
      for (unsigned level = 0; level <= s.maxLevel; ++level) {
        ArrayRef<Combiner> merged = reductions.at(level);
        SmallVector<Value> totals = neutrals(e, merged, 1);
        for (Value column : columns)
          accumulate(e, merged, totals, {row, column});
        for (auto [c, total] : llvm::zip(merged, totals))
          e.setValue(c.result, rowPoint, 0, finish(e, c, total, rowPoint, 0));
      }
      // At the end, when nothing is left to read that a tied result overwrites.
      SmallVector<std::pair<Value, Point>> stores;
      for (Value r : s.results) {
        if (!s.variesAlongReduced(r)) {
          stores.push_back({r, rowPoint});
          continue;
        }
        for (Value column : columns)
          stores.push_back({r, {row, column}});
      }
      for (auto &[r, p] : stores)
        e.eval(r, p);
      for (auto &[r, p] : stores)
        e.store(r, p);
    });
  }

private:
  const Reductions &reductions;
  int64_t blockRows = 1;
};

class HostRow : public Schedule {
public:
  HostRow(const IterationStructure &s, const Reductions &reductions)
      : Schedule(s), reductions(reductions) {
    blocks = std::max<int64_t>(
        1, hostBlocks(s.keptPoints(), std::max<int64_t>(1, s.reducedPoints()), 1, blockRows));
  }

  void emit(Emission &at) const override {
    if (s.keptPoints() == 0)
      return;
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    allowReassociation(e, reductions);
    e.setAxes(rowAxes(s), 0, 1);
    PhaseUses uses(s, reductions, at.tied);
    SmallVector<Value> staged;
    if (s.reducedPoints() <= kLongestStaged)
      staged = uses.chooseStaged();
    DenseMap<Value, Evaluator::Staged> stages;
    for (Value v : staged)
      stages[v] = {allocate(e, placesInRow(v), Evaluator::getStagedType(v)),
                   [&, v](const Point &p) { return placeInRow(index, v, p); }};

    HostRange own = hostRange(index, at.block, blocks, blockRows, s.keptPoints());
    e.loop(own.begin, own.end, 1, {}, [&](Value row, MutableArrayRef<Value>) {
      Point rowPoint(1 + s.reducedDims().size());
      rowPoint[0] = row;
      for (unsigned level = 0; level <= s.maxLevel; ++level) {
        ArrayRef<Combiner> merged = reductions.at(level);
        SmallVector<Value> full = fullResultsAt(s, level, at.tied);
        SmallVector<Value> kept; // what is staged in this phase
        for (Value v : staged)
          if (uses.phasesOf(v, staged).front() == level)
            kept.push_back(v);
        if (merged.empty() && full.empty())
          continue;
        auto add = adder(e, merged);
        SmallVector<Value> totals = e.nest(
            s.reducedDims(), neutrals(e, merged, 1),
            [&](ArrayRef<Value> indices, MutableArrayRef<Value> accumulators) {
              Point p = {row};
              p.append(indices.begin(), indices.end());
              accumulate(e, merged, accumulators, p);
              for (Value v : kept)
                e.fillStage(v, stages[v], p);
              storeAll(e, full, p);
            },
            isRounded(merged) ? Evaluator::Merge(add) : nullptr);
        for (auto [c, total] : llvm::zip(merged, totals))
          e.setValue(c.result, rowPoint, 0, finish(e, c, total, rowPoint, 0));
        for (Value v : kept)
          e.stage(v, stages[v]);
      }
      storeAll(e, keptResults(s), rowPoint);
    });
  }

private:
  /// Elements of `v` in a row.
  int64_t placesInRow(Value v) const {
    int64_t places = 1;
    for (unsigned d : s.reducedDims())
      if (s.getDims(v).test(d))
        places *= s.dims[d].extent;
    return places;
  }

  /// The number of an element of `v` within its row. It must not depend on an index that `v`
  /// does not vary along: what waits for `v` is evaluated outside of the loop over that.
  Value placeInRow(const IndexBuilder &index, Value v, const Point &p) const {
    Value place = index.constant(0);
    for (auto [i, d] : llvm::enumerate(s.reducedDims()))
      if (s.getDims(v).test(d))
        place = index.add(index.mul(place, s.dims[d].extent), p[1 + i]);
    return place;
  }

  const Reductions &reductions;
  int64_t blockRows = 1;
};

/// Parts of a few long rows, line by line where a row has several dimensions. Block [row, split]
/// writes what does not wait for the reductions, and its partial results at [split, row].
class HostRowPartial : public Schedule {
public:
  HostRowPartial(const IterationStructure &s, const Reductions &reductions, int64_t splits)
      : Schedule(s), reductions(reductions), splits(splits) {
    blocks = s.keptPoints() * splits;
    outer = s.reducedDims();
    inner.push_back(outer.pop_back_val());
    length = s.dims[inner.back()].extent;
    // An index that counts several dimensions is taken apart by divisions, which are not
    // vectorised: lines are loops of their own where there are enough for the splits.
    if (length < kShortestLine || s.reducedPoints() / length < kFewestLines * splits) {
      inner = s.reducedDims();
      outer.clear();
      length = s.reducedPoints();
    }
  }

  void emit(Emission &at) const override {
    Evaluator e(at.b, at.loc, s, at.buffers);
    const IndexBuilder &index = e.index;
    allowReassociation(e, reductions);
    ArrayRef<Combiner> merged = reductions.at(0);
    SmallVector<Value> full = fullResultsAt(s, 0, {});
    auto add = adder(e, merged);
    auto merge = isRounded(merged) ? Evaluator::Merge(add) : nullptr;
    Value row = index.div(at.block, splits), split = index.rem(at.block, splits);
    auto doElements = [&](Point p, HostRange own, int64_t most, ArrayRef<Value> init) {
      return e.loopInParts(
          own.begin, own.end, most, init,
          [&](Value i, MutableArrayRef<Value> accumulators) {
            p.push_back(i);
            accumulate(e, merged, accumulators, p);
            storeAll(e, full, p);
            p.pop_back();
          },
          merge);
    };
    int64_t all = outer.empty() ? length : s.reducedPoints() / length;
    int64_t share = llvm::divideCeil(all, splits);
    HostRange own = hostRange(index, split, splits, share, all);
    SmallVector<Value> totals = neutrals(e, merged, 1);
    if (outer.empty()) {
      e.setAxes({s.keptDims(), inner}, 0, 1);
      totals = doElements({row}, own, share, totals);
    } else {
      e.setAxes({s.keptDims(), outer, inner}, 0, 1);
      SmallVector<Value> start(totals);
      totals = e.loopInParts(
          own.begin, own.end, share, totals,
          [&](Value line, MutableArrayRef<Value> accumulators) {
            SmallVector<Value> init(merge ? start : SmallVector<Value>(accumulators));
            SmallVector<Value> part =
                doElements({row, line}, {index.constant(0), index.constant(length)}, length, init);
            if (merge)
              add(accumulators, part);
            else
              llvm::copy(part, accumulators.begin());
          },
          merge);
    }
    Value place = index.add(index.mul(split, s.keptPoints()), row);
    for (auto [buffer, total] : llvm::zip(at.partials, totals))
      e.storeScalar(total, buffer, place);
  }

private:
  /// Lines for each split, so that none has much more than another, and the elements of one that
  /// make a loop worth while.
  static constexpr int64_t kFewestLines = 4, kShortestLine = 16;

  const Reductions &reductions;
  int64_t splits;
  SmallVector<unsigned> outer, inner; ///< reduced dimensions: those of lines, and along a line
  int64_t length;                     ///< of a line
};

} // namespace

std::unique_ptr<Schedule> hostRow(const IterationStructure &s, const Reductions &r) {
  if (s.reducedPoints() <= kLongestUnrolled && s.keptPoints() >= kFewestUnrolled &&
      s.reducedPoints() != 0)
    return std::make_unique<HostShortRow>(s, r);
  return std::make_unique<HostRow>(s, r);
}

std::unique_ptr<Schedule> hostRowPartial(const IterationStructure &s, const Reductions &r,
                                         int64_t splits) {
  return std::make_unique<HostRowPartial>(s, r, splits);
}

} // namespace ampc::codegen
