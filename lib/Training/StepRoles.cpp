//===- StepRoles.cpp - What values are to a differentiated step -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The import marks what optimizer nodes read as gradients. The seed no file names: it is found as
// what makes the step's gradients larger when it is larger itself. Ops tell in which operands they
// are linear (LinearOpInterface), so that this is no guess: a gradient that the file clips, or an
// output that shows one, leaves the step without a seed.
//
//===----------------------------------------------------------------------===//

#include "StepRoles.h"
#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"

namespace ampc {
namespace {
using Gradients = SmallVector<ParameterGradientOp>;

bool isFloat(Value v) { return isa<FloatType>(getElementTypeOrSelf(v.getType())); }

bool isZero(Value v) { return matchPattern(v, m_AnyZeroFloat()); }

/// Whether `v` is a constant 1, of one element and in a type that holds a loss scale.
bool isOne(Value v) {
  auto type = dyn_cast<RankedTensorType>(v.getType());
  return type && type.getNumElements() == 1 && isFloat(v) && type.getElementTypeBitWidth() >= 32 &&
         matchPattern(v, m_OneFloat());
}

/// Whether the results of `op` are multiplied by a number where the operands in `scaled` are. A
/// zero is whatever the op needs.
bool isLinear(Operation *op, const DenseSet<Value> &scaled) {
  auto linear = dyn_cast<LinearOpInterface>(op);
  if (!linear || !llvm::all_of(op->getResults(), isFloat))
    return false;
  SmallVector<bool> withZeros, withoutZeros;
  for (Value operand : op->getOperands()) {
    withoutZeros.push_back(scaled.contains(operand));
    withZeros.push_back(withoutZeros.back() || isZero(operand));
  }
  return linear.isLinearIn(withoutZeros) || linear.isLinearIn(withZeros);
}

/// The ops between `seed` and the gradients, where all of the gradients, and nothing else that
/// leaves the step, are multiplied by a number with it. Else nullopt.
std::optional<SmallVector<Operation *>> followSeed(OpOperand &seed, size_t gradientCount) {
  Operation *first = seed.getOwner();
  DenseSet<Value> scaled;
  SmallVector<Operation *> backward;
  size_t reached = 0;
  for (Operation &op : llvm::make_range(first->getIterator(), first->getBlock()->end())) {
    // Only this use of the constant is scaled.
    if (&op == first)
      scaled.insert(seed.get());
    else
      scaled.erase(seed.get());
    if (llvm::none_of(op.getOperands(), [&](Value v) { return scaled.contains(v); }))
      continue;
    if (auto gradient = dyn_cast<ParameterGradientOp>(op)) {
      if (scaled.contains(gradient.getParameter()))
        return std::nullopt;
      ++reached;
      continue; // unscaled from here on
    }
    if (!isLinear(&op, scaled))
      return std::nullopt;
    scaled.insert(op.result_begin(), op.result_end());
    backward.push_back(&op);
  }
  if (reached != gradientCount)
    return std::nullopt;
  return backward;
}

/// A parameter that is updated with something of which nobody says that it is its gradient; null
/// where there is none.
VariableOp findOtherUpdate(func::FuncOp train, const Gradients &gradients) {
  SymbolTable symbols(train->getParentOfType<ModuleOp>());
  DenseSet<StringRef> known;
  for (ParameterGradientOp gradient : gradients) {
    Value parameter = gradient.getParameter();
    // A weight in 16 bits is read as a copy of its master.
    if (auto copy = parameter.getDefiningOp<CastOp>(); copy && copy.getInserted())
      parameter = copy.getInput();
    if (auto read = parameter.getDefiningOp<ReadOp>())
      known.insert(read.getVariable());
  }
  for (AssignOp assign : train.getOps<AssignOp>()) {
    auto variable = symbols.lookup<VariableOp>(assign.getVariable());
    if (variable.getRole() == VariableRole::Parameter && isFloat(assign.getValue()) &&
        !known.contains(variable.getSymName()))
      return variable;
  }
  return {};
}

/// Whether a gradient depends on what another one updates: then they are not all there before the
/// first update.
bool dependOnEachOther(func::FuncOp train) {
  DenseSet<Value> updated;
  for (Operation &op : train.getBody().front()) {
    bool depends = llvm::any_of(op.getOperands(), [&](Value v) { return updated.contains(v); });
    bool isGradient = isa<ParameterGradientOp>(op);
    if (isGradient && depends)
      return true;
    if (isGradient || depends)
      updated.insert(op.result_begin(), op.result_end());
  }
  return false;
}

/// Why the gradients are not all known; "" where they are.
std::string findUnknown(func::FuncOp train, const Gradients &gradients) {
  if (gradients.empty())
    return "no optimizer node tells which values are gradients";
  if (VariableOp variable = findOtherUpdate(train, gradients))
    return "no optimizer node updates '" + variable.getSymName().str() + "'";
  if (dependOnEachOther(train))
    return "a gradient is computed with what another one updates";
  return "";
}

/// Puts `amp.seed` in. False where there is no seed.
bool markSeed(func::FuncOp train, Value loss, size_t gradientCount) {
  for (Operation &op : train.getBody().front())
    for (OpOperand &operand : op.getOpOperands()) {
      if (!isOne(operand.get()))
        continue;
      std::optional<SmallVector<Operation *>> backward = followSeed(operand, gradientCount);
      if (!backward)
        continue;
      OpBuilder b(&op);
      operand.set(SeedOp::create(b, op.getLoc(), operand.get(), loss));
      // Nodes of a training_info compute in f32, but these are a backward pass, which computes as
      // the forward ops do.
      for (Operation *step : *backward)
        if (auto precision = step->getAttrOfType<DictionaryAttr>(kPrecisionAttr))
          if (precision.getAs<StringAttr>("reason") == "training_info")
            step->removeAttr(kPrecisionAttr);
      sortTopologically(op.getBlock()); // the loss may stand behind the backward pass
      return true;
    }
  return false;
}
} // namespace

void findStepRoles(func::FuncOp train, Value loss) {
  Gradients gradients(train.getOps<ParameterGradientOp>());
  bool isDifferentiated = train.getOps<GradientOp>().empty();
  std::string unknown = isDifferentiated ? findUnknown(train, gradients) : "";
  if (!isDifferentiated || !unknown.empty())
    for (ParameterGradientOp gradient : gradients) {
      gradient.replaceAllUsesWith(gradient.getGradient());
      gradient.erase();
    }
  if (!isDifferentiated)
    return;
  if (unknown.empty() && !loss)
    unknown = "no output is known to be the loss";
  if (unknown.empty() && !markSeed(train, loss, gradients.size()))
    unknown = "there is no constant 1 that all gradients, and nothing else, are multiples of";
  if (!unknown.empty())
    train->setAttr(kUnscalableAttr, StringAttr::get(train.getContext(), unknown));
  remark::analysis(train.getLoc(),
                   remark::RemarkOpts::name("roles").category("amp-make-training-step"))
      << remark::metric("gradients", std::to_string(gradients.size()))
      << remark::reason("{0}", unknown.empty()
                                   ? "a loss scale enters where the backward pass begins"
                                   : unknown);
}
} // namespace ampc
