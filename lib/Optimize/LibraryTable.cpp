//===- LibraryTable.cpp - Which library computes what --------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Optimize/LibraryTable.h"
#include "ampc-runtime/module_format.h"

using namespace mlir;

namespace ampc {

static bool isNarrow(Type type) { return type.isF16() || type.isBF16(); }

/// Floats of any size, f64 only where all are.
static bool takesFloats(const LibraryRequest &request) {
  bool isF64 = request.results.front().isF64();
  return llvm::all_of(llvm::concat<const Type>(request.operands, request.results),
                      [&](Type type) { return isa<FloatType>(type) && type.isF64() == isF64; });
}

/// One type, whose products may be summed up into f32; a bias is of the result's type.
static bool takesEqualFloats(const LibraryRequest &request) {
  Type type = request.operands[0], result = request.results.front();
  bool isSummable = isNarrow(type) || type.isF32() || type.isF64();
  return isSummable && request.operands[1] == type &&
         (result == type || (isNarrow(type) && result.isF32())) &&
         llvm::all_of(ArrayRef(request.operands).drop_front(2),
                      [&](Type bias) { return bias == result; });
}

/// One type, which the result has too. What has a bias adds up in f32, so it is not of f64.
static bool takesOneFloat(const LibraryRequest &request) {
  Type type = request.results.front();
  bool isSummable =
      isNarrow(type) || type.isF32() || (type.isF64() && request.operands.size() == 2);
  return isSummable && llvm::all_equal(llvm::concat<const Type>(request.operands, request.results));
}

/// Tensor cores read channels last: of 16-bit images in the other order cuDNN makes copies, also
/// where their channels are no multiple of 8 (its workspace for 256 x 64 x 56 x 56 tells:
/// 131 bytes, or as many as input and result have). f32 is not computed by tensor cores, in any
/// order.
static bool isByTensorCores(const LibraryRequest &request) {
  return isNarrow(request.results.front());
}

/// f32 sums of 16-bit operands. cuBLASLt's manual does not say for which sizes its kernels have
/// them: asked for are sizes that fill the 16 bytes of a load. For others, or where a release has
/// none, the runtime multiplies by ones (Cuda/CudaMatmul.cpp).
static bool sumsNarrowOperands(plan::LibraryCallOpInterface call) {
  auto isFull = [](Type type) {
    return llvm::all_of(cast<RankedTensorType>(type).getShape(),
                        [](int64_t extent) { return extent > 0 && extent % 8 == 0; });
  };
  auto elementType = [](Type type) { return cast<RankedTensorType>(type).getElementType(); };
  return elementType(call->getResult(0).getType()).isF32() &&
         llvm::all_of(call->getOperandTypes(),
                      [&](Type type) { return isNarrow(elementType(type)) && isFull(type); });
}

namespace {
struct Row {
  Target target;
  ampc_library_t call;
  /// Whether it computes operands and results of these types.
  bool (*takes)(const LibraryRequest &request);
  bool bias, relu; ///< what it does to the result
  /// Whether it gives sums of operands of these types and sizes; null: never.
  bool (*sums)(plan::LibraryCallOpInterface call) = nullptr;
  /// Whether it is faster where images have their channels last; null: never.
  bool (*prefersChannelsLast)(const LibraryRequest &request) = nullptr;
  /// Whether sums of 16-bit operands leave it in that type alone.
  bool roundsToOperands = false;
};
} // namespace

static constexpr Row kTable[] = {
    // Ours, Host/HostCall.cpp.
    {Target::Host, AMPC_LIBRARY_MATMUL, takesFloats, true, true},
    {Target::Host, AMPC_LIBRARY_CONVOLUTION, takesFloats, false, true},
    // cuBLASLt, whose relu gives 0 for NaN.
    {Target::Cuda, AMPC_LIBRARY_MATMUL, takesEqualFloats, true, false, sumsNarrowOperands},
    // cuDNN. Its engines that end with a relu are not noted as keeping NaN.
    {Target::Cuda, AMPC_LIBRARY_CONVOLUTION, takesOneFloat, false, false, nullptr, isByTensorCores,
     /*roundsToOperands=*/true},
};

static const Row *findRow(Target target, uint32_t call) {
  const Row *row = llvm::find_if(
      kTable, [&](const Row &row) { return row.target == target && row.call == call; });
  return row == std::end(kTable) ? nullptr : row;
}

bool LibraryTable::supports(const LibraryRequest &request) const {
  const Row *row = findRow(target, request.call);
  return row && row->takes(request);
}

Type LibraryTable::nearestResult(const LibraryRequest &request) const {
  if (supports(request))
    return request.results.front();
  const Row *row = findRow(target, request.call);
  if (!row || !row->roundsToOperands || !request.results.front().isF32())
    return {};
  LibraryRequest narrow = request;
  narrow.results.front() = request.operands.front();
  return isNarrow(narrow.results.front()) && row->takes(narrow) ? narrow.results.front() : Type();
}

bool LibraryTable::prefersChannelsLast(const LibraryRequest &request) const {
  const Row *row = findRow(target, request.call);
  LibraryRequest nearest = request;
  nearest.results.front() = nearestResult(request);
  return nearest.results.front() && row->prefersChannelsLast && row->prefersChannelsLast(nearest);
}

/// Products by tensor cores, of rows that fill the 16 bytes of a copy; accumulators of longer ones
/// would not fit into registers.
bool LibraryTable::fusesAttention(Type element, int64_t size) const {
  constexpr int64_t kLongestHead = 128;
  return target == Target::Cuda && isNarrow(element) && size % 8 == 0 && size <= kLongestHead;
}

bool LibraryTable::supports(plan::LibraryCallOpInterface call, plan::EpilogueKind epilogue) const {
  const Row *row = findRow(target, call.getLibraryCall());
  return row && (epilogue == plan::EpilogueKind::Bias ? row->bias : row->relu);
}

bool LibraryTable::supportsSums(plan::LibraryCallOpInterface call) const {
  const Row *row = findRow(target, call.getLibraryCall());
  return row && row->sums && row->sums(call);
}

} // namespace ampc
