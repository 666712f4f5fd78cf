// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -amp-differentiate | FileCheck %s --check-prefix=GRADIENT

// The gradient has no quotient: it is the determinants of n * n matrices.

// CHECK-LABEL: @det(
// GRADIENT-LABEL: @det(
func.func @det(%x: tensor<2x3x3xf32>, %g: tensor<2xf32>) -> tensor<2x3x3xf32> {
  // CHECK: amp.det %arg0 : (tensor<2x3x3xf32>) -> tensor<2xf32>
  // GRADIENT-NOT: amp.div
  // GRADIENT: amp.det %{{.*}} : (tensor<2x3x3x3x3xf32>) -> tensor<2x3x3xf32>
  %y = amp.det %x : (tensor<2x3x3xf32>) -> tensor<2xf32>
  %d = amp.gradient %y seed %g : tensor<2xf32> wrt (%x) : tensor<2xf32>, (tensor<2x3x3xf32>) -> (tensor<2x3x3xf32>)
  return %d : tensor<2x3x3xf32>
}
