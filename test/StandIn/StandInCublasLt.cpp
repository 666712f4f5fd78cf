//===- StandInCublasLt.cpp - The functions of the stand-in cuBLASLt -------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Computes what the descriptors say, element by element, with the rules of
// NVIDIA's manual for types, layouts, alignments and workspace. It is stricter
// than the real one where that lets more through.
//
//===----------------------------------------------------------------------===//

#include "StandInCublasLtMatmul.h"

#include <cstring>

using namespace ampc::standin;
using namespace ampc::cuda;

namespace {

struct Handle {};
struct Preference {
  uint64_t workspaceBytes = 0;
  uint32_t schemes = 7;
  uint32_t alignment[4] = {256, 256, 256, 256}; ///< of A, B, C, D
};

constexpr uint64_t kMagic = 0x416d70634c744d6dull;
constexpr const char *kDesc = "matmul descriptor";
constexpr const char *kLayout = "matrix layout";
constexpr const char *kPreference = "matmul preference";
constexpr const char *kHandle = "cuBLASLt handle";

State &state() { return State::get(); }

template <class Object, class Out>
void make(Out *out, Object object, const char *kind) {
  auto *copy = new Object(object);
  state().remember(copy, kind);
  *out = reinterpret_cast<Out>(copy);
}

template <class Object>
cublasStatus_t destroy(const void *handle, const char *kind) {
  if (!state().check(handle, kind))
    return CUBLAS_STATUS_INVALID_VALUE;
  state().forget(handle);
  delete static_cast<Object *>(const_cast<void *>(handle));
  return CUBLAS_STATUS_SUCCESS;
}

template <class Value>
cublasStatus_t set(Value &to, const void *from, size_t bytes) {
  if (!from || bytes != sizeof(Value))
    return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

/// The problem that these describe; null where one of them is not alive.
std::unique_ptr<Matmul> gather(cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                               cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                               cublasLtMatrixLayout_t d) {
  if (!state().check(desc, kDesc))
    return nullptr;
  for (cublasLtMatrixLayout_t layout : {a, b, c, d})
    if (!state().check(layout, kLayout))
      return nullptr;
  auto layout = [](cublasLtMatrixLayout_t handle) {
    return *reinterpret_cast<const Layout *>(handle);
  };
  return std::make_unique<Matmul>(*reinterpret_cast<const Desc *>(desc), layout(a), layout(b),
                                  layout(c), layout(d));
}

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default"))) cublasStatus_t
#define BEGIN(...)                                                                                 \
  Entry entry(__VA_ARGS__);                                                                        \
  if (cublasStatus_t status = entry.early(CUBLAS_STATUS_INTERNAL_ERROR))                           \
  return status
#define END return entry.late(CUBLAS_STATUS_INTERNAL_ERROR)

// These three cannot fail, and are not counted.
extern "C" __attribute__((visibility("default"))) const char *
cublasLtGetStatusName(cublasStatus_t status) {
#define AMPC_CUDA_CASE(name, value)                                                                \
  if (std::strncmp(#name, "CUBLAS_STATUS", 13) == 0 && status == value)                            \
    return #name;
  AMPC_CUBLASLT_CONSTANTS(AMPC_CUDA_CASE)
#undef AMPC_CUDA_CASE
  return "unknown";
}

extern "C" __attribute__((visibility("default"))) const char *
cublasLtGetStatusString(cublasStatus_t) {
  return "as the stand-in cuBLASLt says";
}

extern "C" __attribute__((visibility("default"))) size_t cublasLtGetVersion() { return 130000; }

EXPORT cublasLtCreate(cublasLtHandle_t *handle) {
  BEGIN("cublasLtCreate");
  make(handle, Handle(), kHandle);
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasLtDestroy(cublasLtHandle_t handle) {
  Entry entry("cublasLtDestroy");
  if (cublasStatus_t status = destroy<Handle>(handle, kHandle))
    return status;
  END;
}

EXPORT cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, int type, uint64_t rows,
                                  uint64_t columns, int64_t leadingDimension) {
  BEGIN("cublasLtMatrixLayoutCreate", Entry::Plain);
  make(layout, Layout{type, rows, columns, leadingDimension, 1, 0}, kLayout);
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  Entry entry("cublasLtMatrixLayoutDestroy", Entry::Plain);
  if (cublasStatus_t status = destroy<Layout>(layout, kLayout))
    return status;
  END;
}

EXPORT cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t handle, int attribute,
                                        const void *value, size_t bytes) {
  BEGIN("cublasLtMatrixLayoutSetAttribute", Entry::Plain);
  if (!state().check(handle, kLayout))
    return CUBLAS_STATUS_INVALID_VALUE;
  Layout &layout = *reinterpret_cast<Layout *>(handle);
  switch (attribute) {
  case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
    return set(layout.batch, value, bytes);
  case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
    return set(layout.stride, value, bytes);
  default:
    return CUBLAS_STATUS_INVALID_VALUE;
  }
}

EXPORT cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, int computeType, int scaleType) {
  BEGIN("cublasLtMatmulDescCreate", Entry::Plain);
  Desc fresh;
  fresh.computeType = computeType;
  fresh.scaleType = scaleType;
  make(desc, fresh, kDesc);
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  Entry entry("cublasLtMatmulDescDestroy", Entry::Plain);
  if (cublasStatus_t status = destroy<Desc>(desc, kDesc))
    return status;
  END;
}

EXPORT cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t handle, int attribute, const void *value,
                                      size_t bytes) {
  BEGIN("cublasLtMatmulDescSetAttribute", Entry::Plain);
  if (!state().check(handle, kDesc))
    return CUBLAS_STATUS_INVALID_VALUE;
  Desc &desc = *reinterpret_cast<Desc *>(handle);
  switch (attribute) {
  case CUBLASLT_MATMUL_DESC_TRANSA:
    return set(desc.transA, value, bytes);
  case CUBLASLT_MATMUL_DESC_TRANSB:
    return set(desc.transB, value, bytes);
  case CUBLASLT_MATMUL_DESC_EPILOGUE:
    return set(desc.epilogue, value, bytes);
  case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
    return set(desc.bias, value, bytes);
  case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
    return set(desc.biasType, value, bytes);
  default:
    return CUBLAS_STATUS_INVALID_VALUE;
  }
}

EXPORT cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
  BEGIN("cublasLtMatmulPreferenceCreate", Entry::Plain);
  make(preference, Preference(), kPreference);
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  Entry entry("cublasLtMatmulPreferenceDestroy", Entry::Plain);
  if (cublasStatus_t status = destroy<Preference>(preference, kPreference))
    return status;
  END;
}

EXPORT cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t handle, int attribute,
                                            const void *value, size_t bytes) {
  BEGIN("cublasLtMatmulPreferenceSetAttribute", Entry::Plain);
  if (!state().check(handle, kPreference))
    return CUBLAS_STATUS_INVALID_VALUE;
  Preference &preference = *reinterpret_cast<Preference *>(handle);
  switch (attribute) {
  case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
    return set(preference.workspaceBytes, value, bytes);
  case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
    return set(preference.schemes, value, bytes);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: {
    int index = attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
    return set(preference.alignment[index], value, bytes);
  }
  default:
    return CUBLAS_STATUS_INVALID_VALUE;
  }
}

// The algorithm carries what it was chosen for, so that its use for anything
// else is found out: a fingerprint of the problem, the alignments, the scheme.
EXPORT cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                      cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                      cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                      cublasLtMatmulPreference_t preferenceHandle, int wanted,
                                      cublasLtMatmulHeuristicResult_t *results, int *found) {
  BEGIN("cublasLtMatmulAlgoGetHeuristic");
  *found = 0;
  std::unique_ptr<Matmul> matmul = gather(desc, a, b, c, d);
  if (!state().check(handle, kHandle) || !matmul || wanted < 1 ||
      !state().check(preferenceHandle, kPreference))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (cublasStatus_t status = matmul->check())
    return status;
  const auto &preference = *reinterpret_cast<const Preference *>(preferenceHandle);
  cublasLtMatmulHeuristicResult_t result = {};
  result.algo.data[0] = kMagic;
  result.algo.data[1] = matmul->fingerprint();
  for (int i = 0; i != 4; ++i)
    result.algo.data[2 + i] = preference.alignment[i];
  // The inner dimension in two parts, as the real one does of a long one.
  constexpr uint64_t kLong = 64;
  uint64_t partials = 2 * matmul->d.rows * matmul->d.columns * matmul->d.batch * sizeof(float);
  bool isSplit = matmul->inner() >= kLong && partials <= preference.workspaceBytes &&
                 (preference.schemes & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
  result.workspaceSize = isSplit ? partials : 0;
  results[0] = result;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha,
                      const void *a, cublasLtMatrixLayout_t aLayout, const void *b,
                      cublasLtMatrixLayout_t bLayout, const void *beta, const void *c,
                      cublasLtMatrixLayout_t cLayout, void *d, cublasLtMatrixLayout_t dLayout,
                      const cublasLtMatmulAlgo_t *algo, void *workspace, size_t workspaceBytes,
                      CUstream stream) {
  BEGIN("cublasLtMatmul");
  std::shared_ptr<Matmul> matmul = gather(desc, aLayout, bLayout, cLayout, dLayout);
  if (!state().check(handle, kHandle) || !matmul)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (cublasStatus_t status = matmul->check())
    return status;
  if (!algo || algo->data[0] != kMagic || algo->data[1] != matmul->fingerprint()) {
    state().complain("the algorithm was not chosen for this product");
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  matmul->setOperands(alpha, beta, {a, b, c, d}, {workspace, workspaceBytes});
  std::string problem = matmul->checkOperands(&algo->data[2]);
  if (!problem.empty()) {
    state().complain("cublasLtMatmul: " + problem);
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  Work work;
  work.event = matmul->describe();
  work.run = [matmul](Event &) { return matmul->run(); };
  return state().enqueue(stream, std::move(work)) ? CUBLAS_STATUS_EXECUTION_FAILED
                                                  : CUBLAS_STATUS_SUCCESS;
}
