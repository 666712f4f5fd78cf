//===- CudaQueuesTest.cpp - Programs in several queues --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The compiler puts all steps into one queue today: these plans are written by hand. The stand-in
// runs the nodes of a graph in an order that the seed draws among those the graph allows, so that
// a wait that is missing shows.
//
//===----------------------------------------------------------------------===//

#include "CudaTestModules.h"
#include "CudaTestSupport.h"
#include "StandInCuda.h"

#include <functional>
#include <gtest/gtest.h>

using namespace ampc::test;

namespace {

constexpr int kSeeds = 12;

/// The classifier with the gradient of its bias in a queue beside that of its weights, and what
/// runs when a session is created in a queue of its own. Without `waits` the update does not wait
/// for the bias.
TableWriter makeTwoQueues(bool waits) {
  TableWriter t = makeClassifier();
  enum { Forward, Loss, WeightGradient, Copy, BiasGradient, Update };
  ampc_program_entry_t &train = t.programs[0];
  uint32_t loss = t.schedule(train, Loss, 0);
  uint32_t bias = t.schedule(train, BiasGradient, 1, {loss});
  t.schedule(train, Update, 0, waits ? std::vector<uint32_t>{bias} : std::vector<uint32_t>());
  for (ampc_program_entry_t &program : t.programs)
    if (&program != &train && program.step_count == 1)
      t.schedule(program, 0, 2);
  return t;
}

/// The state after some steps, by the order that the stand-in draws.
std::vector<float> train(const TestFiles &files, int seed) {
  StandIn driver(files, {{"AMPC_STANDIN_SEED", std::to_string(seed)}});
  ModuleHandle module(files.module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  for (int i = 0; i != 4; ++i) {
    ampc_step_info_t info = emptyInfo();
    expectOk(ClassifierBatch(i).step(cuda, &info));
  }
  return classifierState(cuda);
}

} // namespace

TEST(CudaQueues, GiveTheBitsOfOne) {
  TestFiles files = buildForCuda(makeTwoQueues(true), "queues");
  std::vector<float> one = train(classifier(), 0);
  for (int seed = 0; seed != kSeeds; ++seed)
    EXPECT_EQ(train(files, seed), one) << "seed " << seed;
}

TEST(CudaQueues, AMissingWaitShows) {
  TestFiles files = buildForCuda(makeTwoQueues(false), "racing");
  std::vector<float> one = train(classifier(), 0);
  int different = 0;
  for (int seed = 1; seed != kSeeds; ++seed)
    different += train(files, seed) != one;
  EXPECT_GT(different, 0);
}

TEST(CudaQueues, OneGraphAStep) {
  TestFiles files = buildForCuda(makeTwoQueues(true), "queues");
  StandIn driver(files);
  ModuleHandle module(files.module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  ampc_step_info_t info = emptyInfo();
  expectOk(ClassifierBatch(0).step(cuda, &info));
  ampc::standin::takeEvents();
  expectOk(ClassifierBatch(1).step(cuda, &info));
  std::vector<ampc::standin::Event> events = ampc::standin::takeEvents();
  int launches = 0;
  for (const ampc::standin::Event &event : events) {
    launches += event.name == "cuGraphLaunch";
    EXPECT_NE(event.name, "cuStreamWaitEvent"); // it is in the graph
  }
  EXPECT_EQ(launches, 1);
  EXPECT_EQ(expectAsInspected(files, events), 6);
}

TEST(CudaQueues, TheHostRunsThemInTheirOrder) {
  TestFiles files = buildForCuda(makeTwoQueues(true), "queues");
  std::vector<std::vector<float>> states;
  for (const std::string &path : {files.module, classifier().module}) {
    ModuleHandle module(path);
    Session host(module, AMPC_DEVICE_HOST);
    ampc_step_info_t info = emptyInfo();
    expectOk(ClassifierBatch(0).step(host, &info));
    states.push_back(classifierState(host));
  }
  EXPECT_EQ(states[0], states[1]);
}

/// What is wrong with a module whose tables `change` has changed.
static void
expectRefused(const std::string &text,
              const std::function<void(TableWriter &, ampc_program_entry_t &)> &change) {
  TableWriter t = makeTwoQueues(true);
  change(t, t.programs[0]);
  TestFiles files = buildForCuda(t, "refused");
  ampc_module_t *module = nullptr;
  expectError(ampc_module_open(files.module.c_str(), &module), AMPC_STATUS_CORRUPT, text);
}

TEST(CudaQueues, InspectTells) {
  TestFiles files = buildForCuda(makeTwoQueues(true), "queues");
  ModuleHandle module(files.module);
  char *text = nullptr;
  expectOk(ampc_module_inspect(module, AMPC_DEVICE_CUDA, &text));
  std::string json = text;
  ampc_string_free(text);
  for (const char *part :
       {R"("programs":["train","eval","refresh","init"])", R"("queue":0,"waits":[],"signal":0})",
        R"("queue":1,"waits":[0],"signal":1})", R"("queue":0,"waits":[1],"signal":2})",
        R"("queue":0,"waits":[],"signal":null})"})
    EXPECT_NE(json.find(part), std::string::npos) << part << " is not in " << json;
}

TEST(CudaQueues, WhatIsRefused) {
  using Program = ampc_program_entry_t;
  auto step = [](TableWriter &t, const Program &program, int i) -> ampc_step_entry_t & {
    return t.steps[program.first_step + i];
  };
  expectRefused("queue 1 of 1", [](TableWriter &, Program &train) { train.queue_count = 1; });
  expectRefused("signal 2 of 2", [](TableWriter &, Program &train) { train.signal_count = 2; });
  expectRefused("4 signals, of which 3", [](TableWriter &, Program &p) { p.signal_count = 4; });
  expectRefused("signal 0 of 3", [&](TableWriter &t, Program &p) { step(t, p, 5).signal = 0; });
  // A signal of its own queue, one that comes later, one twice, one that nobody gives.
  expectRefused("waits for signal 0", [&](TableWriter &t, Program &p) { step(t, p, 4).queue = 0; });
  expectRefused("waits for signal 2",
                [&](TableWriter &t, Program &p) { t.waits[step(t, p, 4).first_wait] = 2; });
  expectRefused("waits for signal 9",
                [&](TableWriter &t, Program &p) { t.waits[step(t, p, 4).first_wait] = 9; });
  expectRefused("waits from", [&](TableWriter &t, Program &p) { step(t, p, 4).wait_count = 3; });
  expectRefused("waits for signal 0", [&](TableWriter &t, Program &p) {
    step(t, p, 4).first_wait = t.waits.size();
    step(t, p, 4).wait_count = 2;
    t.waits.insert(t.waits.end(), {0, 0});
  });
}
