// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @sample_taps_c1(%c: tensor<2x5x2xf32>) {
  // expected-error@+2 {{coordinates 'tensor<2x5x2xf32>' are no places in a tensor of [4]}}
  // expected-error@+1 {{failed to infer returned types}}
  %p, %w = amp.sample_taps linear zeros %c in [4] : (tensor<2x5x2xf32>) -> (tensor<2x5x2xi32>, tensor<2x5x2xf32>)
  return
}

// -----

func.func @sample_taps_c2(%c: tensor<2x5x2xf32>, %b: tensor<5x2xf16>) {
  // expected-error@+2 {{base 'tensor<5x2xf16>' does not fit 'tensor<2x5x2xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %p, %w = amp.sample_taps linear zeros %c from %b in [4, 3] : (tensor<2x5x2xf32>, tensor<5x2xf16>) -> (tensor<2x5x4xi32>, tensor<2x5x4xf32>)
  return
}

// -----

func.func @sample_c1(%x: tensor<2x3x12xf32>, %p: tensor<1x5x4xi32>, %w: tensor<1x5x4xf32>) {
  // expected-error@+2 {{places 'tensor<1x5x4xi32>' and weights 'tensor<1x5x4xf32>' do not read elements of 'tensor<2x3x12xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.sample %x[%p] weights %w : (tensor<2x3x12xf32>, tensor<1x5x4xi32>, tensor<1x5x4xf32>) -> tensor<2x3x5xf32>
  return
}

// -----

func.func @gradient(%g: tensor<2x3x6xf32>, %p: tensor<2x5x4xi32>, %w: tensor<2x5x4xf32>) {
  // expected-error@+1 {{the gradient must be 'tensor<2x3x5xf32>', but is 'tensor<2x3x6xf32>'}}
  %y = amp.sample_input_grad %g[%p] weights %w : (tensor<2x3x6xf32>, tensor<2x5x4xi32>, tensor<2x5x4xf32>) -> tensor<2x3x12xf32>
  return
}
