//===- CudaFailureTest.cpp - What goes wrong with a GPU and its driver ----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaTestSupport.h"

using namespace ampc::test;

namespace {

ampc_status_t tryCreate(const TestFiles &files, ampc_device_t device = AMPC_DEVICE_CUDA,
                        int ordinal = 0) {
  ModuleHandle module(files.module);
  ampc_session_t *session = nullptr;
  ampc_status_t status = createSession(module, device, &session, ordinal);
  EXPECT_EQ(status == nullptr, session != nullptr);
  ampc_session_destroy(session);
  return status;
}

/// A life that calls everything a session calls: the first error, or null.
ampc_status_t live(ampc_module_t *module, ampc_session_t **session) {
  if (ampc_status_t status = createSession(module, AMPC_DEVICE_CUDA, session))
    return status;
  ClassifierBatch batch;
  ampc_step_info_t info = emptyInfo();
  for (int i = 0; i != 7; ++i)
    if (ampc_status_t status = batch.step(*session, nullptr))
      return status;
  if (ampc_status_t status = batch.step(*session, &info))
    return status;
  Tensor<float> logits = f32({4, 3}, std::vector<float>(12));
  ampc_named_tensor_t inputs[] = {{"x", batch.x.get()}};
  ampc_named_tensor_t outputs[] = {{"logits", logits.get()}};
  if (ampc_status_t status = ampc_session_evaluate(*session, inputs, 1, outputs, 1))
    return status;
  Tensor<float> bias = f32({3}, {1, 2, 3});
  if (ampc_status_t status = ampc_session_set_tensor(*session, "bias", bias.get()))
    return status;
  return ampc_session_synchronize(*session);
}

} // namespace

// Nothing that is called may be left unchecked, hang, or leave something behind.
TEST(CudaFailure, AtEachCallInTurn) {
  const TestFiles &files = classifier();
  ModuleHandle module(files.module);
  uint64_t calls = 0;
  {
    StandIn driver(files);
    ampc_session_t *session = nullptr;
    expectOk(live(module, &session));
    ampc_session_destroy(session);
    calls = ampc::standin::callCount();
  }
  ASSERT_GT(calls, 150u);
  int reported = 0;
  for (uint64_t n = 1; n <= calls; ++n) {
    SCOPED_TRACE("call " + std::to_string(n));
    StandIn driver(files, {{"AMPC_STANDIN_FAIL", std::to_string(n)}});
    ampc_session_t *session = nullptr;
    Outcome outcome(live(module, &session));
    ampc_session_destroy(session);
    if (outcome.code == AMPC_STATUS_OK)
      continue; // a call that gives something back, or that only asks
    ++reported;
    EXPECT_EQ(outcome.code, AMPC_STATUS_DEVICE) << outcome.message;
    bool names = outcome.message.find("CUDA_ERROR_UNKNOWN") != std::string::npos ||
                 outcome.message.find("CUBLAS_STATUS_INTERNAL_ERROR") != std::string::npos;
    EXPECT_TRUE(names) << outcome.message;
    EXPECT_NE(outcome.message.find(" failed: "), std::string::npos) << outcome.message;
    EXPECT_EQ(outcome.message.find('\n'), std::string::npos);
  }
  // Calls at a session's end, and those that give back in between, have nobody
  // to tell.
  EXPECT_GT(reported, int(calls) * 2 / 3);
}

TEST(CudaFailure, OutOfMemoryAtEachCallInTurn) {
  const TestFiles &files = classifier();
  ModuleHandle module(files.module);
  int told = 0;
  for (uint64_t n = 1; n <= 80; ++n) {
    SCOPED_TRACE("call " + std::to_string(n));
    StandIn driver(files, {{"AMPC_STANDIN_FAIL", std::to_string(n) + ":2"}});
    ampc_session_t *session = nullptr;
    Outcome outcome(live(module, &session));
    ampc_session_destroy(session);
    told += outcome.code == AMPC_STATUS_OUT_OF_MEMORY;
  }
  EXPECT_GT(told, 20); // the others are cuBLASLt's, where 2 means nothing
}

TEST(CudaFailure, NoDriver) {
  StandIn driver(classifier(), {{"AMPC_CUDA_DRIVER", "/nonexistent/libcuda.so.1"}});
  Outcome outcome = expectError(tryCreate(classifier()), AMPC_STATUS_NOT_FOUND,
                                "there is no CUDA driver on this machine");
  EXPECT_NE(outcome.message.find("/nonexistent/libcuda.so.1"), std::string::npos);
  // Where no device is asked for by name, the host serves.
  expectOk(tryCreate(classifier(), AMPC_DEVICE_AUTO));
}

TEST(CudaFailure, ALibraryThatIsNoDriver) {
  StandIn driver(classifier(), {{"AMPC_CUDA_DRIVER", "libm.so.6"}});
  expectError(tryCreate(classifier()), AMPC_STATUS_INCOMPATIBLE,
              "the CUDA driver 'libm.so.6' has no cuInit");
}

TEST(CudaFailure, NoDevice) {
  StandIn driver(classifier(), {{"AMPC_STANDIN_DEVICES", "0"}});
  expectError(tryCreate(classifier()), AMPC_STATUS_NOT_FOUND,
              "there is no CUDA device: see what nvidia-smi lists");
  expectOk(tryCreate(classifier(), AMPC_DEVICE_AUTO));
}

TEST(CudaFailure, NoSuchOrdinal) {
  StandIn driver(classifier(), {{"AMPC_STANDIN_DEVICES", "2"}});
  expectOk(tryCreate(classifier(), AMPC_DEVICE_CUDA, 1));
  for (int ordinal : {-1, 2})
    expectError(tryCreate(classifier(), AMPC_DEVICE_CUDA, ordinal), AMPC_STATUS_NOT_FOUND,
                "there is no CUDA device " + std::to_string(ordinal) +
                    ": this machine shows 2, counted from 0");
}

TEST(CudaFailure, DriverTooOld) {
  StandIn driver(classifier(), {{"AMPC_STANDIN_DRIVER_VERSION", "11040"}});
  expectError(tryCreate(classifier()), AMPC_STATUS_INCOMPATIBLE,
              "is one for CUDA 11.4, ampc needs 12.0 or newer");
}

TEST(CudaFailure, DriverOfAnotherKernelModule) {
  StandIn driver(classifier(), {{"AMPC_STANDIN_FAIL", "1:803"}});
  expectError(tryCreate(classifier()), AMPC_STATUS_NOT_FOUND, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH");
}

TEST(CudaFailure, NoCublasLt) {
  StandIn driver(classifier(), {{"AMPC_CUBLASLT", "/nonexistent/blas.so"}});
  Outcome outcome = expectError(tryCreate(classifier()), AMPC_STATUS_NOT_FOUND,
                                "there is no cuBLASLt for this driver");
  EXPECT_NE(outcome.message.find("/nonexistent/blas.so"), std::string::npos);
  EXPECT_NE(outcome.message.find("AMPC_CUBLASLT"), std::string::npos);
}

TEST(CudaFailure, TooLittleMemory) {
  StandIn driver(classifier(), {{"AMPC_STANDIN_MEMORY", "4096"}});
  ModuleHandle module(classifier().module);
  Outcome outcome = expectError(tryCreate(classifier()), AMPC_STATUS_OUT_OF_MEMORY,
                                "bytes of device memory, but 'Stand-in' has "
                                "4096 of 4096 bytes free");
  EXPECT_NE(outcome.message.find("smaller batch"), std::string::npos);
  // A device that is there and too small is no reason to take another one.
  expectError(tryCreate(classifier(), AMPC_DEVICE_AUTO), AMPC_STATUS_OUT_OF_MEMORY,
              "bytes of device memory");
}

//===----------------------------------------------------------------------===//
// Images
//===----------------------------------------------------------------------===//

namespace {

const TestImage kPtx80 = {80, true}, kPtx90 = {90, true};
const TestImage kCubin80 = {80, false}, kCubin86 = {86, false}, kCubin90 = {90, false};

/// The images that a session loads on a device of this architecture.
std::vector<std::string> loadedOn(const TestFiles &files, int architecture,
                                  ampc_status_code_t code = AMPC_STATUS_OK) {
  StandIn driver(files, {{"AMPC_STANDIN_ARCH", std::to_string(architecture)}});
  Outcome outcome(tryCreate(files));
  EXPECT_EQ(outcome.code, code) << outcome.message;
  std::vector<std::string> images;
  for (const ampc::standin::Event &event : ampc::standin::takeEvents())
    if (event.name == "cuModuleLoadDataEx")
      images.push_back(event.detail);
  return images;
}

using Names = std::vector<std::string>;

} // namespace

TEST(CudaImages, TheBestThatRunsIsTaken) {
  TestFiles files =
      buildForCuda(makeClassifier(), "images", {kPtx80, kCubin80, kCubin90, kCubin86, kPtx90});
  EXPECT_EQ(loadedOn(files, 80), Names{describeImage(kCubin80)});
  EXPECT_EQ(loadedOn(files, 86), Names{describeImage(kCubin86)});
  EXPECT_EQ(loadedOn(files, 89), Names{describeImage(kCubin86)});
  EXPECT_EQ(loadedOn(files, 90), Names{describeImage(kCubin90)});
  // No cubin of this family: the newest PTX that it runs.
  EXPECT_EQ(loadedOn(files, 100), Names{describeImage(kPtx90)});
  EXPECT_EQ(loadedOn(files, 120), Names{describeImage(kPtx90)});
  EXPECT_EQ(loadedOn(files, 75, AMPC_STATUS_INCOMPATIBLE), Names{});
}

TEST(CudaImages, NoneThatRuns) {
  TestFiles files = buildForCuda(makeClassifier(), "cubin", {kCubin80});
  StandIn driver(files);
  expectError(tryCreate(files), AMPC_STATUS_INCOMPATIBLE,
              "the module holds device code for sm_80, but 'Stand-in' is an "
              "sm_90: compile the model with --cuda-arch=sm_90");
}

TEST(CudaImages, PtxWhereTheDriverRefusesTheCubin) {
  TestFiles both = buildForCuda(makeClassifier(), "both", {kPtx80, kCubin90});
  TestFiles ptx = buildForCuda(makeClassifier(), "ptx", {kPtx80});
  both.kernels = ptx.kernels; // the stand-in does not know the cubin
  EXPECT_EQ(loadedOn(both, 90), (Names{describeImage(kCubin90), describeImage(kPtx80)}));
}

TEST(CudaImages, WhatTheDriverSaysOfPtx) {
  TestFiles files = buildForCuda(makeClassifier(), "refused", {kPtx80});
  files.kernels = "";
  StandIn driver(files);
  Outcome outcome = expectError(tryCreate(files), AMPC_STATUS_INCOMPATIBLE,
                                "cannot compile the module's PTX: "
                                "CUDA_ERROR_INVALID_IMAGE");
  EXPECT_NE(outcome.message.find("stand-in: no library of"), std::string::npos);
}

TEST(CudaImages, AKernelThatIsMissing) {
  TableWriter writer = makeClassifier();
  TestFiles whole = buildForCuda(writer, "whole");
  uint32_t name = writer.kernels[0].name;
  writer.strings.replace(name, 4, "lost"); // was "loss"
  writer.kernelSource += "\n#define lost loss\n";
  writer.kernelNames[0] = "lost";
  TestFiles files = buildForCuda(writer, "renamed");
  files.kernels = whole.kernels;
  StandIn driver(files);
  expectError(tryCreate(files), AMPC_STATUS_CORRUPT, "has no kernel 'lost'");
}
