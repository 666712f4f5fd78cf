// RUN: ampc-opt %s -split-input-file -verify-diagnostics

// attention_c1
func.func @layout(%q: tensor<1x2x6x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{the layout 'bhdr' is none of b, h, r and, last, d}}
  %y, %m, %s = "amp.attention"(%q, %q, %q)
      <{layouts = ["bhrd", "bhdr", "bhrd", "bhrd"], scale = 1.0, operandSegmentSizes = array<i32: 3, 0, 0, 0, 0>}>
      : (tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>)
      -> (tensor<1x2x6x8xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return
}

// -----

// attention_c1
func.func @layouts(%q: tensor<1x2x6x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{has 3 layouts, not one for each input and the output}}
  %y, %m, %s = "amp.attention"(%q, %q, %q)
      <{layouts = ["bhrd", "bhrd", "bhrd"], scale = 1.0, operandSegmentSizes = array<i32: 3, 0, 0, 0, 0>}>
      : (tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>)
      -> (tensor<1x2x6x8xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return
}

// -----

// attention_c1
func.func @inputs(%q: tensor<1x2x6x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{has 2 inputs, but should have 1 or 3}}
  %y, %m, %s = "amp.attention"(%q, %q)
      <{layouts = ["bhrd", "bhrd", "bhrd"], scale = 1.0, operandSegmentSizes = array<i32: 2, 0, 0, 0, 0>}>
      : (tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>)
      -> (tensor<1x2x6x8xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return
}

// -----

// attention_c1
func.func @rank(%q: tensor<2x6x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{an input has rank 3, but the layout 'bhrd'}}
  %y, %m, %s = "amp.attention"(%q, %q, %q)
      <{layouts = ["bhrd", "bhrd", "bhrd", "bhrd"], scale = 1.0, operandSegmentSizes = array<i32: 3, 0, 0, 0, 0>}>
      : (tensor<2x6x8xf32>, tensor<2x6x8xf32>, tensor<2x6x8xf32>)
      -> (tensor<1x2x6x8xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return
}

// -----

// attention_c2
func.func @heads(%q: tensor<1x3x6x8xf32>, %k: tensor<1x2x6x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{query, key and value do not fit together: tensor<1x3x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>}}
  %y, %m, %s = "amp.attention"(%q, %k, %k)
      <{layouts = ["bhrd", "bhrd", "bhrd", "bhrd"], scale = 1.0, operandSegmentSizes = array<i32: 3, 0, 0, 0, 0>}>
      : (tensor<1x3x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>)
      -> (tensor<1x3x6x8xf32>, tensor<1x3x6xf32>, tensor<1x3x6xf32>)
  return
}

// -----

// attention_c2
func.func @mask(%q: tensor<1x2x6x8xf32>, %mask: tensor<1x1x6x5xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{'tensor<1x1x6x5xf32>' does not broadcast to the scores, [1, 2, 6, 6]}}
  %y, %m, %s = "amp.attention"(%q, %q, %q, %mask)
      <{layouts = ["bhrd", "bhrd", "bhrd", "bhrd"], scale = 1.0, operandSegmentSizes = array<i32: 3, 1, 0, 0, 0>}>
      : (tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x1x6x5xf32>)
      -> (tensor<1x2x6x8xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return
}

// -----

// attention_c3
func.func @types(%q: tensor<1x2x6x8xf16>, %k: tensor<1x2x6x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{the inputs have several element types}}
  %y, %m, %s = "amp.attention"(%q, %k, %k)
      <{layouts = ["bhrd", "bhrd", "bhrd", "bhrd"], scale = 1.0, operandSegmentSizes = array<i32: 3, 0, 0, 0, 0>}>
      : (tensor<1x2x6x8xf16>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>)
      -> (tensor<1x2x6x8xf16>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return
}

// -----

// attention_c3
func.func @mask_type(%q: tensor<1x2x6x8xf16>, %mask: tensor<1x1x6x6xf16>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{the mask is 'tensor<1x1x6x6xf16>', but the scores are 'f32'}}
  %y, %m, %s = "amp.attention"(%q, %q, %q, %mask)
      <{layouts = ["bhrd", "bhrd", "bhrd", "bhrd"], scale = 1.0, operandSegmentSizes = array<i32: 3, 1, 0, 0, 0>}>
      : (tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>, tensor<1x2x6x8xf16>, tensor<1x1x6x6xf16>)
      -> (tensor<1x2x6x8xf16>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return
}

// -----

// attention_c4
func.func @off(%q: tensor<1x2x6x8xf32>, %on: tensor<1x1x6x6xi1>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{has a condition, but no 'off'}}
  %y, %m, %s = "amp.attention"(%q, %q, %q, %on)
      <{layouts = ["bhrd", "bhrd", "bhrd", "bhrd"], scale = 1.0, operandSegmentSizes = array<i32: 3, 0, 1, 0, 0>}>
      : (tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x1x6x6xi1>)
      -> (tensor<1x2x6x8xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return
}

// -----

func.func @gradient(%g: tensor<1x6x2x8xf32>, %q: tensor<1x2x6x8xf32>, %rows: tensor<1x2x6xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{has the gradient 'tensor<1x6x2x8xf32>', with}}
  %d:3 = "amp.attention_grad"(%g, %rows, %rows, %rows, %q, %q, %q)
      <{layouts = ["bhrd", "bhrd", "bhrd", "bhrd"], scale = 1.0, operandSegmentSizes = array<i32: 1, 1, 1, 1, 3, 0, 0, 0, 0>}>
      : (tensor<1x6x2x8xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>,
         tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>)
      -> (tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>)
  return
}

// -----

// attention_c4
func.func @seed(%q: tensor<1x2x6x8xf32>, %seed: tensor<i64>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{has some of seed, attempt, 'ratio' and 'stream', not all}}
  %y, %m, %s = "amp.attention"(%q, %q, %q, %seed, %seed)
      <{layouts = ["bhrd", "bhrd", "bhrd", "bhrd"], scale = 1.0, ratio = 0.5, operandSegmentSizes = array<i32: 3, 0, 0, 1, 1>}>
      : (tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<i64>, tensor<i64>)
      -> (tensor<1x2x6x8xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return
}

// -----

// attention_c4
func.func @ratio(%q: tensor<1x2x6x8xf32>, %seed: tensor<i64>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{has the ratio 1.5}}
  %y, %m, %s = "amp.attention"(%q, %q, %q, %seed, %seed)
      <{layouts = ["bhrd", "bhrd", "bhrd", "bhrd"], scale = 1.0, ratio = 1.5, stream = 1, operandSegmentSizes = array<i32: 3, 0, 0, 1, 1>}>
      : (tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<1x2x6x8xf32>, tensor<i64>, tensor<i64>)
      -> (tensor<1x2x6x8xf32>, tensor<1x2x6xf32>, tensor<1x2x6xf32>)
  return
}
