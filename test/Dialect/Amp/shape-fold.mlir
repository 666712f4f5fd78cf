// RUN: ampc-opt %s -canonicalize | FileCheck %s

// What moves nothing is nothing.

// CHECK-LABEL: @identities(
func.func @identities(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: return %arg0
  %0 = amp.reshape %x : tensor<2x3xf32> to tensor<6xf32>
  %1 = amp.reshape %0 : tensor<6xf32> to tensor<2x3xf32>
  %2 = amp.transpose %1 [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %3 = amp.transpose %2 [1, 0] : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %4 = amp.slice %3 from [0, 0] size [2, 3] step [1, 1] : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %5 = amp.broadcast %4 : tensor<2x3xf32> to tensor<2x3xf32>
  %6 = amp.concat %5 along 0 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %6 : tensor<2x3xf32>
}

// CHECK-LABEL: @permutations_compose(
func.func @permutations_compose(%x: tensor<2x3x4xf32>) -> tensor<4x3x2xf32> {
  // CHECK-NEXT: %[[Y:.*]] = amp.transpose %arg0 [2, 1, 0] : (tensor<2x3x4xf32>) -> tensor<4x3x2xf32>
  // CHECK-NEXT: return %[[Y]]
  %0 = amp.transpose %x [1, 2, 0] : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %1 = amp.transpose %0 [1, 0, 2] : (tensor<3x4x2xf32>) -> tensor<4x3x2xf32>
  return %1 : tensor<4x3x2xf32>
}

// A slice that moves elements but keeps the shape is no identity.

// CHECK-LABEL: @reversal_is_something(
func.func @reversal_is_something(%x: tensor<3xf32>) -> tensor<3xf32> {
  // CHECK: amp.slice
  %0 = amp.slice %x from [2] size [3] step [-1] : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// CHECK-LABEL: @constants_move(
func.func @constants_move() -> (tensor<3x2xi64>, tensor<2xi64>, tensor<2x2xi64>, tensor<5xi64>, tensor<i64>) {
  %c = amp.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64>
  %r = amp.constant dense<[7, 8, 9]> : tensor<3xi64>
  // CHECK-DAG: %[[T:.*]] = amp.constant dense<{{\[}}[1, 4], [2, 5], [3, 6]]> : tensor<3x2xi64>
  // CHECK-DAG: %[[S:.*]] = amp.constant dense<[9, 7]> : tensor<2xi64>
  // CHECK-DAG: %[[B:.*]] = amp.constant dense<{{\[}}[9, 7], [9, 7]]> : tensor<2x2xi64>
  // CHECK-DAG: %[[J:.*]] = amp.constant dense<[7, 8, 9, 9, 7]> : tensor<5xi64>
  // CHECK-DAG: %[[P:.*]] = amp.constant dense<504> : tensor<i64>
  // CHECK: return %[[T]], %[[S]], %[[B]], %[[J]], %[[P]]
  %0 = amp.transpose %c [1, 0] : (tensor<2x3xi64>) -> tensor<3x2xi64>
  %1 = amp.slice %r from [2] size [2] step [-2] : (tensor<3xi64>) -> tensor<2xi64>
  %2 = amp.broadcast %1 : tensor<2xi64> to tensor<2x2xi64>
  %3 = amp.concat %r, %1 along 0 : (tensor<3xi64>, tensor<2xi64>) -> tensor<5xi64>
  %4 = amp.reduce_prod %r [0] : (tensor<3xi64>) -> tensor<i64>
  return %0, %1, %2, %3, %4 : tensor<3x2xi64>, tensor<2xi64>, tensor<2x2xi64>, tensor<5xi64>, tensor<i64>
}

// Sizes that a file computes by way of floats. What no integer holds stays for the device.

// CHECK-LABEL: @casts_to_integers(
func.func @casts_to_integers() -> (tensor<3xi64>, tensor<2xi8>, tensor<2xi1>, tensor<1xui8>, tensor<1xi32>) {
  // CHECK-DAG: amp.constant dense<[2, -2, 0]> : tensor<3xi64>
  // CHECK-DAG: amp.constant dense<[1, -1]> : tensor<2xi8>
  // CHECK-DAG: amp.constant dense<[false, true]> : tensor<2xi1>
  // CHECK-DAG: amp.cast %{{.*}} : tensor<1xf32> to tensor<1xui8>
  // CHECK-DAG: amp.cast %{{.*}} : tensor<1xf32> to tensor<1xi32>
  %floats = amp.constant dense<[2.75, -2.75, -0.0]> : tensor<3xf32>
  %0 = amp.cast %floats : tensor<3xf32> to tensor<3xi64>
  %wide = amp.constant dense<[257, 255]> : tensor<2xi32>
  %1 = amp.cast %wide : tensor<2xi32> to tensor<2xi8>
  %halves = amp.constant dense<[0.0, 0.5]> : tensor<2xf16>
  %2 = amp.cast %halves : tensor<2xf16> to tensor<2xi1>
  %negative = amp.constant dense<-1.5> : tensor<1xf32>
  %3 = amp.cast %negative : tensor<1xf32> to tensor<1xui8>
  %large = amp.constant dense<3.0e9> : tensor<1xf32>
  %4 = amp.cast %large : tensor<1xf32> to tensor<1xi32>
  return %0, %1, %2, %3, %4 : tensor<3xi64>, tensor<2xi8>, tensor<2xi1>, tensor<1xui8>, tensor<1xi32>
}
