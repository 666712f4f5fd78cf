//===- ConvolutionShape.h - What a convolution step says -------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_CONVOLUTIONSHAPE_H
#define AMPC_RUNTIME_CORE_CONVOLUTIONSHAPE_H

#include "Core/Tables.h"

#include <string>

namespace ampc {

/// One of the two dimensions that a filter moves along.
struct ConvolutionAxis {
  int64_t input, filter, output; ///< extents
  int64_t stride, padBefore, padAfter, dilation;
};

/// A convolution step, read from its arguments and integers.
struct ConvolutionShape {
  ampc_convolution_kind_t kind;
  int64_t n, c, k, groups;
  ConvolutionAxis rows, columns;
  bool hasBias, relu;
  bool channelsLast;            ///< AMPC_LAYOUT_NHWC
  uint32_t lhs, rhs, bias, out; ///< types; `bias` is f32 where there is none

  int64_t inputPoints() const { return rows.input * columns.input; }
  int64_t filterPoints() const { return rows.filter * columns.filter; }
  int64_t outputPoints() const { return rows.output * columns.output; }
};

/// Why these cannot be a convolution step, or "" where they can: the number of
/// arguments and integers, their ranges, and the operands' sizes and types.
std::string checkConvolution(Span<ampc_argument_entry_t> arguments, Span<int64_t> integers);

/// Reads a step that checkConvolution has found good.
ConvolutionShape readConvolution(Span<ampc_argument_entry_t> arguments, Span<int64_t> integers);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_CONVOLUTIONSHAPE_H
