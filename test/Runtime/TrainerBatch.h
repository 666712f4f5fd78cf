//===- TrainerBatch.h - Drives the trainer of TestModules.h -----*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_RUNTIME_TRAINERBATCH_H
#define AMPC_TEST_RUNTIME_TRAINERBATCH_H

#include "TestModules.h"
#include "TestSupport.h"

#include <cmath>
#include <limits>

namespace ampc::test {

/// One batch that the trainer can learn, to be changed at will.
struct Batch {
  Batch() : x(f32({4, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1})), target(i64({4}, {1, 2, 3, 6})) {}

  ampc_status_t step(ampc_session_t *session, ampc_step_info_t *info) {
    ampc_named_tensor_t inputs[] = {{"x", x.get()}, {"target", target.get()}};
    return ampc_session_step(session, inputs, 2, info);
  }

  Tensor<float> x;
  Tensor<int64_t> target;
};

inline ampc_step_info_t emptyInfo() {
  ampc_step_info_t info = {};
  info.struct_size = sizeof(info);
  return info;
}

inline std::vector<float> getW(ampc_session_t *session) {
  Tensor<float> w = f32({3}, {0, 0, 0});
  expectOk(ampc_session_get_tensor(session, "w", w.get()));
  return w.values;
}

constexpr float kInf = std::numeric_limits<float>::infinity();

} // namespace ampc::test

#endif // AMPC_TEST_RUNTIME_TRAINERBATCH_H
