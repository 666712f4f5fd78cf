//===- NonFinite.h - Elements that are infinite or NaN ----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_NONFINITE_H
#define AMPC_RUNTIME_CORE_NONFINITE_H

#include <cstdint>
#include <optional>

namespace ampc {

/// What a tensor holds that is not finite.
struct NonFinite {
  uint64_t index; ///< of the first such element
  float value;    ///< that element: NaN or an infinity
  /// None is a NaN or positive: as masks are.
  bool isNegativeOnly;
};

/// Looks through `count` elements; nullopt where all are finite. Types that are no floats that the
/// step computes in always are.
std::optional<NonFinite> findNonFinite(const void *data, uint32_t dtype, uint64_t count);

/// `more`, of the elements from number `first` on, taken together with what is before them.
void merge(std::optional<NonFinite> &all, std::optional<NonFinite> more, uint64_t first);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_NONFINITE_H
