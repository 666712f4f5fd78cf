//===- MappedFile.cpp - A file in memory ----------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ampc/Support/MappedFile.h"

#include "llvm/Support/MathExtras.h"
#include <cstdint>
#include <functional>
#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;

namespace ampc {

MappedFile::~MappedFile() {
  if (!data.empty())
    ::munmap(const_cast<char *>(data.data()), data.size());
}

void MappedFile::dropPages(ArrayRef<char> part) const {
  std::less<const char *> isBefore;
  if (isBefore(part.begin(), data.begin()) || isBefore(data.end(), part.end()))
    return;
  // Pages that reach into the part's neighbours go too: they are no more than read again.
  auto page = uint64_t(::sysconf(_SC_PAGESIZE));
  uint64_t first = alignDown(uint64_t(part.begin() - data.begin()), page);
  uint64_t size = uint64_t(part.end() - data.begin()) - first;
  if (size > 0)
    (void)::madvise(const_cast<char *>(data.data()) + first, size, MADV_DONTNEED);
}
} // namespace ampc
