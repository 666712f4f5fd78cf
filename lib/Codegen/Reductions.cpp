//===- Reductions.cpp - What a kernel merges, and how ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Reductions.h"
#include "KernelEmitter.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace ampc::codegen {

/// The value that leaves every other as it is when merged with it; null if there is none.
static TypedAttr findNeutral(Operation *op) {
  Type type = op->getResult(0).getType();
  auto infinity = [&](bool negative) {
    return FloatAttr::get(type,
                          APFloat::getInf(cast<FloatType>(type).getFloatSemantics(), negative));
  };
  if (isa<arith::AddFOp>(op)) // +0: the sum of nothing
    return FloatAttr::get(type, 0.0);
  if (isa<arith::MaxNumFOp, arith::MaximumFOp>(op))
    return infinity(/*negative=*/true);
  if (isa<arith::MinNumFOp, arith::MinimumFOp>(op))
    return infinity(/*negative=*/false);
  return arith::getNeutralElement(op).value_or(TypedAttr());
}

FailureOr<Reductions> findReductions(const IterationStructure &s, std::string &reason) {
  Reductions found;
  for (linalg::GenericOp op : s.ops) {
    if (!plan::isReduction(op))
      continue;
    for (OpResult r : op->getResults()) {
      SmallVector<Operation *> ops;
      TypedAttr neutral;
      if (matchReduction(op.getRegionOutputArgs(), r.getResultNumber(), ops) && ops.size() == 1)
        neutral = findNeutral(ops[0]);
      if (!neutral) {
        reason = "a reduction is more than one associative operation";
        return failure();
      }
      if (s.isSum(r)) {
        auto waitsForMore = [&](const Combiner &c) { return s.getLevel(c.result) > s.getLevel(r); };
        found.sums.insert(llvm::find_if(found.sums, waitsForMore), {r, ops[0], neutral});
        continue;
      }
      unsigned level = s.getLevel(r) - 1;
      if (found.levels.size() <= level)
        found.levels.resize(level + 1);
      found.levels[level].push_back({r, ops[0], neutral});
    }
  }
  return found;
}

SmallVector<Value> neutrals(Evaluator &e, ArrayRef<Combiner> reductions, int64_t copies) {
  SmallVector<Value> values;
  for (const Combiner &c : reductions)
    values.append(copies, e.constant(c.neutral));
  return values;
}

void accumulate(Evaluator &e, ArrayRef<Combiner> reductions, MutableArrayRef<Value> accumulators,
                const Point &p, Value mask) {
  int64_t lanes = e.getLanes();
  for (int64_t lane = 0; lane < lanes; ++lane)
    for (size_t i = 0; i < reductions.size();) {
      auto op = cast<linalg::GenericOp>(reductions[i].result.getOwner());
      size_t count = op->getNumResults();
      SmallVector<Value> arguments;
      for (OpOperand &operand : op->getOpOperands())
        if (op.isDpsInit(&operand))
          arguments.push_back(
              accumulators[(i + arguments.size() - op.getNumDpsInputs()) * lanes + lane]);
        else
          arguments.push_back(
              op.payloadUsesValueFromOperand(&operand) ? e.evalOperand(operand, p, lane) : Value());
      SmallVector<Value> next = e.cloneBody(op, arguments, p, lane);
      for (size_t k = 0; k < count; ++k) {
        Value &accumulator = accumulators[(i + k) * lanes + lane];
        accumulator =
            mask ? arith::SelectOp::create(e.b, e.loc, mask, next[k], accumulator).getResult()
                 : next[k];
      }
      i += count;
    }
}

Value combine(Evaluator &e, const Combiner &c, Value x, Value y) {
  IRMapping map;
  map.map(c.op->getOperand(0), x);
  map.map(c.op->getOperand(1), y);
  return e.b.clone(*c.op, map)->getResult(0);
}

Value finish(Evaluator &e, const Combiner &c, Value total, const Point &p, int64_t lane) {
  auto op = cast<linalg::GenericOp>(c.result.getOwner());
  OpOperand *init = op.getDpsInitOperand(c.result.getResultNumber());
  Value start = e.evalOperand(*init, p, lane);
  Attribute value;
  if (matchPattern(start, m_Constant(&value)) && value == c.neutral)
    return total;
  return combine(e, c, start, total);
}

/// Another thread's `x`, whose lane differs in the bits of `step`. Hardware moves 32 bits.
static Value shuffleXor(Evaluator &e, Value x, int64_t step) {
  OpBuilder &b = e.b;
  Location loc = e.loc;
  Type type = x.getType(), i32 = b.getI32Type();
  auto exchange = [&](Value word) -> Value {
    return gpu::ShuffleOp::create(b, loc, word, int32_t(step), 32, gpu::ShuffleMode::XOR)
        .getShuffleResult();
  };
  unsigned width = type.getIntOrFloatBitWidth();
  if (type.isF32() || type.isInteger(32))
    return exchange(x);
  Type bits = b.getIntegerType(width);
  Value word = arith::BitcastOp::create(b, loc, bits, x);
  if (width < 32) {
    word = exchange(arith::ExtUIOp::create(b, loc, i32, word));
    word = arith::TruncIOp::create(b, loc, bits, word);
  } else {
    Value halves = vector::BitCastOp::create(
        b, loc, VectorType::get({2}, i32),
        vector::BroadcastOp::create(b, loc, VectorType::get({1}, bits), word));
    SmallVector<Value> moved;
    for (int64_t i = 0; i < 2; ++i)
      moved.push_back(exchange(vector::ExtractOp::create(b, loc, halves, i)));
    Value joined = vector::FromElementsOp::create(b, loc, VectorType::get({2}, i32), moved);
    word = vector::ExtractOp::create(
        b, loc, vector::BitCastOp::create(b, loc, VectorType::get({1}, bits), joined), 0);
  }
  return arith::BitcastOp::create(b, loc, type, word);
}

Value shuffleReduce(Evaluator &e, const Combiner &c, Value x, int64_t width) {
  for (int64_t step = width / 2; step >= 1; step /= 2)
    x = combine(e, c, x, shuffleXor(e, x, step));
  return x;
}

Value WorkgroupArrays::take(Location loc, int64_t count, Type type) {
  // Threads side by side write to different banks.
  if (isa<IntegerType>(type) && type.getIntOrFloatBitWidth() < 32)
    type = IntegerType::get(type.getContext(), 32);
  // The smallest free array that is large enough, else the largest free one, which grows: a
  // kernel needs as much as its largest phase, not as much as all phases together.
  auto countOf = [](const Array &array) {
    return cast<MemRefType>(array.memref.getType()).getNumElements();
  };
  Array *best = nullptr;
  for (Array &array : arrays) {
    if (array.taken || cast<MemRefType>(array.memref.getType()).getElementType() != type)
      continue;
    bool fits = countOf(array) >= count, bestFits = best && countOf(*best) >= count;
    if (!best || (fits && !bestFits) ||
        (fits == bestFits && (countOf(array) < countOf(*best)) == fits))
      best = &array;
  }
  auto space = gpu::AddressSpaceAttr::get(kernel.getContext(), gpu::AddressSpace::Workgroup);
  auto memrefType = MemRefType::get({count}, type, MemRefLayoutAttrInterface(), space);
  if (!best) {
    arrays.push_back({addWorkgroupArray(kernel, memrefType, loc), true});
    return arrays.back().memref;
  }
  best->taken = true;
  if (countOf(*best) < count)
    best->memref.setType(memrefType); // loads and stores take any extent
  return best->memref;
}

void WorkgroupArrays::release() {
  for (Array &array : arrays)
    array.taken = false;
}

SmallVector<Value> reduceColumn(Evaluator &e, WorkgroupArrays &arrays,
                                ArrayRef<Combiner> reductions, ArrayRef<Value> accumulators,
                                Value x, Value y, int64_t height) {
  const IndexBuilder &index = e.index;
  int64_t lanes = e.getLanes(), tile = kColumnWidth * lanes;
  SmallVector<Value> totals(accumulators);
  if (height == 1 || reductions.empty())
    return totals;
  SmallVector<Value> parts;
  auto place = [&](Value line, int64_t lane) {
    return index.add(index.mul(line, tile), index.add(x, lane * kColumnWidth));
  };
  for (auto [i, c] : llvm::enumerate(reductions)) {
    parts.push_back(arrays.take(e.loc, height * tile, c.getType()));
    for (int64_t lane = 0; lane < lanes; ++lane)
      e.storeScalar(accumulators[i * lanes + lane], parts[i], place(y, lane));
  }
  gpu::BarrierOp::create(e.b, e.loc);
  for (auto [i, c] : llvm::enumerate(reductions))
    for (int64_t lane = 0; lane < lanes; ++lane) {
      Value total;
      for (int64_t line = 0; line < height; ++line) {
        Value part = e.loadScalar(parts[i], c.getType(), place(index.constant(line), lane));
        total = total ? combine(e, c, total, part) : part;
      }
      totals[i * lanes + lane] = total;
    }
  return totals;
}

SmallVector<Value> reduceThreads(Evaluator &e, ArrayRef<Combiner> reductions,
                                 ArrayRef<Value> accumulators, Value thread, int64_t width,
                                 int64_t groups, WorkgroupArrays &arrays) {
  const IndexBuilder &index = e.index;
  SmallVector<Value> totals;
  for (auto [i, c] : llvm::enumerate(reductions)) {
    SmallVector<Value> xs(accumulators.slice(i * e.getLanes(), e.getLanes()));
    for (; xs.size() > 1; xs.resize(xs.size() / 2))
      for (size_t k = 0; k < xs.size() / 2; ++k)
        xs[k] = combine(e, c, xs[k], xs[k + xs.size() / 2]);
    totals.push_back(shuffleReduce(e, c, xs[0], std::min<int64_t>(width, 32)));
  }
  int64_t warps = width / 32;
  if (warps <= 1 || reductions.empty())
    return totals;
  SmallVector<Value> parts;
  for (const Combiner &c : reductions)
    parts.push_back(arrays.take(e.loc, groups * warps, c.getType()));
  Value warp = index.div(thread, 32);
  e.guarded(index.equal(index.rem(thread, 32), 0), [&] {
    for (auto [part, total] : llvm::zip(parts, totals))
      e.storeScalar(total, part, warp);
  });
  gpu::BarrierOp::create(e.b, e.loc);
  Value slot = index.rem(thread, warps);
  if (groups > 1)
    slot = index.add(slot, index.mul(index.div(warp, warps), warps));
  for (auto [part, total, c] : llvm::zip(parts, totals, reductions))
    total = shuffleReduce(e, c, e.loadScalar(part, c.getType(), slot), warps);
  return totals;
}

} // namespace ampc::codegen
