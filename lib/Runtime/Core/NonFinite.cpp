//===- NonFinite.cpp - Elements that are infinite or NaN ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/NonFinite.h"

#include "ampc-runtime/module_format.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace ampc {

/// Looks by the bits: an exponent of ones, above which a mantissa says NaN.
template <class Bits>
static std::optional<NonFinite> find(const void *data, uint64_t count, Bits infinity) {
  // A block at a time: whether it holds one is a loop without branches.
  constexpr uint64_t kBlock = 4096;
  constexpr Bits kSign = Bits(1) << (sizeof(Bits) * 8 - 1);
  Bits block[kBlock];
  std::optional<NonFinite> found;
  for (uint64_t first = 0; first < count; first += kBlock) {
    uint64_t length = std::min(kBlock, count - first);
    std::memcpy(block, static_cast<const char *>(data) + first * sizeof(Bits),
                length * sizeof(Bits));
    Bits any = 0;
    for (uint64_t i = 0; i != length; ++i)
      any = Bits(any | ((block[i] & infinity) == infinity ? Bits(~Bits(0)) : Bits(0)));
    if (!any)
      continue;
    for (uint64_t i = 0; i != length; ++i) {
      if ((block[i] & infinity) != infinity)
        continue;
      bool isNaN = (block[i] & ~kSign) != infinity, isNegative = !isNaN && (block[i] & kSign);
      float value = isNaN ? std::numeric_limits<float>::quiet_NaN()
                          : std::numeric_limits<float>::infinity() * (isNegative ? -1.0f : 1.0f);
      if (!found)
        found = NonFinite{first + i, value, true};
      found->isNegativeOnly &= isNegative;
      if (!found->isNegativeOnly)
        return found;
    }
  }
  return found;
}

std::optional<NonFinite> findNonFinite(const void *data, uint32_t dtype, uint64_t count) {
  switch (dtype) {
  case AMPC_DTYPE_F16:
    return find<uint16_t>(data, count, 0x7c00);
  case AMPC_DTYPE_BF16:
    return find<uint16_t>(data, count, 0x7f80);
  case AMPC_DTYPE_F32:
    return find<uint32_t>(data, count, 0x7f800000);
  case AMPC_DTYPE_F64:
    return find<uint64_t>(data, count, 0x7ff0000000000000);
  default:
    return std::nullopt;
  }
}

void merge(std::optional<NonFinite> &all, std::optional<NonFinite> more, uint64_t first) {
  if (!more)
    return;
  more->index += first;
  if (all)
    all->isNegativeOnly &= more->isNegativeOnly;
  else
    all = more;
}

} // namespace ampc
