//===- DeviceCompiler.h - Device kernels to PTX -----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TARGET_DEVICECOMPILER_H
#define AMPC_TARGET_DEVICECOMPILER_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <functional>
#include <memory>
#include <string>

namespace mlir {
class PassManager;
}

namespace ampc {

/// What ampc uses of the CUDA toolkit. An empty path: not found.
struct CudaToolkit {
  std::string ptxas;
  std::string libdevice;
};

/// Looks for each tool in `prefixes`, then in $CUDA_HOME, $CUDA_PATH, the
/// folders of $PATH (ptxas) and /usr/local/cuda. A prefix is a toolkit, or the
/// root or site-packages of a Python environment that holds the wheels
/// nvidia-cuda-nvcc and nvidia-nvvm.
CudaToolkit findCudaToolkit(llvm::ArrayRef<std::string> prefixes = {});

struct DeviceOptions {
  CudaToolkit toolkit;
  /// The oldest architecture that the PTX runs on: 80 for sm_80.
  unsigned baseArch = 80;
  /// PTX ISA version: 80 for 8.0, which drivers from CUDA 12.0 on take.
  unsigned ptxVersion = 80;
  /// Compute indices in 32 bits. Only where no buffer has 2^31 elements or
  /// more.
  bool use32BitIndices = false;
  /// Called with every pass manager before it runs: timing, IR printing.
  std::function<void(mlir::PassManager &)> configure;
};

/// Compiles every gpu.func of `kernels` to PTX, as the entries of one PTX
/// module whose memref parameters are bare pointers. Transcendental functions
/// come from libdevice; without it they are polynomials (f32), and a kernel
/// that needs another function is an error. Leaves `kernels` as it is. Errors
/// are reported at its operations.
mlir::FailureOr<std::string> compileToPtx(mlir::gpu::GPUModuleOp kernels,
                                          const DeviceOptions &options);

/// The lines of each entry of a PTX module, from its name to its closing brace.
llvm::StringMap<int64_t> countLines(llvm::StringRef ptx);

/// Static workgroup memory of a kernel with the device schedule, in bytes.
mlir::FailureOr<int64_t> workgroupBytes(mlir::gpu::GPUFuncOp kernel);

/// What ptxas says that a kernel takes.
struct KernelResources {
  std::string name;
  unsigned registers = 0;
  uint64_t stackBytes = 0, spillStoreBytes = 0, spillLoadBytes = 0, sharedBytes = 0;
};

/// Device code for one architecture.
struct Cubin {
  unsigned arch = 0; ///< 90 for sm_90
  llvm::SmallVector<char, 0> bytes;
  llvm::SmallVector<KernelResources, 0> kernels;
};

/// ptxas at work, one process an architecture, while the compiler goes on. A kernel that
/// spills is assembled once more with fewer blocks a multiprocessor in mind.
class CubinJob {
public:
  /// Starts `ptxas` on `ptx` for each of `archs`.
  static llvm::Expected<CubinJob> start(llvm::StringRef ptxas, llvm::StringRef ptx,
                                        llvm::ArrayRef<unsigned> archs);
  CubinJob(CubinJob &&);
  CubinJob &operator=(CubinJob &&);
  /// Ends the processes if wait() was not called; removes the temporary files.
  ~CubinJob();

  /// Waits for all processes. Call once. The result is in the order of `archs`.
  llvm::Expected<llvm::SmallVector<Cubin, 0>> wait();

private:
  struct State;
  explicit CubinJob(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace ampc

#endif // AMPC_TARGET_DEVICECOMPILER_H
