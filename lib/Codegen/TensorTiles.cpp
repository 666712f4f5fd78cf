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

Registers TensorTiles::loadRows(const MatrixRows &matrix, Value first) {
  auto two = VectorType::get(2, element);
  Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(two));
  Value rows[2];
  for (unsigned i : {0, 1}) {
    Value row = index().add(index().add(first, group), 8 * i);
    row = index().min(row, matrix.rows - 1);
    rows[i] = index().add(matrix.base, index().mul(row, matrix.stride));
    rows[i] = index().add(rows[i], index().mul(pair, 2));
  }
  Registers registers;
  for (int64_t step = 0; step < paddedColumns(); step += kTileSteps)
    for (int64_t half : {0, 8})
      for (Value row : rows)
        registers.push_back(
            toRegister(step + half < columns
                           ? vector::LoadOp::create(builder, loc, two, matrix.memref,
                                                    index().add(row, step + half),
                                                    /*nontemporal=*/false, llvm::MaybeAlign(4))
                                 .getResult()
                           : zero));
  return registers;
}

void TensorTiles::beginCopy(const MatrixRows &matrix, Value first, const StagedTile &tile,
                            Value half) {
  int64_t perRow = paddedColumns() / kCopied, total = tile.rows * perRow;
  bool isWhole = matrix.rows % tile.rows == 0;
  auto copy = [&](int64_t at) {
    IndexBuilder index = this->index();
    Value place = index.add(thread, at);
    Value row = index.div(place, perRow), column = index.mul(index.rem(place, perRow), kCopied);
    Value from = index.add(first, row), count;
    if (!isWhole || columns != paddedColumns()) {
      Value isInside;
      if (!isWhole)
        isInside = index.less(from, matrix.rows);
      if (columns != paddedColumns()) {
        Value isColumn = index.less(column, columns);
        isInside = isInside ? logicalAnd(isInside, isColumn) : isColumn;
      }
      count = select(isInside, number(kCopied), number(0));
      // What is not read must still be an address.
      from = index.min(from, matrix.rows - 1);
    }
    Value source =
        index.add(index.add(matrix.base, index.mul(from, matrix.stride)),
                  columns == paddedColumns() ? column : index.min(column, columns - kCopied));
    nvgpu::DeviceAsyncCopyOp::create(
        builder, loc, nvgpu::DeviceAsyncTokenType::get(builder.getContext()), tile.memref,
        ValueRange{half, row, column}, matrix.memref, ValueRange{source},
        builder.getIndexAttr(kCopied), count, /*bypassL1=*/builder.getUnitAttr());
  };
  for (int64_t at = 0; at < total; at += threads) {
    if (at + threads <= total) {
      copy(at);
      continue;
    }
    auto last = scf::IfOp::create(builder, loc, index().less(thread, total - at));
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(last.thenBlock());
    copy(at);
  }
}

void TensorTiles::endCopies() {
  NVVM::CpAsyncCommitGroupOp::create(builder, loc);
  NVVM::CpAsyncWaitGroupOp::create(builder, loc, 0);
}

Registers TensorTiles::loadSquare(const StagedTile &tile, Value half, int64_t row, int64_t column,
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
      Registers b = loadSquare(tile, half, row, step, /*byColumns=*/true, /*isTransposed=*/false);
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
          loadSquare(tile, half, step, column, /*byColumns=*/false, /*isTransposed=*/true);
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

void TensorTiles::storeRows(ArrayRef<Value> sums, const MatrixRows &matrix, Value first) {
  for (unsigned i : {0, 1}) {
    IndexBuilder index = this->index();
    Value row = index.add(index.add(first, group), 8 * i);
    scf::IfOp::create(builder, loc, index.less(row, matrix.rows), [&](OpBuilder &b, Location loc) {
      IndexBuilder index(b, loc);
      Value at = index.add(matrix.base, index.mul(row, matrix.stride));
      at = index.add(at, index.mul(pair, 2));
      for (int64_t column = 0; column < columns; column += kTileColumns) {
        size_t from = column / kTileColumns * 4 + 2 * i;
        Value two = roundPair(b, loc, element, sums[from], sums[from + 1]);
        vector::StoreOp::create(b, loc, two, matrix.memref, index.add(at, column),
                                /*nontemporal=*/false, llvm::MaybeAlign(4));
      }
      scf::YieldOp::create(b, loc);
    });
  }
}

Value TensorTiles::approximateExp(Value x) {
  // ex2.approx has a relative error of 2^-22 (PTX ISA), and libdevice's expf uses it too.
  Value scaled = mul(x, constantLike(x, 1.4426950408889634));
  auto name = builder.getStringAttr("llvm.nvvm.ex2.approx.ftz.f");
  return LLVM::CallIntrinsicOp::create(builder, loc, builder.getF32Type(), name, scaled)
      .getResult(0);
}

} // namespace ampc::codegen
