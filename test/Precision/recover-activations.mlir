// RUN: ampc-opt %s --amp-recover-patterns | FileCheck %s
// RUN: ampc-opt %s --amp-recover-patterns --remarks-filter=amp-recover-patterns -remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Gates that files spell out, in the forms that exporters write, and in other orders.

// REMARK: remark: [Passed] recovered | Category:amp-recover-patterns | Function=amp.gelu
// REMARK-SAME: function=erf
// REMARK-SAME: kind=gelu
// REMARK: remark: [Analysis] patterns
// REMARK-SAME: function=erf
// REMARK-SAME: gelu=1

// CHECK-LABEL: @erf
func.func @erf(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: %[[Y:.*]] = amp.gelu %arg0 : tensor<4x8xf32>
  // CHECK-NEXT: return %[[Y]]
  %root = amp.constant dense<1.41421354> : tensor<f32>
  %one = amp.constant dense<1.000000e+00> : tensor<f32>
  %half = amp.constant dense<5.000000e-01> : tensor<f32>
  %u = amp.div %x, %root : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %e = amp.erf %u : tensor<4x8xf32>
  %a = amp.add %e, %one : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %p = amp.mul %x, %a : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = amp.mul %p, %half : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// The curve from 0 to 1 first; the root by its inverse.

// CHECK-LABEL: @erf_curve_first
func.func @erf_curve_first(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: amp.gelu %arg0 : tensor<4x8xf32>
  // CHECK-NEXT: return
  %inverse = amp.constant dense<0.707106769> : tensor<1xf32>
  %half = amp.constant dense<5.000000e-01> : tensor<f32>
  %u = amp.mul %inverse, %x : (tensor<1xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %e = amp.erf %u : tensor<4x8xf32>
  %s = amp.mul %e, %half : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %a = amp.add %half, %s : (tensor<f32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = amp.mul %a, %x : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// As JAX has erfc: 1 - erf(-u).

// CHECK-LABEL: @erf_of_the_negative
func.func @erf_of_the_negative(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: amp.gelu %arg0 : tensor<4x8xf32>
  // CHECK-NEXT: return
  %root = amp.constant dense<1.41421354> : tensor<f32>
  %one = amp.constant dense<1.000000e+00> : tensor<f32>
  %two = amp.constant dense<2.000000e+00> : tensor<f32>
  %n = amp.neg %x : tensor<4x8xf32>
  %u = amp.div %n, %root : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %e = amp.erf %u : tensor<4x8xf32>
  %a = amp.sub %one, %e : (tensor<f32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %p = amp.mul %x, %a : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = amp.div %p, %two : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @f16
func.func @f16(%x: tensor<4x8xf16>) -> tensor<4x8xf16> {
  // CHECK: amp.gelu %arg0 : tensor<4x8xf16>
  // CHECK-NEXT: return
  %root = amp.constant dense<1.414060e+00> : tensor<f16>
  %one = amp.constant dense<1.000000e+00> : tensor<f16>
  %half = amp.constant dense<5.000000e-01> : tensor<f16>
  %u = amp.div %x, %root : (tensor<4x8xf16>, tensor<f16>) -> tensor<4x8xf16>
  %e = amp.erf %u : tensor<4x8xf16>
  %a = amp.add %e, %one : (tensor<4x8xf16>, tensor<f16>) -> tensor<4x8xf16>
  %p = amp.mul %x, %a : (tensor<4x8xf16>, tensor<4x8xf16>) -> tensor<4x8xf16>
  %y = amp.mul %p, %half : (tensor<4x8xf16>, tensor<f16>) -> tensor<4x8xf16>
  return %y : tensor<4x8xf16>
}

// CHECK-LABEL: @tanh_with_a_power
func.func @tanh_with_a_power(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: amp.gelu %arg0 {amp.wide_in_pytorch, tanh} : tensor<4x8xf32>
  // CHECK-NEXT: return
  %one = amp.constant dense<1.000000e+00> : tensor<f32>
  %half = amp.constant dense<5.000000e-01> : tensor<f32>
  %three = amp.constant dense<3.000000e+00> : tensor<f32>
  %c = amp.constant dense<4.471500e-02> : tensor<f32>
  %r = amp.constant dense<0.797884583> : tensor<f32>
  %h = amp.mul %x, %half : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %p = amp.pow %x, %three : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %q = amp.mul %p, %c : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %s = amp.add %x, %q : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %u = amp.mul %s, %r : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %t = amp.tanh %u : tensor<4x8xf32>
  %a = amp.add %t, %one : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %y = amp.mul %h, %a : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @tanh_with_a_square
func.func @tanh_with_a_square(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: amp.gelu %arg0 {tanh} : tensor<4x8xf32>
  // CHECK-NEXT: return
  %one = amp.constant dense<1.000000e+00> : tensor<f32>
  %half = amp.constant dense<5.000000e-01> : tensor<f32>
  %c = amp.constant dense<4.471500e-02> : tensor<f32>
  %r = amp.constant dense<0.797884583> : tensor<f32>
  %p = amp.mul %x, %x : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %q = amp.mul %c, %p : (tensor<f32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %s = amp.add %q, %one : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %l = amp.mul %x, %r : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %u = amp.mul %l, %s : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %t = amp.tanh %u : tensor<4x8xf32>
  %a = amp.add %one, %t : (tensor<f32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %b = amp.mul %a, %half : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %y = amp.mul %b, %x : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @silu
func.func @silu(%x: tensor<4x8xf32>, %gate: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: %[[S:.*]] = amp.swish %arg0 {alpha = 1.000000e+00 : f32} : tensor<4x8xf32>
  // CHECK-NEXT: amp.mul %[[S]], %arg1
  %s = amp.sigmoid %x : tensor<4x8xf32>
  %y = amp.mul %x, %s : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %z = amp.mul %y, %gate : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %z : tensor<4x8xf32>
}

// CHECK-LABEL: @gelu_by_sigmoid
func.func @gelu_by_sigmoid(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: amp.swish %arg0 {alpha = 1.702000e+00 : f32} : tensor<4x8xf32>
  // CHECK-NEXT: return
  %alpha = amp.constant dense<1.702000e+00> : tensor<f32>
  %u = amp.mul %alpha, %x : (tensor<f32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %s = amp.sigmoid %u : tensor<4x8xf32>
  %y = amp.mul %s, %x : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @silu_by_exp
func.func @silu_by_exp(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: amp.swish %arg0 {alpha = 1.000000e+00 : f32, amp.wide_in_pytorch} : tensor<4x8xf32>
  // CHECK-NEXT: return
  %one = amp.constant dense<1.000000e+00> : tensor<f32>
  %n = amp.neg %x : tensor<4x8xf32>
  %e = amp.exp %n : tensor<4x8xf32>
  %a = amp.add %e, %one : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %y = amp.div %x, %a : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @sigmoid
func.func @sigmoid(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: amp.sigmoid %arg0 {amp.wide_in_pytorch} : tensor<4x8xf32>
  // CHECK-NEXT: return
  %one = amp.constant dense<1.000000e+00> : tensor<f32>
  %n = amp.neg %x : tensor<4x8xf32>
  %e = amp.exp %n : tensor<4x8xf32>
  %a = amp.add %one, %e : (tensor<f32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = amp.div %one, %a : (tensor<f32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// What is nearly one stays, and a remark says why.

// REMARK: remark: [Missed] not-recovered | Category:amp-recover-patterns | Function=amp.erf
// REMARK-SAME: Reason="the argument of erf is 1.131371 * x over sqrt(2), where gelu has x"
// REMARK-SAME: function=another_root
// REMARK-SAME: kind=gelu

// CHECK-LABEL: @another_root
func.func @another_root(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: amp.erf
  // CHECK-NOT: amp.gelu
  %scale = amp.constant dense<8.000000e-01> : tensor<f32>
  %one = amp.constant dense<1.000000e+00> : tensor<f32>
  %half = amp.constant dense<5.000000e-01> : tensor<f32>
  %u = amp.mul %x, %scale : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %e = amp.erf %u : tensor<4x8xf32>
  %a = amp.add %e, %one : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %p = amp.mul %x, %a : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = amp.mul %p, %half : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// REMARK: [Missed] not-recovered
// REMARK-SAME: Reason="the product is 2.00 times what it should be"
// REMARK-SAME: function=twice

// CHECK-LABEL: @twice
func.func @twice(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: amp.erf
  // CHECK-NOT: amp.gelu
  %root = amp.constant dense<1.41421354> : tensor<f32>
  %one = amp.constant dense<1.000000e+00> : tensor<f32>
  %u = amp.div %x, %root : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %e = amp.erf %u : tensor<4x8xf32>
  %a = amp.add %e, %one : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %y = amp.mul %x, %a : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// REMARK: [Missed] not-recovered
// REMARK-SAME: Reason="what 'amp.sigmoid' computes is read elsewhere too"
// REMARK-SAME: function=sigmoid_is_a_result
// REMARK-SAME: kind=silu

// CHECK-LABEL: @sigmoid_is_a_result
func.func @sigmoid_is_a_result(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  // CHECK: amp.sigmoid
  // CHECK-NEXT: amp.mul
  %s = amp.sigmoid %x : tensor<4x8xf32>
  %y = amp.mul %x, %s : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y, %s : tensor<4x8xf32>, tensor<4x8xf32>
}

// REMARK: [Missed] not-recovered
// REMARK-SAME: Reason="different precisions are asked for its parts"
// REMARK-SAME: function=precisions_differ

// CHECK-LABEL: @precisions_differ
func.func @precisions_differ(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: amp.sigmoid
  %s = amp.sigmoid %x {amp.precision = {category = "f32", reason = "flag"}} : tensor<4x8xf32>
  %y = amp.mul %x, %s : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// Gates of something else are no near misses.

// REMARK-NOT: function=gate_of_another
// REMARK-NOT: function=numbers_that_are_inputs

// CHECK-LABEL: @gate_of_another
func.func @gate_of_another(%x: tensor<4x8xf32>, %z: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK-NEXT: amp.sigmoid
  // CHECK-NEXT: amp.mul
  %s = amp.sigmoid %z : tensor<4x8xf32>
  %y = amp.mul %x, %s : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: @numbers_that_are_inputs
func.func @numbers_that_are_inputs(%x: tensor<4x8xf32>, %alpha: tensor<f32>) -> tensor<4x8xf32> {
  // CHECK: amp.sigmoid
  %u = amp.mul %x, %alpha : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %s = amp.sigmoid %u : tensor<4x8xf32>
  %y = amp.mul %x, %s : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// A result of more dimensions than x is not the op's.

// CHECK-LABEL: @number_of_higher_rank
func.func @number_of_higher_rank(%x: tensor<8xf32>) -> tensor<1x8xf32> {
  // CHECK: amp.sigmoid
  %one = amp.constant dense<1.000000e+00> : tensor<1x1xf32>
  %s = amp.sigmoid %x : tensor<8xf32>
  %p = amp.mul %x, %one : (tensor<8xf32>, tensor<1x1xf32>) -> tensor<1x8xf32>
  %y = amp.mul %p, %s : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
  return %y : tensor<1x8xf32>
}
