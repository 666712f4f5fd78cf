//===- CudaSessionTest.cpp - Sessions on CUDA, through the stand-in -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaTestSupport.h"

#include <algorithm>
#include <cmath>
#include <thread>

using namespace ampc::test;
using ampc::standin::Event;

namespace {

/// Losses agree to f16's rounding, the state to what that does in a few steps.
constexpr float kTolerance = 2e-3f;

std::vector<ampc_step_info_t> train(ampc_session_t *session, int steps, int first = 0) {
  std::vector<ampc_step_info_t> infos;
  for (int i = first; i != first + steps; ++i) {
    ClassifierBatch batch(i);
    infos.push_back(emptyInfo());
    expectOk(batch.step(session, &infos.back()));
  }
  return infos;
}

std::vector<Event> calls(const std::vector<Event> &events, const std::string &name) {
  std::vector<Event> result;
  std::copy_if(events.begin(), events.end(), std::back_inserter(result),
               [&](const Event &e) { return !e.isWork && e.name == name; });
  return result;
}

} // namespace

TEST(CudaSession, AgreesWithTheHost) {
  for (const char *order : {"0", "12345"}) {
    StandIn driver(classifier(), {{"AMPC_STANDIN_SEED", order}});
    ModuleHandle module(classifier().module);
    Session host(module, AMPC_DEVICE_HOST), cuda(module, AMPC_DEVICE_CUDA);
    EXPECT_EQ(ampc_session_device(cuda), AMPC_DEVICE_CUDA);
    expectNear(classifierState(cuda), classifierState(host), 0);
    auto want = train(host, 30), got = train(cuda, 30);
    for (int i = 0; i != 30; ++i) {
      EXPECT_EQ(got[i].step, i + 1);
      EXPECT_NEAR(got[i].loss, want[i].loss, kTolerance * want[0].loss);
      EXPECT_NEAR(got[i].grad_norm, want[i].grad_norm, 1e-2f);
      EXPECT_EQ(got[i].loss_scale, want[i].loss_scale);
      EXPECT_EQ(got[i].next_loss_scale, want[i].next_loss_scale);
      EXPECT_EQ(got[i].applied, 1);
    }
    EXPECT_LT(got[29].loss, got[0].loss / 4);
    expectNear(classifierState(cuda), classifierState(host), kTolerance);
  }
}

TEST(CudaSession, EvaluatesAsTheHost) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  Session host(module, AMPC_DEVICE_HOST), cuda(module, AMPC_DEVICE_CUDA);
  Tensor<float> logits[2] = {f32({4, 3}, std::vector<float>(12)),
                             f32({4, 3}, std::vector<float>(12))};
  Tensor<float> loss[2] = {f32({}, {0}), f32({}, {0})};
  ampc_session_t *sessions[] = {host, cuda};
  for (int round = 0; round != 3; ++round) {
    ClassifierBatch batch(round);
    for (int i = 0; i != 2; ++i) {
      ampc_named_tensor_t inputs[] = {{"x", batch.x.get()}, {"target", batch.target.get()}};
      ampc_named_tensor_t outputs[] = {{"logits", logits[i].get()}, {"loss", loss[i].get()}};
      expectOk(ampc_session_evaluate(sessions[i], inputs, 2, outputs, 2));
    }
    expectNear(logits[1].values, logits[0].values, kTolerance);
    expectNear(loss[1].values, loss[0].values, kTolerance);
  }
  // Training in between leaves the graph of evaluation good.
  train(cuda, 1);
  ClassifierBatch batch(0);
  ampc_named_tensor_t inputs[] = {{"x", batch.x.get()}};
  ampc_named_tensor_t outputs[] = {{"logits", logits[1].get()}};
  std::vector<float> before = logits[1].values;
  expectOk(ampc_session_evaluate(cuda, inputs, 1, outputs, 1));
  EXPECT_NE(logits[1].values, before);
}

TEST(CudaSession, OneGraphLaunchAStepAndNoWait) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  ClassifierBatch batch;
  ampc::standin::takeEvents();
  expectOk(batch.step(cuda, nullptr));
  std::vector<Event> first = ampc::standin::takeEvents();
  EXPECT_EQ(calls(first, "cuStreamBeginCapture").size(), 1u);
  EXPECT_EQ(calls(first, "cuGraphInstantiate").size(), 1u);
  EXPECT_EQ(calls(first, "cuGraphDestroy").size(), 1u);
  EXPECT_EQ(calls(first, "cuLaunchKernel").size(), 3u);

  for (int i = 0; i != 2; ++i) {
    expectOk(batch.step(cuda, nullptr));
    std::vector<Event> events = ampc::standin::takeEvents();
    std::vector<std::string> names;
    for (const Event &event : events) {
      EXPECT_FALSE(event.isWork) << event.name << ": something has waited";
      // An event is asked whether it is reached, and is.
      if (event.name.rfind("cuCtx", 0) != 0 && event.name != "cuEventQuery")
        names.push_back(event.name);
    }
    EXPECT_EQ(names, (std::vector<std::string>{"cuMemcpyHtoDAsync", "cuMemcpyHtoDAsync",
                                               "cuEventRecord", "cuGraphLaunch"}));
  }
  // Asked, the step waits once and reads one slot of the ring.
  ampc_step_info_t info = emptyInfo();
  expectOk(batch.step(cuda, &info));
  EXPECT_EQ(info.step, 4);
  std::vector<Event> events = ampc::standin::takeEvents();
  EXPECT_EQ(calls(events, "cuGraphLaunch").size(), 1u);
  EXPECT_EQ(calls(events, "cuMemAlloc").size(), 0u);
  EXPECT_EQ(calls(events, "cuStreamBeginCapture").size(), 0u);
}

TEST(CudaSession, HostMayBeAheadOfTheDevice) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  Session ahead(module, AMPC_DEVICE_CUDA), waits(module, AMPC_DEVICE_CUDA);
  for (int i = 0; i != 50; ++i) {
    ClassifierBatch batch(i);
    expectOk(batch.step(ahead, nullptr));
    // What the caller does with its memory afterwards is its own business.
    std::fill(batch.x.values.begin(), batch.x.values.end(), NAN);
  }
  train(waits, 50);
  EXPECT_EQ(classifierState(ahead), classifierState(waits));
}

TEST(CudaSession, RunsWhatInspectShows) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  ClassifierBatch batch;
  expectOk(batch.step(cuda, nullptr));
  expectOk(ampc_session_synchronize(cuda));
  ampc::standin::takeEvents();
  expectOk(batch.step(cuda, nullptr));
  expectOk(ampc_session_synchronize(cuda));
  EXPECT_EQ(expectAsInspected(classifier(), ampc::standin::takeEvents()), 6);
}

// A failure in a step enqueued unseen must not be written over in the ring.
TEST(CudaSession, StepsUnseenAreReadARingAtATime) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  ampc::standin::takeEvents();
  ClassifierBatch batch;
  for (int i = 0; i != 200; ++i)
    expectOk(batch.step(cuda, nullptr));
  std::vector<Event> events = ampc::standin::takeEvents();
  EXPECT_EQ(calls(events, "cuStreamSynchronize").size(), 3u);
  EXPECT_EQ(calls(events, "cuGraphLaunch").size(), 200u);
}

TEST(CudaSession, SkipsAStepAsTheHost) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  train(cuda, 3);
  std::vector<float> before = classifierState(cuda);
  ClassifierBatch batch;
  batch.x.values[5] = INFINITY;
  ampc_step_info_t info = emptyInfo();
  expectOk(batch.step(cuda, &info));
  EXPECT_EQ(info.applied, 0);
  EXPECT_EQ(info.next_loss_scale, info.loss_scale / 2);
  EXPECT_STREQ(info.culprit, "w");
  EXPECT_EQ(classifierState(cuda), before);
  ClassifierBatch wrong;
  wrong.target.values[1] = 7;
  Outcome outcome = expectError(wrong.step(cuda, &info), AMPC_STATUS_DATA, "'target'");
  EXPECT_EQ(classifierState(cuda), before);
  expectOk(ClassifierBatch().step(cuda, &info));
  EXPECT_EQ(info.applied, 1);
}

TEST(CudaSession, StopsWithoutAScaler) {
  StandIn driver(classifier(false));
  ModuleHandle module(classifier(false).module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  ClassifierBatch batch;
  batch.x.values[5] = NAN;
  // Enqueued unseen, it is told by the next call that waits.
  expectOk(batch.step(cuda, nullptr));
  expectError(ampc_session_synchronize(cuda), AMPC_STATUS_TRAINING_STOPPED,
              "the loss 'loss' is not finite");
}

TEST(CudaSession, LooksForNothingOnGoodSteps) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  auto record = [&](ampc_check_finite_t check) {
    ampc_session_options_t options = {};
    options.struct_size = sizeof(options);
    options.device = AMPC_DEVICE_CUDA;
    options.check_finite = check;
    ampc_session_t *session;
    expectOk(ampc_session_create(module, &options, &session));
    train(session, 2);
    ampc::standin::takeEvents();
    train(session, 3);
    std::vector<std::string> events;
    for (const Event &event : ampc::standin::takeEvents())
      events.push_back(event.name + " " + event.detail);
    ClassifierBatch batch;
    batch.x.values[5] = NAN;
    ampc_step_info_t info = emptyInfo();
    expectOk(batch.step(session, &info));
    EXPECT_EQ(info.failure, AMPC_FAILURE_FORWARD);
    EXPECT_STREQ(info.bad_text,
                 check == AMPC_CHECK_FINITE_OFF ? "" : "the input 'x', NaN at [0, 5]");
    EXPECT_EQ(ampc_session_steps(session), 6);
    train(session, 1, 3);
    ampc_session_destroy(session);
    return events;
  };
  auto off = record(AMPC_CHECK_FINITE_OFF), skip = record(AMPC_CHECK_FINITE_SKIP);
  EXPECT_GT(off.size(), 6u);
  EXPECT_EQ(skip, off);
  EXPECT_NE(record(AMPC_CHECK_FINITE_EVERY), off);
}

TEST(CudaSession, CheckpointsCrossDevices) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  std::string path = memoryFolder() + "/cuda.safetensors";
  for (bool toCuda : {true, false}) {
    ampc_device_t from = toCuda ? AMPC_DEVICE_HOST : AMPC_DEVICE_CUDA;
    ampc_device_t to = toCuda ? AMPC_DEVICE_CUDA : AMPC_DEVICE_HOST;
    Session first(module, from), second(module, to), again(module, from);
    train(first, 10);
    train(second, 2);
    expectOk(ampc_session_save_checkpoint(first, path.c_str()));
    int exact = -1;
    expectOk(ampc_session_load_checkpoint(second, path.c_str(), &exact));
    EXPECT_EQ(exact, 0);
    EXPECT_EQ(ampc_session_steps(second), 10);
    EXPECT_EQ(classifierState(second), classifierState(first));
    expectOk(ampc_session_load_checkpoint(again, path.c_str(), &exact));
    EXPECT_EQ(exact, 1);
    auto want = train(first, 5, 10), got = train(second, 5, 10), same = train(again, 5, 10);
    for (int i = 0; i != 5; ++i) {
      EXPECT_NEAR(got[i].loss, want[i].loss, kTolerance);
      EXPECT_EQ(same[i].loss, want[i].loss);
    }
    EXPECT_EQ(classifierState(again), classifierState(first));
  }
}

TEST(CudaSession, SetsTensorsAndTheLearningRate) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  Session cuda(module, AMPC_DEVICE_CUDA), host(module, AMPC_DEVICE_HOST);
  std::vector<float> values(240);
  for (size_t i = 0; i != values.size(); ++i)
    values[i] = float(i % 5) / 8;
  Tensor<float> w = f32({3, 80}, values);
  for (ampc_session_t *session : {cuda.handle, host.handle}) {
    expectOk(ampc_session_set_tensor(session, "w", w.get()));
    expectOk(ampc_session_set_learning_rate(session, 0.0625f));
    EXPECT_EQ(getTensor(session, "w", {3, 80}), values);
  }
  // The f16 copies have followed, or the losses would not.
  auto got = train(cuda, 3), want = train(host, 3);
  for (int i = 0; i != 3; ++i) {
    EXPECT_NEAR(got[i].loss, want[i].loss, kTolerance * want[0].loss);
    EXPECT_EQ(got[i].learning_rate, 0.0625f);
  }
}

TEST(CudaSession, TwoInTwoThreadsGiveTheBitsOfOne) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  std::vector<float> states[3];
  auto work = [&](int index) {
    Session cuda(module, AMPC_DEVICE_CUDA);
    train(cuda, 20);
    states[index] = classifierState(cuda);
  };
  work(0);
  std::thread first(work, 1), second(work, 2);
  first.join();
  second.join();
  EXPECT_EQ(states[1], states[0]);
  EXPECT_EQ(states[2], states[0]);
}

TEST(CudaSession, ASessionMayMoveBetweenThreads) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  ampc_session_t *session = nullptr;
  expectOk(createSession(module, AMPC_DEVICE_CUDA, &session));
  std::thread([&] { train(session, 3); }).join();
  train(session, 3, 3);
  std::thread([&] { ampc_session_destroy(session); }).join();
}
