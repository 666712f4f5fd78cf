//===- EvaluatorBodies.cpp - The bodies of ops at points ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A body is cloned for each lane. Where it reads by indices of its own, the clones of all lanes are
// made side by side: what has the same operands in all of them is there once, a loop with the same
// bounds is one loop, and neighbours are one load.
//
//===----------------------------------------------------------------------===//

#include "Evaluator.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace ampc::codegen {

bool Evaluator::gathers(linalg::GenericOp op) {
  return op.getBody()
      ->walk([](tensor::ExtractOp) { return WalkResult::interrupt(); })
      .wasInterrupted();
}

/// Whether a value in the body of `op` may vary along the innermost dimension.
static bool variesAlongInnermost(const IterationStructure &s, linalg::GenericOp op, Value v) {
  auto varies = [&](const LinearAccess &access) { return access.strides.back() != 0; };
  if (auto argument = dyn_cast<BlockArgument>(v)) {
    if (argument.getOwner() == op.getBody()) {
      OpOperand &operand = *op.getMatchingOpOperand(argument);
      const LinearAccess *access = s.getRead(operand);
      return access ? varies(*access) : s.getDims(operand.get()).test(s.dims.size() - 1);
    }
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    return !loop || argument != loop.getInductionVar() ||
           llvm::any_of(ValueRange{loop.getLowerBound(), loop.getUpperBound(), loop.getStep()},
                        [&](Value bound) { return variesAlongInnermost(s, op, bound); });
  }
  Operation *maker = v.getDefiningOp();
  if (!op->isProperAncestor(maker))
    return false;
  if (auto index = dyn_cast<linalg::IndexOp>(maker))
    return varies(s.getIndex(op, index.getDim()));
  return maker->getNumRegions() != 0 || llvm::any_of(maker->getOperands(), [&](Value x) {
           return !isa<RankedTensorType>(x.getType()) && variesAlongInnermost(s, op, x);
         });
}

bool gatherNeighbours(const IterationStructure &s, int64_t lanes) {
  if (lanes == 1)
    return true;
  auto isOfRow = [&](linalg::GenericOp op, tensor::ExtractOp extract) {
    if (s.dims.back().extent % lanes != 0 || extract.getIndices().empty())
      return false;
    auto last = extract.getIndices().back().getDefiningOp<linalg::IndexOp>();
    auto type = cast<RankedTensorType>(extract.getTensor().getType());
    return last && plan::areContiguous(s, s.getIndex(op, last.getDim()), s.keptDims(), lanes) &&
           (type.getRank() == 1 || type.getShape().back() % lanes == 0) &&
           llvm::none_of(extract.getIndices().drop_back(),
                         [&](Value i) { return variesAlongInnermost(s, op, i); });
  };
  return llvm::all_of(s.ops, [&](linalg::GenericOp op) {
    return !op.getBody()
                ->walk([&](tensor::ExtractOp extract) {
                  bool isOnce = llvm::none_of(extract.getIndices(), [&](Value i) {
                    return variesAlongInnermost(s, op, i);
                  });
                  return isOnce || isOfRow(op, extract) ? WalkResult::advance()
                                                        : WalkResult::interrupt();
                })
                .wasInterrupted();
  });
}

SmallVector<Value> Evaluator::cloneBody(linalg::GenericOp op, ArrayRef<Value> arguments,
                                        const Point &p, int64_t lane) {
  return cloneBodies(op, {SmallVector<Value>(arguments)}, p, lane).front();
}

SmallVector<SmallVector<Value>> Evaluator::cloneBodies(linalg::GenericOp op,
                                                       ArrayRef<SmallVector<Value>> arguments,
                                                       const Point &p, int64_t first) {
  SmallVector<IRMapping> maps(arguments.size());
  for (auto [map, own] : llvm::zip(maps, arguments))
    for (auto [formal, actual] : llvm::zip(op.getBlock()->getArguments(), own))
      if (actual)
        map.map(formal, actual);
  // Constants of the kernel, so that they dominate all uses.
  op.getBlock()->walk([&](Operation *inner) {
    for (Value v : inner->getOperands())
      if (Operation *maker = v.getDefiningOp(); maker && !op->isAncestor(maker) &&
                                                !isa<RankedTensorType>(v.getType()) &&
                                                !maps.front().contains(v)) {
        Value clone = b.clone(*maker)->getResult(0);
        for (IRMapping &map : maps)
          map.map(v, clone);
      }
  });
  cloneBlock(op, *op.getBlock(), maps, p, first);
  SmallVector<SmallVector<Value>> yielded(maps.size());
  for (auto [own, map] : llvm::zip(yielded, maps))
    for (Value v : op.getBlock()->getTerminator()->getOperands())
      own.push_back(map.lookupOrNull(v)); // null: of an operand that is not used
  return yielded;
}

/// Whether all lanes have the same value.
static bool isShared(Value v, ArrayRef<IRMapping> maps) {
  return llvm::all_of(maps.drop_front(), [&](const IRMapping &map) {
    return map.lookupOrDefault(v) == maps.front().lookupOrDefault(v);
  });
}

static bool areShared(ValueRange values, ArrayRef<IRMapping> maps) {
  return llvm::all_of(values, [&](Value v) { return isShared(v, maps); });
}

void Evaluator::cloneBlock(linalg::GenericOp op, Block &block, LaneMaps maps, const Point &p,
                           int64_t first) {
  for (Operation &inner : block.without_terminator()) {
    if (s.isOfRanges(&inner))
      continue;
    if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      const LinearAccess &access = s.getIndex(op, index.getDim());
      bool byLane = variesByLane(access);
      for (auto [l, map] : llvm::enumerate(maps))
        map.map(index.getResult(), l == 0 || byLane ? linear(access, p, first + l)
                                                    : maps.front().lookup(index.getResult()));
      continue;
    }
    if (auto extract = dyn_cast<tensor::ExtractOp>(inner)) {
      gather(op, extract, maps);
      continue;
    }
    if (auto loop = dyn_cast<scf::ForOp>(inner)) {
      cloneLoop(op, loop, maps, p, first);
      continue;
    }
    cloneInner(op, inner, maps.front(), p, first);
    bool isOnce =
        inner.getNumRegions() == 0 && isPure(&inner) && areShared(inner.getOperands(), maps);
    for (auto [l, map] : llvm::enumerate(maps.drop_front())) {
      if (!isOnce)
        cloneInner(op, inner, map, p, first + l + 1);
      else
        for (Value result : inner.getResults())
          map.map(result, maps.front().lookup(result));
    }
  }
}

/// One operation, for one lane.
void Evaluator::cloneInner(linalg::GenericOp op, Operation &inner, IRMapping &map, const Point &p,
                           int64_t lane) {
  if (auto select = dyn_cast<arith::SelectOp>(inner))
    if (const plan::OperandRanges *used = s.getRanges(select)) {
      // The guard of the operand, which lanes may share.
      map.map(select.getResult(),
              b.createOrFold<arith::SelectOp>(loc, isUsed(*used, p, lane),
                                              map.lookup(select.getTrueValue()),
                                              map.lookup(select.getFalseValue())));
      return;
    }
  if (auto extend = dyn_cast<arith::ExtFOp>(inner))
    if (Value wide = widened(map.lookup(extend.getIn()), extend.getType())) {
      map.map(extend.getResult(), wide);
      return;
    }
  Operation *clone = b.clone(inner, map);
  // Products and sums may fuse; nothing else is relaxed. The attribute of extf and
  // truncf can be absent.
  auto fast = dyn_cast<arith::ArithFastMathInterface>(clone);
  if (!fast || !fast.getFastMathFlagsAttr())
    return;
  auto flags = fast.getFastMathFlagsAttr().getValue() | arith::FastMathFlags::contract;
  if (reassociable.contains(&inner))
    flags = flags | arith::FastMathFlags::reassoc;
  clone->setAttr(fast.getFastMathAttrName(), arith::FastMathFlagsAttr::get(b.getContext(), flags));
}

/// Whether lanes read neighbours, the first of them at a multiple of their number: the last index
/// is the lanes' own, and the others are the same for all.
bool Evaluator::areNeighbours(linalg::GenericOp op, tensor::ExtractOp extract,
                              LaneMaps maps) const {
  if (maps.size() == 1 || extract.getIndices().empty() ||
      !areShared(extract.getIndices().drop_back(), maps))
    return false;
  auto last = extract.getIndices().back().getDefiningOp<linalg::IndexOp>();
  auto type = cast<RankedTensorType>(extract.getTensor().getType());
  return last && isContiguous(s.getIndex(op, last.getDim())) &&
         (type.getRank() == 1 || type.getShape().back() % lanes == 0);
}

/// Elements that a body reads by its indices.
void Evaluator::gather(linalg::GenericOp op, tensor::ExtractOp extract, LaneMaps maps) {
  auto type = cast<RankedTensorType>(extract.getTensor().getType());
  Value source = s.getSource(extract.getTensor());
  auto set = [&](IRMapping &map, Value x) { map.map(extract.getResult(), x); };
  if (OpFoldResult uniform = plan::getUniformValue(source); uniform && isa<Attribute>(uniform)) {
    Value x = constant(cast<TypedAttr>(cast<Attribute>(uniform)));
    for (IRMapping &map : maps)
      set(map, x);
    return;
  }
  auto offsetOf = [&](const IRMapping &map) {
    Value offset = index.constant(0);
    for (auto [i, extent] : llvm::zip(extract.getIndices(), type.getShape()))
      offset = index.add(index.mul(offset, extent), map.lookup(i));
    return offset;
  };
  Type element = type.getElementType();
  if (areNeighbours(op, extract, maps)) {
    SmallVector<Value> elements =
        loadVector(getBuffer(source), element, offsetOf(maps.front()), lanes);
    for (auto [map, x] : llvm::zip(maps, elements))
      set(map, x);
    return;
  }
  bool isOnce = areShared(extract.getIndices(), maps);
  for (auto [l, map] : llvm::enumerate(maps))
    set(map, l == 0 || !isOnce ? loadScalar(getBuffer(source), element, offsetOf(map))
                               : maps.front().lookup(extract.getResult()));
}

/// A loop inside of a body: one for all lanes where they go through the same numbers.
void Evaluator::cloneLoop(linalg::GenericOp op, scf::ForOp loop, LaneMaps maps, const Point &p,
                          int64_t first) {
  if (!areShared({loop.getLowerBound(), loop.getUpperBound(), loop.getStep()}, maps)) {
    for (size_t l = 0; l < maps.size(); ++l)
      cloneLoop(op, loop, maps.slice(l, 1), p, first + l);
    return;
  }
  auto ofLanes = [&](ValueRange values) {
    SmallVector<Value> all;
    for (IRMapping &map : maps)
      for (Value v : values)
        all.push_back(map.lookup(v));
    return all;
  };
  IRMapping &own = maps.front();
  auto clone =
      scf::ForOp::create(b, loc, own.lookup(loop.getLowerBound()), own.lookup(loop.getUpperBound()),
                         own.lookup(loop.getStep()), ofLanes(loop.getInitArgs()));
  size_t carried = loop.getNumRegionIterArgs();
  for (auto [l, map] : llvm::enumerate(maps)) {
    map.map(loop.getInductionVar(), clone.getInductionVar());
    map.map(loop.getRegionIterArgs(), clone.getRegionIterArgs().slice(l * carried, carried));
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(clone.getBody());
  push(/*isGuard=*/true); // what the loop computes is known in it alone
  cloneBlock(op, *loop.getBody(), maps, p, first);
  pop();
  scf::YieldOp::create(b, loc, ofLanes(loop.getYieldedValues()));
  for (auto [l, map] : llvm::enumerate(maps))
    map.map(loop.getResults(), clone.getResults().slice(l * carried, carried));
}

} // namespace ampc::codegen
