// RUN: ampc-opt %s | ampc-opt | FileCheck %s
// RUN: ampc-opt %s -ampc-kernels=target=cuda | FileCheck %s --check-prefix=CUDA

// CHECK-LABEL: @places(
func.func @places(%x: tensor<9xi1>) -> (tensor<4xi64>, tensor<i64>) {
  // CHECK: amp.true_places 4 of %arg0 : (tensor<9xi1>) -> (tensor<4xi64>, tensor<i64>)
  %p, %c = amp.true_places 4 of %x : (tensor<9xi1>) -> (tensor<4xi64>, tensor<i64>)
  return %p, %c : tensor<4xi64>, tensor<i64>
}

// One sort of the elements, one that puts the kinds where the elements stand.

// CHECK-LABEL: @unique(
// CUDA-LABEL: @unique(
func.func @unique(%x: tensor<9x1xf32>) -> (tensor<4xi64>, tensor<9xi64>, tensor<4xi64>, tensor<i64>) {
  // CHECK: amp.unique 4 of %arg0 {sorted} : (tensor<9x1xf32>) -> (tensor<4xi64>, tensor<9xi64>, tensor<4xi64>, tensor<i64>)
  // CUDA-COUNT-2: plan.sort
  // CUDA-NOT: plan.sort
  // CUDA: plan.scan
  // CUDA-NOT: plan.sort
  // CUDA: return
  %f, %k, %n, %c = amp.unique 4 of %x {sorted} : (tensor<9x1xf32>) -> (tensor<4xi64>, tensor<9xi64>, tensor<4xi64>, tensor<i64>)
  return %f, %k, %n, %c : tensor<4xi64>, tensor<9xi64>, tensor<4xi64>, tensor<i64>
}

// Box after box, whose code does not grow with their number.

// CHECK-LABEL: @boxes(
// CUDA-LABEL: @boxes(
func.func @boxes(%b: tensor<2x30x4xf32>, %s: tensor<2x3x30xf32>, %l: tensor<i64>, %i: tensor<f32>) -> (tensor<5x3xi64>, tensor<i64>) {
  // CHECK: amp.non_max_suppression 5 of %arg0, %arg1 up to %arg2 iou %arg3 {center} : (tensor<2x30x4xf32>, tensor<2x3x30xf32>, tensor<i64>, tensor<f32>) -> (tensor<5x3xi64>, tensor<i64>)
  // CUDA: plan.loop
  // CUDA: return
  %y, %c = amp.non_max_suppression 5 of %b, %s up to %l iou %i {center} : (tensor<2x30x4xf32>, tensor<2x3x30xf32>, tensor<i64>, tensor<f32>) -> (tensor<5x3xi64>, tensor<i64>)
  return %y, %c : tensor<5x3xi64>, tensor<i64>
}
