// RUN: ampc-opt %s --amp-keep-low-copies | FileCheck %s

// CHECK: amp.variable parameter @w
// CHECK: amp.variable derived @"ampc.copy/w" : tensor<4xf16>
amp.variable parameter @w : tensor<4xf32> {trained, from_model}
amp.variable state @m : tensor<4xf32>

// CHECK-LABEL: func.func @train
func.func @train(%new: tensor<4xf32>) -> (tensor<4xf16>, tensor<4xf16>, tensor<4xf16>) {
  // CHECK: %[[COPY:.*]] = amp.read @"ampc.copy/w" : tensor<4xf16>
  %w = amp.read @w : tensor<4xf32>
  %c = amp.cast %w {inserted} : tensor<4xf32> to tensor<4xf16>
  // What the model itself casts, and state, has no copy.
  // CHECK: amp.cast %{{.*}} : tensor<4xf32> to tensor<4xf16>
  // CHECK: amp.cast %{{.*}} {inserted} : tensor<4xf32> to tensor<4xf16>
  %u = amp.cast %w : tensor<4xf32> to tensor<4xf16>
  %m = amp.read @m : tensor<4xf32>
  %d = amp.cast %m {inserted} : tensor<4xf32> to tensor<4xf16>
  // The copy is written with its master.
  // CHECK: amp.assign @w, %[[NEW:.*]] :
  // CHECK: %[[LOW:.*]] = amp.cast %[[NEW]] {inserted}
  // CHECK: amp.assign @"ampc.copy/w", %[[LOW]]
  // CHECK: return %[[COPY]]
  amp.assign @w, %new : tensor<4xf32>
  return %c, %u, %d : tensor<4xf16>, tensor<4xf16>, tensor<4xf16>
}

// CHECK-LABEL: func.func @refresh
// CHECK: amp.assign @"ampc.copy/w"
