// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @shapes_that_do_not_broadcast(%a: tensor<8x16xf32>, %b: tensor<4xf32>) -> tensor<8x16xf32> {
  // expected-error@+2 {{shapes do not broadcast: 'tensor<8x16xf32>' and 'tensor<4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.add %a, %b : (tensor<8x16xf32>, tensor<4xf32>) -> tensor<8x16xf32>
  return %0 : tensor<8x16xf32>
}

// -----

func.func @element_types_differ(%a: tensor<8xf32>, %b: tensor<8xf16>) -> tensor<8xf32> {
  // expected-error@+2 {{element types differ: 'tensor<8xf32>' and 'tensor<8xf16>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.less %a, %b : (tensor<8xf32>, tensor<8xf16>) -> tensor<8xi1>
  return %a : tensor<8xf32>
}

// -----

func.func @condition_does_not_broadcast(%c: tensor<2xi1>, %a: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error@+2 {{shapes do not broadcast: 'tensor<2xi1>' and 'tensor<3xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.where %c, %a, %a : (tensor<2xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @bound_is_no_scalar(%a: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error@+2 {{a bound of 'tensor<3xf32>' must be 'tensor<f32>', but is 'tensor<3xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.clip %a min %a : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @exp_of_integers(%a: tensor<3xi32>) -> tensor<3xi32> {
  // expected-error@+1 {{operand #0 must be}}
  %0 = amp.exp %a : tensor<3xi32>
  return %0 : tensor<3xi32>
}
