//===- RooflineTest.cpp - Tests of the least time of a plan ---------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Roofline.h"

#include <gtest/gtest.h>

using namespace ampc::run;

namespace {

const RooflineDevice &device(const std::string &name) {
  for (const RooflineDevice &device : rooflineDevices())
    if (name == device.name)
      return device;
  throw std::runtime_error("no " + name);
}

Json step(const char *kind, const char *node, double readBytes, double writtenBytes, double flops,
          std::vector<std::string> types) {
  return {{"kind", kind},
          {"nodes", {node}},
          {"kernel", std::string(kind) == "launch" ? Json(node) : Json()},
          {"read_bytes", readBytes},
          {"written_bytes", writtenBytes},
          {"flops", flops},
          {"operand_types", types}};
}

/// `step` as a module for "a100", with its least time.
Json alone(Json step) {
  Json module = {{"trains", true}, {"steps", {std::move(step)}}};
  addRoofline(module, device("a100"));
  return module["steps"][0];
}

void expectStep(const Json &step, double seconds, const char *limit, const char *computeType) {
  EXPECT_DOUBLE_EQ(step.at("least_seconds").get<double>(), seconds) << step;
  EXPECT_EQ(step.at("limit"), limit);
  EXPECT_EQ(step.at("compute_type"), computeType);
}

} // namespace

TEST(Roofline, TakesTheLargerOfBothTimes) {
  // An A100 moves 2.039 TB/s and multiplies f16 at 312 TFLOP/s.
  expectStep(alone(step("matmul", "a", 2e9, 39e6, 312e9, {"f16", "f16", "f32"})), 1e-3, "memory",
             "f16");
  expectStep(alone(step("matmul", "a", 2e9, 39e6, 624e9, {"f16", "f16", "f32"})), 2e-3, "compute",
             "f16");
}

TEST(Roofline, TakesThePeakOfTheType) {
  expectStep(alone(step("matmul", "a", 1, 1, 312e9, {"bf16", "bf16", "bf16"})), 1e-3, "compute",
             "bf16");
  expectStep(alone(step("matmul", "a", 1, 1, 19.5e9, {"f32", "f32", "f32"})), 1e-3, "compute",
             "f32");
  expectStep(alone(step("matmul", "a", 1, 1, 19.5e9, {"f64", "f64", "f64"})), 1e-3, "compute",
             "f64");
  expectStep(alone(step("convolution", "a", 1, 1, 312e9, {"f16", "f16", "f16"})), 1e-3, "compute",
             "f16");
  // Kernels do not reach the tensor cores.
  expectStep(alone(step("launch", "a", 1, 1, 19.5e9, {"f16", "f16", "i64"})), 1e-3, "compute",
             "f32");
  expectStep(alone(step("launch", "a", 1, 1, 9.7e9, {"i64", "f64", "f64"})), 1e-3, "compute",
             "f64");
  expectStep(alone(step("launch", "a", 1, 1, 19.5e9, {"f64", "f32"})), 1e-3, "compute", "f32");
}

TEST(Roofline, AddsUpWhatRuns) {
  Json inLoop = step("matmul", "l", 1000, 24, 2, {"f16", "f16", "f32"});
  inLoop["runs"] = 12;
  Json module = {{"trains", true},
                 {"steps",
                  {step("launch", "a", 10, 6, 3, {"f32"}), step("loop", "l", 0, 0, 0, {}), inLoop,
                   step("copy", "c", 8, 8, 0, {"f16", "f16"}),
                   step("launch", "nothing", 0, 0, 0, {"f16", "f16"})}}};
  addRoofline(module, device("h200"));
  const Json &roofline = module["roofline"];
  EXPECT_EQ(roofline["bytes"].dump(), std::to_string(16 + 12 * 1024 + 16));
  EXPECT_EQ(roofline["flops"].dump(), "27");
  EXPECT_EQ(roofline["launches"].dump(), "14");
  EXPECT_DOUBLE_EQ(roofline["least_seconds"].get<double>(), (32 + 12 * 1024) / 4.8e12);
  EXPECT_DOUBLE_EQ(roofline["launch_seconds"].get<double>(), 14 * 0.875e-6);
  for (size_t i : {1, 4}) {
    EXPECT_EQ(module["steps"][i]["least_seconds"], 0);
    EXPECT_TRUE(module["steps"][i]["limit"].is_null());
  }
  EXPECT_TRUE(module["steps"][3]["compute_type"].is_null());
}

TEST(Roofline, PrintsEqualStepsTogetherAndTheLongestFirst) {
  Json module = {{"trains", true},
                 {"steps",
                  {step("launch", "a\x1b[2J", 1.675e9, 1.675e9, 3e9, {"f32"}),
                   step("matmul", "b", 1024, 1024, 1.9788e12, {"bf16", "bf16", "f32"}),
                   step("matmul", "c", 1024, 1024, 1.9788e12, {"bf16", "bf16", "f32"}),
                   step("copy", "d", 512, 512, 0, {"f16", "f16"})}}};
  addRoofline(module, device("h100"));
  EXPECT_EQ(rooflineText(module),
            "Least times of a training step on an NVIDIA H100 SXM 80 GB: bytes at 3.35 TB/s,\n"
            "products of f16 and bf16 at 989.4 TFLOP/s, of f32 and kernels at 66.9 TFLOP/s.\n"
            "\n"
            "  steps  kind    type    bytes  flops     each      all   share  limit    nodes\n"
            "      2  matmul  bf16  2.0 KiB  2.0 T  2.00 ms  4.00 ms  80.0 %  compute  b\n"
            "      1  launch  f32   3.1 GiB  3.0 G  1.00 ms  1.00 ms  20.0 %  memory   "
            "a\\x1b[2J\n"
            "      1  copy    -     1.0 KiB      0  0.31 ns  0.31 ns   0.0 %  memory   d\n"
            "\n"
            "moved     3.1 GiB, 4.0 T flops\n"
            "least     5.00 ms: 1.00 ms in steps that memory limits, 4.00 ms in those that "
            "computing limits\n"
            "launches  3.50 us: 4 of 875 ns\n"
            "together  5.00 ms\n");
}

TEST(Roofline, LeavesTheShortOnesOfManySteps) {
  Json module = {{"trains", false}, {"steps", Json::array()}};
  for (int i = 0; i < 45; ++i)
    module["steps"].push_back(step("launch", "a", 3350 * (i + 1), 335, 0, {"f32"}));
  addRoofline(module, device("h100"));
  std::string text = rooflineText(module);
  EXPECT_EQ(text.find("Least times of a forward step"), 0u);
  // 1.1 to 5.1 ns
  EXPECT_NE(text.find("\n  and 5 shorter ones (--json has all): 15.5 ns\n"), std::string::npos)
      << text;
}

TEST(Roofline, ThrowsWhereItIsNoPlan) {
  Json none = Json::object();
  EXPECT_THROW(addRoofline(none, device("h100")), std::exception);
  Json module = {{"trains", true}, {"steps", {{{"kind", "launch"}, {"flops", "many"}}}}};
  EXPECT_THROW(addRoofline(module, device("h100")), std::exception);
}
