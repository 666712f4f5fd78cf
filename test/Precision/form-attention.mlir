// RUN: ampc-opt %s --amp-recover-patterns -canonicalize -cse | FileCheck %s
// RUN: ampc-opt %s --amp-recover-patterns --remarks-filter=amp-recover-patterns -remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Two products with a softmax between them are one op; what moves query, key, value and output are
// its layouts.

// REMARK: remark: [Passed] recovered | Category:amp-recover-patterns | Function=amp.attention
// REMARK-SAME: function=heads
// REMARK-SAME: kind=attention

// CHECK-LABEL: @heads(
func.func @heads(%q: tensor<2x6x32xf32>, %k: tensor<2x5x32xf32>, %v: tensor<2x5x32xf32>) -> tensor<2x6x32xf32> {
  // CHECK-DAG: %[[Q:.*]] = amp.reshape %arg0 : tensor<2x6x32xf32> to tensor<2x6x4x8xf32>
  // CHECK-DAG: %[[K:.*]] = amp.reshape %arg1 : tensor<2x5x32xf32> to tensor<2x5x4x8xf32>
  // CHECK-DAG: %[[V:.*]] = amp.reshape %arg2 : tensor<2x5x32xf32> to tensor<2x5x4x8xf32>
  // CHECK: %[[Y:[a-z]+]], %{{.*}}, %{{.*}} = amp.attention %[[Q]], %[[K]], %[[V]] as ["brhd", "brhd", "brhd", "brhd"] scale 5.000000e-01
  // CHECK-NEXT: %[[R:.*]] = amp.reshape %[[Y]] : tensor<2x6x4x8xf32> to tensor<2x6x32xf32>
  // CHECK-NEXT: return %[[R]]
  %c = amp.constant dense<5.000000e-01> : tensor<f32>
  %q4 = amp.reshape %q : tensor<2x6x32xf32> to tensor<2x6x4x8xf32>
  %k4 = amp.reshape %k : tensor<2x5x32xf32> to tensor<2x5x4x8xf32>
  %v4 = amp.reshape %v : tensor<2x5x32xf32> to tensor<2x5x4x8xf32>
  %qh = amp.transpose %q4 [0, 2, 1, 3] : (tensor<2x6x4x8xf32>) -> tensor<2x4x6x8xf32>
  %kh = amp.transpose %k4 [0, 2, 3, 1] : (tensor<2x5x4x8xf32>) -> tensor<2x4x8x5xf32>
  %vh = amp.transpose %v4 [0, 2, 1, 3] : (tensor<2x5x4x8xf32>) -> tensor<2x4x5x8xf32>
  %s = amp.matmul %qh, %kh : (tensor<2x4x6x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x6x5xf32>
  %z = amp.mul %s, %c : (tensor<2x4x6x5xf32>, tensor<f32>) -> tensor<2x4x6x5xf32>
  %p = amp.softmax %z along 3 : tensor<2x4x6x5xf32>
  %y = amp.matmul %p, %vh : (tensor<2x4x6x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32>
  %t = amp.transpose %y [0, 2, 1, 3] : (tensor<2x4x6x8xf32>) -> tensor<2x6x4x8xf32>
  %r = amp.reshape %t : tensor<2x6x4x8xf32> to tensor<2x6x32xf32>
  return %r : tensor<2x6x32xf32>
}

// All three in one tensor, whose parts a split tells apart.

// CHECK-LABEL: @joint(
func.func @joint(%x: tensor<2x6x96xf32>) -> tensor<2x6x4x8xf32> {
  // CHECK: %[[X:.*]] = amp.reshape %arg0 : tensor<2x6x96xf32> to tensor<2x6x3x4x8xf32>
  // CHECK-NEXT: amp.attention %[[X]] as ["brphd", "brhd"] scale 1.000000e+00
  %parts:3 = amp.split %x [32, 32, 32] along 2 : (tensor<2x6x96xf32>) -> (tensor<2x6x32xf32>, tensor<2x6x32xf32>, tensor<2x6x32xf32>)
  %q4 = amp.reshape %parts#0 : tensor<2x6x32xf32> to tensor<2x6x4x8xf32>
  %k4 = amp.reshape %parts#1 : tensor<2x6x32xf32> to tensor<2x6x4x8xf32>
  %v4 = amp.reshape %parts#2 : tensor<2x6x32xf32> to tensor<2x6x4x8xf32>
  %qh = amp.transpose %q4 [0, 2, 1, 3] : (tensor<2x6x4x8xf32>) -> tensor<2x4x6x8xf32>
  %kh = amp.transpose %k4 [0, 2, 1, 3] : (tensor<2x6x4x8xf32>) -> tensor<2x4x6x8xf32>
  %vh = amp.transpose %v4 [0, 2, 1, 3] : (tensor<2x6x4x8xf32>) -> tensor<2x4x6x8xf32>
  %s = amp.matmul %qh, %kh {transpose_rhs} : (tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x6xf32>
  %p = amp.softmax %s along 3 : tensor<2x4x6x6xf32>
  %y = amp.matmul %p, %vh : (tensor<2x4x6x6xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  %t = amp.transpose %y [0, 2, 1, 3] : (tensor<2x4x6x8xf32>) -> tensor<2x6x4x8xf32>
  return %t : tensor<2x6x4x8xf32>
}

// As torch's nn.MultiheadAttention has them: rows first, the parts in front of all, heads and batch in one
// dimension.

// CHECK-LABEL: @parts_first(
func.func @parts_first(%x: tensor<6x2x96xf32>) -> tensor<6x2x4x8xf32> {
  // CHECK: %[[X:.*]] = amp.reshape %arg0 : tensor<6x2x96xf32> to tensor<6x2x3x4x8xf32>
  // CHECK-NEXT: amp.attention %[[X]] as ["rbphd", "rbhd"] scale 1.000000e+00
  %a = amp.reshape %x : tensor<6x2x96xf32> to tensor<1x6x2x3x32xf32>
  %b = amp.transpose %a [3, 1, 2, 0, 4] : (tensor<1x6x2x3x32xf32>) -> tensor<3x6x2x1x32xf32>
  %c = amp.reshape %b : tensor<3x6x2x1x32xf32> to tensor<3x6x2x32xf32>
  %q = amp.slice %c from [0, 0, 0, 0] size [1, 6, 2, 32] step [1, 1, 1, 1] : (tensor<3x6x2x32xf32>) -> tensor<1x6x2x32xf32>
  %k = amp.slice %c from [1, 0, 0, 0] size [1, 6, 2, 32] step [1, 1, 1, 1] : (tensor<3x6x2x32xf32>) -> tensor<1x6x2x32xf32>
  %v = amp.slice %c from [2, 0, 0, 0] size [1, 6, 2, 32] step [1, 1, 1, 1] : (tensor<3x6x2x32xf32>) -> tensor<1x6x2x32xf32>
  %q3 = amp.reshape %q : tensor<1x6x2x32xf32> to tensor<6x8x8xf32>
  %k3 = amp.reshape %k : tensor<1x6x2x32xf32> to tensor<6x8x8xf32>
  %v3 = amp.reshape %v : tensor<1x6x2x32xf32> to tensor<6x8x8xf32>
  %qt = amp.transpose %q3 [1, 0, 2] : (tensor<6x8x8xf32>) -> tensor<8x6x8xf32>
  %kt = amp.transpose %k3 [1, 0, 2] : (tensor<6x8x8xf32>) -> tensor<8x6x8xf32>
  %vt = amp.transpose %v3 [1, 0, 2] : (tensor<6x8x8xf32>) -> tensor<8x6x8xf32>
  %qh = amp.reshape %qt : tensor<8x6x8xf32> to tensor<2x4x6x8xf32>
  %kh = amp.reshape %kt : tensor<8x6x8xf32> to tensor<2x4x6x8xf32>
  %vh = amp.reshape %vt : tensor<8x6x8xf32> to tensor<2x4x6x8xf32>
  %s = amp.matmul %qh, %kh {transpose_rhs} : (tensor<2x4x6x8xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x6xf32>
  %p = amp.softmax %s along 3 : tensor<2x4x6x6xf32>
  %y = amp.matmul %p, %vh : (tensor<2x4x6x6xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x6x8xf32>
  %t = amp.transpose %y [2, 0, 1, 3] : (tensor<2x4x6x8xf32>) -> tensor<6x2x4x8xf32>
  return %t : tensor<6x2x4x8xf32>
}

// One of two numbers that is added is a condition, so is one in the place of scores; others are a mask.

// CHECK-LABEL: @masks(
func.func @masks(%q: tensor<4x6x8xf32>, %on: tensor<6x6xi1>, %bias: tensor<6xf32>) -> (tensor<4x6x8xf32>, tensor<4x6x8xf32>, tensor<4x6x8xf32>) {
  // CHECK-DAG: %[[ON:.*]] = amp.reshape %arg1 : tensor<6x6xi1> to tensor<1x1x6x6xi1>
  // CHECK-DAG: %[[OFF:.*]] = amp.not %[[ON]]
  // CHECK-DAG: %[[BIAS:.*]] = amp.reshape %arg2 : tensor<6xf32> to tensor<1x1x1x6xf32>
  // CHECK-DAG: amp.attention %{{.*}}, %{{.*}}, %{{.*}} where %[[ON]] as ["hbrd", "hbrd", "hbrd", "bhrd"] scale 1.000000e+00 {off = -1.000000e+04 : f64}
  // CHECK-DAG: amp.attention %{{.*}}, %{{.*}}, %{{.*}} where %[[OFF]] as ["hbrd", "hbrd", "hbrd", "bhrd"] scale 1.000000e+00 {off = 0xFFF0000000000000 : f64, replaces}
  // CHECK-DAG: amp.attention %{{.*}}, %{{.*}}, %{{.*}} mask %[[BIAS]] as
  %zero = amp.constant dense<0.000000e+00> : tensor<f32>
  %far = amp.constant dense<-1.000000e+04> : tensor<f32>
  %none = amp.constant dense<0xFF800000> : tensor<f32>
  %s = amp.matmul %q, %q {transpose_rhs} : (tensor<4x6x8xf32>, tensor<4x6x8xf32>) -> tensor<4x6x6xf32>
  %w = amp.where %on, %zero, %far : (tensor<6x6xi1>, tensor<f32>, tensor<f32>) -> tensor<6x6xf32>
  %m = amp.add %s, %w : (tensor<4x6x6xf32>, tensor<6x6xf32>) -> tensor<4x6x6xf32>
  %p = amp.softmax %m along 2 : tensor<4x6x6xf32>
  %y = amp.matmul %p, %q : (tensor<4x6x6xf32>, tensor<4x6x8xf32>) -> tensor<4x6x8xf32>

  %s2 = amp.matmul %q, %q {transpose_rhs} : (tensor<4x6x8xf32>, tensor<4x6x8xf32>) -> tensor<4x6x6xf32>
  %m2 = amp.where %on, %none, %s2 : (tensor<6x6xi1>, tensor<f32>, tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
  %p2 = amp.softmax %m2 along 2 : tensor<4x6x6xf32>
  %y2 = amp.matmul %p2, %q : (tensor<4x6x6xf32>, tensor<4x6x8xf32>) -> tensor<4x6x8xf32>

  %s3 = amp.matmul %q, %q {transpose_rhs} : (tensor<4x6x8xf32>, tensor<4x6x8xf32>) -> tensor<4x6x6xf32>
  %m3 = amp.add %bias, %s3 : (tensor<6xf32>, tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
  %p3 = amp.softmax %m3 along 2 : tensor<4x6x6xf32>
  %y3 = amp.matmul %p3, %q : (tensor<4x6x6xf32>, tensor<4x6x8xf32>) -> tensor<4x6x8xf32>
  return %y, %y2, %y3 : tensor<4x6x8xf32>, tensor<4x6x8xf32>, tensor<4x6x8xf32>
}

// Heads that share a key.

// CHECK-LABEL: @grouped(
func.func @grouped(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x5x8xf32>) -> tensor<2x4x6x8xf32> {
  // CHECK-NEXT: %[[Y:[a-z]+]], %{{.*}}, %{{.*}} = amp.attention %arg0, %arg1, %arg1 as ["bhrd", "bhrd", "bhrd", "bhrd"]
  // CHECK-NEXT: return %[[Y]]
  %k1 = amp.reshape %k : tensor<2x2x5x8xf32> to tensor<2x2x1x5x8xf32>
  %k2 = amp.broadcast %k1 : tensor<2x2x1x5x8xf32> to tensor<2x2x2x5x8xf32>
  %k3 = amp.reshape %k2 : tensor<2x2x2x5x8xf32> to tensor<2x4x5x8xf32>
  %s = amp.matmul %q, %k3 {transpose_rhs} : (tensor<2x4x6x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x6x5xf32>
  %p = amp.softmax %s along 3 : tensor<2x4x6x5xf32>
  %y = amp.matmul %p, %k3 : (tensor<2x4x6x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x6x8xf32>
  return %y : tensor<2x4x6x8xf32>
}

// Dropout of the probabilities is the op's own.

// CHECK-LABEL: @dropped(
func.func @dropped(%q: tensor<4x6x8xf32>, %seed: tensor<i64>, %attempt: tensor<i64>) -> tensor<4x6x8xf32> {
  // CHECK: amp.attention %{{.*}}, %{{.*}}, %{{.*}} seed %arg1 attempt %arg2 as ["hbrd", "hbrd", "hbrd", "bhrd"] scale 1.000000e+00 {ratio = 1.000000e-01 : f64, stream = 7 : i64}
  %s = amp.matmul %q, %q {transpose_rhs} : (tensor<4x6x8xf32>, tensor<4x6x8xf32>) -> tensor<4x6x6xf32>
  %p = amp.softmax %s along 2 : tensor<4x6x6xf32>
  %d, %kept = amp.dropout %p seed %seed attempt %attempt {ratio = 1.000000e-01 : f64, stream = 7 : i64} : tensor<4x6x6xf32>
  %y = amp.matmul %d, %q : (tensor<4x6x6xf32>, tensor<4x6x8xf32>) -> tensor<4x6x8xf32>
  return %y : tensor<4x6x8xf32>
}

// What else reads the probabilities needs them.

// REMARK: remark: [Missed] not-recovered
// REMARK-SAME: Function=amp.softmax
// REMARK-SAME: what is added to the scores is trained
// REMARK-SAME: function=trained
// REMARK-SAME: kind=attention

// CHECK-LABEL: @read_elsewhere(
func.func @read_elsewhere(%q: tensor<4x6x8xf32>) -> (tensor<4x6x8xf32>, tensor<4x6x6xf32>) {
  // CHECK: amp.softmax
  // CHECK-NOT: amp.attention
  %s = amp.matmul %q, %q {transpose_rhs} : (tensor<4x6x8xf32>, tensor<4x6x8xf32>) -> tensor<4x6x6xf32>
  %p = amp.softmax %s along 2 : tensor<4x6x6xf32>
  %y = amp.matmul %p, %q : (tensor<4x6x6xf32>, tensor<4x6x8xf32>) -> tensor<4x6x8xf32>
  return %y, %p : tensor<4x6x8xf32>, tensor<4x6x6xf32>
}

// A bias that is trained has the scores' gradient.

amp.variable parameter @bias : tensor<6xf32> {initial = dense<0.0> : tensor<6xf32>, trained}

// CHECK-LABEL: @trained(
func.func @trained(%q: tensor<4x6x8xf32>) -> tensor<4x6x8xf32> {
  // CHECK: amp.softmax
  // CHECK-NOT: amp.attention
  %b = amp.read @bias : tensor<6xf32>
  %s = amp.matmul %q, %q {transpose_rhs} : (tensor<4x6x8xf32>, tensor<4x6x8xf32>) -> tensor<4x6x6xf32>
  %m = amp.add %s, %b : (tensor<4x6x6xf32>, tensor<6xf32>) -> tensor<4x6x6xf32>
  %p = amp.softmax %m along 2 : tensor<4x6x6xf32>
  %y = amp.matmul %p, %q : (tensor<4x6x6xf32>, tensor<4x6x8xf32>) -> tensor<4x6x8xf32>
  return %y : tensor<4x6x8xf32>
}

// Values of another size than the keys, and precisions that differ.

// CHECK-LABEL: @other_size(
func.func @other_size(%q: tensor<4x6x8xf32>, %v: tensor<4x6x4xf32>) -> tensor<4x6x4xf32> {
  // CHECK-NOT: amp.attention
  %s = amp.matmul %q, %q {transpose_rhs} : (tensor<4x6x8xf32>, tensor<4x6x8xf32>) -> tensor<4x6x6xf32>
  %p = amp.softmax %s along 2 : tensor<4x6x6xf32>
  %y = amp.matmul %p, %v : (tensor<4x6x6xf32>, tensor<4x6x4xf32>) -> tensor<4x6x4xf32>
  return %y : tensor<4x6x4xf32>
}

// CHECK-LABEL: @asked(
func.func @asked(%q: tensor<4x6x8xf32>) -> tensor<4x6x8xf32> {
  // CHECK-NOT: amp.attention
  %s = amp.matmul %q, %q {transpose_rhs, amp.precision = {category = "deny", reason = "asked"}} : (tensor<4x6x8xf32>, tensor<4x6x8xf32>) -> tensor<4x6x6xf32>
  %p = amp.softmax %s along 2 : tensor<4x6x6xf32>
  %y = amp.matmul %p, %q : (tensor<4x6x6xf32>, tensor<4x6x8xf32>) -> tensor<4x6x8xf32>
  return %y : tensor<4x6x8xf32>
}
