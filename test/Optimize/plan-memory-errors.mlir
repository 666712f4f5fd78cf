// RUN: ampc-opt %s -plan-memory=memory-limit=300 -verify-diagnostics -split-input-file

// The error names what is needed, what is allowed, and the largest buffers.

// expected-error@below {{the program needs 704 bytes of memory, --memory-limit allows 300; a smaller --batch needs less}}
// expected-note@below {{512 bytes for 'images', 'tensor<128xf32>'}}
// expected-note@below {{128 bytes for 'fc1.weight', 'tensor<32xf32>'}}
// expected-note@below {{64 bytes for 'encoder/Relu', 'tensor<16xf32>'}}
module {
  amp.variable parameter @fc1.weight : tensor<32xf32> {from_model, trained}
  func.func @train(%x: tensor<128xf32> {amp.name = "images"}) -> tensor<16xf32> {
    %w = amp.read @fc1.weight : tensor<32xf32>
    %y = plan.launch @k::@f blocks [1] threads [32] (%x, %w) {tied = array<i64: -1>, numOutputs = 1 : i64, flops = 0 : i64}
        : (tensor<128xf32>, tensor<32xf32>) -> tensor<16xf32> loc("encoder/Relu")
    return %y : tensor<16xf32>
  }
}

// -----

// expected-error@below {{'tensor<4294967296x4294967296xf32>' needs more bytes than can be addressed}}
func.func @too_large(%x: tensor<4294967296x4294967296xf32>) {
  return
}

// -----

amp.variable state @huge : tensor<2305843009213693951xf32>
// expected-error@-1 {{'tensor<2305843009213693951xf32>' needs more bytes than can be addressed}}
func.func @state_too_large() -> tensor<2305843009213693951xf32> {
  %0 = amp.read @huge : tensor<2305843009213693951xf32>
  return %0 : tensor<2305843009213693951xf32>
}

// -----

// What plan-tie-updates should have copied is no value of the variable's buffer.

amp.variable state @a : tensor<4xf32>
func.func @argument_in_a_variable(%x: tensor<4xf32>) {
  // expected-error@below {{assigns a value that cannot lie in the variable's buffer}}
  amp.assign @a, %x : tensor<4xf32>
  return
}
