//===- InternalsTest.cpp - JSON, UTF-8, processor features, dependence ----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/CpuFeatures.h"
#include "Core/Error.h"
#include "Core/JsonReader.h"
#include "Core/JsonWriter.h"
#include "Core/NonFinite.h"
#include "Core/Utf8.h"
#include "ampc-runtime/module_format.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace ampc;

TEST(Json, ReadsBackWhatItWrites) {
  JsonWriter writer;
  std::string all;
  for (int c = 0; c != 128; ++c)
    all += char(c);
  all += "\u00e4\u20ac\U0001f600";
  writer.beginObject();
  writer.member("text", all);
  writer.key("list");
  writer.beginArray();
  writer.value(int64_t(1));
  writer.value(uint64_t(18446744073709551615u));
  writer.value(0.1f);
  writer.value(std::numeric_limits<float>::infinity());
  writer.value(true);
  writer.null();
  writer.endArray();
  writer.key("empty");
  writer.beginObject();
  writer.endObject();
  writer.endObject();
  std::string text = writer.take();
  EXPECT_NE(text.find("[1,18446744073709551615,0.1,null,true,null]"), std::string::npos);
  EXPECT_NE(text.find("\"empty\":{}}"), std::string::npos);

  JsonReader reader(text);
  std::string got;
  reader.readObject([&](const std::string &key) {
    if (key == "text")
      got = reader.readString();
    else
      reader.skipValue();
  });
  reader.expectEnd();
  EXPECT_EQ(got, all);
}

TEST(Json, SkipsSoundValuesAndNoOthers) {
  auto isSound = [](const std::string &text) {
    try {
      JsonReader reader(text);
      reader.skipValue();
      reader.expectEnd();
      return true;
    } catch (const JsonError &) {
      return false;
    }
  };
  for (const char *text :
       {"0", "-0", "12", "-1.5e+10", "1E3", "0.5", "true", "false", "null",
        "\"\\u00e4\\ud83d\\ude00\"", "[]", "[1, [2], {}]", " { \"a\" : 1 } ", "\"\""})
    EXPECT_TRUE(isSound(text)) << text;
  for (const char *text :
       {"",        " ",          "01",  "1.",           ".5",          "+1",          "-",
        "1e",      "tru",        "nul", "[1,]",         "[",           "{",           "{1:2}",
        "{\"a\"}", "{\"a\":1,}", "\"",  "\"\\ud800x\"", "\"\\udc00\"", "\"\\u12g4\"", "1 2",
        "'a'",     "NaN"})
    EXPECT_FALSE(isSound(text)) << text;
  EXPECT_TRUE(isSound(std::string(60, '[') + std::string(60, ']')));
  EXPECT_FALSE(isSound(std::string(1000000, '[')));
}

TEST(Utf8, AcceptsTextAndNothingElse) {
  for (const char *text : {"", "abc", "\u00e4", "\u20ac", "\U0010ffff", "\x7f"})
    EXPECT_TRUE(isUtf8(text)) << text;
  for (const char *text :
       {"\x80", "\xc3", "\xc3(", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "\xe2\x82"})
    EXPECT_FALSE(isUtf8(text)) << text;
  for (uint32_t point : {0x24u, 0xa2u, 0x20acu, 0x10348u, 0x10ffffu}) {
    std::string text;
    appendUtf8(text, point);
    EXPECT_TRUE(isUtf8(text));
  }
}

TEST(CpuFeatures, AgreesWithTheCompiler) {
#if defined(__x86_64__)
  EXPECT_TRUE(hasCpuFeature("sse2"));
  EXPECT_EQ(hasCpuFeature("avx2"), bool(__builtin_cpu_supports("avx2")));
  EXPECT_EQ(hasCpuFeature("fma"), bool(__builtin_cpu_supports("fma")));
  EXPECT_EQ(hasCpuFeature("bmi2"), bool(__builtin_cpu_supports("bmi2")));
  EXPECT_EQ(hasCpuFeature("popcnt"), bool(__builtin_cpu_supports("popcnt")));
  EXPECT_EQ(hasCpuFeature("avx512f"), bool(__builtin_cpu_supports("avx512f")));
  EXPECT_EQ(hasCpuFeature("avx512bw"), bool(__builtin_cpu_supports("avx512bw")));
  EXPECT_EQ(hasCpuFeature("avx512bf16"), bool(__builtin_cpu_supports("avx512bf16")));
  EXPECT_EQ(cpuVendor() == "GenuineIntel", bool(__builtin_cpu_is("intel")));
  EXPECT_EQ(cpuVendor() == "AuthenticAMD", bool(__builtin_cpu_is("amd")));
  EXPECT_TRUE(missingCpuFeatures("").empty());
  EXPECT_TRUE(missingCpuFeatures("sse2").empty());
  EXPECT_EQ(missingCpuFeatures("sse2,nothing,,x"), (std::vector<std::string>{"nothing", "x"}));
#endif
}

namespace {
template <class T>
void expectNonFinite(uint32_t dtype, T one, T infinity, T negative, T nan) {
  for (uint64_t count : {1u, 4095u, 4096u, 4097u, 9000u})
    for (uint64_t at : {uint64_t(0), count / 2, count - 1}) {
      std::vector<T> values(count, one);
      EXPECT_FALSE(findNonFinite(values.data(), dtype, count));
      values[at] = negative;
      std::optional<NonFinite> found = findNonFinite(values.data(), dtype, count);
      ASSERT_TRUE(found);
      EXPECT_EQ(found->index, at);
      EXPECT_EQ(found->value, -std::numeric_limits<float>::infinity());
      EXPECT_TRUE(found->isNegativeOnly);
      values[count - 1] = nan;
      found = findNonFinite(values.data(), dtype, count);
      EXPECT_EQ(found->index, at);
      EXPECT_EQ(found->isNegativeOnly, false);
      EXPECT_EQ(std::isnan(found->value), at == count - 1);
      values[at] = infinity;
      found = findNonFinite(values.data(), dtype, count);
      EXPECT_EQ(found->index, at);
      EXPECT_EQ(found->value, std::numeric_limits<float>::infinity());
    }
}
} // namespace

TEST(NonFinite, IsFoundInEachType) {
  expectNonFinite<uint16_t>(AMPC_DTYPE_F16, 0x7bff, 0x7c00, 0xfc00, 0x7e00);
  expectNonFinite<uint16_t>(AMPC_DTYPE_BF16, 0x7f7f, 0x7f80, 0xff80, 0xffc1);
  expectNonFinite<uint32_t>(AMPC_DTYPE_F32, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7f800001);
  expectNonFinite<uint64_t>(AMPC_DTYPE_F64, 0x7fefffffffffffff, 0x7ff0000000000000,
                            0xfff0000000000000, 0xfff0000000000001);
  uint64_t ones = ~uint64_t(0);
  EXPECT_FALSE(findNonFinite(&ones, AMPC_DTYPE_I64, 1));
}

TEST(NonFinite, IsPutTogetherOfParts) {
  std::optional<NonFinite> all;
  merge(all, std::nullopt, 0);
  EXPECT_FALSE(all);
  merge(all, NonFinite{3, -1, true}, 100);
  merge(all, std::nullopt, 200);
  EXPECT_EQ(all->index, 103u);
  EXPECT_TRUE(all->isNegativeOnly);
  merge(all, NonFinite{2, 1, false}, 300);
  EXPECT_EQ(all->index, 103u);
  EXPECT_EQ(all->value, -1);
  EXPECT_FALSE(all->isNegativeOnly);
}

TEST(Error, JoinsItsParts) {
  EXPECT_EQ(concat("a ", 1, ' ' == 32 ? " b" : "", int64_t(-2), 0.1f, " ", 0.1), "a 1 b-20.1 0.1");
}
