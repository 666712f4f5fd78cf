//===- CudaMatmulTest.cpp - Products on CUDA, as the format defines them --===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Each product is compared with the sum of its definition in f64.
//
//===----------------------------------------------------------------------===//

#include "CudaTestSupport.h"

#include "Core/Convert.h"

#include <cmath>

using namespace ampc::test;

namespace {

struct Product {
  int64_t batch, m, n, k;
  bool transposeLhs, transposeRhs;
  bool sharedLhs, sharedRhs; ///< one matrix for all batches
  bool hasBias;
  double alpha;
  ampc_dtype_t operand, result;
  /// Elements by which the operands are off the arena's alignment.
  int64_t shift = 0;
  ampc_epilogue_t epilogue = AMPC_EPILOGUE_NONE;
  ampc_dtype_t bias = ampc_dtype_t(0); ///< the result's, where none is given
  ampc_matmul_sums_t sums = AMPC_MATMUL_SUMS_NONE;

  int64_t lhsStride() const { return sharedLhs ? 0 : m * k; }
  int64_t rhsStride() const { return sharedRhs ? 0 : k * n; }
  int64_t lhsCount() const { return (sharedLhs ? 1 : batch) * m * k; }
  int64_t rhsCount() const { return (sharedRhs ? 1 : batch) * k * n; }
  int64_t outCount() const { return batch * m * n; }
  int64_t sumCount() const { return sums == AMPC_MATMUL_SUMS_LHS ? m : n; }
  ampc_dtype_t biasType() const { return bias ? bias : result; }
};

std::vector<double> values(int64_t count, int seed) {
  std::vector<double> result(count);
  for (int64_t i = 0; i != count; ++i)
    result[i] = double((i * 37 + seed * 11) % 23 - 11) / 16; // exact in bf16
  return result;
}

std::string encode(const std::vector<double> &from, ampc_dtype_t dtype) {
  std::string bytes(from.size() * elementSize(dtype), '\0');
  ampc::convert(bytes.data(), dtype, from.data(), AMPC_DTYPE_F64, from.size());
  return bytes;
}

/// A module whose EVAL computes products of constants, outputs "out0", ...
TestFiles buildProducts(const std::vector<Product> &products, const std::string &name,
                        bool isDeterministic = false) {
  TableWriter t;
  t.header.deterministic = isDeterministic;
  struct Call {
    std::vector<int64_t> integers;
    std::vector<ampc_argument_entry_t> arguments;
  };
  std::vector<Call> calls;
  std::vector<uint32_t> outputs, sums;
  // The state comes before what is transient.
  for (const Product &p : products) {
    std::string number = std::to_string(calls.size());
    Call &call = calls.emplace_back();
    auto addConstant = [&](const char *operand, int64_t count, ampc_dtype_t dtype, int seed) {
      std::vector<double> all = values(count + p.shift, seed);
      uint32_t index = t.addState(operand + number, AMPC_ROLE_CONSTANT, dtype, {count + p.shift}, 0,
                                  encode(all, dtype));
      ampc_argument_entry_t argument = t.argument(index, AMPC_ARGUMENT_READ);
      argument.offset += p.shift * elementSize(dtype);
      argument.bytes -= p.shift * elementSize(dtype);
      call.arguments.push_back(argument);
    };
    addConstant("lhs", p.lhsCount(), p.operand, 1);
    addConstant("rhs", p.rhsCount(), p.operand, 2);
    if (p.hasBias)
      addConstant("bias", p.n, p.biasType(), 3);
    int64_t alpha;
    std::memcpy(&alpha, &p.alpha, sizeof(alpha));
    call.integers = {p.batch,        p.m,           p.n,           p.k,       p.transposeLhs,
                     p.transposeRhs, p.lhsStride(), p.rhsStride(), p.hasBias, p.epilogue,
                     alpha};
    outputs.push_back(t.addTensor("out" + number, AMPC_ROLE_OUTPUT, p.result, {p.batch, p.m, p.n}));
    if (p.sums) {
      call.integers.push_back(p.sums);
      sums.push_back(t.addTensor("sums" + number, AMPC_ROLE_OUTPUT, p.result, {p.sumCount()}));
    }
  }
  std::vector<ampc_binding_entry_t> bindings;
  auto nextSums = sums.begin();
  for (size_t i = 0; i != products.size(); ++i) {
    auto addResult = [&](uint32_t output, int64_t count) {
      ampc_dtype_t dtype = products[i].result;
      uint64_t bytes = count * elementSize(dtype);
      uint64_t at = t.placeTransient(bytes);
      calls[i].arguments.push_back(argumentAt(at, bytes, dtype, AMPC_ARGUMENT_WRITE));
      bindings.push_back(t.binding(output, dtype, at));
    };
    addResult(outputs[i], products[i].outCount());
    if (products[i].sums)
      addResult(*nextSums++, products[i].sumCount());
  }
  t.beginProgram(AMPC_PROGRAM_EVAL, {}, bindings);
  for (size_t i = 0; i != calls.size(); ++i)
    t.addMatmul(calls[i].integers, calls[i].arguments, "Product_" + std::to_string(i));
  return buildForCuda(t, name);
}

std::vector<double> reference(const Product &p) {
  auto shifted = [&](int64_t count, int seed) {
    std::vector<double> all = values(count + p.shift, seed);
    return std::vector<double>(all.begin() + p.shift, all.end());
  };
  std::vector<double> lhs = shifted(p.lhsCount(), 1), rhs = shifted(p.rhsCount(), 2);
  std::vector<double> bias = shifted(p.n, 3), out;
  for (int64_t b = 0; b != p.batch; ++b)
    for (int64_t i = 0; i != p.m; ++i)
      for (int64_t j = 0; j != p.n; ++j) {
        double sum = 0;
        for (int64_t l = 0; l != p.k; ++l)
          sum += lhs[b * p.lhsStride() + (p.transposeLhs ? l * p.m + i : i * p.k + l)] *
                 rhs[b * p.rhsStride() + (p.transposeRhs ? j * p.k + l : l * p.n + j)];
        out.push_back(p.alpha * sum + (p.hasBias ? bias[j] : 0));
      }
  return out;
}

void expectProduct(ampc_session_t *session, const Product &p, const std::string &name) {
  SCOPED_TRACE(name);
  std::vector<double> want = reference(p);
  Tensor<char> out({kDLFloat, uint8_t(8 * elementSize(p.result)), 1}, {p.batch, p.m, p.n},
                   std::vector<char>(want.size() * elementSize(p.result)));
  if (p.result == AMPC_DTYPE_BF16)
    out.dl.dtype.code = kDLBfloat;
  ampc_named_tensor_t outputs[] = {{name.c_str(), out.get()}};
  expectOk(ampc_session_evaluate(session, nullptr, 0, outputs, 1));

  std::vector<double> got(want.size()), exact(want.size());
  ampc::convert(got.data(), AMPC_DTYPE_F64, out.values.data(), p.result, got.size());
  // Products and their sums are exact in f32 here; the result is rounded once.
  ampc::convert(exact.data(), AMPC_DTYPE_F64, encode(want, p.result).data(), p.result,
                exact.size());
  EXPECT_EQ(got, exact);
}

void expectProducts(const std::vector<Product> &products, const std::string &name) {
  TestFiles files = buildProducts(products, name);
  StandIn driver(files);
  ModuleHandle module(files.module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  for (size_t i = 0; i != products.size(); ++i)
    expectProduct(cuda, products[i], "out" + std::to_string(i));
}

constexpr ampc_dtype_t kF16Type = AMPC_DTYPE_F16, kBf16Type = AMPC_DTYPE_BF16,
                       kF32Type = AMPC_DTYPE_F32, kF64Type = AMPC_DTYPE_F64;

} // namespace

TEST(CudaMatmul, TransposesAndBatches) {
  std::vector<Product> products;
  for (int bits = 0; bits != 32; ++bits)
    products.push_back({bits & 16 ? 3 : 1, 5, 7, 6, (bits & 1) != 0, (bits & 2) != 0, false,
                        (bits & 4) != 0, (bits & 8) != 0, 1, kF32Type, kF32Type});
  products.push_back({3, 5, 7, 6, false, false, true, false, false, 1, kF32Type, kF32Type});
  expectProducts(products, "transposes");
}

TEST(CudaMatmul, Types) {
  const ampc_dtype_t pairs[][2] = {{kF16Type, kF16Type},   {kF16Type, kF32Type},
                                   {kBf16Type, kBf16Type}, {kBf16Type, kF32Type},
                                   {kF32Type, kF32Type},   {kF64Type, kF64Type}};
  std::vector<Product> products;
  for (auto [operand, result] : pairs)
    for (bool hasBias : {false, true})
      products.push_back({2, 9, 4, 100, false, true, false, false, hasBias, -0.5, operand, result});
  expectProducts(products, "types");
}

TEST(CudaMatmul, OperandsOffTheAlignment) {
  std::vector<Product> products;
  for (int64_t shift : {1, 3, 8})
    products.push_back(
        {1, 9, 5, 70, false, false, false, false, true, 2, kF16Type, kF16Type, shift});
  expectProducts(products, "shifts");
}

/// Runs a product with sums; returns the names of the work that it was.
static std::vector<std::string> expectSums(const Product &p, const std::string &name,
                                           bool isDeterministic = false) {
  SCOPED_TRACE(name);
  TestFiles files = buildProducts({p}, name, isDeterministic);
  StandIn driver(files);
  ModuleHandle module(files.module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  expectProduct(cuda, p, "out0");
  ampc::standin::takeEvents();
  Tensor<float> sums({kDLFloat, 32, 1}, {p.sumCount()}, std::vector<float>(p.sumCount()));
  ampc_named_tensor_t outputs[] = {{"sums0", sums.get()}};
  expectOk(ampc_session_evaluate(cuda, nullptr, 0, outputs, 1));
  std::vector<std::string> work;
  for (const ampc::standin::Event &event : ampc::standin::takeEvents())
    if (event.isWork && event.name != "download" && event.name != "upload")
      work.push_back(event.name);
  bool isLhs = p.sums == AMPC_MATMUL_SUMS_LHS;
  std::vector<double> of = values(isLhs ? p.lhsCount() : p.rhsCount(), isLhs ? 1 : 2);
  for (int64_t i = 0; i != p.sumCount(); ++i) {
    double want = 0; // exact in f32
    for (int64_t l = 0; l != p.k; ++l)
      want += isLhs ? of[p.transposeLhs ? l * p.m + i : i * p.k + l]
                    : of[p.transposeRhs ? i * p.k + l : l * p.n + i];
    EXPECT_EQ(sums.values[i], want) << "sum " << i;
  }
  return work;
}

// Whichever way the operand lies; alpha is none of theirs.
TEST(CudaMatmul, SumsOfOperands) {
  for (ampc_matmul_sums_t sums : {AMPC_MATMUL_SUMS_LHS, AMPC_MATMUL_SUMS_RHS})
    for (int transposes = 0; transposes != 4; ++transposes)
      for (ampc_dtype_t type : {kF16Type, kBf16Type}) {
        Product p = {
            1,     16,   24,   72,      (transposes & 1) != 0, (transposes & 2) != 0, false, false,
            false, -0.5, type, kF32Type};
        p.sums = sums;
        std::string name =
            "sums" + std::to_string(sums) + std::to_string(transposes) + std::to_string(type);
        EXPECT_EQ(expectSums(p, name), std::vector<std::string>{"matmul"});
      }
}

// Where cuBLASLt has no algorithm with sums, a product with ones gives them.
TEST(CudaMatmul, SumsThatCublasLtLacks) {
  for (ampc_matmul_sums_t sums : {AMPC_MATMUL_SUMS_LHS, AMPC_MATMUL_SUMS_RHS})
    for (ampc_dtype_t type : {kF16Type, kBf16Type})
      for (int64_t k : {70, 71}) { // which the stand-in refuses in two ways
        Product p = {1, 5, 7, k, true, false, false, false, false, 2, type, kF32Type};
        p.sums = sums;
        std::string name =
            "apart" + std::to_string(sums) + std::to_string(type) + std::to_string(k);
        EXPECT_EQ(expectSums(p, name), (std::vector<std::string>{"matmul", "fill", "matmul"}));
      }
}

TEST(CudaMatmul, SumsWithEqualBitsInEqualRuns) {
  Product p = {1, 16, 24, 72, true, false, false, false, false, 1, kBf16Type, kF32Type};
  p.sums = AMPC_MATMUL_SUMS_RHS;
  EXPECT_EQ(expectSums(p, "deterministic", /*isDeterministic=*/true),
            (std::vector<std::string>{"matmul", "fill", "matmul"}));
}

TEST(CudaMatmul, NothingToDo) {
  Product p = {2, 3, 4, 5, false, false, false, false, false, 1, kF32Type, kF32Type};
  std::vector<Product> products(3, p);
  products[0].batch = products[1].m = products[2].n = 0;
  expectProducts(products, "empty");
}

TEST(CudaMatmul, SharesOneWorkspace) {
  StandIn driver(classifier());
  ModuleHandle module(classifier().module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  int allocations = 0, heuristics = 0;
  for (const ampc::standin::Event &event : ampc::standin::takeEvents()) {
    allocations += event.name == "cuMemAlloc";
    heuristics += event.name == "cublasLtMatmulAlgoGetHeuristic";
  }
  EXPECT_EQ(allocations, 2); // the arena and the workspace
  EXPECT_EQ(heuristics, 3);  // two of training, one of evaluation
  ClassifierBatch batch;
  for (int i = 0; i != 3; ++i)
    expectOk(batch.step(cuda, nullptr));
  for (const ampc::standin::Event &event : ampc::standin::takeEvents())
    EXPECT_NE(event.name, "cublasLtMatmulAlgoGetHeuristic");
}

// What cuBLASLt does not compute as the format defines it is refused when the
// session is made, with the node.
TEST(CudaMatmul, RefusesWhatCublasLtLacks) {
  Product plain = {1, 4, 4, 4, false, false, false, false, true, 1, kF16Type, kF16Type};
  auto expectRefused = [](const Product &p, const std::string &name, const std::string &text) {
    TestFiles files = buildProducts({p}, name);
    StandIn driver(files);
    ModuleHandle module(files.module);
    ampc_session_t *session = nullptr;
    Outcome outcome = expectError(createSession(module, AMPC_DEVICE_CUDA, &session),
                                  AMPC_STATUS_INCOMPATIBLE, text);
    EXPECT_EQ(outcome.node, "Product_0");
    EXPECT_EQ(session, nullptr);
  };
  Product relu = plain, bias = plain, narrow = plain, inner = plain, sums = plain;
  relu.epilogue = AMPC_EPILOGUE_RELU;
  bias.bias = kF32Type;
  narrow.operand = kF32Type;
  inner.k = 0;
  sums.hasBias = false;
  sums.sums = AMPC_MATMUL_SUMS_RHS;
  expectRefused(relu, "relu", "has no RELU that keeps NaN");
  expectRefused(bias, "bias", "does not add a bias of f32 to a result of f16");
  expectRefused(narrow, "narrow", "does not multiply f32 by f32 into f16");
  expectRefused(inner, "inner", "whose inner dimension is 0");
  expectRefused(sums, "sums", "does not sum up operands of f16 into f16");
}
