//===- OperatorTable.h - Which op claims which ONNX operator -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_LIB_IMPORT_OPERATORTABLE_H
#define AMPC_LIB_IMPORT_OPERATORTABLE_H

#include "ampc/Dialect/Amp/AmpBase.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace ampc {

/// The ONNX operators that the context's registered ops claim.
class OperatorTable {
public:
  struct Claim {
    OnnxName name;
    const OnnxOpInterface::Concept *op;
    bool takesStoredTypes; ///< the op takes types that are stored and cast only
  };

  explicit OperatorTable(MLIRContext &context);

  /// All versions of an operator; `domain` is "" for ai.onnx.
  ArrayRef<Claim> find(StringRef domain, StringRef name) const;
  /// The claim for one version, or null.
  const Claim *find(StringRef domain, StringRef name, int64_t version) const;
  /// Whether any domain has an operator of that name.
  bool contains(StringRef name) const { return names.contains(name); }

private:
  llvm::StringMap<SmallVector<Claim, 1>> claims; // by domain, colon, name
  llvm::StringSet<> names;
};

} // namespace ampc

#endif // AMPC_LIB_IMPORT_OPERATORTABLE_H
