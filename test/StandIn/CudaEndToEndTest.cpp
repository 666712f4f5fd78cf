//===- CudaEndToEndTest.cpp - Compiled models on CUDA and on the host -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The model is compiled for both targets; the PTX that ships for CUDA runs through
// the stand-in, and once the same kernels compiled for the host, their threads as fibers.
//
//===----------------------------------------------------------------------===//

#include "CudaTestSupport.h"

#include <cmath>
#include <cstdlib>
#include <sstream>

using namespace ampc::test;

namespace {

constexpr int kClasses = 10;

struct Setting {
  const char *name, *model, *flags;
  int rows, features;
  int steps;
  float tolerance; ///< of losses, relative to the first
};

const Setting kSettings[] = {
    {"f32", "mlp_10_100_10", "--amp=O0 --optimizer=sgd --lr=0.2", 100, 10, 40, 1e-4f},
    {"f16", "mlp_10_100_10", "--amp=O1 --lr=0.01", 100, 10, 40, 1e-2f},
    {"f16clip", "mlp_10_100_10", "--amp=O2 --optimizer=momentum --lr=0.1 --clip-grad-norm=0.5", 100,
     10, 40, 1e-2f},
    {"bf16", "mlp_10_100_10", "--amp=O1 --amp-dtype=bf16 --optimizer=adamw --lr=0.01", 100, 10, 40,
     3e-2f},
    {"large", "mlp_784_128_10", "--loss=cross_entropy --lr=0.001", 64, 784, 24, 1e-2f},
};

TestFiles compile(const Setting &setting) {
  TestFiles files = {scratchFolder() + "/" + setting.name + ".so",
                     scratchFolder() + "/" + setting.name + ".simt.so"};
  std::string command = AMPC_COMPILER " " AMPC_MODELS "/" + std::string(setting.model) +
                        ".onnx --batch=" + std::to_string(setting.rows) + " " + setting.flags +
                        " -o " + files.module + " --test-simt-library=" + files.kernels + " 2> " +
                        files.module + ".log";
  EXPECT_EQ(std::system(command.c_str()), 0) << command << "\n" << readFile(files.module + ".log");
  return files;
}

/// Points in a cube, labelled by the largest of ten linear functions.
struct Data {
  Data(int rows, int features) : x(rows * features), target(rows) {
    uint32_t state = 12345;
    auto next = [&] {
      state = state * 1664525 + 1013904223;
      return float(state >> 16) / 32768 - 1;
    };
    std::vector<float> teacher(features * kClasses);
    for (float &weight : teacher)
      weight = next();
    for (float &value : x)
      value = next();
    for (int row = 0; row != rows; ++row) {
      float best = -INFINITY;
      for (int j = 0; j != kClasses; ++j) {
        float score = 0;
        for (int i = 0; i != features; ++i)
          score += x[row * features + i] * teacher[i * kClasses + j];
        if (score > best) {
          best = score;
          target[row] = j;
        }
      }
    }
  }
  std::vector<float> x;
  std::vector<int64_t> target;
};

std::vector<ampc_step_info_t> train(ampc_session_t *session, const Setting &setting, int steps) {
  const int rows = setting.rows, features = setting.features, batches = 4;
  Data data(batches * rows, features);
  std::vector<ampc_step_info_t> infos;
  for (int i = 0; i != steps; ++i) {
    auto first = data.x.begin() + i % batches * rows * features;
    auto label = data.target.begin() + i % batches * rows;
    Tensor<float> x = f32({rows, features}, std::vector<float>(first, first + rows * features));
    Tensor<int64_t> target = i64({rows}, std::vector<int64_t>(label, label + rows));
    ampc_named_tensor_t inputs[] = {{"x", x.get()}, {"target", target.get()}};
    infos.push_back(emptyInfo());
    expectOk(ampc_session_step(session, inputs, 2, &infos.back()));
  }
  return infos;
}

} // namespace

class CudaEndToEnd : public testing::TestWithParam<Setting> {};

TEST_P(CudaEndToEnd, TrainsAsTheHost) {
  const Setting &setting = GetParam();
  TestFiles files = compile(setting);
  std::vector<float> losses[2];
  for (int order = 0; order != 2; ++order) {
    // The PTX runs; the compiled kernels tell how large the parameters are.
    StandIn driver(files,
                   {{"AMPC_STANDIN_SEED", order ? "4711" : "0"}, {"AMPC_STANDIN_INTERPRET", "1"}});
    ModuleHandle module(files.module);
    Session host(module, AMPC_DEVICE_HOST), cuda(module, AMPC_DEVICE_CUDA);
    auto want = train(host, setting, setting.steps), got = train(cuda, setting, setting.steps);
    for (int i = 0; i != setting.steps; ++i) {
      EXPECT_NEAR(got[i].loss, want[i].loss, setting.tolerance * want[0].loss) << "step " << i + 1;
      EXPECT_EQ(got[i].applied, want[i].applied) << "step " << i + 1;
      EXPECT_EQ(got[i].loss_scale, want[i].loss_scale) << "step " << i + 1;
      losses[order].push_back(got[i].loss);
    }
    // A curve that does not fall would prove little.
    EXPECT_LT(got.back().loss, got.front().loss * 2 / 3);
    ampc::standin::takeEvents();
    train(cuda, setting, 1);
    EXPECT_GT(expectAsInspected(files, ampc::standin::takeEvents()), 5);
  }
  // No kernel depends on the order of threads and blocks.
  EXPECT_EQ(losses[0], losses[1]);
}

INSTANTIATE_TEST_SUITE_P(Settings, CudaEndToEnd, testing::ValuesIn(kSettings),
                         [](const auto &info) { return info.param.name; });

//===----------------------------------------------------------------------===//
// ampc-run
//===----------------------------------------------------------------------===//

namespace {

/// A .npy file of version 1.0.
template <class T>
void writeNpy(const std::string &path, const char *dtype, const std::string &shape,
              const std::vector<T> &values) {
  std::string header =
      std::string("{'descr': '") + dtype + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize((10 + header.size() + 64) / 64 * 64 - 11, ' ');
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  file += char(header.size() & 0xff);
  file += char(header.size() >> 8);
  file += header;
  file.append(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T));
  writeFile(path, file);
}

std::vector<float> lossesIn(const std::string &log) {
  std::vector<float> losses;
  std::istringstream lines(readFile(log));
  for (std::string line; std::getline(lines, line);) {
    size_t at = line.find("\"loss\":");
    EXPECT_NE(at, std::string::npos) << line;
    losses.push_back(std::strtof(line.c_str() + at + 7, nullptr));
  }
  return losses;
}

} // namespace

TEST(CudaTools, AmpcRunTrainsOnIt) {
  TestFiles files = compile({"tool", "mlp_10_100_10", "--amp=O1 --lr=0.01", 100, 10, 0, 0});
  std::string folder = scratchFolder() + "/";
  Data data(1000, 10);
  writeNpy(folder + "x.npy", "<f4", "1000, 10", data.x);
  writeNpy(folder + "target.npy", "<i8", "1000,", data.target);
  StandIn driver(files, {{"AMPC_STANDIN_REPORT", folder + "report"}});
  std::vector<float> losses[2];
  for (bool isCuda : {false, true}) {
    std::string device = isCuda ? "cuda" : "host";
    std::string command = AMPC_RUN " train " + files.module + " --data=x=" + folder +
                          "x.npy --data=target=" + folder + "target.npy --epochs=3 --quiet" +
                          " --device=" + device + " --log=" + folder + device +
                          ".jsonl --checkpoint=" + folder + device + ".safetensors";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    losses[isCuda] = lossesIn(folder + device + ".jsonl");
  }
  ::unsetenv("AMPC_STANDIN_REPORT"); // this process writes none
  ampc::standin::reset();
  EXPECT_EQ(readFile(folder + "report"), "ok\n");
  ASSERT_EQ(losses[0].size(), 30u);
  expectNear(losses[1], losses[0], 2e-2f);
  EXPECT_LT(losses[1].back(), losses[1].front() * 2 / 3);
}
