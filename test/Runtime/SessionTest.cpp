//===- SessionTest.cpp - Steps, evaluation and tensors --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestModules.h"
#include "TestSupport.h"

#include <cmath>
#include <limits>
#include <thread>

using namespace ampc::test;

namespace {

struct Batch {
  Batch()
      : x(f32({4, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1})),
        target(i64({4}, {1, 2, 3, 6})) {}

  ampc_status_t step(ampc_session_t *session, ampc_step_info_t *info) {
    ampc_named_tensor_t inputs[] = {{"x", x.get()}, {"target", target.get()}};
    return ampc_session_step(session, inputs, 2, info);
  }

  Tensor<float> x;
  Tensor<int64_t> target;
};

ampc_step_info_t emptyInfo() {
  ampc_step_info_t info = {};
  info.struct_size = sizeof(info);
  return info;
}

std::vector<float> getW(ampc_session_t *session) {
  Tensor<float> w = f32({3}, {0, 0, 0});
  expectOk(ampc_session_get_tensor(session, "w", w.get()));
  return w.values;
}

/// All state but the counters and the scaler, as bytes.
std::string stateBytes(ampc_session_t *session) {
  std::string bytes;
  auto add = [&](const char *name, auto tensor) {
    expectOk(ampc_session_get_tensor(session, name, tensor.get()));
    bytes.append(reinterpret_cast<const char *>(tensor.values.data()),
                 tensor.values.size() * sizeof(tensor.values[0]));
  };
  add("w", f32({3}, {0, 0, 0}));
  add("ampc.momentum/w", f32({3}, {0, 0, 0}));
  add("ampc.copy/w", Tensor<uint16_t>(kF16, {3}, {0, 0, 0}));
  add("ampc.step", i64({}, {0}));
  return bytes;
}

constexpr float kInf = std::numeric_limits<float>::infinity();

} // namespace

TEST(Session, TrainsAsTheFormulaSays) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  ampc_step_info_t info = emptyInfo();
  expectOk(batch.step(session, &info));
  // y = 0.75, -0.75, 2.25, 1.75; d = -0.25, -2.75, -0.75, -4.25.
  EXPECT_FLOAT_EQ(info.loss, (0.0625f + 7.5625f + 0.5625f + 18.0625f) / 4);
  EXPECT_EQ(info.step, 1);
  EXPECT_EQ(info.loss_scale, 8);
  EXPECT_EQ(info.next_loss_scale, 8);
  EXPECT_EQ(info.learning_rate, 0.1f);
  EXPECT_EQ(info.applied, 1);
  EXPECT_STREQ(info.culprit, "");
  // dw = (d_0 + d_3, d_1 + d_3, d_2 + d_3) / 2.
  EXPECT_FLOAT_EQ(info.grad_norm,
                  std::sqrt(2.25f * 2.25f + 3.5f * 3.5f + 2.5f * 2.5f));
  std::vector<float> w = getW(session);
  EXPECT_FLOAT_EQ(w[0], 0.5f + 0.225f);
  EXPECT_FLOAT_EQ(w[1], -1 + 0.35f);
  EXPECT_FLOAT_EQ(w[2], 2 + 0.25f);
  EXPECT_EQ(ampc_session_steps(session), 1);
  float first = info.loss;
  for (int i = 0; i != 40; ++i)
    expectOk(batch.step(session, &info));
  EXPECT_LT(info.loss, first / 2);
  EXPECT_EQ(info.step, 41);
  EXPECT_EQ(ampc_session_device(session), AMPC_DEVICE_HOST);
}

TEST(Session, SkippedStepChangesNothingAndNamesTheCulprit) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  ampc_step_info_t info = emptyInfo();
  expectOk(batch.step(session, &info));
  std::string before = stateBytes(session);
  Batch bad;
  bad.x.values[4] = kInf;
  expectOk(bad.step(session, &info));
  EXPECT_EQ(info.applied, 0);
  EXPECT_STREQ(info.culprit, "w");
  EXPECT_EQ(info.loss_scale, 8);
  EXPECT_EQ(info.next_loss_scale, 4);
  EXPECT_EQ(stateBytes(session), before);
  EXPECT_EQ(ampc_session_steps(session), 2);
  expectOk(batch.step(session, &info));
  EXPECT_EQ(info.applied, 1);
  EXPECT_EQ(info.loss_scale, 4);
}

TEST(Session, StopsWithoutAScaler) {
  TrainerOptions options;
  options.hasScaler = false;
  ModuleHandle module(buildTrainer(options));
  SessionHandle session(module);
  Batch bad;
  bad.x.values[0] = NAN;
  ampc_step_info_t info = emptyInfo();
  std::string before = stateBytes(session);
  Outcome outcome = expectError(bad.step(session, &info),
                                AMPC_STATUS_TRAINING_STOPPED, "'w'");
  EXPECT_EQ(outcome.node, "w");
  EXPECT_EQ(info.applied, 0); // told beside the error
  EXPECT_EQ(info.step, 1);
  EXPECT_EQ(stateBytes(session), before);
}

TEST(Session, StopsBelowTheScaleFloor) {
  TrainerOptions options;
  options.scaleFloor = 3;
  ModuleHandle module(buildTrainer(options));
  SessionHandle session(module);
  Batch bad;
  bad.x.values[0] = kInf;
  ampc_step_info_t info = emptyInfo();
  expectOk(bad.step(session, &info));
  Outcome outcome =
      expectError(bad.step(session, &info), AMPC_STATUS_TRAINING_STOPPED,
                  "fell to 2, below its floor of 3");
  EXPECT_EQ(outcome.node, "w");
}

TEST(Session, RefusesALabelOutOfRange) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  for (int64_t label : {int64_t(10), int64_t(-1), int64_t(1) << 40,
                        std::numeric_limits<int64_t>::min()}) {
    Batch bad;
    bad.target.values[2] = label;
    ampc_step_info_t info = emptyInfo();
    std::string before = stateBytes(session);
    Outcome outcome = expectError(bad.step(session, &info), AMPC_STATUS_DATA,
                                  "a label in input 'target'");
    EXPECT_EQ(outcome.node, "target");
    EXPECT_EQ(info.applied, 0);
    EXPECT_EQ(stateBytes(session), before) << label;
  }
}

TEST(Session, TellsLaterOfStepsOnlyEnqueued) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch good, bad;
  bad.target.values[0] = 99;
  expectOk(good.step(session, nullptr));
  expectOk(bad.step(session, nullptr));
  expectOk(good.step(session, nullptr));
  expectOk(bad.step(session, nullptr));
  ampc_step_info_t info = emptyInfo();
  expectOk(ampc_session_get_step_info(session, 1, &info));
  EXPECT_EQ(info.step, 1);
  expectError(ampc_session_synchronize(session), AMPC_STATUS_DATA, "step 2:");
  // A step with `info` first tells of those before it.
  expectError(good.step(session, &info), AMPC_STATUS_DATA, "step 4:");
  EXPECT_EQ(info.step, 5);
  EXPECT_EQ(info.applied, 1);
  expectOk(ampc_session_synchronize(session)); // each is told once
  expectOk(good.step(session, &info));
  EXPECT_EQ(info.step, 6);
}

TEST(Session, NeverLosesAFailureInALongQueue) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch good, bad;
  bad.target.values[0] = 99;
  expectOk(bad.step(session, nullptr));
  int failures = 0;
  for (int i = 0; i != 200; ++i) {
    Outcome outcome(good.step(session, nullptr));
    if (outcome.code == AMPC_STATUS_OK)
      continue;
    ++failures;
    EXPECT_EQ(outcome.code, AMPC_STATUS_DATA);
    EXPECT_NE(outcome.message.find("step 1:"), std::string::npos);
  }
  EXPECT_EQ(failures, 1);
}

TEST(Session, KeepsTheLatestStepInfos) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  ampc_step_info_t info = emptyInfo();
  expectError(ampc_session_get_step_info(session, 1, &info),
              AMPC_STATUS_NOT_FOUND, "no step yet");
  Batch batch;
  std::vector<float> losses;
  for (int i = 0; i != 100; ++i) {
    expectOk(batch.step(session, &info));
    losses.push_back(info.loss);
  }
  for (int64_t step = 37; step <= 100; ++step) {
    expectOk(ampc_session_get_step_info(session, step, &info));
    EXPECT_EQ(info.step, step);
    EXPECT_EQ(info.loss, losses[step - 1]);
  }
  expectError(ampc_session_get_step_info(session, 36, &info),
              AMPC_STATUS_NOT_FOUND, "37 to 100");
  expectError(ampc_session_get_step_info(session, 101, &info),
              AMPC_STATUS_NOT_FOUND, "37 to 100");
  expectError(ampc_session_get_step_info(session, 0, &info),
              AMPC_STATUS_NOT_FOUND, "step 0");
}

TEST(Session, EvaluatesAndConverts) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  Tensor<float> y = f32({4}, {0, 0, 0, 0});
  Tensor<uint16_t> y16(kF16, {4}, {0, 0, 0, 0});
  Tensor<float> loss = f32({}, {0});
  ampc_named_tensor_t inputs[] = {{"target", batch.target.get()},
                                  {"x", batch.x.get()}};
  ampc_named_tensor_t outputs[] = {
      {"loss", loss.get()}, {"y16", y16.get()}, {"y", y.get()}};
  expectOk(ampc_session_evaluate(session, inputs, 2, outputs, 3));
  EXPECT_EQ(y.values, (std::vector<float>{0.75f, -0.75f, 2.25f, 1.75f}));
  EXPECT_EQ(y16.values,
            (std::vector<uint16_t>{0x3a00, 0xba00, 0x4080, 0x3f00}));
  EXPECT_FLOAT_EQ(loss.values[0], 26.25f / 4);
  EXPECT_EQ(ampc_session_steps(session), 0);
}

TEST(Session, EvaluatesWithoutLabels) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  Tensor<float> y = f32({4}, {0, 0, 0, 0});
  Tensor<float> loss = f32({}, {0});
  ampc_named_tensor_t inputs[] = {{"x", batch.x.get()},
                                  {"target", batch.target.get()}};
  ampc_named_tensor_t outputs[] = {{"y", y.get()}, {"loss", loss.get()}};
  expectOk(ampc_session_evaluate(session, inputs, 1, outputs, 1));
  EXPECT_EQ(y.values[0], 0.75f);
  Outcome outcome =
      expectError(ampc_session_evaluate(session, inputs, 1, outputs, 2),
                  AMPC_STATUS_INVALID_ARGUMENT, "needs a label");
  EXPECT_EQ(outcome.node, "loss");
  expectOk(ampc_session_evaluate(session, inputs, 2, outputs, 2));
  // In training the label is needed.
  expectError(ampc_session_step(session, inputs, 1, nullptr),
              AMPC_STATUS_INVALID_ARGUMENT, "input 'target' (i64 [4])");
}

TEST(Session, RefusesWrongInputs) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  auto expectRefused = [&](std::vector<ampc_named_tensor_t> inputs,
                           const std::string &text) {
    Outcome outcome = expectError(
        ampc_session_step(session, inputs.data(), inputs.size(), nullptr),
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
  withX([&](DLTensor &t) { t.dtype = {kDLFloat, 64, 1}; },
        "is f64 [4, 3], the module");
  withX([&](DLTensor &t) { t.dtype = {kDLFloat, 32, 2}; }, "2 lanes");
  withX([&](DLTensor &t) { t.dtype = {kDLComplex, 64, 1}; }, "code 5");
  withX([&](DLTensor &t) { t.ndim = -1; }, "rank -1");
  withX([&](DLTensor &t) { t.shape = nullptr; }, "rank 2");
  withX([&](DLTensor &t) { t.data = nullptr; }, "has no data");
  withX([&](DLTensor &t) { t.strides = transposed; }, "not dense");
  withX([&](DLTensor &t) { t.device = {kDLCUDA, 0}; }, "copy it to the CPU");
  expectError(ampc_session_step(session, nullptr, 2, nullptr),
              AMPC_STATUS_INVALID_ARGUMENT, "inputs is NULL");

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

TEST(Session, RefusesWrongOutputs) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  ampc_named_tensor_t inputs[] = {{"x", batch.x.get()},
                                  {"target", batch.target.get()}};
  Tensor<float> y = f32({3}, {0, 0, 0});
  ampc_named_tensor_t wrong = {"y", y.get()};
  expectError(ampc_session_evaluate(session, inputs, 2, &wrong, 1),
              AMPC_STATUS_INVALID_ARGUMENT,
              "output 'y' is f32 [3], the module was compiled for f32 [4]");
  wrong.name = "nothing";
  expectError(ampc_session_evaluate(session, inputs, 2, &wrong, 1),
              AMPC_STATUS_INVALID_ARGUMENT,
              "there is no output 'nothing'; the module gives 'y', 'y16'");
  expectError(ampc_session_evaluate(session, inputs, 2, nullptr, 1),
              AMPC_STATUS_INVALID_ARGUMENT, "outputs is NULL");
  wrong.name = nullptr;
  expectError(ampc_session_evaluate(session, inputs, 2, &wrong, 1),
              AMPC_STATUS_INVALID_ARGUMENT, "name of output 0");
}

TEST(Session, SetsAndGetsTensors) {
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
  expectError(ampc_session_set_tensor(session, "grid", grid.get()),
              AMPC_STATUS_INVALID_ARGUMENT, "a constant");
  expectError(ampc_session_set_tensor(session, "ampc.copy/w", copy.get()),
              AMPC_STATUS_INVALID_ARGUMENT, "derived");
  expectError(ampc_session_get_tensor(session, "v", w.get()),
              AMPC_STATUS_NOT_FOUND, "'v'");
  expectError(ampc_session_get_tensor(session, "x", w.get()),
              AMPC_STATUS_NOT_FOUND, "'x'");
  Tensor<float> two = f32({2}, {0, 0});
  expectError(ampc_session_set_tensor(session, "w", two.get()),
              AMPC_STATUS_INVALID_ARGUMENT, "is f32 [2], the module");
  EXPECT_EQ(getW(session), w.values);

  Tensor<int64_t> attempt = i64({}, {41});
  expectOk(ampc_session_set_tensor(session, "ampc.attempt", attempt.get()));
  EXPECT_EQ(ampc_session_steps(session), 41);
  Batch batch;
  ampc_step_info_t info = emptyInfo();
  expectOk(batch.step(session, &info));
  EXPECT_EQ(info.step, 42);
  expectError(ampc_session_get_step_info(session, 41, &info),
              AMPC_STATUS_NOT_FOUND, "42 to 42");
}

TEST(Session, SetsTheLearningRate) {
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
    expectError(ampc_session_set_learning_rate(session, rate),
                AMPC_STATUS_INVALID_ARGUMENT, "makes no sense");
}

TEST(Session, InitializesFromItsSeed) {
  TrainerOptions options;
  options.hasInit = true;
  ModuleHandle module(buildTrainer(options));
  SessionHandle session(module, 1, 7);
  EXPECT_EQ(getW(session), (std::vector<float>{7, 8, 9}));
  // Without options the module's own seed holds, and REFRESH comes after INIT.
  ampc_session_t *plain = nullptr;
  expectOk(ampc_session_create(module, nullptr, &plain));
  EXPECT_EQ(getW(plain), (std::vector<float>{5, 6, 7}));
  Tensor<uint16_t> copy(kF16, {3}, {0, 0, 0});
  expectOk(ampc_session_get_tensor(plain, "ampc.copy/w", copy.get()));
  EXPECT_EQ(copy.values[0], 0x4500);
  ampc_session_destroy(plain);
}

TEST(Session, PicksADevice) {
  ModuleHandle module(buildTrainer());
  ampc_session_options_t options = {};
  options.struct_size = sizeof(options);
  ampc_session_t *session = nullptr;
  options.device = AMPC_DEVICE_CUDA;
  expectError(ampc_session_create(module, &options, &session),
              AMPC_STATUS_INCOMPATIBLE, "no CUDA code");
  options.device = ampc_device_t(9);
  expectError(ampc_session_create(module, &options, &session),
              AMPC_STATUS_INVALID_ARGUMENT, "no device 9");
  options.device = AMPC_DEVICE_HOST;
  options.threads = -1;
  expectError(ampc_session_create(module, &options, &session),
              AMPC_STATUS_INVALID_ARGUMENT, "threads is -1");
  EXPECT_EQ(session, nullptr);
  options.device = AMPC_DEVICE_AUTO;
  options.threads = 0;
  expectOk(ampc_session_create(module, &options, &session));
  EXPECT_EQ(ampc_session_device(session), AMPC_DEVICE_HOST);
  ampc_session_destroy(session);
}

// A module with CUDA code that no machine can run: AUTO takes the host.
TEST(Session, FallsBackToTheHost) {
  TableWriter writer = makeTrainer();
  ampc_target_entry_t &cuda = writer.header.targets[AMPC_TARGET_CUDA];
  cuda.present = 1;
  cuda.features = writer.string("");
  cuda.arena_bytes = cuda.state_bytes = 64;
  std::string path = scratchFolder() + "/cuda.so";
  writer.build(path);
  ModuleHandle module(path);
  ampc_session_options_t options = {};
  options.struct_size = sizeof(options);
  options.device = AMPC_DEVICE_CUDA;
  ampc_session_t *session = nullptr;
  Outcome outcome(ampc_session_create(module, &options, &session));
  EXPECT_TRUE(outcome.code == AMPC_STATUS_NOT_FOUND ||
              outcome.code == AMPC_STATUS_INCOMPATIBLE)
      << outcome.message;
  options.device = AMPC_DEVICE_AUTO;
  expectOk(ampc_session_create(module, &options, &session));
  EXPECT_EQ(ampc_session_device(session), AMPC_DEVICE_HOST);
  ampc_session_destroy(session);
}

TEST(Session, TellsWhenTheArenaIsTooLarge) {
  TableWriter writer = makeTrainer();
  writer.header.targets[AMPC_TARGET_HOST].arena_bytes = uint64_t(1) << 50;
  std::string path = scratchFolder() + "/large.so";
  writer.build(path);
  ModuleHandle module(path);
  ampc_session_t *session = nullptr;
  expectError(ampc_session_create(module, nullptr, &session),
              AMPC_STATUS_OUT_OF_MEMORY, "1125899906842624 bytes");
}

TEST(Session, EvaluatesModulesThatDoNotTrain) {
  TableWriter writer = makeTrainer();
  writer.programs.erase(writer.programs.begin());
  std::string path = scratchFolder() + "/eval.so";
  writer.build(path);
  ModuleHandle module(path);
  EXPECT_EQ(ampc_module_trains(module), 0);
  SessionHandle session(module);
  Batch batch;
  expectError(batch.step(session, nullptr), AMPC_STATUS_INCOMPATIBLE,
              "without a training step");
  EXPECT_EQ(ampc_session_steps(session), 0);
  ampc_step_info_t info = emptyInfo();
  expectError(ampc_session_get_step_info(session, 1, &info),
              AMPC_STATUS_NOT_FOUND, "no step yet");
  Tensor<float> y = f32({4}, {0, 0, 0, 0});
  ampc_named_tensor_t input = {"x", batch.x.get()}, output = {"y", y.get()};
  expectOk(ampc_session_evaluate(session, &input, 1, &output, 1));
  EXPECT_EQ(y.values[0], 0.75f);
}

TEST(Session, ChecksItsArguments) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  ampc_session_t *other = nullptr;
  ampc_module_t *none = nullptr;
  ampc_step_info_t info = emptyInfo();
  constexpr ampc_status_code_t kWrong = AMPC_STATUS_INVALID_ARGUMENT;
  expectError(ampc_module_open(nullptr, &none), kWrong, "path is NULL");
  expectError(ampc_module_open("x", nullptr), kWrong, "out_module is NULL");
  expectError(ampc_module_inspect(nullptr, AMPC_DEVICE_HOST, nullptr), kWrong,
              "module is NULL");
  expectError(ampc_module_inspect(module, AMPC_DEVICE_HOST, nullptr), kWrong,
              "out_json is NULL");
  expectError(ampc_module_tensor(module, 0, nullptr), kWrong, "info is NULL");
  expectError(ampc_module_tensor(nullptr, 0, nullptr), kWrong,
              "module is NULL");
  expectError(ampc_session_create(nullptr, nullptr, &other), kWrong,
              "module is NULL");
  expectError(ampc_session_create(module, nullptr, nullptr), kWrong,
              "out_session is NULL");
  expectError(ampc_session_step(nullptr, nullptr, 0, nullptr), kWrong,
              "session is NULL");
  expectError(ampc_session_get_step_info(session, 1, nullptr), kWrong,
              "info is NULL");
  expectError(ampc_session_get_step_info(nullptr, 1, &info), kWrong,
              "session is NULL");
  expectError(ampc_session_synchronize(nullptr), kWrong, "session is NULL");
  expectError(ampc_session_evaluate(nullptr, nullptr, 0, nullptr, 0), kWrong,
              "session is NULL");
  expectError(ampc_session_get_tensor(session, nullptr, nullptr), kWrong,
              "name is NULL");
  expectError(ampc_session_get_tensor(session, "w", nullptr), kWrong,
              "has no tensor");
  expectError(ampc_session_set_tensor(nullptr, "w", nullptr), kWrong,
              "session is NULL");
  expectError(ampc_session_set_learning_rate(nullptr, 1), kWrong,
              "session is NULL");
  expectError(ampc_session_set_metadata(session, nullptr, "x"), kWrong,
              "key is NULL");
  expectError(ampc_session_save_checkpoint(session, nullptr), kWrong,
              "path is NULL");
  expectError(ampc_session_load_checkpoint(session, nullptr, nullptr), kWrong,
              "path is NULL");

  info.struct_size = 0;
  expectError(batch.step(session, &info), kWrong, "struct_size is 0");
  EXPECT_EQ(ampc_session_steps(session), 0);
  ampc_session_options_t options = {};
  expectError(ampc_session_create(module, &options, &other), kWrong,
              "struct_size is 0");
  struct {
    ampc_session_options_t options;
    int later[4];
  } longer = {};
  longer.options.struct_size = sizeof(longer);
  longer.options.device = AMPC_DEVICE_HOST;
  expectOk(ampc_session_create(module, &longer.options, &other));
  ampc_session_destroy(other);
  longer.later[2] = 1;
  expectError(ampc_session_create(module, &longer.options, &other),
              AMPC_STATUS_INCOMPATIBLE, "does not know");

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

TEST(Session, GivesTheSameBitsBesideOthers) {
  TrainerOptions options;
  options.firstWeight = -3;
  std::string paths[] = {buildTrainer(), buildTrainer(options)};
  auto train = [](ampc_module_t *module, std::string &state) {
    SessionHandle session(module, 2);
    Batch batch;
    for (int i = 0; i != 3000; ++i)
      expectOk(batch.step(session, nullptr));
    state = stateBytes(session);
  };
  std::string alone[2], together[4];
  {
    ModuleHandle first(paths[0]), second(paths[1]);
    train(first, alone[0]);
    train(second, alone[1]);
  }
  EXPECT_NE(alone[0], alone[1]);
  // Two modules, two sessions of each, at once.
  ModuleHandle first(paths[0]), second(paths[1]);
  std::vector<std::thread> threads;
  for (int i = 0; i != 4; ++i)
    threads.emplace_back(train, (i % 2 ? second : first).handle,
                         std::ref(together[i]));
  for (std::thread &thread : threads)
    thread.join();
  for (int i = 0; i != 4; ++i)
    EXPECT_EQ(together[i], alone[i % 2]);
}
