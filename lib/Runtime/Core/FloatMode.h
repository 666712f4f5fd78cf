//===- FloatMode.h - IEEE arithmetic whatever the caller set ----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_FLOATMODE_H
#define AMPC_RUNTIME_CORE_FLOATMODE_H

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ampc {

/// Rounds to nearest and keeps subnormals in this thread for as long as it
/// lives; then the thread has its own mode back.
class FloatMode {
public:
#if defined(__x86_64__)
  FloatMode() : saved(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~FloatMode() { _mm_setcsr(saved); }

private:
  unsigned saved;
#else
  FloatMode() {}
  ~FloatMode() {}
#endif
  FloatMode(const FloatMode &) = delete;
  FloatMode &operator=(const FloatMode &) = delete;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_FLOATMODE_H
