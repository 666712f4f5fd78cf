//===- AtomicFile.cpp - Replaces a file as a whole or not at all ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Checkpoint/AtomicFile.h"

#include "Core/Error.h"
#include "ampc-files/FileIdentity.h"

#include <cerrno>

namespace ampc {

AtomicFile::AtomicFile(const std::string &path) : path(path) {
  // A device or pipe would be replaced by a file.
  if (files::isStream(path))
    fail("cannot replace", ENOTSUP);
  if (int error = file.open(path))
    fail(error == EISDIR ? "cannot replace" : "cannot create a file beside", error);
}

void AtomicFile::fail(const char *what, int errorNumber) const {
  throw Error(AMPC_STATUS_IO, concat(what, " '", path, "': ", systemMessage(errorNumber),
                                     "; the file is as it was"));
}

void AtomicFile::write(const void *data, uint64_t bytes) {
  if (int error = file.write(data, bytes))
    fail("cannot write", error);
}

void AtomicFile::overwrite(uint64_t offset, const void *data, uint64_t bytes) {
  if (int error = file.writeAt(offset, data, bytes))
    fail("cannot write", error);
}

void AtomicFile::commit() {
  if (int error = file.sync())
    fail("cannot write", error);
  if (int error = file.commit())
    fail("cannot replace", error);
  // Without it, a power cut may bring the old file back.
  if (int error = file.syncFolder())
    throw Error(AMPC_STATUS_IO, concat("'", path, "' is written, but may not outlast a power cut: ",
                                       systemMessage(error)));
}

} // namespace ampc
