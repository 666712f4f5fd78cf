//===- OutputFiles.h - What a compilation writes, as a whole -- -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_SUPPORT_OUTPUTFILES_H
#define AMPC_SUPPORT_OUTPUTFILES_H

#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ampc {

/// The files that a run reads and writes. Outputs grow beside their places and take them
/// together, in commit(): until then, and where anything fails, every place is as it was.
/// What is no regular file (a device, a pipe, standard output) is written to as it stands.
class OutputFiles {
public:
  OutputFiles();
  /// Removes what was not committed.
  ~OutputFiles();

  /// `path` is read, as `what` ("the model"). An error where it is an output as well: the
  /// paths may be spelled differently, or be links.
  llvm::Error addInput(llvm::StringRef what, llvm::StringRef path);
  /// `path` is to be written for `flag` ("-o"); an error where it is an input or another
  /// flag's output.
  llvm::Error addOutput(llvm::StringRef flag, llvm::StringRef path);
  /// addOutput(), and begins to write. "-" is standard output. The stream lives as long as
  /// this; whether it failed, commit() finds out.
  llvm::Expected<llvm::raw_ostream *> open(llvm::StringRef flag, llvm::StringRef path);

  /// Flushes and checks everything, then puts all files in their places; none, where one
  /// cannot be put there.
  llvm::Error commit();

private:
  struct File;
  struct Known {
    std::string what, path;
  };
  std::vector<Known> inputs, outputs;
  std::vector<std::unique_ptr<File>> files;
};

/// Replaces `path` by what `write` writes, as OutputFiles does it.
llvm::Error replaceFile(llvm::StringRef path,
                        llvm::function_ref<llvm::Error(llvm::raw_ostream &)> write);

/// Writes out what is left of standard output: an error where it cannot be written.
llvm::Error finishStandardOutput();

} // namespace ampc

#endif // AMPC_SUPPORT_OUTPUTFILES_H
