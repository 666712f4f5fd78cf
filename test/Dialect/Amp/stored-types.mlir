// A cast of a type that is only stored says what its bytes are. It is an anchor that nothing folds,
// and integer arithmetic when it is lowered.
// RUN: ampc-opt %s --split-input-file --verify-diagnostics | FileCheck %s
// RUN: ampc-opt %s --split-input-file --verify-diagnostics --canonicalize | FileCheck %s
// RUN: ampc-opt %s --split-input-file --verify-diagnostics --plan-lower-ops | FileCheck %s --check-prefix=LOWERED

// CHECK-LABEL: func @down
// CHECK: amp.cast %arg0 {round_mode = "nearest", saturating = false, to = "float8e8m0"} : tensor<4xf32> to tensor<4xi8>
// LOWERED-LABEL: func @down
// LOWERED: arith.bitcast %{{.*}} : f32 to i32
// LOWERED-NOT: f8
// LOWERED: return
func.func @down(%x: tensor<4xf32>) -> tensor<4xi8> {
  %0 = amp.cast %x {round_mode = "nearest", saturating = false, to = "float8e8m0"} : tensor<4xf32> to tensor<4xi8>
  return %0 : tensor<4xi8>
}

// -----

func.func @same_type(%x: tensor<4xi8>) -> tensor<4xi8> {
  // expected-error@+1 {{has one type on both sides (cast_c2)}}
  %0 = amp.cast %x {from = "int4"} : tensor<4xi8> to tensor<4xi8>
  return %0 : tensor<4xi8>
}

// -----

func.func @unknown(%x: tensor<4xi8>) -> tensor<4xf32> {
  // expected-error@+1 {{from is 'float8', no stored type (cast_c1)}}
  %0 = amp.cast %x {from = "float8"} : tensor<4xi8> to tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @no_bytes(%x: tensor<4xf32>) -> tensor<4xf16> {
  // expected-error@+1 {{to is 'int4' of 'tensor<4xf16>', not of i8 (cast_c1)}}
  %0 = amp.cast %x {to = "int4"} : tensor<4xf32> to tensor<4xf16>
  return %0 : tensor<4xf16>
}

// -----

func.func @mode(%x: tensor<4xf32>) -> tensor<4xi8> {
  // expected-error@+1 {{round_mode is 'even' (cast_c3)}}
  %0 = amp.cast %x {round_mode = "even", to = "float8e8m0"} : tensor<4xf32> to tensor<4xi8>
  return %0 : tensor<4xi8>
}
