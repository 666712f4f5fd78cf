// RUN: ampc-opt %s -plan-fuse-epilogues=target=host -split-input-file | FileCheck %s
// RUN: ampc-opt %s -plan-fuse-epilogues=target=cuda -split-input-file | FileCheck %s --check-prefix=CUDA

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>
#column = affine_map<(d0, d1) -> (d0)>

// CHECK-LABEL: @bias_and_relu_go_into_the_call(
// CHECK-SAME: %[[A:.*]]: tensor<8x4xf16>, %[[B:.*]]: tensor<4x2xf16>, %[[BIAS:.*]]: tensor<2xf16>)
// CUDA-LABEL: @bias_and_relu_go_into_the_call(
// CUDA: %[[P:.*]] = plan.matmul %{{.*}}, %{{.*}} bias %{{.*}} : (
// CUDA: %[[R:.*]] = linalg.generic {{.*}} ins(%[[P]] :
// CUDA: arith.maximumf
// CUDA: return %[[R]]
func.func @bias_and_relu_go_into_the_call(%a: tensor<8x4xf16>, %b: tensor<4x2xf16>,
                                          %bias: tensor<2xf16>) -> tensor<8x2xf16> {
  // CHECK: %[[R:.*]] = plan.matmul %[[A]], %[[B]] bias %[[BIAS]] {epilogue = 1 : i32}
  // CHECK-NOT: linalg.generic
  // CHECK: return %[[R]]
  %p = plan.matmul %a, %b : (tensor<8x4xf16>, tensor<4x2xf16>) -> tensor<8x2xf16>
  %e = tensor.empty() : tensor<8x2xf16>
  %s = linalg.generic {indexing_maps = [#row, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%bias, %p : tensor<2xf16>, tensor<8x2xf16>) outs(%e : tensor<8x2xf16>) {
  ^bb0(%y: f16, %x: f16, %o: f16):
    %xw = arith.extf %x : f16 to f32
    %yw = arith.extf %y : f16 to f32
    %w = arith.addf %xw, %yw : f32
    %n = arith.truncf %w : f32 to f16
    linalg.yield %n : f16
  } -> tensor<8x2xf16>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%s : tensor<8x2xf16>) outs(%e : tensor<8x2xf16>) {
  ^bb0(%x: f16, %o: f16):
    %c = arith.constant 0.0 : f32
    %w = arith.extf %x : f16 to f32
    %m = arith.maximumf %w, %c : f32
    %n = arith.truncf %m : f32 to f16
    linalg.yield %n : f16
  } -> tensor<8x2xf16>
  return %r : tensor<8x2xf16>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>

// The value before the activation is needed.

// CHECK-LABEL: @relu_of_a_product_with_another_use_stays(
func.func @relu_of_a_product_with_another_use_stays(%a: tensor<8x4xf32>, %b: tensor<4x2xf32>)
    -> (tensor<8x2xf32>, tensor<8x2xf32>) {
  // CHECK-NOT: epilogue
  // CHECK: linalg.generic
  %p = plan.matmul %a, %b : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %e = tensor.empty() : tensor<8x2xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p : tensor<8x2xf32>) outs(%e : tensor<8x2xf32>) {
  ^bb0(%x: f32, %o: f32):
    %c = arith.constant 0.0 : f32
    %m = arith.maximumf %x, %c : f32
    linalg.yield %m : f32
  } -> tensor<8x2xf32>
  return %p, %r : tensor<8x2xf32>, tensor<8x2xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>

// Another bound, and a maximum that drops NaN, are no relu.

// CHECK-LABEL: @other_maxima_stay(
func.func @other_maxima_stay(%a: tensor<8x4xf32>, %b: tensor<4x2xf32>)
    -> (tensor<8x2xf32>, tensor<8x2xf32>) {
  // CHECK-NOT: epilogue
  // CHECK: return
  %p = plan.matmul %a, %b : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %q = plan.matmul %a, %b : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %e = tensor.empty() : tensor<8x2xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p : tensor<8x2xf32>) outs(%e : tensor<8x2xf32>) {
  ^bb0(%x: f32, %o: f32):
    %c = arith.constant 1.0 : f32
    %m = arith.maximumf %x, %c : f32
    linalg.yield %m : f32
  } -> tensor<8x2xf32>
  %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%q : tensor<8x2xf32>) outs(%e : tensor<8x2xf32>) {
  ^bb0(%x: f32, %o: f32):
    %c = arith.constant 0.0 : f32
    %m = arith.maxnumf %x, %c : f32
    linalg.yield %m : f32
  } -> tensor<8x2xf32>
  return %r, %s : tensor<8x2xf32>, tensor<8x2xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#column = affine_map<(d0, d1) -> (d0)>
#row = affine_map<(d0, d1) -> (d1)>

// A library adds a row to every row, of the result's type; not a column, not f32 to f16.

// CHECK-LABEL: @added_column_stays(
func.func @added_column_stays(%a: tensor<8x4xf32>, %b: tensor<4x8xf32>, %c: tensor<8xf32>)
    -> tensor<8x8xf32> {
  // CHECK-NOT: bias
  // CHECK: linalg.generic
  %p = plan.matmul %a, %b : (tensor<8x4xf32>, tensor<4x8xf32>) -> tensor<8x8xf32>
  %e = tensor.empty() : tensor<8x8xf32>
  %r = linalg.generic {indexing_maps = [#id, #column, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p, %c : tensor<8x8xf32>, tensor<8xf32>) outs(%e : tensor<8x8xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %s = arith.addf %x, %y : f32
    linalg.yield %s : f32
  } -> tensor<8x8xf32>
  return %r : tensor<8x8xf32>
}

// CHECK-LABEL: @wider_bias_stays(
func.func @wider_bias_stays(%a: tensor<8x4xf16>, %b: tensor<4x2xf16>, %c: tensor<2xf32>)
    -> tensor<8x2xf16> {
  // CHECK-NOT: bias
  // CHECK: linalg.generic
  %p = plan.matmul %a, %b : (tensor<8x4xf16>, tensor<4x2xf16>) -> tensor<8x2xf16>
  %e = tensor.empty() : tensor<8x2xf16>
  %r = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p, %c : tensor<8x2xf16>, tensor<2xf32>) outs(%e : tensor<8x2xf16>) {
  ^bb0(%x: f16, %y: f32, %o: f16):
    %w = arith.extf %x : f16 to f32
    %s = arith.addf %w, %y : f32
    %n = arith.truncf %s : f32 to f16
    linalg.yield %n : f16
  } -> tensor<8x2xf16>
  return %r : tensor<8x2xf16>
}

// -----

#id3 = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#last = affine_map<(d0, d1, d2) -> (d2)>
#id1 = affine_map<(d0) -> (d0)>

// Through a view, and with a bias that is computed behind the product.

// CHECK-LABEL: @bias_behind_a_view(
func.func @bias_behind_a_view(%a: tensor<8x4xf32>, %b: tensor<4x2xf32>, %c: tensor<2xf32>)
    -> tensor<2x4x2xf32> {
  // CHECK: %[[BIAS:.*]] = linalg.generic
  // CHECK: %[[P:.*]] = plan.matmul %{{.*}} bias %[[BIAS]]
  // CHECK: %[[V:.*]] = tensor.expand_shape %[[P]]
  // CHECK: return %[[V]]
  %p = plan.matmul %a, %b : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %v = tensor.expand_shape %p [[0, 1], [2]] output_shape [2, 4, 2]
      : tensor<8x2xf32> into tensor<2x4x2xf32>
  %e1 = tensor.empty() : tensor<2xf32>
  %bias = linalg.generic {indexing_maps = [#id1, #id1], iterator_types = ["parallel"]}
      ins(%c : tensor<2xf32>) outs(%e1 : tensor<2xf32>) {
  ^bb0(%x: f32, %o: f32):
    %n = arith.negf %x : f32
    linalg.yield %n : f32
  } -> tensor<2xf32>
  %e = tensor.empty() : tensor<2x4x2xf32>
  %r = linalg.generic {indexing_maps = [#id3, #last, #id3],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%v, %bias : tensor<2x4x2xf32>, tensor<2xf32>) outs(%e : tensor<2x4x2xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %s = arith.addf %x, %y : f32
    linalg.yield %s : f32
  } -> tensor<2x4x2xf32>
  return %r : tensor<2x4x2xf32>
}
