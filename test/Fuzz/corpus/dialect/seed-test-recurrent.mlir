
func.func @simple(%x: tensor<5x2x4xf16>, %r: tensor<4x4xf16>, %h: tensor<2x4xf16>)
    -> tensor<5x2x4xf16> {
  // CHECK: amp.recurrence simple(tanh) %arg0, %arg1 from %arg2 : (tensor<5x2x4xf16>, tensor<4x4xf16>, tensor<2x4xf16>) -> (tensor<5x2x4xf16>, tensor<2x4xf16>, tensor<5x2x4xf16>)
  %y:3 = amp.recurrence simple(tanh) %x, %r from %h
      : (tensor<5x2x4xf16>, tensor<4x4xf16>, tensor<2x4xf16>)
      -> (tensor<5x2x4xf16>, tensor<2x4xf16>, tensor<5x2x4xf16>)
  return %y#0 : tensor<5x2x4xf16>
}

func.func @lstm(%x: tensor<5x2x16xf16>, %r: tensor<16x4xf16>, %h: tensor<2x4xf16>,
                %c: tensor<2x4xf32>, %p: tensor<3x4xf32>, %n: tensor<2xi32>)
    -> (tensor<2x4xf16>, tensor<2x4xf32>) {
  // CHECK: amp.recurrence lstm(sigmoid, tanh, leaky_relu) %arg0, %arg1 from %arg2 cell %arg3 peepholes %arg4 lengths %arg5 {alphas = array<f32: {{.*}}>, betas = array<f32: {{.*}}>, clip = 3.000000e+00 : f32, reversed}
  %y:8 = amp.recurrence lstm(sigmoid, tanh, leaky_relu) %x, %r from %h cell %c peepholes %p
      lengths %n {alphas = array<f32: 1.0, 1.0, 0.5>, betas = array<f32: 0.0, 0.0, 0.0>,
                  clip = 3.0 : f32, reversed}
      : (tensor<5x2x16xf16>, tensor<16x4xf16>, tensor<2x4xf16>, tensor<2x4xf32>, tensor<3x4xf32>,
         tensor<2xi32>)
      -> (tensor<5x2x4xf16>, tensor<2x4xf16>, tensor<2x4xf32>, tensor<5x2x4xf32>,
          tensor<5x2x4xf16>, tensor<5x2x4xf16>, tensor<5x2x4xf16>, tensor<5x2x4xf16>)
  return %y#1, %y#2 : tensor<2x4xf16>, tensor<2x4xf32>
}

func.func @gru(%x: tensor<5x2x12xf32>, %r: tensor<12x4xf32>, %h: tensor<2x4xf32>,
               %b: tensor<4xf32>) -> tensor<5x2x4xf32> {
  // CHECK: amp.recurrence linear_gru(sigmoid, tanh) %arg0, %arg1 from %arg2 bias %arg3 :
  %y:6 = amp.recurrence linear_gru(sigmoid, tanh) %x, %r from %h bias %b
      : (tensor<5x2x12xf32>, tensor<12x4xf32>, tensor<2x4xf32>, tensor<4xf32>)
      -> (tensor<5x2x4xf32>, tensor<2x4xf32>, tensor<5x2x4xf32>, tensor<5x2x4xf32>,
          tensor<5x2x4xf32>, tensor<5x2x4xf32>)
  return %y#0 : tensor<5x2x4xf32>
}

func.func @gradient(%g: tensor<5x2x4xf16>, %y: tensor<5x2x4xf16>, %r: tensor<4x4xf16>)
    -> (tensor<5x2x4xf16>, tensor<2x4xf32>) {
  // CHECK: amp.recurrence_gradient simple(relu) %arg2 states %arg0 saved %arg1 :
  %d, %h = amp.recurrence_gradient simple(relu) %r states %g saved %y
      : (tensor<4x4xf16>, tensor<5x2x4xf16>, tensor<5x2x4xf16>)
      -> (tensor<5x2x4xf16>, tensor<2x4xf32>)
  return %d, %h : tensor<5x2x4xf16>, tensor<2x4xf32>
}

