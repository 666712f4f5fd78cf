// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @resample_c1(%x: tensor<2x4xf32>) {
  // expected-error@+2 {{axes must ascend within 'tensor<2x4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.resample %x along [1, 1] size [1, 1] starts [0, 1, 0, 1] sources [0, 0] weights [1.0, 1.0] : (tensor<2x4xf32>) -> tensor<2x1xf32>
  return
}

// -----

func.func @starts(%x: tensor<2x4xf32>) {
  // expected-error@+2 {{the starts of axis 1 must ascend from 0 within the sources}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.resample %x along [1] size [2] starts [0, 2, 1] sources [0, 0] weights [1.0, 1.0] : (tensor<2x4xf32>) -> tensor<2x2xf32>
  return
}

// -----

func.func @resample_c2(%x: tensor<2x4xf32>) {
  // expected-error@+2 {{source 4 is out of range along axis 1 of 'tensor<2x4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.resample %x along [1] size [1] starts [0, 1] sources [4] weights [1.0] : (tensor<2x4xf32>) -> tensor<2x1xf32>
  return
}

// -----

func.func @without_weight(%x: tensor<2x4xf32>) {
  // expected-error@+2 {{a source along axis 1 has no weight}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.resample %x along [1] size [1] starts [0, 1] sources [3] weights [] : (tensor<2x4xf32>) -> tensor<2x1xf32>
  return
}

// -----

func.func @resample_c3(%x: tensor<2x4xi32>) {
  // expected-error@+2 {{elements of 'tensor<2x4xi32>' cannot be weighted or summed}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.resample %x along [1] size [1] starts [0, 2] sources [0, 1] weights [1.0, 1.0] : (tensor<2x4xi32>) -> tensor<2x1xi32>
  return
}
