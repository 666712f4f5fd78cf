// RUN: ampc-opt %s -split-input-file -verify-diagnostics

// linear_attention_c1
func.func @key(%q: tensor<5x6x2x4xf32>, %k: tensor<5x6x3xf32>, %v: tensor<5x6x3xf32>,
               %s: tensor<6x4x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{operands do not fit together: 'tensor<5x6x2x4xf32>', 'tensor<5x6x3xf32>'}}
  %y, %state = "amp.linear_attention"(%q, %k, %v, %s)
      <{scale = 1.0, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 1>}>
      : (tensor<5x6x2x4xf32>, tensor<5x6x3xf32>, tensor<5x6x3xf32>, tensor<6x4x3xf32>)
      -> (tensor<5x6x2x3xf32>, tensor<6x4x3xf32>)
  return
}

// -----

// linear_attention_c1
func.func @decay(%q: tensor<5x6x2x4xf32>, %k: tensor<5x6x4xf32>, %v: tensor<5x6x3xf32>,
                 %g: tensor<5x6x2xf32>, %s: tensor<6x4x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{operands do not fit together}}
  %y, %state = "amp.linear_attention"(%q, %k, %v, %g, %s)
      <{scale = 1.0, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 1>}>
      : (tensor<5x6x2x4xf32>, tensor<5x6x4xf32>, tensor<5x6x3xf32>, tensor<5x6x2xf32>,
         tensor<6x4x3xf32>) -> (tensor<5x6x2x3xf32>, tensor<6x4x3xf32>)
  return
}

// -----

// linear_attention_c2
func.func @state(%q: tensor<5x6x2x4xf16>, %k: tensor<5x6x4xf16>, %v: tensor<5x6x3xf16>,
                 %s: tensor<6x4x3xf16>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{operands do not fit together}}
  %y, %state = "amp.linear_attention"(%q, %k, %v, %s)
      <{scale = 1.0, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 1>}>
      : (tensor<5x6x2x4xf16>, tensor<5x6x4xf16>, tensor<5x6x3xf16>, tensor<6x4x3xf16>)
      -> (tensor<5x6x2x3xf16>, tensor<6x4x3xf16>)
  return
}

// -----

func.func @gradient(%dy: tensor<5x6x2x4xf32>, %q: tensor<5x6x2x4xf32>, %k: tensor<5x6x4xf32>,
                    %v: tensor<5x6x3xf32>, %s: tensor<6x4x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{has gradients 'tensor<5x6x2x4xf32>' and 'tensor<6x4x3xf32>' of 'tensor<5x6x2x3xf32>'}}
  %dq, %dk, %dv, %dg, %db, %first = "amp.linear_attention_grad"(%dy, %q, %k, %v, %s, %s)
      <{scale = 1.0, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 1, 1>}>
      : (tensor<5x6x2x4xf32>, tensor<5x6x2x4xf32>, tensor<5x6x4xf32>, tensor<5x6x3xf32>,
         tensor<6x4x3xf32>, tensor<6x4x3xf32>)
      -> (tensor<5x6x2x4xf32>, tensor<5x6x4xf32>, tensor<5x6x3xf32>, tensor<5x6x4xf32>,
          tensor<5x6x1xf32>, tensor<6x4x3xf32>)
  return
}
