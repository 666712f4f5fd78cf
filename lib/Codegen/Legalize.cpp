//===- Legalize.cpp - Kernels into kernels that can be emitted ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The passes before make kernels that need nothing of this; it is what makes every
// plan.kernel that verifies one that compiles.
//
//===----------------------------------------------------------------------===//

#include "CodeSize.h"
#include "KernelEmitter.h"
#include "Members.h"
#include "ampc/Dialect/Plan/KernelCost.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

namespace ampc::codegen {
namespace {

using plan::KernelKind;
using plan::mayOverwrite;
using plan::YieldOp;

/// The same elements, computed by an op.
Value createCopy(OpBuilder &b, Location loc, Value v) {
  auto type = cast<RankedTensorType>(v.getType());
  Value empty = tensor::EmptyOp::create(b, loc, type.getShape(), type.getElementType());
  AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> loops(type.getRank(), utils::IteratorType::parallel);
  return linalg::GenericOp::create(b, loc, type, v, empty, {identity, identity}, loops,
                                   [](OpBuilder &nested, Location at, ValueRange x) {
                                     linalg::YieldOp::create(nested, at, x[0]);
                                   })
      .getResult(0);
}

/// A fused kernel of the same elements.
Value createCopyKernel(OpBuilder &b, Location loc, Value v) {
  auto copy = KernelOp::create(b, loc, v.getType(), v, KernelKind::Fused);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(copy.getBodyBlock());
  YieldOp::create(b, loc, createCopy(b, loc, copy.getBodyBlock()->getArgument(0)));
  return copy.getResult(0);
}

/// Makes an op of its own for each value that a kernel yields twice, or that is no op's.
void completeYields(KernelOp kernel) {
  OpBuilder b(kernel.getYield());
  bool isFused = kernel.getKind() == KernelKind::Fused;
  llvm::DenseSet<Value> seen;
  for (OpOperand &operand : kernel.getYield()->getOpOperands()) {
    Value source = getViewed(operand.get());
    Operation *maker = source.getDefiningOp();
    bool isMade =
        isFused ? isa_and_nonnull<linalg::GenericOp>(maker) : isa_and_nonnull<KernelOp>(maker);
    if (isMade && seen.insert(source).second)
      continue;
    operand.set(isFused ? createCopy(b, kernel.getLoc(), operand.get())
                        : createCopyKernel(b, kernel.getLoc(), operand.get()));
  }
}

bool isOneKernel(KernelOp kernel, bool device) {
  FailureOr<IterationStructure> s = plan::analyzeIteration(kernel);
  std::string reason;
  return succeeded(s) && (!s->hasSums() || (device && plan::holdsSums(*s))) &&
         succeeded(findReductions(*s, reason));
}

/// Sees to it that `value`, the result of a kernel, can be written where `operand` lies:
/// the kernel is tied to it, and whoever reads it later or at other places reads a copy,
/// made before `first`.
void tieTo(OpBuilder &b, Value value, Value operand, Operation *first) {
  auto result = cast<OpResult>(getViewed(value));
  auto maker = cast<KernelOp>(result.getOwner());
  Value copy;
  auto readCopy = [&](OpOperand &use) {
    if (!copy) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(first);
      copy = isa<KernelOp>(first->getParentOp())
                 ? createCopyKernel(b, maker.getLoc(), operand)
                 : plan::CopyOp::create(b, maker.getLoc(), operand.getType(), operand).getResult();
    }
    use.set(copy);
  };
  for (OpOperand &use : llvm::make_early_inc_range(operand.getUses())) {
    Operation *user = use.getOwner();
    if (user->getBlock() == maker->getBlock() && maker->isBeforeInBlock(user))
      readCopy(use);
  }
  int64_t index = -1;
  for (OpOperand &use : maker->getOpOperands())
    if (use.get() == operand) {
      if (index < 0 && mayOverwrite(maker, use.getOperandNumber(), result.getResultNumber()))
        index = use.getOperandNumber();
      else
        readCopy(use);
    }
  if (index < 0 && operand.getType() == result.getType()) { // an operand that is not read
    index = maker.getInputs().size();
    maker.getInputsMutable().append(operand);
    maker.getBodyBlock()->addArgument(operand.getType(), maker.getLoc());
  }
  if (index < 0)
    return;
  SmallVector<int64_t> tied(maker.getTied());
  tied[result.getResultNumber()] = index;
  maker.setTied(tied);
}

/// Replaces a kernel by what `build` makes of its inputs: kernels and views.
void replaceByParts(KernelOp kernel,
                    llvm::function_ref<SmallVector<Value>(OpBuilder &, IRMapping &)> build,
                    SmallVectorImpl<KernelOp> &parts) {
  OpBuilder b(kernel);
  Operation *before = kernel->getPrevNode();
  IRMapping map;
  for (auto [argument, input] :
       llvm::zip(kernel.getBodyBlock()->getArguments(), kernel.getInputs()))
    map.map(argument, input);
  SmallVector<Value> results = build(b, map);
  Operation *first = before ? before->getNextNode() : &kernel->getBlock()->front();
  SmallVector<Value> inputs(kernel.getInputs());
  SmallVector<int64_t> tied(kernel.getTied());
  for (Operation *op = first; op != kernel; op = op->getNextNode())
    if (auto part = dyn_cast<KernelOp>(op))
      parts.push_back(part);
  for (auto [result, value] : llvm::zip(kernel.getResults(), results))
    result.replaceAllUsesWith(value);
  kernel.erase();
  for (auto [value, t] : llvm::zip(results, tied))
    if (t >= 0)
      tieTo(b, value, inputs[t], first);
}

/// One kernel for each op of a fused kernel.
void splitFused(KernelOp kernel, SmallVectorImpl<KernelOp> &parts) {
  auto build = [&](OpBuilder &b, IRMapping &map) {
    for (Operation &op : kernel.getBodyBlock()->without_terminator()) {
      if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op) &&
          map.contains(op.getOperand(0))) {
        b.clone(op, map);
        continue;
      }
      if (!isa<linalg::GenericOp>(op))
        continue; // goes where it is used
      // What the op reads from other parts, and what it computes from constants.
      llvm::SetVector<Value> inputs;
      llvm::SetVector<Operation *> uniform;
      std::function<void(Operation *)> collect = [&](Operation *reader) {
        reader->walk([&](Operation *inner) {
          for (Value v : inner->getOperands()) {
            if (map.contains(v)) {
              inputs.insert(v);
            } else if (Operation *maker = v.getDefiningOp();
                       maker && maker->getBlock() == kernel.getBodyBlock()) {
              collect(maker);
              uniform.insert(maker);
            }
          }
        });
      };
      collect(&op);
      SmallVector<Value> outside;
      for (Value v : inputs)
        outside.push_back(map.lookup(v));
      auto part = KernelOp::create(b, op.getLoc(), op.getResultTypes(), outside, KernelKind::Fused);
      OpBuilder inside = OpBuilder::atBlockEnd(part.getBodyBlock());
      IRMapping local;
      for (auto [v, argument] : llvm::zip(inputs, part.getBodyBlock()->getArguments()))
        local.map(v, argument);
      for (Operation *maker : uniform)
        inside.clone(*maker, local);
      Operation *clone = inside.clone(op, local);
      YieldOp::create(inside, op.getLoc(), clone->getResults());
      map.map(op.getResults(), part.getResults());
    }
    SmallVector<Value> results;
    for (Value v : kernel.getYield()->getOperands())
      results.push_back(map.lookup(v));
    return results;
  };
  replaceByParts(kernel, build, parts);
}

/// The nested kernels of a kernel, on their own.
void unnest(KernelOp kernel, SmallVectorImpl<KernelOp> &parts) {
  auto build = [&](OpBuilder &b, IRMapping &map) {
    for (Operation &op : kernel.getBodyBlock()->without_terminator())
      b.clone(op, map);
    SmallVector<Value> results;
    for (Value v : kernel.getYield()->getOperands())
      results.push_back(map.lookup(v));
    return results;
  };
  replaceByParts(kernel, build, parts);
}

//===----------------------------------------------------------------------===//
// Sequences
//===----------------------------------------------------------------------===//

/// A result that is not computed straight into the buffer it is tied to, because a later
/// or the same phase still reads what lies there, is copied at the end.
void completeTies(KernelOp kernel) {
  Block *body = kernel.getBodyBlock();
  OpBuilder b(kernel.getYield());
  for (auto [r, t] : llvm::enumerate(kernel.getTied())) {
    if (t < 0)
      continue;
    OpOperand &yielded = kernel.getYield()->getOpOperand(r);
    auto made = cast<OpResult>(getViewed(yielded.get()));
    auto maker = cast<KernelOp>(made.getOwner());
    bool isSafe = true;
    for (KernelOp phase : body->getOps<KernelOp>())
      for (auto [i, input] : llvm::enumerate(phase.getInputs()))
        if (getViewed(input) == body->getArgument(t))
          isSafe &= phase == maker ? mayOverwrite(maker, i, made.getResultNumber())
                                   : phase->isBeforeInBlock(maker);
    if (!isSafe)
      yielded.set(createCopyKernel(b, kernel.getLoc(), yielded.get()));
  }
}

//===----------------------------------------------------------------------===//
// Kernels over many tensors
//===----------------------------------------------------------------------===//

/// Whether one code does for all nested kernels.
bool isUniform(KernelOp kernel, bool device) {
  Block *body = kernel.getBodyBlock();
  SmallVector<KernelOp> nested(body->getOps<KernelOp>());
  std::vector<IterationStructure> structures;
  size_t model = 0;
  for (KernelOp member : nested) {
    FailureOr<IterationStructure> s = plan::analyzeIteration(member);
    if (failed(s) || !(hasFlatLoop(member, *s) || (device && plan::mergesRows(*s))))
      return false;
    for (Value r : member.getResults())
      if (llvm::none_of(kernel.getYield()->getOperands(),
                        [&](Value v) { return getViewed(v) == r; }))
        return false;
    structures.push_back(std::move(*s));
    if (structures.back().points() > structures[model].points())
      model = structures.size() - 1;
  }
  if (nested.empty())
    return false;
  for (auto [member, s] : llvm::zip(nested, structures)) {
    if (!areSameButForExtents(nested[model], structures[model], member, s))
      return false;
    // Blocks of different tensors run at once.
    for (Value input : member.getInputs())
      if (!isa<BlockArgument>(getViewed(input)))
        return false;
  }
  for (auto [r, t] : llvm::enumerate(kernel.getTied())) {
    if (t < 0)
      continue;
    auto made = cast<OpResult>(getViewed(kernel.getYield()->getOperand(r)));
    for (KernelOp member : nested)
      for (auto [i, input] : llvm::enumerate(member.getInputs()))
        if (getViewed(input) == body->getArgument(t) &&
            (member != made.getOwner() || !mayOverwrite(member, i, made.getResultNumber())))
          return false;
  }
  return true;
}

/// Divides a kernel over too many tensors for the arguments of a launch, or for its code.
void divideTensors(KernelOp kernel, SmallVectorImpl<KernelOp> &legal) {
  Block *body = kernel.getBodyBlock();
  SmallVector<KernelOp> nested(body->getOps<KernelOp>());
  unsigned each = nested.front().getInputs().size() + nested.front().getNumResults();
  size_t most =
      std::max<size_t>(1, std::min<size_t>(kMostArguments / std::max(1u, each), mostMembers(each)));
  if (body->getNumArguments() + kernel.getNumResults() <= kMostArguments &&
      nested.size() <= mostMembers(each)) {
    legal.push_back(kernel);
    return;
  }
  OpBuilder b(kernel);
  for (size_t from = 0; from < nested.size(); from += most) {
    ArrayRef<KernelOp> group =
        ArrayRef(nested).slice(from, std::min<size_t>(most, nested.size() - from));
    // The inputs and results that belong to the group.
    llvm::SetVector<unsigned> inputs;
    SmallVector<unsigned> results;
    for (KernelOp member : group)
      for (Value input : member.getInputs())
        inputs.insert(cast<BlockArgument>(getViewed(input)).getArgNumber());
    SmallVector<Type> types;
    SmallVector<int64_t> tied;
    for (auto [r, v] : llvm::enumerate(kernel.getYield()->getOperands()))
      if (llvm::is_contained(group, getViewed(v).getDefiningOp())) {
        results.push_back(r);
        types.push_back(v.getType());
        int64_t t = kernel.getTied()[r];
        if (t >= 0)
          inputs.insert(t);
        auto place = llvm::find(inputs, unsigned(t));
        tied.push_back(t < 0 ? -1 : place - inputs.begin());
      }
    SmallVector<Value> operands;
    for (unsigned i : inputs)
      operands.push_back(kernel.getInputs()[i]);
    auto part = KernelOp::create(b, kernel.getLoc(), types, operands, KernelKind::MultiTensor);
    part.setTied(tied);
    IRMapping map;
    for (auto [i, argument] : llvm::zip(inputs, part.getBodyBlock()->getArguments()))
      map.map(body->getArgument(i), argument);
    OpBuilder inside = OpBuilder::atBlockEnd(part.getBodyBlock());
    for (Operation &op : body->without_terminator()) {
      bool isOfGroup = llvm::is_contained(group, &op) ||
                       (!isa<KernelOp>(op) &&
                        llvm::all_of(op.getOperands(), [&](Value v) { return map.contains(v); }));
      if (isOfGroup)
        inside.clone(op, map);
    }
    SmallVector<Value> values;
    for (unsigned r : results)
      values.push_back(map.lookup(kernel.getYield()->getOperand(r)));
    YieldOp::create(inside, kernel.getLoc(), values);
    for (auto [r, value] : llvm::zip(results, part.getResults()))
      kernel.getResult(r).replaceAllUsesWith(value);
    legal.push_back(part);
  }
  kernel.erase();
}

} // namespace

LogicalResult legalizeKernel(KernelOp kernel, bool device, SmallVectorImpl<KernelOp> &legal) {
  completeYields(kernel);
  if (kernel.getKind() == KernelKind::Fused) {
    unsigned generics = llvm::range_size(kernel.getBodyBlock()->getOps<linalg::GenericOp>());
    if (generics <= 1 || isOneKernel(kernel, device))
      legal.push_back(kernel);
    else
      splitFused(kernel, legal);
    return success();
  }
  if (kernel.getKind() == KernelKind::MultiTensor) {
    for (KernelOp nested : kernel.getBodyBlock()->getOps<KernelOp>())
      completeYields(nested);
    if (isUniform(kernel, device)) {
      device ? divideTensors(kernel, legal) : legal.push_back(kernel);
      return success();
    }
    SmallVector<KernelOp> parts;
    unnest(kernel, parts);
    for (KernelOp part : parts)
      if (failed(legalizeKernel(part, device, legal)))
        return failure();
    return success();
  }
  SmallVector<KernelOp> phases(kernel.getBodyBlock()->getOps<KernelOp>()), inner;
  for (KernelOp phase : phases)
    if (failed(legalizeKernel(phase, device, inner)))
      return failure();
  completeTies(kernel);
  legal.push_back(kernel);
  return success();
}

} // namespace ampc::codegen
