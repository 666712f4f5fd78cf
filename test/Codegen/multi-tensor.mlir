// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -canonicalize -cse | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -ampc-emit-kernels=target=host -canonicalize -cse | FileCheck %s --check-prefix=HOST

#vec = affine_map<(d0) -> (d0)>
#none = affine_map<(d0) -> ()>

// One grid for all tensors. A block finds its tensor by its number, which is compared with
// constants; what all tensors share is not chosen.

// CUDA-LABEL: @update
// HOST-LABEL: @update
func.func @update(%p0: tensor<5000xf32>, %g0: tensor<5000xf16>, %p1: tensor<10xf32>, %g1: tensor<10xf16>, %p2: tensor<700xf32>, %g2: tensor<700xf16>, %lr: tensor<f32>) -> (tensor<5000xf32>, tensor<10xf32>, tensor<700xf32>) {
  // 5, 1 and 1 blocks of 1024 elements.
  // CUDA: plan.launch @cuda_kernels::@multi_tensor_0 blocks [7, 1, 1] threads [256, 1, 1](%arg0, %arg1, %arg2, %arg3, %arg4, %arg5, %arg6)
  // CUDA-SAME: tied = array<i64: 0, 2, 4>
  // Too little to share between threads.
  // HOST: plan.launch @host_kernels::@multi_tensor_0 blocks [1, 1, 1] threads [1, 1, 1]
  %r:3 = plan.kernel multi_tensor (%a = %p0 : tensor<5000xf32>, %b = %g0 : tensor<5000xf16>, %c = %p1 : tensor<10xf32>, %d = %g1 : tensor<10xf16>, %e = %p2 : tensor<700xf32>, %f = %g2 : tensor<700xf16>, %l = %lr : tensor<f32>) -> (tensor<5000xf32>, tensor<10xf32>, tensor<700xf32>) tied [0, 2, 4] {
    %x = plan.kernel fused (%p = %a : tensor<5000xf32>, %g = %b : tensor<5000xf16>, %s = %l : tensor<f32>) -> tensor<5000xf32> {
      %m = tensor.empty() : tensor<5000xf32>
      %n = linalg.generic {indexing_maps = [#vec, #vec, #none, #vec], iterator_types = ["parallel"]} ins(%p, %g, %s : tensor<5000xf32>, tensor<5000xf16>, tensor<f32>) outs(%m : tensor<5000xf32>) {
      ^bb0(%i: f32, %j: f16, %k: f32, %o: f32):
        %w = arith.extf %j : f16 to f32
        %t = arith.mulf %w, %k : f32
        %u = arith.subf %i, %t : f32
        linalg.yield %u : f32
      } -> tensor<5000xf32>
      plan.yield %n : tensor<5000xf32>
    }
    %y = plan.kernel fused (%p = %c : tensor<10xf32>, %g = %d : tensor<10xf16>, %s = %l : tensor<f32>) -> tensor<10xf32> {
      %m = tensor.empty() : tensor<10xf32>
      %n = linalg.generic {indexing_maps = [#vec, #vec, #none, #vec], iterator_types = ["parallel"]} ins(%p, %g, %s : tensor<10xf32>, tensor<10xf16>, tensor<f32>) outs(%m : tensor<10xf32>) {
      ^bb0(%i: f32, %j: f16, %k: f32, %o: f32):
        %w = arith.extf %j : f16 to f32
        %t = arith.mulf %w, %k : f32
        %u = arith.subf %i, %t : f32
        linalg.yield %u : f32
      } -> tensor<10xf32>
      plan.yield %n : tensor<10xf32>
    }
    %z = plan.kernel fused (%p = %e : tensor<700xf32>, %g = %f : tensor<700xf16>, %s = %l : tensor<f32>) -> tensor<700xf32> {
      %m = tensor.empty() : tensor<700xf32>
      %n = linalg.generic {indexing_maps = [#vec, #vec, #none, #vec], iterator_types = ["parallel"]} ins(%p, %g, %s : tensor<700xf32>, tensor<700xf16>, tensor<f32>) outs(%m : tensor<700xf32>) {
      ^bb0(%i: f32, %j: f16, %k: f32, %o: f32):
        %w = arith.extf %j : f16 to f32
        %t = arith.mulf %w, %k : f32
        %u = arith.subf %i, %t : f32
        linalg.yield %u : f32
      } -> tensor<700xf32>
      plan.yield %n : tensor<700xf32>
    }
    plan.yield %x, %y, %z : tensor<5000xf32>, tensor<10xf32>, tensor<700xf32>
  }
  return %r#0, %r#1, %r#2 : tensor<5000xf32>, tensor<10xf32>, tensor<700xf32>
}
// CUDA: gpu.func @multi_tensor_0(
// CUDA: %[[BLOCK:.*]] = gpu.block_id x
// CUDA: arith.cmpi ult, %[[BLOCK]], %c5
// CUDA: scf.if {{.*}} -> (memref<?xf32, #gpu.address_space<global>>, memref<?xf16, #gpu.address_space<global>>,
// CUDA: arith.cmpi ult, %[[BLOCK]], %c6
// CUDA: memref.load %arg6[%c0]
// CUDA: vector.load {{.*}} {alignment = 16 : i64} : memref<?xf16{{.*}}, vector<8xf16>
// CUDA: vector.store {{.*}} : memref<?xf32
// CUDA: memref.store {{.*}} : memref<?xf32

// The host's loop has one element an iteration, which LLVM vectorises once it knows that
// the chosen buffers are apart.

// HOST: gpu.func @multi_tensor_0(
// HOST: scf.for %{{.*}} = %c0 to %c3
// HOST: memref.distinct_objects
// HOST: scf.for
// HOST-NOT: scf.if
// HOST: memref.store {{.*}} : memref<?xf32
