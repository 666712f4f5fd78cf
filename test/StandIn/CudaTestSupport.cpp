//===- CudaTestSupport.cpp - Sessions on the stand-in driver --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaTestSupport.h"

#include "ampc/Target/SimtFormat.h"

#include <cmath>
#include <cstdlib>

namespace ampc::test {

StandIn::StandIn(const TestFiles &module,
                 std::vector<std::pair<const char *, std::string>> more) {
  more.emplace_back("AMPC_CUDA_DRIVER", AMPC_STANDIN_CUDA);
  more.emplace_back("AMPC_CUBLASLT", AMPC_STANDIN_CUBLASLT);
  more.emplace_back(kSimtEnvironment, module.kernels);
  for (const auto &[name, value] : more)
    // What the test gives comes first and holds.
    if (::setenv(name, value.c_str(), /*overwrite=*/0) == 0)
      variables.push_back(name);
  standin::reset();
}

StandIn::~StandIn() {
  EXPECT_EQ(standin::leaks(), "");
  if (!isMisused)
    EXPECT_EQ(standin::misuse(), "");
  for (const char *name : variables)
    ::unsetenv(name);
}

ampc_status_t createSession(ampc_module_t *module, ampc_device_t device,
                            ampc_session_t **session, int ordinal) {
  ampc_session_options_t options = {};
  options.struct_size = sizeof(options);
  options.device = device;
  options.device_ordinal = ordinal;
  options.threads = 1;
  options.seed = 3;
  return ampc_session_create(module, &options, session);
}

static std::vector<float> features(int number) {
  std::vector<float> values(4 * 80);
  for (size_t i = 0; i != values.size(); ++i) {
    size_t row = i / 80, column = i % 80;
    bool isMarked = column % 3 == (row + number) % 3;
    values[i] = (isMarked ? 0.5f : 0) + float(i * 31 % 7) / 32 - 0.125f;
  }
  return values;
}

ClassifierBatch::ClassifierBatch(int number)
    : x(f32({4, 80}, features(number))), target(i64({4}, {0, 0, 0, 0})) {
  for (int row = 0; row != 4; ++row)
    target.values[row] = (row + number) % 3;
}

ampc_status_t ClassifierBatch::step(ampc_session_t *session,
                                    ampc_step_info_t *info) {
  ampc_named_tensor_t inputs[] = {{"x", x.get()}, {"target", target.get()}};
  return ampc_session_step(session, inputs, 2, info);
}

ampc_step_info_t emptyInfo() {
  ampc_step_info_t info = {};
  info.struct_size = sizeof(info);
  return info;
}

std::vector<float> getTensor(ampc_session_t *session, const char *name,
                             std::vector<int64_t> shape) {
  int64_t count = 1;
  for (int64_t dim : shape)
    count *= dim;
  Tensor<float> tensor = f32(shape, std::vector<float>(count));
  expectOk(ampc_session_get_tensor(session, name, tensor.get()));
  return tensor.values;
}

std::vector<float> classifierState(ampc_session_t *session) {
  std::vector<float> state;
  auto add = [&](const char *name, std::vector<int64_t> shape) {
    std::vector<float> values = getTensor(session, name, shape);
    state.insert(state.end(), values.begin(), values.end());
  };
  add("w", {3, 80});
  add("bias", {3});
  add("ampc.momentum/w", {3, 80});
  add("ampc.momentum/bias", {3});
  return state;
}

void expectNear(const std::vector<float> &got, const std::vector<float> &want,
                float tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i != got.size(); ++i)
    // NaN is near nothing.
    EXPECT_TRUE(std::abs(got[i] - want[i]) <= tolerance)
        << "element " << i << " is " << got[i] << ", not " << want[i];
}

} // namespace ampc::test
