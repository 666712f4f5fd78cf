//===- CudaLibraries.cpp - The libraries that a session calls ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaLibraries.h"

#include "Core/Error.h"
#include "Cuda/DynamicLibrary.h"

namespace ampc {

static const char *nameOf(CudaLibraryId library) {
  return library == CudaLibraryId::CublasLt ? "cuBLASLt" : "cuDNN";
}

std::shared_ptr<const CudnnPlan> CudnnPlans::get(const std::vector<int64_t> &key,
                                                 const std::function<CudnnPlan()> &make) {
  for (const auto &[other, plan] : known)
    if (other == key)
      return plan;
  return known.emplace_back(key, std::make_shared<const CudnnPlan>(make())).second;
}

uint64_t CudaLibraries::load(CudaLibraryId library) {
  switch (library) {
  case CudaLibraryId::CublasLt:
    if (!blas) {
      blas.emplace(CublasLt::load(driver));
      blasHandle.emplace(*blas);
      (*blas)(blas->create, blasHandle->out());
    }
    return blas->getVersion.function();
  case CudaLibraryId::Cudnn:
    if (!dnn) {
      dnn.emplace(Cudnn::load(driver.version));
      dnnHandle.emplace(*dnn);
      (*dnn)(dnn->create, dnnHandle->out());
    }
    return dnn->version();
  }
  throw Error(AMPC_STATUS_INTERNAL, concat("there is no library ", int(library)));
}

void CudaLibraries::require(const CudaRequirement &need, const std::string &node) {
  const char *name = nameOf(need.library);
  auto refuse = [&](const std::string &what, const char *remedy) {
    throw Error(AMPC_STATUS_INCOMPATIBLE,
                concat(name, " ", what, " (node '", node, "'): ", remedy, ", or use the host"),
                node);
  };
  if (!need.unsupported.empty())
    refuse(need.unsupported, "compile the model with this version of ampc");
  uint64_t version = load(need.library);
  if (version < need.oldestVersion)
    refuse(concat(libraryVersionText(version), " is older than ",
                  libraryVersionText(need.oldestVersion), ", the first that has the call"),
           "update it");
  int architecture = context.architecture();
  if (need.library == CudaLibraryId::Cudnn && architecture > dnn->newestArchitecture())
    refuse(concat(libraryVersionText(version), " has no code for sm_", architecture), "update it");
  if (architecture < need.oldestArchitecture)
    refuse(concat("has the call for sm_", need.oldestArchitecture, " and newer, but '",
                  context.name(), "' is an sm_", architecture),
           "compile the model with this version of ampc");
}

} // namespace ampc
