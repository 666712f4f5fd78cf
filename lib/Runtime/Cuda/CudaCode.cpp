//===- CudaCode.cpp - A module's kernels, loaded on a device --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaCode.h"

#include "Core/Error.h"

namespace ampc {

using namespace cuda;

/// The cubin of the device's major architecture with the highest minor that the
/// device has: others do not run on it. Or null.
static const ampc_image_entry_t *findCubin(Span<ampc_image_entry_t> images, uint32_t architecture) {
  const ampc_image_entry_t *best = nullptr;
  for (const ampc_image_entry_t &image : images)
    if (!image.is_ptx && image.arch / 10 == architecture / 10 && image.arch <= architecture &&
        (!best || image.arch > best->arch))
      best = &image;
  return best;
}

static const ampc_image_entry_t *findPtx(Span<ampc_image_entry_t> images, uint32_t architecture) {
  const ampc_image_entry_t *best = nullptr;
  for (const ampc_image_entry_t &image : images)
    if (image.is_ptx && image.arch <= architecture && (!best || image.arch > best->arch))
      best = &image;
  return best;
}

CudaCode::CudaCode(const CudaDriver &driver, const CudaContext &context, const Tables &tables)
    : driver(driver), tables(tables), module(driver) {
  Span<ampc_image_entry_t> images = tables.imagesOf(AMPC_TARGET_CUDA);
  if (images.empty())
    return; // a module of library calls and copies alone
  uint32_t architecture = context.architecture();
  const ampc_image_entry_t *cubin = findCubin(images, architecture);
  const ampc_image_entry_t *ptx = findPtx(images, architecture);
  if (cubin && (loadCubin(*cubin) || !ptx)) {
    if (!module)
      throw Error(AMPC_STATUS_INCOMPATIBLE,
                  concat("the CUDA driver does not take the module's code for "
                         "sm_",
                         cubin->arch,
                         ": update NVIDIA's driver, or compile the model again "
                         "with the ptxas of an older CUDA"));
    return;
  }
  if (ptx) {
    loadPtx(*ptx);
    return;
  }
  std::string held;
  for (const ampc_image_entry_t &image : images)
    held += concat(held.empty() ? "" : ", ", image.is_ptx ? "PTX for " : "", "sm_", image.arch);
  throw Error(AMPC_STATUS_INCOMPATIBLE,
              concat("the module holds device code for ", held, ", but '", context.name(),
                     "' is an sm_", architecture, ": compile the model with --cuda-arch=sm_",
                     architecture));
}

bool CudaCode::loadCubin(const ampc_image_entry_t &image) {
  CUresult result =
      driver.moduleLoadDataEx.function(module.out(), tables.imageData(image), 0, nullptr, nullptr);
  switch (result) {
  case CUDA_SUCCESS:
    return true;
  // A driver older than the ptxas that made it.
  case CUDA_ERROR_INVALID_IMAGE:
  case CUDA_ERROR_NO_BINARY_FOR_GPU:
  case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
  case CUDA_ERROR_INVALID_SOURCE:
    return false;
  default:
    driver.fail(result, driver.moduleLoadDataEx.name);
  }
}

/// `text` in one line.
static std::string joinLines(const std::string &text) {
  std::string line;
  for (char c : text)
    if (c != '\n')
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += "; ";
  while (!line.empty() && (line.back() == ' ' || line.back() == ';'))
    line.pop_back();
  return line;
}

void CudaCode::loadPtx(const ampc_image_entry_t &image) {
  char log[4096] = "";
  int options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, reinterpret_cast<void *>(uintptr_t(sizeof(log)))};
  CUresult result =
      driver.moduleLoadDataEx.function(module.out(), tables.imageData(image), 2, options, values);
  switch (result) {
  case CUDA_SUCCESS:
    return;
  case CUDA_ERROR_INVALID_IMAGE:
  case CUDA_ERROR_NO_BINARY_FOR_GPU:
  case CUDA_ERROR_INVALID_PTX:
  case CUDA_ERROR_JIT_COMPILER_NOT_FOUND:
  case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
  case CUDA_ERROR_INVALID_SOURCE: {
    log[sizeof(log) - 1] = '\0';
    std::string said = joinLines(log);
    throw Error(AMPC_STATUS_INCOMPATIBLE,
                concat("the CUDA driver cannot compile the module's PTX: ", driver.describe(result),
                       said.empty() ? "" : ": ", said,
                       "; update NVIDIA's driver, or compile the model where "
                       "ptxas is"));
  }
  default:
    driver.fail(result, driver.moduleLoadDataEx.name);
  }
}

CUfunction CudaCode::function(uint32_t kernel) {
  CUfunction &function = functions[kernel];
  if (function)
    return function;
  const char *name = tables.string(tables.kernels[kernel].name);
  CUresult result = module ? driver.moduleGetFunction.function(&function, module.get(), name)
                           : CUresult(CUDA_ERROR_NOT_FOUND);
  if (result == CUDA_ERROR_NOT_FOUND)
    throw Error(AMPC_STATUS_CORRUPT, concat("the module's device code has no kernel '", name,
                                            "', which its tables name; compile the model again"));
  if (result)
    driver.fail(result, driver.moduleGetFunction.name);
  return function;
}

} // namespace ampc
