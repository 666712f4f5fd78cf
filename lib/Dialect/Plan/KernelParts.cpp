//===- KernelParts.cpp - Slices, pads and concatenations ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Plan/KernelBuilder.h"
#include "ampc/Dialect/Plan/Plan.h"
#include "ampc/Dialect/Plan/Views.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace ampc {

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// An op without reductions that makes a tensor of `type`, element by element, from inputs that it
/// reads by `maps`.
static Value build(KernelBuilder &kernel, RankedTensorType type, ValueRange inputs,
                   SmallVector<AffineMap> maps, KernelBuilder::ScalarFn fn) {
  OpBuilder &b = kernel.builder;
  maps.push_back(b.getMultiDimIdentityMap(type.getRank()));
  SmallVector<utils::IteratorType> loops(type.getRank(), utils::IteratorType::parallel);
  Value empty = tensor::EmptyOp::create(b, kernel.loc, type.getShape(), type.getElementType());
  return linalg::GenericOp::create(b, kernel.loc, type, inputs, empty, maps, loops,
                                   [&](OpBuilder &nested, Location loc, ValueRange arguments) {
                                     ScalarBuilder scalars(nested, loc);
                                     linalg::YieldOp::create(nested, loc, fn(scalars, arguments));
                                   })
      .getResult(0);
}

/// `index`, which reaches a part of a dimension of `extent`, so that MLIR takes it (see
/// OperandIndex.h).
static AffineExpr partialIndex(AffineExpr index, int64_t extent) { return index % extent; }

/// What a library call writes lies in memory anyway: a part of it that is one piece and begins
/// where a buffer may is that memory. Null where it is not.
static Value viewPart(KernelBuilder &kernel, Value input, RankedTensorType type,
                      ArrayRef<int64_t> starts, ArrayRef<int64_t> steps) {
  unsigned bits = type.getElementTypeBitWidth();
  if (!getViewed(input).getDefiningOp<plan::LibraryCallOpInterface>() || bits % 8 != 0 ||
      llvm::any_of(steps, [](int64_t step) { return step != 1; }))
    return {};
  // Whole dimensions behind the first one of several elements.
  ArrayRef<int64_t> from = tensorType(input).getShape(), shape = type.getShape();
  const int64_t *first = llvm::find_if(shape, [](int64_t extent) { return extent != 1; });
  size_t whole = std::min<size_t>(shape.size(), first - shape.begin() + 1);
  if (shape.drop_front(whole) != from.drop_front(whole))
    return {};
  int64_t offset = 0;
  for (auto [start, extent] : llvm::zip_equal(starts, from))
    offset = offset * extent + start;
  offset *= bits / 8;
  if (offset % AMPC_ALIGNMENT != 0)
    return {};
  return plan::ViewOp::create(kernel.builder, kernel.loc, type, input, offset);
}

Value KernelBuilder::slice(Value input, ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes,
                           ArrayRef<int64_t> steps) {
  RankedTensorType type = tensorType(input).clone(sizes);
  if (type.getNumElements() == 0)
    return splat(type, 0);
  if (Value view = viewPart(*this, input, type, starts, steps))
    return view;
  SmallVector<AffineExpr> exprs;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    AffineExpr i = builder.getAffineDimExpr(d), place = i * steps[d] + starts[d];
    bool isPart = place == i && sizes[d] != tensorType(input).getDimSize(d);
    exprs.push_back(isPart ? partialIndex(i, tensorType(input).getDimSize(d)) : place);
  }
  return build(*this, type, input, {AffineMap::get(type.getRank(), 0, exprs, builder.getContext())},
               [](ScalarBuilder &, ValueRange x) { return x[0]; });
}

/// Where a tensor lies in a larger one, from `starts` on: its indices, for the loops over the
/// larger one.
static AffineMap placeMap(RankedTensorType type, ArrayRef<int64_t> starts,
                          ArrayRef<int64_t> sizes) {
  SmallVector<AffineExpr> exprs;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    AffineExpr i = getAffineDimExpr(d, type.getContext());
    exprs.push_back(
        sizes[d] == type.getDimSize(d) ? i : partialIndex(i - starts[d], type.getDimSize(d)));
  }
  return AffineMap::get(type.getRank(), 0, exprs, type.getContext());
}

/// Whether the loops are within that place. Null: they always are.
static Value isInPlace(ScalarBuilder &s, KernelBuilder &kernel, RankedTensorType type,
                       ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes) {
  Value inside;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    int64_t end = starts[d] + type.getDimSize(d);
    if (starts[d] == 0 && end == sizes[d])
      continue;
    Value i = kernel.index(s, d);
    auto require = [&](Value condition) {
      inside = inside ? s.logicalAnd(inside, condition) : condition;
    };
    if (starts[d] > 0)
      require(s.greaterOrEqual(i, s.constantLike(i, double(starts[d]))));
    if (end < sizes[d])
      require(s.less(i, s.constantLike(i, double(end))));
  }
  return inside;
}

Value KernelBuilder::pad(Value input, ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes,
                         double value) {
  RankedTensorType from = tensorType(input), type = from.clone(sizes);
  if (from.getNumElements() == 0 || type.getNumElements() == 0)
    return splat(type, value);
  if (from == type)
    return input;
  return build(
      *this, type, input, {placeMap(from, starts, sizes)}, [&](ScalarBuilder &s, ValueRange x) {
        Value inside = isInPlace(s, *this, from, starts, sizes);
        // Rounded as scalars are.
        Value other =
            s.convert(s.constant(computeType(from.getElementType()), value), from.getElementType());
        return s.select(inside, x[0], other);
      });
}

Value KernelBuilder::concat(ValueRange inputs, int64_t axis) {
  RankedTensorType type = tensorType(inputs.front());
  SmallVector<int64_t> sizes(type.getShape());
  sizes[axis] = 0;
  SmallVector<SmallVector<int64_t>> starts;
  for (Value input : inputs) {
    starts.emplace_back(type.getRank(), 0)[axis] = sizes[axis];
    sizes[axis] += tensorType(input).getDimSize(axis);
  }
  type = type.clone(sizes);
  SmallVector<AffineMap> maps;
  for (auto [input, start] : llvm::zip(inputs, starts))
    maps.push_back(placeMap(tensorType(input), start, sizes));
  return build(*this, type, inputs, maps, [&](ScalarBuilder &s, ValueRange x) {
    Value result = s.convert(s.constant(computeType(type.getElementType()), int64_t(0)),
                             type.getElementType());
    for (size_t i = inputs.size(); i-- > 0;)
      result = s.select(isInPlace(s, *this, tensorType(inputs[i]), starts[i], sizes), x[i], result);
    return result;
  });
}

} // namespace ampc
