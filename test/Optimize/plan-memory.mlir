// RUN: ampc-opt %s -plan-memory -plan-verify -split-input-file | FileCheck %s

// Variables that a function uses lie in the state region, at multiples of 64 bytes; the
// others nowhere. The arena is as long as the function that takes most.

// CHECK: module attributes {plan.arena_bytes = 576 : i64, plan.state_bytes = 384 : i64}
// CHECK: amp.variable parameter @w : tensor<17xf32> {from_model, plan.offset = 0 : i64, trained}
// CHECK-NEXT: amp.variable constant @unused : tensor<4xf32> {from_model}
// CHECK-NEXT: amp.variable scalar @flag : tensor<i1> {plan.offset = 128 : i64}
// CHECK-NEXT: amp.variable derived @low : tensor<65xf16> {plan.offset = 192 : i64}
amp.variable parameter @w : tensor<17xf32> {from_model, trained}
amp.variable constant @unused : tensor<4xf32> {from_model}
amp.variable scalar @flag : tensor<i1>
amp.variable derived @low : tensor<65xf16>
amp.variable derived @never : tensor<65xf16>

// CHECK-LABEL: @small(
func.func @small() -> (tensor<17xf32>, tensor<i1>, tensor<65xf16>) {
  // CHECK: amp.read @w {plan.offsets = array<i64: 0>}
  // CHECK: amp.read @flag {plan.offsets = array<i64: 128>}
  %w = amp.read @w : tensor<17xf32>
  %f = amp.read @flag : tensor<i1>
  %l = amp.read @low : tensor<65xf16>
  return %w, %f, %l : tensor<17xf32>, tensor<i1>, tensor<65xf16>
}

// CHECK-LABEL: @larger(
// CHECK-SAME: plan.offset = 384 : i64
func.func @larger(%x: tensor<32xf32>) -> tensor<16xf32> {
  // CHECK: plan.launch {{.*}} plan.offsets = array<i64: 512>
  %y = plan.launch @k::@f blocks [1] threads [32] (%x) {tied = array<i64: -1>, numOutputs = 1 : i64, flops = 0 : i64}
      : (tensor<32xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

// Buffers whose lifetimes do not meet share bytes; what a step reads and writes never does.

// CHECK: plan.arena_bytes = 512 : i64, plan.state_bytes = 0 : i64
// CHECK-LABEL: @chain_alternates(
// CHECK-SAME: plan.offset = 0 : i64
func.func @chain_alternates(%a: tensor<64xf32>) -> tensor<64xf32> {
  // CHECK: plan.copy {{.*}}array<i64: 256>
  // CHECK: plan.copy {{.*}}array<i64: 0>
  // CHECK: plan.copy {{.*}}array<i64: 256>
  %b = plan.copy %a : tensor<64xf32>
  %c = plan.copy %b : tensor<64xf32>
  %d = plan.copy %c : tensor<64xf32>
  return %d : tensor<64xf32>
}

// An output is kept to the end, though nothing reads it.

// CHECK-LABEL: @output_is_kept(
func.func @output_is_kept(%a: tensor<16xf32>) -> (tensor<16xf32>, tensor<16xf32>) {
  // CHECK: plan.copy {{.*}}array<i64: 64>
  // CHECK: plan.copy {{.*}}array<i64: 128>
  // CHECK: plan.copy {{.*}}array<i64: 0>
  %b = plan.copy %a : tensor<16xf32>
  %c = plan.copy %a : tensor<16xf32>
  %d = plan.copy %c : tensor<16xf32>
  return %b, %d : tensor<16xf32>, tensor<16xf32>
}

// -----

// A view is its operand's bytes, and keeps them alive.

// CHECK-LABEL: @view_shares_bytes(
func.func @view_shares_bytes(%a: tensor<16xf32>) -> tensor<4x4xf32> {
  // CHECK: plan.copy {{.*}}array<i64: 64>
  // CHECK: tensor.expand_shape {{.*}}array<i64: 64>
  // CHECK: plan.copy {{.*}}array<i64: 0>
  %b = plan.copy %a : tensor<16xf32>
  %v = tensor.expand_shape %b [[0, 1]] output_shape [4, 4] : tensor<16xf32> into tensor<4x4xf32>
  %dead = plan.copy %b : tensor<16xf32>
  %c = plan.copy %v : tensor<4x4xf32>
  return %v : tensor<4x4xf32>
}

// -----

// A tied result lies where the operand does; what is assigned lies where the variable does.
// Workspace is dead after its launch.

amp.variable parameter @w : tensor<16xf32> {from_model, trained}
amp.variable derived @low : tensor<16xf16>

// CHECK-LABEL: @update(
// CHECK-SAME: plan.offset = 128 : i64
func.func @update(%g: tensor<16xf32>) -> tensor<16xf32> {
  // CHECK: plan.launch {{.*}}plan.offsets = array<i64: 0, 64, 192>
  // CHECK: plan.copy {{.*}}array<i64: 192>
  %w = amp.read @w : tensor<16xf32>
  %k:3 = plan.launch @k::@f blocks [1] threads [32] (%g, %w) {tied = array<i64: 1, -1, -1>, numOutputs = 2 : i64, flops = 0 : i64}
      : (tensor<16xf32>, tensor<16xf32>) -> (tensor<16xf32>, tensor<16xf16>, tensor<16xf32>)
  %c = plan.copy %g : tensor<16xf32>
  amp.assign @w, %k#0 : tensor<16xf32>
  amp.assign @low, %k#1 : tensor<16xf16>
  return %c : tensor<16xf32>
}

// -----

// The tightest gap is taken: the last buffer fits where the smaller one was.

// CHECK: plan.arena_bytes = 512 : i64
// CHECK-LABEL: @tightest_gap(
func.func @tightest_gap(%a: tensor<64xf32>, %b: tensor<16xf32>, %c: tensor<32xf32>)
    -> (tensor<32xf32>, tensor<16xf32>) {
  // CHECK: plan.launch {{.*}}plan.offsets = array<i64: 448>
  // CHECK: plan.launch {{.*}}plan.offsets = array<i64: 384>
  %d = plan.launch @k::@f blocks [1] threads [32] (%a, %b) {tied = array<i64: -1>, numOutputs = 1 : i64, flops = 0 : i64}
      : (tensor<64xf32>, tensor<16xf32>) -> tensor<16xf32>
  %e = plan.launch @k::@f blocks [1] threads [32] (%d, %c) {tied = array<i64: -1>, numOutputs = 1 : i64, flops = 0 : i64}
      : (tensor<16xf32>, tensor<32xf32>) -> tensor<16xf32>
  return %c, %e : tensor<32xf32>, tensor<16xf32>
}

// -----

// A tensor without elements takes no room.

// CHECK: plan.arena_bytes = 64 : i64
// CHECK-LABEL: @empty_tensor(
func.func @empty_tensor(%a: tensor<16xf32>, %b: tensor<0x5xf32>) -> tensor<0x5xf32> {
  %c = plan.copy %b : tensor<0x5xf32>
  return %c : tensor<0x5xf32>
}
