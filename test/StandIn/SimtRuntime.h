//===- SimtRuntime.h - Runs device kernels on the CPU -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Executes the kernels of a *.simt.so (ampc/Target/SimtFormat.h): blocks one
// after another on each worker, the threads of a block as fibers that change at
// barriers and shuffles only. Includes no LLVM.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_STANDIN_SIMTRUNTIME_H
#define AMPC_TEST_STANDIN_SIMTRUNTIME_H

#include "ampc/Target/SimtFormat.h"
#include <memory>
#include <string>
#include <vector>

namespace ampc::simt {

struct Dim3 {
  int64_t x = 1, y = 1, z = 1;
};

struct LaunchOptions {
  /// Threads of this process that share the blocks.
  int workers = 1;
  /// 0: threads and blocks in their natural order. Else shuffled by this
  /// number: a kernel that relies on an order no GPU promises gives other
  /// results then.
  uint64_t seed = 0;
};

/// Runs a grid. `parameters` are what cuLaunchKernel takes. Returns an empty
/// string, or what is wrong with the launch or the kernel: a barrier or shuffle
/// that threads reach in disagreement, or that some never reach. After such an
/// error the kernel has run in part.
std::string launch(const SimtKernel &kernel, Dim3 grid, Dim3 block, void **parameters,
                   const LaunchOptions &options = {});

/// A loaded *.simt.so.
class Library {
public:
  /// Null, with the reason in `error`, if `path` is no such library.
  static std::unique_ptr<Library> load(const std::string &path, std::string &error);
  ~Library();
  Library(const Library &) = delete;
  Library &operator=(const Library &) = delete;

  /// Whether the library was compiled from the kernels in `image` (PTX or a
  /// cubin).
  bool belongsTo(const void *image) const;
  /// Null if there is no kernel of this name. Lives as long as the library.
  const SimtKernel *find(const std::string &name) const;

private:
  Library() = default;
  void *handle = nullptr;
  const SimtLibrary *table = nullptr;
};

/// The libraries that the environment variable kSimtEnvironment names. Where
/// one cannot be loaded, an empty vector and the reason in `error`.
std::vector<std::unique_ptr<Library>> loadLibraries(std::string &error);

} // namespace ampc::simt

#endif // AMPC_TEST_STANDIN_SIMTRUNTIME_H
