// RUN: ampc-opt %s --amp-recover-patterns | FileCheck %s
// RUN: ampc-opt %s --amp-recover-patterns --remarks-filter=amp-recover-patterns -remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Attention is two products with a softmax between them: the scale is the first one's, and heads that
// share keys are rows of one matrix.

// REMARK: remark: [Passed] recovered | Category:amp-recover-patterns | Function=amp.softmax
// REMARK-SAME: function=scale_after
// REMARK-SAME: kind=attention

// CHECK-LABEL: @scale_after
func.func @scale_after(%q: tensor<2x4x6x16xf32>, %k: tensor<2x4x5x16xf32>, %v: tensor<2x4x5x8xf32>, %mask: tensor<6x5xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK: %[[S:.*]] = amp.matmul %arg0, %arg1 {alpha = 2.500000e-01 : f64, transpose_rhs}
  // CHECK-NEXT: %[[M:.*]] = amp.add %[[S]], %arg3
  // CHECK-NEXT: %[[P:.*]] = amp.softmax %[[M]] along 3
  // CHECK-NEXT: amp.matmul %[[P]], %arg2 :
  // CHECK-NEXT: return
  %c = amp.constant dense<4.000000e+00> : tensor<f32>
  %s = amp.matmul %q, %k {transpose_rhs} : (tensor<2x4x6x16xf32>, tensor<2x4x5x16xf32>) -> tensor<2x4x6x5xf32>
  %z = amp.div %s, %c : (tensor<2x4x6x5xf32>, tensor<f32>) -> tensor<2x4x6x5xf32>
  %m = amp.add %z, %mask : (tensor<2x4x6x5xf32>, tensor<6x5xf32>) -> tensor<2x4x6x5xf32>
  %p = amp.softmax %m along 3 : tensor<2x4x6x5xf32>
  %y = amp.matmul %p, %v : (tensor<2x4x6x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// A part of the scale with each factor, which constants give.

// CHECK-LABEL: @scale_before
func.func @scale_before(%q: tensor<2x4x6x16xf32>, %k: tensor<2x4x5x16xf32>, %v: tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK-NOT: amp.mul
  // CHECK: %[[T:.*]] = amp.transpose %arg1 [0, 1, 3, 2]
  // CHECK: amp.matmul %arg0, %[[T]] {alpha = 2.500000e-01 : f64}
  %size = amp.constant dense<1.600000e+01> : tensor<1xf32>
  %one = amp.constant dense<1.000000e+00> : tensor<f32>
  %r = amp.sqrt %size : tensor<1xf32>
  %i = amp.div %one, %r : (tensor<f32>, tensor<1xf32>) -> tensor<1xf32>
  %c = amp.sqrt %i : tensor<1xf32>
  %sq = amp.mul %q, %c : (tensor<2x4x6x16xf32>, tensor<1xf32>) -> tensor<2x4x6x16xf32>
  %sk = amp.mul %c, %k : (tensor<1xf32>, tensor<2x4x5x16xf32>) -> tensor<2x4x5x16xf32>
  %t = amp.transpose %sk [0, 1, 3, 2] : (tensor<2x4x5x16xf32>) -> tensor<2x4x16x5xf32>
  %s = amp.matmul %sq, %t : (tensor<2x4x6x16xf32>, tensor<2x4x16x5xf32>) -> tensor<2x4x6x5xf32>
  %p = amp.softmax %s along 3 : tensor<2x4x6x5xf32>
  %y = amp.matmul %p, %v : (tensor<2x4x6x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// What is masked keeps its number; a scale behind the mask is not the product's.

// CHECK-LABEL: @masked
func.func @masked(%q: tensor<2x4x6x16xf32>, %k: tensor<2x4x5x16xf32>, %v: tensor<2x4x5x8xf32>, %on: tensor<6x5xi1>) -> tensor<2x4x6x8xf32> {
  // CHECK: %[[S:.*]] = amp.matmul %arg0, %arg1 {alpha = 2.500000e-01 : f64, transpose_rhs}
  // CHECK-NEXT: %[[M:.*]] = amp.where %arg3, %[[S]], %{{.*}}
  // CHECK-NEXT: amp.mul %[[M]]
  %c = amp.constant dense<2.500000e-01> : tensor<f32>
  %far = amp.constant dense<-1.000000e+09> : tensor<f32>
  %s = amp.matmul %q, %k {transpose_rhs} : (tensor<2x4x6x16xf32>, tensor<2x4x5x16xf32>) -> tensor<2x4x6x5xf32>
  %z = amp.mul %s, %c : (tensor<2x4x6x5xf32>, tensor<f32>) -> tensor<2x4x6x5xf32>
  %m = amp.where %on, %z, %far : (tensor<6x5xi1>, tensor<2x4x6x5xf32>, tensor<f32>) -> tensor<2x4x6x5xf32>
  %n = amp.mul %m, %c : (tensor<2x4x6x5xf32>, tensor<f32>) -> tensor<2x4x6x5xf32>
  %p = amp.softmax %n along 3 : tensor<2x4x6x5xf32>
  %y = amp.matmul %p, %v : (tensor<2x4x6x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// CHECK-LABEL: @grouped_heads
func.func @grouped_heads(%q: tensor<2x4x6x16xf32>, %k: tensor<2x2x5x16xf32>, %v: tensor<2x2x5x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK-NOT: amp.broadcast
  // CHECK: %[[Q:.*]] = amp.reshape %arg0 : tensor<2x4x6x16xf32> to tensor<2x2x12x16xf32>
  // CHECK-NEXT: amp.matmul %[[Q]], %arg1 {transpose_rhs} : (tensor<2x2x12x16xf32>, tensor<2x2x5x16xf32>) -> tensor<2x2x12x5xf32>
  // CHECK: amp.matmul %{{.*}}, %{{.*}} : (tensor<2x2x12x5xf32>, tensor<2x2x5x8xf32>) -> tensor<2x2x12x8xf32>
  %k1 = amp.reshape %k : tensor<2x2x5x16xf32> to tensor<2x2x1x5x16xf32>
  %k2 = amp.broadcast %k1 : tensor<2x2x1x5x16xf32> to tensor<2x2x2x5x16xf32>
  %k3 = amp.reshape %k2 : tensor<2x2x2x5x16xf32> to tensor<2x4x5x16xf32>
  %v1 = amp.reshape %v : tensor<2x2x5x8xf32> to tensor<2x2x1x5x8xf32>
  %v2 = amp.broadcast %v1 : tensor<2x2x1x5x8xf32> to tensor<2x2x2x5x8xf32>
  %v3 = amp.reshape %v2 : tensor<2x2x2x5x8xf32> to tensor<2x4x5x8xf32>
  %s = amp.matmul %q, %k3 {transpose_rhs} : (tensor<2x4x6x16xf32>, tensor<2x4x5x16xf32>) -> tensor<2x4x6x5xf32>
  %p = amp.softmax %s along 3 : tensor<2x4x6x5xf32>
  %y = amp.matmul %p, %v3 : (tensor<2x4x6x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// As a Tile repeats them, with a dimension of 1 beside each.

// CHECK-LABEL: @tiled_heads
func.func @tiled_heads(%q: tensor<2x4x6x16xf32>, %k: tensor<2x2x5x16xf32>, %v: tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK-NOT: amp.broadcast
  // CHECK: %[[Q:.*]] = amp.reshape %arg0 : tensor<2x4x6x16xf32> to tensor<2x2x12x16xf32>
  // CHECK-NEXT: amp.matmul %[[Q]], %arg1 {transpose_rhs} : (tensor<2x2x12x16xf32>, tensor<2x2x5x16xf32>) -> tensor<2x2x12x5xf32>
  %k1 = amp.reshape %k : tensor<2x2x5x16xf32> to tensor<1x2x1x2x1x1x1x5x1x16xf32>
  %k2 = amp.broadcast %k1 : tensor<1x2x1x2x1x1x1x5x1x16xf32> to tensor<1x2x1x2x2x1x1x5x1x16xf32>
  %k3 = amp.reshape %k2 : tensor<1x2x1x2x2x1x1x5x1x16xf32> to tensor<2x4x5x16xf32>
  %s = amp.matmul %q, %k3 {transpose_rhs} : (tensor<2x4x6x16xf32>, tensor<2x4x5x16xf32>) -> tensor<2x4x6x5xf32>
  %p = amp.softmax %s along 3 : tensor<2x4x6x5xf32>
  %y = amp.matmul %p, %v : (tensor<2x4x6x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// As PyTorch's exporter writes it: keys are turned with batch and heads as one dimension, and what is
// masked as a whole is 0.

// CHECK-LABEL: @guarded
func.func @guarded(%q: tensor<2x4x6x16xf32>, %k: tensor<2x2x5x16xf32>, %v: tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK-NOT: amp.transpose
  // CHECK: %[[Q:.*]] = amp.reshape %arg0 : tensor<2x4x6x16xf32> to tensor<2x2x12x16xf32>
  // CHECK-NEXT: amp.matmul %[[Q]], %arg1 {alpha = 2.500000e-01 : f64, transpose_rhs}
  // CHECK: amp.is_nan
  // CHECK: amp.where
  %c = amp.constant dense<5.000000e-01> : tensor<f32>
  %zero = amp.constant dense<0.000000e+00> : tensor<f32>
  %k1 = amp.reshape %k : tensor<2x2x5x16xf32> to tensor<2x2x1x5x16xf32>
  %k2 = amp.broadcast %k1 : tensor<2x2x1x5x16xf32> to tensor<2x2x2x5x16xf32>
  %k3 = amp.reshape %k2 : tensor<2x2x2x5x16xf32> to tensor<8x5x16xf32>
  %k4 = amp.transpose %k3 [0, 2, 1] : (tensor<8x5x16xf32>) -> tensor<8x16x5xf32>
  %k5 = amp.reshape %k4 : tensor<8x16x5xf32> to tensor<2x4x16x5xf32>
  %sk = amp.mul %k5, %c : (tensor<2x4x16x5xf32>, tensor<f32>) -> tensor<2x4x16x5xf32>
  %sq = amp.mul %q, %c : (tensor<2x4x6x16xf32>, tensor<f32>) -> tensor<2x4x6x16xf32>
  %s = amp.matmul %sq, %sk : (tensor<2x4x6x16xf32>, tensor<2x4x16x5xf32>) -> tensor<2x4x6x5xf32>
  %p = amp.softmax %s along 3 : tensor<2x4x6x5xf32>
  %n = amp.is_nan %p : (tensor<2x4x6x5xf32>) -> tensor<2x4x6x5xi1>
  %w = amp.where %n, %zero, %p : (tensor<2x4x6x5xi1>, tensor<f32>, tensor<2x4x6x5xf32>) -> tensor<2x4x6x5xf32>
  %y = amp.matmul %w, %v : (tensor<2x4x6x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// Heads that share a key and do not stand side by side are no rows of one matrix.

// CHECK-LABEL: @heads_in_turns
func.func @heads_in_turns(%q: tensor<2x4x6x16xf32>, %k: tensor<2x2x5x16xf32>, %v: tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK: amp.broadcast
  %k1 = amp.reshape %k : tensor<2x2x5x16xf32> to tensor<2x1x2x5x16xf32>
  %k2 = amp.broadcast %k1 : tensor<2x1x2x5x16xf32> to tensor<2x2x2x5x16xf32>
  %k3 = amp.reshape %k2 : tensor<2x2x2x5x16xf32> to tensor<2x4x5x16xf32>
  %s = amp.matmul %q, %k3 {transpose_rhs} : (tensor<2x4x6x16xf32>, tensor<2x4x5x16xf32>) -> tensor<2x4x6x5xf32>
  %p = amp.softmax %s along 3 : tensor<2x4x6x5xf32>
  %y = amp.matmul %p, %v : (tensor<2x4x6x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// REMARK: [Missed] not-recovered
// REMARK-SAME: Reason="the scores are read elsewhere before they are scaled"
// REMARK-SAME: function=scores_are_a_result
// REMARK-SAME: kind=attention

// CHECK-LABEL: @scores_are_a_result
func.func @scores_are_a_result(%q: tensor<2x4x6x16xf32>, %k: tensor<2x4x5x16xf32>, %v: tensor<2x4x5x8xf32>) -> (tensor<2x4x6x8xf32>, tensor<2x4x6x5xf32>) {
  // CHECK: %[[S:.*]] = amp.matmul %arg0, %arg1 {transpose_rhs}
  // CHECK-NEXT: amp.mul %[[S]]
  %c = amp.constant dense<2.500000e-01> : tensor<f32>
  %s = amp.matmul %q, %k {transpose_rhs} : (tensor<2x4x6x16xf32>, tensor<2x4x5x16xf32>) -> tensor<2x4x6x5xf32>
  %z = amp.mul %s, %c : (tensor<2x4x6x5xf32>, tensor<f32>) -> tensor<2x4x6x5xf32>
  %p = amp.softmax %z along 3 : tensor<2x4x6x5xf32>
  %y = amp.matmul %p, %v : (tensor<2x4x6x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32>
  return %y, %s : tensor<2x4x6x8xf32>, tensor<2x4x6x5xf32>
}
