//===- ResampleTable.h - Which elements are summed along an axis -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_DIALECT_AMP_OPS_RESAMPLETABLE_H
#define AMPC_LIB_DIALECT_AMP_OPS_RESAMPLETABLE_H

#include "Common.h"
#include "WindowAttributes.h"
#include "ampc/Dialect/Amp/Ops/Resampling.h"

namespace ampc {

/// Far more than an axis of a resized image needs: what the sources of one table number at most.
constexpr int64_t kMostSources = int64_t(1) << 22;

/// The table of one axis of an amp.resample.
struct ResampleTable {
  int64_t axis;
  SmallVector<int64_t> starts{0}, sources;
  SmallVector<double> weights;

  int64_t size() const { return starts.size() - 1; }
  /// Adds a source to the element that is being described.
  void add(int64_t source, double weight = 1) {
    sources.push_back(source);
    weights.push_back(weight);
  }
  /// The element has its sources; the next ones are another's.
  void endElement() { starts.push_back(sources.size()); }

  /// Whether each element has itself as its only source, of `extent` elements.
  bool isIdentity(int64_t extent) const;
  /// Whether no element has more than one source, and all weights are 1.
  bool onlyMoves() const;
  /// The table of the gradient, by an axis of `extent` elements.
  ResampleTable transposed(int64_t extent) const;

  /// Windows put side by side along an axis of `extent`: for each of `taps` all `points`. What
  /// lies outside has no source. At most kMostSources of them.
  static ResampleTable windows(int64_t axis, int64_t extent, int64_t taps, int64_t points,
                               int64_t stride, int64_t dilation, int64_t pad);
};

/// An amp.resample of `x`; `x` itself where the tables change nothing.
Value resample(OpBuilder &builder, Location loc, Value x, ArrayRef<ResampleTable> tables);

} // namespace ampc

#endif // AMPC_LIB_DIALECT_AMP_OPS_RESAMPLETABLE_H
