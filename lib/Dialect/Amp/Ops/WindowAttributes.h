//===- WindowAttributes.h - How windows move over images --------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_WINDOWATTRIBUTES_H
#define AMPC_LIB_DIALECT_AMP_OPS_WINDOWATTRIBUTES_H

#include "Common.h"

namespace ampc {

/// Far above what any memory holds, and below what overflows: of extents, strides,
/// dilations and pads, and of the elements of all windows together.
constexpr int64_t kMostAlong = int64_t(1) << 30, kMostElements = int64_t(1) << 56;

/// The integers of attribute `name`, `count` of them, or as many times `otherwise`.
inline FailureOr<SmallVector<int64_t>> importInts(OnnxNode &node, StringRef name, size_t count,
                                                  int64_t otherwise) {
  std::optional<std::vector<int64_t>> values = node.getInts(name);
  if (!values)
    return SmallVector<int64_t>(count, otherwise);
  if (values->size() != count)
    return node.emitError() << "has " << values->size() << " numbers in '" << name << "', not "
                            << count;
  return SmallVector<int64_t>(values->begin(), values->end());
}

/// The pads along one dimension with which an output has ceil(extent / stride) points. The
/// odd one goes behind the input, or before it where `isLower`.
inline std::pair<int64_t, int64_t> samePads(int64_t extent, int64_t reach, int64_t stride,
                                            bool isLower) {
  int64_t points = llvm::divideCeil(extent, stride);
  int64_t total = std::max<int64_t>((points - 1) * stride + reach - extent, 0);
  int64_t small = total / 2, large = total - small;
  return isLower ? std::pair(large, small) : std::pair(small, large);
}

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_WINDOWATTRIBUTES_H
