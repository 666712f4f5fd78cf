// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -canonicalize | FileCheck %s --check-prefix=FOLD
// RUN: ampc-opt %s -amp-differentiate -ampc-kernels=target=host | FileCheck %s --check-prefix=KERNEL

// It hands on what it is given, and computes nothing by itself.

// CHECK-LABEL: @later(
// FOLD-LABEL: @later(
// KERNEL-LABEL: @later(
func.func @later(%x: tensor<2x3xf32>, %h: tensor<i1>, %g: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  // CHECK: amp.expect %arg0 where %arg1 : tensor<2x3xf32>
  // FOLD: amp.expect
  // KERNEL-NEXT: return %arg0, %arg2
  %y = amp.expect %x where %h : tensor<2x3xf32>
  %d = amp.gradient %y seed %g : tensor<2x3xf32> wrt (%x) : tensor<2x3xf32>, (tensor<2x3xf32>) -> (tensor<2x3xf32>)
  return %y, %d : tensor<2x3xf32>, tensor<2x3xf32>
}

// What is known to hold is not checked; what is known not to hold still is.

// FOLD-LABEL: @known(
func.func @known(%x: tensor<4xi32>) -> (tensor<4xi32>, tensor<4xi32>) {
  // FOLD: %[[Y:.+]] = amp.expect
  // FOLD-NEXT: return %arg0, %[[Y]]
  %yes = amp.constant dense<true> : tensor<i1>
  %no = amp.constant dense<false> : tensor<i1>
  %a = amp.expect %x where %yes : tensor<4xi32>
  %b = amp.expect %x where %no : tensor<4xi32>
  return %a, %b : tensor<4xi32>, tensor<4xi32>
}
