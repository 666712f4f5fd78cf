// RUN: ampc-opt %s -ampc-emit-kernels=target=cuda -split-input-file -canonicalize -cse | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -ampc-emit-kernels=target=host -split-input-file -canonicalize -cse | FileCheck %s --check-prefix=HOST

#full = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>

// On a device a thread has 16 bytes; what is left over is done one element a thread. On the
// host the loop has no guard. A value that is rounded and widened again is not rounded.

// CUDA-LABEL: @bias
// HOST-LABEL: @bias
func.func @bias(%x: tensor<1001x64xf16>, %b: tensor<64xf16>) -> tensor<1001x64xf16> {
  // CUDA: plan.launch @cuda_kernels::@fused_0 blocks [32, 1, 1] threads [256, 1, 1]
  // HOST: plan.launch @host_kernels::@fused_0 blocks [4, 1, 1] threads [1, 1, 1]
  %y = plan.kernel fused (%a = %x : tensor<1001x64xf16>, %c = %b : tensor<64xf16>) -> tensor<1001x64xf16> {
    %e = tensor.empty() : tensor<1001x64xf16>
    %s = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]} ins(%a, %c : tensor<1001x64xf16>, tensor<64xf16>) outs(%e : tensor<1001x64xf16>) {
    ^bb0(%i: f16, %j: f16, %o: f16):
      %w = arith.extf %i : f16 to f32
      %v = arith.extf %j : f16 to f32
      %r = arith.addf %w, %v : f32
      %t = arith.truncf %r : f32 to f16
      linalg.yield %t : f16
    } -> tensor<1001x64xf16>
    %q = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel"]} ins(%s : tensor<1001x64xf16>) outs(%e : tensor<1001x64xf16>) {
    ^bb0(%i: f16, %o: f16):
      %w = arith.extf %i : f16 to f32
      %r = math.tanh %w : f32
      %t = arith.truncf %r : f32 to f16
      linalg.yield %t : f16
    } -> tensor<1001x64xf16>
    plan.yield %q : tensor<1001x64xf16>
  }
  return %y : tensor<1001x64xf16>
}
// CUDA: gpu.func @fused_0(%{{.*}}: memref<64064xf16,
// CUDA: %[[IN:.*]] = arith.cmpi ult, %{{.*}}, %c8008
// CUDA: scf.if %[[IN]]
// CUDA-DAG: vector.load %arg0[%{{.*}}] {alignment = 16 : i64} : {{.*}}, vector<8xf16>
// CUDA-DAG: vector.load %arg1[%{{.*}}] {alignment = 16 : i64} : {{.*}}, vector<8xf16>
// CUDA: %[[S:.*]] = arith.addf %{{.*}} fastmath<contract> : f32
// CUDA-NEXT: math.tanh %[[S]]
// CUDA: vector.store %{{.*}}, %arg2[%{{.*}}] {alignment = 16 : i64}
// CUDA-NOT: memref.store
// CUDA: gpu.return

// HOST: gpu.func @fused_0
// HOST: scf.for %[[I:.*]] = %{{.*}} to
// HOST-NEXT: scf.for %[[J:.*]] = %c0 to %c64
// HOST-NOT: scf.if
// HOST: memref.load %arg1[%[[J]]]
// HOST: %[[S:.*]] = arith.addf %{{.*}} fastmath<contract> : f32
// HOST-NEXT: math.tanh %[[S]]
// HOST: memref.store

// -----

// A tail of fewer elements than a vector has.

// CUDA-LABEL: @tail
// HOST-LABEL: @tail
func.func @tail(%x: tensor<1003xf32>) -> tensor<1003xf32> {
  // HOST: plan.launch @host_kernels::@fused_0 blocks [1, 1, 1]
  %y = plan.kernel fused (%a = %x : tensor<1003xf32>) -> tensor<1003xf32> {
    %e = tensor.empty() : tensor<1003xf32>
    %r = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%a : tensor<1003xf32>) outs(%e : tensor<1003xf32>) {
    ^bb0(%i: f32, %o: f32):
      %n = arith.negf %i : f32
      linalg.yield %n : f32
    } -> tensor<1003xf32>
    plan.yield %r : tensor<1003xf32>
  }
  return %y : tensor<1003xf32>
}
// CUDA: gpu.func @fused_0
// CUDA: arith.cmpi ult, %{{.*}}, %c250
// CUDA: vector.store {{.*}} vector<4xf32>
// CUDA: arith.cmpi ult, %{{.*}}, %c3
// CUDA: memref.store
// HOST: gpu.func @fused_0
// HOST: scf.for %{{.*}} = %c0 to %c1003 step %c1

// -----

// What crosses the memory's order goes in tiles on the host, so that the lines that one
// column is read from serve the next ones.

// HOST-LABEL: @transpose
// CUDA-LABEL: @transpose
func.func @transpose(%x: tensor<30x50xf32>) -> tensor<50x30xf32> {
  %y = plan.kernel fused (%a = %x : tensor<30x50xf32>) -> tensor<50x30xf32> {
    %e = tensor.empty() : tensor<50x30xf32>
    %r = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d1, d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<30x50xf32>) outs(%e : tensor<50x30xf32>) {
    ^bb0(%i: f32, %o: f32):
      linalg.yield %i : f32
    } -> tensor<50x30xf32>
    plan.yield %r : tensor<50x30xf32>
  }
  return %y : tensor<50x30xf32>
}
// HOST: scf.for %[[BAND:.*]] = %c0 to %c7
// HOST: scf.for %[[FIRST:.*]] = %c0 to %c30 step %c8
// HOST: scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step %c1 {
// HOST-NEXT: scf.for %[[COLUMN:.*]] = %[[FIRST]] to

// -----

// A transpose goes through workgroup memory in tiles of 32 by 32, whose lines are 33 long: what 32
// threads read lies side by side, and so does what they write. Each of 256 threads has four
// elements.

// CUDA-LABEL: @transpose
func.func @transpose(%x: tensor<128x96xf32>) -> tensor<96x128xf32> {
  // CUDA: plan.launch @cuda_kernels::@fused_{{.*}} blocks [12, 1, 1] threads [256, 1, 1]
  %y = plan.kernel fused (%a = %x : tensor<128x96xf32>) -> tensor<96x128xf32> {
    %e = tensor.empty() : tensor<96x128xf32>
    %t = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d1, d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<128x96xf32>) outs(%e : tensor<96x128xf32>) {
    ^bb0(%i: f32, %o: f32):
      linalg.yield %i : f32
    } -> tensor<96x128xf32>
    plan.yield %t : tensor<96x128xf32>
  }
  return %y : tensor<96x128xf32>
}
// CUDA: gpu.func @fused_{{.*}} workgroup(%[[TILE:.*]] : memref<1056xf32, #gpu.address_space<workgroup>> {llvm.align = 16 : i64})
// CUDA-COUNT-4: memref.store %{{.*}}, %[[TILE]]
// CUDA: gpu.barrier
// CUDA-COUNT-4: memref.load %[[TILE]]
// CUDA-NOT: memref.load
