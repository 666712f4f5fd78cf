// RUN: ampc-opt %s -plan-verify -verify-diagnostics -split-input-file
// RUN: ampc-opt %s -plan-verify=deterministic=true -verify-diagnostics -split-input-file

// expected-error@below {{has no planned memory; run plan-memory}}
module {
}

// -----

// A good plan: nothing is said.

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 64 : i64} {
  amp.variable parameter @w : tensor<4xf32> {plan.offset = 0 : i64}
  func.func @good(%x: tensor<4xf32> {plan.offset = 64 : i64}) -> tensor<2x2xf32> {
    %w = amp.read @w {plan.offsets = array<i64: 0>} : tensor<4xf32>
    %a = plan.copy %x {plan.offsets = array<i64: 128>} : tensor<4xf32>
    %v = tensor.expand_shape %a [[0, 1]] output_shape [2, 2] {plan.offsets = array<i64: 128>} : tensor<4xf32> into tensor<2x2xf32>
    %n = plan.launch @k::@f blocks [1] threads [32] (%a, %w) {tied = array<i64: 1>, numOutputs = 1 : i64, flops = 0 : i64, plan.offsets = array<i64: 0>}
        : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    amp.assign @w, %n : tensor<4xf32>
    return %v : tensor<2x2xf32>
  }
}

// -----

// plan_verify_c1

module attributes {plan.arena_bytes = 64 : i64, plan.state_bytes = 0 : i64} {
  func.func @outside_of_the_arena(%x: tensor<4xf32> {plan.offset = 0 : i64}) {
    // expected-error@below {{has buffer 'plan.copy' at [64, 80), outside of the arena of 64 bytes}}
    %a = plan.copy %x {plan.offsets = array<i64: 64>} : tensor<4xf32>
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @unaligned(%x: tensor<4xf32> {plan.offset = 0 : i64}) {
    // expected-error@below {{has buffer 'plan.copy' at [72, 88), not aligned to 64 bytes}}
    %a = plan.copy %x {plan.offsets = array<i64: 72>} : tensor<4xf32>
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @without_offsets(%x: tensor<4xf32> {plan.offset = 0 : i64}) {
    // expected-error@below {{has no plan.offsets for its results}}
    %a = plan.copy %x : tensor<4xf32>
    return
  }
}

// -----

// plan_verify_c2

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 64 : i64} {
  // expected-error@below {{'w' at [64, 80) lies outside of the state region of 64 bytes}}
  amp.variable parameter @w : tensor<4xf32> {plan.offset = 64 : i64}
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 256 : i64} {
  amp.variable parameter @w : tensor<32xf32> {plan.offset = 0 : i64}
  // expected-error@below {{'b' at [64, 80) overlaps 'w' at [0, 128)}}
  amp.variable parameter @b : tensor<4xf32> {plan.offset = 64 : i64}
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  // expected-error@below {{has input 'y' at [64, 80), which overlaps input 'x' at [0, 128)}}
  func.func @inputs_overlap(%x: tensor<32xf32> {plan.offset = 0 : i64, amp.name = "x"},
                            %y: tensor<4xf32> {plan.offset = 64 : i64, amp.name = "y"}) {
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 64 : i64} {
  func.func @temporary_in_the_state_region(%x: tensor<4xf32> {plan.offset = 64 : i64}) {
    // expected-error@below {{has buffer 'plan.copy' at [0, 16), which reaches into the state region of 64 bytes}}
    %a = plan.copy %x {plan.offsets = array<i64: 0>} : tensor<4xf32>
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 128 : i64} {
  amp.variable parameter @w : tensor<4xf32> {plan.offset = 64 : i64}
  func.func @variable_elsewhere() -> tensor<4xf32> {
    // expected-error@below {{reads 'w' at [0, 16), the variable is 'w' at [64, 80)}}
    %w = amp.read @w {plan.offsets = array<i64: 0>} : tensor<4xf32>
    return %w : tensor<4xf32>
  }
}

// -----

// plan_verify_c3

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @two_live_buffers_overlap(%x: tensor<4xf32> {plan.offset = 0 : i64, amp.name = "x"}) -> tensor<4xf32> {
    %a = plan.copy %x {plan.offsets = array<i64: 64>} : tensor<4xf32> loc("Relu_1")
    %b = plan.copy %x {plan.offsets = array<i64: 64>} : tensor<4xf32> loc("Relu_2")
    // expected-error@below {{reads 'Relu_1' at [64, 80), which was overwritten by 'Relu_2' at [64, 80)}}
    %c = plan.copy %a {plan.offsets = array<i64: 128>} : tensor<4xf32>
    return %b : tensor<4xf32>
  }
}

// -----

// Partly overwritten is overwritten.

module attributes {plan.arena_bytes = 512 : i64, plan.state_bytes = 0 : i64} {
  func.func @buffer_is_partly_overwritten(%x: tensor<4xf32> {plan.offset = 0 : i64}, %y: tensor<32xf32> {plan.offset = 64 : i64, amp.name = "y"}) -> tensor<32xf32> {
    %a = plan.copy %x {plan.offsets = array<i64: 128>} : tensor<4xf32> loc("Relu_1")
    // expected-error@below {{reads 'y' at [64, 192), which was overwritten by 'Relu_1' at [128, 144)}}
    %b = plan.copy %y {plan.offsets = array<i64: 256>} : tensor<32xf32>
    return %b : tensor<32xf32>
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 64 : i64} {
  amp.variable parameter @w : tensor<4xf32> {plan.offset = 0 : i64}
  func.func @old_value_is_read_after_an_update_in_place() -> tensor<4xf32> {
    %w = amp.read @w {plan.offsets = array<i64: 0>} : tensor<4xf32>
    %n = plan.launch @k::@f blocks [1] threads [32] (%w) {tied = array<i64: 0>, numOutputs = 1 : i64, flops = 0 : i64, plan.offsets = array<i64: 0>}
        : (tensor<4xf32>) -> tensor<4xf32> loc("update")
    // expected-error@below {{reads 'w' at [0, 16), which was overwritten by 'update' at [0, 16)}}
    %c = plan.copy %w {plan.offsets = array<i64: 64>} : tensor<4xf32>
    amp.assign @w, %n : tensor<4xf32>
    return %c : tensor<4xf32>
  }
}

// -----

// A view made before the update shows the new bytes, not what it stands for.

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 64 : i64} {
  amp.variable parameter @w : tensor<4xf32> {plan.offset = 0 : i64}
  func.func @view_of_an_overwritten_value() -> tensor<2x2xf32> {
    %w = amp.read @w {plan.offsets = array<i64: 0>} : tensor<4xf32>
    %v = tensor.expand_shape %w [[0, 1]] output_shape [2, 2] {plan.offsets = array<i64: 0>} : tensor<4xf32> into tensor<2x2xf32>
    %n = plan.launch @k::@f blocks [1] threads [32] (%w) {tied = array<i64: 0>, numOutputs = 1 : i64, flops = 0 : i64, plan.offsets = array<i64: 0>}
        : (tensor<4xf32>) -> tensor<4xf32> loc("update")
    amp.assign @w, %n : tensor<4xf32>
    // expected-error@below {{reads 'w' at [0, 16), which was overwritten by 'update' at [0, 16)}}
    return %v : tensor<2x2xf32>
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @value_that_no_step_writes() {
    // expected-error@below {{is no step of a program}}
    %e = tensor.empty() {plan.offsets = array<i64: 0>} : tensor<4xf32>
    %c = plan.copy %e {plan.offsets = array<i64: 64>} : tensor<4xf32>
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @view_elsewhere(%x: tensor<4xf32> {plan.offset = 0 : i64, amp.name = "x"}) {
    // expected-error@below {{views 'x' at [0, 16) as 'x' at [64, 80)}}
    %v = tensor.expand_shape %x [[0, 1]] output_shape [2, 2] {plan.offsets = array<i64: 64>} : tensor<4xf32> into tensor<2x2xf32>
    return
  }
}

// -----

// plan_verify_c4

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @call_writes_over_its_operand(%x: tensor<4x4xf32> {plan.offset = 0 : i64, amp.name = "x"}) {
    // expected-error@below {{writes 'plan.matmul' at [0, 64) over its operand 'x' at [0, 64)}}
    %p = plan.matmul %x, %x {plan.offsets = array<i64: 0>} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @tied_result_elsewhere(%x: tensor<4xf32> {plan.offset = 0 : i64, amp.name = "x"}) {
    // expected-error@below {{ties 'plan.launch' at [64, 80) to 'x' at [0, 16)}}
    %n = plan.launch @k::@f blocks [1] threads [32] (%x) {tied = array<i64: 0>, numOutputs = 1 : i64, flops = 0 : i64, plan.offsets = array<i64: 64>}
        : (tensor<4xf32>) -> tensor<4xf32>
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @results_overlap(%x: tensor<4xf32> {plan.offset = 0 : i64}) {
    // expected-error@below {{writes 'plan.launch (result 1)' at [64, 80) and 'plan.launch (result 0)' at [64, 80)}}
    %n:2 = plan.launch @k::@f blocks [1] threads [32] (%x) {tied = array<i64: -1, -1>, numOutputs = 2 : i64, flops = 0 : i64, plan.offsets = array<i64: 64, 64>}
        : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
    return
  }
}

// -----

// plan_verify_c5

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 64 : i64} {
  amp.variable parameter @w : tensor<4xf32> {plan.offset = 0 : i64}
  func.func @new_value_elsewhere(%x: tensor<4xf32> {plan.offset = 64 : i64}) {
    %n = plan.copy %x {plan.offsets = array<i64: 128>} : tensor<4xf32> loc("update")
    // expected-error@below {{leaves 'w' at [0, 16) without its new value, which is 'update' at [128, 144)}}
    amp.assign @w, %n : tensor<4xf32>
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 128 : i64} {
  amp.variable parameter @w : tensor<4xf32> {plan.offset = 0 : i64}
  amp.variable parameter @b : tensor<4xf32> {plan.offset = 64 : i64}
  // expected-error@below {{leaves 'b' at [64, 80) without its old value, which was overwritten by 'update' at [64, 80)}}
  func.func @update_of_another_variable() {
    %b = amp.read @b {plan.offsets = array<i64: 64>} : tensor<4xf32>
    %n = plan.launch @k::@f blocks [1] threads [32] (%b) {tied = array<i64: 0>, numOutputs = 1 : i64, flops = 0 : i64, plan.offsets = array<i64: 64>}
        : (tensor<4xf32>) -> tensor<4xf32> loc("update")
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @output_is_overwritten(%x: tensor<4xf32> {plan.offset = 0 : i64}) -> tensor<4xf32> {
    %a = plan.copy %x {plan.offsets = array<i64: 64>} : tensor<4xf32> loc("Softmax_9")
    %b = plan.copy %x {plan.offsets = array<i64: 64>} : tensor<4xf32> loc("Sum_2")
    // expected-error@below {{reads 'Softmax_9' at [64, 80), which was overwritten by 'Sum_2' at [64, 80)}}
    return %a : tensor<4xf32>
  }
}

// -----

// A kernel that was not emitted is no step: it has no code.

#id = affine_map<(i) -> (i)>
module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @kernel_without_code(%x: tensor<4xf32> {plan.offset = 0 : i64}) {
    // expected-error@below {{is no step of a program}}
    %a = plan.kernel fused (%b = %x : tensor<4xf32>) -> tensor<4xf32>
        attributes {plan.offsets = array<i64: 64>} {
      %e = tensor.empty() : tensor<4xf32>
      %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
          ins(%b : tensor<4xf32>) outs(%e : tensor<4xf32>) {
      ^bb0(%i: f32, %o: f32):
        linalg.yield %i : f32
      } -> tensor<4xf32>
      plan.yield %y : tensor<4xf32>
    }
    return
  }
}

// -----

// plan_verify_c7

module attributes {plan.arena_bytes = 192 : i64, plan.state_bytes = 0 : i64} {
  func.func @reads_beside_the_writer(%x: tensor<4xf32> {plan.offset = 0 : i64}) -> tensor<4xf32> {
    %a = plan.copy %x {plan.offsets = array<i64: 64>, plan.queue = 1} : tensor<4xf32>
    // expected-error@below {{reads 'plan.copy' at [64, 80), which plan.copy of '' in another queue may be using at that time: it has to wait}}
    %b = plan.copy %a {plan.offsets = array<i64: 128>} : tensor<4xf32>
    return %b : tensor<4xf32>
  }
}

// -----

// The reader of queue 1 has not ended when queue 0 goes on; the part that it reads counts.

module attributes {plan.arena_bytes = 512 : i64, plan.state_bytes = 0 : i64} {
  func.func @writes_beside_a_reader(%x: tensor<32xf32> {plan.offset = 0 : i64}, %y: tensor<4xf32> {plan.offset = 448 : i64}) -> tensor<4xf32> {
    %a = plan.copy %x {plan.offsets = array<i64: 128>, plan.signal = 0} : tensor<32xf32>
    %part = plan.view %a at 64 {plan.offsets = array<i64: 192>} : (tensor<32xf32>) -> tensor<16xf32>
    %b = plan.copy %part {plan.offsets = array<i64: 320>, plan.queue = 1, plan.waits = array<i64: 0>} : tensor<16xf32>
    %good = plan.copy %y {plan.offsets = array<i64: 128>} : tensor<4xf32>
    // expected-error@below {{writes 'plan.copy' at [192, 208), which plan.copy of '' in another queue may be using}}
    %c = plan.copy %y {plan.offsets = array<i64: 192>} : tensor<4xf32>
    return %c : tensor<4xf32>
  }
}

// -----

// A wait for one queue is a wait for what that one has waited for.

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @by_way_of_another(%x: tensor<4xf32> {plan.offset = 0 : i64}) -> tensor<4xf32> {
    %a = plan.copy %x {plan.offsets = array<i64: 64>, plan.signal = 0} : tensor<4xf32>
    %b = plan.copy %x {plan.offsets = array<i64: 128>, plan.queue = 1, plan.waits = array<i64: 0>, plan.signal = 1} : tensor<4xf32>
    %c = plan.copy %a {plan.offsets = array<i64: 192>, plan.queue = 2, plan.waits = array<i64: 1>} : tensor<4xf32>
    return %c : tensor<4xf32>
  }
}

// -----

module attributes {plan.arena_bytes = 192 : i64, plan.state_bytes = 0 : i64} {
  func.func @waits_for_its_own_queue(%x: tensor<4xf32> {plan.offset = 0 : i64}) -> tensor<4xf32> {
    %a = plan.copy %x {plan.offsets = array<i64: 64>, plan.signal = 0} : tensor<4xf32>
    // expected-error@below {{waits for signal 0, which no step of another queue before it gives, or twice}}
    %b = plan.copy %a {plan.offsets = array<i64: 128>, plan.waits = array<i64: 0>} : tensor<4xf32>
    return %b : tensor<4xf32>
  }
}

// -----

module attributes {plan.arena_bytes = 192 : i64, plan.state_bytes = 0 : i64} {
  func.func @no_such_queue(%x: tensor<4xf32> {plan.offset = 0 : i64}) {
    // expected-error@below {{is in queue 32; there are queues 0 to 31}}
    %a = plan.copy %x {plan.offsets = array<i64: 64>, plan.queue = 32} : tensor<4xf32>
    return
  }
}

// -----

module attributes {plan.arena_bytes = 192 : i64, plan.state_bytes = 0 : i64} {
  func.func @one_signal_twice(%x: tensor<4xf32> {plan.offset = 0 : i64}) {
    %a = plan.copy %x {plan.offsets = array<i64: 64>, plan.signal = 3} : tensor<4xf32>
    // expected-error@below {{gives signal 3, as another step does}}
    %b = plan.copy %x {plan.offsets = array<i64: 128>, plan.signal = 3} : tensor<4xf32>
    return
  }
}

// -----

// Views of parts.

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @part_elsewhere(%x: tensor<32xf32> {plan.offset = 0 : i64}) {
    // expected-error@below {{views 'argument 0' at [0, 128) as 'plan.view' at [128, 192)}}
    %part = plan.view %x at 64 {plan.offsets = array<i64: 128>} : (tensor<32xf32>) -> tensor<16xf32>
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 0 : i64} {
  func.func @part_overwritten(%x: tensor<32xf32> {plan.offset = 0 : i64}) -> tensor<16xf32> {
    %part = plan.view %x at 64 {plan.offsets = array<i64: 64>} : (tensor<32xf32>) -> tensor<16xf32>
    %a = plan.copy %part {plan.offsets = array<i64: 128>} : tensor<16xf32>
    %b = plan.copy %a {plan.offsets = array<i64: 64>} : tensor<16xf32>
    // expected-error@below {{reads 'plan.view' at [64, 128), which was overwritten by 'plan.copy' at [64, 128)}}
    return %part : tensor<16xf32>
  }
}

// -----

func.func @too_far(%x: tensor<32xf32>) {
  // expected-error@below {{views 64 bytes at 128 of 128; an offset is a multiple of 64}}
  %part = plan.view %x at 128 : (tensor<32xf32>) -> tensor<16xf32>
  return
}

// -----

func.func @between(%x: tensor<32xf32>) {
  // expected-error@below {{views 16 bytes at 4 of 128; an offset is a multiple of 64}}
  %part = plan.view %x at 4 : (tensor<32xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @other_type(%x: tensor<32xf32>) {
  // expected-error@below {{views 'f32' as 'i32'}}
  %part = plan.view %x at 0 : (tensor<32xf32>) -> tensor<4xi32>
  return
}

// -----

// A variable that is assigned piece by piece: nothing is said.

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 128 : i64} {
  amp.variable derived @w : tensor<32xf32> {plan.offset = 0 : i64}
  func.func @pieces(%x: tensor<16xf32> {plan.offset = 128 : i64}) {
    %a = plan.copy %x {plan.offsets = array<i64: 64>} : tensor<16xf32>
    %b = plan.copy %x {plan.offsets = array<i64: 0>} : tensor<16xf32>
    amp.assign @w, %a {place = 16 : i64} : tensor<16xf32>
    amp.assign @w, %b : tensor<16xf32>
    return
  }
}

// -----

// plan_verify_c5

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 128 : i64} {
  amp.variable derived @w : tensor<32xf32> {plan.offset = 0 : i64}
  func.func @missing_piece(%x: tensor<16xf32> {plan.offset = 128 : i64}) {
    %a = plan.copy %x {plan.offsets = array<i64: 64>} : tensor<16xf32>
    // expected-error@below {{assigns 'w' at [64, 128), behind 0}}
    amp.assign @w, %a {place = 16 : i64} : tensor<16xf32>
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 128 : i64} {
  amp.variable derived @w : tensor<32xf32> {plan.offset = 0 : i64}
  func.func @unfinished(%x: tensor<16xf32> {plan.offset = 128 : i64}) {
    %a = plan.copy %x {plan.offsets = array<i64: 0>} : tensor<16xf32>
    // expected-error@below {{is the last of those to 'w' at [0, 128), and ends at 64}}
    amp.assign @w, %a : tensor<16xf32>
    return
  }
}

// -----

module attributes {plan.arena_bytes = 256 : i64, plan.state_bytes = 128 : i64} {
  amp.variable derived @w : tensor<32xf32> {plan.offset = 0 : i64}
  func.func @elsewhere(%x: tensor<16xf32> {plan.offset = 128 : i64}) {
    %a = plan.copy %x {plan.offsets = array<i64: 0>} : tensor<16xf32>
    %b = plan.copy %x {plan.offsets = array<i64: 192>} : tensor<16xf32>
    amp.assign @w, %a : tensor<16xf32>
    // expected-error@below {{leaves 'w' at [64, 128) without its new value, which is 'plan.copy' at [192, 256)}}
    amp.assign @w, %b {place = 16 : i64} : tensor<16xf32>
    return
  }
}
