// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @rms_norm_c1(%x: tensor<8x4xf32>, %s: tensor<4xf32>) {
  // expected-error @+2 {{axis 2 is out of range for 'tensor<8x4xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y:2 = amp.rms_norm %x, %s from 2 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf32>, tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>)
  return
}

// -----

func.func @rms_norm_c2(%x: tensor<8x4xf32>, %s: tensor<3xf32>) {
  // expected-error @+2 {{scale 'tensor<3xf32>' does not broadcast to the input 'tensor<8x4xf32>'; for the dimensions from axis 1 on it should be 'tensor<4xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y:2 = amp.rms_norm %x, %s from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf32>, tensor<3xf32>) -> (tensor<8x4xf32>, tensor<8x1xf32>)
  return
}

// -----

func.func @rms_norm_c3(%x: tensor<8x4xf32>, %s: tensor<4xf16>) {
  // expected-error @+2 {{element types differ: 'tensor<8x4xf32>' and scale 'tensor<4xf16>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y:2 = amp.rms_norm %x, %s from 1 {epsilon = 1.0e-03 : f64} : (tensor<8x4xf32>, tensor<4xf16>) -> (tensor<8x4xf32>, tensor<8x1xf32>)
  return
}

// -----

func.func @statistic(%x: tensor<8x4xf32>, %s: tensor<4xf32>, %r: tensor<8xf32>) {
  // expected-error @+2 {{the statistic of 'tensor<8x4xf32>' from axis 1 on and its gradient are 'tensor<8x1xf32>', but one is 'tensor<8xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = amp.rms_norm_grad %x, %x, %s, %r from 1 : (tensor<8x4xf32>, tensor<8x4xf32>, tensor<4xf32>, tensor<8xf32>) -> tensor<8x4xf32>
  return
}
