// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @of_another_size(%x: tensor<8x16xf16>, %y: tensor<8x4xf16>) -> tensor<4xf32> {
  // expected-error@below {{has sums 'tensor<4xf32>', its operand gives 'tensor<16xf32>'}}
  %p, %s = plan.matmul %x, %y {transpose_lhs, sum_lhs} : (tensor<8x16xf16>, tensor<8x4xf16>) -> (tensor<16x4xf32>, tensor<4xf32>)
  return %s : tensor<4xf32>
}

// -----

func.func @of_another_type(%x: tensor<8x16xf16>, %y: tensor<8x4xf16>) -> tensor<4xf16> {
  // expected-error@below {{has sums 'tensor<4xf16>', its operand gives 'tensor<4xf32>'}}
  %p, %s = plan.matmul %x, %y {transpose_lhs} : (tensor<8x16xf16>, tensor<8x4xf16>) -> (tensor<16x4xf32>, tensor<4xf16>)
  return %s : tensor<4xf16>
}

// -----

func.func @beside_a_bias(%x: tensor<8x16xf16>, %y: tensor<8x4xf16>, %b: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@below {{has sums beside a batch, a bias or an epilogue}}
  %p, %s = plan.matmul %x, %y bias %b {transpose_lhs} : (tensor<8x16xf16>, tensor<8x4xf16>, tensor<4xf32>) -> (tensor<16x4xf32>, tensor<4xf32>)
  return %s : tensor<4xf32>
}

// -----

func.func @of_a_batch(%x: tensor<2x8x16xf16>, %y: tensor<2x8x4xf16>) -> tensor<4xf32> {
  // expected-error@below {{has sums beside a batch, a bias or an epilogue}}
  %p, %s = plan.matmul %x, %y {transpose_lhs} : (tensor<2x8x16xf16>, tensor<2x8x4xf16>) -> (tensor<2x16x4xf32>, tensor<4xf32>)
  return %s : tensor<4xf32>
}

// -----

func.func @none(%x: tensor<8x16xf16>, %y: tensor<8x4xf16>) -> tensor<16x4xf32> {
  // expected-error@below {{has no sums, of whichever operand}}
  %p = plan.matmul %x, %y {transpose_lhs, sum_lhs} : (tensor<8x16xf16>, tensor<8x4xf16>) -> tensor<16x4xf32>
  return %p : tensor<16x4xf32>
}
