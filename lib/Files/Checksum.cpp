//===- Checksum.cpp - A number that tells bytes apart -----------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc-files/Checksum.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace ampc::files {

static constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87, kPrime2 = 0xC2B2AE3D27D4EB4F,
                          kPrime3 = 0x165667B19E3779F9, kPrime4 = 0x85EBCA77C2B2AE63,
                          kPrime5 = 0x27D4EB2F165667C5;

static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

/// Little-endian, as all of the checkpoint.
template <typename T>
static uint64_t load(const unsigned char *at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

static uint64_t round(uint64_t lane, uint64_t input) {
  return rotate(lane + input * kPrime2, 31) * kPrime1;
}

void Checksum::addStripe(const unsigned char *stripe) {
  for (int i = 0; i != 4; ++i)
    lanes[i] = round(lanes[i], load<uint64_t>(stripe + 8 * i));
}

void Checksum::add(const void *data, uint64_t bytes) {
  const auto *from = static_cast<const unsigned char *>(data);
  uint64_t kept = total % sizeof(rest);
  total += bytes;
  if (kept > 0) {
    uint64_t taken = std::min<uint64_t>(bytes, sizeof(rest) - kept);
    std::memcpy(rest + kept, from, taken);
    from += taken;
    bytes -= taken;
    if (kept + taken < sizeof(rest))
      return;
    addStripe(rest);
  }
  for (; bytes >= sizeof(rest); from += sizeof(rest), bytes -= sizeof(rest))
    addStripe(from);
  if (bytes > 0)
    std::memcpy(rest, from, bytes);
}

uint64_t Checksum::value() const {
  uint64_t hash = kPrime5; // seed 0
  if (total >= sizeof(rest)) {
    hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
    for (uint64_t lane : lanes)
      hash = (hash ^ round(0, lane)) * kPrime1 + kPrime4;
  }
  hash += total;
  const unsigned char *at = rest, *end = rest + total % sizeof(rest);
  for (; end - at >= 8; at += 8)
    hash = rotate(hash ^ round(0, load<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  for (; end - at >= 4; at += 4)
    hash = rotate(hash ^ load<uint32_t>(at) * kPrime1, 23) * kPrime2 + kPrime3;
  for (; at != end; ++at)
    hash = rotate(hash ^ *at * kPrime5, 11) * kPrime1;
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

std::string toDigits(uint64_t number) {
  char digits[kChecksumDigits + 1];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(number));
  return digits;
}

size_t findChecksum(const std::string &start) {
  const std::string key = std::string("\"") + kChecksumKey + "\":\"";
  size_t at = start.find(key);
  bool isWhole = at != std::string::npos && start.size() - at - key.size() > kChecksumDigits;
  return isWhole ? at + key.size() : std::string::npos;
}

} // namespace ampc::files
