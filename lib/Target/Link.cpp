//===- Link.cpp - The linker, in this process -----------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Link.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <link.h>

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace {

/// Where this process's own C and mathematical libraries lie: a machine that
/// runs ampc need not have the development packages with libc.so and libm.so.
SmallVector<std::string> systemLibraries() {
  SmallVector<std::string> paths;
  dl_iterate_phdr(
      [](dl_phdr_info *info, size_t, void *data) {
        StringRef name = sys::path::filename(info->dlpi_name);
        if (name.starts_with("libc.so.") || name.starts_with("libm.so."))
          static_cast<SmallVector<std::string> *>(data)->push_back(info->dlpi_name);
        return 0;
      },
      &paths);
  llvm::sort(paths); // the loader's order is no property of the input
  return paths;
}

Error writeWhole(StringRef path, ArrayRef<char> bytes) {
  std::error_code code;
  raw_fd_ostream out(path, code, sys::fs::OF_None);
  if (code)
    return createFileError(path, code);
  out.write(bytes.data(), bytes.size());
  out.close();
  if (!out.has_error())
    return Error::success();
  code = out.error();
  out.clear_error();
  return createFileError(path, code);
}

} // namespace

Expected<SmallVector<char, 0>> ampc::linkShared(ArrayRef<ArrayRef<char>> objects) {
  SmallString<128> directory;
  if (std::error_code code = sys::fs::createUniqueDirectory("ampc-link", directory))
    return createStringError(code, "no temporary directory: " + code.message());
  auto removeDirectory = scope_exit([&] { (void)sys::fs::remove_directories(directory); });

  SmallVector<std::string> args = {
      "ld.lld", "-shared",         "--no-undefined",   "--gc-sections",     "-s",
      "-znow",  "--build-id=none", "--hash-style=gnu", "--no-eh-frame-hdr", "-znoseparate-code"};
  for (auto [i, object] : enumerate(objects)) {
    SmallString<128> path(directory);
    sys::path::append(path, Twine(i) + ".o");
    if (Error error = writeWhole(path, object))
      return error;
    args.push_back(path.str().str());
  }
  SmallString<128> output(directory);
  sys::path::append(output, "out.so");
  args.push_back("--as-needed");
  append_range(args, systemLibraries());
  append_range(args, std::initializer_list<std::string>{"-o", output.str().str()});

  std::string log;
  raw_string_ostream stream(log);
  SmallVector<const char *> argv;
  for (const std::string &arg : args)
    argv.push_back(arg.c_str());
  lld::Result result = lld::lldMain(argv, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode)
    return createStringError("linking failed: " + StringRef(log).trim());
  auto buffer = MemoryBuffer::getFile(output, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createFileError(output, buffer.getError());
  StringRef bytes = (*buffer)->getBuffer();
  return SmallVector<char, 0>(bytes.begin(), bytes.end());
}
