// What the pass says of options that are wrong: the words of the command line, at the graph.

// RUN: not ampc-opt %s --amp-make-training-step="settings=lr" 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: not ampc-opt %s --amp-make-training-step="settings=lr=fast" 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not ampc-opt %s --amp-make-training-step="settings=lr=1,lr=2" 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not ampc-opt %s --amp-make-training-step="settings=momentum=0.9" 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: not ampc-opt %s --amp-make-training-step="settings=beta2=1" 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not ampc-opt %s --amp-make-training-step="optimizer=sgd settings=dampening=0.5" 2>&1 | FileCheck %s --check-prefix=TOGETHER
// RUN: not ampc-opt %s --amp-make-training-step="optimizer=nesterov settings=momentum=0" 2>&1 | FileCheck %s --check-prefix=NESTEROV
// RUN: not ampc-opt %s --amp-make-training-step="lr=0.5" 2>&1 | FileCheck %s --check-prefix=OPTION
// RUN: not ampc-opt %s --amp-make-training-step="clip-grad-norm=much" 2>&1 | FileCheck %s --check-prefix=VALUE

// TEXT: make-training-step-errors.mlir:[[#@LINE+10]]:1: error: lr: a setting is FLAG=NUMBER
// NUMBER: error: lr=fast: a setting is FLAG=NUMBER
// TWICE: error: lr: is given twice
// OTHER: error: --momentum: --optimizer=adam has no such setting
// RANGE: error: --beta2=1: must be at least 0 and below 1
// TOGETHER: error: --dampening: has no effect without --momentum
// NESTEROV: error: --optimizer=nesterov: needs a momentum above 0 and no dampening
// OPTION: no such option lr
// VALUE: for the --clip-grad-norm option: 'much' value invalid for floating point argument
amp.variable parameter @w : tensor<4xf32> {trained, from_model}
func.func @main() -> (tensor<4xf32> {amp.loss}) {
  %w = amp.read @w : tensor<4xf32>
  return %w : tensor<4xf32>
}
