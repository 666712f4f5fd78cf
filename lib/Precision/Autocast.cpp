//===- Autocast.cpp - Give each op the precision that its list says -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Ops are visited in program order, so that the types an op finds at its operands are
// final. Equal casts are left to CSE.
//
//===----------------------------------------------------------------------===//

#include "PrecisionPolicy.h"
#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Precision/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/FormatVariadic.h"

namespace ampc {
#define GEN_PASS_DEF_AUTOCAST
#include "ampc/Precision/Passes.h.inc"

namespace {
/// An attribute of ops whose result can have the type of its accumulator, not of the operands.
constexpr StringLiteral kWideAttr = "wide";

bool isFloat(Value v) { return isa<FloatType>(getElementTypeOrSelf(v.getType())); }

/// Why values of `range` may not be cast to `low`; "" where they may. A product bears small
/// errors of its operands.
std::string findLoss(const FloatRange &range, FloatType low, bool isProduct) {
  const llvm::fltSemantics &type = low.getFloatSemantics();
  if (double value = range.findOverflow(type))
    return llvm::formatv("a constant of {0:e2} is infinite in {1}", value, low);
  if (isProduct)
    return "";
  if (double value = range.findUnderflow(type))
    return llvm::formatv("a constant of {0:e2} is lost in {1}", value, low);
  if (double value = range.findLostDigits(type))
    return llvm::formatv("a sum with a constant of {0:e2} loses its digits in {1}", value, low);
  return "";
}

struct Autocast : impl::AutocastBase<Autocast> {
  using AutocastBase::AutocastBase;

  void runOnOperation() override {
    FailureOr<PrecisionPolicy> lists_ =
        PrecisionPolicy::get(getOperation().getLoc(), dtype, lists, level);
    if (failed(lists_))
      return signalPassFailure();
    policy = &*lists_;
    for (auto function : getOperation().getOps<func::FuncOp>())
      // @init computes state, which is f32.
      if (function.getName() != kInitFunction && failed(castFunction(function)))
        return signalPassFailure();
  }

  LogicalResult castFunction(func::FuncOp function);
  void findLossTail(func::FuncOp function);
  void addFromAllowOps(SmallVector<Value> values, DenseSet<Operation *> &tail);
  void findRange(Operation *op);
  bool isCounted(ArrayRef<OpOperand *> operands) const;
  /// The type `op` computes in; null where it stays as it is.
  Type chooseType(PrecisionOpInterface op, const PrecisionPolicy::Decision &decision,
                  ArrayRef<OpOperand *> operands, std::string &reason);
  void setType(OpOperand &operand, Type type);
  void restore(Operation *op);
  void remark(Operation *op, Type type, Precision category, StringRef reason);

  const PrecisionPolicy *policy = nullptr;
  /// What each value's element type was before the pass.
  DenseMap<Value, Type> original;
  /// What constants make of each value; ordinary where nothing is noted.
  DenseMap<Value, FloatRange> ranges;
  /// Values that came as integers, such as the time steps of a diffusion model, and what is
  /// computed of them and constants, or of constants alone. Those of a model in 16 bits are f32
  /// until they meet a value of that type: an angle that bf16 has two digits of is another one.
  DenseSet<Value> counted;
  /// Ops between the last allow ops and the loss, and from the loss to the first ones behind it
  /// where the backward pass is spelled out. They compute in f32: in f16 the scale that the
  /// backward pass begins with would be infinite.
  DenseSet<Operation *> lossTail;
  /// Those of them that lead from the last allow ops of a spelled-out backward pass to gradients of
  /// parameters. What the first of them read is the accumulator of the op before.
  DenseSet<Operation *> sums;
};

void Autocast::findLossTail(func::FuncOp function) {
  lossTail.clear();
  sums.clear();
  SmallVector<Value> losses, gradients, seeds;
  function.walk([&](Operation *op) {
    if (auto gradient = dyn_cast<GradientOp>(op))
      losses.push_back(gradient.getOf());
    if (auto seed = dyn_cast<SeedOp>(op)) {
      losses.push_back(seed.getLoss());
      seeds.push_back(seed);
    }
    if (auto gradient = dyn_cast<ParameterGradientOp>(op)) {
      gradients.push_back(gradient.getGradient());
      sums.insert(op);
    }
  });
  for (auto [i, value] : llvm::enumerate(function.getBody().front().getTerminator()->getOperands()))
    if (function.getResultAttr(i, kLossAttr))
      losses.push_back(value);
  addFromAllowOps(std::move(losses), lossTail);
  addFromAllowOps(std::move(gradients), sums);
  lossTail.insert(sums.begin(), sums.end());
  // The other way: from a seed that the file spells out to the first allow ops.
  while (!seeds.empty())
    for (Operation *user : seeds.pop_back_val().getUsers()) {
      auto op = dyn_cast<PrecisionOpInterface>(user);
      bool isBefore = op && policy->decide(op).category != Precision::Allow;
      if (isBefore && lossTail.insert(op).second)
        llvm::append_range(seeds, op->getResults());
    }
}

/// Adds the ops between the last allow ops and `values` to `tail`.
void Autocast::addFromAllowOps(SmallVector<Value> values, DenseSet<Operation *> &tail) {
  while (!values.empty()) {
    Value value = values.pop_back_val();
    // The loss of a 16-bit model is widened before it is differentiated.
    auto widened = value.getDefiningOp<CastOp>();
    if (widened && widened.getInserted())
      value = widened.getInput();
    auto op = dyn_cast_if_present<PrecisionOpInterface>(value.getDefiningOp());
    if (!op || policy->decide(op).category == Precision::Allow || !tail.insert(op).second)
      continue;
    llvm::append_range(values, op->getOperands());
  }
}

void Autocast::findRange(Operation *op) {
  SmallVector<FloatRange> operands;
  std::optional<FloatRange> all;
  auto precision = dyn_cast<PrecisionOpInterface>(op);
  for (OpOperand &operand : op->getOpOperands()) {
    const FloatRange &range = operands.emplace_back(ranges.lookup(operand.get()));
    // Ratios and scales are none of what the op moves.
    if (isFloat(operand.get()) && precision &&
        precision.getOperandPrecision(operand.getOperandNumber()) != OperandPrecision::Full)
      all = all ? all->join(range) : range;
  }
  FloatRange range = all.value_or(FloatRange());
  if (auto ranged = dyn_cast<RangeOpInterface>(op))
    range = ranged.inferRange(operands);
  if (!range.isOrdinary())
    for (Value result : op->getResults())
      if (isFloat(result))
        ranges[result] = range;
}

/// Whether `value` stands in the graph, and is more than one number: those go with what they meet.
static bool isConstantTensor(Value value) {
  return cast<RankedTensorType>(value.getType()).getRank() > 0 && matchPattern(value, m_Constant());
}

bool Autocast::isCounted(ArrayRef<OpOperand *> operands) const {
  bool isAny = false;
  for (OpOperand *operand : operands) {
    bool isOne = counted.contains(operand->get());
    if (!isOne && hasVote(operand->get()))
      return false;
    isAny |= isOne || isConstantTensor(operand->get());
  }
  return isAny;
}

LogicalResult Autocast::castFunction(func::FuncOp function) {
  original.clear();
  counted.clear();
  ranges.clear();
  findLossTail(function);
  SmallVector<Operation *> ops;
  function.walk([&](Operation *op) {
    for (Value result : op->getResults())
      if (isa<RankedTensorType>(result.getType()) && isFloat(result))
        original[result] = getElementTypeOrSelf(result.getType());
    if (op == function)
      return;
    ops.push_back(op);
    findRange(op);
  });
  for (Operation *op : ops) {
    auto precision = dyn_cast<PrecisionOpInterface>(op);
    if (!precision) {
      // A cast takes whatever comes; all others read what the model gave them.
      auto cast = dyn_cast<CastOp>(op);
      if (cast && !isFloat(cast.getInput()) && getElementTypeOrSelf(cast.getType()).isF32())
        counted.insert(cast);
      if (!isa<CastOpInterface>(op))
        restore(op);
      continue;
    }
    if (level == 0 && !lossTail.contains(op)) {
      restore(op);
      continue;
    }
    SmallVector<OpOperand *> operands = computedOperands(precision);
    PrecisionPolicy::Decision decision = policy->decide(precision);
    if (lossTail.contains(op) && decision.category != Precision::Deny)
      decision = {Precision::Deny, "leads from the last low-precision product to the loss"};
    std::string reason = decision.reason;
    bool isExact = level == 2 && isCounted(operands);
    Type type = chooseType(precision, decision, operands, reason);
    if (type)
      for (OpOperand *operand : operands)
        setType(*operand, type);
    for (OpOperand &operand : op->getOpOperands())
      if (isFloat(operand.get()) &&
          precision.getOperandPrecision(operand.getOperandNumber()) == OperandPrecision::Full)
        setType(operand, Float32Type::get(&getContext()));
    if (failed(inferResultTypes(op)))
      return failure();
    if (type && level > 0) {
      numLow += type == policy->lowType();
      remark(op, type, decision.category, reason);
    }
    if (isExact && type && type.isF32()) {
      counted.insert_range(op->getResults());
      continue;
    }
    // In an O2 model only the insides of ops are f32, what leads to the loss, and what the
    // low type does not hold.
    if (level >= 2 && type && type.isF32() && !lossTail.contains(op)) {
      OpBuilder b(op->getContext());
      b.setInsertionPointAfter(op);
      for (Value result : op->getResults()) {
        if (!isFloat(result) || !hasVote(result) ||
            !ranges.lookup(result).fitsIn(policy->lowType().getFloatSemantics()))
          continue;
        auto low = CastOp::create(b, op->getLoc(),
                                  cast<RankedTensorType>(result.getType()).clone(policy->lowType()),
                                  result);
        low.setInserted(true);
        original[low] = original.lookup(result);
        // State keeps its digits: what is assigned is as wide as the variable.
        result.replaceUsesWithIf(low, [&](OpOperand &use) {
          return use.getOwner() != low && !isa<AssignOp>(use.getOwner());
        });
        ++numCasts;
      }
    }
  }
  return success();
}

Type Autocast::chooseType(PrecisionOpInterface op, const PrecisionPolicy::Decision &decision,
                          ArrayRef<OpOperand *> operands, std::string &reason) {
  if (operands.empty())
    return {};
  FloatType low = policy->lowType();
  Type f32 = Float32Type::get(&getContext());
  for (OpOperand *operand : operands)
    if (getElementTypeOrSelf(operand->get().getType()).isF64())
      return {};
  Type type;
  switch (decision.category) {
  case Precision::Allow:
    type = low;
    break;
  case Precision::Deny:
    type = f32;
    break;
  case Precision::Promote:
  case Precision::Follow: {
    if (level == 2 && isCounted(operands)) {
      reason = "computes with integers and constants alone";
      return f32;
    }
    if (level >= 2) {
      type = low;
      break;
    }
    bool voted = false, wide = false, anyWide = false;
    for (OpOperand *operand : operands) {
      if (PrecisionPolicy::isVoteless(*operand))
        continue;
      bool isWide = getElementTypeOrSelf(operand->get().getType()).isF32();
      anyWide |= isWide;
      if (!policy->hasVote(operand->get()))
        continue;
      voted = true;
      wide |= isWide;
    }
    type = (voted ? wide : anyWide) ? f32 : Type(low);
    break;
  }
  }
  if (type != low)
    return type;
  SmallVector<FloatRange> held;
  for (OpOperand *operand : operands)
    held.push_back(ranges.lookup(operand->get()));
  // A sum of operands that all fit need not fit itself.
  for (Value result : op->getResults())
    held.push_back(ranges.lookup(result));
  for (const FloatRange &range : held) {
    std::string loss = findLoss(range, low, decision.category == Precision::Allow);
    if (loss.empty())
      continue;
    reason = loss;
    return f32;
  }
  return type;
}

void Autocast::setType(OpOperand &operand, Type type) {
  Value v = operand.get();
  // Of a master in f32, not of its copy in the file's type.
  if (auto copy = v.getDefiningOp<CastOp>(); copy && copy.getInserted() &&
                                             getVariableRead(copy.getInput()) &&
                                             getElementTypeOrSelf(v.getType()) != type) {
    v = copy.getInput();
    operand.set(v);
  }
  if (getElementTypeOrSelf(v.getType()) == type)
    return;
  Operation *op = v.getDefiningOp();
  if (type.isF32() && sums.contains(operand.getOwner()) && op && v.hasOneUse() &&
      op->getInherentAttr(kWideAttr)) {
    op->setAttr(kWideAttr, UnitAttr::get(&getContext()));
    v.setType(cast<RankedTensorType>(v.getType()).clone(type));
    return;
  }
  OpBuilder b(operand.getOwner());
  auto made = CastOp::create(b, v.getLoc(), cast<RankedTensorType>(v.getType()).clone(type), v);
  made.setInserted(true);
  operand.set(made);
  ++numCasts;
}

/// Casts operands back to the types they had before the pass.
void Autocast::restore(Operation *op) {
  for (OpOperand &operand : op->getOpOperands()) {
    Type type = original.lookup(operand.get());
    if (type && getElementTypeOrSelf(operand.get().getType()) != type)
      setType(operand, type);
  }
}

void Autocast::remark(Operation *op, Type type, Precision category, StringRef reason) {
  std::string typeName = llvm::formatv("{0}", type).str();
  remark::analysis(op->getLoc(), remark::RemarkOpts::name("computes-in")
                                     .category("amp-autocast")
                                     .function(op->getName().getStringRef()))
      << remark::metric("type", typeName) << remark::metric("list", stringify(category))
      << remark::reason("{0}", reason)
      << remark::metric("function", op->getParentOfType<func::FuncOp>().getName());
}
} // namespace
} // namespace ampc
