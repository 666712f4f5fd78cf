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

enum class ElementType { Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64 };

/// Bytes of one element; a bool takes one.
size_t elementSize(ElementType type);
/// numpy's name: "float32". numpy has none for bf16, which is "bfloat16".
const char *elementName(ElementType type);
bool isInteger(ElementType type);
bool isFloat(ElementType type);

/// The `descr` of a .npy header, such as "<f4". Not for bf16.
const char *npyDescr(ElementType type);
/// The type that a little-endian `descr` names; nothing for all others.
std::optional<ElementType> typeOfNpyDescr(std::string_view descr);
/// The type that a tensor of the C API has; nothing where it is none of ours.
std::optional<ElementType> typeOfTensor(DLDataType type);

/// True where arrays of type `from` may be fed to an input of type `to`: the
/// same type, floats to f32 and f64, f32 to bf16 (which numpy lacks), and
/// integers and bool to all types.
bool isConvertible(ElementType from, ElementType to);
/// Converts `count` elements and returns `count`, or the index of the first
/// that does not fit `to`. Floats are rounded to nearest even, and fit unless a
/// finite value would become infinite; integers fit where they stay the same
/// number.
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
