// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @roi_align_c1(%x: tensor<2x3x5x6xf32>, %r: tensor<4x4xf32>, %i: tensor<3xi64>) {
  // expected-error@+2 {{regions 'tensor<4x4xf32>' of 'tensor<3xi64>' do not fit images 'tensor<2x3x5x6xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.roi_align %x in %r of %i size 2 by 2 samples 0 scale 0.5 : (tensor<2x3x5x6xf32>, tensor<4x4xf32>, tensor<3xi64>) -> tensor<4x3x2x2xf32>
  return
}

// -----

func.func @roi_align_c2(%x: tensor<2x3x5x6xf32>, %r: tensor<4x4xf32>, %i: tensor<4xi64>) {
  // expected-error@+2 {{has 0 by 2 bins with 0 samples}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.roi_max %x in %r of %i size 0 by 2 samples 0 scale 0.5 : (tensor<2x3x5x6xf32>, tensor<4x4xf32>, tensor<4xi64>) -> tensor<4x3x0x2xf32>
  return
}
