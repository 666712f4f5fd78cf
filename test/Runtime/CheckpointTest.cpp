//===- CheckpointTest.cpp - Saving and restoring sessions -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestModules.h"
#include "TestSupport.h"

#include <cmath>
#include <csignal>
#include <filesystem>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace ampc::test;

namespace {

void train(ampc_session_t *session, int steps) {
  Tensor<float> x = f32({4, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1});
  Tensor<int64_t> target = i64({4}, {1, 2, 3, 6});
  ampc_named_tensor_t inputs[] = {{"x", x.get()}, {"target", target.get()}};
  for (int i = 0; i != steps; ++i)
    expectOk(ampc_session_step(session, inputs, 2, nullptr));
}

std::string path(const char *name) { return memoryFolder() + "/" + name + ".safetensors"; }

/// The checkpoint that `session` would write.
std::string save(ampc_session_t *session) {
  expectOk(ampc_session_save_checkpoint(session, path("state").c_str()));
  return readFile(path("state"));
}

/// A file with this header text and data.
std::string makeFile(const std::string &header, const std::string &data) {
  std::string bytes;
  for (int i = 0; i != 8; ++i)
    bytes += char(uint64_t(header.size()) >> (8 * i) & 0xff);
  return bytes + header + data;
}

/// As of the first format, whose files may be edited.
std::string withoutChecksum(std::string header) {
  const std::string own = R"("ampc.format":"2")";
  size_t at = header.find(own);
  return at == std::string::npos ? header : header.replace(at, own.size(), R"("ampc.format":"1")");
}

struct Parts {
  explicit Parts(const std::string &file) {
    uint64_t length = 0;
    std::memcpy(&length, file.data(), 8);
    header = file.substr(8, length);
    data = file.substr(8 + length);
  }
  /// Replaces the first `from`, which must be there.
  std::string with(const std::string &from, const std::string &to) const {
    size_t at = header.find(from);
    EXPECT_NE(at, std::string::npos) << from << " in " << header;
    std::string changed = header;
    return makeFile(withoutChecksum(changed.replace(at, from.size(), to)), data);
  }
  std::string header, data;
};

} // namespace

TEST(Checkpoint, HoldsTheStateAsSafetensors) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module, 2);
  train(session, 5);
  expectOk(ampc_session_set_metadata(session, "position", "17"));
  Parts parts(save(session));
  EXPECT_EQ((8 + parts.header.size()) % 8, 0u);
  // Sorted, exact, and nothing of the time or the machine.
  std::string checksum = parts.header.substr(parts.header.find("checksum") + 11, 16);
  std::string expected = R"({"__metadata__":{"ampc.attempt":"5","ampc.checksum":")" + checksum +
                         R"(","ampc.device":"host",)"
                         R"("ampc.format":"2","ampc.growth_tracker":"2",)"
                         R"("ampc.identity":"0123456789abcdef","ampc.learning_rate":"0.1",)"
                         R"("ampc.loss_scale":"16","ampc.seed":"0","ampc.step":"5",)"
                         R"("ampc.threads":"2","user.position":"17"},)"
                         R"("ampc.momentum/w":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},)"
                         R"("bias":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
                         R"("w":{"dtype":"F32","shape":[3],"data_offsets":[16,28]}})";
  EXPECT_EQ(parts.header.substr(0, expected.size()), expected);
  EXPECT_EQ(parts.header.find_first_not_of(' ', expected.size()), std::string::npos);
  ASSERT_EQ(parts.data.size(), 28u);
  Tensor<float> w = f32({3}, {0, 0, 0});
  expectOk(ampc_session_get_tensor(session, "w", w.get()));
  EXPECT_EQ(std::memcmp(parts.data.data() + 16, w.values.data(), 12), 0);
}

TEST(Checkpoint, AFlippedBitIsFound) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  train(session, 5);
  expectOk(ampc_session_set_metadata(session, "position", "17"));
  const std::string good = save(session);
  std::string file = path("flipped");
  for (size_t at = 0; at < good.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = good;
      flipped[at] = char(flipped[at] ^ 1 << bit);
      writeFile(file, flipped);
      ampc_status_t status = ampc_session_load_checkpoint(session, file.c_str(), nullptr);
      ASSERT_NE(status, nullptr) << "byte " << at << ", bit " << bit;
      ampc_status_free(status);
    }
  // The session is as it was.
  EXPECT_EQ(save(session), good);
  writeFile(file, good.substr(0, good.size() - 1) + char(good.back() ^ 1));
  expectError(ampc_session_load_checkpoint(session, file.c_str(), nullptr), AMPC_STATUS_CORRUPT,
              "is damaged: its bytes have the checksum ");
}

TEST(Checkpoint, BytesDependOnTheStateAlone) {
  ModuleHandle module(buildTrainer());
  SessionHandle one(module), two(module);
  train(one, 7);
  train(two, 7);
  EXPECT_EQ(save(one), save(two));
  EXPECT_EQ(save(one), save(one));
}

TEST(Checkpoint, ResumesBitForBit) {
  ModuleHandle module(buildTrainer());
  SessionHandle whole(module);
  train(whole, 40);
  for (int cut : {0, 1, 13, 39}) {
    SessionHandle first(module);
    train(first, cut);
    expectOk(ampc_session_set_metadata(first, "epoch", "3"));
    expectOk(ampc_session_set_metadata(first, "ü \"\n\x01", "\\"));
    expectOk(ampc_session_save_checkpoint(first, path("cut").c_str()));
    SessionHandle second(module, 1, /*seed=*/99);
    expectOk(ampc_session_set_metadata(second, "old", "gone"));
    train(second, 3);
    int exact = -1;
    expectOk(ampc_session_load_checkpoint(second, path("cut").c_str(), &exact));
    EXPECT_EQ(exact, 1);
    EXPECT_EQ(ampc_session_steps(second), cut);
    EXPECT_STREQ(ampc_session_get_metadata(second, "epoch"), "3");
    EXPECT_STREQ(ampc_session_get_metadata(second, "ü \"\n\x01"), "\\");
    EXPECT_EQ(ampc_session_get_metadata(second, "old"), nullptr);
    train(second, 40 - cut);
    expectOk(ampc_session_set_metadata(second, "epoch", nullptr));
    expectOk(ampc_session_set_metadata(second, "ü \"\n\x01", nullptr));
    EXPECT_EQ(save(second), save(whole));
  }
}

TEST(Checkpoint, TellsWhetherTheRunGoesOnExactly) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module, 1);
  train(session, 2);
  std::string file = path("exact");
  expectOk(ampc_session_save_checkpoint(session, file.c_str()));
  SessionHandle same(module, 1), wider(module, 2);
  int exact = -1;
  expectOk(ampc_session_load_checkpoint(same, file.c_str(), &exact));
  EXPECT_EQ(exact, 1);
  expectOk(ampc_session_load_checkpoint(wider, file.c_str(), &exact));
  EXPECT_EQ(exact, 0);
  expectOk(ampc_session_load_checkpoint(wider, file.c_str(), nullptr));
  Parts parts(readFile(file));
  for (const char *change : {"0123456789abcdee", "host"}) {
    writeFile(file, change[0] == 'h'
                        ? parts.with("\"ampc.device\":\"host\"", "\"ampc.device\":\"cuda\"")
                        : parts.with("0123456789abcdef", change));
    expectOk(ampc_session_load_checkpoint(same, file.c_str(), &exact));
    EXPECT_EQ(exact, 0) << change;
  }
}

TEST(Checkpoint, StepInfoStartsAnewAfterLoading) {
  ModuleHandle module(buildTrainer());
  SessionHandle first(module), second(module);
  train(first, 4);
  expectOk(ampc_session_save_checkpoint(first, path("four").c_str()));
  train(second, 4);
  expectOk(ampc_session_load_checkpoint(second, path("four").c_str(), nullptr));
  ampc_step_info_t info = {};
  info.struct_size = sizeof(info);
  expectError(ampc_session_get_step_info(second, 4, &info), AMPC_STATUS_NOT_FOUND, "no step yet");
  train(second, 1);
  expectOk(ampc_session_get_step_info(second, 5, &info));
  EXPECT_EQ(info.step, 5);
}

TEST(Checkpoint, RefusesBrokenFilesAndLeavesTheSession) {
  ModuleHandle module(buildTrainer());
  SessionHandle source(module), session(module);
  train(source, 9);
  std::string good = save(source);
  Parts parts(good);
  train(session, 3);
  std::string before = save(session);

  constexpr ampc_status_code_t kCorrupt = AMPC_STATUS_CORRUPT;
  constexpr ampc_status_code_t kDiffers = AMPC_STATUS_INCOMPATIBLE;
  std::string deep(100000, '[');
  std::string wEntry = R"("w":{"dtype":"F32","shape":[3],"data_offsets":[16,28]})";
  struct Case {
    std::string file;
    ampc_status_code_t code;
    const char *text;
  };
  auto swap = [&](const char *from, const std::string &to) { return parts.with(from, to); };
  const Case cases[] = {
      {"", kCorrupt, "0 bytes"},
      {"1234567", kCorrupt, "7 bytes"},
      {std::string("PK\x03\x04zip archive"), kCorrupt, "zip or PyTorch"},
      {good.substr(0, 8), kCorrupt, "header should have"},
      {good.substr(0, 100), kCorrupt, "header should have"},
      {good.substr(0, good.size() - 1), kCorrupt, "27 for them"},
      {good + "x", kCorrupt, "29 for them"},
      {std::string(8, '\xff') + good, kCorrupt, "header should have"},
      {std::string("\0\xe1\xf5\x06\0\0\0\0", 8) + "{}", kCorrupt, "header"},
      {makeFile("", ""), kCorrupt, "no JSON object"},
      {makeFile(" {}", ""), kCorrupt, "no JSON object"},
      {makeFile("{", ""), kCorrupt, "no '\"'"},
      {makeFile("{}", ""), kDiffers, "not written by ampc"},
      {makeFile("{} {}", ""), kCorrupt, "after the end"},
      {makeFile("{\"a\":" + deep + "}", ""), kCorrupt, "no '{'"},
      {makeFile("{\"__metadata__\":" + deep + "}", ""), kCorrupt, "no '{'"},
      {makeFile("{\"__metadata__\":{\"a\":1}}", ""), kCorrupt, "no '\"'"},
      {makeFile("{\"__metadata__\":{\"a\":\"\xff\"}}", ""), kCorrupt, "UTF-8"},
      {makeFile("{\"__metadata__\":{\"a\":\"\\ud800\"}}", ""), kCorrupt, "surrogate"},
      {makeFile("{\"__metadata__\":{\"a\":\"\\x\"}}", ""), kCorrupt, "escape"},
      {makeFile("{\"__metadata__\":{\"a\":\"\n\"}}", ""), kCorrupt, "control"},
      {makeFile("{\"__metadata__\":{\"a\":\"b", ""), kCorrupt, "no end"},
      {makeFile("{\"__metadata__\":{},\"__metadata__\":{}}", ""), kCorrupt, "second __metadata__"},
      {makeFile("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", ""), kCorrupt, "second entry 'a'"},
      {swap(wEntry.c_str(), wEntry + "," + wEntry), kCorrupt, "second tensor 'w'"},
      {swap("\"F32\"", "\"F33\""), kCorrupt, "unknown type 'F33'"},
      {swap("\"F32\"", "\"F64\""), kCorrupt, "12 bytes for f64"},
      {swap("\"F32\"", "4"), kCorrupt, "no '\"'"},
      {swap("\"shape\":[3]", "\"shape\":[-3]"), kCorrupt, "no number"},
      {swap("\"shape\":[3]", "\"shape\":[3.0]"), kCorrupt, "plain integer"},
      {swap("\"shape\":[3]", "\"shape\":[03]"), kCorrupt, "leading 0"},
      {swap("\"shape\":[3]", "\"shape\":[99999999999999999999]"), kCorrupt, "2^63"},
      {swap("\"shape\":[3]", "\"shape\":[4611686018427387904,4611686018427387904,4]"), kCorrupt,
       "bytes for"},
      {swap("\"shape\":[3],", ""), kCorrupt, "lacks"},
      {swap("\"shape\":[3]", "\"shape\":[3],\"shape\":[3]"), kCorrupt, "'shape' twice"},
      {swap("\"shape\":[3]", "\"shape\":[3],\"extra\":1"), kCorrupt, "unknown"},
      {swap("[0,12]", "[0]"), kCorrupt, "lacks"},
      {swap("[0,12]", "[0,12,13]"), kCorrupt, "lacks"},
      {swap("[0,12]", "[12,0]"), kCorrupt, "ends before"},
      {swap("[0,12]", "[1,13]"), kCorrupt, "starts at byte"},
      {swap("[12,16]", "[8,12]"), kCorrupt, "starts at byte"},
      {swap("[16,28]", "[9223372036854775795,9223372036854775807]"), kCorrupt, "starts at byte"},
      {swap("\"ampc.format\":\"2\"", "\"ampc.format\":\"3\""), kDiffers, "format '3'"},
      {swap("\"ampc.step\":\"9\",", ""), kDiffers, "'ampc.step' is missing in the metadata"},
      {swap("\"ampc.step\":\"9\"", "\"ampc.step\":\"-9\""), kCorrupt, "'ampc.step' is '-9'"},
      {swap("\"ampc.step\":\"9\"", "\"ampc.step\":\"9x\""), kCorrupt, "9x"},
      {swap("\"ampc.step\":\"9\"", "\"ampc.step\":\"\""), kCorrupt, "''"},
      {swap("\"ampc.step\":\"9\"", "\"ampc.step\":\"9223372036854775808\""), kCorrupt,
       "9223372036854775808"},
      {swap("\"ampc.loss_scale\":\"", "\"ampc.loss_scale\":\"-"), kCorrupt, "loss_scale"},
      {swap("\"ampc.learning_rate\":\"0.1\"", "\"ampc.learning_rate\":\"nan\""), kCorrupt, "'nan'"},
      {swap("\"ampc.step\":\"9\"", "\"ampc.step\":\" 9\""), kCorrupt, "' 9'"},
      {swap("\"w\":", "\"v\":"), kDiffers, "'w' is missing (f32 [3]); 'v' is unknown to the model"},
      {swap("\"bias\":", "\"grid\":"), kDiffers, "'grid' is unknown"},
      {swap("\"shape\":[3]", "\"shape\":[3,1]"), kDiffers,
       "'ampc.momentum/w' is f32 [3, 1], the model has f32 [3]"},
      {swap("\"dtype\":\"F32\",\"shape\":[1]", "\"dtype\":\"I32\",\"shape\":[1]"), kDiffers,
       "'bias' is i32 [1], the model has f32 [1]"},
  };
  std::string file = path("broken");
  for (const Case &test : cases) {
    writeFile(file, test.file);
    expectError(ampc_session_load_checkpoint(session, file.c_str(), nullptr), test.code, test.text);
    ASSERT_EQ(save(session), before) << test.text;
  }
  expectError(ampc_session_load_checkpoint(session, "/nowhere/c", nullptr), AMPC_STATUS_NOT_FOUND,
              "/nowhere/c");
  expectError(ampc_session_load_checkpoint(session, scratchFolder().c_str(), nullptr),
              AMPC_STATUS_IO, "no regular file");
  // The good file still loads.
  writeFile(file, good);
  expectOk(ampc_session_load_checkpoint(session, file.c_str(), nullptr));
  EXPECT_EQ(save(session), good);
}

// The same values are refused, for the same reason, whichever way they come in.
TEST(Checkpoint, RefusesScalarsThatCannotBe) {
  ModuleHandle module(buildTrainer());
  SessionHandle source(module), session(module);
  train(source, 9);
  Parts parts(save(source));
  train(session, 9);
  std::string before = save(session), file = path("scalar");

  struct Case {
    const char *key, *old, *value, *reason;
    bool isNumber = true; ///< of the scalar's type, so that set_tensor can try
  };
  const Case cases[] = {
      {"ampc.loss_scale", "64", "0", "a loss scale is a positive number"},
      {"ampc.loss_scale", "64", "-64", "a loss scale is"},
      {"ampc.loss_scale", "64", "1e-45", "a loss scale is"},
      {"ampc.loss_scale", "64", "1.1754942e-38", "a loss scale is"},
      {"ampc.loss_scale", "64", "inf", "a loss scale is"},
      {"ampc.loss_scale", "64", "nan", "a loss scale is"},
      {"ampc.loss_scale", "64", "1e999", "no f32", false},
      {"ampc.loss_scale", "64", "1e-60", "no f32", false},
      {"ampc.learning_rate", "0.1", "-0.1", "a learning rate is"},
      {"ampc.learning_rate", "0.1", "inf", "a learning rate is"},
      {"ampc.learning_rate", "0.1", "nan", "a learning rate is"},
      {"ampc.learning_rate", "0.1", "", "no f32", false},
      {"ampc.growth_tracker", "0", "-1", "a count of good steps is"},
      {"ampc.growth_tracker", "0", "2147483647", "a count of good steps is"},
      {"ampc.growth_tracker", "0", "2147483648", "no i32", false},
      {"ampc.step", "9", "-1", "a count of steps is"},
      {"ampc.step", "9", "9007199254740992", "a count of steps is"},
      {"ampc.step", "9", "9223372036854775807", "a count of steps is"},
      {"ampc.step", "9", "10", "more applied steps (ampc.step, 10) than"},
      {"ampc.step", "9", "5x", "no i64", false},
      {"ampc.step", "9", "5.0", "no i64", false},
      {"ampc.attempt", "9", "-1", "a count of steps is"},
      {"ampc.attempt", "9", "9223372036854775807", "a count of steps is"},
      {"ampc.attempt", "9", "8", "attempted ones (ampc.attempt, 8)"},
      {"ampc.attempt", "9", "1e3", "no i64", false},
      {"ampc.seed", "0", "0x1", "no i64", false},
  };
  for (const Case &test : cases) {
    std::string entry = std::string("\"") + test.key + "\":\"";
    writeFile(file, parts.with(entry + test.old + "\"", entry + test.value + "\""));
    Outcome outcome = expectError(ampc_session_load_checkpoint(session, file.c_str(), nullptr),
                                  AMPC_STATUS_CORRUPT, test.reason);
    // Of two counts that contradict each other the applied steps are named.
    bool isPair = std::strstr(test.reason, "attempted ones");
    std::string shown = isPair ? "9" : test.value;
    EXPECT_NE(outcome.message.find("'" + shown + "'"), std::string::npos) << outcome.message;
    EXPECT_EQ(outcome.node, isPair ? "ampc.step" : test.key);
    ASSERT_EQ(save(session), before) << test.key << " " << test.value;
    if (!test.isNumber)
      continue;
    Tensor<float> number = f32({}, {std::strtof(test.value, nullptr)});
    Tensor<int64_t> count = i64({}, {std::strtoll(test.value, nullptr, 10)});
    Tensor<int32_t> tracker(kI32, {}, {int32_t(count.values[0])});
    std::string key = test.key;
    bool isFloat = key == "ampc.loss_scale" || key == "ampc.learning_rate";
    outcome = expectError(ampc_session_set_tensor(session, test.key,
                                                  isFloat                        ? number.get()
                                                  : key == "ampc.growth_tracker" ? tracker.get()
                                                                                 : count.get()),
                          AMPC_STATUS_INVALID_ARGUMENT, test.reason);
    EXPECT_EQ(outcome.node, test.key);
    if (key == "ampc.learning_rate")
      expectError(ampc_session_set_learning_rate(session, number.values[0]),
                  AMPC_STATUS_INVALID_ARGUMENT, test.reason);
    ASSERT_EQ(save(session), before) << test.key << " " << test.value;
  }
}

TEST(Checkpoint, TakesScalarsAtTheirLimits) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  for (float scale : {1.17549435e-38f, 1.0f, 3.40282347e+38f})
    expectOk(ampc_session_set_tensor(session, "ampc.loss_scale", f32({}, {scale}).get()));
  expectOk(ampc_session_set_learning_rate(session, 1e-45f));
  int64_t most = (int64_t(1) << 53) - 1;
  expectOk(ampc_session_set_tensor(session, "ampc.attempt", i64({}, {most}).get()));
  expectOk(ampc_session_set_tensor(session, "ampc.step", i64({}, {most}).get()));
  train(session, 1); // and the count goes on
  EXPECT_EQ(ampc_session_steps(session), most + 1);
}

TEST(Checkpoint, NeverReplacesAFileByParametersThatAreNotFinite) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  train(session, 3);
  std::string good = save(session);
  Tensor<float> w = f32({3}, {0, 0, 0});
  expectOk(ampc_session_get_tensor(session, "w", w.get()));
  for (float value : {NAN, INFINITY, -INFINITY}) {
    Tensor<float> bad = w;
    bad.values[1] = value;
    expectOk(ampc_session_set_tensor(session, "w", bad.get()));
    Outcome outcome =
        expectError(ampc_session_save_checkpoint(session, path("state").c_str()),
                    AMPC_STATUS_TRAINING_STOPPED, "parameter 'w' is no longer finite");
    EXPECT_EQ(outcome.node, "w");
    EXPECT_EQ(readFile(path("state")), good);
  }
  // Nor is such a file loaded.
  Parts parts(good);
  float nan = NAN;
  std::memcpy(parts.data.data() + 20, &nan, sizeof(nan));
  std::string file = path("nan");
  writeFile(file, makeFile(withoutChecksum(parts.header), parts.data));
  expectOk(ampc_session_set_tensor(session, "w", w.get()));
  expectError(ampc_session_load_checkpoint(session, file.c_str(), nullptr), AMPC_STATUS_CORRUPT,
              "'w' has elements that are not finite");
  EXPECT_EQ(save(session), good);
  // A moment may be infinite where its parameter is not.
  Tensor<float> momentum = f32({3}, {INFINITY, 0, 0});
  expectOk(ampc_session_set_tensor(session, "ampc.momentum/w", momentum.get()));
  save(session);
  expectOk(ampc_session_load_checkpoint(session, path("state").c_str(), nullptr));
}

TEST(Checkpoint, SurvivesAnyByte) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  train(session, 3);
  std::string good = save(session), file = path("fuzz");
  uint64_t random = 7;
  auto next = [&] { return random = random * 6364136223846793005u + 1442695u; };
  size_t headerEnd = good.size() - 28;
  int refused = 0;
  for (int round = 0; round != 3000; ++round) {
    std::string bytes = good;
    bytes[(next() >> 20) % headerEnd] = char(next() >> 32);
    if (round % 3 == 0)
      bytes.resize((next() >> 20) % (bytes.size() + 1));
    writeFile(file, bytes);
    ampc_status_t status = ampc_session_load_checkpoint(session, file.c_str(), nullptr);
    refused += status != nullptr;
    ampc_status_free(status);
  }
  EXPECT_GT(refused, 1000);
  expectOk(ampc_session_load_checkpoint(session, path("state").c_str(), nullptr));
  EXPECT_EQ(save(session), good);
}

TEST(Checkpoint, KeepsTheOldFileWhereTheDiskIsFull) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  train(session, 2);
  std::string folder = memoryFolder() + "/full";
  std::filesystem::create_directory(folder);
  std::string file = folder + "/c.safetensors";
  expectOk(ampc_session_save_checkpoint(session, file.c_str()));
  std::string old = readFile(file);
  train(session, 1);

  // In a process of its own, as the limit holds for the whole process. A write
  // beyond it fails with EFBIG, as one to a full disk with ENOSPC.
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit = {100, 100};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ampc_status_t status = ampc_session_save_checkpoint(session, file.c_str());
    bool right = ampc_status_code(status) == AMPC_STATUS_IO &&
                 std::strstr(ampc_status_message(status), file.c_str());
    ::_exit(right ? 0 : 1);
  }
  int result = -1;
  ::waitpid(child, &result, 0);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(readFile(file), old);
  int files = 0;
  for (const auto &entry : std::filesystem::directory_iterator(folder))
    files += entry.exists();
  EXPECT_EQ(files, 1) << "a temporary file was left";

  expectError(ampc_session_save_checkpoint(session, "/nowhere/c"), AMPC_STATUS_IO, "/nowhere/c");
  expectError(ampc_session_save_checkpoint(session, folder.c_str()), AMPC_STATUS_IO,
              "cannot replace");
  expectOk(ampc_session_save_checkpoint(session, file.c_str()));
  EXPECT_NE(readFile(file), old);
}

// A reader at any time sees a whole file; so does who comes after a kill.
TEST(Checkpoint, IsWholeAfterAKillAtAnyTime) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  std::string folder = memoryFolder() + "/kill";
  std::filesystem::create_directory(folder);
  std::string file = folder + "/c.safetensors";
  expectOk(ampc_session_save_checkpoint(session, file.c_str()));
  for (int round = 0; round != 20; ++round) {
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      while (true) {
        train(session, 1);
        ampc_status_free(ampc_session_save_checkpoint(session, file.c_str()));
      }
    }
    ::usleep(3000 + 700 * round);
    ::kill(child, SIGKILL);
    int result;
    ::waitpid(child, &result, 0);
    expectOk(ampc_session_load_checkpoint(session, file.c_str(), nullptr));
  }
  EXPECT_GT(ampc_session_steps(session), 0);
}

TEST(Checkpoint, RefusesMetadataThatIsNoText) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  expectError(ampc_session_set_metadata(session, "a", "\xff"), AMPC_STATUS_INVALID_ARGUMENT,
              "UTF-8");
  expectError(ampc_session_set_metadata(session, "\xc0\x80", "a"), AMPC_STATUS_INVALID_ARGUMENT,
              "UTF-8");
  EXPECT_EQ(ampc_session_get_metadata(session, "a"), nullptr);
  EXPECT_EQ(ampc_session_get_metadata(nullptr, "a"), nullptr);
}
