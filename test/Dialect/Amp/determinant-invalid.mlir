// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @det_c1(%x: tensor<2x3x4xf32>) {
  // expected-error@+2 {{'tensor<2x3x4xf32>' are no square matrices of at most 64 rows}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.det %x : (tensor<2x3x4xf32>) -> tensor<2xf32>
  return
}
