//===- StandInCublasLtMatmul.cpp - A product as cuBLASLt has it -----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StandInCublasLtMatmul.h"
#include "StandInFloats.h"

#include <vector>

namespace ampc::standin {

static uint64_t sizeOf(int type) {
  switch (type) {
  case CUDA_R_16F:
  case CUDA_R_16BF:
    return 2;
  case CUDA_R_32F:
    return 4;
  case CUDA_R_64F:
    return 8;
  default:
    return 0;
  }
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

uint64_t Layout::bytes() const {
  uint64_t matrix = uint64_t(leadingDimension) * (columns - 1) + rows;
  return (uint64_t(batch - 1) * uint64_t(stride) + matrix) * sizeOf(type);
}

/// Types as in the manual's table of cublasLtMatmul.
static bool isSupported(const Desc &desc, int operand, int result) {
  bool hasVector =
      desc.epilogue != CUBLASLT_EPILOGUE_DEFAULT && desc.epilogue != CUBLASLT_EPILOGUE_RELU;
  if (hasVector && desc.biasType != -1 && desc.biasType != result)
    return false;
  if (desc.computeType == CUBLAS_COMPUTE_64F)
    return desc.scaleType == CUDA_R_64F && operand == CUDA_R_64F && result == CUDA_R_64F;
  return desc.computeType == CUBLAS_COMPUTE_32F && desc.scaleType == CUDA_R_32F &&
         operand != CUDA_R_64F && (result == operand || result == CUDA_R_32F);
}

cublasStatus_t Matmul::check() const {
  for (const Layout *layout : {&a, &b, &c, &d})
    if (layout->rows == 0 || layout->columns == 0 || layout->batch < 1 ||
        layout->leadingDimension < int64_t(layout->rows) || layout->batch != d.batch ||
        sizeOf(layout->type) == 0)
      return CUBLAS_STATUS_INVALID_VALUE;
  auto shape = [](const Layout &layout, int transposed) {
    return transposed == CUBLAS_OP_T ? std::pair(layout.columns, layout.rows)
                                     : std::pair(layout.rows, layout.columns);
  };
  auto [m, k] = shape(a, desc.transA);
  auto [k2, n] = shape(b, desc.transB);
  if (k != k2 || d.rows != m || d.columns != n || c.rows != m || c.columns != n || c.type != d.type)
    return CUBLAS_STATUS_INVALID_VALUE;
  constexpr uint32_t kKnown =
      CUBLASLT_EPILOGUE_DEFAULT | CUBLASLT_EPILOGUE_RELU | CUBLASLT_EPILOGUE_BIAS;
  if ((!hasSums() && (desc.epilogue & ~kKnown)) || ((hasBias() || hasSums()) && desc.bias == 0))
    return CUBLAS_STATUS_INVALID_VALUE;
  // Which shapes the real one has them for, and how it says that it has none, is not documented:
  // only those that all its kernels take, and either way of saying so.
  if (hasSums() && (m % 8 != 0 || n % 8 != 0 || k % 8 != 0 || d.batch != 1 || sizeOf(a.type) != 2))
    return k % 2 != 0 ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_NOT_SUPPORTED;
  if (a.type != b.type || !isSupported(desc, a.type, d.type))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  return CUBLAS_STATUS_SUCCESS;
}

uint64_t Matmul::fingerprint() const {
  uint64_t hash = 0xcbf29ce484222325ull;
  auto add = [&](uint64_t value) { hash = (hash ^ value) * 0x100000001b3ull; };
  for (const Layout *layout : {&a, &b, &c, &d})
    for (uint64_t value :
         {uint64_t(layout->type), layout->rows, layout->columns, uint64_t(layout->leadingDimension),
          uint64_t(layout->batch), uint64_t(layout->stride)})
      add(value);
  for (uint64_t value :
       {uint64_t(desc.computeType), uint64_t(desc.scaleType), uint64_t(desc.transA),
        uint64_t(desc.transB), uint64_t(desc.epilogue), uint64_t(desc.biasType)})
    add(value);
  return hash;
}

uint64_t Matmul::vectorBytes() const {
  if (!hasBias() && !hasSums())
    return 0;
  return (desc.epilogue == CUBLASLT_EPILOGUE_BGRADB ? d.columns : d.rows) * sizeOf(d.type);
}

void Matmul::setOperands(const void *alpha, const void *beta, Operands operands,
                         Workspace workspace) {
  auto read = [&](const void *from) {
    if (desc.scaleType == CUDA_R_64F)
      return *static_cast<const double *>(from);
    return double(*static_cast<const float *>(from));
  };
  this->alpha = read(alpha);
  this->beta = read(beta);
  at = operands;
  this->workspace = workspace;
}

std::string Matmul::checkOperands(const uint64_t *alignments) const {
  struct {
    const char *name;
    const void *address;
    const Layout *layout;
  } operands[] = {{"A", at.a, &a}, {"B", at.b, &b}, {"C", at.c, &c}, {"D", at.d, &d}};
  State &state = State::get();
  for (int i = 0; i != 4; ++i) {
    uint64_t address = addressOf(operands[i].address);
    if (!state.translate(address, operands[i].layout->bytes()))
      return std::string(operands[i].name) + " is not in one allocation of the device";
    if (address % alignments[i] != 0)
      return std::string(operands[i].name) + " is less aligned than said";
    uint64_t out = addressOf(at.d);
    if (i < 2 && address < out + d.bytes() && out < address + operands[i].layout->bytes())
      return std::string(operands[i].name) + " overlaps the result";
  }
  if ((hasBias() || hasSums()) && !state.translate(desc.bias, vectorBytes()))
    return "the bias or its gradient is not in one allocation of the device";
  if (workspace.bytes > 0 && !state.translate(addressOf(workspace.memory), workspace.bytes))
    return "the workspace is not in one allocation of the device";
  if (workspace.bytes > 0 && addressOf(workspace.memory) % 256 != 0)
    return "the workspace is not aligned to 256 bytes";
  return "";
}

Event Matmul::describe() const {
  Event event;
  event.name = "matmul";
  event.isWork = true;
  event.detail = std::to_string(d.batch) + "x" + std::to_string(d.columns) + "x" +
                 std::to_string(d.rows) + "x" + std::to_string(inner());
  event.arguments = {{addressOf(at.b), b.bytes(), 0}, {addressOf(at.a), a.bytes(), 0}};
  if (hasBias())
    event.arguments.push_back({desc.bias, vectorBytes(), 0});
  event.arguments.push_back({addressOf(at.d), d.bytes(), 0});
  if (hasSums())
    event.arguments.push_back({desc.bias, vectorBytes(), 0});
  event.readBytes = a.bytes() + b.bytes() + (hasBias() ? vectorBytes() : 0);
  event.writtenBytes = d.bytes() + (hasSums() ? vectorBytes() : 0);
  return event;
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

template <class Real>
static Real load(const char *data, int type, uint64_t index) {
  auto as = [&](auto example) {
    std::memcpy(&example, data + index * sizeof(example), sizeof(example));
    return example;
  };
  switch (type) {
  case CUDA_R_16F:
    return Real(float(as(_Float16())));
  case CUDA_R_16BF:
    return Real(bf16ToFloat(as(uint16_t())));
  case CUDA_R_32F:
    return Real(as(float()));
  default:
    return Real(as(double()));
  }
}

template <class Real>
static void store(char *data, int type, uint64_t index, Real value) {
  auto put = [&](auto narrow) {
    std::memcpy(data + index * sizeof(narrow), &narrow, sizeof(narrow));
  };
  switch (type) {
  case CUDA_R_16F:
    return put(_Float16(float(value)));
  case CUDA_R_16BF:
    return put(floatToBf16(float(value)));
  case CUDA_R_32F:
    return put(float(value));
  default:
    return put(double(value));
  }
}

/// One matrix of the batch, row by row, as op() leaves it.
template <class Real>
static std::vector<Real> unpack(const char *data, const Layout &layout, int transposed,
                                int64_t index) {
  uint64_t rows = layout.rows, columns = layout.columns;
  bool flip = transposed == CUBLAS_OP_T;
  std::vector<Real> result(rows * columns);
  for (uint64_t j = 0; j != columns; ++j)
    for (uint64_t i = 0; i != rows; ++i)
      result[flip ? j * rows + i : i * columns + j] = load<Real>(
          data, layout.type, uint64_t(index * layout.stride) + j * layout.leadingDimension + i);
  return result;
}

template <class Real>
void Matmul::compute() const {
  State &state = State::get();
  const char *aData = state.translate(addressOf(at.a), a.bytes());
  const char *bData = state.translate(addressOf(at.b), b.bytes());
  const char *cData = state.translate(addressOf(at.c), c.bytes());
  const char *biasData = hasBias() ? state.translate(desc.bias, vectorBytes()) : nullptr;
  char *dData = state.translate(addressOf(at.d), d.bytes());
  uint64_t m = d.rows, n = d.columns, k = inner();
  for (int32_t index = 0; index != d.batch; ++index) {
    std::vector<Real> left = unpack<Real>(aData, a, desc.transA, index);
    std::vector<Real> right = unpack<Real>(bData, b, desc.transB, index);
    if (hasSums()) {
      bool ofA = desc.epilogue == CUBLASLT_EPILOGUE_BGRADA;
      char *sums = state.translate(desc.bias, vectorBytes());
      for (uint64_t i = 0; i != (ofA ? m : n); ++i) {
        Real sum = 0;
        for (uint64_t p = 0; p != k; ++p)
          sum += ofA ? left[i * k + p] : right[p * n + i];
        store(sums, d.type, i, sum);
      }
    }
    std::vector<Real> row(n);
    for (uint64_t i = 0; i != m; ++i) {
      std::fill(row.begin(), row.end(), Real(0));
      for (uint64_t p = 0; p != k; ++p)
        for (uint64_t j = 0; j != n; ++j)
          row[j] += left[i * k + p] * right[p * n + j];
      for (uint64_t j = 0; j != n; ++j) {
        auto place = [&](const Layout &layout) {
          return uint64_t(index * layout.stride) + j * layout.leadingDimension + i;
        };
        Real value = Real(alpha) * row[j];
        if (beta != 0) // else C is not read
          value += Real(beta) * load<Real>(cData, c.type, place(c));
        if (biasData)
          value += load<Real>(biasData, d.type, i);
        // As reported of the real one: NaN becomes 0.
        if (!hasSums() && (desc.epilogue & CUBLASLT_EPILOGUE_RELU) && !(value > 0))
          value = 0;
        store(dData, d.type, place(d), value);
      }
    }
  }
}

std::string Matmul::run() const {
  // Memory may have been freed since the call.
  constexpr uint64_t kAnyAlignment[4] = {1, 1, 1, 1};
  std::string problem = checkOperands(kAnyAlignment);
  if (!problem.empty())
    return problem;
  // What a split of the inner dimension would leave there.
  if (workspace.bytes > 0)
    std::memset(State::get().translate(addressOf(workspace.memory), workspace.bytes), 0xa5,
                workspace.bytes);
  if (desc.scaleType == CUDA_R_64F)
    compute<double>();
  else
    compute<float>();
  return "";
}

} // namespace ampc::standin
