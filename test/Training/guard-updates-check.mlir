// RUN: ampc-opt %s --split-input-file --amp-guard-updates | FileCheck %s --check-prefixes=CHECK,PLAIN
// RUN: ampc-opt %s --split-input-file --amp-guard-updates="check-finite" | FileCheck %s --check-prefixes=CHECK,FINITE

// Two Gradient nodes that both overflow are one flag: a sum would be that of a bad label. The
// second one's culprits are counted behind the two of the first.

amp.variable parameter @w : tensor<4xf32> {trained, from_model}
amp.variable scalar @ampc.attempt : tensor<i64>
amp.variable derived @ampc.stats : tensor<64x8xf32>

// CHECK-LABEL: func.func @train
func.func @train(%a: tensor<4xf32>, %b: tensor<4xf32>, %x: tensor<f32>, %norm: tensor<f32>, %n: tensor<i64>, %ring: tensor<64x8xf32>) {
  // CHECK: %{{.*}}:2, %[[FOUND0:.*]], %[[CULPRIT0:.*]] = amp.unscale
  // CHECK: %{{.*}}, %[[FOUND1:.*]], %[[CULPRIT1:.*]] = amp.unscale
  %u:2, %found, %culprit = amp.unscale(%a, %a) : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  %v, %found2, %culprit2 = amp.unscale(%b) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: %[[FOUND:.*]] = amp.max %[[FOUND0]], %[[FOUND1]]
  // CHECK: %[[TWO:.*]] = amp.constant dense<2.0{{.*}}>
  // CHECK: %[[SHIFTED:.*]] = amp.add %[[CULPRIT1]], %[[TWO]]
  // CHECK: %[[SECOND:.*]] = amp.where %{{.*}}, %[[SHIFTED]], %[[CULPRIT1]]
  // CHECK: %[[CULPRIT:.*]] = amp.where %{{.*}}, %[[CULPRIT0]], %[[SECOND]]
  // The norm that clips is looked at where gradients are, the loss where nothing is scaled.
  // CHECK: amp.abs %arg3
  // FINITE: amp.abs %arg2
  // PLAIN-NOT: amp.abs %arg2
  // CHECK: amp.record_stats %{{.*}} at %{{.*}}(%arg2, %{{.*}}, %{{.*}}, %arg3, %{{.*}}, %{{.*}}, %[[CULPRIT]], %{{.*}})
  amp.assign @w, %v : tensor<4xf32>
  %r = amp.record_stats %ring at %n (%x, %x, %x, %norm, %x, %x, %x, %x) : tensor<64x8xf32>
  amp.assign @ampc.stats, %r : tensor<64x8xf32>
  return
}

// -----

// A step spelled out without a Gradient: what would become of the parameters is looked at.

amp.variable parameter @w : tensor<4xf32> {trained, from_model}
amp.variable state @m : tensor<4xf32>

// CHECK-LABEL: func.func @train
// FINITE-SAME: amp.gradients = ["w"]
// PLAIN-NOT: amp.unscale
func.func @train(%new: tensor<4xf32>) {
  // FINITE: amp.unscale(%arg0)
  // FINITE: %[[GOOD:.*]] = amp.equal
  // FINITE: amp.where %[[GOOD]], %arg0
  // CHECK: amp.assign @w
  amp.assign @w, %new : tensor<4xf32>
  amp.assign @m, %new : tensor<4xf32>
  return
}
