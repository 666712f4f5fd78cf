// RUN: ampc-opt %s --split-input-file --amp-keep-low-copies | FileCheck %s

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

// -----

// Copies that are read one behind the other are kept so, and written piece by piece.

// CHECK: amp.variable derived @"ampc.copy/a+b" : tensor<24x32xbf16>
amp.variable parameter @a : tensor<16x32xf32> {from_model, trained}
amp.variable parameter @b : tensor<8x32xf32> {from_model, trained}

// CHECK-LABEL: func.func @train
func.func @train(%newa: tensor<16x32xf32>, %newb: tensor<8x32xf32>) -> tensor<24x32xbf16> {
  // CHECK: %[[COPY:.*]] = amp.read @"ampc.copy/a+b" : tensor<24x32xbf16>
  // CHECK-NOT: amp.concat
  %a = amp.read @a : tensor<16x32xf32>
  %b = amp.read @b : tensor<8x32xf32>
  %c = amp.cast %a {inserted} : tensor<16x32xf32> to tensor<16x32xbf16>
  %d = amp.cast %b {inserted} : tensor<8x32xf32> to tensor<8x32xbf16>
  %cd = amp.concat %c, %d along 0 : (tensor<16x32xbf16>, tensor<8x32xbf16>) -> tensor<24x32xbf16>
  // CHECK: %[[A:.*]] = amp.cast %{{.*}} {inserted} : tensor<16x32xf32> to tensor<16x32xbf16>
  // CHECK: amp.assign @"ampc.copy/a+b", %[[A]] : tensor<16x32xbf16>
  // CHECK: %[[B:.*]] = amp.cast %{{.*}} {inserted} : tensor<8x32xf32> to tensor<8x32xbf16>
  // CHECK: amp.assign @"ampc.copy/a+b", %[[B]] {place = 512 : i64} : tensor<8x32xbf16>
  // CHECK: return %[[COPY]]
  amp.assign @a, %newa : tensor<16x32xf32>
  amp.assign @b, %newb : tensor<8x32xf32>
  return %cd : tensor<24x32xbf16>
}

// CHECK-LABEL: func.func @refresh
// CHECK: amp.assign @"ampc.copy/a+b", %{{.*}} : tensor<16x32xbf16>
// CHECK: amp.assign @"ampc.copy/a+b", %{{.*}} {place = 512 : i64} : tensor<8x32xbf16>

// -----

// A step that writes a piece of it only would leave the rest behind: each is kept by itself.

// CHECK-NOT: ampc.copy/a+b
// CHECK-DAG: amp.variable derived @"ampc.copy/a" : tensor<16x32xbf16>
// CHECK-DAG: amp.variable derived @"ampc.copy/b" : tensor<8x32xbf16>
amp.variable parameter @a : tensor<16x32xf32> {from_model, trained}
amp.variable parameter @b : tensor<8x32xf32> {from_model}

// CHECK-LABEL: func.func @train
func.func @train(%new: tensor<16x32xf32>) -> tensor<24x32xbf16> {
  // CHECK: amp.concat
  %a = amp.read @a : tensor<16x32xf32>
  %b = amp.read @b : tensor<8x32xf32>
  %c = amp.cast %a {inserted} : tensor<16x32xf32> to tensor<16x32xbf16>
  %d = amp.cast %b {inserted} : tensor<8x32xf32> to tensor<8x32xbf16>
  %cd = amp.concat %c, %d along 0 : (tensor<16x32xbf16>, tensor<8x32xbf16>) -> tensor<24x32xbf16>
  amp.assign @a, %new : tensor<16x32xf32>
  return %cd : tensor<24x32xbf16>
}
