//===- WeightStore.h - The values of a model's initializers -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Weights are never attributes of the IR, whose variables name them; their bytes lie
// here, in the model file as it was parsed or mapped where that has them as they are.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_WEIGHTSTORE_H
#define AMPC_SUPPORT_WEIGHTSTORE_H

#include "ampc/Support/FloatRange.h"
#include "ampc/Support/MappedFile.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringMap.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ampc {

/// A tensor's value: elements in row-major order without gaps, little-endian, a boolean
/// being a byte of 0 or 1. The bytes have no alignment.
struct Weight {
  std::string name;
  mlir::RankedTensorType type;
  llvm::ArrayRef<char> bytes;
  const MappedFile *file = nullptr; ///< which the bytes lie in; null where they are in memory

  /// To be called after all bytes were read: a model may be larger than the memory.
  void dropPages() const {
    if (file)
      file->dropPages(bytes);
  }
};

/// Initializers by name, in the order of the model.
class WeightStore {
public:
  WeightStore() = default;
  WeightStore(WeightStore &&) = default;
  WeightStore &operator=(WeightStore &&) = default;

  /// Adds a tensor of `byteSize(type)` bytes, which `owner` keeps alive, with `file` where they lie
  /// in one. The name is new.
  void add(llvm::StringRef name, mlir::RankedTensorType type, llvm::ArrayRef<char> bytes,
           std::shared_ptr<const void> owner, const MappedFile *file = nullptr);

  /// Adds the value of `existing` once more under a name that is new; the bytes are shared.
  void addAgain(llvm::StringRef existing, llvm::StringRef name);

  /// Null where there is no tensor of that name.
  const Weight *find(llvm::StringRef name) const;
  /// The value as an attribute, which is a copy; null where there is no such tensor.
  mlir::DenseElementsAttr getAttr(llvm::StringRef name) const;
  /// The range of a float tensor's values; ordinary where there is no such tensor.
  FloatRange getRange(llvm::StringRef name) const;
  /// Makes i8 of types that are only stored (StoredTypes.h); the bytes are the same.
  void eraseStoredTypes();
  /// Drops tensors that `keep` says no to.
  void filter(llvm::function_ref<bool(llvm::StringRef)> keep);

  llvm::ArrayRef<Weight> weights() const { return list; }

  /// Bytes that one element takes: 1 for i1.
  static int64_t elementSize(mlir::Type elementType);
  /// Bytes of a tensor; nullopt where they do not fit into 63 bits.
  static std::optional<int64_t> byteSize(mlir::ShapedType type);
  /// Bytes in the form described above as an attribute.
  static mlir::DenseElementsAttr toAttr(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);

private:
  std::vector<Weight> list;
  std::vector<std::shared_ptr<const void>> owners; // of list[i]
  llvm::StringMap<size_t> index;
};

} // namespace ampc

#endif // AMPC_SUPPORT_WEIGHTSTORE_H
