//===- RecomputeReads.cpp - Kernels compute what they need not read -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RecomputeReads.h"
#include "CheapOps.h"
#include "ampc/Dialect/Plan/KernelCost.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "ampc/Dialect/Plan/Views.h"
#include "ampc/Optimize/Buffers.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace ampc {

/// Of smaller tensors kernels are launched for less than what is read takes.
constexpr int64_t kFewestElements = 1 << 10;
/// What is so many times smaller is a number of whole rows.
constexpr int64_t kMuchSmaller = 8;

static int64_t pointsOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getNumElements();
}

namespace {
/// How a result of a kernel is computed, element by element.
struct Recipe {
  SmallVector<Operation *> ops; ///< of the kernel's body, in order
  Value result;                 ///< in that body
  SmallVector<Value> inputs;    ///< of the kernel, that these ops read, or results of it
  SmallVector<Value> large;     ///< those that are no numbers of whole rows
  int64_t cost = 0;             ///< instructions for an element
};

class Recompute {
public:
  Recompute(Block &block, const DeviceModel &model) : block(block), model(model) {}
  void run();

private:
  std::optional<Recipe> recipeOf(Value value, bool endsAtResults = false) const;
  plan::KernelOp replaceRead(plan::KernelOp kernel, Value value, const Recipe &recipe);
  bool replaceOnlyRead(Value value, const Recipe &recipe);
  void dropUnused(plan::KernelOp kernel);

  Block &block;
  const DeviceModel &model;
};
} // namespace

/// What a kernel yields as a result, in its body.
static Value yieldedAs(OpResult result) {
  return cast<plan::KernelOp>(result.getOwner()).getYield()->getOperand(result.getResultNumber());
}

/// The way to `value`, from the kernel's inputs or, with `endsAtResults`, from other results of it;
/// nullopt where it is no result of a kernel, or not a cheap one.
std::optional<Recipe> Recompute::recipeOf(Value value, bool endsAtResults) const {
  auto kernel = value.getDefiningOp<plan::KernelOp>();
  if (!kernel || kernel.getKind() != plan::KernelKind::Fused || pointsOf(value) < kFewestElements)
    return std::nullopt;
  Block *body = kernel.getBodyBlock();
  Recipe recipe;
  recipe.result = yieldedAs(cast<OpResult>(value));
  DenseMap<Value, Value> ends; // what is yielded -> the kernel's result
  if (endsAtResults)
    for (OpResult other : kernel.getResults())
      if (yieldedAs(other) != recipe.result && !other.use_empty())
        ends.try_emplace(yieldedAs(other), other);
  llvm::SetVector<Operation *> needed;
  SmallVector<Value> pending{recipe.result};
  llvm::SetVector<Value> inputs;
  while (!pending.empty()) {
    Value next = pending.pop_back_val();
    if (auto argument = dyn_cast<BlockArgument>(next)) {
      inputs.insert(kernel.getInputs()[argument.getArgNumber()]);
      continue;
    }
    if (Value end = ends.lookup(next)) {
      inputs.insert(end);
      continue;
    }
    Operation *op = next.getDefiningOp();
    if (!needed.insert(op))
      continue;
    auto generic = dyn_cast<linalg::GenericOp>(op);
    if (!generic && !isAttached(op))
      return std::nullopt;
    if (generic) {
      WalkResult indexed = generic.getBody()->walk([](Operation *inner) {
        return isa<tensor::ExtractOp, linalg::IndexOp>(inner) ? WalkResult::interrupt()
                                                              : WalkResult::advance();
      });
      if (plan::isReduction(generic) || generic.getNumResults() != 1 || indexed.wasInterrupted())
        return std::nullopt;
      recipe.cost += bodyCost(generic);
    }
    // Bodies read constants that stand beside them.
    op->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (operand.getParentBlock() == body)
          pending.push_back(operand);
    });
  }
  // One that only hands on what it reads is a view's business.
  if (recipe.cost == 0 || recipe.cost > model.recomputedOperations)
    return std::nullopt;
  for (Operation &op : *body)
    if (needed.contains(&op))
      recipe.ops.push_back(&op);
  recipe.inputs.assign(inputs.begin(), inputs.end());
  for (Value input : recipe.inputs)
    if (pointsOf(input) > pointsOf(value) / kMuchSmaller)
      recipe.large.push_back(input);
  return recipe;
}

/// The tensors that a kernel would have to read besides, to compute by a recipe.
static SmallVector<Value> addedReads(plan::KernelOp kernel, const Recipe &recipe) {
  SmallVector<Value> added(recipe.large);
  llvm::erase_if(added, [&](Value x) { return llvm::is_contained(kernel.getInputs(), x); });
  return added;
}

/// The kernel that computes `value` instead of reading it. Null, and the kernel stays, where that
/// would be none, or read more.
plan::KernelOp Recompute::replaceRead(plan::KernelOp kernel, Value value, const Recipe &recipe) {
  llvm::SetVector<Value> inputs;
  for (Value input : kernel.getInputs())
    if (input != value)
      inputs.insert(input);
  inputs.insert_range(recipe.inputs);

  IRRewriter rewriter(kernel);
  auto made = plan::KernelOp::create(rewriter, kernel.getLoc(), kernel.getResultTypes(),
                                     inputs.getArrayRef(), plan::KernelKind::Fused);
  Block *body = made.getBodyBlock();
  OpBuilder builder = OpBuilder::atBlockEnd(body);
  auto argumentOf = [&](Value input) {
    return body->getArgument(llvm::find(inputs, input) - inputs.begin());
  };
  IRMapping theirs;
  auto maker = value.getDefiningOp<plan::KernelOp>();
  for (auto [input, argument] : llvm::zip(maker.getInputs(), maker.getBodyBlock()->getArguments()))
    if (inputs.contains(input))
      theirs.map(argument, argumentOf(input));
  for (OpResult result : maker.getResults())
    if (llvm::is_contained(recipe.inputs, result))
      theirs.map(yieldedAs(result), argumentOf(result));
  for (Operation *op : recipe.ops)
    builder.clone(*op, theirs);
  IRMapping ours;
  for (auto [input, argument] :
       llvm::zip(kernel.getInputs(), kernel.getBodyBlock()->getArguments()))
    ours.map(argument, input == value ? theirs.lookup(recipe.result) : argumentOf(input));
  for (Operation &op : *kernel.getBodyBlock())
    builder.clone(op, ours);

  DominanceInfo dominance(made);
  eliminateCommonSubExpressions(rewriter, dominance, made);
  FailureOr<plan::IterationStructure> structure = plan::analyzeIteration(made);
  FailureOr<plan::IterationStructure> before = plan::analyzeIteration(kernel);
  auto readBytes = [&](const plan::IterationStructure &s) {
    return uint64_t(plan::computeCost(s, model).readBytes);
  };
  // Numbers of whole rows may be read besides.
  uint64_t few = getByteSize(value.getType()).value_or(0) / kMuchSmaller;
  if (failed(structure) || failed(before) || readBytes(*structure) > readBytes(*before) + few) {
    rewriter.eraseOp(made);
    return {};
  }
  rewriter.replaceOp(kernel, made.getResults());
  return made;
}

/// Has the only reader of `value`, apart from the kernel that makes it, compute it too.
bool Recompute::replaceOnlyRead(Value value, const Recipe &recipe) {
  auto kernel = dyn_cast<plan::KernelOp>(*value.getUsers().begin());
  if (!kernel || kernel.getKind() != plan::KernelKind::Fused || recipe.cost > model.cheapOperations)
    return false;
  SmallVector<Value> added = addedReads(kernel, recipe);
  if (added.size() > 1 ||
      (added.size() == 1 && getByteSize(added[0].getType()) > getByteSize(value.getType())))
    return false;
  return bool(replaceRead(kernel, value, recipe));
}

/// Computes no more what nobody reads.
void Recompute::dropUnused(plan::KernelOp kernel) {
  SmallVector<Value> used, yielded;
  for (OpResult result : kernel.getResults())
    if (!result.use_empty()) {
      used.push_back(result);
      yielded.push_back(kernel.getYield()->getOperand(result.getResultNumber()));
    }
  if (used.empty() || used.size() == kernel.getNumResults())
    return;
  IRRewriter rewriter(kernel);
  auto made = plan::KernelOp::create(rewriter, kernel.getLoc(), TypeRange(ValueRange(used)),
                                     kernel.getInputs(), plan::KernelKind::Fused);
  IRMapping mapping;
  mapping.map(kernel.getBodyBlock()->getArguments(), made.getBodyBlock()->getArguments());
  OpBuilder builder = OpBuilder::atBlockEnd(made.getBodyBlock());
  for (Operation &op : kernel.getBodyBlock()->without_terminator())
    builder.clone(op, mapping);
  plan::YieldOp::create(builder, kernel.getLoc(), llvm::map_to_vector(yielded, [&](Value value) {
                          return mapping.lookup(value);
                        }));
  eraseDead(*made.getBodyBlock());
  if (failed(plan::analyzeIteration(made))) {
    rewriter.eraseOp(made);
    return;
  }
  for (auto [old, result] : llvm::zip(used, made.getResults()))
    rewriter.replaceAllUsesWith(old, result);
  rewriter.eraseOp(kernel);
}

void Recompute::run() {
  // Makers before readers.
  auto kernels = llvm::to_vector(block.getOps<plan::KernelOp>());
  for (plan::KernelOp kernel : kernels) {
    if (kernel.getKind() != plan::KernelKind::Fused)
      continue;
    for (unsigned i = 0; i < kernel.getInputs().size();) {
      Value value = kernel.getInputs()[i++];
      std::optional<Recipe> recipe = recipeOf(value);
      if (!recipe || recipe->large.empty() || !addedReads(kernel, *recipe).empty())
        continue;
      if (plan::KernelOp made = replaceRead(kernel, value, *recipe)) {
        kernel = made;
        i = 0; // which has one large input less
      }
    }
  }
  // Readers, which stand behind, are replaced.
  for (Operation *op = &block.front(); op; op = op->getNextNode())
    for (OpResult result : op->getResults())
      for (bool endsAtResults : {false, true}) {
        if (!result.hasOneUse())
          break;
        std::optional<Recipe> recipe = recipeOf(result, endsAtResults);
        if (recipe && !recipe->large.empty() && replaceOnlyRead(result, *recipe))
          break;
      }
  for (auto kernel : llvm::to_vector(block.getOps<plan::KernelOp>()))
    if (kernel.getKind() == plan::KernelKind::Fused)
      dropUnused(kernel);
}

void recomputeReads(Block &block, const DeviceModel &model) { Recompute(block, model).run(); }

} // namespace ampc
