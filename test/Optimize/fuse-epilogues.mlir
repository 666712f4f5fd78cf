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

// -----

// The gradient of a bias is made by the product that the gradient of the weights is: of the right
// operand, seen in two shapes.

#tokens = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#last = affine_map<(d0, d1, d2) -> (d2)>

// CHECK-LABEL: @sums_of_rows(
// CHECK: linalg.generic
// CUDA-LABEL: @sums_of_rows(
// CUDA-SAME: %[[X:.*]]: tensor<64x16xbf16>, %[[G:.*]]: tensor<4x16x24xbf16>)
// CUDA: %[[ROWS:.*]] = tensor.collapse_shape %[[G]]
// CUDA-NEXT: %[[W:.*]], %[[B:.*]] = plan.matmul %[[X]], %[[ROWS]] {transpose_lhs} : (tensor<64x16xbf16>, tensor<64x24xbf16>) -> (tensor<16x24xf32>, tensor<24xf32>)
// CUDA-NOT: linalg.generic
// CUDA: %[[U:.*]] = math.exp %[[B]]
// CUDA: return %[[W]], %[[U]]
func.func @sums_of_rows(%x: tensor<64x16xbf16>, %g: tensor<4x16x24xbf16>) -> (tensor<16x24xf32>, tensor<24xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<24xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<24xf32>) -> tensor<24xf32>
  %b = linalg.generic {indexing_maps = [#tokens, #last], iterator_types = ["reduction", "reduction", "parallel"]}
      ins(%g : tensor<4x16x24xbf16>) outs(%f : tensor<24xf32>) {
  ^bb0(%in: bf16, %out: f32):
    %w = arith.extf %in : bf16 to f32
    %s = arith.addf %w, %out : f32
    linalg.yield %s : f32
  } -> tensor<24xf32>
  %u = math.exp %b : tensor<24xf32>
  %rows = tensor.collapse_shape %g [[0, 1], [2]] : tensor<4x16x24xbf16> into tensor<64x24xbf16>
  %p = plan.matmul %x, %rows {transpose_lhs} : (tensor<64x16xbf16>, tensor<64x24xbf16>) -> tensor<16x24xf32>
  return %p, %u : tensor<16x24xf32>, tensor<24xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>

// The left operand's, behind the product.

// CUDA-LABEL: @sums_of_the_left_operand(
// CUDA: %[[W:.*]], %[[B:.*]] = plan.matmul %{{.*}}, %{{.*}} {sum_lhs, transpose_lhs} : (tensor<64x24xf16>, tensor<64x16xf16>) -> (tensor<24x16xf32>, tensor<24xf32>)
// CUDA-NOT: linalg.generic
// CUDA: return %[[W]], %[[B]]
func.func @sums_of_the_left_operand(%g: tensor<64x24xf16>, %x: tensor<64x16xf16>) -> (tensor<24x16xf32>, tensor<24xf32>) {
  %p = plan.matmul %g, %x {transpose_lhs} : (tensor<64x24xf16>, tensor<64x16xf16>) -> tensor<24x16xf32>
  %f = arith.constant dense<0.0> : tensor<24xf32>
  %b = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["reduction", "parallel"]}
      ins(%g : tensor<64x24xf16>) outs(%f : tensor<24xf32>) {
  ^bb0(%in: f16, %out: f32):
    %w = arith.extf %in : f16 to f32
    %s = arith.addf %out, %w : f32
    linalg.yield %s : f32
  } -> tensor<24xf32>
  return %p, %b : tensor<24x16xf32>, tensor<24xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>

// Not where the product sums along another dimension or gives 16 bits, nor of squares, nor from
// another number on, nor where sizes are odd or the product may be a part of a kernel.

// CUDA-LABEL: @other_sums(
// CUDA: plan.matmul {{.*}} -> tensor<32x16xf32>
// CUDA: plan.matmul {{.*}} -> tensor<16x24xf16>
// CUDA: plan.matmul {{.*}} -> tensor<16x24xf32>
// CUDA: plan.matmul {{.*}} -> tensor<16x24xf32>
// CUDA: plan.matmul {{.*}} -> tensor<16x24xf32>
// CUDA-COUNT-6: linalg.generic
func.func @other_sums(%x: tensor<32x16xf16>, %g: tensor<32x24xf16>, %y: tensor<30x16xf16>,
                      %h: tensor<30x24xf16>, %w: tensor<16x24xf16>, %v: tensor<32x24xf16>,
                      %few: tensor<8x24xf16>, %of: tensor<8x16xf16>)
    -> (tensor<32x16xf32>, tensor<16x24xf16>, tensor<16x24xf32>, tensor<16x24xf32>,
        tensor<16x24xf32>, tensor<24xf32>, tensor<24xf32>, tensor<24xf32>, tensor<24xf32>,
        tensor<24xf32>, tensor<24xf32>) {
  %zero = arith.constant dense<0.0> : tensor<24xf32>
  %one = arith.constant dense<1.0> : tensor<24xf32>
  %across = plan.matmul %g, %w {transpose_rhs} : (tensor<32x24xf16>, tensor<16x24xf16>) -> tensor<32x16xf32>
  %low = plan.matmul %x, %v {transpose_lhs} : (tensor<32x16xf16>, tensor<32x24xf16>) -> tensor<16x24xf16>
  %plain = plan.matmul %x, %g {transpose_lhs} : (tensor<32x16xf16>, tensor<32x24xf16>) -> tensor<16x24xf32>
  %odd = plan.matmul %y, %h {transpose_lhs} : (tensor<30x16xf16>, tensor<30x24xf16>) -> tensor<16x24xf32>
  %short = plan.matmul %of, %few {transpose_lhs} : (tensor<8x16xf16>, tensor<8x24xf16>) -> tensor<16x24xf32>
  %from_one = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["reduction", "parallel"]}
      ins(%g : tensor<32x24xf16>) outs(%one : tensor<24xf32>) {
  ^bb0(%in: f16, %out: f32):
    %e = arith.extf %in : f16 to f32
    %s = arith.addf %out, %e : f32
    linalg.yield %s : f32
  } -> tensor<24xf32>
  %squares = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["reduction", "parallel"]}
      ins(%g : tensor<32x24xf16>) outs(%zero : tensor<24xf32>) {
  ^bb0(%in: f16, %out: f32):
    %e = arith.extf %in : f16 to f32
    %t = arith.mulf %e, %e : f32
    %s = arith.addf %out, %t : f32
    linalg.yield %s : f32
  } -> tensor<24xf32>
  %of_weights = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["reduction", "parallel"]}
      ins(%w : tensor<16x24xf16>) outs(%zero : tensor<24xf32>) {
  ^bb0(%in: f16, %out: f32):
    %e = arith.extf %in : f16 to f32
    %s = arith.addf %out, %e : f32
    linalg.yield %s : f32
  } -> tensor<24xf32>
  %of_low = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["reduction", "parallel"]}
      ins(%v : tensor<32x24xf16>) outs(%zero : tensor<24xf32>) {
  ^bb0(%in: f16, %out: f32):
    %e = arith.extf %in : f16 to f32
    %s = arith.addf %out, %e : f32
    linalg.yield %s : f32
  } -> tensor<24xf32>
  %of_odd = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["reduction", "parallel"]}
      ins(%h : tensor<30x24xf16>) outs(%zero : tensor<24xf32>) {
  ^bb0(%in: f16, %out: f32):
    %e = arith.extf %in : f16 to f32
    %s = arith.addf %out, %e : f32
    linalg.yield %s : f32
  } -> tensor<24xf32>
  %of_few = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["reduction", "parallel"]}
      ins(%few : tensor<8x24xf16>) outs(%zero : tensor<24xf32>) {
  ^bb0(%in: f16, %out: f32):
    %e = arith.extf %in : f16 to f32
    %s = arith.addf %out, %e : f32
    linalg.yield %s : f32
  } -> tensor<24xf32>
  return %across, %low, %plain, %odd, %short, %from_one, %squares, %of_weights, %of_low, %of_odd,
         %of_few
      : tensor<32x16xf32>, tensor<16x24xf16>, tensor<16x24xf32>, tensor<16x24xf32>,
        tensor<16x24xf32>, tensor<24xf32>, tensor<24xf32>, tensor<24xf32>, tensor<24xf32>,
        tensor<24xf32>, tensor<24xf32>
}
