//===- Passes.td - The pass from kernels to gpu.funcs -----*- tablegen -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_CODEGEN_PASSES_TD
#define AMPC_CODEGEN_PASSES_TD

include "mlir/Pass/PassBase.td"

def EmitKernels : Pass<"ampc-emit-kernels", "::mlir::ModuleOp"> {
  let summary = "Replace every plan.kernel by launches of gpu.funcs";
  let description = [{
    Each kernel becomes a `gpu.func` of `@host_kernels` or `@cuda_kernels`, or two of them
    where reductions are split over blocks. Kernels that are equal but for their operands
    share one. The schedule follows from the iteration structure and the shapes.

    Arguments are flat row-major memrefs in global memory, aligned to 64 bytes: first the
    inputs of the launch, then its results that are not tied, workspace last. A tied
    result is written to its operand's argument. Booleans take a byte.

    Kernels for the host have blocks of one thread and a grid of one dimension. Blocks do
    not wait for each other; work too small to share has one block.

    ```mlir
    %y = plan.kernel fused (%a = %x : tensor<8x4xf32>) -> tensor<8x4xf32> { ... }
    ```
    becomes
    ```mlir
    %y = plan.launch @host_kernels::@relu_0 blocks [1, 1, 1] threads [1, 1, 1] (%x) ...
    ```
  }];
  let options = [
    Option<"target", "target", "::ampc::Target", "::ampc::Target::Cuda",
           "Where the kernels run",
           [{::llvm::cl::values(clEnumValN(::ampc::Target::Host, "host", "the CPU"),
                                clEnumValN(::ampc::Target::Cuda, "cuda",
                                           "a CUDA device"))}]>,
    ListOption<"codeSizes", "code-sizes", "std::string",
               "Sequences whose code is larger than estimated: NAME=PERCENT of the estimate">,
    Option<"gpu", "gpu", "::ampc::Gpu", "::ampc::Gpu::H100",
           "The CUDA device that grids are made for",
           [{::llvm::cl::values(clEnumValN(::ampc::Gpu::A100, "a100", "NVIDIA A100"),
                                clEnumValN(::ampc::Gpu::H100, "h100", "NVIDIA H100"),
                                clEnumValN(::ampc::Gpu::H200, "h200", "NVIDIA H200"))}]>];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::nvgpu::NVGPUDialect", "::mlir::NVVM::NVVMDialect",
                           "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::vector::VectorDialect", "::ampc::plan::PlanDialect"];
}

#endif // AMPC_CODEGEN_PASSES_TD
