//===- PtxInterpreterTest.cpp - Threads, memory, and what is refused ------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PtxTestSupport.h"

using namespace ampc::ptx;

namespace {

/// Each thread's word.
std::vector<u32> words(const TestRun &test) {
  std::vector<u32> all;
  for (u32 t = 0; t != test.threads * test.blocks; ++t)
    all.push_back(test.get<u32>(64 * t));
  return all;
}

void expectError(TestRun test, const std::vector<std::string> &parts) {
  const std::string error = test.run();
  for (const std::string &part : parts)
    EXPECT_NE(error.find(part), std::string::npos) << part << " in:\n" << error;
}

} // namespace

TEST(PtxInterpreter, ThreadsKnowTheirPlace) {
  TestRun test("mov.u32 %r3, %laneid; mov.u32 %r4, %nctaid.x; mad.lo.s32 %r3, %r4, 1000, %r3;"
               "mad.lo.s32 %r3, %r1, 100, %r3; st.global.b32 [%rd1], %r3;",
               40, 2);
  ASSERT_EQ(test.run(), "");
  EXPECT_EQ(test.get<u32>(64 * 33), 2001u);
  EXPECT_EQ(test.get<u32>(64 * (40 + 5)), 2105u);
}

TEST(PtxInterpreter, PathsPartAndJoin) {
  // Each thread goes round as often as its number; the odd ones then double.
  TestRun test("mov.b32 %r3, 0; mov.b32 %r4, 0;\n"
               "LOOP: setp.ge.u32 %p1, %r4, %r0; @%p1 bra DONE;\n"
               "add.s32 %r3, %r3, %r4; add.s32 %r4, %r4, 1; bra.uni LOOP;\n"
               "DONE: and.b32 %r5, %r0, 1; setp.eq.b32 %p2, %r5, 1;\n"
               "@!%p2 bra EVEN; shl.b32 %r3, %r3, 1;\n"
               "EVEN: @%p2 add.s32 %r3, %r3, 1; st.global.b32 [%rd1], %r3;",
               70);
  ASSERT_EQ(test.run(), "");
  std::vector<u32> got = words(test);
  for (u32 t = 0; t != 70; ++t)
    EXPECT_EQ(got[t], t % 2 ? t * (t - 1) + 1 : t * (t - 1) / 2) << t;
}

TEST(PtxInterpreter, BarriersOrderSharedMemory) {
  TestRun test(".shared .align 4 .b8 s[512]; mov.b64 %rd2, s; mul.wide.u32 %rd3, %r0, 4;\n"
               "add.s64 %rd4, %rd2, %rd3; st.shared.b32 [%rd4], %r0; bar.sync 0;\n"
               "xor.b32 %r3, %r0, 127; mul.wide.u32 %rd3, %r3, 4; add.s64 %rd5, %rd2, %rd3;\n"
               "ld.shared.b32 %r4, [%rd5]; st.global.b32 [%rd1], %r4;",
               128);
  ASSERT_EQ(test.run(), "");
  for (u32 t = 0; t != 128; ++t)
    EXPECT_EQ(test.get<u32>(64 * t), t ^ 127);
}

TEST(PtxInterpreter, Shuffles) {
  auto run = [](const std::string &line, u32 threads = 64) {
    TestRun test(
        "mov.b32 %r3, 99; mov.pred %p1, 0;" + line +
            "selp.b32 %r4, 1000, 0, %p1; add.s32 %r3, %r3, %r4; st.global.b32 [%rd1], %r3;",
        threads);
    EXPECT_EQ(test.run(), "");
    return words(test);
  };
  EXPECT_EQ(run("shfl.sync.bfly.b32 %r3, %r0, 5, 31, -1;")[40], 45u);
  EXPECT_EQ(run("shfl.sync.bfly.b32 %r3|%p1, %r0, 5, 31, -1;")[40], 1045u);
  std::vector<u32> down = run("shfl.sync.down.b32 %r3|%p1, %r0, 3, 31, -1;");
  EXPECT_EQ(down[10], 1013u);
  EXPECT_EQ(down[30], 30u); // no lane 33
  std::vector<u32> up = run("shfl.sync.up.b32 %r3|%p1, %r0, 3, 0, -1;");
  EXPECT_EQ(up[2], 2u);
  EXPECT_EQ(up[35], 1032u);
  // In segments of 8 lanes.
  EXPECT_EQ(run("shfl.sync.idx.b32 %r3, %r0, 2, 0x181f, -1;")[21], 18u);
  // The last warp is not full.
  EXPECT_EQ(run("shfl.sync.bfly.b32 %r3, %r0, 1, 31, -1;", 34)[33], 32u);
}

TEST(PtxInterpreter, ShufflesWaitForTheirLanes) {
  // Odd lanes come by another path, later; both must meet.
  TestRun test("and.b32 %r5, %r0, 1; setp.eq.b32 %p1, %r5, 1; mov.b32 %r6, %r0;\n"
               "@%p1 bra ODD;\nSHUFFLE: shfl.sync.bfly.b32 %r3, %r6, 1, 31, -1;\n"
               "st.global.b32 [%rd1], %r3; ret;\nODD: add.s32 %r6, %r6, 100; bra SHUFFLE;",
               32);
  ASSERT_EQ(test.run(), "");
  EXPECT_EQ(test.get<u32>(0), 101u);
  EXPECT_EQ(test.get<u32>(64), 0u);
}

TEST(PtxInterpreter, Votes) {
  TestRun test("setp.lt.u32 %p1, %r0, 5; vote.sync.ballot.b32 %r3, %p1, -1;\n"
               "vote.sync.any.pred %p2, %p1, -1; vote.sync.all.pred %p3, %p1, -1;\n"
               "selp.b32 %r4, 1000, 0, %p2; add.s32 %r3, %r3, %r4; selp.b32 %r4, 5000, 0, %p3;\n"
               "add.s32 %r3, %r3, %r4; st.global.b32 [%rd1], %r3;",
               64);
  ASSERT_EQ(test.run(), "");
  EXPECT_EQ(test.get<u32>(64), 1031u);
  EXPECT_EQ(test.get<u32>(64 * 40), 0u);
}

TEST(PtxInterpreter, VectorsInMemory) {
  TestRun test("ld.global.nc.v4.b32 {%r4, %r5, %r6, %r7}, [%rd1]; add.s32 %r4, %r4, %r7;\n"
               "st.global.v2.b32 [%rd1+16], {%r4, %r6}; ld.global.v2.b8 {%h1, %h2}, [%rd1+6];\n"
               "st.global.v2.b16 [%rd1+24], {%h1, %h2}; ld.global.s8 %r8, [%rd1+7];\n"
               "st.global.b32 [%rd1+28], %r8; st.global.b8 [%rd1+32], 200;");
  test.put<u32>(0, 10).put<u32>(4, 0x80070000).put<u32>(8, 30).put<u32>(12, 40);
  ASSERT_EQ(test.run(), "");
  EXPECT_EQ(test.get<u32>(16), 50u);
  EXPECT_EQ(test.get<u32>(20), 30u);
  EXPECT_EQ(test.get<u32>(24), 0x00800007u);
  EXPECT_EQ(test.get<u32>(28), 0xffffff80u);
  EXPECT_EQ(test.get<uint8_t>(32), 200);
}

TEST(PtxInterpreter, LocalAndGenericMemory) {
  TestRun test(".local .align 8 .b8 depot[16]; mov.b64 %rd5, depot; cvta.local.u64 %rd6, %rd5;\n"
               "st.local.b32 [%rd5+4], %r0; ld.b32 %r4, [%rd6+4]; st.b32 [%rd1], %r4;",
               64);
  ASSERT_EQ(test.run(), "");
  EXPECT_EQ(test.get<u32>(64 * 50), 50u);
}

TEST(PtxInterpreter, CallsAndConstants) {
  TestRun test("mov.b64 %rd2, table; and.b32 %r3, %r0, 3; mul.wide.u32 %rd3, %r3, 4;\n"
               "add.s64 %rd2, %rd2, %rd3; ld.global.nc.b32 %r4, [%rd2];\n"
               "{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r4; st.param.b32 [b], %r0;\n"
               "call.uni (b), f, (a, b); ld.param.b32 %r5, [b]; }\n"
               "st.global.b32 [%rd1], %r5;",
               8, 1,
               ".global .align 4 .b8 table[16] = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 255, 1};\n"
               ".func (.param .b32 result) f(.param .b32 x, .param .b32 y)\n"
               "{ .reg .b32 %r<4>; .reg .pred %p; ld.param.b32 %r1, [x]; ld.param.b32 %r2, [y];\n"
               "setp.gt.u32 %p, %r2, 5; @%p bra L; add.s32 %r1, %r1, %r2;\n"
               "st.param.b32 [result], %r1; ret;\nL: st.param.b32 [result], 77; ret; }\n");
  ASSERT_EQ(test.run(), "");
  EXPECT_EQ(words(test), (std::vector<u32>{1, 3, 5, 514, 5, 7, 77, 77}));
}

TEST(PtxInterpreter, Atomics) {
  TestRun test("atom.global.add.u32 %r3, [%rd0+4], 2; red.global.max.s32 [%rd0+8], %r0;\n"
               "red.global.add.f32 [%rd0+12], 0f3F000000; "
               "atom.global.cas.b32 %r4, [%rd0+16], 0, 7;",
               64, 2);
  ASSERT_EQ(test.run(), "");
  EXPECT_EQ(test.get<u32>(4), 256u);
  EXPECT_EQ(test.get<u32>(8), 127u);
  EXPECT_EQ(test.get<float>(12), 64.0f);
  EXPECT_EQ(test.get<u32>(16), 7u);
}

// The last block adds up what all of them wrote; the counter is 0 again for the next launch.
static const char *const kLastBlock =
    "st.global.b32 [%rd1+16], %r0; FENCE atom.global.inc.u32 %r3, [%rd0], 3; FENCE\n"
    "setp.ne.u32 %p1, %r3, 3; @%p1 bra L;\n"
    "ld.global.b32 %r4, [%rd0+80]; ld.global.b32 %r5, [%rd0+208]; add.s32 %r4, %r4, %r5;\n"
    "st.global.b32 [%rd0+32], %r4;\nL: ret;";

static std::string withFences(const std::string &before, const std::string &after) {
  std::string text = kLastBlock;
  text.replace(text.find("FENCE"), 5, before);
  return text.replace(text.find("FENCE"), 5, after);
}

TEST(PtxInterpreter, TheLastBlockSeesWhatOthersReleased) {
  const std::string fence = "fence.acq_rel.gpu;";
  TestRun test(withFences(fence, fence), 1, 4);
  ASSERT_EQ(test.run(), "");
  EXPECT_EQ(test.get<u32>(0), 0u);
  EXPECT_EQ(test.get<u32>(32), 1u + 3u);
}

//===----------------------------------------------------------------------===//
// What is found
//===----------------------------------------------------------------------===//

TEST(PtxErrors, WhatIsNotKnownIsRefused) {
  expectError(TestRun("\nwmma.load.a.sync.foo %r1, [%rd1];"),
              {"line 12: `wmma.load.a.sync.foo", "the instruction 'wmma.load.a.sync.foo' is not"});
  expectError(TestRun("add.u8 %h1, %h1, %h2;"), {"'add.u8' is not supported"});
  expectError(TestRun("add.s32 %r1, %r1, %h2;"), {"'%h2' has 16 bits"});
  expectError(TestRun("add.s32 %r1, %r1, %x2;"), {"'%x2' is not known"});
  expectError(TestRun("add.s32 %r1, %r1;"), {"it has 3 operands"});
  expectError(TestRun("bra NOWHERE;"), {"there is no label 'NOWHERE'"});
  expectError(TestRun("bar.sync 1, 64;"), {"a barrier other than the whole block's"});
  expectError(TestRun("ld.tensor.b32 %r1, [%rd1];"), {"'ld.tensor.b32' is not supported"});
  expectError(TestRun("add.s32 %r1, %r1, 1"), {"expected ';'"});
}

TEST(PtxErrors, AccessesOutsideOfAllocations) {
  expectError(TestRun("st.global.b32 [%rd1+2048], %r0;", 32),
              {"kernel k, line 11, `st.global.b32 [%rd1+2048], %r0`, thread (0, 0, 0) of block "
               "(0, 0, 0): writes 4 bytes at 0x1000000000000800, 0 bytes behind the allocation of "
               "2048 bytes at 0x1000000000000000"});
  expectError(TestRun("ld.global.v4.b32 {%r1, %r2, %r3, %r4}, [%rd1+64];", 32),
              {"thread (31, 0, 0)", "reads 16 bytes"});
  expectError(TestRun("ld.global.b32 %r1, [%rd1+-64];", 32), {"where nothing is allocated"});
  expectError(TestRun("ld.global.b32 %r1, [64];", 32), {"where nothing is allocated"});
  expectError(TestRun("st.global.b32 [t], %r1;", 1, 1, ".const .align 4 .b8 t[4] = {1};\n"),
              {"which is constant"});
}

TEST(PtxErrors, MisalignedAccesses) {
  expectError(TestRun("ld.global.b32 %r1, [%rd1+2];"), {"which is not a multiple of 4"});
  expectError(TestRun("ld.global.v2.b32 {%r1, %r2}, [%rd1+4];"), {"which is not a multiple of 8"});
}

TEST(PtxErrors, SharedMemoryHasBounds) {
  expectError(TestRun(".shared .align 4 .b8 s[64]; mov.b64 %rd2, s; mul.wide.u32 %rd3, %r0, 4;\n"
                      "add.s64 %rd2, %rd2, %rd3; ld.shared.b32 %r1, [%rd2];",
                      32),
              {"thread (16, 0, 0)", "reads 4 bytes at 0x40, and the block has 64 bytes"});
  expectError(TestRun(".local .align 4 .b8 s[8]; mov.b64 %rd2, s; st.local.b32 [%rd2+8], 0;"),
              {"a thread has 8 bytes of local memory"});
}

TEST(PtxErrors, RacesOnSharedMemory) {
  const std::string head =
      ".shared .align 4 .b8 s[256]; mov.b64 %rd2, s; mul.wide.u32 %rd3, %r0, 4;\n"
      "add.s64 %rd2, %rd2, %rd3; st.shared.b32 [%rd2], %r0;\n";
  expectError(TestRun(head + "xor.b32 %r3, %r0, 1; mul.wide.u32 %rd3, %r3, 4; mov.b64 %rd2, s;\n"
                             "add.s64 %rd2, %rd2, %rd3; ld.shared.b32 %r1, [%rd2];",
                      64),
              {"reads 4 bytes", "which thread (1, 0, 0) wrote with no barrier between"});
  expectError(TestRun(".shared .align 4 .b8 s[4]; st.shared.b32 [s], %r0;", 64),
              {"thread (1, 0, 0)", "writes 4 bytes at 0x0, which thread (0, 0, 0) wrote"});
  expectError(TestRun(".shared .align 4 .b8 s[4]; ld.shared.b32 %r3, [s];\n"
                      "setp.eq.b32 %p1, %r0, 9; @%p1 st.shared.b32 [s], %r0;",
                      64),
              {"thread (9, 0, 0)", "which other threads read with no barrier between"});
  // A word and a part of it.
  for (auto [first, second] : {std::pair("st.shared.b32 [s+4], %r0;", "ld.shared.b8 %h1, [s+6];"),
                               {"st.shared.b16 [s+6], %h1;", "ld.shared.b32 %r3, [s+4];"},
                               {"ld.shared.b8 %h1, [s+5];", "st.shared.v2.b32 [s], {%r0, %r0};"}})
    expectError(TestRun(std::string(".shared .align 8 .b8 s[8]; setp.eq.u32 %p1, %r0, 0;\n@%p1 ") +
                            first + "\nsetp.eq.u32 %p1, %r0, 1; @%p1 " + second,
                        2),
                {"thread (1, 0, 0)", "thread (0, 0, 0)", "with no barrier between"});
  // Bytes of one word may have two owners.
  EXPECT_EQ(TestRun(".shared .align 4 .b8 s[64]; cvt.u64.u32 %rd3, %r0; mov.b64 %rd2, s;\n"
                    "add.s64 %rd2, %rd2, %rd3; st.shared.b8 [%rd2], %h1; "
                    "ld.shared.b8 %h1, [%rd2]; st.shared.b8 [%rd2], %h1;",
                    64)
                .run(),
            "");
}

TEST(PtxErrors, RacesOfBlocksOnGlobalMemory) {
  expectError(TestRun("st.global.b32 [%rd0], %r0;", 1, 4),
              {"block (1, 0, 0)", "which block (0, 0, 0) wrote in this launch"});
  expectError(TestRun("ld.global.b32 %r3, [%rd0]; st.global.b32 [%rd1], %r3;", 1, 4),
              {"block (1, 0, 0)", "reads 4 bytes", "which block (0, 0, 0) wrote in this launch"});
}

TEST(PtxErrors, RacesThatLackAFence) {
  for (auto [before, after] : {std::pair("", "fence.acq_rel.gpu;"),
                               {"fence.acq_rel.gpu;", ""},
                               {"fence.acq_rel.cta;", "fence.acq_rel.gpu;"},
                               {"", ""}})
    expectError(TestRun(withFences(before, after), 1, 4),
                {"block (3, 0, 0)", "reads 4 bytes", "which block (1, 0, 0) wrote"});
}

TEST(PtxErrors, BarriersThatAreMissed) {
  expectError(TestRun("setp.lt.u32 %p1, %r0, 5; @%p1 bra L; bar.sync 0;\nL: ret;", 64),
              {"thread (5, 0, 0)", "waits at a barrier that thread (0, 0, 0) ended without"});
  expectError(TestRun("setp.lt.u32 %p1, %r0, 5; @%p1 bra L; bar.sync 0; bra M;\n"
                      "L: bar.sync 0;\nM: ret;",
                      64),
              {"waits at this barrier, and", "at that of line"});
  expectError(TestRun("setp.lt.u32 %p1, %r0, 5; @%p1 bra L;\n"
                      "shfl.sync.bfly.b32 %r3, %r0, 1, 31, -1;\nL: ret;",
                      32),
              {"thread", "waits for lanes of its mask that do not come"});
  expectError(TestRun("setp.lt.u32 %p1, %r0, 5; @%p1 bra L;\n"
                      "shfl.sync.down.b32 %r3, %r0, 1, 31, 0xffffffe0; bra M;\n"
                      "L: shfl.sync.idx.b32 %r3, %r0, 9, 31, 31;\nM: ret;",
                      32),
              {"reads lane 9, which takes no part"});
  expectError(TestRun("trap;"), {"the kernel gives up"});
}
