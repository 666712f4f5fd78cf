// RUN: ampc-opt %s -plan-expand-products=target=cuda -split-input-file | FileCheck %s
// RUN: ampc-opt %s -plan-expand-products=target=host -split-input-file | FileCheck %s --check-prefix=HOST

#id = affine_map<(d0, d1) -> (d0, d1)>

// A small product with an elementwise op behind it is computed in that op's kernel.

// HOST-LABEL: @small_product_of_an_elementwise_op(
// HOST: plan.matmul
// CHECK-LABEL: @small_product_of_an_elementwise_op(
// CHECK-SAME: %[[A:.*]]: tensor<8x4xf16>, %[[B:.*]]: tensor<2x4xf16>, %[[C:.*]]: tensor<2xf16>)
func.func @small_product_of_an_elementwise_op(%a: tensor<8x4xf16>, %b: tensor<2x4xf16>,
                                              %c: tensor<2xf16>) -> tensor<8x2xf16> {
  // CHECK-NOT: plan.matmul
  // CHECK: %[[S:.*]] = linalg.generic {{.*}}iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[A]], %[[B]] :
  // CHECK: %[[P:.*]] = arith.mulf %{{.*}}, %{{.*}} : f32
  // CHECK: arith.addf %[[P]], %{{.*}} : f32
  // CHECK: linalg.generic {{.*}} ins(%[[S]], %[[C]] : tensor<8x2xf32>, tensor<2xf16>)
  // CHECK: arith.addf
  // CHECK: arith.truncf %{{.*}} : f32 to f16
  %p = plan.matmul %a, %b bias %c {transpose_rhs} : (tensor<8x4xf16>, tensor<2x4xf16>, tensor<2xf16>) -> tensor<8x2xf16>
  %e = tensor.empty() : tensor<8x2xf16>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p : tensor<8x2xf16>) outs(%e : tensor<8x2xf16>) {
  ^bb0(%x: f16, %o: f16):
    %n = arith.negf %x : f16
    linalg.yield %n : f16
  } -> tensor<8x2xf16>
  return %r : tensor<8x2xf16>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>

// A library reads each row and column once.

// CHECK-LABEL: @long_inner_dimension_stays(
func.func @long_inner_dimension_stays(%a: tensor<8x64xf32>, %b: tensor<64x2xf32>) -> tensor<8x2xf32> {
  // CHECK: plan.matmul
  %p = plan.matmul %a, %b : (tensor<8x64xf32>, tensor<64x2xf32>) -> tensor<8x2xf32>
  %e = tensor.empty() : tensor<8x2xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p : tensor<8x2xf32>) outs(%e : tensor<8x2xf32>) {
  ^bb0(%x: f32, %o: f32):
    %n = arith.negf %x : f32
    linalg.yield %n : f32
  } -> tensor<8x2xf32>
  return %r : tensor<8x2xf32>
}

// CHECK-LABEL: @large_product_stays(
func.func @large_product_stays(%a: tensor<1024x32xf32>, %b: tensor<32x1024xf32>) -> tensor<1024x1024xf32> {
  // CHECK: plan.matmul
  %p = plan.matmul %a, %b : (tensor<1024x32xf32>, tensor<32x1024xf32>) -> tensor<1024x1024xf32>
  %e = tensor.empty() : tensor<1024x1024xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p : tensor<1024x1024xf32>) outs(%e : tensor<1024x1024xf32>) {
  ^bb0(%x: f32, %o: f32):
    %n = arith.negf %x : f32
    linalg.yield %n : f32
  } -> tensor<1024x1024xf32>
  return %r : tensor<1024x1024xf32>
}

// Where nothing elementwise follows, a launch is a launch.

// CHECK-LABEL: @product_of_two_readers_stays(
func.func @product_of_two_readers_stays(%a: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  // CHECK: plan.matmul
  // CHECK: plan.matmul
  %p = plan.matmul %a, %a : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %q = plan.matmul %p, %a : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %p, %q : tensor<4x4xf32>, tensor<4x4xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>

// alpha multiplies the sum before the bias is added; f64 is summed in f64.

// CHECK-LABEL: @alpha_and_f64(
func.func @alpha_and_f64(%a: tensor<4x8xf64>, %b: tensor<4x2xf64>, %c: tensor<2xf64>) -> tensor<8x2xf64> {
  // CHECK: linalg.generic
  // CHECK: arith.mulf %{{.*}}, %{{.*}} : f64
  // CHECK: linalg.generic
  // CHECK: %[[ALPHA:.*]] = arith.constant 5.0{{.*}}e-01 : f64
  // CHECK: %[[S:.*]] = arith.mulf %{{.*}}, %[[ALPHA]] : f64
  // CHECK: arith.addf %[[S]], %{{.*}} : f64
  %p = plan.matmul %a, %b bias %c {transpose_lhs, alpha = 0.5 : f64} : (tensor<4x8xf64>, tensor<4x2xf64>, tensor<2xf64>) -> tensor<8x2xf64>
  %e = tensor.empty() : tensor<8x2xf64>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p : tensor<8x2xf64>) outs(%e : tensor<8x2xf64>) {
  ^bb0(%x: f64, %o: f64):
    %n = arith.negf %x : f64
    linalg.yield %n : f64
  } -> tensor<8x2xf64>
  return %r : tensor<8x2xf64>
}
