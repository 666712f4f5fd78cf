// RUN: ampc-opt %s --ampc-keep-loop-annotations | FileCheck %s
// RUN: ampc-opt %s --ampc-lower-host-kernels | FileCheck %s --check-prefix=LOWERED

#unroll = #llvm.loop_unroll<disable = true>
#annotation = #llvm.loop_annotation<unroll = #unroll>

// CHECK: #[[$ANNOTATION:.*]] = #llvm.loop_annotation<unroll = #loop_unroll>
// CHECK-LABEL: llvm.func @forever
llvm.func @forever(%plain: i1) {
  // CHECK: llvm.br ^bb1
  llvm.br ^bb1
^bb1:
  // CHECK: llvm.cond_br %{{.*}}, ^bb2, ^bb1 {loop_annotation = #[[$ANNOTATION]]}
  llvm.cond_br %plain, ^bb2, ^bb1 {llvm.loop_annotation = #annotation}
^bb2:
  // CHECK: llvm.br ^bb1 {loop_annotation = #[[$ANNOTATION]]}
  llvm.br ^bb1 {llvm.loop_annotation = #annotation}
}

// What the conversions before leave to it.
// LOWERED: #[[$ANNOTATION:.*]] = #llvm.loop_annotation<unroll = #loop_unroll>
// LOWERED-LABEL: llvm.func @loop
func.func @loop(%from: index, %to: index, %step: index, %x: f32) -> f32 {
  // LOWERED: llvm.br ^bb1({{.*}}) {loop_annotation = #[[$ANNOTATION]]}
  %sum = scf.for %i = %from to %to step %step iter_args(%part = %x) -> f32 {
    %more = arith.addf %part, %x : f32
    scf.yield %more : f32
  } {llvm.loop_annotation = #annotation}
  return %sum : f32
}
