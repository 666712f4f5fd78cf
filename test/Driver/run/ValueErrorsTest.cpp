//===- ValueErrorsTest.cpp - Values of two steps, compared ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ValueErrors.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <numeric>
#include <thread>

using namespace ampc::run;

namespace {

constexpr DLDataType f32{kDLFloat, 32, 1};

/// A tensor that a step writes, handed over in pieces of `piece` elements.
struct Written {
  std::string tensor;
  std::vector<int64_t> shape;
  std::vector<float> elements;
  bool isGradient = false;
  int64_t iteration = 0;
  uint64_t piece = 3;
};

template <class Visit>
void show(const std::vector<Written> &step, Visit visit) {
  for (const Written &written : step)
    for (uint64_t first = 0; first < written.elements.size(); first += written.piece) {
      ampc_value_t value = {};
      value.struct_size = sizeof value;
      value.tensor = written.tensor.c_str();
      value.node = "node";
      value.op_type = "Op";
      value.is_gradient = written.isGradient;
      value.rank = int32_t(written.shape.size());
      value.shape = written.shape.data();
      value.dtype = f32;
      value.iteration = written.iteration;
      value.first = first;
      value.count = std::min<uint64_t>(written.piece, written.elements.size() - first);
      value.data = written.elements.data() + first;
      visit(value);
    }
}

ValueCensus censusOf(const std::vector<Written> &step) {
  ValueCensus census;
  show(step, [&](const ampc_value_t &value) { ValueCensus::visit(&census, &value); });
  return census;
}

/// Compares two steps that run at the same time.
struct Compared {
  ValueErrors errors;

  Compared(const std::vector<Written> &a, const std::vector<Written> &b, uint64_t limit = 1 << 20,
           double scaleA = 1, double scaleB = 1)
      : errors(censusOf(a), censusOf(b), limit) {
    errors.begin(scaleA, scaleB);
    auto run = [&](int side, const std::vector<Written> &step) {
      show(step, [&](const ampc_value_t &value) { errors.visit(side, value); });
      errors.finish(side);
    };
    std::thread other([&] { run(1, b); });
    run(0, a);
    other.join();
    errors.end(1, /*withGradients=*/true);
  }
  double errorOf(const std::string &tensor) const {
    for (const ComparedValue &value : errors.values())
      if (value.a.name.tensor == tensor)
        return value.first.value_or(-1);
    return -2;
  }
};

std::vector<float> numbers(size_t count, float first = 1) {
  std::vector<float> result(count);
  std::iota(result.begin(), result.end(), first);
  return result;
}

} // namespace

TEST(ValueErrors, AreRelativeToTheFirstSide) {
  Compared pair({{"x", {2}, {3, 4}}, {"zero", {2}, {0, 0}}, {"same", {2}, {1, 2}}},
                {{"x", {2}, {3, 4.5f}}, {"zero", {2}, {0, 2}}, {"same", {2}, {1, 2}}});
  EXPECT_DOUBLE_EQ(pair.errorOf("x"), 0.1); // 0.5 of 5
  EXPECT_DOUBLE_EQ(pair.errorOf("zero"), 1);
  EXPECT_EQ(pair.errorOf("same"), 0);
  EXPECT_DOUBLE_EQ(pair.errors.values()[0].largestDifference, 0.5);
}

TEST(ValueErrors, AreInfiniteWhereOneSideIs) {
  const float infinity = std::numeric_limits<float>::infinity();
  Compared pair(
      {{"x", {2}, {3, 4}}, {"mask", {2}, {-infinity, 1}}, {"signs", {1}, {infinity}}},
      {{"x", {2}, {3, infinity}}, {"mask", {2}, {-infinity, 1}}, {"signs", {1}, {-infinity}}});
  EXPECT_TRUE(std::isinf(pair.errorOf("x")));
  EXPECT_EQ(pair.errorOf("mask"), 0);
  EXPECT_TRUE(std::isinf(pair.errorOf("signs")));
  EXPECT_EQ(pair.errors.values()[0].badInB, 1u);
  EXPECT_EQ(pair.errors.values()[0].badInA, 0u);
}

TEST(ValueErrors, DoNotDependOnOrderPiecesOrRoom) {
  std::vector<Written> a, b;
  for (int i = 0; i != 40; ++i) {
    Written value{"v" + std::to_string(i), {100}, numbers(100)};
    value.piece = uint64_t(1 + i % 7);
    a.push_back(value);
    value.elements[size_t(i)] += 0.25f;
    value.piece = uint64_t(1 + i % 11);
    b.push_back(value);
  }
  std::reverse(b.begin(), b.end());
  for (uint64_t limit : {uint64_t(0), uint64_t(64), uint64_t(1) << 20}) {
    Compared pair(a, b, limit);
    for (int i = 0; i != 40; ++i)
      // The norm of 1 to 100 is the root of 338350.
      EXPECT_DOUBLE_EQ(pair.errorOf("v" + std::to_string(i)), 0.25 / std::sqrt(338350.0));
  }
}

TEST(ValueErrors, GradientsMayCarryAScale) {
  Written plain{"w", {3}, {1, 2, 2}, /*isGradient=*/true};
  Written scaled{"w", {3}, {1024, 2048, 2048.75f}, /*isGradient=*/true};
  EXPECT_NEAR(Compared({plain}, {scaled}, 1 << 20, 1, 1024).errorOf("w"), 0.75 / 1024 / 3, 1e-9);
  double norm = std::sqrt(1024.0 * 1024 + 2048.0 * 2048 + 2048.75 * 2048.75);
  EXPECT_NEAR(Compared({scaled}, {plain}, 1 << 20, 1024, 1).errorOf("w"), 0.75 / norm, 1e-9);
  // The same scale on both sides, or none left.
  EXPECT_EQ(Compared({scaled}, {scaled}, 1 << 20, 1024, 1024).errorOf("w"), 0);
  EXPECT_EQ(Compared({plain}, {plain}, 1 << 20, 1, 1024).errorOf("w"), 0);
  // A value has none.
  plain.isGradient = scaled.isGradient = false;
  EXPECT_GT(Compared({plain}, {scaled}, 1 << 20, 1, 1024).errorOf("w"), 1000);
}

TEST(ValueErrors, GradientsOfParametersAreOneVector) {
  Compared pair({{"u", {1}, {3}, true}, {"w", {1}, {4}, true}, {"h", {1}, {100}, true}},
                {{"u", {1}, {3}, true}, {"w", {1}, {4.5f}, true}, {"h", {1}, {200}, true}});
  EXPECT_DOUBLE_EQ(*pair.errors.gradientError({"u", "w"}), 0.1);
  EXPECT_FALSE(pair.errors.gradientError({"absent"}));
}

TEST(ValueErrors, ChannelsMayLieLast) {
  // [1, 3, 2, 2] and the same elements as [1, 2, 2, 3].
  const std::vector<float> first = numbers(12), last{1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12};
  EXPECT_EQ(Compared({{"x", {1, 3, 2, 2}, first}}, {{"x", {1, 2, 2, 3}, last}}).errorOf("x"), 0);
  EXPECT_EQ(Compared({{"x", {1, 2, 2, 3}, last}}, {{"x", {1, 3, 2, 2}, first}}).errorOf("x"), 0);
  // A kernel over all elements tells no shape; the gradient of the same tensor does.
  EXPECT_EQ(Compared({{"x", {12}, first}, {"x", {1, 3, 2, 2}, first, true}},
                     {{"x", {12}, last}, {"x", {1, 2, 2, 3}, last, true}})
                .errorOf("x"),
            0);
  // Nor does one that sees groups of channels: a step in between has [1, 3, 2, 2].
  EXPECT_EQ(Compared({{"x", {1, 3, 2, 2}, first}, {"x", {1, 3, 1, 2, 2}, first, true}},
                     {{"x", {1, 2, 2, 3}, last}, {"x", {1, 2, 2, 3}, last, true}})
                .errors.values()[1]
                .first,
            0.0);
  EXPECT_EQ(Compared({{"x", {1, 3, 2, 2}, first}, {"x", {1, 3, 1, 2, 2}, first, true}},
                     {{"x", {1, 2, 2, 3}, last}, {"x", {1, 2, 2, 3}, last, true}})
                .errorOf("x"),
            0);
  // Sizes that are equal tell nothing: the elements do.
  const std::vector<float> cube = numbers(8), turned{1, 5, 2, 6, 3, 7, 4, 8};
  EXPECT_EQ(Compared({{"x", {1, 2, 2, 2}, cube}}, {{"x", {1, 2, 2, 2}, turned}}).errorOf("x"), 0);
  EXPECT_EQ(Compared({{"x", {2, 2}, {1, 2, 3, 4}}}, {{"x", {2, 2}, {1, 3, 2, 4}}}).errorOf("x"), 0);
  // Another order is an error.
  EXPECT_GT(Compared({{"x", {1, 3, 2, 2}, first}}, {{"x", {1, 3, 2, 2}, last}}).errorOf("x"), 0.1);
}

TEST(ValueErrors, LoopsWriteOneValueAndCopiesAreNone) {
  Written once{"h", {2}, {1, 2}}, again{"h", {2}, {3, 4}};
  again.iteration = 1;
  Written other = again;
  other.elements = {3, 5};
  Compared pair({once, again}, {once, other});
  EXPECT_EQ(pair.errors.values().size(), 1u);
  EXPECT_DOUBLE_EQ(pair.errorOf("h"), 1 / std::sqrt(30.0));
  // The same tensor once more, as a copy in another type would be: the first one counts.
  EXPECT_EQ(Compared({once, once}, {once, again}).errorOf("h"), -2); // a loop has more elements
  Written copy = once;
  copy.elements = {7, 7};
  EXPECT_EQ(Compared({once, copy}, {once}).errorOf("h"), 0);
}

TEST(ValueErrors, WhatOneSideAloneHasIsCounted) {
  Compared pair({{"x", {1}, {1}}, {"a", {1}, {1}}, {"", {1}, {1}}, {"long", {2}, {1, 2}}},
                {{"b", {1}, {1}}, {"x", {1}, {1}}, {"c", {1}, {1}}, {"long", {1}, {1}}});
  ASSERT_EQ(pair.errors.only(0).size(), 1u);
  EXPECT_EQ(pair.errors.only(0)[0].name.tensor, "a");
  EXPECT_EQ(pair.errors.only(1).size(), 2u);
  ASSERT_EQ(pair.errors.misfits().size(), 1u);
  EXPECT_EQ(pair.errors.misfits()[0].name.tensor, "long");
}

TEST(ValueErrors, AStepThatEndsEarlyLeavesNothing) {
  std::vector<Written> step{{"x", {9}, numbers(9)}, {"y", {9}, numbers(9)}};
  ValueErrors errors(censusOf(step), censusOf(step), /*limit=*/0);
  errors.begin(1, 1);
  std::thread other([&] {
    show({step[0]}, [&](const ampc_value_t &value) { errors.visit(1, value); });
    errors.finish(1);
  });
  show(step, [&](const ampc_value_t &value) { errors.visit(0, value); });
  errors.finish(0);
  other.join();
  errors.end(1, true);
  EXPECT_EQ(errors.values()[0].first, 0.0);
  EXPECT_FALSE(errors.values()[1].first);
}
