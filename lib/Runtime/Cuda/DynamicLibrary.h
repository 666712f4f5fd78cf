//===- DynamicLibrary.h - Opens libraries and finds functions - -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_DYNAMICLIBRARY_H
#define AMPC_RUNTIME_CUDA_DYNAMICLIBRARY_H

#include "Cuda/CudaApi.h"

#include <dlfcn.h>
#include <string>
#include <vector>

namespace ampc {

/// A library of NVIDIA's. Once open it stays in the process: what has registered device code
/// with the driver must not be unloaded.
class DynamicLibrary {
public:
  /// Opens the file that the environment variable names, else the first of `usual` that
  /// can be opened.
  DynamicLibrary(const char *variable, std::vector<std::string> usual);

  explicit operator bool() const { return library; }
  /// The file that was opened, or the last that was tried.
  const std::string &file() const { return opened; }
  /// Why nothing could be opened, as the loader says it.
  const std::string &reasons() const { return failures; }

  /// Returns whether the library has the function.
  template <class Function>
  bool resolve(cuda::Call<Function> &call, const char *symbol) const {
    call.name = symbol;
    call.function = reinterpret_cast<Function *>(::dlsym(library, symbol));
    return call.function;
  }

private:
  void *library = nullptr;
  std::string opened, failures;
};

/// "9.19.0" for 91900, as cuBLASLt and cuDNN count their versions.
std::string libraryVersionText(uint64_t version);

} // namespace ampc

#endif // AMPC_RUNTIME_CUDA_DYNAMICLIBRARY_H
