//===- Passes.h - Passes from kernels to machine code -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TARGET_PASSES_H
#define AMPC_TARGET_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace ampc {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "ampc/Target/Passes.h.inc"

/// Marks the functions that ConvertHostKernels and ConvertGpuToHost make.
constexpr llvm::StringLiteral kKernelAttr = "ampc.kernel";
/// On a kernel of ConvertGpuToHost: each thread is called by itself.
constexpr llvm::StringLiteral kFibersAttr = "ampc.fibers";
/// On a kernel of ConvertGpuToHost: static workgroup memory, in bytes.
constexpr llvm::StringLiteral kWorkgroupBytesAttr = "ampc.workgroup_bytes";
/// On a kernel of ConvertGpuToHost: known_block_size of the gpu.func.
constexpr llvm::StringLiteral kBlockSizeAttr = "ampc.block_size";
/// On a kernel of ConvertGpuToHost: the bytes behind each parameter, 0 for
/// scalars.
constexpr llvm::StringLiteral kParameterBytesAttr = "ampc.parameter_bytes";

/// Arguments of a kernel of ConvertGpuToHost before the gpu.func's own:
/// context, four triples (thread id, block id, block size, grid size),
/// workgroup memory.
constexpr unsigned kSimtPrefixArgs = 14;

/// Registers the passes of this library by their flags, and the pipelines below
/// as `ampc-lower-{host,simt,device}-kernels`.
void registerTargetPasses();

/// Adds the dialects, interfaces and translations that the pipelines below
/// need.
void registerTargetDialects(mlir::DialectRegistry &registry);

/// Kernels with the host schedule (in gpu.module) to the llvm dialect.
void buildHostKernelLowering(mlir::OpPassManager &pm, bool hasF16 = true);
/// Kernels with the device schedule to the llvm dialect of the host.
void buildSimtKernelLowering(mlir::OpPassManager &pm, bool hasF16 = true);

struct DeviceLoweringOptions {
  /// Compute indices in 32 bits. Only where no buffer has 2^31 elements or
  /// more.
  bool use32BitIndices = false;
  /// There is no libdevice: expand what ApproximateMath knows.
  bool approximateMath = false;
};
/// Kernels with the device schedule to the nvvm dialect.
void buildDeviceKernelLowering(mlir::OpPassManager &pm, const DeviceLoweringOptions &options);

} // namespace ampc

#endif // AMPC_TARGET_PASSES_H
