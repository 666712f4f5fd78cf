//===- NpyTest.cpp - Tests of the .npy reader -----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Npy.h"
#include "ArrayFiles.h"
#include "Error.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <limits>

using namespace ampc::run;
using namespace ampc::test;

namespace {

/// Bytes in memory as a source.
class TextSource : public ByteSource {
public:
  explicit TextSource(std::string text) : text(std::move(text)) {}
  uint64_t remaining() const override { return text.size() - at; }
  void read(void *target, size_t count) override {
    ASSERT_LE(count, remaining());
    std::memcpy(target, text.data() + at, count);
    at += count;
  }
  void finish() override {}

private:
  std::string text;
  size_t at = 0;
};

Array readAs(ElementType type, const std::string &file) {
  TextSource source(file);
  return NpyReader(source, "data.npz", "x").read(type);
}

template <typename T>
std::vector<T> valuesAs(ElementType type, const std::string &file) {
  Array array = readAs(type, file);
  std::vector<T> values(*elementCount(array.shape));
  std::memcpy(values.data(), array.data.get(), values.size() * sizeof(T));
  return values;
}

std::string errorOf(ElementType type, const std::string &file) {
  try {
    readAs(type, file);
  } catch (const Error &error) {
    EXPECT_EQ(error.subject, "data.npz");
    EXPECT_EQ(error.exitCode, ExitDiagnosed);
    return error.what();
  }
  return "no error";
}

std::string headerError(const std::string &header) {
  return errorOf(ElementType::F32, npyWithHeader(header, ""));
}

using Floats = std::vector<float>;
using Longs = std::vector<int64_t>;

} // namespace

TEST(Npy, ReadsEachVersion) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   \n";
  for (int version : {1, 2, 3})
    EXPECT_EQ(valuesAs<float>(ElementType::F32,
                              npyWithHeader(header, bytesOf(Floats{1.5f, -2}), version)),
              (Floats{1.5f, -2}));
  EXPECT_EQ(errorOf(ElementType::F32, npyWithHeader(header, "", 4)),
            "array 'x' has version 4.0 of numpy's format; 1.0, 2.0 and 3.0 can "
            "be read");
}

TEST(Npy, ReadsKeysInAnyOrderAndScalars) {
  std::string header = "{\"shape\":(), \"fortran_order\":False, \"descr\":\"<i8\"}";
  EXPECT_EQ(valuesAs<int64_t>(ElementType::I64, npyWithHeader(header, bytesOf(Longs{7}))),
            (Longs{7}));
}

TEST(Npy, TransposesFortranOrder) {
  // numpy.arange(24).reshape(2, 3, 4) is written by columns.
  Longs written, expected;
  for (int k = 0; k < 4; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i)
        written.push_back(i * 12 + j * 4 + k);
  for (int i = 0; i < 24; ++i)
    expected.push_back(i);
  EXPECT_EQ(valuesAs<int64_t>(ElementType::I64, npy("<i8", "(2, 3, 4)", bytesOf(written), true)),
            expected);
}

TEST(Npy, FortranOrderOfAnEmptyArrayIsHarmless) {
  Array array = readAs(ElementType::F32,
                       npy("<f4", "(0, 4611686018427387904, 4611686018427387904)", "", true));
  EXPECT_EQ(array.shape[0], 0);
}

TEST(Npy, RoundsDoublesToFloats) {
  double third = 1.0 / 3, nan = std::numeric_limits<double>::quiet_NaN();
  double infinity = std::numeric_limits<double>::infinity();
  Floats floats = valuesAs<float>(
      ElementType::F32,
      npy("<f8", "(4,)", bytesOf(std::vector<double>{third, -infinity, nan, 1e-60})));
  EXPECT_EQ(floats[0], 1.0f / 3);
  EXPECT_EQ(floats[1], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(floats[2]));
  EXPECT_EQ(floats[3], 0);
  EXPECT_EQ(errorOf(ElementType::F32, npy("<f8", "(2,)", bytesOf(std::vector<double>{1, 1e300}))),
            "array 'x' holds 1e+300 at index [1], which does not fit float32");
}

TEST(Npy, ConvertsIntegersThatFit) {
  EXPECT_EQ(valuesAs<int64_t>(ElementType::I64,
                              npy("|u1", "(3,)", bytesOf(std::vector<uint8_t>{0, 9, 255}))),
            (Longs{0, 9, 255}));
  EXPECT_EQ(valuesAs<float>(ElementType::F32,
                            npy("<i4", "(2,)", bytesOf(std::vector<int32_t>{-7, 1 << 24}))),
            (Floats{-7, 16777216}));
  EXPECT_EQ(valuesAs<uint8_t>(ElementType::Bool, npy("<i8", "(2,)", bytesOf(Longs{0, 1}))),
            (std::vector<uint8_t>{0, 1}));
}

TEST(Npy, NamesTheFirstIntegerThatDoesNotFit) {
  EXPECT_EQ(errorOf(ElementType::I8, npy("<i8", "(2, 2)", bytesOf(Longs{1, -128, 128, 500}))),
            "array 'x' holds 128 at index [1, 0], which does not fit int8");
  // Column-major: the third element in the file is [0, 1].
  EXPECT_EQ(errorOf(ElementType::I8, npy("<i8", "(2, 2)", bytesOf(Longs{1, -128, 128, 500}), true)),
            "array 'x' holds 128 at index [0, 1], which does not fit int8");
  EXPECT_EQ(errorOf(ElementType::U64, npy("<i8", "(1,)", bytesOf(Longs{-1}))),
            "array 'x' holds -1 at index [0], which does not fit uint64");
  EXPECT_EQ(errorOf(ElementType::I64, npy("<u8", "(1,)", bytesOf(std::vector<uint64_t>{~0ull}))),
            "array 'x' holds 18446744073709551615 at index [0], which does not "
            "fit int64");
  EXPECT_EQ(errorOf(ElementType::F32, npy("<i8", "(1,)", bytesOf(Longs{16777217}))),
            "array 'x' holds 16777217 at index [0], which does not fit float32");
  EXPECT_EQ(errorOf(ElementType::F64,
                    npy("<i8", "(1,)", bytesOf(Longs{std::numeric_limits<int64_t>::max()}))),
            "array 'x' holds 9223372036854775807 at index [0], which does not "
            "fit float64");
  EXPECT_EQ(errorOf(ElementType::Bool, npy("<i8", "(1,)", bytesOf(Longs{2}))),
            "array 'x' holds 2 at index [0], which does not fit bool");
}

TEST(Npy, RoundsFloatsToBfloat16OnlyThere) {
  Floats floats{1.0f, 1.00390625f /* a tie, to even */, 1.01171875f,
                std::numeric_limits<float>::infinity()};
  EXPECT_EQ(valuesAs<uint16_t>(ElementType::BF16, npy("<f4", "(4,)", bytesOf(floats))),
            (std::vector<uint16_t>{0x3f80, 0x3f80, 0x3f82, 0x7f80}));
  EXPECT_EQ(errorOf(ElementType::BF16,
                    npy("<f4", "(1,)", bytesOf(Floats{std::numeric_limits<float>::max()}))),
            "array 'x' holds 3.4028235e+38 at index [0], which does not fit "
            "bfloat16");
}

TEST(Npy, RoundsFloatsToNarrowOnes) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  auto bits = [](ElementType type, const Floats &floats) {
    std::string shape = "(" + std::to_string(floats.size()) + ",)";
    return valuesAs<uint8_t>(type, npy("<f4", shape.c_str(), bytesOf(floats)));
  };
  using Bytes = std::vector<uint8_t>;
  // 464 lies between 448 and what would be 480, to even; half of the least value is a tie to 0.
  EXPECT_EQ(bits(ElementType::F8E4M3FN, {1, -0.0f, 464, -464, 0x1p-9f, 0x1p-10f, nan}),
            (Bytes{0x38, 0x80, 0x7e, 0xfe, 0x01, 0, 0x7f}));
  EXPECT_EQ(bits(ElementType::F8E4M3FNUZ, {1, -0.0f, 240, -0x1p-11f, nan}),
            (Bytes{0x40, 0, 0x7f, 0, 0x80}));
  EXPECT_EQ(bits(ElementType::F8E5M2, {1, 57344, -infinity, nan}), (Bytes{0x3c, 0x7b, 0xfc, 0x7e}));
  EXPECT_EQ(bits(ElementType::F8E5M2FNUZ, {1, -57344}), (Bytes{0x40, 0xff}));
  EXPECT_EQ(bits(ElementType::F8E8M0, {1, 1.4f, 1.5f, 0x1p-127f, 0x1p127f, nan}),
            (Bytes{127, 127, 128, 0, 254, 255}));
  EXPECT_EQ(bits(ElementType::F4E2M1, {0.25f, 0.75f, -6, -0.0f}), (Bytes{0, 2, 0xf, 8}));
  const std::pair<ElementType, float> none[] = {
      {ElementType::F8E4M3FN, 465},      {ElementType::F8E4M3FN, infinity},
      {ElementType::F8E5M2, 65504},      {ElementType::F8E4M3FNUZ, infinity},
      {ElementType::F8E8M0, 0},          {ElementType::F8E8M0, -1},
      {ElementType::F8E8M0, 0x1.8p127f}, {ElementType::F8E8M0, infinity},
      {ElementType::F4E2M1, 7.5f},       {ElementType::F4E2M1, nan}};
  for (auto [type, value] : none)
    EXPECT_NE(errorOf(type, npy("<f4", "(1,)", bytesOf(Floats{value}))).find("does not fit"),
              std::string::npos)
        << elementName(type) << " " << value;
}

TEST(Npy, TakesIntegersThatNarrowTypesHold) {
  EXPECT_EQ(valuesAs<uint8_t>(ElementType::I4, npy("<i8", "(3,)", bytesOf(Longs{-8, -1, 7}))),
            (std::vector<uint8_t>{8, 15, 7}));
  EXPECT_EQ(valuesAs<uint8_t>(ElementType::U2, npy("<i8", "(2,)", bytesOf(Longs{0, 3}))),
            (std::vector<uint8_t>{0, 3}));
  EXPECT_EQ(valuesAs<uint8_t>(ElementType::F8E4M3FN, npy("<i8", "(2,)", bytesOf(Longs{-3, 448}))),
            (std::vector<uint8_t>{0xc4, 0x7e}));
  const std::pair<ElementType, int64_t> none[] = {
      {ElementType::I4, 8},        {ElementType::I4, -9},    {ElementType::U4, 16},
      {ElementType::U4, -1},       {ElementType::I2, 2},     {ElementType::U2, 256},
      {ElementType::F8E4M3FN, 17}, {ElementType::F8E8M0, 3}, {ElementType::F4E2M1, 5}};
  for (auto [type, value] : none)
    EXPECT_EQ(errorOf(type, npy("<i8", "(1,)", bytesOf(Longs{value}))),
              "array 'x' holds " + std::to_string(value) + " at index [0], which does not fit " +
                  elementName(type));
}

TEST(Npy, NarrowTypesWidenToTheirArrays) {
  const uint8_t bytes[] = {0xf8, 0x07, 0x83}; // bits above four do not count
  int8_t integers[3];
  EXPECT_EQ(arrayType(ElementType::I4), ElementType::I8);
  widenElements(ElementType::I4, bytes, integers, 3);
  EXPECT_EQ(std::vector<int8_t>(integers, integers + 3), (std::vector<int8_t>{-8, 7, 3}));
  EXPECT_EQ(arrayType(ElementType::U2), ElementType::U8);
  float floats[3];
  EXPECT_EQ(arrayType(ElementType::F8E5M2), ElementType::F32);
  widenElements(ElementType::F8E5M2, bytes, floats, 3);
  EXPECT_EQ(Floats(floats, floats + 3), (Floats{-32768, 7 * 0x1p-16f, -3 * 0x1p-16f}));
}

TEST(Npy, WidensFloats) {
  // 1, -2.5, the largest, the smallest, -infinity
  std::vector<uint16_t> halves{0x3c00, 0xc100, 0x7bff, 0x0001, 0xfc00};
  const float infinity = std::numeric_limits<float>::infinity();
  std::string file = npy("<f2", "(5,)", bytesOf(halves));
  EXPECT_EQ(valuesAs<float>(ElementType::F32, file),
            (Floats{1, -2.5f, 65504, 0x1p-24f, -infinity}));
  EXPECT_EQ(valuesAs<double>(ElementType::F64, file),
            (std::vector<double>{1, -2.5, 65504, 0x1p-24, -infinity}));
  EXPECT_EQ(valuesAs<double>(ElementType::F64, npy("<f4", "(2,)", bytesOf(Floats{0.1f, -3}))),
            (std::vector<double>{double(0.1f), -3}));
}

TEST(Npy, TakesBoolsAsNumbers) {
  std::string file = npy("|b1", "(3,)", {"\0\1\1", 3});
  EXPECT_EQ(valuesAs<float>(ElementType::F32, file), (Floats{0, 1, 1}));
  EXPECT_EQ(valuesAs<int64_t>(ElementType::I64, file), (Longs{0, 1, 1}));
  EXPECT_EQ(valuesAs<uint16_t>(ElementType::F16, file), (std::vector<uint16_t>{0, 0x3c00, 0x3c00}));
  EXPECT_EQ(errorOf(ElementType::F32, npy("|b1", "(2,)", {"\1\2", 2})),
            "array 'x' holds 2 at index [1], which does not fit float32 (a byte "
            "other than 0 and 1)");
}

TEST(Npy, TakesIntegersThatLowTypesHold) {
  EXPECT_EQ(
      valuesAs<uint16_t>(ElementType::F16,
                         npy("<i4", "(4,)", bytesOf(std::vector<int32_t>{0, -3, 2048, 65504}))),
      (std::vector<uint16_t>{0, 0xc200, 0x6800, 0x7bff}));
  EXPECT_EQ(valuesAs<uint16_t>(ElementType::BF16,
                               npy("<i4", "(3,)", bytesOf(std::vector<int32_t>{0, -3, 1 << 30}))),
            (std::vector<uint16_t>{0, 0xc040, 0x4e80}));
  for (int64_t value : {2049, 65505, 65536, -2051})
    EXPECT_EQ(errorOf(ElementType::F16, npy("<i8", "(1,)", bytesOf(Longs{value}))),
              "array 'x' holds " + std::to_string(value) +
                  " at index [0], which does not fit float16");
  EXPECT_EQ(errorOf(ElementType::BF16, npy("<i8", "(1,)", bytesOf(Longs{257}))),
            "array 'x' holds 257 at index [0], which does not fit bfloat16");
}

TEST(Npy, RefusesOtherConversions) {
  struct Case {
    const char *descr;
    ElementType type;
    const char *message;
  } cases[] = {
      {"<f4", ElementType::I64, "has dtype float32, but int64 is wanted"},
      {"<f4", ElementType::F16, "has dtype float32, but float16 is wanted"},
      {"<f8", ElementType::BF16,
       "has dtype float64, but bfloat16, read from "
       "float32, is wanted"},
      {"<f8", ElementType::F4E2M1,
       "has dtype float64, but float4e2m1, read from float32, is wanted"},
      {"<f4", ElementType::I4, "has dtype float32, but int4 is wanted"},
      {"<f2", ElementType::I32, "has dtype float16, but int32 is wanted"},
      {"<f2", ElementType::Bool, "has dtype float16, but bool is wanted"},
  };
  for (const Case &test : cases) {
    size_t bytes = elementSize(*typeOfNpyDescr(test.descr));
    EXPECT_EQ(errorOf(test.type, npy(test.descr, "(1,)", std::string(bytes, '\0'))),
              std::string("array 'x' ") + test.message);
  }
}

TEST(Npy, RefusesBytesThatAreNoBool) {
  EXPECT_EQ(errorOf(ElementType::Bool, npy("|b1", "(3,)", {"\0\1\2", 3})),
            "array 'x' holds 2 at index [2], which does not fit bool (a byte "
            "other than 0 and 1)");
}

TEST(Npy, RefusesOtherTypesByName) {
  struct Case {
    const char *descr, *message;
  } cases[] = {
      {"|O", "'|O', Python objects; unpickling them would run code"},
      {">f4", "'>f4', big-endian; convert it with array.astype('<f4')"},
      {"<U5", "'<U5'; only bool, integers and float16 to float64 can be read"},
      {"<c8", "'<c8'; only bool, integers and float16 to float64 can be read"},
      {"<M8[ns]", "'<M8[ns]'; only bool, integers and float16 to float64 can be read"},
      {"", "''; only bool, integers and float16 to float64 can be read"},
      {"<V1", "'<V1'; only bool, integers and float16 to float64 can be read; save bfloat16 and "
              "narrower floats as float32, narrower integers as int8 or uint8"},
  };
  for (const Case &test : cases)
    EXPECT_EQ(errorOf(ElementType::F32, npy(test.descr, "(1,)", "12345678")),
              std::string("array 'x' has dtype ") + test.message);
  EXPECT_EQ(headerError("{'descr': [('a', '<f4')], 'fortran_order': False, "
                        "'shape': (1,), }"),
            "array 'x' is an array of records; save each field as an array of "
            "its own");
}

TEST(Npy, RefusesHeadersThatNumpyDoesNotWrite) {
  const char *headers[] = {
      "    ",
      "{   ",
      "{}  ",
      "[]  ",
      "{'descr': '<f4', 'fortran_order': False}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}",
      "{'descr': '<f4' 'fortran_order': False, 'shape': ()}",
      "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
      "{'descr': '<f4', 'fortran_order':False,'shape':(99999999999999999999,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os')}",
      "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': ()}",
      "{'descr': '<f4', 'fortran_order: False, 'shape': ()}",
  };
  for (const char *header : headers)
    EXPECT_EQ(headerError(header),
              std::string("array 'x' has a header that numpy does not write: '") + header + "'");
  std::string deep = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (int i = 0; i < 33; ++i)
    deep += "1,";
  EXPECT_NE(headerError(deep + ")}").find("does not write"), std::string::npos);
  EXPECT_EQ(headerError(std::string(70000, ' ')).substr(0, 30),
            std::string("array 'x' ").substr(0, 30) + "has a header that nu");
}

TEST(Npy, ShapesMustMatchTheData) {
  EXPECT_EQ(errorOf(ElementType::F32, npy("<f4", "(2,)", "1234567")),
            "array 'x' has shape [2] of float32, which does not match its 7 "
            "bytes of data");
  EXPECT_EQ(errorOf(ElementType::F32, npy("<f4", "(2,)", "123456789")),
            "array 'x' has shape [2] of float32, which does not match its 9 "
            "bytes of data");
  // 2^62 * 4 elements of 4 bytes are 0 bytes where nobody looks.
  EXPECT_EQ(errorOf(ElementType::F32, npy("<f4", "(4611686018427387904, 4)", "")),
            "array 'x' has shape [4611686018427387904, 4] of float32, which does not "
            "match its 0 bytes of data");
}

TEST(Npy, EveryTruncationIsAnError) {
  std::string whole = npy("<f4", "(2,)", "12345678");
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_NE(errorOf(ElementType::F32, whole.substr(0, length)), "no error") << length;
}

TEST(Npy, HeaderIsWhatNumpyWrites) {
  std::string header = formatNpyHeader(ElementType::F32, {3});
  EXPECT_EQ(header, npyWithHeader("{'descr': '<f4', 'fortran_order': False, 'shape': "
                                  "(3,), }" +
                                      std::string(60, ' ') + "\n",
                                  ""));
  EXPECT_EQ(header.size() % 64, 0u);
  EXPECT_NE(formatNpyHeader(ElementType::Bool, {})
                .find("'|b1', "
                      "'fortran_order': "
                      "False, 'shape': ()"),
            std::string::npos);
}

TEST(Npy, HalfFloatsPrintTheirValue) {
  uint16_t values[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x7c00, 0x0400};
  double expected[] = {1,
                       -2,
                       std::ldexp(1, -24),
                       65504,
                       -0.0,
                       std::numeric_limits<double>::infinity(),
                       std::ldexp(1, -14)};
  for (size_t i = 0; i < 7; ++i)
    EXPECT_EQ(elementAsDouble(ElementType::F16, &values[i]), expected[i]);
}

TEST(InputFile, CutWhileItIsReadIsAnError) {
  TemporaryFolder folder;
  std::string path = folder.write("x.npy", std::string(100, 'x'));
  InputFile file(path);
  std::filesystem::resize_file(path, 40);
  char bytes[100];
  file.readAt(10, bytes, 30);
  try {
    file.readAt(10, bytes, 90);
    FAIL() << "no error";
  } catch (const Error &error) {
    EXPECT_EQ(error.subject, path);
    EXPECT_STREQ(error.what(), "became shorter while it was read");
  }
}
