//===- CudaMatmul.cpp - The matmul steps of the CUDA target ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/DType.h"
#include "Core/Error.h"
#include "Core/MatmulShape.h"
#include "Cuda/CudaCall.h"

#include <algorithm>

namespace ampc {

using namespace cuda;

/// The first release with the interface of CudaApi.h.
static constexpr uint64_t kOldestCublasLt = 120000;
/// What one product may take for itself; NVIDIA advises 32 MiB for Hopper, and
/// older GPUs do with less. Only what the chosen algorithms need is allocated.
static constexpr uint64_t kWorkspaceLimit = uint64_t(32) << 20;
/// Bytes that addresses are multiples of as far as cuBLASLt cares.
static constexpr uint64_t kAlignment = 256;

namespace {

/// A product with elements, by cuBLASLt. All of its algorithms give equal bits in equal runs:
/// partial sums are added in one order, also where they lie in the result.
class CudaMatmul final : public CudaCall {
public:
  explicit CudaMatmul(const MatmulShape &shape) : shape(mergeBatch(shape)) {}

  CudaRequirement requirement() const override;
  CudaCallBytes prepare(const CudaCallSite &site) override;
  void run(const CudaCallMemory &memory, cuda::CUstream stream) const override;

private:
  /// Where the operands lie on the device; `vector` is the bias or the sums, 0 where there is
  /// neither.
  struct Operands {
    cuda::CUdeviceptr lhs, rhs, vector, out;
  };
  /// The product as cuBLASLt sees it.
  struct Description {
    explicit Description(const CublasLt &blas) : desc(blas), a(blas), b(blas), d(blas) {}
    CublasLtDesc desc;
    // Of a row-major result seen by columns: see describe().
    CublasLtLayout a, b, d;
  };

  void describe(const CublasLt &blas);
  /// False where cuBLASLt has none.
  bool findAlgorithm(const CublasLt &blas);
  [[noreturn]] void refuse(const CublasLt &blas) const;
  /// Describes the product, which gives no sums any more, and the one that gives them.
  CudaCallBytes prepareSums(const CudaCallSite &site);
  void multiply(const Operands &at, cuda::CUdeviceptr workspace, cuda::CUstream stream) const;

  MatmulShape shape;
  /// The sums, where the product cannot give them: that of ones and the operand.
  std::unique_ptr<CudaMatmul> sums;
  uint64_t onesOffset = 0; ///< in the scratch memory
  Operands operands = {};
  std::string node;
  const CublasLt *library = nullptr;
  const CudaDriver *driver = nullptr;
  cuda::cublasLtHandle_t handle = nullptr;
  std::optional<Description> description; ///< from prepare() on
  cuda::cublasLtMatmulHeuristicResult_t found = {};
};

} // namespace

static int cudaType(uint32_t dtype) {
  switch (dtype) {
  case AMPC_DTYPE_F16:
    return CUDA_R_16F;
  case AMPC_DTYPE_BF16:
    return CUDA_R_16BF;
  case AMPC_DTYPE_F64:
    return CUDA_R_64F;
  default:
    return CUDA_R_32F;
  }
}

/// Why cuBLASLt does not compute the product, or "".
static std::string checkProduct(const MatmulShape &shape) {
  bool isNarrow = sizeOf(shape.lhs) == 2;
  if (shape.lhs != shape.rhs ||
      (shape.out != shape.lhs && !(isNarrow && shape.out == AMPC_DTYPE_F32)))
    return concat("does not multiply ", nameOf(shape.lhs), " by ", nameOf(shape.rhs), " into ",
                  nameOf(shape.out));
  if (shape.hasBias && shape.bias != shape.out)
    return concat("does not add a bias of ", nameOf(shape.bias), " to a result of ",
                  nameOf(shape.out));
  if (shape.sums && (!isNarrow || shape.out != AMPC_DTYPE_F32))
    return concat("does not sum up operands of ", nameOf(shape.lhs), " into ", nameOf(shape.out));
  // Its RELU gives 0 for NaN, which would hide that a step went wrong.
  if (shape.relu)
    return "has no RELU that keeps NaN";
  if (shape.k == 0)
    return "does not multiply matrices whose inner dimension is 0";
  for (int64_t size : {shape.batch, shape.m, shape.n, shape.k})
    if (size > INT32_MAX)
      return concat("does not take a dimension of ", size);
  return "";
}

/// A layout by columns, each `rows` long.
static CublasLtLayout makeLayout(const CublasLt &blas, uint32_t dtype, int64_t rows,
                                 int64_t columns, int64_t batch, int64_t stride) {
  CublasLtLayout layout(blas);
  blas(blas.matrixLayoutCreate, layout.out(), cudaType(dtype), uint64_t(rows), uint64_t(columns),
       rows);
  if (batch > 1) {
    int32_t count = int32_t(batch);
    blas(blas.matrixLayoutSetAttribute, layout.get(), int(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT),
         &count, sizeof(count));
    blas(blas.matrixLayoutSetAttribute, layout.get(),
         int(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET), &stride, sizeof(stride));
  }
  return layout;
}

CudaRequirement CudaMatmul::requirement() const {
  return {CudaLibraryId::CublasLt, kOldestCublasLt, /*oldestArchitecture=*/0, checkProduct(shape)};
}

CudaCallBytes CudaMatmul::prepare(const CudaCallSite &site) {
  const std::vector<CUdeviceptr> &at = site.arguments;
  operands = {at[0], at[1], 0, at[shape.hasBias ? 3 : 2]};
  if (shape.hasBias || shape.sums)
    operands.vector = at[shape.hasBias ? 2 : 3];
  node = site.node;
  library = &site.libraries.cublasLt();
  handle = site.libraries.cublasLtHandle();
  driver = &site.libraries.cudaDriver();
  // Nothing is said of whether its sums have equal bits in equal runs, as its products have.
  if (shape.sums && site.isDeterministic)
    return prepareSums(site);
  describe(*library);
  if (findAlgorithm(*library))
    return {found.workspaceSize, 0};
  if (shape.sums)
    return prepareSums(site);
  refuse(*library);
}

CudaCallBytes CudaMatmul::prepareSums(const CudaCallSite &site) {
  MatmulShape of = shape;
  bool isLhs = shape.sums == AMPC_MATMUL_SUMS_LHS;
  (isLhs ? of.n : of.m) = 1;
  of.alpha = 1;
  of.sums = shape.sums = AMPC_MATMUL_SUMS_NONE;
  // The ones lie in the scratch memory, which has its place later and is aligned as any.
  CudaCallSite beside = site;
  beside.arguments = {isLhs ? operands.lhs : 0, isLhs ? 0 : operands.rhs, operands.vector};
  operands.vector = 0;
  describe(*library);
  if (!findAlgorithm(*library))
    refuse(*library);
  sums = std::make_unique<CudaMatmul>(of);
  uint64_t workspace = std::max<uint64_t>(found.workspaceSize, sums->prepare(beside).scratch);
  onesOffset = (workspace + kAlignment - 1) / kAlignment * kAlignment;
  return {onesOffset + uint64_t(shape.k) * sizeOf(shape.lhs), 0};
}

// cuBLASLt sees matrices by columns, so a row-major matrix is its transpose to
// it: out^T = op(rhs)^T * op(lhs)^T takes the operands as they lie, in the other
// order, and the bias along the rows of out^T, where cuBLASLt wants it.
void CudaMatmul::describe(const CublasLt &blas) {
  Description &to = description.emplace(blas);
  bool isF64 = shape.out == AMPC_DTYPE_F64;
  // f32 in f32, not in TF32.
  blas(blas.matmulDescCreate, to.desc.out(), int(isF64 ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F),
       int(isF64 ? CUDA_R_64F : CUDA_R_32F));
  auto set = [&](int attribute, auto value) {
    blas(blas.matmulDescSetAttribute, to.desc.get(), attribute, &value, sizeof(value));
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, int32_t(shape.transposeRhs ? CUBLAS_OP_T : CUBLAS_OP_N));
  set(CUBLASLT_MATMUL_DESC_TRANSB, int32_t(shape.transposeLhs ? CUBLAS_OP_T : CUBLAS_OP_N));
  if (shape.hasBias || shape.sums) {
    // The right operand is cuBLASLt's A.
    uint32_t epilogue = shape.hasBias                        ? CUBLASLT_EPILOGUE_BIAS
                        : shape.sums == AMPC_MATMUL_SUMS_RHS ? CUBLASLT_EPILOGUE_BGRADA
                                                             : CUBLASLT_EPILOGUE_BGRADB;
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE,
        int32_t(cudaType(shape.hasBias ? shape.bias : shape.out)));
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, uint64_t(operands.vector));
  }
  auto layout = [&](uint32_t dtype, int64_t rows, int64_t columns, bool isTransposed,
                    int64_t stride) {
    if (isTransposed)
      std::swap(rows, columns);
    return makeLayout(blas, dtype, rows, columns, shape.batch, stride);
  };
  to.a = layout(shape.rhs, shape.n, shape.k, shape.transposeRhs, shape.rhsStride);
  to.b = layout(shape.lhs, shape.k, shape.m, shape.transposeLhs, shape.lhsStride);
  to.d = layout(shape.out, shape.n, shape.m, false, shape.m * shape.n);
}

bool CudaMatmul::findAlgorithm(const CublasLt &blas) {
  CublasLtPreference preference(blas);
  blas(blas.preferenceCreate, preference.out());
  auto set = [&](int attribute, auto value) {
    blas(blas.preferenceSetAttribute, preference.get(), attribute, &value, sizeof(value));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceLimit);
  // Partial sums are kept in f32, so that the result is rounded once.
  uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  if (sizeOf(shape.out) > 2)
    schemes |= CUBLASLT_REDUCTION_SCHEME_INPLACE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, schemes);
  auto alignment = [](CUdeviceptr address) {
    return uint32_t((address | kAlignment) & -(address | kAlignment));
  };
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(operands.rhs));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(operands.lhs));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(operands.out));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(operands.out));

  int count = 0;
  const Description &of = *description;
  cublasStatus_t status =
      blas.algoGetHeuristic.function(handle, of.desc.get(), of.a.get(), of.b.get(), of.d.get(),
                                     of.d.get(), preference.get(), 1, &found, &count);
  if (status == CUBLAS_STATUS_SUCCESS && count > 0)
    status = found.state;
  else if (status == CUBLAS_STATUS_SUCCESS)
    status = CUBLAS_STATUS_NOT_SUPPORTED;
  // Releases differ in how they say that they have none with sums.
  bool hasNone = status == CUBLAS_STATUS_NOT_SUPPORTED ||
                 (shape.sums && status == CUBLAS_STATUS_INVALID_VALUE);
  if (status && !hasNone)
    blas.fail(status, blas.algoGetHeuristic.name, node);
  return !status;
}

void CudaMatmul::refuse(const CublasLt &blas) const {
  throw Error(AMPC_STATUS_INCOMPATIBLE,
              concat("cuBLASLt ", blas.getVersion.function(), " has no algorithm for ", shape.batch,
                     " x ", shape.m, " x ", shape.n, " x ", shape.k, " of ", nameOf(shape.lhs),
                     " into ", nameOf(shape.out), " (node '", node,
                     "'): update NVIDIA's libcublas, or use the host"),
              node);
}

/// An address of the device as cuBLASLt takes it.
static void *pointer(CUdeviceptr address) { return reinterpret_cast<void *>(uintptr_t(address)); }

void CudaMatmul::run(const CudaCallMemory &memory, CUstream stream) const {
  multiply(operands, memory.scratch, stream);
  if (!sums)
    return;
  CUdeviceptr ones = memory.scratch + onesOffset;
  constexpr unsigned short kOneF16 = 0x3c00, kOneBf16 = 0x3f80;
  (*driver)(driver->memsetD16Async, ones, shape.lhs == AMPC_DTYPE_F16 ? kOneF16 : kOneBf16,
            size_t(shape.k), stream);
  Operands at = sums->operands;
  (at.lhs ? at.rhs : at.lhs) = ones;
  sums->multiply(at, memory.scratch, stream);
}

void CudaMatmul::multiply(const Operands &at, CUdeviceptr workspace, CUstream stream) const {
  // In the type that cuBLASLt scales in.
  const float alpha32 = float(shape.alpha), zero32 = 0;
  const double alpha64 = shape.alpha, zero64 = 0;
  bool isF64 = shape.out == AMPC_DTYPE_F64;
  const void *alpha = isF64 ? static_cast<const void *>(&alpha64) : &alpha32;
  const void *beta = isF64 ? static_cast<const void *>(&zero64) : &zero32;
  const Description &of = *description;
  void *out = pointer(at.out);
  cublasStatus_t status =
      library->matmul.function(handle, of.desc.get(), alpha, pointer(at.rhs), of.a.get(),
                               pointer(at.lhs), of.b.get(), beta, out, of.d.get(), out, of.d.get(),
                               &found.algo, pointer(workspace), found.workspaceSize, stream);
  if (status)
    library->fail(status, library->matmul.name, node);
}

std::unique_ptr<CudaCall> makeCudaMatmul(Span<ampc_argument_entry_t> arguments,
                                         Span<int64_t> integers) {
  MatmulShape shape = readMatmul(arguments, integers);
  if (shape.batch == 0 || shape.m == 0 || shape.n == 0)
    return nullptr;
  return std::make_unique<CudaMatmul>(shape);
}

} // namespace ampc
