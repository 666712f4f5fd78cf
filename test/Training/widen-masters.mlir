// RUN: ampc-opt %s --amp-widen-masters | FileCheck %s
// RUN: ampc-opt %s --ampc-train="level=0 loss=output:l" | FileCheck %s --check-prefix=STEP
// RUN: ampc-opt %s --ampc-train="level=1 dtype=bf16 loss=output:l" | FileCheck %s --check-prefix=BF16

// The master of a weight that the file has in f16 is f32; what is frozen stays.

// CHECK: amp.variable parameter @w : tensor<3x4xf32> {file_type = f16, from_model, trained}
// CHECK: amp.variable constant @frozen : tensor<4xf16> {from_model}
amp.variable parameter @w : tensor<3x4xf16> {from_model, trained}
amp.variable constant @frozen : tensor<4xf16> {from_model}

// At O0 the graph computes in f16 from a copy that is kept; from the product on to the loss it
// is f32, and so is the gradient of the master. f16 needs a loss scale.

// STEP: amp.variable derived @"ampc.copy/w" : tensor<3x4xf16>
// STEP: amp.variable state @"ampc.exp_avg/w" : tensor<3x4xf32>
// The declared type of the output stays.
// STEP-LABEL: func.func @eval
// STEP-SAME: tensor<f16>
// STEP: amp.matmul {{.*}} -> tensor<8x4xf16>
// STEP: amp.reduce_mean {{.*}} -> tensor<f32>
// STEP-LABEL: func.func @train
// STEP: amp.read @ampc.loss_scale
// STEP: amp.matmul {{.*}} -> tensor<8x4xf16>
// STEP: amp.mul {{.*}} -> tensor<8x4xf32>
// STEP: amp.matmul {{.*}} -> tensor<3x4xf32>
// STEP: amp.unscale

// Without f16 on the way there is no scaler, and the master is cast once.
// BF16-NOT: loss_scale
// BF16: amp.variable derived @"ampc.copy/w" : tensor<3x4xbf16>
// BF16-NOT: loss_scale

// CHECK-LABEL: @main
func.func @main(%x: tensor<8x3xf16> {amp.name = "x"}) -> (tensor<f16> {amp.name = "l"}) {
  // CHECK: %[[M:.*]] = amp.read @w : tensor<3x4xf32>
  // CHECK: %[[W:.*]] = amp.cast %[[M]] {inserted} : tensor<3x4xf32> to tensor<3x4xf16>
  // CHECK: amp.matmul %{{.*}}, %[[W]]
  %w = amp.read @w : tensor<3x4xf16>
  %b = amp.read @frozen : tensor<4xf16>
  %y = amp.matmul %x, %w : (tensor<8x3xf16>, tensor<3x4xf16>) -> tensor<8x4xf16>
  %s = amp.add %y, %b : (tensor<8x4xf16>, tensor<4xf16>) -> tensor<8x4xf16>
  %q = amp.mul %s, %s : (tensor<8x4xf16>, tensor<8x4xf16>) -> tensor<8x4xf16>
  %l = amp.reduce_mean %q [0, 1] : (tensor<8x4xf16>) -> tensor<f16>
  return %l : tensor<f16>
}
