// RUN: ampc-opt %s --amp-attach-loss="loss=mse" | FileCheck %s --check-prefix=MSE
// RUN: not ampc-opt %s --amp-attach-loss 2>&1 | FileCheck %s --check-prefix=AUTO
// RUN: not ampc-opt %s --amp-attach-loss="loss=output:y" 2>&1 | FileCheck %s --check-prefix=NAME

// What dialect text gives no name has none.

// MSE: func.func @main(%{{.*}}: tensor<8xf32>, %{{.*}}: tensor<8xf32> {amp.name = "target"}) -> (tensor<8xf32>, tensor<f32> {amp.loss, amp.name = "loss"})
// AUTO: error: --loss=auto: the graph has no float output of one element (outputs: '' tensor<8xf32>);
// NAME: error: --loss=output:y: no such output (outputs: '' tensor<8xf32>)
func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {
  return %x : tensor<8xf32>
}
