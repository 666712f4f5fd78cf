// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt --canonicalize %s | FileCheck %s --check-prefix=FOLDED
// RUN: ampc-opt --plan-lower-ops %s | FileCheck %s --check-prefix=LOWERED

// CHECK-LABEL: @bits(
// LOWERED-LABEL: @bits(
// Unsigned types are gone once kernels say how they read the bits.
// LOWERED-SAME: tensor<3xi8> {plan.declared_type = tensor<3xui8>}
// LOWERED-NOT: unrealized_conversion_cast
// LOWERED: arith.extui %{{.*}} : i8 to i32
func.func @bits(%x: tensor<3xui8>, %y: tensor<3xui8>) -> tensor<3xui8> {
  // CHECK-NEXT: amp.bitwise_and %arg0, %arg1 : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  // CHECK-NEXT: amp.bitwise_or
  // CHECK-NEXT: amp.bitwise_xor
  // CHECK-NEXT: amp.bitwise_not %{{.*}} : tensor<3xui8>
  // CHECK-NEXT: amp.shift %{{.*}}, %arg1 {right} : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  // CHECK-NEXT: amp.mod %{{.*}}, %arg1 {truncated}
  %0 = amp.bitwise_and %x, %y : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  %1 = amp.bitwise_or %0, %y : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  %2 = amp.bitwise_xor %1, %y : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  %3 = amp.bitwise_not %2 : tensor<3xui8>
  %4 = amp.shift %3, %y {right} : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  %5 = amp.mod %4, %y {truncated} : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  return %5 : tensor<3xui8>
}

// CHECK-LABEL: @bit_cast(
func.func @bit_cast(%x: tensor<3xf32>) -> tensor<3xui32> {
  // CHECK-NEXT: amp.bit_cast %arg0 : tensor<3xf32> to tensor<3xui32>
  %0 = amp.bit_cast %x : tensor<3xf32> to tensor<3xui32>
  return %0 : tensor<3xui32>
}

// CHECK-LABEL: @iota(
// FOLDED-LABEL: @iota(
func.func @iota() -> (tensor<2x3xi64>, tensor<2000xi64>) {
  // CHECK-NEXT: amp.iota along 1 : tensor<2x3xi64>
  // FOLDED-DAG: dense<{{\[\[}}0, 1, 2], [0, 1, 2]]>
  // FOLDED-DAG: amp.iota along 0 : tensor<2000xi64>
  %0 = amp.iota along 1 : tensor<2x3xi64>
  %1 = amp.iota along 0 : tensor<2000xi64>
  return %0, %1 : tensor<2x3xi64>, tensor<2000xi64>
}

// FOLDED-LABEL: @mod(
func.func @mod() -> (tensor<4xi64>, tensor<4xi64>) {
  %x = amp.constant dense<[7, -7, 7, -7]> : tensor<4xi64>
  %y = amp.constant dense<[3, 3, -3, -3]> : tensor<4xi64>
  // FOLDED-DAG: dense<[1, 2, -2, -1]>
  // FOLDED-DAG: dense<[1, -1, 1, -1]>
  %0 = amp.mod %x, %y : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
  %1 = amp.mod %x, %y {truncated} : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
  return %0, %1 : tensor<4xi64>, tensor<4xi64>
}

// CHECK-LABEL: @draws_and_lines(
func.func @draws_and_lines(%s: tensor<i64>, %a: tensor<i64>, %x: tensor<4x3xf32>, %n: tensor<3xi64>)
    -> (tensor<5xf32>, tensor<4x3xf32>, tensor<4x3xf32>) {
  // CHECK-NEXT: amp.random seed %arg0 attempt %arg1 {stream = 7 : i64} : tensor<5xf32>
  // CHECK-NEXT: amp.cum_prod %arg2 along 0 {exclusive} : (tensor<4x3xf32>) -> tensor<4x3xf32>
  // CHECK-NEXT: amp.reverse_sequence %{{.*}} lengths %arg3 along 0 batch 1 : (tensor<4x3xf32>, tensor<3xi64>) -> tensor<4x3xf32>
  // CHECK-NEXT: amp.cum_prod_grad %{{.*}} of %arg2 before %{{.*}} along 0 {reverse}
  %0 = amp.random seed %s attempt %a {stream = 7 : i64} : tensor<5xf32>
  %1 = amp.cum_prod %x along 0 {exclusive} : (tensor<4x3xf32>) -> tensor<4x3xf32>
  %2 = amp.reverse_sequence %1 lengths %n along 0 batch 1 : (tensor<4x3xf32>, tensor<3xi64>) -> tensor<4x3xf32>
  %3 = amp.cum_prod_grad %2 of %x before %1 along 0 {reverse} : (tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<4x3xf32>
  return %0, %2, %3 : tensor<5xf32>, tensor<4x3xf32>, tensor<4x3xf32>
}
