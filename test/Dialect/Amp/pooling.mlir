// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -amp-differentiate | FileCheck %s --check-prefix=GRADIENT
// RUN: ampc-opt %s -ampc-kernels=target=cuda | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -amp-differentiate -ampc-kernels=target=host | FileCheck %s --check-prefix=HOST

// One kernel has both results; loops go over the taps that lie within the input. On the host there
// are none.

// CHECK-LABEL: @max_pool(
// CUDA-LABEL: @max_pool(
// HOST-LABEL: @max_pool(
func.func @max_pool(%x: tensor<2x3x8x8xf16>) -> (tensor<2x3x4x4xf16>, tensor<2x3x4x4xi64>) {
  // CHECK: amp.max_pool %arg0 points [4, 4] taps [3, 3] strides [2, 2] dilations [1, 1] pads [1, 1] : (tensor<2x3x8x8xf16>) -> (tensor<2x3x4x4xf16>, tensor<2x3x4x4xi64>)
  // CUDA: plan.kernel fused
  // CUDA: linalg.generic
  // CUDA: scf.for {{.*}} -> (f32, i32)
  // CUDA: scf.for {{.*}} -> (f32, i32)
  // CUDA-NOT: scf.for
  // CUDA: return
  // HOST-NOT: scf.for
  // HOST: return
  %v, %i = amp.max_pool %x points [4, 4] taps [3, 3] strides [2, 2] dilations [1, 1] pads [1, 1] : (tensor<2x3x8x8xf16>) -> (tensor<2x3x4x4xf16>, tensor<2x3x4x4xi64>)
  return %v, %i : tensor<2x3x4x4xf16>, tensor<2x3x4x4xi64>
}

// The host goes through the windows, a channel a worker, and puts their gradients where they belong.

// GRADIENT-LABEL: @differentiated(
// HOST-LABEL: @differentiated(
func.func @differentiated(%x: tensor<2x3x8xf32>, %g: tensor<2x3x4xf32>) -> tensor<2x3x8xf32> {
  // GRADIENT: %{{.*}}, %[[I:.*]] = amp.max_pool %arg0
  // GRADIENT: %[[D:.*]] = amp.max_pool_grad %arg1 at %[[I]] taps [2] strides [2] dilations [1] pads [0] : (tensor<2x3x4xf32>, tensor<2x3x4xi64>) -> tensor<2x3x8xf32>
  // GRADIENT: return %[[D]]
  // HOST: plan.scatter {{.*}} along 1 from 0.000000e+00 : f32 : (tensor<6x4xi32>, tensor<6x4xf32>) -> tensor<6x8xf32>
  %v, %i = amp.max_pool %x points [4] taps [2] strides [2] dilations [1] pads [0] : (tensor<2x3x8xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xi64>)
  %d = amp.gradient %v seed %g : tensor<2x3x4xf32> wrt (%x) : tensor<2x3x4xf32>, (tensor<2x3x8xf32>) -> (tensor<2x3x8xf32>)
  return %d : tensor<2x3x8xf32>
}

// The window's sum is divided by what it has: nothing is counted where all have all taps.
// CHECK-LABEL: @average_pool(
// CUDA-LABEL: @average_pool(
func.func @average_pool(%x: tensor<2x3x8x8xf16>) -> tensor<2x3x4x4xf16> {
  // CHECK: amp.average_pool %arg0 points [4, 4] taps [2, 2] strides [2, 2] dilations [1, 1] pads [0, 0] counted [] : (tensor<2x3x8x8xf16>) -> tensor<2x3x4x4xf16>
  // CUDA: plan.kernel fused
  // CUDA: scf.for {{.*}} -> (f32)
  // CUDA: arith.divf %{{.*}}, %cst{{.*}} : f32
  // CUDA: return
  %y = amp.average_pool %x points [4, 4] taps [2, 2] strides [2, 2] dilations [1, 1] pads [0, 0] counted [] : (tensor<2x3x8x8xf16>) -> tensor<2x3x4x4xf16>
  return %y : tensor<2x3x4x4xf16>
}

// GRADIENT-LABEL: @average_differentiated(
func.func @average_differentiated(%x: tensor<2x3x8xf32>, %g: tensor<2x3x4xf32>) -> tensor<2x3x8xf32> {
  // GRADIENT: amp.average_pool_grad %arg1 taps [3] strides [2] dilations [1] pads [1] counted [1, 0] : (tensor<2x3x4xf32>) -> tensor<2x3x8xf32>
  %v = amp.average_pool %x points [4] taps [3] strides [2] dilations [1] pads [1] counted [1, 0] : (tensor<2x3x8xf32>) -> tensor<2x3x4xf32>
  %d = amp.gradient %v seed %g : tensor<2x3x4xf32> wrt (%x) : tensor<2x3x4xf32>, (tensor<2x3x8xf32>) -> (tensor<2x3x8xf32>)
  return %d : tensor<2x3x8xf32>
}

// GRADIENT-LABEL: @norm_differentiated(
func.func @norm_differentiated(%x: tensor<2x3x8xf32>, %g: tensor<2x3x4xf32>) -> tensor<2x3x8xf32> {
  // GRADIENT: %[[Y:.*]] = amp.lp_pool %arg0 p 3.000000e+00 points [4] taps [2] strides [2] dilations [1] pads [0]
  // GRADIENT: amp.lp_pool_grad %arg1, %arg0, %[[Y]] p 3.000000e+00 taps [2] strides [2] dilations [1] pads [0]
  %v = amp.lp_pool %x p 3.0 points [4] taps [2] strides [2] dilations [1] pads [0] : (tensor<2x3x8xf32>) -> tensor<2x3x4xf32>
  %d = amp.gradient %v seed %g : tensor<2x3x4xf32> wrt (%x) : tensor<2x3x4xf32>, (tensor<2x3x8xf32>) -> (tensor<2x3x8xf32>)
  return %d : tensor<2x3x8xf32>
}
