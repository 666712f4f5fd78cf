//===- Elements.h - Random elements of any float type -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_RUNTIME_ELEMENTS_H
#define AMPC_TEST_RUNTIME_ELEMENTS_H

#include "Core/Convert.h"
#include "Core/DType.h"

#include <cstdint>
#include <vector>

namespace ampc {

/// Numbers in [-1, 1], the same in every run.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed * 2 + 1) {}
  double next() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return double(int64_t(state) >> 11) / double(int64_t(1) << 52);
  }

private:
  uint64_t state;
};

/// Elements of any float type.
struct Elements {
  Elements(uint32_t dtype, size_t count) : dtype(dtype), bytes(count * sizeOf(dtype)) {}
  void set(size_t i, double value) {
    convert(&bytes[i * sizeOf(dtype)], dtype, &value, AMPC_DTYPE_F64, 1);
  }
  double get(size_t i) const {
    double value;
    convert(&value, AMPC_DTYPE_F64, &bytes[i * sizeOf(dtype)], dtype, 1);
    return value;
  }
  std::vector<double> decode() const {
    std::vector<double> values(size());
    convert(values.data(), AMPC_DTYPE_F64, bytes.data(), dtype, size());
    return values;
  }
  size_t size() const { return bytes.size() / sizeOf(dtype); }

  uint32_t dtype;
  std::vector<char> bytes;
};

} // namespace ampc

#endif // AMPC_TEST_RUNTIME_ELEMENTS_H
