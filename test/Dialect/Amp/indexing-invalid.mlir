// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @gather_c1(%x: tensor<5x3xf32>, %i: tensor<2xi64>) {
  // expected-error@+2 {{axis 2 is out of range for 'tensor<5x3xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.gather %x[%i] along 2 : (tensor<5x3xf32>, tensor<2xi64>) -> tensor<5x3x2xf32>
  return
}

// -----

func.func @gather_c2(%x: tensor<0x3xf32>, %i: tensor<2xi64>) {
  // expected-error@+2 {{there is nothing to choose along axis 0 of 'tensor<0x3xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.gather %x[%i] along 0 : (tensor<0x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  return
}

// -----

func.func @gradient_of_another_shape(%g: tensor<2x4xf32>, %i: tensor<2xi64>) {
  // expected-error@+1 {{the gradient must be 'tensor<2x3xf32>', but is 'tensor<2x4xf32>'}}
  %0 = amp.gather_grad %g[%i] along 0 : (tensor<2x4xf32>, tensor<2xi64>) -> tensor<5x3xf32>
  return
}
