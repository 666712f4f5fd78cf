//===- TrainToolTest.cpp - Tests of ampc-run train ------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Json.h"
#include "Shuffle.h"
#include "Tool.h"

#include <csignal>
#include <filesystem>
#include <sstream>
#include <sys/stat.h>

using namespace ampc::run;
using namespace ampc::test;

namespace {

class TrainTool : public ToolTest {
protected:
  std::vector<Json> readLog() {
    std::vector<Json> steps;
    std::istringstream lines(file("log"));
    for (std::string line; std::getline(lines, line);)
      steps.push_back(parseJson(line));
    return steps;
  }
};

} // namespace

TEST_F(TrainTool, TrainsAndLogsEachStep) {
  makeModule("norm\n");
  makeData(400);
  ToolResult result =
      train({flag("log", "log"), "--epochs=5", "--lr=0.1", flag("checkpoint", "c")});
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(result.output, "");
  std::vector<Json> steps = readLog();
  ASSERT_EQ(steps.size(), 500u);
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i].at("step").get<double>(), double(i + 1));
    EXPECT_EQ(steps[i].at("lr").dump(), "0.1");
    EXPECT_EQ(steps[i].at("applied"), true);
    EXPECT_GT(steps[i].at("grad_norm").get<double>(), 0);
  }
  EXPECT_LT(steps[499].at("loss").get<double>(), steps[0].at("loss").get<double>() / 1000);
  EXPECT_EQ(folder.list(), (std::vector<std::string>{"c", "data.npz", "log", "t.so"}));
  // In a pipe, a short run has one line, the last.
  EXPECT_EQ(countLines(result.error), 1u) << result.error;
  EXPECT_EQ(result.error.find("step 500  epoch 5/5  loss "), 0u) << result.error;
  EXPECT_NE(result.error.find("  scale 65536  skipped 0  "), std::string::npos);
}

TEST_F(TrainTool, WithoutANormTheFieldIsAbsent) {
  makeModule();
  makeData(4);
  ASSERT_EQ(train({flag("log", "log")}).exitCode, 0);
  std::string line = file("log");
  EXPECT_EQ(line.find("{\"step\":1,\"loss\":"), 0u) << line;
  EXPECT_NE(line.find(",\"scale\":65536,\"applied\":true,\"lr\":0.05}\n"), std::string::npos)
      << line;
}

TEST_F(TrainTool, AnEpochIsTheDefaultAndStepsGoOverEpochs) {
  makeModule();
  makeData(10);
  ToolResult result = train({flag("log", "log")});
  EXPECT_EQ(result.exitCode, 0);
  EXPECT_EQ(readLog().size(), 2u);
  EXPECT_NE(result.error.find("ampc-run: note: 10 rows are 2 batches of 4: the "
                              "last 2 in each epoch's order make no batch and "
                              "are dropped\n"),
            std::string::npos)
      << result.error;
  EXPECT_EQ(train({flag("log", "log"), "--steps=7"}).exitCode, 0);
  EXPECT_EQ(readLog().size(), 7u); // a new run empties its log
  EXPECT_EQ(train({flag("log", "log"), "--steps=0"}).exitCode, 0);
  EXPECT_EQ(readLog().size(), 0u);
}

TEST_F(TrainTool, RowsComeInTheDocumentedOrder) {
  makeModule("trace " + folder.path("trace") + "\n");
  makeData(10);
  auto firstOfRow = [](uint64_t row) { return float(row * 7 % 11) / 8; };
  auto expected = [&](std::optional<uint64_t> seed) {
    std::ostringstream text;
    for (uint64_t epoch = 0; epoch < 2; ++epoch) {
      std::vector<uint64_t> order{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
      if (seed)
        order = shuffledOrder(10, *seed, epoch);
      for (size_t i = 0; i < 8; ++i)
        text << firstOfRow(order[i]) << (i % 4 == 3 ? "\n" : " ");
    }
    return text.str();
  };
  auto trace = [&](const std::vector<std::string> &flags) {
    std::filesystem::remove(folder.path("trace"));
    std::vector<std::string> all{"--epochs=2"};
    all.insert(all.end(), flags.begin(), flags.end());
    EXPECT_EQ(train(all).exitCode, 0);
    return file("trace");
  };
  EXPECT_EQ(trace({}), expected(0));
  EXPECT_EQ(trace({"--batch-order=shuffle", "--seed=9"}), expected(9));
  EXPECT_EQ(trace({"--batch-order=file", "--seed=9"}), expected(std::nullopt));
}

TEST_F(TrainTool, QuietIsQuiet) {
  makeModule("skip 1\n");
  makeData(8);
  ToolResult result = train({"--quiet"});
  EXPECT_EQ(result.exitCode, 0);
  EXPECT_EQ(result.output + result.error, "");
}

TEST_F(TrainTool, SkippedStepsAreCountedAndTheFirstIsNamed) {
  makeModule("skip 1 2 5\n");
  makeData(40);
  ToolResult result = train({flag("log", "log")});
  EXPECT_EQ(result.exitCode, 0);
  EXPECT_EQ(result.error.find("ampc-run: note: step 1 is skipped: the gradient of 'w' is not "
                              "finite at loss scale 65536; the scale is now 32768\n"),
            0u)
      << result.error;
  EXPECT_EQ(countLines(result.error), 2u) << result.error;
  EXPECT_NE(result.error.find("skipped 3"), std::string::npos);
  std::vector<Json> steps = readLog();
  ASSERT_EQ(steps.size(), 10u);
  EXPECT_EQ(steps[1].at("applied"), false);
  EXPECT_EQ(steps[1].at("scale").dump(), "32768");
  EXPECT_EQ(steps[2].at("applied"), true);
}

TEST_F(TrainTool, AStopIsExit3AndTheLogEndsWithIt) {
  makeModule("stop 70\n");
  makeData(800);
  folder.write("c", "an older checkpoint");
  ToolResult result = train({flag("log", "log"), flag("checkpoint", "c")});
  EXPECT_EQ(result.exitCode, 3);
  EXPECT_NE(result.error.find("ampc-run: error: the gradient of 'w' is not finite\n"),
            std::string::npos)
      << result.error;
  EXPECT_EQ(file("c"), "an older checkpoint");
  std::vector<Json> steps = readLog();
  ASSERT_EQ(steps.size(), 70u);
  EXPECT_EQ(steps[69].at("applied"), false);
}

TEST_F(TrainTool, NoCheckpointIsWrittenAfterAStop) {
  makeModule("stop 7\n");
  makeData(800);
  EXPECT_EQ(train({flag("checkpoint", "c"), "--save-every=10"}).exitCode, 3);
  EXPECT_EQ(file("c"), "");
  makeModule("stop 17\n");
  EXPECT_EQ(train({flag("checkpoint", "c"), "--save-every=10"}).exitCode, 3);
  EXPECT_EQ(file("c").find("fake-checkpoint\n10 "), 0u);
}

TEST_F(TrainTool, ARefusedBatchIsExit1AndAnInternalErrorExit70) {
  makeData(40);
  makeModule("refuse 3\n");
  ToolResult result = train({});
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.error.find("ampc-run: error: 'target': a label is out of range\n"),
            std::string::npos)
      << result.error;
  makeModule("break 3\n");
  result = train({flag("log", "log")});
  EXPECT_EQ(result.exitCode, 70);
  EXPECT_NE(result.error.find("a table contradicts itself\nampc-run: note: this "
                              "is a bug of ampc; it comes back with\n  ampc-run "
                              "'train' '"),
            std::string::npos)
      << result.error;
}

TEST_F(TrainTool, OutputsThatCannotBeWrittenEndTheRunBeforeItBegins) {
  makeModule("trace " + folder.path("trace") + "\n");
  makeData(8);
  folder.write("log", "old");
  mkdir(folder.path("folder").c_str(), 0700);
  struct Case {
    std::vector<std::string> flags;
    const char *message;
  } cases[] = {
      {{flag("checkpoint", "no/c")}, "cannot be written: folder '"},
      {{flag("checkpoint", "folder")}, "cannot be written: it is a folder"},
      {{flag("checkpoint", "t.so/c")}, "t.so' is not a folder"},
      {{flag("checkpoint", "t.so")}, "cannot be written: it is also read"},
      {{flag("checkpoint", "data.npz")}, "cannot be written: it is also read"},
      {{"--checkpoint=/dev/null"}, "it is not a regular file"},
      {{flag("log", "no/log")}, "cannot be written: folder '"},
      {{flag("log", "folder")}, "cannot be written: it is a folder"},
      {{flag("log", "t.so")}, "cannot be written: it is also read"},
  };
  for (const Case &test : cases) {
    ToolResult result = train(test.flags);
    EXPECT_EQ(result.exitCode, 1) << test.message;
    EXPECT_NE(result.error.find(test.message), std::string::npos) << result.error;
    EXPECT_EQ(countLines(result.error), 1u) << result.error;
  }
  EXPECT_EQ(file("trace"), "");
  EXPECT_EQ(train({"--log=/dev/null"}).exitCode, 0);
}

TEST_F(TrainTool, ErrorsBeforeTheFirstStepLeaveTheLogAlone) {
  makeModule();
  makeData(3);
  folder.write("log", "old");
  EXPECT_EQ(train({flag("log", "log")}).exitCode, 1);
  makeData(8);
  EXPECT_EQ(train({flag("log", "log"), "--device=cuda"}).exitCode, 1);
  EXPECT_EQ(train({flag("log", "log"), flag("resume", "none")}).exitCode, 1);
  EXPECT_EQ(train({flag("log", "log"), "--epochs=x"}).exitCode, 2);
  makeModule("evalonly\n");
  ToolResult result = train({flag("log", "log")});
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.error.find("has no training step"), std::string::npos);
  EXPECT_EQ(file("log"), "old");
}

TEST_F(TrainTool, ALearningRateThatCannotBeSetIsNotIgnored) {
  makeModule("fixedrate\n");
  makeData(8);
  EXPECT_EQ(train({"--lr=0.1"}).exitCode, 1);
  EXPECT_EQ(train({}).exitCode, 0);
}

TEST_F(TrainTool, AFullDiskUnderTheLogSavesTheState) {
  makeModule();
  makeData(400);
  ToolResult result = train({"--log=/dev/full", flag("checkpoint", "c")});
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.error.find("/dev/full: error: cannot be written: No space"), std::string::npos)
      << result.error;
  EXPECT_EQ(file("c").find("fake-checkpoint\n48 "), 0u) << file("c");
}

TEST_F(TrainTool, ACheckpointThatFailsNowAndThenDoesNotEndTheRun) {
  makeModule();
  makeData(40);
  mkdir(folder.path("c.tmp").c_str(), 0700); // where the fake writes first
  ToolResult result = train({flag("checkpoint", "c"), "--save-every=3", flag("log", "log")});
  EXPECT_EQ(result.exitCode, 1); // the last one counts
  EXPECT_EQ(readLog().size(), 10u);
  EXPECT_NE(result.error.find("note: warning: the checkpoint of step 6 was not "
                              "saved: " +
                              folder.path("c") + ": no space left; training goes on\n"),
            std::string::npos)
      << result.error;
}

TEST_F(TrainTool, ATerminalHasOneLineRedrawn) {
  makeModule("slow 2000\nskip 100\n");
  makeData(2000);
  ToolOptions onTerminal;
  onTerminal.onTerminal = true;
  ToolResult result = train({}, onTerminal);
  EXPECT_EQ(result.exitCode, 0);
  // One newline after the note, one at the end.
  EXPECT_EQ(countLines(result.error), 2u) << result.error;
  size_t redraws = 0, at = 0;
  while ((at = result.error.find("\rstep ", at)) != std::string::npos) {
    size_t end = result.error.find("\x1b[K", at);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end - at, 80u); // no wider than the terminal, with its \\r
    ++redraws;
    at = end;
  }
  EXPECT_GE(redraws, 3u);
  EXPECT_NE(result.error.find(" left"), std::string::npos);
  EXPECT_EQ(train({"--quiet"}, onTerminal).error, "");
}

TEST_F(TrainTool, SignalsEndARunInOrder) {
  makeModule("signal 5 " + std::to_string(SIGINT) + "\n");
  makeData(400);
  ToolResult result = train({flag("checkpoint", "c"), flag("log", "log")});
  EXPECT_EQ(result.exitCode, 130);
  EXPECT_NE(result.error.find("ampc-run: note: stopped by SIGINT after step 5; "
                              "--resume=" +
                              folder.path("c") + " goes on from there\n"),
            std::string::npos)
      << result.error;
  EXPECT_EQ(file("c").find("fake-checkpoint\n5 "), 0u);
  EXPECT_EQ(readLog().size(), 5u);

  makeModule("signal 6 " + std::to_string(SIGTERM) + "\n");
  result = train({});
  EXPECT_EQ(result.exitCode, 143);
  EXPECT_NE(result.error.find("stopped by SIGTERM after step 6; without "
                              "--checkpoint nothing was saved"),
            std::string::npos);
  // A signal during the last step changes nothing.
  EXPECT_EQ(train({"--steps=6"}).exitCode, 0);
}

TEST_F(TrainTool, ASecondSignalEndsARunAtOnce) {
  // The first signal comes at the start of step 1, which then takes ten
  // seconds.
  makeModule("signal 1 " + std::to_string(SIGINT) + "\nslow 10000000\n");
  makeData(400);
  ToolOptions options;
  options.signal = SIGTERM;
  options.signalAfter = 1000000;
  EXPECT_EQ(train({flag("checkpoint", "c")}, options).exitCode, -SIGTERM);
  EXPECT_EQ(file("c"), "");
}

TEST_F(TrainTool, ConvertsDataToTheTypesOfTheInputs) {
  makeModule("type f16\n");
  makeData(8);
  ToolResult result = train({});
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.error.find("data.npz: error: array 'x' has dtype float32, "
                              "but float16 is wanted\n"),
            std::string::npos)
      << result.error;
  makeModule("type f64\n");
  EXPECT_EQ(train({}).exitCode, 0);
  makeModule("type bf16\n");
  EXPECT_EQ(train({}).exitCode, 0);
}

TEST_F(TrainTool, FeedsArraysOfTheCompiledShapeUnchanged) {
  makeModule("extra mask 2 2\n");
  makeData(8);
  EXPECT_EQ(train({}).exitCode, 1);
  folder.write("m.npy", npy("<f4", "(2, 2)", bytesOf(std::vector<float>{1, 2, 3, 4})));
  EXPECT_EQ(train({"--data=mask=" + folder.path("m.npy")}).exitCode, 0);
}
