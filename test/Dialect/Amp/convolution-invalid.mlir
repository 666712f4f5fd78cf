// RUN: ampc-opt %s -split-input-file -verify-diagnostics

func.func @conv_c1(%x: tensor<2x3x8x8xf32>, %w: tensor<5x3x3x3xf16>) {
  // expected-error@+2 {{operands must have one element type, but are 'tensor<2x3x8x8xf32>' and 'tensor<5x3x3x3xf16>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf16>) -> tensor<2x5x6x6xf32>
  return
}

// -----

func.func @conv_c2(%x: tensor<2x3x8x8xf32>, %w: tensor<5x1x3x3xf32>) {
  // expected-error@+2 {{a filter 'tensor<5x1x3x3xf32>' in 2 groups does not fit the 3 channels of 'tensor<2x3x8x8xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 2 : (tensor<2x3x8x8xf32>, tensor<5x1x3x3xf32>) -> tensor<2x5x6x6xf32>
  return
}

// -----

func.func @conv_c3(%x: tensor<2x3x8x8xf32>, %w: tensor<5x3x3x3xf32>) {
  // expected-error@+2 {{pads [0, -1, 0, 0] must not be negative, two before and two behind}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.conv %x, %w strides [1, 1] pads [0, -1, 0, 0] dilations [1, 1] groups 1 : (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>) -> tensor<2x5x6x5xf32>
  return
}

// -----

func.func @conv_c4(%x: tensor<2x3x8x8xf32>, %w: tensor<5x3x3x3xf32>) {
  // expected-error@+2 {{the filter spans 11 columns, more than the 10 of the input with its pads}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.conv %x, %w strides [1, 1] pads [0, 1, 0, 1] dilations [1, 5] groups 1 : (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>) -> tensor<2x5x6x5xf32>
  return
}

// -----

func.func @numbers_that_overflow(%x: tensor<2x3x8x8xf32>, %w: tensor<5x3x3x3xf32>) {
  // expected-error@+2 {{an extent, stride, dilation or pad is above 2^30: [9223372036854775807, 0, 1, 0]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.conv %x, %w strides [1, 1] pads [9223372036854775807, 0, 1, 0] dilations [1, 1] groups 1 : (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>) -> tensor<2x5x6x5xf32>
  return
}

// -----

func.func @bias(%x: tensor<2x3x8x8xf32>, %w: tensor<5x3x3x3xf32>, %b: tensor<3xf32>) {
  // expected-error@+2 {{the bias must be 'tensor<5xf32>', but is 'tensor<3xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.conv %x, %w bias %b strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>, tensor<3xf32>) -> tensor<2x5x6x6xf32>
  return
}

// -----

func.func @gradient_of_another_shape(%w: tensor<5x3x3x3xf32>, %g: tensor<2x5x6x5xf32>) {
  // expected-error@+1 {{the gradient must be 'tensor<2x5x6x6xf32>', but is 'tensor<2x5x6x5xf32>'}}
  %0 = amp.conv_input_grad %g, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x5x6x5xf32>, tensor<5x3x3x3xf32>) -> tensor<2x3x8x8xf32>
  return
}

// -----

func.func @planned_with_other_channels(%x: tensor<2x3x8x8xf32>, %w: tensor<5x3x3x3xf32>) {
  // expected-error@+1 {{that do not fit 1 groups}}
  %0 = plan.convolution forward %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>) -> tensor<2x4x6x6xf32>
  return
}

// -----

func.func @planned_with_other_extents(%x: tensor<2x3x8x8xf32>, %w: tensor<5x3x3x3xf32>) {
  // expected-error@+1 {{that do not fit along dimension 3}}
  %0 = plan.convolution forward %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x3x8x8xf32>, tensor<5x3x3x3xf32>) -> tensor<2x5x6x7xf32>
  return
}

// -----

func.func @windows_that_overflow(%x: tensor<1x1x1x1xf32>, %w: tensor<1x1x3x3xf32>) {
  // expected-error@+2 {{the windows of a filter 'tensor<1x1x3x3xf32>' on 'tensor<1x1x1x1xf32>' have more than 2^56 elements}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = amp.conv %x, %w strides [1, 1] pads [1073741824, 1073741824, 1073741824, 1073741824] dilations [1, 1] groups 1 : (tensor<1x1x1x1xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x1x1xf32>
  return
}

// -----

func.func @conv_transpose_c1(%x: tensor<2x6x4x4xf32>, %w: tensor<6x5x3x3xf32>) {
  // expected-error@+2 {{a convolution of 'tensor<2x5x12x9xf32>' gives 'tensor<2x6x5x4xf32>', but the input is 'tensor<2x6x4x4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.conv_transpose %x, %w size [12, 9] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x6x4x4xf32>, tensor<6x5x3x3xf32>) -> tensor<2x5x12x9xf32>
  return
}

// -----

func.func @conv_transpose_c2(%x: tensor<2x6x4x4xf32>, %w: tensor<6x5x3x3xf16>) {
  // expected-error@+2 {{operands must have one element type}}
  // expected-error@+1 {{failed to infer returned types}}
  %y = amp.conv_transpose %x, %w size [9, 9] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x6x4x4xf32>, tensor<6x5x3x3xf16>) -> tensor<2x5x9x9xf32>
  return
}
