// RUN: ampc-opt %s -canonicalize -split-input-file | FileCheck %s

// A row added to the only use of a product is its bias.

// CHECK-LABEL: @added_row_becomes_the_bias(
func.func @added_row_becomes_the_bias(%a: tensor<8x16xf16>, %b: tensor<16x4xf16>, %c: tensor<4xf16>) -> tensor<8x4xf16> {
  // CHECK-NEXT: %[[Y:.*]] = amp.matmul %arg0, %arg1 bias %arg2 : {{.*}} -> tensor<8x4xf16>
  // CHECK-NEXT: return %[[Y]]
  %0 = amp.matmul %a, %b : (tensor<8x16xf16>, tensor<16x4xf16>) -> tensor<8x4xf16>
  %1 = amp.add %c, %0 : (tensor<4xf16>, tensor<8x4xf16>) -> tensor<8x4xf16>
  return %1 : tensor<8x4xf16>
}

// -----

// CHECK-LABEL: @row_may_have_leading_ones(
func.func @row_may_have_leading_ones(%a: tensor<2x16x8xf32>, %b: tensor<16x4xf32>, %c: tensor<1x4xf32>) -> tensor<2x8x4xf32> {
  // CHECK-NEXT: %[[C:.*]] = amp.reshape %arg2 : tensor<1x4xf32> to tensor<4xf32>
  // CHECK-NEXT: amp.matmul %arg0, %arg1 bias %[[C]] {transpose_lhs}
  %0 = amp.matmul %a, %b {transpose_lhs} : (tensor<2x16x8xf32>, tensor<16x4xf32>) -> tensor<2x8x4xf32>
  %1 = amp.add %0, %c : (tensor<2x8x4xf32>, tensor<1x4xf32>) -> tensor<2x8x4xf32>
  return %1 : tensor<2x8x4xf32>
}

// -----

// CHECK-LABEL: @product_with_other_uses_stays(
func.func @product_with_other_uses_stays(%a: tensor<8x16xf16>, %b: tensor<16x4xf16>, %c: tensor<4xf16>) -> (tensor<8x4xf16>, tensor<8x4xf16>) {
  // CHECK: amp.matmul %arg0, %arg1 :
  // CHECK: amp.add
  %0 = amp.matmul %a, %b : (tensor<8x16xf16>, tensor<16x4xf16>) -> tensor<8x4xf16>
  %1 = amp.add %0, %c : (tensor<8x4xf16>, tensor<4xf16>) -> tensor<8x4xf16>
  return %0, %1 : tensor<8x4xf16>, tensor<8x4xf16>
}

// -----

// CHECK-LABEL: @column_is_no_bias(
func.func @column_is_no_bias(%a: tensor<8x16xf16>, %b: tensor<16x4xf16>, %c: tensor<8x1xf16>) -> tensor<8x4xf16> {
  // CHECK: amp.add
  %0 = amp.matmul %a, %b : (tensor<8x16xf16>, tensor<16x4xf16>) -> tensor<8x4xf16>
  %1 = amp.add %0, %c : (tensor<8x4xf16>, tensor<8x1xf16>) -> tensor<8x4xf16>
  return %1 : tensor<8x4xf16>
}

// -----

// What the user wants of one op is not that of the other.

// CHECK-LABEL: @add_with_a_precision_of_its_own_stays(
func.func @add_with_a_precision_of_its_own_stays(%a: tensor<8x16xf32>, %b: tensor<16x4xf32>, %c: tensor<4xf32>) -> tensor<8x4xf32> {
  // CHECK: amp.add
  %0 = amp.matmul %a, %b : (tensor<8x16xf32>, tensor<16x4xf32>) -> tensor<8x4xf32>
  %1 = amp.add %0, %c {amp.precision = {category = "f32", reason = "--amp-keep-fp32=add"}} : (tensor<8x4xf32>, tensor<4xf32>) -> tensor<8x4xf32>
  return %1 : tensor<8x4xf32>
}
