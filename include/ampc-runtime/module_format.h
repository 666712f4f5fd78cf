/*===- module_format.h - The tables inside a train.so -------------*- C -*-===*\
|*                                                                            *|
|* Part of the ampc project, under the Apache License v2.0 with LLVM          *|
|* Exceptions. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception        *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* The contract between the compiler, which writes these tables, and the      *|
|* runtime, which walks them. All integers are little-endian; every reference *|
|* is an index or a byte offset, never a pointer, so the tables are position  *|
|* independent and can be checked before they are used.                       *|
|*                                                                            *|
|* A train.so exports one symbol, `ampc_module_v1` (struct ampc_module_v1_t). *|
|* Initial weights lie in the section `.ampc.weights`, which is not loaded    *|
|* (no SHF_ALLOC): the runtime reads it from the file at the offset that the  *|
|* ELF section header gives.                                                  *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#ifndef AMPC_RUNTIME_MODULE_FORMAT_H
#define AMPC_RUNTIME_MODULE_FORMAT_H

#include <float.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Versions. A runtime reads files of the versions from AMPC_FORMAT_OLDEST to
 * AMPC_FORMAT_VERSION and refuses others (AMPC_STATUS_INCOMPATIBLE), saying which side to
 * renew. These rules say when the version grows:
 *
 * - It grows with every change that an older runtime would read wrong: another layout of
 *   ampc_tables_t or of an entry, another meaning of a field, a table without which a program
 *   computes something else. While no such file is older than the first release,
 *   AMPC_FORMAT_OLDEST grows with it; from then on a runtime reads the older ones too.
 * - It stays where an older runtime finds out by itself: a new step kind, library call or
 *   element type, which it refuses by its number; a new name of a program or of a tensor
 *   "ampc.*", which it leaves alone.
 * - Numbers and names that have been given away are not used again. What is reserved is 0.
 * - The first two words of ampc_module_v1_t are in every version what they are in this one. A
 *   file that breaks this would export another symbol. */
#define AMPC_FORMAT_VERSION 6u
#define AMPC_FORMAT_OLDEST 6u
#define AMPC_MODULE_SYMBOL "ampc_module_v1"
#define AMPC_WEIGHTS_SECTION ".ampc.weights"
#define AMPC_TABLES_MAGIC "AMPCTBL"
/* No such index or offset. */
#define AMPC_NONE_U32 0xffffffffu
#define AMPC_NONE_U64 0xffffffffffffffffull
/* Every buffer in an arena and every entry of the weights section starts at a
 * multiple of this. */
#define AMPC_ALIGNMENT 64u

/* Element types, numbered as TensorProto.DataType numbers them. */
typedef enum ampc_dtype_t {
  AMPC_DTYPE_F32 = 1,
  AMPC_DTYPE_U8 = 2,
  AMPC_DTYPE_I8 = 3,
  AMPC_DTYPE_U16 = 4,
  AMPC_DTYPE_I16 = 5,
  AMPC_DTYPE_I32 = 6,
  AMPC_DTYPE_I64 = 7,
  AMPC_DTYPE_BOOL = 9, /* one byte, 0 or 1 */
  AMPC_DTYPE_F16 = 10,
  AMPC_DTYPE_F64 = 11,
  AMPC_DTYPE_U32 = 12,
  AMPC_DTYPE_U64 = 13,
  AMPC_DTYPE_BF16 = 16,
  /* Stored and cast only: types of inputs and outputs, whose slots hold them as they are given.
   * One element a byte, of which those below 8 bits fill the low ones; the others do not count. */
  AMPC_DTYPE_F8E4M3FN = 17,
  AMPC_DTYPE_F8E4M3FNUZ = 18,
  AMPC_DTYPE_F8E5M2 = 19,
  AMPC_DTYPE_F8E5M2FNUZ = 20,
  AMPC_DTYPE_U4 = 21,
  AMPC_DTYPE_I4 = 22,
  AMPC_DTYPE_F4E2M1 = 23,
  AMPC_DTYPE_F8E8M0 = 24,
  AMPC_DTYPE_U2 = 25,
  AMPC_DTYPE_I2 = 26
} ampc_dtype_t;

typedef enum ampc_target_t { AMPC_TARGET_HOST = 0, AMPC_TARGET_CUDA = 1 } ampc_target_t;
#define AMPC_TARGET_COUNT 2

/* What a named tensor is to the user. */
typedef enum ampc_role_t {
  AMPC_ROLE_INPUT = 0,     /* a graph input; has a slot in each program */
  AMPC_ROLE_OUTPUT = 1,    /* a graph output; has a slot in each program */
  AMPC_ROLE_PARAMETER = 2, /* an initializer that is a float weight, trained or
                              frozen (AMPC_TENSOR_TRAINED); FP32 master */
  AMPC_ROLE_CONSTANT = 3,  /* an initializer that nothing ever writes */
  AMPC_ROLE_STATE = 4,     /* optimizer moments, bound state of training_info,
                              normalization statistics: in the checkpoint */
  AMPC_ROLE_SCALAR = 5,    /* ampc.* counters and scaler state, see below: in the
                              checkpoint's metadata */
  AMPC_ROLE_DERIVED = 6    /* low-precision copies, tables, the statistics ring:
                              rebuilt, never saved */
} ampc_role_t;

/* Names of the tensors of role SCALAR (and of the ring, role DERIVED). All but
 * the learning rate are written by the step itself; a module has those that its
 * step needs. */
#define AMPC_SCALAR_LEARNING_RATE "ampc.learning_rate"   /* f32 [] */
#define AMPC_SCALAR_STEP "ampc.step"                     /* i64 [], applied updates */
#define AMPC_SCALAR_ATTEMPT "ampc.attempt"               /* i64 [], attempted updates */
#define AMPC_SCALAR_SEED "ampc.seed"                     /* i64 [] */
#define AMPC_SCALAR_LOSS_SCALE "ampc.loss_scale"         /* f32 [] */
#define AMPC_SCALAR_GROWTH_TRACKER "ampc.growth_tracker" /* i32 [] */
#define AMPC_STATS_RING "ampc.stats"                     /* f32 [slots, 8] */
/* Role DERIVED; a module has it where its EVAL program can refuse a batch, and each run
 * of that leaves the sum of AMPC_FLAG_* there. */
#define AMPC_EVAL_FLAGS "ampc.eval_flags" /* f32 [] */

/* The rules of these scalars. The compiler holds its flags to them, the runtime what it
 * is given.
 *
 * A loss scale is positive and a normal f32, so that its reciprocal is finite and not 0:
 * gradients are multiplied by that. */
#define AMPC_LEAST_LOSS_SCALE 1.17549435082228751e-38 /* 2^-126 */
static inline int ampc_is_loss_scale(float scale) {
  return scale >= (float)AMPC_LEAST_LOSS_SCALE && scale <= FLT_MAX;
}
/* A learning rate is finite and not negative. */
static inline int ampc_is_learning_rate(float rate) { return rate >= 0 && rate <= FLT_MAX; }
/* Counters stay below: f64, in which moments are corrected, counts so far; a step each
 * microsecond takes 285 years to there. */
#define AMPC_COUNTER_LIMIT (INT64_C(1) << 53)

/* Fields of one slot of the ring. Attempt a (counted from 0) writes slot
 * a % slots. A field that does not apply is NaN. */
enum {
  AMPC_STAT_LOSS = 0,       /* unscaled, before the update */
  AMPC_STAT_LOSS_SCALE = 1, /* as used in the step; 1 without a scaler */
  AMPC_STAT_APPLIED = 2,    /* 1 where the update was applied */
  AMPC_STAT_GRAD_NORM = 3,  /* unscaled, before clipping */
  AMPC_STAT_LR = 4,         /* as used in the step */
  AMPC_STAT_FLAGS = 5,      /* a sum of AMPC_FLAG_* */
  AMPC_STAT_CULPRIT = 6,    /* first non-finite gradient (or, with the flag
                               NONFINITE_PARAMETER, new value): an index into the
                               gradients table; -1 where all are finite */
  AMPC_STAT_NEW_SCALE = 7,  /* the loss scale after the step */
  AMPC_STAT_COUNT = 8
};
enum {
  AMPC_FLAG_NONFINITE_GRADIENT = 1,
  AMPC_FLAG_LABEL_OUT_OF_RANGE = 2,
  AMPC_FLAG_SIZE_DIFFERS = 4, /* an op found another number of results than is declared */
  AMPC_FLAG_INDEX_OUT_OF_RANGE = 8,
  AMPC_FLAG_NONFINITE_LOSS = 16,      /* with a scaler only beside NONFINITE_GRADIENT: then the
                                         scale stays as it is */
  AMPC_FLAG_NONFINITE_NORM = 32,      /* of all gradients, before clipping */
  AMPC_FLAG_NONFINITE_PARAMETER = 64, /* what a step without gradients would assign */
  AMPC_FLAG_SHAPE_DIFFERS = 128       /* the batch gives a shape other than is declared */
};

/* `count` entries from byte `offset` of the tables on. */
typedef struct ampc_span_t {
  uint64_t offset;
  uint64_t count;
} ampc_span_t;

enum {
  AMPC_TENSOR_TRAINED = 1, /* the optimizer updates it */
  AMPC_TENSOR_LABEL = 2,   /* an input that no output but the one marked LOSS depends on
                              (may be absent in eval) */
  AMPC_TENSOR_BATCHED = 4, /* dimension `batch_axis` counts samples */
  AMPC_TENSOR_LOSS = 8,    /* the output that is minimised */
  /* An input that a batch check looks at: AMPC_FLAG_LABEL_OUT_OF_RANGE or
   * AMPC_FLAG_INDEX_OUT_OF_RANGE may be due to it. */
  AMPC_TENSOR_CHECKED_LABELS = 16,
  AMPC_TENSOR_CHECKED_INDICES = 32,
  AMPC_TENSOR_CHECKED_SHAPES = 64 /* the same for AMPC_FLAG_SHAPE_DIFFERS */
};

/* How a tensor of the state region starts. */
typedef enum ampc_init_t {
  AMPC_INIT_NONE = 0, /* undefined; rebuilt by the REFRESH program */
  AMPC_INIT_FILL = 1, /* every element is `init_value` (its low bytes) */
  AMPC_INIT_DATA = 2  /* `bytes` bytes at `init_value` of the weights section */
} ampc_init_t;

typedef struct ampc_tensor_entry_t {
  uint32_t name;      /* byte offset into strings: the ONNX name */
  uint32_t first_dim; /* index into integers of `rank` dimensions */
  uint8_t role;       /* ampc_role_t */
  uint8_t dtype;      /* ampc_dtype_t, as the model declares it */
  uint8_t rank;
  uint8_t flags;      /* AMPC_TENSOR_* */
  uint32_t init_kind; /* ampc_init_t */
  uint64_t bytes;     /* of `dtype` and the dimensions, dense row-major */
  uint64_t init_value;
  /* Place in the state region of each target's arena, AMPC_NONE_U64 for inputs
   * and outputs and for what that target does not use. */
  uint64_t offset[AMPC_TARGET_COUNT];
  uint32_t batch_axis; /* below `rank` with AMPC_TENSOR_BATCHED, else 0 */
  /* String: how the optimizer updates a parameter, as a JSON object: "optimizer", each of its
   * settings, and the regex of its "group"; "" where it does not, or as the model says. */
  uint32_t settings;
} ampc_tensor_entry_t;

/* Where a program finds an input or leaves an output. */
typedef struct ampc_binding_entry_t {
  uint32_t tensor;
  uint32_t dtype;  /* of the slot: staging converts from the tensor's dtype */
  uint64_t offset; /* into the arena */
  uint64_t bytes;
} ampc_binding_entry_t;

/* Names of the programs that this version runs; a target has those that its model needs.
 * Programs of other names are checked and left alone. */
#define AMPC_PROGRAM_TRAIN "train" /* one attempted update */
#define AMPC_PROGRAM_EVAL                                                                          \
  "eval" /* forward in inference mode; writes no state but                                         \
            AMPC_EVAL_FLAGS */
#define AMPC_PROGRAM_REFRESH                                                                       \
  "refresh" /* derived state from the state that is saved; runs after                              \
               creation, set_tensor and a checkpoint load; without                                 \
               inputs and outputs */
#define AMPC_PROGRAM_INIT                                                                          \
  "init" /* training_info's initialization; runs once, before                                      \
            refresh, on a new session; without inputs and outputs */

typedef struct ampc_program_entry_t {
  uint32_t name;   /* string; unique in its target */
  uint32_t target; /* ampc_target_t */
  uint32_t first_step, step_count;
  uint32_t first_input, input_count;   /* bindings; none for what it does not read */
  uint32_t first_output, output_count; /* bindings */
  uint32_t queue_count;                /* 1 to AMPC_MOST_QUEUES */
  uint32_t signal_count;
} ampc_program_entry_t;

/* Queues. A program starts when all that was enqueued before it has ended, and has ended
 * when its last step in each queue has. Steps of one queue run one after the other, as they
 * stand in the table. Steps of two queues may run at the same time, unless one waits: a step
 * starts when the steps whose signals it waits for have ended. Signals are numbers below
 * signal_count, each given by one step of the program, and a wait stands behind its signal:
 * a device with one queue runs the steps as they stand. */
#define AMPC_MOST_QUEUES 32u

typedef enum ampc_step_kind_t {
  AMPC_STEP_LAUNCH = 0,  /* `index` is a kernel */
  AMPC_STEP_LIBRARY = 1, /* `index` is an ampc_library_t */
  AMPC_STEP_COPY = 2,    /* arguments: source, destination; equal bytes */
  /* The next AMPC_LOOP_STEPS steps run AMPC_LOOP_COUNT times, one after the other. They are
   * no loops, and in the loop's queue, without waits and signals: those of the loop are before
   * its first iteration and after its last. No arguments; integers: enum ampc_loop_integer_t. */
  AMPC_STEP_LOOP = 3
} ampc_step_kind_t;

enum ampc_loop_integer_t {
  AMPC_LOOP_COUNT = 0, /* at least 1 */
  AMPC_LOOP_STEPS = 1, /* at least 1; all belong to the program */
  AMPC_LOOP_INTEGER_COUNT = 2
};

/* Of a launch: tensor cores do its products. Nothing but reports asks. */
enum { AMPC_STEP_TENSOR_CORES = 1 };
typedef struct ampc_step_entry_t {
  uint32_t kind; /* ampc_step_kind_t */
  uint32_t index;
  uint32_t name;              /* string: ONNX node names, joined by ", " */
  uint32_t grid[3], block[3]; /* of a launch; the host uses grid[0] only */
  uint32_t first_argument, argument_count;
  uint32_t first_integer, integer_count; /* parameters of a library call or a loop */
  uint32_t queue;
  uint32_t signal;                           /* that it gives, or AMPC_NONE_U32 */
  uint32_t first_wait, wait_count;           /* signals of other queues, each once */
  uint32_t flags;                            /* AMPC_STEP_TENSOR_CORES or 0 */
  uint64_t flops, read_bytes, written_bytes; /* counted by the compiler */
} ampc_step_entry_t;

/* What a step does with an argument, and what that memory is to it. Memory of which
 * nothing but its size matters to others is SCRATCH or RESERVE. */
enum {
  AMPC_ARGUMENT_READ = 1,
  AMPC_ARGUMENT_WRITE = 2,
  /* With READ and WRITE: undefined before the step and after it. (Scratch that only a
   * library knows the size of is no argument: the runtime asks the library.) */
  AMPC_ARGUMENT_SCRATCH = 4,
  /* Of library calls: WRITE of the one that fills it, READ of those that use it later in
   * the program, in a form that the library alone knows. */
  AMPC_ARGUMENT_RESERVE = 8,
  /* With RESERVE, on CUDA: sized by the library when a session is created, and not in
   * the arena. `bytes` is 0, `offset` is the number of the reserve, below the number of
   * all arguments. One for each call at most; its calls are in one queue. */
  AMPC_ARGUMENT_SIZED_AT_LOAD = 16
};
typedef struct ampc_argument_entry_t {
  uint64_t offset; /* into the arena */
  uint64_t bytes;
  uint32_t dtype;
  uint32_t flags; /* AMPC_ARGUMENT_* */
  /* In a loop: iteration i finds it at offset + i * stride. 0, `bytes` or -`bytes`; a multiple
   * of AMPC_ALIGNMENT but for copies. 0 outside of loops. */
  int64_t stride;
} ampc_argument_entry_t;

/* What an argument that a step writes is to the model. Nothing computes with it. */
typedef enum ampc_value_kind_t {
  AMPC_VALUE_FORWARD = 0,  /* the node's output `name`; a part of the node where that is "" */
  AMPC_VALUE_BACKWARD = 1, /* a gradient of `name`, as `node` gives it; a part of that where that
                              is "" */
  AMPC_VALUE_KIND_COUNT = 2
} ampc_value_kind_t;
typedef struct ampc_value_entry_t {
  uint32_t argument;      /* which is written; entries ascend */
  uint32_t kind;          /* ampc_value_kind_t */
  uint32_t name;          /* string: of an ONNX value */
  uint32_t node, op_type; /* strings: the ONNX node and its operator; "" where there is none */
  uint32_t first_dim;     /* index into integers of `rank` dimensions, those of the argument */
  uint32_t rank;
} ampc_value_entry_t;

typedef struct ampc_kernel_entry_t {
  uint32_t name;         /* symbol in the PTX and cubins, and in reports; unique in its target */
  uint32_t target;       /* ampc_target_t */
  uint32_t function;     /* host: index into ampc_module_v1_t.host_kernels, of no other */
  uint32_t shared_bytes; /* static workgroup memory */
  /* What the code was compiled for. A launch must say the same: code does not look at how
   * many arguments it gets, nor at their sizes. */
  uint32_t grid[3], block[3];
  uint32_t first_parameter, parameter_count;
} ampc_kernel_entry_t;

/* An argument that a kernel takes: an address at a multiple of AMPC_ALIGNMENT. */
typedef struct ampc_parameter_entry_t {
  uint64_t bytes; /* it reads or writes no byte behind these */
  uint32_t dtype;
  uint32_t flags; /* AMPC_ARGUMENT_WRITE where it writes, else AMPC_ARGUMENT_READ */
} ampc_parameter_entry_t;

/* Device code for one architecture. */
typedef struct ampc_image_entry_t {
  uint32_t arch;   /* 90 for sm_90; PTX: the oldest architecture it runs on */
  uint32_t is_ptx; /* else a cubin */
  uint64_t offset; /* into the tables */
  uint64_t bytes;  /* PTX: with its closing NUL */
} ampc_image_entry_t;

typedef struct ampc_target_entry_t {
  uint32_t present;
  uint32_t first_image, image_count;
  uint32_t features; /* string, host: CPU features the code needs, "avx2,fma,.." */
  uint64_t arena_bytes;
  uint64_t state_bytes; /* the state region is [0, state_bytes) of the arena */
} ampc_target_entry_t;

typedef struct ampc_tables_t {
  char magic[8];
  uint32_t format_version;
  uint32_t header_bytes; /* sizeof(ampc_tables_t) */
  uint64_t bytes;        /* of the tables as a whole */
  uint64_t weights_bytes;
  ampc_span_t strings;  /* char, each string closed by NUL */
  ampc_span_t integers; /* int64_t */
  ampc_span_t tensors;
  ampc_span_t bindings;
  ampc_span_t programs;
  ampc_span_t steps;
  ampc_span_t waits; /* uint32_t */
  ampc_span_t arguments;
  ampc_span_t kernels;
  ampc_span_t parameters;
  ampc_span_t images;
  ampc_span_t gradients; /* uint32_t: tensor of the k-th checked gradient;
                            AMPC_NONE_U32 where it belongs to no named tensor */
  ampc_span_t values;
  ampc_target_entry_t targets[AMPC_TARGET_COUNT];
  uint32_t producer;      /* string: "ampc 0.1.0" */
  uint32_t model;         /* string: the model file's name */
  uint32_t options;       /* string: the compile flags, as JSON */
  uint32_t low_dtype;     /* ampc_dtype_t of the low type; F32 where there is none */
  uint32_t has_scaler;    /* 1: a skipped step is normal; 0: a value that is not
                             finite stops the run */
  float scale_floor;      /* the run stops when the loss scale falls below; 0: off */
  uint32_t optimizer;     /* string: "adam"; "" where there is none or the model's own */
  uint32_t deterministic; /* 1: equal runs give equal bits; libraries are asked for no
                             other algorithm */
  uint64_t identity;      /* hash of all tables but this word: names a build in
                             checkpoints */
} ampc_tables_t;

/* Runs the blocks [begin, end) of a kernel's one-dimensional grid. `args` holds
 * the address of each argument. Reentrant. */
typedef void (*ampc_host_kernel_t)(void *const *args, int64_t begin, int64_t end);

typedef struct ampc_module_v1_t {
  uint32_t version;     /* AMPC_FORMAT_VERSION of its writer */
  uint32_t struct_size; /* sizeof(ampc_module_v1_t) */
  const void *tables;   /* ampc_tables_t, aligned to AMPC_ALIGNMENT */
  uint64_t tables_bytes;
  const ampc_host_kernel_t *host_kernels;
  uint64_t host_kernel_count;
} ampc_module_v1_t;

/* Library calls (steps of kind LIBRARY). Their arguments and integers: */
typedef enum ampc_library_t {
  /* out = epilogue(alpha * op(lhs) * op(rhs) + bias), accumulated in f32 (f64 for
   * f64) and rounded once. Arguments: lhs, rhs, bias (only with HAS_BIAS), out,
   * sums (only with SUMS, of out's type); dense row-major. Integers: enum
   * ampc_matmul_integer_t. */
  AMPC_LIBRARY_MATMUL = 1,
  /* A two-dimensional convolution or one of its gradients, accumulated as a product
   * is. Integers: enum ampc_convolution_integer_t. Arguments by its KIND:
   *   FORWARD: x [n, c, h, w], filter [k, c / groups, r, s], bias [k] (only with
   *     HAS_BIAS), out [n, k, p, q]
   *   INPUT_GRADIENT: gradient of out, filter, out: gradient of x
   *   FILTER_GRADIENT: gradient of out, x, out: gradient of filter */
  AMPC_LIBRARY_CONVOLUTION = 2
} ampc_library_t;

typedef enum ampc_matmul_integer_t {
  AMPC_MATMUL_BATCH = 0,
  AMPC_MATMUL_M = 1,
  AMPC_MATMUL_N = 2,
  AMPC_MATMUL_K = 3,
  AMPC_MATMUL_TRANSPOSE_LHS = 4, /* lhs is stored [k, m] */
  AMPC_MATMUL_TRANSPOSE_RHS = 5, /* rhs is stored [n, k] */
  AMPC_MATMUL_LHS_STRIDE = 6,    /* elements from one batch to the next; 0: shared */
  AMPC_MATMUL_RHS_STRIDE = 7,
  AMPC_MATMUL_HAS_BIAS = 8, /* bias [n], added to every row */
  AMPC_MATMUL_EPILOGUE = 9, /* ampc_epilogue_t */
  AMPC_MATMUL_ALPHA = 10,   /* the bits of a double */
  AMPC_MATMUL_INTEGER_COUNT = 11,
  /* ampc_matmul_sums_t; a 12th integer where there are sums, so that an older runtime refuses the
   * call by their number. */
  AMPC_MATMUL_SUMS = 11
} ampc_matmul_integer_t;

/* The sums over k, the dimension that the product sums over, which a product without a batch, bias,
 * epilogue and dimension of 0 gives beside its result: of the operand's elements, whatever alpha
 * is. */
typedef enum ampc_matmul_sums_t {
  AMPC_MATMUL_SUMS_NONE = 0,
  AMPC_MATMUL_SUMS_LHS = 1, /* [m] */
  AMPC_MATMUL_SUMS_RHS = 2  /* [n] */
} ampc_matmul_sums_t;

typedef enum ampc_convolution_integer_t {
  AMPC_CONVOLUTION_KIND = 0, /* ampc_convolution_kind_t */
  AMPC_CONVOLUTION_N = 1,
  AMPC_CONVOLUTION_C = 2,
  AMPC_CONVOLUTION_H = 3,
  AMPC_CONVOLUTION_W = 4,
  AMPC_CONVOLUTION_K = 5,
  AMPC_CONVOLUTION_R = 6,
  AMPC_CONVOLUTION_S = 7,
  AMPC_CONVOLUTION_STRIDE = 8,    /* and 9: of rows, of columns */
  AMPC_CONVOLUTION_PAD = 10,      /* to 13: top, left, bottom, right */
  AMPC_CONVOLUTION_DILATION = 14, /* and 15 */
  AMPC_CONVOLUTION_GROUPS = 16,
  AMPC_CONVOLUTION_HAS_BIAS = 17,
  AMPC_CONVOLUTION_EPILOGUE = 18, /* ampc_epilogue_t */
  AMPC_CONVOLUTION_INTEGER_COUNT = 19,
  /* ampc_layout_t; a 20th integer where it is not NCHW, so that an older runtime refuses the
   * others by their number. */
  AMPC_CONVOLUTION_LAYOUT = 19
} ampc_convolution_integer_t;

/* How x and out of a convolution lie; a filter always lies as [k, c / groups, r, s]. */
typedef enum ampc_layout_t {
  AMPC_LAYOUT_NCHW = 0, /* x [n, c, h, w], out [n, k, p, q] */
  AMPC_LAYOUT_NHWC = 1  /* x [n, h, w, c], out [n, p, q, k] */
} ampc_layout_t;

typedef enum ampc_convolution_kind_t {
  AMPC_CONVOLUTION_FORWARD = 0,
  AMPC_CONVOLUTION_INPUT_GRADIENT = 1,
  AMPC_CONVOLUTION_FILTER_GRADIENT = 2
} ampc_convolution_kind_t;

typedef enum ampc_epilogue_t {
  AMPC_EPILOGUE_NONE = 0,
  AMPC_EPILOGUE_RELU = 1 /* NaN stays NaN */
} ampc_epilogue_t;

#ifdef __cplusplus
}
#endif

#endif /* AMPC_RUNTIME_MODULE_FORMAT_H */
