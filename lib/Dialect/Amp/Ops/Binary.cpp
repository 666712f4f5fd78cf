//===- Binary.cpp - Arithmetic on two tensors -----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// In the formulas of gradients: a and b are the operands, y the result, g the
// gradient of y. What was broadcast is summed back by GradientBuilder::set.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "Common.h"
#include "Estimators.h"
#include "ampc/Dialect/Amp/Ops/Comparison.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Dialect/Amp/Values.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace ampc;

/// Whether `value`, wherever it is moved to, is only ever a divisor or the like.
static bool isOnlyNonZero(Value value, unsigned depth = 4) {
  return depth > 0 && !value.use_empty() && llvm::all_of(value.getUses(), [&](OpOperand &use) {
           auto op = dyn_cast<OperandUseOpInterface>(use.getOwner());
           OperandUse kind = op ? op.getOperandUse(use.getOperandNumber()) : OperandUse::Other;
           return kind == OperandUse::NonZero ||
                  (kind == OperandUse::Moved && isOnlyNonZero(op->getResult(0), depth - 1));
         });
}

/// A number that keeps what it is merged with away from 0, under a root or a quotient: an
/// epsilon.
static bool isEpsilon(Operation *op, unsigned index) {
  return tensorType(op->getOperand(index)).getNumElements() == 1 &&
         !getVariableRead(op->getOperand(1 - index)) && isOnlyNonZero(op->getResult(0));
}

/// `value` before it was moved.
static Value findSource(Value value) {
  while (auto moved = dyn_cast_or_null<OperandUseOpInterface>(value.getDefiningOp())) {
    if (moved->getNumOperands() != 1 || moved.getOperandUse(0) != OperandUse::Moved)
      break;
    value = moved->getOperand(0);
  }
  return value;
}

/// Whether `product` is a layer's, whose weight is a variable, and `bias` has an element for
/// each of its channels.
static bool isBiasOf(Value bias, Value product) {
  auto layer = dyn_cast_or_null<OperandUseOpInterface>(findSource(product).getDefiningOp());
  if (!layer || !layer.takesBias() || !llvm::any_of(layer->getOpOperands(), [&](OpOperand &o) {
        return layer.getOperandUse(o.getOperandNumber()) == OperandUse::Weight &&
               getVariableRead(findSource(o.get()));
      }))
    return false;
  ArrayRef<int64_t> shape = tensorType(bias).getShape();
  ArrayRef<int64_t> result = tensorType(product).getShape();
  int64_t count = tensorType(bias).getNumElements();
  return !shape.empty() && llvm::is_contained(shape, count) && result.size() > 1 &&
         (count == result.back() || count == result[1]);
}

static OperandUse useOfBound(Operation *op, unsigned index) {
  return isEpsilon(op, index) ? OperandUse::Setting : OperandUse::Elementwise;
}

//===----------------------------------------------------------------------===//
// add
//===----------------------------------------------------------------------===//

OperandUse AddOp::getOperandUse(unsigned index) {
  if (isEpsilon(*this, index))
    return OperandUse::Setting;
  return isBiasOf(getOperand(index), getOperand(1 - index)) ? OperandUse::Weight
                                                            : OperandUse::Elementwise;
}

FailureOr<SmallVector<Value>> AddOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "Sum")
    return single(importVariadic(node, builder, getOperationName()));
  return importBinary(node, builder, getOperationName());
}

LogicalResult AddOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult AddOp::fold(FoldAdaptor adaptor) {
  if (Attribute floats = foldFloats(adaptor.getOperands(), getType(),
                                    [](ArrayRef<APFloat> x) { return x[0] + x[1]; }))
    return floats;
  return foldIntegers(adaptor.getOperands(), getType(),
                      [](ArrayRef<int64_t> x) { return int64_t(uint64_t(x[0]) + uint64_t(x[1])); });
}

FloatRange AddOp::inferRange(ArrayRef<FloatRange> operands) { return operands[0].add(operands[1]); }

// da = g, db = g
void AddOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.resultGradient());
  gradient.set(1, gradient.resultGradient());
}

SmallVector<Value> AddOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.add(x[0], x[1]); })};
}

//===----------------------------------------------------------------------===//
// sub
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> SubOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return importBinary(node, builder, getOperationName());
}

LogicalResult SubOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult SubOp::fold(FoldAdaptor adaptor) {
  if (Attribute floats = foldFloats(adaptor.getOperands(), getType(),
                                    [](ArrayRef<APFloat> x) { return x[0] - x[1]; }))
    return floats;
  return foldIntegers(adaptor.getOperands(), getType(),
                      [](ArrayRef<int64_t> x) { return int64_t(uint64_t(x[0]) - uint64_t(x[1])); });
}

FloatRange SubOp::inferRange(ArrayRef<FloatRange> operands) {
  return operands[0].add(operands[1].negate());
}

// da = g, db = -g
void SubOp::buildGradient(GradientBuilder &gradient) {
  gradient.set(0, gradient.resultGradient());
  if (gradient.needs(1))
    gradient.set(1, gradient.create<NegOp>(gradient.resultGradient()));
}

SmallVector<Value> SubOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.sub(x[0], x[1]); })};
}

//===----------------------------------------------------------------------===//
// mul
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> MulOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "Scaler")
    return single(importScaler(node, builder));
  return importBinary(node, builder, getOperationName());
}

LogicalResult MulOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult MulOp::fold(FoldAdaptor adaptor) {
  if (Attribute floats = foldFloats(adaptor.getOperands(), getType(),
                                    [](ArrayRef<APFloat> x) { return x[0] * x[1]; }))
    return floats;
  return foldIntegers(adaptor.getOperands(), getType(),
                      [](ArrayRef<int64_t> x) { return int64_t(uint64_t(x[0]) * uint64_t(x[1])); });
}

FloatRange MulOp::inferRange(ArrayRef<FloatRange> operands) {
  return operands[0].multiply(operands[1]);
}

// da = g * b, db = g * a
void MulOp::buildGradient(GradientBuilder &gradient) {
  if (gradient.needs(0))
    gradient.set(0, gradient.create<MulOp>(gradient.resultGradient(), getRhs()));
  if (gradient.needs(1))
    gradient.set(1, gradient.create<MulOp>(gradient.resultGradient(), getLhs()));
}

SmallVector<Value> MulOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.mul(x[0], x[1]); })};
}

//===----------------------------------------------------------------------===//
// div
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> DivOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.opType == "Div")
    return importBinary(node, builder, getOperationName());
  // Mean: the sum of the inputs divided by their number.
  FailureOr<Value> sum = importVariadic(node, builder, AddOp::getOperationName());
  if (failed(sum))
    return failure();
  auto scalar = RankedTensorType::get({}, tensorType(*sum).getElementType());
  Value count = splat(builder, node.loc, scalar, double(node.inputs.size()));
  return single(importOp<DivOp>(node, builder, {*sum, count}));
}

LogicalResult DivOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult DivOp::fold(FoldAdaptor adaptor) {
  if (Attribute floats = foldFloats(adaptor.getOperands(), getType(),
                                    [](ArrayRef<APFloat> x) { return x[0] / x[1]; }))
    return floats;
  return foldIntegers(adaptor.getOperands(), getType(),
                      [](ArrayRef<int64_t> x) -> std::optional<int64_t> {
                        if (x[1] == 0 || (x[1] == -1 && x[0] == INT64_MIN))
                          return std::nullopt;
                        return x[0] / x[1];
                      });
}

FloatRange DivOp::inferRange(ArrayRef<FloatRange> operands) {
  FloatRange range = operands[0].divide(operands[1]);
  // A constant does not vanish with the divisor: 1 / (x + 1e-12) may be large.
  if (matchPattern(getLhs(), m_Constant()))
    range.smallest = std::min(range.smallest, operands[1].smallest);
  return range;
}

// da = g / b, db = -g * (y / b)
void DivOp::buildGradient(GradientBuilder &gradient) {
  Value g = gradient.resultGradient();
  if (gradient.needs(0))
    gradient.set(0, gradient.create<DivOp>(g, getRhs()));
  if (!gradient.needs(1))
    return;
  Value b = widen(gradient, getRhs());
  Value slope = gradient.create<DivOp>(widen(gradient, getResult()), b);
  Value minus = gradient.create<NegOp>(widen(gradient, g));
  gradient.set(1, gradient.create<MulOp>(minus, slope));
}

SmallVector<Value> DivOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.div(x[0], x[1]); })};
}

//===----------------------------------------------------------------------===//
// pow
//===----------------------------------------------------------------------===//

OperandUse PowOp::getOperandUse(unsigned index) {
  if (index == 1)
    return OperandUse::Setting;
  DenseFPElementsAttr exponent;
  bool hasPole = matchPattern(getRhs(), m_Constant(&exponent)) &&
                 llvm::any_of(exponent.getValues<APFloat>(), [](const APFloat &value) {
                   return value.isNegative() || !value.isInteger();
                 });
  return hasPole ? OperandUse::NonZero : OperandUse::Elementwise;
}

FailureOr<SmallVector<Value>> PowOp::importNode(OnnxNode &node, OpBuilder &builder) {
  if (node.version < 12)
    return importBinary(node, builder, getOperationName());
  if (failed(node.expectInputs(2, 2)))
    return failure();
  // The result has the type of the base. Integer powers are computed in f64,
  // which is exact up to 2^53.
  Type type = tensorType(node.input(0)).getElementType();
  Type computed = isa<FloatType>(type) ? type : builder.getF64Type();
  Value base = castTo(builder, node.loc, node.input(0), computed);
  Value exponent = castTo(builder, node.loc, node.input(1), computed);
  FailureOr<Value> power = importOp<PowOp>(node, builder, {base, exponent});
  if (failed(power))
    return failure();
  return SmallVector<Value>{castTo(builder, node.loc, *power, type)};
}

LogicalResult PowOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

// da = g * b * a^(b - 1), 0 where b = 0
// db = g * y * log(a), 0 where a = 0 and b >= 0
void PowOp::buildGradient(GradientBuilder &gradient) {
  Value g = widen(gradient, gradient.resultGradient());
  Value a = widen(gradient, getLhs()), b = widen(gradient, getRhs());
  if (gradient.needs(0)) {
    Value slope;
    if (std::optional<double> exponent = splatNumber(getRhs())) {
      slope = gradient.splatLike(a, *exponent);
      if (*exponent != 0 && *exponent != 1) {
        Value less = gradient.splatLike(b, *exponent - 1);
        slope = gradient.create<MulOp>(slope, gradient.create<PowOp>(a, less));
      }
    } else {
      Value less = gradient.create<SubOp>(b, gradient.splatLike(b, 1));
      Value zero = gradient.splatLike(b, 0);
      slope = gradient.create<MulOp>(b, gradient.create<PowOp>(a, less));
      slope = gradient.create<WhereOp>(gradient.create<EqualOp>(b, zero), zero, slope);
    }
    gradient.set(0, gradient.create<MulOp>(g, slope));
  }
  if (gradient.needs(1)) {
    Value isZero = gradient.create<EqualOp>(a, gradient.splatLike(a, 0));
    Value isFlat = gradient.create<GreaterOrEqualOp>(b, gradient.splatLike(b, 0));
    Value y = widen(gradient, getResult());
    Value slope = gradient.create<MulOp>(y, gradient.create<LogOp>(a));
    slope = gradient.create<WhereOp>(gradient.create<AndOp>(isZero, isFlat),
                                     gradient.splatLike(y, 0), slope);
    gradient.set(1, gradient.create<MulOp>(g, slope));
  }
}

SmallVector<Value> PowOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  auto pow = [](ScalarBuilder &s, ValueRange x) { return s.pow(x[0], x[1]); };
  std::optional<double> exponent = splatNumber(getRhs());
  if (!exponent || getLhs().getType() != getType())
    return {kernel.pointwise(operands, getType(), pow)};
  auto product = [&](ScalarBuilder &s, ValueRange x) -> Value {
    Value one = s.constantLike(x[0], 1);
    if (*exponent == 1)
      return x[0];
    if (*exponent == 2)
      return s.mul(x[0], x[0]);
    if (*exponent == 3)
      return s.mul(s.mul(x[0], x[0]), x[0]);
    if (*exponent == -1)
      return s.div(one, x[0]);
    if (*exponent == 0.5)
      return s.sqrt(x[0]);
    if (*exponent == -0.5)
      return s.div(one, s.sqrt(x[0]));
    return s.pow(x[0], s.constantLike(x[0], *exponent));
  };
  return {kernel.pointwise(operands[0], getType(), product)};
}

//===----------------------------------------------------------------------===//
// max, min
//===----------------------------------------------------------------------===//

OperandUse MaxOp::getOperandUse(unsigned index) { return useOfBound(*this, index); }

FailureOr<SmallVector<Value>> MaxOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return single(importVariadic(node, builder, getOperationName()));
}

LogicalResult MaxOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult MaxOp::fold(FoldAdaptor adaptor) {
  return foldIntegers(adaptor.getOperands(), getType(),
                      [](ArrayRef<int64_t> x) { return std::max(x[0], x[1]); });
}

/// The gradient of `winner`'s side of an extremum: `LosesOp` compares it with
/// the other side. g where it wins, g / 2 where both are equal, else 0.
template <typename LosesOp>
static Value shareOf(GradientBuilder &gradient, Value side, Value other) {
  Value g = gradient.resultGradient();
  Value shared =
      gradient.create<WhereOp>(gradient.create<EqualOp>(side, other), scaled(gradient, g, 0.5), g);
  return gradient.create<WhereOp>(gradient.create<LosesOp>(side, other), gradient.splatLike(g, 0),
                                  shared);
}

FloatRange MaxOp::inferRange(ArrayRef<FloatRange> operands) { return operands[0].max(operands[1]); }

// da = a > b ? g : a == b ? g / 2 : 0, and db with a and b exchanged
void MaxOp::buildGradient(GradientBuilder &gradient) {
  if (gradient.needs(0))
    gradient.set(0, shareOf<LessOp>(gradient, getLhs(), getRhs()));
  if (gradient.needs(1))
    gradient.set(1, shareOf<LessOp>(gradient, getRhs(), getLhs()));
}

SmallVector<Value> MaxOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.maximum(x[0], x[1]); })};
}

OperandUse MinOp::getOperandUse(unsigned index) { return useOfBound(*this, index); }

FailureOr<SmallVector<Value>> MinOp::importNode(OnnxNode &node, OpBuilder &builder) {
  return single(importVariadic(node, builder, getOperationName()));
}

LogicalResult MinOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                      Adaptor adaptor, SmallVectorImpl<Type> &types) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), types);
}

OpFoldResult MinOp::fold(FoldAdaptor adaptor) {
  return foldIntegers(adaptor.getOperands(), getType(),
                      [](ArrayRef<int64_t> x) { return std::min(x[0], x[1]); });
}

FloatRange MinOp::inferRange(ArrayRef<FloatRange> operands) { return operands[0].min(operands[1]); }

// da = a < b ? g : a == b ? g / 2 : 0, and db with a and b exchanged
void MinOp::buildGradient(GradientBuilder &gradient) {
  if (gradient.needs(0))
    gradient.set(0, shareOf<GreaterOp>(gradient, getLhs(), getRhs()));
  if (gradient.needs(1))
    gradient.set(1, shareOf<GreaterOp>(gradient, getRhs(), getLhs()));
}

SmallVector<Value> MinOp::emitKernel(KernelBuilder &kernel, ValueRange operands) {
  return {kernel.pointwise(operands, getType(),
                           [](ScalarBuilder &s, ValueRange x) { return s.minimum(x[0], x[1]); })};
}

//===----------------------------------------------------------------------===//
// Values.h
//===----------------------------------------------------------------------===//

Value ampc::buildSum(OpBuilder &b, Location loc, Value x, Value y) {
  return AddOp::create(b, loc, x, y);
}
Value ampc::buildDifference(OpBuilder &b, Location loc, Value x, Value y) {
  return SubOp::create(b, loc, x, y);
}
Value ampc::buildProduct(OpBuilder &b, Location loc, Value x, Value y) {
  return MulOp::create(b, loc, x, y);
}
Value ampc::buildMaximum(OpBuilder &b, Location loc, Value x, Value y) {
  return MaxOp::create(b, loc, x, y);
}
