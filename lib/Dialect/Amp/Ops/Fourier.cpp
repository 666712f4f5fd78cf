//===- Fourier.cpp - Discrete Fourier transforms --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A short transform is a product with a matrix of cosines and sines, a longer one several of
// them with factors in between (Cooley and Tukey), or, where its length has a large prime factor,
// a convolution by transforms of a length that has none (Bluestein). All of them are linear, so
// their gradients are those of what they are made of. In f32 at least: f16 holds no spectrum.
//
//===----------------------------------------------------------------------===//

#include "ResampleTable.h"
#include "Spectrum.h"
#include "ampc/Dialect/Amp/Ops/Binary.h"
#include "ampc/Dialect/Amp/Ops/MatMul.h"
#include "ampc/Dialect/Amp/Ops/Shape.h"
#include "ampc/Dialect/Amp/Ops/Slice.h"
#include "ampc/Dialect/Amp/Values.h"
#include <cmath>

using namespace mlir;
using namespace ampc;

/// The largest transform that is one product, and the largest prime number that is one.
constexpr int64_t kMostAtOnce = 64, kMostPrime = 256;
/// Far more than a signal has: what the transform of one line numbers at most.
constexpr int64_t kMostLength = int64_t(1) << 24;

/// e ^ (2 pi i * multiple / length), of which `multiple` may be large.
static std::pair<double, double> unitRoot(int64_t multiple, int64_t length) {
  double angle = 2 * M_PI * double(multiple % length) / double(length);
  return {std::cos(angle), std::sin(angle)};
}

namespace {
/// Builds transforms of [lines, length, parts], where parts are 2, real and imaginary, or only the
/// real one.
class FourierBuilder {
public:
  FourierBuilder(OpBuilder &b, Location loc, Type type) : b(b), loc(loc), type(type) {}

  /// [lines, length, 2]; an inverse one is not divided by the length.
  Value transform(Value x, bool inverse) {
    int64_t length = shapeOf(x)[1];
    int64_t factor = factorOf(length);
    if (factor == length)
      return direct(x, inverse);
    return factor ? split(widened(x), factor, inverse) : convolved(widened(x), inverse);
  }

  /// The part from `start` on along dimension 1.
  Value cut(Value x, int64_t start, int64_t size) {
    SmallVector<int64_t> starts{0, start, 0}, sizes(shapeOf(x));
    sizes[1] = size;
    return slice(x, starts, sizes);
  }

  /// As many elements along dimension 1, with zeros behind.
  Value padded(Value x, int64_t size) {
    SmallVector<int64_t> starts{0, 0, 0}, sizes(shapeOf(x)), steps(3, 1);
    if (sizes[1] == size)
      return x;
    sizes[1] = size;
    return PadOp::create(b, loc, x, starts, sizes, steps, APFloat(0.0));
  }

  Value part(Value x, int64_t index) {
    SmallVector<int64_t> starts(shapeOf(x).size(), 0), sizes(shapeOf(x));
    starts.back() = index;
    sizes.back() = 1;
    return slice(x, starts, sizes);
  }

  /// The whole spectrum of a real signal of `length`, of whose first half is given.
  Value mirrored(Value x, int64_t length) {
    int64_t half = length / 2 + 1, rest = length - half;
    if (rest == 0)
      return x;
    SmallVector<int64_t> starts{0, rest, 0}, sizes(shapeOf(x)), steps{1, -1, 1};
    sizes[1] = rest;
    Value behind = SliceOp::create(b, loc, x, starts, sizes, steps);
    behind = MulOp::create(b, loc, behind, constant({1, 1, 2}, {1, -1}));
    return ConcatOp::create(b, loc, ValueRange{x, behind}, 1);
  }

  Value times(Value x, double factor) {
    return MulOp::create(b, loc, x, splat(b, loc, RankedTensorType::get({}, type), factor));
  }

private:
  static ArrayRef<int64_t> shapeOf(Value x) { return tensorType(x).getShape(); }

  /// The length itself where one product does; else the largest factor up to kMostAtOnce that
  /// leaves something to split, 0 where there is none.
  static int64_t factorOf(int64_t length) {
    if (length <= kMostAtOnce)
      return length;
    // What is left must come apart as well.
    int64_t rest = length, largest = 1;
    for (int64_t prime = 2; prime * prime <= rest; ++prime)
      for (; rest % prime == 0; rest /= prime)
        largest = std::max(largest, prime);
    largest = std::max(largest, rest);
    if (largest > kMostPrime)
      return 0;
    for (int64_t factor = kMostAtOnce; factor > 1; --factor)
      if (length % factor == 0)
        return factor;
    return largest == length ? length : largest;
  }

  Value slice(Value x, ArrayRef<int64_t> starts, ArrayRef<int64_t> sizes) {
    SmallVector<int64_t> steps(starts.size(), 1);
    return SliceOp::create(b, loc, x, starts, sizes, steps);
  }

  Value constant(ArrayRef<int64_t> shape, ArrayRef<double> values) {
    SmallVector<APFloat> elements;
    for (double value : values) {
      bool inexact = false;
      elements.emplace_back(value).convert(cast<FloatType>(type).getFloatSemantics(),
                                           APFloat::rmNearestTiesToEven, &inexact);
    }
    return buildConstant(b, loc,
                         DenseElementsAttr::get(RankedTensorType::get(shape, type), elements));
  }

  /// A real signal as a complex one.
  Value widened(Value x) {
    SmallVector<int64_t> starts(3, 0), sizes(shapeOf(x)), steps(3, 1);
    if (sizes[2] == 2)
      return x;
    sizes[2] = 2;
    return PadOp::create(b, loc, x, starts, sizes, steps, APFloat(0.0));
  }

  /// One product: rows are elements and their parts, columns frequencies and theirs.
  Value direct(Value x, bool inverse) {
    int64_t lines = shapeOf(x)[0], length = shapeOf(x)[1], parts = shapeOf(x)[2];
    SmallVector<double> matrix(length * parts * length * 2);
    for (int64_t n = 0; n < length; ++n)
      for (int64_t k = 0; k < length; ++k) {
        auto [cosine, sine] = unitRoot(n * k, length);
        sine = inverse ? sine : -sine;
        double *place = &matrix[(n * parts * length + k) * 2];
        place[0] = cosine;
        place[1] = sine;
        if (parts == 2) {
          place[2 * length] = -sine;
          place[2 * length + 1] = cosine;
        }
      }
    Value flat = reshapeTo(b, loc, x, {lines, length * parts});
    Value columns = constant({length * parts, length * 2}, matrix);
    Value product = MatMulOp::create(b, loc, flat, columns, Value(), false, false, APFloat(1.0));
    return reshapeTo(b, loc, product, {lines, length, 2});
  }

  /// Complex products with constants, which broadcast.
  Value complexProduct(Value x, Value y) {
    Value xr = part(x, 0), xi = part(x, 1), yr = part(y, 0), yi = part(y, 1);
    auto product = [&](Value p, Value q) -> Value { return MulOp::create(b, loc, p, q); };
    Value real = SubOp::create(b, loc, product(xr, yr), product(xi, yi));
    Value imaginary = AddOp::create(b, loc, product(xr, yi), product(xi, yr));
    return ConcatOp::create(b, loc, ValueRange{real, imaginary}, int64_t(shapeOf(real).size()) - 1);
  }

  Value transposed(Value x, ArrayRef<int64_t> permutation) {
    return TransposeOp::create(b, loc, x, permutation);
  }

  /// Element i * rest + j is transformed over the `factor` i, turned, then over the j.
  Value split(Value x, int64_t factor, bool inverse) {
    int64_t lines = shapeOf(x)[0], length = shapeOf(x)[1], rest = length / factor;
    x = reshapeTo(b, loc, x, {lines, factor, rest, 2});
    x = transposed(x, {0, 2, 1, 3});
    x = transform(reshapeTo(b, loc, x, {lines * rest, factor, 2}), inverse);
    SmallVector<double> turns;
    for (int64_t j = 0; j < rest; ++j)
      for (int64_t k = 0; k < factor; ++k) {
        auto [cosine, sine] = unitRoot(j * k, length);
        turns.append({cosine, inverse ? sine : -sine});
      }
    x = reshapeTo(b, loc, x, {lines, rest, factor, 2});
    x = complexProduct(x, constant({1, rest, factor, 2}, turns));
    x = transposed(x, {0, 2, 1, 3});
    x = transform(reshapeTo(b, loc, x, {lines * factor, rest, 2}), inverse);
    // Frequency k + factor * l is the l-th of those of k.
    x = transposed(reshapeTo(b, loc, x, {lines, factor, rest, 2}), {0, 2, 1, 3});
    return reshapeTo(b, loc, x, {lines, length, 2});
  }

  /// With nk = (n^2 + k^2 - (k - n)^2) / 2, a convolution with e ^ (pi i m^2 / length).
  Value convolved(Value x, bool inverse) {
    int64_t length = shapeOf(x)[1], whole = int64_t(llvm::PowerOf2Ceil(2 * length - 1));
    SmallVector<double> chirp, kernel(2 * whole, 0.0);
    for (int64_t n = 0; n < length; ++n) {
      // n^2 counts modulo twice the length.
      auto [cosine, sine] = unitRoot(n * n % (2 * length), 2 * length);
      sine = inverse ? sine : -sine;
      chirp.append({cosine, sine});
      for (int64_t place : {n, (whole - n) % whole}) {
        kernel[2 * place] = cosine;
        kernel[2 * place + 1] = -sine;
      }
    }
    Value turns = constant({1, length, 2}, chirp);
    Value spectrum = transform(padded(complexProduct(x, turns), whole), false);
    spectrum = complexProduct(spectrum, constant({1, whole, 2}, spectrumOf(kernel)));
    Value y = cut(transform(spectrum, true), 0, length);
    return times(complexProduct(y, turns), 1 / double(whole));
  }

  /// The transform of complex numbers, as many as a power of 2, in f64.
  static SmallVector<double> spectrumOf(ArrayRef<double> x) {
    int64_t length = int64_t(x.size()) / 2;
    if (length == 1)
      return SmallVector<double>(x);
    SmallVector<double> even, odd, result(x.size());
    for (int64_t n = 0; n < length; ++n)
      (n % 2 ? odd : even).append({x[2 * n], x[2 * n + 1]});
    even = spectrumOf(even);
    odd = spectrumOf(odd);
    for (int64_t k = 0; k < length / 2; ++k) {
      auto [cosine, sine] = unitRoot(k, length);
      double real = cosine * odd[2 * k] + sine * odd[2 * k + 1];
      double imaginary = cosine * odd[2 * k + 1] - sine * odd[2 * k];
      result[2 * k] = even[2 * k] + real;
      result[2 * k + 1] = even[2 * k + 1] + imaginary;
      result[length + 2 * k] = even[2 * k] - real;
      result[length + 2 * k + 1] = even[2 * k + 1] - imaginary;
    }
    return result;
  }

  OpBuilder &b;
  Location loc;
  Type type;
};

/// What a node does with a line.
struct TransformRule {
  int64_t length;
  bool inverse, oneSided;
};
} // namespace

/// The lines of [lines, elements, parts], transformed.
static Value transformLines(OpBuilder &b, Location loc, Value x, const TransformRule &rule) {
  FourierBuilder fourier(b, loc, tensorType(x).getElementType());
  bool isMirrored = rule.inverse && rule.oneSided;
  int64_t given = isMirrored ? rule.length / 2 + 1 : rule.length;
  int64_t own = tensorType(x).getDimSize(1);
  x = own > given ? fourier.cut(x, 0, given) : fourier.padded(x, given);
  if (isMirrored)
    x = fourier.mirrored(x, rule.length);
  x = fourier.transform(x, rule.inverse);
  if (isMirrored)
    x = fourier.part(x, 0);
  else if (rule.oneSided)
    x = fourier.cut(x, 0, rule.length / 2 + 1);
  return rule.inverse ? fourier.times(x, 1 / double(rule.length)) : x;
}

/// What `build` adds at the end of the function computes in f32, whatever the lists say.
static Value keepFull(OnnxNode &node, OpBuilder &b, Value x, function_ref<Value(Value)> build) {
  Type element = tensorType(x).getElementType();
  Block *block = b.getInsertionBlock();
  Operation *last = block->empty() ? nullptr : &block->back();
  Value result = build(castTo(b, node.loc, x, KernelBuilder::computeType(element)));
  auto full =
      b.getDictionaryAttr({b.getNamedAttr("category", b.getStringAttr(kFullPrecision)),
                           b.getNamedAttr("reason", b.getStringAttr("sums of " + node.opType))});
  for (Operation *op = last ? last->getNextNode() : &block->front(); op; op = op->getNextNode())
    if (isa<PrecisionOpInterface>(op))
      op->setAttr(kPrecisionAttr, full);
  return castTo(b, node.loc, result, element);
}

static LogicalResult checkSignal(OnnxNode &node) {
  if (isa<FloatType>(tensorType(node.input(0)).getElementType()))
    return success();
  return node.emitError() << "needs a signal of floats, but has " << node.input(0).getType();
}

static LogicalResult checkLength(OnnxNode &node, StringRef what, int64_t length) {
  if (length >= 1 && length <= kMostLength)
    return success();
  return node.emitError() << "has a " << what << " of " << length
                          << ": it must be at least 1 and at most " << kMostLength;
}

FailureOr<Value> ampc::importDft(OnnxNode &node, OpBuilder &b) {
  bool hasAxisInput = node.version >= 20;
  if (failed(node.expectInputs(1, hasAxisInput ? 3 : 2)) || failed(checkSignal(node)))
    return failure();
  Value x = node.input(0);
  RankedTensorType type = tensorType(x);
  int64_t rank = type.getRank(), parts = rank > 1 ? type.getShape().back() : 0;
  int64_t axis = hasAxisInput ? -2 : node.getInt("axis", 1);
  if (node.input(2) && hasAxisInput) {
    FailureOr<int64_t> given = constantInt(node, 2, "axis");
    if (failed(given))
      return failure();
    axis = *given;
  }
  TransformRule rule{0, node.getInt("inverse", 0) != 0, node.getInt("onesided", 0) != 0};
  if (node.hadError)
    return failure();
  if (parts != 1 && parts != 2)
    return node.emitError() << "needs [signal.., 1] of real numbers or [signal.., 2] of complex "
                               "ones, but has "
                            << type;
  FailureOr<int64_t> wrapped = normalizeAxis(node, axis, rank);
  if (failed(wrapped))
    return failure();
  if (*wrapped == rank - 1)
    return node.emitError() << "has axis " << axis << ", which are the parts of numbers of "
                            << type;
  if (rule.oneSided && parts != (rule.inverse ? 2 : 1))
    return node.emitError() << "is onesided" << (rule.inverse ? " and inverse" : "")
                            << ", which takes " << (rule.inverse ? "complex" : "real")
                            << " numbers, but has " << type;
  int64_t extent = type.getDimSize(*wrapped);
  rule.length = rule.inverse && rule.oneSided ? 2 * (extent - 1) : extent;
  if (node.input(1)) {
    FailureOr<int64_t> given = constantInt(node, 1, "dft_length");
    if (failed(given))
      return failure();
    rule.length = *given;
  }
  if (failed(checkLength(node, "length", rule.length)))
    return failure();
  SmallVector<int64_t> shape(type.getShape()), order;
  for (int64_t d = 0; d < rank; ++d)
    if (d != *wrapped && d != rank - 1)
      order.push_back(d);
  order.append({*wrapped, rank - 1});
  SmallVector<int64_t> extents = applyPermutation(shape, order);
  int64_t lines = llvm::product_of(ArrayRef(extents).drop_back(2), int64_t(1));
  if (failed(checkedProduct(node, {lines, 4 * rule.length, 2})))
    return failure();
  return keepFull(node, b, x, [&](Value x) {
    x = buildPermutation(b, node.loc, x, order);
    x = transformLines(b, node.loc, reshapeTo(b, node.loc, x, {lines, extent, parts}), rule);
    SmallVector<int64_t> result(extents);
    result[rank - 2] = tensorType(x).getDimSize(1);
    result[rank - 1] = tensorType(x).getDimSize(2);
    x = reshapeTo(b, node.loc, x, result);
    return buildPermutation(b, node.loc, x, invertPermutationVector(order));
  });
}

/// Spectra of pieces of a signal, `frame_step` apart, times a window.
FailureOr<Value> ampc::importStft(OnnxNode &node, OpBuilder &b) {
  if (failed(node.expectInputs(2, 4)) || failed(checkSignal(node)))
    return failure();
  Value x = node.input(0), window = node.input(2);
  RankedTensorType type = tensorType(x);
  if (type.getRank() != 3 || (type.getDimSize(2) != 1 && type.getDimSize(2) != 2))
    return node.emitError() << "needs a signal [n, length, 1] of real numbers or [n, length, 2] of "
                               "complex ones, but has "
                            << type;
  int64_t n = type.getDimSize(0), extent = type.getDimSize(1), parts = type.getDimSize(2);
  FailureOr<int64_t> step = constantInt(node, 1, "frame_step");
  if (failed(step) || failed(checkLength(node, "frame_step", *step)))
    return failure();
  TransformRule rule{extent, false, node.getInt("onesided", 1) != 0};
  if (node.hadError)
    return failure();
  if (window) {
    RankedTensorType windowType = tensorType(window);
    if (windowType.getRank() != 1 || windowType.getElementType() != type.getElementType())
      return node.emitError() << "needs a window [length] of " << type.getElementType()
                              << ", but has " << windowType;
    rule.length = windowType.getDimSize(0);
  }
  if (node.input(3)) {
    FailureOr<int64_t> given = constantInt(node, 3, "frame_length");
    if (failed(given))
      return failure();
    if (window && *given != rule.length)
      return node.emitError() << "has a frame_length of " << *given << ", but a window of "
                              << rule.length;
    rule.length = *given;
  }
  if (failed(checkLength(node, "frame_length", rule.length)))
    return failure();
  if (rule.length > extent)
    return node.emitError() << "has frames of " << rule.length << " elements, more than the "
                            << extent << " of the signal";
  if (rule.oneSided && parts == 2)
    return node.emitError() << "is onesided, which takes real numbers, but has " << type;
  int64_t frames = (extent - rule.length) / *step + 1;
  if (rule.length > kMostSources / frames)
    return node.emitError() << "has " << frames << " frames of " << rule.length
                            << " elements, more than " << kMostSources << " together";
  if (failed(checkedProduct(node, {n, frames, 8 * rule.length})))
    return failure();
  auto table = ResampleTable::windows(1, extent, rule.length, frames, *step, 1, 0);
  return keepFull(node, b, x, [&](Value x) {
    Location loc = node.loc;
    x = reshapeTo(b, loc, resample(b, loc, x, {table}), {n, rule.length, frames, parts});
    x = TransposeOp::create(b, loc, x, ArrayRef<int64_t>{0, 2, 1, 3});
    if (window) {
      Value wide = castTo(b, loc, window, tensorType(x).getElementType());
      x = MulOp::create(b, loc, x, reshapeTo(b, loc, wide, {1, 1, rule.length, 1}));
    }
    x = transformLines(b, loc, reshapeTo(b, loc, x, {n * frames, rule.length, parts}), rule);
    return reshapeTo(b, loc, x, {n, frames, tensorType(x).getDimSize(1), 2});
  });
}
