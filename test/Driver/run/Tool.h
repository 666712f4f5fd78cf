//===- Tool.h - Runs ampc-run on the fake runtime -------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_DRIVER_RUN_TOOL_H
#define AMPC_TEST_DRIVER_RUN_TOOL_H

#include "ArrayFiles.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace ampc::test {

struct ToolResult {
  int exitCode; ///< or minus the signal that ended it
  std::string output, error;
};

struct ToolOptions {
  bool onTerminal = false; ///< standard error is one; `error` is what it shows
  int signal = 0;          ///< sent after `signalAfter` microseconds
  unsigned signalAfter = 0;
  std::string standardOutput; ///< a file for it, instead of `output`
};

/// Runs the tool and waits for its end.
ToolResult runTool(const std::vector<std::string> &arguments, const ToolOptions &options = {});

/// A folder with a module of the fake runtime and data for it: y = 2a - b +
/// 0.5c + 1 for `rows` rows, in data.npz.
class ToolTest : public testing::Test {
protected:
  /// Writes t.so, batch 4 and 3 features where `lines` says nothing else.
  void makeModule(const std::string &lines = "");
  void makeData(int rows, bool withTarget = true, bool integerTarget = false);

  /// `ampc-run train t.so --data=data.npz` and `more`.
  ToolResult train(const std::vector<std::string> &more, const ToolOptions &options = {});
  ToolResult eval(const std::vector<std::string> &more, const ToolOptions &options = {});
  /// --name=FOLDER/file
  std::string flag(const std::string &name, const std::string &file) {
    return "--" + name + "=" + folder.path(file);
  }
  std::string file(const std::string &name) { return readFile(folder.path(name)); }

  TemporaryFolder folder;
};

size_t countLines(const std::string &text);

} // namespace ampc::test

#endif // AMPC_TEST_DRIVER_RUN_TOOL_H
