//===- SignalWindows.cpp - Constants that spectra are made with -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Computed in f64 and rounded once.
//
//===----------------------------------------------------------------------===//

#include "Places.h"
#include "Spectrum.h"
#include "WindowAttributes.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/Unary.h"
#include "ampc/Dialect/Amp/Values.h"
#include <cmath>

using namespace mlir;
using namespace ampc;

/// The type of the result: f32 where the node does not say.
static FailureOr<Type> outputType(OnnxNode &node, OpBuilder &builder) {
  if (!node.hasAttribute("output_datatype"))
    return Type(builder.getF32Type());
  return elementTypeOf(node, builder, "output_datatype");
}

FailureOr<int64_t> ampc::constantInt(OnnxNode &node, unsigned i, StringRef what) {
  FailureOr<SmallVector<int64_t>> numbers = node.constantInts(i, what);
  if (failed(numbers))
    return failure();
  if (numbers->size() != 1)
    return node.emitError() << "'" << what << "' must be one number, but has " << numbers->size();
  return numbers->front();
}

/// a0 - a1 * cos(2 pi i / n) + a2 * cos(4 pi i / n), where n is the size, or one less of a window
/// that is symmetric.
FailureOr<Value> ampc::importWindow(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  FailureOr<int64_t> size = constantInt(node, 0, "size");
  FailureOr<Type> type = outputType(node, builder);
  bool isPeriodic = node.getInt("periodic", 1) != 0;
  if (failed(size) || failed(type) || node.hadError)
    return failure();
  if (*size < 0 || *size > kMostAlong)
    return node.emitError() << "has a size of " << *size << ": it must be at least 0 and at most "
                            << kMostAlong;
  double a0 = 0.5, a1 = 0.5, a2 = 0;
  if (node.opType == "HammingWindow") {
    a0 = 25.0 / 46;
    a1 = 1 - a0;
  } else if (node.opType == "BlackmanWindow") {
    a0 = 0.42;
    a2 = 0.08;
  }
  Location loc = node.loc;
  auto scalar = RankedTensorType::get({}, builder.getF64Type());
  auto number = [&](double x) { return splat(builder, loc, scalar, x); };
  double step = 2 * M_PI / double(isPeriodic ? *size : *size - 1);
  Value index = indexAlong(builder, loc, 1, 0, *size);
  Value angle = castTo(builder, loc, index, builder.getF64Type());
  angle = MulOp::create(builder, loc, angle, number(step));
  auto term = [&](double factor, double multiple) -> Value {
    Value cosine =
        CosOp::create(builder, loc, MulOp::create(builder, loc, angle, number(multiple)));
    return MulOp::create(builder, loc, cosine, number(factor));
  };
  Value window = AddOp::create(builder, loc, term(-a1, 1), number(a0));
  if (a2 != 0)
    window = AddOp::create(builder, loc, window, term(a2, 2));
  return castTo(builder, loc, window, *type);
}

/// Which frequencies count for each band: triangles between bins that lie evenly on the mel scale.
FailureOr<Value> ampc::importMelWeightMatrix(OnnxNode &node, OpBuilder &builder) {
  if (failed(node.expectInputs(5, 5)))
    return failure();
  FailureOr<int64_t> bands = constantInt(node, 0, "num_mel_bins");
  FailureOr<int64_t> length = constantInt(node, 1, "dft_length");
  FailureOr<int64_t> rate = constantInt(node, 2, "sample_rate");
  FailureOr<double> lower = node.constantFloat(3, "lower_edge_hertz");
  FailureOr<double> upper = node.constantFloat(4, "upper_edge_hertz");
  FailureOr<Type> type = outputType(node, builder);
  if (failed(bands) || failed(length) || failed(rate) || failed(lower) || failed(upper) ||
      failed(type) || node.hadError)
    return failure();
  constexpr int64_t kMostBands = 1 << 16, kMostLength = 1 << 24, kMostWeights = 1 << 26;
  if (*bands < 1 || *bands > kMostBands || *length < 1 || *length > kMostLength || *rate < 1 ||
      *bands > kMostWeights / (*length / 2 + 1))
    return node.emitError() << "has num_mel_bins, dft_length and sample_rate of " << *bands << ", "
                            << *length << " and " << *rate
                            << ": each must be at least 1, and the matrix of at most "
                            << kMostWeights << " weights";
  if (!(*lower >= 0 && *lower <= *upper && *upper <= double(*rate)))
    return node.emitError() << "has edges of " << *lower << " and " << *upper
                            << " Hz, which do not ascend from 0 to the sample rate, " << *rate;
  int64_t bins = *length / 2 + 1;
  auto toMel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  double low = toMel(*lower), step = (toMel(*upper) - low) / double(*bands + 2);
  SmallVector<int64_t> edges;
  for (int64_t i = 0; i < *bands + 2; ++i) {
    double hertz = 700 * (std::pow(10, (double(i) * step + low) / 2595) - 1);
    edges.push_back(int64_t(std::floor(double(*length + 1) * hertz / double(*rate))));
  }
  if (edges.front() < 0 || edges.back() > bins || edges[*bands] >= bins)
    return node.emitError() << "has an upper edge of " << *upper << " Hz, above the " << bins
                            << " bins of half the sample rate, " << *rate;
  std::vector<double> weights(bins * *bands);
  for (int64_t i = 0; i < *bands; ++i) {
    int64_t from = edges[i], center = edges[i + 1], to = edges[i + 2];
    auto weight = [&](int64_t bin) -> double & { return weights[bin * *bands + i]; };
    if (from == center)
      weight(center) = 1;
    else
      for (int64_t bin = from; bin <= center; ++bin)
        weight(bin) = double(bin - from) / double(center - from);
    for (int64_t bin = center; bin < to; ++bin)
      weight(bin) = double(to - bin) / double(to - center);
  }
  auto matrix = RankedTensorType::get({bins, *bands}, builder.getF64Type());
  Value wide =
      buildConstant(builder, node.loc, DenseElementsAttr::get(matrix, ArrayRef<double>(weights)));
  return castTo(builder, node.loc, wide, *type);
}
