// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -amp-differentiate | FileCheck %s --check-prefix=GRADIENT
// RUN: ampc-opt %s -amp-differentiate -ampc-kernels=target=cuda | FileCheck %s --check-prefix=CUDA

// The gradient goes over the regions for each element: nothing is scattered.

// CHECK-LABEL: @mean(
// GRADIENT-LABEL: @mean(
// CUDA-LABEL: @mean(
func.func @mean(%x: tensor<2x3x5x6xf16>, %r: tensor<4x4xf32>, %i: tensor<4xi64>, %g: tensor<4x3x2x2xf16>) -> tensor<2x3x5x6xf16> {
  // CHECK: amp.roi_align %arg0 in %arg1 of %arg2 size 2 by 2 samples 0 scale 5.000000e-01 {half_pixel} : (tensor<2x3x5x6xf16>, tensor<4x4xf32>, tensor<4xi64>) -> tensor<4x3x2x2xf16>
  // GRADIENT: amp.roi_align_grad %arg3 in %arg1 of %arg2 size 2 by 2 samples 0 scale 5.000000e-01 {half_pixel}
  // CUDA-NOT: plan.sort
  // CUDA-NOT: atomic
  // CUDA: return
  %y = amp.roi_align %x in %r of %i size 2 by 2 samples 0 scale 0.5 {half_pixel} : (tensor<2x3x5x6xf16>, tensor<4x4xf32>, tensor<4xi64>) -> tensor<4x3x2x2xf16>
  %d = amp.gradient %y seed %g : tensor<4x3x2x2xf16> wrt (%x) : tensor<4x3x2x2xf16>, (tensor<2x3x5x6xf16>) -> (tensor<2x3x5x6xf16>)
  return %d : tensor<2x3x5x6xf16>
}

// That of the largest goes to one element of each bin, by way of a sort.

// GRADIENT-LABEL: @largest(
// CUDA-LABEL: @largest(
func.func @largest(%x: tensor<2x3x5x6xf32>, %r: tensor<4x4xf32>, %i: tensor<4xi64>, %g: tensor<4x3x2x2xf32>) -> tensor<2x3x5x6xf32> {
  // GRADIENT: amp.roi_max_grad %arg3, %arg0 in %arg1 of %arg2 size 2 by 2 samples 2 scale 1.000000e+00 {pixels}
  // CUDA: plan.sort
  // CUDA-NOT: atomic
  // CUDA: return
  %y = amp.roi_max %x in %r of %i size 2 by 2 samples 2 scale 1.0 {pixels} : (tensor<2x3x5x6xf32>, tensor<4x4xf32>, tensor<4xi64>) -> tensor<4x3x2x2xf32>
  %d = amp.gradient %y seed %g : tensor<4x3x2x2xf32> wrt (%x) : tensor<4x3x2x2xf32>, (tensor<2x3x5x6xf32>) -> (tensor<2x3x5x6xf32>)
  return %d : tensor<2x3x5x6xf32>
}
