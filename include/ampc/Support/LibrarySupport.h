//===- LibrarySupport.h - What libraries compute -------------- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_LIBRARYSUPPORT_H
#define AMPC_SUPPORT_LIBRARYSUPPORT_H

#include "mlir/IR/Types.h"
#include "llvm/ADT/SmallVector.h"

namespace ampc {

/// A call that an op would leave to a library.
struct LibraryRequest {
  uint32_t call; ///< ampc_library_t
  uint32_t kind; ///< of a call that has several, numbered as in its integers; else 0
  llvm::SmallVector<mlir::Type, 4> operands; ///< element types of what is read, in order
  llvm::SmallVector<mlir::Type, 2> results;  ///< element types of what is written
  bool channelsLast = false;                 ///< how the images of a convolution lie
};

/// Says which calls the libraries of a target compute, and what its kernels are good at.
class LibrarySupport {
public:
  virtual ~LibrarySupport() = default;
  virtual bool supports(const LibraryRequest &request) const = 0;
  /// The element type of the first result of the nearest call that the target has: that of the
  /// request where it is supported, the operands' where the library rounds its sums to that; null
  /// where there is neither. Who asked for a wider one widens it.
  virtual mlir::Type nearestResult(const LibraryRequest &request) const {
    return supports(request) ? request.results.front() : mlir::Type();
  }
  /// Whether the call computes this, and faster than the same with channels before points.
  virtual bool prefersChannelsLast(const LibraryRequest &request) const = 0;
  /// Whether a kernel of ours computes attention of heads of `size` elements of type `element`
  /// with no matrix of scores (plan.attention).
  virtual bool fusesAttention(mlir::Type element, int64_t size) const = 0;
  /// Whether a kernel has so many threads that work in a fixed order is best made parallel, even
  /// where that takes a sort. Else a thread for each line does it sooner.
  virtual bool hasManyThreads() const = 0;
};

} // namespace ampc

#endif // AMPC_SUPPORT_LIBRARYSUPPORT_H
