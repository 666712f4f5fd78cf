/*===- accumulation.h - Steps of several micro-batches ------------*- C -*-===*\
|*                                                                            *|
|* Part of the ampc project, under the Apache License v2.0 with LLVM          *|
|* Exceptions. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception        *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* A part of the module format (module_format.h), on its own because few deal *|
|* with it. A module that was compiled with --accumulate=N has no program     *|
|* "train". A step is N runs of "accumulate", each on one micro-batch, and    *|
|* one of "apply".                                                            *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#ifndef AMPC_RUNTIME_ACCUMULATION_H
#define AMPC_RUNTIME_ACCUMULATION_H

/* Forward and backward on one micro-batch: adds its gradients to those of the window, or, at the
 * window's start, puts them in their place. Has the inputs. */
#define AMPC_PROGRAM_ACCUMULATE "accumulate"
/* The update with what the window added up, and the step's statistics; the next window begins. Has
 * no inputs. */
#define AMPC_PROGRAM_APPLY "apply"

/* Role SCALAR, i64: N. In no program, so that it has no place: its initial value counts. */
#define AMPC_SCALAR_MICRO_BATCHES "ampc.micro_batches"
/* i64 []: micro-batches that are in the present window, from 0 to N - 1 between two calls. */
#define AMPC_SCALAR_MICRO_BATCH "ampc.micro_batch"
/* f32 []: of the present window the sum of the losses; the flags of the first micro-batch that was
 * bad, as AMPC_STAT_FLAGS has them, or 0; and its AMPC_STAT_CULPRIT. Where the window is empty,
 * they are the last one's. */
#define AMPC_SCALAR_WINDOW_LOSS "ampc.window_loss"
#define AMPC_SCALAR_WINDOW_FLAGS "ampc.window_flags"
#define AMPC_SCALAR_WINDOW_CULPRIT "ampc.window_culprit"
/* Before the names of state that means nothing where the window is empty: the sum of a parameter's
 * gradients, times the loss scale; and what becomes of state that the forward pass moves, such as
 * running statistics, if the window is good. */
#define AMPC_PREFIX_ACCUMULATED "ampc.accumulated/"
#define AMPC_PREFIX_WINDOW "ampc.window/"

/* AMPC_STAT_FLAGS of such a module is a sum of AMPC_FLAG_*, which are below this, plus this times
 * the number, counted from 1, of the micro-batch that they belong to, where it is known. */
#define AMPC_FLAGS_END 256
/* So many that the sum is exact in f32. */
#define AMPC_MOST_MICRO_BATCHES 65535

#endif /* AMPC_RUNTIME_ACCUMULATION_H */
