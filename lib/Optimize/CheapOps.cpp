//===- CheapOps.cpp - Ops that are computed again -------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CheapOps.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Plan/IterationStructure.h"
#include "ampc/Optimize/Buffers.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

namespace ampc {

/// Most cheap ops, each reading the one before, that are computed again for one reader: of
/// a chain of n ops whose results are all read again, n * n / 2 would be.
constexpr unsigned kMostRepeated = 4;

/// An operand that is this many times smaller than the result, as what is known of whole rows
/// is, takes no part of the memory.
constexpr int64_t kMuchSmaller = 8;

int64_t bodyCost(linalg::GenericOp generic) {
  int64_t cost = 0;
  generic.getBody()->walk([&](Operation *op) {
    if (op->hasTrait<OpTrait::ConstantLike>() || op->hasTrait<OpTrait::IsTerminator>() ||
        isa<CastOpInterface>(op))
      return;
    int64_t one = 1;
    if (isa<arith::DivFOp, arith::DivSIOp, arith::RemSIOp, math::SqrtOp, tensor::ExtractOp>(op))
      one = 4;
    else if (isa<math::MathDialect>(op->getDialect()) && !isa<math::AbsFOp>(op))
      one = 16;
    else if (isa<LoopLikeOpInterface>(op))
      one = 16; // and what it repeats
    if (op->getNumResults() == 1 && op->getResult(0).getType().isF64())
      one *= 4;
    cost += one;
  });
  return cost;
}

bool hasLoops(linalg::GenericOp generic) {
  return llvm::any_of(generic.getStaticLoopRanges(), [](int64_t n) { return n != 1; });
}

bool isAttached(Operation *op) {
  return isView(op) || isa<tensor::EmptyOp, linalg::FillOp, arith::ConstantOp>(op);
}

void eraseDead(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

static int64_t pointsOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getNumElements();
}

static void makePrivate(OpBuilder &builder, OpOperand &operand) {
  Operation *op = operand.get().getDefiningOp();
  if (!op || !isAttached(op))
    return;
  Operation *clone = builder.clone(*op);
  operand.set(clone->getResult(cast<OpResult>(operand.get()).getResultNumber()));
  OpBuilder before(clone);
  for (OpOperand &inner : clone->getOpOperands())
    makePrivate(before, inner);
}

/// Gives the op destinations and views of its own, so that they can stand in its kernel.
static void makePrivate(linalg::GenericOp generic) {
  OpBuilder builder(generic);
  for (OpOperand &operand : generic->getOpOperands())
    makePrivate(builder, operand);
}

CheapOps::CheapOps(Block &block, const DeviceModel &model) : block(block), model(model) {
  for (auto assign : block.getOps<AssignOp>())
    assigned.insert(assign.getVariableAttr());
}

void CheapOps::repeat() {
  for (auto generic : llvm::to_vector(block.getOps<linalg::GenericOp>()))
    makePrivate(generic);
  eraseDead(block);
  auto generics = llvm::to_vector(block.getOps<linalg::GenericOp>());
  Sources repeatable = chooseRepeatable(generics);
  // Consumers first, so that a chain of cheap ops follows each of its uses.
  for (linalg::GenericOp generic : llvm::reverse(generics))
    if (repeatable.contains(generic))
      cloneIntoUsers(generic);
  eraseDead(block);
}

bool CheapOps::isCheapToRepeat(linalg::GenericOp generic) const {
  if (plan::isReduction(generic) || bodyCost(generic) > model.cheapOperations ||
      generic.getNumResults() != 1)
    return false;
  constexpr uint64_t kScalarBytes = 64; // what a few scalars take
  uint64_t readBytes = 0;
  unsigned computed = 0;
  for (Value input : generic.getInputs()) {
    Value source = getViewed(input);
    // A number that changes in this step is read once, early, so that the new one can
    // be written in its place.
    if (!hasLoops(generic) && isAssigned(source))
      return false;
    // Of a larger tensor it reads a part.
    Type read =
        RankedTensorType::get(cast<RankedTensorType>(generic.getResult(0).getType()).getShape(),
                              getElementTypeOrSelf(source.getType()));
    readBytes += std::min(getByteSize(source.getType()).value_or(0), getByteSize(read).value_or(0));
    bool counts = !hasLoops(generic) || pointsOf(source) > 1;
    computed += counts && source.getDefiningOp<linalg::GenericOp>();
  }
  WalkResult extracts =
      generic.getBody()->walk([](tensor::ExtractOp) { return WalkResult::interrupt(); });
  return !extracts.wasInterrupted() && computed <= 1 &&
         readBytes <= getByteSize(generic.getResult(0).getType()).value_or(0) + kScalarBytes;
}

bool CheapOps::isAssigned(Value value) const {
  FlatSymbolRefAttr variable = getReadVariable(value);
  return variable && assigned.contains(variable);
}

CheapOps::Source CheapOps::sourceOf(linalg::GenericOp generic, const Sources &repeatable) const {
  Source source = {0, 0};
  for (Value input : generic.getInputs()) {
    Value viewed = getViewed(input);
    auto behind = repeatable.find(viewed.getDefiningOp());
    bool repeats = behind != repeatable.end();
    if (repeats)
      source.depth = std::max(source.depth, behind->second.depth);
    if (pointsOf(viewed) > pointsOf(generic.getResult(0)) / kMuchSmaller)
      source.bytes +=
          repeats ? behind->second.bytes : getByteSize(viewed.getType()).value_or(UINT32_MAX);
  }
  return source;
}

/// Whether memory gets by without the result of an op, which is computed again from less:
/// a softmax from scores of 16 bits and the maxima and sums of their rows.
bool CheapOps::isSmallerToRepeat(linalg::GenericOp generic, const Source &source) const {
  if (plan::isReduction(generic) || bodyCost(generic) > model.recomputedOperations ||
      generic.getNumResults() != 1 || !hasLoops(generic))
    return false;
  WalkResult extracts =
      generic.getBody()->walk([](tensor::ExtractOp) { return WalkResult::interrupt(); });
  return !extracts.wasInterrupted() && source.bytes > 0 &&
         source.bytes <= getByteSize(generic.getResult(0).getType()).value_or(0) / 4 * 3;
}

/// The repeatable ops of `generics`, given in the order of the block; where one reads another
/// that reads another.., some are left out.
CheapOps::Sources CheapOps::chooseRepeatable(ArrayRef<linalg::GenericOp> generics) const {
  Sources chosen;
  for (linalg::GenericOp generic : generics) {
    Source source = sourceOf(generic, chosen);
    if (source.depth == kMostRepeated ||
        !(isCheapToRepeat(generic) || isSmallerToRepeat(generic, source)))
      continue;
    ++source.depth;
    chosen.insert({generic, source});
  }
  return chosen;
}

/// Gives each op that reads a cheap op's result a copy of the op, where nothing needs the
/// result in memory.
void CheapOps::cloneIntoUsers(linalg::GenericOp generic) const {
  SmallVector<OpOperand *> uses;
  SmallVector<Value> pending(generic->getResults());
  Block *block = generic->getBlock();
  DenseSet<Operation *> users;
  while (!pending.empty())
    for (OpOperand &use : pending.pop_back_val().getUses()) {
      Operation *user = use.getOwner();
      if (isView(user) && user->hasOneUse()) { // the private view of one op
        pending.push_back(user->getResult(0));
        if (user->getOperand(0) == generic.getResult(0))
          uses.push_back(&use);
      } else if (isa<linalg::GenericOp>(user) && user->getBlock() == block) {
        if (use.get() == generic.getResult(0))
          uses.push_back(&use);
        users.insert(user);
      } else {
        return;
      }
    }
  if (users.size() < 2)
    return;
  OpBuilder builder(generic.getContext());
  for (OpOperand *use : ArrayRef(uses).drop_front()) {
    builder.setInsertionPoint(use->getOwner());
    auto clone = cast<linalg::GenericOp>(builder.clone(*generic));
    makePrivate(clone);
    use->set(clone.getResult(0));
  }
}

} // namespace ampc
