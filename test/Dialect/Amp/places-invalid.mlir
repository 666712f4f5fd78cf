// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @iota_c1() {
  // expected-error @+1 {{axis 2 is out of range for 'tensor<2x3xi64>'}}
  %0 = amp.iota along 2 : tensor<2x3xi64>
  return
}

// -----

func.func @bit_cast_widths(%x: tensor<3xf32>) {
  // expected-error @+1 {{the types have other numbers of bits}}
  %0 = amp.bit_cast %x : tensor<3xf32> to tensor<3xi16>
  return
}

// -----

func.func @reverse_sequence_c1(%x: tensor<4x3xf32>, %n: tensor<3xi64>) {
  // expected-error @+2 {{time axis 1 and batch axis 1 are no two dimensions of}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = amp.reverse_sequence %x lengths %n along 1 batch 1 : (tensor<4x3xf32>, tensor<3xi64>) -> tensor<4x3xf32>
  return
}

// -----

func.func @reverse_sequence_c2(%x: tensor<4x3xf32>, %n: tensor<4xi64>) {
  // expected-error @+2 {{lengths 'tensor<4xi64>' are not 3 i64, one for each batch entry}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = amp.reverse_sequence %x lengths %n along 0 batch 1 : (tensor<4x3xf32>, tensor<4xi64>) -> tensor<4x3xf32>
  return
}

// -----

func.func @scatter_c2_shared(%x: tensor<4x3xf32>, %i: tensor<2x1xi64>, %u: tensor<2x5xf32>) {
  // expected-error @+2 {{updates 'tensor<2x5xf32>' do not fit}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = amp.scatter_add %u into %x[%i] along 0 : (tensor<4x3xf32>, tensor<2x1xi64>, tensor<2x5xf32>) -> tensor<4x3xf32>
  return
}
