// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -split-input-file -canonicalize -cse | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -ampc-emit-kernels=target=host -split-input-file -canonicalize -cse | FileCheck %s --check-prefix=HOST

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#keep = affine_map<(d0, d1) -> (d0, 0)>

// Normalisation by the sum of exponentials: a row is read once, and stays in registers
// (device) or its exponentials in a buffer (host).

// CUDA-LABEL: @short_rows
// HOST-LABEL: @short_rows
func.func @short_rows(%x: tensor<64x1000xf16>) -> tensor<64x1000xf16> {
  // CUDA: plan.launch @cuda_kernels::@fused_0 blocks [16, 1, 1] threads [128, 1, 1]
  // HOST: plan.launch @host_kernels::@fused_0 blocks [4, 1, 1]
  %y = plan.kernel fused (%a = %x : tensor<64x1000xf16>) -> tensor<64x1000xf16> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<64xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<64xf32>) -> tensor<64xf32>
    %e1 = tensor.empty() : tensor<64x1000xf32>
    %e2 = tensor.empty() : tensor<64x1000xf16>
    %exp = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<64x1000xf16>) outs(%e1 : tensor<64x1000xf32>) {
    ^bb0(%i: f16, %o: f32):
      %w = arith.extf %i : f16 to f32
      %r = math.exp %w : f32
      linalg.yield %r : f32
    } -> tensor<64x1000xf32>
    %sum = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%exp : tensor<64x1000xf32>) outs(%f0 : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %r = arith.addf %i, %o : f32
      linalg.yield %r : f32
    } -> tensor<64xf32>
    %k = tensor.expand_shape %sum [[0, 1]] output_shape [64, 1] : tensor<64xf32> into tensor<64x1xf32>
    %n = linalg.generic {indexing_maps = [#full, #keep, #full], iterator_types = ["parallel", "parallel"]} ins(%exp, %k : tensor<64x1000xf32>, tensor<64x1xf32>) outs(%e2 : tensor<64x1000xf16>) {
    ^bb0(%i: f32, %s: f32, %o: f16):
      %r = arith.divf %i, %s : f32
      %t = arith.truncf %r : f32 to f16
      linalg.yield %t : f16
    } -> tensor<64x1000xf16>
    plan.yield %n : tensor<64x1000xf16>
  }
  return %y : tensor<64x1000xf16>
}
// CUDA: gpu.func @fused_0
// CUDA-COUNT-4: vector.load %arg0{{.*}} {alignment = 16 : i64} : {{.*}}, vector<8xf16>
// CUDA-NOT: vector.load
// CUDA-COUNT-5: gpu.shuffle xor
// CUDA-NOT: math.exp
// CUDA-COUNT-4: vector.store {{.*}} {alignment = 16 : i64}
// CUDA: gpu.return

// HOST: gpu.func @fused_0
// HOST: %[[KEPT:.*]] = memref.alloca() : memref<1000xf32>
// HOST: scf.for
// HOST: %[[SUM:.*]] = scf.for {{.*}} iter_args
// HOST: %[[E:.*]] = math.exp
// HOST: arith.addf %[[E]], %{{.*}} fastmath<reassoc,contract>
// HOST: memref.store %[[E]], %[[KEPT]]
// HOST: scf.for
// HOST-NOT: math.exp
// HOST: memref.load %[[KEPT]]
// HOST: arith.divf %{{.*}}, %[[SUM]]

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

// A block of several warps for a row: partial sums meet in workgroup memory.

// CUDA-LABEL: @long_rows
// HOST-LABEL: @long_rows
func.func @long_rows(%x: tensor<200x20000xf32>) -> tensor<200xf32> {
  // CUDA: plan.launch @cuda_kernels::@fused_0 blocks [200, 1, 1] threads [1024, 1, 1]
  %y = plan.kernel fused (%a = %x : tensor<200x20000xf32>) -> tensor<200xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<200xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<200xf32>) -> tensor<200xf32>
    %sum = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<200x20000xf32>) outs(%f0 : tensor<200xf32>) {
    ^bb0(%i: f32, %o: f32):
      %r = arith.addf %i, %o : f32
      linalg.yield %r : f32
    } -> tensor<200xf32>
    plan.yield %sum : tensor<200xf32>
  }
  return %y : tensor<200xf32>
}
// CUDA: gpu.func @fused_0
// CUDA-SAME: workgroup(%{{.*}} : memref<32xf32
// CUDA: gpu.barrier

// -----

// A few very long rows are split over blocks, in an order that does not depend on them. The last
// block to arrive merges the parts; the counter that tells it wraps to 0.

// CUDA-LABEL: @sum
// HOST-LABEL: @sum
func.func @sum(%x: tensor<1000000xf16>) -> tensor<f32> {
  // CUDA: %[[SUM:.*]]:2 = plan.launch @cuda_kernels::@fused_0 blocks [122, 1, 1] threads [256, 1, 1](%arg0) {{.*}} numOutputs = 1 : i64
  // CUDA-SAME: -> (tensor<f32>, tensor<122x1xf32>)
  // CUDA-NEXT: return %[[SUM]]#0
  // HOST: %[[PARTS:.*]] = plan.launch @host_kernels::@fused_0_partial blocks [30, 1, 1] threads [1, 1, 1](%arg0)
  // HOST-NEXT: plan.launch @host_kernels::@fused_0_final blocks [1, 1, 1] threads [1, 1, 1](%[[PARTS]])
  %y = plan.kernel fused (%a = %x : tensor<1000000xf16>) -> tensor<f32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<f32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<f32>) -> tensor<f32>
    %sum = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>], iterator_types = ["reduction"]} ins(%a : tensor<1000000xf16>) outs(%f0 : tensor<f32>) {
    ^bb0(%i: f16, %o: f32):
      %w = arith.extf %i : f16 to f32
      %r = arith.addf %w, %o : f32
      linalg.yield %r : f32
    } -> tensor<f32>
    plan.yield %sum : tensor<f32>
  }
  return %y : tensor<f32>
}
// CUDA: llvm.mlir.global internal @fused_0_arrived(dense<0> : tensor<1xi32>) {addr_space = 1 : i32
// CUDA-NEXT: gpu.func @fused_0(%{{.*}}llvm.readonly}, %[[OUT:[^:]*]]: memref<1xf32{{.*}}llvm.noalias}, %[[PARTS:[^:]*]]: memref<122xf32, {{[^{]*}}{llvm.align = 64 : i64})
// CUDA: memref.store %{{.*}}, %[[PARTS]]
// CUDA: gpu.barrier
// CUDA: llvm.fence syncscope("device") acq_rel
// CUDA-NEXT: llvm.atomicrmw uinc_wrap %{{.*}}, %c121_i32 syncscope("device") monotonic
// CUDA-NEXT: llvm.fence syncscope("device") acq_rel
// CUDA: gpu.barrier
// CUDA: scf.if
// CUDA: memref.load %[[PARTS]]
// CUDA: memref.store %{{.*}}, %[[OUT]]

// -----

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

// Rows of a few elements are straight-line code on the host, so that the rows vectorise.

// CUDA-LABEL: @tiny_rows
// HOST-LABEL: @tiny_rows
func.func @tiny_rows(%x: tensor<100x3xf32>) -> tensor<100xf32> {
  %y = plan.kernel fused (%a = %x : tensor<100x3xf32>) -> tensor<100xf32> {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<100xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<100xf32>) -> tensor<100xf32>
    %sum = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]} ins(%a : tensor<100x3xf32>) outs(%f0 : tensor<100xf32>) {
    ^bb0(%i: f32, %o: f32):
      %r = arith.addf %i, %o : f32
      linalg.yield %r : f32
    } -> tensor<100xf32>
    plan.yield %sum : tensor<100xf32>
  }
  return %y : tensor<100xf32>
}
// HOST: gpu.func @fused_0
// HOST: scf.for %[[ROW:.*]] = %c0 to %c100
// HOST-NOT: scf.for
// HOST-COUNT-3: memref.load %arg0
// HOST: memref.store %{{.*}}, %arg1[%[[ROW]]]

// -----

#whole3 = affine_map<(d0, d1) -> (d0, d1)>
#column3 = affine_map<(d0, d1) -> (d0)>
#one3 = affine_map<(d0, d1) -> ()>

// A sum over several dimensions is a sum of sums: each loop starts at zero.

// HOST-LABEL: @sum_of_sums
// HOST: %[[ZERO:[a-z0-9_]+]] = arith.constant 0.000000e+00 : f32
// HOST: scf.for {{.*}} iter_args(%[[OUTER:[a-z0-9]+]] = %[[ZERO]])
// HOST: %[[INNER:[a-z0-9]+]] = scf.for {{.*}} iter_args(%{{.*}} = %[[ZERO]])
// HOST: arith.addf %[[OUTER]], %[[INNER]]
func.func @sum_of_sums(%x: tensor<50x40xf32>, %y: tensor<50xf32>) -> tensor<f32> {
  %s = plan.kernel fused (%a = %x : tensor<50x40xf32>, %b = %y : tensor<50xf32>) -> tensor<f32> {
    %zero = arith.constant 0.0 : f32
    %m = tensor.empty() : tensor<50x40xf32>
    %p = linalg.generic {indexing_maps = [#whole3, #column3, #whole3], iterator_types = ["parallel", "parallel"]} ins(%a, %b : tensor<50x40xf32>, tensor<50xf32>) outs(%m : tensor<50x40xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %r = arith.mulf %i, %j : f32
      linalg.yield %r : f32
    } -> tensor<50x40xf32>
    %e = tensor.empty() : tensor<f32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<f32>) -> tensor<f32>
    %t = linalg.generic {indexing_maps = [#whole3, #one3], iterator_types = ["reduction", "reduction"]} ins(%p : tensor<50x40xf32>) outs(%f : tensor<f32>) {
    ^bb0(%i: f32, %o: f32):
      %r = arith.addf %i, %o : f32
      linalg.yield %r : f32
    } -> tensor<f32>
    plan.yield %t : tensor<f32>
  }
  return %s : tensor<f32>
}

// -----

#full = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#row = affine_map<(d0, d1, d2) -> (d0, d1)>
#column = affine_map<(d0, d1, d2) -> (d0, d2)>

// Rows and, for each of 3 groups of 40, the sums of their columns: a device has a block for each
// group, which does eight rows at a time, a warp each, whose threads have eight columns each. The
// warps wait for one another when all rows are done. The host has a kernel for each.

// CUDA-LABEL: @rows_and_columns
// HOST-LABEL: @rows_and_columns
func.func @rows_and_columns(%x: tensor<3x40x256xf32>) -> (tensor<3x40xf32>, tensor<3x256xf32>) {
  // CUDA: plan.launch @cuda_kernels::@fused_0 blocks [3, 1, 1] threads [256, 1, 1]
  // CUDA-NOT: plan.launch
  // HOST: plan.launch {{.*}} -> tensor<3x40xf32>
  // HOST: plan.launch {{.*}} -> tensor<3x256xf32>
  // CUDA: gpu.func @fused_0
  // CUDA: scf.for {{.*}} to %c40 step %c8 iter_args({{.*}}) -> (f32, f32, f32, f32, f32, f32, f32, f32)
  // CUDA-NOT: gpu.barrier
  // CUDA: scf.yield
  // CUDA: gpu.barrier
  // CUDA: vector.store {{.*}} vector<4xf32>
  %y:2 = plan.kernel fused (%a = %x : tensor<3x40x256xf32>) -> (tensor<3x40xf32>, tensor<3x256xf32>) {
    %zero = arith.constant 0.0 : f32
    %e0 = tensor.empty() : tensor<3x40xf32>
    %f0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<3x40xf32>) -> tensor<3x40xf32>
    %e1 = tensor.empty() : tensor<3x256xf32>
    %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<3x256xf32>) -> tensor<3x256xf32>
    %r = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "parallel", "reduction"]} ins(%a : tensor<3x40x256xf32>) outs(%f0 : tensor<3x40xf32>) {
    ^bb0(%i: f32, %o: f32):
      %s = arith.addf %i, %o : f32
      linalg.yield %s : f32
    } -> tensor<3x40xf32>
    %c = linalg.generic {indexing_maps = [#full, #column], iterator_types = ["parallel", "reduction", "parallel"]} ins(%a : tensor<3x40x256xf32>) outs(%f1 : tensor<3x256xf32>) {
    ^bb0(%i: f32, %o: f32):
      %s = arith.addf %i, %o : f32
      linalg.yield %s : f32
    } -> tensor<3x256xf32>
    plan.yield %r, %c : tensor<3x40xf32>, tensor<3x256xf32>
  }
  return %y#0, %y#1 : tensor<3x40xf32>, tensor<3x256xf32>
}
