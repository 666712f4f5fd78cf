//===- Precision.cpp - The words of mixed precision -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/Precision.h"
#include "llvm/Support/ErrorHandling.h"

llvm::StringRef ampc::stringify(Precision precision) {
  switch (precision) {
  case Precision::Allow:
    return "allow";
  case Precision::Deny:
    return "deny";
  case Precision::Promote:
    return "promote";
  case Precision::Follow:
    return "follow";
  }
  llvm_unreachable("all categories are named");
}

std::optional<ampc::Precision> ampc::symbolizePrecision(llvm::StringRef name) {
  for (Precision p : {Precision::Allow, Precision::Deny, Precision::Promote, Precision::Follow})
    if (stringify(p) == name)
      return p;
  return std::nullopt;
}
