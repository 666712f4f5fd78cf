// RUN: not ampc-opt %s --amp-attach-loss="loss=mse" 2>&1 | FileCheck %s

// An output of that name would be there twice.

// CHECK: error: --loss=mse: would add an output 'loss', but the graph has one; if that is what to minimise, pass --loss=output:loss
func.func @main(%x: tensor<8xf32> {amp.name = "x"}) -> (tensor<8xf32> {amp.name = "loss"}) {
  return %x : tensor<8xf32>
}
