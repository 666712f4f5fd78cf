// RUN: ampc-opt %s -plan-tie-loops -plan-memory -plan-verify | FileCheck %s

// Loops over parts of a buffer, and parts of what they carry.

// CHECK-LABEL: func.func @over_a_part(
// CHECK-SAME: tensor<128xf32> {plan.offset = [[X:[0-9]+]] : i64}
func.func @over_a_part(%x: tensor<128xf32>, %h: tensor<16xf32>) -> tensor<16xf32> {
  %part = plan.view %x at 256 : (tensor<128xf32>) -> tensor<2x16xf32>
  %w = plan.view %x at 128 : (tensor<128xf32>) -> tensor<16xf32>
  %r:2 = plan.loop @over_a_part_body times 2 carries(%h) over(%part) with(%w) reversed [false]
      : (tensor<16xf32>, tensor<2x16xf32>, tensor<16xf32>) -> (tensor<16xf32>, tensor<0xi8>)
  return %r#0 : tensor<16xf32>
}
// x lies at 0, so that the offsets of its parts are their own.
// CHECK-LABEL: func.func private @over_a_part_body(
// CHECK-SAME: tensor<16xf32> {plan.offset = 256 : i64, plan.stride = 64 : i64}
// CHECK-SAME: tensor<16xf32> {plan.offset = 128 : i64}
func.func private @over_a_part_body(%h: tensor<16xf32>, %x: tensor<16xf32>, %w: tensor<16xf32>)
    -> tensor<16xf32> attributes {plan.loop_body} {
  %a = plan.copy %x : tensor<16xf32>
  %b = plan.copy %w : tensor<16xf32>
  %c = plan.copy %b : tensor<16xf32>
  return %c : tensor<16xf32>
}

// What is carried is read, by a part, behind the step that makes the next one: that is copied.
// CHECK-LABEL: func.func @part_of_what_is_carried
func.func @part_of_what_is_carried(%x: tensor<2x16xf32>, %h: tensor<16xf32>)
    -> tensor<2x16xf32> {
  %r:3 = plan.loop @part_of_what_is_carried_body times 2 carries(%h) over(%x) with()
      reversed [false, false]
      : (tensor<16xf32>, tensor<2x16xf32>) -> (tensor<16xf32>, tensor<2x16xf32>, tensor<0xi8>)
  return %r#1 : tensor<2x16xf32>
}
// CHECK-LABEL: func.func private @part_of_what_is_carried_body
// CHECK-COUNT-3: plan.copy
// CHECK: return
func.func private @part_of_what_is_carried_body(%h: tensor<16xf32>, %x: tensor<16xf32>)
    -> (tensor<16xf32>, tensor<16xf32>) attributes {plan.loop_body} {
  %next = plan.copy %x : tensor<16xf32>
  %same = plan.view %h at 0 : (tensor<16xf32>) -> tensor<16xf32>
  %out = plan.copy %same : tensor<16xf32>
  return %next, %out : tensor<16xf32>, tensor<16xf32>
}
