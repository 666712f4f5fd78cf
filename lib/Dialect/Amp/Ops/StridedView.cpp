//===- StridedView.cpp - Tensors that only move another's elements ---------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StridedView.h"
#include "ampc/Dialect/Amp/Ops/Sequence.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"

using namespace mlir;
using namespace ampc;

StridedView StridedView::of(Value x, ArrayRef<int64_t> shape) {
  assert(llvm::product_of(shape, int64_t(1)) == tensorType(x).getNumElements());
  StridedView view;
  view.source = x;
  view.shape.assign(shape.begin(), shape.end());
  llvm::append_range(view.strides, stridesOf(shape));
  return view;
}

/// The view of a tensor of `shape` as one of a tensor in which neighbours along its dimension d
/// are `strides[d]` apart and its first element is at `start`. Fails where a dimension of the view
/// goes over several of the tensor's.
static bool rebase(StridedView &view, ArrayRef<int64_t> shape, ArrayRef<int64_t> strides,
                   int64_t start) {
  SmallVector<int64_t> own = stridesOf(shape);
  SmallVector<int64_t> first(shape.size()); // the view's first element, then its last
  int64_t rest = view.offset, offset = start;
  for (size_t d = 0; d < shape.size(); ++d) {
    first[d] = rest / own[d];
    rest %= own[d];
    offset += first[d] * strides[d];
  }
  for (size_t i = 0; i < view.shape.size(); ++i) {
    if (view.shape[i] == 1) {
      view.strides[i] = 0;
      continue;
    }
    size_t d = 0; // the dimension that it moves along
    while (d < shape.size() && (own[d] > view.strides[i] || shape[d] == 1))
      ++d;
    if (d == shape.size() || view.strides[i] % own[d] != 0)
      return false;
    int64_t step = view.strides[i] / own[d];
    first[d] += step * (view.shape[i] - 1);
    view.strides[i] = step * strides[d];
  }
  for (size_t d = 0; d < shape.size(); ++d)
    if (first[d] >= shape[d])
      return false;
  view.offset = offset;
  return true;
}

bool StridedView::lookThrough() {
  Operation *op = source.getDefiningOp();
  StridedView view = *this;
  SmallVector<int64_t> from;
  if (auto reshape = dyn_cast_or_null<ReshapeOp>(op)) {
    view.source = reshape.getInput(); // of the same order
  } else if (auto transpose = dyn_cast_or_null<TransposeOp>(op)) {
    view.source = transpose.getInput();
    SmallVector<int64_t> strides = stridesOf(tensorType(view.source).getShape());
    for (int64_t d : transpose.getPermutation())
      from.push_back(strides[d]);
    if (!rebase(view, transpose.getType().getShape(), from, 0))
      return false;
  } else if (auto slice = dyn_cast_or_null<SliceOp>(op)) {
    view.source = slice.getInput();
    from = stridesOf(tensorType(view.source).getShape());
    int64_t start = 0;
    for (auto [begin, step, stride] : llvm::zip_equal(slice.getStarts(), slice.getSteps(), from)) {
      if (step != 1)
        return false;
      start += begin * stride;
    }
    if (!rebase(view, slice.getType().getShape(), from, start))
      return false;
  } else if (auto split = dyn_cast_or_null<SplitOp>(op)) {
    view.source = split.getInput();
    from = stridesOf(tensorType(view.source).getShape());
    int64_t before = 0;
    for (Value part : split->getResults()) {
      if (part == source)
        break;
      before += tensorType(part).getDimSize(split.getAxis());
    }
    if (!rebase(view, tensorType(source).getShape(), from, before * from[split.getAxis()]))
      return false;
  } else {
    return false;
  }
  *this = view;
  return true;
}
