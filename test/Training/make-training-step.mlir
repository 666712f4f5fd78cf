// RUN: ampc-opt %s --amp-make-training-step | FileCheck %s
// RUN: ampc-opt %s --amp-make-training-step="optimizer=sgd settings=lr=0.5,weight-decay=0.25 clip-grad-norm=1" | FileCheck %s --check-prefix=SGD
// RUN: not ampc-opt %s --amp-make-training-step="optimizer=adamax" 2>&1 | FileCheck %s --check-prefix=NONE

// NONE: error: --optimizer=adamax: no such optimizer; there are adafactor, adagrad, adam, adamw, adamw_hf, lamb, lion, momentum, nadam, nesterov, rmsprop, sgd

// CHECK-DAG: amp.variable scalar @ampc.learning_rate : tensor<f32> {initial = dense<1.000000e-03>
// CHECK-DAG: amp.variable state @"ampc.exp_avg/w" : tensor<4xf32> {initial = dense<0.000000e+00>
// CHECK-DAG: amp.variable state @"ampc.exp_avg_sq/w"
// CHECK-NOT: ampc.exp_avg/frozen
// SGD: initial = dense<5.000000e-01>
amp.variable parameter @w : tensor<4xf32> {trained, from_model}
amp.variable parameter @frozen : tensor<4xf32> {from_model}

// @main in inference mode is @eval; @train gives no results.

// CHECK: func.func @eval(%{{.*}}) -> (tensor<f32>
// CHECK: func.func @train(%{{[a-z0-9]+}}: tensor<4xf32> {amp.name = "x"}) {
// CHECK: %[[W:.*]] = amp.read @w
// CHECK: %[[G:.*]] = amp.gradient %{{.*}} wrt(%[[W]])
// CHECK: %[[NEW:.*]]:3 = amp.adam %[[W]], %[[G]]
// CHECK: amp.assign @w, %[[NEW]]#0
// CHECK: amp.assign @"ampc.exp_avg/w", %[[NEW]]#1
// CHECK: amp.assign @"ampc.exp_avg_sq/w", %[[NEW]]#2
// CHECK: amp.record_stats
// SGD: func.func @train
// SGD: %[[C:.*]], %[[NORM:.*]] = amp.clip_grad_norm
// SGD: amp.sgd %{{.*}}, %[[C]] rate
func.func @main(%x: tensor<4xf32> {amp.name = "x"}) -> (tensor<f32> {amp.name = "loss", amp.loss}) {
  %w = amp.read @w : tensor<4xf32>
  %f = amp.read @frozen : tensor<4xf32>
  %a = amp.mul %w, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %b = amp.mul %a, %f : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %l = amp.reduce_sum %b [0] : (tensor<4xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
