//===- EmbeddingTest.cpp - What a program that embeds ampc may rely on ----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestModules.h"
#include "TestSupport.h"
#include "TrainerBatch.h"

#include <atomic>
#include <cerrno>
#include <cfenv>
#include <chrono>
#include <clocale>
#include <csignal>
#include <filesystem>
#include <functional>
#include <locale>
#include <malloc.h>
#include <sys/time.h>
#include <thread>

using namespace ampc::test;

namespace {

/// Every function of ampc.h that takes a session and can fail, called in a way that succeeds.
struct SessionCalls {
  explicit SessionCalls(ampc_session_t *session) : session(session) {
    expectOk(ampc_session_save_checkpoint(session, atStart.c_str()));
  }

  struct Call {
    const char *name;
    std::function<ampc_status_t()> run;
  };
  std::vector<Call> all() {
    return {
        {"step", [this] { return batch.step(session, nullptr); }},
        {"step with info",
         [this] {
           ampc_step_info_t info = emptyInfo();
           return batch.step(session, &info);
         }},
        {"get_step_info",
         [this] {
           // The latest step that this thread can be sure of; none is no error of the call.
           ampc_step_info_t info = emptyInfo();
           ampc_status_t status = ampc_session_get_step_info(session, 1, &info);
           if (ampc_status_code(status) != AMPC_STATUS_NOT_FOUND)
             return status;
           ampc_status_free(status);
           return ampc_status_t(nullptr);
         }},
        {"synchronize", [this] { return ampc_session_synchronize(session); }},
        {"evaluate",
         [this] {
           ampc_named_tensor_t input = {"x", batch.x.get()}, output = {"y", y.get()};
           return ampc_session_evaluate(session, &input, 1, &output, 1);
         }},
        {"get_tensor", [this] { return ampc_session_get_tensor(session, "w", w.get()); }},
        {"set_tensor", [this] { return ampc_session_set_tensor(session, "w", w.get()); }},
        {"set_learning_rate", [this] { return ampc_session_set_learning_rate(session, 1e-3f); }},
        {"set_metadata", [this] { return ampc_session_set_metadata(session, "key", "value"); }},
        {"save_checkpoint",
         [this] { return ampc_session_save_checkpoint(session, saved.c_str()); }},
        {"load_checkpoint",
         [this] { return ampc_session_load_checkpoint(session, atStart.c_str(), nullptr); }},
    };
  }

  ampc_session_t *session;
  /// Two files: a save that comes through between two steps does not change what is loaded.
  std::string atStart = memoryFolder() + "/start.safetensors";
  std::string saved = memoryFolder() + "/saved.safetensors";
  Batch batch;
  Tensor<float> y = f32({4}, {0, 0, 0, 0}), w = f32({3}, {1, 1, 1});
};

/// What a process holds that must not grow.
struct Holdings {
  Holdings()
      : descriptors(count("/proc/self/fd")), threads(count("/proc/self/task")), mappings([] {
          std::ifstream maps("/proc/self/maps");
          return std::count(std::istreambuf_iterator<char>(maps), {}, '\n');
        }()),
        heapBytes(long(::mallinfo2().uordblks)) {}

  static long count(const char *folder) {
    return std::distance(std::filesystem::directory_iterator(folder), {});
  }
  long descriptors, threads, mappings, heapBytes;
};

/// Numbers as in Germany: 1.234,5.
class German : public std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

/// A module's description, and a session's checkpoint after some steps.
std::string describeAndTrain() {
  ModuleHandle module(buildTrainer());
  char *json = nullptr;
  expectOk(ampc_module_inspect(module, AMPC_DEVICE_HOST, &json));
  std::string text = json;
  ampc_string_free(json);
  SessionHandle session(module);
  Batch batch;
  expectOk(ampc_session_set_learning_rate(session, 0.0625f));
  for (int i = 0; i != 1500; ++i) // a number with thousands
    expectOk(batch.step(session, nullptr));
  std::string path = memoryFolder() + "/process.safetensors";
  expectOk(ampc_session_save_checkpoint(session, path.c_str()));
  // It is read again, and its numbers mean the same.
  SessionHandle other(module);
  expectOk(ampc_session_load_checkpoint(other, path.c_str(), nullptr));
  EXPECT_EQ(ampc_session_steps(other), 1500);
  ampc_step_info_t info = emptyInfo();
  EXPECT_EQ(expectError(ampc_session_get_step_info(other, 1234, &info), AMPC_STATUS_NOT_FOUND, "")
                .message.find("1.234"),
            std::string::npos);
  return text + readFile(path);
}

} // namespace

TEST(Embedding, OneSessionInTwoThreadsIsAnError) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  std::atomic<bool> isDone{false};
  std::atomic<int64_t> stepsMade{0};
  auto check = [](ampc_status_t status) {
    Outcome outcome(status);
    EXPECT_TRUE(outcome.code == AMPC_STATUS_OK || outcome.code == AMPC_STATUS_BUSY)
        << outcome.message;
    return outcome.code;
  };
  // One thread steps; the other tries each function until it has been refused.
  SessionCalls calls(session);
  std::thread stepper([&] {
    Batch batch;
    while (!isDone)
      stepsMade += check(batch.step(session, nullptr)) == AMPC_STATUS_OK;
  });
  for (const SessionCalls::Call &call : calls.all()) {
    if (std::string(call.name) == "load_checkpoint")
      continue; // sets the count back, which is asked for below
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    ampc_status_code_t code;
    do {
      code = check(call.run());
      bool isStep = std::string(call.name).rfind("step", 0) == 0;
      stepsMade += isStep && code == AMPC_STATUS_OK;
      ampc_session_steps(session); // allowed at any time
    } while (code != AMPC_STATUS_BUSY && std::chrono::steady_clock::now() < deadline);
    EXPECT_EQ(code, AMPC_STATUS_BUSY) << call.name;
  }
  isDone = true;
  stepper.join();
  // Whatever was refused has not happened, and what was not refused has.
  EXPECT_EQ(ampc_session_steps(session), stepsMade);
  expectOk(calls.all().back().run());
  EXPECT_EQ(ampc_session_steps(session), 0);
}

TEST(Embedding, ASessionMayMoveBetweenThreads) {
  ModuleHandle module(buildTrainer());
  SessionHandle session(module);
  Batch batch;
  for (int i = 0; i != 50; ++i)
    std::thread([&] { expectOk(batch.step(session, nullptr)); }).join();
  EXPECT_EQ(ampc_session_steps(session), 50);
}

TEST(Embedding, CreatingAndDestroyingDoesNotGrow) {
  std::string path = buildTrainer();
  auto live = [&] {
    ModuleHandle module(path);
    SessionHandle session(module, /*threads=*/2);
    SessionCalls calls(session);
    for (const SessionCalls::Call &call : calls.all())
      expectOk(call.run());
    // Errors as well.
    ampc_module_t *none = nullptr;
    expectError(ampc_module_open("/dev/null", &none), AMPC_STATUS_IO, "");
    expectError(ampc_session_load_checkpoint(session, path.c_str(), nullptr), AMPC_STATUS_CORRUPT,
                "");
  };
  for (int i = 0; i != 20; ++i)
    live();
  Holdings before;
  for (int i = 0; i != 300; ++i)
    live();
  Holdings after;
  EXPECT_EQ(after.descriptors, before.descriptors);
  EXPECT_EQ(after.threads, before.threads);
#ifndef AMPC_TEST_SANITIZED // a sanitizer's allocator keeps what is freed, and finds leaks itself
  // The allocator's arenas come and go with threads: a leak is one mapping or more a round.
  EXPECT_LT(after.mappings, before.mappings + 20);
  // Run by ctest, which turns off what malloc keeps for each thread: it counts as used.
  EXPECT_LT(after.heapBytes, before.heapBytes + 300 * 8);
#endif
}

TEST(Embedding, NumbersDoNotDependOnTheLocale) {
  std::string expected = describeAndTrain();
  std::locale before = std::locale::global(std::locale(std::locale(), new German));
  std::string given = describeAndTrain();
  std::locale::global(before);
  EXPECT_EQ(given, expected);

  // C's, where it is installed: utils/check installs what makes it.
  std::string folder = scratchFolder() + "/locales";
  std::filesystem::create_directories(folder);
  std::string make = "localedef -i de_DE -f UTF-8 '" + folder + "/de_DE.UTF-8' 2>/dev/null";
  if (std::system(make.c_str()) != 0)
    GTEST_SKIP() << "localedef cannot make de_DE: install the package locales";
  ::setenv("LOCPATH", folder.c_str(), 1);
  ASSERT_TRUE(std::setlocale(LC_ALL, "de_DE.UTF-8"));
  char text[8];
  std::snprintf(text, sizeof text, "%.1f", 0.5);
  EXPECT_STREQ(text, "0,5"); // so it is in force
  given = describeAndTrain();
  EXPECT_STREQ(std::setlocale(LC_ALL, nullptr), "de_DE.UTF-8");
  std::setlocale(LC_ALL, "C");
  ::unsetenv("LOCPATH");
  EXPECT_EQ(given, expected);
}

TEST(Embedding, ErrnoIsKept) {
  ampc_module_t *module = nullptr;
  auto expectKept = [](const char *name, auto call) {
    for (int value : {0, EDOM}) {
      errno = value;
      call();
      int left = errno;
      EXPECT_EQ(left, value) << name;
    }
  };
  std::string path = buildTrainer();
  expectKept("open and close", [&] {
    ampc_module_open(path.c_str(), &module);
    ampc_module_close(module);
  });
  expectKept("failed open", [&] { ampc_status_free(ampc_module_open("/no/such", &module)); });
  ModuleHandle opened(path);
  expectKept("create and destroy", [&] {
    ampc_session_t *session;
    ampc_session_create(opened, nullptr, &session);
    ampc_session_destroy(session);
  });
  SessionHandle session(opened, 2);
  SessionCalls calls(session);
  for (const SessionCalls::Call &call : calls.all())
    expectKept(call.name, [&] { ampc_status_free(call.run()); });
  expectKept("failed save",
             [&] { ampc_status_free(ampc_session_save_checkpoint(session, "/no/such/f")); });
  expectKept("inspect", [&] {
    char *json = nullptr;
    ampc_module_inspect(opened, AMPC_DEVICE_HOST, &json);
    ampc_string_free(json);
  });
}

TEST(Embedding, SignalsAndRoundingAreLeftAlone) {
  auto handlers = [] {
    std::vector<void (*)(int)> all;
    for (int number = 1; number != 32; ++number) {
      struct sigaction action = {};
      ::sigaction(number, nullptr, &action);
      all.push_back(action.sa_handler);
    }
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (int number = 1; number != 32; ++number)
      all.push_back(sigismember(&blocked, number) ? SIG_IGN : SIG_DFL);
    return all;
  };
  auto before = handlers();
  std::string expected = describeAndTrain();
  EXPECT_EQ(handlers(), before);
  // Nor do results depend on the caller's mode, which the caller has back.
  for (int mode : {FE_UPWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    std::string given = describeAndTrain();
    EXPECT_EQ(std::fegetround(), mode);
    std::fesetround(FE_TONEAREST);
    EXPECT_EQ(given, expected);
  }
}

TEST(Embedding, AnInterruptedCallGoesOn) {
  // A timer's signal, without SA_RESTART, comes in the middle of reads, writes and waits.
  static std::atomic<int> signals{0};
  struct sigaction action = {}, before = {};
  action.sa_handler = [](int) { ++signals; };
  ::sigaction(SIGALRM, &action, &before);
  itimerval timer = {{0, 200}, {0, 200}}, off = {};
  std::string expected = describeAndTrain();
  ::setitimer(ITIMER_REAL, &timer, nullptr);
  for (int i = 0; i != 20; ++i)
    EXPECT_EQ(describeAndTrain(), expected);
  ::setitimer(ITIMER_REAL, &off, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
  EXPECT_GT(signals, 0);
}
