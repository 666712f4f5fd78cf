//===- RecoveryLog.h - What recovery found, and what it nearly did - C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_DIALECT_AMP_RECOVERYLOG_H
#define AMPC_DIALECT_AMP_RECOVERYLOG_H

#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"
#include <map>
#include <string>

namespace ampc {

/// On an op that was recovered: PyTorch's lists have an op among what spelled it out that computes
/// in f32, and so its result is, where PyTorch's types are asked for.
constexpr llvm::StringLiteral kWideInPyTorchAttr = "amp.wide_in_pytorch";

/// What the patterns of RecoveryOpInterface put in, and where one of them nearly fits: kept by op,
/// for as long as the op is there. Kinds are what people call it: "gelu", "attention".
class RecoveryLog {
public:
  struct Recovered {
    std::string kind;
    mlir::Location loc; ///< of all that spelled it out
  };

  /// `op` is what was spelled out, or a part of it.
  void recover(mlir::Operation *op, llvm::StringRef kind, mlir::Location loc) {
    forget(op, kind);
    recovered.insert_or_assign(op, Recovered{kind.str(), loc});
  }
  /// Around `op` the kind is spelled out, nearly: `why` says what is different.
  void miss(mlir::Operation *op, llvm::StringRef kind, const llvm::Twine &why) {
    missed[op][kind.str()] = why.str();
  }
  /// It is spelled out after all.
  void forget(mlir::Operation *op, llvm::StringRef kind) {
    if (auto it = missed.find(op); it != missed.end())
      it->second.erase(kind.str());
  }
  /// The op is no more.
  void erase(mlir::Operation *op) {
    recovered.erase(op);
    missed.erase(op);
  }

  /// What was recovered here; null where nothing was.
  const Recovered *getRecovered(mlir::Operation *op) const {
    auto it = recovered.find(op);
    return it == recovered.end() ? nullptr : &it->second;
  }
  /// What is missed here: by kind, the reasons.
  std::map<std::string, std::string> getMissed(mlir::Operation *op) const {
    return missed.lookup(op);
  }

private:
  llvm::DenseMap<mlir::Operation *, Recovered> recovered;
  llvm::DenseMap<mlir::Operation *, std::map<std::string, std::string>> missed;
};

} // namespace ampc

#endif // AMPC_DIALECT_AMP_RECOVERYLOG_H
