// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -amp-differentiate | FileCheck %s --check-prefix=GRADIENT
// RUN: ampc-opt %s -plan-lower-ops | FileCheck %s --check-prefix=KERNEL

// CHECK-LABEL: @top_k(
// KERNEL-LABEL: @top_k(
func.func @top_k(%x: tensor<4x6xf16>) -> (tensor<4x2xf16>, tensor<4x2xi64>) {
  // CHECK: amp.top_k 2 of %arg0 along 1 : (tensor<4x6xf16>) -> (tensor<4x2xf16>, tensor<4x2xi64>)
  // NaN is larger than any number.
  // KERNEL: plan.sort %arg0 along 1 : (tensor<4x6xf16>) -> (tensor<4x2xf16>, tensor<4x2xi32>)
  // KERNEL-NEXT: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32):
  // KERNEL-DAG: arith.cmpf ogt, %[[A]], %[[B]] : f32
  // KERNEL-DAG: arith.cmpf uno, %[[A]], %[[A]] : f32
  // KERNEL-DAG: arith.cmpf uno, %[[B]], %[[B]] : f32
  // KERNEL: plan.yield %{{.*}} : i1
  %v, %i = amp.top_k 2 of %x along 1 : (tensor<4x6xf16>) -> (tensor<4x2xf16>, tensor<4x2xi64>)
  return %v, %i : tensor<4x2xf16>, tensor<4x2xi64>
}

// The gradient goes to where the elements came from.

// GRADIENT-LABEL: @differentiated(
func.func @differentiated(%x: tensor<4x6xf32>, %g: tensor<2x6xf32>) -> tensor<4x6xf32> {
  // GRADIENT: %{{.*}}, %[[I:.*]] = amp.top_k 2 of %arg0 along 0 {smallest}
  // GRADIENT: %[[Z:.*]] = amp.constant dense<0.000000e+00> : tensor<4x6xf32>
  // GRADIENT: %[[D:.*]] = amp.scatter %arg1 into %[[Z]][%[[I]]] along 0
  // GRADIENT: return %[[D]]
  %v, %i = amp.top_k 2 of %x along 0 {smallest} : (tensor<4x6xf32>) -> (tensor<2x6xf32>, tensor<2x6xi64>)
  %d = amp.gradient %v seed %g : tensor<2x6xf32> wrt (%x) : tensor<2x6xf32>, (tensor<4x6xf32>) -> (tensor<4x6xf32>)
  return %d : tensor<4x6xf32>
}
