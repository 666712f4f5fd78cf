//===- Differentiate.cpp - Replace amp.gradient by the ops that compute it -===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Reverse mode on the graph. What an op's gradient is, the op says; this pass finds the
// ops on the way from the values to the result, walks them backwards, and sums.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Training/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/TypeUtilities.h"

namespace ampc {
#define GEN_PASS_DEF_DIFFERENTIATE
#include "ampc/Training/Passes.h.inc"

namespace {
bool isFloat(Value v) { return isa<FloatType>(getElementTypeOrSelf(v.getType())); }

/// Whether a gradient can flow from a result of `op` to its operand `index`.
bool passesGradient(Operation *op, unsigned index) {
  if (!isFloat(op->getOperand(index)))
    return false;
  auto gradient = dyn_cast<GradientOpInterface>(op);
  // An op that says nothing is on the way: its missing gradient is an error later.
  return !gradient || gradient.isDifferentiable(index);
}

/// The expansion of one amp.gradient.
class GradientExpander {
public:
  explicit GradientExpander(GradientOp request) : request(request), builder(request) {}
  LogicalResult expand();

private:
  void findActive();
  /// The type in which gradients of `v` are summed.
  Type gradientType(Value v);
  void accumulate(Value v, Value gradient);
  LogicalResult differentiate(Operation *op);

  GradientOp request;
  OpBuilder builder;
  /// Values that depend on what is differentiated by, and of those the ones whose bits
  /// come from nothing else.
  DenseSet<Value> active, carriers;
  DenseMap<Value, Value> gradients;
};

void GradientExpander::findActive() {
  for (Value x : request.getWrt()) {
    active.insert(x);
    carriers.insert(x);
  }
  for (Operation &op : *request->getBlock()) {
    if (&op == request)
      break;
    bool reached = false, carries = true;
    for (OpOperand &operand : op.getOpOperands()) {
      if (!active.contains(operand.get()) || !passesGradient(&op, operand.getOperandNumber()))
        continue;
      reached = true;
      carries &= carriers.contains(operand.get());
    }
    if (!reached)
      continue;
    // Casts and ops that only move bits hand a parameter on.
    auto precision = dyn_cast<PrecisionOpInterface>(op);
    carries &= isa<CastOpInterface>(op) || (precision && precision.getPrecisionRecord().isFollow());
    for (Value result : op.getResults()) {
      if (!isFloat(result))
        continue;
      active.insert(result);
      if (carries)
        carriers.insert(result);
    }
  }
}

Type GradientExpander::gradientType(Value v) {
  Type type = getElementTypeOrSelf(v.getType());
  if (carriers.contains(v) && type.getIntOrFloatBitWidth() < 32)
    return builder.getF32Type();
  return type;
}

void GradientExpander::accumulate(Value v, Value gradient) {
  Value &sum = gradients[v];
  if (!sum) {
    sum = gradient;
    return;
  }
  sum = buildSum(builder, gradient.getLoc(), sum, gradient);
}

LogicalResult GradientExpander::differentiate(Operation *op) {
  SmallVector<Value> incoming;
  for (Value result : op->getResults())
    incoming.push_back(gradients.lookup(result));
  if (llvm::none_of(incoming, [](Value g) { return bool(g); }))
    return success();
  SmallVector<Type> wanted;
  for (OpOperand &operand : op->getOpOperands())
    wanted.push_back(active.contains(operand.get()) &&
                             passesGradient(op, operand.getOperandNumber())
                         ? gradientType(operand.get())
                         : Type());
  if (llvm::none_of(wanted, [](Type t) { return bool(t); }))
    return success();
  auto gradient = dyn_cast<GradientOpInterface>(op);
  if (!gradient)
    return op->emitOpError("is on the way to the loss and has no gradient");
  GradientBuilder g(builder, op, incoming, wanted);
  gradient.buildGradient(g);
  for (OpOperand &operand : op->getOpOperands())
    if (Value contribution = g.get(operand.getOperandNumber()))
      accumulate(operand.get(), contribution);
  return success();
}

LogicalResult GradientExpander::expand() {
  findActive();
  Value of = request.getOf();
  Value seed = request.getSeed();
  if (!seed)
    seed = splat(builder, request.getLoc(), cast<RankedTensorType>(of.getType()), 1.0);
  if (active.contains(of)) {
    gradients[of] = seed;
    SmallVector<Operation *> backwards;
    for (Operation &op : *request->getBlock()) {
      if (&op == request)
        break;
      backwards.push_back(&op);
    }
    for (Operation *op : llvm::reverse(backwards))
      if (failed(differentiate(op)))
        return failure();
  }
  for (auto [x, result] : llvm::zip(request.getWrt(), request.getGradients())) {
    auto type = cast<RankedTensorType>(result.getType());
    Value gradient = gradients.lookup(x);
    if (!gradient)
      gradient = splat(builder, request.getLoc(), type, 0.0);
    result.replaceAllUsesWith(castTo(builder, request.getLoc(), gradient, type.getElementType()));
  }
  request.erase();
  return success();
}

struct Differentiate : impl::DifferentiateBase<Differentiate> {
  void runOnOperation() override {
    // In the order they stand in: a gradient of a gradient finds the first one expanded.
    SmallVector<GradientOp> requests;
    getOperation().walk([&](GradientOp op) { requests.push_back(op); });
    for (GradientOp request : requests)
      if (failed(GradientExpander(request).expand()))
        return signalPassFailure();
  }
};
} // namespace
} // namespace ampc
