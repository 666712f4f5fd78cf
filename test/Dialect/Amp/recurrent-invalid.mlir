// RUN: ampc-opt %s -split-input-file -verify-diagnostics

// recurrence_c1
func.func @weight(%x: tensor<5x2x4xf32>, %r: tensor<4x3xf32>, %h: tensor<2x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{takes [time, batch, 1 * hidden] and [1 * hidden, hidden], but has}}
  %y:3 = "amp.recurrence"(%x, %r, %h) <{cell = 0 : i32, f = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>}>
      : (tensor<5x2x4xf32>, tensor<4x3xf32>, tensor<2x4xf32>)
      -> (tensor<5x2x4xf32>, tensor<2x4xf32>, tensor<5x2x4xf32>)
  return
}

// -----

// recurrence_c1
func.func @lengths(%x: tensor<5x2x4xf32>, %r: tensor<4x4xf32>, %h: tensor<2x4xf32>,
                   %n: tensor<3xi32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{has lengths 'tensor<3xi32>' of 2 sequences}}
  %y:3 = "amp.recurrence"(%x, %r, %h, %n) <{cell = 0 : i32, f = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 1>}>
      : (tensor<5x2x4xf32>, tensor<4x4xf32>, tensor<2x4xf32>, tensor<3xi32>)
      -> (tensor<5x2x4xf32>, tensor<2x4xf32>, tensor<5x2x4xf32>)
  return
}

// -----

// recurrence_c2
func.func @cell(%x: tensor<5x2x16xf32>, %r: tensor<16x4xf32>, %h: tensor<2x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{lstm begins with a cell state}}
  %y:2 = "amp.recurrence"(%x, %r, %h) <{cell = 1 : i32, f = 2 : i32, g = 0 : i32, h = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>}>
      : (tensor<5x2x16xf32>, tensor<16x4xf32>, tensor<2x4xf32>)
      -> (tensor<5x2x4xf32>, tensor<2x4xf32>)
  return
}

// -----

// recurrence_c3
func.func @functions(%x: tensor<5x2x12xf32>, %r: tensor<12x4xf32>, %h: tensor<2x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{gru has 2 functions, not 1}}
  %y:2 = "amp.recurrence"(%x, %r, %h) <{cell = 3 : i32, f = 2 : i32,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>}>
      : (tensor<5x2x12xf32>, tensor<12x4xf32>, tensor<2x4xf32>)
      -> (tensor<5x2x4xf32>, tensor<2x4xf32>)
  return
}

// -----

// recurrence_gradient_c1
func.func @saved(%y: tensor<5x2x4xf32>, %r: tensor<12x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{gru saves 4 tensors, not 1}}
  %d:3 = "amp.recurrence_gradient"(%r, %y) <{cell = 3 : i32, f = 2 : i32, g = 0 : i32,
      operandSegmentSizes = array<i32: 1, 0, 0, 0, 1, 0, 0, 0, 0>}>
      : (tensor<12x4xf32>, tensor<5x2x4xf32>)
      -> (tensor<5x2x8xf32>, tensor<2x4xf32>, tensor<5x2x4xf32>)
  return
}

// -----

// recurrence_gradient_c2
func.func @before(%y: tensor<5x2x4xf32>, %r: tensor<12x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{gru reads the states before each step}}
  %d:3 = "amp.recurrence_gradient"(%r, %y, %y, %y, %y) <{cell = 3 : i32, f = 2 : i32,
      g = 0 : i32, operandSegmentSizes = array<i32: 1, 0, 0, 0, 4, 0, 0, 0, 0>}>
      : (tensor<12x4xf32>, tensor<5x2x4xf32>, tensor<5x2x4xf32>, tensor<5x2x4xf32>,
         tensor<5x2x4xf32>) -> (tensor<5x2x8xf32>, tensor<2x4xf32>, tensor<5x2x4xf32>)
  return
}
