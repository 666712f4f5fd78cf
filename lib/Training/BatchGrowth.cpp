//===- BatchGrowth.cpp - How a loss grows with the batch ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchGrowth.h"
#include "ampc/Dialect/Amp/BatchReduction.h"
#include "mlir/IR/TypeUtilities.h"

namespace ampc {
namespace {
bool isFloat(Value v) { return isa<FloatType>(getElementTypeOrSelf(v.getType())); }

class GrowthFinder {
public:
  /// Nullopt where samples are kept apart.
  std::optional<BatchGrowth> find(Value v) {
    auto known = growths.find(v);
    if (known != growths.end())
      return known->second;
    std::optional<BatchGrowth> growth = compute(v);
    growths[v] = growth;
    return growth;
  }

private:
  std::optional<BatchGrowth> compute(Value v) {
    Operation *op = v.getDefiningOp();
    if (!op)
      return std::nullopt;
    if (auto reduction = dyn_cast<BatchReductionOpInterface>(op)) {
      // What has taken in the samples before decides: a sum over channels of means over samples is
      // a mean.
      if (std::optional<BatchGrowth> inner = find(op->getOperand(0)))
        return inner;
      if (std::optional<bool> adds = reduction.addsUpSamples())
        return *adds ? BatchGrowth::Sum : BatchGrowth::Mean;
      return std::nullopt;
    }
    SmallVector<bool> mask;
    for (Value operand : op->getOperands())
      mask.push_back(isFloat(operand) && dependsOnBatch(operand));
    auto linear = dyn_cast<LinearOpInterface>(op);
    bool addsTerms = op->hasTrait<AddsOperands>();
    if (!llvm::is_contained(mask, true) || (!addsTerms && (!linear || !linear.isLinearIn(mask))))
      return std::nullopt;
    std::optional<BatchGrowth> growth;
    bool isFirst = true, isAlone = true;
    for (auto [isIn, operand] : llvm::zip(mask, op->getOperands())) {
      if (!isIn) {
        isAlone &= !isFloat(operand);
        continue;
      }
      std::optional<BatchGrowth> own = find(operand);
      growth = isFirst || own == growth ? own : BatchGrowth::Unknown;
      isFirst = false;
    }
    // A number beside a sum: divided by the batch it is a mean; a term of the weights alone belongs
    // to a batch once.
    return growth == BatchGrowth::Sum && !isAlone ? BatchGrowth::Unknown : growth;
  }

  bool dependsOnBatch(Value v) {
    Operation *op = v.getDefiningOp();
    if (!op)
      return true;
    auto known = dependent.find(v);
    if (known != dependent.end())
      return known->second;
    // Without recursion: graphs are deep.
    SmallVector<Value> path{v};
    while (!path.empty()) {
      Value top = path.back();
      bool depends = false;
      Value open;
      for (Value operand : top.getDefiningOp()->getOperands()) {
        if (!operand.getDefiningOp()) {
          depends = true;
          continue;
        }
        auto found = dependent.find(operand);
        if (found == dependent.end())
          open = operand;
        else
          depends |= found->second;
      }
      if (open && !depends) {
        path.push_back(open);
        continue;
      }
      dependent[top] = depends;
      path.pop_back();
    }
    return dependent[v];
  }

  DenseMap<Value, std::optional<BatchGrowth>> growths;
  DenseMap<Value, bool> dependent;
};
} // namespace

BatchGrowth findBatchGrowth(Value loss) {
  return GrowthFinder().find(loss).value_or(BatchGrowth::Unknown);
}

} // namespace ampc
