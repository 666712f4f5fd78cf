//===- Gradient.cpp - The request for gradients ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Gradient.h"
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

/// Gradient-1: d y / d xs. The node's inputs are the values of xs, then of zs; where they
/// are other tensors than those named, what lies between them and y is evaluated again.
FailureOr<SmallVector<Value>> GradientOp::importNode(OnnxNode &node, OpBuilder &b) {
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
