// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -ampc-lower-device-kernels=use-32-bit-indices | FileCheck %s --check-prefix=NVVM

// 64 rows are a block's; keys pass by them, 64 at a time, in two halves of workgroup memory.

// CHECK-LABEL: @forward(
// CUDA-LABEL: @forward(
func.func @forward(%q: tensor<2x100x3x3x64xbf16>, %on: tensor<2x1x100x100xi1>)
    -> (tensor<2x100x3x64xbf16>, tensor<2x3x100xf32>, tensor<2x3x100xf32>) {
  // CHECK: plan.attention %arg0 where %arg1 of [2, 3, 3, 100, 100, 64] at [0, 57600, 64, 576, 192, 57600, 64, 576, 384, 57600, 64, 576, 0, 19200, 64, 192] scale 1.250000e-01 off 0xFFF0000000000000
  // CUDA: plan.launch @cuda_kernels::@attention_0 blocks [12, 1, 1] threads [128, 1, 1](%arg0, %arg1)
  %y, %m, %s = plan.attention %q where %on of [2, 3, 3, 100, 100, 64]
      at [0, 57600, 64, 576, 192, 57600, 64, 576, 384, 57600, 64, 576, 0, 19200, 64, 192]
      scale 0.125 off 0xFFF0000000000000
      : (tensor<2x100x3x3x64xbf16>, tensor<2x1x100x100xi1>)
      -> (tensor<2x100x3x64xbf16>, tensor<2x3x100xf32>, tensor<2x3x100xf32>)
  return %y, %m, %s : tensor<2x100x3x64xbf16>, tensor<2x3x100xf32>, tensor<2x3x100xf32>
}

// Blocks that own keys, two for each head and batch entry, then those that own queries, of which four
// heads share a key.

// CUDA-LABEL: @backward(
func.func @backward(%g: tensor<2x4x100x32xf16>, %m: tensor<2x4x100xf32>, %s: tensor<2x4x100xf32>,
                    %d: tensor<2x4x100xf32>, %q: tensor<2x4x100x32xf16>, %k: tensor<2x1x70x32xf16>)
    -> (tensor<2x4x100x32xf16>, tensor<2x1x70x32xf16>, tensor<2x1x70x32xf16>) {
  // CUDA: plan.launch @cuda_kernels::@attention_grad_1 blocks [20, 1, 1] threads [128, 1, 1](%arg0, %arg1, %arg2, %arg3, %arg4, %arg5, %arg5)
  %dq, %dk, %dv = plan.attention_grad %g with %m, %s, %d by %q, %k, %k of [2, 4, 1, 100, 70, 32]
      at [0, 12800, 3200, 32, 0, 2240, 2240, 32, 0, 2240, 2240, 32, 0, 12800, 3200, 32]
      scale 1.0 off 0.0
      : (tensor<2x4x100x32xf16>, tensor<2x4x100xf32>, tensor<2x4x100xf32>, tensor<2x4x100xf32>,
         tensor<2x4x100x32xf16>, tensor<2x1x70x32xf16>, tensor<2x1x70x32xf16>)
      -> (tensor<2x4x100x32xf16>, tensor<2x1x70x32xf16>, tensor<2x1x70x32xf16>)
  return %dq, %dk, %dv : tensor<2x4x100x32xf16>, tensor<2x1x70x32xf16>, tensor<2x1x70x32xf16>
}

// CUDA: gpu.func @attention_0(
// CUDA-SAME: workgroup(%{{.*}} : memref<2x64x72xbf16, #gpu.address_space<workgroup>> {llvm.align = 16 : i64}, %{{.*}} : memref<2x64x72xbf16, #gpu.address_space<workgroup>> {llvm.align = 16 : i64})
// CUDA: nvgpu.device_async_copy
// CUDA: scf.for %{{.*}} = %{{.*}} to %{{.*}} step
// CUDA: nvvm.cp.async.wait.group 0
// CUDA-NEXT: gpu.barrier
// CUDA: nvgpu.ldmatrix
// CUDA: nvvm.mma.sync
// CUDA: gpu.shuffle xor
// CUDA: gpu.func @attention_grad_1(
// CUDA: scf.if
// CUDA: } else {

// Nothing is left of nvgpu, with indices of either width.

// NVVM: llvm.func @attention_0
// NVVM-NOT: nvgpu.
// NVVM: nvvm.cp.async.shared.global
// NVVM: nvvm.ldmatrix
// NVVM-NOT: unrealized_conversion_cast
