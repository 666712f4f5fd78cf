//===- KernelBuilder.h - The vocabulary kernels are written in -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Ops say what they compute in these few words; what comes out is linalg on tensors,
// which later passes fuse and schedule by its iteration structure, and plan.scan, plan.sort
// and plan.scatter, which are kernels of their own, and plan.loop. Knows no op of the amp dialect.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_PLAN_KERNELBUILDER_H
#define AMPC_DIALECT_PLAN_KERNELBUILDER_H

#include "ampc/Support/LibrarySupport.h"
#include "ampc/Support/ScalarBuilder.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ValueRange.h"
#include <optional>

namespace ampc {

/// How KernelBuilder::reduce merges elements.
enum class Reduction {
  Sum,
  Product,
  Max, ///< NaN where an element is NaN
  Min,
  MaxNumber ///< ignores NaN: for shifts that only guard against overflow
};

class KernelBuilder {
public:
  using ScalarFn = llvm::function_ref<mlir::Value(ScalarBuilder &, mlir::ValueRange)>;

  /// Without `libraries` there are none; they outlive the builder.
  KernelBuilder(mlir::OpBuilder &builder, mlir::Location loc,
                const LibrarySupport *libraries = nullptr)
      : builder(builder), loc(loc), libraries(libraries) {}

  mlir::OpBuilder &builder;
  mlir::Location loc;

  /// Whether a library of the target computes this call. An op that has another way to say
  /// what it computes asks before it makes the call.
  bool supports(const LibraryRequest &request) const {
    return libraries && libraries->supports(request);
  }
  /// The type of the first result of the nearest call (LibrarySupport::nearestResult).
  mlir::Type nearestResult(const LibraryRequest &request) const {
    return libraries ? libraries->nearestResult(request) : mlir::Type();
  }
  /// Whether the target has plan.attention for heads of `size` elements of type `element`.
  bool fusesAttention(mlir::Type element, int64_t size) const {
    return libraries && libraries->fusesAttention(element, size);
  }
  /// Whether the target merges updates of a line one after the other (`scatter`), in time in
  /// proportion to their number. Else an op that has indices to go by takes less than a sort.
  bool mergesInOrder() const { return libraries && !libraries->hasManyThreads(); }

  /// Each element of the result from the elements at the same place in `inputs`, which
  /// broadcast to the result's shape as numpy's do. `fn` sees elements as
  /// `computeType`; what it returns is converted to the element type of `type`.
  mlir::Value pointwise(mlir::ValueRange inputs, mlir::RankedTensorType type, ScalarFn fn);

  /// Merges the elements of `input` along `axes`, in f32 for f16 and bf16. The result
  /// lacks these axes and has `elementType`. Over no elements: 0 for a sum, 1 for a
  /// product, the lowest or highest value otherwise.
  mlir::Value reduce(mlir::Value input, llvm::ArrayRef<int64_t> axes, Reduction kind,
                     mlir::Type elementType);

  /// Merges elements along `axis` like `reduce`, but keeps what is merged up to each place:
  /// the element there included, unless `exclusive`; from the end, if `reverse`. Rounded
  /// once to `elementType`. Not fused with anything.
  mlir::Value scan(mlir::Value input, int64_t axis, Reduction kind, mlir::Type elementType,
                   bool exclusive = false, bool reverse = false);

  /// Lines of keys in order, and where in its line each key stood: i32, or i64 where the
  /// lines are longer than that counts.
  struct Sorted {
    mlir::Value keys, places;
  };
  /// Sorts each line along `axis`; equal keys stay in their order. `isBefore` gives a strict
  /// weak order of two keys, f16 and bf16 as f32. With `first`, at least 1, the result has so many
  /// keys of each line, which takes less time. Not fused with anything.
  Sorted sort(mlir::Value keys, int64_t axis, ScalarFn isBefore,
              std::optional<int64_t> first = std::nullopt);
  /// Inside `fn`: how many keys of a line are below `bound`, of their type. The line goes
  /// along `axis` through `at` (whose index along `axis` is not looked at) of `keys`, which
  /// ascend.
  mlir::Value countBelow(ScalarBuilder &s, mlir::Value keys, int64_t axis, mlir::ValueRange at,
                         mlir::Value bound);

  /// What scatter makes of an element and an update, both as scalars compute.
  using MergeFn =
      llvm::function_ref<mlir::Value(ScalarBuilder &, mlir::Value old, mlir::Value update)>;
  /// `data`, with the elements of `updates` merged into it in the order in which they stand
  /// along `axis`, whatever the target: the same bits in every run. `places`, integers of the
  /// shape of `updates`, or of extent 1 along other dimensions where lines of updates have them in
  /// common, are indices along `axis`; those out of range are left out. The other
  /// indices are an update's own, so that `updates` has no more of them than `data`. Takes as
  /// long as sorting `places`, but where the target `mergesInOrder`; then it is fused with nothing.
  mlir::Value scatter(mlir::Value data, mlir::Value places, mlir::Value updates, int64_t axis,
                      MergeFn merge);

  /// Windows that move over the last dimensions of a tensor but `trailing`, with a number for
  /// each: tap t of the window at point p lies at p * stride + t * dilation - pad.
  struct Windows {
    llvm::ArrayRef<int64_t> points, taps, strides, dilations, pads;
    size_t trailing = 0;
  };
  /// Merges an element, whose place in the row-major tensor is given (of type index), into the
  /// accumulators, and returns these.
  using WindowFn = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      ScalarBuilder &, mlir::Value element, mlir::Value place, mlir::ValueRange accumulators)>;
  /// Merges the elements of each window, in row-major order, into accumulators that begin as
  /// `initial` and have its types. What lies outside of `input` is left out. The results have
  /// `points` in the place of what windows move over, and `elementTypes`.
  llvm::SmallVector<mlir::Value> reduceWindows(mlir::Value input, const Windows &windows,
                                               llvm::ArrayRef<mlir::TypedAttr> initial,
                                               llvm::ArrayRef<mlir::Type> elementTypes,
                                               WindowFn merge);

  /// What a loop leaves: the last carried values, and the outputs of all iterations, stacked
  /// along a new dimension 0.
  struct Looped {
    llvm::SmallVector<mlir::Value> carried, outputs;
  };
  /// A tensor that a loop goes over along dimension 0, forwards or backwards.
  struct Sequence {
    mlir::Value tensor;
    bool reversed = false;
  };
  /// Computes an iteration with `kernel`, which builds no loop: from the carried values, the
  /// slices and the invariants, the carried values of the next iteration and then the outputs.
  using LoopFn = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      KernelBuilder &kernel, mlir::ValueRange carried, mlir::ValueRange slices,
      mlir::ValueRange invariants)>;
  /// Runs an iteration for each of `count` slices of the sequences. The code does not grow with
  /// `count`. Outputs, of the types `outputs`, are stacked backwards where `reversedOutputs`.
  /// The body may name no value outside of it but its arguments.
  Looped loop(int64_t count, mlir::ValueRange initial, llvm::ArrayRef<Sequence> sequences,
              mlir::ValueRange invariants, llvm::ArrayRef<mlir::RankedTensorType> outputs,
              bool reversedOutputs, LoopFn body);

  /// Each element of the result from its indices (of type index), one for each dimension.
  /// `fn` may read any tensor with `load`.
  mlir::Value generate(mlir::RankedTensorType type, ScalarFn fn);
  /// Inside `fn` of `pointwise` or `generate`: an element of any tensor, with f16 and bf16
  /// as f32. The indices must be in range.
  mlir::Value load(ScalarBuilder &s, mlir::Value tensor, mlir::ValueRange indices);
  /// Inside `fn`: the index along dimension `dim` of the result, of type index.
  mlir::Value index(ScalarBuilder &s, int64_t dim);

  /// The same elements in row-major order under another shape; never moves data.
  mlir::Value reshape(mlir::Value input, llvm::ArrayRef<int64_t> shape);
  /// Dimension i of the result is dimension permutation[i] of the input.
  mlir::Value transpose(mlir::Value input, llvm::ArrayRef<int64_t> permutation);
  /// Element i of the result is element `starts + i * steps` of the input, along each dimension.
  mlir::Value slice(mlir::Value input, llvm::ArrayRef<int64_t> starts,
                    llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> steps);
  /// The input from `starts` on in a tensor of `sizes`, whose other elements are `value`.
  mlir::Value pad(mlir::Value input, llvm::ArrayRef<int64_t> starts, llvm::ArrayRef<int64_t> sizes,
                  double value);
  /// The inputs, two or more that have elements, one behind the other along `axis`.
  mlir::Value concat(mlir::ValueRange inputs, int64_t axis);
  /// A tensor with every element `value`.
  mlir::Value splat(mlir::RankedTensorType type, double value);

  /// What scalars compute in: f32 for f16 and bf16, for unsigned integers a signed type that holds
  /// them all, other types as they are.
  static mlir::Type computeType(mlir::Type elementType);
  /// The same for results that are stored between kernels: i64 in the place of i128, for u64,
  /// whose sums and products have the same 64 bits.
  static mlir::Type storedComputeType(mlir::Type elementType);

private:
  mlir::Value scatterInOrder(mlir::Value data, mlir::Value places, mlir::Value updates,
                             int64_t axis, MergeFn merge);

  const LibrarySupport *libraries;
};

} // namespace ampc

#endif // AMPC_DIALECT_PLAN_KERNELBUILDER_H
