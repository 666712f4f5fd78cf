// RUN: ampc-opt %s -canonicalize -split-input-file | FileCheck %s

// A weight that lies the other way round, as PyTorch's exporter writes a linear layer, is a flag.

// CHECK-LABEL: @transposed_weight_is_a_flag(
func.func @transposed_weight_is_a_flag(%x: tensor<2x8x16xf32>, %w: tensor<4x16xf32>) -> tensor<2x8x4xf32> {
  // CHECK-NEXT: %[[Y:.*]] = amp.matmul %arg0, %arg1 {transpose_rhs} : (tensor<2x8x16xf32>, tensor<4x16xf32>) -> tensor<2x8x4xf32>
  // CHECK-NEXT: return %[[Y]]
  %t = amp.transpose %w [1, 0] : (tensor<4x16xf32>) -> tensor<16x4xf32>
  %y = amp.matmul %x, %t : (tensor<2x8x16xf32>, tensor<16x4xf32>) -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}

// -----

// CHECK-LABEL: @two_turns_are_none(
func.func @two_turns_are_none(%x: tensor<16x8xf32>, %w: tensor<4x16xf32>) -> tensor<8x4xf32> {
  // CHECK-NEXT: amp.matmul %arg0, %arg1 {transpose_lhs, transpose_rhs}
  // CHECK-NEXT: amp.matmul %arg0, %arg0 {alpha = 2.000000e+00 : f64, transpose_lhs}
  // CHECK-NEXT: amp.matmul
  %a = amp.transpose %x [1, 0] : (tensor<16x8xf32>) -> tensor<8x16xf32>
  %t = amp.transpose %w [1, 0] : (tensor<4x16xf32>) -> tensor<16x4xf32>
  %y = amp.matmul %a, %t : (tensor<8x16xf32>, tensor<16x4xf32>) -> tensor<8x4xf32>
  // The transpose is still there for others, but this flag is gone again.
  %z = amp.matmul %a, %a {alpha = 2.0 : f64, transpose_rhs} : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x8xf32>
  %r = amp.matmul %z, %y : (tensor<8x8xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  return %r : tensor<8x4xf32>
}

// -----

// The keys of attention: what is left moves whole rows.

// CHECK-LABEL: @rest_moves_rows(
func.func @rest_moves_rows(%q: tensor<2x4x8x16xf32>, %k: tensor<2x8x4x16xf32>) -> tensor<2x4x8x8xf32> {
  // CHECK-NEXT: %[[K:.*]] = amp.transpose %arg1 [0, 2, 1, 3]
  // CHECK-NEXT: amp.matmul %arg0, %[[K]] {transpose_rhs}
  %t = amp.transpose %k [0, 2, 3, 1] : (tensor<2x8x4x16xf32>) -> tensor<2x4x16x8xf32>
  %y = amp.matmul %q, %t : (tensor<2x4x8x16xf32>, tensor<2x4x16x8xf32>) -> tensor<2x4x8x8xf32>
  return %y : tensor<2x4x8x8xf32>
}

// -----

// CHECK-LABEL: @what_others_read_is_not_moved_twice(
func.func @what_others_read_is_not_moved_twice(%q: tensor<2x4x8x16xf32>, %k: tensor<2x8x4x16xf32>) -> (tensor<2x4x8x8xf32>, tensor<2x4x16x8xf32>) {
  // CHECK-NEXT: %[[K:.*]] = amp.transpose %arg1 [0, 2, 3, 1]
  // CHECK-NEXT: amp.matmul %arg0, %[[K]] :
  %t = amp.transpose %k [0, 2, 3, 1] : (tensor<2x8x4x16xf32>) -> tensor<2x4x16x8xf32>
  %y = amp.matmul %q, %t : (tensor<2x4x8x16xf32>, tensor<2x4x16x8xf32>) -> tensor<2x4x8x8xf32>
  return %y, %t : tensor<2x4x8x8xf32>, tensor<2x4x16x8xf32>
}

// -----

// The rows of all batches are those of one product, and of one product for the gradient of %w.

// CHECK-LABEL: @rows_of_batches_stay_rows(
func.func @rows_of_batches_stay_rows(%x: tensor<2x16x8xf32>, %w: tensor<16x4xf32>) -> tensor<2x8x4xf32> {
  // CHECK-NEXT: %[[X:.*]] = amp.transpose %arg0 [0, 2, 1]
  // CHECK-NEXT: amp.matmul %[[X]], %arg1 :
  %t = amp.transpose %x [0, 2, 1] : (tensor<2x16x8xf32>) -> tensor<2x8x16xf32>
  %y = amp.matmul %t, %w : (tensor<2x8x16xf32>, tensor<16x4xf32>) -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}
