//===- Passes.h - The pass from kernels to gpu.funcs -----------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_CODEGEN_PASSES_H
#define AMPC_CODEGEN_PASSES_H

#include "ampc/Dialect/Plan/Plan.h"
#include "ampc/Support/DeviceModel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace ampc {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "ampc/Codegen/Passes.h.inc"

namespace codegen {
/// The most lines of PTX that a kernel shall have. The time of ptxas grows faster than the
/// code of one entry, entries are assembled in parallel, and a multiprocessor's instruction
/// cache (128 KiB) holds about so much.
constexpr int64_t kMostLines = 2000;
/// On the gpu.func of a sequence that can be divided: the sequence's name, which `code-sizes`
/// takes.
constexpr llvm::StringLiteral kSequenceAttr = "plan.sequence";
/// Beside it: the lines of PTX that were estimated, by `code-sizes` if that names the sequence.
constexpr llvm::StringLiteral kEstimateAttr = "plan.estimated_lines";
} // namespace codegen

/// Registers the pass by its flag.
inline void registerCodegenPasses() { registerAmpcCodegenPasses(); }

} // namespace ampc

#endif // AMPC_CODEGEN_PASSES_H
