// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @scatter_c1(%x: tensor<5x3xf32>, %i: tensor<2x3xi64>, %u: tensor<2x3xf32>) {
  // expected-error@+2 {{axis 2 is out of range for 'tensor<5x3xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.scatter %u into %x[%i] along 2 : (tensor<5x3xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<5x3xf32>
  return
}

// -----

func.func @scatter_c2(%x: tensor<5x3xf32>, %i: tensor<2x4xi64>, %u: tensor<2x4xf32>) {
  // expected-error@+2 {{indices 'tensor<2x4xi64>' do not choose along axis 0 of 'tensor<5x3xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.scatter_add %u into %x[%i] along 0 : (tensor<5x3xf32>, tensor<2x4xi64>, tensor<2x4xf32>) -> tensor<5x3xf32>
  return
}

// -----

func.func @scatter_c2_updates(%x: tensor<5x3xf32>, %i: tensor<2x3xi64>, %u: tensor<1x3xf32>) {
  // expected-error@+2 {{updates 'tensor<1x3xf32>' do not fit 'tensor<5x3xf32>' and indices 'tensor<2x3xi64>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.scatter_max %u into %x[%i] along 0 : (tensor<5x3xf32>, tensor<2x3xi64>, tensor<1x3xf32>) -> tensor<5x3xf32>
  return
}

// -----

func.func @nothing_to_choose(%x: tensor<0x3xf32>, %i: tensor<2x3xi64>) {
  // expected-error@+2 {{there is nothing to choose from in 'tensor<0x3xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.gather_elements %x[%i] along 0 : (tensor<0x3xf32>, tensor<2x3xi64>) -> tensor<2x3xf32>
  return
}
