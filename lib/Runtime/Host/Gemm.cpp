//===- Gemm.cpp - Matrix products in our own code -------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// After Goto and van de Geijn, "Anatomy of high-performance matrix
// multiplication": the right operand is packed into strips that the second or
// third cache holds and all threads share; each thread packs its rows of the
// left operand for the first two. Few threads share nothing: each packs what of
// the right operand it multiplies, so that it stays in its own cache.
//
//===----------------------------------------------------------------------===//

#include "Host/Gemm.h"

#include "Core/Convert.h"
#include "Core/DType.h"

#include <algorithm>

namespace ampc {

/// Packed elements of a strip of each operand, together: what the first cache holds.
static constexpr int64_t kStripElements = 12 << 10;
/// Bytes of the right operand that are packed at a time: what the second cache
/// holds, where the sums that parts of k leave stay there too, else the third.
static constexpr int64_t kPanelBytes = 1 << 20, kMostPanelBytes = 8 << 20;
/// Values of k in a panel, at most.
static constexpr int64_t kMostDepth = 8192;

/// Products of elements in the time that waking a thread takes, twice.
static constexpr double kWorthWaking = 4e6;

static int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

namespace {
/// The strips of the left operand and of the right one in a tile.
struct Tiles {
  int64_t rowStrips, columnStrips;
};
} // namespace

/// Cuts a panel of `rowStrips` x `columnStrips` into the tiles, none larger than
/// `most`, that `threads` are done with first. Each tile packs its strips of the
/// left operand once, in the time of a product with `packing` strips of the right
/// one, and reads those of the right one from a far cache once, in that of one
/// more strip of the left.
static Tiles cutTiles(int64_t rowStrips, int64_t columnStrips, Tiles most, int64_t packing,
                      int64_t threads) {
  constexpr int64_t kMostTilesPerThread = 8; // more only cost
  auto divide = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  Tiles best = {0, 0};
  double least = 0;
  int64_t leastColumnCuts = divide(columnStrips, most.columnStrips);
  int64_t leastRowCuts = divide(rowStrips, most.rowStrips);
  int64_t mostTiles = std::max(leastRowCuts * leastColumnCuts, threads * kMostTilesPerThread);
  for (int64_t rowCuts = leastRowCuts; rowCuts <= std::min(rowStrips, mostTiles); ++rowCuts)
    for (int64_t columnCuts = leastColumnCuts;
         columnCuts <= columnStrips && rowCuts * columnCuts <= mostTiles; ++columnCuts) {
      Tiles tiles = {divide(rowStrips, rowCuts), divide(columnStrips, columnCuts)};
      int64_t count = divide(rowStrips, tiles.rowStrips) * divide(columnStrips, tiles.columnStrips);
      double cost = double(tiles.rowStrips + 1) * double(tiles.columnStrips + packing);
      // As threads are held up now and then, the last tile is late by a part of it.
      double time = (double(divide(count, threads)) + (threads > 1 ? 0.25 : 0)) * cost;
      if (best.rowStrips == 0 || time < least) {
        best = tiles;
        least = time;
      }
    }
  return best;
}

/// Into how many parts of columns a panel is cut that threads pack and multiply
/// each for itself, all of the left operand packed in each; 1 where that takes
/// longer than sharing. `packing` is as in cutTiles, `strips` are the panel's.
static int64_t cutColumns(int64_t m, int64_t n, int64_t strips, int64_t packing, int64_t threads) {
  bool isEven = strips % threads == 0 || strips >= 8 * threads;
  // Found by trying: what packing more than once costs, beside what is not shared.
  bool isCheap = m * (threads - 1) * packing <= 2 * n;
  return isEven && isCheap ? threads : 1;
}

/// The address of element `index` of an operand.
static const void *at(const void *data, uint32_t dtype, int64_t index) {
  return static_cast<const char *>(data) + index * int64_t(sizeOf(dtype));
}

template <class T>
void DenseOperand<T>::pack(T *to, GemmSide side, int64_t first, int64_t count, int64_t k,
                           int64_t depth) const {
  auto pack = side == GemmSide::Left ? kernels.packRows : kernels.packColumns;
  pack(to, at(data, dtype, alongK ? first * stride + k : k * stride + first), dtype, stride, alongK,
       count, depth);
}

template <class T>
Gemm<T>::Gemm(const GemmKernels<T> &kernels, const Shape &shape, int threads)
    : kernels(kernels), shape(shape) {
  int64_t rows = kernels.rows, columns = kernels.columns;
  wake = double(shape.m) * shape.n * shape.k >= kWorthWaking;
  blockDepth = 256;
  while (blockDepth * (rows + columns) > kStripElements)
    blockDepth /= 2;

  // Parts of k, but none that is done before threads have it.
  int64_t step = blockDepth * kernels.perElement;
  int64_t allColumns = roundUp(std::max<int64_t>(shape.n, 1), columns);
  panelDepth = kMostDepth;
  if (shape.m * allColumns <= kPanelBytes / int64_t(sizeof(T))) {
    int64_t depth = kPanelBytes / int64_t(sizeof(T)) / allColumns * kernels.perElement;
    panelDepth = std::clamp(depth / step * step, step, kMostDepth);
    while (threads > 1 && panelDepth < kMostDepth &&
           double(shape.m) * double(allColumns) * double(panelDepth) < 2 * kWorthWaking)
      panelDepth *= 2;
  }
  panelDepth = std::clamp<int64_t>(shape.k, 1, panelDepth);
  int64_t most = kMostPanelBytes / int64_t(sizeof(T)) / kernels.packedDepth(panelDepth);
  panelColumns = std::min(roundUp(std::max(most, columns * threads), columns), allColumns);

  // Where values go in pairs the processor multiplies several times as fast as it
  // packs.
  int64_t packing = kernels.perElement == 1 ? 1 : 4;
  // What the second cache holds, with the sums.
  Tiles largest = {std::min<int64_t>(16, 256 / rows), 32};
  int64_t strips = panelColumns / columns;
  threads = std::max(threads, 1);
  columnParts = cutColumns(shape.m, shape.n, strips, packing, threads);
  if (columnParts > 1) {
    strips = (strips + columnParts - 1) / columnParts;
    threads = 1;
  }
  Tiles tiles = cutTiles(std::max<int64_t>((shape.m + rows - 1) / rows, 1), strips, largest,
                         packing, threads);
  tileRows = tiles.rowStrips * rows;
  tileColumns = tiles.columnStrips * columns;
}

// Not multiples of a page, else the rows of sums lie in one set of the first
// cache.
template <class T>
int64_t Gemm<T>::partialStride() const {
  return tileColumns + kernels.columns;
}
template <class T>
int64_t Gemm<T>::sumsStride() const {
  return panelColumns + kernels.columns;
}

template <class T>
int64_t Gemm<T>::biasElements() const {
  // A multiple of the vectors' lanes, so that what follows is aligned.
  return shape.biasOfRows ? roundUp(shape.m, kernels.columns) : panelColumns;
}

template <class T>
int64_t Gemm<T>::sharedElements() const {
  // Packed right operand, bias, and sums where k takes several panels, of whole
  // strips.
  int64_t sums = shape.k > panelDepth ? roundUp(shape.m, kernels.rows) * sumsStride() : 0;
  return kernels.packedDepth(panelDepth) * panelColumns + biasElements() + sums;
}

template <class T>
int64_t Gemm<T>::scratchElements() const {
  // Packed left operand, sums.
  return tileRows * blockDepth + tileRows * partialStride();
}

template <class T>
void Gemm<T>::run(const GemmOperands<T> &operands, T *shared, T *scratch, int64_t scratchStride,
                  ThreadPool *pool) const {
  Panel panel;
  panel.packed = shared;
  T *bias = shared + kernels.packedDepth(panelDepth) * panelColumns;
  panel.partial = bias + biasElements();
  panel.bias = operands.bias ? bias : nullptr;
  if (operands.bias && shape.biasOfRows)
    convert(bias, kDTypeOf<T>, operands.bias, shape.biasDType, shape.m);
  for (panel.column = 0; panel.column < shape.n; panel.column += panelColumns) {
    panel.columns = std::min(panelColumns, shape.n - panel.column);
    if (operands.bias && !shape.biasOfRows)
      convert(bias, kDTypeOf<T>, at(operands.bias, shape.biasDType, panel.column), shape.biasDType,
              panel.columns);
    // Once also for a k of 0, whose result is the bias.
    panel.k = 0;
    do {
      panel.depth = std::min(panelDepth, shape.k - panel.k);
      runPanel(operands, panel, scratch, scratchStride, pool);
      panel.k += panel.depth;
    } while (panel.k < shape.k);
  }
}

template <class T>
void Gemm<T>::runPanel(const GemmOperands<T> &operands, const Panel &panel, T *scratch,
                       int64_t scratchStride, ThreadPool *pool) const {
  if (!pool || columnParts == 1) {
    packPanel(operands, panel, pool);
    multiplyPanel(operands, panel, scratch, scratchStride, pool);
    return;
  }
  int64_t width = kernels.columns, strips = (panel.columns + width - 1) / width;
  pool->run(columnParts, wake, [&](int64_t index, int thread) {
    int64_t first = strips * index / columnParts * width;
    int64_t end = std::min(strips * (index + 1) / columnParts * width, panel.columns);
    if (first >= end)
      return;
    Panel part = panel;
    part.column += first;
    part.columns = end - first;
    part.packed += first * kernels.packedDepth(panel.depth);
    part.partial += first;
    if (panel.bias && !shape.biasOfRows)
      part.bias += first;
    packPanel(operands, part, nullptr);
    multiplyPanel(operands, part, scratch + thread * scratchStride, 0, nullptr);
  });
}

template <class T>
void Gemm<T>::packPanel(const GemmOperands<T> &operands, const Panel &panel,
                        ThreadPool *pool) const {
  // Some strips side by side, a part of k at a time: where what lies next to each
  // other in memory is across k, a row of one strip is a small part of a page.
  constexpr int64_t kMostTogether = 8, kPart = 256;
  int64_t width = kernels.columns, elements = width * kernels.packedDepth(panel.depth);
  int64_t strips = (panel.columns + width - 1) / width;
  int64_t together =
      pool ? std::clamp<int64_t>(strips / (4 * pool->threads()), 1, kMostTogether) : kMostTogether;
  auto packStrips = [&](int64_t group, int) {
    int64_t first = group * together, end = std::min(first + together, strips);
    for (int64_t k = 0; k < panel.depth; k += kPart)
      for (int64_t strip = first; strip != end; ++strip) {
        int64_t column = panel.column + strip * width;
        int64_t count = std::min(width, panel.column + panel.columns - column);
        operands.rhs->pack(panel.packed + strip * elements + k / kernels.perElement * width,
                           GemmSide::Right, column, count, panel.k + k,
                           std::min(kPart, panel.depth - k));
      }
  };
  int64_t groups = (strips + together - 1) / together;
  if (pool)
    pool->run(groups, wake, packStrips);
  else
    for (int64_t group = 0; group != groups; ++group)
      packStrips(group, 0);
}

template <class T>
void Gemm<T>::multiplyPanel(const GemmOperands<T> &operands, const Panel &panel, T *scratch,
                            int64_t scratchStride, ThreadPool *pool) const {
  int64_t columnTiles = (panel.columns + tileColumns - 1) / tileColumns;
  int64_t tiles = (shape.m + tileRows - 1) / tileRows * columnTiles;
  if (pool)
    pool->run(tiles, wake, [&](int64_t tile, int thread) {
      multiplyTile(operands, panel, tile, scratch + thread * scratchStride);
    });
  else
    for (int64_t tile = 0; tile != tiles; ++tile)
      multiplyTile(operands, panel, tile, scratch);
}

template <class T>
void Gemm<T>::multiplyTile(const GemmOperands<T> &operands, const Panel &panel, int64_t tile,
                           T *scratch) const {
  int64_t columnTiles = (panel.columns + tileColumns - 1) / tileColumns;
  int64_t row = tile / columnTiles * tileRows;
  int64_t column = tile % columnTiles * tileColumns;
  int64_t rows = std::min(tileRows, shape.m - row);
  int64_t columns = std::min(tileColumns, panel.columns - column);

  GemmBlock<T> block;
  block.m = rows;
  block.n = columns;
  block.lhs = scratch;
  block.rhsStripStride = kernels.columns * kernels.packedDepth(panel.depth);
  if (shape.k > panelDepth) {
    block.partial = panel.partial + row * sumsStride() + column;
    block.partialStride = sumsStride();
  } else {
    block.partial = scratch + tileRows * blockDepth;
    block.partialStride = partialStride();
  }
  block.out =
      const_cast<void *>(at(operands.out, shape.outDType, row * shape.n + panel.column + column));
  block.outStride = shape.n;
  block.outDType = shape.outDType;
  block.alpha = shape.alpha;
  block.columnBias = block.rowBias = nullptr;
  if (panel.bias && shape.biasOfRows)
    block.rowBias = panel.bias + row;
  else if (panel.bias)
    block.columnBias = panel.bias + column;
  block.relu = shape.relu;

  const T *rhs = panel.packed + column / kernels.columns * block.rhsStripStride;
  int64_t k = 0;
  do {
    int64_t depth = std::min(blockDepth * kernels.perElement, panel.depth - k);
    block.k = kernels.packedDepth(depth);
    block.first = panel.k + k == 0;
    block.last = panel.k + k + depth == shape.k;
    block.rhs = rhs + k / kernels.perElement * kernels.columns;
    for (int64_t strip = 0; strip < rows; strip += kernels.rows)
      operands.lhs->pack(scratch + strip * block.k, GemmSide::Left, row + strip,
                         std::min(kernels.rows, rows - strip), panel.k + k, depth);
    kernels.multiply(block);
    k += depth;
  } while (k < panel.depth);
}

template class DenseOperand<float>;
template class DenseOperand<double>;
template class Gemm<float>;
template class Gemm<double>;

} // namespace ampc
