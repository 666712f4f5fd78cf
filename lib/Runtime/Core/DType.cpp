//===- DType.cpp - Element types ------------------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/DType.h"

#include "Core/Error.h"

namespace ampc {

namespace {
struct DTypeRecord {
  uint32_t dtype;
  const char *name;
  uint8_t dlpackCode;
  uint8_t bits;
};
} // namespace

// Debian's DLPack 0.6 has no name for it; the number is fixed since 0.7.
static constexpr uint8_t kDLBoolCode = 6;

// DLPack's codes for narrow floats, as it numbers them since 1.1.
static constexpr uint8_t kDLFloat8E4M3FN = 10, kDLFloat8E4M3FNUZ = 11, kDLFloat8E5M2 = 12,
                         kDLFloat8E5M2FNUZ = 13, kDLFloat8E8M0FNU = 14, kDLFloat4E2M1FN = 17;

static constexpr DTypeRecord kRecords[] = {
    {AMPC_DTYPE_F32, "f32", kDLFloat, 32},
    {AMPC_DTYPE_U8, "u8", kDLUInt, 8},
    {AMPC_DTYPE_I8, "i8", kDLInt, 8},
    {AMPC_DTYPE_I16, "i16", kDLInt, 16},
    {AMPC_DTYPE_I32, "i32", kDLInt, 32},
    {AMPC_DTYPE_I64, "i64", kDLInt, 64},
    {AMPC_DTYPE_BOOL, "bool", kDLBoolCode, 8},
    {AMPC_DTYPE_F16, "f16", kDLFloat, 16},
    {AMPC_DTYPE_F64, "f64", kDLFloat, 64},
    {AMPC_DTYPE_BF16, "bf16", kDLBfloat, 16},
    {AMPC_DTYPE_U16, "u16", kDLUInt, 16},
    {AMPC_DTYPE_U32, "u32", kDLUInt, 32},
    {AMPC_DTYPE_U64, "u64", kDLUInt, 64},
    {AMPC_DTYPE_F8E4M3FN, "f8e4m3fn", kDLFloat8E4M3FN, 8},
    {AMPC_DTYPE_F8E4M3FNUZ, "f8e4m3fnuz", kDLFloat8E4M3FNUZ, 8},
    {AMPC_DTYPE_F8E5M2, "f8e5m2", kDLFloat8E5M2, 8},
    {AMPC_DTYPE_F8E5M2FNUZ, "f8e5m2fnuz", kDLFloat8E5M2FNUZ, 8},
    {AMPC_DTYPE_F8E8M0, "f8e8m0", kDLFloat8E8M0FNU, 8},
    {AMPC_DTYPE_F4E2M1, "f4e2m1", kDLFloat4E2M1FN, 4},
    {AMPC_DTYPE_I4, "i4", kDLInt, 4},
    {AMPC_DTYPE_U4, "u4", kDLUInt, 4},
    {AMPC_DTYPE_I2, "i2", kDLInt, 2},
    {AMPC_DTYPE_U2, "u2", kDLUInt, 2},
};

static const DTypeRecord *find(uint32_t dtype) {
  for (const DTypeRecord &record : kRecords)
    if (record.dtype == dtype)
      return &record;
  return nullptr;
}

uint64_t sizeOf(uint32_t dtype) {
  const DTypeRecord *record = find(dtype);
  return record ? (record->bits + 7) / 8 : 0;
}

const char *nameOf(uint32_t dtype) {
  const DTypeRecord *record = find(dtype);
  return record ? record->name : "?";
}

bool isFloat(uint32_t dtype) {
  return dtype == AMPC_DTYPE_F32 || dtype == AMPC_DTYPE_F16 || dtype == AMPC_DTYPE_BF16 ||
         dtype == AMPC_DTYPE_F64;
}

bool isInteger(uint32_t dtype) {
  return sizeOf(dtype) && !isFloat(dtype) && dtype != AMPC_DTYPE_BOOL && !isStoredOnly(dtype);
}

bool isStoredOnly(uint32_t dtype) { return find(dtype) && dtype > AMPC_DTYPE_BF16; }

DLDataType toDLPack(uint32_t dtype) {
  const DTypeRecord *record = find(dtype);
  if (!record)
    return {kDLOpaqueHandle, 0, 1};
  return {record->dlpackCode, record->bits, 1};
}

bool matches(const DLDataType &type, uint32_t dtype) {
  if ((dtype == AMPC_DTYPE_BOOL || isStoredOnly(dtype)) && type.code == kDLUInt && type.bits == 8)
    return type.lanes == 1;
  DLDataType wanted = toDLPack(dtype);
  return type.code == wanted.code && type.bits == wanted.bits && type.lanes == wanted.lanes;
}

std::string describe(const DLDataType &type) {
  for (const DTypeRecord &record : kRecords)
    if (type.code == record.dlpackCode && type.bits == record.bits && type.lanes == 1)
      return record.name;
  return concat("DLPack type code ", type.code, ", ", type.bits, " bits, ", type.lanes, " lanes");
}

} // namespace ampc
