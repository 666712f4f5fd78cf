//===- DType.h - Element types ----------------------------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUNTIME_CORE_DTYPE_H
#define AMPC_RUNTIME_CORE_DTYPE_H

#include "ampc-runtime/module_format.h"

#include <cstdint>
#include <dlpack/dlpack.h>
#include <string>

namespace ampc {

/// Bytes of one element; 0 for a number that is no ampc_dtype_t.
uint64_t sizeOf(uint32_t dtype);
/// "f16", "i64", "bool", ...; "?" for a number that is no ampc_dtype_t.
const char *nameOf(uint32_t dtype);
/// f16, bf16, f32 or f64.
bool isFloat(uint32_t dtype);
/// A signed or unsigned integer that computes; bool is none.
bool isInteger(uint32_t dtype);
/// A type that is stored and cast only: a float of 8 or 4 bits, an integer of 4 or 2.
bool isStoredOnly(uint32_t dtype);

/// The DLPack type for `dtype`. Bool is code 6 (kDLBool of later DLPacks).
DLDataType toDLPack(uint32_t dtype);
/// Whether `type` is how DLPack says `dtype`; bool, and the bytes of types that are stored and cast
/// only, may also come as u8.
bool matches(const DLDataType &type, uint32_t dtype);
/// `type` in our words, such as "f32", or "code 5, 64 bits, 1 lane".
std::string describe(const DLDataType &type);

} // namespace ampc

#endif // AMPC_RUNTIME_CORE_DTYPE_H
