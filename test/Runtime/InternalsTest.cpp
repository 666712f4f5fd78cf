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
#include "Core/Utf8.h"

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

TEST(Error, JoinsItsParts) {
  EXPECT_EQ(concat("a ", 1, ' ' == 32 ? " b" : "", int64_t(-2), 0.1f, " ", 0.1), "a 1 b-20.1 0.1");
}
