//===- CudaAbiTest.cpp - Our declarations of CUDA against NVIDIA's --------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Built where CUDA's headers are. All of it is decided by the compiler.
//
//===----------------------------------------------------------------------===//

#include "Cuda/CudaApi.h"

#include <cstddef>
#include <cublasLt.h>
#include <cuda.h>
#ifdef AMPC_HAS_CUDNN
#include <cudnn_graph.h>
#endif
#include <tuple>
#include <type_traits>

namespace {

/// Whether arguments of both types are passed alike.
template <class Ours, class Theirs>
constexpr bool isAlike() {
  constexpr bool isNumber = (std::is_integral_v<Ours> || std::is_enum_v<Ours>) &&
                            (std::is_integral_v<Theirs> || std::is_enum_v<Theirs>);
  constexpr bool isPointer = std::is_pointer_v<Ours> && std::is_pointer_v<Theirs>;
  if constexpr (std::is_void_v<Ours> || std::is_void_v<Theirs>)
    return std::is_same_v<Ours, Theirs>;
  else
    return (isNumber || isPointer) && sizeof(Ours) == sizeof(Theirs);
}

template <class Ours, class Theirs>
struct Same;
template <class R, class... A, class S, class... B>
struct Same<R(A...), S(B...)> {
  static constexpr bool value = [] {
    if constexpr (sizeof...(A) == sizeof...(B))
      return isAlike<R, S>() && (isAlike<A, B>() && ...);
    return false;
  }();
};

#define AMPC_CHECK_CALL(member, symbol, ...)                                                       \
  static_assert(Same<std::remove_pointer_t<decltype(std::declval<CALLS>().member.function)>,       \
                     decltype(::symbol)>::value,                                                   \
                "the parameters of " #symbol);
#define CALLS ampc::cuda::DriverCalls
AMPC_CUDA_DRIVER_CALLS(AMPC_CHECK_CALL)
#undef CALLS
#define CALLS ampc::cuda::CublasLtCalls
AMPC_CUBLASLT_CALLS(AMPC_CHECK_CALL)
AMPC_CUBLASLT_QUERIES(AMPC_CHECK_CALL)
#undef CALLS
#ifdef AMPC_HAS_CUDNN
#define CALLS ampc::cuda::CudnnCalls
AMPC_CUDNN_CALLS(AMPC_CHECK_CALL)
AMPC_CUDNN_QUERIES(AMPC_CHECK_CALL)
#undef CALLS
#endif

#define AMPC_CHECK_CONSTANT(name, value) static_assert(int(::name) == int(ampc::cuda::name), #name);
AMPC_CUDA_CONSTANTS(AMPC_CHECK_CONSTANT)
AMPC_CUBLASLT_CONSTANTS(AMPC_CHECK_CONSTANT)
#ifdef AMPC_HAS_CUDNN
AMPC_CUDNN_CONSTANTS(AMPC_CHECK_CONSTANT)
#endif

using Ours = ampc::cuda::cublasLtMatmulHeuristicResult_t;
using Theirs = ::cublasLtMatmulHeuristicResult_t;
static_assert(sizeof(Ours) == sizeof(Theirs));
static_assert(offsetof(Ours, algo) == offsetof(Theirs, algo));
static_assert(offsetof(Ours, workspaceSize) == offsetof(Theirs, workspaceSize));
static_assert(offsetof(Ours, state) == offsetof(Theirs, state));
static_assert(sizeof(ampc::cuda::cublasLtMatmulAlgo_t) == sizeof(::cublasLtMatmulAlgo_t));

} // namespace

int main() { return 0; }
