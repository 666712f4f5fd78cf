//===- CudaToolkit.cpp - Finds ptxas and libdevice ------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/DeviceCompiler.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace llvm;

namespace {

/// The folders under `prefix` that may be the root of a toolkit. Wheels put
/// theirs under nvidia/, one folder for all since CUDA 13, one for each package
/// before.
SmallVector<std::string> rootsOf(StringRef prefix) {
  SmallVector<std::string> roots = {prefix.str()};
  auto addWheels = [&](StringRef sitePackages) {
    SmallString<128> nvidia(sitePackages);
    sys::path::append(nvidia, "nvidia");
    SmallVector<std::string> found;
    std::error_code code;
    for (sys::fs::directory_iterator it(nvidia, code), end; !code && it != end; it.increment(code))
      found.push_back(it->path());
    sort(found, [](StringRef a, StringRef b) { return b < a; }); // cu13 before cu12
    append_range(roots, found);
  };
  addWheels(prefix);
  SmallString<128> lib(prefix);
  sys::path::append(lib, "lib");
  std::error_code code;
  for (sys::fs::directory_iterator it(lib, code), end; !code && it != end; it.increment(code))
    if (sys::path::filename(it->path()).starts_with("python3"))
      addWheels(it->path() + "/site-packages");
  return roots;
}

void searchPrefix(StringRef prefix, ampc::CudaToolkit &toolkit) {
  if (prefix.empty())
    return;
  for (const std::string &root : rootsOf(prefix)) {
    SmallString<128> ptxas(root), libdevice(root);
    sys::path::append(ptxas, "bin", "ptxas");
    sys::path::append(libdevice, "nvvm", "libdevice", "libdevice.10.bc");
    if (toolkit.ptxas.empty() && sys::fs::can_execute(ptxas))
      toolkit.ptxas = ptxas.str().str();
    if (toolkit.libdevice.empty() && sys::fs::exists(libdevice))
      toolkit.libdevice = libdevice.str().str();
  }
}

} // namespace

ampc::CudaToolkit ampc::findCudaToolkit(ArrayRef<std::string> prefixes) {
  CudaToolkit toolkit;
  for (const std::string &prefix : prefixes)
    searchPrefix(prefix, toolkit);
  for (StringRef variable : {"CUDA_HOME", "CUDA_PATH"})
    if (std::optional<std::string> prefix = sys::Process::GetEnv(variable))
      searchPrefix(*prefix, toolkit);
  if (ErrorOr<std::string> ptxas = sys::findProgramByName("ptxas")) {
    if (toolkit.ptxas.empty())
      toolkit.ptxas = *ptxas;
    SmallString<128> real;
    if (!sys::fs::real_path(*ptxas, real))
      searchPrefix(sys::path::parent_path(sys::path::parent_path(real)), toolkit);
  }
  searchPrefix("/usr/local/cuda", toolkit);
  return toolkit;
}
