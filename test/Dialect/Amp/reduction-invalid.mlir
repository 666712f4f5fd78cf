// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @axis_out_of_range(%x: tensor<2x3xf32>) {
  // expected-error@+2 {{axes must be sorted, distinct and in [0, 2) for 'tensor<2x3xf32>', but one is 2}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.reduce_sum %x [0, 2] : (tensor<2x3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @axis_twice(%x: tensor<2x3xf32>) {
  // expected-error@+2 {{axes must be sorted, distinct and in [0, 2) for 'tensor<2x3xf32>', but one is 1}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.reduce_max %x [1, 1] : (tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @cum_sum_c1(%x: tensor<2x3xf32>) {
  // expected-error@+2 {{axis 2 is out of range for 'tensor<2x3xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.cum_sum %x along 2 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}
