//===- LoopTest.cpp - Loops in the tables, run and refused ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TableWriter.h"
#include "TestSupport.h"

#include <functional>
#include <limits>

using namespace ampc::test;

namespace {

constexpr int64_t kCount = 5, kWidth = 16; // a slice takes 64 bytes
constexpr uint64_t kSlice = kWidth * sizeof(float);
// The evaluation's steps.
constexpr int kLoop = 1, kLaunch = 2, kCopy = 3;

/// sums[4 - t] = state = state + x[t], with `state` 1 at first, and the last state.
struct LoopModule {
  LoopModule() {
    constexpr unsigned kRead = AMPC_ARGUMENT_READ, kWrite = AMPC_ARGUMENT_WRITE;
    t.kernelSource = R"(
void add(void *const *a, int64_t begin, int64_t end) {
  const float *state = a[0], *x = a[1];
  float *next = a[2];
  for (int64_t i = begin; i < end; ++i)
    for (int j = 0; j < 16; ++j)
      next[j] = state[j] + x[j];
}
)";
    uint32_t x = t.addTensor("x", AMPC_ROLE_INPUT, AMPC_DTYPE_F32, {kCount, kWidth});
    uint32_t sums = t.addTensor("sums", AMPC_ROLE_OUTPUT, AMPC_DTYPE_F32, {kCount, kWidth});
    uint32_t last = t.addTensor("last", AMPC_ROLE_OUTPUT, AMPC_DTYPE_F32, {kWidth});
    uint32_t one =
        t.addFilled("one", AMPC_ROLE_CONSTANT, AMPC_DTYPE_F32, {kWidth}, /*1.0f*/ 0x3f800000);
    uint64_t xAt = t.placeTransient(kCount * kSlice), stateAt = t.placeTransient(kSlice);
    uint64_t sumsAt = t.placeTransient(kCount * kSlice);
    auto slice = [](uint64_t offset, unsigned flags, int64_t stride) {
      ampc_argument_entry_t argument = argumentAt(offset, kSlice, AMPC_DTYPE_F32, flags);
      argument.stride = stride;
      return argument;
    };
    uint64_t lastSlot = sumsAt + (kCount - 1) * kSlice;
    int64_t back = -int64_t(kSlice);
    uint32_t kernel = t.addKernel("add");
    t.beginProgram(
        AMPC_PROGRAM_EVAL, {t.binding(x, AMPC_DTYPE_F32, xAt)},
        {t.binding(sums, AMPC_DTYPE_F32, sumsAt), t.binding(last, AMPC_DTYPE_F32, stateAt)});
    t.addCopy(t.argument(one, kRead), slice(stateAt, kWrite, 0));
    t.addLoop(kCount, 2);
    t.addLaunch(
        kernel, 1,
        {slice(stateAt, kRead, 0), slice(xAt, kRead, kSlice), slice(lastSlot, kWrite, back)},
        "Add_0");
    t.addCopy(slice(lastSlot, kRead, back), slice(stateAt, kWrite, 0));
  }

  ampc_argument_entry_t &argument(int step, int i) {
    return t.arguments[t.steps[step].first_argument + i];
  }
  int64_t &integer(ampc_loop_integer_t i) {
    return t.integerPool[t.steps[kLoop].first_integer + i];
  }
  std::string build() {
    static int number = 0;
    std::string path = scratchFolder() + "/loop" + std::to_string(number++) + ".so";
    t.build(path);
    return path;
  }

  TableWriter t;
};

TEST(Loop, RunsItsStepsInEachIteration) {
  ModuleHandle module(LoopModule().build());
  SessionHandle session(module);
  Tensor<float> x = f32({kCount, kWidth}, std::vector<float>(kCount * kWidth));
  for (int64_t i = 0; i != kCount * kWidth; ++i)
    x.values[i] = float(i % 7) - 2;
  Tensor<float> sums = f32({kCount, kWidth}, std::vector<float>(kCount * kWidth));
  Tensor<float> last = f32({kWidth}, std::vector<float>(kWidth));
  ampc_named_tensor_t inputs[] = {{"x", x.get()}};
  ampc_named_tensor_t outputs[] = {{"sums", sums.get()}, {"last", last.get()}};
  for (int repeat = 0; repeat != 2; ++repeat) { // nothing is left behind
    expectOk(ampc_session_evaluate(session, inputs, 1, outputs, 2));
    for (int64_t j = 0; j != kWidth; ++j) {
      float state = 1;
      for (int64_t i = 0; i != kCount; ++i) {
        state += x.values[i * kWidth + j];
        EXPECT_EQ(sums.values[(kCount - 1 - i) * kWidth + j], state);
      }
      EXPECT_EQ(last.values[j], state);
    }
  }
}

TEST(Loop, IsInspected) {
  ModuleHandle module(LoopModule().build());
  char *json = nullptr;
  expectOk(ampc_module_inspect(module, AMPC_DEVICE_HOST, &json));
  std::string text = json;
  ampc_string_free(json);
  EXPECT_NE(text.find("\"kind\":\"loop\""), std::string::npos) << text;
  size_t first = text.find("\"runs\":5");
  ASSERT_NE(first, std::string::npos) << text;
  EXPECT_NE(text.find("\"runs\":5", first + 1), std::string::npos) << text;
}

TEST(Loop, RefusesEachContradiction) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  struct Mutation {
    const char *text;
    std::function<void(LoopModule &)> apply;
  };
  const Mutation mutations[] = {
      {"0 iterations", [](LoopModule &m) { m.integer(AMPC_LOOP_COUNT) = 0; }},
      {"-1 iterations", [](LoopModule &m) { m.integer(AMPC_LOOP_COUNT) = -1; }},
      {"iterations", [](LoopModule &m) { m.integer(AMPC_LOOP_COUNT) = kMost; }},
      {"stride", [](LoopModule &m) { m.integer(AMPC_LOOP_COUNT) = 1 << 30; }},
      {"0 steps", [](LoopModule &m) { m.integer(AMPC_LOOP_STEPS) = 0; }},
      {"2 follow", [](LoopModule &m) { m.integer(AMPC_LOOP_STEPS) = 3; }},
      {"steps", [](LoopModule &m) { m.integer(AMPC_LOOP_STEPS) = kMost; }},
      {"steps", [](LoopModule &m) { m.integer(AMPC_LOOP_STEPS) = -1; }},
      // The copy is then outside of the loop.
      {"stride", [](LoopModule &m) { m.integer(AMPC_LOOP_STEPS) = 1; }},
      {"integers", [](LoopModule &m) { m.t.steps[kLoop].integer_count = 1; }},
      {"arguments", [](LoopModule &m) { m.t.steps[kLoop].argument_count = 1; }},
      {"index 1", [](LoopModule &m) { m.t.steps[kLoop].index = 1; }},
      {"another loop", [](LoopModule &m) { m.t.steps[kCopy] = m.t.steps[kLoop]; }},
      {"stride", [](LoopModule &m) { m.argument(0, 0).stride = kSlice; }},
      {"stride", [](LoopModule &m) { m.argument(kLaunch, 1).stride = kSlice / 2; }},
      {"stride", [](LoopModule &m) { m.argument(kLaunch, 1).stride = kMost; }},
      {"stride", [](LoopModule &m) { m.argument(kLaunch, 1).stride = -kMost - 1; }},
      // Before the arena, and behind it.
      {"stride",
       [](LoopModule &m) {
         m.argument(kLaunch, 1).offset = 0, m.argument(kLaunch, 1).stride = -int64_t(kSlice);
       }},
      {"stride", [](LoopModule &m) { m.argument(kLaunch, 2).stride = kSlice; }},
      // Writes a slice that another iteration reads.
      {"two of its arguments",
       [](LoopModule &m) {
         m.argument(kLaunch, 2) = m.argument(kLaunch, 1);
         m.argument(kLaunch, 2).flags = AMPC_ARGUMENT_WRITE;
         m.argument(kLaunch, 2).offset += (kCount - 1) * kSlice;
         m.argument(kLaunch, 2).stride = -int64_t(kSlice);
       }},
  };
  int number = 0;
  for (const Mutation &mutation : mutations) {
    SCOPED_TRACE("mutation " + std::to_string(number++));
    LoopModule module;
    mutation.apply(module);
    ampc_module_t *handle = nullptr;
    expectError(ampc_module_open(module.build().c_str(), &handle), AMPC_STATUS_CORRUPT,
                mutation.text);
  }
}

} // namespace
