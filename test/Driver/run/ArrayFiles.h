//===- ArrayFiles.h - Makes .npy and .npz files for tests -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TEST_DRIVER_RUN_ARRAYFILES_H
#define AMPC_TEST_DRIVER_RUN_ARRAYFILES_H

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ampc::test {

/// The bytes of `values`, as they lie in memory.
template <typename T>
std::string bytesOf(const std::vector<T> &values) {
  return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T));
}

/// A .npy file with `header` as it stands, after the magic and the length.
std::string npyWithHeader(const std::string &header, const std::string &data, int version = 1);
/// A .npy file. `shape` is a Python tuple: "(2, 3)".
std::string npy(const std::string &descr, const std::string &shape, const std::string &data,
                bool fortranOrder = false);

/// How a .npz is made. The fields that lie are for tests of the reader.
struct NpzStyle {
  bool deflates = false;
  bool streams = false; ///< sizes behind the data, as when writing to a pipe
  bool zip64 = false;   ///< every number in its zip64 form
  std::string comment;
};

/// A .npz archive with these members, each a name ("x.npy") and its bytes.
std::string npz(const std::vector<std::pair<std::string, std::string>> &members,
                const NpzStyle &style = {});

/// A folder that lives as long as this.
class TemporaryFolder {
public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;
  ~TemporaryFolder();

  std::string path(const std::string &name) const { return folder + "/" + name; }
  /// Writes a file and returns its path.
  std::string write(const std::string &name, const std::string &bytes) const;
  /// Names in the folder, sorted.
  std::vector<std::string> list() const;

private:
  std::string folder;
};

/// The contents of a file; "" where there is none.
std::string readFile(const std::string &path);

} // namespace ampc::test

#endif // AMPC_TEST_DRIVER_RUN_ARRAYFILES_H
