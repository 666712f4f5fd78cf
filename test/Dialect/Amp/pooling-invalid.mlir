// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @max_pool_c1(%x: tensor<2x3x8x8xf32>) {
  // expected-error@+2 {{needs 2 numbers in each list for 'tensor<2x3x8x8xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %v, %i = amp.max_pool %x points [4] taps [2] strides [2] dilations [1] pads [0] : (tensor<2x3x8x8xf32>) -> (tensor<2x3x4x4xf32>, tensor<2x3x4x4xi64>)
  return
}

// -----

func.func @max_pool_c2(%x: tensor<2x3x8xf32>) {
  // expected-error@+2 {{has a number out of range for windows over 'tensor<2x3x8xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %v, %i = amp.max_pool %x points [4] taps [2] strides [0] dilations [1] pads [0] : (tensor<2x3x8xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xi64>)
  return
}

// -----

func.func @average_pool_c1(%x: tensor<2x3x8xf32>) {
  // expected-error@+2 {{'counted' must be empty or have two numbers, none below 0, for each dimension of the windows}}
  // expected-error@+1 {{failed to infer returned types}}
  %v = amp.average_pool %x points [4] taps [2] strides [2] dilations [1] pads [0] counted [1] : (tensor<2x3x8xf32>) -> tensor<2x3x4xf32>
  return
}

// -----

func.func @lp_pool_c1(%x: tensor<2x3x8xf32>) {
  // expected-error@+2 {{p must be above 0}}
  // expected-error@+1 {{failed to infer returned types}}
  %v = amp.lp_pool %x p -1.0 points [4] taps [2] strides [2] dilations [1] pads [0] : (tensor<2x3x8xf32>) -> tensor<2x3x4xf32>
  return
}
