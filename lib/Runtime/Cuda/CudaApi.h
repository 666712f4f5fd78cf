//===- CudaApi.h - What is called of CUDA, declared without it ---*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The types, constants and functions of libcuda, libcublasLt and libcudnn that the
// runtime uses, under NVIDIA's names, so that no CUDA header is needed to build. Where
// the headers exist, a test (test/StandIn/CudaAbiTest.cpp) compares.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CUDA_CUDAAPI_H
#define AMPC_RUNTIME_CUDA_CUDAAPI_H

#include <cstddef>
#include <cstdint>

namespace ampc::cuda {

//===----------------------------------------------------------------------===//
// Driver
//===----------------------------------------------------------------------===//

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphExec = struct CUgraphExec_st *;

#define AMPC_CUDA_CONSTANTS(X)                                                                     \
  X(CUDA_SUCCESS, 0)                                                                               \
  X(CUDA_ERROR_INVALID_VALUE, 1)                                                                   \
  X(CUDA_ERROR_OUT_OF_MEMORY, 2)                                                                   \
  X(CUDA_ERROR_NOT_INITIALIZED, 3)                                                                 \
  X(CUDA_ERROR_STUB_LIBRARY, 34)                                                                   \
  X(CUDA_ERROR_DEVICE_UNAVAILABLE, 46)                                                             \
  X(CUDA_ERROR_NO_DEVICE, 100)                                                                     \
  X(CUDA_ERROR_INVALID_DEVICE, 101)                                                                \
  X(CUDA_ERROR_INVALID_IMAGE, 200)                                                                 \
  X(CUDA_ERROR_INVALID_CONTEXT, 201)                                                               \
  X(CUDA_ERROR_NO_BINARY_FOR_GPU, 209)                                                             \
  X(CUDA_ERROR_INVALID_PTX, 218)                                                                   \
  X(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, 221)                                                        \
  X(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222)                                                       \
  X(CUDA_ERROR_INVALID_SOURCE, 300)                                                                \
  X(CUDA_ERROR_INVALID_HANDLE, 400)                                                                \
  X(CUDA_ERROR_NOT_FOUND, 500)                                                                     \
  X(CUDA_ERROR_NOT_READY, 600)                                                                     \
  X(CUDA_ERROR_ILLEGAL_ADDRESS, 700)                                                               \
  X(CUDA_ERROR_LAUNCH_FAILED, 719)                                                                 \
  X(CUDA_ERROR_SYSTEM_NOT_READY, 802)                                                              \
  X(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, 803)                                                        \
  X(CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, 804)                                                \
  X(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900)                                                    \
  X(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901)                                                    \
  X(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, 903)                                                      \
  X(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, 904)                                                       \
  X(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, 905)                                                      \
  X(CUDA_ERROR_UNKNOWN, 999)                                                                       \
  X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75)                                              \
  X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)                                              \
  X(CU_STREAM_NON_BLOCKING, 1)                                                                     \
  X(CU_STREAM_CAPTURE_MODE_RELAXED, 2)                                                             \
  X(CU_EVENT_DISABLE_TIMING, 2)                                                                    \
  X(CU_JIT_ERROR_LOG_BUFFER, 5)                                                                    \
  X(CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, 6)

/// X(member, symbol, parameters); each returns CUresult.
#define AMPC_CUDA_DRIVER_CALLS(X)                                                                  \
  X(init, cuInit, (unsigned flags))                                                                \
  X(driverGetVersion, cuDriverGetVersion, (int *version))                                          \
  X(getErrorName, cuGetErrorName, (CUresult error, const char **text))                             \
  X(getErrorString, cuGetErrorString, (CUresult error, const char **text))                         \
  X(deviceGetCount, cuDeviceGetCount, (int *count))                                                \
  X(deviceGet, cuDeviceGet, (CUdevice * device, int ordinal))                                      \
  X(deviceGetName, cuDeviceGetName, (char *name, int length, CUdevice device))                     \
  X(deviceGetAttribute, cuDeviceGetAttribute, (int *value, int attribute, CUdevice device))        \
  X(devicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))      \
  X(devicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, (CUdevice device))                      \
  X(ctxPushCurrent, cuCtxPushCurrent_v2, (CUcontext context))                                      \
  X(ctxPopCurrent, cuCtxPopCurrent_v2, (CUcontext * context))                                      \
  X(memGetInfo, cuMemGetInfo_v2, (size_t *free, size_t *total))                                    \
  X(memAlloc, cuMemAlloc_v2, (CUdeviceptr * address, size_t bytes))                                \
  X(memFree, cuMemFree_v2, (CUdeviceptr address))                                                  \
  X(memHostAlloc, cuMemHostAlloc, (void **address, size_t bytes, unsigned flags))                  \
  X(memFreeHost, cuMemFreeHost, (void *address))                                                   \
  X(memcpyHtoDAsync, cuMemcpyHtoDAsync_v2,                                                         \
    (CUdeviceptr to, const void *from, size_t bytes, CUstream stream))                             \
  X(memcpyDtoHAsync, cuMemcpyDtoHAsync_v2,                                                         \
    (void *to, CUdeviceptr from, size_t bytes, CUstream stream))                                   \
  X(memcpyDtoDAsync, cuMemcpyDtoDAsync_v2,                                                         \
    (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream))                             \
  X(memsetD8Async, cuMemsetD8Async,                                                                \
    (CUdeviceptr to, unsigned char value, size_t count, CUstream stream))                          \
  X(memsetD16Async, cuMemsetD16Async,                                                              \
    (CUdeviceptr to, unsigned short value, size_t count, CUstream stream))                         \
  X(moduleLoadDataEx, cuModuleLoadDataEx,                                                          \
    (CUmodule * module, const void *image, unsigned optionCount, int *options, void **values))     \
  X(moduleUnload, cuModuleUnload, (CUmodule module))                                               \
  X(moduleGetFunction, cuModuleGetFunction,                                                        \
    (CUfunction * function, CUmodule module, const char *name))                                    \
  X(launchKernel, cuLaunchKernel,                                                                  \
    (CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,         \
     unsigned blockY, unsigned blockZ, unsigned sharedBytes, CUstream stream, void **parameters,   \
     void **extra))                                                                                \
  X(streamCreate, cuStreamCreate, (CUstream * stream, unsigned flags))                             \
  X(streamDestroy, cuStreamDestroy_v2, (CUstream stream))                                          \
  X(streamSynchronize, cuStreamSynchronize, (CUstream stream))                                     \
  X(streamWaitEvent, cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned flags))          \
  X(streamBeginCapture, cuStreamBeginCapture_v2, (CUstream stream, int mode))                      \
  X(streamEndCapture, cuStreamEndCapture, (CUstream stream, CUgraph * graph))                      \
  X(graphInstantiate, cuGraphInstantiateWithFlags,                                                 \
    (CUgraphExec * exec, CUgraph graph, unsigned long long flags))                                 \
  X(graphLaunch, cuGraphLaunch, (CUgraphExec exec, CUstream stream))                               \
  X(graphExecDestroy, cuGraphExecDestroy, (CUgraphExec exec))                                      \
  X(graphDestroy, cuGraphDestroy, (CUgraph graph))                                                 \
  X(eventCreate, cuEventCreate, (CUevent * event, unsigned flags))                                 \
  X(eventRecord, cuEventRecord, (CUevent event, CUstream stream))                                  \
  X(eventQuery, cuEventQuery, (CUevent event))                                                     \
  X(eventSynchronize, cuEventSynchronize, (CUevent event))                                         \
  X(eventDestroy, cuEventDestroy_v2, (CUevent event))

//===----------------------------------------------------------------------===//
// cuBLASLt
//===----------------------------------------------------------------------===//

using cublasStatus_t = int;
using cublasLtHandle_t = struct cublasLtContext *;
using cublasLtMatmulDesc_t = struct cublasLtMatmulDescOpaque *;
using cublasLtMatrixLayout_t = struct cublasLtMatrixLayoutOpaque *;
using cublasLtMatmulPreference_t = struct cublasLtMatmulPreferenceOpaque *;

struct cublasLtMatmulAlgo_t {
  uint64_t data[8];
};
struct cublasLtMatmulHeuristicResult_t {
  cublasLtMatmulAlgo_t algo;
  size_t workspaceSize;
  cublasStatus_t state;
  float wavesCount;
  int reserved[4];
};

#define AMPC_CUBLASLT_CONSTANTS(X)                                                                 \
  X(CUBLAS_STATUS_SUCCESS, 0)                                                                      \
  X(CUBLAS_STATUS_NOT_INITIALIZED, 1)                                                              \
  X(CUBLAS_STATUS_ALLOC_FAILED, 3)                                                                 \
  X(CUBLAS_STATUS_INVALID_VALUE, 7)                                                                \
  X(CUBLAS_STATUS_EXECUTION_FAILED, 13)                                                            \
  X(CUBLAS_STATUS_INTERNAL_ERROR, 14)                                                              \
  X(CUBLAS_STATUS_NOT_SUPPORTED, 15)                                                               \
  X(CUBLAS_OP_N, 0)                                                                                \
  X(CUBLAS_OP_T, 1)                                                                                \
  X(CUBLAS_COMPUTE_32F, 68)                                                                        \
  X(CUBLAS_COMPUTE_64F, 70)                                                                        \
  X(CUDA_R_32F, 0)                                                                                 \
  X(CUDA_R_64F, 1)                                                                                 \
  X(CUDA_R_16F, 2)                                                                                 \
  X(CUDA_R_16BF, 14)                                                                               \
  X(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 5)                                                         \
  X(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, 6)                                                \
  X(CUBLASLT_MATMUL_DESC_TRANSA, 3)                                                                \
  X(CUBLASLT_MATMUL_DESC_TRANSB, 4)                                                                \
  X(CUBLASLT_MATMUL_DESC_EPILOGUE, 7)                                                              \
  X(CUBLASLT_MATMUL_DESC_BIAS_POINTER, 8)                                                          \
  X(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, 26)                                                       \
  X(CUBLASLT_EPILOGUE_DEFAULT, 1)                                                                  \
  X(CUBLASLT_EPILOGUE_RELU, 2)                                                                     \
  X(CUBLASLT_EPILOGUE_BIAS, 4)                                                                     \
  X(CUBLASLT_EPILOGUE_BGRADA, 256)                                                                 \
  X(CUBLASLT_EPILOGUE_BGRADB, 512)                                                                 \
  X(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 1)                                                   \
  X(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, 3)                                                 \
  X(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 5)                                                 \
  X(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 6)                                                 \
  X(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, 7)                                                 \
  X(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 8)                                                 \
  X(CUBLASLT_REDUCTION_SCHEME_INPLACE, 1)                                                          \
  X(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, 2)                                                     \
  X(CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE, 4)

/// X(member, symbol, parameters); each returns cublasStatus_t.
#define AMPC_CUBLASLT_CALLS(X)                                                                     \
  X(create, cublasLtCreate, (cublasLtHandle_t * handle))                                           \
  X(destroy, cublasLtDestroy, (cublasLtHandle_t handle))                                           \
  X(matrixLayoutCreate, cublasLtMatrixLayoutCreate,                                                \
    (cublasLtMatrixLayout_t * layout, int type, uint64_t rows, uint64_t columns,                   \
     int64_t leadingDimension))                                                                    \
  X(matrixLayoutDestroy, cublasLtMatrixLayoutDestroy, (cublasLtMatrixLayout_t layout))             \
  X(matrixLayoutSetAttribute, cublasLtMatrixLayoutSetAttribute,                                    \
    (cublasLtMatrixLayout_t layout, int attribute, const void *value, size_t bytes))               \
  X(matmulDescCreate, cublasLtMatmulDescCreate,                                                    \
    (cublasLtMatmulDesc_t * desc, int computeType, int scaleType))                                 \
  X(matmulDescDestroy, cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t desc))                     \
  X(matmulDescSetAttribute, cublasLtMatmulDescSetAttribute,                                        \
    (cublasLtMatmulDesc_t desc, int attribute, const void *value, size_t bytes))                   \
  X(preferenceCreate, cublasLtMatmulPreferenceCreate, (cublasLtMatmulPreference_t * preference))   \
  X(preferenceDestroy, cublasLtMatmulPreferenceDestroy, (cublasLtMatmulPreference_t preference))   \
  X(preferenceSetAttribute, cublasLtMatmulPreferenceSetAttribute,                                  \
    (cublasLtMatmulPreference_t preference, int attribute, const void *value, size_t bytes))       \
  X(algoGetHeuristic, cublasLtMatmulAlgoGetHeuristic,                                              \
    (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,                 \
     cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,                 \
     cublasLtMatmulPreference_t preference, int wanted, cublasLtMatmulHeuristicResult_t *results,  \
     int *found))                                                                                  \
  X(matmul, cublasLtMatmul,                                                                        \
    (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a,         \
     cublasLtMatrixLayout_t aLayout, const void *b, cublasLtMatrixLayout_t bLayout,                \
     const void *beta, const void *c, cublasLtMatrixLayout_t cLayout, void *d,                     \
     cublasLtMatrixLayout_t dLayout, const cublasLtMatmulAlgo_t *algo, void *workspace,            \
     size_t workspaceBytes, CUstream stream))

/// Functions of cuBLASLt that return no status: X(member, symbol, result,
/// parameters).
#define AMPC_CUBLASLT_QUERIES(X)                                                                   \
  X(getStatusName, cublasLtGetStatusName, const char *, (cublasStatus_t status))                   \
  X(getStatusString, cublasLtGetStatusString, const char *, (cublasStatus_t status))               \
  X(getVersion, cublasLtGetVersion, size_t, (void))

//===----------------------------------------------------------------------===//
// cuDNN
//===----------------------------------------------------------------------===//

using cudnnStatus_t = int;
using cudnnHandle_t = struct cudnnContext *;
using cudnnBackendDescriptor_t = void *;

#define AMPC_CUDNN_CONSTANTS(X)                                                                    \
  X(CUDNN_STATUS_SUCCESS, 0)                                                                       \
  X(CUDNN_STATUS_NOT_INITIALIZED, 1001)                                                            \
  X(CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED, 1008)                                                  \
  X(CUDNN_STATUS_BAD_PARAM, 2000)                                                                  \
  X(CUDNN_STATUS_NOT_SUPPORTED, 3000)                                                              \
  X(CUDNN_STATUS_INTERNAL_ERROR, 4000)                                                             \
  X(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, 4003)                                      \
  X(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, 4004)                                    \
  X(CUDNN_DATA_FLOAT, 0)                                                                           \
  X(CUDNN_DATA_DOUBLE, 1)                                                                          \
  X(CUDNN_DATA_HALF, 2)                                                                            \
  X(CUDNN_DATA_BFLOAT16, 9)                                                                        \
  X(CUDNN_CROSS_CORRELATION, 1)                                                                    \
  X(CUDNN_POINTWISE_ADD, 0)                                                                        \
  X(CUDNN_HEUR_MODE_FALLBACK, 2)                                                                   \
  X(CUDNN_HEUR_MODE_A, 3)                                                                          \
  X(CUDNN_NUMERICAL_NOTE_TENSOR_CORE, 0)                                                           \
  X(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION, 2)                                           \
  X(CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP, 9)                                                       \
  X(CUDNN_NUMERICAL_NOTE_TYPE_COUNT, 10)                                                           \
  X(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION, 0)                                                    \
  X(CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, 5)                                                             \
  X(CUDNN_TYPE_HANDLE, 0)                                                                          \
  X(CUDNN_TYPE_DATA_TYPE, 1)                                                                       \
  X(CUDNN_TYPE_BOOLEAN, 2)                                                                         \
  X(CUDNN_TYPE_INT64, 3)                                                                           \
  X(CUDNN_TYPE_FLOAT, 4)                                                                           \
  X(CUDNN_TYPE_DOUBLE, 5)                                                                          \
  X(CUDNN_TYPE_VOID_PTR, 6)                                                                        \
  X(CUDNN_TYPE_CONVOLUTION_MODE, 7)                                                                \
  X(CUDNN_TYPE_HEUR_MODE, 8)                                                                       \
  X(CUDNN_TYPE_NUMERICAL_NOTE, 11)                                                                 \
  X(CUDNN_TYPE_POINTWISE_MODE, 14)                                                                 \
  X(CUDNN_TYPE_BACKEND_DESCRIPTOR, 15)                                                             \
  X(CUDNN_TYPE_BEHAVIOR_NOTE, 19)                                                                  \
  X(CUDNN_TYPE_CHAR, 24)                                                                           \
  X(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, 0)                                                         \
  X(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, 1)                                                       \
  X(CUDNN_BACKEND_ENGINE_DESCRIPTOR, 2)                                                            \
  X(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, 3)                                                         \
  X(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, 4)                                                        \
  X(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, 5)                                                    \
  X(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, 10)                                    \
  X(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, 11)                            \
  X(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, 12)                              \
  X(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, 13)                                              \
  X(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, 15)                                                   \
  X(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, 16)                                                     \
  X(CUDNN_BACKEND_TENSOR_DESCRIPTOR, 17)                                                           \
  X(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, 38)                                                       \
  X(CUDNN_ATTR_POINTWISE_MODE, 0)                                                                  \
  X(CUDNN_ATTR_POINTWISE_MATH_PREC, 1)                                                             \
  X(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, 100)                                                         \
  X(CUDNN_ATTR_CONVOLUTION_CONV_MODE, 101)                                                         \
  X(CUDNN_ATTR_CONVOLUTION_DILATIONS, 102)                                                         \
  X(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 103)                                                    \
  X(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, 104)                                                     \
  X(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 105)                                                      \
  X(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 106)                                                      \
  X(CUDNN_ATTR_ENGINEHEUR_MODE, 200)                                                               \
  X(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, 201)                                                    \
  X(CUDNN_ATTR_ENGINEHEUR_RESULTS, 202)                                                            \
  X(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, 204)                                                         \
  X(CUDNN_ATTR_ENGINECFG_ENGINE, 300)                                                              \
  X(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, 400)                                                         \
  X(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, 401)                                                  \
  X(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, 402)                                                 \
  X(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, 407)                                                     \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 700)                                           \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 701)                                            \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, 702)                                       \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, 703)                                               \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, 704)                                               \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, 705)                                               \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 706)                                          \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, 707)                                           \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, 708)                                      \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, 709)                                              \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, 710)                                             \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, 711)                                             \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 712)                                        \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, 713)                                         \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, 714)                                    \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, 715)                                           \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, 716)                                            \
  X(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, 717)                                           \
  X(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, 750)                                             \
  X(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, 751)                                                     \
  X(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, 752)                                                     \
  X(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, 753)                                                     \
  X(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, 800)                                                         \
  X(CUDNN_ATTR_OPERATIONGRAPH_OPS, 801)                                                            \
  X(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 900)                                                         \
  X(CUDNN_ATTR_TENSOR_DATA_TYPE, 901)                                                              \
  X(CUDNN_ATTR_TENSOR_DIMENSIONS, 902)                                                             \
  X(CUDNN_ATTR_TENSOR_STRIDES, 903)                                                                \
  X(CUDNN_ATTR_TENSOR_UNIQUE_ID, 906)                                                              \
  X(CUDNN_ATTR_TENSOR_IS_VIRTUAL, 907)                                                             \
  X(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, 1000)                                                      \
  X(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, 1001)                                                   \
  X(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, 1003)                                                       \
  X(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, 1303)                                                        \
  X(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, 1305)                                                         \
  X(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, 2702)

/// X(member, symbol, parameters); each returns cudnnStatus_t.
#define AMPC_CUDNN_CALLS(X)                                                                        \
  X(create, cudnnCreate, (cudnnHandle_t * handle))                                                 \
  X(destroy, cudnnDestroy, (cudnnHandle_t handle))                                                 \
  X(setStream, cudnnSetStream, (cudnnHandle_t handle, CUstream stream))                            \
  X(createDescriptor, cudnnBackendCreateDescriptor,                                                \
    (int type, cudnnBackendDescriptor_t *descriptor))                                              \
  X(destroyDescriptor, cudnnBackendDestroyDescriptor, (cudnnBackendDescriptor_t descriptor))       \
  X(finalize, cudnnBackendFinalize, (cudnnBackendDescriptor_t descriptor))                         \
  X(setAttribute, cudnnBackendSetAttribute,                                                        \
    (cudnnBackendDescriptor_t descriptor, int attribute, int type, int64_t count,                  \
     const void *elements))                                                                        \
  X(getAttribute, cudnnBackendGetAttribute,                                                        \
    (cudnnBackendDescriptor_t descriptor, int attribute, int type, int64_t wanted, int64_t *found, \
     void *elements))                                                                              \
  X(execute, cudnnBackendExecute,                                                                  \
    (cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t variantPack))

/// Functions of cuDNN that return no status: X(member, symbol, result, parameters).
#define AMPC_CUDNN_QUERIES(X)                                                                      \
  X(getErrorString, cudnnGetErrorString, const char *, (cudnnStatus_t status))                     \
  X(getLastErrorString, cudnnGetLastErrorString, void, (char *message, size_t bytes))              \
  X(getVersion, cudnnGetVersion, size_t, (void))                                                   \
  X(getMaxDeviceVersion, cudnnGetMaxDeviceVersion, size_t, (void))                                 \
  X(getCudartVersion, cudnnGetCudartVersion, size_t, (void))

enum : int {
#define AMPC_CUDA_CONSTANT(name, value) name = value,
  AMPC_CUDA_CONSTANTS(AMPC_CUDA_CONSTANT) AMPC_CUBLASLT_CONSTANTS(AMPC_CUDA_CONSTANT)
      AMPC_CUDNN_CONSTANTS(AMPC_CUDA_CONSTANT)
#undef AMPC_CUDA_CONSTANT
};

/// A function of a library, under the name that errors give it.
template <class Function>
struct Call {
  const char *name = nullptr;
  Function *function = nullptr;
};

struct DriverCalls {
#define AMPC_CUDA_MEMBER(member, symbol, parameters) Call<CUresult parameters> member;
  AMPC_CUDA_DRIVER_CALLS(AMPC_CUDA_MEMBER)
#undef AMPC_CUDA_MEMBER
};

struct CublasLtCalls {
#define AMPC_CUDA_MEMBER(member, symbol, parameters) Call<cublasStatus_t parameters> member;
  AMPC_CUBLASLT_CALLS(AMPC_CUDA_MEMBER)
#undef AMPC_CUDA_MEMBER
#define AMPC_CUDA_MEMBER(member, symbol, result, parameters) Call<result parameters> member;
  AMPC_CUBLASLT_QUERIES(AMPC_CUDA_MEMBER)
#undef AMPC_CUDA_MEMBER
};

struct CudnnCalls {
#define AMPC_CUDA_MEMBER(member, symbol, parameters) Call<cudnnStatus_t parameters> member;
  AMPC_CUDNN_CALLS(AMPC_CUDA_MEMBER)
#undef AMPC_CUDA_MEMBER
#define AMPC_CUDA_MEMBER(member, symbol, result, parameters) Call<result parameters> member;
  AMPC_CUDNN_QUERIES(AMPC_CUDA_MEMBER)
#undef AMPC_CUDA_MEMBER
};

} // namespace ampc::cuda

#endif // AMPC_RUNTIME_CUDA_CUDAAPI_H
