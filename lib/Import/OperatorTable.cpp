//===- OperatorTable.cpp - Which op claims which ONNX operator ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OperatorTable.h"

using namespace mlir;

namespace ampc {
static std::string keyOf(StringRef domain, StringRef name) { return (domain + ":" + name).str(); }

OperatorTable::OperatorTable(MLIRContext &context) {
  for (RegisteredOperationName op : context.getRegisteredOperations())
    if (const auto *interface = op.getInterface<OnnxOpInterface>())
      for (const OnnxName &name : interface->getOnnxNames()) {
        claims[keyOf(name.domain, name.name)].push_back(
            {name, interface, op.hasTrait<TakesStoredTypes>()});
        names.insert(name.name);
      }
}

ArrayRef<OperatorTable::Claim> OperatorTable::find(StringRef domain, StringRef name) const {
  auto it = claims.find(keyOf(domain, name));
  return it == claims.end() ? ArrayRef<Claim>() : ArrayRef<Claim>(it->second);
}

const OperatorTable::Claim *OperatorTable::find(StringRef domain, StringRef name,
                                                int64_t version) const {
  for (const Claim &claim : find(domain, name))
    if (version >= claim.name.since && version <= claim.name.until)
      return &claim;
  return nullptr;
}
} // namespace ampc
