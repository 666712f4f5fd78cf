// RUN: not ampc-opt %s --amp-attach-loss 2>&1 | FileCheck %s --check-prefix=AUTO
// RUN: not ampc-opt %s --amp-attach-loss="loss=output:z" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not ampc-opt %s --amp-attach-loss="loss=output:y" 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: not ampc-opt %s --amp-attach-loss="loss=cosine" 2>&1 | FileCheck %s --check-prefix=LOSS
// RUN: not ampc-opt %s --amp-attach-loss="loss=nll" 2>&1 | FileCheck %s --check-prefix=RANK

// AUTO: error: --loss=auto: the graph has no float output of one element (outputs: 'y' tensor<8xf32>); pass --loss=output:NAME, or a loss by name: cross_entropy
// NAME: error: --loss=output:z: no such output (outputs: 'y' tensor<8xf32>)
// SHAPE: error: --loss=output:y: a loss is one float, this output is 'tensor<8xf32>'
// LOSS: error: --loss=cosine: no such loss; there are cross_entropy, nll, mse, l1, bce, bce_with_logits, kl_div, huber, smooth_l1, hinge
// RANK: error: --loss=nll: takes class scores [batch, classes, ..] as the graph's first output, which is tensor<8xf32>
func.func @main(%x: tensor<8xf32> {amp.name = "x"}) -> (tensor<8xf32> {amp.name = "y"}) {
  return %x : tensor<8xf32>
}
