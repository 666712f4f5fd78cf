//===- CudnnConvolution.cpp - A convolution as cuDNN's graph -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudnnConvolution.h"

#include "Core/DType.h"
#include "Core/Error.h"
#include "Cuda/DynamicLibrary.h"

#include <algorithm>
#include <list>

namespace ampc {

using namespace cuda;

namespace {
/// The operation that computes one kind of convolution: its descriptor, and the first of its
/// attributes, which all three have in one order: ALPHA, BETA, CONV_DESC, W, X, Y.
struct Operation {
  int descriptor, first;
};

/// [images or filters, channels, rows, columns].
struct Extents {
  int64_t of[4];
};

/// Numbers of tensors; that of sums before the bias is added, which no memory holds.
enum : int64_t { kFirst = 1, kSums = 5 };
} // namespace

// Numbered as ampc_convolution_kind_t.
static constexpr Operation kOperations[] = {
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA},
};

static int cudnnType(uint32_t dtype) {
  switch (dtype) {
  case AMPC_DTYPE_F16:
    return CUDNN_DATA_HALF;
  case AMPC_DTYPE_BF16:
    return CUDNN_DATA_BFLOAT16;
  case AMPC_DTYPE_F64:
    return CUDNN_DATA_DOUBLE;
  default:
    return CUDNN_DATA_FLOAT;
  }
}

// Asked of 9.19.0 for sm_80 and sm_90: no engine adds up 16-bit operands into f32, none adds a bias
// in f64, and those that would end with a relu are not noted as keeping NaN.
std::string checkCudnnConvolution(const ConvolutionShape &shape) {
  if (shape.lhs != shape.rhs || shape.lhs != shape.out)
    return concat("does not convolve ", nameOf(shape.lhs), " and ", nameOf(shape.rhs), " into ",
                  nameOf(shape.out));
  if (shape.hasBias && (shape.bias != shape.out || shape.out == AMPC_DTYPE_F64))
    return concat("does not add a bias of ", nameOf(shape.bias), " to a convolution of ",
                  nameOf(shape.out));
  if (shape.relu)
    return "has no RELU that keeps NaN";
  return "";
}

//===----------------------------------------------------------------------===//
// The graph
//===----------------------------------------------------------------------===//

namespace {
/// Describes a convolution.
class Graph {
public:
  Graph(const Cudnn &cudnn, const ConvolutionShape &shape, int64_t alignment)
      : cudnn(cudnn), shape(shape), alignment(alignment) {}

  /// Its operations; none where the library does not have one of them.
  std::vector<cudnnBackendDescriptor_t> build();

private:
  // Their order in the graph; a list, so that they stay where they are.
  CudnnDescriptor &add(int kind) { return descriptors.emplace_back(cudnn, kind); }
  const CudnnDescriptor &addTensor(int64_t number, uint32_t dtype, Extents extents,
                                   bool channelsLast);
  const CudnnDescriptor &addConvolution();

  const Cudnn &cudnn;
  const ConvolutionShape &shape;
  int64_t alignment;
  std::list<CudnnDescriptor> descriptors;
};
} // namespace

/// Extents are those with channels before points; strides tell how they lie.
const CudnnDescriptor &Graph::addTensor(int64_t number, uint32_t dtype, Extents extents,
                                        bool channelsLast) {
  const int64_t *of = extents.of;
  int64_t channel = channelsLast ? 1 : of[2] * of[3];
  int64_t point = channelsLast ? of[1] : 1;
  const int64_t strides[] = {of[1] * of[2] * of[3], channel, of[3] * point, point};
  CudnnDescriptor &tensor = add(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, cudnnType(dtype));
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, Span<int64_t>(of, 4));
  tensor.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, Span<int64_t>(strides, 4));
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, number);
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment);
  if (number == kSums)
    tensor.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, true);
  tensor.finalize();
  return tensor;
}

/// What sums are computed in.
static int sumType(const ConvolutionShape &shape) {
  return cudnnType(shape.out == AMPC_DTYPE_F64 ? AMPC_DTYPE_F64 : AMPC_DTYPE_F32);
}

const CudnnDescriptor &Graph::addConvolution() {
  CudnnDescriptor &convolution = add(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, sumType(shape));
  convolution.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
                  int(CUDNN_CROSS_CORRELATION));
  convolution.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, int64_t(2));
  auto along = [&](int attribute, int64_t ConvolutionAxis::*member) {
    const int64_t both[] = {shape.rows.*member, shape.columns.*member};
    convolution.set(attribute, CUDNN_TYPE_INT64, Span<int64_t>(both, 2));
  };
  along(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &ConvolutionAxis::stride);
  along(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &ConvolutionAxis::padBefore);
  along(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, &ConvolutionAxis::padAfter);
  along(CUDNN_ATTR_CONVOLUTION_DILATIONS, &ConvolutionAxis::dilation);
  convolution.finalize();
  return convolution;
}

std::vector<cudnnBackendDescriptor_t> Graph::build() {
  // By the order of the step's arguments: what is read, then what is written.
  int64_t result = shape.hasBias ? kFirst + 3 : kFirst + 2;
  bool isForward = shape.kind == AMPC_CONVOLUTION_FORWARD;
  bool isInput = shape.kind == AMPC_CONVOLUTION_INPUT_GRADIENT, isLast = shape.channelsLast;
  const Extents y = {{shape.n, shape.k, shape.rows.output, shape.columns.output}};
  const CudnnDescriptor &x =
      addTensor(isForward ? kFirst
                : isInput ? result
                          : kFirst + 1,
                shape.lhs, {{shape.n, shape.c, shape.rows.input, shape.columns.input}}, isLast);
  const CudnnDescriptor &filter =
      addTensor(isForward || isInput ? kFirst + 1 : result, shape.lhs,
                {{shape.k, shape.c / shape.groups, shape.rows.filter, shape.columns.filter}},
                /*channelsLast=*/false);
  const CudnnDescriptor &sums = shape.hasBias
                                    ? addTensor(kSums, AMPC_DTYPE_F32, y, isLast)
                                    : addTensor(isForward ? result : kFirst, shape.lhs, y, isLast);
  const CudnnDescriptor &convolution = addConvolution();

  auto [kind, first] = kOperations[shape.kind];
  auto attribute = [first = first](int ofForward) {
    return first + ofForward - CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA;
  };
  CudnnDescriptor &operation = add(kind);
  operation.set(attribute(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC), convolution);
  operation.set(attribute(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W), filter);
  operation.set(attribute(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X), x);
  operation.set(attribute(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y), sums);
  for (int scale : {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA}) {
    double factor = scale == CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA;
    if (shape.out == AMPC_DTYPE_F64)
      operation.set(attribute(scale), CUDNN_TYPE_DOUBLE, factor);
    else
      operation.set(attribute(scale), CUDNN_TYPE_FLOAT, float(factor));
  }
  if (!operation.finalizeIfSupported())
    return {};
  if (!shape.hasBias)
    return {operation.get()};

  CudnnDescriptor &sum = add(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  sum.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, int(CUDNN_POINTWISE_ADD));
  sum.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, sumType(shape));
  sum.finalize();
  const CudnnDescriptor &bias = addTensor(kFirst + 2, shape.bias, {{1, shape.k, 1, 1}}, isLast);
  const CudnnDescriptor &out = addTensor(result, shape.out, y, isLast);
  CudnnDescriptor &end = add(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  end.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, sum);
  end.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, sums);
  end.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, bias);
  end.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
  if (!end.finalizeIfSupported())
    return {};
  return {operation.get(), end.get()};
}

//===----------------------------------------------------------------------===//
// The plan
//===----------------------------------------------------------------------===//

/// Elements of all tensors.
static uint64_t countElements(const ConvolutionShape &shape) {
  return uint64_t(shape.n * (shape.c * shape.inputPoints() + shape.k * shape.outputPoints()) +
                  shape.k * (shape.c / shape.groups) * shape.filterPoints());
}

/// "f16 8x64x56x56 with a filter 64x64x3x3".
static std::string describe(const ConvolutionShape &shape) {
  static constexpr const char *kNames[] = {"a convolution", "the input's gradient of a convolution",
                                           "the filter's gradient of a convolution"};
  return concat(kNames[shape.kind], " of ", nameOf(shape.lhs), " ", shape.n, "x", shape.c, "x",
                shape.rows.input, "x", shape.columns.input, " with filters ", shape.k, "x",
                shape.c / shape.groups, "x", shape.rows.filter, "x", shape.columns.filter,
                shape.channelsLast ? ", channels last" : "");
}

CudnnPlan planConvolution(const Cudnn &cudnn, const CudnnDevice &device,
                          const ConvolutionShape &shape, int64_t alignment,
                          const std::string &node) {
  // Some engines ask for several times what they compute on. Copies of all tensors in another
  // layout are what it takes at most to have tensor cores.
  constexpr uint64_t kLeast = uint64_t(64) << 20;
  CudnnEngines engines;
  engines.tensorCores = sizeOf(shape.out) == 2; // f32 in f32, not in TF32
  engines.mostWorkspace = std::max(kLeast, 2 * sizeOf(shape.out) * countElements(shape));
  try {
    Graph graph(cudnn, shape, alignment);
    std::vector<cudnnBackendDescriptor_t> operations = graph.build();
    if (!operations.empty())
      if (std::optional<CudnnPlan> plan =
              CudnnPlan::choose(cudnn, device, {operations.data(), operations.size()}, engines))
        return std::move(*plan);
  } catch (Error &error) {
    error.message += concat(" (for ", describe(shape), ", node '", node, "')");
    error.node = node;
    throw;
  }
  char reason[256] = "";
  cudnn.getLastErrorString.function(reason, sizeof(reason));
  throw Error(AMPC_STATUS_INCOMPATIBLE,
              concat("cuDNN ", libraryVersionText(cudnn.version()), " has no engine for ",
                     describe(shape), " (node '", node, "'", *reason ? "; " : "", reason,
                     "): update NVIDIA's cuDNN, or use the host"),
              node);
}

} // namespace ampc
