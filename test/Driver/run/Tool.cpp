//===- Tool.cpp - Runs ampc-run on the fake runtime -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tool.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <pty.h>
#include <stdexcept>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

using namespace ampc::test;

ToolResult ampc::test::runTool(const std::vector<std::string> &arguments,
                               const ToolOptions &options) {
  TemporaryFolder folder;
  std::string output =
      options.standardOutput.empty() ? folder.path("output") : options.standardOutput;
  int terminal = -1, error = -1;
  if (options.onTerminal) {
    winsize size = {24, 80, 0, 0};
    if (openpty(&terminal, &error, nullptr, nullptr, &size) != 0)
      throw std::runtime_error("no pseudo terminal");
  } else {
    error = open(folder.path("error").c_str(), O_CREAT | O_WRONLY, 0600);
  }
  pid_t child = fork();
  if (child == 0) {
    int outputFile = open(output.c_str(), O_CREAT | O_WRONLY, 0600);
    dup2(outputFile, STDOUT_FILENO);
    dup2(error, STDERR_FILENO);
    setenv("TERM", "xterm", 1);
    std::vector<char *> words{const_cast<char *>("ampc-run")};
    for (const std::string &argument : arguments)
      words.push_back(const_cast<char *>(argument.c_str()));
    words.push_back(nullptr);
    execv(AMPC_RUN_FAKE, words.data());
    _exit(127);
  }
  close(error);
  if (options.signal) {
    usleep(options.signalAfter);
    kill(child, options.signal);
  }
  ToolResult result;
  if (options.onTerminal) {
    char part[4096];
    ssize_t got;
    while ((got = read(terminal, part, sizeof part)) > 0)
      result.error.append(part, size_t(got));
    close(terminal);
  }
  int status = 0;
  waitpid(child, &status, 0);
  result.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  if (!options.onTerminal)
    result.error = readFile(folder.path("error"));
  result.output = readFile(folder.path("output"));
  return result;
}

void ToolTest::makeModule(const std::string &lines) {
  folder.write("t.so", "fake-module\n" + lines);
}

void ToolTest::makeData(int rows, bool withTarget, bool integerTarget) {
  std::vector<float> x, target;
  std::vector<int64_t> classes;
  for (int row = 0; row < rows; ++row) {
    float a = float(row * 7 % 11) / 8, b = float(row * 5 % 13) / 16;
    float c = float(row % 3) / 2;
    x.insert(x.end(), {a, b, c});
    target.push_back(2 * a - b + 0.5f * c + 1);
    classes.push_back(int64_t(target.back()));
  }
  std::string count = std::to_string(rows);
  std::vector<std::pair<std::string, std::string>> members{
      {"x.npy", npy("<f4", "(" + count + ", 3)", bytesOf(x))}};
  if (withTarget)
    members.push_back({"target.npy", integerTarget
                                         ? npy("<i8", "(" + count + ",)", bytesOf(classes))
                                         : npy("<f4", "(" + count + ",)", bytesOf(target))});
  folder.write("data.npz", npz(members));
}

ToolResult ToolTest::train(const std::vector<std::string> &more, const ToolOptions &options) {
  std::vector<std::string> arguments{"train", folder.path("t.so"), flag("data", "data.npz")};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return runTool(arguments, options);
}

ToolResult ToolTest::eval(const std::vector<std::string> &more, const ToolOptions &options) {
  std::vector<std::string> arguments{"eval", folder.path("t.so"), flag("data", "data.npz")};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return runTool(arguments, options);
}

size_t ampc::test::countLines(const std::string &text) {
  return size_t(std::count(text.begin(), text.end(), '\n'));
}
