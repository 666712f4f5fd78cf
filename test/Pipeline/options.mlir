// Options of pipelines and passes that are wrong: an error that names the option or the flag, and
// nothing runs on what was not understood.

// RUN: not ampc-opt %s --pass-pipeline="builtin.module(ampc-train{optimiser=sgd})" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not ampc-opt %s --pass-pipeline="builtin.module(ampc-train{level=high})" 2>&1 | FileCheck %s --check-prefix=LEVEL
// RUN: not ampc-opt %s --ampc-train="optimizer=adamax" 2>&1 | FileCheck %s --check-prefix=OPTIMIZER
// RUN: not ampc-opt %s --ampc-train="loss=output:y" 2>&1 | FileCheck %s --check-prefix=LOSS
// RUN: not ampc-opt %s --ampc-train="dtype=f8" 2>&1 | FileCheck %s --check-prefix=DTYPE
// RUN: not ampc-opt %s --ampc-train="lists=mine" 2>&1 | FileCheck %s --check-prefix=LISTS
// RUN: not ampc-opt %s --ampc-train="loss-scale=soon" 2>&1 | FileCheck %s --check-prefix=SCALE
// RUN: not ampc-opt %s --pass-pipeline="builtin.module(ampc-kernels{target=tpu})" 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not ampc-opt %s --pass-pipeline="builtin.module(ampc-plan{gpu=v100})" 2>&1 | FileCheck %s --check-prefix=GPU
// RUN: not ampc-opt %s --pass-pipeline="builtin.module(amp-scale-loss{mode=fast})" 2>&1 | FileCheck %s --check-prefix=MODE
// RUN: ampc-opt %s --ampc-train="optimizer=sgd loss-scale=8 level=0" | FileCheck %s

// NAME: no such option optimiser
// LEVEL: 'high' value invalid for
// OPTIMIZER: error: --optimizer=adamax: no such optimizer; there are adafactor, adagrad, adam,
// LOSS: error: --loss=output:y
// DTYPE: error: --amp-dtype=f8: f16 or bf16
// LISTS: error: --amp-lists=mine: balanced or pytorch
// SCALE: error: --loss-scale=soon: dynamic, none or a number
// TARGET: Cannot find option named 'tpu'!
// GPU: Cannot find option named 'v100'!
// MODE: error: --loss-scale=fast: dynamic, none or a number

// CHECK: amp.constant dense<8.000000e+00> : tensor<f32>
// CHECK: amp.sgd
amp.variable parameter @w : tensor<4xf32> {trained, from_model}
func.func @main(%x: tensor<4xf32> {amp.name = "x"}) -> (tensor<f32> {amp.name = "loss"}) {
  %w = amp.read @w : tensor<4xf32>
  %p = amp.mul %w, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %l = amp.reduce_sum %p [0] : (tensor<4xf32>) -> tensor<f32>
  return %l : tensor<f32>
}
