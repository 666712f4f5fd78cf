//===- ChecksumTest.cpp - Tests of the checkpoints' checksum --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-files/Checksum.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>

// Of xxHash's own XXH64: of "", "a", "abc" and 100 letters, the last in pieces.
TEST(Checksum, IsXxh64) {
  auto of = [](const std::string &text, size_t piece) {
    ampc::files::Checksum checksum;
    for (size_t at = 0; at < text.size(); at += piece)
      checksum.add(text.data() + at, std::min(piece, text.size() - at));
    return checksum.value();
  };
  EXPECT_EQ(of("", 1), 0xef46db3751d8e999u);
  EXPECT_EQ(of("a", 1), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(of("abc", 2), 0x44bc2cf5ad770999u);
  const std::string letters(100, 'x');
  uint64_t whole = of(letters, 100);
  EXPECT_EQ(whole, 0x92f0de5a88a3c094u);
  for (size_t piece : {1, 7, 31, 32, 33, 64})
    EXPECT_EQ(of(letters, piece), whole) << piece;
}
