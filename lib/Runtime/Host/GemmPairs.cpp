//===- GemmPairs.cpp - Products of bf16 in pairs --------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The tile of GemmTile.h, where each step adds two products to a sum.
//
//===----------------------------------------------------------------------===//

#include "Host/GemmPairs.h"
#include "Host/GemmTile.h"

namespace ampc {
namespace AMPC_GEMM_ISA {
namespace {

struct AddPair {
  typedef float Element;
  static constexpr bool kEndsInRegisters = false;
  typedef Simd<float>::Vector Vector;

  static Vector apply(Vector sum, const float *left, Vector right) {
    Words pair = Words{} + load<uint32_t>(left);
#if defined(__AVX512BF16__)
    return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)pair, (__m512bh)right);
#else
    // In that instruction's order. Products are exact.
    Words other = (Words)right;
    sum += (Vector)(pair & 0xffff0000) * (Vector)(other & 0xffff0000);
    return sum + (Vector)(pair << 16) * (Vector)(other << 16);
#endif
  }
};

} // namespace

extern const GemmKernels<float> pairKernels;
const GemmKernels<float> pairKernels = {
    kRows,   kColumns<float>, 2,       2,   packPairs<kRows, 2>, packPairs<kColumns<float>, 2>,
    nullptr, interleavePairs, nullptr, zip, addRun<float>,       multiply<AddPair>};

} // namespace AMPC_GEMM_ISA
} // namespace ampc
