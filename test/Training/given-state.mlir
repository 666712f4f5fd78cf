// RUN: ampc-opt %s --amp-make-training-step="optimizer=adamw_hf settings=no-bias-correction=1,weight-decay=0.5" | FileCheck %s

// A file that goes on from another run brings what its optimizer kept, and how many steps it took: they
// are used, and the count of this run's steps is another one. It may bring its own @eval as well, whose
// loss is the output of the loss's name.

// CHECK: amp.variable scalar @ampc.step : tensor<i64> {initial = dense<0>
// CHECK: amp.variable state @ampc.optimizer_step : tensor<i64> {initial = dense<7>
// CHECK: amp.variable parameter @w
// CHECK-NEXT: amp.variable state @"ampc.exp_avg_sq/w" : tensor<4xf32> {initial = dense<0.000000e+00>
// CHECK-NEXT: amp.variable state @"ampc.exp_avg/w" : tensor<4xf32> {from_model}
amp.variable state @ampc.optimizer_step : tensor<i64> {initial = dense<7> : tensor<i64>}
amp.variable parameter @w : tensor<4xf32> {trained, from_model}
amp.variable state @"ampc.exp_avg/w" : tensor<4xf32> {from_model}

// CHECK-NOT: func.func @main
// CHECK: func.func @eval(%{{.*}}) -> (tensor<f32> {amp.name = "other"}, tensor<f32> {amp.loss, amp.name = "loss"})
// CHECK: func.func @train(
// CHECK: %[[STEP:.*]] = amp.read @ampc.optimizer_step
// CHECK: amp.assign @ampc.optimizer_step
// CHECK: amp.adam %{{.*}} step %[[STEP]] {{.*}}decoupled, {{.*}}folded, uncorrected, weight_decay = 5.000000e-01
func.func @main(%x: tensor<4xf32> {amp.name = "x"}) -> (tensor<f32> {amp.name = "loss", amp.loss}) {
  %w = amp.read @w : tensor<4xf32>
  %a = amp.mul %w, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %l = amp.reduce_sum %a [0] : (tensor<4xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
func.func @eval(%x: tensor<4xf32> {amp.name = "x"}) -> (tensor<f32> {amp.name = "other"}, tensor<f32> {amp.name = "loss"}) {
  %w = amp.read @w : tensor<4xf32>
  %a = amp.mul %w, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %l = amp.reduce_sum %a [0] : (tensor<4xf32>) -> tensor<f32>
  return %l, %l : tensor<f32>, tensor<f32>
}
