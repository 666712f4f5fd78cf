//===- KernelBuilder.cpp - The vocabulary kernels are written in ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Equal requests give structurally equal ops, which CSE merges: the statistics that a
// forward op and its gradient both ask for are computed once.
//
//===----------------------------------------------------------------------===//

#include "ampc/Dialect/Plan/KernelBuilder.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace ampc {

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

Type KernelBuilder::computeType(Type elementType) {
  if (elementType.isF16() || elementType.isBF16())
    return Float32Type::get(elementType.getContext());
  if (elementType.isUnsignedInteger()) {
    unsigned width = elementType.getIntOrFloatBitWidth();
    return IntegerType::get(elementType.getContext(), std::max(32u, 2 * width));
  }
  return elementType;
}

Type KernelBuilder::storedComputeType(Type elementType) {
  Type computed = computeType(elementType);
  return computed.isInteger(128) ? IntegerType::get(computed.getContext(), 64) : computed;
}

/// From the loops of an op with results of shape `shape` to an operand that broadcasts to
/// it as numpy's do: aligned at the last dimension, extents of 1 repeated.
static AffineMap broadcastMap(ArrayRef<int64_t> operand, ArrayRef<int64_t> shape,
                              MLIRContext *context) {
  assert(operand.size() <= shape.size() && "operand does not broadcast to the result");
  unsigned skipped = shape.size() - operand.size();
  SmallVector<AffineExpr> exprs;
  for (auto [i, extent] : llvm::enumerate(operand)) {
    assert((extent == shape[skipped + i] || extent == 1) && "operand does not broadcast");
    exprs.push_back(extent == shape[skipped + i] ? getAffineDimExpr(skipped + i, context)
                                                 : getAffineConstantExpr(0, context));
  }
  return AffineMap::get(shape.size(), 0, exprs, context);
}

/// A linalg.generic. `body` gives what is yielded from the arguments.
static SmallVector<Value>
buildGeneric(OpBuilder &builder, Location loc, ValueRange inputs, ValueRange inits,
             ArrayRef<AffineMap> maps, ArrayRef<utils::IteratorType> iterators,
             llvm::function_ref<SmallVector<Value>(ScalarBuilder &, ValueRange)> body) {
  auto generic = linalg::GenericOp::create(
      builder, loc, inits.getTypes(), inputs, inits, maps, iterators,
      [&](OpBuilder &nested, Location nestedLoc, ValueRange arguments) {
        ScalarBuilder scalars(nested, nestedLoc);
        linalg::YieldOp::create(nested, nestedLoc, body(scalars, arguments));
      });
  return SmallVector<Value>(generic.getResults());
}

/// The same with one result.
static Value buildGeneric(OpBuilder &builder, Location loc, ValueRange inputs, Value init,
                          ArrayRef<AffineMap> maps, ArrayRef<utils::IteratorType> iterators,
                          llvm::function_ref<Value(ScalarBuilder &, ValueRange)> body) {
  return buildGeneric(builder, loc, inputs, ValueRange(init), maps, iterators,
                      [&](ScalarBuilder &s, ValueRange arguments) {
                        return SmallVector<Value>{body(s, arguments)};
                      })[0];
}

static Value emptyTensor(OpBuilder &builder, Location loc, RankedTensorType type) {
  return tensor::EmptyOp::create(builder, loc, type.getShape(), type.getElementType());
}

Value KernelBuilder::pointwise(ValueRange inputs, RankedTensorType type, ScalarFn fn) {
  SmallVector<AffineMap> maps;
  for (Value input : inputs)
    maps.push_back(
        broadcastMap(tensorType(input).getShape(), type.getShape(), builder.getContext()));
  maps.push_back(builder.getMultiDimIdentityMap(type.getRank()));
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  return buildGeneric(builder, loc, inputs, emptyTensor(builder, loc, type), maps, iterators,
                      [&](ScalarBuilder &s, ValueRange arguments) {
                        SmallVector<Value> wide;
                        for (Value x : arguments.drop_back())
                          wide.push_back(s.convert(x, computeType(x.getType())));
                        return s.convert(fn(s, wide), type.getElementType());
                      });
}

/// What elements of type `from` are merged in where the result has type `to`: the wider of
/// the two, and never f16 or bf16.
static Type accumulatorType(Type from, Type to) {
  from = KernelBuilder::storedComputeType(from);
  to = KernelBuilder::storedComputeType(to);
  bool sameKind = isa<FloatType>(from) == isa<FloatType>(to);
  return sameKind && from.getIntOrFloatBitWidth() > to.getIntOrFloatBitWidth() ? from : to;
}

/// The value that leaves every other as it is when merged with it.
static TypedAttr neutralElement(OpBuilder &builder, Reduction kind, Type type) {
  if (kind == Reduction::Sum || kind == Reduction::Product) {
    int64_t value = kind == Reduction::Product;
    if (isa<FloatType>(type))
      return builder.getFloatAttr(type, double(value));
    return builder.getIntegerAttr(type, value);
  }
  bool lowest = kind != Reduction::Min;
  if (auto floatType = dyn_cast<FloatType>(type))
    return builder.getFloatAttr(
        type, APFloat::getInf(floatType.getFloatSemantics(), /*Negative=*/lowest));
  unsigned width = type.getIntOrFloatBitWidth();
  if (width == 1)
    return builder.getBoolAttr(!lowest);
  return builder.getIntegerAttr(type, lowest ? APInt::getSignedMinValue(width)
                                             : APInt::getSignedMaxValue(width));
}

static Value combine(ScalarBuilder &s, Reduction kind, Value x, Value accumulator) {
  bool isBool = x.getType().isInteger(1);
  switch (kind) {
  case Reduction::Sum: // of booleans: whether any is true
    return isBool ? s.logicalOr(x, accumulator) : s.add(x, accumulator);
  case Reduction::Product:
    return isBool ? s.logicalAnd(x, accumulator) : s.mul(x, accumulator);
  case Reduction::Max:
    return s.maximum(x, accumulator);
  case Reduction::Min:
    return s.minimum(x, accumulator);
  case Reduction::MaxNumber:
    if (isa<FloatType>(x.getType()))
      return arith::MaxNumFOp::create(s.builder, s.loc, x, accumulator);
    return s.maximum(x, accumulator);
  }
  llvm_unreachable("unknown reduction");
}

/// An unsigned tensor as a signed one of the same order: u64 with its highest bit turned.
static Value toOrdered(KernelBuilder &kernel, Value x) {
  RankedTensorType type = tensorType(x);
  Type stored = KernelBuilder::storedComputeType(type.getElementType());
  bool isTurned = type.getElementType().isUnsignedInteger(64);
  return kernel.pointwise(x, type.clone(stored), [&](ScalarBuilder &s, ValueRange y) {
    Value bits = s.convert(y[0], stored);
    return isTurned ? s.logicalXor(bits, s.constant(stored, INT64_MIN)) : bits;
  });
}

/// The tensor that `toOrdered` made `x` from.
static Value fromOrdered(KernelBuilder &kernel, Value x, Type elementType) {
  bool isTurned = elementType.isUnsignedInteger(64);
  return kernel.pointwise(x, tensorType(x).clone(elementType), [&](ScalarBuilder &s, ValueRange y) {
    return isTurned ? s.logicalXor(y[0], s.constant(y[0].getType(), INT64_MIN)) : y[0];
  });
}

Value KernelBuilder::reduce(Value input, ArrayRef<int64_t> axes, Reduction kind, Type elementType) {
  RankedTensorType inputType = tensorType(input);
  bool isSum = kind == Reduction::Sum || kind == Reduction::Product;
  if (inputType.getElementType().isUnsignedInteger(64) && elementType.isUnsignedInteger(64) &&
      !isSum) {
    Value reduced = reduce(toOrdered(*this, input), axes, kind, builder.getI64Type());
    return fromOrdered(*this, reduced, elementType);
  }
  Type accumulator = accumulatorType(inputType.getElementType(), elementType);
  SmallVector<utils::IteratorType> iterators(inputType.getRank(), utils::IteratorType::parallel);
  for (int64_t axis : axes)
    iterators[axis] = utils::IteratorType::reduction;
  SmallVector<AffineExpr> kept;
  SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(inputType.getShape()))
    if (iterators[i] == utils::IteratorType::parallel) {
      kept.push_back(builder.getAffineDimExpr(i));
      shape.push_back(extent);
    }
  auto type = RankedTensorType::get(shape, accumulator);
  Value neutral =
      arith::ConstantOp::create(builder, loc, neutralElement(builder, kind, accumulator));
  Value init =
      linalg::FillOp::create(builder, loc, neutral, emptyTensor(builder, loc, type)).getResult(0);
  AffineMap maps[] = {builder.getMultiDimIdentityMap(inputType.getRank()),
                      AffineMap::get(inputType.getRank(), 0, kept, builder.getContext())};
  Value result = buildGeneric(builder, loc, input, init, maps, iterators,
                              [&](ScalarBuilder &s, ValueRange arguments) {
                                Value x = s.convert(arguments[0], accumulator);
                                return combine(s, kind, x, arguments[1]);
                              });
  if (accumulator == elementType)
    return result;
  return pointwise(result, RankedTensorType::get(shape, elementType),
                   [](ScalarBuilder &, ValueRange x) { return x[0]; });
}

/// The body of two arguments of `type` that a plan op keeps.
static void buildBody(OpBuilder &builder, Location loc, Region &region, Type type,
                      KernelBuilder::ScalarFn fn) {
  OpBuilder::InsertionGuard guard(builder);
  Block &body = region.emplaceBlock();
  body.addArguments({type, type}, {loc, loc});
  builder.setInsertionPointToEnd(&body);
  ScalarBuilder scalars(builder, loc);
  plan::YieldOp::create(builder, loc, fn(scalars, body.getArguments()));
}

Value KernelBuilder::scan(Value input, int64_t axis, Reduction kind, Type elementType,
                          bool exclusive, bool reverse) {
  RankedTensorType type = tensorType(input);
  if (type.getNumElements() == 0)
    return emptyTensor(builder, loc, type.clone(elementType));
  Type accumulator = accumulatorType(type.getElementType(), elementType);
  if (type.getElementType().isUnsignedInteger() || elementType.isUnsignedInteger()) {
    auto wide = [](ScalarBuilder &, ValueRange x) { return x[0]; };
    Value signedInput = pointwise(input, type.clone(accumulator), wide);
    Value merged = scan(signedInput, axis, kind, accumulator, exclusive, reverse);
    return pointwise(merged, type.clone(elementType), wide);
  }
  auto scan = plan::ScanOp::create(builder, loc, type.clone(elementType), input, axis, exclusive,
                                   reverse, neutralElement(builder, kind, accumulator));
  buildBody(builder, loc, scan.getCombiner(), accumulator,
            [&](ScalarBuilder &s, ValueRange x) { return combine(s, kind, x[0], x[1]); });
  return scan.getResult();
}

KernelBuilder::Sorted KernelBuilder::sort(Value keys, int64_t axis, ScalarFn isBefore,
                                          std::optional<int64_t> first) {
  RankedTensorType type = tensorType(keys);
  bool isShort = type.getDimSize(axis) <= std::numeric_limits<int32_t>::max();
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = first.value_or(shape[axis]);
  RankedTensorType result = type.clone(shape);
  RankedTensorType places = result.clone(builder.getIntegerType(isShort ? 32 : 64));
  if (result.getNumElements() == 0)
    return {emptyTensor(builder, loc, result), emptyTensor(builder, loc, places)};
  if (type.getElementType().isUnsignedInteger()) {
    Sorted sorted = sort(toOrdered(*this, keys), axis, isBefore, first);
    return {fromOrdered(*this, sorted.keys, type.getElementType()), sorted.places};
  }
  auto sort = plan::SortOp::create(builder, loc, TypeRange{result, places}, keys, axis);
  buildBody(builder, loc, sort.getIsBefore(), computeType(type.getElementType()), isBefore);
  return {sort.getSorted(), sort.getPlaces()};
}

Value KernelBuilder::countBelow(ScalarBuilder &s, Value keys, int64_t axis, ValueRange at,
                                Value bound) {
  int64_t count = tensorType(keys).getDimSize(axis);
  auto number = [&](int64_t n) { return s.constant(s.builder.getIndexType(), n); };
  Value below = number(0);
  if (count == 0)
    return below;
  // Binary search, from the largest power of 2 down.
  SmallVector<Value> place(at);
  for (int64_t step = int64_t(1) << llvm::Log2_64(count); step != 0; step /= 2) {
    Value next = s.add(below, number(step));
    Value fits = s.lessOrEqual(next, number(count));
    place[axis] = s.sub(s.select(fits, next, number(1)), number(1));
    Value isBelow = s.less(load(s, keys, place), bound);
    below = s.select(s.logicalAnd(fits, isBelow), next, below);
  }
  return below;
}

Value KernelBuilder::scatter(Value data, Value places, Value updates, int64_t axis, MergeFn merge) {
  RankedTensorType type = tensorType(data), updateType = tensorType(updates);
  RankedTensorType placeType = tensorType(places);
  assert(placeType.getDimSize(axis) == updateType.getDimSize(axis) && "one place for each update");
  if (type.getNumElements() == 0 || updateType.getNumElements() == 0)
    return data;
  Type computed = computeType(type.getElementType());
  if (mergesInOrder() && computed == storedComputeType(type.getElementType()))
    return scatterInOrder(data, places, updates, axis, merge);
  Sorted sorted =
      sort(places, axis, [](ScalarBuilder &s, ValueRange key) { return s.less(key[0], key[1]); });
  return generate(type, [&](ScalarBuilder &s, ValueRange at) {
    Type index = s.builder.getIndexType(), key = tensorType(places).getElementType();
    Value x = load(s, data, at);
    // The line of updates beside the element; where there is none, the nearest with no updates.
    SmallVector<Value> line;
    Value isBeside;
    for (auto [d, i] : llvm::enumerate(at)) {
      int64_t extent = updateType.getDimSize(d);
      line.push_back(i);
      if (int64_t(d) == axis || extent == type.getDimSize(d))
        continue;
      Value last = s.constant(index, extent - 1), isInside = s.lessOrEqual(i, last);
      line.back() = s.minimum(i, last);
      isBeside = isBeside ? s.logicalAnd(isBeside, isInside) : isInside;
    }
    // The line of places, which several lines of updates may have in common.
    SmallVector<Value> keys(line);
    for (auto [d, i] : llvm::enumerate(keys))
      if (placeType.getDimSize(d) == 1)
        i = s.constant(index, int64_t(0));
    Value here = s.convert(at[axis], key);
    Value from = countBelow(s, sorted.keys, axis, keys, here);
    Value to = countBelow(s, sorted.keys, axis, keys, s.add(here, s.constant(key, int64_t(1))));
    if (isBeside)
      to = s.select(isBeside, to, from);
    return s.fold(from, to, x, [&](ScalarBuilder &s, Value i, Value merged) {
      SmallVector<Value> place(line), sortedPlace(keys);
      sortedPlace[axis] = i;
      place[axis] = s.convert(load(s, sorted.places, sortedPlace), index);
      return merge(s, merged, load(s, updates, place));
    });
  });
}

/// The same as `x` in what scalars compute in.
static Value widen(KernelBuilder &kernel, Value x) {
  RankedTensorType type = tensorType(x);
  Type computed = KernelBuilder::computeType(type.getElementType());
  if (computed == type.getElementType())
    return x;
  return kernel.pointwise(x, type.clone(computed),
                          [](ScalarBuilder &, ValueRange y) { return y[0]; });
}

Value KernelBuilder::scatterInOrder(Value data, Value places, Value updates, int64_t axis,
                                    MergeFn merge) {
  RankedTensorType type = tensorType(data);
  Type computed = computeType(type.getElementType());
  TypedAttr initial;
  SplatElementsAttr splat;
  bool keepsType = computed == type.getElementType() || isa<FloatType>(computed);
  if (keepsType && matchPattern(data, m_Constant(&splat))) {
    initial = splat.getSplatValue<TypedAttr>();
    if (auto number = dyn_cast<FloatAttr>(initial))
      initial = builder.getFloatAttr(computed, number.getValueAsDouble());
    data = Value();
  } else {
    data = widen(*this, data); // merged as that, and rounded once
  }
  if (tensorType(updates).getElementType().isUnsignedInteger())
    updates = widen(*this, updates); // signs are erased
  auto scatter = plan::ScatterOp::create(builder, loc, type.clone(computed), data, places, updates,
                                         axis, initial);
  buildBody(builder, loc, scatter.getMerge(), computed,
            [&](ScalarBuilder &s, ValueRange x) { return merge(s, x[0], x[1]); });
  if (computed == type.getElementType())
    return scatter.getResult();
  return pointwise(scatter.getResult(), type, [](ScalarBuilder &, ValueRange x) { return x[0]; });
}

KernelBuilder::Looped KernelBuilder::loop(int64_t count, ValueRange initial,
                                          ArrayRef<Sequence> sequences, ValueRange invariants,
                                          ArrayRef<RankedTensorType> outputs, bool reversedOutputs,
                                          LoopFn body) {
  auto stackOf = [&](RankedTensorType type) {
    SmallVector<int64_t> shape{count};
    llvm::append_range(shape, type.getShape());
    return type.clone(shape);
  };
  Looped looped;
  if (count == 0) {
    looped.carried.assign(initial.begin(), initial.end());
    for (RankedTensorType type : outputs)
      looped.outputs.push_back(emptyTensor(builder, loc, stackOf(type)));
    return looped;
  }
  SmallVector<Type> arguments(initial.getTypes()), returned(arguments), results(arguments);
  SmallVector<Value> tensors;
  SmallVector<bool> reversed;
  for (const Sequence &sequence : sequences) {
    RankedTensorType type = tensorType(sequence.tensor);
    assert(type.getDimSize(0) == count && "a slice for each iteration");
    arguments.push_back(type.clone(type.getShape().drop_front()));
    tensors.push_back(sequence.tensor);
    reversed.push_back(sequence.reversed);
  }
  llvm::append_range(arguments, invariants.getTypes());
  for (RankedTensorType type : outputs) {
    returned.push_back(type);
    results.push_back(stackOf(type));
    reversed.push_back(reversedOutputs);
  }
  results.push_back(RankedTensorType::get({0}, builder.getI8Type()));

  auto module = builder.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  OpBuilder inside(builder.getContext());
  auto function =
      func::FuncOp::create(inside, loc, "loop_body", builder.getFunctionType(arguments, returned));
  function.setPrivate();
  function->setAttr(plan::kLoopBodyAttr, builder.getUnitAttr());
  SymbolTable(module).insert(function); // renames it where the name is taken
  Block *block = function.addEntryBlock();
  inside.setInsertionPointToStart(block);
  KernelBuilder kernel(inside, loc, libraries);
  ValueRange all = block->getArguments();
  SmallVector<Value> next =
      body(kernel, all.take_front(initial.size()), all.slice(initial.size(), sequences.size()),
           all.take_back(invariants.size()));
  func::ReturnOp::create(inside, loc, next);

  auto loop = plan::LoopOp::create(builder, loc, results, function.getSymName(), count, initial,
                                   tensors, invariants, reversed);
  ResultRange loopResults = loop.getResults();
  llvm::append_range(looped.carried, loopResults.take_front(initial.size()));
  llvm::append_range(looped.outputs, loopResults.slice(initial.size(), outputs.size()));
  return looped;
}

Value KernelBuilder::generate(RankedTensorType type, ScalarFn fn) {
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  return buildGeneric(builder, loc, {}, emptyTensor(builder, loc, type),
                      builder.getMultiDimIdentityMap(type.getRank()), iterators,
                      [&](ScalarBuilder &s, ValueRange) {
                        SmallVector<Value> indices;
                        for (int64_t dim = 0; dim < type.getRank(); ++dim)
                          indices.push_back(index(s, dim));
                        return s.convert(fn(s, indices), type.getElementType());
                      });
}

namespace {
/// The loops over the taps of one window, outermost first.
class WindowLoops {
public:
  WindowLoops(const KernelBuilder::Windows &windows, RankedTensorType type, Value input,
              KernelBuilder &kernel, KernelBuilder::WindowFn merge)
      : windows(windows), type(type), input(input), kernel(kernel), merge(merge),
        leading(type.getRank() - windows.taps.size() - windows.trailing) {}

  /// The same without loops: a tap outside of the input reads the nearest element, which is then
  /// not taken. `isInside` says whether those along the dimensions before `d` lie inside; null:
  /// they always do.
  SmallVector<Value> unroll(ScalarBuilder &s, size_t d, ValueRange at, ArrayRef<Value> place,
                            Value isInside, SmallVector<Value> merged) {
    if (d == windows.taps.size()) {
      SmallVector<Value> next = run(s, d, at, place, merged);
      if (isInside)
        for (auto [x, old] : llvm::zip(next, merged))
          x = s.select(isInside, x, old);
      return next;
    }
    auto number = [&](int64_t n) { return s.constant(s.builder.getIndexType(), n); };
    int64_t extent = type.getDimSize(leading + d), stride = windows.strides[d];
    Value start = s.mul(at[leading + d], number(stride));
    for (int64_t tap = 0; tap < windows.taps[d]; ++tap) {
      int64_t first = tap * windows.dilations[d] - windows.pads[d];
      Value i = s.add(start, number(first)), isHere = isInside;
      auto require = [&](Value condition) {
        isHere = isHere ? s.logicalAnd(isHere, condition) : condition;
      };
      if (first < 0) {
        require(s.greaterOrEqual(i, number(0)));
        i = s.maximum(i, number(0));
      }
      if ((windows.points[d] - 1) * stride + first >= extent) {
        require(s.less(i, number(extent)));
        i = s.minimum(i, number(extent - 1));
      }
      SmallVector<Value> inner(place);
      inner.push_back(i);
      merged = unroll(s, d + 1, at, inner, isHere, merged);
    }
    return merged;
  }

  /// Merges dimension `d` of the window and those behind it, for the indices `at` of a result.
  SmallVector<Value> run(ScalarBuilder &s, size_t d, ValueRange at, ArrayRef<Value> place,
                         ValueRange merged) {
    if (d == windows.taps.size()) {
      SmallVector<Value> element(place);
      llvm::append_range(element, at.take_back(windows.trailing));
      return merge(s, kernel.load(s, input, element), flatten(s, element), merged);
    }
    auto number = [](ScalarBuilder &s, int64_t n) {
      return s.constant(s.builder.getIndexType(), n);
    };
    int64_t extent = type.getDimSize(leading + d), pad = windows.pads[d];
    int64_t stride = windows.strides[d], dilation = windows.dilations[d], taps = windows.taps[d];
    int64_t last = (windows.points[d] - 1) * stride + (taps - 1) * dilation - pad;
    Value start = s.mul(at[leading + d], number(s, stride)); // before the pad is taken off
    // Taps before the first element, and taps up to the last one: rounded up.
    auto tapsTo = [&](Value distance) {
      Value positive = s.maximum(distance, number(s, 0));
      return s.minimum(s.div(s.add(positive, number(s, dilation - 1)), number(s, dilation)),
                       number(s, taps));
    };
    Value from = pad > 0 ? tapsTo(s.sub(number(s, pad), start)) : number(s, 0);
    Value to = last >= extent ? tapsTo(s.sub(number(s, extent + pad), start)) : number(s, taps);
    return s.fold(from, to, merged, [&](ScalarBuilder &s, Value tap, ValueRange merged) {
      Value i = s.sub(s.add(start, s.mul(tap, number(s, dilation))), number(s, pad));
      SmallVector<Value> inner(place);
      inner.push_back(i);
      return run(s, d + 1, at, inner, merged);
    });
  }

  /// Whether some window has a tap outside of the input.
  bool leavesInput() const {
    for (size_t d = 0; d < windows.taps.size(); ++d) {
      int64_t reach = (windows.points[d] - 1) * windows.strides[d] +
                      (windows.taps[d] - 1) * windows.dilations[d] - windows.pads[d];
      if (windows.pads[d] > 0 || reach >= type.getDimSize(leading + d))
        return true;
    }
    return false;
  }

private:
  Value flatten(ScalarBuilder &s, ArrayRef<Value> place) {
    Value flat = s.constant(s.builder.getIndexType(), int64_t(0));
    for (auto [i, extent] : llvm::zip(place, type.getShape()))
      flat = s.add(s.mul(flat, s.constant(s.builder.getIndexType(), extent)), i);
    return flat;
  }

  const KernelBuilder::Windows &windows;
  RankedTensorType type;
  Value input;
  KernelBuilder &kernel;
  KernelBuilder::WindowFn merge;
  size_t leading; ///< dimensions before those that windows move over
};
} // namespace

SmallVector<Value> KernelBuilder::reduceWindows(Value input, const Windows &windows,
                                                ArrayRef<TypedAttr> initial,
                                                ArrayRef<Type> elementTypes, WindowFn merge) {
  RankedTensorType type = tensorType(input);
  size_t leading = type.getRank() - windows.taps.size() - windows.trailing;
  SmallVector<int64_t> shape(type.getShape().take_front(leading));
  llvm::append_range(shape, windows.points);
  llvm::append_range(shape, type.getShape().take_back(windows.trailing));
  SmallVector<Value> inits;
  for (Type elementType : elementTypes)
    inits.push_back(emptyTensor(builder, loc, RankedTensorType::get(shape, elementType)));
  SmallVector<AffineMap> maps(inits.size(), builder.getMultiDimIdentityMap(shape.size()));
  SmallVector<utils::IteratorType> iterators(shape.size(), utils::IteratorType::parallel);
  WindowLoops loops(windows, type, input, *this, merge);
  // Loops whose bounds depend on the point keep a host from vectorising that over the points.
  constexpr int64_t kMostUnrolled = 32;
  bool isUnrolled = libraries && !libraries->hasManyThreads() && type.getNumElements() != 0 &&
                    loops.leavesInput() &&
                    llvm::product_of(windows.taps, int64_t(1)) <= kMostUnrolled;
  return buildGeneric(builder, loc, {}, ValueRange(inits), maps, iterators,
                      [&](ScalarBuilder &s, ValueRange) {
                        SmallVector<Value> at, merged;
                        for (size_t d = 0; d < shape.size(); ++d)
                          at.push_back(index(s, d));
                        for (TypedAttr value : initial)
                          merged.push_back(arith::ConstantOp::create(s.builder, s.loc, value));
                        ArrayRef<Value> place = ArrayRef(at).take_front(leading);
                        merged = isUnrolled ? loops.unroll(s, 0, at, place, Value(), merged)
                                            : loops.run(s, 0, at, place, merged);
                        for (auto [x, elementType] : llvm::zip(merged, elementTypes))
                          x = s.convert(x, elementType);
                        return merged;
                      });
}

Value KernelBuilder::load(ScalarBuilder &s, Value tensor, ValueRange indices) {
  Value x = tensor::ExtractOp::create(s.builder, s.loc, tensor, indices);
  return s.convert(x, computeType(x.getType()));
}

Value KernelBuilder::index(ScalarBuilder &s, int64_t dim) {
  return linalg::IndexOp::create(s.builder, s.loc, dim);
}

Value KernelBuilder::reshape(Value input, ArrayRef<int64_t> shape) {
  RankedTensorType type = tensorType(input);
  if (type.getShape() == shape)
    return input;
  auto target = RankedTensorType::get(shape, type.getElementType());
  assert(type.getNumElements() == target.getNumElements() && "not a reshape");
  // In one op where the dimensions of one shape are products of the other's. Extents of
  // zero make that ambiguous.
  if (type.getNumElements() != 0 && type.getRank() != target.getRank())
    if (auto groups = getReassociationIndicesForReshape(type, target)) {
      if (type.getRank() > target.getRank())
        return tensor::CollapseShapeOp::create(builder, loc, target, input, *groups);
      return tensor::ExpandShapeOp::create(builder, loc, target, input, *groups);
    }
  auto flat = RankedTensorType::get(type.getNumElements(), type.getElementType());
  auto all = [](int64_t rank) { // rank 0 is a view of one element, in no group
    SmallVector<ReassociationIndices> groups;
    if (rank != 0)
      groups.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(0, rank)));
    return groups;
  };
  if (type.getRank() == 0)
    input = tensor::ExpandShapeOp::create(builder, loc, flat, input, all(0));
  else if (type.getRank() > 1)
    input = tensor::CollapseShapeOp::create(builder, loc, flat, input, all(type.getRank()));
  if (target.getRank() == 1)
    return input;
  if (target.getRank() == 0)
    return tensor::CollapseShapeOp::create(builder, loc, target, input, all(0));
  return tensor::ExpandShapeOp::create(builder, loc, target, input, all(target.getRank()));
}

Value KernelBuilder::transpose(Value input, ArrayRef<int64_t> permutation) {
  RankedTensorType type = tensorType(input);
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, type.getRank())))
    return input;
  SmallVector<int64_t> shape;
  SmallVector<AffineExpr> exprs(type.getRank());
  for (auto [i, from] : llvm::enumerate(permutation)) {
    shape.push_back(type.getDimSize(from));
    exprs[from] = builder.getAffineDimExpr(i);
  }
  AffineMap maps[] = {AffineMap::get(type.getRank(), 0, exprs, builder.getContext()),
                      builder.getMultiDimIdentityMap(type.getRank())};
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  Value init = emptyTensor(builder, loc, RankedTensorType::get(shape, type.getElementType()));
  return buildGeneric(builder, loc, input, init, maps, iterators,
                      [](ScalarBuilder &, ValueRange x) { return x[0]; });
}

Value KernelBuilder::splat(RankedTensorType type, double value) {
  if (type.getNumElements() == 0)
    return emptyTensor(builder, loc, type);
  Type element = type.getElementType();
  TypedAttr attr;
  if (isa<FloatType>(element))
    attr = builder.getFloatAttr(element, value);
  else if (element.isInteger(1))
    attr = builder.getBoolAttr(value != 0);
  else
    attr = builder.getIntegerAttr(element, int64_t(value));
  return arith::ConstantOp::create(builder, loc, SplatElementsAttr::get(type, attr));
}

} // namespace ampc
