// RUN: ampc-opt %s | ampc-opt | FileCheck %s

// What is printed is what was read.

// CHECK-LABEL: @gates_and_thresholds(
func.func @gates_and_thresholds(%x: tensor<2x3xf16>, %slope: tensor<3xf16>) -> tensor<2x3xf16> {
  // CHECK-NEXT: amp.prelu %arg0, %arg1 : (tensor<2x3xf16>, tensor<3xf16>) -> tensor<2x3xf16>
  // CHECK-NEXT: amp.hard_sigmoid %{{.*}} {alpha = 2.500000e-01 : f32, beta = 5.000000e-01 : f32} : tensor<2x3xf16>
  // CHECK-NEXT: amp.hard_swish
  // CHECK-NEXT: amp.mish
  // CHECK-NEXT: amp.swish %{{.*}} {alpha = 1.000000e+00 : f32}
  // CHECK-NEXT: amp.softsign
  // CHECK-NEXT: amp.shrink %{{.*}} {bias = 0.000000e+00 : f32, lambda = 5.000000e-01 : f32}
  // CHECK-NEXT: amp.thresholded_relu %{{.*}} {alpha = 1.000000e+00 : f32}
  // CHECK-NEXT: amp.elu %{{.*}} {alpha = 2.000000e+00 : f32, beta = 5.000000e-01 : f32}
  %0 = amp.prelu %x, %slope : (tensor<2x3xf16>, tensor<3xf16>) -> tensor<2x3xf16>
  %1 = amp.hard_sigmoid %0 {alpha = 0.25 : f32, beta = 0.5 : f32} : tensor<2x3xf16>
  %2 = amp.hard_swish %1 : tensor<2x3xf16>
  %3 = amp.mish %2 : tensor<2x3xf16>
  %4 = amp.swish %3 {alpha = 1.0 : f32} : tensor<2x3xf16>
  %5 = amp.softsign %4 : tensor<2x3xf16>
  %6 = amp.shrink %5 {bias = 0.0 : f32, lambda = 0.5 : f32} : tensor<2x3xf16>
  %7 = amp.thresholded_relu %6 {alpha = 1.0 : f32} : tensor<2x3xf16>
  %8 = amp.elu %7 {alpha = 2.0 : f32, beta = 0.5 : f32} : tensor<2x3xf16>
  return %8 : tensor<2x3xf16>
}

// CHECK-LABEL: @angles(
func.func @angles(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK-NEXT: amp.tan %arg0 : tensor<4xf32>
  // CHECK-NEXT: amp.asin
  // CHECK-NEXT: amp.acos
  // CHECK-NEXT: amp.atan
  // CHECK-NEXT: amp.sinh
  // CHECK-NEXT: amp.cosh
  // CHECK-NEXT: amp.asinh
  // CHECK-NEXT: amp.acosh
  // CHECK-NEXT: amp.atanh
  %0 = amp.tan %x : tensor<4xf32>
  %1 = amp.asin %0 : tensor<4xf32>
  %2 = amp.acos %1 : tensor<4xf32>
  %3 = amp.atan %2 : tensor<4xf32>
  %4 = amp.sinh %3 : tensor<4xf32>
  %5 = amp.cosh %4 : tensor<4xf32>
  %6 = amp.asinh %5 : tensor<4xf32>
  %7 = amp.acosh %6 : tensor<4xf32>
  %8 = amp.atanh %7 : tensor<4xf32>
  return %8 : tensor<4xf32>
}
