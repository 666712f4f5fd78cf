//===- AmpDialect.cpp - The amp dialect -----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/BatchReduction.h"
#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "ampc/Dialect/Amp/Ops/State.h"
#include "ampc/Dialect/Amp/Product.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace ampc;

#include "ampc/Dialect/Amp/AmpDialect.cpp.inc"
#include "ampc/Dialect/Amp/AmpInterfaces.cpp.inc"
#include "ampc/Dialect/Amp/BatchReduction.cpp.inc"
#include "ampc/Dialect/Amp/Product.cpp.inc"

// Each family registers its ops where they are defined (Ops/Family.cpp.in).
namespace ampc {
#define AMPC_FAMILY(Family) void register##Family##Ops(AmpDialect &dialect);
#include "ampc/Dialect/Amp/AmpFamilies.inc"
} // namespace ampc

void AmpDialect::initialize() {
#define AMPC_FAMILY(Family) register##Family##Ops(*this);
#include "ampc/Dialect/Amp/AmpFamilies.inc"
}

Operation *AmpDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type,
                                           Location loc) {
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || elements.getType() != type)
    return nullptr;
  return ConstantOp::create(builder, loc, elements);
}

/// What is wrong with a precision that the user asks for; "" where nothing is.
static std::string findPrecisionError(Attribute attribute) {
  auto asked = dyn_cast<DictionaryAttr>(attribute);
  auto category = asked ? asked.getAs<StringAttr>("category") : StringAttr();
  if (!category || !asked.getAs<StringAttr>("reason"))
    return " needs a category and a reason";
  if (category.getValue() != kFullPrecision && !symbolizePrecision(category.getValue()))
    return (" has category \"" + category.getValue() + "\": allow, deny, promote, follow or f32")
        .str();
  return "";
}

/// The index may be none of the op's by now, where an operand that it could do without is gone.
static std::string findOperandPrecisionError(Attribute attribute) {
  auto list = dyn_cast<ArrayAttr>(attribute);
  for (Attribute entry : list ? list.getValue() : ArrayRef<Attribute>()) {
    auto asked = dyn_cast<DictionaryAttr>(entry);
    auto index = asked ? asked.getAs<IntegerAttr>("operand") : IntegerAttr();
    auto category = asked ? asked.getAs<StringAttr>("category") : StringAttr();
    std::optional<Precision> precision =
        category ? symbolizePrecision(category.getValue()) : std::nullopt;
    if (!index || index.getValue().isNegative() || !asked.getAs<StringAttr>("reason") ||
        (precision != Precision::Allow && precision != Precision::Deny))
      list = nullptr;
  }
  return list
             ? ""
             : " is a list of an operand's index, a category, which is allow or deny, and a reason";
}

static std::string findOperatorPrecisionsError(Attribute attribute) {
  auto asked = dyn_cast<DictionaryAttr>(attribute);
  if (!asked)
    return " has a precision for each of its operators";
  for (NamedAttribute entry : asked)
    if (std::string error = findPrecisionError(entry.getValue()); !error.empty())
      return ", of " + entry.getName().str() + "," + error;
  return "";
}

LogicalResult AmpDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  std::string error;
  if (attribute.getName() == kPrecisionAttr)
    error = findPrecisionError(attribute.getValue());
  else if (attribute.getName() == kOperandPrecisionAttr)
    error = findOperandPrecisionError(attribute.getValue());
  else if (attribute.getName() == kOperatorPrecisionsAttr)
    error = findOperatorPrecisionsError(attribute.getValue());
  if (error.empty())
    return success();
  return op->emitOpError() << attribute.getName().getValue() << error;
}

SmallVector<int64_t> ampc::placesIn(ArrayRef<int64_t> order, ArrayRef<int64_t> dimensions) {
  SmallVector<int64_t> places;
  for (int64_t dimension : dimensions)
    places.push_back(llvm::find(order, dimension) - order.begin());
  return places;
}

SmallVector<int64_t> ampc::orderWithout(ArrayRef<int64_t> order, ArrayRef<int64_t> dimensions) {
  SmallVector<int64_t> rest;
  for (int64_t dimension : order)
    if (!llvm::is_contained(dimensions, dimension)) // counted among those that stay
      rest.push_back(dimension -
                     llvm::count_if(dimensions, [&](int64_t other) { return other < dimension; }));
  return isIdentityPermutation(rest) ? SmallVector<int64_t>() : rest;
}

std::optional<SmallVector<int64_t>> ampc::broadcastShapes(ArrayRef<ArrayRef<int64_t>> shapes) {
  size_t rank = 0;
  for (ArrayRef<int64_t> shape : shapes)
    rank = std::max(rank, shape.size());
  SmallVector<int64_t> result(rank, 1);
  for (ArrayRef<int64_t> shape : shapes)
    for (auto [i, extent] : llvm::enumerate(llvm::reverse(shape))) {
      int64_t &merged = result[rank - 1 - i];
      if (extent == merged || extent == 1)
        continue;
      if (merged != 1)
        return std::nullopt;
      merged = extent;
    }
  return result;
}

Value ampc::castTo(OpBuilder &builder, Location loc, Value x, Type type) {
  auto from = cast<RankedTensorType>(x.getType());
  if (from.getElementType() == type)
    return x;
  return CastOp::create(builder, loc, from.clone(type), x);
}

Value ampc::splat(OpBuilder &builder, Location loc, RankedTensorType type, double value) {
  Attribute element;
  if (isa<FloatType>(type.getElementType()))
    element = builder.getFloatAttr(type.getElementType(), value);
  else
    element = builder.getIntegerAttr(type.getElementType(), int64_t(value));
  return ConstantOp::create(builder, loc, DenseElementsAttr::get(type, element));
}

Value ampc::readScalar(OpBuilder &builder, Location loc, StringRef variable,
                       DenseElementsAttr initial) {
  auto module = builder.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(variable)) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    VariableOp::create(builder, builder.getUnknownLoc(), VariableRole::Scalar, variable,
                       initial.getType(), initial, /*from_model=*/false,
                       /*trained=*/false);
  }
  return ReadOp::create(builder, loc, initial.getType(), variable);
}

void ampc::setBatchAxis(NamedAttrList &attributes, MLIRContext *context,
                        std::optional<int64_t> axis) {
  if (!axis)
    return;
  Builder builder(context);
  attributes.set(kBatchedAttr, builder.getUnitAttr());
  if (*axis != 0)
    attributes.set(kBatchAxisAttr, builder.getI64IntegerAttr(*axis));
}

std::optional<int64_t> ampc::getBatchAxis(DictionaryAttr attributes) {
  if (!attributes || !attributes.get(kBatchedAttr))
    return std::nullopt;
  auto axis = attributes.getAs<IntegerAttr>(kBatchAxisAttr);
  return axis ? axis.getInt() : 0;
}
