//===- ChannelsLastConvolution.cpp - Convolutions of nhwc images ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Host/ChannelsLastConvolution.h"

#include "Core/DType.h"

#include <cstring>

namespace ampc {

/// The multiple of the buffers' alignment that holds `bytes`.
static uint64_t align(uint64_t bytes) {
  return (bytes + AMPC_ALIGNMENT - 1) / AMPC_ALIGNMENT * AMPC_ALIGNMENT;
}

uint64_t ChannelsLastConvolution::Planes::bytes() const {
  return uint64_t(count) * uint64_t(channels) * uint64_t(points) * sizeOf(dtype);
}

ChannelsLastConvolution::ChannelsLastConvolution(const ConvolutionShape &s,
                                                 std::unique_ptr<HostCall> channelsFirst)
    : hasBias(s.hasBias), channelsFirst(std::move(channelsFirst)) {
  Planes input = {s.n, s.c, s.inputPoints(), 0};
  Planes filter = {s.k, 1, s.c / s.groups * s.filterPoints(), 0}; // which stays
  Planes output = {s.n, s.k, s.outputPoints(), 0};
  lhs = s.kind == AMPC_CONVOLUTION_FORWARD ? input : output;
  rhs = s.kind == AMPC_CONVOLUTION_FILTER_GRADIENT ? input : filter;
  out = s.kind == AMPC_CONVOLUTION_FORWARD          ? output
        : s.kind == AMPC_CONVOLUTION_INPUT_GRADIENT ? input
                                                    : filter;
  lhs.dtype = s.lhs;
  rhs.dtype = s.rhs;
  out.dtype = s.out;
}

Workspace::Requirement ChannelsLastConvolution::requirement() const {
  // The copies lie behind what the call itself shares.
  Workspace::Requirement need = channelsFirst->requirement();
  need.sharedBytes = align(need.sharedBytes);
  for (const Planes &planes : {lhs, rhs, out})
    need.sharedBytes += planes.isTurned() ? align(planes.bytes()) : 0;
  return need;
}

/// Turns [rows, columns] of elements of `size` bytes.
template <size_t size>
static void transpose(char *to, const char *from, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row != rows; ++row)
    for (int64_t column = 0; column != columns; ++column)
      std::memcpy(to + (column * rows + row) * int64_t(size),
                  from + (row * columns + column) * int64_t(size), size);
}

/// The same for `count` matrices, one behind the other.
static void transposeAll(char *to, const char *from, int64_t count, int64_t rows, int64_t columns,
                         size_t size, ThreadPool &pool) {
  // Enough bytes for each thread to wake another.
  constexpr int64_t kWorthwhile = 1 << 16;
  int64_t bytes = rows * columns * int64_t(size);
  pool.run(count, /*wake=*/count * bytes > kWorthwhile, [&](int64_t i, int) {
    auto turn = size == 2 ? transpose<2> : size == 4 ? transpose<4> : transpose<8>;
    turn(to + i * bytes, from + i * bytes, rows, columns);
  });
}

void ChannelsLastConvolution::run(void *const *arguments, const Workspace &workspace,
                                  ThreadPool &pool) const {
  char *copy =
      static_cast<char *>(workspace.shared()) + align(channelsFirst->requirement().sharedBytes);
  void *inner[4];
  for (int i : {0, 1}) {
    const Planes &planes = i == 0 ? lhs : rhs;
    inner[i] = arguments[i];
    if (!planes.isTurned())
      continue;
    transposeAll(copy, static_cast<const char *>(arguments[i]), planes.count, planes.points,
                 planes.channels, sizeOf(planes.dtype), pool);
    inner[i] = copy;
    copy += align(planes.bytes());
  }
  int result = hasBias ? 3 : 2;
  if (hasBias)
    inner[2] = arguments[2];
  inner[result] = out.isTurned() ? copy : arguments[result];
  channelsFirst->run(inner, workspace, pool);
  if (out.isTurned())
    transposeAll(static_cast<char *>(arguments[result]), copy, out.count, out.channels, out.points,
                 sizeOf(out.dtype), pool);
}

} // namespace ampc
