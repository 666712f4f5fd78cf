//===- Common.cpp - What families of ops share ----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Common.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Values.h"
#include "ampc/Support/StoredTypes.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace ampc;

FailureOr<RankedTensorType> ampc::inferPointwise(std::optional<Location> loc, ValueRange operands,
                                                 Value condition) {
  Type elementType = tensorType(operands.front()).getElementType();
  SmallVector<ArrayRef<int64_t>> shapes;
  if (condition)
    shapes.push_back(tensorType(condition).getShape());
  for (Value operand : operands) {
    RankedTensorType type = tensorType(operand);
    shapes.push_back(type.getShape());
    if (type.getElementType() != elementType)
      return inferenceError(loc, "element types differ: ", operands.front().getType(), " and ",
                            type);
    if (!broadcastShapes(shapes))
      return inferenceError(loc, "shapes do not broadcast: ",
                            condition ? condition.getType() : operands.front().getType(), " and ",
                            type);
  }
  return RankedTensorType::get(*broadcastShapes(shapes), elementType);
}

LogicalResult ampc::inferBinary(std::optional<Location> loc, Value lhs, Value rhs,
                                SmallVectorImpl<Type> &types) {
  FailureOr<RankedTensorType> type = inferPointwise(loc, {lhs, rhs});
  if (failed(type))
    return failure();
  types.push_back(*type);
  return success();
}

FloatRange ampc::inferProductRange(ArrayRef<FloatRange> operands) {
  FloatRange range;
  for (const FloatRange &operand : operands) {
    range.lowest = std::min(range.lowest, operand.lowest);
    range.highest = std::max(range.highest, operand.highest);
  }
  return range;
}

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

FailureOr<Value> ampc::importOp(OnnxNode &node, OpBuilder &builder, StringRef name,
                                ValueRange operands, ArrayRef<NamedAttribute> attributes) {
  if (node.hadError) // an attribute of the wrong type
    return failure();
  FailureOr<Operation *> op = createChecked(node, builder, name, operands, attributes);
  if (failed(op))
    return failure();
  SmallVector<Value> folded;
  if (failed(builder.tryFold(*op, folded)) || folded.empty())
    return (*op)->getResult(0);
  if (folded.front().getDefiningOp() != *op)
    (*op)->erase();
  return folded.front();
}

FailureOr<SmallVector<Value>> ampc::importBinary(OnnxNode &node, OpBuilder &builder,
                                                 StringRef name) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value lhs = node.input(0), rhs = node.input(1);
  if (node.version < 7) {
    node.knowAttributes({"axis"});
    RankedTensorType from = tensorType(lhs), to = tensorType(rhs);
    if (node.getInt("broadcast", 0) == 0) {
      if (from.getShape() != to.getShape())
        return node.emitError() << "shapes differ: " << from << " and " << to
                                << "; before opset 7 inputs broadcast only with the "
                                   "attribute 'broadcast'";
    } else if (node.hasAttribute("axis")) {
      FailureOr<int64_t> axis = normalizeAxis(node, node.getInt("axis", 0), from.getRank());
      if (failed(axis))
        return failure();
      int64_t trailing = from.getRank() - *axis - to.getRank();
      if (trailing < 0)
        return node.emitError() << "input 1, " << to << ", does not fit in input 0, " << from
                                << ", from axis " << *axis << " on";
      SmallVector<int64_t> shape(to.getShape());
      shape.append(trailing, 1);
      rhs = reshapeTo(builder, node.loc, rhs, shape);
    }
  }
  return single(importOp(node, builder, name, {lhs, rhs}));
}

FailureOr<Value> ampc::importVariadic(OnnxNode &node, OpBuilder &builder, StringRef name) {
  if (node.inputs.empty())
    return node.emitError() << "has no inputs";
  if (failed(node.expectInputs(node.inputs.size(), node.inputs.size())))
    return failure();
  Value result = node.input(0);
  for (Value input : ArrayRef(node.inputs).drop_front()) {
    FailureOr<Value> merged = importOp(node, builder, name, {result, input});
    if (failed(merged))
      return failure();
    result = *merged;
  }
  return result;
}

LogicalResult ampc::checkFloats(OnnxNode &node) {
  for (Value input : node.inputs)
    if (input && !isa<FloatType>(tensorType(input).getElementType()))
      return node.emitError() << "inputs must be of floats, but one is " << input.getType();
  return success();
}

SmallVector<NamedAttribute> ampc::stepAttributes(Builder &builder, ArrayRef<int64_t> starts,
                                                 ArrayRef<int64_t> sizes, ArrayRef<int64_t> steps) {
  SmallVector<int64_t> ones(starts.size(), 1);
  return {
      builder.getNamedAttr("starts", builder.getDenseI64ArrayAttr(starts)),
      builder.getNamedAttr("sizes", builder.getDenseI64ArrayAttr(sizes)),
      builder.getNamedAttr("steps", builder.getDenseI64ArrayAttr(steps.empty() ? ones : steps))};
}

FailureOr<SmallVector<int64_t>> ampc::wrapAxes(OnnxNode &node, ArrayRef<int64_t> axes,
                                               int64_t rank) {
  SmallVector<int64_t> result;
  for (int64_t axis : axes) {
    FailureOr<int64_t> wrapped = normalizeAxis(node, axis, rank);
    if (failed(wrapped))
      return failure();
    if (llvm::is_contained(result, *wrapped))
      return node.emitError() << "axis " << axis << " appears twice";
    result.push_back(*wrapped);
  }
  return result;
}

FailureOr<SmallVector<int64_t>> ampc::normalizeAxes(OnnxNode &node, ArrayRef<int64_t> axes,
                                                    int64_t rank) {
  FailureOr<SmallVector<int64_t>> result = wrapAxes(node, axes, rank);
  if (succeeded(result))
    llvm::sort(*result);
  return result;
}

FailureOr<std::optional<SmallVector<int64_t>>> ampc::intsOf(OnnxNode &node, StringRef name,
                                                            unsigned i, int64_t since) {
  using Result = std::optional<SmallVector<int64_t>>;
  if (node.version < since) {
    std::optional<std::vector<int64_t>> ints = node.getInts(name);
    if (node.hadError)
      return failure();
    return ints ? Result(SmallVector<int64_t>(ArrayRef(*ints))) : Result();
  }
  if (!node.input(i))
    return Result();
  FailureOr<SmallVector<int64_t>> ints = node.constantInts(i, name);
  if (failed(ints))
    return failure();
  return Result(*ints);
}

Value ampc::reshapeTo(OpBuilder &builder, Location loc, Value x, ArrayRef<int64_t> shape) {
  return builder.createOrFold<ReshapeOp>(loc, x, shape);
}

FailureOr<Type> ampc::elementTypeOf(OnnxNode &node, OpBuilder &builder, StringRef name) {
  MLIRContext *context = builder.getContext();
  auto unsignedType = [&](unsigned width) -> Type {
    return IntegerType::get(context, width, IntegerType::Unsigned);
  };
  // Numbered as TensorProto.DataType is.
  const std::tuple<StringRef, int64_t, Type> known[] = {
      {"FLOAT", AMPC_DTYPE_F32, builder.getF32Type()},
      {"DOUBLE", AMPC_DTYPE_F64, builder.getF64Type()},
      {"FLOAT16", AMPC_DTYPE_F16, builder.getF16Type()},
      {"BFLOAT16", AMPC_DTYPE_BF16, builder.getBF16Type()},
      {"BOOL", AMPC_DTYPE_BOOL, builder.getI1Type()},
      {"INT8", AMPC_DTYPE_I8, builder.getI8Type()},
      {"INT16", AMPC_DTYPE_I16, builder.getI16Type()},
      {"INT32", AMPC_DTYPE_I32, builder.getI32Type()},
      {"INT64", AMPC_DTYPE_I64, builder.getI64Type()},
      {"UINT8", AMPC_DTYPE_U8, unsignedType(8)},
      {"UINT16", AMPC_DTYPE_U16, unsignedType(16)},
      {"UINT32", AMPC_DTYPE_U32, unsignedType(32)},
      {"UINT64", AMPC_DTYPE_U64, unsignedType(64)}};
  bool isNamed = node.domain.empty() && node.version < 6;
  std::string text = isNamed ? node.getString(name, "") : "";
  int64_t number = isNamed ? 0 : node.getInt(name, 0);
  if (node.hadError)
    return failure();
  for (auto [typeName, typeNumber, type] : known)
    if (isNamed ? typeName == text : typeNumber == number)
      return type;
  if (const StoredType *stored = isNamed ? nullptr : findStoredType(int32_t(number)))
    if (stored->number == number) {
      if (node.version >= stored->since)
        return stored->get(context);
      return node.emitError() << "attribute '" << name << "' is " << stored->name
                              << ", which opset " << stored->since << " has first; the model is of "
                              << "opset " << node.version;
    }
  if (isNamed)
    return node.emitError() << "attribute '" << name << "' is '" << text
                            << "', which is no type that is supported";
  return node.emitError() << "attribute '" << name << "' is type " << number
                          << " of TensorProto.DataType, which is not supported";
}

FailureOr<int64_t> ampc::checkedProduct(OnnxNode &node, ArrayRef<int64_t> extents) {
  int64_t result = 1;
  for (int64_t extent : extents) {
    std::optional<int64_t> next = llvm::checkedMul(result, extent);
    if (!next)
      return node.emitError() << "the shape has more than 2^63 elements";
    result = *next;
  }
  return result;
}

SmallVector<int64_t> ampc::keepAxes(ArrayRef<int64_t> shape, ArrayRef<int64_t> axes) {
  SmallVector<int64_t> kept(shape);
  for (int64_t axis : axes)
    kept[axis] = 1;
  return kept;
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

Value ampc::scaled(GradientBuilder &gradient, Value x, double factor) {
  return buildProduct(gradient.builder, gradient.loc, x, gradient.splatLike(x, factor));
}

//===----------------------------------------------------------------------===//
// Folding
//===----------------------------------------------------------------------===//

std::optional<double> ampc::splatNumber(Value x) {
  DenseElementsAttr elements;
  if (!matchPattern(x, m_Constant(&elements)) || !elements.isSplat() ||
      !isa<FloatType>(elements.getElementType()))
    return std::nullopt;
  return elements.getSplatValue<APFloat>().convertToDouble();
}

SmallVector<int64_t> ampc::stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = int64_t(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

int64_t ampc::place(int64_t i, ArrayRef<int64_t> shape, ArrayRef<int64_t> steps) {
  int64_t result = 0;
  for (int64_t d = int64_t(shape.size()) - 1; d >= 0; --d) {
    result += i % shape[d] * steps[d];
    i /= shape[d];
  }
  return result;
}

/// For each element of `type` in row-major order, the place of the element of an operand of `shape`
/// that broadcasts to it.
static SmallVector<int64_t> broadcastPlaces(ArrayRef<int64_t> shape, RankedTensorType type) {
  SmallVector<int64_t> own = stridesOf(shape), steps(type.getRank(), 0), places;
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1)
      steps[type.getRank() - shape.size() + i] = own[i];
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    places.push_back(place(i, type.getShape(), steps));
  return places;
}

Attribute ampc::foldIntegers(ArrayRef<Attribute> operands, Type result,
                             function_ref<std::optional<int64_t>(ArrayRef<int64_t>)> fn) {
  auto type = cast<RankedTensorType>(result);
  auto resultElement = dyn_cast<IntegerType>(type.getElementType());
  if (!resultElement || type.getNumElements() > kMaxFoldedElements)
    return nullptr;
  SmallVector<SmallVector<int64_t>> values, places;
  for (Attribute operand : operands) {
    auto dense = dyn_cast_if_present<DenseElementsAttr>(operand);
    if (!dense || !isa<IntegerType>(dense.getElementType()))
      return nullptr;
    Type element = dense.getElementType();
    bool isUnsigned = element.isInteger(1) || element.isUnsignedInteger();
    SmallVector<int64_t> &ints = values.emplace_back();
    for (const APInt &value : dense.getValues<APInt>()) {
      if (isUnsigned && !value.isIntN(63)) // no int64_t
        return nullptr;
      ints.push_back(isUnsigned ? value.getZExtValue() : value.getSExtValue());
    }
    places.push_back(broadcastPlaces(dense.getType().getShape(), type));
  }
  SmallVector<APInt> elements;
  SmallVector<int64_t> arguments(operands.size());
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    for (size_t operand = 0; operand < operands.size(); ++operand)
      arguments[operand] = values[operand][places[operand][i]];
    std::optional<int64_t> element = fn(arguments);
    if (!element)
      return nullptr;
    elements.push_back(APInt(64, uint64_t(*element)).sextOrTrunc(resultElement.getWidth()));
  }
  return DenseElementsAttr::get(type, elements);
}

Attribute ampc::foldFloats(ArrayRef<Attribute> operands, Type result,
                           function_ref<APFloat(ArrayRef<APFloat>)> fn) {
  auto type = cast<RankedTensorType>(result);
  bool isBoolean = type.getElementType().isInteger(1);
  if (!(isBoolean || isa<FloatType>(type.getElementType())) ||
      type.getNumElements() > kMaxFoldedElements)
    return nullptr;
  Type element = isBoolean ? Type() : type.getElementType();
  SmallVector<SmallVector<APFloat>> values;
  SmallVector<SmallVector<int64_t>> places;
  for (Attribute operand : operands) {
    auto dense = dyn_cast_if_present<DenseElementsAttr>(operand);
    if (!dense || !isa<FloatType>(dense.getElementType()) ||
        (element && dense.getElementType() != element))
      return nullptr;
    element = dense.getElementType();
    values.push_back(llvm::to_vector(dense.getValues<APFloat>()));
    places.push_back(broadcastPlaces(dense.getType().getShape(), type));
  }
  SmallVector<APFloat> floats;
  SmallVector<bool> booleans;
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    SmallVector<APFloat> arguments;
    for (size_t operand = 0; operand < operands.size(); ++operand)
      arguments.push_back(values[operand][places[operand][i]]);
    APFloat value = fn(arguments);
    if (isBoolean)
      booleans.push_back(!value.isZero());
    else
      floats.push_back(value);
  }
  return isBoolean ? DenseElementsAttr::get(type, booleans) : DenseElementsAttr::get(type, floats);
}

Attribute ampc::foldMove(Attribute operand, Type result, function_ref<int64_t(int64_t)> source) {
  auto type = cast<RankedTensorType>(result);
  auto dense = dyn_cast_if_present<DenseElementsAttr>(operand);
  if (!dense)
    return nullptr;
  if (dense.isSplat())
    return dense.resizeSplat(type);
  if (type.getNumElements() > kMaxFoldedElements || dense.getNumElements() > kMaxFoldedElements)
    return nullptr;
  SmallVector<Attribute> from(dense.getValues<Attribute>()), to;
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    to.push_back(from[source(i)]);
  return DenseElementsAttr::get(type, to);
}
