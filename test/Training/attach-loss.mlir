// RUN: ampc-opt %s --amp-attach-loss="loss=cross_entropy" | FileCheck %s --check-prefix=CE
// RUN: ampc-opt %s --amp-attach-loss="loss=mse" | FileCheck %s --check-prefix=MSE
// RUN: ampc-opt %s --amp-attach-loss="loss=output:sum" | FileCheck %s --check-prefix=NAMED
// RUN: ampc-opt %s --amp-attach-loss | FileCheck %s --check-prefix=NAMED

// CE: func.func @main(%{{.*}}, %[[T:[a-z0-9]+]]: tensor<8xi64> {amp.batched, amp.name = "target"})
// CE-SAME: tensor<f32> {amp.loss, amp.name = "loss"}
// CE: amp.softmax_cross_entropy mean %{{.*}}, %[[T]]
// MSE: , %[[T:[a-z0-9]+]]: tensor<8x4xf32> {amp.batched, amp.name = "target"}
// MSE: %[[D:.*]] = amp.sub %{{.*}}, %[[T]]
// MSE: amp.mul %[[D]], %[[D]]
// MSE: amp.reduce_mean
// NAMED: tensor<f32> {amp.loss, amp.name = "sum"}
func.func @main(%x: tensor<8x4xf32> {amp.name = "x", amp.batched}) -> (tensor<8x4xf32> {amp.name = "y", amp.batched}, tensor<f32> {amp.name = "sum"}) {
  %s = amp.reduce_sum %x [0, 1] : (tensor<8x4xf32>) -> tensor<f32>
  return %x, %s : tensor<8x4xf32>, tensor<f32>
}
