//===- StoreBf16AsBits.cpp - Move bf16 as 16 bits -------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
// x86 has no bf16 but with AVX512-BF16. LLVM keeps such values in f32 registers and calls the
// compiler's runtime to round them back, even where they are only moved.
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/Passes.h"

using namespace mlir;

namespace ampc {
#define GEN_PASS_DEF_STOREBF16ASBITS
#include "ampc/Target/Passes.h.inc"

namespace {
/// i16 for bf16, also in vectors; other types as they are.
Type asBits(Type type) {
  if (type.isBF16())
    return IntegerType::get(type.getContext(), 16);
  if (auto vector = dyn_cast<VectorType>(type); vector && vector.getElementType().isBF16())
    return vector.clone(asBits(vector.getElementType()));
  return type;
}

/// The bits of a constant.
Attribute asBits(Attribute value) {
  if (auto number = dyn_cast<FloatAttr>(value); number && number.getType().isBF16())
    return IntegerAttr::get(asBits(number.getType()), number.getValue().bitcastToAPInt());
  if (auto elements = dyn_cast<DenseElementsAttr>(value);
      elements && elements.getElementType().isBF16())
    return elements.bitcast(asBits(elements.getElementType()));
  return value;
}

struct StoreBf16AsBits : impl::StoreBf16AsBitsBase<StoreBf16AsBits> {
  void runOnOperation() override {
    SmallVector<LLVM::BitcastOp> casts;
    WalkResult result = getOperation()->walk([&](Operation *op) {
      bool touches = llvm::any_of(op->getOperandTypes(), [](Type t) { return asBits(t) != t; }) ||
                     llvm::any_of(op->getResultTypes(), [](Type t) { return asBits(t) != t; });
      // Operands may have been turned already: arithmetic shows by its results too.
      if (touches && !isa<LLVM::SelectOp>(op) &&
          isa<LLVM::FastmathFlagsInterface, LLVM::FPTruncOp, LLVM::FPExtOp>(op)) {
        op->emitOpError("computes in bf16, which the host does through f32");
        return WalkResult::interrupt();
      }
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (BlockArgument argument : block.getArguments())
            argument.setType(asBits(argument.getType()));
      for (Value value : op->getResults())
        value.setType(asBits(value.getType()));
      if (auto constant = dyn_cast<LLVM::ConstantOp>(op))
        constant.setValueAttr(asBits(constant.getValue()));
      if (auto address = dyn_cast<LLVM::GEPOp>(op))
        address.setElemType(asBits(address.getElemType()));
      if (auto slot = dyn_cast<LLVM::AllocaOp>(op))
        slot.setElemType(asBits(slot.getElemType()));
      if (auto function = dyn_cast<LLVM::LLVMFuncOp>(op)) {
        auto type = function.getFunctionType();
        auto inputs = llvm::map_to_vector(type.getParams(), [](Type t) { return asBits(t); });
        function.setFunctionType(
            LLVM::LLVMFunctionType::get(asBits(type.getReturnType()), inputs, type.isVarArg()));
      }
      if (auto cast = dyn_cast<LLVM::BitcastOp>(op))
        casts.push_back(cast);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    for (LLVM::BitcastOp cast : casts) {
      if (cast.getArg().getType() != cast.getType())
        continue;
      cast.replaceAllUsesWith(cast.getArg());
      cast.erase();
    }
  }
};
} // namespace
} // namespace ampc
