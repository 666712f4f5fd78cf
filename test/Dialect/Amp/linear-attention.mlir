// RUN: ampc-opt %s | FileCheck %s
// RUN: ampc-opt %s -plan-lower-ops | FileCheck %s --check-prefix=LOWER
// RUN: ampc-opt %s -amp-autocast | FileCheck %s --check-prefix=AUTOCAST

// CHECK-LABEL: @linear
// LOWER-LABEL: @linear
// LOWER: plan.loop @loop_body times 5 carries(%arg5) over(%arg0, %arg1, %arg2, %arg3, %arg4) with() reversed [false, false, false, false, false, false]
// LOWER-SAME: -> (tensor<6x4x3xf32>, tensor<5x6x2x3xf16>, tensor<0xi8>)
func.func @linear(%q: tensor<5x6x2x4xf16>, %k: tensor<5x6x4xf16>, %v: tensor<5x6x3xf16>,
                  %g: tensor<5x6x4xf32>, %b: tensor<5x6x1xf16>, %s: tensor<6x4x3xf32>)
    -> (tensor<5x6x2x3xf16>, tensor<6x4x3xf32>) {
  // CHECK: amp.linear_attention %arg0, %arg1, %arg2 decay %arg3 rate %arg4 from %arg5 scale 5.000000e-01 : (tensor<5x6x2x4xf16>, tensor<5x6x4xf16>, tensor<5x6x3xf16>, tensor<5x6x4xf32>, tensor<5x6x1xf16>, tensor<6x4x3xf32>) -> (tensor<5x6x2x3xf16>, tensor<6x4x3xf32>)
  %y, %state = amp.linear_attention %q, %k, %v decay %g rate %b from %s scale 0.5
      : (tensor<5x6x2x4xf16>, tensor<5x6x4xf16>, tensor<5x6x3xf16>, tensor<5x6x4xf32>,
         tensor<5x6x1xf16>, tensor<6x4x3xf32>) -> (tensor<5x6x2x3xf16>, tensor<6x4x3xf32>)
  return %y, %state : tensor<5x6x2x3xf16>, tensor<6x4x3xf32>
}

// The states are computed again, then time goes back; what has no decay has 0 for its gradient.
// CHECK-LABEL: @gradient
// LOWER-LABEL: @gradient
// LOWER: %[[STATES:.*]]:3 = plan.loop @loop_body_0 times 5
// LOWER-SAME: -> (tensor<6x4x3xf32>, tensor<5x6x4x3xf32>, tensor<0xi8>)
// LOWER: plan.loop @loop_body_1 times 5 carries(%arg5) over(%arg1, %arg2, %arg3, %arg0, %[[STATES]]#1) with() reversed [true, true, true, true, true, true, true, true]
// LOWER-SAME: -> (tensor<6x4x3xf32>, tensor<5x6x2x4xf16>, tensor<5x6x4xf16>, tensor<5x6x3xf16>, tensor<0xi8>)
func.func @gradient(%dy: tensor<5x6x2x3xf16>, %q: tensor<5x6x2x4xf16>, %k: tensor<5x6x4xf16>,
                    %v: tensor<5x6x3xf16>, %s: tensor<6x4x3xf32>, %ds: tensor<6x4x3xf32>)
    -> (tensor<5x6x2x4xf16>, tensor<5x6x4xf32>, tensor<6x4x3xf32>) {
  // CHECK: amp.linear_attention_grad %arg0, %arg1, %arg2, %arg3 from %arg4 to %arg5 scale 1.000000e+00
  %dq, %dk, %dv, %dg, %db, %first
      = amp.linear_attention_grad %dy, %q, %k, %v from %s to %ds scale 1.0
      : (tensor<5x6x2x3xf16>, tensor<5x6x2x4xf16>, tensor<5x6x4xf16>, tensor<5x6x3xf16>,
         tensor<6x4x3xf32>, tensor<6x4x3xf32>)
      -> (tensor<5x6x2x4xf16>, tensor<5x6x4xf16>, tensor<5x6x3xf16>, tensor<5x6x4xf32>,
          tensor<5x6x1xf32>, tensor<6x4x3xf32>)
  return %dq, %dg, %first : tensor<5x6x2x4xf16>, tensor<5x6x4xf32>, tensor<6x4x3xf32>
}

// What is the key and the decay is low as the one and f32 as the other.
// AUTOCAST-LABEL: @key_and_decay
// AUTOCAST: amp.linear_attention %{{.*}}, %{{.*}}, %{{.*}} decay %arg1 from %arg3
// AUTOCAST-SAME: (tensor<5x6x2x4xf16>, tensor<5x6x4xf16>, tensor<5x6x3xf16>, tensor<5x6x4xf32>, tensor<6x4x3xf32>)
func.func @key_and_decay(%q: tensor<5x6x2x4xf32>, %k: tensor<5x6x4xf32>, %v: tensor<5x6x3xf32>,
                         %s: tensor<6x4x3xf32>) -> tensor<5x6x2x3xf32> {
  %y, %state = amp.linear_attention %q, %k, %v decay %k from %s scale 1.0
      : (tensor<5x6x2x4xf32>, tensor<5x6x4xf32>, tensor<5x6x3xf32>, tensor<5x6x4xf32>,
         tensor<6x4x3xf32>) -> (tensor<5x6x2x3xf32>, tensor<6x4x3xf32>)
  return %y : tensor<5x6x2x3xf32>
}
