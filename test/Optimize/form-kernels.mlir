// RUN: ampc-opt %s -plan-form-kernels -split-input-file | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>

// A chain is one kernel, and what is only passed on in it is no result.

// CHECK-LABEL: @producer_and_consumer_are_one_kernel(
// CHECK-SAME: %[[X:.*]]: tensor<8x4xf32>)
func.func @producer_and_consumer_are_one_kernel(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // CHECK: %[[K:.*]] = plan.kernel fused (%[[A:.*]] = %[[X]] : tensor<8x4xf32>) -> tensor<8x4xf32> {
  // CHECK: math.exp
  // CHECK: math.tanh
  // CHECK: plan.yield %{{[0-9]+}} : tensor<8x4xf32>
  // CHECK-NOT: plan.kernel
  // CHECK: return %[[K]]
  %e = tensor.empty() : tensor<8x4xf32>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x4xf32>) outs(%e : tensor<8x4xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = math.exp %i : f32
    linalg.yield %y : f32
  } -> tensor<8x4xf32>
  %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a : tensor<8x4xf32>) outs(%e : tensor<8x4xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = math.tanh %i : f32
    linalg.yield %y : f32
  } -> tensor<8x4xf32>
  return %b : tensor<8x4xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>

// What a library call reads lies in memory; ops on both sides of it are two kernels.

// CHECK-LABEL: @a_call_divides_kernels(
func.func @a_call_divides_kernels(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // CHECK: %[[K:.*]] = plan.kernel
  // CHECK: math.exp
  // CHECK: %[[P:.*]] = plan.matmul %[[K]], %[[K]]
  // CHECK: plan.kernel fused (%{{.*}} = %[[K]] : tensor<4x4xf32>, %{{.*}} = %[[P]] : tensor<4x4xf32>)
  // CHECK: arith.addf
  %e = tensor.empty() : tensor<4x4xf32>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = math.exp %i : f32
    linalg.yield %y : f32
  } -> tensor<4x4xf32>
  %p = plan.matmul %a, %a : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  // One kernel for both would have to run before and after the product.
  %b = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a, %p : tensor<4x4xf32>, tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) {
  ^bb0(%i: f32, %j: f32, %o: f32):
    %y = arith.addf %i, %j : f32
    linalg.yield %y : f32
  } -> tensor<4x4xf32>
  return %b : tensor<4x4xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#col = affine_map<(d0, d1) -> (d1)>

// A gradient and the sum of its columns: one kernel writes both.

// CHECK-LABEL: @result_and_its_sums_are_one_kernel(
func.func @result_and_its_sums_are_one_kernel(%g: tensor<8x4xf16>, %x: tensor<8x4xf16>)
    -> (tensor<8x4xf16>, tensor<4xf32>) {
  // CHECK: plan.kernel fused {{.*}} -> (tensor<8x4xf16>, tensor<4xf32>)
  // CHECK-NOT: plan.kernel
  // CHECK: return
  %e = tensor.empty() : tensor<8x4xf16>
  %a = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%g, %x : tensor<8x4xf16>, tensor<8x4xf16>) outs(%e : tensor<8x4xf16>) {
  ^bb0(%i: f16, %j: f16, %o: f16):
    %y = arith.mulf %i, %j : f16
    linalg.yield %y : f16
  } -> tensor<8x4xf16>
  %zero = arith.constant 0.0 : f32
  %f = tensor.empty() : tensor<4xf32>
  %init = linalg.fill ins(%zero : f32) outs(%f : tensor<4xf32>) -> tensor<4xf32>
  %s = linalg.generic {indexing_maps = [#id, #col], iterator_types = ["reduction", "parallel"]}
      ins(%a : tensor<8x4xf16>) outs(%init : tensor<4xf32>) {
  ^bb0(%i: f16, %o: f32):
    %w = arith.extf %i : f16 to f32
    %y = arith.addf %w, %o : f32
    linalg.yield %y : f32
  } -> tensor<4xf32>
  return %a, %s : tensor<8x4xf16>, tensor<4xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#col = affine_map<(d0, d1) -> (d1)>
#row = affine_map<(d0, d1) -> (d0)>

// Sums along different dimensions have no loops in common.

// CHECK-LABEL: @row_and_column_sums_are_two_kernels(
func.func @row_and_column_sums_are_two_kernels(%x: tensor<8x4xf32>)
    -> (tensor<8xf32>, tensor<4xf32>) {
  // CHECK-COUNT-2: plan.kernel
  // CHECK: return
  %zero = arith.constant 0.0 : f32
  %f = tensor.empty() : tensor<4xf32>
  %fi = linalg.fill ins(%zero : f32) outs(%f : tensor<4xf32>) -> tensor<4xf32>
  %s = linalg.generic {indexing_maps = [#id, #col], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<8x4xf32>) outs(%fi : tensor<4xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = arith.addf %i, %o : f32
    linalg.yield %y : f32
  } -> tensor<4xf32>
  %g = tensor.empty() : tensor<8xf32>
  %gi = linalg.fill ins(%zero : f32) outs(%g : tensor<8xf32>) -> tensor<8xf32>
  %t = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<8x4xf32>) outs(%gi : tensor<8xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = arith.addf %i, %o : f32
    linalg.yield %y : f32
  } -> tensor<8xf32>
  return %t, %s : tensor<8xf32>, tensor<4xf32>
}

// -----

#id = affine_map<(d0) -> (d0)>

// Two ops that read the same tensor read it once.

// CHECK-LABEL: @readers_of_one_tensor_are_one_kernel(
// CHECK-SAME: %[[X:.*]]: tensor<64xf32>)
func.func @readers_of_one_tensor_are_one_kernel(%x: tensor<64xf32>)
    -> (tensor<64xf32>, tensor<64xf32>) {
  // CHECK: plan.kernel fused (%{{.*}} = %[[X]] : tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>)
  // CHECK-NOT: plan.kernel
  // CHECK: return
  %e = tensor.empty() : tensor<64xf32>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
      ins(%x : tensor<64xf32>) outs(%e : tensor<64xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = math.exp %i : f32
    linalg.yield %y : f32
  } -> tensor<64xf32>
  %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
      ins(%x : tensor<64xf32>) outs(%e : tensor<64xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = math.tanh %i : f32
    linalg.yield %y : f32
  } -> tensor<64xf32>
  return %a, %b : tensor<64xf32>, tensor<64xf32>
}

// -----

#id = affine_map<(d0) -> (d0)>
#none = affine_map<(d0) -> ()>
#scalar = affine_map<() -> ()>

// One cheap number is computed by every thread that needs it; a power is computed once.

// CHECK-LABEL: @cheap_numbers_are_computed_again(
// CHECK-SAME: %[[S:.*]]: tensor<f32>, %{{.*}}: tensor<64xf32>)
func.func @cheap_numbers_are_computed_again(%s: tensor<f32>, %x: tensor<64xf32>)
    -> tensor<64xf32> {
  // CHECK: plan.kernel fused (%{{.*}} = %[[S]] : tensor<f32>, %{{.*}} : tensor<64xf32>)
  // CHECK: arith.divf
  // CHECK: arith.mulf
  // CHECK-NOT: plan.kernel
  // CHECK: return
  %e0 = tensor.empty() : tensor<f32>
  %n = linalg.generic {indexing_maps = [#scalar, #scalar], iterator_types = []}
      ins(%s : tensor<f32>) outs(%e0 : tensor<f32>) {
  ^bb0(%i: f32, %o: f32):
    %one = arith.constant 1.0 : f32
    %y = arith.divf %one, %i : f32
    linalg.yield %y : f32
  } -> tensor<f32>
  %e = tensor.empty() : tensor<64xf32>
  %a = linalg.generic {indexing_maps = [#id, #none, #id], iterator_types = ["parallel"]}
      ins(%x, %n : tensor<64xf32>, tensor<f32>) outs(%e : tensor<64xf32>) {
  ^bb0(%i: f32, %j: f32, %o: f32):
    %y = arith.mulf %i, %j : f32
    linalg.yield %y : f32
  } -> tensor<64xf32>
  return %a : tensor<64xf32>
}

// CHECK-LABEL: @expensive_numbers_are_computed_once(
func.func @expensive_numbers_are_computed_once(%s: tensor<f32>, %x: tensor<64xf32>)
    -> tensor<64xf32> {
  // CHECK: %[[N:.*]] = plan.kernel
  // CHECK: math.powf
  // CHECK: plan.kernel fused {{.*}} = %[[N]] : tensor<f32>
  // CHECK: arith.mulf
  %e0 = tensor.empty() : tensor<f32>
  %n = linalg.generic {indexing_maps = [#scalar, #scalar], iterator_types = []}
      ins(%s : tensor<f32>) outs(%e0 : tensor<f32>) {
  ^bb0(%i: f32, %o: f32):
    %y = math.powf %i, %i : f32
    linalg.yield %y : f32
  } -> tensor<f32>
  %e = tensor.empty() : tensor<64xf32>
  %a = linalg.generic {indexing_maps = [#id, #none, #id], iterator_types = ["parallel"]}
      ins(%x, %n : tensor<64xf32>, tensor<f32>) outs(%e : tensor<64xf32>) {
  ^bb0(%i: f32, %j: f32, %o: f32):
    %y = arith.mulf %i, %j : f32
    linalg.yield %y : f32
  } -> tensor<64xf32>
  return %a : tensor<64xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>

// A widened tensor is not stored for two kernels: each reads the narrow one.

// CHECK-LABEL: @cheap_producers_are_copied(
// CHECK-SAME: %[[X:.*]]: tensor<8x4xf16>)
func.func @cheap_producers_are_copied(%x: tensor<8x4xf16>) -> (tensor<8xf32>, tensor<4xf32>) {
  // CHECK: plan.kernel fused (%{{.*}} = %[[X]] : tensor<8x4xf16>) -> tensor<
  // CHECK: arith.extf
  // CHECK: plan.kernel fused (%{{.*}} = %[[X]] : tensor<8x4xf16>) -> tensor<
  // CHECK: arith.extf
  // CHECK-NOT: plan.kernel
  // CHECK: return
  %e = tensor.empty() : tensor<8x4xf32>
  %w = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x4xf16>) outs(%e : tensor<8x4xf32>) {
  ^bb0(%i: f16, %o: f32):
    %y = arith.extf %i : f16 to f32
    linalg.yield %y : f32
  } -> tensor<8x4xf32>
  %zero = arith.constant 0.0 : f32
  %f = tensor.empty() : tensor<4xf32>
  %fi = linalg.fill ins(%zero : f32) outs(%f : tensor<4xf32>) -> tensor<4xf32>
  %s = linalg.generic {indexing_maps = [#id, #col], iterator_types = ["reduction", "parallel"]}
      ins(%w : tensor<8x4xf32>) outs(%fi : tensor<4xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = arith.addf %i, %o : f32
    linalg.yield %y : f32
  } -> tensor<4xf32>
  %g = tensor.empty() : tensor<8xf32>
  %gi = linalg.fill ins(%zero : f32) outs(%g : tensor<8xf32>) -> tensor<8xf32>
  %t = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%w : tensor<8x4xf32>) outs(%gi : tensor<8xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = arith.addf %i, %o : f32
    linalg.yield %y : f32
  } -> tensor<8xf32>
  return %t, %s : tensor<8xf32>, tensor<4xf32>
}

// -----

#id = affine_map<(d0) -> (d0)>
#none = affine_map<(d0) -> ()>
#scalar = affine_map<() -> ()>

// A number that waits for two sums joins neither, so that these stay equal kernels.

// CHECK-LABEL: @what_waits_for_two_sums_stands_alone(
func.func @what_waits_for_two_sums_stands_alone(%x: tensor<64xf32>, %y: tensor<32xf32>)
    -> tensor<f32> {
  // CHECK: %[[A:.*]] = plan.kernel fused (%{{.*}} : tensor<64xf32>) -> tensor<f32>
  // CHECK: %[[B:.*]] = plan.kernel fused (%{{.*}} : tensor<32xf32>) -> tensor<f32>
  // CHECK: plan.kernel fused (%{{.*}} = %[[A]] : tensor<f32>, %{{.*}} = %[[B]] : tensor<f32>)
  %zero = arith.constant 0.0 : f32
  %f = tensor.empty() : tensor<f32>
  %fi = linalg.fill ins(%zero : f32) outs(%f : tensor<f32>) -> tensor<f32>
  %a = linalg.generic {indexing_maps = [#id, #none], iterator_types = ["reduction"]}
      ins(%x : tensor<64xf32>) outs(%fi : tensor<f32>) {
  ^bb0(%i: f32, %o: f32):
    %s = arith.addf %i, %o : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  %b = linalg.generic {indexing_maps = [#id, #none], iterator_types = ["reduction"]}
      ins(%y : tensor<32xf32>) outs(%fi : tensor<f32>) {
  ^bb0(%i: f32, %o: f32):
    %s = arith.addf %i, %o : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  %n = linalg.generic {indexing_maps = [#scalar, #scalar, #scalar], iterator_types = []}
      ins(%a, %b : tensor<f32>, tensor<f32>) outs(%f : tensor<f32>) {
  ^bb0(%i: f32, %j: f32, %o: f32):
    %s = arith.addf %i, %j : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  return %n : tensor<f32>
}

// The mean of one tensor is finished in the kernel that sums it.

// CHECK-LABEL: @what_waits_for_one_sum_joins_it(
func.func @what_waits_for_one_sum_joins_it(%x: tensor<64xf32>) -> tensor<f32> {
  // CHECK: plan.kernel
  // CHECK: arith.addf
  // CHECK: arith.mulf
  // CHECK-NOT: plan.kernel
  // CHECK: return
  %zero = arith.constant 0.0 : f32
  %f = tensor.empty() : tensor<f32>
  %fi = linalg.fill ins(%zero : f32) outs(%f : tensor<f32>) -> tensor<f32>
  %a = linalg.generic {indexing_maps = [#id, #none], iterator_types = ["reduction"]}
      ins(%x : tensor<64xf32>) outs(%fi : tensor<f32>) {
  ^bb0(%i: f32, %o: f32):
    %s = arith.addf %i, %o : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  %n = linalg.generic {indexing_maps = [#scalar, #scalar], iterator_types = []}
      ins(%a : tensor<f32>) outs(%f : tensor<f32>) {
  ^bb0(%i: f32, %o: f32):
    %c = arith.constant 0.015625 : f32
    %s = arith.mulf %i, %c : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  return %n : tensor<f32>
}

// -----

#id = affine_map<(d0) -> (d0)>
#id2 = affine_map<(d0, d1) -> (d0, d1)>

// A reshape between two ops does not part them.

// CHECK-LABEL: @reshape_goes_into_the_kernel(
func.func @reshape_goes_into_the_kernel(%x: tensor<8x8xf32>) -> tensor<64xf32> {
  // CHECK: plan.kernel fused (%{{.*}} : tensor<8x8xf32>) -> tensor<64xf32>
  // CHECK: tensor.collapse_shape
  // CHECK-NOT: plan.kernel
  // CHECK: return
  %e = tensor.empty() : tensor<8x8xf32>
  %a = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = math.exp %i : f32
    linalg.yield %y : f32
  } -> tensor<8x8xf32>
  %v = tensor.collapse_shape %a [[0, 1]] : tensor<8x8xf32> into tensor<64xf32>
  %f = tensor.empty() : tensor<64xf32>
  %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
      ins(%v : tensor<64xf32>) outs(%f : tensor<64xf32>) {
  ^bb0(%i: f32, %o: f32):
    %y = math.tanh %i : f32
    linalg.yield %y : f32
  } -> tensor<64xf32>
  return %b : tensor<64xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#column = affine_map<(d0, d1) -> (d1)>

// What is computed from half the memory and one number a row, as a softmax is, is not stored
// for two kernels: each computes it again.

// CHECK-LABEL: @smaller_operands_are_read_again(
// CHECK-SAME: %[[X:.*]]: tensor<8x32xbf16>
func.func @smaller_operands_are_read_again(%x: tensor<8x32xbf16>, %m: tensor<8xf32>)
    -> (tensor<8xf32>, tensor<32xf32>) {
  // CHECK: plan.kernel fused (%{{.*}} = %[[X]] : tensor<8x32xbf16>, {{.*}}) -> tensor<8xf32> {
  // CHECK: math.exp
  // CHECK: plan.kernel fused (%{{.*}} = %[[X]] : tensor<8x32xbf16>, {{.*}}) -> tensor<32xf32> {
  // CHECK: math.exp
  %e = tensor.empty() : tensor<8x32xf32>
  %w = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x32xbf16>) outs(%e : tensor<8x32xf32>) {
  ^bb0(%i: bf16, %o: f32):
    %y = arith.extf %i : bf16 to f32
    linalg.yield %y : f32
  } -> tensor<8x32xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%w, %m : tensor<8x32xf32>, tensor<8xf32>) outs(%e : tensor<8x32xf32>) {
  ^bb0(%i: f32, %j: f32, %o: f32):
    %d = arith.subf %i, %j : f32
    %p = math.exp %d : f32
    linalg.yield %p : f32
  } -> tensor<8x32xf32>
  %r = tensor.empty() : tensor<8xf32>
  %rows = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%y : tensor<8x32xf32>) outs(%r : tensor<8xf32>) {
  ^bb0(%i: f32, %o: f32):
    %s = arith.addf %i, %o : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  %c = tensor.empty() : tensor<32xf32>
  %columns = linalg.generic {indexing_maps = [#id, #column],
                             iterator_types = ["reduction", "parallel"]}
      ins(%y : tensor<8x32xf32>) outs(%c : tensor<32xf32>) {
  ^bb0(%i: f32, %o: f32):
    %s = arith.addf %i, %o : f32
    linalg.yield %s : f32
  } -> tensor<32xf32>
  return %rows, %columns : tensor<8xf32>, tensor<32xf32>
}

// Nothing is gained where the operand is as large as the result.

// CHECK-LABEL: @equal_operands_are_not_read_again(
func.func @equal_operands_are_not_read_again(%x: tensor<8x32xf32>, %m: tensor<8xf32>)
    -> (tensor<8xf32>, tensor<32xf32>) {
  // CHECK: math.exp
  // CHECK-NOT: math.exp
  %e = tensor.empty() : tensor<8x32xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %m : tensor<8x32xf32>, tensor<8xf32>) outs(%e : tensor<8x32xf32>) {
  ^bb0(%i: f32, %j: f32, %o: f32):
    %d = arith.subf %i, %j : f32
    %p = math.exp %d : f32
    linalg.yield %p : f32
  } -> tensor<8x32xf32>
  %r = tensor.empty() : tensor<8xf32>
  %rows = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%y : tensor<8x32xf32>) outs(%r : tensor<8xf32>) {
  ^bb0(%i: f32, %o: f32):
    %s = arith.addf %i, %o : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  %c = tensor.empty() : tensor<32xf32>
  %columns = linalg.generic {indexing_maps = [#id, #column],
                             iterator_types = ["reduction", "parallel"]}
      ins(%y : tensor<8x32xf32>) outs(%c : tensor<32xf32>) {
  ^bb0(%i: f32, %o: f32):
    %s = arith.addf %i, %o : f32
    linalg.yield %s : f32
  } -> tensor<32xf32>
  return %rows, %columns : tensor<8xf32>, tensor<32xf32>
}
