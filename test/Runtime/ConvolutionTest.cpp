//===- ConvolutionTest.cpp - Convolutions against sums in f64 -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Elements.h"

#include "Host/ChannelsLastConvolution.h"
#include "Host/Convolution.h"
#include "Host/DepthwiseConvolution.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <sstream>

using namespace ampc;

namespace {

constexpr ampc_convolution_kind_t kKinds[] = {
    AMPC_CONVOLUTION_FORWARD, AMPC_CONVOLUTION_INPUT_GRADIENT, AMPC_CONVOLUTION_FILTER_GRADIENT};

ConvolutionAxis axis(int64_t input, int64_t filter, int64_t stride = 1, int64_t before = 0,
                     int64_t after = 0, int64_t dilation = 1) {
  int64_t output = (input + before + after - dilation * (filter - 1) - 1) / stride + 1;
  return {input, filter, output, stride, before, after, dilation};
}

std::string describe(const ConvolutionShape &s) {
  std::ostringstream out;
  out << "kind " << s.kind << ", n " << s.n << ", c " << s.c << ", k " << s.k << ", groups "
      << s.groups << ", type " << s.lhs;
  for (const ConvolutionAxis &a : {s.rows, s.columns})
    out << "; " << a.input << " by " << a.filter << ", stride " << a.stride << ", pads "
        << a.padBefore << " " << a.padAfter << ", dilation " << a.dilation;
  return out.str();
}

/// What the CPU makes of a step with channels last, of the form with products.
struct ChannelsLast {
  ChannelsLast(ConvolutionShape shape, int threads)
      : call(shape, std::make_unique<Convolution>(shape, threads)) {}
  Workspace::Requirement requirement() const { return call.requirement(); }
  void run(void *const *arguments, const Workspace &workspace, ThreadPool &pool) const {
    call.run(arguments, workspace, pool);
  }
  ChannelsLastConvolution call;
};

/// The operands of a step, and its result as sums of products in f64.
struct Step {
  explicit Step(const ConvolutionShape &s)
      : s(s), input(s.n * s.c * s.inputPoints()), filter(s.k * (s.c / s.groups) * s.filterPoints()),
        output(s.n * s.k * s.outputPoints()),
        lhs(s.lhs, s.kind == AMPC_CONVOLUTION_FORWARD ? input : output),
        rhs(s.rhs, s.kind == AMPC_CONVOLUTION_FILTER_GRADIENT ? input : filter), bias(s.bias, s.k) {
    Random random(3);
    for (Elements *operand : {&lhs, &rhs, &bias})
      for (size_t i = 0; i != operand->size(); ++i)
        operand->set(i, random.next());
    const int64_t results[] = {output, input, filter};
    resultSize = results[s.kind];
  }

  /// With products, or the form for one filter a channel.
  template <class Call = Convolution>
  Elements run(int threads) const {
    // One element more, which must stay.
    Elements out(s.out, resultSize + 1);
    std::fill(out.bytes.begin(), out.bytes.end(), 0x55);
    std::vector<void *> arguments = {const_cast<char *>(lhs.bytes.data()),
                                     const_cast<char *>(rhs.bytes.data())};
    if (s.hasBias)
      arguments.push_back(const_cast<char *>(bias.bytes.data()));
    arguments.push_back(out.bytes.data());
    ThreadPool pool(threads);
    Call convolution(s, threads);
    Workspace workspace;
    workspace.reserve(convolution.requirement());
    convolution.run(arguments.data(), workspace, pool);
    for (size_t i = resultSize * sizeOf(s.out); i != out.bytes.size(); ++i)
      EXPECT_EQ(out.bytes[i], 0x55) << "written beyond the end";
    out.bytes.resize(resultSize * sizeOf(s.out));
    return out;
  }

  void check(const Elements &got) const {
    std::vector<double> sums(resultSize), magnitudes(resultSize), terms(resultSize);
    std::vector<double> left = lhs.decode(), right = rhs.decode();
    int64_t channels = s.c / s.groups, filters = s.k / s.groups;
    // Every product that a convolution is the sum of: an element of each operand.
    for (int64_t n = 0; n != s.n; ++n)
      for (int64_t k = 0; k != s.k; ++k)
        for (int64_t p = 0; p != s.rows.output; ++p)
          for (int64_t q = 0; q != s.columns.output; ++q)
            for (int64_t c = 0; c != channels; ++c)
              for (int64_t r = 0; r != s.rows.filter; ++r)
                for (int64_t t = 0; t != s.columns.filter; ++t) {
                  int64_t y = place(s.rows, p, r), x = place(s.columns, q, t);
                  if (y < 0 || y >= s.rows.input || x < 0 || x >= s.columns.input)
                    continue;
                  int64_t channel = k / filters * channels + c;
                  int64_t in = ((n * s.c + channel) * s.rows.input + y) * s.columns.input + x;
                  int64_t tap = ((k * channels + c) * s.rows.filter + r) * s.columns.filter + t;
                  int64_t out = ((n * s.k + k) * s.rows.output + p) * s.columns.output + q;
                  const int64_t places[3][3] = {{in, tap, out}, {out, tap, in}, {out, in, tap}};
                  const int64_t *at = places[s.kind];
                  double term = left[at[0]] * right[at[1]];
                  sums[at[2]] += term;
                  magnitudes[at[2]] += std::fabs(term);
                  terms[at[2]] += 1;
                }
    double sumError = s.out == AMPC_DTYPE_F64 ? 0x1p-53 : 0x1p-24;
    double roundingError = s.out == AMPC_DTYPE_F16    ? 0x1p-11
                           : s.out == AMPC_DTYPE_BF16 ? 0x1p-8
                                                      : sumError;
    int wrong = 0;
    for (int64_t i = 0; i != int64_t(resultSize); ++i) {
      double sum = sums[i];
      if (s.hasBias)
        sum += bias.get(i / s.outputPoints() % s.k);
      if (s.relu)
        sum = std::max(sum, 0.0);
      double allowed = sumError * (magnitudes[i] * (terms[i] + 2) + 4) +
                       roundingError * std::fabs(sum) + (s.out == AMPC_DTYPE_F64 ? 0 : 0x1p-24);
      if (!(std::fabs(got.get(i) - sum) <= allowed) && wrong++ == 0)
        ADD_FAILURE() << describe(s) << ": element " << i << " is " << got.get(i) << ", not "
                      << sum;
    }
    EXPECT_EQ(wrong, 0);
  }

  static int64_t place(const ConvolutionAxis &a, int64_t point, int64_t tap) {
    return point * a.stride + tap * a.dilation - a.padBefore;
  }

  ConvolutionShape s;
  int64_t input, filter, output; ///< elements
  Elements lhs, rhs, bias;
  size_t resultSize;
};

ConvolutionShape makeShape(int64_t n, int64_t c, int64_t k, int64_t groups, ConvolutionAxis rows,
                           ConvolutionAxis columns, uint32_t dtype = AMPC_DTYPE_F32) {
  ConvolutionShape s = {};
  s.n = n;
  s.c = c;
  s.k = k;
  s.groups = groups;
  s.rows = rows;
  s.columns = columns;
  s.lhs = s.rhs = s.bias = s.out = dtype;
  return s;
}

std::vector<ConvolutionShape> shapes(uint32_t dtype) {
  return {
      makeShape(1, 1, 1, 1, axis(1, 1), axis(1, 1), dtype),
      makeShape(2, 3, 5, 1, axis(9, 3), axis(8, 3), dtype),
      makeShape(2, 3, 70, 1, axis(14, 3, 1, 1, 1), axis(13, 3, 1, 1, 1), dtype),
      makeShape(3, 16, 8, 1, axis(7, 1), axis(7, 1), dtype),
      // Two small images at a time, of each of two groups; and one where more do not divide.
      makeShape(4, 34, 6, 2, axis(11, 3, 1, 1, 1), axis(11, 3, 1, 1, 1), dtype),
      makeShape(4, 6, 4, 2, axis(11, 1), axis(11, 1), dtype),
      makeShape(5, 3, 4, 1, axis(20, 3, 2, 1, 1), axis(20, 3, 2, 1, 1), dtype),
      makeShape(2, 17, 5, 1, axis(9, 3, 1, 1, 1), axis(8, 5, 1, 1, 3),
                dtype), // as large as the input
      makeShape(2, 40, 6, 2, axis(6, 2, 1, 3, 0, 3), axis(7, 3, 1, 4, 0, 2), dtype),
      makeShape(2, 4, 6, 1, axis(11, 1, 2), axis(12, 1, 3), dtype),
      makeShape(2, 4, 6, 2, axis(12, 3, 2, 1, 0), axis(11, 5, 3, 2, 1), dtype),
      makeShape(2, 6, 12, 6, axis(10, 3, 1, 1, 1), axis(9, 3, 2, 1, 1), dtype),
      makeShape(1, 2, 3, 1, axis(15, 3, 2, 3, 2, 2), axis(17, 2, 1, 0, 4, 5), dtype),
      makeShape(1, 2, 3, 1, axis(6, 2, 4), axis(9, 2, 5, 1, 1), dtype), // gaps between windows
      makeShape(1, 1, 2, 1, axis(2, 3, 1, 5, 4), axis(1, 4, 2, 6, 6), dtype), // pads above all
  };
}

} // namespace

TEST(Convolution, EqualsSumsOfProducts) {
  for (uint32_t dtype : {AMPC_DTYPE_F32, AMPC_DTYPE_F64, AMPC_DTYPE_F16, AMPC_DTYPE_BF16})
    for (ConvolutionShape shape : shapes(dtype))
      for (ampc_convolution_kind_t kind : kKinds) {
        shape.kind = kind;
        Step step(shape);
        step.check(step.run(1));
      }
}

TEST(Convolution, EqualsSumsOfProductsForOneFilterAChannel) {
  for (uint32_t dtype : {AMPC_DTYPE_F32, AMPC_DTYPE_F64, AMPC_DTYPE_F16, AMPC_DTYPE_BF16})
    for (ConvolutionShape shape : shapes(dtype))
      for (ampc_convolution_kind_t kind : kKinds) {
        shape.c = shape.k = shape.groups = 5;
        shape.kind = kind;
        Step step(shape);
        step.check(step.run(1)); // both forms
        step.check(step.run<DepthwiseConvolution>(1));
        if (kind == AMPC_CONVOLUTION_FORWARD) {
          step.s.hasBias = true;
          step.check(step.run<DepthwiseConvolution>(1));
          step.s.relu = true;
          step.check(step.run<DepthwiseConvolution>(1));
        }
        shape.out = dtype == AMPC_DTYPE_F64 ? dtype : AMPC_DTYPE_F32;
        Step wide(shape);
        wide.check(wide.run<DepthwiseConvolution>(1));
        shape.out = dtype;
      }
}

TEST(Convolution, AddsBiasAndRelu) {
  for (ConvolutionShape shape : shapes(AMPC_DTYPE_F32)) {
    shape.kind = AMPC_CONVOLUTION_FORWARD;
    shape.hasBias = true;
    Step plain(shape);
    plain.check(plain.run(1));
    shape.relu = true;
    Step step(shape);
    step.check(step.run(1));
  }
}

TEST(Convolution, KeepsSumsInTheAccumulatorsType) {
  ConvolutionShape shape = makeShape(4, 8, 12, 1, axis(10, 3), axis(10, 3), AMPC_DTYPE_F16);
  shape.kind = AMPC_CONVOLUTION_FILTER_GRADIENT;
  shape.out = AMPC_DTYPE_F32;
  Step step(shape);
  step.check(step.run(1));
}

TEST(Convolution, HasTheSameBitsOnAnyNumberOfThreads) {
  // More points than one panel holds along k, and more products than threads.
  ConvolutionShape shape = makeShape(9, 8, 40, 1, axis(40, 3, 1, 1, 1), axis(40, 3, 1, 1, 1));
  for (ampc_convolution_kind_t kind : kKinds) {
    shape.kind = kind;
    Step step(shape);
    Elements one = step.run(1);
    step.check(one);
    for (int threads : {2, 3})
      EXPECT_EQ(step.run(threads).bytes, one.bytes) << describe(shape);
  }
  shape.k = shape.groups = shape.c;
  for (ampc_convolution_kind_t kind : kKinds) {
    shape.kind = kind;
    Step step(shape);
    Elements one = step.run<DepthwiseConvolution>(1);
    step.check(one);
    for (int threads : {2, 3})
      EXPECT_EQ(step.run<DepthwiseConvolution>(threads).bytes, one.bytes) << describe(shape);
  }
}

namespace {

/// `count` matrices [rows, columns], each transposed.
Elements transposed(const Elements &from, uint32_t dtype, int64_t count, int64_t rows,
                    int64_t columns) {
  Elements to(dtype, from.size());
  size_t size = sizeOf(dtype);
  for (int64_t i = 0; i != count; ++i)
    for (int64_t row = 0; row != rows; ++row)
      for (int64_t column = 0; column != columns; ++column)
        std::memcpy(&to.bytes[((i * columns + column) * rows + row) * size],
                    &from.bytes[((i * rows + row) * columns + column) * size], size);
  return to;
}

} // namespace

TEST(Convolution, HasTheSameBitsWithChannelsLast) {
  for (uint32_t dtype : {AMPC_DTYPE_F32, AMPC_DTYPE_F64, AMPC_DTYPE_BF16})
    for (ConvolutionShape shape : shapes(dtype))
      for (ampc_convolution_kind_t kind : kKinds)
        for (bool hasBias : {false, true}) {
          if (hasBias && kind != AMPC_CONVOLUTION_FORWARD)
            continue;
          shape.kind = kind;
          shape.hasBias = shape.relu = hasBias;
          Step first(shape), last(shape);
          struct Planes {
            int64_t count, channels, points;
          };
          const Planes input = {shape.n, shape.c, shape.inputPoints()};
          const Planes filter = {shape.k, 1, shape.c / shape.groups * shape.filterPoints()};
          const Planes output = {shape.n, shape.k, shape.outputPoints()};
          const Planes all[3][3] = {
              {input, filter, output}, {output, filter, input}, {output, input, filter}};
          auto [lhs, rhs, out] = all[kind];
          last.lhs = transposed(first.lhs, dtype, lhs.count, lhs.channels, lhs.points);
          last.rhs = transposed(first.rhs, dtype, rhs.count, rhs.channels, rhs.points);
          last.s.channelsLast = true;
          for (int threads : {1, 2}) {
            Elements got = last.run<ChannelsLast>(threads);
            EXPECT_EQ(transposed(got, dtype, out.count, out.points, out.channels).bytes,
                      first.run(threads).bytes)
                << describe(shape);
          }
        }
}

namespace {

/// A step's tables, as the compiler writes them.
struct Entry {
  Entry() {
    Step step(makeShape(2, 4, 6, 2, axis(8, 3), axis(7, 3)));
    integers = {AMPC_CONVOLUTION_FORWARD, 2, 4, 8, 7, 6, 3, 3, 1, 1, 0, 0, 0, 0, 1, 1, 2, 0, 0};
    uint64_t offset = 0;
    for (uint64_t count : {step.input, step.filter, step.output}) {
      arguments.push_back({offset, count * 4, AMPC_DTYPE_F32, AMPC_ARGUMENT_READ, 0});
      offset += count * 4;
    }
    arguments.back().flags = AMPC_ARGUMENT_WRITE;
  }
  std::string check() const {
    return checkConvolution({arguments.data(), arguments.size()},
                            {integers.data(), integers.size()});
  }
  std::vector<ampc_argument_entry_t> arguments;
  std::vector<int64_t> integers;
};

} // namespace

TEST(Convolution, RefusesTablesThatDoNotFit) {
  EXPECT_EQ(Entry().check(), "");
  for (int i = 0; i != AMPC_CONVOLUTION_INTEGER_COUNT; ++i)
    for (int64_t value : {int64_t(-1), INT64_MIN, INT64_MAX}) {
      Entry entry;
      entry.integers[i] = value;
      EXPECT_NE(entry.check(), "") << "integer " << i << " is " << value;
    }
  for (int i : {AMPC_CONVOLUTION_N, AMPC_CONVOLUTION_C, AMPC_CONVOLUTION_H, AMPC_CONVOLUTION_K,
                AMPC_CONVOLUTION_GROUPS, AMPC_CONVOLUTION_PAD, AMPC_CONVOLUTION_HAS_BIAS}) {
    Entry entry;
    entry.integers[i] += 3; // operands too small, or groups that do not divide
    EXPECT_NE(entry.check(), "") << "integer " << i;
  }
  Entry large;
  large.integers[AMPC_CONVOLUTION_R] = 9;
  EXPECT_EQ(large.check(), "a filter of 9, larger than its input of 8");
  for (size_t i = 0; i != 3; ++i) {
    Entry small;
    small.arguments[i].bytes -= 4;
    EXPECT_NE(small.check(), "") << "operand " << i;
  }
  Entry mixed;
  mixed.arguments[1].dtype = AMPC_DTYPE_F64;
  EXPECT_NE(mixed.check(), "");
  Entry last;
  last.integers.push_back(AMPC_LAYOUT_NHWC);
  EXPECT_EQ(last.check(), "");
  for (int64_t value : {int64_t(AMPC_LAYOUT_NCHW), int64_t(2), int64_t(-1)}) {
    last.integers[AMPC_CONVOLUTION_LAYOUT] = value;
    EXPECT_EQ(last.check(), "layout " + std::to_string(value));
  }
  last.integers.push_back(0);
  EXPECT_EQ(last.check(), "21 integers, not 19");
  Entry overlapping;
  overlapping.arguments[2].offset -= 4;
  EXPECT_EQ(overlapping.check(), "the result overlaps an operand");
}
