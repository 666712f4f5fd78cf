//===- WindowOperand.h - Images as operands of a product --------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A convolution is a product with a matrix that holds, for each point of the
// output, the window of the input that the filter lies on. The matrix is never
// stored: strips of it are packed from the images.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_HOST_WINDOWOPERAND_H
#define AMPC_RUNTIME_HOST_WINDOWOPERAND_H

#include "Core/ConvolutionShape.h"
#include "Host/Gemm.h"

namespace ampc {

/// Along one dimension: tap `t` of the filter lies, for point `p`, on element
/// `p * stride + t * dilation - pad` of the image, or on a zero outside of
/// [0, extent).
struct WindowAxis {
  int64_t points, taps, extent;
  int64_t stride, dilation, pad;

  /// For each point of the output, what the filter lies on in the input.
  explicit WindowAxis(const ConvolutionAxis &a)
      : points(a.output), taps(a.filter), extent(a.input), stride(a.stride), dilation(a.dilation),
        pad(a.padBefore) {}

  /// The other way round, for a stride of 1: for each element of the input, the
  /// points whose taps, the last one first, lie on it.
  static WindowAxis adjoint(const ConvolutionAxis &a) {
    WindowAxis axis(a);
    axis.points = a.input;
    axis.extent = a.output;
    axis.pad = a.dilation * (a.filter - 1) - a.padBefore;
    return axis;
  }

  /// Each point of the output on itself.
  static WindowAxis pointwise(const ConvolutionAxis &a) {
    WindowAxis axis(a);
    axis.extent = a.output;
    axis.taps = axis.stride = axis.dilation = 1;
    axis.pad = 0;
    return axis;
  }

  int64_t element(int64_t point, int64_t tap) const {
    return point * stride + tap * dilation - pad;
  }
  bool isInside(int64_t point, int64_t tap) const {
    return element(point, tap) >= 0 && element(point, tap) < extent;
  }
  /// The points in [begin, end) whose tap `tap` lies on an element.
  struct Range {
    int64_t begin, end;
  };
  Range pointsInside(int64_t tap, int64_t begin, int64_t end) const;
};

/// Images [n, channels, rows, columns], of which a product reads some channels
/// of each. Taps count (channel, row, column), points (image, row, column).
struct WindowImages {
  const void *data; ///< of the first channel that is read
  uint32_t dtype;
  int64_t imageStride; ///< elements from one image to the next
  int64_t count;       ///< elements in memory from `data` on, all channels counted
  WindowAxis rows, columns;
};

/// The matrix of windows: taps by points. The right operand of a product.
template <class T>
class WindowOperand final : public GemmOperand<T> {
public:
  /// `sumsTaps`: k counts taps, and strips run over points; else the other way
  /// round.
  WindowOperand(const GemmKernels<T> &kernels, const WindowImages &images, bool sumsTaps);

  void pack(T *to, GemmSide side, int64_t first, int64_t count, int64_t k,
            int64_t depth) const override;

private:
  /// Points of one row, the first of them number `index` of those asked for. Where
  /// `isFlat` they may go on in the next rows of the image.
  struct Run {
    int64_t index, image, row, column, count;
  };
  struct Tap {
    int64_t channel, row, column;
  };

  template <class Fn>
  void forEachRun(int64_t first, int64_t count, Fn fn) const;
  template <class Fn>
  void forEachRow(const Run &run, Fn fn) const;
  template <class Fn>
  void forEachOutside(const Tap &tap, const Run &run, Fn fn) const;
  Tap tapAt(int64_t index) const;
  void moveOn(Tap &tap) const;
  void packTaps(T *to, int64_t width, int64_t first, int64_t count, int64_t k, int64_t depth) const;
  void packPoints(T *to, int64_t width, int64_t first, int64_t count, int64_t k,
                  int64_t depth) const;
  int64_t elementAt(const Tap &tap, const Run &run, int64_t column) const;
  const void *addressOf(int64_t element) const;
  void packFlatTaps(T *to, const Run &run, int64_t k, int64_t depth) const;
  void packRun(T *to, int64_t stride, const Tap &tap, const Run &run) const;
  void packFour(T *to, int64_t stride, const Tap *four, const Run &run) const;
  void packPair(T *to, const Tap &first, const Tap *second, const Run &run) const;
  void packRunInPairs(T *to, int64_t width, const Tap &tap, const Run &run) const;
  void packFourInPairs(T *to, int64_t width, const Tap *four, const Run &run) const;
  bool addressesOf(const Tap *four, const Run &run, const void **from) const;

  const GemmKernels<T> &kernels;
  WindowImages images;
  int64_t elementBytes;
  bool sumsTaps;
  bool isFlat; ///< points follow each other in memory over a whole image, at every tap
};

/// A matrix whose rows lie in pieces: element (i, kk) is at
/// data[i * stride + kk / piece * pieceStride + kk % piece].
template <class T>
class PiecewiseOperand final : public GemmOperand<T> {
public:
  PiecewiseOperand(const GemmKernels<T> &kernels, const void *data, uint32_t dtype, int64_t stride,
                   int64_t piece, int64_t pieceStride)
      : kernels(kernels), data(data), dtype(dtype), stride(stride), piece(piece),
        pieceStride(pieceStride) {}

  void pack(T *to, GemmSide side, int64_t first, int64_t count, int64_t k,
            int64_t depth) const override;

private:
  const GemmKernels<T> &kernels;
  const void *data;
  uint32_t dtype;
  int64_t stride, piece, pieceStride;
};

extern template class WindowOperand<float>;
extern template class WindowOperand<double>;
extern template class PiecewiseOperand<float>;
extern template class PiecewiseOperand<double>;

} // namespace ampc

#endif // AMPC_RUNTIME_HOST_WINDOWOPERAND_H
