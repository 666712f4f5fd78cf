//===- Scatter.cpp - Updates merged into lines, one after the other -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Lines are independent. The worker of a line goes through its updates in their order, and merges
// each in memory. Where there are few lines, each is cut into parts: the worker of a part goes
// through all updates too, but leaves out those that go elsewhere. Either way the updates of one
// place are merged in their order, however many workers there are.
//
// Dimensions behind the axis along which places are all shared, or all an update's own, and of
// which there are updates everywhere, lie in loops inside of that over the updates.
//
//===----------------------------------------------------------------------===//

#include "LineKernels.h"
#include "ampc/Dialect/Plan/KernelBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace ampc::codegen {
namespace {

/// Workers that keep the cores of a host busy.
constexpr int64_t kHostWorkers = 64;

class ScatterEmitter {
public:
  ScatterEmitter(plan::ScatterOp scatter, StringRef name, const EmitTarget &target)
      : scatter(scatter), name(name), target(target), axis(scatter.getAxis()),
        type(cast<RankedTensorType>(scatter.getResult().getType())),
        updateType(cast<RankedTensorType>(scatter.getUpdates().getType())),
        placeType(cast<RankedTensorType>(scatter.getPlaces().getType())),
        extent(type.getDimSize(axis)), count(updateType.getDimSize(axis)),
        innermost(type.getRank()) {
    // On a device each element of a line's cross section is a worker's.
    if (!target.device)
      findInner();
    for (int64_t d = 0; d < innermost; ++d)
      if (d != axis)
        lines *= type.getDimSize(d);
    if (!target.device)
      cut();
  }

  EmittedKernel emit() {
    KernelFunction function(target, name, scatter.getLoc());
    unsigned number = 0;
    if (Value from = scatter.getData())
      data = function.addInput(number++, cast<RankedTensorType>(from.getType()));
    places = function.addInput(number++, placeType);
    updates = function.addInput(number++, updateType);
    result = function.addOutput(number, type);
    function.begin();
    Workers workers(target, lines * parts, llvm::divideCeil(extent + count, parts) * width);
    workers.emit(function, [&](LineBuilder &s, Value worker) { doPart(s, worker); });
    EmittedKernel emitted;
    emitted.stages.push_back(function.finish(workers.blocks, workers.threads));
    return emitted;
  }

private:
  /// The last dimensions that are one loop.
  void findInner() {
    std::optional<bool> shared;
    for (int64_t d = type.getRank() - 1; d > axis; --d) {
      int64_t size = type.getDimSize(d);
      if (updateType.getDimSize(d) != size)
        return;
      bool isShared = placeType.getDimSize(d) == 1;
      if (size != 1 && shared.value_or(isShared) != isShared)
        return;
      if (size != 1)
        shared = isShared;
      width *= size;
      innermost = d;
    }
  }

  /// Parts of a line. More of them than an update has elements, or than there are elements for an
  /// update, would look for their updates longer than they have other work.
  void cut() {
    int64_t work = (extent + count) * width, ofEach = extent / std::max<int64_t>(1, count);
    parts = std::min({kHostWorkers / std::max<int64_t>(1, lines), work / kHostChunk, extent,
                      std::clamp<int64_t>(std::max(width, ofEach), 4, kHostWorkers)});
    size = llvm::divideCeil(extent, std::max<int64_t>(1, parts));
    parts = llvm::divideCeil(extent, size);
  }

  /// Where the line at `at` of a tensor begins, and the distance of its elements.
  struct Line {
    Value offset;
    int64_t stride;
  };
  Line lineOf(LineBuilder &s, RankedTensorType of, ArrayRef<Value> at) const {
    IndexBuilder index = s.index();
    Value offset = s.number(0);
    int64_t stride = 1, along = 1;
    for (int64_t d = type.getRank() - 1; d >= 0; --d) {
      if (d == axis)
        along = stride;
      else if (d < innermost && of.getDimSize(d) != 1)
        offset = index.add(offset, index.mul(at[d], stride));
      stride *= of.getDimSize(d);
    }
    return {offset, along};
  }

  void doPart(LineBuilder &s, Value worker) {
    IndexBuilder index = s.index();
    Value part = parts == 1 ? s.number(0) : index.rem(worker, parts);
    Value rest = parts == 1 ? worker : index.div(worker, parts);
    SmallVector<Value> at(innermost);
    for (int64_t d = innermost - 1; d >= 0; --d) {
      if (d == axis)
        continue;
      at[d] = index.rem(rest, type.getDimSize(d));
      rest = index.div(rest, type.getDimSize(d));
    }
    Value begin = index.mul(part, size), end = index.min(index.add(begin, size), extent);
    fill(s, lineOf(s, type, at), begin, end);
    // Where the data have more lines than the updates, some get none.
    Value isBeside;
    for (int64_t d = 0; d < innermost; ++d) {
      int64_t lines = updateType.getDimSize(d);
      if (d == axis || lines == type.getDimSize(d))
        continue;
      Value isInside = index.less(at[d], s.number(lines));
      isBeside = isBeside ? s.logicalAnd(isBeside, isInside) : isInside;
    }
    if (!isBeside)
      return mergeAll(s, at, begin, end);
    scf::IfOp::create(s.builder, s.loc, isBeside, [&](OpBuilder &nested, Location loc) {
      LineBuilder inner(nested, loc);
      mergeAll(inner, at, begin, end);
      scf::YieldOp::create(nested, loc);
    });
  }

  /// What elements [begin, end) of a line are before the updates.
  void fill(LineBuilder &s, const Line &line, Value begin, Value end) {
    Value initial;
    if (!data)
      initial = s.narrow(arith::ConstantOp::create(s.builder, s.loc, *scatter.getInitial()),
                         type.getElementType());
    auto set = [&](LineBuilder &s, Value at) {
      s.store(data ? s.load(data, at) : initial, result, at);
    };
    IndexBuilder index = s.index();
    if (line.stride == width) { // they lie one behind the other
      Value first = index.add(line.offset, index.mul(begin, width));
      Value last = index.add(line.offset, index.mul(end, width));
      s.loop(first, last, 1, set);
      return;
    }
    s.loop(begin, end, 1, [&](LineBuilder &s, Value i) {
      Value from = s.index().add(line.offset, s.index().mul(i, line.stride));
      s.loop(from, s.index().add(from, width), 1, set);
    });
  }

  void mergeAll(LineBuilder &s, ArrayRef<Value> at, Value begin, Value end) {
    Line to = lineOf(s, type, at), from = lineOf(s, updateType, at), of = lineOf(s, placeType, at);
    bool isShared = true; // one place for all elements of an update
    for (int64_t d = innermost; d < type.getRank(); ++d)
      isShared &= placeType.getDimSize(d) == 1;
    Type placed = placeType.getElementType();
    Value low = s.convert(begin, placed), length = s.convert(s.index().sub(end, begin), placed);
    auto place = [](LineBuilder &s, const Line &line, Value i, Value j) {
      return s.index().add(s.index().add(line.offset, s.index().mul(i, line.stride)), j);
    };
    s.loop(s.number(0), s.number(count), 1, [&](LineBuilder &s, Value i) {
      // Merges elements [first, last) of update i, whose place is that of `first`.
      auto merge = [&](LineBuilder &s, Value first, Value last) {
        Value key = s.load(places, place(s, of, i, isShared ? s.number(0) : first));
        // One comparison, as unsigned: what lies before the part lies far behind it.
        Value distance = s.sub(key, low);
        Value isHere =
            arith::CmpIOp::create(s.builder, s.loc, arith::CmpIPredicate::ult, distance, length);
        scf::IfOp::create(s.builder, s.loc, isHere, [&](OpBuilder &nested, Location loc) {
          LineBuilder inner(nested, loc);
          Value goal = inner.convert(key, inner.builder.getIndexType());
          inner.loop(first, last, 1, [&](LineBuilder &s, Value j) {
            Value element = place(s, to, goal, j);
            Type elementType = type.getElementType();
            Value old = s.widen(s.load(result, element), elementType);
            Value update = s.load(updates, place(s, from, i, j));
            update = s.widen(update, updateType.getElementType());
            Value merged = s.apply(scatter.getMerge(), {old, update});
            s.store(s.narrow(merged, elementType), result, element);
          });
          scf::YieldOp::create(nested, loc);
        });
      };
      if (isShared)
        return merge(s, s.number(0), s.number(width));
      s.loop(s.number(0), s.number(width), 1,
             [&](LineBuilder &s, Value j) { merge(s, j, s.index().add(j, 1)); });
    });
  }

  plan::ScatterOp scatter;
  StringRef name;
  const EmitTarget &target;
  int64_t axis;
  RankedTensorType type, updateType, placeType;
  int64_t extent, count; ///< elements of a line, and its updates
  int64_t innermost,
      width = 1; ///< the first of the dimensions in the innermost loop, and its length
  int64_t lines = 1, parts = 1;        ///< all lines, and the parts of each
  int64_t size = extent;               ///< elements of a part
  Value data, places, updates, result; ///< buffers
};
} // namespace

FailureOr<EmittedKernel> emitScatter(plan::ScatterOp scatter, StringRef name,
                                     const EmitTarget &target) {
  return ScatterEmitter(scatter, name, target).emit();
}

} // namespace ampc::codegen
