// RUN: ampc-opt %s --amp-make-training-step --split-input-file | FileCheck %s

// A step that arrives differentiated. What its optimizers read is marked by the import; the seed is
// the constant 1 that all gradients are multiples of. It is marked at that use alone, its ops are
// no longer kept in f32, and the loss comes before it.

amp.variable parameter @w : tensor<2x3xf32> {from_model, trained}
func.func @main() {
  return
}
// CHECK-LABEL: func.func @train
// CHECK-NOT: amp.unscalable
// CHECK: %[[ONE:.*]] = amp.constant dense<1.000000e+00> : tensor<f32>
// CHECK: %[[MORE:.*]] = amp.add %{{.*}}, %[[ONE]]
// CHECK: %[[LOSS:.*]] = amp.reduce_mean
// CHECK: %[[SEED:.*]] = amp.seed %[[ONE]] of %[[LOSS]] : tensor<f32>, tensor<f32>
// CHECK: %[[D:.*]] = amp.mul %[[MORE]], %[[SEED]] :
// CHECK: %[[Z:.*]] = amp.where %arg1, %[[D]],
// CHECK: %[[G:.*]] = amp.matmul
// CHECK: amp.parameter_gradient %[[G]] by
func.func @train(%x: tensor<4x2xf32>, %mask: tensor<4x3xi1>) -> tensor<f32> {
  %w = amp.read @w : tensor<2x3xf32>
  %one = amp.constant dense<1.0> : tensor<f32>
  %zero = amp.constant dense<0.0> : tensor<f32>
  %y = amp.matmul %x, %w : (tensor<4x2xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
  %more = amp.add %y, %one : (tensor<4x3xf32>, tensor<f32>) -> tensor<4x3xf32>
  %d = amp.mul %more, %one {amp.precision = {category = "f32", reason = "training_info"}} : (tensor<4x3xf32>, tensor<f32>) -> tensor<4x3xf32>
  %z = amp.where %mask, %d, %zero : (tensor<4x3xi1>, tensor<4x3xf32>, tensor<f32>) -> tensor<4x3xf32>
  %t = amp.transpose %x [1, 0] : (tensor<4x2xf32>) -> tensor<2x4xf32>
  %g = amp.matmul %t, %z : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %p = amp.parameter_gradient %g by %w : tensor<2x3xf32>
  %new = amp.sub %w, %p : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  amp.assign @w, %new : tensor<2x3xf32>
  %loss = amp.reduce_mean %y [0, 1] : (tensor<4x3xf32>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// What is clipped is no multiple: the scale would change it.

amp.variable parameter @w : tensor<4xf32> {from_model, trained}
func.func @main() {
  return
}
// CHECK-LABEL: func.func @train
// CHECK-SAME: amp.unscalable = "there is no constant 1 that all gradients, and nothing else, are multiples of"
// CHECK-NOT: amp.seed
// CHECK: amp.parameter_gradient
func.func @train() -> tensor<f32> {
  %w = amp.read @w : tensor<4xf32>
  %one = amp.constant dense<1.0> : tensor<f32>
  %g = amp.mul %w, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %clipped = amp.min %g, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %p = amp.parameter_gradient %clipped by %w : tensor<4xf32>
  amp.assign @w, %p : tensor<4xf32>
  %loss = amp.reduce_mean %w [0] : (tensor<4xf32>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Nor is it hidden: an output shows a gradient.

amp.variable parameter @w : tensor<4xf32> {from_model, trained}
func.func @main() {
  return
}
// CHECK-LABEL: func.func @train
// CHECK-SAME: amp.unscalable = "there is no constant 1
// CHECK-NOT: amp.seed
func.func @train() -> (tensor<f32>, tensor<4xf32>) {
  %w = amp.read @w : tensor<4xf32>
  %one = amp.constant dense<1.0> : tensor<f32>
  %g = amp.mul %w, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %p = amp.parameter_gradient %g by %w : tensor<4xf32>
  amp.assign @w, %p : tensor<4xf32>
  %loss = amp.reduce_mean %w [0] : (tensor<4xf32>) -> tensor<f32>
  return %loss, %g : tensor<f32>, tensor<4xf32>
}

// -----

// One of two gradients is a multiple of the constant.

amp.variable parameter @w : tensor<4xf32> {from_model, trained}
amp.variable parameter @v : tensor<4xf32> {from_model, trained}
func.func @main() {
  return
}
// CHECK-LABEL: func.func @train
// CHECK-SAME: amp.unscalable = "there is no constant 1
// CHECK-NOT: amp.seed
func.func @train() -> tensor<f32> {
  %w = amp.read @w : tensor<4xf32>
  %v = amp.read @v : tensor<4xf32>
  %one = amp.constant dense<1.0> : tensor<f32>
  %g = amp.mul %w, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %p = amp.parameter_gradient %g by %w : tensor<4xf32>
  %q = amp.parameter_gradient %w by %v : tensor<4xf32>
  amp.assign @w, %p : tensor<4xf32>
  amp.assign @v, %q : tensor<4xf32>
  %loss = amp.reduce_mean %w [0] : (tensor<4xf32>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// A parameter that no optimizer node updates: then not all gradients are known, and none counts.

amp.variable parameter @w : tensor<4xf32> {from_model, trained}
amp.variable parameter @v : tensor<4xf32> {from_model, trained}
func.func @main() {
  return
}
// CHECK-LABEL: func.func @train
// CHECK-SAME: amp.unscalable = "no optimizer node updates 'v'"
// CHECK-NOT: amp.parameter_gradient
func.func @train() -> tensor<f32> {
  %w = amp.read @w : tensor<4xf32>
  %v = amp.read @v : tensor<4xf32>
  %p = amp.parameter_gradient %v by %w : tensor<4xf32>
  amp.assign @w, %p : tensor<4xf32>
  %new = amp.neg %v : tensor<4xf32>
  amp.assign @v, %new : tensor<4xf32>
  %loss = amp.reduce_mean %w [0] : (tensor<4xf32>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// The second gradient waits for the first update: they cannot be unscaled together.

amp.variable parameter @w : tensor<4xf32> {from_model, trained}
amp.variable parameter @v : tensor<4xf32> {from_model, trained}
func.func @main() {
  return
}
// CHECK-LABEL: func.func @train
// CHECK-SAME: amp.unscalable = "a gradient is computed with what another one updates"
// CHECK-NOT: amp.parameter_gradient
func.func @train() -> tensor<f32> {
  %w = amp.read @w : tensor<4xf32>
  %v = amp.read @v : tensor<4xf32>
  %p = amp.parameter_gradient %v by %w : tensor<4xf32>
  %new = amp.sub %w, %p : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %q = amp.parameter_gradient %new by %v : tensor<4xf32>
  amp.assign @w, %new : tensor<4xf32>
  amp.assign @v, %q : tensor<4xf32>
  %loss = amp.reduce_mean %w [0] : (tensor<4xf32>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// Two outputs of one float: neither is known to be the loss.

amp.variable parameter @w : tensor<4xf32> {from_model, trained}
func.func @main() {
  return
}
// CHECK-LABEL: func.func @train
// CHECK-SAME: amp.unscalable = "no output is known to be the loss"
func.func @train() -> (tensor<f32>, tensor<f32>) {
  %w = amp.read @w : tensor<4xf32>
  %one = amp.constant dense<1.0> : tensor<f32>
  %g = amp.mul %w, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %p = amp.parameter_gradient %g by %w : tensor<4xf32>
  amp.assign @w, %p : tensor<4xf32>
  %loss = amp.reduce_mean %w [0] : (tensor<4xf32>) -> tensor<f32>
  %sum = amp.reduce_sum %w [0] : (tensor<4xf32>) -> tensor<f32>
  return %loss, %sum : tensor<f32>, tensor<f32>
}

// -----

// With a Gradient all is known from that.

amp.variable parameter @w : tensor<4xf32> {from_model, trained}
func.func @main() {
  return
}
// CHECK-LABEL: func.func @train
// CHECK-NOT: amp.unscalable
// CHECK-NOT: amp.parameter_gradient
// CHECK: %[[G:.*]] = amp.gradient
// CHECK: amp.assign @w, %[[G]]
func.func @train() -> tensor<f32> {
  %w = amp.read @w : tensor<4xf32>
  %loss = amp.reduce_mean %w [0] : (tensor<4xf32>) -> tensor<f32>
  %g = amp.gradient %loss wrt(%w) : tensor<f32>, (tensor<4xf32>) -> tensor<4xf32>
  %p = amp.parameter_gradient %g by %w : tensor<4xf32>
  amp.assign @w, %p : tensor<4xf32>
  return %loss : tensor<f32>
}

// -----

// Each kind of op that leads from a seed, behind which a quotient takes the second constant 1, not
// the first, which is its divisor.

amp.variable parameter @w : tensor<4x2xf32> {from_model, trained}
func.func @main() {
  return
}
// CHECK-LABEL: func.func @train
// CHECK-NOT: amp.unscalable
// CHECK: %[[SEED:.*]] = amp.seed
// CHECK: amp.div %[[SEED]], %{{.*}} :
// CHECK: amp.parameter_gradient
func.func @train(%indices: tensor<4xi64>) -> tensor<f32> {
  %w = amp.read @w : tensor<4x2xf32>
  %one = amp.constant dense<1.0> : tensor<1xf32>
  %seed = amp.constant dense<1.0> : tensor<f32>
  %loss = amp.reduce_mean %w [0, 1] : (tensor<4x2xf32>) -> tensor<f32>
  %ratio = amp.div %w, %one : (tensor<4x2xf32>, tensor<1xf32>) -> tensor<4x2xf32>
  %q = amp.div %seed, %ratio : (tensor<f32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %n = amp.neg %q : tensor<4x2xf32>
  %s = amp.sub %q, %n : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %i = amp.gather %s[%indices] along 0 : (tensor<4x2xf32>, tensor<4xi64>) -> tensor<4x2xf32>
  %pad = amp.pad %i at [0, 0] in [4, 2] step [1, 1] : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %c = amp.concat %pad, %s along 0 : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %r = amp.reshape %c : tensor<8x2xf32> to tensor<2x4x2xf32>
  %m = amp.reduce_mean %r [0] : (tensor<2x4x2xf32>) -> tensor<4x2xf32>
  %p = amp.parameter_gradient %m by %w : tensor<4x2xf32>
  amp.assign @w, %p : tensor<4x2xf32>
  return %loss : tensor<f32>
}

// -----

// Padding by another number than 0 is no multiple.

amp.variable parameter @w : tensor<4xf32> {from_model, trained}
func.func @main() {
  return
}
// CHECK-LABEL: func.func @train
// CHECK-SAME: amp.unscalable
func.func @train() -> tensor<f32> {
  %w = amp.read @w : tensor<4xf32>
  %one = amp.constant dense<1.0> : tensor<f32>
  %loss = amp.reduce_mean %w [0] : (tensor<4xf32>) -> tensor<f32>
  %g = amp.mul %w, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %s = amp.slice %g from [1] size [3] step [1] : (tensor<4xf32>) -> tensor<3xf32>
  %pad = amp.pad %s at [1] in [4] step [1] {value = 1.5} : (tensor<3xf32>) -> tensor<4xf32>
  %p = amp.parameter_gradient %pad by %w : tensor<4xf32>
  amp.assign @w, %p : tensor<4xf32>
  return %loss : tensor<f32>
}
