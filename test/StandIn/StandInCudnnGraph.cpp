//===- StandInCudnnGraph.cpp - A convolution as cuDNN has it --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Computed by the definition: a loop over the points of y, and one over the taps of each.
//
//===----------------------------------------------------------------------===//

#include "StandInCudnnGraph.h"
#include "StandInFloats.h"

#include <cstdlib>

namespace ampc::standin {

static uint64_t sizeOf(int type) {
  switch (type) {
  case CUDNN_DATA_HALF:
  case CUDNN_DATA_BFLOAT16:
    return 2;
  case CUDNN_DATA_FLOAT:
    return 4;
  case CUDNN_DATA_DOUBLE:
    return 8;
  default:
    return 0;
  }
}

//===----------------------------------------------------------------------===//
// What it says
//===----------------------------------------------------------------------===//

uint64_t CudnnTensor::bytes() const { return uint64_t(elements()) * sizeOf(type); }

static bool hasStrides(const CudnnTensor &tensor, bool channelsLast) {
  const int64_t *of = tensor.dims;
  int64_t channel = channelsLast ? 1 : of[2] * of[3], point = channelsLast ? of[1] : 1;
  const int64_t wanted[] = {of[1] * of[2] * of[3], channel, of[3] * point, point};
  for (int i = 0; i != 4; ++i)
    if (tensor.strides[i] != wanted[i])
      return false;
  return true;
}

bool CudnnTensor::isChannelsLast() const { return hasStrides(*this, true); }
bool CudnnTensor::isPacked() const { return hasStrides(*this, false) || isChannelsLast(); }

const CudnnTensor &CudnnConvolution::result() const {
  if (biased)
    return *biased;
  if (operation == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
    return y;
  return operation == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? x : filter;
}

cudnnStatus_t CudnnConvolution::check() const {
  if (x.dims[1] % filter.dims[1] != 0 || filter.dims[0] % groups() != 0 || y.dims[0] != x.dims[0] ||
      y.dims[1] != filter.dims[0])
    return CUDNN_STATUS_BAD_PARAM;
  for (int axis : {0, 1}) {
    int64_t reach = window.dilations[axis] * (filter.dims[2 + axis] - 1) + 1;
    int64_t room = x.dims[2 + axis] + window.before[axis] + window.after[axis] - reach;
    if (room < 0 || room / window.strides[axis] + 1 != y.dims[2 + axis])
      return CUDNN_STATUS_BAD_PARAM;
  }
  return CUDNN_STATUS_SUCCESS;
}

std::vector<CudnnEngine> CudnnConvolution::engines(int mode) const {
  int type = tensors()[0]->type;
  bool isNarrow = sizeOf(type) == 2, isF64 = type == CUDNN_DATA_DOUBLE;
  if (std::getenv("AMPC_STANDIN_CUDNN_NO_ENGINES"))
    return {};
  // One type, which results have too: those in f32 are none of 16-bit operands.
  for (const CudnnTensor *tensor : tensors())
    if (tensor->type != type)
      return {};
  if (window.compute != (isF64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT))
    return {};
  // A bias is added in f32.
  if (bias && (isF64 || y.type != CUDNN_DATA_FLOAT))
    return {};
  // Filters lie either way.
  auto areAll = [&](bool channelsLast) {
    return hasStrides(x, channelsLast) && hasStrides(y, channelsLast) &&
           (&result() == &filter || hasStrides(result(), channelsLast));
  };
  if (!areAll(true) && !areAll(false)) // which the real one may take
    return {};
  if (mode == CUDNN_HEUR_MODE_FALLBACK)
    return {CudnnEngine::Plain};
  if (isF64)
    return {CudnnEngine::Plain};
  if (isNarrow)
    return {CudnnEngine::Compiled, CudnnEngine::Reduced, CudnnEngine::Hungry,
            CudnnEngine::TensorCore};
  return {CudnnEngine::TensorCore, CudnnEngine::Compiled};
}

uint64_t CudnnConvolution::workspaceBytes(CudnnEngine engine) const {
  uint64_t all = 0;
  for (const CudnnTensor *tensor : tensors())
    all += tensor->bytes();
  switch (engine) {
  case CudnnEngine::Hungry:
    return (uint64_t(128) << 20) + 4 * all;
  case CudnnEngine::TensorCore:
    // Copies with channels last, as the real one makes them.
    if (!x.isChannelsLast())
      return all + 131;
    return filter.isChannelsLast() ? 131 : filter.bytes() + 131;
  default:
    return 0;
  }
}

std::vector<const CudnnTensor *> CudnnConvolution::tensors() const {
  std::vector<const CudnnTensor *> all;
  for (const CudnnTensor *tensor : {&y, &x, &filter})
    if (tensor != &result() && !tensor->isVirtual)
      all.push_back(tensor);
  if (bias)
    all.push_back(&*bias);
  all.push_back(&result());
  return all;
}

std::string CudnnConvolution::checkMemory(const std::map<int64_t, uint64_t> &addresses,
                                          uint64_t workspace, uint64_t workspaceBytes) const {
  State &state = State::get();
  std::vector<const CudnnTensor *> all = tensors();
  if (all.size() != addresses.size())
    return "the variant pack names other tensors than the plan has";
  auto range = [&](const CudnnTensor &tensor) {
    uint64_t first = addresses.at(tensor.number);
    return std::pair(first, first + tensor.bytes());
  };
  for (const CudnnTensor *tensor : all) {
    if (!addresses.count(tensor->number))
      return "the variant pack lacks a tensor";
    auto [first, end] = range(*tensor);
    std::string name = "tensor " + std::to_string(tensor->number);
    if (!state.translate(first, end - first))
      return name + " is not in one allocation of the device";
    if (first % uint64_t(tensor->alignment) != 0)
      return name + " is less aligned than said";
    auto [out, outEnd] = range(result());
    if (tensor != &result() && first < outEnd && out < end)
      return name + " overlaps the result";
  }
  if (workspaceBytes > 0 && !state.translate(workspace, workspaceBytes))
    return "the workspace is not in one allocation of the device";
  if (workspaceBytes > 0 && workspace % 256 != 0)
    return "the workspace is not aligned to 256 bytes";
  return "";
}

Event CudnnConvolution::describe(const std::map<int64_t, uint64_t> &addresses) const {
  Event event;
  event.name = "convolution";
  event.isWork = true;
  event.detail = operation == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR ? "forward"
                 : &result() == &x ? "input gradient"
                                   : "filter gradient";
  for (const CudnnTensor *tensor : tensors()) {
    event.arguments.push_back({addresses.at(tensor->number), tensor->bytes(), 0});
    (tensor == &result() ? event.writtenBytes : event.readBytes) += tensor->bytes();
  }
  return event;
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

template <class Real>
static Real load(const char *data, int type, int64_t index) {
  auto as = [&](auto example) {
    std::memcpy(&example, data + index * int64_t(sizeof(example)), sizeof(example));
    return example;
  };
  switch (type) {
  case CUDNN_DATA_HALF:
    return Real(float(as(_Float16())));
  case CUDNN_DATA_BFLOAT16:
    return Real(bf16ToFloat(as(uint16_t())));
  case CUDNN_DATA_FLOAT:
    return Real(as(float()));
  default:
    return Real(as(double()));
  }
}

template <class Real>
static void store(char *data, int type, int64_t index, Real value) {
  auto put = [&](auto narrow) {
    std::memcpy(data + index * int64_t(sizeof(narrow)), &narrow, sizeof(narrow));
  };
  switch (type) {
  case CUDNN_DATA_HALF:
    return put(_Float16(float(value)));
  case CUDNN_DATA_BFLOAT16:
    return put(floatToBf16(float(value)));
  case CUDNN_DATA_FLOAT:
    return put(float(value));
  default:
    return put(double(value));
  }
}

/// To 10 bits behind the point, as tensor cores take an f32.
static float toTf32(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits = (bits + 0x1000) & ~uint32_t(0x1fff);
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// A tensor's elements, [n, c, h, w] whatever its strides.
template <class Real>
static std::vector<Real> unpack(const CudnnTensor &tensor, const char *data, bool isRounded) {
  std::vector<Real> values;
  values.reserve(size_t(tensor.elements()));
  const int64_t *dims = tensor.dims, *by = tensor.strides;
  for (int64_t n = 0; n != dims[0]; ++n)
    for (int64_t c = 0; c != dims[1]; ++c)
      for (int64_t h = 0; h != dims[2]; ++h)
        for (int64_t w = 0; w != dims[3]; ++w) {
          Real value = load<Real>(data, tensor.type, n * by[0] + c * by[1] + h * by[2] + w * by[3]);
          values.push_back(isRounded ? Real(toTf32(float(value))) : value);
        }
  return values;
}

template <class Real>
void CudnnConvolution::compute(CudnnEngine engine,
                               const std::map<int64_t, uint64_t> &addresses) const {
  State &state = State::get();
  auto dataOf = [&](const CudnnTensor &tensor) {
    return state.translate(addresses.at(tensor.number), tensor.bytes());
  };
  const CudnnTensor &out = result();
  const CudnnTensor &summed = biased ? y : out; // what the convolution gives
  bool isRounded = engine == CudnnEngine::TensorCore && x.type == CUDNN_DATA_FLOAT;
  std::vector<Real> values[3];
  const CudnnTensor *all[] = {&x, &filter, &y};
  for (int i = 0; i != 3; ++i)
    if (all[i] == &summed)
      values[i].resize(size_t(summed.elements()));
    else
      values[i] = unpack<Real>(*all[i], dataOf(*all[i]), isRounded);
  Real *xs = values[0].data(), *filters = values[1].data(), *ys = values[2].data();
  auto add = [&](Real &sum, Real product) {
    sum += product;
    if (engine == CudnnEngine::Reduced) {
      char rounded[8];
      store(rounded, out.type, 0, sum);
      sum = load<Real>(rounded, out.type, 0);
    }
  };
  int64_t channels = filter.dims[1], perGroup = filter.dims[0] / groups();
  int64_t rows = filter.dims[2], columns = filter.dims[3];
  for (int64_t n = 0; n != x.dims[0]; ++n)
    for (int64_t k = 0; k != y.dims[1]; ++k)
      for (int64_t c = 0; c != channels; ++c) {
        Real *image = xs + (n * x.dims[1] + k / perGroup * channels + c) * x.dims[2] * x.dims[3];
        for (int64_t r = 0; r != rows; ++r)
          for (int64_t s = 0; s != columns; ++s) {
            Real &tap = filters[((k * channels + c) * rows + r) * columns + s];
            for (int64_t p = 0; p != y.dims[2]; ++p) {
              int64_t row = p * window.strides[0] + r * window.dilations[0] - window.before[0];
              if (row < 0 || row >= x.dims[2])
                continue;
              Real *point = ys + ((n * y.dims[1] + k) * y.dims[2] + p) * y.dims[3];
              for (int64_t q = 0; q != y.dims[3]; ++q) {
                int64_t column = q * window.strides[1] + s * window.dilations[1] - window.before[1];
                if (column < 0 || column >= x.dims[3])
                  continue;
                Real &element = image[row * x.dims[3] + column];
                if (&summed == &y)
                  add(point[q], element * tap);
                else if (&summed == &x)
                  add(element, point[q] * tap);
                else
                  add(tap, point[q] * element);
              }
            }
          }
      }
  const std::vector<Real> &sums = values[&summed == &x ? 0 : &summed == &filter ? 1 : 2];
  char *data = dataOf(out);
  int64_t i = 0;
  for (int64_t n = 0; n != out.dims[0]; ++n)
    for (int64_t c = 0; c != out.dims[1]; ++c) {
      Real added = bias ? load<Real>(dataOf(*bias), bias->type, c) : Real(0);
      for (int64_t h = 0; h != out.dims[2]; ++h)
        for (int64_t w = 0; w != out.dims[3]; ++w, ++i)
          store(data, out.type,
                n * out.strides[0] + c * out.strides[1] + h * out.strides[2] + w * out.strides[3],
                bias ? sums[size_t(i)] + added : sums[size_t(i)]);
    }
}

std::string CudnnConvolution::run(CudnnEngine engine, const std::map<int64_t, uint64_t> &addresses,
                                  uint64_t workspace) const {
  if (engine == CudnnEngine::Compiled)
    return "an engine that is compiled at run time, for which there is no compiler";
  // Memory may have been freed since the call.
  uint64_t bytes = workspaceBytes(engine);
  std::string problem = checkMemory(addresses, workspace, bytes);
  if (!problem.empty())
    return problem;
  if (bytes > 0)
    std::memset(State::get().translate(workspace, bytes), 0xa5, bytes);
  if (window.compute == CUDNN_DATA_DOUBLE)
    compute<double>(engine, addresses);
  else
    compute<float>(engine, addresses);
  return "";
}

} // namespace ampc::standin
