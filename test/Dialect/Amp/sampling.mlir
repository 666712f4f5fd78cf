// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -amp-differentiate | FileCheck %s --check-prefix=GRADIENT
// RUN: ampc-opt %s -amp-differentiate -ampc-kernels=target=cuda | FileCheck %s --check-prefix=CUDA

// CHECK-LABEL: @taps(
func.func @taps(%c: tensor<2x5x2xf16>, %b: tensor<5x2xf16>) -> (tensor<2x5x16xi32>, tensor<2x5x16xf32>) {
  // CHECK: amp.sample_taps cubic reflection %arg0 from %arg1 in [4, 3] {align_corners, last_first, normalized} : (tensor<2x5x2xf16>, tensor<5x2xf16>) -> (tensor<2x5x16xi32>, tensor<2x5x16xf32>)
  %p, %w = amp.sample_taps cubic reflection %c from %b in [4, 3] {align_corners, last_first, normalized} : (tensor<2x5x2xf16>, tensor<5x2xf16>) -> (tensor<2x5x16xi32>, tensor<2x5x16xf32>)
  return %p, %w : tensor<2x5x16xi32>, tensor<2x5x16xf32>
}

// The input's gradient is added up in the order of the places, which are sorted; that of
// coordinates goes by way of the weights.

// GRADIENT-LABEL: @differentiated(
// CUDA-LABEL: @differentiated(
func.func @differentiated(%x: tensor<2x3x12xf16>, %c: tensor<2x5x2xf32>, %g: tensor<2x3x5xf16>) -> (tensor<2x3x12xf16>, tensor<2x5x2xf32>) {
  // GRADIENT: %[[P:.*]], %[[W:.*]] = amp.sample_taps linear zeros %arg1
  // GRADIENT-DAG: amp.sample_input_grad %arg2[%[[P]]] weights %[[W]] : (tensor<2x3x5xf16>, tensor<2x5x4xi32>, tensor<2x5x4xf32>) -> tensor<2x3x12xf32>
  // GRADIENT-DAG: %[[D:.*]] = amp.sample_weights_grad %arg2, %arg0[%[[P]]] : (tensor<2x3x5xf16>, tensor<2x3x12xf16>, tensor<2x5x4xi32>) -> tensor<2x5x4xf32>
  // GRADIENT-DAG: amp.sample_taps_grad linear zeros %[[D]] at %arg1 in [4, 3]
  // CUDA: plan.sort {{.*}} along 1 : (tensor<2x20xi32>) -> (tensor<2x20xi32>, tensor<2x20xi32>)
  // CUDA-NOT: atomic
  // CUDA: return
  %p, %w = amp.sample_taps linear zeros %c in [4, 3] : (tensor<2x5x2xf32>) -> (tensor<2x5x4xi32>, tensor<2x5x4xf32>)
  %y = amp.sample %x[%p] weights %w : (tensor<2x3x12xf16>, tensor<2x5x4xi32>, tensor<2x5x4xf32>) -> tensor<2x3x5xf16>
  %dx, %dc = amp.gradient %y seed %g : tensor<2x3x5xf16> wrt (%x, %c) : tensor<2x3x5xf16>, (tensor<2x3x12xf16>, tensor<2x5x2xf32>) -> (tensor<2x3x12xf16>, tensor<2x5x2xf32>)
  return %dx, %dc : tensor<2x3x12xf16>, tensor<2x5x2xf32>
}

// The nearest element does not depend on the coordinate.

// GRADIENT-LABEL: @nearest(
func.func @nearest(%x: tensor<2x3x12xf32>, %c: tensor<2x5x2xf32>, %g: tensor<2x3x5xf32>) -> tensor<2x5x2xf32> {
  // GRADIENT-NOT: sample_taps_grad
  // GRADIENT: return
  %p, %w = amp.sample_taps nearest border %c in [4, 3] : (tensor<2x5x2xf32>) -> (tensor<2x5x1xi32>, tensor<2x5x1xf32>)
  %y = amp.sample %x[%p] weights %w : (tensor<2x3x12xf32>, tensor<2x5x1xi32>, tensor<2x5x1xf32>) -> tensor<2x3x5xf32>
  %dc = amp.gradient %y seed %g : tensor<2x3x5xf32> wrt (%c) : tensor<2x3x5xf32>, (tensor<2x5x2xf32>) -> (tensor<2x5x2xf32>)
  return %dc : tensor<2x5x2xf32>
}
