//===- SimtFormat.h - Device kernels compiled for the CPU -------*- C++ -*-===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The contract between writeSimtLibrary, which compiles device kernels for the
// CPU, and the test library that executes them in the place of a GPU. Includes
// neither LLVM nor CUDA.
//
// A library (*.simt.so) belongs to the device images (PTX text or cubins) that
// were made from the same kernels: who is handed an image hashes it with
// simtImageHash, finds the library that lists the hash, and looks the kernel up
// there by name.
//
//===----------------------------------------------------------------------===//

#ifndef AMPC_TARGET_SIMTFORMAT_H
#define AMPC_TARGET_SIMTFORMAT_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ampc {

constexpr uint32_t kSimtVersion = 1;
/// The one symbol of a library: a SimtLibrary.
constexpr const char *kSimtSymbol = "ampc_simt_v1";
/// Environment variable with the libraries' paths, separated by colons.
constexpr const char *kSimtEnvironment = "AMPC_SIMT_LIBRARY";
constexpr int kSimtWarpSize = 32;

struct SimtThread;

enum class SimtShuffle : int32_t { Xor = 0, Down = 1, Up = 2, Index = 3 };

/// What kernels call. `site` numbers the operation within its kernel.
struct SimtCalls {
  void (*barrier)(SimtThread *self, int32_t site);
  /// Values narrower than 64 bits travel in the low bits.
  int64_t (*shuffle)(SimtThread *self, int64_t value, int32_t offset, int32_t width, int32_t mode,
                     int32_t site);
  /// Whether this thread's last shuffle read a lane that took part.
  int32_t (*shuffleValid)(SimtThread *self);
};

/// What one call of a kernel sees. Compiled code reads it by position.
struct SimtThread {
  int64_t threadId[3];
  int64_t blockId[3];
  int64_t blockSize[3];
  int64_t gridSize[3];
  void *workgroupMemory;
  const SimtCalls *calls;
};

struct SimtKernel {
  const char *name;
  /// `parameters` are what cuLaunchKernel takes: one pointer a parameter, to
  /// its value. Runs one thread if `usesFibers`, else the whole block (threadId
  /// is ignored).
  void (*run)(SimtThread *thread, void **parameters);
  uint32_t usesFibers;
  uint32_t workgroupBytes;
  int32_t blockSize[3]; ///< the only one it runs with; 0: any
  uint32_t parameterCount;
  /// For each parameter the bytes that the kernel may touch behind the pointer;
  /// 0 where the parameter is no pointer.
  const uint64_t *parameterBytes;
};

struct SimtLibrary {
  uint32_t version; ///< kSimtVersion
  uint32_t imageCount;
  const uint64_t *imageHashes; ///< simtImageHash of each image
  uint64_t kernelCount;
  const SimtKernel *kernels;
};

/// Size of a device image: of a cubin by its ELF header, whose section table
/// ptxas puts before the program headers, or of PTX up to its NUL.
inline size_t simtImageBytes(const void *image) {
  const char *bytes = static_cast<const char *>(image);
  if (std::memcmp(bytes, "\177ELF", 4) != 0)
    return std::strlen(bytes);
  auto read64 = [&](size_t at) {
    uint64_t v;
    std::memcpy(&v, bytes + at, 8);
    return v;
  };
  auto read16 = [&](size_t at) {
    uint16_t v;
    std::memcpy(&v, bytes + at, 2);
    return v;
  };
  const uint64_t programs = read64(32) + uint64_t(read16(54)) * read16(56);
  const uint64_t sections = read64(40) + uint64_t(read16(58)) * read16(60);
  return std::max(programs, sections);
}

/// FNV-1a over an image of simtImageBytes(image) bytes.
inline uint64_t simtImageHash(const void *image, size_t size) {
  uint64_t hash = 0xcbf29ce484222325ull;
  const unsigned char *bytes = static_cast<const unsigned char *>(image);
  for (size_t i = 0; i < size; ++i)
    hash = (hash ^ bytes[i]) * 0x100000001b3ull;
  return hash;
}

} // namespace ampc

#endif // AMPC_TARGET_SIMTFORMAT_H
