//===- PtxMatrixTest.cpp - Tensor cores and what feeds them ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// How lanes hold matrices is taken from the PTX ISA, 9.7.14.5.8 (mma.m16n8k16) and 9.7.14.5.15
// (ldmatrix), whatever the interpreter does.
//
//===----------------------------------------------------------------------===//

#include "PtxTestSupport.h"

using namespace ampc::ptx;

namespace {

/// A small whole number in bf16: its upper bits in f32.
u16 bf16(int x) {
  float f = float(x);
  u32 bits;
  std::memcpy(&bits, &f, 4);
  return u16(bits >> 16);
}

int a(unsigned row, unsigned k) { return int((3 * row + 5 * k) % 11) - 4; }
int b(unsigned k, unsigned column) { return int((7 * k + 2 * column) % 13) - 5; }
int c(unsigned row, unsigned column) { return int(row) - 3 * int(column); }

/// 16 by 8 numbers, as lanes hold them in four registers each: those of `c` plus the product.
TEST(PtxMatrix, Product) {
  TestRun test(".reg .b32 %a<4>; .reg .b32 %b<2>; .reg .b32 %c<4>;\n"
               "ld.global.v4.b32 {%a0, %a1, %a2, %a3}, [%rd1];\n"
               "ld.global.v2.b32 {%b0, %b1}, [%rd1+16];\n"
               "ld.global.v4.b32 {%c0, %c1, %c2, %c3}, [%rd1+32];\n"
               "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%c0, %c1, %c2, %c3}, "
               "{%a0, %a1, %a2, %a3}, {%b0, %b1}, {%c0, %c1, %c2, %c3};\n"
               "st.global.v4.b32 [%rd1+32], {%c0, %c1, %c2, %c3};",
               32);
  for (unsigned lane = 0; lane != 32; ++lane) {
    unsigned group = lane / 4, in = lane % 4;
    for (unsigned i = 0; i != 8; ++i) { // a0 to a7
      unsigned row = group + ((i < 2 || (i >= 4 && i < 6)) ? 0 : 8);
      unsigned k = in * 2 + (i & 1) + (i >= 4 ? 8 : 0);
      test.put(64 * lane + 2 * i, bf16(a(row, k)));
    }
    for (unsigned i = 0; i != 4; ++i) // b0 to b3
      test.put(64 * lane + 16 + 2 * i, bf16(b(in * 2 + (i & 1) + (i >= 2 ? 8 : 0), group)));
    for (unsigned i = 0; i != 4; ++i)
      test.put(64 * lane + 32 + 4 * i, float(c(group + (i < 2 ? 0 : 8), in * 2 + (i & 1))));
  }
  ASSERT_EQ(test.run(), "");
  for (unsigned lane = 0; lane != 32; ++lane)
    for (unsigned i = 0; i != 4; ++i) {
      unsigned row = lane / 4 + (i < 2 ? 0 : 8), column = lane % 4 * 2 + (i & 1);
      int sum = c(row, column);
      for (unsigned k = 0; k != 16; ++k)
        sum += a(row, k) * b(k, column);
      EXPECT_EQ(test.get<float>(64 * lane + 32 + 4 * i), float(sum)) << lane << " " << i;
    }
}

TEST(PtxMatrix, ProductIsOfAWholeWarp) {
  TestRun test(".reg .b32 %a<4>;\nmov.b32 %a0, 0;\n"
               "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%a0, %a1, %a2, %a3}, "
               "{%a0, %a0, %a0, %a0}, {%a0, %a0}, {%a0, %a0, %a0, %a0};",
               16);
  EXPECT_NE(test.run().find("is for all lanes of a warp"), std::string::npos);
  test.text = kernelText(".reg .b32 %a<4>;\nmma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 "
                         "{%a0, %a1, %a2, %a3}, {%a0, %a1}, {%a0}, {%a0, %a1, %a2, %a3};");
  EXPECT_NE(test.run().find("is not supported"), std::string::npos);
}

constexpr const char *kShared = ".shared .align 16 .b8 tile[512];\n";

/// The registers of each lane after `load`, where the 16-bit element at byte 2 n of the tile is n.
std::vector<u32> loadMatrices(const std::string &load) {
  TestRun test(std::string(kShared) +
                   "mul.lo.s32 %r3, %r0, 16; mov.u64 %rd2, tile; cvt.u64.u32 %rd3, %r3;\n"
                   "add.s64 %rd2, %rd2, %rd3;\n"
                   "shl.b32 %r4, %r0, 3; add.s32 %r5, %r4, 1; shl.b32 %r5, %r5, 16;\n"
                   "or.b32 %r5, %r5, %r4; add.s32 %r6, %r5, 0x20002; add.s32 %r7, %r6, 0x20002;\n"
                   "add.s32 %r8, %r7, 0x20002; st.shared.v4.b32 [%rd2], {%r5, %r6, %r7, %r8};\n"
                   "bar.sync 0;\nmov.b32 %r10, 0; mov.b32 %r11, 0;\n"
                   "mov.b32 %r12, 0; mov.b32 %r13, 0;\n" +
                   load + "\nst.global.v4.b32 [%rd1], {%r10, %r11, %r12, %r13};",
               32);
  EXPECT_EQ(test.run(), "");
  std::vector<u32> all;
  for (unsigned lane = 0; lane != 32; ++lane)
    for (unsigned i = 0; i != 4; ++i)
      all.push_back(test.get<u32>(64 * lane + 4 * i));
  return all;
}

TEST(PtxMatrix, Loads) {
  // Lane l has row l % 8 of matrix l / 8, so element [y][x] of matrix m is 64 m + 8 y + x.
  std::vector<u32> four =
      loadMatrices("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10, %r11, %r12, %r13}, [%rd2];");
  std::vector<u32> turned = loadMatrices(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r10, %r11, %r12, %r13}, [%rd2];");
  for (unsigned lane = 0; lane != 32; ++lane)
    for (unsigned m = 0; m != 4; ++m) {
      unsigned y = lane / 4, x = lane % 4 * 2;
      unsigned low = 64 * m + 8 * y + x;
      EXPECT_EQ(four[4 * lane + m], (low + 1) << 16 | low);
      low = 64 * m + 8 * x + y;
      EXPECT_EQ(turned[4 * lane + m], (low + 8) << 16 | low);
    }
  std::vector<u32> two =
      loadMatrices("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r10, %r11}, [%rd2];");
  EXPECT_EQ(two[4 * 31 + 1], four[4 * 31 + 1]);
  EXPECT_EQ(two[4 * 31 + 2], 0u);
}

/// What thread 0 reads back from shared memory after `copy`.
std::vector<u32> copyBytes(const std::string &copy) {
  TestRun test(std::string(kShared) + "mov.u64 %rd2, tile;\n" + copy +
                   "\nld.shared.v4.b32 {%r10, %r11, %r12, %r13}, [%rd2];\n"
                   "st.global.v4.b32 [%rd1+16], {%r10, %r11, %r12, %r13};",
               1);
  for (u32 i = 0; i != 4; ++i)
    test.put(4 * i, 100 + i);
  EXPECT_EQ(test.run(), "");
  return {test.get<u32>(16), test.get<u32>(20), test.get<u32>(24), test.get<u32>(28)};
}

TEST(PtxMatrix, CopiesAreThereOnceWaitedFor) {
  const std::string copy = "cp.async.cg.shared.global [%rd2], [%rd1], 16;";
  EXPECT_EQ(copyBytes(copy + "cp.async.commit_group; cp.async.wait_group 0;"),
            (std::vector<u32>{100, 101, 102, 103}));
  EXPECT_EQ(copyBytes(copy + "cp.async.wait_all;"), (std::vector<u32>{100, 101, 102, 103}));
  const std::vector<u32> nothing(4, ~u32(0));
  EXPECT_EQ(copyBytes(copy), nothing);
  // Not committed; and one group may still be under way.
  EXPECT_EQ(copyBytes(copy + "cp.async.wait_group 0;"), nothing);
  EXPECT_EQ(copyBytes(copy + "cp.async.commit_group; cp.async.wait_group 1;"), nothing);
  EXPECT_EQ(copyBytes(copy + "cp.async.commit_group; cp.async.commit_group;"
                             "cp.async.wait_group 1;"),
            (std::vector<u32>{100, 101, 102, 103}));
}

TEST(PtxMatrix, CopiesFillUpWithZeros) {
  EXPECT_EQ(copyBytes("mov.b32 %r3, 8; cp.async.cg.shared.global [%rd2], [%rd1], 16, %r3;"
                      "cp.async.wait_all;"),
            (std::vector<u32>{100, 101, 0, 0}));
  // What is not read need not be there.
  EXPECT_EQ(copyBytes("mov.b32 %r3, 0; mov.b64 %rd5, 0;"
                      "cp.async.cg.shared.global [%rd2], [%rd5], 16, %r3; cp.async.wait_all;"),
            (std::vector<u32>{0, 0, 0, 0}));
}

TEST(PtxMatrix, CopiesAreChecked) {
  TestRun test(std::string(kShared) + "mov.u64 %rd2, tile;\n"
                                      "cp.async.cg.shared.global [%rd2+8], [%rd1], 16;");
  EXPECT_NE(test.run().find("is not a multiple of 16"), std::string::npos);
  TestRun beyond(std::string(kShared) + "mov.u64 %rd2, tile;\n"
                                        "cp.async.cg.shared.global [%rd2], [%rd1+64], 16;");
  EXPECT_NE(beyond.run().find("behind the allocation of 64 bytes"), std::string::npos);
}

} // namespace
