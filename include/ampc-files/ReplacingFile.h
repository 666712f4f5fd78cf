//===- ReplacingFile.h - Replaces a file as a whole or not at all -*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_FILES_REPLACINGFILE_H
#define AMPC_FILES_REPLACINGFILE_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace ampc::files {

/// A file that grows beside its place, as `path`.PID.N.tmp, and takes the place as a whole.
/// Its owner holds a lock on it (flock), so that what a killed process left is told from
/// what another one is writing: the next file for the same place removes the former.
///
/// Functions return 0, or the number of the error (errno); after an error the place is as it
/// was. The destructor removes what was not committed.
class ReplacingFile {
public:
  ReplacingFile() = default;
  ~ReplacingFile();
  ReplacingFile(const ReplacingFile &) = delete;
  ReplacingFile &operator=(const ReplacingFile &) = delete;

  /// Creates the temporary file, with the permissions of any new file.
  int open(std::string path);
  /// Appends.
  int write(const void *data, uint64_t bytes);
  int writeAt(uint64_t offset, const void *data, uint64_t bytes);
  /// Makes what was written durable. Renaming is all that can fail afterwards.
  int sync();
  /// Puts the file in its place. The caller has called sync().
  int commit();
  /// As commit(), but revert() brings back what was in the place before, where the file
  /// system can exchange two files. What was there is gone with the destructor.
  int exchange();
  void revert();
  /// Makes the new name itself durable. Zero too where the file system has no such thing.
  int syncFolder() const;

  /// Open for writing.
  int descriptor() const { return file; }
  const std::string &temporaryPath() const { return temporary; }

private:
  int create();

  std::string path, temporary;
  int file = -1;
  enum { Growing, Created, Exchanged, Settled } state = Growing;
};

/// Writes all of `bytes` bytes where the descriptor stands. Returns 0 or an error's number.
int writeFully(int descriptor, const void *data, uint64_t bytes);

} // namespace ampc::files

#endif // AMPC_FILES_REPLACINGFILE_H
