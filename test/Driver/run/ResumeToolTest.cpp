//===- ResumeToolTest.cpp - Tests of runs that go on from a checkpoint ----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tool.h"

#include <csignal>
#include <filesystem>

using namespace ampc::test;

namespace {

class ResumeTool : public ToolTest {
protected:
  ResumeTool() {
    makeModule(trace);
    makeData(30); // 7 batches an epoch, two rows dropped
  }
  /// Runs, and returns what the data looked like, step by step.
  std::string run(const std::vector<std::string> &flags, int exitCode = 0) {
    std::filesystem::remove(folder.path("trace"));
    std::vector<std::string> all{"--quiet", flag("log", "log"), flag("checkpoint", "c")};
    all.insert(all.end(), flags.begin(), flags.end());
    ToolResult result = train(all);
    EXPECT_EQ(result.exitCode, exitCode) << result.error;
    return file("trace");
  }
  /// The error of a resumed run that is refused.
  std::string errorOf(const std::vector<std::string> &flags) {
    std::vector<std::string> all{flag("resume", "c")};
    all.insert(all.end(), flags.begin(), flags.end());
    ToolResult result = train(all);
    EXPECT_EQ(result.exitCode, 1);
    EXPECT_EQ(countLines(result.error), 2u) << result.error; // after a note
    return result.error.substr(result.error.find('\n') + 1);
  }

  const std::string trace = "trace " + folder.path("trace") + "\n";
};

} // namespace

// In the middle of an epoch, at its end, over several, in both orders.
TEST_F(ResumeTool, ACutRunEndsInTheBytesOfAWholeOne) {
  for (const char *order : {"--batch-order=shuffle", "--batch-order=file"})
    for (int cut : {1, 3, 7, 8, 14, 20}) {
      std::string whole = run({order, "--seed=4", "--epochs=3"});
      std::string checkpoint = file("c"), log = file("log");
      std::string steps = "--steps=" + std::to_string(cut);
      std::string cutRun = run({order, "--seed=4", steps});
      cutRun += run({flag("resume", "c"), "--epochs=3"});
      EXPECT_EQ(cutRun, whole) << order << cut;
      EXPECT_EQ(file("c"), checkpoint);
      EXPECT_EQ(file("log"), log);
    }
}

TEST_F(ResumeTool, AnInterruptedRunEndsInTheBytesOfAWholeOne) {
  std::string whole = run({"--steps=20"});
  std::string checkpoint = file("c"), log = file("log");
  makeModule(trace + "signal 11 " + std::to_string(SIGTERM) + "\n");
  std::string cutRun = run({"--steps=20"}, 143);
  makeModule(trace);
  cutRun += run({flag("resume", "c"), "--steps=20"});
  EXPECT_EQ(cutRun, whole);
  EXPECT_EQ(file("c"), checkpoint);
  EXPECT_EQ(file("log"), log);
}

TEST_F(ResumeTool, AKilledRunGoesOnFromItsLastCheckpoint) {
  run({"--steps=40"});
  std::string checkpoint = file("c"), log = file("log");
  makeModule(trace + "signal 33 " + std::to_string(SIGKILL) + "\n");
  run({"--steps=40", "--save-every=5"}, -SIGKILL);
  EXPECT_EQ(file("c").find("fake-checkpoint\n30 "), 0u);
  makeModule(trace);
  run({flag("resume", "c"), "--steps=40"});
  EXPECT_EQ(file("c"), checkpoint);
  EXPECT_EQ(file("log"), log);
}

TEST_F(ResumeTool, StepsThatTheLogHasTooManyAreReplaced) {
  run({"--steps=10"});
  std::filesystem::copy(folder.path("c"), folder.path("ten"));
  run({"--steps=25"});
  std::string log = file("log");
  run({flag("resume", "ten"), "--steps=25"});
  EXPECT_EQ(file("log"), log);
  run({flag("resume", "ten"), "--steps=25", "--lr=0.5"});
  EXPECT_NE(file("log"), log);
  EXPECT_EQ(countLines(file("log")), 25u);
}

TEST_F(ResumeTool, SavingLeavesTheRunAsItIs) {
  run({"--steps=20"});
  std::string checkpoint = file("c"), log = file("log");
  run({"--steps=20", "--save-every=1"});
  EXPECT_EQ(file("c"), checkpoint);
  EXPECT_EQ(file("log"), log);
}

TEST_F(ResumeTool, TotalsThatAreReachedTrainNothing) {
  run({"--epochs=2"});
  std::string checkpoint = file("c"), log = file("log");
  for (const char *total : {"--epochs=2", "--epochs=1", "--steps=14"}) {
    EXPECT_EQ(run({flag("resume", "c"), total}), "");
    EXPECT_EQ(file("c"), checkpoint);
    EXPECT_EQ(file("log"), log);
  }
  ToolResult result = train({flag("resume", "c")});
  EXPECT_NE(result.error.find("note: nothing to train: the checkpoint is at "
                              "step 14, after 2 epochs; --epochs and --steps "
                              "are totals"),
            std::string::npos)
      << result.error;
}

TEST_F(ResumeTool, SeedAndOrderAreTheCheckpoints) {
  run({"--seed=4", "--steps=3"});
  EXPECT_EQ(errorOf({"--seed=5"}), folder.path("c") + ": error: was trained with --seed=4, not 5; "
                                                      "leave --seed out to go on with it\n");
  EXPECT_EQ(errorOf({"--batch-order=file"}),
            folder.path("c") + ": error: was trained with --batch-order=shuffle; leave the "
                               "flag out to go on with it\n");
  EXPECT_EQ(train({flag("resume", "c"), "--seed=4", "--batch-order=shuffle"}).exitCode, 0);
}

TEST_F(ResumeTool, OtherDataAreRefusedInTheMiddleOfAnEpoch) {
  run({"--steps=3"});
  makeData(29);
  EXPECT_EQ(errorOf({}), folder.path("c") +
                             ": error: was trained on 30 rows, and the data has 29: its "
                             "place in the middle of an epoch means nothing there; resume "
                             "with the data it was trained on\n");
  makeData(30);
  run({"--epochs=1"});
  makeData(8);
  ToolResult result = train({flag("resume", "c"), "--epochs=2"});
  EXPECT_EQ(result.exitCode, 0);
  EXPECT_NE(result.error.find(" was trained on 30 rows, and the data has 8; the "
                              "run goes on with the new data\n"),
            std::string::npos)
      << result.error;
  EXPECT_NE(result.error.find("step 9  epoch 2/2"), std::string::npos) << result.error;
}

TEST_F(ResumeTool, AnotherBatchSizeGoesOnAtTheSameSample) {
  std::string whole = run({"--epochs=1"});
  std::string cutRun = run({"--steps=2"});
  makeModule(trace + "batch 5\n");
  cutRun += run({flag("resume", "c")});
  // 8 rows in batches of 4, the rest in batches of 5.
  for (char &c : cutRun)
    c = c == '\n' ? ' ' : c;
  for (char &c : whole)
    c = c == '\n' ? ' ' : c;
  EXPECT_EQ(cutRun, whole); // 28 rows both ways: 2 * 4 + 4 * 5
}

TEST_F(ResumeTool, SaysWhereARunIsNotTheSameBitForBit) {
  run({"--steps=3"});
  EXPECT_EQ(train({flag("resume", "c")}).error.find("bit for bit"), std::string::npos);
  makeModule(trace + "inexact\n");
  EXPECT_NE(train({flag("resume", "c")})
                .error.find("comes from another build, kind of device or number "
                            "of threads: the run goes on, but not bit for bit"),
            std::string::npos);
}

TEST_F(ResumeTool, ACheckpointWithoutAPlaceStartsAnEpoch) {
  folder.write("c", "fake-checkpoint\n5 0 0x1p-4 0x1p+16 0x0p+0 0x0p+0 0x0p+0 "
                    "0x0p+0\n");
  ToolResult result = train({flag("resume", "c")});
  EXPECT_EQ(result.exitCode, 0);
  EXPECT_NE(result.error.find("tells no place in the data: the run goes on at "
                              "the start of an epoch"),
            std::string::npos);
  EXPECT_NE(result.error.find("step 12  epoch 1/1"), std::string::npos) << result.error;
}

TEST_F(ResumeTool, AnEditedPlaceIsAnError) {
  run({"--steps=3"});
  const std::string good = file("c");
  const std::pair<const char *, const char *> edits[] = {
      {"data.epoch 0", "data.epoch x"},
      {"data.epoch 0", "data.epoch 4"}, // after three steps
      {"data.epoch 0", "data.epoch 18446744073709551615"},
      {"data.epoch 0", "data.epoch 18446744073709551616"},
      {"data.sample 12", "data.sample -1"},
      {"data.sample 12", "data.sample 31"},
      {"data.sample 12", "data.sample 18446744073709551615"},
      {"data.samples 30", "data.samples 30 "},
      {"data.samples 30", "data.samples  30"},
      {"data.samples 30", "data.samples 18446744073709551615"},
      {"data.seed 0", "data.seed "},
      {"data.seed 0", "data.seed -1"},
      {"data.order shuffle", "data.order random"},
      {"data.order shuffle\n", ""}};
  for (auto [from, to] : edits) {
    std::string text = good;
    text.replace(text.find(from), std::string(from).size(), to);
    folder.write("c", text);
    std::string error = errorOf({});
    EXPECT_NE(error.find("its metadata data."), std::string::npos) << to;
    std::string value = to;
    value.erase(0, value.find(' ') + 1);
    EXPECT_NE(error.find(value), std::string::npos) << error;
  }
  // The end itself is the start of the next epoch.
  std::string text = good;
  text.replace(text.find("data.sample 12"), 14, "data.sample 30");
  folder.write("c", text);
  EXPECT_EQ(train({flag("resume", "c"), "--epochs=2"}).exitCode, 0);
}

TEST_F(ResumeTool, TheLearningRateIsTheCheckpointsUnlessGiven) {
  run({"--steps=2", "--lr=0.125"});
  run({flag("resume", "c"), "--steps=3"});
  run({flag("resume", "c"), "--steps=4", "--lr=0.25"});
  run({flag("resume", "c"), "--steps=5"});
  std::string log = file("log"), rates;
  for (size_t at = 0; (at = log.find("\"lr\":", at)) != std::string::npos;) {
    at += 5;
    rates += log.substr(at, log.find('}', at) - at) + " ";
  }
  EXPECT_EQ(rates, "0.125 0.125 0.125 0.25 0.25 ");
}
