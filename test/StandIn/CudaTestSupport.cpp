//===- CudaTestSupport.cpp - Sessions on the stand-in driver --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaTestSupport.h"

#include "Core/JsonReader.h"
#include "Core/Module.h"
#include "ampc/Target/SimtFormat.h"

#include <cmath>
#include <cstdlib>

namespace ampc::test {

StandIn::StandIn(const TestFiles &module, std::vector<std::pair<const char *, std::string>> more) {
  more.emplace_back("AMPC_CUDA_DRIVER", AMPC_STANDIN_CUDA);
  more.emplace_back("AMPC_CUBLASLT", AMPC_STANDIN_CUBLASLT);
  more.emplace_back("AMPC_CUDNN", AMPC_STANDIN_CUDNN);
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

ampc_status_t createSession(ampc_module_t *module, ampc_device_t device, ampc_session_t **session,
                            int ordinal) {
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

ampc_status_t ClassifierBatch::step(ampc_session_t *session, ampc_step_info_t *info) {
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

namespace {
/// A step as ampc_module_inspect shows it.
struct Inspected {
  std::string kind, kernel;
  uint64_t readBytes = 0, writtenBytes = 0;
};
} // namespace

static std::vector<Inspected> inspectSteps(const TestFiles &files) {
  ModuleHandle module(files.module);
  char *json = nullptr;
  expectOk(ampc_module_inspect(module, AMPC_DEVICE_CUDA, &json));
  JsonReader reader(json);
  std::vector<Inspected> steps;
  auto readStep = [&] {
    Inspected &step = steps.emplace_back();
    reader.readObject([&](const std::string &key) {
      if (key == "kind")
        step.kind = reader.readString();
      else if (key == "kernel" && step.kind == "launch")
        step.kernel = reader.readString();
      else if (key == "read_bytes")
        step.readBytes = uint64_t(reader.readNatural());
      else if (key == "written_bytes")
        step.writtenBytes = uint64_t(reader.readNatural());
      else
        reader.skipValue();
    });
  };
  reader.readObject([&](const std::string &key) {
    if (key == "steps")
      reader.readArray(readStep);
    else
      reader.skipValue();
  });
  ampc_string_free(json);
  return steps;
}

static void expectLaunch(const standin::Event &work, const Inspected &step,
                         Span<ampc_argument_entry_t> arguments) {
  EXPECT_EQ(work.detail, step.kernel);
  ASSERT_EQ(work.arguments.size(), arguments.size());
  uint64_t read = 0, written = 0;
  for (size_t i = 0; i != arguments.size(); ++i) {
    EXPECT_EQ(work.arguments[i].bytes, arguments[i].bytes);
    read += arguments[i].flags & AMPC_ARGUMENT_READ ? arguments[i].bytes : 0;
    if (arguments[i].flags & AMPC_ARGUMENT_WRITE)
      written += arguments[i].bytes;
    else
      EXPECT_EQ(work.arguments[i].changed, 0u);
  }
  EXPECT_EQ(read, step.readBytes);
  EXPECT_EQ(written, step.writtenBytes);
}

/// The places of the steps that run, in their order: those of a loop once for each iteration.
static std::vector<size_t> unroll(const Tables &tables, Span<ampc_step_entry_t> steps) {
  std::vector<size_t> order;
  for (size_t i = 0; i != steps.size(); ++i) {
    if (steps[i].kind != AMPC_STEP_LOOP) {
      order.push_back(i);
      continue;
    }
    Span<int64_t> integers = tables.integersOf(steps[i]);
    for (int64_t n = 0; n != integers[AMPC_LOOP_COUNT]; ++n)
      for (int64_t inner = 1; inner <= integers[AMPC_LOOP_STEPS]; ++inner)
        order.push_back(i + size_t(inner));
    i += size_t(integers[AMPC_LOOP_STEPS]);
  }
  return order;
}

int expectAsInspected(const TestFiles &files, const std::vector<standin::Event> &events) {
  std::vector<Inspected> steps = inspectSteps(files);
  Module module(files.module);
  const Tables &tables = module.tables();
  auto entries = tables.stepsOf(*tables.findProgram(AMPC_PROGRAM_TRAIN, AMPC_TARGET_CUDA));
  std::vector<size_t> order = unroll(tables, entries);
  size_t count = 0;
  for (const standin::Event &work : events) {
    // Staging of the batch and reading of the statistics are no steps.
    if (!work.isWork || work.name == "upload" || work.name == "download")
      continue;
    if (count == order.size()) {
      ADD_FAILURE() << "more than " << count << " steps";
      return 0;
    }
    const Inspected &step = steps[order[count]];
    SCOPED_TRACE("step " + std::to_string(count) + ": " + step.kind + " " + step.kernel);
    EXPECT_EQ(work.name, step.kind);
    EXPECT_TRUE(work.captured);
    if (work.name == "launch") {
      expectLaunch(work, step, tables.argumentsOf(entries[order[count]]));
    } else {
      EXPECT_EQ(work.readBytes, step.readBytes);
      EXPECT_EQ(work.writtenBytes, step.writtenBytes);
    }
    ++count;
  }
  EXPECT_EQ(count, order.size());
  return int(count);
}

void expectNear(const std::vector<float> &got, const std::vector<float> &want, float tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i != got.size(); ++i)
    // NaN is near nothing.
    EXPECT_TRUE(std::abs(got[i] - want[i]) <= tolerance)
        << "element " << i << " is " << got[i] << ", not " << want[i];
}

} // namespace ampc::test
