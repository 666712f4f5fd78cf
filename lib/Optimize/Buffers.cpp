//===- Buffers.cpp - Which bytes a value stands for ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Optimize/Buffers.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "ampc/Support/NodeLocation.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/CheckedArithmetic.h"

namespace ampc {

std::optional<uint64_t> getByteSize(Type tensorType) {
  auto type = cast<RankedTensorType>(tensorType);
  uint64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  // Extents of zero first: they make any product zero.
  if (llvm::is_contained(type.getShape(), 0))
    return 0;
  for (int64_t extent : type.getShape()) {
    std::optional<uint64_t> product = llvm::checkedMulUnsigned(bytes, uint64_t(extent));
    if (!product)
      return std::nullopt;
    bytes = *product;
  }
  return bytes;
}

std::optional<uint64_t> getPaddedSize(Type tensorType) {
  std::optional<uint64_t> bytes = getByteSize(tensorType);
  if (!bytes || *bytes > uint64_t(std::numeric_limits<int64_t>::max()) / 2)
    return std::nullopt;
  return llvm::alignTo(*bytes, AMPC_ALIGNMENT);
}

SmallVector<VariableOp> getUsedVariables(ModuleOp module) {
  DenseSet<StringAttr> used;
  module.walk([&](Operation *op) {
    if (auto read = dyn_cast<ReadOp>(op))
      used.insert(read.getVariableAttr().getAttr());
    if (auto assign = dyn_cast<AssignOp>(op))
      used.insert(assign.getVariableAttr().getAttr());
  });
  return llvm::filter_to_vector(module.getOps<VariableOp>(), [&](VariableOp variable) {
    return used.contains(variable.getSymNameAttr());
  });
}

/// The value in whose buffer `value` lies, and at which byte.
static std::pair<Value, uint64_t> locate(Value value) {
  uint64_t offset = 0;
  while (true) {
    value = getViewed(value);
    if (auto view = value.getDefiningOp<plan::ViewOp>()) {
      offset += view.getOffset(); // within a tensor, as verified
      value = view.getInput();
      continue;
    }
    auto step = value.getDefiningOp<plan::StepOpInterface>();
    if (!step)
      return {value, offset};
    int64_t tied = step.getTiedOperand(cast<OpResult>(value).getResultNumber());
    if (tied < 0)
      return {value, offset};
    value = step->getOperand(tied);
  }
}

Value getBufferOwner(Value value) { return locate(value).first; }

uint64_t getOffsetInOwner(Value value) { return locate(value).second; }

uint64_t getByteOffset(AssignOp assign) {
  auto type = cast<RankedTensorType>(assign.getValue().getType());
  return uint64_t(assign.getPlace()) * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

FlatSymbolRefAttr getReadVariable(Value value) { return getVariableRead(getViewed(value)); }

std::string joinNodeNames(Location loc) { return llvm::join(getNodeNames(loc), ", "); }

std::string getDisplayName(Value value) {
  if (FlatSymbolRefAttr variable = getReadVariable(value))
    return variable.getValue().str();
  value = getViewed(value);
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    StringAttr name;
    if (function)
      name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kNameAttr);
    return name ? name.str() : ("argument " + Twine(argument.getArgNumber())).str();
  }
  std::string names = joinNodeNames(value.getLoc());
  if (names.empty())
    names = value.getDefiningOp()->getName().getStringRef().str();
  auto result = cast<OpResult>(value);
  if (result.getOwner()->getNumResults() > 1)
    names += (" (result " + Twine(result.getResultNumber()) + ")").str();
  return names;
}

} // namespace ampc
