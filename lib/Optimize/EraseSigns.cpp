//===- EraseSigns.cpp - Unsigned tensors as bits --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EraseSigns.h"
#include "ampc/Dialect/Amp/AmpBase.h"
#include "ampc/Optimize/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AttrTypeSubElements.h"

using namespace mlir;

namespace ampc {
static bool isUnsigned(Type type) { return getElementTypeOrSelf(type).isUnsignedInteger(); }

void eraseSigns(ModuleOp module) {
  bool found = false;
  module.walk([&](Operation *op) {
    found |= llvm::any_of(op->getOperandTypes(), isUnsigned) ||
             llvm::any_of(op->getResultTypes(), isUnsigned);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        found |= llvm::any_of(block.getArgumentTypes(), isUnsigned);
  });
  if (!found)
    return;

  auto erased = [](IntegerType type) {
    return IntegerType::get(type.getContext(), type.getWidth());
  };
  SmallVector<std::function<void()>> declarations;
  for (auto function : module.getOps<func::FuncOp>()) {
    for (auto [i, type] : llvm::enumerate(function.getArgumentTypes()))
      if (isUnsigned(type) && !function.getArgAttr(i, kDeclaredTypeAttr))
        declarations.push_back([function, i = unsigned(i), type = type]() mutable {
          function.setArgAttr(i, kDeclaredTypeAttr, TypeAttr::get(type));
        });
    for (auto [i, type] : llvm::enumerate(function.getResultTypes()))
      if (isUnsigned(type))
        declarations.push_back([function, i = unsigned(i), type = type]() mutable {
          function.setResultAttr(i, kDeclaredTypeAttr, TypeAttr::get(type));
        });
  }
  AttrTypeReplacer replacer;
  replacer.addReplacement([&](IntegerType type) -> std::optional<Type> {
    // Below 8 bits they only are what a function declares, and lie in i8 already.
    return type.isUnsigned() && type.getWidth() >= 8 ? std::optional<Type>(erased(type))
                                                     : std::nullopt;
  });
  replacer.addReplacement([&](DenseIntElementsAttr value) -> std::optional<Attribute> {
    auto type = cast<IntegerType>(value.getElementType());
    return type.isUnsigned() ? std::optional<Attribute>(value.bitcast(erased(type))) : std::nullopt;
  });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
  module.walk([](UnrealizedConversionCastOp cast) {
    if (cast.getNumOperands() == 1 && cast.getOperand(0).getType() == cast.getType(0)) {
      cast.replaceAllUsesWith(cast.getOperands());
      cast.erase();
    }
  });
  for (auto &declare : declarations)
    declare();
}
} // namespace ampc
