//===- TextTest.cpp - Tests of what ampc-run reads and writes as text -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ArrayFiles.h"
#include "Error.h"
#include "Json.h"
#include "Options.h"
#include "Progress.h"
#include "RooflineDevices.h"
#include "StepLog.h"
#include "Table.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace ampc::run;
using namespace ampc::test;

namespace {

ampc_step_info_t stepInfo(int64_t step, float loss = 0.5f, float norm = NAN) {
  ampc_step_info_t info = {};
  info.step = step;
  info.loss = loss;
  info.loss_scale = 65536;
  info.applied = 1;
  info.grad_norm = norm;
  info.learning_rate = 0.01f;
  return info;
}

std::string logLine(int64_t step) { return formatStep(stepInfo(step), false) + "\n"; }

using Words = std::vector<std::string>;

/// The message of the usage error, without its hint.
std::string usageError(std::optional<TrainOptions> (*parse)(const Words &, std::string &),
                       const Words &words) {
  std::string help;
  try {
    parse(words, help);
  } catch (const Error &error) {
    EXPECT_EQ(error.subject, "ampc-run train");
    EXPECT_EQ(error.exitCode, ExitUsage);
    std::string message = error.what();
    std::string hint = " (ampc-run train --help tells more)";
    EXPECT_NE(message.find(hint), std::string::npos);
    return message.substr(0, message.size() - hint.size());
  }
  return "no error";
}

std::string trainError(Words words) {
  words.insert(words.begin(), {"t.so", "--data=d.npz"});
  return usageError(parseTrain, words);
}

} // namespace

TEST(StepLog, WritesTheFieldsOfTheDesign) {
  EXPECT_EQ(formatStep(stepInfo(1, 2.3f, 1.2f), true),
            R"({"step":1,"loss":2.3,"scale":65536,"applied":true,)"
            R"("grad_norm":1.2,"lr":0.01})");
  ampc_step_info_t skipped = stepInfo(2, INFINITY);
  skipped.applied = 0;
  EXPECT_EQ(formatStep(skipped, true), R"({"step":2,"loss":null,"scale":65536,"applied":false,)"
                                       R"("grad_norm":null,"lr":0.01})");
  EXPECT_EQ(formatStep(skipped, false),
            R"({"step":2,"loss":null,"scale":65536,"applied":false,"lr":0.01})");
  skipped.failure = AMPC_FAILURE_GRADIENT;
  EXPECT_EQ(formatStep(skipped, false), R"({"step":2,"loss":null,"scale":65536,"applied":false,)"
                                        R"("lr":0.01,"failure":"gradient"})");
  skipped.failure = AMPC_FAILURE_FORWARD;
  skipped.bad_tensor = "h\"3";
  skipped.bad_node = "fc3";
  skipped.bad_operator = "Gemm";
  skipped.bad_index = 7;
  skipped.bad_value = -INFINITY;
  skipped.bad_text = "the output";
  EXPECT_EQ(formatStep(skipped, false),
            R"({"step":2,"loss":null,"scale":65536,"applied":false,"lr":0.01,"failure":"forward",)"
            R"("culprit":{"tensor":"h\"3","node":"fc3","operator":"Gemm","index":7,)"
            R"("value":"-inf","text":"the output"}})");
}

TEST(StepLog, NumbersAreTheShortestThatRoundTrip) {
  const std::pair<float, const char *> cases[] = {
      {0.1f, "0.1"},     {1.0f / 3, "0.33333334"}, {16777216, "16777216"},          {-0.0f, "-0"},
      {1e-45f, "1e-45"}, {3e38f, "3e+38"},         {6.1035156e-5f, "6.1035156e-05"}};
  for (auto [value, text] : cases) {
    std::string line = formatStep(stepInfo(1, value), false);
    EXPECT_NE(line.find(std::string("\"loss\":") + text + ","), std::string::npos) << line;
    EXPECT_EQ(parseJson(line).at("loss").get<float>(), value);
  }
}

TEST(StepLog, NormsAreThereFromTheFirstOneOn) {
  TemporaryFolder folder;
  std::string path = folder.path("log");
  StepLog log(path, std::nullopt);
  log.add(stepInfo(1));
  log.add(stepInfo(2, 1, 3));
  log.add(stepInfo(3));
  EXPECT_EQ(readFile(path), "");
  log.flush();
  EXPECT_EQ(readFile(path), logLine(1) + formatStep(stepInfo(2, 1, 3), true) + "\n" +
                                formatStep(stepInfo(3), true) + "\n");
}

TEST(StepLog, AResumedRunGoesOnAfterItsStep) {
  TemporaryFolder folder;
  const std::string three = logLine(1) + logLine(2) + logLine(3);
  std::string torn = logLine(4);
  const std::string cases[] = {three, three + logLine(4) + logLine(5), three + torn.substr(0, 5),
                               three + torn.substr(0, 30), three + torn.substr(0, torn.size() - 1)};
  for (const std::string &before : cases) {
    std::string path = folder.write("log", before);
    StepLog(path, 3);
    EXPECT_EQ(readFile(path), three);
  }
  std::string path = folder.write("log", three);
  StepLog(path, 0);
  EXPECT_EQ(readFile(path), "");
  folder.write("log", three);
  StepLog(path, std::nullopt);
  EXPECT_EQ(readFile(path), "");
  StepLog(folder.path("new"), 3);
  EXPECT_EQ(readFile(folder.path("new")), "");
}

TEST(StepLog, AResumedRunLeavesOtherFilesAlone) {
  TemporaryFolder folder;
  const std::string others[] = {"hello\n",
                                "hello",
                                logLine(1) + "{}\n",
                                "{\"step\":x,}\n",
                                "{\"step\":1\n",
                                "{\"step\":1,\"step\":2}\n",
                                "{\"step\":1.5,\"lr\":1}\n",
                                "{\"step\":1,lr:1}\n"};
  for (const std::string &other : others) {
    std::string path = folder.write("log", other);
    EXPECT_THROW(StepLog(path, 3), Error) << other;
    EXPECT_EQ(readFile(path), other);
  }
}

TEST(StepLog, AnEvaluationHasALineBehindItsStep) {
  EXPECT_EQ(formatEvaluation({7, 0.25, 0.5}), R"({"step":7,"eval_loss":0.25,"eval_accuracy":0.5})");
  EXPECT_EQ(formatEvaluation({7, 1.0 / 3, std::nullopt}),
            R"({"step":7,"eval_loss":0.3333333333333333})");
  EXPECT_EQ(formatEvaluation({7, NAN, std::nullopt}), R"({"step":7,"eval_loss":null})");
  TemporaryFolder folder;
  std::string path = folder.path("log");
  {
    StepLog log(path, std::nullopt);
    log.add(stepInfo(1));
    log.add(EvalRecord{1, 0.5, std::nullopt});
    log.add(stepInfo(2));
    log.add(EvalRecord{2, 0.25, std::nullopt});
    log.flush();
  }
  StepLog(path, 1);
  EXPECT_EQ(readFile(path), logLine(1) + "{\"step\":1,\"eval_loss\":0.5}\n");
}

TEST(StepLog, SaysWhereItCannotWrite) {
  TemporaryFolder folder;
  EXPECT_THROW(StepLog(folder.path("no/log"), std::nullopt), Error);
  StepLog full("/dev/full", std::nullopt);
  full.add(stepInfo(1));
  EXPECT_THROW(full.flush(), Error);
}

TEST(Json, ReadsEveryKind) {
  Json json =
      parseJson(R"( {"z": [1, -2.5e3, true, null], "b\u0041\n": "é\ud83d\ude00", "c":{}} )");
  const Json &list = json.at("z");
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list[1], -2500);
  EXPECT_EQ(list[2], true);
  EXPECT_TRUE(list[3].is_null());
  EXPECT_EQ(json.at("bA\n"), "é😀");
  EXPECT_EQ(json.at("c"), Json::object());
  EXPECT_FALSE(json.contains("d"));
  std::vector<std::string> names;
  for (const auto &member : json.items())
    names.push_back(member.key());
  EXPECT_EQ(names, (std::vector<std::string>{"z", "bA\n", "c"}));
  EXPECT_EQ(parseJson("18446744073709551615").get<uint64_t>(), UINT64_MAX);
  EXPECT_EQ(parseJson("0.1").dump(), "0.1");
  EXPECT_EQ(parseJson(R"([{"a":1},{"a":{"a":2}}])").dump(), R"([{"a":1},{"a":{"a":2}}])");
}

namespace {
/// Why `text` is not JSON, or "".
std::string jsonError(const std::string &text) {
  try {
    parseJson(text);
  } catch (const std::runtime_error &error) {
    return error.what();
  } catch (const nlohmann::json::exception &error) {
    return error.what();
  }
  return "";
}
} // namespace

TEST(Json, RefusesEverythingElse) {
  const char *cases[] = {
      "", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "1 2", "tru", "\"", "\"\\x\"", "\"\\ud800\"", "[1",
      "nul", "--1", "{a:1}", "\"\\u12g4\"", "\"\n\"", "1e", ",",
      // What numpy, Python or JavaScript would take.
      "NaN", "Infinity", "-Infinity", "+1", "01", ".5", "1.", "0x10", "'a'", "[1]//",
      // Bytes that are no UTF-8: cut short, overlong, half of a pair, past the end.
      "\"\xc3\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xff\"",
      "{\"\xff\":1}"};
  for (const char *text : cases)
    EXPECT_NE(jsonError(text), "") << text;
  EXPECT_NE(jsonError(std::string("\"\0\"", 3)), "");
}

TEST(Json, RefusesWhatReadersDisagreeOn) {
  EXPECT_EQ(jsonError(R"({"a":1,"b":{"a":1},"a":2})"), "a JSON object has the name 'a' twice");
  EXPECT_EQ(jsonError(R"([{"x":{"y":1,"\u0079":2}}])"), "a JSON object has the name 'y' twice");
  EXPECT_NE(jsonError("1e999").find("number overflow"), std::string::npos);
  EXPECT_NE(jsonError("[-1e400]").find("number overflow"), std::string::npos);
}

TEST(Json, RefusesDeepNesting) {
  auto nested = [](int depth, const char *open, const char *close) {
    std::string text = "1";
    for (int i = 0; i < depth; ++i)
      text = open + text + close;
    return text;
  };
  for (auto [open, close] : {std::pair("[", "]"), std::pair("{\"a\":", "}")}) {
    EXPECT_EQ(jsonError(nested(100, open, close)), "");
    EXPECT_EQ(jsonError(nested(101, open, close)), "JSON is nested deeper than 100 levels");
  }
  EXPECT_EQ(jsonError(std::string(1000000, '[')), "JSON is nested deeper than 100 levels");
}

TEST(Text, RatesAndDurationsAreShort) {
  EXPECT_EQ(formatRate(0.25), "0.2");
  EXPECT_EQ(formatRate(9.94), "9.9");
  EXPECT_EQ(formatRate(950.4), "950");
  EXPECT_EQ(formatRate(999.6), "1.0k");
  EXPECT_EQ(formatRate(12345), "12.3k");
  EXPECT_EQ(formatRate(4.56e6), "4.6M");
  EXPECT_EQ(formatDuration(0.2), "0:00");
  EXPECT_EQ(formatDuration(59.6), "1:00");
  EXPECT_EQ(formatDuration(3723), "1:02:03");
  EXPECT_EQ(formatDuration(3 * 86400 + 4 * 3600 + 5), "3d 4h");
  EXPECT_EQ(formatDuration(INFINITY), "forever");
  EXPECT_EQ(formatBytes(640), "640");
  EXPECT_EQ(formatBytes(1536), "1.5 KiB");
  EXPECT_EQ(formatCount(2.5e9), "2.5 G");
}

TEST(Text, ALineThatIsTooLongLosesItsLeastFields) {
  ProgressLine line{{"step 10"},      {"loss 1"},         {"scale 2", 3},
                    {"skipped 0", 3}, {"9 samples/s", 1}, {"0:10 left"}};
  EXPECT_EQ(fitLine(line, 80), "step 10  loss 1  scale 2  skipped 0  9 samples/s  0:10 left");
  EXPECT_EQ(fitLine(line, 58), "step 10  loss 1  scale 2  9 samples/s  0:10 left");
  EXPECT_EQ(fitLine(line, 40), "step 10  loss 1  9 samples/s  0:10 left");
  EXPECT_EQ(fitLine(line, 26), "step 10  loss 1  0:10 left");
  EXPECT_EQ(fitLine(line, 4), "step");
}

TEST(Text, ControlCharactersAreEscaped) {
  EXPECT_EQ(quoted("a\x1b[2J\n\x7f é"), "'a\\x1b[2J\\x0a\\x7f é'");
  EXPECT_EQ(printable(std::string(500, 'a')), std::string(400, 'a') + "...");
}

TEST(Text, TablesLineUpAndCutLongCells) {
  Table table;
  table.addColumn("name", false);
  table.addColumn("bytes", true);
  table.addRow({"é", "5"});
  table.addRow({std::string(80, 'x'), "12345678"});
  std::string wide(59, ' ');
  EXPECT_EQ(table.text(), "  name" + std::string(56, ' ') + "     bytes\n" + "  é" + wide +
                              "         5\n" + "  " + std::string(57, 'x') + "...  12345678\n");
}

TEST(Options, TakesEveryFlagOfTheDesign) {
  std::string help;
  std::optional<TrainOptions> train = parseTrain({"--data=a.npz",
                                                  "t.so",
                                                  "--data=x=b.npy",
                                                  "--batch-order=file",
                                                  "--seed=7",
                                                  "--epochs=3",
                                                  "--lr=1e-3",
                                                  "--device=host",
                                                  "--checkpoint=c.safetensors",
                                                  "--save-every=10",
                                                  "--resume=r",
                                                  "--log=l.jsonl",
                                                  "--quiet",
                                                  "--eval-data=e.npz",
                                                  "--eval-every=5",
                                                  "--keep-best",
                                                  "--plot=p.svg",
                                                  "--lr-schedule=step",
                                                  "--warmup=2",
                                                  "--decay-every=9",
                                                  "--decay-factor=0.5"},
                                                 help);
  ASSERT_TRUE(train);
  EXPECT_EQ(train->module, "t.so");
  EXPECT_EQ(train->data, (Words{"a.npz", "x=b.npy"}));
  EXPECT_EQ(train->order, BatchOrder::File);
  EXPECT_EQ(train->seed, 7);
  EXPECT_EQ(train->epochs, 3);
  EXPECT_FALSE(train->steps);
  EXPECT_EQ(train->learningRate, 1e-3f);
  EXPECT_EQ(train->device, AMPC_DEVICE_HOST);
  EXPECT_EQ(train->checkpoint, "c.safetensors");
  EXPECT_EQ(train->saveEvery, 10);
  EXPECT_EQ(train->resume, "r");
  EXPECT_EQ(train->log, "l.jsonl");
  EXPECT_TRUE(train->quiet);
  EXPECT_EQ(train->evalData, Words{"e.npz"});
  EXPECT_EQ(train->evalEvery, 5);
  EXPECT_TRUE(train->keepBest);
  EXPECT_EQ(train->plot, "p.svg");
  EXPECT_EQ(train->schedule, ScheduleKind::Step);
  EXPECT_EQ(train->warmup, 2);
  EXPECT_EQ(train->decayEvery, 9);
  EXPECT_EQ(train->decayFactor, 0.5f);

  std::optional<EvalOptions> eval = parseEval({"t.so", "--data", "a.npz", "--checkpoint", "c",
                                               "--outputs", "o.npz", "--device", "cuda", "--quiet"},
                                              help);
  ASSERT_TRUE(eval);
  EXPECT_EQ(eval->outputs, "o.npz");
  EXPECT_EQ(eval->checkpoint, "c");
  EXPECT_EQ(eval->device, AMPC_DEVICE_CUDA);

  std::optional<InspectOptions> inspect =
      parseInspect({"--target=cuda", "--json", "--", "-t.so"}, help);
  ASSERT_TRUE(inspect);
  EXPECT_EQ(inspect->module, "-t.so");
  EXPECT_EQ(inspect->target, AMPC_DEVICE_CUDA);
  EXPECT_TRUE(inspect->json);
  EXPECT_EQ(inspect->roofline, nullptr);
  inspect = parseInspect({"t.so", "--roofline=a100"}, help);
  ASSERT_TRUE(inspect);
  EXPECT_STREQ(inspect->roofline->name, "a100");
  EXPECT_EQ(help, "");
}

TEST(Options, EveryCommandHasHelp) {
  std::string help;
  EXPECT_FALSE(parseTrain({"--help"}, help));
  for (const char *flag : {"--data=",
                           "--batch-order=shuffle|file",
                           "--seed=",
                           "--epochs=",
                           "--steps=",
                           "--lr=",
                           "--device=auto|cuda|host",
                           "--checkpoint=",
                           "--save-every=",
                           "--resume=",
                           "--log=",
                           "--quiet",
                           "--eval-data=",
                           "--eval-every=",
                           "--keep-best",
                           "--plot=",
                           "--lr-schedule=constant|linear|cosine|step",
                           "--warmup=",
                           "--decay-steps=",
                           "--decay-every=",
                           "--decay-factor="})
    EXPECT_NE(help.find(flag), std::string::npos) << flag;
  EXPECT_FALSE(parseEval({"t.so", "-h"}, help));
  EXPECT_NE(help.find("--outputs="), std::string::npos);
  EXPECT_FALSE(parseInspect({"--help"}, help));
  EXPECT_NE(help.find("--target=cuda|host"), std::string::npos);
}

TEST(Options, NamesWhatIsWrong) {
  const std::pair<Words, const char *> cases[] = {
      {{"--epoch=3"}, "unknown flag '--epoch', did you mean '--epochs'?"},
      {{"--checkpoints=3"}, "unknown flag '--checkpoints', did you mean '--checkpoint'?"},
      {{"--zzzzzz"}, "unknown flag '--zzzzzz'"},
      {{"-q"}, "unknown flag '-q'"},
      {{"--epochs=ten"},
       "--epochs=ten is no whole number from 0 to "
       "9223372036854775807"},
      {{"--epochs=1.5"},
       "--epochs=1.5 is no whole number from 0 to "
       "9223372036854775807"},
      {{"--steps=-1"},
       "--steps=-1 is no whole number from 0 to "
       "9223372036854775807"},
      {{"--steps=9223372036854775808"},
       "--steps=9223372036854775808 is no whole number from 0 to "
       "9223372036854775807"},
      {{"--save-every=0", "--checkpoint=c"},
       "--save-every=0 is no whole number from 1 to 9223372036854775807"},
      {{"--seed="}, "--seed= is no whole number from 0 to 9223372036854775807"},
      {{"--lr=fast"}, "--lr=fast is no finite number from 0 on"},
      {{"--lr=inf"}, "--lr=inf is no finite number from 0 on"},
      {{"--lr=nan"}, "--lr=nan is no finite number from 0 on"},
      {{"--lr=-0.1"}, "--lr=-0.1 is no finite number from 0 on"},
      {{"--lr=1e99"}, "--lr=1e99 is no finite number from 0 on"},
      {{"--lr=0,1"}, "--lr=0,1 is no finite number from 0 on"},
      {{"--device=gpu"}, "--device=gpu is none of auto|cuda|host"},
      {{"--batch-order"}, "'--batch-order' needs a value, as --batch-order=shuffle|file"},
      {{"--log", "--quiet"}, "'--log' needs a value, as --log=F.jsonl"},
      {{"--log="}, "--log is empty"},
      {{"--quiet=1"}, "'--quiet' takes no value"},
      {{"--seed=1", "--seed=1"}, "'--seed' is given twice"},
      {{"other.so"}, "one TRAIN.so is wanted, but 'other.so' is given too"},
      {{"--epochs=1", "--steps=1"}, "--epochs and --steps both say when to end; give one"},
      {{"--save-every=5"}, "--save-every needs --checkpoint, the file to write"},
      {{"--eval-every=5"}, "--eval-every needs --eval-data, what to evaluate on"},
      {{"--keep-best", "--checkpoint=c"}, "--keep-best needs --eval-data and --checkpoint"},
      {{"--keep-best", "--eval-data=e"}, "--keep-best needs --eval-data and --checkpoint"},
      {{"--patience=5"}, "--patience needs --eval-data, whose loss to watch"},
      {{"--decay-steps=5"}, "--decay-steps needs --lr-schedule=linear, cosine or onecycle"},
      {{"--decay-every=5", "--lr-schedule=linear"},
       "--decay-every and --decay-factor need --lr-schedule=step"},
      {{"--lr-schedule=step"},
       "--lr-schedule=step needs --decay-every, after how many steps the rate falls"},
  };
  for (const auto &[words, message] : cases)
    EXPECT_EQ(trainError(words), message);
  EXPECT_EQ(usageError(parseTrain, {"--data=d"}), "TRAIN.so is missing");
  EXPECT_EQ(usageError(parseTrain, {"t.so"}), "--data is missing");
}
