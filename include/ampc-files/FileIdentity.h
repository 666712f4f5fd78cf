//===- FileIdentity.h - Which file a path names -----------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_FILES_FILEIDENTITY_H
#define AMPC_FILES_FILEIDENTITY_H

#include <string>

namespace ampc::files {

/// Whether writing one of the paths changes what the other names: a regular file under
/// whatever spelling, symbolic or hard link, or the place of a file that is not there yet.
/// Devices and pipes are never the same file: what is written to them replaces nothing.
bool isSameFile(const std::string &a, const std::string &b);

/// Whether `path` is no regular file, or the file that standard output or error goes to
/// (/dev/stdout): written as it stands, from where it is. A path that names nothing, a
/// folder included, is no stream.
bool isStream(const std::string &path);

/// Opens a stream for writing, without waiting for the reader of a pipe (ENXIO where there is
/// none). Returns a descriptor of its own, or the negative number of the error.
int openStream(const std::string &path);

/// The folder that `path` lies in: "." where it names none.
std::string folderOf(const std::string &path);

} // namespace ampc::files

#endif // AMPC_FILES_FILEIDENTITY_H
