//===- StandInCudnnDescriptor.cpp - Descriptors of cuDNN's backend --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StandInCudnnDescriptor.h"

#include <algorithm>
#include <cstring>

namespace ampc::standin {

namespace {
/// An attribute that a kind of descriptor has.
struct Known {
  int kind, attribute, type;
  int64_t least, most;
  bool isNeeded = true;
};
} // namespace

#define OPERATION(kind, prefix, filter, x, y)                                                      \
  {CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR,                                        \
   CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_CONV_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},    \
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR,                                    \
       CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##filter, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1}, \
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR,                                    \
       CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},      \
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR,                                    \
       CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_##y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},      \
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR,                                    \
       CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_ALPHA, CUDNN_TYPE_FLOAT, 1, 1},                 \
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_##kind##_DESCRIPTOR,                                    \
       CUDNN_ATTR_OPERATION_CONVOLUTION_##prefix##_BETA, CUDNN_TYPE_FLOAT, 1, 1}

static constexpr Known kKnown[] = {
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, 1},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, 4},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, 4},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, 1},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, 1},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, 1,
     false},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE,
     1, 1},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_CONV_MODE,
     CUDNN_TYPE_CONVOLUTION_MODE, 1, 1},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1,
     1},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64,
     2, 2},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2,
     2},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64,
     2, 2},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2,
     2},
    OPERATION(FORWARD, FORWARD, W, X, Y),
    OPERATION(BACKWARD_DATA, BWD_DATA, W, DX, DY),
    OPERATION(BACKWARD_FILTER, BWD_FILTER, DW, X, DY),
    {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1,
     1},
    {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1,
     1},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_XDESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_YDESC,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_OPS,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 2},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE,
     1, 1},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, 1},
    {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, 0, 0, 0, 0, false},
    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, 0, 0, 0, 0, false},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE,
     1, 1},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 1,
     8},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
     CUDNN_TYPE_VOID_PTR, 1, 8},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
     1, 1},
};
#undef OPERATION

static size_t elementSize(int type) {
  switch (type) {
  case CUDNN_TYPE_HANDLE:
  case CUDNN_TYPE_INT64:
  case CUDNN_TYPE_DOUBLE:
  case CUDNN_TYPE_VOID_PTR:
  case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    return 8;
  case CUDNN_TYPE_BOOLEAN:
    return 1;
  default:
    return 4;
  }
}

bool CudnnDescriptor::isKnown(int kind) {
  for (const Known &known : kKnown)
    if (known.kind == kind)
      return true;
  return false;
}

bool CudnnDescriptor::set(int attribute, int type, int64_t count, const void *elements,
                          Others others, std::string &problem) {
  auto refuse = [&](const std::string &what) {
    problem = "attribute " + std::to_string(attribute) + " of a descriptor " +
              std::to_string(kind) + " " + what;
    return false;
  };
  if (isFinalized)
    return refuse("is set after the descriptor was finalized");
  for (const auto &other : others)
    if (!other->isFinalized)
      return refuse("is a descriptor that is not finalized");
  for (const Known &known : kKnown) {
    if (known.kind != kind || known.attribute != attribute || known.most == 0)
      continue;
    // Factors are in the type that is computed in, f32 or f64.
    bool isFactor = known.type == CUDNN_TYPE_FLOAT && type == CUDNN_TYPE_DOUBLE;
    if (known.type != type && !isFactor)
      return refuse("has another type than " + std::to_string(type));
    if (count < known.least || count > known.most || !elements)
      return refuse("does not have " + std::to_string(count) + " elements");
    const char *first = static_cast<const char *>(elements);
    attributes[attribute] = {type, count,
                             std::vector<char>(first, first + size_t(count) * elementSize(type)),
                             std::move(others)};
    return true;
  }
  return refuse("is none that it has");
}

std::vector<int64_t> CudnnDescriptor::integers(int attribute) const {
  const Attribute &found = attributes.at(attribute);
  std::vector<int64_t> values(size_t(found.count), 0);
  size_t size = elementSize(found.type);
  for (size_t i = 0; i != values.size(); ++i)
    std::memcpy(&values[i], found.bytes.data() + i * size, size);
  return values;
}

bool CudnnDescriptor::get(int attribute, int type, std::vector<int64_t> &numbers, Others &made,
                          std::string &problem) const {
  auto is = [&](int wanted, int name, int ofType) {
    return kind == wanted && attribute == name && type == ofType;
  };
  if (!isFinalized) {
    problem = "a descriptor is asked before it is finalized";
    return false;
  }
  auto derive = [&](int what, CudnnEngine with) {
    auto &one = made.emplace_back(std::make_shared<CudnnDescriptor>(what));
    one->graph = graph;
    one->engine = with;
    one->isFinalized = true;
  };
  if (is(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_RESULTS,
         CUDNN_TYPE_BACKEND_DESCRIPTOR)) {
    for (CudnnEngine with : graph->engines(int(integer(CUDNN_ATTR_ENGINEHEUR_MODE))))
      derive(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, with);
  } else if (is(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, CUDNN_ATTR_ENGINECFG_ENGINE,
                CUDNN_TYPE_BACKEND_DESCRIPTOR)) {
    derive(CUDNN_BACKEND_ENGINE_DESCRIPTOR, engine);
  } else if (is(CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                CUDNN_TYPE_NUMERICAL_NOTE)) {
    if (engine == CudnnEngine::Plain)
      numbers = {CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP};
    else
      numbers = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE};
    if (engine == CudnnEngine::Reduced)
      numbers.push_back(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION);
  } else if (is(CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                CUDNN_TYPE_BEHAVIOR_NOTE)) {
    if (engine == CudnnEngine::Compiled)
      numbers = {CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION};
  } else if (is(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                CUDNN_TYPE_INT64)) {
    numbers = {int64_t(graph->workspaceBytes(engine))};
  } else {
    problem = "a descriptor " + std::to_string(kind) + " has no attribute " +
              std::to_string(attribute) + " to ask for";
    return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Finalizing
//===----------------------------------------------------------------------===//

cudnnStatus_t CudnnDescriptor::finalize(std::string &problem) {
  auto refuse = [&](const std::string &what) {
    problem = what;
    return CUDNN_STATUS_BAD_PARAM;
  };
  if (isFinalized)
    return refuse("a descriptor is finalized twice");
  for (const Known &known : kKnown)
    if (known.kind == kind && known.isNeeded && !has(known.attribute))
      return refuse("a descriptor " + std::to_string(kind) + " is finalized without attribute " +
                    std::to_string(known.attribute));
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  switch (kind) {
  case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
    status = finalizeTensor(problem);
    break;
  case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
    status = finalizeWindow(problem);
    break;
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
    status = finalizeConvolution(problem);
    break;
  case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
    status = finalizeGraph(problem);
    break;
  case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
    graph = other(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH).graph;
    break;
  case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
    graph = other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).graph;
    engine = other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG).engine;
    break;
  case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR:
  case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
    return refuse("what heuristics fill in is finalized");
  case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
    if (integers(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).size() !=
        integers(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).size())
      return refuse("a variant pack has pointers for other tensors than it names");
    break;
  default:
    break;
  }
  isFinalized = !status;
  return status;
}

cudnnStatus_t CudnnDescriptor::finalizeTensor(std::string &problem) {
  CudnnTensor made;
  std::vector<int64_t> dims = integers(CUDNN_ATTR_TENSOR_DIMENSIONS),
                       strides = integers(CUDNN_ATTR_TENSOR_STRIDES);
  made.type = int(integer(CUDNN_ATTR_TENSOR_DATA_TYPE));
  for (int i = 0; i != 4; ++i) {
    made.dims[i] = dims[size_t(i)];
    made.strides[i] = strides[size_t(i)];
  }
  made.number = integer(CUDNN_ATTR_TENSOR_UNIQUE_ID);
  made.alignment = integer(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
  made.isVirtual = has(CUDNN_ATTR_TENSOR_IS_VIRTUAL) && integer(CUDNN_ATTR_TENSOR_IS_VIRTUAL);
  int64_t smallest = *std::min_element(dims.begin(), dims.end());
  // What the real one copes with where elements are apart was not tried.
  if (smallest < 1 || !made.isPacked() || made.bytes() == 0) {
    problem = "a tensor has a type, dimensions or strides that do not fit";
    return CUDNN_STATUS_BAD_PARAM;
  }
  if (made.alignment < int64_t(made.bytes() / uint64_t(made.elements())) ||
      (made.alignment & (made.alignment - 1))) {
    problem = "a tensor is aligned to " + std::to_string(made.alignment) + " bytes";
    return CUDNN_STATUS_BAD_PARAM;
  }
  tensor = made;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t CudnnDescriptor::finalizeWindow(std::string &problem) {
  CudnnWindow made;
  made.compute = int(integer(CUDNN_ATTR_CONVOLUTION_COMP_TYPE));
  auto read = [&](int attribute, int64_t *to, int64_t least) {
    std::vector<int64_t> values = integers(attribute);
    std::copy(values.begin(), values.end(), to);
    return *std::min_element(values.begin(), values.end()) >= least;
  };
  bool fits = read(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, made.strides, 1);
  fits &= read(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, made.before, 0);
  fits &= read(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, made.after, 0);
  fits &= read(CUDNN_ATTR_CONVOLUTION_DILATIONS, made.dilations, 1);
  if (!fits || integer(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) != 2 ||
      integer(CUDNN_ATTR_CONVOLUTION_CONV_MODE) != CUDNN_CROSS_CORRELATION) {
    problem = "a convolution has numbers out of range, or turns its filter";
    return CUDNN_STATUS_BAD_PARAM;
  }
  window = made;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t CudnnDescriptor::finalizeConvolution(std::string &problem) {
  // All three kinds have their attributes in one order.
  int first = kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR
                  ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA
              : kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR
                  ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA
                  : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA;
  auto of = [&](int forward) -> const CudnnDescriptor & {
    return other(first + forward - CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA);
  };
  const CudnnDescriptor &conv = of(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
  const CudnnDescriptor &w = of(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W);
  const CudnnDescriptor &x = of(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X);
  const CudnnDescriptor &y = of(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y);
  if (!conv.window || !w.tensor || !x.tensor || !y.tensor) {
    problem = "a convolution of descriptors that are no tensors";
    return CUDNN_STATUS_BAD_PARAM;
  }
  int factor = conv.window->compute == CUDNN_DATA_DOUBLE ? CUDNN_TYPE_DOUBLE : CUDNN_TYPE_FLOAT;
  double one = 1;
  float oneNarrow = 1;
  int64_t unit = 0;
  std::memcpy(&unit, factor == CUDNN_TYPE_DOUBLE ? static_cast<void *>(&one) : &oneNarrow,
              factor == CUDNN_TYPE_DOUBLE ? sizeof(one) : sizeof(oneNarrow));
  // Of the type that is computed in; others would be read as something else.
  if (attributes.at(first).type != factor || attributes.at(first + 1).type != factor ||
      integer(first) != unit || integer(first + 1) != 0) {
    problem = "the factors of a convolution are not 1 and 0 in its type";
    return CUDNN_STATUS_BAD_PARAM;
  }
  CudnnConvolution made;
  made.operation = kind;
  made.window = *conv.window;
  made.x = *x.tensor;
  made.filter = *w.tensor;
  made.y = *y.tensor;
  convolution = made;
  if (cudnnStatus_t status = made.check()) {
    problem = "the tensors of a convolution do not fit each other";
    return status;
  }
  return CUDNN_STATUS_SUCCESS;
}

/// A convolution, and what adds a bias to it.
cudnnStatus_t CudnnDescriptor::finalizeGraph(std::string &problem) {
  const Others &operations = attributes.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).others;
  problem = "a graph that this stand-in does not know";
  if (!operations[0]->convolution)
    return CUDNN_STATUS_NOT_SUPPORTED;
  auto made = std::make_shared<CudnnConvolution>(*operations[0]->convolution);
  bool isForward = made->operation == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR;
  if (made->y.isVirtual != (operations.size() == 2) || (made->y.isVirtual && !isForward))
    return CUDNN_STATUS_NOT_SUPPORTED;
  if (operations.size() == 2) {
    const CudnnDescriptor &end = *operations[1];
    if (end.kind != CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)
      return CUDNN_STATUS_NOT_SUPPORTED;
    const CudnnDescriptor &mode = end.other(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    const auto &sums = end.other(CUDNN_ATTR_OPERATION_POINTWISE_XDESC).tensor;
    const auto &bias = end.other(CUDNN_ATTR_OPERATION_POINTWISE_BDESC).tensor;
    const auto &out = end.other(CUDNN_ATTR_OPERATION_POINTWISE_YDESC).tensor;
    if (mode.kind != CUDNN_BACKEND_POINTWISE_DESCRIPTOR || !sums || !bias || !out ||
        mode.integer(CUDNN_ATTR_POINTWISE_MODE) != CUDNN_POINTWISE_ADD ||
        mode.integer(CUDNN_ATTR_POINTWISE_MATH_PREC) != CUDNN_DATA_FLOAT ||
        sums->number != made->y.number || bias->dims[1] != made->y.dims[1] ||
        bias->elements() != bias->dims[1] || out->elements() != made->y.elements())
      return CUDNN_STATUS_NOT_SUPPORTED;
    made->bias = bias;
    made->biased = out;
  }
  graph = std::move(made);
  return CUDNN_STATUS_SUCCESS;
}

} // namespace ampc::standin
