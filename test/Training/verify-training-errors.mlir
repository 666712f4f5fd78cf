// RUN: ampc-opt %s --amp-verify-training --split-input-file --verify-diagnostics

// expected-error @+1 {{'amp.variable' op is a trained parameter of 'tensor<4xf16>'; masters are f32 or f64}}
amp.variable parameter @low_precision_master_c1 : tensor<4xf16> {trained, from_model}
amp.variable parameter @frozen_may_be_low : tensor<4xf16> {from_model}

// -----

func.func @clip_before_unscale_scaling_c1(%w: tensor<4xf32>, %l: tensor<f32>, %s: tensor<f32>) -> tensor<f32> {
  %scaled = amp.scale_loss %l by %s : tensor<f32>
  %g = amp.gradient %scaled wrt(%w) : tensor<f32>, (tensor<4xf32>) -> tensor<4xf32>
  // expected-error @+1 {{'amp.clip_grad_norm' op reads a gradient of the scaled loss before it is unscaled}}
  %c, %n = amp.clip_grad_norm(%g) {max_norm = 1.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %u, %found, %culprit = amp.unscale(%c) by %s : (tensor<4xf32>) -> tensor<4xf32>
  return %found : tensor<f32>
}

// -----

func.func @unscaled_twice_scaling_c2(%w: tensor<4xf32>, %l: tensor<f32>, %s: tensor<f32>) -> tensor<f32> {
  %scaled = amp.scale_loss %l by %s : tensor<f32>
  %g = amp.gradient %scaled wrt(%w) : tensor<f32>, (tensor<4xf32>) -> tensor<4xf32>
  %u, %found, %culprit = amp.unscale(%g) by %s : (tensor<4xf32>) -> tensor<4xf32>
  // expected-error @+1 {{'amp.unscale' op unscales a gradient that is unscaled already}}
  %v, %found2, %culprit2 = amp.unscale(%u) by %s : (tensor<4xf32>) -> tensor<4xf32>
  return %found2 : tensor<f32>
}

// -----

func.func @summed_in_16_bits_gradient_c1(%a: tensor<4xf16>, %b: tensor<4xf16>) -> tensor<f32> {
  // expected-note @+1 {{summed here, in 'tensor<4xf16>'}}
  %sum = amp.add %a, %b : (tensor<4xf16>, tensor<4xf16>) -> tensor<4xf16>
  %wide = amp.cast %sum {inserted} : tensor<4xf16> to tensor<4xf32>
  // expected-error @+1 {{'amp.unscale' op reads a gradient that was summed in 16 bits}}
  %u, %found, %culprit = amp.unscale(%wide) : (tensor<4xf32>) -> tensor<4xf32>
  return %found : tensor<f32>
}

// -----

amp.variable state @v : tensor<4xf32>
func.func @assigned_twice_assign_c1(%a: tensor<4xf32>) {
  amp.assign @v, %a : tensor<4xf32>
  // expected-error @+1 {{'amp.assign' op is the second to variable @v}}
  amp.assign @v, %a : tensor<4xf32>
  return
}
