//===- ValidationToolTest.cpp - Tests of evaluations and plots in a run ---===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Json.h"
#include "Tool.h"

#include <csignal>
#include <filesystem>
#include <sstream>
#include <sys/stat.h>

using namespace ampc::run;
using namespace ampc::test;

namespace {

class ValidationTool : public ToolTest {
protected:
  ValidationTool() {
    makeModule();
    makeData(10); // two batches and two rows
    std::filesystem::rename(folder.path("data.npz"), folder.path("eval.npz"));
    makeData(30); // 7 batches an epoch
  }
  ToolResult run(const std::vector<std::string> &flags, int exitCode = 0) {
    std::vector<std::string> all{"--quiet",
                                 flag("log", "log"),
                                 flag("plot", "p.svg"),
                                 flag("checkpoint", "c.safetensors"),
                                 flag("eval-data", "eval.npz"),
                                 "--keep-best"};
    all.insert(all.end(), flags.begin(), flags.end());
    ToolResult result = train(all);
    EXPECT_EQ(result.exitCode, exitCode) << result.error;
    return result;
  }
  /// The log's lines that tell of evaluations, or all others.
  std::string lines(bool evaluations) {
    std::istringstream all(file("log"));
    std::string text;
    for (std::string line; std::getline(all, line);)
      if ((line.find("eval_loss") != std::string::npos) == evaluations)
        text += line + "\n";
    return text;
  }
  std::vector<Json> evaluations() {
    std::istringstream all(lines(true));
    std::vector<Json> result;
    for (std::string line; std::getline(all, line);)
      result.push_back(parseJson(line));
    return result;
  }
  std::map<std::string, std::string> files() {
    std::map<std::string, std::string> all;
    for (const char *name : {"log", "p.svg", "c.safetensors", "c.best.safetensors"})
      all[name] = file(name);
    return all;
  }
};

} // namespace

TEST_F(ValidationTool, EvaluatesAfterEveryEpochOrEverySoManySteps) {
  run({"--epochs=3"});
  std::vector<Json> found = evaluations();
  ASSERT_EQ(found.size(), 3u);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(found[i].at("step"), 7 * (i + 1));
  std::string steps = lines(false);
  run({"--epochs=3", "--eval-every=4"});
  found = evaluations();
  ASSERT_EQ(found.size(), 5u);
  for (size_t i = 0; i < 5; ++i)
    EXPECT_EQ(found[i].at("step"), 4 * (i + 1));
  // Training does not notice.
  EXPECT_EQ(lines(false), steps);
  ASSERT_EQ(train({"--quiet", flag("log", "log"), "--epochs=3"}).exitCode, 0);
  EXPECT_EQ(file("log"), steps);
}

TEST_F(ValidationTool, TheLossIsThatOfEval) {
  run({"--epochs=2"});
  ToolResult result = runTool({"eval", folder.path("t.so"), flag("data", "eval.npz"),
                               flag("checkpoint", "c.safetensors"), "--quiet"});
  std::ostringstream wanted;
  wanted << "loss      " << evaluations()[1].at("eval_loss").get<double>() << " (mean of 2 batches";
  EXPECT_NE(result.output.find(wanted.str()), std::string::npos) << result.output << wanted.str();
  EXPECT_FALSE(evaluations()[1].contains("eval_accuracy"));

  makeModule("classes 3\n");
  makeData(8, true, true);
  ASSERT_EQ(train({"--quiet", flag("log", "log"), flag("eval-data", "data.npz")}).exitCode, 0);
  EXPECT_GE(evaluations()[0].at("eval_accuracy").get<double>(), 0);
}

TEST_F(ValidationTool, KeepsTheBestBesideTheLast) {
  // A step of a rate that is too large makes the loss worse each time.
  run({"--lr=0.1", "--eval-every=1", "--steps=5"});
  std::filesystem::copy(folder.path("c.safetensors"), folder.path("good"));
  std::string best = file("c.best.safetensors");
  EXPECT_EQ(best.find("fake-checkpoint\n"), 0u);
  run({flag("resume", "c.safetensors"), "--lr=5", "--eval-every=1", "--steps=9"});
  EXPECT_EQ(file("c.best.safetensors"), best);
  std::vector<Json> found = evaluations();
  ASSERT_EQ(found.size(), 9u);
  size_t least = 0;
  for (size_t i = 0; i < found.size(); ++i)
    if (found[i].at("eval_loss") < found[least].at("eval_loss"))
      least = i;
  EXPECT_EQ(best.find("fake-checkpoint\n" + std::to_string(least + 1) + " "), 0u) << best;
  // From where it is good, it goes on to be better.
  run({flag("resume", "good"), "--lr=0.1", "--eval-every=1", "--steps=60"});
  EXPECT_NE(file("c.best.safetensors"), best);
}

TEST_F(ValidationTool, ACutRunEndsInTheBytesOfAWholeOne) {
  for (const char *every : {"--eval-every=3", "--eval-every=1", "--seed=0"}) {
    const std::vector<std::string> flags{"--epochs=3", "--lr=0.02", every};
    run(flags);
    auto whole = files();
    for (int cut : {1, 3, 7, 8, 12, 14, 20}) {
      makeModule("signal " + std::to_string(cut) + " " + std::to_string(SIGTERM) + "\n");
      run(flags, 143);
      makeModule();
      std::vector<std::string> resumed = flags;
      resumed.push_back(flag("resume", "c.safetensors"));
      run(resumed);
      EXPECT_EQ(files(), whole) << every << " cut at " << cut;
    }
  }
}

TEST_F(ValidationTool, AKilledRunGoesOnFromItsLastCheckpoint) {
  const std::vector<std::string> flags{"--steps=40", "--save-every=5", "--eval-every=4"};
  run(flags);
  auto whole = files();
  makeModule("signal 33 " + std::to_string(SIGKILL) + "\n");
  run(flags, -SIGKILL);
  makeModule();
  std::vector<std::string> resumed = flags;
  resumed.push_back(flag("resume", "c.safetensors"));
  run(resumed);
  EXPECT_EQ(files(), whole);
}

TEST_F(ValidationTool, ProgressTellsTheLastEvaluation) {
  ToolResult result = train({flag("eval-data", "eval.npz"), "--epochs=2"});
  EXPECT_NE(
      result.error.find("10 rows to evaluate are 2 batches of 4: the last 2 make no batch and "
                        "do not count for the loss\n"),
      std::string::npos)
      << result.error;
  EXPECT_NE(result.error.find("step 14  epoch 2/2  loss "), std::string::npos) << result.error;
  EXPECT_NE(result.error.find("  eval "), std::string::npos) << result.error;
  EXPECT_NE(result.error.find(" samples/s  in 0:00"), std::string::npos) << result.error;
  EXPECT_NE(result.error.find("note: the least evaluation loss, "), std::string::npos);
  EXPECT_NE(result.error.find(", is that after step 14\n"), std::string::npos) << result.error;
  result = train({flag("eval-data", "eval.npz"), flag("checkpoint", "c"), "--keep-best"});
  EXPECT_NE(result.error.find(", is that after step 7; kept in " + folder.path("c") + ".best\n"),
            std::string::npos)
      << result.error;
}

// Without a learning rate no evaluation is better than the first.
TEST_F(ValidationTool, PatienceEndsTheRun) {
  ToolResult result = train({flag("eval-data", "eval.npz"), "--epochs=9", "--lr=0", "--patience=2",
                             flag("checkpoint", "c.safetensors")});
  EXPECT_EQ(result.exitCode, 0) << result.error;
  EXPECT_NE(result.error.find("note: the run ends after step 21: the last 2 evaluations found no "
                              "loss below that after step 7\n"),
            std::string::npos)
      << result.error;
  std::string whole = file("c.safetensors");
  // A run that was cut counts those before it.
  run({"--epochs=2", "--lr=0", "--patience=2"});
  run({"--epochs=9", "--lr=0", "--patience=2", flag("resume", "c.safetensors")});
  EXPECT_EQ(evaluations().size(), 3u);
  result = train({flag("eval-data", "eval.npz"), "--epochs=9", "--lr=0", "--patience=2",
                  flag("resume", "c.safetensors")});
  EXPECT_NE(result.error.find("note: nothing to train: the last 2 evaluations found no loss below "
                              "that after step 7; a larger --patience goes on\n"),
            std::string::npos)
      << result.error;
  run({"--epochs=9", "--lr=0", "--patience=3", flag("resume", "c.safetensors")});
  EXPECT_EQ(evaluations().size(), 4u);
}

TEST_F(ValidationTool, PatienceLetsARunLearn) {
  run({"--epochs=5", "--patience=1"});
  EXPECT_EQ(evaluations().size(), 5u);
}

TEST_F(ValidationTool, SaysThatNothingWasEvaluated) {
  EXPECT_NE(train({flag("eval-data", "eval.npz"), "--steps=5"})
                .error.find("note: nothing was evaluated: no epoch ends in the run; --eval-every=N "
                            "evaluates after every N steps\n"),
            std::string::npos);
  EXPECT_NE(train({flag("eval-data", "eval.npz"), "--eval-every=9"})
                .error.find("note: nothing was evaluated: the run ends before a multiple of "
                            "--eval-every=9\n"),
            std::string::npos);
}

TEST_F(ValidationTool, DataToEvaluateMustFit) {
  makeData(30);
  std::filesystem::rename(folder.path("data.npz"), folder.path("good.npz"));
  auto errorOf = [&](int rows, bool withTarget) {
    makeData(rows, withTarget);
    ToolResult result = runTool({"train", folder.path("t.so"), flag("data", "good.npz"),
                                 flag("eval-data", "data.npz"), "--quiet"});
    EXPECT_EQ(result.exitCode, 1);
    return result.error;
  };
  EXPECT_NE(errorOf(8, false).find("data.npz: error: input 'target' (float32 [4]) is missing"),
            std::string::npos)
      << errorOf(8, false);
  EXPECT_NE(errorOf(3, true).find("data.npz: error: holds 3 rows, fewer than the batch of 4"),
            std::string::npos);
  makeData(30);
  ToolResult result = train({flag("eval-data", "none.npz")});
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.error.find("none.npz: error: "), std::string::npos) << result.error;
}

TEST_F(ValidationTool, ADifferentEvaluationStartsItsOwnBest) {
  run({"--epochs=1"});
  std::filesystem::copy(folder.path("data.npz"), folder.path("eval.npz"),
                        std::filesystem::copy_options::overwrite_existing);
  ToolResult result = run({flag("resume", "c.safetensors"), "--epochs=2"});
  EXPECT_NE(result.error.find("tells of no evaluation on these data: the least loss is the least "
                              "from here on\n"),
            std::string::npos)
      << result.error;
  std::filesystem::remove(folder.path("c.best.safetensors"));
  result = run({flag("resume", "c.safetensors"), "--epochs=3"});
  EXPECT_NE(
      result.error.find("c.best.safetensors is not there: it is written when an evaluation is "
                        "better than that of step 14\n"),
      std::string::npos)
      << result.error;
}

TEST_F(ValidationTool, EditedMetadataIsAnError) {
  run({"--epochs=1"});
  const std::string good = file("c.safetensors");
  for (const auto &[from, to] : {std::pair("eval.step 7", "eval.step 8"),
                                 {"eval.step 7", "eval.step x"},
                                 {"eval.samples 10", "eval.samples -1"},
                                 {"eval.best_step 7", "eval.best_step 9"},
                                 {"eval.best_loss ", "eval.best_loss x"},
                                 {"eval.best_loss ", "eval.other "}}) {
    std::string text = good;
    ASSERT_NE(text.find(from), std::string::npos) << from << text;
    text.replace(text.find(from), std::string(from).size(), to);
    folder.write("edited", text);
    ToolResult result = train({flag("resume", "edited"), flag("eval-data", "eval.npz"), "--quiet"});
    EXPECT_EQ(result.exitCode, 1) << to;
    EXPECT_NE(result.error.find("edited: error: its metadata eval."), std::string::npos)
        << result.error;
  }
}

TEST_F(ValidationTool, ABestThatCannotBeWrittenDoesNotEndTheRun) {
  mkdir(folder.path("c.best.safetensors.tmp").c_str(), 0700); // where the fake writes first
  ToolResult result = run({"--epochs=2"});
  EXPECT_NE(result.error.find("note: warning: the best checkpoint of step 7 was not saved: "),
            std::string::npos)
      << result.error;
  EXPECT_EQ(file("c.safetensors").find("fake-checkpoint\n14 "), 0u);
  EXPECT_EQ(file("c.safetensors").find("eval.best"), std::string::npos);
}

TEST_F(ValidationTool, APlotOfARunThatStopsIsDrawn) {
  makeModule("stop 6\n");
  run({"--epochs=2"}, 3);
  EXPECT_NE(file("p.svg").find(">6 steps<"), std::string::npos);
  EXPECT_NE(file("p.svg").find("1 step was skipped"), std::string::npos);
  EXPECT_EQ(file("c.safetensors"), "");
  EXPECT_EQ(train({flag("plot", "q.svg"), "--steps=9", "--quiet"}).exitCode, 3);
  EXPECT_NE(file("q.svg").find(">6 steps<"), std::string::npos);
}

TEST_F(ValidationTool, PlotsAreCheckedBeforeTheRun) {
  folder.write("other", "hello");
  run({"--steps=3"});
  ToolResult result = train({flag("resume", "c.safetensors"), flag("plot", "other"), "--quiet"});
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(
      result.error.find("other: error: is no plot of ampc-run; a resumed run goes on with its "
                        "curves: give --plot another name\n"),
      std::string::npos)
      << result.error;
  EXPECT_EQ(file("other"), "hello");
  for (const char *path : {"no/p.svg", "data.npz", "t.so", "eval.npz"})
    EXPECT_EQ(train({flag("plot", path), flag("eval-data", "eval.npz")}).exitCode, 1) << path;
  EXPECT_EQ(train({flag("plot", "x"), flag("log", "x")}).exitCode, 1);
  EXPECT_EQ(train({flag("plot", "c.best"), flag("checkpoint", "c"), "--keep-best",
                   flag("eval-data", "eval.npz")})
                .exitCode,
            1);
}
