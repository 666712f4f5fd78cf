// RUN: ampc-opt %s -plan-tie-updates -split-input-file | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>

amp.variable parameter @w : tensor<8x8xf32> {from_model, trained}

// The new value is written over the old one, element over element.

// CHECK-LABEL: @update_is_in_place(
func.func @update_is_in_place(%g: tensor<8x8xf32>) {
  // CHECK: %[[W:.*]] = amp.read @w
  // CHECK: %[[K:.*]] = plan.kernel fused (%{{.*}} = %{{.*}}, %{{.*}} = %[[W]] : tensor<8x8xf32>) -> tensor<8x8xf32> tied [1]
  // CHECK-NOT: plan.copy
  // CHECK: amp.assign @w, %[[K]]
  %w = amp.read @w : tensor<8x8xf32>
  %k = plan.kernel fused (%a = %g : tensor<8x8xf32>, %b = %w : tensor<8x8xf32>) -> tensor<8x8xf32> {
    %e = tensor.empty() : tensor<8x8xf32>
    %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%a, %b : tensor<8x8xf32>, tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
    ^bb0(%i: f32, %j: f32, %o: f32):
      %z = arith.subf %j, %i : f32
      linalg.yield %z : f32
    } -> tensor<8x8xf32>
    plan.yield %y : tensor<8x8xf32>
  }
  amp.assign @w, %k : tensor<8x8xf32>
  return
}

// A step that does not read the variable writes it all the same: nothing is tied.

// CHECK-LABEL: @new_value_from_elsewhere(
func.func @new_value_from_elsewhere(%x: tensor<8x8xf32>) {
  // CHECK: %[[W:.*]] = amp.read @w
  // CHECK: %[[P:.*]] = plan.matmul %{{.*}}, %[[W]]
  // CHECK: %[[Q:.*]] = plan.matmul %[[P]], %[[P]]
  // CHECK-NOT: plan.copy
  // CHECK: amp.assign @w, %[[Q]]
  %w = amp.read @w : tensor<8x8xf32>
  %p = plan.matmul %x, %w : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %q = plan.matmul %p, %p : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  amp.assign @w, %q : tensor<8x8xf32>
  return
}

// A library call does not write over what it reads.

// CHECK-LABEL: @product_of_itself_is_copied(
func.func @product_of_itself_is_copied(%x: tensor<8x8xf32>) {
  // CHECK: %[[P:.*]] = plan.matmul
  // CHECK: %[[C:.*]] = plan.copy %[[P]]
  // CHECK: amp.assign @w, %[[C]]
  %w = amp.read @w : tensor<8x8xf32>
  %p = plan.matmul %x, %w : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  amp.assign @w, %p : tensor<8x8xf32>
  return
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#swap = affine_map<(d0, d1) -> (d1, d0)>

amp.variable parameter @w : tensor<8x8xf32> {from_model, trained}

// A transposed read meets elements that have been written.

// CHECK-LABEL: @transposed_update_is_copied(
func.func @transposed_update_is_copied() {
  // CHECK: plan.kernel
  // CHECK-NOT: tied
  // CHECK: plan.copy
  %w = amp.read @w : tensor<8x8xf32>
  %k = plan.kernel fused (%a = %w : tensor<8x8xf32>) -> tensor<8x8xf32> {
    %e = tensor.empty() : tensor<8x8xf32>
    %y = linalg.generic {indexing_maps = [#swap, #id], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
    ^bb0(%i: f32, %o: f32):
      %z = arith.negf %i : f32
      linalg.yield %z : f32
    } -> tensor<8x8xf32>
    plan.yield %y : tensor<8x8xf32>
  }
  amp.assign @w, %k : tensor<8x8xf32>
  return
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>

amp.variable parameter @w : tensor<8x8xf32> {from_model, trained}

// The old value is read after the new one is computed.

// CHECK-LABEL: @late_reader_keeps_the_old_value(
func.func @late_reader_keeps_the_old_value() -> tensor<8x8xf32> {
  // CHECK: %[[W:.*]] = amp.read @w
  // CHECK: %[[K:.*]] = plan.kernel fused
  // CHECK-NOT: tied
  // CHECK: %[[P:.*]] = plan.matmul %[[K]], %[[W]]
  // CHECK: %[[C:.*]] = plan.copy %[[K]]
  // CHECK: amp.assign @w, %[[C]]
  // CHECK: return %[[P]]
  %w = amp.read @w : tensor<8x8xf32>
  %k = plan.kernel fused (%a = %w : tensor<8x8xf32>) -> tensor<8x8xf32> {
    %e = tensor.empty() : tensor<8x8xf32>
    %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) {
    ^bb0(%i: f32, %o: f32):
      %z = arith.negf %i : f32
      linalg.yield %z : f32
    } -> tensor<8x8xf32>
    plan.yield %y : tensor<8x8xf32>
  }
  amp.assign @w, %k : tensor<8x8xf32>
  %p = plan.matmul %k, %w : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %p : tensor<8x8xf32>
}

// An output that is the old value is saved before.

// CHECK-LABEL: @returned_old_value_is_saved(
func.func @returned_old_value_is_saved(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // CHECK: %[[W:.*]] = amp.read @w
  // CHECK: %[[C:.*]] = plan.copy %[[W]]
  // CHECK: %[[P:.*]] = plan.matmul
  // CHECK: amp.assign @w, %[[P]]
  // CHECK: return %[[C]]
  %w = amp.read @w : tensor<8x8xf32>
  %p = plan.matmul %x, %x : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  amp.assign @w, %p : tensor<8x8xf32>
  return %w : tensor<8x8xf32>
}

// -----

amp.variable state @a : tensor<4xf32>
amp.variable state @b : tensor<4xf32>

// Two variables change places through copies of both.

// CHECK-LABEL: @variables_swap(
func.func @variables_swap() {
  // CHECK: %[[A:.*]] = amp.read @a
  // CHECK: %[[CA:.*]] = plan.copy %[[A]]
  // CHECK: %[[B:.*]] = amp.read @b
  // CHECK: %[[CB:.*]] = plan.copy %[[B]]
  // CHECK: amp.assign @a, %[[CB:.*]]
  // CHECK: amp.assign @b, %{{.*}}
  %a = amp.read @a : tensor<4xf32>
  %b = amp.read @b : tensor<4xf32>
  amp.assign @a, %b : tensor<4xf32>
  amp.assign @b, %a : tensor<4xf32>
  return
}

// CHECK-LABEL: @argument_is_copied(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>)
func.func @argument_is_copied(%x: tensor<4xf32>) {
  // CHECK: %[[C:.*]] = plan.copy %[[X]]
  // CHECK: amp.assign @a, %[[C]]
  amp.assign @a, %x : tensor<4xf32>
  return
}

// One value cannot lie in two buffers.

// CHECK-LABEL: @value_of_two_variables_is_copied_once(
func.func @value_of_two_variables_is_copied_once(%x: tensor<4xf32>) {
  // CHECK: %[[P:.*]] = plan.copy %{{.*}}
  // CHECK: %[[C:.*]] = plan.copy %[[P]]
  // CHECK: amp.assign @a, %[[P]]
  // CHECK: amp.assign @b, %[[C]]
  %p = plan.copy %x : tensor<4xf32>
  amp.assign @a, %p : tensor<4xf32>
  amp.assign @b, %p : tensor<4xf32>
  return
}

// CHECK-LABEL: @assigning_the_old_value_is_nothing(
func.func @assigning_the_old_value_is_nothing() {
  // CHECK-NEXT: amp.read
  // CHECK-NEXT: return
  %a = amp.read @a : tensor<4xf32>
  amp.assign @a, %a : tensor<4xf32>
  return
}

// -----

#id = affine_map<(d0) -> (d0)>
#none = affine_map<(d0) -> ()>

amp.variable state @a : tensor<4xf32>
amp.variable scalar @n : tensor<f32>

// In a sequence the kernels before the writer may read as they like. Where one behind it
// reads the old value, the new one is copied by the last kernel.

// CHECK-LABEL: @sequence_ties_through(
func.func @sequence_ties_through() -> tensor<4xf32> {
  // CHECK: plan.kernel sequence (%[[A:.*]] = %{{.*}} : tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) tied [-1, 0]
  // CHECK: plan.kernel fused (%{{.*}} = %[[A]] : tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: plan.kernel fused (%{{.*}} = %{{.*}}, %{{.*}} = %[[A]] : tensor<4xf32>) -> tensor<4xf32> tied [1]
  %a = amp.read @a : tensor<4xf32>
  %s:2 = plan.kernel sequence (%x = %a : tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
    %p = plan.kernel fused (%i = %x : tensor<4xf32>) -> tensor<4xf32> {
      %e = tensor.empty() : tensor<4xf32>
      %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
          ins(%i : tensor<4xf32>) outs(%e : tensor<4xf32>) {
      ^bb0(%u: f32, %o: f32):
        %z = math.exp %u : f32
        linalg.yield %z : f32
      } -> tensor<4xf32>
      plan.yield %y : tensor<4xf32>
    }
    %q = plan.kernel fused (%i = %p : tensor<4xf32>, %j = %x : tensor<4xf32>) -> tensor<4xf32> {
      %e = tensor.empty() : tensor<4xf32>
      %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
          ins(%i, %j : tensor<4xf32>, tensor<4xf32>) outs(%e : tensor<4xf32>) {
      ^bb0(%u: f32, %v: f32, %o: f32):
        %z = arith.subf %v, %u : f32
        linalg.yield %z : f32
      } -> tensor<4xf32>
      plan.yield %y : tensor<4xf32>
    }
    plan.yield %p, %q : tensor<4xf32>, tensor<4xf32>
  }
  amp.assign @a, %s#1 : tensor<4xf32>
  return %s#0 : tensor<4xf32>
}

// CHECK-LABEL: @sequence_copies_inside(
func.func @sequence_copies_inside(%g: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: plan.kernel sequence (%[[N:.*]] = %{{.*}} : tensor<f32>, %{{.*}} : tensor<4xf32>) -> (tensor<f32>, tensor<4xf32>) tied [0, -1]
  // CHECK: %[[NEW:.*]] = plan.kernel fused (%{{.*}} = %[[N]] : tensor<f32>) -> tensor<f32> {
  // CHECK: plan.kernel fused (%{{.*}} = %{{.*}}, %{{.*}} = %[[N]] : tensor<f32>)
  // CHECK: %[[COPY:.*]] = plan.kernel fused (%{{.*}} = %[[NEW]] : tensor<f32>) -> tensor<f32> {
  // CHECK: plan.yield %[[COPY]],
  // CHECK-NOT: plan.copy
  // CHECK: return
  %n = amp.read @n : tensor<f32>
  %s:2 = plan.kernel sequence (%x = %n : tensor<f32>, %h = %g : tensor<4xf32>) -> (tensor<f32>, tensor<4xf32>) {
    %p = plan.kernel fused (%i = %x : tensor<f32>) -> tensor<f32> {
      %e = tensor.empty() : tensor<f32>
      %y = linalg.generic {indexing_maps = [affine_map<() -> ()>, affine_map<() -> ()>], iterator_types = []}
          ins(%i : tensor<f32>) outs(%e : tensor<f32>) {
      ^bb0(%u: f32, %o: f32):
        %z = math.exp %u : f32
        linalg.yield %z : f32
      } -> tensor<f32>
      plan.yield %y : tensor<f32>
    }
    %q = plan.kernel fused (%i = %h : tensor<4xf32>, %j = %x : tensor<f32>) -> tensor<4xf32> {
      %e = tensor.empty() : tensor<4xf32>
      %y = linalg.generic {indexing_maps = [#id, #none, #id], iterator_types = ["parallel"]}
          ins(%i, %j : tensor<4xf32>, tensor<f32>) outs(%e : tensor<4xf32>) {
      ^bb0(%u: f32, %v: f32, %o: f32):
        %z = arith.mulf %v, %u : f32
        linalg.yield %z : f32
      } -> tensor<4xf32>
      plan.yield %y : tensor<4xf32>
    }
    plan.yield %p, %q : tensor<f32>, tensor<4xf32>
  }
  amp.assign @n, %s#0 : tensor<f32>
  return %s#1 : tensor<4xf32>
}

// -----

// The sums of columns update a parameter that the same kernel reads: no copy, as all of a
// column has been read when its new value is written.

amp.variable parameter @w : tensor<8xf32> {from_model, trained}

// CHECK-LABEL: @update_by_column_sums(
func.func @update_by_column_sums(%g: tensor<16x8xf32>) {
  // CHECK: %[[W:.*]] = amp.read @w
  // CHECK: %[[K:.*]] = plan.kernel fused (%{{.*}} = %{{.*}}, %{{.*}} = %[[W]] : tensor<8xf32>) -> tensor<8xf32> tied [1]
  // CHECK-NOT: plan.copy
  // CHECK: amp.assign @w, %[[K]]
  %w = amp.read @w : tensor<8xf32>
  %new = plan.kernel fused (%a = %g : tensor<16x8xf32>, %b = %w : tensor<8xf32>) -> tensor<8xf32> {
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<8xf32>
    %init = linalg.fill ins(%zero : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    %sum = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>], iterator_types = ["reduction", "parallel"]} ins(%a : tensor<16x8xf32>) outs(%init : tensor<8xf32>) {
    ^bb0(%x: f32, %acc: f32):
      %s = arith.addf %x, %acc : f32
      linalg.yield %s : f32
    } -> tensor<8xf32>
    %r = linalg.generic {indexing_maps = [affine_map<(j) -> (j)>, affine_map<(j) -> (j)>, affine_map<(j) -> (j)>], iterator_types = ["parallel"]} ins(%b, %sum : tensor<8xf32>, tensor<8xf32>) outs(%e : tensor<8xf32>) {
    ^bb0(%x: f32, %y: f32, %out: f32):
      %d = arith.subf %x, %y : f32
      linalg.yield %d : f32
    } -> tensor<8xf32>
    plan.yield %r : tensor<8xf32>
  }
  amp.assign @w, %new : tensor<8xf32>
  return
}
