//===- StoredTypes.cpp - Types that are stored and cast only --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/StoredTypes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace ampc {
using Kind = StoredType::Kind;
using Special = StoredType::Special;

static constexpr StoredType kStoredTypes[] = {
    {"float8e4m3fn", 17, 19, Kind::Float, 8, 3, 7, Special::AllOnes},
    {"float8e4m3fnuz", 18, 19, Kind::Float, 8, 3, 8, Special::NegativeZero},
    {"float8e5m2", 19, 19, Kind::Float, 8, 2, 15, Special::Ieee},
    {"float8e5m2fnuz", 20, 19, Kind::Float, 8, 2, 16, Special::NegativeZero},
    {"uint4", 21, 21, Kind::Unsigned, 4},
    {"int4", 22, 21, Kind::Signed, 4},
    {"float4e2m1", 23, 23, Kind::Float, 4, 1, 1, Special::None},
    {"float8e8m0", 24, 24, Kind::Exponent, 8},
    {"uint2", 25, 25, Kind::Unsigned, 2},
    {"int2", 26, 25, Kind::Signed, 2},
};

Type StoredType::get(MLIRContext *context) const {
  switch (number) {
  case 17:
    return Float8E4M3FNType::get(context);
  case 18:
    return Float8E4M3FNUZType::get(context);
  case 19:
    return Float8E5M2Type::get(context);
  case 20:
    return Float8E5M2FNUZType::get(context);
  case 23:
    return Float4E2M1FNType::get(context);
  case 24:
    return Float8E8M0FNUType::get(context);
  default:
    return IntegerType::get(context, width,
                            kind == Kind::Signed ? IntegerType::Signless : IntegerType::Unsigned);
  }
}

ArrayRef<StoredType> getStoredTypes() { return kStoredTypes; }

const StoredType *findStoredType(Type type) {
  Type element = getElementTypeOrSelf(type);
  // Most types of tensors are none: the width tells.
  if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() > 8 || element.isInteger(8) ||
      element.isInteger(1))
    return nullptr;
  for (const StoredType &stored : kStoredTypes)
    if (stored.get(type.getContext()) == element)
      return &stored;
  return nullptr;
}

const StoredType *findStoredType(StringRef name) {
  for (const StoredType &stored : kStoredTypes)
    if (stored.name == name)
      return &stored;
  return nullptr;
}

const StoredType *findStoredType(int32_t number) {
  for (const StoredType &stored : kStoredTypes)
    if (stored.number == number)
      return &stored;
  return nullptr;
}
} // namespace ampc
