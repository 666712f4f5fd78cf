//===- BufferPlaces.cpp - Where buffers lie in the arena ------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Buffers choose one after the other, each the tightest gap among those placed before it
// whose lifetimes meet its own; several orders are tried.
//
//===----------------------------------------------------------------------===//

#include "BufferPlaces.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <map>
#include <set>

namespace ampc {

namespace {
/// Up to so many buffers are compared with each other.
constexpr size_t kMostCompared = 4096;

/// Whether the arena ends at an address.
bool isAddressable(const PlacedBuffer &buffer) {
  return buffer.offset <= uint64_t(std::numeric_limits<int64_t>::max()) &&
         buffer.offset + buffer.bytes <= uint64_t(std::numeric_limits<int64_t>::max());
}

/// Places `buffer` at the lowest end of the tightest gap between the `placed` ones, given by
/// their offsets, that live at the same time. Returns false where the arena would pass 2^63
/// bytes.
bool place(PlacedBuffer &buffer, ArrayRef<PlacedBuffer *> placed, uint64_t start) {
  uint64_t gapStart = start, best = 0;
  std::optional<uint64_t> bestGap;
  for (PlacedBuffer *other : placed) {
    if (other->first > buffer.last || buffer.first > other->last || !other->bytes)
      continue;
    uint64_t begin = other->offset, end = begin + other->bytes;
    if (begin > gapStart && begin - gapStart >= buffer.bytes &&
        (!bestGap || begin - gapStart < *bestGap)) {
      bestGap = begin - gapStart;
      best = gapStart;
    }
    gapStart = std::max(gapStart, end);
  }
  buffer.offset = bestGap ? best : gapStart;
  return isAddressable(buffer);
}

/// Places buffers in the order in which they come to life, each in the tightest gap that is
/// free by then: in time n log n, and not as tight as the largest first. Returns the buffer
/// that finds no place below 2^63 bytes; null where all do.
PlacedBuffer *placeByTime(ArrayRef<PlacedBuffer *> pending, uint64_t start) {
  SmallVector<PlacedBuffer *> byFirst(pending), byLast(pending);
  llvm::stable_sort(byFirst, [](PlacedBuffer *a, PlacedBuffer *b) { return a->first < b->first; });
  llvm::stable_sort(byLast, [](PlacedBuffer *a, PlacedBuffer *b) { return a->last < b->last; });
  std::map<uint64_t, uint64_t> gaps;              // end of each by its begin
  std::set<std::pair<uint64_t, uint64_t>> bySize; // size and begin
  auto add = [&](uint64_t begin, uint64_t end) {
    gaps[begin] = end;
    bySize.insert({end - begin, begin});
  };
  auto take = [&](std::map<uint64_t, uint64_t>::iterator gap) {
    bySize.erase({gap->second - gap->first, gap->first});
    return gaps.erase(gap);
  };
  uint64_t top = start; // nothing lies above
  auto dead = byLast.begin();
  for (PlacedBuffer *buffer : byFirst) {
    for (; (*dead)->last < buffer->first; ++dead) {
      uint64_t begin = (*dead)->offset, end = begin + (*dead)->bytes;
      if (begin == end)
        continue;
      auto next = gaps.lower_bound(begin);
      if (next != gaps.end() && next->first == end) {
        end = next->second;
        next = take(next);
      }
      if (next != gaps.begin() && std::prev(next)->second == begin) {
        begin = std::prev(next)->first;
        take(std::prev(next));
      }
      if (end == top)
        top = begin;
      else
        add(begin, end);
    }
    auto best = bySize.lower_bound({buffer->bytes, 0});
    if (best == bySize.end() || buffer->bytes == 0) {
      buffer->offset = top;
      if (!isAddressable(*buffer))
        return buffer;
      top += buffer->bytes;
      continue;
    }
    auto [size, begin] = *best;
    take(gaps.find(begin));
    buffer->offset = begin;
    if (size > buffer->bytes)
      add(begin + buffer->bytes, begin + size);
  }
  return nullptr;
}

} // namespace

uint64_t endOf(ArrayRef<PlacedBuffer *> buffers) {
  uint64_t end = 0;
  for (PlacedBuffer *buffer : buffers)
    end = std::max(end, buffer->offset + buffer->bytes);
  return end;
}

namespace {
/// Places buffers in the given order, each in the tightest gap among those before it. Returns the
/// buffer that finds no place below 2^63 bytes; null where all do.
PlacedBuffer *placeInOrder(ArrayRef<PlacedBuffer *> order, uint64_t start) {
  SmallVector<PlacedBuffer *> placed;
  for (PlacedBuffer *buffer : order) {
    if (!place(*buffer, placed, start))
      return buffer;
    placed.insert(
        llvm::upper_bound(placed, buffer,
                          [](PlacedBuffer *a, PlacedBuffer *b) { return a->offset < b->offset; }),
        buffer);
  }
  return nullptr;
}

/// Which of two buffers chooses its place first.
using Precedence = bool (*)(const PlacedBuffer *, const PlacedBuffer *);

int64_t lifeOf(const PlacedBuffer *buffer) { return buffer->last - buffer->first + 1; }
double areaOf(const PlacedBuffer *buffer) { return double(buffer->bytes) * double(lifeOf(buffer)); }

/// Orders to begin with. None is best for all graphs.
constexpr Precedence kOrders[] = {
    [](const PlacedBuffer *a, const PlacedBuffer *b) { return a->bytes > b->bytes; },
    [](const PlacedBuffer *a, const PlacedBuffer *b) { return areaOf(a) > areaOf(b); },
    [](const PlacedBuffer *a, const PlacedBuffer *b) { return lifeOf(a) > lifeOf(b); }};

/// Comparisons of buffers that a better plan is worth, and rounds behind which none was found.
constexpr size_t kMostComparisons = 1 << 22, kMostRounds = 60;

/// Places buffers in several orders, of which the one with the lowest end stays: from each of
/// kOrders, again and again with those first that reached highest. The first that takes no more
/// than the `alive` bytes ends the search. Returns the buffer that finds no place.
PlacedBuffer *placeTightest(ArrayRef<PlacedBuffer *> pending, uint64_t alive, uint64_t start) {
  size_t perRound = std::max<size_t>(pending.size() * pending.size(), 1);
  size_t rounds = std::min(kMostRounds, kMostComparisons / perRound);
  std::optional<uint64_t> least;
  SmallVector<uint64_t> best;
  SmallVector<PlacedBuffer *> order(pending);
  for (Precedence isBefore : kOrders) {
    llvm::stable_sort(order, isBefore);
    for (size_t round = 0; round <= rounds && (!least || *least > start + alive); ++round) {
      if (PlacedBuffer *tooLarge = placeInOrder(order, start)) {
        if (!least)
          return tooLarge;
        break;
      }
      uint64_t end = endOf(pending);
      if (!least || end < *least) {
        least = end;
        best = llvm::map_to_vector(pending, [](PlacedBuffer *buffer) { return buffer->offset; });
      }
      std::stable_partition(order.begin(), order.end(), [&](PlacedBuffer *buffer) {
        return buffer->offset + buffer->bytes == end;
      });
    }
  }
  for (auto [buffer, offset] : llvm::zip_equal(pending, best))
    buffer->offset = offset;
  return nullptr;
}
} // namespace

PlacedBuffer *placeBuffers(ArrayRef<PlacedBuffer *> buffers, uint64_t alive, uint64_t start) {
  return buffers.size() > kMostCompared ? placeByTime(buffers, start)
                                        : placeTightest(buffers, alive, start);
}

} // namespace ampc
