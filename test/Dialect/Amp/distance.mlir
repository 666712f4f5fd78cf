// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -amp-differentiate | FileCheck %s --check-prefix=GRADIENT
// RUN: ampc-opt %s -amp-autocast -cse | FileCheck %s --check-prefix=F32
// RUN: ampc-opt %s -amp-autocast="dtype=bf16" -cse | FileCheck %s --check-prefix=F32
// RUN: ampc-opt %s -amp-autocast="lists=pytorch" -cse | FileCheck %s --check-prefix=F32

// The gradient of a square divides by nothing. Those of the two operands take differences of their
// own, which are then not written to memory.

// CHECK-LABEL: @squares(
// GRADIENT-LABEL: @squares(
func.func @squares(%a: tensor<3x4xf32>, %b: tensor<2x4xf32>, %g: tensor<3x2xf32>) -> (tensor<3x4xf32>, tensor<2x4xf32>) {
  // CHECK: amp.cdist sqeuclidean %arg0, %arg1 : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  // GRADIENT-NOT: amp.div
  // GRADIENT: amp.sub %{{.*}}, %{{.*}} : (tensor<3x1x4xf32>, tensor<1x2x4xf32>) -> tensor<3x2x4xf32>
  // GRADIENT: amp.reduce_sum %{{.*}} [1] : (tensor<3x2x4xf32>) -> tensor<3x4xf32>
  // GRADIENT: amp.sub %{{.*}}, %{{.*}} : (tensor<2x1x4xf32>, tensor<1x3x4xf32>) -> tensor<2x3x4xf32>
  // GRADIENT: amp.reduce_sum %{{.*}} [1] : (tensor<2x3x4xf32>) -> tensor<2x4xf32>
  %y = amp.cdist sqeuclidean %a, %b : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  %da, %db = amp.gradient %y seed %g : tensor<3x2xf32> wrt (%a, %b) : tensor<3x2xf32>, (tensor<3x4xf32>, tensor<2x4xf32>) -> (tensor<3x4xf32>, tensor<2x4xf32>)
  return %da, %db : tensor<3x4xf32>, tensor<2x4xf32>
}

// That of a distance is chosen where rows are equal. Only what is asked for is summed.

// CHECK-LABEL: @distances(
// GRADIENT-LABEL: @distances(
func.func @distances(%a: tensor<3x4xf32>, %b: tensor<2x4xf32>, %g: tensor<3x2xf32>) -> tensor<2x4xf32> {
  // CHECK: amp.cdist euclidean %arg0, %arg1
  // GRADIENT: %[[Y:.*]] = amp.cdist euclidean
  // GRADIENT: %[[ZERO:.*]] = amp.constant dense<0.000000e+00>
  // GRADIENT: %[[IS_ZERO:.*]] = amp.equal %[[Y]], %[[ZERO]]
  // GRADIENT: %[[QUOTIENT:.*]] = amp.div %arg2, %[[Y]]
  // GRADIENT: amp.where %[[IS_ZERO]], %[[ZERO]], %[[QUOTIENT]]
  // GRADIENT: amp.reduce_sum %{{.*}} [1] : (tensor<2x3x4xf32>)
  // GRADIENT-NOT: amp.reduce_sum
  %y = amp.cdist euclidean %a, %b : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  %db = amp.gradient %y seed %g : tensor<3x2xf32> wrt (%b) : tensor<3x2xf32>, (tensor<2x4xf32>) -> (tensor<2x4xf32>)
  return %db : tensor<2x4xf32>
}

// Every list has it in f32, whatever comes before it.

// F32-LABEL: @precision(
func.func @precision(%x: tensor<3x8xf32>, %w: tensor<8x4xf32>, %b: tensor<2x4xf32>) -> tensor<3x2xf32> {
  // F32: amp.matmul
  // F32: amp.cdist euclidean %{{.*}}, %{{.*}} : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  %a = amp.matmul %x, %w : (tensor<3x8xf32>, tensor<8x4xf32>) -> tensor<3x4xf32>
  %y = amp.cdist euclidean %a, %b : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
