// RUN: ampc-opt %s -plan-widen-intermediates | FileCheck %s

#id = affine_map<(d0) -> (d0)>

// Between two ops of a kernel nothing is rounded.

// CHECK-LABEL: @value_inside_a_kernel_is_not_rounded(
func.func @value_inside_a_kernel_is_not_rounded(%x: tensor<64xbf16>) -> tensor<64xbf16> {
  // CHECK: %[[E:.*]] = math.exp
  // CHECK-NEXT: linalg.yield %[[E]] : f32
  // CHECK-NEXT: } -> tensor<64xf32>
  // CHECK: ^bb0(%[[W:.*]]: f32, %{{.*}}: bf16):
  // CHECK-NEXT: %[[T:.*]] = math.tanh %[[W]] : f32
  // CHECK-NEXT: arith.truncf %[[T]] : f32 to bf16
  %k = plan.kernel fused (%a = %x : tensor<64xbf16>) -> tensor<64xbf16> {
    %e = tensor.empty() : tensor<64xbf16>
    %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<64xbf16>) outs(%e : tensor<64xbf16>) {
    ^bb0(%i: bf16, %o: bf16):
      %w = arith.extf %i : bf16 to f32
      %y = math.exp %w : f32
      %n = arith.truncf %y : f32 to bf16
      linalg.yield %n : bf16
    } -> tensor<64xbf16>
    %c = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%b : tensor<64xbf16>) outs(%e : tensor<64xbf16>) {
    ^bb0(%i: bf16, %o: bf16):
      %w = arith.extf %i : bf16 to f32
      %y = math.tanh %w : f32
      %n = arith.truncf %y : f32 to bf16
      linalg.yield %n : bf16
    } -> tensor<64xbf16>
    plan.yield %c : tensor<64xbf16>
  }
  return %k : tensor<64xbf16>
}

// A value that is stored is the same for all its readers.

// CHECK-LABEL: @stored_value_is_rounded(
func.func @stored_value_is_rounded(%x: tensor<64xbf16>) -> (tensor<64xbf16>, tensor<64xbf16>) {
  // CHECK-COUNT-2: arith.truncf
  %k:2 = plan.kernel fused (%a = %x : tensor<64xbf16>) -> (tensor<64xbf16>, tensor<64xbf16>) {
    %e = tensor.empty() : tensor<64xbf16>
    %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<64xbf16>) outs(%e : tensor<64xbf16>) {
    ^bb0(%i: bf16, %o: bf16):
      %w = arith.extf %i : bf16 to f32
      %y = math.exp %w : f32
      %n = arith.truncf %y : f32 to bf16
      linalg.yield %n : bf16
    } -> tensor<64xbf16>
    %c = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%b : tensor<64xbf16>) outs(%e : tensor<64xbf16>) {
    ^bb0(%i: bf16, %o: bf16):
      %w = arith.extf %i : bf16 to f32
      %y = math.tanh %w : f32
      %n = arith.truncf %y : f32 to bf16
      linalg.yield %n : bf16
    } -> tensor<64xbf16>
    plan.yield %b, %c : tensor<64xbf16>, tensor<64xbf16>
  }
  return %k#0, %k#1 : tensor<64xbf16>, tensor<64xbf16>
}

// A cast is a decision of its own.

// CHECK-LABEL: @cast_is_kept(
func.func @cast_is_kept(%x: tensor<64xf32>) -> tensor<64xf32> {
  // CHECK: arith.truncf
  // CHECK: arith.extf
  %k = plan.kernel fused (%a = %x : tensor<64xf32>) -> tensor<64xf32> {
    %e = tensor.empty() : tensor<64xf16>
    %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%a : tensor<64xf32>) outs(%e : tensor<64xf16>) {
    ^bb0(%i: f32, %o: f16):
      %n = arith.truncf %i : f32 to f16
      linalg.yield %n : f16
    } -> tensor<64xf16>
    %f = tensor.empty() : tensor<64xf32>
    %c = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%b : tensor<64xf16>) outs(%f : tensor<64xf32>) {
    ^bb0(%i: f16, %o: f32):
      %w = arith.extf %i : f16 to f32
      linalg.yield %w : f32
    } -> tensor<64xf32>
    plan.yield %c : tensor<64xf32>
  }
  return %k : tensor<64xf32>
}
