// RUN: ampc-opt %s -ampc-kernels=target=cuda | FileCheck %s
// RUN: ampc-opt %s -ampc-kernels=target=host | FileCheck %s --check-prefix=HOST

// A product needs %y in memory. The kernel behind it, which reads %x anyway, computes its mask from
// that; and the masked gradient, which its sums read first and the difference then, is computed by
// both, so it is stored nowhere.

// CHECK-LABEL: @mask_of_a_relu(
// CHECK-SAME: %[[X:[^:]*]]: tensor<512x512xf16>, %[[B:[^:]*]]: tensor<512xf16>, %[[W:[^:]*]]: tensor<512x512xf16>
// HOST-LABEL: @mask_of_a_relu(
func.func @mask_of_a_relu(%x: tensor<512x512xf16>, %b: tensor<512xf16>, %w: tensor<512x512xf16>) -> (tensor<512x512xf16>, tensor<512x512xf16>) {
  // CHECK: %[[Y:.*]] = plan.kernel fused (
  // CHECK: %[[G:.*]] = plan.matmul %[[Y]], %[[W]]
  // CHECK: %[[S:.*]] = plan.kernel fused (%{{[a-z0-9]*}} = %[[G]] : tensor<512x512xf16>, %{{[a-z0-9]*}} = %[[X]] : tensor<512x512xf16>, %{{[a-z0-9]*}} = %[[B]] : tensor<512xf16>) -> tensor<512xf16>
  // CHECK: %[[R:.*]] = plan.kernel fused (%{{[a-z0-9]*}} = %[[S]] : tensor<512xf16>, %{{[a-z0-9]*}} = %[[X]] : tensor<512x512xf16>, %{{[a-z0-9]*}} = %[[G]] : tensor<512x512xf16>, %{{[a-z0-9]*}} = %[[B]] : tensor<512xf16>) -> tensor<512x512xf16>
  // CHECK: return %[[Y]], %[[R]]
  // HOST: %[[Y:.*]] = plan.kernel fused
  // HOST: plan.matmul %[[Y]]
  // HOST: plan.kernel fused ({{.*}}%[[Y]] :
  %z = amp.add %x, %b : (tensor<512x512xf16>, tensor<512xf16>) -> tensor<512x512xf16>
  %y = amp.relu %z : tensor<512x512xf16>
  %g = amp.matmul %y, %w : (tensor<512x512xf16>, tensor<512x512xf16>) -> tensor<512x512xf16>
  %zero = amp.constant dense<0.0> : tensor<512x512xf16>
  %off = amp.less_or_equal %y, %zero : (tensor<512x512xf16>, tensor<512x512xf16>) -> tensor<512x512xi1>
  %d = amp.where %off, %zero, %g : (tensor<512x512xi1>, tensor<512x512xf16>, tensor<512x512xf16>) -> tensor<512x512xf16>
  %p = amp.mul %d, %x : (tensor<512x512xf16>, tensor<512x512xf16>) -> tensor<512x512xf16>
  %s = amp.reduce_sum %p [0] : (tensor<512x512xf16>) -> tensor<512xf16>
  %q = amp.sub %d, %s : (tensor<512x512xf16>, tensor<512xf16>) -> tensor<512x512xf16>
  %r = amp.mul %q, %x : (tensor<512x512xf16>, tensor<512x512xf16>) -> tensor<512x512xf16>
  return %y, %r : tensor<512x512xf16>, tensor<512x512xf16>
}

// A post-norm chain: what the first norm gives to the second sum is made of the first sum and the
// row's mean, which a gradient reads later, so only its 16-bit copy is stored.

// CHECK-LABEL: @norms(
// CHECK-SAME: %[[X:[^:]*]]: tensor<512x512xf32>
// CHECK: %[[N:.*]]:3 = plan.kernel fused ({{.*}}) -> (tensor<512x512xf32>, tensor<512{{(x1)?}}xf32>, tensor<512x512xf16>)
// CHECK: %[[G:.*]] = plan.matmul %[[N]]#2,
// CHECK: plan.kernel fused ({{.*}}%[[N]]#0 : tensor<512x512xf32>
func.func @norms(%x: tensor<512x512xf32>, %b: tensor<512x512xf16>, %w: tensor<512x512xf16>) -> (tensor<512x512xf32>, tensor<512x1xf32>, tensor<512x512xf32>) {
  %wide = amp.cast %b : tensor<512x512xf16> to tensor<512x512xf32>
  %s = amp.add %x, %wide : (tensor<512x512xf32>, tensor<512x512xf32>) -> tensor<512x512xf32>
  %m = amp.reduce_mean %s [1] {keepdims} : (tensor<512x512xf32>) -> tensor<512x1xf32>
  %n = amp.sub %s, %m : (tensor<512x512xf32>, tensor<512x1xf32>) -> tensor<512x512xf32>
  %low = amp.cast %n : tensor<512x512xf32> to tensor<512x512xf16>
  %g = amp.matmul %low, %w : (tensor<512x512xf16>, tensor<512x512xf16>) -> tensor<512x512xf16>
  %t = amp.cast %g : tensor<512x512xf16> to tensor<512x512xf32>
  %r = amp.add %n, %t : (tensor<512x512xf32>, tensor<512x512xf32>) -> tensor<512x512xf32>
  return %s, %m, %r : tensor<512x512xf32>, tensor<512x1xf32>, tensor<512x512xf32>
}
