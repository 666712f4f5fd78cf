//===- ArenaAccesses.cpp - Who touched which bytes last -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ArenaAccesses.h"

using namespace mlir;

namespace ampc {

void ArenaAccesses::cutAt(uint64_t byte) {
  auto after = pieces.upper_bound(byte);
  if (after == pieces.begin())
    return;
  auto &[begin, piece] = *std::prev(after);
  if (begin == byte || piece.end <= byte)
    return;
  Piece right = piece;
  piece.end = byte;
  pieces.emplace(byte, std::move(right));
}

std::pair<ArenaAccesses::Pieces::iterator, ArenaAccesses::Pieces::iterator>
ArenaAccesses::cut(uint64_t begin, uint64_t end) {
  cutAt(begin);
  cutAt(end);
  for (uint64_t at = begin; at != end;) {
    auto next = pieces.lower_bound(at);
    if (next == pieces.end() || next->first != at) {
      uint64_t gapEnd = next == pieces.end() ? end : std::min(next->first, end);
      next = pieces.emplace_hint(next, at, Piece{gapEnd, nullptr, {}});
    }
    at = next->second.end;
  }
  return {pieces.lower_bound(begin), pieces.lower_bound(end)};
}

Operation *ArenaAccesses::read(uint64_t begin, uint64_t end, Operation *step) {
  if (begin == end)
    return nullptr;
  auto [first, last] = cut(begin, end);
  for (auto it = first; it != last; ++it) {
    Piece &piece = it->second;
    if (piece.writer && piece.writer != step && !order.isBefore(piece.writer, step))
      return piece.writer;
    // Whoever comes after this one comes after those before it in its queue.
    llvm::erase_if(piece.readers,
                   [&](Operation *reader) { return order.queueOf(reader) == order.queueOf(step); });
    piece.readers.push_back(step);
  }
  return nullptr;
}

Operation *ArenaAccesses::write(uint64_t begin, uint64_t end, Operation *step) {
  if (begin == end)
    return nullptr;
  auto [first, last] = cut(begin, end);
  auto isBeside = [&](Operation *other) {
    return other && other != step && !order.isBefore(other, step);
  };
  for (auto it = first; it != last; ++it) {
    if (isBeside(it->second.writer))
      return it->second.writer;
    for (Operation *reader : it->second.readers)
      if (isBeside(reader))
        return reader;
  }
  pieces.erase(first, last);
  pieces.emplace(begin, Piece{end, step, {}});
  return nullptr;
}

} // namespace ampc
