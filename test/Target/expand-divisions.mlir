// RUN: ampc-opt %s --ampc-expand-divisions | FileCheck %s
// RUN: ampc-opt %s --ampc-expand-divisions=by-constants | FileCheck %s --check-prefix=DEVICE

// A maximum stays one: LLVM knows it as a reduction.
// CHECK-LABEL: func.func @only_divisions
// CHECK-NOT: ceildivui
// CHECK-NOT: floordivsi
// CHECK: arith.maximumf
func.func @only_divisions(%x: index, %y: index, %a: f32) -> (index, index, f32) {
  %c = arith.ceildivui %x, %y : index
  %f = arith.floordivsi %x, %y : index
  %m = arith.maximumf %a, %a : f32
  %n = arith.maximumf %m, %a : f32
  %k = arith.addf %n, %a : f32
  %l = arith.maximumf %k, %a : f32
  return %c, %f, %l : index, index, f32
}

// Only for a device.
// CHECK-LABEL: func.func @by_constants
// CHECK-COUNT-2: arith.divf
// DEVICE-LABEL: func.func @by_constants
// DEVICE-NOT: arith.divf
// DEVICE-DAG: %[[R:.*]] = arith.constant 0.707106769 : f32
// DEVICE: %[[Q:.*]] = arith.mulf %{{.*}}, %[[R]] : f32
// DEVICE: %[[S:.*]] = math.fma %[[Q]], %{{.*}}, %{{.*}} : f32
// DEVICE: %[[M:.*]] = arith.negf %[[S]]
// DEVICE: %[[P:.*]] = math.fma %[[M]], %[[R]], %[[Q]] : f32
// DEVICE: arith.select %{{.*}}, %[[P]], %[[Q]] : f32
// DEVICE: arith.mulf %{{.*}} : vector<4xf32>
// DEVICE-NOT: arith.divf
// DEVICE: return
func.func @by_constants(%x: f32, %v: vector<4xf32>) -> (f32, vector<4xf32>) {
  %c = arith.constant 1.41421354 : f32
  %q = arith.divf %x, %c : f32
  %s = arith.constant dense<3.0> : vector<4xf32>
  %w = arith.divf %v, %s : vector<4xf32>
  return %q, %w : f32, vector<4xf32>
}

// A negative divisor loses signs of zeros, a power of two is LLVM's, and what has no reciprocal
// in f32, or is not f32, stays.
// DEVICE-LABEL: func.func @not_expanded
// DEVICE-COUNT-5: arith.divf
func.func @not_expanded(%x: f32, %d: f64, %h: f16) -> (f32, f32, f32, f64, f16) {
  %n = arith.constant -3.0 : f32
  %two = arith.constant 2.0 : f32
  %small = arith.constant 1.1e-39 : f32
  %three = arith.constant 3.0 : f64
  %half = arith.constant 3.0 : f16
  %a = arith.divf %x, %n : f32
  %b = arith.divf %x, %two : f32
  %c = arith.divf %x, %small : f32
  %e = arith.divf %d, %three : f64
  %f = arith.divf %h, %half : f16
  return %a, %b, %c, %e, %f : f32, f32, f32, f64, f16
}
