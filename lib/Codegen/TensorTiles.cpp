//===- TensorTiles.cpp - Tiles of matrices for tensor cores ----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TensorTiles.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace ampc::codegen {

/// Elements of one copy to workgroup memory: 16 bytes.
constexpr int64_t kCopied = 8;

TensorTiles::TensorTiles(OpBuilder &builder, Location loc, Value thread, int64_t threads,
                         Type element, int64_t columns)
    : ScalarBuilder(builder, loc), element(element), columns(columns), threads(threads),
      thread(thread) {
  warp = index().div(thread, 32);
  lane = index().rem(thread, 32);
  group = index().div(lane, 4);
  pair = index().rem(lane, 4);
}

MemRefType TensorTiles::stagedType(int64_t rows) const {
  auto space = gpu::AddressSpaceAttr::get(builder.getContext(), gpu::AddressSpace::Workgroup);
  // An odd number of 16 bytes for each row.
  return MemRefType::get({2, rows, paddedColumns() + kCopied}, element, MemRefLayoutAttrInterface(),
                         space);
}

Value TensorTiles::toRegister(Value two) {
  if (element.isF16())
    return two;
  auto bits = VectorType::get(1, builder.getI32Type());
  return vector::ExtractOp::create(builder, loc, vector::BitCastOp::create(builder, loc, bits, two),
                                   0);
}

void TensorTiles::eachPart(int64_t rows, int64_t columns,
                           llvm::function_ref<void(OpBuilder &, Value, Value)> fn) {
  int64_t perRow = columns / kCopied, total = rows * perRow;
  auto visit = [&](int64_t at) {
    Value place = index().add(thread, at);
    fn(builder, index().div(place, perRow), index().mul(index().rem(place, perRow), kCopied));
  };
  for (int64_t at = 0; at < total; at += threads) {
    if (at + threads <= total) {
      visit(at);
      continue;
    }
    auto last = scf::IfOp::create(builder, loc, index().less(thread, total - at));
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(last.thenBlock());
    visit(at);
  }
}

std::pair<Value, Value> TensorTiles::placeOfOwn(const StagedTile &tile, Value row) {
  return {index().div(row, tile.rows), index().rem(row, tile.rows)};
}

void TensorTiles::beginCopy(const MatrixRows &matrix, Value first, const StagedTile &tile,
                            Value half) {
  copyRows(matrix, first, tile, half, tile.rows);
}

void TensorTiles::beginCopyOfOwn(const MatrixRows &matrix, Value first, const StagedTile &tile) {
  copyRows(matrix, first, tile, Value(), ownRows());
}

/// Copies `count` rows to a half, or from the first one on where none is given.
void TensorTiles::copyRows(const MatrixRows &matrix, Value first, const StagedTile &tile,
                           Value half, int64_t count) {
  assert(count <= 2 * tile.rows);
  bool isWhole = matrix.rows % count == 0;
  eachPart(count, paddedColumns(), [&](OpBuilder &, Value row, Value column) {
    IndexBuilder index = this->index();
    Value from = index.add(first, row), elements;
    if (!isWhole || columns != paddedColumns()) {
      Value isInside;
      if (!isWhole)
        isInside = index.less(from, matrix.rows);
      if (columns != paddedColumns()) {
        Value isColumn = index.less(column, columns);
        isInside = isInside ? logicalAnd(isInside, isColumn) : isColumn;
      }
      elements = select(isInside, number(kCopied), number(0));
      // What is not read must still be an address.
      from = index.min(from, matrix.rows - 1);
    }
    Value source =
        index.add(index.add(matrix.base, index.mul(from, matrix.stride)),
                  columns == paddedColumns() ? column : index.min(column, columns - kCopied));
    auto place = half ? std::pair(half, row) : placeOfOwn(tile, row);
    nvgpu::DeviceAsyncCopyOp::create(
        builder, loc, nvgpu::DeviceAsyncTokenType::get(builder.getContext()), tile.memref,
        ValueRange{place.first, place.second, column}, matrix.memref, ValueRange{source},
        builder.getIndexAttr(kCopied), elements, /*bypassL1=*/builder.getUnitAttr());
  });
}

void TensorTiles::endCopies() {
  NVVM::CpAsyncCommitGroupOp::create(builder, loc);
  NVVM::CpAsyncWaitGroupOp::create(builder, loc, 0);
}

Registers TensorTiles::loadSquare(const StagedTile &tile, Value half, Value row, int64_t column,
                                  bool byColumns, bool isTransposed) {
  IndexBuilder index = this->index();
  // Lanes give the addresses of the rows of four matrices of 8 by 8, 8 lanes for each.
  Value low = index.rem(lane, 16), high = index.div(lane, 16);
  Value laneRow = low, laneColumn = index.mul(high, 8);
  if (byColumns) {
    laneRow = index.add(index.rem(lane, 8), index.mul(high, 8));
    laneColumn = index.mul(index.div(low, 8), 8);
  }
  auto type = VectorType::get({4, 2}, element);
  Value loaded = nvgpu::LdMatrixOp::create(
      builder, loc, type, tile.memref,
      ValueRange{half, index.add(laneRow, row), index.add(laneColumn, column)}, isTransposed,
      /*numTiles=*/4);
  Registers registers;
  for (int64_t i = 0; i < 4; ++i)
    registers.push_back(toRegister(vector::ExtractOp::create(builder, loc, loaded, i)));
  return registers;
}

Accumulators TensorTiles::zeros(int64_t columns) {
  return Accumulators(columns / kTileColumns * 4, constant(builder.getF32Type(), 0.0));
}

void TensorTiles::multiply(MutableArrayRef<Value> sums, ArrayRef<Value> a, ArrayRef<Value> b) {
  Type f32 = builder.getF32Type();
  auto type = LLVM::LLVMStructType::getLiteral(builder.getContext(), {f32, f32, f32, f32});
  NVVM::MMATypes ptx = element.isF16() ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
  Value product = NVVM::MmaOp::create(
      builder, loc, type, a, b, sums, {kTileRows, kTileColumns, kTileSteps}, std::nullopt,
      std::nullopt, std::array{ptx, ptx}, std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
  for (auto [i, sum] : llvm::enumerate(sums))
    sum = LLVM::ExtractValueOp::create(builder, loc, product, int64_t(i));
}

void TensorTiles::addProductByRows(Accumulators &sums, ArrayRef<Value> a, const StagedTile &tile,
                                   Value half) {
  for (int64_t step = 0; step < paddedColumns(); step += kTileSteps)
    for (int64_t row = 0; row < tile.rows; row += 2 * kTileColumns) {
      Registers b =
          loadSquare(tile, half, number(row), step, /*byColumns=*/true, /*isTransposed=*/false);
      MutableArrayRef<Value> both = MutableArrayRef(sums).slice(row / kTileColumns * 4, 8);
      ArrayRef<Value> left = a.slice(step / kTileSteps * 4, 4);
      multiply(both.take_front(4), left, ArrayRef(b).take_front(2));
      multiply(both.take_back(4), left, ArrayRef(b).take_back(2));
    }
}

void TensorTiles::addProduct(Accumulators &sums, ArrayRef<Value> a, const StagedTile &tile,
                             Value half) {
  for (int64_t step = 0; step < tile.rows; step += kTileSteps)
    for (int64_t column = 0; column < paddedColumns(); column += 2 * kTileColumns) {
      Registers b =
          loadSquare(tile, half, number(step), column, /*byColumns=*/false, /*isTransposed=*/true);
      MutableArrayRef<Value> both = MutableArrayRef(sums).slice(column / kTileColumns * 4, 8);
      ArrayRef<Value> left = a.slice(step / kTileSteps * 4, 4);
      multiply(both.take_front(4), left, ArrayRef(b).take_front(2));
      multiply(both.take_back(4), left, ArrayRef(b).take_back(2));
    }
}

/// Two numbers, rounded.
static Value roundPair(OpBuilder &b, Location loc, Type element, Value x, Value y) {
  Value two =
      vector::FromElementsOp::create(b, loc, VectorType::get(2, b.getF32Type()), ValueRange{x, y});
  return arith::TruncFOp::create(b, loc, VectorType::get(2, element), two);
}

Registers TensorTiles::round(ArrayRef<Value> sums) {
  Registers registers;
  for (size_t at = 0; at < sums.size(); at += 2)
    registers.push_back(toRegister(roundPair(builder, loc, element, sums[at], sums[at + 1])));
  return registers;
}

Value TensorTiles::mergeRow(Value x, llvm::function_ref<Value(Value, Value)> merge) {
  for (int32_t distance : {1, 2}) {
    auto other = gpu::ShuffleOp::create(builder, loc, x, distance, 32, gpu::ShuffleMode::XOR);
    x = merge(x, other.getShuffleResult());
  }
  return x;
}

Registers TensorTiles::loadOwn(const StagedTile &tile) {
  auto [half, row] = placeOfOwn(tile, index().mul(warp, kTileRows));
  Registers registers;
  for (int64_t step = 0; step < paddedColumns(); step += kTileSteps)
    registers.append(
        loadSquare(tile, half, row, step, /*byColumns=*/false, /*isTransposed=*/false));
  return registers;
}

void TensorTiles::storeOwn(ArrayRef<Value> sums, const MatrixRows &matrix, Value first,
                           const StagedTile &tile) {
  barrier(); // the last products have been read
  for (unsigned i : {0, 1}) {
    Value row = index().add(index().add(index().mul(warp, kTileRows), group), 8 * i);
    auto [half, place] = placeOfOwn(tile, row);
    for (int64_t column = 0; column < columns; column += kTileColumns) {
      size_t from = column / kTileColumns * 4 + 2 * i;
      Value two = roundPair(builder, loc, element, sums[from], sums[from + 1]);
      Value at = index().add(index().mul(pair, 2), column);
      vector::StoreOp::create(builder, loc, two, tile.memref, ValueRange{half, place, at},
                              /*nontemporal=*/false, llvm::MaybeAlign(4));
    }
  }
  barrier();
  auto part = VectorType::get(kCopied, element);
  eachPart(ownRows(), columns, [&](OpBuilder &, Value row, Value column) {
    Value to = index().add(first, row);
    auto [half, place] = placeOfOwn(tile, row);
    scf::IfOp::create(builder, loc, index().less(to, matrix.rows), [&](OpBuilder &b, Location loc) {
      Value at = index().add(index().add(matrix.base, index().mul(to, matrix.stride)), column);
      Value loaded =
          vector::LoadOp::create(b, loc, part, tile.memref, ValueRange{half, place, column},
                                 /*nontemporal=*/false, llvm::MaybeAlign(16));
      vector::StoreOp::create(b, loc, loaded, matrix.memref, at, /*nontemporal=*/false,
                              llvm::MaybeAlign(16));
      scf::YieldOp::create(b, loc);
    });
  });
}

void TensorTiles::barrier() { gpu::BarrierOp::create(builder, loc); }

Value TensorTiles::approximateExp(Value x) {
  // ex2.approx has a relative error of 2^-22 (PTX ISA), and libdevice's expf uses it too.
  Value scaled = mul(x, constantLike(x, 1.4426950408889634));
  auto name = builder.getStringAttr("llvm.nvvm.ex2.approx.ftz.f");
  return LLVM::CallIntrinsicOp::create(builder, loc, builder.getF32Type(), name, scaled)
      .getResult(0);
}

} // namespace ampc::codegen
