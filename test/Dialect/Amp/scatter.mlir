// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -amp-differentiate | FileCheck %s --check-prefix=GRADIENT
// RUN: ampc-opt %s -amp-differentiate -ampc-kernels=target=cuda | FileCheck %s --check-prefix=CUDA
// RUN: ampc-opt %s -amp-differentiate -ampc-kernels=target=host | FileCheck %s --check-prefix=HOST

// On a device the indices are sorted; then each element of the result merges its own updates in
// their order. The host goes through the updates, in f32 for f16.

// CHECK-LABEL: @scatter(
// CUDA-LABEL: @scatter(
// HOST-LABEL: @scatter(
func.func @scatter(%x: tensor<5x8xf16>, %i: tensor<3x8xi64>, %u: tensor<3x8xf16>) -> tensor<5x8xf16> {
  // CHECK: amp.scatter %arg2 into %arg0[%arg1] along 0 : (tensor<5x8xf16>, tensor<3x8xi64>, tensor<3x8xf16>) -> tensor<5x8xf16>
  // CUDA: plan.kernel fused
  // CUDA: plan.sort {{.*}} along 0 : (tensor<3x8xi64>) -> (tensor<3x8xi64>, tensor<3x8xi32>)
  // CUDA: arith.cmpi slt
  // CUDA: plan.kernel fused
  // CUDA: scf.for
  // CUDA-NOT: plan.kernel
  // CUDA: return
  // HOST-NOT: plan.sort
  // HOST: plan.scatter {{.*}} along 0 into {{.*}} : (tensor<5x8xf32>, tensor<3x8xi64>, tensor<3x8xf16>) -> tensor<5x8xf32>
  // HOST: plan.kernel fused {{.*}} -> tensor<{{.*}}xf16>
  %0 = amp.scatter %u into %x[%i] along 0 : (tensor<5x8xf16>, tensor<3x8xi64>, tensor<3x8xf16>) -> tensor<5x8xf16>
  return %0 : tensor<5x8xf16>
}

// CHECK-LABEL: @merged(
func.func @merged(%x: tensor<5x8xi32>, %i: tensor<3x8xi32>, %u: tensor<3x8xi32>) -> tensor<5x8xi32> {
  // CHECK: amp.scatter_add
  // CHECK: amp.scatter_mul
  // CHECK: amp.scatter_max
  // CHECK: amp.scatter_min
  %0 = amp.scatter_add %u into %x[%i] along 0 : (tensor<5x8xi32>, tensor<3x8xi32>, tensor<3x8xi32>) -> tensor<5x8xi32>
  %1 = amp.scatter_mul %u into %0[%i] along 0 : (tensor<5x8xi32>, tensor<3x8xi32>, tensor<3x8xi32>) -> tensor<5x8xi32>
  %2 = amp.scatter_max %u into %1[%i] along 0 : (tensor<5x8xi32>, tensor<3x8xi32>, tensor<3x8xi32>) -> tensor<5x8xi32>
  %3 = amp.scatter_min %u into %2[%i] along 0 : (tensor<5x8xi32>, tensor<3x8xi32>, tensor<3x8xi32>) -> tensor<5x8xi32>
  return %3 : tensor<5x8xi32>
}

// What was replaced has no gradient; nor has an update that another one replaced. One sort does
// for the value and both gradients, each of which is one kernel. On the host the last update of a
// place is the one whose number a scatter leaves there.

// GRADIENT-LABEL: @differentiated(
// CUDA-LABEL: @differentiated(
// HOST-LABEL: @differentiated(
func.func @differentiated(%x: tensor<5xf32>, %i: tensor<3xi64>, %u: tensor<3xf32>, %g: tensor<5xf32>) -> (tensor<5xf32>, tensor<5xf32>, tensor<3xf32>) {
  // GRADIENT: %[[Z:.*]] = amp.constant dense<0.000000e+00> : tensor<3xf32>
  // GRADIENT: %[[DX:.*]] = amp.scatter %[[Z]] into %arg3[%arg1] along 0
  // GRADIENT: %[[DU:.*]] = amp.scatter_updates_grad %arg3[%arg1] along 0 : (tensor<5xf32>, tensor<3xi64>) -> tensor<3xf32>
  // GRADIENT: return %{{.*}}, %[[DX]], %[[DU]]
  // CUDA: plan.sort
  // CUDA-NOT: plan.sort
  // CUDA: return
  // HOST-NOT: plan.sort
  // HOST-DAG: plan.scatter {{.*}} along 0 into {{.*}} : (tensor<5xf32>,
  // HOST-DAG: plan.scatter {{.*}} along 0 into %arg3 : (tensor<5xf32>,
  // HOST-DAG: plan.scatter {{.*}} along 0 from -1 : i32 : (tensor<3xi64>, tensor<3xi32>) -> tensor<5xi32>
  // HOST: return
  %y = amp.scatter %u into %x[%i] along 0 : (tensor<5xf32>, tensor<3xi64>, tensor<3xf32>) -> tensor<5xf32>
  %dx, %du = amp.gradient %y seed %g : tensor<5xf32> wrt (%x, %u) : tensor<5xf32>, (tensor<5xf32>, tensor<3xf32>) -> (tensor<5xf32>, tensor<3xf32>)
  return %y, %dx, %du : tensor<5xf32>, tensor<5xf32>, tensor<3xf32>
}

// GRADIENT-LABEL: @added(
func.func @added(%x: tensor<5xf32>, %i: tensor<3xi64>, %u: tensor<3xf32>, %g: tensor<5xf32>) -> (tensor<5xf32>, tensor<3xf32>) {
  // GRADIENT: %[[DU:.*]] = amp.gather_elements %arg3[%arg1] along 0 : (tensor<5xf32>, tensor<3xi64>) -> tensor<3xf32>
  // GRADIENT: return %arg3, %[[DU]]
  %y = amp.scatter_add %u into %x[%i] along 0 : (tensor<5xf32>, tensor<3xi64>, tensor<3xf32>) -> tensor<5xf32>
  %dx, %du = amp.gradient %y seed %g : tensor<5xf32> wrt (%x, %u) : tensor<5xf32>, (tensor<5xf32>, tensor<3xf32>) -> (tensor<5xf32>, tensor<3xf32>)
  return %dx, %du : tensor<5xf32>, tensor<3xf32>
}

// GRADIENT-LABEL: @gathered(
// HOST-LABEL: @gathered(
func.func @gathered(%x: tensor<5xf32>, %i: tensor<3xi64>, %g: tensor<3xf32>) -> tensor<5xf32> {
  // GRADIENT: %[[Z:.*]] = amp.constant dense<0.000000e+00> : tensor<5xf32>
  // GRADIENT: %[[DX:.*]] = amp.scatter_add %arg2 into %[[Z]][%arg1] along 0
  // GRADIENT: return %[[DX]]
  // HOST: plan.scatter %arg2 at {{.*}} along 0 from 0.000000e+00 : f32
  %y = amp.gather_elements %x[%i] along 0 : (tensor<5xf32>, tensor<3xi64>) -> tensor<3xf32>
  %dx = amp.gradient %y seed %g : tensor<3xf32> wrt (%x) : tensor<3xf32>, (tensor<5xf32>) -> (tensor<5xf32>)
  return %dx : tensor<5xf32>
}
