//===- Gradient.cpp - The request for gradients ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Gradient.h"
#include "ampc/Dialect/Amp/GradientBuilder.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace ampc;

LogicalResult GradientOp::verify() {
  if (getWrt().size() != getGradients().size())
    return emitOpError("has ") << getGradients().size() << " results for " << getWrt().size()
                               << " values";
  if (Value seed = getSeed())
    if (seed.getType() != getOf().getType())
      return emitOpError("has a seed ") << seed.getType() << " for a value " << getOf().getType();
  for (auto [x, g] : llvm::zip(getWrt(), getGradients())) {
    auto xType = cast<RankedTensorType>(x.getType());
    auto gType = cast<RankedTensorType>(g.getType());
    if (gType.getShape() != xType.getShape())
      return emitOpError("has gradient ") << gType << " for a value " << xType;
  }
  return success();
}

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

/// The expansion of one amp.gradient: reverse mode on the graph. What an op's gradient is, the op
/// says; this finds the ops on the way from the values to the result, walks them backwards, and
/// sums.
class GradientExpander {
public:
  /// Ops up to `before`, if there is one, are none that it looks at.
  GradientExpander(GradientOp request, Operation *before)
      : request(request), first(before ? before->getNextNode() : &request->getBlock()->front()),
        builder(request) {}
  LogicalResult expand();

private:
  void findActive();
  /// The type in which gradients of `v` are summed.
  Type gradientType(Value v);
  void accumulate(Value v, Value gradient);
  /// Says of the ops behind `before` that they are on the way back, and of what `op` gives its
  /// operands, whose gradients they are.
  void nameGradients(Operation *op, Operation *before, const GradientBuilder &g);
  LogicalResult differentiate(Operation *op);

  /// What may be on the way, in its order.
  auto candidates() { return llvm::make_range(first->getIterator(), request->getIterator()); }

  GradientOp request;
  Operation *first;
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
  for (Operation &op : candidates()) {
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
    carries &= isa<CastOpInterface, JoinOpInterface>(op) ||
               (precision && precision.getPrecisionRecord().isFollow());
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

/// What the model calls `v`: a parameter, an input or a node's output; "" where it is a part of
/// one.
static StringRef getModelName(Value v) {
  if (FlatSymbolRefAttr variable = getVariableRead(v))
    return variable.getValue();
  if (auto result = dyn_cast<OpResult>(v)) {
    StringRef name = getResultName(result.getLoc(), result.getResultNumber()).value;
    bool isCast = name.empty() && isa<CastOpInterface>(result.getOwner());
    return isCast ? getModelName(result.getOwner()->getOperand(0)) : name;
  }
  auto argument = cast<BlockArgument>(v);
  auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
  auto name = function ? function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kNameAttr)
                       : StringAttr();
  return name ? name.getValue() : "";
}

void GradientExpander::nameGradients(Operation *op, Operation *before, const GradientBuilder &g) {
  auto made = llvm::make_range(before ? std::next(before->getIterator()) : op->getBlock()->begin(),
                               request->getIterator());
  DenseMap<Operation *, SmallVector<StringRef>> names;
  for (OpOperand &operand : op->getOpOperands())
    if (Value gradient = g.get(operand.getOperandNumber()))
      if (Operation *maker = gradient.getDefiningOp()) {
        SmallVector<StringRef> &given = names[maker];
        given.resize(maker->getNumResults());
        given[cast<OpResult>(gradient).getResultNumber()] = getModelName(operand.get());
      }
  // A cast is part of no node: the nodes behind it give its gradient.
  Value next = isa<CastOpInterface>(op) ? g.resultGradient() : Value();
  for (Operation &maker : made)
    maker.setLoc(nameResults(next ? next.getLoc() : maker.getLoc(), names.lookup(&maker),
                             /*isGradient=*/true));
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
  Operation *before = request->getPrevNode();
  gradient.buildGradient(g);
  nameGradients(op, before, g);
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
    for (Operation &op : candidates())
      backwards.push_back(&op);
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
} // namespace

LogicalResult GradientOp::expand(Operation *before) {
  return GradientExpander(*this, before).expand();
}

/// The gradient of a forward node that a gradient node's definition (GradientFunctions.cpp) writes
/// out: of input 0, seeded with input 1, by the rest, which are taken for independent of each
/// other. It is expanded at once: to what follows, the graph arrived differentiated.
static FailureOr<SmallVector<Value>> importSeeded(OnnxNode &node, OpBuilder &b) {
  bool isWhole = node.inputs.size() >= 3 &&
                 llvm::all_of(node.inputs, [](Value input) { return input && isFloat(input); });
  if (!isWhole)
    return node.emitError() << "takes a value, its gradient, and one or more to differentiate by, "
                               "all of floats";
  Value of = node.input(0), seed = node.input(1);
  if (of.getType() != seed.getType())
    return node.emitError() << "has a gradient " << seed.getType() << " of a value "
                            << of.getType();
  SmallVector<Value> wrt(llvm::drop_begin(node.inputs, 2));
  Operation *before = nullptr; // the last that makes one of them
  for (Value x : wrt)
    if (Operation *maker = x.getDefiningOp(); maker && maker->getBlock() == b.getInsertionBlock())
      before = before && maker->isBeforeInBlock(before) ? before : maker;
  SmallVector<Type> types;
  for (Value x : wrt)
    types.push_back(x.getType());
  // What it gives is read through copies, since expanding it replaces its results.
  auto request = GradientOp::create(b, node.loc, types, of, seed, wrt);
  auto read = UnrealizedConversionCastOp::create(b, node.loc, types, request.getGradients());
  if (failed(request.expand(before)))
    return failure();
  SmallVector<Value> gradients(read.getInputs());
  read.erase();
  return gradients;
}

/// Gradient-1: d y / d xs. The node's inputs are the values of xs, then of zs; where they
/// are other tensors than those named, what lies between them and y is evaluated again.
FailureOr<SmallVector<Value>> GradientOp::importNode(OnnxNode &node, OpBuilder &b) {
  if (node.domain == "com.microsoft")
    return importSeeded(node, b);
  auto xs = node.getStrings("xs");
  auto zs = node.getStrings("zs");
  std::string y = node.getString("y", "");
  if (node.hadError)
    return failure();
  if (!xs || xs->empty())
    return node.emitError() << "lacks attribute xs";
  std::vector<std::string> names = *xs;
  if (zs)
    names.insert(names.end(), zs->begin(), zs->end());
  if (node.inputs.size() != names.size())
    return node.emitError() << "has " << node.inputs.size() << " inputs for " << names.size()
                            << " names in xs and zs";
  Value of = node.valueOf(y);
  if (!of)
    return node.emitError() << "differentiates y = '" << y << "', which no node before it makes";
  if (!isa<FloatType>(getElementTypeOrSelf(of.getType())))
    return node.emitError() << "differentiates y = '" << y << "' of type " << of.getType();

  SmallVector<Value> wrt;
  IRMapping substituted;
  for (auto [i, name] : llvm::enumerate(names)) {
    Value named = node.valueOf(name);
    Value given = node.inputs[i];
    if (!named)
      return node.emitError() << "names '" << name << "', which no node before it makes";
    if (!given)
      return node.emitError() << "lacks the value of '" << name << "'";
    if (named.getType() != given.getType())
      return node.emitError() << "is given " << given.getType() << " for '" << name << "' of type "
                              << named.getType();
    if (named != given)
      substituted.map(named, given);
    if (i < xs->size()) {
      if (!isa<FloatType>(getElementTypeOrSelf(given.getType())))
        return node.emitError() << "differentiates with respect to '" << name << "' of type "
                                << given.getType();
      wrt.push_back(given);
    }
  }
  if (!substituted.getValueMap().empty() && of.getDefiningOp()) {
    llvm::SetVector<Operation *> slice;
    BackwardSliceOptions options;
    options.inclusive = true;
    if (failed(getBackwardSlice(of, &slice, options)))
      return node.emitError() << "depends on something that cannot be evaluated again";
    for (Operation *op : slice) {
      if (llvm::any_of(op->getResults(), [&](Value v) { return substituted.contains(v); }))
        continue;
      if (llvm::any_of(op->getOperands(), [&](Value v) { return substituted.contains(v); }))
        b.clone(*op, substituted);
    }
    of = substituted.lookupOrDefault(of);
  }
  SmallVector<Type> types;
  for (Value x : wrt)
    types.push_back(x.getType());
  auto op = GradientOp::create(b, node.loc, types, of, /*seed=*/Value(), wrt);
  return SmallVector<Value>(op.getGradients());
}
