//===- Shuffle.cpp - The order of the samples in an epoch -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Shuffle.h"

#include <numeric>
#include <utility>

using namespace ampc::run;

uint64_t SplitMix64::next() {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

uint64_t SplitMix64::below(uint64_t bound) {
  // The 2^64 mod bound smallest numbers would make the small remainders
  // likelier.
  uint64_t threshold = (0 - bound) % bound;
  for (;;)
    if (uint64_t number = next(); number >= threshold)
      return number % bound;
}

std::vector<uint64_t> ampc::run::shuffledOrder(uint64_t count, uint64_t seed, uint64_t epoch) {
  uint64_t key = SplitMix64(SplitMix64(seed).next() + epoch).next();
  SplitMix64 random(key);
  std::vector<uint64_t> order(count);
  std::iota(order.begin(), order.end(), uint64_t(0));
  for (uint64_t i = count; i > 1; --i)
    std::swap(order[i - 1], order[random.below(i)]);
  return order;
}
