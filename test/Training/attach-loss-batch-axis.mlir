// RUN: ampc-opt %s --amp-attach-loss="loss=cross_entropy class-axis=-1" --split-input-file --verify-diagnostics | FileCheck %s

// Samples lie along the same dimension of the target, or along the one before where the classes go.

// CHECK: func.func @main(%{{.*}}, %{{[a-z0-9]+}}: tensor<3x8xi64> {amp.batch_axis = 1 : i64, amp.batched, amp.name = "target"})
func.func @main(%x: tensor<3x8x5xf32> {amp.name = "x"}) -> (tensor<3x8x5xf32> {amp.name = "y", amp.batched, amp.batch_axis = 1 : i64}) {
  return %x : tensor<3x8x5xf32>
}

// -----

// expected-error@+1 {{--loss=cross_entropy: axis 1 of 'y', 'tensor<5x8xf32>', counts samples (--batch-dim) and holds no classes: --class-axis=N says where they are (-1: the last axis)}}
func.func @main(%x: tensor<5x8xf32> {amp.name = "x"}) -> (tensor<5x8xf32> {amp.name = "y", amp.batched, amp.batch_axis = 1 : i64}) {
  return %x : tensor<5x8xf32>
}
