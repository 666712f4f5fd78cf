//===- ScheduleTest.cpp - Tests of learning rates that change -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "Json.h"
#include "Tool.h"

#include <csignal>
#include <filesystem>
#include <sstream>

using namespace ampc::run;
using namespace ampc::test;

namespace {

std::vector<float> ratesOf(const Schedule &schedule, int64_t steps) {
  std::vector<float> rates;
  for (int64_t step = 1; step <= steps; ++step)
    rates.push_back(schedule.at(step));
  return rates;
}

using Rates = std::vector<float>;

class ScheduleTool : public ToolTest {
protected:
  ScheduleTool() {
    makeModule();
    makeData(20); // five batches an epoch
  }
  /// The learning rates in the log of a run.
  std::string rates(const std::vector<std::string> &flags, int exitCode = 0) {
    std::vector<std::string> all{"--quiet", flag("log", "log"), flag("checkpoint", "c")};
    all.insert(all.end(), flags.begin(), flags.end());
    ToolResult result = train(all);
    EXPECT_EQ(result.exitCode, exitCode) << result.error;
    std::istringstream lines(file("log"));
    std::string text;
    for (std::string line; std::getline(lines, line);)
      text += parseJson(line).at("lr").dump() + " ";
    return text;
  }
};

} // namespace

// The values of torch.optim.lr_scheduler's LambdaLR with the formulas of the header.
TEST(Schedule, HasTheRatesOfItsFormulas) {
  EXPECT_EQ(ratesOf({ScheduleKind::Constant, 1, 4}, 6), (Rates{0.25f, 0.5f, 0.75f, 1, 1, 1}));
  EXPECT_EQ(ratesOf({ScheduleKind::Linear, 2, 0, 4}, 6), (Rates{2, 1.5f, 1, 0.5f, 0, 0}));
  EXPECT_EQ(ratesOf({ScheduleKind::Linear, 2, 2, 6}, 7), (Rates{1, 2, 2, 1.5f, 1, 0.5f, 0}));
  Schedule cosine{ScheduleKind::Cosine, 1, 1, 5};
  const double wanted[] = {1, 1, 0.8535533905932737, 0.5, 0.1464466094067262, 0, 0};
  for (int64_t step = 1; step <= 7; ++step)
    EXPECT_FLOAT_EQ(cosine.at(step), float(wanted[step - 1])) << step;
  EXPECT_EQ(ratesOf({ScheduleKind::Step, 1, 1, 0, 2, 0.5f}, 7),
            (Rates{1, 1, 1, 0.5f, 0.5f, 0.25f, 0.25f}));
}

// torch.optim.lr_scheduler.OneCycleLR of PyTorch 2.11: max_lr=1, total_steps=10; with
// pct_start=0.5; and total_steps=4.
TEST(Schedule, OneCycleIsPyTorchs) {
  struct Case {
    Schedule schedule;
    std::vector<double> wanted;
  };
  const Case cases[] = {
      {{ScheduleKind::OneCycle, 1, 0, 10},
       {0.04, 0.52, 1, 0.950484632, 0.8117456539, 0.6112620219, 0.3887419781, 0.1882583461,
        0.04951936799, 4e-06}},
      {{ScheduleKind::OneCycle, 1, 5, 10},
       {0.04, 0.180588745, 0.52, 0.859411255, 1, 0.9045088792, 0.6545098792, 0.3454941208,
        0.09549512085, 4e-06}},
      {{ScheduleKind::OneCycle, 1, 0, 4}, {0.04, 0.8117456539, 0.2830609982, 4e-06}}};
  for (const Case &one : cases)
    for (size_t step = 1; step <= one.wanted.size(); ++step)
      EXPECT_NEAR(one.schedule.at(int64_t(step)), one.wanted[step - 1], 1e-6 * one.wanted[step - 1])
          << step;
  Schedule whole{ScheduleKind::OneCycle, 1, 0, 10};
  EXPECT_EQ(whole.at(11), whole.at(10));
  EXPECT_EQ((Schedule{ScheduleKind::OneCycle, 1, 0, 1}).at(1), 1);
}

TEST(Schedule, SurvivesItsText) {
  for (const Schedule &schedule :
       {Schedule{ScheduleKind::Constant, 0.1f, 3}, Schedule{ScheduleKind::Linear, 1e-5f, 0, 100},
        Schedule{ScheduleKind::Cosine, 1 / 3.0f, 7, 1 << 20},
        Schedule{ScheduleKind::Step, 1, 0, 0, 30, 0.1f},
        Schedule{ScheduleKind::OneCycle, 0.5f, 0, 100}}) {
    std::optional<Schedule> back = Schedule::parse(schedule.text());
    ASSERT_TRUE(back) << schedule.text();
    EXPECT_EQ(ratesOf(*back, 50), ratesOf(schedule, 50));
  }
  const std::string good = Schedule{ScheduleKind::Step, 1, 0, 0, 30, 0.1f}.text();
  for (const auto &[from, to] : {std::pair("step", "stairs"),
                                 {"base=1", "base=nan"},
                                 {"base=1", "base=-1"},
                                 {"every=30", "every=0"},
                                 {"factor=0.1", "factor=inf"},
                                 {"warmup=0", "warmup=0 "},
                                 {"last=0", "first=0"},
                                 {"factor=0.1", "factor=0.1 more=1"}}) {
    std::string text = good;
    text.replace(text.find(from), std::string(from).size(), to);
    EXPECT_FALSE(Schedule::parse(text)) << text;
  }
  EXPECT_FALSE(Schedule::parse(""));
}

TEST_F(ScheduleTool, EndsWithTheRunUnlessToldOtherwise) {
  EXPECT_EQ(rates({"--lr=1", "--lr-schedule=linear", "--steps=4"}), "1 0.75 0.5 0.25 ");
  EXPECT_EQ(rates({"--lr=1", "--lr-schedule=linear"}), "1 0.8 0.6 0.4 0.2 ");
  EXPECT_EQ(rates({"--lr=1", "--lr-schedule=linear", "--decay-steps=2", "--steps=3"}), "1 0.5 0 ");
  // The compiled rate is the base where none is given.
  EXPECT_EQ(rates({"--warmup=2", "--steps=3"}), "0.025 0.05 0.05 ");
}

TEST_F(ScheduleTool, ACutRunHasTheRatesOfAWholeOne) {
  const std::vector<std::vector<std::string>> schedules = {
      {"--lr-schedule=cosine", "--warmup=3", "--epochs=4", "--lr=0.01"},
      {"--lr-schedule=step", "--decay-every=4", "--decay-factor=0.5", "--epochs=4"},
      {"--lr-schedule=linear", "--epochs=4"}};
  for (const std::vector<std::string> &flags : schedules) {
    std::string whole = rates(flags);
    std::string log = file("log"), checkpoint = file("c");
    for (const char *cut : {"1", "3", "5", "13"}) {
      makeModule("signal " + std::string(cut) + " " + std::to_string(SIGTERM) + "\n");
      rates(flags, 143);
      makeModule();
      // The checkpoint knows the schedule; it may be given again.
      std::vector<std::string> again{flag("resume", "c"), "--epochs=4"};
      std::filesystem::copy(folder.path("c"), folder.path("d"),
                            std::filesystem::copy_options::overwrite_existing);
      EXPECT_EQ(rates(again), whole) << flags[0] << cut;
      EXPECT_EQ(file("log"), log);
      EXPECT_EQ(file("c"), checkpoint);
      again = flags;
      again.push_back(flag("resume", "d"));
      EXPECT_EQ(rates(again), whole) << flags[0] << cut;
      EXPECT_EQ(file("c"), checkpoint);
    }
  }
}

TEST_F(ScheduleTool, ARateThatIsGivenAloneEndsTheSchedule) {
  rates({"--lr-schedule=linear", "--lr=1", "--steps=4", "--decay-steps=8"});
  EXPECT_EQ(rates({flag("resume", "c"), "--steps=6"}), "1 0.875 0.75 0.625 0.5 0.375 ");
  EXPECT_EQ(rates({flag("resume", "c"), "--lr=2", "--steps=8"}),
            "1 0.875 0.75 0.625 0.5 0.375 2 2 ");
  EXPECT_EQ(rates({flag("resume", "c"), "--steps=9"}), "1 0.875 0.75 0.625 0.5 0.375 2 2 2 ");
}

TEST_F(ScheduleTool, SaysWhatCannotBe) {
  ToolResult result = train({"--lr-schedule=cosine", "--warmup=5"});
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_EQ(result.error, "ampc-run: error: --warmup=5 leaves no step of 5 for "
                          "--lr-schedule=cosine: train longer, or warm up in fewer steps\n");
  rates({"--lr-schedule=linear", "--steps=4"});
  EXPECT_NE(train({flag("resume", "c"), "--steps=6"})
                .error.find("has fallen to 0 by step 4, before the run ends; --lr-schedule begins "
                            "another one\n"),
            std::string::npos);
  std::string text = file("c");
  text.replace(text.find("linear"), 6, "lineal");
  folder.write("c", text);
  result = train({flag("resume", "c"), "--steps=6"});
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.error.find("its metadata lr.schedule is 'lineal base=0.05 "), std::string::npos)
      << result.error;
  makeModule("fixedrate\n");
  result = train({"--warmup=2"});
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.error.find("no learning rate that can be set"), std::string::npos);
}
