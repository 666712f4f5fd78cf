//===- File.cpp - A file that is read by offset ---------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Core/File.h"

#include "Core/Error.h"

#include <cerrno>

namespace ampc {

File::File(const std::string &path) : name(path) {
  int error = file.open(path);
  if (error == EISDIR || error == ENOTSUP)
    throw Error(AMPC_STATUS_IO, concat("cannot read '", path, "': it is no regular file"));
  if (error)
    throw Error(error == ENOENT || error == ENOTDIR ? AMPC_STATUS_NOT_FOUND : AMPC_STATUS_IO,
                concat("cannot open '", path, "': ", systemMessage(error)));
}

void File::read(uint64_t offset, void *data, uint64_t count) const {
  int error;
  uint64_t done = file.readAt(offset, data, count, error);
  if (error)
    throw Error(AMPC_STATUS_IO, concat("reading '", name, "' failed: ", systemMessage(error)));
  if (done < count)
    throw Error(AMPC_STATUS_IO, concat("reading '", name, "' failed: the file ends at byte ",
                                       offset + done, ", ", count - done, " bytes early"));
}

} // namespace ampc
