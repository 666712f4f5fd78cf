// RUN: ampc-opt %s --amp-scale-loss --verify-diagnostics --split-input-file

// A step spelled out in standard ops has no seed for the scale.

// expected-error @+1 {{the training step holds no Gradient whose seed a loss scale could enter; f16 needs --loss-scale=none here}}
func.func @train(%x: tensor<4xf32>) {
  return
}

// -----

amp.variable parameter @w : tensor<f16> {trained, from_model}
func.func @train() {
  %w = amp.read @w : tensor<f16>
  %l = amp.mul %w, %w : (tensor<f16>, tensor<f16>) -> tensor<f16>
  // expected-error @+1 {{differentiates a value of 'tensor<f16>'}}
  %g = amp.gradient %l wrt(%w) : tensor<f16>, (tensor<f16>) -> tensor<f16>
  return
}

// -----

// Why not, is said where it is known.

// expected-error @+2 {{the training step holds no Gradient whose seed a loss scale could enter; f16 needs --loss-scale=none here}}
// expected-note @+1 {{nor is its own backward pass known well enough: no output is known to be the loss}}
func.func @train(%x: tensor<4xf32>) attributes {amp.unscalable = "no output is known to be the loss"} {
  return
}
