//===- DataSetTest.cpp - Tests of cutting arrays into batches -------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DataSet.h"
#include "ArrayFiles.h"
#include "Error.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace ampc::run;
using namespace ampc::test;

namespace {

using Floats = std::vector<float>;

TensorSpec floats(const char *name, std::vector<int64_t> shape, bool label = false) {
  TensorSpec spec{name, ElementType::F32, {kDLFloat, 32, 1}, std::move(shape)};
  spec.label = label;
  spec.batched = true;
  return spec;
}

std::string countUp(int count, int start = 0) {
  Floats values;
  for (int i = 0; i < count; ++i)
    values.push_back(float(start + i));
  return bytesOf(values);
}

class DataSetTest : public testing::Test {
protected:
  using Members = std::vector<std::pair<std::string, std::string>>;

  DataSet load(const Members &members, const std::vector<TensorSpec> &inputs,
               DataSet::Use use = DataSet::Use::Train) {
    Members files;
    for (const auto &[name, bytes] : members)
      files.push_back({name + ".npy", bytes});
    return DataSet({{folder.write("data.npz", npz(files)), std::nullopt}}, inputs, use);
  }
  std::string errorOf(const Members &members, const std::vector<TensorSpec> &inputs,
                      DataSet::Use use = DataSet::Use::Train) {
    try {
      load(members, inputs, use);
    } catch (const Error &error) {
      EXPECT_EQ(error.exitCode, ExitDiagnosed);
      return error.what();
    }
    return "no error";
  }
  /// What the batch holds for each input.
  static std::vector<Floats> valuesOf(const std::vector<ampc_named_tensor_t> &batch) {
    std::vector<Floats> values;
    for (const ampc_named_tensor_t &input : batch) {
      size_t count = 1;
      for (int d = 0; d < input.tensor->ndim; ++d)
        count *= size_t(input.tensor->shape[d]);
      auto *data = static_cast<const float *>(input.tensor->data);
      values.push_back(Floats(data, data + count));
    }
    return values;
  }

  TemporaryFolder folder;
};

} // namespace

TEST_F(DataSetTest, CutsSamplesAlongAnotherDimension) {
  // x[time, sample, feature] counts 2 times, 5 samples, 2 features; t[sample].
  TensorSpec x = floats("x", {2, 2, 2});
  x.batchAxis = 1;
  std::vector<TensorSpec> inputs{x, floats("t", {2})};
  Members members{{"x", npy("<f4", "(2, 5, 2)", countUp(20))},
                  {"t", npy("<f4", "(5,)", countUp(5, 100))}};
  DataSet data = load(members, inputs, DataSet::Use::Evaluate);
  EXPECT_EQ(data.samples(), 5u);
  EXPECT_EQ(data.batchSize(), 2u);
  using Batch = std::vector<Floats>;
  EXPECT_EQ(valuesOf(data.batch(2, nullptr)), (Batch{{4, 5, 6, 7, 14, 15, 16, 17}, {102, 103}}));
  // Behind the end the last sample once more.
  EXPECT_EQ(valuesOf(data.batch(4, nullptr)), (Batch{{8, 9, 8, 9, 18, 19, 18, 19}, {104, 104}}));
  std::vector<uint64_t> order{3, 0, 4, 1, 2};
  EXPECT_EQ(valuesOf(data.batch(0, &order)), (Batch{{6, 7, 0, 1, 16, 17, 10, 11}, {103, 100}}));
  EXPECT_EQ(errorOf({members[1], {"x", npy("<f4", "(4, 2, 2)", countUp(16))}}, inputs),
            "array 'x' has shape [4, 2, 2], but the input is [2, rows, 2], and takes 2 rows at a "
            "time");
}

TEST_F(DataSetTest, CutsRowsInFileOrderAndInAnyOther) {
  std::vector<TensorSpec> inputs{floats("x", {2, 2}), floats("t", {2})};
  DataSet data = load(
      {{"x", npy("<f4", "(4, 2)", countUp(8))}, {"t", npy("<f4", "(4,)", countUp(4, 10))}}, inputs);
  EXPECT_EQ(data.samples(), 4u);
  EXPECT_EQ(data.batchSize(), 2u);
  EXPECT_TRUE(data.notes().empty());
  EXPECT_EQ(valuesOf(data.batch(2, nullptr)), (std::vector<Floats>{{4, 5, 6, 7}, {12, 13}}));
  std::vector<uint64_t> order{3, 0, 2, 1};
  EXPECT_EQ(valuesOf(data.batch(0, &order)), (std::vector<Floats>{{6, 7, 0, 1}, {13, 10}}));
}

TEST_F(DataSetTest, AnArrayOfTheCompiledShapeStaysTheSame) {
  std::vector<TensorSpec> inputs{floats("x", {2}), floats("mask", {3, 3})};
  DataSet data = load(
      {{"x", npy("<f4", "(4,)", countUp(4))}, {"mask", npy("<f4", "(3, 3)", countUp(9))}}, inputs);
  EXPECT_EQ(data.samples(), 4u);
  EXPECT_EQ(valuesOf(data.batch(0, nullptr))[1], valuesOf(data.batch(2, nullptr))[1]);
  EXPECT_NE(valuesOf(data.batch(0, nullptr))[0], valuesOf(data.batch(2, nullptr))[0]);
}

TEST_F(DataSetTest, OnlyArraysOfTheCompiledShapeAreOneBatch) {
  std::vector<TensorSpec> inputs{floats("x", {2, 2}), floats("lr", {})};
  DataSet data =
      load({{"x", npy("<f4", "(2, 2)", countUp(4))}, {"lr", npy("<f4", "()", countUp(1))}}, inputs);
  EXPECT_EQ(data.samples(), 2u);
  EXPECT_EQ(data.batchSize(), 2u);
  std::vector<uint64_t> order{1, 0};
  EXPECT_EQ(valuesOf(data.batch(0, &order))[0], (Floats{0, 1, 2, 3}));
}

TEST_F(DataSetTest, ASampleMayBeSeveralRowsOfAnInput) {
  // Two sequences of three tokens, and a label for each token.
  std::vector<TensorSpec> inputs{floats("tokens", {2, 3}), floats("labels", {6})};
  DataSet data = load(
      {{"tokens", npy("<f4", "(4, 3)", countUp(12))}, {"labels", npy("<f4", "(12,)", countUp(12))}},
      inputs);
  EXPECT_EQ(data.samples(), 4u);
  EXPECT_EQ(data.batchSize(), 2u);
  std::vector<uint64_t> order{2, 0, 1, 3};
  std::vector<Floats> values = valuesOf(data.batch(0, &order));
  EXPECT_EQ(values[0], (Floats{6, 7, 8, 0, 1, 2}));
  EXPECT_EQ(values[1], values[0]);
  EXPECT_EQ(errorOf({{"tokens", npy("<f4", "(4, 3)", countUp(12))},
                     {"labels", npy("<f4", "(11,)", countUp(11))}},
                    inputs),
            "array 'labels' has 11 rows, but a sample takes 3");
}

TEST_F(DataSetTest, TrainingDropsAnIncompleteBatchAndSaysSo) {
  std::vector<TensorSpec> inputs{floats("x", {4})};
  DataSet data = load({{"x", npy("<f4", "(11,)", countUp(11))}}, inputs);
  EXPECT_EQ(data.notes(),
            std::vector<std::string>{"11 rows are 2 batches of 4: the last 3 in each epoch's order "
                                     "make no batch and are dropped"});
  EXPECT_EQ(errorOf({{"x", npy("<f4", "(3,)", countUp(3))}}, inputs),
            "holds 3 rows, fewer than the batch of 4 that the module was "
            "compiled for; compile with --batch=3 or less, or give more data");
}

TEST_F(DataSetTest, EvaluationPadsAnIncompleteBatch) {
  std::vector<TensorSpec> inputs{floats("x", {4})};
  DataSet data = load({{"x", npy("<f4", "(6,)", countUp(6))}}, inputs, DataSet::Use::Evaluate);
  EXPECT_TRUE(data.notes().empty());
  EXPECT_EQ(valuesOf(data.batch(4, nullptr))[0], (Floats{4, 5, 5, 5}));
  EXPECT_EQ(errorOf({{"x", npy("<f4", "(0,)", "")}}, inputs, DataSet::Use::Evaluate),
            "array 'x' has no rows");
}

TEST_F(DataSetTest, OnlyLabelsMayBeAbsentAndOnlyInEvaluation) {
  std::vector<TensorSpec> inputs{floats("x", {2}), floats("t", {2}, true)};
  std::string x = npy("<f4", "(2,)", countUp(2));
  EXPECT_FALSE(load({{"x", x}}, inputs, DataSet::Use::Evaluate).has("t"));
  EXPECT_EQ(errorOf({{"x", x}, {"y", x}}, inputs),
            "input 't' (float32 [2]) is missing: the data holds 'x', 'y'; "
            "arrays must have the names of the inputs, or be given as "
            "--data=NAME=F.npy");
  EXPECT_EQ(errorOf({{"t", x}}, inputs, DataSet::Use::Evaluate),
            "input 'x' (float32 [2]) is missing: the data holds 't'; arrays "
            "must have the names of the inputs, or be given as "
            "--data=NAME=F.npy");
}

TEST_F(DataSetTest, OtherArraysAreNotEvenRead) {
  std::vector<TensorSpec> inputs{floats("x", {2})};
  DataSet data =
      load({{"x", npy("<f4", "(2,)", countUp(2))}, {"names", npy("|O", "(2,)", "pickle")}}, inputs);
  ASSERT_EQ(data.notes().size(), 1u);
  EXPECT_EQ(data.notes()[0], folder.path("data.npz") + " also holds 'names': no such input, not "
                                                       "read (the inputs are 'x')");
}

TEST_F(DataSetTest, RowsMustBelongTogetherAndFit) {
  std::vector<TensorSpec> inputs{floats("x", {2, 3}), floats("t", {2})};
  EXPECT_EQ(
      errorOf({{"x", npy("<f4", "(6, 3)", countUp(18))}, {"t", npy("<f4", "(5,)", countUp(5))}},
              inputs),
      "arrays 'x' and 't' do not belong together: 6 and 5 rows");
  EXPECT_EQ(errorOf({{"x", npy("<f4", "(4, 2)", countUp(8))}}, inputs),
            "array 'x' has shape [4, 2], but the input is [rows, 3], and takes "
            "2 rows at a time");
  EXPECT_EQ(errorOf({{"t", npy("<f4", "(4, 1)", countUp(4))}}, inputs),
            "array 't' has shape [4, 1], but the input is [rows], and takes 2 "
            "rows at a time");
  EXPECT_EQ(errorOf({{"s", npy("<f4", "(1,)", countUp(1))}}, {floats("s", {})}),
            "array 's' has shape [1], but the input is exactly []");
}

TEST_F(DataSetTest, SingleArraysNeedAName) {
  std::vector<TensorSpec> inputs{floats("x", {2}), floats("t=0", {2})};
  std::string x = folder.write("x.npy", npy("<f4", "(2,)", countUp(2)));
  std::string both = folder.write("both.npz", npz({{"x.npy", npy("<f4", "(2,)", countUp(2))},
                                                   {"t=0.npy", npy("<f4", "(2,)", countUp(2))}}));
  auto errorOfFlags = [&](std::vector<DataFlag> flags) -> std::string {
    try {
      DataSet(flags, inputs, DataSet::Use::Train);
    } catch (const Error &error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(errorOfFlags({{x, "x"}, {x, "t=0"}}), "no error");
  EXPECT_EQ(errorOfFlags({{x, std::nullopt}}),
            "is a single array: say which input it is for, with --data=NAME=" + x +
                "; the inputs are 'x', 't=0'");
  EXPECT_EQ(errorOfFlags({{x, "y"}}), "is meant for 'y', but the inputs are 'x', 't=0'");
  EXPECT_EQ(errorOfFlags({{both, "x"}}),
            "is an archive of arrays: give it without a name, as --data=" + both);
  EXPECT_EQ(errorOfFlags({{both, std::nullopt}, {x, "x"}}),
            "holds input 'x', which '" + both + "' holds too");
  EXPECT_EQ(errorOfFlags({{folder.path("none.npz"), std::nullopt}}),
            "cannot be opened: No such file or directory");
  EXPECT_EQ(errorOfFlags({{folder.path(""), std::nullopt}}), "is a folder, not a file");
  EXPECT_EQ(errorOfFlags({{"/dev/null", std::nullopt}}), "is not a regular file");
  EXPECT_EQ(errorOfFlags({{folder.write("z.npz", "zip"), std::nullopt}}),
            "is no .npz archive as numpy.savez writes it");
}

TEST_F(DataSetTest, AFileComesBeforeAName) {
  std::string odd = folder.write("a=b.npz", "");
  EXPECT_EQ(DataFlag::parse(odd).path, odd);
  EXPECT_FALSE(DataFlag::parse(odd).name);
  EXPECT_EQ(DataFlag::parse("x=f=1.npy").path, "f=1.npy");
  EXPECT_EQ(*DataFlag::parse("x=f=1.npy").name, "x");
  EXPECT_FALSE(DataFlag::parse("none.npz").name);
}
