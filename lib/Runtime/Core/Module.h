//===- Module.h - A loaded train.so -----------------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_MODULE_H
#define AMPC_RUNTIME_CORE_MODULE_H

#include "Core/File.h"
#include "Core/Tables.h"

#include <memory>
#include <string>

namespace ampc {

/// Never changes once it is made, so threads may share it.
class Module {
public:
  /// Loads the train.so at `path` and checks its tables.
  explicit Module(const std::string &path);

  const Tables &tables() const { return *checkedTables; }
  ampc_host_kernel_t hostKernel(const ampc_kernel_entry_t &kernel) const {
    return symbol->host_kernels[kernel.function];
  }
  /// Reads from the weights section; the range has been checked with the
  /// tables.
  void readWeights(uint64_t offset, void *data, uint64_t bytes) const {
    file.read(weightsOffset + offset, data, bytes);
  }
  const std::string &path() const { return file.path(); }
  bool hasTarget(ampc_target_t target) const { return tables().header().targets[target].present; }
  /// Throws AMPC_STATUS_INCOMPATIBLE where the host code needs what this
  /// processor lacks.
  void requireHostFeatures() const;

private:
  struct Closer {
    void operator()(void *library) const;
  };

  File file;
  std::unique_ptr<void, Closer> library;
  const ampc_module_v1_t *symbol = nullptr;
  std::unique_ptr<Tables> checkedTables;
  uint64_t weightsOffset = 0;
};

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_MODULE_H
