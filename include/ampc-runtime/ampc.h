/*===- ampc.h - Train with a compiled step ------------------------*- C -*-===*\
|*                                                                            *|
|* Part of the ampc project, under the Apache License v2.0 with LLVM          *|
|* Exceptions. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception        *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* A module is a loaded train.so: code, tables and initial weights, never     *|
|* changed. A session is the state of one training run on one device:         *|
|* masters, moments, loss scale, counters. Many sessions may share a module.  *|
|*                                                                            *|
|* Threads: one session belongs to one thread at a time: a call on it while   *|
|* another thread is in one returns AMPC_STATUS_BUSY. Sessions are            *|
|* independent of one another, and modules may be shared between threads.     *|
|* Ownership: the caller destroys what a function hands out through an `out_` *|
|* parameter, with the function named there. Nothing is kept of a tensor,     *|
|* string or struct passed in once the call has returned.                     *|
|* Errors: every function that can fail returns an ampc_status_t.             *|
|* The process: errno, the locale, signal handlers and the thread's rounding  *|
|* mode are as they were when a call returns, and no call depends on them.    *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#ifndef AMPC_RUNTIME_AMPC_H
#define AMPC_RUNTIME_AMPC_H

#include <stddef.h>
#include <stdint.h>

#include <dlpack/dlpack.h>

#if defined(AMPC_BUILDING_RUNTIME)
#define AMPC_API __attribute__((visibility("default")))
#else
#define AMPC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define AMPC_VERSION_MAJOR 0
#define AMPC_VERSION_MINOR 1
#define AMPC_VERSION_PATCH 0

/*===-- Status ------------------------------------------------------------===*/

/* What the caller can do about an error. */
typedef enum ampc_status_code_t {
  AMPC_STATUS_OK = 0,
  AMPC_STATUS_INVALID_ARGUMENT = 1, /* fix the call: wrong name, shape, type */
  AMPC_STATUS_NOT_FOUND = 2,        /* no such file, device, tensor or step */
  AMPC_STATUS_INCOMPATIBLE = 3,     /* this file and this machine or library do not fit */
  AMPC_STATUS_OUT_OF_MEMORY = 4,
  AMPC_STATUS_IO = 5,               /* reading or writing a file failed */
  AMPC_STATUS_CORRUPT = 6,          /* a file's contents contradict themselves */
  AMPC_STATUS_TRAINING_STOPPED = 7, /* a loss, gradient or norm that is not finite and that
                                       no loss scale can help, or the scale fell below its
                                       floor: the state is as before the step. From
                                       ampc_session_save_checkpoint: a trained parameter is
                                       not finite, and the file is as it was */
  AMPC_STATUS_DATA = 8,             /* a batch holds a value that the step or evaluation
                                       refuses, such as a label or an index out of range,
                                       or a shape other than is declared:
                                       nothing was updated, no output was written */
  AMPC_STATUS_DEVICE = 9,           /* the device or its driver failed; the session is lost */
  AMPC_STATUS_INTERNAL = 10,        /* a bug of ours */
  AMPC_STATUS_BUSY = 11             /* another thread is in a call on the session: nothing
                                       was done */
} ampc_status_code_t;

/* NULL is success. Anything else belongs to the caller: ampc_status_free. */
typedef struct ampc_status_s *ampc_status_t;

/* The code of `status`; AMPC_STATUS_OK for NULL. */
AMPC_API ampc_status_code_t ampc_status_code(ampc_status_t status);
/* What happened, with values and the remedy, in one line of UTF-8. Lives as long as
 * `status`; "" for NULL. */
AMPC_API const char *ampc_status_message(ampc_status_t status);
/* The ONNX name of the node or tensor concerned, "" where there is none. */
AMPC_API const char *ampc_status_node(ampc_status_t status);
/* Frees `status`; NULL is allowed. */
AMPC_API void ampc_status_free(ampc_status_t status);

/* The library's version, "major.minor.patch". Static storage. */
AMPC_API const char *ampc_version(void);

/*===-- Module ------------------------------------------------------------===*/

typedef struct ampc_module_s ampc_module_t;

/* Loads the train.so at `path` and checks its tables. A train.so is code: open only
 * files you trust. `*out_module` is released with ampc_module_close. */
AMPC_API ampc_status_t ampc_module_open(const char *path, ampc_module_t **out_module);
/* Releases a module; its sessions must have been destroyed. NULL is allowed. */
AMPC_API void ampc_module_close(ampc_module_t *module);

typedef enum ampc_device_t {
  AMPC_DEVICE_AUTO = 0, /* CUDA where the module and the machine have it, else the host */
  AMPC_DEVICE_HOST = 1,
  AMPC_DEVICE_CUDA = 2,
  AMPC_DEVICE_LARGEST = 0x7fffffff /* no device: any int has a meaning, that of an error */
} ampc_device_t;

/* What a module holds for `device`, as one JSON object: inputs, outputs, parameters,
 * arena_bytes, steps (docs/Runtime.md lists the fields). `*out_json` is released with
 * ampc_string_free. */
AMPC_API ampc_status_t ampc_module_inspect(const ampc_module_t *module, ampc_device_t device,
                                           char **out_json);
AMPC_API void ampc_string_free(char *string);

typedef enum ampc_tensor_role_t {
  AMPC_TENSOR_ROLE_INPUT = 0,
  AMPC_TENSOR_ROLE_OUTPUT = 1,
  AMPC_TENSOR_ROLE_PARAMETER = 2,
  AMPC_TENSOR_ROLE_CONSTANT = 3,
  AMPC_TENSOR_ROLE_STATE = 4,
  AMPC_TENSOR_ROLE_SCALAR = 5,
  AMPC_TENSOR_ROLE_DERIVED = 6
} ampc_tensor_role_t;

/* Describes a named tensor of a module. Pointers live as long as the module. */
typedef struct ampc_tensor_info_t {
  size_t struct_size; /* set by the caller: sizeof(ampc_tensor_info_t) */
  const char *name;   /* the ONNX name */
  ampc_tensor_role_t role;
  DLDataType dtype;
  int32_t rank;
  const int64_t *shape;
  int32_t trained; /* a parameter that the optimizer updates */
  int32_t label;   /* an input that only the loss reads */
  int32_t batched; /* dimension `batch_axis` counts samples */
  int32_t loss;    /* the output that is minimised */
  /* An input that the training step, or evaluate, does without: a label in evaluate, and
   * what no operator reads. */
  int32_t optional_in_step;
  int32_t optional_in_evaluate;
  /* Where `batched`. A caller whose struct ends before it is told of leading dimensions only. */
  int32_t batch_axis;
} ampc_tensor_info_t;

AMPC_API size_t ampc_module_tensor_count(const ampc_module_t *module);
/* Describes the tensor number `index`, in the order of the tables. */
AMPC_API ampc_status_t ampc_module_tensor(const ampc_module_t *module, size_t index,
                                          ampc_tensor_info_t *info);
/* 1 where the module has a training step, 0 where it only evaluates. */
AMPC_API int ampc_module_trains(const ampc_module_t *module);
/* Micro-batches in a step: N where it was compiled with --accumulate=N, else 1. */
AMPC_API int ampc_module_micro_batches(const ampc_module_t *module);

/*===-- Session -----------------------------------------------------------===*/

typedef struct ampc_session_s ampc_session_t;

/* Whether the tensor is looked for with which a step went wrong. */
typedef enum ampc_check_finite_t {
  /* After a step that was skipped or ended the run: it is made once more, step of the plan by step,
   * and each tensor is looked at. Costs nothing as long as all goes well. */
  AMPC_CHECK_FINITE_SKIP = 0,
  AMPC_CHECK_FINITE_OFF = 1,
  AMPC_CHECK_FINITE_EVERY = 2, /* each step is made so, the first time */
  AMPC_CHECK_FINITE_LARGEST = 0x7fffffff
} ampc_check_finite_t;

typedef struct ampc_session_options_t {
  size_t struct_size; /* sizeof(ampc_session_options_t) */
  ampc_device_t device;
  int32_t device_ordinal; /* of the CUDA device */
  int32_t threads;        /* of the host target; 0 takes one for each core */
  int64_t seed;           /* of dropout and of training_info's initialization */
  /* A caller whose struct ends before it gets AMPC_CHECK_FINITE_SKIP. */
  ampc_check_finite_t check_finite;
} ampc_session_options_t;

/* Makes a session with the module's initial state. NULL options take the defaults.
 * The module must outlive it. Released with ampc_session_destroy. */
AMPC_API ampc_status_t ampc_session_create(ampc_module_t *module,
                                           const ampc_session_options_t *options,
                                           ampc_session_t **out_session);
/* No other call on the session may be in progress. */
AMPC_API void ampc_session_destroy(ampc_session_t *session);
/* The device the session runs on: AMPC_DEVICE_HOST or AMPC_DEVICE_CUDA. */
AMPC_API ampc_device_t ampc_session_device(const ampc_session_t *session);

/* A tensor by its ONNX name. The data of `tensor` is dense row-major on the CPU. Types below
 * 8 bits (int4, float4e2m1, ..) have one element a byte, of which the low bits count; they and
 * 8-bit floats may be given as u8. */
typedef struct ampc_named_tensor_t {
  const char *name;
  const DLTensor *tensor;
} ampc_named_tensor_t;

/* Why an update was not applied. */
typedef enum ampc_failure_t {
  AMPC_FAILURE_NONE = 0, /* it was */
  AMPC_FAILURE_FORWARD =
      1, /* the loss is not finite: no other loss scale would help, and it stays */
  AMPC_FAILURE_GRADIENT = 2, /* the loss is finite, or there is none, and a gradient, the norm of
                                all, or (in a step without gradients) a new value is not */
  AMPC_FAILURE_BATCH = 3,    /* the batch was refused: AMPC_STATUS_DATA */
  AMPC_FAILURE_LARGEST = 0x7fffffff
} ampc_failure_t;

/* What one attempted update did. */
typedef struct ampc_step_info_t {
  size_t struct_size;    /* set by the caller: sizeof(ampc_step_info_t) */
  int64_t step;          /* counted from 1; attempted updates */
  float loss;            /* unscaled, before the update; NaN where the step refused its
                            batch (AMPC_STATUS_DATA), as its grad_norm is */
  float loss_scale;      /* as used in the step; 1 without a scaler */
  float next_loss_scale; /* after the step */
  float grad_norm;       /* unscaled, before clipping; NaN where it is not computed */
  float learning_rate;   /* as used in the step */
  int32_t applied;       /* 0: the update was skipped and no state has changed */
  const char *culprit;   /* not applied: the parameter whose gradient (in a step without
                            gradients: new value) is the first that is not finite; else
                            "". Lives as long as the module. */
  /* A caller whose struct ends here is told of no more. */
  ampc_failure_t failure;
  /* The first tensor that was not finite (docs/Precision.md says by which rule): an ONNX value, or
   * one whose gradient it is; and the node, with its operator, that gives it. "" where a name does
   * not apply, and all of them where no such tensor was looked for or found. They live as long as
   * the module. */
  const char *bad_tensor, *bad_node, *bad_operator;
  int64_t bad_index; /* of its first element that is not finite, in row-major order; or -1 */
  float bad_value;   /* that element: NaN or an infinity */
  /* The same in words: "the output 'h3' of node 'fc3' (Gemm), inf at [0, 2]"; or "". Lives until
   * the session has made 64 more steps, loads a checkpoint or ends. */
  const char *bad_text;
  /* Of the micro_batches (ampc_module_micro_batches) of the step those that have been given. Where
   * these are fewer, no update was attempted yet: loss and grad_norm are NaN. */
  int32_t micro_batch, micro_batches;
  int32_t bad_micro_batch; /* the first one that was bad, counted from 1; 0 where none is known */
} ampc_step_info_t;

/* In a module that was compiled with --accumulate=N a step has N micro-batches, and each call takes
 * one: the first N - 1 add up gradients, the last also attempts the update. The loss scale, which
 * cannot be set in between, and the parameters are the same for all of them. One bad micro-batch
 * makes the step skipped, or its batch refused, where the last one was given.
 *
 * Attempts one update on a batch. With `info` NULL the step is only enqueued where the
 * device allows it; with `info` the call waits and tells what happened. The inputs are
 * copied before it returns. Returns AMPC_STATUS_TRAINING_STOPPED or AMPC_STATUS_DATA
 * where the step says so, with `info` filled all the same. Of a step with `info` NULL
 * that is told once, by the next ampc_session_step with `info`,
 * ampc_session_get_step_info or ampc_session_synchronize. */
AMPC_API ampc_status_t ampc_session_step(ampc_session_t *session, const ampc_named_tensor_t *inputs,
                                         size_t input_count, ampc_step_info_t *info);
/* Elements of a tensor that a step has written. Pointers to names live as long as the module,
 * `data` as long as the call. */
typedef struct ampc_value_t {
  size_t struct_size; /* set by the runtime: sizeof(ampc_value_t) */
  const char *tensor; /* as bad_tensor, bad_node and bad_operator of ampc_step_info_t */
  const char *node,
      *op_type;        /* where nothing is known of the tensor, `node` lists the step's nodes */
  int32_t is_gradient; /* of `tensor`, or a part of the way back through `node` */
  int32_t rank;
  const int64_t *shape; /* as the step has it, which may be another one than the model's */
  DLDataType dtype;
  int64_t iteration;     /* of a loop that the step is in */
  uint64_t first, count; /* which elements `data` holds, in row-major order */
  const void *data;      /* on the CPU */
} ampc_value_t;
typedef void (*ampc_value_visitor_t)(void *user, const ampc_value_t *value);

/* As ampc_session_step, one step of the plan after the other, and shows each tensor of floats that
 * they write, in the order of the plan, large ones in pieces. The visitor must make no call on the
 * session. */
AMPC_API ampc_status_t ampc_session_step_visited(ampc_session_t *session,
                                                 const ampc_named_tensor_t *inputs,
                                                 size_t input_count, ampc_step_info_t *info,
                                                 ampc_value_visitor_t visitor, void *user);
/* Tells of an earlier step, as long as it is among the latest kept (at least 64).
 * Waits for it. */
AMPC_API ampc_status_t ampc_session_get_step_info(ampc_session_t *session, int64_t step,
                                                  ampc_step_info_t *info);
/* Micro-batches of the next step that have been given: from 0 to ampc_module_micro_batches - 1. */
AMPC_API int ampc_session_micro_batch(const ampc_session_t *session);
/* Attempted updates so far. May be called while another thread is in a call. */
AMPC_API int64_t ampc_session_steps(const ampc_session_t *session);
/* Waits for everything enqueued. */
AMPC_API ampc_status_t ampc_session_synchronize(ampc_session_t *session);

/* Runs the forward graph in inference mode on one batch. Labels may be absent: outputs
 * that depend on them are then not computed and must not be asked for. Each tensor of
 * `outputs` is filled; its shape and type must be the declared ones. Returns
 * AMPC_STATUS_DATA, with no tensor filled, where a label or an index is out of range; the
 * status names the input. */
AMPC_API ampc_status_t ampc_session_evaluate(ampc_session_t *session,
                                             const ampc_named_tensor_t *inputs, size_t input_count,
                                             const ampc_named_tensor_t *outputs,
                                             size_t output_count);

/* Copies a parameter, constant, state, scalar or derived tensor into `tensor` (shape and
 * type must be the declared ones), or a parameter, state or scalar from it. Waits. A
 * scalar (ampc.*) must be one that a step could have left: a loss scale positive, a normal
 * f32; a learning rate finite and not negative; counts from 0 to 2^53 - 1 and not more
 * applied steps than attempted ones, so ampc.attempt is set before ampc.step. Else
 * AMPC_STATUS_INVALID_ARGUMENT, and nothing has changed. */
AMPC_API ampc_status_t ampc_session_get_tensor(ampc_session_t *session, const char *name,
                                               const DLTensor *tensor);
AMPC_API ampc_status_t ampc_session_set_tensor(ampc_session_t *session, const char *name,
                                               const DLTensor *tensor);
/* Sets the learning rate from the next step on: finite and not negative. Ends a schedule. */
AMPC_API ampc_status_t ampc_session_set_learning_rate(ampc_session_t *session, float lr);

typedef enum ampc_schedule_kind_t {
  AMPC_SCHEDULE_CONSTANT = 0, /* base */
  AMPC_SCHEDULE_LINEAR = 1,   /* base (1 - p) */
  AMPC_SCHEDULE_COSINE = 2,   /* base (1 + cos(pi p)) / 2 */
  AMPC_SCHEDULE_STEP = 3,     /* base factor^floor((i - warmup) / every) */
  AMPC_SCHEDULE_ONECYCLE = 4, /* PyTorch's OneCycleLR, which rises for 3/10 of `last` where warmup
                                 is 0 */
  AMPC_SCHEDULE_LARGEST = 0x7fffffff
} ampc_schedule_kind_t;

/* A learning rate that changes. i is the number of applied updates (a skipped step does not count),
 * p = (i - warmup) / (last - warmup), at most 1. While i < warmup it is base (i + 1) / warmup. */
typedef struct ampc_schedule_t {
  size_t struct_size; /* sizeof(ampc_schedule_t) */
  ampc_schedule_kind_t kind;
  float base;
  int64_t warmup; /* applied updates; 0 for none */
  int64_t last;   /* linear, cosine, one cycle: with so many applied updates it has fallen */
  int64_t every;  /* step: at least 1 */
  float factor;   /* step */
} ampc_schedule_t;

/* From the next step on the schedule sets the learning rate of each; NULL ends it, and the rate
 * stays as it is. A checkpoint carries it, and loading one brings back the checkpoint's. Where a
 * step may be skipped and it runs on a device, ampc_session_step waits for the step before. */
AMPC_API ampc_status_t ampc_session_set_schedule(ampc_session_t *session,
                                                 const ampc_schedule_t *schedule);
/* Fills in what the session has; returns 1, or 0 where it has none. */
AMPC_API int ampc_session_get_schedule(const ampc_session_t *session, ampc_schedule_t *schedule);
/* The learning rate of the update that follows `applied` others; NaN where there is no such
 * schedule. */
AMPC_API float ampc_schedule_rate(const ampc_schedule_t *schedule, int64_t applied);

/* A string that the checkpoint carries for the caller, such as its position in the
 * data. NULL removes it. The value given by _get_ lives until the next _set_ or load; it
 * is NULL where there is none, and where another thread is in a call. */
AMPC_API ampc_status_t ampc_session_set_metadata(ampc_session_t *session, const char *key,
                                                 const char *value);
AMPC_API const char *ampc_session_get_metadata(const ampc_session_t *session, const char *key);

/* Writes all state to `path` (safetensors), atomically and durably: a reader sees the
 * old file or the new one. A trained parameter that is not finite is
 * AMPC_STATUS_TRAINING_STOPPED, and the old file stays. */
AMPC_API ampc_status_t ampc_session_save_checkpoint(ampc_session_t *session, const char *path);
/* Restores what ampc_session_save_checkpoint wrote. On an error the session is as it
 * was; scalars are held to the rules of ampc_session_set_tensor, and trained parameters
 * must be finite. `out_exact` (may be NULL) becomes 1 where the checkpoint comes from the same
 * build, device kind and thread count, so that the run goes on bit for bit. */
AMPC_API ampc_status_t ampc_session_load_checkpoint(ampc_session_t *session, const char *path,
                                                    int *out_exact);

#ifdef __cplusplus
}
#endif

#endif /* AMPC_RUNTIME_AMPC_H */
