//===- CudaTestModules.cpp - Modules for the host and for CUDA ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaTestModules.h"

#include "../Runtime/TestSupport.h"
#include "ampc/Target/SimtFormat.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace ampc::test {

//===----------------------------------------------------------------------===//
// The second target
//===----------------------------------------------------------------------===//

/// PTX is any text; a cubin needs the head of an ELF file.
static std::string imageBytes(const TestImage &image) {
  if (image.isPtx)
    return "// kernels for sm_" + std::to_string(image.arch);
  std::string elf(64, '\0');
  std::memcpy(elf.data(), "\177ELF", 4);
  elf[16] = char(image.arch);
  elf[40] = 64; // the section table, which is empty, is the end of the file
  return elf;
}

static uint64_t imageHash(const TestImage &image) {
  std::string bytes = imageBytes(image);
  return simtImageHash(bytes.data(), bytes.size());
}

std::string describeImage(const TestImage &image) {
  char text[32];
  std::snprintf(text, sizeof(text), "%s %016llx", image.isPtx ? "ptx" : "cubin",
                static_cast<unsigned long long>(imageHash(image)));
  return text;
}

static void addImages(TableWriter &t, const std::vector<TestImage> &images) {
  ampc_target_entry_t &cuda = t.header.targets[AMPC_TARGET_CUDA];
  cuda = t.header.targets[AMPC_TARGET_HOST];
  cuda.features = t.string("");
  cuda.first_image = 0;
  cuda.image_count = images.size();
  for (const TestImage &image : images) {
    std::string bytes = imageBytes(image);
    // The strings come first behind the header.
    uint64_t offset =
        (sizeof(ampc_tables_t) + AMPC_ALIGNMENT - 1) / AMPC_ALIGNMENT * AMPC_ALIGNMENT +
        t.string(bytes);
    t.images.push_back({image.arch, image.isPtx, offset, bytes.size() + image.isPtx});
  }
}

static void addPrograms(TableWriter &t) {
  for (ampc_tensor_entry_t &tensor : t.tensors)
    tensor.offset[AMPC_TARGET_CUDA] = tensor.offset[AMPC_TARGET_HOST];
  uint32_t hostKernels = t.kernels.size();
  for (uint32_t i = 0; i != hostKernels; ++i) {
    ampc_kernel_entry_t kernel = t.kernels[i];
    kernel.target = AMPC_TARGET_CUDA;
    kernel.function = AMPC_NONE_U32;
    t.kernels.push_back(kernel);
  }
  size_t hostPrograms = t.programs.size();
  for (size_t i = 0; i != hostPrograms; ++i) {
    ampc_program_entry_t program = t.programs[i];
    uint32_t first = program.first_step;
    program.target = AMPC_TARGET_CUDA;
    program.first_step = t.steps.size();
    t.programs.push_back(program);
    for (uint32_t j = 0; j != program.step_count; ++j) {
      ampc_step_entry_t step = t.steps[first + j];
      if (step.kind == AMPC_STEP_LAUNCH)
        step.index += hostKernels;
      t.steps.push_back(step);
    }
  }
}

//===----------------------------------------------------------------------===//
// The kernels, as SimtFormat.h has them
//===----------------------------------------------------------------------===//

/// The bytes of each parameter, as the first launch of the kernel has them.
static std::vector<uint64_t> parameterBytes(const TableWriter &t, uint32_t kernel) {
  std::vector<uint64_t> bytes;
  for (const ampc_step_entry_t &step : t.steps)
    if (step.kind == AMPC_STEP_LAUNCH && step.index == kernel) {
      for (uint32_t i = 0; i != step.argument_count; ++i)
        bytes.push_back(t.arguments[step.first_argument + i].bytes);
      break;
    }
  return bytes;
}

static void buildKernels(const TableWriter &t, const std::string &path,
                         const std::vector<TestImage> &images) {
  std::ostringstream code;
  code << "#include <math.h>\n#include <stdint.h>\n"
       << t.kernelSource << R"(
typedef struct { int64_t threadId[3], blockId[3]; } SimtThread;
typedef struct {
  const char *name;
  void (*run)(SimtThread *, void **);
  uint32_t usesFibers, workgroupBytes;
  int32_t blockSize[3];
  uint32_t parameterCount;
  const uint64_t *parameterBytes;
} SimtKernel;
typedef struct {
  uint32_t version, imageCount;
  const uint64_t *imageHashes;
  uint64_t kernelCount;
  const SimtKernel *kernels;
} SimtLibrary;
)";
  std::string entries;
  for (uint32_t i = 0; i != t.kernelNames.size(); ++i) {
    const std::string &name = t.kernelNames[i];
    std::vector<uint64_t> bytes = parameterBytes(t, i);
    std::string count = std::to_string(bytes.size());
    code << "static const uint64_t " << name << "_bytes[] = {";
    for (uint64_t n : bytes)
      code << n << ", ";
    code << "0};\nstatic void " << name << "_run(SimtThread *t, void **p) {\n  void *a[" << count
         << "];\n  for (int i = 0; i < " << count << "; ++i)\n    a[i] = *(void **)p[i];\n  "
         << name << "(a, t->blockId[0], t->blockId[0] + 1);\n}\n";
    entries += "{\"" + name + "\", " + name + "_run, 0, 0, {1, 1, 1}, " + count + ", " + name +
               "_bytes},\n";
  }
  code << "static const SimtKernel kernels[] = {" << entries
       << "{0}};\nstatic const uint64_t hashes[] = {";
  for (const TestImage &image : images)
    code << imageHash(image) << "ull, ";
  code << "0};\n__attribute__((visibility(\"default\")))\nconst SimtLibrary " << kSimtSymbol
       << " = {" << kSimtVersion << ", " << images.size() << ", hashes, " << t.kernelNames.size()
       << ", kernels};\n";
  std::ofstream(path + ".c") << code.str();
  std::string command = AMPC_TEST_CC " -std=gnu11 -O1 -shared -fPIC -fvisibility=hidden '" + path +
                        ".c' -o '" + path + "' -lm";
  if (std::system(command.c_str()) != 0)
    throw std::runtime_error("the host's C compiler failed: " + command);
}

TestFiles buildForCuda(TableWriter writer, const std::string &name,
                       const std::vector<TestImage> &given) {
  bool hasKernels = !writer.kernelNames.empty();
  std::vector<TestImage> images;
  if (hasKernels)
    images = given;
  addImages(writer, images);
  addPrograms(writer);
  TestFiles files = {scratchFolder() + "/" + name + ".so", ""};
  writer.build(files.module);
  if (hasKernels) {
    files.kernels = scratchFolder() + "/" + name + ".simt.so";
    buildKernels(writer, files.kernels, images);
  }
  return files;
}

//===----------------------------------------------------------------------===//
// The classifier
//===----------------------------------------------------------------------===//

static const char *const kKernels = R"(
typedef _Float16 f16;
#define ROWS 4
#define FEATURES 80
#define CLASSES 3

/* logits, target, scale -> loss, dy (scaled), flags */
void loss(void *const *a, int64_t begin, int64_t end) {
  const f16 *y = a[0];
  const int32_t *target = a[1];
  const float *scale = a[2];
  float *loss = a[3], *flags = a[5];
  f16 *dy = a[4];
  for (int64_t block = begin; block < end; ++block) {
    *loss = *flags = 0;
    for (int i = 0; i < ROWS; ++i) {
      if (target[i] < 0 || target[i] >= CLASSES)
        *flags = 2;
      for (int j = 0; j < CLASSES; ++j) {
        int at = i * CLASSES + j;
        float d = (float)y[at] - (j == target[i]);
        *loss += d * d / (ROWS * CLASSES);
        dy[at] = (f16)(2 * d / (ROWS * CLASSES) * *scale);
      }
    }
  }
}

/* dy -> db; one block a class */
void biasgrad(void *const *a, int64_t begin, int64_t end) {
  const f16 *dy = a[0];
  float *db = a[1];
  for (int64_t j = begin; j < end; ++j) {
    db[j] = 0;
    for (int i = 0; i < ROWS; ++i)
      db[j] += (float)dy[i * CLASSES + j];
  }
}

static float move(float g, float *m, float *p, float lr, float scale) {
  *m = 0.9f * *m + g / scale;
  return *p -= lr * *m;
}

/* dw, db, loss, flags, lr, scale, tracker, step, attempt, m, mb, w, b, w16,
   b16, ring */
void update(void *const *a, int64_t begin, int64_t end) {
  const float *dw = a[0], *db = a[1], *loss = a[2], *flags = a[3], *lr = a[4];
  float *scale = a[5], *m = a[9], *mb = a[10], *w = a[11], *b = a[12];
  int32_t *tracker = a[6];
  int64_t *step = a[7], *attempt = a[8];
  f16 *w16 = a[13], *b16 = a[14];
  float *slot = (float *)a[15] + *attempt % 64 * 8;
  if (begin >= end)
    return;
  float norm = 0, used = *scale;
  for (int j = 0; j < CLASSES * FEATURES; ++j)
    norm += dw[j] / used * (dw[j] / used);
  for (int j = 0; j < CLASSES; ++j)
    norm += db[j] / used * (db[j] / used);
  int finite = isfinite(norm) != 0, applied = finite && *flags == 0;
  if (applied) {
    for (int j = 0; j < CLASSES * FEATURES; ++j)
      w16[j] = (f16)move(dw[j], &m[j], &w[j], *lr, used);
    for (int j = 0; j < CLASSES; ++j)
      b16[j] = (f16)move(db[j], &mb[j], &b[j], *lr, used);
    ++*step;
    if (HAS_SCALER && ++*tracker == 20) {
      *scale *= 2;
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
  slot[4] = *lr;
  slot[5] = *flags + !finite;
  slot[6] = finite ? -1 : 0;
  slot[7] = *scale;
  ++*attempt;
}

/* w, b -> w16, b16 */
void refresh(void *const *a, int64_t begin, int64_t end) {
  const float *w = a[0], *b = a[1];
  f16 *w16 = a[2], *b16 = a[3];
  for (int64_t block = begin; block < end; ++block) {
    for (int j = 0; j < FEATURES; ++j)
      w16[block * FEATURES + j] = (f16)w[block * FEATURES + j];
    b16[block] = (f16)b[block];
  }
}

/* seed -> b */
void init(void *const *a, int64_t begin, int64_t end) {
  const int64_t *seed = a[0];
  float *b = a[1];
  for (int64_t j = begin; j < end; ++j)
    b[j] = (float)(*seed + j) / 16;
}
)";

static uint64_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

TableWriter makeClassifier(bool hasScaler) {
  constexpr unsigned kRead = AMPC_ARGUMENT_READ, kWrite = AMPC_ARGUMENT_WRITE,
                     kBoth = kRead | kWrite;
  TableWriter t;
  t.kernelSource = "#define HAS_SCALER " + std::to_string(hasScaler) + kKernels;
  t.header.low_dtype = AMPC_DTYPE_F16;
  t.header.has_scaler = hasScaler;

  uint32_t x = t.addTensor("x", AMPC_ROLE_INPUT, AMPC_DTYPE_F32, {4, 80}, AMPC_TENSOR_BATCHED);
  uint32_t target =
      t.addTensor("target", AMPC_ROLE_INPUT, AMPC_DTYPE_I64, {4},
                  AMPC_TENSOR_BATCHED | AMPC_TENSOR_LABEL | AMPC_TENSOR_CHECKED_LABELS);
  uint32_t logits =
      t.addTensor("logits", AMPC_ROLE_OUTPUT, AMPC_DTYPE_F32, {4, 3}, AMPC_TENSOR_BATCHED);
  uint32_t loss = t.addTensor("loss", AMPC_ROLE_OUTPUT, AMPC_DTYPE_F32, {}, AMPC_TENSOR_LOSS);
  std::vector<float> start(3 * 80);
  for (size_t i = 0; i != start.size(); ++i)
    start[i] = float(int(i * 7 % 17) - 8) / 64;
  uint32_t w = t.addState("w", AMPC_ROLE_PARAMETER, AMPC_DTYPE_F32, {3, 80}, AMPC_TENSOR_TRAINED,
                          {reinterpret_cast<const char *>(start.data()), 4 * start.size()});
  uint32_t b = t.addFilled("bias", AMPC_ROLE_PARAMETER, AMPC_DTYPE_F32, {3}, bitsOf(0.125f));
  t.tensors[b].flags = AMPC_TENSOR_TRAINED;
  uint32_t m = t.addFilled("ampc.momentum/w", AMPC_ROLE_STATE, AMPC_DTYPE_F32, {3, 80}, 0);
  uint32_t mb = t.addFilled("ampc.momentum/bias", AMPC_ROLE_STATE, AMPC_DTYPE_F32, {3}, 0);
  auto scalar = [&](const char *name, ampc_dtype_t dtype, uint64_t fill) {
    return t.addFilled(name, AMPC_ROLE_SCALAR, dtype, {}, fill);
  };
  uint32_t rate = scalar(AMPC_SCALAR_LEARNING_RATE, AMPC_DTYPE_F32, bitsOf(0.125f));
  uint32_t step = scalar(AMPC_SCALAR_STEP, AMPC_DTYPE_I64, 0);
  uint32_t attempt = scalar(AMPC_SCALAR_ATTEMPT, AMPC_DTYPE_I64, 0);
  uint32_t seed = scalar(AMPC_SCALAR_SEED, AMPC_DTYPE_I64, 2);
  uint32_t scale = scalar(AMPC_SCALAR_LOSS_SCALE, AMPC_DTYPE_F32, bitsOf(hasScaler ? 256 : 1));
  uint32_t tracker = scalar(AMPC_SCALAR_GROWTH_TRACKER, AMPC_DTYPE_I32, 0);
  uint32_t w16 = t.addDerived("ampc.copy/w", AMPC_DTYPE_F16, {3, 80});
  uint32_t b16 = t.addDerived("ampc.copy/bias", AMPC_DTYPE_F16, {3});
  uint32_t ring = t.addFilled(AMPC_STATS_RING, AMPC_ROLE_DERIVED, AMPC_DTYPE_F32, {64, 8}, 0);
  t.gradients = {w};

  auto place = [&](uint64_t count, ampc_dtype_t dtype) {
    uint64_t bytes = count * elementSize(dtype);
    return argumentAt(t.placeTransient(bytes), bytes, dtype, kRead);
  };
  auto written = [](ampc_argument_entry_t argument) {
    argument.flags = kWrite;
    return argument;
  };
  auto x16 = place(320, AMPC_DTYPE_F16), target32 = place(4, AMPC_DTYPE_I32);
  auto y16 = place(12, AMPC_DTYPE_F16);
  auto lossAt = place(1, AMPC_DTYPE_F32), flags = place(1, AMPC_DTYPE_F32);
  auto dy = place(12, AMPC_DTYPE_F16), product = place(240, AMPC_DTYPE_F32);
  auto dw = place(240, AMPC_DTYPE_F32), db = place(3, AMPC_DTYPE_F32);

  uint32_t lossKernel = t.addKernel("loss"), biasKernel = t.addKernel("biasgrad"),
           updateKernel = t.addKernel("update"), refreshKernel = t.addKernel("refresh"),
           initKernel = t.addKernel("init");
  std::vector<ampc_binding_entry_t> inputs = {t.binding(x, AMPC_DTYPE_F16, x16.offset),
                                              t.binding(target, AMPC_DTYPE_I32, target32.offset)};
  constexpr int64_t kOne = 0x3ff0000000000000; // the bits of 1.0
  auto addForward = [&] {
    t.addMatmul({1, 4, 3, 80, 0, 1, 0, 0, 1, AMPC_EPILOGUE_NONE, kOne},
                {x16, t.argument(w16, kRead), t.argument(b16, kRead), written(y16)}, "Gemm_0");
    t.addLaunch(
        lossKernel, 1,
        {y16, target32, t.argument(scale, kRead), written(lossAt), written(dy), written(flags)},
        "Loss_1");
  };
  t.beginProgram(AMPC_PROGRAM_TRAIN, inputs);
  addForward();
  // dw = dy^T x, by way of a copy.
  t.addMatmul({1, 3, 80, 4, 1, 0, 0, 0, 0, AMPC_EPILOGUE_NONE, kOne}, {dy, x16, written(product)},
              "Gemm_0");
  t.addCopy(product, written(dw));
  t.addLaunch(biasKernel, 3, {dy, written(db)}, "Gemm_0");
  t.addLaunch(updateKernel, 1,
              {dw, db, lossAt, flags, t.argument(rate, kRead), t.argument(scale, kBoth),
               t.argument(tracker, kBoth), t.argument(step, kBoth), t.argument(attempt, kBoth),
               t.argument(m, kBoth), t.argument(mb, kBoth), t.argument(w, kBoth),
               t.argument(b, kBoth), t.argument(w16, kBoth), t.argument(b16, kBoth),
               t.argument(ring, kBoth)},
              "");
  t.beginProgram(AMPC_PROGRAM_EVAL, inputs,
                 {t.binding(logits, AMPC_DTYPE_F16, y16.offset),
                  t.binding(loss, AMPC_DTYPE_F32, lossAt.offset)});
  addForward();
  t.beginProgram(AMPC_PROGRAM_REFRESH);
  t.addLaunch(refreshKernel, 3,
              {t.argument(w, kRead), t.argument(b, kRead), t.argument(w16, kWrite),
               t.argument(b16, kWrite)},
              "");
  t.beginProgram(AMPC_PROGRAM_INIT);
  t.addLaunch(initKernel, 3, {t.argument(seed, kRead), t.argument(b, kWrite)}, "");
  return t;
}

const TestFiles &classifier(bool hasScaler) {
  static const TestFiles with = buildForCuda(makeClassifier(true), "scaled"),
                         without = buildForCuda(makeClassifier(false), "unscaled");
  return hasScaler ? with : without;
}

} // namespace ampc::test
