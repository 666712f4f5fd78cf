// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -canonicalize | FileCheck %s --check-prefix=FOLD
// RUN: ampc-opt %s -amp-differentiate | FileCheck %s --check-prefix=GRADIENT
// RUN: ampc-opt %s -ampc-kernels=target=cuda | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -ampc-kernels=target=host | FileCheck %s --check-prefix=HOST

// CHECK-LABEL: @gather(
// CUDA-LABEL: @gather(
func.func @gather(%x: tensor<5x8x3xf16>, %i: tensor<2x4xi64>) -> tensor<5x2x4x3xf16> {
  // CHECK: amp.gather %arg0[%arg1] along 1 : (tensor<5x8x3xf16>, tensor<2x4xi64>) -> tensor<5x2x4x3xf16>
  // CUDA: plan.kernel fused
  // CUDA: tensor.extract %{{.*}}[%{{.*}}, %{{.*}}] : tensor<2x4xi64>
  // CUDA: tensor.extract %{{.*}} : tensor<5x8x3xf16>
  // CUDA-NOT: plan.kernel
  %0 = amp.gather %x[%i] along 1 : (tensor<5x8x3xf16>, tensor<2x4xi64>) -> tensor<5x2x4x3xf16>
  return %0 : tensor<5x2x4x3xf16>
}

// FOLD-LABEL: @folded(
// CUDA-LABEL: @folded(
func.func @folded() -> (tensor<2xi64>, tensor<2x1xf32>) {
  // FOLD-DAG: %[[A:.*]] = amp.constant dense<[4, 2]> : tensor<2xi64>
  // FOLD-DAG: %[[B:.*]] = amp.constant dense<{{\[\[}}2.000000e+00], [5.000000e+00]]> : tensor<2x1xf32>
  // FOLD: return %[[A]], %[[B]]
  %x = amp.constant dense<[2, 3, 4]> : tensor<3xi64>
  %i = amp.constant dense<[-1, 0]> : tensor<2xi64>
  %0 = amp.gather %x[%i] along 0 : (tensor<3xi64>, tensor<2xi64>) -> tensor<2xi64>
  %y = amp.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %j = amp.constant dense<[1]> : tensor<1xi32>
  %1 = amp.gather %y[%j] along 1 : (tensor<2x3xf32>, tensor<1xi32>) -> tensor<2x1xf32>
  return %0, %1 : tensor<2xi64>, tensor<2x1xf32>
}

// An index out of range is not folded: it is the batch check's.

// FOLD-LABEL: @out_of_range(
func.func @out_of_range() -> tensor<1xi64> {
  // FOLD: amp.gather
  %x = amp.constant dense<[2, 3, 4]> : tensor<3xi64>
  %i = amp.constant dense<[3]> : tensor<1xi64>
  %0 = amp.gather %x[%i] along 0 : (tensor<3xi64>, tensor<1xi64>) -> tensor<1xi64>
  return %0 : tensor<1xi64>
}

// Sums of many rows leave in the type that is asked for.

// GRADIENT-LABEL: @differentiated(
func.func @differentiated(%x: tensor<50x16xf32>, %i: tensor<9xi64>, %g: tensor<9x16xf32>) -> tensor<50x16xf32> {
  // GRADIENT: %[[D:.*]] = amp.gather_grad %arg2[%arg1] along 0 : (tensor<9x16xf32>, tensor<9xi64>) -> tensor<50x16xf32>
  // GRADIENT: return %[[D]]
  %y = amp.gather %x[%i] along 0 : (tensor<50x16xf32>, tensor<9xi64>) -> tensor<9x16xf32>
  %d = amp.gradient %y seed %g : tensor<9x16xf32> wrt (%x) : tensor<9x16xf32>, (tensor<50x16xf32>) -> (tensor<50x16xf32>)
  return %d : tensor<50x16xf32>
}

// The comparisons of all pairs are never stored, and too many for one block; the sums are one
// kernel, in the order of the indices.

// CUDA-LABEL: @sums(
func.func @sums(%g: tensor<4096x64xf16>, %i: tensor<4096xi64>) -> tensor<5000x64xf32> {
  // CUDA-NOT: plan.kernel sequence
  // CUDA-NOT: plan.yield {{.*}}tensor<4096x4096
  // CUDA: plan.yield {{.*}} : tensor<4096xi32>, tensor<4096xi32>
  // CUDA: plan.yield {{.*}} : tensor<5001xi32>
  // CUDA: scf.for
  // CUDA: plan.yield {{.*}} : tensor<1x5000x64xf32>
  %d = amp.gather_grad %g[%i] along 0 : (tensor<4096x64xf16>, tensor<4096xi64>) -> tensor<5000x64xf32>
  return %d : tensor<5000x64xf32>
}

// Very many are sorted by a kernel of its own.

// CUDA-LABEL: @many_sums(
// HOST-LABEL: @many_sums(
func.func @many_sums(%g: tensor<20000x8xf16>, %i: tensor<20000xi64>) -> tensor<500x8xf32> {
  // CUDA: plan.sort {{.*}} along 0 : (tensor<20000xi32>) -> (tensor<20000xi32>, tensor<20000xi32>)
  // CUDA: plan.yield {{.*}} : tensor<501xi32>
  // CUDA: scf.for
  // CUDA: plan.yield {{.*}} : tensor<1x500x8xf32>
  // The host merges them in their order.
  // HOST-NOT: plan.sort
  // HOST: plan.scatter {{.*}} along 1 from 0.000000e+00 : f32 : (tensor<1x20000x1xi64>, tensor<1x20000x8xf16>) -> tensor<1x500x8xf32>
  %d = amp.gather_grad %g[%i] along 0 : (tensor<20000x8xf16>, tensor<20000xi64>) -> tensor<500x8xf32>
  return %d : tensor<500x8xf32>
}

// A table that is large beside the indices is no tensor of its own on the host either: it is one
// kernel with what reads it.

// HOST-LABEL: @large_table(
func.func @large_table(%g: tensor<1000x64xf32>, %i: tensor<1000xi64>, %w: tensor<30000x64xf32>) -> tensor<30000x64xf32> {
  // HOST: plan.sort
  // HOST: plan.kernel fused {{.*}} -> tensor<30001xi32>
  // HOST: plan.kernel fused {{.*}} = %arg2 : tensor<30000x64xf32>) -> tensor<30000x64xf32>
  // HOST: return
  %d = amp.gather_grad %g[%i] along 0 : (tensor<1000x64xf32>, tensor<1000xi64>) -> tensor<30000x64xf32>
  %0 = amp.sub %w, %d : (tensor<30000x64xf32>, tensor<30000x64xf32>) -> tensor<30000x64xf32>
  return %0 : tensor<30000x64xf32>
}
