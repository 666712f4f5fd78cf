/*===- train.c - A C program that trains --------------------------*- C -*-===*\
|*                                                                            *|
|* Part of the ampc project, under the Apache License v2.0 with LLVM          *|
|* Exceptions. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception        *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#include <ampc-runtime/ampc.h>

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 100, FEATURES = 10, STEPS = 300 };

/* Ends the program where a call has failed. */
static void check(ampc_status_t status) {
  if (!status)
    return;
  fprintf(stderr, "train: error: %s\n", ampc_status_message(status));
  ampc_status_free(status);
  exit(1);
}

/* Points of small integers, each labelled with the index of its largest
 * feature. */
static void make_batch(float *x, int64_t *target) {
  static uint32_t state = 1;
  for (int row = 0; row < BATCH; ++row) {
    target[row] = 0;
    for (int i = 0; i < FEATURES; ++i) {
      state = state * 1664525u + 1013904223u;
      x[row * FEATURES + i] = (float)(state >> 24) / 128 - 1;
      if (x[row * FEATURES + i] > x[row * FEATURES + target[row]])
        target[row] = i;
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: train TRAIN.so CHECKPOINT.safetensors\n");
    return 2;
  }
  ampc_module_t *module;
  ampc_session_t *session;
  check(ampc_module_open(argv[1], &module));
  check(ampc_session_create(module, NULL, &session)); /* a GPU where there is one */

  static float x[BATCH * FEATURES];
  static int64_t target[BATCH];
  int64_t x_shape[] = {BATCH, FEATURES}, target_shape[] = {BATCH};
  DLTensor x_tensor = {
      .data = x, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = x_shape};
  DLTensor target_tensor = {.data = target,
                            .device = {kDLCPU, 0},
                            .ndim = 1,
                            .dtype = {kDLInt, 64, 1},
                            .shape = target_shape};
  ampc_named_tensor_t inputs[] = {{"x", &x_tensor}, {"target", &target_tensor}};

  for (int step = 1; step <= STEPS; ++step) {
    make_batch(x, target);
    /* Only a step that is asked what happened waits for the device. */
    ampc_step_info_t info = {.struct_size = sizeof info};
    int asks = step == 1 || step % 50 == 0;
    check(ampc_session_step(session, inputs, 2, asks ? &info : NULL));
    if (asks)
      printf("step %lld  loss %.4f%s\n", (long long)info.step, (double)info.loss,
             info.applied ? "" : "  (skipped: the loss scale was too large)");
  }
  check(ampc_session_save_checkpoint(session, argv[2]));

  ampc_session_destroy(session);
  ampc_module_close(module);
  return 0;
}
