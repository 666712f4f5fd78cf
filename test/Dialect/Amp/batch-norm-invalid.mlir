// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @axis(%x: tensor<8x3xf32>, %c: tensor<3xf32>) -> tensor<8x3xf32> {
  // expected-error @+2 {{axis 2 is out of range for 'tensor<8x3xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = amp.batch_norm_inference %x, %c, %c by %c, %c along 2 {epsilon = 1.0e-05 : f64} : (tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<8x3xf32> // batch_norm_c1
  return %y : tensor<8x3xf32>
}

// -----

func.func @channels(%x: tensor<8x3xf32>, %c: tensor<3xf32>, %d: tensor<8xf32>) -> tensor<8x3xf32> {
  // expected-error @+2 {{running mean is 'tensor<8xf32>', but should have one element for each of 3 channels of the input 'tensor<8x3xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y:5 = amp.batch_norm %x, %c, %c running %d, %c along 1 {epsilon = 1.0e-05 : f64, momentum = 0.9 : f64} : (tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<8xf32>, tensor<3xf32>) -> (tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<8xf32>, tensor<3xf32>) // batch_norm_c2
  return %y#0 : tensor<8x3xf32>
}

// -----

func.func @types(%x: tensor<8x3xf32>, %c: tensor<3xf32>, %d: tensor<3xf16>) -> tensor<8x3xf32> {
  // expected-error @+2 {{element types differ: 'tensor<8x3xf32>' and bias 'tensor<3xf16>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y = amp.batch_norm_inference %x, %c, %d by %c, %c along 1 {epsilon = 1.0e-05 : f64} : (tensor<8x3xf32>, tensor<3xf32>, tensor<3xf16>, tensor<3xf32>, tensor<3xf32>) -> tensor<8x3xf32> // batch_norm_c3
  return %y : tensor<8x3xf32>
}

// -----

func.func @gradient(%g: tensor<8x3xf16>, %x: tensor<8x3xf32>, %c: tensor<3xf32>) -> tensor<8x3xf32> {
  // expected-error @+2 {{the gradient must be 'tensor<8x3xf32>', but is 'tensor<8x3xf16>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %y:3 = amp.batch_norm_grad %g, %x, %c, %c, %c along 1 : (tensor<8x3xf16>, tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>)
  return %y#0 : tensor<8x3xf32>
}
