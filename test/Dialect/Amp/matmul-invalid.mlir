// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @matmul_c1(%a: tensor<8x16xf32>, %b: tensor<16x2xf16>) {
  // expected-error@+2 {{element types differ: 'tensor<8x16xf32>' and 'tensor<16x2xf16>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.matmul %a, %b : (tensor<8x16xf32>, tensor<16x2xf16>) -> tensor<8x2xf32>
  return
}

// -----

func.func @matmul_c2(%a: tensor<16xf32>, %b: tensor<16x2xf32>) {
  // expected-error@+2 {{operands must have rank 2 or more, but are 'tensor<16xf32>' and 'tensor<16x2xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.matmul %a, %b : (tensor<16xf32>, tensor<16x2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @matmul_c3(%a: tensor<8x16xf32>, %b: tensor<4x2xf32>) {
  // expected-error@+2 {{inner dimensions differ: 16 in lhs 'tensor<8x16xf32>', 4 in rhs 'tensor<4x2xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.matmul %a, %b : (tensor<8x16xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  return
}

// -----

func.func @matmul_c3_transposed(%a: tensor<16x8xf32>, %b: tensor<16x2xf32>) {
  // expected-error@+2 {{inner dimensions differ: 16 in lhs 'tensor<16x8xf32>', 2 in rhs 'tensor<16x2xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.matmul %a, %b {transpose_lhs, transpose_rhs} : (tensor<16x8xf32>, tensor<16x2xf32>) -> tensor<8x16xf32>
  return
}

// -----

func.func @matmul_c4(%a: tensor<3x8x16xf32>, %b: tensor<2x16x2xf32>) {
  // expected-error@+2 {{batch dimensions do not broadcast: 'tensor<3x8x16xf32>' and 'tensor<2x16x2xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.matmul %a, %b : (tensor<3x8x16xf32>, tensor<2x16x2xf32>) -> tensor<3x8x2xf32>
  return
}

// -----

func.func @matmul_c5(%a: tensor<8x16xf32>, %b: tensor<16x2xf32>, %c: tensor<8xf32>) {
  // expected-error@+2 {{the bias must be 'tensor<2xf32>', but is 'tensor<8xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.matmul %a, %b bias %c : (tensor<8x16xf32>, tensor<16x2xf32>, tensor<8xf32>) -> tensor<8x2xf32>
  return
}
