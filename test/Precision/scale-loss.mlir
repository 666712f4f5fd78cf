// RUN: ampc-opt %s --amp-scale-loss | FileCheck %s
// RUN: ampc-opt %s --amp-scale-loss="mode=static initial=128" | FileCheck %s --check-prefix=STATIC
// RUN: ampc-opt %s --amp-scale-loss="mode=check" | FileCheck %s --check-prefix=ONLY

amp.variable parameter @w : tensor<4xf32> {trained, from_model}

// CHECK: amp.variable scalar @ampc.loss_scale : tensor<f32> {initial = dense<6.553600e+04> : tensor<f32>}
// CHECK-LABEL: func.func @train
// CHECK-SAME: amp.gradients = ["w"]
// STATIC-LABEL: func.func @train
// ONLY-LABEL: func.func @train
func.func @train(%x: tensor<4xf32>) {
  %w = amp.read @w : tensor<4xf32>
  %p = amp.mul %w, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %l = amp.reduce_sum %p [0] : (tensor<4xf32>) -> tensor<f32>
  // CHECK: %[[S:.*]] = amp.read @ampc.loss_scale
  // CHECK: %[[L:.*]] = amp.scale_loss %{{.*}} by %[[S]]
  // CHECK: %[[G:.*]] = amp.gradient %[[L]] wrt
  // CHECK: %[[U:.*]], %[[FOUND:.*]], %{{.*}} = amp.unscale(%[[G]]) by %[[S]]
  // CHECK: amp.sgd %{{.*}}, %[[U]]
  // CHECK: amp.update_scale %[[S]], %{{.*}}, %[[FOUND]] {backoff = 5.000000e-01 : f64, growth = 2.000000e+00 : f64, interval = 2000 : i32}
  // CHECK: amp.assign @ampc.loss_scale
  // STATIC: amp.constant dense<1.280000e+02>
  // STATIC: amp.unscale
  // STATIC-NOT: amp.update_scale
  // ONLY-NOT: amp.scale_loss
  // ONLY: amp.unscale(%{{.*}}) :
  %g = amp.gradient %l wrt(%w) : tensor<f32>, (tensor<4xf32>) -> tensor<4xf32>
  %lr = amp.constant dense<0.1> : tensor<f32>
  %step = amp.constant dense<0> : tensor<i64>
  %new = amp.sgd %w, %g rate %lr step %step {momentum = 0.0 : f64, dampening = 0.0 : f64, weight_decay = 0.0 : f64} : (tensor<4xf32>, tensor<4xf32>, tensor<f32>, tensor<i64>) -> tensor<4xf32>
  amp.assign @w, %new : tensor<4xf32>
  return
}
