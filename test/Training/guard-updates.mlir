// RUN: ampc-opt %s --amp-guard-updates | FileCheck %s

amp.variable parameter @w : tensor<4xf32> {trained, from_model}
amp.variable state @m : tensor<4xf32>
amp.variable scalar @ampc.step : tensor<i64>
amp.variable scalar @ampc.attempt : tensor<i64>

// Masters, state and the count of applied steps wait for a good step; the count of attempts
// goes on.

// CHECK-LABEL: func.func @train
func.func @train(%g: tensor<4xf32>, %n: tensor<i64>) {
  // CHECK: %{{.*}}, %[[FOUND:.*]], %{{.*}} = amp.unscale
  %u, %found, %culprit = amp.unscale(%g) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: amp.assign @ampc.attempt, %arg1
  // CHECK: %[[GOOD:.*]] = amp.equal %[[FOUND]]
  amp.assign @ampc.attempt, %n : tensor<i64>
  // CHECK: %[[OLD:.*]] = amp.read @w
  // CHECK: %[[W:.*]] = amp.where %[[GOOD]], %{{.*}}, %[[OLD]]
  // CHECK: amp.assign @w, %[[W]]
  amp.assign @w, %u : tensor<4xf32>
  // CHECK: amp.where %[[GOOD]]
  // CHECK: amp.assign @m
  amp.assign @m, %u : tensor<4xf32>
  // CHECK: amp.where %[[GOOD]]
  // CHECK: amp.assign @ampc.step
  amp.assign @ampc.step, %n : tensor<i64>
  return
}
