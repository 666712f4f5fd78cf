// RUN: ampc-opt %s -plan-form-sequences=target=cuda -split-input-file | FileCheck %s

#id = affine_map<(d0) -> (d0)>

// Small neighbours share a launch; what passes between them is no result.

// CHECK-LABEL: @small_kernels_become_one(
// CHECK-SAME: %[[X:.*]]: tensor<64xf32>)
func.func @small_kernels_become_one(%x: tensor<64xf32>) -> tensor<64xf32> {
  // CHECK: %[[S:.*]] = plan.kernel sequence (%[[A:.*]] = %[[X]] : tensor<64xf32>) -> tensor<64xf32> {
  // CHECK: %[[P:.*]] = plan.kernel fused (%{{.*}} = %[[A]] :
  // CHECK: %[[Q:.*]] = plan.kernel fused (%{{.*}} = %[[P]] :
  // CHECK: plan.yield %[[Q]]
  // CHECK: return %[[S]]
  %p = plan.kernel fused (%a = %x : tensor<64xf32>) -> tensor<64xf32> {
    %e = tensor.empty() : tensor<64xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<64xf32>) outs(%e : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<64xf32>
    plan.yield %body : tensor<64xf32>
  }
  %q = plan.kernel fused (%a = %p : tensor<64xf32>) -> tensor<64xf32> {
    %e = tensor.empty() : tensor<64xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<64xf32>) outs(%e : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.tanh %i : f32
      linalg.yield %f : f32
    } -> tensor<64xf32>
    plan.yield %body : tensor<64xf32>
  }
  return %q : tensor<64xf32>
}

// -----

#id = affine_map<(d0) -> (d0)>

// CHECK-LABEL: @large_kernels_stay_apart(
func.func @large_kernels_stay_apart(%x: tensor<65536xf32>) -> tensor<65536xf32> {
  // CHECK-NOT: sequence
  // CHECK: return
  %p = plan.kernel fused (%a = %x : tensor<65536xf32>) -> tensor<65536xf32> {
    %e = tensor.empty() : tensor<65536xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<65536xf32>) outs(%e : tensor<65536xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<65536xf32>
    plan.yield %body : tensor<65536xf32>
  }
  %q = plan.kernel fused (%a = %p : tensor<65536xf32>) -> tensor<65536xf32> {
    %e = tensor.empty() : tensor<65536xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<65536xf32>) outs(%e : tensor<65536xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.tanh %i : f32
      linalg.yield %f : f32
    } -> tensor<65536xf32>
    plan.yield %body : tensor<65536xf32>
  }
  return %q : tensor<65536xf32>
}

// -----

#id = affine_map<(d0) -> (d0)>
#id2 = affine_map<(d0, d1) -> (d0, d1)>

// A kernel that no call waits for moves to where its neighbours are.

// CHECK-LABEL: @independent_kernel_moves_to_the_others(
func.func @independent_kernel_moves_to_the_others(%x: tensor<8x8xf32>, %y: tensor<64xf32>)
    -> (tensor<8x8xf32>, tensor<64xf32>) {
  // CHECK: plan.matmul
  // CHECK: plan.kernel sequence
  // CHECK: plan.kernel fused
  // CHECK: plan.kernel fused
  // CHECK: plan.yield %{{.*}}, %{{.*}} : tensor<64xf32>, tensor<8x8xf32>
  %q = plan.kernel fused (%a = %y : tensor<64xf32>) -> tensor<64xf32> {
    %e = tensor.empty() : tensor<64xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<64xf32>) outs(%e : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<64xf32>
    plan.yield %body : tensor<64xf32>
  }
  %p = plan.matmul %x, %x : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %r = plan.kernel fused (%a = %p : tensor<8x8xf32>) -> tensor<8x8xf32> {
    %e = tensor.empty() : tensor<8x8xf32>
    %body = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<8x8xf32>
    plan.yield %body : tensor<8x8xf32>
  }
  return %r, %q : tensor<8x8xf32>, tensor<64xf32>
}

// The other one is needed by the call, which divides them.

// CHECK-LABEL: @call_divides_runs(
func.func @call_divides_runs(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // CHECK-NOT: sequence
  // CHECK: plan.kernel fused
  // CHECK: plan.matmul
  // CHECK: plan.kernel fused
  %q = plan.kernel fused (%a = %x : tensor<8x8xf32>) -> tensor<8x8xf32> {
    %e = tensor.empty() : tensor<8x8xf32>
    %body = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<8x8xf32>
    plan.yield %body : tensor<8x8xf32>
  }
  %p = plan.matmul %q, %x : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %r = plan.kernel fused (%a = %p : tensor<8x8xf32>) -> tensor<8x8xf32> {
    %e = tensor.empty() : tensor<8x8xf32>
    %body = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<8x8xf32>
    plan.yield %body : tensor<8x8xf32>
  }
  return %r : tensor<8x8xf32>
}

// -----

#id = affine_map<(d0) -> (d0)>
#id2 = affine_map<(d0, d1) -> (d0, d1)>

// What waits for the first run only, and what nothing waits for, join it: the call has one
// run before it and none behind.

// CHECK-LABEL: @trailing_kernel_joins_an_earlier_run(
func.func @trailing_kernel_joins_an_earlier_run(%x: tensor<8x8xf32>)
    -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  // CHECK: plan.kernel sequence
  // CHECK: math.exp
  // CHECK: math.tanh
  // CHECK: plan.matmul
  // CHECK-NOT: plan.kernel
  // CHECK: return
  %q = plan.kernel fused (%a = %x : tensor<8x8xf32>) -> tensor<8x8xf32> {
    %e = tensor.empty() : tensor<8x8xf32>
    %body = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<8x8xf32>
    plan.yield %body : tensor<8x8xf32>
  }
  %p = plan.matmul %q, %x : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %r = plan.kernel fused (%a = %q : tensor<8x8xf32>) -> tensor<8x8xf32> {
    %e = tensor.empty() : tensor<8x8xf32>
    %body = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.tanh %i : f32
      linalg.yield %f : f32
    } -> tensor<8x8xf32>
    plan.yield %body : tensor<8x8xf32>
  }
  return %p, %r : tensor<8x8xf32>, tensor<8x8xf32>
}

// -----

#scalar = affine_map<() -> ()>
#id = affine_map<(d0) -> (d0)>

// Kernels on single numbers that stand together are one: each spares a barrier.

// CHECK-LABEL: @single_numbers_are_one_kernel(
func.func @single_numbers_are_one_kernel(%x: tensor<f32>, %y: tensor<f32>, %z: tensor<64xf32>)
    -> (tensor<f32>, tensor<f32>, tensor<64xf32>) {
  // CHECK: plan.kernel sequence
  // CHECK: plan.kernel fused
  // CHECK: math.tanh
  // CHECK: plan.kernel fused
  // CHECK: math.exp
  // CHECK: math.log
  // CHECK-NOT: plan.kernel
  // CHECK: return
  %p = plan.kernel fused (%a = %x : tensor<f32>) -> tensor<f32> {
    %e = tensor.empty() : tensor<f32>
    %body = linalg.generic {indexing_maps = [#scalar, #scalar], iterator_types = []}
        ins(%a : tensor<f32>) outs(%e : tensor<f32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<f32>
    plan.yield %body : tensor<f32>
  }
  %q = plan.kernel fused (%a = %z : tensor<64xf32>) -> tensor<64xf32> {
    %e = tensor.empty() : tensor<64xf32>
    %body = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<64xf32>) outs(%e : tensor<64xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.tanh %i : f32
      linalg.yield %f : f32
    } -> tensor<64xf32>
    plan.yield %body : tensor<64xf32>
  }
  %r = plan.kernel fused (%a = %y : tensor<f32>) -> tensor<f32> {
    %e = tensor.empty() : tensor<f32>
    %body = linalg.generic {indexing_maps = [#scalar, #scalar], iterator_types = []}
        ins(%a : tensor<f32>) outs(%e : tensor<f32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.log %i : f32
      linalg.yield %f : f32
    } -> tensor<f32>
    plan.yield %body : tensor<f32>
  }
  return %p, %r, %q : tensor<f32>, tensor<f32>, tensor<64xf32>
}

// -----

#id2 = affine_map<(d0, d1) -> (d0, d1)>

// The reader of an old value comes before the step that writes the new one.

amp.variable parameter @w : tensor<8x8xf32> {from_model, trained}

// CHECK-LABEL: @update_waits_for_readers(
func.func @update_waits_for_readers(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // CHECK: %[[W:.*]] = amp.read @w
  // CHECK: plan.matmul %{{.*}}, %[[W]]
  // CHECK: plan.kernel fused (%{{.*}} = %[[W]]
  %w = amp.read @w : tensor<8x8xf32>
  %n = plan.kernel fused (%a = %w : tensor<8x8xf32>) -> tensor<8x8xf32> {
    %e = tensor.empty() : tensor<8x8xf32>
    %body = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<8x8xf32>
    plan.yield %body : tensor<8x8xf32>
  }
  %p = plan.matmul %x, %w : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  amp.assign @w, %n : tensor<8x8xf32>
  return %p : tensor<8x8xf32>
}

// -----

#scalar = affine_map<() -> ()>
#id = affine_map<(d0) -> (d0)>
#one = affine_map<(d0) -> (0)>

// The reader of a number waits for it, through however many views.

// CHECK-LABEL: @number_through_two_views(
func.func @number_through_two_views(%x: tensor<f32>, %y: tensor<64xf32>) -> tensor<64xf32> {
  // CHECK: plan.kernel sequence
  // CHECK: plan.kernel fused
  // CHECK: math.exp
  // CHECK: tensor.expand_shape
  // CHECK: tensor.collapse_shape
  // CHECK: plan.kernel fused
  // CHECK: arith.mulf
  // CHECK-NOT: plan.kernel
  // CHECK: return
  %p = plan.kernel fused (%a = %x : tensor<f32>) -> tensor<f32> {
    %e = tensor.empty() : tensor<f32>
    %body = linalg.generic {indexing_maps = [#scalar, #scalar], iterator_types = []}
        ins(%a : tensor<f32>) outs(%e : tensor<f32>) {
    ^bb0(%i: f32, %o: f32):
      %f = math.exp %i : f32
      linalg.yield %f : f32
    } -> tensor<f32>
    plan.yield %body : tensor<f32>
  }
  %v = tensor.expand_shape %p [] output_shape [1, 1] : tensor<f32> into tensor<1x1xf32>
  %w = tensor.collapse_shape %v [[0, 1]] : tensor<1x1xf32> into tensor<1xf32>
  %q = plan.kernel fused (%a = %w : tensor<1xf32>, %b = %y : tensor<64xf32>)
      -> tensor<64xf32> {
    %e = tensor.empty() : tensor<64xf32>
    %body = linalg.generic {indexing_maps = [#one, #id, #id], iterator_types = ["parallel"]}
        ins(%a, %b : tensor<1xf32>, tensor<64xf32>) outs(%e : tensor<64xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %f = arith.mulf %i, %j : f32
      linalg.yield %f : f32
    } -> tensor<64xf32>
    plan.yield %body : tensor<64xf32>
  }
  return %q : tensor<64xf32>
}
