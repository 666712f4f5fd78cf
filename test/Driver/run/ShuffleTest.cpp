//===- ShuffleTest.cpp - Tests of the order of samples --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Shuffle.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>

using namespace ampc::run;

namespace {
using Order = std::vector<uint64_t>;
}

// A checkpoint of an old version resumes only while these stay.
TEST(Shuffle, OrdersAreFrozen) {
  EXPECT_EQ(SplitMix64(1234567).next(), 6457827717110365317u); // Vigna's vector
  EXPECT_EQ(shuffledOrder(10, 0, 0), (Order{1, 7, 6, 2, 0, 9, 8, 4, 5, 3}));
  EXPECT_EQ(shuffledOrder(10, 0, 1), (Order{1, 9, 6, 2, 3, 7, 4, 8, 0, 5}));
  EXPECT_EQ(shuffledOrder(10, 7, 0), (Order{2, 0, 5, 7, 3, 9, 8, 1, 4, 6}));
}

TEST(Shuffle, EveryEpochIsAPermutation) {
  for (uint64_t count : {0, 1, 2, 3, 64, 1000})
    for (uint64_t seed : {0ull, 1ull, ~0ull})
      for (uint64_t epoch = 0; epoch < 5; ++epoch) {
        Order order = shuffledOrder(count, seed, epoch);
        ASSERT_EQ(order.size(), count);
        std::sort(order.begin(), order.end());
        for (uint64_t i = 0; i < count; ++i)
          EXPECT_EQ(order[i], i);
      }
}

TEST(Shuffle, SeedsAndEpochsAreDifferentOrders) {
  Order first = shuffledOrder(100, 3, 5);
  EXPECT_EQ(first, shuffledOrder(100, 3, 5));
  // Neither the sum nor any other mix of the two must count.
  EXPECT_NE(first, shuffledOrder(100, 5, 3));
  EXPECT_NE(first, shuffledOrder(100, 4, 4));
  EXPECT_NE(first, shuffledOrder(100, 3, 6));
}

TEST(Shuffle, PermutationsAreEquallyLikely) {
  std::map<Order, int> counts;
  constexpr int draws = 24000;
  for (int epoch = 0; epoch < draws; ++epoch)
    ++counts[shuffledOrder(4, 0, uint64_t(epoch))];
  ASSERT_EQ(counts.size(), 24u);
  double chiSquared = 0, expected = draws / 24.0;
  for (const auto &[order, count] : counts)
    chiSquared += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chiSquared, 49.7); // 0.1 % of 23 degrees of freedom
}

TEST(Shuffle, DrawsBelowTheBound) {
  SplitMix64 random(1);
  for (uint64_t bound : {1ull, 2ull, 3ull, 1ull << 63, ~0ull})
    for (int i = 0; i < 100; ++i)
      EXPECT_LT(random.below(bound), bound);
}

// With a plain remainder, the lower third would come up half of the time.
TEST(Shuffle, DrawsAreUnbiased) {
  SplitMix64 random(1);
  constexpr uint64_t third = 1ull << 62;
  int low = 0;
  for (int i = 0; i < 3000; ++i)
    low += random.below(3 * third) < third;
  EXPECT_NEAR(low, 1000, 100);
}
