// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -ampc-emit-kernels=target=host -canonicalize -cse | FileCheck %s --check-prefix=HOST

// Rows are independent: a block has some of them. Data that are one number are not read.

// CHECK-LABEL: @rows(
// HOST-LABEL: @rows(
func.func @rows(%p: tensor<1024x256xi64>, %u: tensor<1024x256xf32>) -> tensor<1024x1024xf32> {
  // CHECK: plan.scatter %arg1 at %arg0 along 1 from 0.000000e+00 : f32 : (tensor<1024x256xi64>, tensor<1024x256xf32>) -> tensor<1024x1024xf32> {
  // HOST: plan.launch @host_kernels::@scatter_0 blocks [86, 1, 1] threads [1, 1, 1](%arg0, %arg1)
  %0 = plan.scatter %u at %p along 1 from 0.0 : f32 : (tensor<1024x256xi64>, tensor<1024x256xf32>) -> tensor<1024x1024xf32> {
  ^bb0(%old: f32, %new: f32):
    %sum = arith.addf %old, %new : f32
    plan.yield %sum : f32
  }
  return %0 : tensor<1024x1024xf32>
}

// Few lines are cut into parts. The worker of each goes through all updates.

// CHECK-LABEL: @line(
// HOST-LABEL: @line(
func.func @line(%x: tensor<100000xf32>, %p: tensor<50000xi32>, %u: tensor<50000xf32>) -> tensor<100000xf32> {
  // CHECK: plan.scatter %arg2 at %arg1 along 0 into %arg0
  // HOST: plan.launch @host_kernels::@scatter_1 blocks [4, 1, 1] threads [1, 1, 1](%arg0, %arg1, %arg2)
  %0 = plan.scatter %u at %p along 0 into %x : (tensor<100000xf32>, tensor<50000xi32>, tensor<50000xf32>) -> tensor<100000xf32> {
  ^bb0(%old: f32, %new: f32):
    plan.yield %new : f32
  }
  return %0 : tensor<100000xf32>
}
