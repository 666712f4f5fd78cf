//===- FewestNodesTest.cpp - The search of ampc suggest -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FewestNodes.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>
#include <random>
#include <set>

using namespace ampc;

namespace {

using Set = std::vector<size_t>;

/// A network in which the error is 1 until all of `needed` are kept.
struct Network {
  Set needed;
  size_t trials = 0;
  std::set<Set> seen = {};

  std::optional<FewestNodes> search(const Set &order, const std::vector<double> &costs,
                                    size_t most = 1000) {
    return findFewest(order, costs, 0.1, most, [&](const Set &kept) -> std::optional<double> {
      ++trials;
      EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
      EXPECT_TRUE(seen.insert(kept).second) << "a set is measured twice";
      return std::includes(kept.begin(), kept.end(), needed.begin(), needed.end()) ? 0.01 : 1;
    });
  }
};

Set upTo(size_t count) {
  Set list(count);
  std::iota(list.begin(), list.end(), size_t(0));
  return list;
}

} // namespace

TEST(FewestNodes, NothingIsNeeded) {
  Network network{{}};
  auto found = network.search(upTo(100), std::vector<double>(100, 1));
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->kept.empty());
  EXPECT_TRUE(found->reaches && found->isMinimal);
  EXPECT_EQ(network.trials, 1u);
}

TEST(FewestNodes, ExactlyWhatIsNeededIsFound) {
  std::mt19937 random(1);
  for (int i = 0; i != 300; ++i) {
    size_t count = 1 + random() % 60;
    Set order = upTo(count);
    std::shuffle(order.begin(), order.end(), random);
    Network network{
        {order.begin(), order.begin() + std::ptrdiff_t(random() % std::min<size_t>(count + 1, 6))}};
    std::sort(network.needed.begin(), network.needed.end());
    std::shuffle(order.begin(), order.end(), random);
    std::vector<double> costs(count);
    for (double &cost : costs)
      cost = double(random() % 10);
    auto found = network.search(order, costs);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->kept, network.needed);
    EXPECT_TRUE(found->reaches && found->isMinimal);
    EXPECT_EQ(found->error, 0.01);
  }
}

TEST(FewestNodes, AGoodOrderMakesItQuick) {
  Network network{{3, 500}};
  Set order{500, 3};
  for (size_t i = 0; i != 1000; ++i)
    if (i != 3 && i != 500)
      order.push_back(i);
  auto found = network.search(order, std::vector<double>(1000, 1));
  EXPECT_EQ(found->kept, (Set{3, 500}));
  EXPECT_LE(network.trials, 5u);
}

TEST(FewestNodes, OfTwoThatServeTheCheaperStays) {
  // The first that suffices is not looked behind.
  auto measure = [](const Set &kept) -> std::optional<double> { return kept.size() ? 0.0 : 1.0; };
  // Of a pair that is left over one is tried without the other.
  auto needsPair = [](const Set &kept) -> std::optional<double> {
    bool two = std::count(kept.begin(), kept.end(), 2u), any = kept.size() > two;
    return two && any ? 0.0 : 1.0;
  };
  EXPECT_EQ(findFewest({0, 1}, {5, 1}, 0.1, 10, measure)->kept, Set{0});
  EXPECT_EQ(findFewest({0, 1, 2}, {5, 1, 1}, 0.1, 20, needsPair)->kept, (Set{1, 2}));
}

TEST(FewestNodes, FewTrialsGiveWhatIsKnown) {
  for (size_t most = 1; most != 30; ++most) {
    Network network{{7, 19, 33}};
    auto found = network.search(upTo(40), std::vector<double>(40, 1), most);
    ASSERT_TRUE(found);
    EXPECT_LE(network.trials, most);
    bool isEnough = std::includes(found->kept.begin(), found->kept.end(), network.needed.begin(),
                                  network.needed.end());
    EXPECT_EQ(found->reaches, isEnough);
    EXPECT_EQ(found->error, isEnough ? 0.01 : 1);
    if (found->isMinimal) {
      EXPECT_EQ(found->kept, network.needed);
    }
  }
}

TEST(FewestNodes, WhatNothingReachesIsSaid) {
  auto measure = [](const Set &kept) -> std::optional<double> {
    return 1.0 / double(1 + kept.size());
  };
  auto found = findFewest(upTo(4), {1, 1, 1, 1}, 0.1, 100, measure);
  EXPECT_FALSE(found->reaches);
  EXPECT_EQ(found->kept, upTo(4)); // the nearest
  EXPECT_FALSE(findFewest({}, {}, 0.1, 100, measure)->reaches);
}

TEST(FewestNodes, AMeasurementThatFailsEndsIt) {
  size_t left = 4;
  auto measure = [&](const Set &) -> std::optional<double> {
    return left-- ? std::optional<double>(1) : std::nullopt;
  };
  EXPECT_FALSE(findFewest(upTo(40), std::vector<double>(40, 1), 0.1, 100, measure));
  EXPECT_EQ(left, size_t(-1)); // asked once, and no more
}
