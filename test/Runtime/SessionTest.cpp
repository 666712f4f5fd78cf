//===- SessionTest.cpp - Steps, their failures and devices ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TrainerBatch.h"

#include <thread>

using namespace ampc::test;

/// All state but the counters and the scaler, as bytes.
static std::string stateBytes(ampc_session_t *session) {
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
  EXPECT_FLOAT_EQ(info.grad_norm, std::sqrt(2.25f * 2.25f + 3.5f * 3.5f + 2.5f * 2.5f));
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
  Outcome outcome =
      expectError(bad.step(session, &info), AMPC_STATUS_TRAINING_STOPPED,
                  "the first tensor that was not finite: the input 'x', NaN at [0, 0]");
  EXPECT_EQ(outcome.node, "loss");
  EXPECT_EQ(info.applied, 0); // told beside the error
  EXPECT_STREQ(info.culprit, "w");
  EXPECT_EQ(info.failure, AMPC_FAILURE_FORWARD);
  EXPECT_STREQ(info.bad_tensor, "x");
  EXPECT_EQ(info.bad_index, 0);
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
  Outcome outcome = expectError(bad.step(session, &info), AMPC_STATUS_TRAINING_STOPPED,
                                "fell to 2, below its floor of 3");
  EXPECT_EQ(outcome.node, "loss");
}

TEST(Session, NamesTheTensorThatItBeganWith) {
  ModuleHandle module(buildTrainer());
  struct Case {
    const char *tensor;
    std::vector<float> values;
    const char *text, *bad;
  } cases[] = {
      {"w", {1, NAN, 2}, "the f16 copy of 'w', NaN at [1]", "w"},
      // It is not trained, so it may be infinite on purpose.
      {"bias",
       {-kInf},
       "the output 'y' of node 'Add_1' (Add) (computed with 'MatMul_0'), -inf at [0]",
       "y"},
  };
  for (const Case &c : cases) {
    SessionHandle session(module);
    Tensor<float> tensor = f32({int64_t(c.values.size())}, c.values);
    expectOk(ampc_session_set_tensor(session, c.tensor, tensor.get()));
    std::string before = stateBytes(session);
    Batch batch;
    ampc_step_info_t info = emptyInfo();
    expectOk(batch.step(session, &info));
    EXPECT_EQ(info.applied, 0);
    EXPECT_STREQ(info.bad_text, c.text);
    EXPECT_STREQ(info.bad_tensor, c.bad);
    EXPECT_EQ(stateBytes(session), before);
    // It is kept as long as the step is.
    Batch refused;
    refused.target.values[0] = 99;
    ampc_step_info_t again = emptyInfo();
    expectError(refused.step(session, &again), AMPC_STATUS_DATA, "label");
    EXPECT_EQ(again.failure, AMPC_FAILURE_BATCH);
    EXPECT_STREQ(again.bad_text, "");
    expectOk(ampc_session_get_step_info(session, 1, &again));
    EXPECT_STREQ(again.bad_text, c.text);
  }
}

TEST(Session, ShowsWhatAStepWrites) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module), other(module);
  std::vector<std::string> seen;
  auto visit = [](void *user, const ampc_value_t *value) {
    std::string text = value->is_gradient ? "gradient " : "";
    text += std::string(value->tensor) + "|" + value->node + "|" + value->op_type;
    for (int32_t i = 0; i != value->rank; ++i)
      text += " " + std::to_string(value->shape[i]);
    EXPECT_EQ(value->first, 0u);
    static_cast<std::vector<std::string> *>(user)->push_back(text);
  };
  Batch batch;
  ampc_named_tensor_t inputs[] = {{"x", batch.x.get()}, {"target", batch.target.get()}};
  ampc_step_info_t info = emptyInfo(), want = emptyInfo();
  expectOk(ampc_session_step_visited(session, inputs, 2, &info, visit, &seen));
  expectOk(batch.step(other, &want));
  EXPECT_EQ(info.loss, want.loss);
  EXPECT_EQ(stateBytes(session), stateBytes(other));
  ASSERT_GE(seen.size(), 4u);
  EXPECT_EQ(seen[0], "y|Add_1|Add 4");
  EXPECT_EQ(seen[1], "loss|Loss_2|Loss");
  EXPECT_EQ(seen[2], "gradient y|Loss_2|Loss 4");
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "|MatMul_0|"), 1); // nothing is told of it
  expectError(ampc_session_step_visited(session, inputs, 2, &info, nullptr, nullptr),
              AMPC_STATUS_INVALID_ARGUMENT, "visitor is NULL");
  EXPECT_EQ(ampc_session_steps(session), 1);
}

TEST(Session, RefusesALabelOutOfRange) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  for (int64_t label :
       {int64_t(10), int64_t(-1), int64_t(1) << 40, std::numeric_limits<int64_t>::min()}) {
    Batch bad;
    bad.target.values[2] = label;
    ampc_step_info_t info = emptyInfo();
    std::string before = stateBytes(session);
    Outcome outcome =
        expectError(bad.step(session, &info), AMPC_STATUS_DATA, "a label in input 'target'");
    EXPECT_EQ(outcome.node, "target");
    EXPECT_EQ(info.applied, 0);
    EXPECT_TRUE(std::isnan(info.loss)) << "a loss of labels that are none";
    EXPECT_EQ(stateBytes(session), before) << label;
  }
}

TEST(Session, RefusesALabelOutOfRangeInEvaluation) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch good;
  for (int64_t label : {int64_t(10), int64_t(-1), int64_t(1) << 40}) {
    Batch bad;
    bad.target.values[2] = label;
    ampc_named_tensor_t inputs[] = {{"x", bad.x.get()}, {"target", bad.target.get()}};
    Tensor<float> y = f32({4}, {-7, -7, -7, -7});
    ampc_named_tensor_t output = {"y", y.get()};
    Outcome outcome = expectError(ampc_session_evaluate(session, inputs, 2, &output, 1),
                                  AMPC_STATUS_DATA, "a label in input 'target'");
    EXPECT_EQ(outcome.node, "target");
    EXPECT_EQ(y.values, (std::vector<float>{-7, -7, -7, -7}));
    // Nothing is left of it for who comes next, with labels or without.
    inputs[1].tensor = good.target.get();
    expectOk(ampc_session_evaluate(session, inputs, 2, &output, 1));
    expectOk(ampc_session_evaluate(session, inputs, 1, &output, 1));
  }
}

// A floor above the scale: what was applied is no skipped step.
TEST(Session, DoesNotStopAfterAnAppliedStep) {
  TrainerOptions options;
  options.scaleFloor = 100;
  ModuleHandle module(buildTrainer(options));
  SessionHandle session(module);
  Batch good, bad;
  bad.x.values[0] = kInf;
  ampc_step_info_t info = emptyInfo();
  expectOk(good.step(session, &info));
  EXPECT_EQ(info.applied, 1);
  EXPECT_EQ(info.next_loss_scale, 8);
  expectError(bad.step(session, &info), AMPC_STATUS_TRAINING_STOPPED,
              "fell to 4, below its floor of 100");
  EXPECT_EQ(info.applied, 0);
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
  expectError(ampc_session_get_step_info(session, 1, &info), AMPC_STATUS_NOT_FOUND, "no step yet");
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
  expectError(ampc_session_get_step_info(session, 36, &info), AMPC_STATUS_NOT_FOUND, "37 to 100");
  expectError(ampc_session_get_step_info(session, 101, &info), AMPC_STATUS_NOT_FOUND, "37 to 100");
  expectError(ampc_session_get_step_info(session, 0, &info), AMPC_STATUS_NOT_FOUND, "step 0");
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
  expectError(ampc_session_create(module, &options, &session), AMPC_STATUS_INCOMPATIBLE,
              "no CUDA code");
  options.device = ampc_device_t(9);
  expectError(ampc_session_create(module, &options, &session), AMPC_STATUS_INVALID_ARGUMENT,
              "no device 9");
  options.device = AMPC_DEVICE_HOST;
  options.threads = -1;
  expectError(ampc_session_create(module, &options, &session), AMPC_STATUS_INVALID_ARGUMENT,
              "threads is -1");
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
  EXPECT_TRUE(outcome.code == AMPC_STATUS_NOT_FOUND || outcome.code == AMPC_STATUS_INCOMPATIBLE)
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
  expectError(ampc_session_create(module, nullptr, &session), AMPC_STATUS_OUT_OF_MEMORY,
              "1125899906842624 bytes");
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
    threads.emplace_back(train, (i % 2 ? second : first).handle, std::ref(together[i]));
  for (std::thread &thread : threads)
    thread.join();
  for (int i = 0; i != 4; ++i)
    EXPECT_EQ(together[i], alone[i % 2]);
}
