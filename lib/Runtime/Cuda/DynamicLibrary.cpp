//===- DynamicLibrary.cpp - Opens libraries and finds functions ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/DynamicLibrary.h"

#include "Core/Error.h"

#include <cstdlib>

namespace ampc {

DynamicLibrary::DynamicLibrary(const char *variable, std::vector<std::string> usual) {
  const char *other = std::getenv(variable);
  if (other && *other)
    usual = {other};
  for (size_t i = 0; i != usual.size() && !library; ++i) {
    opened = usual[i];
    library = ::dlopen(opened.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
      failures += concat(failures.empty() ? "" : "; ", ::dlerror());
  }
}

std::string libraryVersionText(uint64_t version) {
  return concat(version / 10000, ".", version / 100 % 100, ".", version % 100);
}

} // namespace ampc
