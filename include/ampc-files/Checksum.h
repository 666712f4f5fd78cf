//===- Checksum.h - A number that tells bytes apart -------------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_FILES_CHECKSUM_H
#define AMPC_FILES_CHECKSUM_H

#include <cstdint>
#include <string>

namespace ampc::files {

/// XXH64 with seed 0 (xxHash's specification, github.com/Cyan4973/xxHash, doc/xxhash_spec.md) of
/// bytes that come piece by piece. One changed bit always gives another number; no protection
/// against who means harm.
class Checksum {
public:
  void add(const void *data, uint64_t bytes);
  uint64_t value() const;

private:
  void addStripe(const unsigned char *stripe);

  /// Of the specification: sums of its first two primes.
  uint64_t lanes[4] = {0x60EA27EEADC0B5D6, 0xC2B2AE3D27D4EB4F, 0, 0x61C8864E7A143579};
  uint64_t total = 0;
  unsigned char rest[32]; ///< the last total % 32 bytes
};

/// The metadata of a checkpoint that holds its Checksum, as hexadecimal digits, and how many there
/// are; they count as zeros.
inline constexpr const char *kChecksumKey = "ampc.checksum";
inline constexpr size_t kChecksumDigits = 16;

/// A number as a checkpoint's metadata has it.
std::string toDigits(uint64_t number);
/// Where the digits stand in the bytes before a checkpoint's data; npos where they do not.
size_t findChecksum(const std::string &start);

} // namespace ampc::files

#endif // AMPC_FILES_CHECKSUM_H
