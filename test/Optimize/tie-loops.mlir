// RUN: ampc-opt %s -plan-tie-loops | FileCheck %s
// RUN: ampc-opt %s -plan-tie-loops -plan-memory -plan-verify | FileCheck %s --check-prefix=PLAN

// A state that is also an output is written to its slice and copied; slices of 64 bytes are read
// where they are. The next state is computed in the place of the present one where nobody reads
// that any more.

// PLAN: plan.arena_bytes
// CHECK-LABEL: @program
// PLAN-LABEL: @program
func.func @program(%h: tensor<16xf32> {amp.name = "h"}, %x: tensor<3x16xf32> {amp.name = "x"},
                   %odd: tensor<3x5xf32> {amp.name = "odd"})
    -> (tensor<16xf32>, tensor<3x16xf32>, tensor<3x5xf32>, tensor<16xf32>) {
  // The memory of the body: copies of a slice and of an output that are not aligned.
  // PLAN: plan.loop @forward
  // PLAN-SAME: tensor<128xi8>)
  %last, %all, %odds, %m = plan.loop @forward times 3 carries(%h) over(%x, %odd) with()
      reversed [false, true, true, false]
      : (tensor<16xf32>, tensor<3x16xf32>, tensor<3x5xf32>)
      -> (tensor<16xf32>, tensor<3x16xf32>, tensor<3x5xf32>, tensor<0xi8>)
  // PLAN: plan.loop @in_place
  // PLAN-SAME: tensor<64xi8>
  %sum, %n = plan.loop @in_place times 3 carries(%h) over(%all) with(%last)
      reversed [false]
      : (tensor<16xf32>, tensor<3x16xf32>, tensor<16xf32>) -> (tensor<16xf32>, tensor<0xi8>)
  return %last, %all, %odds, %sum : tensor<16xf32>, tensor<3x16xf32>, tensor<3x5xf32>, tensor<16xf32>
}

// CHECK-LABEL: private @forward
// CHECK-SAME: (%[[H:.*]]: tensor<16xf32>, %[[X:.*]]: tensor<16xf32>, %[[ODD:.*]]: tensor<5xf32>)
// CHECK-NEXT: %[[SLICE:.*]] = plan.copy %[[ODD]]
// CHECK-NEXT: %[[Y:.*]]:2 = plan.launch {{.*}}(%[[H]], %[[X]], %[[SLICE]])
// CHECK-NEXT: %[[O:.*]] = plan.copy %[[Y]]#1
// CHECK-NEXT: %[[NEXT:.*]] = plan.copy %[[Y]]#0
// CHECK-NEXT: return %[[NEXT]], %[[Y]]#0, %[[O]]
// PLAN-LABEL: private @forward
// PLAN-SAME: plan.stride = 64 : i64
// PLAN-SAME: plan.stride = -20 : i64
// PLAN: plan.launch
// PLAN-SAME: plan.strides = array<i64: -64, 0>
func.func private @forward(%h: tensor<16xf32>, %x: tensor<16xf32>, %odd: tensor<5xf32>)
    -> (tensor<16xf32>, tensor<16xf32>, tensor<5xf32>) attributes {plan.loop_body} {
  %y:2 = plan.launch @k::@f blocks [1] threads [32] (%h, %x, %odd)
      {tied = array<i64: -1, -1>, numOutputs = 2 : i64, flops = 0 : i64}
      : (tensor<16xf32>, tensor<16xf32>, tensor<5xf32>) -> (tensor<16xf32>, tensor<5xf32>)
  return %y#0, %y#0, %y#1 : tensor<16xf32>, tensor<16xf32>, tensor<5xf32>
}

// CHECK-LABEL: private @in_place
// CHECK-NOT: plan.copy
// CHECK: return
func.func private @in_place(%h: tensor<16xf32>, %x: tensor<16xf32>, %w: tensor<16xf32>)
    -> tensor<16xf32> attributes {plan.loop_body} {
  %y = plan.launch @k::@g blocks [1] threads [32] (%h, %x)
      {tied = array<i64: -1>, numOutputs = 1 : i64, flops = 0 : i64}
      : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  %z = plan.launch @k::@g blocks [1] threads [32] (%y, %w)
      {tied = array<i64: -1>, numOutputs = 1 : i64, flops = 0 : i64}
      : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %z : tensor<16xf32>
}

// Two states that change places: both are saved before either is replaced.
// CHECK-LABEL: private @exchange(
// CHECK-DAG: %[[A:.*]] = plan.copy %arg0
// CHECK-DAG: %[[B:.*]] = plan.copy %arg1
// CHECK-DAG: %[[FIRST:.*]] = plan.copy %[[B]]
// CHECK-DAG: %[[SECOND:.*]] = plan.copy %[[A]]
// CHECK: return %[[FIRST]], %[[SECOND]]
func.func @swaps(%a: tensor<16xf32> {amp.name = "a"}, %b: tensor<16xf32> {amp.name = "b"})
    -> (tensor<16xf32>, tensor<16xf32>) {
  %l:3 = plan.loop @exchange times 3 carries(%a, %b) over() with() reversed []
      : (tensor<16xf32>, tensor<16xf32>) -> (tensor<16xf32>, tensor<16xf32>, tensor<0xi8>)
  return %l#0, %l#1 : tensor<16xf32>, tensor<16xf32>
}
func.func private @exchange(%a: tensor<16xf32>, %b: tensor<16xf32>)
    -> (tensor<16xf32>, tensor<16xf32>) attributes {plan.loop_body} {
  return %b, %a : tensor<16xf32>, tensor<16xf32>
}
