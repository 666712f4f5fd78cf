// RUN: ampc-opt %s --amp-recover-patterns | FileCheck %s
// RUN: ampc-opt %s --amp-recover-patterns --remarks-filter=amp-recover-patterns -remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Softmax, its logarithm and cross entropy that files spell out.

// CHECK-LABEL: @softmax
func.func @softmax(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = amp.softmax %arg0 along 1 : tensor<4x8xf32>
  // CHECK-NEXT: return %[[Y]]
  %m = amp.reduce_max %x [1] {keepdims} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %d = amp.sub %x, %m : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %e = amp.exp %d : tensor<4x8xf32>
  %s = amp.reduce_sum %e [1] {keepdims} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %y = amp.div %e, %s : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// Without a maximum, or with another one, which makes no difference.

// CHECK-LABEL: @softmax_below_another
func.func @softmax_below_another(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: %[[D:.*]] = amp.sub
  // CHECK-NEXT: amp.softmax %[[D]] along 1 : tensor<4x8xf32>
  // CHECK-NEXT: return
  %m = amp.reduce_max %x [0] {keepdims} : (tensor<4x8xf32>) -> tensor<1x8xf32>
  %d = amp.sub %x, %m : (tensor<4x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  %e = amp.exp %d : tensor<4x8xf32>
  %s = amp.reduce_sum %e [1] {keepdims} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %y = amp.div %e, %s : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @log_of_softmax
func.func @log_of_softmax(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: amp.log_softmax %arg0 along 1 : tensor<4x8xf32>
  // CHECK-NEXT: return
  %s = amp.softmax %x along 1 : tensor<4x8xf32>
  %y = amp.log %s : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @log_softmax_below_the_maximum
func.func @log_softmax_below_the_maximum(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: amp.log_softmax %arg0 along 1 : tensor<4x8xf32>
  // CHECK-NEXT: return
  %m = amp.reduce_max %x [1] {keepdims} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %d = amp.sub %x, %m : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %e = amp.exp %d : tensor<4x8xf32>
  %s = amp.reduce_sum %e [1] {keepdims} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %l = amp.log %s : tensor<4x1xf32>
  %y = amp.sub %d, %l : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @log_softmax_less_a_sum
func.func @log_softmax_less_a_sum(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: amp.log_softmax %arg0 along 1 : tensor<4x8xf32>
  // CHECK-NEXT: return
  %m = amp.reduce_max %x [1] {keepdims} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %d = amp.sub %x, %m : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %e = amp.exp %d : tensor<4x8xf32>
  %s = amp.reduce_sum %e [1] {keepdims} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %l = amp.log %s : tensor<4x1xf32>
  %a = amp.add %l, %m : (tensor<4x1xf32>, tensor<4x1xf32>) -> tensor<4x1xf32>
  %y = amp.sub %x, %a : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @log_softmax_less_log_sum_exp
func.func @log_softmax_less_log_sum_exp(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: amp.log_softmax %arg0 along 1 : tensor<4x8xf32>
  // CHECK-NEXT: return
  %l = amp.reduce_log_sum_exp %x [1] {keepdims} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %y = amp.sub %x, %l : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @likelihood
func.func @likelihood(%x: tensor<4x8xf32>, %labels: tensor<4xi64>, %w: tensor<8xf32>) -> tensor<f32> {
  // CHECK-NEXT: amp.softmax_cross_entropy mean %arg0, %arg1 weights %arg2 {ignore_index = -100 : i64}
  // CHECK-NEXT: return
  %l = amp.log_softmax %x along 1 : tensor<4x8xf32>
  %y = amp.nll_loss mean %l, %labels weights %w {ignore_index = -100 : i64} : (tensor<4x8xf32>, tensor<4xi64>, tensor<8xf32>) -> tensor<f32>
  return %y : tensor<f32>
}

// What moves log probabilities moves logits as well.

// CHECK-LABEL: @moved
func.func @moved(%x: tensor<2x3x8xf16>, %labels: tensor<2x3xi64>) -> tensor<f32> {
  // CHECK-NEXT: %[[C:.*]] = amp.cast %arg0
  // CHECK-NEXT: %[[T:.*]] = amp.transpose %[[C]] [0, 2, 1]
  // CHECK-NEXT: amp.softmax_cross_entropy mean %[[T]], %arg1
  // CHECK-NEXT: return
  %l = amp.log_softmax %x along 2 : tensor<2x3x8xf16>
  %c = amp.cast %l : tensor<2x3x8xf16> to tensor<2x3x8xf32>
  %t = amp.transpose %c [0, 2, 1] : (tensor<2x3x8xf32>) -> tensor<2x8x3xf32>
  %y = amp.nll_loss mean %t, %labels : (tensor<2x8x3xf32>, tensor<2x3xi64>) -> tensor<f32>
  return %y : tensor<f32>
}

// CHECK-LABEL: @flattened
func.func @flattened(%x: tensor<2x3x8xf32>, %labels: tensor<6xi64>) -> tensor<6xf32> {
  // CHECK-NEXT: %[[R:.*]] = amp.reshape %arg0 : tensor<2x3x8xf32> to tensor<6x8xf32>
  // CHECK-NEXT: amp.softmax_cross_entropy none %[[R]], %arg1
  // CHECK-NEXT: return
  %l = amp.log_softmax %x along 2 : tensor<2x3x8xf32>
  %r = amp.reshape %l : tensor<2x3x8xf32> to tensor<6x8xf32>
  %y = amp.nll_loss none %r, %labels : (tensor<6x8xf32>, tensor<6xi64>) -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// An index counts from the end where it is negative, as a label does not.

// CHECK-LABEL: @gathered
func.func @gathered(%x: tensor<4x8xf32>, %labels: tensor<4x1xi64>) -> tensor<4xf32> {
  // CHECK: %[[END:.*]] = amp.add %arg1
  // CHECK: %[[IS:.*]] = amp.less %arg1
  // CHECK: %[[W:.*]] = amp.where %[[IS]], %[[END]], %arg1
  // CHECK: %[[L:.*]] = amp.reshape %[[W]] : tensor<4x1xi64> to tensor<4xi64>
  // CHECK: %[[Y:.*]] = amp.softmax_cross_entropy none %arg0, %[[L]]
  // CHECK-NOT: amp.neg
  // CHECK: return
  %l = amp.log_softmax %x along 1 : tensor<4x8xf32>
  %g = amp.gather_elements %l[%labels] along 1 : (tensor<4x8xf32>, tensor<4x1xi64>) -> tensor<4x1xf32>
  %r = amp.reshape %g : tensor<4x1xf32> to tensor<4xf32>
  %y = amp.neg %r : tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: @gathered_of_tokens
func.func @gathered_of_tokens(%x: tensor<2x3x8xf32>, %labels: tensor<2x3x1xi64>) -> tensor<2x3x1xf32> {
  // CHECK: %[[X:.*]] = amp.reshape %arg0 : tensor<2x3x8xf32> to tensor<6x8xf32>
  // CHECK: %[[C:.*]] = amp.softmax_cross_entropy none %[[X]]
  // CHECK: %[[R:.*]] = amp.reshape %[[C]] : tensor<6xf32> to tensor<2x3x1xf32>
  // CHECK: amp.neg %[[R]]
  %l = amp.log_softmax %x along 2 : tensor<2x3x8xf32>
  %g = amp.gather_elements %l[%labels] along 2 : (tensor<2x3x8xf32>, tensor<2x3x1xi64>) -> tensor<2x3x1xf32>
  return %g : tensor<2x3x1xf32>
}

// What is nearly one stays, and a remark says why.

// REMARK: [Missed] not-recovered | Category:amp-recover-patterns | Function=amp.nll_loss
// REMARK-SAME: Reason="what 'amp.log_softmax' computes is read elsewhere too"
// REMARK-SAME: function=probabilities_are_a_result
// REMARK-SAME: kind="softmax cross entropy"

// CHECK-LABEL: @probabilities_are_a_result
func.func @probabilities_are_a_result(%x: tensor<4x8xf32>, %labels: tensor<4xi64>) -> (tensor<f32>, tensor<4x8xf32>) {
  // CHECK: amp.log_softmax
  // CHECK-NEXT: amp.nll_loss
  %l = amp.log_softmax %x along 1 : tensor<4x8xf32>
  %y = amp.nll_loss mean %l, %labels : (tensor<4x8xf32>, tensor<4xi64>) -> tensor<f32>
  return %y, %l : tensor<f32>, tensor<4x8xf32>
}

// REMARK: [Missed] not-recovered | Category:amp-recover-patterns | Function=amp.gather_elements
// REMARK-SAME: Reason="there is not one label for each line of log probabilities"
// REMARK-SAME: function=two_labels

// CHECK-LABEL: @two_labels
func.func @two_labels(%x: tensor<4x8xf32>, %labels: tensor<4x2xi64>) -> tensor<4x2xf32> {
  // CHECK: amp.gather_elements
  %l = amp.log_softmax %x along 1 : tensor<4x8xf32>
  %g = amp.gather_elements %l[%labels] along 1 : (tensor<4x8xf32>, tensor<4x2xi64>) -> tensor<4x2xf32>
  return %g : tensor<4x2xf32>
}

// What is no class has no row: it is ignored.

// CHECK-LABEL: @one_hot
func.func @one_hot(%x: tensor<4x8xf32>, %labels: tensor<4x1xi64>) -> tensor<4xf32> {
  // CHECK: %[[ZERO:.*]] = amp.constant dense<0> : tensor<i64>
  // CHECK-NEXT: %[[GE:.*]] = amp.greater_or_equal %arg1, %[[ZERO]]
  // CHECK-NEXT: %[[CLASSES:.*]] = amp.constant dense<8> : tensor<i64>
  // CHECK-NEXT: %[[LT:.*]] = amp.less %arg1, %[[CLASSES]]
  // CHECK-NEXT: %[[IS:.*]] = amp.and %[[GE]], %[[LT]]
  // CHECK-NEXT: %[[NONE:.*]] = amp.constant dense<-1> : tensor<i64>
  // CHECK-NEXT: %[[L:.*]] = amp.where %[[IS]], %arg1, %[[NONE]]
  // CHECK-NEXT: %[[FLAT:.*]] = amp.reshape %[[L]]
  // CHECK-NEXT: %[[Y:.*]] = amp.softmax_cross_entropy none %arg0, %[[FLAT]] {ignore_index = -1 : i64}
  // CHECK-NEXT: amp.neg %[[Y]]
  // CHECK-NOT: amp.log_softmax
  %classes = amp.iota along 0 : tensor<8xi64>
  %l = amp.log_softmax %x along 1 : tensor<4x8xf32>
  %e = amp.equal %labels, %classes : (tensor<4x1xi64>, tensor<8xi64>) -> tensor<4x8xi1>
  %o = amp.cast %e : tensor<4x8xi1> to tensor<4x8xf32>
  %p = amp.mul %o, %l : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = amp.reduce_sum %p [1] : (tensor<4x8xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// Summed along other dimensions too.

// CHECK-LABEL: @one_hot_tokens
func.func @one_hot_tokens(%x: tensor<4x3x8xf32>, %labels: tensor<4x3x1xi64>) -> tensor<f32> {
  // CHECK: amp.softmax_cross_entropy none %{{.*}}, %{{.*}} {ignore_index = -1 : i64} : (tensor<12x8xf32>, tensor<12xi64>) -> tensor<12xf32>
  // CHECK: amp.reduce_sum
  // CHECK-NOT: amp.log_softmax
  %zero = amp.constant dense<0.0> : tensor<f32>
  %one = amp.constant dense<1.0> : tensor<f32>
  %classes = amp.constant dense<[[[0, 1, 2, 3, 4, 5, 6, 7]]]> : tensor<1x1x8xi64>
  %l = amp.log_softmax %x along 2 : tensor<4x3x8xf32>
  %e = amp.equal %classes, %labels : (tensor<1x1x8xi64>, tensor<4x3x1xi64>) -> tensor<4x3x8xi1>
  %o = amp.where %e, %one, %zero : (tensor<4x3x8xi1>, tensor<f32>, tensor<f32>) -> tensor<4x3x8xf32>
  %p = amp.mul %l, %o : (tensor<4x3x8xf32>, tensor<4x3x8xf32>) -> tensor<4x3x8xf32>
  %y = amp.reduce_sum %p [0, 1, 2] : (tensor<4x3x8xf32>) -> tensor<f32>
  return %y : tensor<f32>
}

// Smoothed rows are none.

// CHECK-LABEL: @smoothed_rows
func.func @smoothed_rows(%x: tensor<4x8xf32>, %labels: tensor<4x1xi64>) -> tensor<4xf32> {
  // CHECK: amp.log_softmax
  %off = amp.constant dense<0.0125> : tensor<f32>
  %on = amp.constant dense<0.9125> : tensor<f32>
  %classes = amp.iota along 0 : tensor<8xi64>
  %l = amp.log_softmax %x along 1 : tensor<4x8xf32>
  %e = amp.equal %labels, %classes : (tensor<4x1xi64>, tensor<8xi64>) -> tensor<4x8xi1>
  %o = amp.where %e, %on, %off : (tensor<4x8xi1>, tensor<f32>, tensor<f32>) -> tensor<4x8xf32>
  %p = amp.mul %o, %l : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = amp.reduce_sum %p [1] : (tensor<4x8xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// Labels may be of any integer type.

// CHECK-LABEL: @short_labels
func.func @short_labels(%x: tensor<4x3xf32>, %labels: tensor<4x1xui8>) -> tensor<4xf32> {
  // CHECK: amp.cast %arg1 {{.*}}: tensor<4x1xui8> to tensor<4x1xi64>
  // CHECK: amp.softmax_cross_entropy none %arg0, %{{.*}} : (tensor<4x3xf32>, tensor<4xi64>)
  %classes = amp.constant dense<[0, 1, 2]> : tensor<3xui8>
  %l = amp.log_softmax %x along 1 : tensor<4x3xf32>
  %e = amp.equal %labels, %classes : (tensor<4x1xui8>, tensor<3xui8>) -> tensor<4x3xi1>
  %o = amp.cast %e : tensor<4x3xi1> to tensor<4x3xf32>
  %p = amp.mul %o, %l : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<4x3xf32>
  %y = amp.reduce_sum %p [1] : (tensor<4x3xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// Nor are rows of which nothing is known.

// CHECK-LABEL: @given_rows
func.func @given_rows(%x: tensor<4x8xf32>, %rows: tensor<4x8xf32>) -> tensor<4xf32> {
  // CHECK: amp.log_softmax
  %l = amp.log_softmax %x along 1 : tensor<4x8xf32>
  %p = amp.mul %rows, %l : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = amp.reduce_sum %p [1] : (tensor<4x8xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// REMARK: [Missed] not-recovered | Category:amp-recover-patterns | Function=amp.reduce_sum
// REMARK-SAME: Reason="the classes lie neither along dimension 1 nor along the last one"
// REMARK-SAME: function=one_hot_inside

// CHECK-LABEL: @one_hot_inside
func.func @one_hot_inside(%x: tensor<4x3x8x5xf32>, %labels: tensor<4x3x1x5xi64>) -> tensor<4x3x5xf32> {
  // CHECK: amp.log_softmax
  %classes = amp.constant dense<[[0], [1], [2], [3], [4], [5], [6], [7]]> : tensor<8x1xi64>
  %l = amp.log_softmax %x along 2 : tensor<4x3x8x5xf32>
  %e = amp.equal %labels, %classes : (tensor<4x3x1x5xi64>, tensor<8x1xi64>) -> tensor<4x3x8x5xi1>
  %o = amp.cast %e : tensor<4x3x8x5xi1> to tensor<4x3x8x5xf32>
  %p = amp.mul %o, %l : (tensor<4x3x8x5xf32>, tensor<4x3x8x5xf32>) -> tensor<4x3x8x5xf32>
  %y = amp.reduce_sum %p [2] : (tensor<4x3x8x5xf32>) -> tensor<4x3x5xf32>
  return %y : tensor<4x3x5xf32>
}

// REMARK-NOT: function=other_axis

// CHECK-LABEL: @other_axis
func.func @other_axis(%x: tensor<4x8x3xf32>, %labels: tensor<4x3xi64>) -> tensor<f32> {
  // CHECK: amp.log_softmax
  // CHECK-NEXT: amp.nll_loss
  %l = amp.log_softmax %x along 2 : tensor<4x8x3xf32>
  %y = amp.nll_loss mean %l, %labels : (tensor<4x8x3xf32>, tensor<4x3xi64>) -> tensor<f32>
  return %y : tensor<f32>
}

// The logarithm of the sum less the label's logit.

// CHECK-LABEL: @log_sum_exp_less_logit
func.func @log_sum_exp_less_logit(%x: tensor<2x3x8xf32>, %labels: tensor<2x3x1xi64>) -> tensor<2x3xf32> {
  // CHECK: %[[X:.*]] = amp.reshape %arg0 : tensor<2x3x8xf32> to tensor<6x8xf32>
  // CHECK: %[[L:.*]] = amp.reshape %{{.*}} : tensor<2x3x1xi64> to tensor<6xi64>
  // CHECK: %[[C:.*]] = amp.softmax_cross_entropy none %[[X]], %[[L]]
  // CHECK-NEXT: %[[Y:.*]] = amp.reshape %[[C]] : tensor<6xf32> to tensor<2x3xf32>
  // CHECK-NEXT: return %[[Y]]
  %s = amp.reduce_log_sum_exp %x [2] : (tensor<2x3x8xf32>) -> tensor<2x3xf32>
  %g = amp.gather_elements %x[%labels] along 2 : (tensor<2x3x8xf32>, tensor<2x3x1xi64>) -> tensor<2x3x1xf32>
  %r = amp.reshape %g : tensor<2x3x1xf32> to tensor<2x3xf32>
  %y = amp.sub %s, %r : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// CHECK-LABEL: @logit_less_log_sum_exp
func.func @logit_less_log_sum_exp(%x: tensor<4x8x5xf32>, %labels: tensor<4x1x5xi64>) -> tensor<1x4x5xf32> {
  // CHECK: %[[C:.*]] = amp.softmax_cross_entropy none %arg0, %{{.*}} : (tensor<4x8x5xf32>, tensor<4x5xi64>)
  // CHECK-NEXT: %[[R:.*]] = amp.reshape %[[C]] : tensor<4x5xf32> to tensor<1x4x5xf32>
  // CHECK-NEXT: %[[Y:.*]] = amp.neg %[[R]]
  // CHECK-NEXT: return %[[Y]]
  %m = amp.reduce_max %x [1] {keepdims} : (tensor<4x8x5xf32>) -> tensor<4x1x5xf32>
  %d = amp.sub %x, %m : (tensor<4x8x5xf32>, tensor<4x1x5xf32>) -> tensor<4x8x5xf32>
  %e = amp.exp %d : tensor<4x8x5xf32>
  %t = amp.reduce_sum %e [1] {keepdims} : (tensor<4x8x5xf32>) -> tensor<4x1x5xf32>
  %q = amp.log %t : tensor<4x1x5xf32>
  %s = amp.add %q, %m : (tensor<4x1x5xf32>, tensor<4x1x5xf32>) -> tensor<4x1x5xf32>
  %z = amp.reshape %s : tensor<4x1x5xf32> to tensor<1x4x5xf32>
  %g = amp.gather_elements %x[%labels] along 1 : (tensor<4x8x5xf32>, tensor<4x1x5xi64>) -> tensor<4x1x5xf32>
  %no = amp.constant dense<false> : tensor<1xi1>
  %nan = amp.constant dense<0x7FC00000> : tensor<f32>
  %t1 = amp.transpose %g [1, 0, 2] : (tensor<4x1x5xf32>) -> tensor<1x4x5xf32>
  %r = amp.where %no, %nan, %t1 : (tensor<1xi1>, tensor<f32>, tensor<1x4x5xf32>) -> tensor<1x4x5xf32>
  %y = amp.sub %r, %z : (tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> tensor<1x4x5xf32>
  return %y : tensor<1x4x5xf32>
}

// Lines in another order are other labels.

// CHECK-LABEL: @transposed_logits
func.func @transposed_logits(%x: tensor<4x8x4xf32>, %labels: tensor<4x1x4xi64>) -> tensor<4x4xf32> {
  // CHECK-NOT: amp.softmax_cross_entropy
  // CHECK: return
  %s = amp.reduce_log_sum_exp %x [1] : (tensor<4x8x4xf32>) -> tensor<4x4xf32>
  %g = amp.gather_elements %x[%labels] along 1 : (tensor<4x8x4xf32>, tensor<4x1x4xi64>) -> tensor<4x1x4xf32>
  %t = amp.transpose %g [2, 1, 0] : (tensor<4x1x4xf32>) -> tensor<4x1x4xf32>
  %r = amp.reshape %t : tensor<4x1x4xf32> to tensor<4x4xf32>
  %y = amp.sub %s, %r : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// CHECK-LABEL: @sum_along_another_dimension
func.func @sum_along_another_dimension(%x: tensor<8x8xf32>, %labels: tensor<8x1xi64>) -> tensor<8xf32> {
  // CHECK-NOT: amp.softmax_cross_entropy
  // CHECK: return
  %s = amp.reduce_log_sum_exp %x [0] : (tensor<8x8xf32>) -> tensor<8xf32>
  %g = amp.gather_elements %x[%labels] along 1 : (tensor<8x8xf32>, tensor<8x1xi64>) -> tensor<8x1xf32>
  %r = amp.reshape %g : tensor<8x1xf32> to tensor<8xf32>
  %y = amp.sub %s, %r : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// REMARK: [Missed] not-recovered | Category:amp-recover-patterns | Function=amp.sub
// REMARK-SAME: Reason="what 'amp.reduce_log_sum_exp' computes is read elsewhere too"
// REMARK-SAME: function=penalized_sum

// CHECK-LABEL: @penalized_sum
func.func @penalized_sum(%x: tensor<4x8xf32>, %labels: tensor<4x1xi64>) -> (tensor<4x1xf32>, tensor<4x1xf32>) {
  // CHECK-NOT: amp.softmax_cross_entropy
  // CHECK: return
  %s = amp.reduce_log_sum_exp %x [1] {keepdims} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %g = amp.gather_elements %x[%labels] along 1 : (tensor<4x8xf32>, tensor<4x1xi64>) -> tensor<4x1xf32>
  %y = amp.sub %s, %g : (tensor<4x1xf32>, tensor<4x1xf32>) -> tensor<4x1xf32>
  return %y, %s : tensor<4x1xf32>, tensor<4x1xf32>
}
