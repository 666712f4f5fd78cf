// RUN: ampc-opt %s -canonicalize | FileCheck %s

// Integers that shapes are computed with are known at compile time, with broadcasting.

// CHECK-LABEL: @integers_fold(
func.func @integers_fold() -> (tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi1>, tensor<2xi64>) {
  %a = amp.constant dense<[7, -9]> : tensor<2xi64>
  %b = amp.constant dense<2> : tensor<i64>
  // CHECK-DAG: %[[SUM:.*]] = amp.constant dense<[9, -7]> : tensor<2xi64>
  // CHECK-DAG: %[[DIFFERENCE:.*]] = amp.constant dense<[5, -11]> : tensor<2xi64>
  // CHECK-DAG: %[[PRODUCT:.*]] = amp.constant dense<[14, -18]> : tensor<2xi64>
  // Division truncates.
  // CHECK-DAG: %[[QUOTIENT:.*]] = amp.constant dense<[3, -4]> : tensor<2xi64>
  // CHECK-DAG: %[[LESS:.*]] = amp.constant dense<[false, true]> : tensor<2xi1>
  // CHECK-DAG: %[[CHOICE:.*]] = amp.constant dense<[2, -9]> : tensor<2xi64>
  // CHECK: return %[[SUM]], %[[DIFFERENCE]], %[[PRODUCT]], %[[QUOTIENT]], %[[LESS]], %[[CHOICE]]
  %0 = amp.add %a, %b : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  %1 = amp.sub %a, %b : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  %2 = amp.mul %a, %b : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  %3 = amp.div %a, %b : (tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  %4 = amp.less %a, %b : (tensor<2xi64>, tensor<i64>) -> tensor<2xi1>
  %5 = amp.where %4, %a, %b : (tensor<2xi1>, tensor<2xi64>, tensor<i64>) -> tensor<2xi64>
  return %0, %1, %2, %3, %4, %5 : tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi1>, tensor<2xi64>
}

// CHECK-LABEL: @division_by_zero_is_left_to_the_device(
func.func @division_by_zero_is_left_to_the_device() -> tensor<i64> {
  %a = amp.constant dense<7> : tensor<i64>
  %b = amp.constant dense<0> : tensor<i64>
  // CHECK: amp.div
  %0 = amp.div %a, %b : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %0 : tensor<i64>
}

// So do floats, by way of which files compute sizes: each operation rounds once.

// CHECK-LABEL: @floats_fold(
func.func @floats_fold() -> (tensor<2xf32>, tensor<f16>, tensor<2xi64>) {
  %a = amp.constant dense<[7, -9]> : tensor<2xi64>
  %b = amp.constant dense<0.5> : tensor<f32>
  %c = amp.constant dense<2048.0> : tensor<f16>
  %d = amp.constant dense<1.0> : tensor<f16>
  // CHECK-DAG: %[[FLOOR:.*]] = amp.constant dense<[3.000000e+00, -5.000000e+00]> : tensor<2xf32>
  // CHECK-DAG: %[[ROUNDED:.*]] = amp.constant dense<2.048000e+03> : tensor<f16>
  // CHECK-DAG: %[[SIZES:.*]] = amp.constant dense<[3, -5]> : tensor<2xi64>
  // CHECK: return %[[FLOOR]], %[[ROUNDED]], %[[SIZES]]
  %0 = amp.cast %a : tensor<2xi64> to tensor<2xf32>
  %1 = amp.mul %0, %b : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %2 = amp.floor %1 : tensor<2xf32>
  %3 = amp.add %c, %d : (tensor<f16>, tensor<f16>) -> tensor<f16>
  %4 = amp.cast %2 : tensor<2xf32> to tensor<2xi64>
  return %2, %3, %4 : tensor<2xf32>, tensor<f16>, tensor<2xi64>
}

// ONNX's Range computes how many numbers it has as ceil((limit - start) / delta).

// CHECK-LABEL: @single_floats_fold(
func.func @single_floats_fold() -> (tensor<i64>, tensor<1xi1>, tensor<f16>, tensor<f32>) {
  %start = amp.constant dense<-1> : tensor<i32>
  %limit = amp.constant dense<6.5> : tensor<f16>
  %delta = amp.constant dense<2.0> : tensor<1xf32>
  // CHECK-DAG: %[[COUNT:.*]] = amp.constant dense<4> : tensor<i64>
  // CHECK-DAG: %[[LESS:.*]] = amp.constant dense<true> : tensor<1xi1>
  // CHECK-DAG: %[[PRODUCT:.*]] = amp.constant dense<4.225000e+01> : tensor<f16>
  // CHECK-DAG: %[[NONE:.*]] = amp.constant dense<0.000000e+00> : tensor<f32>
  // CHECK: return %[[COUNT]], %[[LESS]], %[[PRODUCT]], %[[NONE]]
  %0 = amp.cast %start : tensor<i32> to tensor<f32>
  %1 = amp.cast %limit : tensor<f16> to tensor<f32>
  %2 = amp.sub %1, %0 : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %3 = amp.div %2, %delta : (tensor<f32>, tensor<1xf32>) -> tensor<1xf32>
  %4 = amp.reshape %3 : tensor<1xf32> to tensor<f32>
  %5 = amp.ceil %4 : tensor<f32>
  %6 = amp.cast %5 : tensor<f32> to tensor<i64>
  %7 = amp.less %delta, %3 : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xi1>
  %8 = amp.mul %limit, %limit : (tensor<f16>, tensor<f16>) -> tensor<f16>
  %9 = amp.floor %0 : tensor<f32>
  %10 = amp.relu %9 : tensor<f32>
  return %6, %7, %8, %10 : tensor<i64>, tensor<1xi1>, tensor<f16>, tensor<f32>
}

// CHECK-LABEL: @many_floats_do_not_fold(
func.func @many_floats_do_not_fold() -> tensor<1025xf32> {
  %a = amp.constant dense<7.0> : tensor<1025xf32>
  // CHECK: amp.add
  %0 = amp.add %a, %a : (tensor<1025xf32>, tensor<1025xf32>) -> tensor<1025xf32>
  return %0 : tensor<1025xf32>
}
