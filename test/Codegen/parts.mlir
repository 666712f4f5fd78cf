// RUN: ampc-opt %s -plan-lower-ops=target=cuda -plan-form-kernels=target=cuda -ampc-emit-kernels=target=cuda -split-input-file -canonicalize -cse | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -plan-lower-ops=target=host -plan-form-kernels=target=host -ampc-emit-kernels=target=host -split-input-file -canonicalize -cse | FileCheck %s --check-prefix=HOST

// A slice that begins where a vector does is read in vectors.

// CUDA: gpu.func
// CUDA-NOT: scf.if
// CUDA-DAG: vector.load %arg0[%{{.*}}] {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CUDA-DAG: vector.load %arg1[%{{.*}}] {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CUDA-NOT: memref.load
// CUDA: vector.store %{{.*}}, %arg2[%{{.*}}] {alignment = 16 : i64}
// HOST: gpu.func
func.func @aligned(%x: tensor<32x96xf32>, %b: tensor<32x64xf32>) -> tensor<32x64xf32> {
  %s = amp.slice %x from [0, 32] size [32, 64] step [1, 1] : (tensor<32x96xf32>) -> tensor<32x64xf32>
  %r = amp.add %s, %b : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  return %r : tensor<32x64xf32>
}

// -----

// One that begins in the middle of a vector is read in halves; the rest of the kernel keeps its
// vectors. On the host its neighbours are read one after the other, without a guard.

// CUDA: gpu.func
// CUDA-NOT: scf.if
// CUDA: vector.load %arg0[%{{.*}}] {alignment = 8 : i64} : {{.*}}, vector<2xf32>
// CUDA: vector.load %arg1[%{{.*}}] {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CUDA: vector.load %arg0[%{{.*}}] {alignment = 8 : i64} : {{.*}}, vector<2xf32>
// CUDA-NOT: memref.load
// CUDA: vector.store %{{.*}}, %arg2[%{{.*}}] {alignment = 16 : i64}

// HOST: gpu.func
// HOST: scf.for %[[I:.*]] = %c0 to %c32
// HOST-NEXT: scf.for %[[J:.*]] = %c0 to %c64
// HOST-NEXT: arith.muli %[[I]], %c98
// HOST-NEXT: arith.addi %{{.*}}, %[[J]]
// HOST-NEXT: %[[AT:.*]] = arith.addi %{{.*}}, %c34
// HOST-NEXT: memref.load %arg0[%[[AT]]]
// HOST-NOT: scf.if
// HOST: gpu.return
func.func @unaligned(%x: tensor<32x98xf32>, %b: tensor<32x64xf32>) -> tensor<32x64xf32> {
  %s = amp.slice %x from [0, 34] size [32, 64] step [1, 1] : (tensor<32x98xf32>) -> tensor<32x64xf32>
  %r = amp.add %s, %b : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  return %r : tensor<32x64xf32>
}

// -----

// Elements of a concatenation come from one input: on a device behind a branch, with a vector where
// its parts begin and end at one, on the host in a loop for each part.

// CUDA: gpu.func
// CUDA: %[[FIRST:.*]] = arith.cmpi ult, %[[AT:.*]], %c64
// CUDA-NEXT: scf.if %[[FIRST]] -> (f32, f32, f32, f32)
// CUDA-NOT: %arg1
// CUDA: vector.load %arg0[%{{.*}}] {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CUDA: %[[SECOND:.*]] = arith.cmpi uge, %[[AT]], %c64
// CUDA-NEXT: scf.if %[[SECOND]] -> (f32, f32, f32, f32)
// CUDA: vector.load %arg1[%{{.*}}] {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CUDA-NOT: memref.load
// CUDA: vector.store %{{.*}}, %arg2[%{{.*}}] {alignment = 16 : i64}

// HOST: gpu.func
// HOST: scf.for
// HOST-NEXT: scf.for %{{.*}} = %c0 to %c64
// HOST-NOT: %arg1
// HOST: memref.load %arg0
// HOST: math.tanh
// HOST: scf.for %{{.*}} = %c64 to %c96
// HOST-NOT: %arg0
// HOST: memref.load %arg1
// HOST-NOT: scf.if
// HOST: gpu.return
func.func @concat(%x: tensor<32x64xf32>, %y: tensor<32x32xf32>) -> tensor<32x96xf32> {
  %c = amp.concat %x, %y along 1 : (tensor<32x64xf32>, tensor<32x32xf32>) -> tensor<32x96xf32>
  %r = amp.tanh %c : tensor<32x96xf32>
  return %r : tensor<32x96xf32>
}

// -----

// What is padded is computed within its place only. The branch for the lines of a border stands
// around the loop over a line, of which each part has a loop.

// CUDA: gpu.func
// CUDA: scf.if %{{.*}} -> (f32, f32, f32, f32)
// CUDA: vector.load %arg0[%{{.*}}] {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CUDA: vector.load %arg1[%{{.*}}] {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CUDA: arith.mulf
// CUDA: } else {
// CUDA-NEXT: scf.yield %cst, %cst, %cst, %cst
// CUDA-NOT: memref.load
// CUDA: vector.store

// HOST: gpu.func
// HOST: scf.for %[[I:.*]] = %c0 to %c36
// HOST: scf.if
// HOST-NEXT: scf.for %{{.*}} = %c0 to %c4
// HOST-NOT: memref.load
// HOST: scf.for %{{.*}} = %c4 to %c68
// HOST-NOT: scf.if
// HOST: memref.load %arg0
// HOST: memref.load %arg1
// HOST: scf.for %{{.*}} = %c68 to %c72
// HOST-NOT: memref.load
// HOST: } else {
// HOST-NEXT: scf.for %{{.*}} = %c0 to %c4
// HOST-NOT: memref.load
// HOST: gpu.return
func.func @pad(%x: tensor<32x64xf32>, %y: tensor<32x64xf32>) -> tensor<36x72xf32> {
  %m = amp.mul %x, %y : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  %r = amp.pad %m at [2, 4] in [36, 72] step [1, 1] : (tensor<32x64xf32>) -> tensor<36x72xf32>
  return %r : tensor<36x72xf32>
}
