//===- TestModules.cpp - Modules that the runtime's tests run -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestModules.h"

#include "TestSupport.h"

#include <map>

namespace ampc::test {

static const char *const kKernels = R"(
typedef _Float16 f16;

void forward(void *const *a, int64_t begin, int64_t end) {
  const f16 *x = a[0], *w = a[1];
  const float *bias = a[2];
  float *y = a[3];
  for (int64_t i = begin; i < end; ++i) {
    y[i] = bias[0];
    for (int j = 0; j < 3; ++j)
      y[i] += (float)x[i * 3 + j] * (float)w[j];
  }
}

/* y, target, loss scale -> loss, dy (scaled), flags */
void loss(void *const *a, int64_t begin, int64_t end) {
  const float *y = a[0], *scale = a[2];
  const int32_t *target = a[1];
  float *loss = a[3], *dy = a[4], *flags = a[5];
  for (int64_t block = begin; block < end; ++block) {
    *loss = *flags = 0;
    for (int i = 0; i < 4; ++i) {
      if (target[i] < 0 || target[i] > 9)
        *flags = 2;
      float d = y[i] - (float)target[i];
      *loss += d * d / 4;
      dy[i] = 2 * d / 4 * *scale;
    }
  }
}

/* dw, loss, flags, scale, tracker, lr, step, attempt, m, w -> w16, ring */
void update(void *const *a, int64_t begin, int64_t end) {
  const float *dw = a[0], *loss = a[1];
  const float flags = *(float *)a[2];
  float *scale = a[3], *m = a[8], *w = a[9];
  int32_t *tracker = a[4];
  const float lr = *(float *)a[5];
  int64_t *step = a[6], *attempt = a[7];
  f16 *w16 = a[10];
  float *slot = (float *)a[11] + *attempt % 64 * 8;
  if (begin >= end)
    return;
  int finite = 1;
  for (int j = 0; j < 3; ++j)
    finite &= isfinite(dw[j]) != 0;
  float used = *scale;
  int applied = finite && flags == 0;
  float norm = 0;
  for (int j = 0; j < 3; ++j)
    norm += dw[j] / used * (dw[j] / used);
  if (applied) {
    for (int j = 0; j < 3; ++j) {
      m[j] = 0.9f * m[j] + dw[j] / used;
      w[j] -= lr * m[j];
      w16[j] = (f16)w[j];
    }
    ++*step;
    if (HAS_SCALER && ++*tracker == 3) {
      *scale = *scale < 65536 ? 2 * *scale : *scale;
      *tracker = 0;
    }
  } else if (HAS_SCALER && !finite) {
    *scale *= 0.5f;
    *tracker = 0;
  }
  slot[0] = *loss;
  slot[1] = used;
  slot[2] = applied;
  slot[3] = sqrtf(norm);
  slot[4] = lr;
  slot[5] = flags + !finite;
  slot[6] = finite ? -1 : 0;
  slot[7] = *scale;
  ++*attempt;
}

void refresh(void *const *a, int64_t begin, int64_t end) {
  const float *w = a[0];
  f16 *w16 = a[1];
  for (int64_t j = begin; j < end; ++j)
    w16[j] = (f16)w[j];
}

/* seed -> w */
void init(void *const *a, int64_t begin, int64_t end) {
  const int64_t *seed = a[0];
  float *w = a[1];
  for (int64_t j = begin; j < end; ++j)
    w[j] = (float)(*seed + j);
}
)";

template <class T>
static std::string bytesOf(const std::vector<T> &values) {
  return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)};
}

static uint64_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

TableWriter makeTrainer(const TrainerOptions &options) {
  constexpr unsigned kRead = AMPC_ARGUMENT_READ, kWrite = AMPC_ARGUMENT_WRITE;
  TableWriter t;
  t.kernelSource = "#define HAS_SCALER " + std::to_string(options.hasScaler) + kKernels;
  t.header.low_dtype = AMPC_DTYPE_F16;
  t.header.has_scaler = options.hasScaler;
  t.header.scale_floor = options.scaleFloor;
  t.header.targets[AMPC_TARGET_HOST].features = t.string(options.features);

  uint32_t x = t.addTensor("x", AMPC_ROLE_INPUT, AMPC_DTYPE_F32, {4, 3}, AMPC_TENSOR_BATCHED);
  uint32_t target =
      t.addTensor("target", AMPC_ROLE_INPUT, AMPC_DTYPE_I64, {4},
                  AMPC_TENSOR_BATCHED | AMPC_TENSOR_LABEL | AMPC_TENSOR_CHECKED_LABELS);
  uint32_t y = t.addTensor("y", AMPC_ROLE_OUTPUT, AMPC_DTYPE_F32, {4}, AMPC_TENSOR_BATCHED);
  uint32_t y16 = t.addTensor("y16", AMPC_ROLE_OUTPUT, AMPC_DTYPE_F16, {4}, AMPC_TENSOR_BATCHED);
  uint32_t loss = t.addTensor("loss", AMPC_ROLE_OUTPUT, AMPC_DTYPE_F32, {}, AMPC_TENSOR_LOSS);

  uint32_t w = t.addState("w", AMPC_ROLE_PARAMETER, AMPC_DTYPE_F32, {3}, AMPC_TENSOR_TRAINED,
                          bytesOf<float>({options.firstWeight, -1, 2}));
  uint32_t bias =
      t.addState("bias", AMPC_ROLE_PARAMETER, AMPC_DTYPE_F32, {1}, 0, bytesOf<float>({0.25f}));
  t.addState("grid", AMPC_ROLE_CONSTANT, AMPC_DTYPE_I32, {2}, 0, bytesOf<int32_t>({7, 8}));
  uint32_t m = t.addFilled("ampc.momentum/w", AMPC_ROLE_STATE, AMPC_DTYPE_F32, {3}, 0);
  uint32_t rate =
      t.addFilled(AMPC_SCALAR_LEARNING_RATE, AMPC_ROLE_SCALAR, AMPC_DTYPE_F32, {}, bitsOf(0.1f));
  uint32_t step = t.addFilled(AMPC_SCALAR_STEP, AMPC_ROLE_SCALAR, AMPC_DTYPE_I64, {}, 0);
  uint32_t attempt = t.addFilled(AMPC_SCALAR_ATTEMPT, AMPC_ROLE_SCALAR, AMPC_DTYPE_I64, {}, 0);
  uint32_t seed = t.addFilled(AMPC_SCALAR_SEED, AMPC_ROLE_SCALAR, AMPC_DTYPE_I64, {}, 5);
  uint32_t scale = t.addFilled(AMPC_SCALAR_LOSS_SCALE, AMPC_ROLE_SCALAR, AMPC_DTYPE_F32, {},
                               bitsOf(options.hasScaler ? 8 : 1));
  uint32_t tracker =
      t.addFilled(AMPC_SCALAR_GROWTH_TRACKER, AMPC_ROLE_SCALAR, AMPC_DTYPE_I32, {}, 0);
  uint32_t w16 = t.addDerived("ampc.copy/w", AMPC_DTYPE_F16, {3});
  uint32_t ring = t.addFilled(AMPC_STATS_RING, AMPC_ROLE_DERIVED, AMPC_DTYPE_F32, {64, 8}, 0);
  uint32_t evalFlags = t.addFilled(AMPC_EVAL_FLAGS, AMPC_ROLE_DERIVED, AMPC_DTYPE_F32, {}, 0);
  t.gradients = {w};

  uint64_t xSlot = t.placeTransient(24), targetSlot = t.placeTransient(16);
  uint64_t yAt = t.placeTransient(16), lossAt = t.placeTransient(4);
  uint64_t dyAt = t.placeTransient(16), flagsAt = t.placeTransient(4);
  uint64_t productAt = t.placeTransient(12), dwAt = t.placeTransient(12);
  auto f32At = [](uint64_t offset, uint64_t count, unsigned flags) {
    return argumentAt(offset, 4 * count, AMPC_DTYPE_F32, flags);
  };
  auto x16 = argumentAt(xSlot, 24, AMPC_DTYPE_F16, kRead);
  auto target32 = argumentAt(targetSlot, 16, AMPC_DTYPE_I32, kRead);

  uint32_t forwardKernel = t.addKernel("forward");
  uint32_t lossKernel = t.addKernel("loss");
  uint32_t updateKernel = t.addKernel("update");
  uint32_t refreshKernel = t.addKernel("refresh");
  std::vector<ampc_binding_entry_t> inputs = {t.binding(x, AMPC_DTYPE_F16, xSlot),
                                              t.binding(target, AMPC_DTYPE_I32, targetSlot)};
  auto addForward = [&](ampc_argument_entry_t flags) {
    t.addLaunch(forwardKernel, 4,
                {x16, t.argument(w16, kRead), t.argument(bias, kRead), f32At(yAt, 4, kWrite)},
                "MatMul_0, Add_1");
    t.nameValue(3, AMPC_VALUE_FORWARD, "y", "Add_1", "Add", {4});
    t.addLaunch(lossKernel, 1,
                {f32At(yAt, 4, kRead), target32, t.argument(scale, kRead), f32At(lossAt, 1, kWrite),
                 f32At(dyAt, 4, kWrite), flags},
                "Loss_2");
    t.nameValue(3, AMPC_VALUE_FORWARD, "loss", "Loss_2", "Loss", {});
    t.nameValue(4, AMPC_VALUE_BACKWARD, "y", "Loss_2", "Loss", {4});
  };

  t.beginProgram(AMPC_PROGRAM_TRAIN, inputs);
  addForward(f32At(flagsAt, 1, kWrite));
  // dw = dy^T x, from an f32 and an f16 operand.
  t.addMatmul({1, 1, 3, 4, 1, 0, 4, 12, 0, AMPC_EPILOGUE_NONE, 0x3ff0000000000000},
              {f32At(dyAt, 4, kRead), x16, f32At(productAt, 3, kWrite)}, "MatMul_0");
  t.addCopy(f32At(productAt, 3, kRead), f32At(dwAt, 3, kWrite));
  t.addLaunch(updateKernel, 1,
              {f32At(dwAt, 3, kRead), f32At(lossAt, 1, kRead), f32At(flagsAt, 1, kRead),
               t.argument(scale, kRead | kWrite), t.argument(tracker, kRead | kWrite),
               t.argument(rate, kRead), t.argument(step, kRead | kWrite),
               t.argument(attempt, kRead | kWrite), t.argument(m, kRead | kWrite),
               t.argument(w, kRead | kWrite), t.argument(w16, kRead | kWrite),
               t.argument(ring, kRead | kWrite)},
              "");
  t.beginProgram(AMPC_PROGRAM_EVAL, inputs,
                 {t.binding(y, AMPC_DTYPE_F32, yAt), t.binding(y16, AMPC_DTYPE_F32, yAt),
                  t.binding(loss, AMPC_DTYPE_F32, lossAt)});
  addForward(t.argument(evalFlags, kWrite));
  t.beginProgram(AMPC_PROGRAM_REFRESH);
  t.addLaunch(refreshKernel, 3, {t.argument(w, kRead), t.argument(w16, kWrite)}, "");
  if (options.hasInit) {
    uint32_t initKernel = t.addKernel("init");
    t.beginProgram(AMPC_PROGRAM_INIT);
    t.addLaunch(initKernel, 3, {t.argument(seed, kRead), t.argument(w, kWrite)}, "");
  }
  return t;
}

std::string buildTrainer(const TrainerOptions &options) {
  std::string key = std::to_string(options.hasScaler) + "-" + std::to_string(options.scaleFloor) +
                    "-" + std::to_string(options.firstWeight) + "-" +
                    std::to_string(options.hasInit) + "-" + options.features;
  static std::map<std::string, std::string> built;
  std::string &path = built[key];
  if (path.empty()) {
    path = scratchFolder() + "/trainer" + std::to_string(built.size()) + ".so";
    makeTrainer(options).build(path);
  }
  return path;
}

} // namespace ampc::test
