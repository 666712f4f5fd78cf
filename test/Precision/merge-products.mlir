// RUN: ampc-opt %s --split-input-file --amp-merge-products | FileCheck %s

// Products of one matrix are one; a part is read where a product was.

amp.variable parameter @a : tensor<16x32xf32> {from_model, trained}
amp.variable parameter @b : tensor<8x32xf32> {from_model, trained}

// CHECK-LABEL: func.func @merged
// CHECK-SAME: (%[[X:.*]]: tensor<64x32xbf16>)
func.func @merged(%x: tensor<64x32xbf16>) -> (tensor<64x16xbf16>, tensor<64x8xf32>) {
  // CHECK-DAG: %[[A:.*]] = amp.cast %{{.*}} {inserted} : tensor<16x32xf32> to tensor<16x32xbf16>
  // CHECK-DAG: %[[B:.*]] = amp.cast %{{.*}} {inserted} : tensor<8x32xf32> to tensor<8x32xbf16>
  // CHECK: %[[AB:.*]] = amp.concat %[[A]], %[[B]] along 0
  // CHECK-SAME: -> tensor<24x32xbf16>
  // CHECK-NEXT: %[[Y:.*]] = amp.matmul %[[X]], %[[AB]] {alpha = 5.000000e-01 : f64, transpose_rhs}
  // CHECK-SAME: -> tensor<64x24xbf16>
  // CHECK-NEXT: %[[P:.*]]:2 = amp.split %[[Y]] [16, 8] along 1
  // CHECK: %[[E:.*]] = amp.cast %[[P]]#1
  // CHECK: return %[[P]]#0, %[[E]]
  %a = amp.read @a : tensor<16x32xf32>
  %c = amp.cast %a {inserted} : tensor<16x32xf32> to tensor<16x32xbf16>
  %y = amp.matmul %x, %c {transpose_rhs, alpha = 0.5 : f64} : (tensor<64x32xbf16>, tensor<16x32xbf16>) -> tensor<64x16xbf16>
  %b = amp.read @b : tensor<8x32xf32>
  %d = amp.cast %b {inserted} : tensor<8x32xf32> to tensor<8x32xbf16>
  %z = amp.matmul %x, %d {transpose_rhs, alpha = 0.5 : f64} : (tensor<64x32xbf16>, tensor<8x32xbf16>) -> tensor<64x8xbf16>
  %e = amp.cast %z : tensor<64x8xbf16> to tensor<64x8xf32>
  return %y, %e : tensor<64x16xbf16>, tensor<64x8xf32>
}

// -----

// With the biases.

amp.variable parameter @a : tensor<32x64xf32> {from_model, trained}
amp.variable parameter @b : tensor<32x64xf32> {from_model, trained}
amp.variable parameter @p : tensor<32xf32> {from_model, trained}
amp.variable parameter @q : tensor<32xf32> {from_model, trained}

// CHECK-LABEL: func.func @biases
func.func @biases(%x: tensor<2x64x64xf16>) -> (tensor<2x64x32xf16>, tensor<2x64x32xf16>) {
  // CHECK: %[[W:.*]] = amp.concat
  // CHECK-SAME: -> tensor<64x64xf16>
  // CHECK: %[[B:.*]] = amp.concat
  // CHECK-SAME: -> tensor<64xf16>
  // CHECK: %[[Y:.*]] = amp.matmul %{{.*}}, %[[W]] bias %[[B]] {transpose_rhs}
  // CHECK: amp.split %[[Y]] [32, 32] along 2
  %a = amp.read @a : tensor<32x64xf32>
  %b = amp.read @b : tensor<32x64xf32>
  %p = amp.read @p : tensor<32xf32>
  %q = amp.read @q : tensor<32xf32>
  %c = amp.cast %a {inserted} : tensor<32x64xf32> to tensor<32x64xf16>
  %d = amp.cast %b {inserted} : tensor<32x64xf32> to tensor<32x64xf16>
  %r = amp.cast %p {inserted} : tensor<32xf32> to tensor<32xf16>
  %s = amp.cast %q {inserted} : tensor<32xf32> to tensor<32xf16>
  %y = amp.matmul %x, %c bias %r {transpose_rhs} : (tensor<2x64x64xf16>, tensor<32x64xf16>, tensor<32xf16>) -> tensor<2x64x32xf16>
  %z = amp.matmul %x, %d bias %s {transpose_rhs} : (tensor<2x64x64xf16>, tensor<32x64xf16>, tensor<32xf16>) -> tensor<2x64x32xf16>
  return %y, %z : tensor<2x64x32xf16>, tensor<2x64x32xf16>
}

// -----

// Apart stay: weights of which rows do not lie one behind the other (@c), that another reads too
// (@d), that are not trained like the others (@e), and copies that would end between two buffers'
// places (@f).

amp.variable parameter @a : tensor<32x32xf32> {from_model, trained}
amp.variable parameter @c : tensor<32x32xf32> {from_model, trained}
amp.variable parameter @d : tensor<32x32xf32> {from_model, trained}
amp.variable parameter @e : tensor<32x32xf32> {from_model}
amp.variable parameter @f : tensor<1x8xf32> {from_model, trained}
amp.variable parameter @g : tensor<1x8xf32> {from_model, trained}

// CHECK-LABEL: func.func @apart
// CHECK-NOT: amp.concat
// CHECK-NOT: amp.split
// CHECK: return
func.func @apart(%x: tensor<64x32xf16>, %u: tensor<64x8xf16>) -> (tensor<64x32xf16>, tensor<64x32xf16>, tensor<64x32xf16>, tensor<64x32xf16>, tensor<32x32xf16>, tensor<64x1xf16>, tensor<64x1xf16>) {
  %a = amp.read @a : tensor<32x32xf32>
  %c = amp.read @c : tensor<32x32xf32>
  %d = amp.read @d : tensor<32x32xf32>
  %e = amp.read @e : tensor<32x32xf32>
  %f = amp.read @f : tensor<1x8xf32>
  %g = amp.read @g : tensor<1x8xf32>
  %a16 = amp.cast %a {inserted} : tensor<32x32xf32> to tensor<32x32xf16>
  %c16 = amp.cast %c {inserted} : tensor<32x32xf32> to tensor<32x32xf16>
  %d16 = amp.cast %d {inserted} : tensor<32x32xf32> to tensor<32x32xf16>
  %e16 = amp.cast %e {inserted} : tensor<32x32xf32> to tensor<32x32xf16>
  %f16 = amp.cast %f {inserted} : tensor<1x8xf32> to tensor<1x8xf16>
  %g16 = amp.cast %g {inserted} : tensor<1x8xf32> to tensor<1x8xf16>
  %1 = amp.matmul %x, %a16 {transpose_rhs} : (tensor<64x32xf16>, tensor<32x32xf16>) -> tensor<64x32xf16>
  %2 = amp.matmul %x, %c16 : (tensor<64x32xf16>, tensor<32x32xf16>) -> tensor<64x32xf16>
  %3 = amp.matmul %x, %d16 {transpose_rhs} : (tensor<64x32xf16>, tensor<32x32xf16>) -> tensor<64x32xf16>
  %4 = amp.matmul %x, %e16 {transpose_rhs} : (tensor<64x32xf16>, tensor<32x32xf16>) -> tensor<64x32xf16>
  %5 = amp.matmul %u, %f16 {transpose_rhs} : (tensor<64x8xf16>, tensor<1x8xf16>) -> tensor<64x1xf16>
  %6 = amp.matmul %u, %g16 {transpose_rhs} : (tensor<64x8xf16>, tensor<1x8xf16>) -> tensor<64x1xf16>
  return %1, %2, %3, %4, %d16, %5, %6 : tensor<64x32xf16>, tensor<64x32xf16>, tensor<64x32xf16>, tensor<64x32xf16>, tensor<32x32xf16>, tensor<64x1xf16>, tensor<64x1xf16>
}

// -----

// Moving the parts' gradients would cost more than one product saves.

amp.variable parameter @a : tensor<64x32xf32> {from_model, trained}
amp.variable parameter @b : tensor<64x32xf32> {from_model, trained}

// CHECK-LABEL: func.func @wide
// CHECK-COUNT-2: amp.matmul
// CHECK: return
func.func @wide(%x: tensor<64x32xf16>) -> (tensor<64x64xf16>, tensor<64x64xf16>) {
  %a = amp.read @a : tensor<64x32xf32>
  %b = amp.read @b : tensor<64x32xf32>
  %c = amp.cast %a {inserted} : tensor<64x32xf32> to tensor<64x32xf16>
  %d = amp.cast %b {inserted} : tensor<64x32xf32> to tensor<64x32xf16>
  %y = amp.matmul %x, %c {transpose_rhs} : (tensor<64x32xf16>, tensor<64x32xf16>) -> tensor<64x64xf16>
  %z = amp.matmul %x, %d {transpose_rhs} : (tensor<64x32xf16>, tensor<64x32xf16>) -> tensor<64x64xf16>
  return %y, %z : tensor<64x64xf16>, tensor<64x64xf16>
}
