// RUN: ampc-opt %s --amp-accumulate-gradients="count=4" --amp-guard-updates --amp-verify-training | FileCheck %s

amp.variable parameter @w : tensor<4xf32> {trained, from_model}
amp.variable state @mean : tensor<4xf32> {from_model}
amp.variable scalar @ampc.step : tensor<i64>
amp.variable scalar @ampc.attempt : tensor<i64>
amp.variable scalar @ampc.loss_scale : tensor<f32>
amp.variable scalar @ampc.growth_tracker : tensor<i32>
amp.variable derived @ampc.stats : tensor<64x8xf32>

// CHECK-DAG: amp.variable scalar @ampc.micro_batches : tensor<i64> {initial = dense<4> : tensor<i64>}
// CHECK-DAG: amp.variable scalar @ampc.micro_batch : tensor<i64>
// CHECK-DAG: amp.variable state @"ampc.accumulated/w" : tensor<4xf32>
// CHECK-DAG: amp.variable state @"ampc.window/mean" : tensor<4xf32>

// One micro-batch: it has the inputs, and assigns nothing that outlives a window that is skipped.
// CHECK-LABEL: func.func @accumulate
// CHECK-SAME: %[[X:.*]]: tensor<8x4xf32>
// CHECK: %[[MICRO:.*]] = amp.read @ampc.micro_batch
// CHECK: %[[FIRST:.*]] = amp.equal %[[MICRO]]
// The statistics go on from the micro-batch before.
// CHECK-DAG: %[[OLD:.*]] = amp.read @mean
// CHECK-DAG: %[[LAST:.*]] = amp.read @"ampc.window/mean"
// CHECK: %[[NOW:.*]] = amp.where %[[FIRST]], %[[OLD]], %[[LAST]]
// CHECK: amp.assign @"ampc.window/mean"
// CHECK: %[[G:.*]] = amp.gradient
// CHECK: amp.unscale(%[[G]]) :
// CHECK: %[[SUM:.*]] = amp.add %{{.*}}, %[[G]]
// CHECK: %[[NEW:.*]] = amp.where %{{.*}}, %[[G]], %[[SUM]]
// CHECK: amp.assign @"ampc.accumulated/w", %[[NEW]]
// CHECK-NOT: amp.assign @w
// CHECK-NOT: amp.assign @ampc.attempt
// CHECK: amp.assign @ampc.window_flags
// CHECK: amp.assign @ampc.micro_batch

// The update divides by four and moves the scale; the next window begins.
// CHECK-LABEL: func.func @apply()
// CHECK-DAG: %[[TOTAL:.*]] = amp.read @"ampc.accumulated/w"
// CHECK-DAG: %[[FOUR:.*]] = amp.constant dense<4.000000e+00> : tensor<f32>
// CHECK: %[[SCALE:.*]] = amp.mul %{{.*}}, %[[FOUR]]
// CHECK: amp.unscale(%[[TOTAL]]) by %[[SCALE]]
// CHECK: amp.update_scale
// CHECK: %[[MOVED:.*]] = amp.read @"ampc.window/mean"
// CHECK: amp.assign @ampc.micro_batch
// CHECK: %[[FLAGS:.*]] = amp.read @ampc.window_flags
// CHECK: %[[SUM:.*]] = amp.where %{{.*}}, %[[FLAGS]], %{{.*}}
// CHECK: %[[GOOD:.*]] = amp.equal %[[SUM]]
// CHECK: amp.assign @w
// CHECK: %[[MEAN:.*]] = amp.where %[[GOOD]], %[[MOVED]]
// CHECK: amp.assign @mean, %[[MEAN]]
func.func @train(%x: tensor<8x4xf32>) {
  %w = amp.read @w : tensor<4xf32>
  %mean = amp.read @mean : tensor<4xf32>
  %scale = amp.read @ampc.loss_scale : tensor<f32>
  %moved = amp.add %mean, %mean : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  amp.assign @mean, %moved : tensor<4xf32>
  %y = amp.mul %x, %w : (tensor<8x4xf32>, tensor<4xf32>) -> tensor<8x4xf32>
  %loss = amp.reduce_mean %y [0, 1] : (tensor<8x4xf32>) -> tensor<f32>
  %scaled = amp.scale_loss %loss by %scale : tensor<f32>
  %g = amp.gradient %scaled wrt(%w) : tensor<f32>, (tensor<4xf32>) -> tensor<4xf32>
  %u, %found, %culprit = amp.unscale(%g) by %scale : (tensor<4xf32>) -> tensor<4xf32>
  amp.assign @w, %u : tensor<4xf32>
  %attempt = amp.read @ampc.attempt : tensor<i64>
  %one = amp.constant dense<1> : tensor<i64>
  %next = amp.add %attempt, %one : (tensor<i64>, tensor<i64>) -> tensor<i64>
  amp.assign @ampc.attempt, %next : tensor<i64>
  %tracker = amp.read @ampc.growth_tracker : tensor<i32>
  %scale2, %tracker2 = amp.update_scale %scale, %tracker, %found {growth = 2.0, backoff = 0.5, interval = 2000 : i32} : tensor<i32>
  amp.assign @ampc.loss_scale, %scale2 : tensor<f32>
  amp.assign @ampc.growth_tracker, %tracker2 : tensor<i32>
  %nan = amp.constant dense<0x7FC00000> : tensor<f32>
  %ring = amp.read @ampc.stats : tensor<64x8xf32>
  %record = amp.record_stats %ring at %attempt(%loss, %scale, %nan, %nan, %nan, %nan, %culprit, %scale2) : tensor<64x8xf32>
  amp.assign @ampc.stats, %record : tensor<64x8xf32>
  return
}
