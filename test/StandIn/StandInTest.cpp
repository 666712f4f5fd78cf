//===- StandInTest.cpp - The stand-in driver finds what is wrong ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A program that passes on a lenient stand-in may fail on the device, so what
// the stand-in is strict about is tested itself.
//
//===----------------------------------------------------------------------===//

#include "CudaTestSupport.h"

#include "Cuda/CudaContext.h"
#include "Cuda/CudaResource.h"

#include <cstdlib>

using namespace ampc;
using namespace ampc::cuda;
using namespace ampc::test;

namespace {

/// The driver, with a context and a stream.
struct Machine {
  Machine()
      : standIn(classifier()), driver(CudaDriver::load()), context(driver, 0), scope(context),
        stream(driver), memory(driver), pinned(driver) {
    driver(driver.streamCreate, stream.out(), unsigned(CU_STREAM_NON_BLOCKING));
    driver(driver.memAlloc, memory.out(), size_t(64));
    driver(driver.memHostAlloc, pinned.out(), size_t(64), 0u);
  }
  char *host() { return static_cast<char *>(pinned.get()); }

  StandIn standIn;
  CudaDriver driver;
  CudaContext context;
  CudaContext::Scope scope;
  CudaStream stream;
  CudaMemory memory;
  CudaHostMemory pinned;
};

} // namespace

TEST(StandIn, WorkWaitsUntilItIsWaitedFor) {
  Machine m;
  m.driver(m.driver.memsetD8Async, m.memory.get(), (unsigned char)(7), size_t(64), m.stream.get());
  m.host()[0] = 1;
  m.driver(m.driver.memcpyDtoHAsync, m.pinned.get(), m.memory.get(), size_t(64), m.stream.get());
  EXPECT_EQ(m.host()[0], 1); // read too early
  m.driver(m.driver.streamSynchronize, m.stream.get());
  EXPECT_EQ(m.host()[0], 7);
}

TEST(StandIn, PinnedMemoryIsReadLateAndOrdinaryMemoryAtOnce) {
  Machine m;
  char ordinary[2] = {1, 2};
  m.host()[0] = 3;
  m.driver(m.driver.memcpyHtoDAsync, m.memory.get(), static_cast<const void *>(m.host()), size_t(1),
           m.stream.get());
  m.driver(m.driver.memcpyHtoDAsync, m.memory.get() + 1, static_cast<const void *>(ordinary),
           size_t(2), m.stream.get());
  m.host()[0] = 4; // too early
  ordinary[0] = 5;
  char result[3];
  m.driver(m.driver.memcpyDtoHAsync, static_cast<void *>(result), m.memory.get(), size_t(3),
           m.stream.get());
  EXPECT_EQ(result[0], 4);
  EXPECT_EQ(result[1], 1);
  EXPECT_EQ(result[2], 2);
}

TEST(StandIn, EventsAreReachedInOrder) {
  Machine m;
  CudaEvent event(m.driver);
  m.driver(m.driver.eventCreate, event.out(), 0u);
  EXPECT_EQ(m.driver.eventQuery.function(event.get()), CUDA_SUCCESS);
  m.driver(m.driver.memsetD8Async, m.memory.get(), (unsigned char)(7), size_t(64), m.stream.get());
  m.driver(m.driver.eventRecord, event.get(), m.stream.get());
  m.driver(m.driver.memsetD8Async, m.memory.get(), (unsigned char)(8), size_t(64), m.stream.get());
  EXPECT_EQ(m.driver.eventQuery.function(event.get()), CUDA_ERROR_NOT_READY);
  standin::takeEvents();
  m.driver(m.driver.eventSynchronize, event.get());
  int filled = 0;
  for (const standin::Event &e : standin::takeEvents())
    filled += e.isWork;
  EXPECT_EQ(filled, 1);
  EXPECT_EQ(m.driver.eventQuery.function(event.get()), CUDA_SUCCESS);
}

TEST(StandIn, MemoryStartsAsNaN) {
  Machine m;
  float value = 0;
  m.driver(m.driver.memcpyDtoHAsync, static_cast<void *>(&value), m.memory.get(), sizeof(value),
           m.stream.get());
  EXPECT_NE(value, value);
}

TEST(StandIn, RangesAreChecked) {
  Machine m;
  m.standIn.expectMisuse();
  EXPECT_EQ(m.driver.memsetD8Async.function(m.memory.get() + 1, 0, 64, m.stream.get()),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_NE(standin::misuse().find("a range of 64 bytes"), std::string::npos);
}

TEST(StandIn, WhatIsLeftIsTold) {
  Machine m;
  CUdeviceptr forgotten = 0;
  m.driver(m.driver.memAlloc, &forgotten, size_t(123));
  EXPECT_NE(standin::leaks().find("123 bytes of the device"), std::string::npos);
  EXPECT_NE(standin::leaks().find("a stream made by call"), std::string::npos);
  EXPECT_NE(standin::leaks().find("the context of device 0, retained 1"), std::string::npos);
  m.driver(m.driver.memFree, forgotten);
}

TEST(StandIn, CallsNeedAContext) {
  StandIn standIn(classifier());
  standIn.expectMisuse();
  CudaDriver driver = CudaDriver::load();
  CUdeviceptr address = 0;
  EXPECT_EQ(driver.memAlloc.function(&address, 64), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_NE(standin::misuse().find("cuMemAlloc without a current context"), std::string::npos);
}

TEST(StandIn, AKernelThatWritesBesideItsParametersIsFound) {
  TableWriter t = makeClassifier();
  size_t at = t.kernelSource.find("  if (begin >= end)");
  t.kernelSource.insert(at, "  mb[8] = 7;\n"); // the gap behind its 3 elements
  TestFiles files = buildForCuda(t, "beside");
  StandIn driver(files);
  driver.expectMisuse();
  ModuleHandle module(files.module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  ClassifierBatch batch;
  ampc_step_info_t info = emptyInfo();
  Outcome outcome =
      expectError(batch.step(cuda, &info), AMPC_STATUS_DEVICE, "CUDA_ERROR_LAUNCH_FAILED");
  EXPECT_NE(outcome.message.find("start again from a checkpoint"), std::string::npos);
  EXPECT_NE(standin::misuse().find("launch update: byte"), std::string::npos);
  // From now on nothing works, and nothing hangs.
  expectError(batch.step(cuda, &info), AMPC_STATUS_DEVICE, "CUDA_ERROR_LAUNCH_FAILED");
}

TEST(StandIn, AKernelThatLeavesTheArenaIsFound) {
  TableWriter t = makeClassifier();
  size_t at = t.kernelSource.find("  if (begin >= end)");
  t.kernelSource.insert(at, "  w[-64] = 0;\n"); // w comes first
  TestFiles files = buildForCuda(t, "outside");
  StandIn driver(files);
  driver.expectMisuse();
  ModuleHandle module(files.module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  ampc_step_info_t info = emptyInfo();
  expectOk(ClassifierBatch().step(cuda, &info));
  EXPECT_NE(standin::misuse().find("bytes before an allocation by update"), std::string::npos);
}

TEST(StandIn, WaitingWhileAGraphIsRecordedFails) {
  Machine m;
  m.standIn.expectMisuse();
  m.driver(m.driver.streamBeginCapture, m.stream.get(), int(CU_STREAM_CAPTURE_MODE_RELAXED));
  EXPECT_EQ(m.driver.streamSynchronize.function(m.stream.get()),
            CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  CUgraph graph = nullptr;
  EXPECT_EQ(m.driver.streamEndCapture.function(m.stream.get(), &graph),
            CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(graph, nullptr);
}

// The libraries themselves tell at their process's end, for tests of whole
// programs.
TEST(StandIn, WritesItsTraceAndReport) {
  std::string trace = scratchFolder() + "/trace", report = trace + ".report";
  StandIn driver(classifier(), {{"AMPC_STANDIN_TRACE", trace}, {"AMPC_STANDIN_REPORT", report}});
  auto run = [&](const char *end) {
    return std::system((std::string(AMPC_STANDIN_PROGRAM " ") + end).c_str());
  };
  ASSERT_EQ(run("release"), 0);
  EXPECT_EQ(readFile(report), "ok\n");
  EXPECT_EQ(readFile(trace), "{\"call\":\"cuInit\"}\n"
                             "{\"call\":\"cuDriverGetVersion\"}\n"
                             "{\"call\":\"cuDeviceGetCount\"}\n"
                             "{\"call\":\"cuDeviceGet\"}\n"
                             "{\"call\":\"cuDevicePrimaryCtxRetain\"}\n"
                             "{\"call\":\"cuDevicePrimaryCtxRelease\"}\n");
  ASSERT_EQ(run("forget"), 0);
  EXPECT_EQ(readFile(report), "the context of device 0, retained 1 times\n");
  ::unsetenv("AMPC_STANDIN_TRACE"); // this process writes none
  ::unsetenv("AMPC_STANDIN_REPORT");
  standin::reset();
}
