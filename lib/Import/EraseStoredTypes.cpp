//===- EraseStoredTypes.cpp - Stored types as bytes -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EraseStoredTypes.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Support/StoredTypes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AttrTypeSubElements.h"

using namespace mlir;

namespace ampc {
static bool isStored(Type type) { return findStoredType(type) != nullptr; }

/// The bytes of the elements: their bits, zeros above.
static DenseElementsAttr bytesOf(DenseElementsAttr value) {
  SmallVector<APInt> bytes;
  auto add = [&](const APInt &bits) { bytes.push_back(bits.zextOrTrunc(8)); };
  if (isa<FloatType>(value.getElementType())) {
    for (const APFloat &element : value.getValues<APFloat>()) {
      add(element.bitcastToAPInt());
      if (value.isSplat())
        break;
    }
  } else {
    for (const APInt &element : value.getValues<APInt>()) {
      add(element);
      if (value.isSplat())
        break;
    }
  }
  auto type = value.getType().clone(IntegerType::get(value.getContext(), 8));
  return DenseElementsAttr::get(cast<ShapedType>(type), bytes);
}

/// Has a cast say what its bytes are. One between two types that lie in i8 goes by way of a type
/// that computes: MLIR takes a cast from a type to itself for none.
static void nameBytes(CastOp cast) {
  const StoredType *from = findStoredType(cast.getInput().getType());
  const StoredType *to = findStoredType(cast.getType());
  auto isByte = [](Type type) { return getElementTypeOrSelf(type).isInteger(8); };
  bool isFromByte = from || isByte(cast.getInput().getType());
  if ((from || to) && isFromByte && (to || isByte(cast.getType()))) {
    OpBuilder builder(cast);
    const StoredType &other = from ? *from : *to;
    Type via = other.isFloat() ? Type(builder.getF32Type()) : builder.getI32Type();
    Value wide = castTo(builder, cast.getLoc(), cast.getInput(), via);
    if (from)
      wide.getDefiningOp<CastOp>().setFrom(from->name);
    cast.getInputMutable().assign(wide);
    from = nullptr;
  }
  if (from)
    cast.setFrom(from->name);
  if (to)
    cast.setTo(to->name);
}

void eraseStoredTypes(ModuleOp module, WeightStore &weights) {
  weights.eraseStoredTypes();
  bool found = false;
  module.walk([&](Operation *op) {
    found |= llvm::any_of(op->getResultTypes(), isStored);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        found |= llvm::any_of(block.getArgumentTypes(), isStored);
  });
  if (!found)
    return;

  module.walk(nameBytes);
  SmallVector<std::function<void()>> declarations;
  for (auto function : module.getOps<func::FuncOp>()) {
    for (auto [i, type] : llvm::enumerate(function.getArgumentTypes()))
      if (isStored(type))
        declarations.push_back([function, i = unsigned(i), type = type]() mutable {
          function.setArgAttr(i, kDeclaredTypeAttr, TypeAttr::get(type));
        });
    for (auto [i, type] : llvm::enumerate(function.getResultTypes()))
      if (isStored(type))
        declarations.push_back([function, i = unsigned(i), type = type]() mutable {
          function.setResultAttr(i, kDeclaredTypeAttr, TypeAttr::get(type));
        });
  }
  AttrTypeReplacer replacer;
  replacer.addReplacement([](Type type) -> std::optional<Type> {
    if (type.isIntOrFloat() && isStored(type))
      return IntegerType::get(type.getContext(), 8);
    return std::nullopt;
  });
  replacer.addReplacement([](DenseElementsAttr value) -> std::optional<Attribute> {
    if (isStored(value.getElementType()))
      return bytesOf(value);
    return std::nullopt;
  });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
  for (auto &declare : declarations)
    declare();
}
} // namespace ampc
