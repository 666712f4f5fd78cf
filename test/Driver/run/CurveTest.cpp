//===- CurveTest.cpp - Tests of the curves and pictures of a run ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Curve.h"
#include "ArrayFiles.h"
#include "Error.h"
#include "Plot.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace ampc::run;
using namespace ampc::test;

namespace {

/// A step as a run could make it: a noisy loss, now and then none, a scale that falls twice.
ampc_step_info_t stepInfo(int64_t step) {
  ampc_step_info_t info = {};
  info.step = step;
  info.loss = step % 97 == 0 ? NAN : 2 / (1 + 0.01f * float(step)) + float(step * 7 % 13) / 64;
  info.loss_scale = step > 1500 ? 16384.0f : step > 700 ? 32768.0f : 65536.0f;
  info.applied = step != 700 && step != 1500;
  info.grad_norm = NAN;
  info.learning_rate = 0.1f / float(step);
  return info;
}

void addSteps(Curve &curve, int64_t from, int64_t to, int64_t evalEvery = 50) {
  for (int64_t step = from; step <= to; ++step) {
    curve.add(stepInfo(step));
    if (step % evalEvery == 0)
      curve.add(EvalRecord{step, 3 / (1 + 0.01 * double(step)), std::nullopt});
  }
}

Curve curveOf(int64_t steps, int64_t evalEvery = 50) {
  Curve curve;
  addSteps(curve, 1, steps, evalEvery);
  return curve;
}

size_t count(const std::string &text, const std::string &part) {
  size_t found = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size())
    ++found;
  return found;
}

} // namespace

TEST(Curve, ShortRunsKeepEveryStep) {
  Curve curve = curveOf(1000);
  EXPECT_EQ(curve.width(), 1);
  ASSERT_EQ(curve.buckets().size(), 1000u);
  EXPECT_EQ(curve.evaluations().size(), 20u);
  const Curve::Bucket &bucket = curve.buckets()[699];
  EXPECT_EQ(bucket.skipped, 1);
  EXPECT_EQ(bucket.lossMin, stepInfo(700).loss);
  EXPECT_EQ(bucket.rate, stepInfo(700).learning_rate);
  EXPECT_EQ(curve.buckets()[96].losses, 0);
  EXPECT_EQ(curve.buckets()[96].notFinite, 1);
}

TEST(Curve, LongRunsTakeNoMoreMemoryAndLoseNoExtreme) {
  constexpr int64_t steps = 1000000;
  Curve curve = curveOf(steps, 1000);
  EXPECT_EQ(curve.width(), 1024);
  EXPECT_EQ(curve.buckets().size(), size_t((steps + 1023) / 1024));
  EXPECT_LE(curve.evaluations().size(), Curve::mostEvaluations);
  int64_t losses = 0, notFinite = 0, skipped = 0;
  double sum = 0, most = 0;
  for (const Curve::Bucket &bucket : curve.buckets()) {
    losses += bucket.losses;
    notFinite += bucket.notFinite;
    skipped += bucket.skipped;
    sum += bucket.lossSum;
    most = std::max(most, double(bucket.lossMax));
  }
  EXPECT_EQ(notFinite, steps / 97);
  EXPECT_EQ(losses, steps - steps / 97);
  EXPECT_EQ(skipped, 2);
  double wanted = 0, wantedMost = 0;
  for (int64_t step = 1; step <= steps; ++step)
    if (float loss = stepInfo(step).loss; std::isfinite(loss)) {
      wanted += double(loss);
      wantedMost = std::max(wantedMost, double(loss));
    }
  EXPECT_NEAR(sum, wanted, 1e-9 * wanted);
  EXPECT_EQ(most, wantedMost);
  EXPECT_EQ(curve.best()->step, steps);
  EXPECT_LT(drawPlot(curve, "t").size(), 250000u);
}

// Through the text of a plot, at every stage of thinning.
TEST(Curve, ACutCurveGoesOnAsAWholeOne) {
  for (int64_t cut : {1, 50, 1000, 1024, 1025, 2047, 2049, 5000}) {
    Curve curve = Curve::parse(curveOf(cut, 3).text());
    curve.cutAfter(cut);
    addSteps(curve, cut + 1, 6000, 3);
    EXPECT_EQ(curve.text(), curveOf(6000, 3).text()) << cut;
  }
}

TEST(Curve, AResumedRunForgetsWhatCameLater) {
  Curve curve = curveOf(100);
  curve.cutAfter(60);
  EXPECT_EQ(curve.lastStep(), 60);
  EXPECT_EQ(curve.buckets().size(), 60u);
  EXPECT_EQ(curve.evaluations().size(), 1u);
  EXPECT_EQ(curve.best()->step, 50);
  EXPECT_EQ(curve.latest()->step, 50);
  addSteps(curve, 61, 100);
  EXPECT_EQ(curve.text(), curveOf(100).text());
  // Where buckets are wide, the one that is cut goes.
  curve = curveOf(5000);
  EXPECT_EQ(curve.width(), 8);
  curve.cutAfter(4001);
  EXPECT_EQ(curve.lastStep(), 4000);
  curve.cutAfter(0);
  EXPECT_TRUE(curve.isEmpty());
  EXPECT_FALSE(curve.best());
}

TEST(Curve, RefusesOtherText) {
  const std::string good = curveOf(3, 2).text();
  EXPECT_EQ(Curve::parse(good).text(), good);
  EXPECT_TRUE(Curve::parse(Curve().text()).isEmpty());
  for (const auto &[from, to] : {std::pair("\"ampc_curve\":1", "\"ampc_curve\":2"),
                                 {"\"width\":1", "\"width\":3"},
                                 {"\"width\":1", "\"width\":0"},
                                 {"\"width\":1", "\"width\":2"},
                                 {"\"last\":3", "\"last\":2"},
                                 {"\"last\":3", "\"last\":-3"},
                                 {"\"eval_stride\":1", "\"eval_stride\":1.5"},
                                 {"[[0,", "[[7,"},
                                 {"[[0,", "[[\"0\","},
                                 {"65536,", "0,"},
                                 {"65536,", "1e300,"},
                                 {"\"steps\":[", "\"steps\":[[],"},
                                 {"\"evals\":[[", "\"evals\":[1,["},
                                 {"\"best\":[2,", "\"best\":[4,"},
                                 {"\"latest\":[2,", "\"latest\":[4,"},
                                 {"\"evals\":[[2,", "\"evals\":[[4,"},
                                 {"\"best\":[2,", "\"best\":[{},"},
                                 {"\"best\"", "\"worst\""}}) {
    std::string text = good;
    ASSERT_NE(text.find(from), std::string::npos) << from << " " << good;
    text.replace(text.find(from), std::string(from).size(), to);
    EXPECT_ANY_THROW(Curve::parse(text)) << text;
  }
}

TEST(Plot, HasRoundTicks) {
  EXPECT_EQ(roundTicks(0, 1000, 8), (std::vector<double>{0, 200, 400, 600, 800, 1000}));
  EXPECT_EQ(roundTicks(0, 1, 8).size(), 6u);
  EXPECT_EQ(roundTicks(-1, 2.5, 5), (std::vector<double>{-1, 0, 1, 2}));
}

TEST(Plot, ShowsWhatThereIs) {
  Curve curve = curveOf(1000);
  std::string svg = drawPlot(curve, "a<b>&.so");
  EXPECT_EQ(svg.find("<svg xmlns=\"http://www.w3.org/2000/svg\""), 0u);
  EXPECT_NE(svg.find("a&lt;b&gt;&amp;.so"), std::string::npos);
  EXPECT_NE(svg.find("1000 steps"), std::string::npos);
  EXPECT_NE(svg.find("loss scale (log)"), std::string::npos);
  EXPECT_NE(svg.find("1 step was skipped"), std::string::npos);
  EXPECT_NE(svg.find("learning rate"), std::string::npos);
  EXPECT_NE(svg.find("least 0.2727 at 1000"), std::string::npos);
  EXPECT_NE(svg.find("10 not finite"), std::string::npos);
  EXPECT_EQ(count(svg, "<circle"), 21u); // evaluations, and a ring around the best
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  EXPECT_EQ(count(svg, "<g"), count(svg, "</g>"));
  EXPECT_EQ(count(svg, "<text"), count(svg, "</text>"));

  // Without a scaler there is no scale to show.
  Curve plain;
  ampc_step_info_t info = stepInfo(1);
  info.loss_scale = 1;
  plain.add(info);
  svg = drawPlot(plain, "t");
  EXPECT_EQ(svg.find("loss scale"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(Plot, DrawsAnyLosses) {
  for (float loss : {0.0f, 1.0f, -3.0f, 1e-30f, 3e38f, -3e38f, float(NAN), float(INFINITY)})
    for (int steps : {1, 2, 200}) {
      Curve curve;
      for (int step = 1; step <= steps; ++step) {
        ampc_step_info_t info = stepInfo(step);
        info.loss = loss;
        info.loss_scale = std::ldexp(1.0f, step % 250 - 126);
        info.learning_rate = 0;
        curve.add(info);
      }
      curve.add(EvalRecord{steps, double(loss), std::nullopt});
      std::string svg = drawPlot(curve, "t");
      std::string body = svg.substr(svg.find("</metadata>"));
      EXPECT_EQ(body.find("inf"), std::string::npos) << loss << " " << steps;
      EXPECT_EQ(body.find("nan\""), std::string::npos) << loss << " " << steps;
      EXPECT_EQ(body.find("nan "), std::string::npos) << loss << " " << steps;
      EXPECT_LT(svg.size(), 60000u) << loss << " " << steps;
    }
}

TEST(Plot, ReadsBackItsOwnOnly) {
  TemporaryFolder folder;
  Curve curve = curveOf(80);
  EXPECT_FALSE(readPlot(folder.path("p.svg"), 80));
  writePlot(folder.path("p.svg"), curve, "t");
  EXPECT_EQ(readPlot(folder.path("p.svg"), 80)->text(), curve.text());
  EXPECT_EQ(readPlot(folder.path("p.svg"), 50)->lastStep(), 50);
  EXPECT_EQ(folder.list(), std::vector<std::string>{"p.svg"});
  for (const char *other : {"", "hello", "<svg/>", "<metadata></metadata>",
                            "<metadata>{}</metadata>", "</metadata><metadata>"})
    EXPECT_THROW(readPlot(folder.write("other", other), 80), Error) << other;
  EXPECT_THROW(writePlot(folder.path("no/p.svg"), curve, "t"), Error);
}
