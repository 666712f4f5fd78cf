// RUN: ampc-opt %s --amp-recover-patterns | FileCheck %s

// A group norm that is written as a norm of instances, with scale and bias of the channels behind it.

// CHECK-LABEL: @groups
func.func @groups(%x: tensor<2x8x3x5xf32>, %g: tensor<8x1x1xf32>, %b: tensor<1x8x1x1xf32>) -> tensor<2x8x3x5xf32> {
  // CHECK-DAG: %[[G:.*]] = amp.reshape %arg1 : tensor<8x1x1xf32> to tensor<4x2x1x1xf32>
  // CHECK-DAG: %[[B:.*]] = amp.reshape %arg2 : tensor<1x8x1x1xf32> to tensor<4x2x1x1xf32>
  // CHECK: %[[N:.*]], %{{.*}}, %{{.*}} = amp.layer_norm %{{.*}}, %[[G]] bias %[[B]] from 2 {epsilon = 1.000000e-05 : f64} : (tensor<2x4x2x3x5xf32>,
  // CHECK-NEXT: %[[Y:.*]] = amp.reshape %[[N]] : tensor<2x4x2x3x5xf32> to tensor<2x8x3x5xf32>
  // CHECK-NEXT: return %[[Y]]
  %one = amp.constant dense<1.0> : tensor<4x1x1xf32>
  %zero = amp.constant dense<0.0> : tensor<4x1x1xf32>
  %r = amp.reshape %x : tensor<2x8x3x5xf32> to tensor<2x4x1x30xf32>
  %n, %m, %i = amp.layer_norm %r, %one bias %zero from 2 {epsilon = 1.000000e-05 : f64} : (tensor<2x4x1x30xf32>, tensor<4x1x1xf32>, tensor<4x1x1xf32>) -> (tensor<2x4x1x30xf32>, tensor<2x4x1x1xf32>, tensor<2x4x1x1xf32>)
  %s = amp.reshape %n : tensor<2x4x1x30xf32> to tensor<2x8x3x5xf32>
  %p = amp.mul %s, %g : (tensor<2x8x3x5xf32>, tensor<8x1x1xf32>) -> tensor<2x8x3x5xf32>
  %y = amp.add %b, %p : (tensor<1x8x1x1xf32>, tensor<2x8x3x5xf32>) -> tensor<2x8x3x5xf32>
  return %y : tensor<2x8x3x5xf32>
}

// Each channel is a group.

// CHECK-LABEL: @instances
func.func @instances(%x: tensor<2x8x3x5xf32>, %g: tensor<8x1x1xf32>) -> tensor<2x8x3x5xf32> {
  // CHECK-NOT: amp.mul
  // CHECK: amp.layer_norm %{{.*}}, %{{.*}} from 2 {{.*}} : (tensor<2x8x3x5xf32>, tensor<8x1x1xf32>)
  %one = amp.constant dense<1.0> : tensor<15xf32>
  %r = amp.reshape %x : tensor<2x8x3x5xf32> to tensor<2x8x15xf32>
  %n, %m, %i = amp.layer_norm %r, %one from 2 {epsilon = 1.000000e-05 : f64} : (tensor<2x8x15xf32>, tensor<15xf32>) -> (tensor<2x8x15xf32>, tensor<2x8x1xf32>, tensor<2x8x1xf32>)
  %s = amp.reshape %n : tensor<2x8x15xf32> to tensor<2x8x3x5xf32>
  %y = amp.mul %s, %g : (tensor<2x8x3x5xf32>, tensor<8x1x1xf32>) -> tensor<2x8x3x5xf32>
  return %y : tensor<2x8x3x5xf32>
}

// It has a scale; the statistics are read; what follows differs from sample to sample.

// CHECK-LABEL: @has_a_scale
func.func @has_a_scale(%x: tensor<8x16xf32>, %a: tensor<16xf32>, %g: tensor<16xf32>) -> tensor<8x16xf32> {
  // CHECK: amp.layer_norm
  // CHECK-NEXT: amp.mul
  %n, %m, %i = amp.layer_norm %x, %a from 1 {epsilon = 1.000000e-05 : f64} : (tensor<8x16xf32>, tensor<16xf32>) -> (tensor<8x16xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  %y = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// CHECK-LABEL: @statistics_are_read
func.func @statistics_are_read(%x: tensor<8x16xf32>, %g: tensor<16xf32>) -> (tensor<8x16xf32>, tensor<8x1xf32>) {
  // CHECK: amp.layer_norm
  // CHECK-NEXT: amp.mul
  %a = amp.constant dense<1.0> : tensor<16xf32>
  %n, %m, %i = amp.layer_norm %x, %a from 1 {epsilon = 1.000000e-05 : f64} : (tensor<8x16xf32>, tensor<16xf32>) -> (tensor<8x16xf32>, tensor<8x1xf32>, tensor<8x1xf32>)
  %y = amp.mul %n, %g : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  return %y, %m : tensor<8x16xf32>, tensor<8x1xf32>
}

// CHECK-LABEL: @modulated
func.func @modulated(%x: tensor<8x3x16xf32>, %g: tensor<8x1x16xf32>) -> tensor<8x3x16xf32> {
  // CHECK: amp.layer_norm
  // CHECK-NEXT: amp.mul
  %a = amp.constant dense<1.0> : tensor<16xf32>
  %n, %m, %i = amp.layer_norm %x, %a from 2 {epsilon = 1.000000e-05 : f64} : (tensor<8x3x16xf32>, tensor<16xf32>) -> (tensor<8x3x16xf32>, tensor<8x3x1xf32>, tensor<8x3x1xf32>)
  %y = amp.mul %n, %g : (tensor<8x3x16xf32>, tensor<8x1x16xf32>) -> tensor<8x3x16xf32>
  return %y : tensor<8x3x16xf32>
}
