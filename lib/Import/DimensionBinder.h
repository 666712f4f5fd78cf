//===- DimensionBinder.h - Gives symbolic dimensions their sizes -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_DIMENSIONBINDER_H
#define AMPC_LIB_IMPORT_DIMENSIONBINDER_H

#include "ImportContext.h"
#include "OnnxProto.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringSet.h"

namespace ampc {

/// Sizes of the dimensions that the file leaves open: a symbol has one size in the whole
/// file.
class DimensionBinder {
public:
  explicit DimensionBinder(const ImportContext &context) : context(context) {}

  /// Binds `--dim` and `--batch` to the dimensions of `inputs`. `others` are values whose
  /// symbols `--dim` may name, too. Errors: a dimension left without a size (all of them
  /// are listed), a size for what has one already or does not exist.
  llvm::LogicalResult bind(llvm::ArrayRef<const onnx::ValueInfoProto *> inputs,
                           llvm::ArrayRef<const onnx::ValueInfoProto *> others);

  /// The type of one of the inputs given to `bind`.
  llvm::FailureOr<mlir::RankedTensorType> inputType(const onnx::ValueInfoProto &input) const;

  /// The types of the tensors in an input that is a sequence.
  llvm::FailureOr<llvm::SmallVector<mlir::RankedTensorType>>
  elementTypes(const onnx::ValueInfoProto &input) const;

  /// Whether `type`, of a tensor or a sequence, is what the file declares, as far as it declares
  /// anything in numbers. Then "", else the declared type as text.
  std::string findConflict(const onnx::TypeProto &declared, mlir::Type type) const;

  /// What the file declares, extents without a number as dynamic ones; null where it is no tensor
  /// of known rank.
  mlir::RankedTensorType declaredType(const onnx::ValueInfoProto &declared) const;

  /// The shape that the file declares, with the symbols' sizes; nullopt where not all of it is
  /// known.
  std::optional<llvm::SmallVector<int64_t>>
  declaredShape(const onnx::ValueInfoProto &declared) const;

  /// Samples in a batch; nullopt in a file of fixed sizes.
  std::optional<int64_t> batch() const { return batchSize; }
  /// The dimension of an input that counts samples; nullopt where none does.
  std::optional<int64_t> batchAxis(const onnx::ValueInfoProto &input) const;
  /// The same for a value of type `type` that the graph computes.
  std::optional<int64_t> batchAxisOfResult(const onnx::ValueInfoProto &declared,
                                           mlir::RankedTensorType type) const;

private:
  using Dimension = onnx::TensorShapeProto::Dimension;

  llvm::LogicalResult checkFlags(llvm::ArrayRef<const onnx::ValueInfoProto *> inputs,
                                 llvm::ArrayRef<const onnx::ValueInfoProto *> others) const;
  llvm::LogicalResult checkSequences(llvm::ArrayRef<const onnx::ValueInfoProto *> inputs) const;
  llvm::LogicalResult bindBatch(llvm::ArrayRef<const onnx::ValueInfoProto *> inputs);
  llvm::LogicalResult bindNamedBatch(llvm::ArrayRef<const onnx::ValueInfoProto *> inputs);
  llvm::LogicalResult checkFixedBatch(llvm::ArrayRef<const onnx::ValueInfoProto *> inputs) const;
  mlir::Type findElementType(int32_t number) const;
  std::optional<int64_t> sizeOf(const Dimension &dimension) const;

  const ImportContext &context;
  llvm::StringMap<int64_t> sizes; ///< by symbol
  llvm::StringSet<> batchSymbols; ///< those that count samples
  std::optional<int64_t> batchSize;
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_DIMENSIONBINDER_H
