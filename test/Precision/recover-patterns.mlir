// RUN: ampc-opt %s --amp-recover-patterns --split-input-file | FileCheck %s
// RUN: ampc-opt %s --amp-recover-patterns --split-input-file --remarks-filter=amp-recover-patterns -remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// A layer norm that is spelled out is one again, in each form that exporters write.

// REMARK: remark: [Passed] recovered | Category:amp-recover-patterns | Function=amp.layer_norm
// REMARK-SAME: function=root_of_the_variance

// CHECK-LABEL: @root_of_the_variance
func.func @root_of_the_variance(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.reduce_mean
  // CHECK: %[[Y:.*]], %{{.*}}, %{{.*}} = amp.layer_norm %arg0, %arg1 bias %arg2 from 1 {epsilon = 9.9999997473787516E-6 : f64}
  // CHECK-NEXT: return %[[Y]]
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %b, %y0 : (tensor<16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// CHECK-LABEL: @squares_by_power
func.func @squares_by_power(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.reduce_mean
  // CHECK: %[[Y:.*]], %{{.*}}, %{{.*}} = amp.layer_norm %arg0, %arg1 bias %arg2 from 1 {epsilon = 9.9999997473787516E-6 : f64}
  // CHECK-NEXT: return %[[Y]]
  %two = amp.constant dense<2.000000e+00> : tensor<f32>
  %half = amp.constant dense<5.000000e-01> : tensor<1xf32>
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.pow %d, %two : (tensor<8x16xf32>, tensor<f32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %eps, %v : (tensor<f32>, tensor<8x1xf32>) -> tensor<8x1xf32>
  %s = amp.pow %e, %half : (tensor<8x1xf32>, tensor<1xf32>) -> tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %b, %y0 : (tensor<16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// CHECK-LABEL: @product_with_the_inverse
func.func @product_with_the_inverse(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.reduce_mean
  // CHECK: %[[Y:.*]], %{{.*}}, %{{.*}} = amp.layer_norm %arg0, %arg1 bias %arg2 from 1 {epsilon = 9.9999997473787516E-6 : f64}
  // CHECK-NEXT: return %[[Y]]
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %i = amp.reciprocal %s : tensor<8x1xf32>
  %n = amp.mul %i, %d : (tensor<8x1xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %b, %y0 : (tensor<16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// CHECK-LABEL: @product_with_a_quotient
func.func @product_with_a_quotient(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.reduce_mean
  // CHECK: %[[Y:.*]], %{{.*}}, %{{.*}} = amp.layer_norm %arg0, %arg1 bias %arg2 from 1 {epsilon = 9.9999997473787516E-6 : f64}
  // CHECK-NEXT: return %[[Y]]
  %one = amp.constant dense<1.000000e+00> : tensor<f32>
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %i = amp.div %one, %s : (tensor<f32>, tensor<8x1xf32>) -> tensor<8x1xf32>
  %n = amp.mul %d, %i : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %b, %y0 : (tensor<16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// Without scale and bias, or with a bias alone.

// CHECK-LABEL: @plain
func.func @plain(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK: %[[ONES:.*]] = amp.constant dense<1.000000e+00> : tensor<16xf32>
  // CHECK: amp.layer_norm %arg0, %[[ONES]] from 1
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  return %n : tensor<8x16xf32>
}

// CHECK-LABEL: @bias_alone
func.func @bias_alone(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK: %[[ONES:.*]] = amp.constant dense<1.000000e+00> : tensor<16xf32>
  // CHECK: amp.layer_norm %arg0, %[[ONES]] bias %arg2 from 1
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y = amp.add %n, %b : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// What is added to each row otherwise is no bias: a residual.

// CHECK-LABEL: @residual
func.func @residual(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK: %[[Y:.*]], %{{.*}}, %{{.*}} = amp.layer_norm %arg0, %arg1 from 1
  // CHECK-NEXT: amp.add %[[Y]], %arg0
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %y0, %x : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// CHECK-LABEL: @last_two_axes
func.func @last_two_axes(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  // CHECK: %[[ONES:.*]] = amp.constant dense<1.000000e+00> : tensor<3x4xf32>
  // CHECK: amp.layer_norm %arg0, %[[ONES]] from 1
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1, 2] {keepdims} : (tensor<2x3x4xf32>) -> tensor<2x1x1xf32>
  %d = amp.sub %x, %m : (tensor<2x3x4xf32>, tensor<2x1x1xf32>) -> tensor<2x3x4xf32>
  %q = amp.mul %d, %d : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %v = amp.reduce_mean %q [1, 2] {keepdims} : (tensor<2x3x4xf32>) -> tensor<2x1x1xf32>
  %e = amp.add %v, %eps : (tensor<2x1x1xf32>, tensor<f32>) -> tensor<2x1x1xf32>
  %s = amp.sqrt %e : tensor<2x1x1xf32>
  %n = amp.div %d, %s : (tensor<2x3x4xf32>, tensor<2x1x1xf32>) -> tensor<2x3x4xf32>
  return %n : tensor<2x3x4xf32>
}

// Near misses stay as they are: axes that are not the last, or differ; an epsilon that is no
// constant; a value that something else reads; another square; precisions that differ.

// CHECK-LABEL: @other_axis
func.func @other_axis(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  // CHECK-NOT: amp.layer_norm
  // CHECK: amp.sqrt
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %d = amp.sub %x, %m : (tensor<2x3x4xf32>, tensor<2x1x4xf32>) -> tensor<2x3x4xf32>
  %q = amp.mul %d, %d : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %e = amp.add %v, %eps : (tensor<2x1x4xf32>, tensor<f32>) -> tensor<2x1x4xf32>
  %s = amp.sqrt %e : tensor<2x1x4xf32>
  %n = amp.div %d, %s : (tensor<2x3x4xf32>, tensor<2x1x4xf32>) -> tensor<2x3x4xf32>
  return %n : tensor<2x3x4xf32>
}

// CHECK-LABEL: @two_axes
func.func @two_axes(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  // CHECK-NOT: amp.layer_norm
  // CHECK: amp.sqrt
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [2] {keepdims} : (tensor<2x3x4xf32>) -> tensor<2x3x1xf32>
  %d = amp.sub %x, %m : (tensor<2x3x4xf32>, tensor<2x3x1xf32>) -> tensor<2x3x4xf32>
  %q = amp.mul %d, %d : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %v = amp.reduce_mean %q [1, 2] {keepdims} : (tensor<2x3x4xf32>) -> tensor<2x1x1xf32>
  %e = amp.add %v, %eps : (tensor<2x1x1xf32>, tensor<f32>) -> tensor<2x1x1xf32>
  %s = amp.sqrt %e : tensor<2x1x1xf32>
  %n = amp.div %d, %s : (tensor<2x3x4xf32>, tensor<2x1x1xf32>) -> tensor<2x3x4xf32>
  return %n : tensor<2x3x4xf32>
}

// CHECK-LABEL: @epsilon_is_no_constant
func.func @epsilon_is_no_constant(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>, %eps: tensor<f32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.layer_norm
  // CHECK: amp.sqrt
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %b, %y0 : (tensor<16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// CHECK-LABEL: @epsilon_differs_by_row
func.func @epsilon_differs_by_row(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.layer_norm
  // CHECK: amp.sqrt
  %eps = amp.constant dense<[[1.0e-5], [2.0e-5], [1.0e-5], [1.0e-5], [1.0e-5], [1.0e-5], [1.0e-5], [1.0e-5]]> : tensor<8x1xf32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<8x1xf32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %b, %y0 : (tensor<16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// CHECK-LABEL: @distance_is_read_elsewhere
func.func @distance_is_read_elsewhere(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.layer_norm
  // CHECK: amp.sqrt
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %b, %y0 : (tensor<16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %z = amp.add %y, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %z : tensor<8x16xf32>
}

// CHECK-LABEL: @variance_is_read_elsewhere
func.func @variance_is_read_elsewhere(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.layer_norm
  // CHECK: amp.sqrt
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %b, %y0 : (tensor<16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %z = amp.add %y, %v : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  return %z : tensor<8x16xf32>
}

// CHECK-LABEL: @square_of_something_else
func.func @square_of_something_else(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.layer_norm
  // CHECK: amp.sqrt
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %x : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %b, %y0 : (tensor<16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// CHECK-LABEL: @mean_of_something_else
func.func @mean_of_something_else(%x: tensor<8x16xf32>, %o: tensor<8x16xf32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.layer_norm
  // CHECK: amp.rms_norm
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %o [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  return %n : tensor<8x16xf32>
}

// CHECK-LABEL: @other_power
func.func @other_power(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.layer_norm
  // CHECK: amp.sqrt
  %three = amp.constant dense<3.000000e+00> : tensor<f32>
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.pow %d, %three : (tensor<8x16xf32>, tensor<f32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  return %n : tensor<8x16xf32>
}

// CHECK-LABEL: @precision_of_one_node
func.func @precision_of_one_node(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK-NOT: amp.layer_norm
  // CHECK: amp.sqrt
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e {amp.precision = {category = "allow", reason = "--amp-allow=Sqrt"}} : tensor<8x1xf32>
  %n = amp.div %d, %s : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %b, %y0 : (tensor<16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// What the user asks for all of it holds for the op.

// CHECK-LABEL: @precision_of_all_nodes
func.func @precision_of_all_nodes(%x: tensor<8x16xf32>, %g: tensor<16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK: amp.layer_norm {{.*}}amp.precision = {category = "f32", reason = "--amp-keep-fp32=n"}
  %eps = amp.constant dense<1.000000e-05> : tensor<f32>
  %m = amp.reduce_mean %x [1] {keepdims, amp.precision = {category = "f32", reason = "--amp-keep-fp32=n"}} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %d = amp.sub %x, %m {amp.precision = {category = "f32", reason = "--amp-keep-fp32=n"}} : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %q = amp.mul %d, %d {amp.precision = {category = "f32", reason = "--amp-keep-fp32=n"}} : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  %v = amp.reduce_mean %q [1] {keepdims, amp.precision = {category = "f32", reason = "--amp-keep-fp32=n"}} : (tensor<8x16xf32>) -> tensor<8x1xf32>
  %e = amp.add %v, %eps {amp.precision = {category = "f32", reason = "--amp-keep-fp32=n"}} : (tensor<8x1xf32>, tensor<f32>) -> tensor<8x1xf32>
  %s = amp.sqrt %e {amp.precision = {category = "f32", reason = "--amp-keep-fp32=n"}} : tensor<8x1xf32>
  %n = amp.div %d, %s {amp.precision = {category = "f32", reason = "--amp-keep-fp32=n"}} : (tensor<8x16xf32>, tensor<8x1xf32>) -> tensor<8x16xf32>
  %y0 = amp.mul %n, %g {amp.precision = {category = "f32", reason = "--amp-keep-fp32=n"}} : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  %y = amp.add %b, %y0 {amp.precision = {category = "f32", reason = "--amp-keep-fp32=n"}} : (tensor<16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}
