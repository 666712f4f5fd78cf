// RUN: ampc-opt %s --amp-scale-loss | FileCheck %s
// RUN: ampc-opt %s --amp-scale-loss="mode=check" | FileCheck %s --check-prefix=ONLY
// RUN: ampc-opt %s --amp-scale-loss="mode=check check-finite=false" | FileCheck %s --check-prefix=OFF
// RUN: ampc-opt %s --amp-autocast | FileCheck %s --check-prefix=CAST

// A step that arrives differentiated: the scale enters at its seed, and leaves what its optimizers
// read; all gradients are looked at together, before the first update.

amp.variable parameter @v : tensor<2x3xf32> {from_model, trained}
amp.variable parameter @w : tensor<3xf32> {from_model, trained}

// CHECK-LABEL: func.func @train
// CHECK-SAME: amp.gradients = ["w", "v"]
// CHECK: %[[S:.*]] = amp.read @ampc.loss_scale
// CHECK: %[[L:.*]] = amp.scale_loss %{{.*}} by %[[S]]
// CHECK: %[[D:.*]] = amp.mul %{{.*}}, %[[L]]
// CHECK: %[[G:.*]] = amp.reduce_sum %[[D]]
// CHECK: %[[U:.*]]:2, %[[FOUND:.*]], %{{.*}} = amp.unscale(%[[G]], %{{.*}}) by %[[S]]
// CHECK-DAG: amp.sub %{{.*}}, %[[U]]#0
// CHECK-DAG: amp.sub %{{.*}}, %[[U]]#1
// CHECK: amp.update_scale %[[S]], %{{.*}}, %[[FOUND]]
// CHECK-NOT: amp.seed
// CHECK-NOT: amp.parameter_gradient

// ONLY-LABEL: func.func @train
// ONLY: %[[ONE:.*]] = amp.constant
// ONLY: amp.mul %{{.*}}, %[[ONE]]
// ONLY: amp.unscale(%{{[^)]*}}) :
// ONLY-NOT: amp.parameter_gradient

// OFF-LABEL: func.func @train
// OFF-NOT: amp.seed
// OFF-NOT: amp.unscale
// OFF-NOT: amp.parameter_gradient
// OFF: return

// From the seed to the first op that computes in f16, and from the last one to a gradient, it is
// f32; that one gives its accumulator. @other holds what is no gradient.

// CAST-LABEL: func.func @train
// CAST: %[[Y:.*]] = amp.matmul {{.*}} -> tensor<4x3xf16>
// CAST: %[[D:.*]] = amp.mul %{{.*}}, %{{.*}} : (tensor<4x3xf32>, tensor<f32>) -> tensor<4x3xf32>
// CAST: amp.reduce_sum %[[D]] [0] : (tensor<4x3xf32>)
// CAST: %[[G:.*]] = amp.matmul %{{.*}}, %{{.*}} {wide} : (tensor<3x4xf16>, tensor<4x2xf16>) -> tensor<3x2xf32>
// CAST: %[[T:.*]] = amp.transpose %[[G]] [1, 0] : (tensor<3x2xf32>)
// CAST: amp.parameter_gradient %[[T]]
// CAST-LABEL: func.func @other
// CAST: amp.matmul {{.*}} -> tensor<3x2xf16>
// CAST: amp.transpose
func.func @train(%x: tensor<4x2xf32>, %m: tensor<2x3xf32>) {
  %v = amp.read @v : tensor<2x3xf32>
  %w = amp.read @w : tensor<3xf32>
  %y = amp.matmul %x, %m : (tensor<4x2xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
  %loss = amp.reduce_mean %y [0, 1] : (tensor<4x3xf32>) -> tensor<f32>
  %one = amp.constant dense<1.0> : tensor<f32>
  %seed = amp.seed %one of %loss : tensor<f32>, tensor<f32>
  %d = amp.mul %y, %seed : (tensor<4x3xf32>, tensor<f32>) -> tensor<4x3xf32>
  %g = amp.reduce_sum %d [0] : (tensor<4x3xf32>) -> tensor<3xf32>
  %p = amp.parameter_gradient %g by %w : tensor<3xf32>
  %new = amp.sub %w, %p : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  amp.assign @w, %new : tensor<3xf32>
  %dt = amp.transpose %d [1, 0] : (tensor<4x3xf32>) -> tensor<3x4xf32>
  %f = amp.matmul %dt, %x : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
  %ft = amp.transpose %f [1, 0] : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %q = amp.parameter_gradient %ft by %v : tensor<2x3xf32>
  %other = amp.sub %v, %q : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  amp.assign @v, %other : tensor<2x3xf32>
  return
}
func.func @other(%dt: tensor<3x4xf32>, %x: tensor<4x2xf32>) -> tensor<2x3xf32> {
  %f = amp.matmul %dt, %x : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
  %ft = amp.transpose %f [1, 0] : (tensor<3x2xf32>) -> tensor<2x3xf32>
  return %ft : tensor<2x3xf32>
}
