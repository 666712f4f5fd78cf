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
