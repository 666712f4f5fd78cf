//===- Scaling.cpp - Casts, loss scaling, clipping, statistics ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Amp/Ops/Scaling.h"
#include "Common.h"
#include "StoredCast.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Values.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"
#include <limits>

using namespace mlir;
using namespace ampc;

namespace {
RankedTensorType f32Scalar(Builder &b) { return RankedTensorType::get({}, b.getF32Type()); }

/// The most numbers that one op combines. A launch takes some 500 pointers on a device, and
/// models have thousands of parameters.
constexpr size_t kMostNumbers = 64;

/// Combines f32 numbers, kMostNumbers at a time, until one is left. `combine` is associative.
Value combineNumbers(KernelBuilder &k, ArrayRef<Value> numbers,
                     llvm::function_ref<Value(ScalarBuilder &, ValueRange)> combine) {
  SmallVector<Value> left(numbers);
  while (left.size() != 1) {
    SmallVector<Value> combined;
    for (size_t from = 0; from < left.size() || from == 0; from += kMostNumbers)
      combined.push_back(k.pointwise(
          ArrayRef(left).drop_front(from).take_front(kMostNumbers), f32Scalar(k.builder),
          [&](ScalarBuilder &s, ValueRange x) { return combine(s, x); }));
    left = std::move(combined);
  }
  return left.front();
}

/// The same type for each gradient and its result.
LogicalResult verifyPairs(Operation *op, ValueRange gradients, ValueRange results) {
  if (gradients.size() != results.size())
    return op->emitOpError("has ")
           << results.size() << " results for " << gradients.size() << " gradients";
  for (auto [i, pair] : llvm::enumerate(llvm::zip(gradients, results))) {
    auto [g, r] = pair;
    if (g.getType() != r.getType())
      return op->emitOpError("turns gradient ")
             << i << " of " << g.getType() << " into " << r.getType();
  }
  return success();
}
} // namespace

//===----------------------------------------------------------------------===//
// CastOp
//===----------------------------------------------------------------------===//

void CastOp::build(OpBuilder &builder, OperationState &state, Type type, Value input,
                   bool inserted) {
  build(builder, state, type, input, inserted, /*from=*/nullptr, /*to=*/nullptr);
}

LogicalResult CastOp::verify() {
  auto check = [&](std::optional<StringRef> name, Value x, StringRef what) -> LogicalResult {
    if (!name)
      return success();
    if (!findStoredType(*name))
      return emitOpError() << what << " is '" << *name << "', no stored type (cast_c1)";
    if (!getElementTypeOrSelf(x.getType()).isInteger(8))
      return emitOpError() << what << " is '" << *name << "' of " << x.getType()
                           << ", not of i8 (cast_c1)";
    return success();
  };
  if (failed(check(getFrom(), getInput(), "from")) || failed(check(getTo(), getResult(), "to")))
    return failure();
  if ((getFrom() || getTo()) && getInput().getType() == getType())
    return emitOpError() << "has one type on both sides (cast_c2)";
  if (!llvm::is_contained({"up", "down", "nearest"}, getRoundMode()))
    return emitOpError() << "round_mode is '" << getRoundMode() << "' (cast_c3)";
  return success();
}

bool CastOp::areCastCompatible(TypeRange inputs, TypeRange outputs) {
  return inputs.size() == 1 && outputs.size() == 1;
}

/// A small constant as integers, as sizes need it that a file computes from floats; null where a
/// number has no integer.
static Attribute foldToIntegers(Attribute input, RankedTensorType type) {
  auto dense = dyn_cast_if_present<DenseElementsAttr>(input);
  auto to = dyn_cast<IntegerType>(type.getElementType());
  if (!dense || !to || type.getNumElements() > kMaxFoldedElements)
    return nullptr;
  const bool isBool = to.getWidth() == 1;
  if (isa<IntegerType>(dense.getElementType()))
    return foldIntegers({input}, type,
                        [&](ArrayRef<int64_t> x) { return isBool ? int64_t(x[0] != 0) : x[0]; });
  if (!isa<FloatType>(dense.getElementType()))
    return nullptr;
  SmallVector<APInt> elements;
  for (const APFloat &value : dense.getValues<APFloat>()) {
    llvm::APSInt element(to.getWidth(), to.isUnsigned());
    bool isExact = false;
    if (isBool)
      element = uint64_t(!value.isZero());
    else if (value.convertToInteger(element, APFloat::rmTowardZero, &isExact) &
             APFloat::opInvalidOp)
      return nullptr;
    elements.push_back(element);
  }
  return DenseElementsAttr::get(type, elements);
}

/// A small constant as floats, by way of which a file may compute a size: of integers, or of floats
/// that lose nothing.
static Attribute foldToFloats(Attribute input, RankedTensorType type) {
  auto dense = dyn_cast_if_present<DenseElementsAttr>(input);
  auto to = dyn_cast<FloatType>(type.getElementType());
  if (!dense || !to || type.getNumElements() > kMaxFoldedElements)
    return nullptr;
  SmallVector<APFloat> elements;
  if (auto from = dyn_cast<IntegerType>(dense.getElementType())) {
    bool isSigned = !from.isUnsigned() && from.getWidth() > 1;
    for (const APInt &value : dense.getValues<APInt>())
      elements.emplace_back(to.getFloatSemantics())
          .convertFromAPInt(value, isSigned, APFloat::rmNearestTiesToEven);
    return DenseElementsAttr::get(type, elements);
  }
  for (APFloat value : dense.getValues<APFloat>()) {
    bool losesInfo = false;
    value.convert(to.getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
    if (losesInfo)
      return nullptr;
    elements.push_back(value);
  }
  return DenseElementsAttr::get(type, elements);
}

OpFoldResult CastOp::fold(FoldAdaptor adaptor) {
  if (getFrom() || getTo())
    return {};
  if (getInput().getType() == getType())
    return getInput();
  if (Attribute floats = foldToFloats(adaptor.getInput(), getType()); floats && !getInserted())
    return floats;
  if (Attribute integers = foldToIntegers(adaptor.getInput(), getType()))
    return integers;
  // A widening that was inserted, undone by another: the value as it was.
  auto inner = getInput().getDefiningOp<CastOp>();
  if (!inner || !inner.getInserted() || !getInserted() || inner.getInput().getType() != getType())
    return {};
  auto from = dyn_cast<FloatType>(getElementTypeOrSelf(inner.getInput().getType()));
  auto via = dyn_cast<FloatType>(getElementTypeOrSelf(getInput().getType()));
  if (from && via && via.getFPMantissaWidth() >= from.getFPMantissaWidth() &&
      via.getWidth() > from.getWidth())
    return inner.getInput();
  return {};
}

FloatRange CastOp::inferRange(ArrayRef<FloatRange> operands) {
  auto type = dyn_cast<FloatType>(getElementTypeOrSelf(getType()));
  return type ? operands[0].roundTo(type.getFloatSemantics()) : FloatRange();
}

/// Cast takes its type from `to`; CastLike from its second input.
FailureOr<SmallVector<Value>> CastOp::importNode(OnnxNode &node, OpBuilder &b) {
  Type type;
  // These are for casts to 8-bit floats.
  bool saturating = node.version < 19 || node.getInt("saturate", 1) != 0;
  std::string mode = node.version < 24 ? "up" : node.getString("round_mode", "up");
  if (node.hadError)
    return failure();
  if (!llvm::is_contained({"up", "down", "nearest"}, StringRef(mode)))
    return node.emitError() << "attribute 'round_mode' is '" << mode
                            << "'; up, down and nearest are known";
  if (node.opType == "CastLike") {
    if (failed(node.expectInputs(2, 2)))
      return failure();
    type = getElementTypeOrSelf(node.input(1).getType());
  } else {
    if (failed(node.expectInputs(1, 1)))
      return failure();
    FailureOr<Type> to = elementTypeOf(node, b, "to");
    if (failed(to))
      return failure();
    type = *to;
  }
  Value result = castTo(b, node.loc, node.input(0), type);
  const StoredType *stored = findStoredType(type);
  if (stored && stored->isFloat() && result != node.input(0)) {
    auto made = result.getDefiningOp<CastOp>();
    made.setSaturating(saturating);
    made.setRoundMode(mode);
  }
  return SmallVector<Value>{result};
}

bool CastOp::isDifferentiable(unsigned) { return isa<FloatType>(getElementTypeOrSelf(getType())); }

// The gradient is cast back.
void CastOp::buildGradient(GradientBuilder &g) { g.set(0, g.resultGradient()); }

SmallVector<Value> CastOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  auto type = cast<RankedTensorType>(getType());
  return {k.pointwise(operands, type, [&](ScalarBuilder &s, ValueRange x) {
    Value value = x[0];
    if (std::optional<StringRef> from = getFrom())
      value = decodeStored(s, *findStoredType(*from), value);
    if (std::optional<StringRef> to = getTo())
      value = encodeStored(s, *findStoredType(*to), value, {getSaturating(), getRoundMode()});
    return value;
  })};
}

//===----------------------------------------------------------------------===//
// ScaleLossOp
//===----------------------------------------------------------------------===//

bool ScaleLossOp::isDifferentiable(unsigned index) { return index == 0; }

// d(loss) = g * scale.
void ScaleLossOp::buildGradient(GradientBuilder &g) {
  Value scale = g.cast(getScale(), getElementTypeOrSelf(getLoss().getType()));
  g.set(0, buildProduct(g.builder, g.loc, g.resultGradient(), scale));
}

SmallVector<Value> ScaleLossOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  auto type = cast<RankedTensorType>(getType());
  return {k.pointwise(operands, type, [&](ScalarBuilder &s, ValueRange x) {
    return s.mul(x[0], s.convert(x[1], x[0].getType()));
  })};
}

//===----------------------------------------------------------------------===//
// UnscaleOp
//===----------------------------------------------------------------------===//

LogicalResult UnscaleOp::verify() { return verifyPairs(*this, getGradients(), getResults()); }

SmallVector<Value> UnscaleOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  size_t count = getGradients().size();
  RankedTensorType scalar = f32Scalar(k.builder);
  SmallVector<Value> results, flags;
  // One division for all: as torch, gradients are multiplied by the reciprocal.
  SmallVector<Value> inverse;
  if (getScale())
    inverse.push_back(k.pointwise(operands.back(), scalar, [](ScalarBuilder &s, ValueRange x) {
      return s.div(s.constantLike(x[0], 1.0), x[0]);
    }));
  for (Value gradient : operands.take_front(count)) {
    auto type = cast<RankedTensorType>(gradient.getType());
    auto unscaled = [&](ScalarBuilder &s, ValueRange x) {
      return x.size() == 1 ? x[0] : s.mul(x[0], s.convert(x[1], x[0].getType()));
    };
    SmallVector<Value> inputs{gradient};
    llvm::append_range(inputs, inverse);
    // What is checked is what the update will read: unscaled, and rounded as it is stored.
    Value bad = k.pointwise(
        inputs, type.clone(k.builder.getF32Type()), [&](ScalarBuilder &s, ValueRange x) {
          Type f32 = s.builder.getF32Type();
          Value stored = s.convert(unscaled(s, x), type.getElementType());
          return s.select(s.isFinite(stored), s.constant(f32, 0.0), s.constant(f32, 1.0));
        });
    auto axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
    if (type.getNumElements() == 0)
      flags.push_back(k.splat(scalar, 0)); // there is no largest of nothing
    else
      flags.push_back(
          axes.empty() ? bad : k.reduce(bad, axes, Reduction::MaxNumber, k.builder.getF32Type()));
    results.push_back(inverse.empty() ? gradient : k.pointwise(inputs, type, unscaled));
  }
  results.push_back(combineNumbers(k, flags, [](ScalarBuilder &s, ValueRange x) {
    Value found = s.constant(s.builder.getF32Type(), 0.0);
    for (Value flag : x)
      found = s.maximum(found, flag);
    return found;
  }));
  // The first tensor of each group of flags that has one, then the first of these.
  SmallVector<Value> culprits;
  for (size_t from = 0; from < flags.size(); from += kMostNumbers) {
    ArrayRef<Value> group = ArrayRef(flags).drop_front(from).take_front(kMostNumbers);
    culprits.push_back(k.pointwise(group, scalar, [from](ScalarBuilder &s, ValueRange x) {
      Type f32 = s.builder.getF32Type();
      Value zero = s.constant(f32, 0.0), culprit = s.constant(f32, -1.0);
      for (size_t i = x.size(); i-- > 0;)
        culprit = s.select(s.notEqual(x[i], zero), s.constant(f32, double(from + i)), culprit);
      return culprit;
    }));
  }
  results.push_back(combineNumbers(k, culprits, [](ScalarBuilder &s, ValueRange x) {
    Value none = s.constant(s.builder.getF32Type(), -1.0), culprit = none;
    for (Value first : llvm::reverse(x))
      culprit = s.select(s.notEqual(first, none), first, culprit);
    return culprit;
  }));
  return results;
}

//===----------------------------------------------------------------------===//
// UpdateScaleOp
//===----------------------------------------------------------------------===//

SmallVector<Value> UpdateScaleOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double growth = getGrowth().convertToDouble(), backoff = getBackoff().convertToDouble();
  int64_t interval = getInterval();
  // Whether the tracker has come to the interval without an overflow; beyond it, where the
  // state of another build with a longer one was loaded.
  auto grows = [=](ScalarBuilder &s, Value tracker) {
    Value next = s.add(tracker, s.constant(tracker.getType(), int64_t(1)));
    return s.greaterOrEqual(next, s.constant(tracker.getType(), interval));
  };
  auto overflowed = [](ScalarBuilder &s, Value found) {
    return s.notEqual(found, s.constantLike(found, 0.0));
  };
  Value scale =
      k.pointwise(operands, cast<RankedTensorType>(getNewScale().getType()),
                  [&](ScalarBuilder &s, ValueRange x) {
                    Type f32 = s.builder.getF32Type(), f64 = s.builder.getF64Type();
                    // Stays where the product is no scale (ampc_is_loss_scale).
                    auto times = [&](double factor) {
                      Value product = s.mul(s.convert(x[0], f64), s.constant(f64, factor));
                      product = s.convert(product, f32);
                      Value isScale = s.logicalAnd(
                          s.isFinite(product),
                          s.greaterOrEqual(product, s.constant(f32, AMPC_LEAST_LOSS_SCALE)));
                      return s.select(isScale, product, x[0]);
                    };
                    Value kept = s.select(grows(s, x[1]), times(growth), x[0]);
                    return s.select(overflowed(s, x[2]), times(backoff), kept);
                  });
  Value tracker = k.pointwise(operands, cast<RankedTensorType>(getNewTracker().getType()),
                              [&](ScalarBuilder &s, ValueRange x) {
                                Type type = x[1].getType();
                                Value zero = s.constant(type, int64_t(0));
                                Value next = s.add(x[1], s.constant(type, int64_t(1)));
                                Value again = s.logicalOr(overflowed(s, x[2]), grows(s, x[1]));
                                return s.select(again, zero, next);
                              });
  return {scale, tracker};
}

//===----------------------------------------------------------------------===//
// ClipGradNormOp, ClipGradValueOp
//===----------------------------------------------------------------------===//

LogicalResult ClipGradNormOp::verify() {
  if (getMaxNorm().isNegative() || getMaxNorm().isNaN())
    return emitOpError("has max_norm ") << getMaxNorm().convertToDouble();
  return verifyPairs(*this, getGradients(), getResults());
}

SmallVector<Value> ClipGradNormOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  RankedTensorType scalar = f32Scalar(k.builder);
  SmallVector<Value> squares;
  for (Value gradient : operands) {
    auto type = cast<RankedTensorType>(gradient.getType());
    Value square = k.pointwise(gradient, type.clone(k.builder.getF32Type()),
                               [](ScalarBuilder &s, ValueRange x) {
                                 Value f = s.convert(x[0], s.builder.getF32Type());
                                 return s.mul(f, f);
                               });
    auto axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
    squares.push_back(
        axes.empty() ? square : k.reduce(square, axes, Reduction::Sum, k.builder.getF32Type()));
  }
  Value total = combineNumbers(k, squares, [](ScalarBuilder &s, ValueRange x) {
    Value sum = s.constant(s.builder.getF32Type(), 0.0);
    for (Value square : x)
      sum = s.add(sum, square);
    return sum;
  });
  Value norm =
      k.pointwise(total, scalar, [](ScalarBuilder &s, ValueRange x) { return s.sqrt(x[0]); });
  double maxNorm = getMaxNorm().convertToDouble();
  // torch.nn.utils.clip_grad_norm_: max_norm / (norm + 1e-6), at most 1.
  Value factor = k.pointwise(norm, scalar, [&](ScalarBuilder &s, ValueRange x) {
    Value padded = s.add(x[0], s.constantLike(x[0], 1e-6));
    Value ratio = s.div(s.constantLike(x[0], maxNorm), padded);
    return s.minimum(ratio, s.constantLike(x[0], 1.0));
  });
  SmallVector<Value> results;
  for (Value gradient : operands)
    results.push_back(k.pointwise({gradient, factor}, cast<RankedTensorType>(gradient.getType()),
                                  [](ScalarBuilder &s, ValueRange x) {
                                    return s.mul(x[0], s.convert(x[1], x[0].getType()));
                                  }));
  results.push_back(norm);
  return results;
}

SmallVector<Value> ClipGradValueOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double limit = getLimit().convertToDouble();
  return {
      k.pointwise(operands, cast<RankedTensorType>(getType()), [&](ScalarBuilder &s, ValueRange x) {
        Value low = s.maximum(x[0], s.constantLike(x[0], -limit));
        return s.minimum(low, s.constantLike(x[0], limit));
      })};
}

//===----------------------------------------------------------------------===//
// GroupRateOp
//===----------------------------------------------------------------------===//

SmallVector<Value> GroupRateOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  double factor = getFactor().convertToDouble();
  return {k.pointwise(operands, f32Scalar(k.builder), [&](ScalarBuilder &s, ValueRange x) {
    Type f64 = s.builder.getF64Type();
    return s.mul(s.convert(x[0], f64), s.constant(f64, factor));
  })};
}

//===----------------------------------------------------------------------===//
// RecordStatsOp
//===----------------------------------------------------------------------===//

LogicalResult RecordStatsOp::verify() {
  auto ring = cast<RankedTensorType>(getRing().getType());
  if (ring.getRank() != 2 || ring.getDimSize(1) != AMPC_STAT_COUNT)
    return emitOpError("has a ring ")
           << ring << ", not tensor<slots x " << int(AMPC_STAT_COUNT) << " x f32>";
  if (getFields().size() != AMPC_STAT_COUNT)
    return emitOpError("has ") << getFields().size() << " fields, not " << int(AMPC_STAT_COUNT);
  return success();
}

SmallVector<Value> RecordStatsOp::emitKernel(KernelBuilder &k, ValueRange operands) {
  auto ring = cast<RankedTensorType>(getType());
  int64_t slots = ring.getDimSize(0);
  // The whole ring is written: a slot found by comparison needs no indexed store.
  return {k.pointwise(operands, ring, [&](ScalarBuilder &s, ValueRange x) {
    Type i64 = s.builder.getI64Type();
    auto index = [&](int64_t dim) {
      return arith::IndexCastOp::create(s.builder, s.loc, i64, k.index(s, dim)).getResult();
    };
    Value slot = arith::RemSIOp::create(s.builder, s.loc, x[1], s.constant(i64, slots));
    Value field = index(1), value = x[2];
    for (int64_t i = 1; i < AMPC_STAT_COUNT; ++i)
      value = s.select(s.equal(field, s.constant(i64, i)), x[2 + i], value);
    return s.select(s.equal(index(0), slot), value, x[0]);
  })};
}
