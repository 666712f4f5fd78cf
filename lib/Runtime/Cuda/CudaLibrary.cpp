//===- CudaLibrary.cpp - libcuda and libcublasLt, loaded when asked for ---===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaLibrary.h"

#include "Core/Error.h"
#include "Cuda/DynamicLibrary.h"

#include <algorithm>
#include <vector>

namespace ampc {

using namespace cuda;

/// The PTX that ampc writes (ISA 8.0) came with CUDA 12.0.
static constexpr int kOldestDriver = 12000;
/// The releases of cuBLASLt that have the interface of CudaApi.h.
static constexpr int kNewestCublasLt = 13, kOldestCublasLt = 12;

/// As NVIDIA's manual calls it: without the version.
static std::string manualName(const std::string &symbol) {
  return symbol.substr(0, symbol.find("_v"));
}

/// "12.4" for 12040.
static std::string versionText(int version) {
  return concat(version / 1000, ".", version % 1000 / 10);
}

//===----------------------------------------------------------------------===//
// Driver
//===----------------------------------------------------------------------===//

CudaDriver CudaDriver::load() {
  DynamicLibrary library("AMPC_CUDA_DRIVER", {"libcuda.so.1"});
  const std::string &file = library.file();
  if (!library)
    throw Error(AMPC_STATUS_NOT_FOUND,
                concat("there is no CUDA driver on this machine (", library.reasons(),
                       "): install NVIDIA's driver, or use the host"));
  CudaDriver driver;
  const char *missing = nullptr;
#define AMPC_CUDA_RESOLVE(member, symbol, parameters)                                              \
  if (!library.resolve(driver.member, #symbol) && !missing)                                        \
    missing = #symbol;
  AMPC_CUDA_DRIVER_CALLS(AMPC_CUDA_RESOLVE)
#undef AMPC_CUDA_RESOLVE
  if (missing)
    throw Error(AMPC_STATUS_INCOMPATIBLE, concat("the CUDA driver '", file, "' has no ", missing,
                                                 ": it is too old; ampc needs one for CUDA ",
                                                 versionText(kOldestDriver), " or newer"));

  switch (CUresult result = driver.init.function(0)) {
  case CUDA_SUCCESS:
    break;
  case CUDA_ERROR_NO_DEVICE:
    throw Error(AMPC_STATUS_NOT_FOUND,
                "there is no CUDA device: see what nvidia-smi lists and whether "
                "CUDA_VISIBLE_DEVICES hides it, or use the host");
  case CUDA_ERROR_STUB_LIBRARY:
  case CUDA_ERROR_SYSTEM_NOT_READY:
  case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
  case CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE:
    throw Error(AMPC_STATUS_NOT_FOUND, concat("the CUDA driver '", file,
                                              "' cannot be used: cuInit "
                                              "says ",
                                              driver.describe(result),
                                              ": install the driver that belongs to this machine's "
                                              "kernel module, or use the host"));
  default:
    driver.fail(result, "cuInit");
  }
  driver(driver.driverGetVersion, &driver.version);
  if (driver.version < kOldestDriver)
    throw Error(AMPC_STATUS_INCOMPATIBLE,
                concat("the CUDA driver is one for CUDA ", versionText(driver.version),
                       ", ampc needs ", versionText(kOldestDriver),
                       " or newer: update NVIDIA's driver"));
  return driver;
}

std::string CudaDriver::describe(CUresult result) const {
  const char *name = nullptr, *text = nullptr;
  getErrorName.function(result, &name);
  getErrorString.function(result, &text);
  return concat(name ? name : concat("error ", result), " (", text ? text : "unknown to the driver",
                ")");
}

/// Errors from here to the next hundred end the context: nothing that follows
/// succeeds.
static bool endsContext(CUresult result) {
  return result >= CUDA_ERROR_ILLEGAL_ADDRESS && result <= CUDA_ERROR_LAUNCH_FAILED;
}

void CudaDriver::fail(CUresult result, const char *call, const std::string &node) const {
  const char *remedy = "look at nvidia-smi and the system's log";
  if (result == CUDA_ERROR_OUT_OF_MEMORY)
    remedy = "free memory of the device, or compile for a smaller batch";
  else if (result == CUDA_ERROR_DEVICE_UNAVAILABLE)
    remedy = "another process holds the device for itself";
  else if (endsContext(result))
    remedy = "the device's state is lost: start again from a checkpoint, in a "
             "new process";
  throw Error(result == CUDA_ERROR_OUT_OF_MEMORY ? AMPC_STATUS_OUT_OF_MEMORY : AMPC_STATUS_DEVICE,
              concat(manualName(call), " failed: ", describe(result), "; ", remedy), node);
}

//===----------------------------------------------------------------------===//
// cuBLASLt
//===----------------------------------------------------------------------===//

CublasLt CublasLt::load(const CudaDriver &driver) {
  std::vector<std::string> files;
  // One that is newer than the driver loads, and fails later.
  int newest = std::min(driver.version / 1000, kNewestCublasLt);
  for (int release = newest; release >= kOldestCublasLt; --release)
    files.push_back(concat("libcublasLt.so.", release));
  DynamicLibrary library("AMPC_CUBLASLT", files);
  if (!library)
    throw Error(AMPC_STATUS_NOT_FOUND, concat("there is no cuBLASLt for this driver (",
                                              library.reasons(), "): install NVIDIA's libcublas ",
                                              newest, ", or name the file in AMPC_CUBLASLT"));
  CublasLt blas;
  bool complete = true;
#define AMPC_CUDA_RESOLVE(member, symbol, ...) complete &= library.resolve(blas.member, #symbol);
  AMPC_CUBLASLT_CALLS(AMPC_CUDA_RESOLVE)
  AMPC_CUBLASLT_QUERIES(AMPC_CUDA_RESOLVE)
#undef AMPC_CUDA_RESOLVE
  if (!complete)
    throw Error(AMPC_STATUS_NOT_FOUND, concat("'", library.file(),
                                              "' lacks functions of cuBLASLt: install "
                                              "NVIDIA's libcublas ",
                                              newest));
  return blas;
}

std::string CublasLt::describe(cublasStatus_t status) const {
  const char *name = getStatusName.function(status);
  const char *text = getStatusString.function(status);
  return concat(name ? name : "?", " (", text ? text : "?", ")");
}

void CublasLt::fail(cublasStatus_t status, const char *call, const std::string &node) const {
  bool isMemory = status == CUBLAS_STATUS_ALLOC_FAILED;
  const char *remedy = isMemory ? "free memory of the device, or compile for a smaller batch"
                       : status == CUBLAS_STATUS_NOT_INITIALIZED
                           ? "is this cuBLASLt newer than the driver?"
                           : "look at nvidia-smi and the system's log";
  throw Error(isMemory ? AMPC_STATUS_OUT_OF_MEMORY : AMPC_STATUS_DEVICE,
              concat(call, " of cuBLASLt ", getVersion.function(), " failed: ", describe(status),
                     "; ", remedy),
              node);
}

} // namespace ampc
