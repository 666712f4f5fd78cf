//===- GemmTiles.cpp - Products of bf16 in the processor's tiles ----------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// AMX has eight tiles of 16 rows by 64 bytes, and one instruction for the
// product of a tile of 16 x 32 bf16 with one of 32 x 16. Two by two tiles of
// sums stay in them over a block of k, so that each one loaded serves twice.
//
//===----------------------------------------------------------------------===//

#include "Host/GemmPairs.h"

namespace ampc {
namespace AMPC_GEMM_ISA {
namespace {

constexpr int kSide = 16;         ///< rows of a tile, and words in each
constexpr int kWidth = 2 * kSide; ///< of a strip
constexpr int kDepth = 2 * kSide; ///< values along k in a tile
constexpr int kRowBytes = 4 * kSide;

/// The place of tile (row, column) of the sums, and of the operands' tiles.
constexpr int sumTile(int row, int column) { return 2 * row + column; }
constexpr int leftTile(int row) { return 4 + row; }
constexpr int rightTile(int column) { return 6 + column; }

#if defined(__AMX_BF16__)
/// The processor's tiles, for as long as it lives: then they are given back, so
/// that the system need not save them.
class Tiles {
public:
  Tiles() {
    // Palette 1: bytes a row from byte 16 on, rows from byte 48 on.
    alignas(64) uint8_t config[64] = {1};
    for (int i = 0; i != 8; ++i) {
      config[16 + 2 * i] = kRowBytes;
      config[48 + i] = kSide;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
  }
  ~Tiles() { __asm__ volatile("tilerelease"); }
  Tiles(const Tiles &) = delete;
  Tiles &operator=(const Tiles &) = delete;

  // Not the intrinsics, as some compilers' want numbers as text.
  template <int tile>
  void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(tile));
  }
  template <int tile>
  void load(const float *from, int64_t stride) {
    __asm__ volatile("tileloadd (%1,%2,4), %%tmm%c0"
                     :
                     : "i"(tile), "r"(from), "r"(stride)
                     : "memory");
  }
  template <int tile>
  void store(float *to, int64_t stride) {
    __asm__ volatile("tilestored %%tmm%c0, (%1,%2,4)"
                     :
                     : "i"(tile), "r"(to), "r"(stride)
                     : "memory");
  }
  template <int sum, int left, int right>
  void multiply() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sum), "i"(left), "i"(right));
  }
};
#else
/// The same in memory.
class Tiles {
public:
  template <int tile>
  void zero() {
    for (auto &row : words[tile])
      for (uint32_t &word : row)
        word = 0;
  }
  template <int tile>
  void load(const float *from, int64_t stride) {
    for (int i = 0; i != kSide; ++i)
      __builtin_memcpy(words[tile][i], from + i * stride, kRowBytes);
  }
  template <int tile>
  void store(float *to, int64_t stride) {
    for (int i = 0; i != kSide; ++i)
      __builtin_memcpy(to + i * stride, words[tile][i], kRowBytes);
  }
  /// In the instruction's order: first and second values of pairs apart.
  template <int sum, int left, int right>
  void multiply() {
    for (int i = 0; i != kSide; ++i)
      for (int j = 0; j != kSide; ++j) {
        float first = 0, second = 0;
        for (int k = 0; k != kSide; ++k) {
          uint32_t a = words[left][i][k], b = words[right][k][j];
          first += lower(a) * lower(b);
          second += upper(a) * upper(b);
        }
        float total = ampc::AMPC_GEMM_ISA::load<float>(&words[sum][i][j]) + (first + second);
        ampc::AMPC_GEMM_ISA::store(&words[sum][i][j], total);
      }
  }

private:
  static float upper(uint32_t pair) { return widen(BF16{uint16_t(pair >> 16)}); }
  static float lower(uint32_t pair) { return widen(BF16{uint16_t(pair)}); }

  uint32_t words[8][kSide][kSide];
};
#endif

/// Packs a strip of rows as tiles, [k / 32][row][32] values.
void packRows(float *to, const void *from, uint32_t, int64_t stride, bool alongK, int64_t count,
              int64_t k) {
  const uint16_t *data = static_cast<const uint16_t *>(from);
  for (int64_t kk = 0; kk < k; kk += kDepth, to += kWidth * kSide) {
    int64_t depth = k - kk < kDepth ? k - kk : kDepth;
    if (depth < kDepth || count < kWidth)
      clearRest<float, kSide>(to, 0, kWidth);
    int64_t i = 0;
    if (alongK) {
      for (; i < count; ++i)
        __builtin_memcpy(to + i * kSide, data + i * stride + kk, depth * 2);
      continue;
    }
    const uint16_t *rows = data + kk * stride;
    for (; i + 4 <= count; i += 4)
      for (int64_t j = 0; j + 8 <= depth; j += 8) {
        FourFloats pairs[4];
        for (int p = 0; p != 4; ++p) {
          const uint16_t *row = rows + (j + 2 * p) * stride + i;
          pairs[p] = zipFour(load<FourHalves>(row), load<FourHalves>(row + stride));
        }
        storeTransposed(to + i * kSide + j / 2, kSide, pairs[0], pairs[1], pairs[2], pairs[3]);
      }
    // What is left over of columns, and of rows.
    uint16_t *halves = reinterpret_cast<uint16_t *>(to);
    for (int64_t row = 0; row < count; ++row)
      for (int64_t j = row < i ? depth / 8 * 8 : 0; j < depth; ++j)
        store(halves + row * kDepth + j, rows[j * stride + row]);
  }
}

/// Two by two tiles or fewer.
template <int Tall, int Wide>
void multiplyTiles(Tiles &tiles, const GemmBlock<float> &block, const float *lhs, const float *rhs,
                   int64_t row, int64_t column) {
  float *partial = block.partial + row * block.partialStride + column;
  int64_t stride = block.partialStride, down = kSide * stride;
  if (block.first) {
    tiles.zero<sumTile(0, 0)>();
    if (Wide > 1)
      tiles.zero<sumTile(0, 1)>();
    if (Tall > 1)
      tiles.zero<sumTile(1, 0)>();
    if (Tall > 1 && Wide > 1)
      tiles.zero<sumTile(1, 1)>();
  } else {
    tiles.load<sumTile(0, 0)>(partial, stride);
    if (Wide > 1)
      tiles.load<sumTile(0, 1)>(partial + kSide, stride);
    if (Tall > 1)
      tiles.load<sumTile(1, 0)>(partial + down, stride);
    if (Tall > 1 && Wide > 1)
      tiles.load<sumTile(1, 1)>(partial + down + kSide, stride);
  }

  for (int64_t k = 0; k < block.k; k += kSide) {
    tiles.load<leftTile(0)>(lhs, kSide);
    if (Tall > 1)
      tiles.load<leftTile(1)>(lhs + kSide * kSide, kSide);
    tiles.load<rightTile(0)>(rhs, kWidth);
    if (Wide > 1)
      tiles.load<rightTile(1)>(rhs + kSide, kWidth);
    tiles.multiply<sumTile(0, 0), leftTile(0), rightTile(0)>();
    if (Wide > 1)
      tiles.multiply<sumTile(0, 1), leftTile(0), rightTile(1)>();
    if (Tall > 1)
      tiles.multiply<sumTile(1, 0), leftTile(1), rightTile(0)>();
    if (Tall > 1 && Wide > 1)
      tiles.multiply<sumTile(1, 1), leftTile(1), rightTile(1)>();
    lhs += kWidth * kSide;
    rhs += kWidth * kSide;
  }

  alignas(64) float sums[kWidth][kWidth];
  if (block.last) {
    partial = sums[0];
    stride = kWidth;
    down = kSide * stride;
  }
  tiles.store<sumTile(0, 0)>(partial, stride);
  if (Wide > 1)
    tiles.store<sumTile(0, 1)>(partial + kSide, stride);
  if (Tall > 1)
    tiles.store<sumTile(1, 0)>(partial + down, stride);
  if (Tall > 1 && Wide > 1)
    tiles.store<sumTile(1, 1)>(partial + down + kSide, stride);
  int64_t left = block.m - row;
  if (block.last)
    finishTile(block, sums[0], left < Tall * kSide ? left : Tall * kSide, kWidth, row, column);
}

void multiply(const GemmBlock<float> &block) {
  Tiles tiles;
  const float *rhs = block.rhs;
  for (int64_t column = 0; column < block.n; column += kWidth) {
    const float *lhs = block.lhs;
    bool isWide = block.n - column > kSide;
    // The next strip, which is farther away than tiles are quick, comes a part at a
    // time.
    const float *ahead = rhs + block.rhsStripStride;
    bool isLast = block.n - column <= kWidth;
    int64_t part = isLast ? 0 : (block.k * kWidth * kWidth / block.m + kSide - 1) / kSide * kSide;
    for (int64_t row = 0; row < block.m; row += kWidth) {
      for (int64_t i = 0; i < part; i += kSide)
        __builtin_prefetch(ahead + i, /*rw=*/0, /*locality=*/2);
      ahead += part;
      bool isTall = block.m - row > kSide;
      auto run = isTall ? (isWide ? multiplyTiles<2, 2> : multiplyTiles<2, 1>)
                        : (isWide ? multiplyTiles<1, 2> : multiplyTiles<1, 1>);
      run(tiles, block, lhs, rhs, row, column);
      lhs += kWidth * block.k;
    }
    rhs += block.rhsStripStride;
  }
}

} // namespace

extern const GemmKernels<float> tileKernels;
const GemmKernels<float> tileKernels = {
    kWidth,  kWidth,          2,       kDepth, packRows,      packPairs<kWidth, kDepth>,
    nullptr, interleavePairs, nullptr, zip,    addRun<float>, multiply};

} // namespace AMPC_GEMM_ISA
} // namespace ampc
