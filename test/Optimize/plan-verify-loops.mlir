// RUN: ampc-opt %s -plan-verify -split-input-file -verify-diagnostics

// plan_verify_c8: what a body writes, keeps and leaves. Slices are 64 bytes, two of them.

module attributes {plan.arena_bytes = 512 : i64, plan.state_bytes = 0 : i64} {
  func.func @good(%h: tensor<16xf32> {plan.offset = 0 : i64}, %x: tensor<2x16xf32> {plan.offset = 64 : i64}) {
    %r:3 = plan.loop @body times 2 carries(%h) over(%x) with() reversed [true, false]
        {plan.offsets = array<i64: 192, 256, 384>}
        : (tensor<16xf32>, tensor<2x16xf32>) -> (tensor<16xf32>, tensor<2x16xf32>, tensor<64xi8>)
    return
  }
  func.func private @body(%h: tensor<16xf32> {plan.offset = 192 : i64},
                          %x: tensor<16xf32> {plan.offset = 128 : i64, plan.stride = -64 : i64})
      -> (tensor<16xf32>, tensor<16xf32>) attributes {plan.loop_body} {
    %t = plan.copy %h {plan.offsets = array<i64: 384>} : tensor<16xf32>
    %y = plan.copy %x {plan.offsets = array<i64: 256>, plan.strides = array<i64: 64>} : tensor<16xf32>
    %n = plan.copy %t {plan.offsets = array<i64: 192>} : tensor<16xf32>
    return %n, %y : tensor<16xf32>, tensor<16xf32>
  }
}

// -----

module attributes {plan.arena_bytes = 512 : i64, plan.state_bytes = 0 : i64} {
  func.func @writes_outside(%h: tensor<16xf32> {plan.offset = 0 : i64}) {
    %r:2 = plan.loop @body times 2 carries(%h) over() with() reversed []
        {plan.offsets = array<i64: 192, 256>} : (tensor<16xf32>) -> (tensor<16xf32>, tensor<64xi8>)
    return
  }
  func.func private @body(%h: tensor<16xf32> {plan.offset = 192 : i64}) -> tensor<16xf32>
      attributes {plan.loop_body} {
    // expected-error@below {{writes 'plan.copy' at [320, 384), which is no buffer of its loop}}
    %t = plan.copy %h {plan.offsets = array<i64: 320>} : tensor<16xf32>
    %n = plan.copy %t {plan.offsets = array<i64: 192>} : tensor<16xf32>
    return %n : tensor<16xf32>
  }
}

// -----

// A carried value that is read after its next one was written.
module attributes {plan.arena_bytes = 512 : i64, plan.state_bytes = 0 : i64} {
  func.func @too_early(%h: tensor<16xf32> {plan.offset = 0 : i64}, %w: tensor<16xf32> {plan.offset = 64 : i64}) {
    %r:3 = plan.loop @body times 2 carries(%h) over() with(%w) reversed [false]
        {plan.offsets = array<i64: 192, 256, 384>}
        : (tensor<16xf32>, tensor<16xf32>) -> (tensor<16xf32>, tensor<2x16xf32>, tensor<0xi8>)
    return
  }
  func.func private @body(%h: tensor<16xf32> {plan.offset = 192 : i64}, %w: tensor<16xf32> {plan.offset = 64 : i64})
      -> (tensor<16xf32>, tensor<16xf32>) attributes {plan.loop_body} {
    %n = plan.copy %w {plan.offsets = array<i64: 192>} : tensor<16xf32> loc("Next_0")
    // expected-error@below {{which was overwritten by 'Next_0' at [192, 256)}}
    %y = plan.copy %h {plan.offsets = array<i64: 256>, plan.strides = array<i64: 64>} : tensor<16xf32>
    return %n, %y : tensor<16xf32>, tensor<16xf32>
  }
}

// -----

// The next iteration would not find its state.
module attributes {plan.arena_bytes = 512 : i64, plan.state_bytes = 0 : i64} {
  func.func @elsewhere(%h: tensor<16xf32> {plan.offset = 0 : i64}) {
    // expected-error@below {{which is 'Next_0' at [256, 320) in its body}}
    %r:2 = plan.loop @body times 2 carries(%h) over() with() reversed []
        {plan.offsets = array<i64: 192, 256>} : (tensor<16xf32>) -> (tensor<16xf32>, tensor<64xi8>)
    return
  }
  func.func private @body(%h: tensor<16xf32> {plan.offset = 192 : i64}) -> tensor<16xf32>
      attributes {plan.loop_body} {
    %n = plan.copy %h {plan.offsets = array<i64: 256>} : tensor<16xf32> loc("Next_0")
    return %n : tensor<16xf32>
  }
}

// -----

// The last slice lies outside of the arena.
module attributes {plan.arena_bytes = 448 : i64, plan.state_bytes = 0 : i64} {
  func.func @beyond(%h: tensor<16xf32> {plan.offset = 0 : i64}) {
    %r:3 = plan.loop @body times 3 carries(%h) over() with() reversed [false]
        {plan.offsets = array<i64: 64, 256, 128>}
        : (tensor<16xf32>) -> (tensor<16xf32>, tensor<3x16xf32>, tensor<64xi8>)
    return
  }
  func.func private @body(%h: tensor<16xf32> {plan.offset = 64 : i64})
      -> (tensor<16xf32>, tensor<16xf32>) attributes {plan.loop_body} {
    %t = plan.copy %h {plan.offsets = array<i64: 128>} : tensor<16xf32>
    // expected-error@below {{outside of the arena}}
    %y = plan.copy %t {plan.offsets = array<i64: 384>, plan.strides = array<i64: 64>} : tensor<16xf32>
    %n = plan.copy %t {plan.offsets = array<i64: 64>} : tensor<16xf32>
    return %n, %y : tensor<16xf32>, tensor<16xf32>
  }
}

// -----

// What a body is given lies where the loop has it: %w is read 64 bytes too early.

module attributes {plan.arena_bytes = 512 : i64, plan.state_bytes = 0 : i64} {
  func.func @elsewhere(%h: tensor<16xf32> {plan.offset = 0 : i64}, %x: tensor<32xf32> {plan.offset = 64 : i64}) {
    %w = plan.view %x at 64 {plan.offsets = array<i64: 128>} : (tensor<32xf32>) -> tensor<16xf32>
    // expected-error@below {{keeps 'plan.view' at [128, 192), which is 'argument 1' at [64, 128) in its body}}
    %r:2 = plan.loop @body times 2 carries(%h) over() with(%w) reversed []
        {plan.offsets = array<i64: 192, 256>} : (tensor<16xf32>, tensor<16xf32>) -> (tensor<16xf32>, tensor<64xi8>)
    return
  }
  func.func private @body(%h: tensor<16xf32> {plan.offset = 192 : i64}, %w: tensor<16xf32> {plan.offset = 64 : i64})
      -> tensor<16xf32> attributes {plan.loop_body} {
    %n = plan.copy %w {plan.offsets = array<i64: 192>} : tensor<16xf32>
    return %n : tensor<16xf32>
  }
}
