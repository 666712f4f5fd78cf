//===- EvalToolTest.cpp - Tests of ampc-run eval and inspect --------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Error.h"
#include "NpzReader.h"
#include "Tool.h"

#include <cmath>
#include <csignal>
#include <cstring>
#include <sys/stat.h>

using namespace ampc::run;
using namespace ampc::test;

namespace {

class EvalTool : public ToolTest {
protected:
  /// "scores [10, 3] float32, y [10] float32": the arrays of OUT.npz.
  std::string describe() {
    std::string text;
    NpzReader archive(folder.path("out.npz"));
    for (const NpzReader::Member &member : archive.members()) {
      std::unique_ptr<ByteSource> source = archive.open(member);
      NpyReader reader(*source, "out.npz", member.name);
      text += (text.empty() ? "" : ", ") + member.name + " " + shapeText(reader.header().shape) +
              " " + elementName(reader.header().type);
    }
    return text;
  }
  std::vector<float> outputOf(const std::string &name) {
    NpzReader archive(folder.path("out.npz"));
    for (const NpzReader::Member &member : archive.members()) {
      if (member.name != name)
        continue;
      std::unique_ptr<ByteSource> source = archive.open(member);
      Array array = NpyReader(*source, "out.npz", name).read(ElementType::F32);
      std::vector<float> values(*elementCount(array.shape));
      std::memcpy(values.data(), array.data.get(), values.size() * sizeof(float));
      return values;
    }
    return {};
  }
  /// A checkpoint with y = 2a - b + 0.5c + `bias`.
  void makeCheckpoint(const std::string &bias) {
    folder.write("c", "fake-checkpoint\n9 0 0x1p-4 0x1p+16 0x1p+1 -0x1p+0 "
                      "0x1p-1 " +
                          bias + "\n");
  }
};

} // namespace

TEST_F(EvalTool, WritesEveryOutputAndPrintsTheLoss) {
  makeModule();
  makeData(10);
  makeCheckpoint("0x1p+1"); // one too much, everywhere
  ToolResult result = eval({flag("checkpoint", "c"), flag("outputs", "out.npz")});
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(result.output, "rows      10\n"
                           "loss      1 (mean of 2 batches; the incomplete last one is left "
                           "out)\n");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(describe(), "y [10] float32, weights now [3, 3] float32, loss [3] "
                        "float32");
  std::vector<float> y = outputOf("y");
  for (int row = 0; row < 10; ++row) {
    float a = float(row * 7 % 11) / 8, b = float(row * 5 % 13) / 16;
    EXPECT_EQ(y[size_t(row)], 2 * a - b + 0.5f * float(row % 3) / 2 + 2) << row;
  }
  EXPECT_EQ(outputOf("loss"), (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(outputOf("weights now"), (std::vector<float>{2, -1, 0.5f, 2, -1, 0.5f, 2, -1, 0.5f}));
  EXPECT_EQ(folder.list(), (std::vector<std::string>{"c", "data.npz", "out.npz", "t.so"}));
}

TEST_F(EvalTool, BytesDependOnTheOutputsAlone) {
  makeModule();
  makeData(10);
  ASSERT_EQ(eval({flag("outputs", "out.npz")}).exitCode, 0);
  std::string first = file("out.npz");
  sleep(1); // a zip file has room for a time
  ASSERT_EQ(eval({flag("outputs", "out.npz"), "--quiet"}).exitCode, 0);
  EXPECT_EQ(file("out.npz"), first);
}

TEST_F(EvalTool, PrintsTheAccuracyOfIntegerLabels) {
  makeModule("classes 4\n");
  makeData(10, true, true);
  makeCheckpoint("0x1p-1"); // rounded, where the labels are cut
  ToolResult result = eval({flag("checkpoint", "c")});
  ASSERT_EQ(result.exitCode, 0) << result.error;
  int right = 0;
  for (int row = 0; row < 10; ++row) {
    float a = float(row * 7 % 11) / 8, b = float(row * 5 % 13) / 16;
    float y = 2 * a - b + 0.5f * float(row % 3) / 2;
    right += std::lround(std::ceil(y + 0.5f - 0.5f)) == long(y + 1);
  }
  std::string expected = "accuracy  ";
  EXPECT_NE(result.output.find(expected), std::string::npos) << result.output;
  EXPECT_NE(
      result.output.find(" (" + std::to_string(right) + " of 10: 'scores' against 'target')\n"),
      std::string::npos)
      << result.output << right;
}

TEST_F(EvalTool, LabelsThatAreNoClassDoNotCount) {
  makeModule("classes 2\nbatch 4\n");
  std::vector<float> x(12); // y is the bias, 0: class 0
  std::vector<int64_t> target{0, 1, -100, 2};
  folder.write("data.npz", npz({{"x.npy", npy("<f4", "(4, 3)", bytesOf(x))},
                                {"target.npy", npy("<i8", "(4,)", bytesOf(target))}}));
  ToolResult result = eval({});
  EXPECT_NE(result.output.find("accuracy  0.5000 (1 of 2: 'scores' against "
                               "'target')\n"),
            std::string::npos)
      << result.output;
  EXPECT_EQ(result.error, "ampc-run: note: 2 rows do not count for the "
                          "accuracy: their label is no class\n");
}

TEST_F(EvalTool, WorksWithoutLabels) {
  makeModule("classes 4\n");
  makeData(6, false);
  ToolResult result = eval({flag("outputs", "out.npz")});
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(result.output, "rows      6\n");
  EXPECT_EQ(result.error, "ampc-run: note: without labels these outputs are not "
                          "computed: 'loss'\n");
  EXPECT_EQ(describe(), "y [6] float32, scores [6, 4] float32, weights now [2, "
                        "3] float32");
  EXPECT_EQ(eval({}).exitCode, 0);
}

TEST_F(EvalTool, WritesBfloat16AsFloat32) {
  makeModule("type bf16\n");
  makeData(5);
  makeCheckpoint("0x0p+0");
  ASSERT_EQ(eval({flag("checkpoint", "c"), flag("outputs", "out.npz")}).exitCode, 0);
  EXPECT_EQ(describe(), "y [5] float32, weights now [2, 3] float32, loss [2] "
                        "float32");
  EXPECT_EQ(outputOf("y")[1], 2 * 0.875f - 0.3125f + 0.25f);
}

TEST_F(EvalTool, FewerRowsThanABatchPrintNoLoss) {
  makeModule();
  makeData(3);
  ToolResult result = eval({});
  EXPECT_EQ(result.exitCode, 0);
  EXPECT_EQ(result.output, "rows      3\n");
  EXPECT_EQ(result.error, "ampc-run: note: no loss is printed: the rows do not "
                          "make one whole batch\n");
}

TEST_F(EvalTool, EvaluatesModulesThatDoNotTrain) {
  makeModule("evalonly\n");
  makeData(4);
  EXPECT_EQ(eval({}).exitCode, 0);
}

TEST_F(EvalTool, AFailureLeavesTheOldFile) {
  makeModule();
  makeData(10);
  folder.write("out.npz", "old");
  EXPECT_EQ(eval({flag("outputs", "out.npz"), flag("checkpoint", "none")}).exitCode, 1);
  EXPECT_EQ(eval({flag("outputs", "out.npz"), "--device=cuda"}).exitCode, 1);
  EXPECT_EQ(eval({flag("outputs", "no/out.npz")}).exitCode, 1);
  EXPECT_EQ(eval({flag("outputs", "data.npz")}).exitCode, 1);
  EXPECT_EQ(eval({"--outputs=/dev/full"}).exitCode, 1);
  EXPECT_EQ(file("out.npz"), "old");
  EXPECT_EQ(folder.list(), (std::vector<std::string>{"data.npz", "out.npz", "t.so"}));
}

TEST_F(EvalTool, SignalsLeaveTheOldFile) {
  makeModule("slow 100000\n");
  makeData(400);
  folder.write("out.npz", "old");
  ToolOptions options;
  options.signal = SIGTERM;
  options.signalAfter = 1000000;
  ToolResult result = eval({flag("outputs", "out.npz")}, options);
  EXPECT_EQ(result.exitCode, 143);
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(result.error, "ampc-run: note: stopped by SIGTERM; nothing was written\n");
  EXPECT_EQ(file("out.npz"), "old");
  EXPECT_EQ(folder.list(), (std::vector<std::string>{"data.npz", "out.npz", "t.so"}));
}

TEST_F(EvalTool, ResultsThatCannotBePrintedAreAnError) {
  makeModule();
  makeData(4);
  ToolOptions options;
  options.standardOutput = "/dev/full";
  ToolResult result = eval({}, options);
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_EQ(result.error, "ampc-run: error: standard output cannot be written: "
                          "No space left on device\n");
}

TEST_F(EvalTool, InspectPrintsTablesOrJson) {
  makeModule();
  std::string module = folder.path("t.so");
  ToolResult tables = runTool({"inspect", module});
  EXPECT_EQ(tables.exitCode, 0) << tables.error;
  EXPECT_EQ(tables.output, "model   line.onnx\n"
                           "target  host\n"
                           "trains  yes\n"
                           "arena   4.0 KiB\n"
                           "\n"
                           "inputs (1)\n"
                           "     name  shape   dtype  label\n"
                           "  0  x     [4, 3]  f32    no\n"
                           "\n"
                           "parameters (1)\n"
                           "     name      shape  dtype  trained\n"
                           "  0  w\\x1b[2J  [3]    f32    yes\n"
                           "\n"
                           "precision\n"
                           "  low dtype     f16\n"
                           "  loss scaling  yes\n"
                           "\n"
                           "steps (3): 2 launch, 1 copy; 2.0 KiB read, 104 written, 3.0 k flops\n"
                           "     kind    nodes       kernel     read  written  flops  operand "
                           "types\n"
                           "  0  launch  /mul, /add  k0      2.0 KiB      100  3.0 k  f32, f16\n"
                           "  1  launch  /mean       k1            0        4      1\n"
                           "  2  copy                -             0        0      0\n");
  ToolResult json = runTool({"inspect", "--json", "--target=host", module});
  EXPECT_EQ(json.output.find("{\"model\":\"line.onnx\""), 0u);
  EXPECT_EQ(json.output.back(), '\n');
  ToolResult cuda = runTool({"inspect", "--target=cuda", module});
  EXPECT_EQ(cuda.exitCode, 1);
  EXPECT_EQ(cuda.error, module + ": error: holds no CUDA code\n");
  for (const char *target : {"--json", "--target=cuda"}) {
    ToolResult roofline = runTool({"inspect", "--roofline=h100", target, module});
    EXPECT_EQ(roofline.exitCode, 1);
    EXPECT_EQ(roofline.output, "");
    EXPECT_EQ(roofline.error, module + ": error: holds no CUDA code\n");
  }
}

TEST(Tool, HelpAndVersionGoToStandardOutput) {
  for (const char *command : {"train", "eval", "inspect"}) {
    ToolResult help = runTool({command, "--help"});
    EXPECT_EQ(help.exitCode, 0);
    EXPECT_EQ(help.output.find("usage: ampc-run " + std::string(command)), 0u);
    EXPECT_EQ(help.error, "");
  }
  EXPECT_EQ(runTool({"--help"}).exitCode, 0);
  EXPECT_EQ(runTool({"--version"}).output, "ampc-run 0.0.1\n");
}

TEST(Tool, WrongUseIsExit2) {
  ToolResult none = runTool({});
  EXPECT_EQ(none.exitCode, 2);
  EXPECT_EQ(none.error.find("usage: ampc-run train"), 0u);
  ToolResult wrong = runTool({"trian"});
  EXPECT_EQ(wrong.exitCode, 2);
  EXPECT_EQ(wrong.error, "ampc-run: error: unknown command 'trian', did you "
                         "mean 'train'?\n");
  ToolResult flag = runTool({"eval", "t.so", "--output=o"});
  EXPECT_EQ(flag.exitCode, 2);
  EXPECT_EQ(flag.error, "ampc-run eval: error: unknown flag '--output', did you "
                        "mean '--outputs'? (ampc-run eval --help tells more)\n");
  ToolResult device = runTool({"inspect", "t.so", "--roofline=b200"});
  EXPECT_EQ(device.exitCode, 2);
  EXPECT_EQ(device.error, "ampc-run inspect: error: --roofline=b200 is none of h100|h200|a100 "
                          "(ampc-run inspect --help tells more)\n");
  ToolResult host = runTool({"inspect", "t.so", "--target=host", "--roofline=h100"});
  EXPECT_EQ(host.exitCode, 2);
  EXPECT_EQ(host.error, "ampc-run inspect: error: --roofline tells of the plan for CUDA, not of "
                        "--target=host (ampc-run inspect --help tells more)\n");
}

TEST(Tool, ModulesThatCannotBeOpenedAreExit1) {
  TemporaryFolder folder;
  std::string bad = folder.write("bad.so", "\x7f"
                                           "ELF");
  ToolResult result = runTool({"inspect", bad});
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_EQ(result.error, "ampc-run: error: " + bad + " was not made by the compiler\n");
  result = runTool({"inspect", "none.so"});
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_EQ(result.error, "none.so: error: there is no such file\n");
}
