//===- ElementType.cpp - The element types of arrays and tensors ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ElementType.h"

#include "ampc-numbers/CheckedMath.h"
#include "ampc-numbers/NarrowFloat.h"
#include "ampc-numbers/SmallFloat.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

using namespace ampc::numbers;
using namespace ampc::run;

namespace {

struct TypeRow {
  ElementType type;
  uint8_t size;
  const char *name;
  const char *descr;
};

// In the order of the enumeration.
constexpr TypeRow typeRows[] = {
    {ElementType::Bool, 1, "bool", "|b1"},
    {ElementType::I8, 1, "int8", "|i1"},
    {ElementType::I16, 2, "int16", "<i2"},
    {ElementType::I32, 4, "int32", "<i4"},
    {ElementType::I64, 8, "int64", "<i8"},
    {ElementType::U8, 1, "uint8", "|u1"},
    {ElementType::U16, 2, "uint16", "<u2"},
    {ElementType::U32, 4, "uint32", "<u4"},
    {ElementType::U64, 8, "uint64", "<u8"},
    {ElementType::F16, 2, "float16", "<f2"},
    {ElementType::BF16, 2, "bfloat16", nullptr},
    {ElementType::F32, 4, "float32", "<f4"},
    {ElementType::F64, 8, "float64", "<f8"},
    {ElementType::F8E4M3FN, 1, "float8e4m3fn", nullptr},
    {ElementType::F8E4M3FNUZ, 1, "float8e4m3fnuz", nullptr},
    {ElementType::F8E5M2, 1, "float8e5m2", nullptr},
    {ElementType::F8E5M2FNUZ, 1, "float8e5m2fnuz", nullptr},
    {ElementType::F8E8M0, 1, "float8e8m0", nullptr},
    {ElementType::F4E2M1, 1, "float4e2m1", nullptr},
    {ElementType::I4, 1, "int4", nullptr},
    {ElementType::I2, 1, "int2", nullptr},
    {ElementType::U4, 1, "uint4", nullptr},
    {ElementType::U2, 1, "uint2", nullptr},
};

const TypeRow &row(ElementType type) { return typeRows[static_cast<size_t>(type)]; }

template <typename T>
T load(const void *address) {
  T value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

/// The format of a float of 8 or 4 bits; null for other types.
const NarrowFormat *narrowFormat(ElementType type) {
  constexpr const NarrowFormat *formats[] = {&kF8E4M3FN,   &kF8E4M3FNUZ, &kF8E5M2,
                                             &kF8E5M2FNUZ, &kF8E8M0,     &kF4E2M1};
  bool isNarrow = type >= ElementType::F8E4M3FN && type <= ElementType::F4E2M1;
  return isNarrow ? formats[size_t(type) - size_t(ElementType::F8E4M3FN)] : nullptr;
}

/// Bits of an integer of 4 or 2; 0 for other types.
int narrowBits(ElementType type) {
  if (type == ElementType::I4 || type == ElementType::U4)
    return 4;
  return type == ElementType::I2 || type == ElementType::U2 ? 2 : 0;
}

bool isNarrowSigned(ElementType type) { return type == ElementType::I4 || type == ElementType::I2; }

/// The number in the low bits of a byte.
int narrowInteger(ElementType type, uint8_t byte) {
  int bits = narrowBits(type), value = byte & ((1 << bits) - 1);
  return isNarrowSigned(type) && value >> (bits - 1) ? value - (1 << bits) : value;
}

/// An f16 or bf16 of the same value as an integer in `value`, where there is one.
bool f16OfInteger(float value, uint16_t &result) {
  result = f32ToF16(value);
  return f16ToF32(result) == value;
}

bool bf16OfInteger(float value, uint16_t &result) {
  result = f32ToBF16(value);
  return bf16ToF32(result) == value;
}

/// Calls `f` with a value of the C++ type that stands for integer type `type`.
template <typename F>
auto withInteger(ElementType type, F f) {
  switch (type) {
  case ElementType::I8:
    return f(int8_t());
  case ElementType::I16:
    return f(int16_t());
  case ElementType::I32:
    return f(int32_t());
  case ElementType::U8:
    return f(uint8_t());
  case ElementType::U16:
    return f(uint16_t());
  case ElementType::U32:
    return f(uint32_t());
  case ElementType::U64:
    return f(uint64_t());
  default:
    return f(int64_t());
  }
}

/// True where the integer `value` is a number of type T; it is then in
/// `result`.
template <typename T, typename S>
bool convertInteger(S value, T &result) {
  if constexpr (std::is_floating_point_v<T>) {
    result = static_cast<T>(value);
    // The largest values round up to a power of two that S does not hold.
    return result < std::ldexp(T(1), std::numeric_limits<S>::digits) &&
           static_cast<S>(result) == value;
  } else {
    result = static_cast<T>(value);
    return static_cast<S>(result) == value && (result < T(0)) == (value < S(0));
  }
}

/// Runs `convert(S, T &) -> bool` over the elements.
template <typename S, typename T, typename F>
size_t convertAll(const void *source, void *target, size_t count, F convert) {
  auto *from = static_cast<const char *>(source);
  auto *to = static_cast<char *>(target);
  for (size_t i = 0; i < count; ++i) {
    T result;
    if (!convert(load<S>(from + i * sizeof(S)), result))
      return i;
    std::memcpy(to + i * sizeof(T), &result, sizeof(T));
  }
  return count;
}

template <typename S>
size_t convertIntegers(const void *source, ElementType to, void *target, size_t count) {
  switch (to) {
  case ElementType::Bool:
    return convertAll<S, uint8_t>(source, target, count, [](S value, uint8_t &result) {
      result = value != 0;
      return value == S(0) || value == S(1);
    });
  case ElementType::F16:
  case ElementType::BF16:
    return convertAll<S, uint16_t>(source, target, count, [to](S value, uint16_t &result) {
      float wide;
      return convertInteger(value, wide) &&
             (to == ElementType::F16 ? f16OfInteger(wide, result) : bf16OfInteger(wide, result));
    });
  case ElementType::F8E4M3FN:
  case ElementType::F8E4M3FNUZ:
  case ElementType::F8E5M2:
  case ElementType::F8E5M2FNUZ:
  case ElementType::F8E8M0:
  case ElementType::F4E2M1:
    return convertAll<S, uint8_t>(source, target, count, [to](S value, uint8_t &result) {
      float wide;
      return convertInteger(value, wide) && f32ToNarrow(*narrowFormat(to), wide, result) &&
             narrowToF32(*narrowFormat(to), result) == wide;
    });
  case ElementType::I4:
  case ElementType::I2:
  case ElementType::U4:
  case ElementType::U2:
    return convertAll<S, uint8_t>(source, target, count, [to](S value, uint8_t &result) {
      int8_t number;
      result = uint8_t(value) & ((1 << narrowBits(to)) - 1);
      return convertInteger(value, number) && narrowInteger(to, result) == number;
    });
  case ElementType::F32:
    return convertAll<S, float>(source, target, count, convertInteger<float, S>);
  case ElementType::F64:
    return convertAll<S, double>(source, target, count, convertInteger<double, S>);
  default:
    return withInteger(to, [&](auto t) {
      using T = decltype(t);
      return convertAll<S, T>(source, target, count, convertInteger<T, S>);
    });
  }
}

template <typename T>
std::string decimal(T value) {
  char text[64];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return std::string(text, end);
}

} // namespace

size_t ampc::run::elementSize(ElementType type) { return row(type).size; }
const char *ampc::run::elementName(ElementType type) { return row(type).name; }
const char *ampc::run::npyDescr(ElementType type) { return row(type).descr; }

bool ampc::run::isInteger(ElementType type) {
  return type >= ElementType::I8 && type <= ElementType::U64;
}

bool ampc::run::isFloat(ElementType type) {
  return type >= ElementType::F16 && type <= ElementType::F64;
}

ElementType ampc::run::arrayType(ElementType type) {
  if (type == ElementType::BF16 || narrowFormat(type))
    return ElementType::F32;
  if (narrowBits(type))
    return isNarrowSigned(type) ? ElementType::I8 : ElementType::U8;
  return type;
}

void ampc::run::widenElements(ElementType type, const void *source, void *target, size_t count) {
  auto *from = static_cast<const char *>(source);
  auto *to = static_cast<char *>(target);
  for (size_t i = 0; i < count; ++i) {
    const void *element = from + i * elementSize(type);
    if (arrayType(type) == ElementType::F32) {
      auto wide = static_cast<float>(elementAsDouble(type, element));
      std::memcpy(to + i * sizeof(wide), &wide, sizeof wide);
    } else {
      to[i] = static_cast<char>(narrowInteger(type, load<uint8_t>(element)));
    }
  }
}

std::optional<ElementType> ampc::run::typeOfNpyDescr(std::string_view descr) {
  for (const TypeRow &row : typeRows) {
    if (!row.descr || descr.size() != 3 || descr.substr(1) != row.descr + 1)
      continue;
    // Order is moot for one byte, and some writers say '<' there.
    if (descr[0] == row.descr[0] || (row.size == 1 && descr[0] == '<'))
      return row.type;
  }
  return std::nullopt;
}

std::optional<ElementType> ampc::run::typeOfTensor(DLDataType type) {
  constexpr uint8_t dlBool = 6; // kDLBool, which DLPack before 0.8 lacks
  if (type.lanes != 1)
    return std::nullopt;
  auto pick = [&](ElementType b8, ElementType b16, ElementType b32,
                  ElementType b64) -> std::optional<ElementType> {
    switch (type.bits) {
    case 8:
      return b8;
    case 16:
      return b16;
    case 32:
      return b32;
    case 64:
      return b64;
    default:
      return std::nullopt;
    }
  };
  // The codes of narrow floats, which DLPack has since 1.1.
  constexpr std::pair<uint8_t, ElementType> narrowCodes[] = {
      {10, ElementType::F8E4M3FN},   {11, ElementType::F8E4M3FNUZ}, {12, ElementType::F8E5M2},
      {13, ElementType::F8E5M2FNUZ}, {14, ElementType::F8E8M0},     {17, ElementType::F4E2M1}};
  for (auto [code, narrow] : narrowCodes)
    if (type.code == code)
      return narrow;
  if (type.code == kDLInt || type.code == kDLUInt) {
    bool isSigned = type.code == kDLInt;
    if (type.bits == 4)
      return isSigned ? ElementType::I4 : ElementType::U4;
    if (type.bits == 2)
      return isSigned ? ElementType::I2 : ElementType::U2;
  }
  switch (type.code) {
  case kDLInt:
    return pick(ElementType::I8, ElementType::I16, ElementType::I32, ElementType::I64);
  case kDLUInt:
    if (type.bits == 1)
      return ElementType::Bool;
    return pick(ElementType::U8, ElementType::U16, ElementType::U32, ElementType::U64);
  case kDLFloat:
    if (type.bits == 8)
      return std::nullopt;
    return pick(ElementType::F16, ElementType::F16, ElementType::F32, ElementType::F64);
  case kDLBfloat:
    if (type.bits != 16)
      return std::nullopt;
    return ElementType::BF16;
  case dlBool:
    if (type.bits != 8)
      return std::nullopt;
    return ElementType::Bool;
  default:
    return std::nullopt;
  }
}

bool ampc::run::isConvertible(ElementType from, ElementType to) {
  if (from == to || !isFloat(from)) // an integer has to fit, which elements tell
    return true;
  switch (to) {
  case ElementType::F64:
  case ElementType::F32:
    return true;
  default: // which arrays of numpy do not have
    return arrayType(to) == ElementType::F32 && from == ElementType::F32;
  }
}

size_t ampc::run::convertElements(ElementType from, const void *source, ElementType to,
                                  void *target, size_t count) {
  // A byte other than 0 and 1 is no bool: generated code may rely on that.
  if (from == ElementType::Bool) {
    auto *bytes = static_cast<const uint8_t *>(source);
    size_t good = std::find_if(bytes, bytes + count, [](uint8_t byte) { return byte > 1; }) - bytes;
    return convertIntegers<uint8_t>(source, to, target, good);
  }
  if (from == to) {
    std::memcpy(target, source, count * elementSize(from));
    return count;
  }
  auto widen = [&](auto stored) {
    using S = decltype(stored);
    auto wide = [&](S value) { return elementAsDouble(from, &value); };
    if (to == ElementType::F64)
      return convertAll<S, double>(source, target, count, [&](S value, double &result) {
        result = wide(value);
        return true;
      });
    return convertAll<S, float>(source, target, count, [&](S value, float &result) {
      result = static_cast<float>(wide(value));
      return true;
    });
  };
  if (from == ElementType::F16 || from == ElementType::BF16)
    return widen(uint16_t());
  if (from == ElementType::F32 && to == ElementType::F64)
    return widen(float());
  if (from == ElementType::F64)
    return convertAll<double, float>(source, target, count, [](double value, float &result) {
      result = static_cast<float>(value);
      return std::isfinite(result) || !std::isfinite(value);
    });
  if (const NarrowFormat *format = narrowFormat(to); format && from == ElementType::F32)
    return convertAll<float, uint8_t>(
        source, target, count,
        [format](float value, uint8_t &result) { return f32ToNarrow(*format, value, result); });
  if (from == ElementType::F32)
    return convertAll<float, uint16_t>(source, target, count, [](float value, uint16_t &result) {
      result = f32ToBF16(value);
      bool infinite = (result & 0x7fff) == 0x7f80;
      return !infinite || std::isinf(value);
    });
  return withInteger(
      from, [&](auto s) { return convertIntegers<decltype(s)>(source, to, target, count); });
}

double ampc::run::elementAsDouble(ElementType type, const void *address) {
  if (const NarrowFormat *format = narrowFormat(type))
    return narrowToF32(*format, load<uint8_t>(address));
  if (narrowBits(type))
    return narrowInteger(type, load<uint8_t>(address));
  switch (type) {
  case ElementType::Bool:
    return load<uint8_t>(address);
  case ElementType::F16:
    return f16ToF32(load<uint16_t>(address));
  case ElementType::BF16:
    return bf16ToF32(load<uint16_t>(address));
  case ElementType::F32:
    return load<float>(address);
  case ElementType::F64:
    return load<double>(address);
  default:
    return withInteger(type,
                       [&](auto s) { return static_cast<double>(load<decltype(s)>(address)); });
  }
}

std::string ampc::run::elementText(ElementType type, const void *address) {
  if (type == ElementType::F64)
    return decimal(load<double>(address));
  if (isFloat(type) || narrowFormat(type) || narrowBits(type))
    return decimal(static_cast<float>(elementAsDouble(type, address)));
  if (type == ElementType::Bool)
    return decimal(static_cast<int>(load<uint8_t>(address)));
  return withInteger(type, [&](auto s) { return decimal(load<decltype(s)>(address)); });
}

std::string ampc::run::shapeText(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (int64_t dim : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(dim);
  return text + "]";
}

std::optional<uint64_t> ampc::run::elementCount(const std::vector<int64_t> &shape) {
  std::optional<uint64_t> count = 1;
  for (int64_t dim : shape) {
    if (dim < 0)
      return std::nullopt;
    count = checkedMul(*count, static_cast<uint64_t>(dim));
    if (!count)
      return std::nullopt;
  }
  return count;
}
