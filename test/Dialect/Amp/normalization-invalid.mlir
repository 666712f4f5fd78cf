// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @layer_norm_c1(%x: tensor<8x4xf32>, %s: tensor<4xf32>) {
  // expected-error@+2 {{axis 2 is out of range for 'tensor<8x4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y, %m, %r = amp.layer_norm %x, %s from 2 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>)
  return
}

// -----

func.func @layer_norm_c2(%x: tensor<8x4xf32>, %s: tensor<8xf32>) {
  // expected-error@+2 {{scale 'tensor<8xf32>' does not broadcast to the input 'tensor<8x4xf32>'; for the dimensions from axis 1 on it should be 'tensor<4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y, %m, %r = amp.layer_norm %x, %s from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf32>, tensor<8xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  return
}

// -----

// The input does not grow.

func.func @layer_norm_c2_larger(%x: tensor<8x1xf32>, %s: tensor<1xf32>, %b: tensor<4xf32>) {
  // expected-error@+2 {{bias 'tensor<4xf32>' does not broadcast to the input 'tensor<8x1xf32>'; for the dimensions from axis 1 on it should be 'tensor<1xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y, %m, %r = amp.layer_norm %x, %s bias %b from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x1xf32>, tensor<1xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  return
}

// -----

func.func @layer_norm_c3(%x: tensor<8x4xf32>, %s: tensor<4xf16>) {
  // expected-error@+2 {{element types differ: 'tensor<8x4xf32>' and scale 'tensor<4xf16>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y, %m, %r = amp.layer_norm %x, %s from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf32>, tensor<4xf16>) -> (tensor<8x4xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  return
}

// -----

func.func @low_statistics(%x: tensor<8x4xf16>, %s: tensor<4xf32>) {
  // expected-error@+2 {{inferred type(s) 'tensor<8x4xf16>', 'tensor<8x1xf32>', 'tensor<8x1xf32>' are incompatible with return type(s) of operation 'tensor<8x4xf16>', 'tensor<8x1xf16>', 'tensor<8x1xf16>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y, %m, %r = amp.layer_norm %x, %s from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf16>, tensor<4xf32>) -> (tensor<8x4xf16>, tensor<8x1xf16>, tensor<8x1xf16>)
  return
}

// -----

func.func @gradient_of_another_type(%g: tensor<8x4xf32>, %x: tensor<8x4xf16>, %s: tensor<4xf32>, %m: tensor<8x1xf32>) {
  // expected-error@+2 {{the gradient must be 'tensor<8x4xf16>', but is 'tensor<8x4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.layer_norm_grad %g, %x, %s, %m, %m from 1 : (tensor<8x4xf32>, tensor<8x4xf16>, tensor<4xf32>, tensor<8x1xf32>, tensor<8x1xf32>) -> tensor<8x4xf16>
  return
}

// -----

func.func @statistics_of_another_axis(%x: tensor<8x4xf32>, %s: tensor<4xf32>, %m: tensor<8x1xf32>) {
  // expected-error@+2 {{statistics of 'tensor<8x4xf32>' from axis 0 on and their gradients are 'tensor<1x1xf32>', but one is 'tensor<8x1xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.layer_norm_grad %x, %x, %s, %m, %m from 0 : (tensor<8x4xf32>, tensor<8x4xf32>, tensor<4xf32>, tensor<8x1xf32>, tensor<8x1xf32>) -> tensor<8x4xf32>
  return
}
