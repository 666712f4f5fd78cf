//===- SessionTensorsTest.cpp - What goes into sessions and comes out -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TrainerBatch.h"

using namespace ampc::test;

TEST(SessionTensors, EvaluatesAndConverts) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  Tensor<float> y = f32({4}, {0, 0, 0, 0});
  Tensor<uint16_t> y16(kF16, {4}, {0, 0, 0, 0});
  Tensor<float> loss = f32({}, {0});
  ampc_named_tensor_t inputs[] = {{"target", batch.target.get()}, {"x", batch.x.get()}};
  ampc_named_tensor_t outputs[] = {{"loss", loss.get()}, {"y16", y16.get()}, {"y", y.get()}};
  expectOk(ampc_session_evaluate(session, inputs, 2, outputs, 3));
  EXPECT_EQ(y.values, (std::vector<float>{0.75f, -0.75f, 2.25f, 1.75f}));
  EXPECT_EQ(y16.values, (std::vector<uint16_t>{0x3a00, 0xba00, 0x4080, 0x3f00}));
  EXPECT_FLOAT_EQ(loss.values[0], 26.25f / 4);
  EXPECT_EQ(ampc_session_steps(session), 0);
}

TEST(SessionTensors, EvaluatesWithoutLabels) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  Tensor<float> y = f32({4}, {0, 0, 0, 0});
  Tensor<float> loss = f32({}, {0});
  ampc_named_tensor_t inputs[] = {{"x", batch.x.get()}, {"target", batch.target.get()}};
  ampc_named_tensor_t outputs[] = {{"y", y.get()}, {"loss", loss.get()}};
  expectOk(ampc_session_evaluate(session, inputs, 1, outputs, 1));
  EXPECT_EQ(y.values[0], 0.75f);
  Outcome outcome = expectError(ampc_session_evaluate(session, inputs, 1, outputs, 2),
                                AMPC_STATUS_INVALID_ARGUMENT, "needs a label");
  EXPECT_EQ(outcome.node, "loss");
  expectOk(ampc_session_evaluate(session, inputs, 2, outputs, 2));
  // In training the label is needed.
  expectError(ampc_session_step(session, inputs, 1, nullptr), AMPC_STATUS_INVALID_ARGUMENT,
              "input 'target' (i64 [4])");
}

TEST(SessionTensors, RefusesWrongInputs) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  auto expectRefused = [&](std::vector<ampc_named_tensor_t> inputs, const std::string &text) {
    Outcome outcome = expectError(ampc_session_step(session, inputs.data(), inputs.size(), nullptr),
                                  AMPC_STATUS_INVALID_ARGUMENT, text);
    EXPECT_EQ(ampc_session_steps(session), 0);
    return outcome;
  };
  ampc_named_tensor_t x = {"x", batch.x.get()};
  ampc_named_tensor_t target = {"target", batch.target.get()};
  expectRefused({x}, "input 'target' (i64 [4]) is missing");
  expectRefused({target}, "input 'x' (f32 [4, 3]) is missing");
  expectRefused({x, target, x}, "input 'x' is given twice");
  expectRefused({x, target, {"z", batch.x.get()}},
                "there is no input 'z'; the module takes 'x', 'target'");
  expectRefused({x, {nullptr, batch.x.get()}}, "name of input 1 is NULL");
  expectRefused({{"x", nullptr}, target}, "has no tensor");

  auto withX = [&](auto change, const std::string &text) {
    Batch other;
    DLTensor tensor = *other.x.get();
    change(tensor);
    Outcome outcome = expectRefused({{"x", &tensor}, target}, text);
    EXPECT_EQ(outcome.node, "x");
  };
  int64_t transposed[] = {1, 4}, wide[] = {5, 3}, flat[] = {12};
  int64_t dense[] = {3, 1};
  withX([&](DLTensor &t) { t.shape = wide; },
        "is f32 [5, 3], the module was compiled for f32 [4, 3]");
  withX(
      [&](DLTensor &t) {
        t.shape = flat;
        t.ndim = 1;
      },
      "is f32 [12], the module was compiled for f32 [4, 3]");
  withX([&](DLTensor &t) { t.dtype = {kDLFloat, 64, 1}; }, "is f64 [4, 3], the module");
  withX([&](DLTensor &t) { t.dtype = {kDLFloat, 32, 2}; }, "2 lanes");
  withX([&](DLTensor &t) { t.dtype = {kDLComplex, 64, 1}; }, "code 5");
  withX([&](DLTensor &t) { t.ndim = -1; }, "rank -1");
  withX([&](DLTensor &t) { t.shape = nullptr; }, "rank 2");
  withX([&](DLTensor &t) { t.data = nullptr; }, "has no data");
  withX([&](DLTensor &t) { t.strides = transposed; }, "not dense");
  withX([&](DLTensor &t) { t.device = {kDLCUDA, 0}; }, "copy it to the CPU");
  expectError(ampc_session_step(session, nullptr, 2, nullptr), AMPC_STATUS_INVALID_ARGUMENT,
              "inputs is NULL");

  // What is dense in another way is taken.
  Batch other;
  DLTensor tensor = *other.x.get();
  tensor.strides = dense;
  std::vector<char> moved(sizeof(float) * 12 + 3);
  std::memcpy(moved.data() + 3, tensor.data, sizeof(float) * 12);
  tensor.data = moved.data();
  tensor.byte_offset = 3;
  ampc_named_tensor_t inputs[] = {{"x", &tensor}, target};
  ampc_step_info_t info = emptyInfo();
  expectOk(ampc_session_step(session, inputs, 2, &info));
  EXPECT_FLOAT_EQ(info.loss, 26.25f / 4);
}

TEST(SessionTensors, RefusesWrongOutputs) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  ampc_named_tensor_t inputs[] = {{"x", batch.x.get()}, {"target", batch.target.get()}};
  Tensor<float> y = f32({3}, {0, 0, 0});
  ampc_named_tensor_t wrong = {"y", y.get()};
  expectError(ampc_session_evaluate(session, inputs, 2, &wrong, 1), AMPC_STATUS_INVALID_ARGUMENT,
              "output 'y' is f32 [3], the module was compiled for f32 [4]");
  wrong.name = "nothing";
  expectError(ampc_session_evaluate(session, inputs, 2, &wrong, 1), AMPC_STATUS_INVALID_ARGUMENT,
              "there is no output 'nothing'; the module gives 'y', 'y16'");
  expectError(ampc_session_evaluate(session, inputs, 2, nullptr, 1), AMPC_STATUS_INVALID_ARGUMENT,
              "outputs is NULL");
  wrong.name = nullptr;
  expectError(ampc_session_evaluate(session, inputs, 2, &wrong, 1), AMPC_STATUS_INVALID_ARGUMENT,
              "name of output 0");
}

TEST(SessionTensors, SetsAndGetsTensors) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Tensor<float> w = f32({3}, {1.5f, 2.0001f, -3});
  expectOk(ampc_session_set_tensor(session, "w", w.get()));
  EXPECT_EQ(getW(session), w.values);
  // The low-precision copy follows its master.
  Tensor<uint16_t> copy(kF16, {3}, {0, 0, 0});
  expectOk(ampc_session_get_tensor(session, "ampc.copy/w", copy.get()));
  EXPECT_EQ(copy.values, (std::vector<uint16_t>{0x3e00, 0x4000, 0xc200}));

  Tensor<int32_t> grid(kI32, {2}, {0, 0});
  expectOk(ampc_session_get_tensor(session, "grid", grid.get()));
  EXPECT_EQ(grid.values, (std::vector<int32_t>{7, 8}));
  expectError(ampc_session_set_tensor(session, "grid", grid.get()), AMPC_STATUS_INVALID_ARGUMENT,
              "a constant");
  expectError(ampc_session_set_tensor(session, "ampc.copy/w", copy.get()),
              AMPC_STATUS_INVALID_ARGUMENT, "derived");
  expectError(ampc_session_get_tensor(session, "v", w.get()), AMPC_STATUS_NOT_FOUND, "'v'");
  expectError(ampc_session_get_tensor(session, "x", w.get()), AMPC_STATUS_NOT_FOUND, "'x'");
  Tensor<float> two = f32({2}, {0, 0});
  expectError(ampc_session_set_tensor(session, "w", two.get()), AMPC_STATUS_INVALID_ARGUMENT,
              "is f32 [2], the module");
  EXPECT_EQ(getW(session), w.values);

  Tensor<int64_t> attempt = i64({}, {41});
  expectOk(ampc_session_set_tensor(session, "ampc.attempt", attempt.get()));
  EXPECT_EQ(ampc_session_steps(session), 41);
  Batch batch;
  ampc_step_info_t info = emptyInfo();
  expectOk(batch.step(session, &info));
  EXPECT_EQ(info.step, 42);
  expectError(ampc_session_get_step_info(session, 41, &info), AMPC_STATUS_NOT_FOUND, "42 to 42");
}

TEST(SessionTensors, SetsTheLearningRate) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  ampc_step_info_t info = emptyInfo();
  expectOk(ampc_session_set_learning_rate(session, 0));
  std::vector<float> before = getW(session);
  expectOk(batch.step(session, &info));
  EXPECT_EQ(info.learning_rate, 0);
  EXPECT_EQ(getW(session), before);
  for (float rate : {NAN, kInf, -1.0f})
    expectError(ampc_session_set_learning_rate(session, rate), AMPC_STATUS_INVALID_ARGUMENT,
                "a learning rate is a finite number from 0 on");
  expectOk(batch.step(session, &info));
  EXPECT_EQ(info.learning_rate, 0) << "a rate that was refused is used";
}

TEST(SessionTensors, EvaluatesModulesThatDoNotTrain) {
  TableWriter writer = makeTrainer();
  writer.programs.erase(writer.programs.begin());
  std::string path = scratchFolder() + "/eval.so";
  writer.build(path);
  ModuleHandle module(path);
  EXPECT_EQ(ampc_module_trains(module), 0);
  SessionHandle session(module);
  Batch batch;
  expectError(batch.step(session, nullptr), AMPC_STATUS_INCOMPATIBLE, "without a training step");
  EXPECT_EQ(ampc_session_steps(session), 0);
  ampc_step_info_t info = emptyInfo();
  expectError(ampc_session_get_step_info(session, 1, &info), AMPC_STATUS_NOT_FOUND, "no step yet");
  Tensor<float> y = f32({4}, {0, 0, 0, 0});
  ampc_named_tensor_t input = {"x", batch.x.get()}, output = {"y", y.get()};
  expectOk(ampc_session_evaluate(session, &input, 1, &output, 1));
  EXPECT_EQ(y.values[0], 0.75f);
}

TEST(SessionTensors, ChecksItsArguments) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  ampc_session_t *other = nullptr;
  ampc_module_t *none = nullptr;
  ampc_step_info_t info = emptyInfo();
  constexpr ampc_status_code_t kWrong = AMPC_STATUS_INVALID_ARGUMENT;
  expectError(ampc_module_open(nullptr, &none), kWrong, "path is NULL");
  expectError(ampc_module_open("x", nullptr), kWrong, "out_module is NULL");
  expectError(ampc_module_inspect(nullptr, AMPC_DEVICE_HOST, nullptr), kWrong, "module is NULL");
  expectError(ampc_module_inspect(module, AMPC_DEVICE_HOST, nullptr), kWrong, "out_json is NULL");
  expectError(ampc_module_tensor(module, 0, nullptr), kWrong, "info is NULL");
  expectError(ampc_module_tensor(nullptr, 0, nullptr), kWrong, "module is NULL");
  expectError(ampc_session_create(nullptr, nullptr, &other), kWrong, "module is NULL");
  expectError(ampc_session_create(module, nullptr, nullptr), kWrong, "out_session is NULL");
  expectError(ampc_session_step(nullptr, nullptr, 0, nullptr), kWrong, "session is NULL");
  expectError(ampc_session_get_step_info(session, 1, nullptr), kWrong, "info is NULL");
  expectError(ampc_session_get_step_info(nullptr, 1, &info), kWrong, "session is NULL");
  expectError(ampc_session_synchronize(nullptr), kWrong, "session is NULL");
  expectError(ampc_session_evaluate(nullptr, nullptr, 0, nullptr, 0), kWrong, "session is NULL");
  expectError(ampc_session_get_tensor(session, nullptr, nullptr), kWrong, "name is NULL");
  expectError(ampc_session_get_tensor(session, "w", nullptr), kWrong, "has no tensor");
  expectError(ampc_session_set_tensor(nullptr, "w", nullptr), kWrong, "session is NULL");
  expectError(ampc_session_set_learning_rate(nullptr, 1), kWrong, "session is NULL");
  expectError(ampc_session_set_metadata(session, nullptr, "x"), kWrong, "key is NULL");
  expectError(ampc_session_save_checkpoint(session, nullptr), kWrong, "path is NULL");
  expectError(ampc_session_load_checkpoint(session, nullptr, nullptr), kWrong, "path is NULL");

  info.struct_size = 0;
  expectError(batch.step(session, &info), kWrong, "struct_size is 0");
  EXPECT_EQ(ampc_session_steps(session), 0);
  ampc_session_options_t options = {};
  expectError(ampc_session_create(module, &options, &other), kWrong, "struct_size is 0");
  struct {
    ampc_session_options_t options;
    int later[4];
  } longer = {};
  longer.options.struct_size = sizeof(longer);
  longer.options.device = AMPC_DEVICE_HOST;
  expectOk(ampc_session_create(module, &longer.options, &other));
  ampc_session_destroy(other);
  longer.later[2] = 1;
  expectError(ampc_session_create(module, &longer.options, &other), AMPC_STATUS_INCOMPATIBLE,
              "does not know");
  options.struct_size = sizeof(options);
  options.check_finite = ampc_check_finite_t(3);
  expectError(ampc_session_create(module, &options, &other), kWrong, "no check_finite 3");

  ampc_status_free(nullptr);
  ampc_module_close(nullptr);
  ampc_session_destroy(nullptr);
  ampc_string_free(nullptr);
  EXPECT_EQ(ampc_status_code(nullptr), AMPC_STATUS_OK);
  EXPECT_STREQ(ampc_status_message(nullptr), "");
  EXPECT_STREQ(ampc_status_node(nullptr), "");
  EXPECT_EQ(ampc_session_steps(nullptr), 0);
  EXPECT_EQ(ampc_module_tensor_count(nullptr), 0u);
  EXPECT_STREQ(ampc_version(), "0.1.0");
}

TEST(Api, CallersOfBeforeKnowLess) {
  ModuleHandle module(buildTrainer());
  ampc_session_options_t options = {};
  options.struct_size = offsetof(ampc_session_options_t, check_finite);
  options.device = AMPC_DEVICE_HOST;
  options.check_finite = ampc_check_finite_t(3); // not theirs
  ampc_session_t *session;
  expectOk(ampc_session_create(module, &options, &session));
  Batch bad;
  bad.x.values[4] = NAN;
  ampc_step_info_t info;
  std::memset(static_cast<void *>(&info), 0x5a, sizeof(info));
  const ampc_step_info_t untouched = info;
  info.struct_size = offsetof(ampc_step_info_t, failure);
  expectOk(bad.step(session, &info));
  EXPECT_EQ(info.applied, 0);
  EXPECT_STREQ(info.culprit, "w");
  EXPECT_EQ(info.failure, untouched.failure);
  EXPECT_EQ(info.bad_text, untouched.bad_text);
  // They may ask for more later.
  info.struct_size = sizeof(info);
  expectOk(ampc_session_get_step_info(session, 1, &info));
  EXPECT_STREQ(info.bad_tensor, "x");
  ampc_session_destroy(session);
}
