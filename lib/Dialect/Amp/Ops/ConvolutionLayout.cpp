//===- ConvolutionLayout.cpp - Convolutions with their channels last ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// What amp.conv and its gradients answer to LayoutOpInterface. Two-dimensional ones only: what has
// other dimensions keeps the file's order.
//
//===----------------------------------------------------------------------===//

#include "ChannelsLast.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Dialect/Amp/Ops/Convolution.h"

using namespace mlir;
using namespace ampc;

/// Whether the op could have its channels last, and has not.
template <typename OpTy>
static bool isPlanar(OpTy op) {
  return !op.getChannelsLast() && op.getType().getRank() == 4;
}

/// The library call with channels last. A bias is one of its operands, but for a gradient's.
static LibraryRequest requestOf(Operation *op, uint32_t kind) {
  LibraryRequest request{AMPC_LIBRARY_CONVOLUTION, kind, {}, {}, /*channelsLast=*/true};
  for (Value operand : op->getOperands())
    if (kind == AMPC_CONVOLUTION_FORWARD || request.operands.size() < 2)
      request.operands.push_back(getElementTypeOrSelf(operand));
  request.results.push_back(getElementTypeOrSelf(op->getResult(0)));
  return request;
}

template <typename OpTy>
static SmallVector<int64_t> preferredOrder(OpTy op, uint32_t kind,
                                           const LibrarySupport &libraries) {
  if (!isPlanar(op) || op.getType().getNumElements() == 0 ||
      !libraries.prefersChannelsLast(requestOf(op, kind)))
    return {};
  return channelsLastOrder(4);
}

template <typename OpTy>
static bool takesOrder(OpTy op, uint32_t kind, ArrayRef<int64_t> order,
                       const LibrarySupport &libraries) {
  return isPlanar(op) && order == ArrayRef(channelsLastOrder(4)) &&
         libraries.nearestResult(requestOf(op, kind));
}

/// Filters and biases lie as the file has them: libraries take a filter so beside images with
/// channels last, at the price of a copy of it, and no step has to move it.
static SmallVector<int64_t> orderOfImage(bool isImage, ArrayRef<int64_t> order) {
  return SmallVector<int64_t>(isImage ? order : ArrayRef<int64_t>());
}

//===----------------------------------------------------------------------===//
// conv
//===----------------------------------------------------------------------===//

SmallVector<int64_t> ConvOp::getPreferredOrder(const LibrarySupport &libraries) {
  return preferredOrder(*this, AMPC_CONVOLUTION_FORWARD, libraries);
}
int64_t ConvOp::getOrderedRank() { return getType().getRank(); }
bool ConvOp::computesIn(ArrayRef<int64_t> order, const LibrarySupport &libraries) {
  return takesOrder(*this, AMPC_CONVOLUTION_FORWARD, order, libraries);
}
SmallVector<int64_t> ConvOp::getOperandOrder(unsigned index, ArrayRef<int64_t> order) {
  return orderOfImage(index == 0, order);
}
SmallVector<int64_t> ConvOp::getResultOrder(unsigned, ArrayRef<int64_t> order) {
  return SmallVector<int64_t>(order);
}
void ConvOp::setOrder(ArrayRef<int64_t>) { setChannelsLast(true); }

//===----------------------------------------------------------------------===//
// conv_transpose
//===----------------------------------------------------------------------===//

SmallVector<int64_t> ConvTransposeOp::getPreferredOrder(const LibrarySupport &libraries) {
  return preferredOrder(*this, AMPC_CONVOLUTION_INPUT_GRADIENT, libraries);
}
int64_t ConvTransposeOp::getOrderedRank() { return getType().getRank(); }
bool ConvTransposeOp::computesIn(ArrayRef<int64_t> order, const LibrarySupport &libraries) {
  return takesOrder(*this, AMPC_CONVOLUTION_INPUT_GRADIENT, order, libraries);
}
SmallVector<int64_t> ConvTransposeOp::getOperandOrder(unsigned index, ArrayRef<int64_t> order) {
  return orderOfImage(index == 0, order);
}
SmallVector<int64_t> ConvTransposeOp::getResultOrder(unsigned, ArrayRef<int64_t> order) {
  return SmallVector<int64_t>(order);
}
void ConvTransposeOp::setOrder(ArrayRef<int64_t>) { setChannelsLast(true); }

//===----------------------------------------------------------------------===//
// conv_input_grad
//===----------------------------------------------------------------------===//

SmallVector<int64_t> ConvInputGradOp::getPreferredOrder(const LibrarySupport &libraries) {
  return preferredOrder(*this, AMPC_CONVOLUTION_INPUT_GRADIENT, libraries);
}
int64_t ConvInputGradOp::getOrderedRank() { return getType().getRank(); }
bool ConvInputGradOp::computesIn(ArrayRef<int64_t> order, const LibrarySupport &libraries) {
  return takesOrder(*this, AMPC_CONVOLUTION_INPUT_GRADIENT, order, libraries);
}
SmallVector<int64_t> ConvInputGradOp::getOperandOrder(unsigned index, ArrayRef<int64_t> order) {
  return orderOfImage(index == 0, order);
}
SmallVector<int64_t> ConvInputGradOp::getResultOrder(unsigned, ArrayRef<int64_t> order) {
  return SmallVector<int64_t>(order);
}
void ConvInputGradOp::setOrder(ArrayRef<int64_t>) { setChannelsLast(true); }

//===----------------------------------------------------------------------===//
// conv_filter_grad
//===----------------------------------------------------------------------===//

SmallVector<int64_t> ConvFilterGradOp::getPreferredOrder(const LibrarySupport &libraries) {
  return preferredOrder(*this, AMPC_CONVOLUTION_FILTER_GRADIENT, libraries);
}
int64_t ConvFilterGradOp::getOrderedRank() { return getType().getRank(); }
bool ConvFilterGradOp::computesIn(ArrayRef<int64_t> order, const LibrarySupport &libraries) {
  return takesOrder(*this, AMPC_CONVOLUTION_FILTER_GRADIENT, order, libraries);
}
SmallVector<int64_t> ConvFilterGradOp::getOperandOrder(unsigned, ArrayRef<int64_t> order) {
  return SmallVector<int64_t>(order);
}
SmallVector<int64_t> ConvFilterGradOp::getResultOrder(unsigned, ArrayRef<int64_t>) { return {}; }
void ConvFilterGradOp::setOrder(ArrayRef<int64_t>) { setChannelsLast(true); }
