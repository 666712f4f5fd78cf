//===- CudaLibrariesTest.cpp - Libraries that calls ask for ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaTestSupport.h"

#include "Core/Error.h"
#include "Cuda/CudaLibraries.h"
#include "Cuda/CudaMemory.h"

#include <functional>

using namespace ampc;
using namespace ampc::test;

namespace {

using Environment = std::vector<std::pair<const char *, std::string>>;

/// The stand-in's device 0, with its context current.
struct Machine {
  explicit Machine(Environment environment = {})
      : standIn(classifier(), withCudnn(std::move(environment))), driver(CudaDriver::load()),
        context(driver, 0), scope(context) {}
  static Environment withCudnn(Environment environment) {
    environment.emplace_back("AMPC_CUDNN", AMPC_STANDIN_CUDNN);
    return environment;
  }

  StandIn standIn;
  CudaDriver driver;
  CudaContext context;
  CudaContext::Scope scope;
};

void expectRefused(ampc_status_code_t code, const std::string &text,
                   const std::function<void()> &act) {
  try {
    act();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error &error) {
    EXPECT_EQ(error.code, code);
    EXPECT_NE(error.message.find(text), std::string::npos) << error.message;
  }
}

CudaRequirement cudnnOf(uint64_t version, int architecture = 0, std::string unsupported = "") {
  return {CudaLibraryId::Cudnn, version, architecture, std::move(unsupported)};
}

int count(const std::string &name) {
  int calls = 0;
  for (const standin::Event &event : standin::takeEvents())
    calls += event.name == name;
  return calls;
}

} // namespace

TEST(Cudnn, IsLoadedOnceByTheFirstCallThatRequiresIt) {
  Machine m;
  {
    CudaLibraries libraries(m.driver, m.context);
    EXPECT_EQ(count("cudnnCreate"), 0);
    libraries.require(cudnnOf(90800, 80), "Conv_0");
    libraries.require(cudnnOf(91900, 90), "Conv_1");
    EXPECT_EQ(count("cudnnCreate"), 1);
    EXPECT_EQ(libraries.cudnn().version(), 91900u);
    EXPECT_NE(libraries.cudnnHandle(), nullptr);
  }
  EXPECT_EQ(count("cudnnDestroy"), 1);
}

TEST(Cudnn, IsNotLoadedForAPlanWithoutIt) {
  StandIn driver(classifier(), {{"AMPC_CUDNN", "/nonexistent/cudnn.so"}});
  ModuleHandle module(classifier().module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  ClassifierBatch batch;
  expectOk(batch.step(cuda, nullptr));
}

TEST(Cudnn, IsAbsent) {
  Machine m({{"AMPC_CUDNN", "/nonexistent/cudnn.so"}});
  CudaLibraries libraries(m.driver, m.context);
  expectRefused(AMPC_STATUS_NOT_FOUND, "there is no cuDNN on this machine (/nonexistent/cudnn.so",
                [&] { libraries.require(cudnnOf(90800), "Conv_0"); });
}

TEST(Cudnn, ALibraryThatIsNone) {
  Machine m({{"AMPC_CUDNN", "libm.so.6"}});
  expectRefused(AMPC_STATUS_NOT_FOUND, "'libm.so.6' lacks functions of cuDNN",
                [&] { Cudnn::load(m.driver.version); });
}

TEST(Cudnn, IsOfAnotherVersion) {
  for (const char *version : {"90701", "8907", "100000"}) {
    Machine m({{"AMPC_STANDIN_CUDNN_VERSION", version}});
    expectRefused(AMPC_STATUS_INCOMPATIBLE, "ampc needs 9.8.0 or a newer release of 9",
                  [&] { Cudnn::load(m.driver.version); });
  }
  Machine m({{"AMPC_STANDIN_CUDNN_VERSION", "90800"}});
  EXPECT_EQ(Cudnn::load(m.driver.version).version(), 90800u);
}

TEST(Cudnn, IsMadeForANewerCuda) {
  Machine m({{"AMPC_STANDIN_DRIVER_VERSION", "12040"}});
  expectRefused(AMPC_STATUS_INCOMPATIBLE, "is made for CUDA 13, the driver is one for 12",
                [&] { Cudnn::load(m.driver.version); });
}

TEST(Cudnn, TellsItsErrors) {
  Machine m;
  Cudnn cudnn = Cudnn::load(m.driver.version);
  expectRefused(AMPC_STATUS_DEVICE,
                "cudnnCreate of cuDNN 9.19.0 failed: CUDNN_STATUS_NOT_INITIALIZED; is this cuDNN",
                [&] { cudnn.fail(cuda::CUDNN_STATUS_NOT_INITIALIZED, "cudnnCreate"); });
  expectRefused(AMPC_STATUS_OUT_OF_MEMORY, "smaller batch", [&] {
    cudnn.fail(cuda::CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, "cudnnCreate");
  });
}

TEST(CudaLibraries, RefusesWhatACallCannotHave) {
  Machine m;
  CudaLibraries libraries(m.driver, m.context);
  expectRefused(AMPC_STATUS_INCOMPATIBLE,
                "cuDNN 9.19.0 is older than 9.20.1, the first that has the call (node 'Conv_0'): "
                "update it, or use the host",
                [&] { libraries.require(cudnnOf(92001), "Conv_0"); });
  expectRefused(AMPC_STATUS_INCOMPATIBLE,
                "has the call for sm_100 and newer, but 'Stand-in' is an sm_90 (node 'Conv_0')",
                [&] { libraries.require(cudnnOf(90800, 100), "Conv_0"); });
  expectRefused(AMPC_STATUS_INCOMPATIBLE, "cuDNN does not pad (node 'Conv_0'): compile the model",
                [&] { libraries.require(cudnnOf(90800, 0, "does not pad"), "Conv_0"); });
}

TEST(CudaLoadMemory, OneScratchForAQueueAndAReserveForEach) {
  Machine m;
  CudaLoadMemory memory(m.driver);
  memory.add({100, 0}, 0, std::nullopt);
  memory.add({300, 40}, 0, 0);
  memory.add({20, 1000}, 0, 7);
  memory.add({0, 64}, 0, 0); // the call that reads what the second one has filled
  memory.add({40, 0}, 2, std::nullopt);
  standin::takeEvents();
  memory.allocate(m.driver, m.context);
  EXPECT_EQ(count("cuMemAlloc"), 1);
  EXPECT_EQ(memory.bytes(), 512u + 256 + 256 + 1000);
  CudaCallMemory plain = memory.at(0, std::nullopt), first = memory.at(0, 0),
                 second = memory.at(0, 7), beside = memory.at(2, std::nullopt);
  EXPECT_EQ(plain.reserve, 0u);
  EXPECT_EQ(plain.scratch, first.scratch);
  EXPECT_EQ(plain.scratch, second.scratch);
  // Apart from each other and from the scratch, and aligned.
  EXPECT_EQ(beside.scratch - plain.scratch, 512u);
  EXPECT_EQ(first.reserve - plain.scratch, 768u);
  EXPECT_EQ(second.reserve - plain.scratch, 1024u);
}

TEST(CudaLoadMemory, NothingWhereNothingIsAskedFor) {
  Machine m;
  CudaLoadMemory memory(m.driver);
  memory.add({0, 0}, 0, std::nullopt);
  memory.add({0, 0}, 0, 3);
  standin::takeEvents();
  memory.allocate(m.driver, m.context);
  EXPECT_EQ(count("cuMemAlloc"), 0);
  EXPECT_EQ(memory.at(0, 3).reserve, 0u);
  EXPECT_EQ(memory.at(0, std::nullopt).scratch, 0u);
}

TEST(CudaLoadMemory, MoreThanThereIs) {
  Machine m({{"AMPC_STANDIN_MEMORY", "4096"}});
  CudaLoadMemory memory(m.driver);
  memory.add({8192, 0}, 0, std::nullopt);
  expectRefused(AMPC_STATUS_OUT_OF_MEMORY,
                "beside the arena, library calls need 8192 bytes of device memory, but 'Stand-in' "
                "has 4096 of 4096 bytes free",
                [&] { memory.allocate(m.driver, m.context); });
}
