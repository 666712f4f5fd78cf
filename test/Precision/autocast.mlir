// RUN: ampc-opt %s --amp-autocast --cse --split-input-file | FileCheck %s
// RUN: ampc-opt %s --amp-autocast="dtype=bf16" --cse --split-input-file | FileCheck %s --check-prefix=BF16
// RUN: ampc-opt %s --amp-autocast="level=2" --cse --split-input-file | FileCheck %s --check-prefix=O2

// A product computes low, exp in f32; the function's types stay.

// CHECK-LABEL: @allow_is_low_and_deny_is_f32
// BF16-LABEL: @allow_is_low_and_deny_is_f32
func.func @allow_is_low_and_deny_is_f32(%x: tensor<8x4xf32>, %w: tensor<4x2xf32>) -> tensor<8x2xf32> {
  // CHECK-DAG: %[[X:.*]] = amp.cast %{{.*}} {inserted} : tensor<8x4xf32> to tensor<8x4xf16>
  // CHECK-DAG: %[[W:.*]] = amp.cast %{{.*}} {inserted} : tensor<4x2xf32> to tensor<4x2xf16>
  // CHECK: %[[Y:.*]] = amp.matmul %[[X]], %[[W]] : (tensor<8x4xf16>, tensor<4x2xf16>) -> tensor<8x2xf16>
  // CHECK: %[[Y32:.*]] = amp.cast %[[Y]] {inserted} : tensor<8x2xf16> to tensor<8x2xf32>
  // CHECK: amp.exp %[[Y32]] : tensor<8x2xf32>
  // BF16: amp.matmul {{.*}} -> tensor<8x2xbf16>
  %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %e = amp.exp %y : tensor<8x2xf32>
  return %e : tensor<8x2xf32>
}

// -----

// Promote takes the widest of its operands.

// CHECK-LABEL: @promote_follows_a_low_operand
func.func @promote_follows_a_low_operand(%x: tensor<8x4xf32>, %w: tensor<4x2xf32>) -> tensor<8x2xf32> {
  // CHECK: amp.relu %{{.*}} : tensor<8x2xf16>
  %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %r = amp.relu %y : tensor<8x2xf32>
  return %r : tensor<8x2xf32>
}

// CHECK-LABEL: @promote_is_f32_where_one_operand_is
// O2-LABEL: @promote_is_f32_where_one_operand_is
func.func @promote_is_f32_where_one_operand_is(%x: tensor<8x4xf32>, %w: tensor<4x2xf32>, %b: tensor<8x2xf32>) -> tensor<8x2xf32> {
  // CHECK: amp.add %{{.*}}, %{{.*}} : (tensor<8x2xf32>, tensor<8x2xf32>) -> tensor<8x2xf32>
  // O2: amp.add %{{.*}}, %{{.*}} : (tensor<8x2xf16>, tensor<8x2xf16>) -> tensor<8x2xf16>
  %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %r = amp.add %y, %b : (tensor<8x2xf32>, tensor<8x2xf32>) -> tensor<8x2xf32>
  return %r : tensor<8x2xf32>
}

// -----

// Rank-0 operands and constants have no vote.

// CHECK-LABEL: @scalars_and_constants_do_not_vote
func.func @scalars_and_constants_do_not_vote(%x: tensor<8x4xf32>, %w: tensor<4x2xf32>, %s: tensor<f32>) -> tensor<8x2xf32> {
  // CHECK: amp.mul %{{.*}}, %{{.*}} : (tensor<8x2xf16>, tensor<f16>) -> tensor<8x2xf16>
  // CHECK: amp.add %{{.*}}, %{{.*}} : (tensor<8x2xf16>, tensor<2xf16>) -> tensor<8x2xf16>
  %c = amp.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %m = amp.mul %y, %s : (tensor<8x2xf32>, tensor<f32>) -> tensor<8x2xf32>
  %a = amp.add %m, %c : (tensor<8x2xf32>, tensor<2xf32>) -> tensor<8x2xf32>
  return %a : tensor<8x2xf32>
}

// A mask of -1e9 would become -inf in f16; in bf16 the sum would have steps of 4 million.

// CHECK-LABEL: @a_constant_out_of_range_keeps_f32
// BF16-LABEL: @a_constant_out_of_range_keeps_f32
func.func @a_constant_out_of_range_keeps_f32(%x: tensor<8x4xf32>, %w: tensor<4x2xf32>) -> tensor<8x2xf32> {
  // CHECK: amp.add %{{.*}}, %{{.*}} -> tensor<8x2xf32>
  // BF16: amp.add %{{.*}}, %{{.*}} -> tensor<8x2xf32>
  %c = amp.constant dense<[-1.0e9, 0.0]> : tensor<2xf32>
  %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %a = amp.add %y, %c : (tensor<8x2xf32>, tensor<2xf32>) -> tensor<8x2xf32>
  return %a : tensor<8x2xf32>
}

// -----

// What the user asked for an op comes before the lists.

// CHECK-LABEL: @flags_come_first
func.func @flags_come_first(%x: tensor<8x4xf32>, %w: tensor<4x2xf32>) -> (tensor<8x2xf32>, tensor<8x4xf32>) {
  // CHECK: amp.matmul {{.*}} : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  // CHECK: amp.exp {{.*}} : tensor<8x4xf16>
  %y = amp.matmul %x, %w {amp.precision = {category = "deny", reason = "--amp-deny=MatMul"}} : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %e = amp.exp %x {amp.precision = {category = "allow", reason = "--amp-allow=Exp"}} : tensor<8x4xf32>
  return %y, %e : tensor<8x2xf32>, tensor<8x4xf32>
}

// -----

// Promote and follow are the user's to ask for as well: exp, which the lists deny, takes the type
// of what it reads.

// CHECK-LABEL: @a_user_may_ask_for_every_category
func.func @a_user_may_ask_for_every_category(%x: tensor<8x4xf32>, %w: tensor<4x2xf32>) -> (tensor<8x2xf32>, tensor<8x2xf32>) {
  // CHECK: amp.exp {{.*}} : tensor<8x2xf16>
  // CHECK: amp.exp {{.*}} : tensor<8x2xf16>
  %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %e = amp.exp %y {amp.precision = {category = "follow", reason = "lists"}} : tensor<8x2xf32>
  %t = amp.exp %y {amp.precision = {category = "promote", reason = "lists"}} : tensor<8x2xf32>
  return %e, %t : tensor<8x2xf32>, tensor<8x2xf32>
}

// -----

// f64 and integers are never touched.

// CHECK-LABEL: @f64_stays
func.func @f64_stays(%x: tensor<8x4xf64>, %w: tensor<4x2xf64>, %i: tensor<4xi64>) -> (tensor<8x2xf64>, tensor<4xi64>) {
  // CHECK-NOT: amp.cast
  %y = amp.matmul %x, %w : (tensor<8x4xf64>, tensor<4x2xf64>) -> tensor<8x2xf64>
  %j = amp.add %i, %i : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
  return %y, %j : tensor<8x2xf64>, tensor<4xi64>
}

// -----

// A spelled-out loss computes in f32 from the last product on.

// CHECK-LABEL: @the_tail_of_a_loss_is_f32
// O2-LABEL: @the_tail_of_a_loss_is_f32
func.func @the_tail_of_a_loss_is_f32(%x: tensor<8x4xf32>, %w: tensor<4x2xf32>, %t: tensor<8x2xf32>) -> (tensor<f32> {amp.loss}) {
  // CHECK: amp.matmul {{.*}} -> tensor<8x2xf16>
  // CHECK: amp.sub {{.*}} -> tensor<8x2xf32>
  // CHECK: amp.reduce_mean {{.*}} -> tensor<f32>
  // O2: amp.sub {{.*}} -> tensor<8x2xf32>
  %y = amp.matmul %x, %w : (tensor<8x4xf32>, tensor<4x2xf32>) -> tensor<8x2xf32>
  %d = amp.sub %y, %t : (tensor<8x2xf32>, tensor<8x2xf32>) -> tensor<8x2xf32>
  %s = amp.mul %d, %d : (tensor<8x2xf32>, tensor<8x2xf32>) -> tensor<8x2xf32>
  %l = amp.reduce_mean %s [0, 1] : (tensor<8x2xf32>) -> tensor<f32>
  return %l : tensor<f32>
}

// -----

// What came as integers is f32 until it meets what is not, in a model of 16 bits too: sines of time steps,
// whose frequencies one exporter has computed and another one has not.

// O2-LABEL: @numbers_that_came_as_integers
func.func @numbers_that_came_as_integers(%t: tensor<8x1xi64>, %x: tensor<8x4xf32>, %w: tensor<4x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  // O2: amp.cast {{.*}} : tensor<8x1xi64> to tensor<8x1xf32>
  // O2: amp.mul {{.*}} -> tensor<8x4xf32>
  // O2: %[[SINES:.*]] = amp.sin {{.*}} : tensor<8x4xf32>
  // O2: %[[LOW:.*]] = amp.cast %[[SINES]] {inserted} : tensor<8x4xf32> to tensor<8x4xf16>
  // O2: amp.matmul %[[LOW]], {{.*}} -> tensor<8x4xf16>
  // O2: amp.mul {{.*}} -> tensor<8x4xf16>
  %rates = amp.constant dense<[[1.0, 0.1, 0.01, 0.001]]> : tensor<1x4xf32>
  %n = amp.cast %t : tensor<8x1xi64> to tensor<8x1xf32>
  %angles = amp.mul %n, %rates : (tensor<8x1xf32>, tensor<1x4xf32>) -> tensor<8x4xf32>
  %sines = amp.sin %angles : tensor<8x4xf32>
  %y = amp.matmul %sines, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  %z = amp.mul %sines, %x : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  return %y, %z : tensor<8x4xf32>, tensor<8x4xf32>
}

// O2-LABEL: @frequencies_that_are_computed
func.func @frequencies_that_are_computed(%t: tensor<8x1xi64>, %w: tensor<4x4xf32>) -> tensor<8x4xf32> {
  // O2: amp.exp {{.*}} : tensor<4xf32>
  // O2: amp.reshape {{.*}} : tensor<4xf32> to tensor<1x4xf32>
  // O2: amp.mul {{.*}} -> tensor<8x4xf32>
  // O2: amp.sin {{.*}} : tensor<8x4xf32>
  // O2: amp.matmul {{.*}} -> tensor<8x4xf16>
  %logs = amp.constant dense<[0.0, -1.0, -2.0, -3.0]> : tensor<4xf32>
  %flat = amp.exp %logs : tensor<4xf32>
  %rates = amp.reshape %flat : tensor<4xf32> to tensor<1x4xf32>
  %n = amp.cast %t : tensor<8x1xi64> to tensor<8x1xf32>
  %angles = amp.mul %n, %rates : (tensor<8x1xf32>, tensor<1x4xf32>) -> tensor<8x4xf32>
  %sines = amp.sin %angles : tensor<8x4xf32>
  %y = amp.matmul %sines, %w : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// One number, and what is trained, goes with the model.

// O2-LABEL: @others_are_low
func.func @others_are_low(%s: tensor<f32>, %w: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // O2: amp.relu {{.*}} : tensor<4x4xf16>
  // O2: amp.mul {{.*}} -> tensor<4x4xf16>
  %e = amp.relu %w : tensor<4x4xf32>
  %y = amp.mul %e, %s : (tensor<4x4xf32>, tensor<f32>) -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}
