//===- ElementType.h - The element types of arrays and tensors ------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_RUN_ELEMENTTYPE_H
#define AMPC_RUN_ELEMENTTYPE_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <dlpack/dlpack.h>

namespace ampc::run {

enum class ElementType {
  Bool,
  I8,
  I16,
  I32,
  I64,
  U8,
  U16,
  U32,
  U64,
  F16,
  BF16,
  F32,
  F64,
  // Stored and cast only: an element takes a byte, of which the low bits count.
  F8E4M3FN,
  F8E4M3FNUZ,
  F8E5M2,
  F8E5M2FNUZ,
  F8E8M0,
  F4E2M1,
  I4,
  I2,
  U4,
  U2
};

/// Bytes of one element; a bool takes one.
size_t elementSize(ElementType type);
/// numpy's name: "float32"; ONNX's where numpy has none: "bfloat16", "float8e4m3fn", "int4".
const char *elementName(ElementType type);
/// Integers that compute.
bool isInteger(ElementType type);
/// Floats that compute.
bool isFloat(ElementType type);

/// The type of the array of numpy that holds `type`: float32 of bf16 and narrower floats, int8 and
/// uint8 of narrower integers, else the type itself.
ElementType arrayType(ElementType type);
/// Widens `count` elements to `arrayType(type)`.
void widenElements(ElementType type, const void *source, void *target, size_t count);

/// The `descr` of a .npy header, such as "<f4". For types that are their own `arrayType`.
const char *npyDescr(ElementType type);
/// The type that a little-endian `descr` names; nothing for all others.
std::optional<ElementType> typeOfNpyDescr(std::string_view descr);
/// The type that a tensor of the C API has; nothing where it is none of ours.
std::optional<ElementType> typeOfTensor(DLDataType type);

/// True where arrays of type `from` may be fed to an input of type `to`: the
/// same type, floats to f32 and f64, f32 to floats that numpy lacks, and integers
/// and bool to all types.
bool isConvertible(ElementType from, ElementType to);
/// Converts `count` elements and returns `count`, or the index of the first
/// that does not fit `to`. Floats are rounded to nearest even, and fit unless a
/// finite value would become infinite or `to` has nothing of the kind; integers fit
/// where they stay the same number.
size_t convertElements(ElementType from, const void *source, ElementType to, void *target,
                       size_t count);

/// The element at `address`, widened; f64 holds every value but large integers.
double elementAsDouble(ElementType type, const void *address);
/// The element at `address` in decimal, as it would be written in Python.
std::string elementText(ElementType type, const void *address);

/// "[64, 784]"
std::string shapeText(const std::vector<int64_t> &shape);

/// Number of elements, or nothing where it is no 64-bit number or a dimension
/// is negative.
std::optional<uint64_t> elementCount(const std::vector<int64_t> &shape);

} // namespace ampc::run

#endif // AMPC_RUN_ELEMENTTYPE_H
