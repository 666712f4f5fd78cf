// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @cdist_c1(%a: tensor<3x4xf32>, %b: tensor<2x4xf64>) {
  // expected-error@+2 {{element types differ: 'tensor<3x4xf32>' and 'tensor<2x4xf64>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.cdist euclidean %a, %b : (tensor<3x4xf32>, tensor<2x4xf64>) -> tensor<3x2xf32>
  return
}

// -----

func.func @cdist_c2_columns(%a: tensor<3x4xf32>, %b: tensor<2x5xf32>) {
  // expected-error@+2 {{operands must be matrices with as many columns, but are 'tensor<3x4xf32>' and 'tensor<2x5xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.cdist euclidean %a, %b : (tensor<3x4xf32>, tensor<2x5xf32>) -> tensor<3x2xf32>
  return
}

// -----

func.func @cdist_c2_rank(%a: tensor<1x3x4xf32>, %b: tensor<2x4xf32>) {
  // expected-error@+2 {{operands must be matrices with as many columns, but are 'tensor<1x3x4xf32>' and 'tensor<2x4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.cdist euclidean %a, %b : (tensor<1x3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  return
}
