//===- Shuffle.h - The order of the samples in an epoch -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_SHUFFLE_H
#define AMPC_RUN_SHUFFLE_H

#include <cstdint>
#include <vector>

namespace ampc::run {

/// Steele, Lea and Flood's SplitMix64: a counter behind a bijective mixer.
class SplitMix64 {
public:
  explicit SplitMix64(uint64_t state) : state(state) {}
  uint64_t next();
  /// A number below `bound` (which is not 0), each with the same probability.
  uint64_t below(uint64_t bound);

private:
  uint64_t state;
};

/// A permutation of 0 .. count-1 that is a function of `seed` and `epoch`
/// alone, on every machine and in every version of ampc: a resumed run needs no
/// more to find its place. Fisher and Yates's shuffle from the end, drawing
/// from SplitMix64; its state starts at mix(mix(seed) + epoch), where mix(x) is
/// the first number of SplitMix64 from state x.
std::vector<uint64_t> shuffledOrder(uint64_t count, uint64_t seed, uint64_t epoch);

} // namespace ampc::run

#endif // AMPC_RUN_SHUFFLE_H
