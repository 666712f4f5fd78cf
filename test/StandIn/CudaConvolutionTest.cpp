//===- CudaConvolutionTest.cpp - Convolutions on CUDA ---------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Each convolution is compared with the sums of its definition in f64.
//
//===----------------------------------------------------------------------===//

#include "../Runtime/Elements.h"
#include "CudaTestSupport.h"

#include <cmath>

using namespace ampc::test;

namespace {

struct Axis {
  int64_t input, filter, stride = 1, before = 0, after = 0, dilation = 1;
  int64_t output() const {
    return (input + before + after - dilation * (filter - 1) - 1) / stride + 1;
  }
};

struct Shape {
  int64_t n, c, k, groups;
  Axis rows, columns;
};

const Shape kShapes[] = {
    {2, 8, 16, 1, {6, 3, 1, 1, 1}, {5, 3, 1, 1, 1}},
    {2, 3, 5, 1, {9, 3, 2}, {8, 2}},
    {1, 4, 6, 2, {7, 2, 1, 1, 0, 2}, {6, 3, 1, 0, 2}},
    {2, 6, 12, 6, {8, 3, 1, 1, 1}, {5, 3, 2, 1, 1}},
    {3, 16, 8, 1, {4, 1}, {4, 1}},
    {1, 1, 1, 1, {1, 1}, {1, 1}},
    {2, 2, 4, 1, {1, 1}, {9, 4, 3, 2, 1}},          // along one dimension
    {1, 1, 2, 1, {2, 3, 1, 5, 4}, {1, 4, 2, 6, 6}}, // pads above all
};

struct Case {
  Shape shape;
  ampc_convolution_kind_t kind;
  ampc_dtype_t dtype;
  bool channelsLast = false, hasBias = false;
  ampc_dtype_t result = dtype;
  ampc_epilogue_t epilogue = AMPC_EPILOGUE_NONE;

  int64_t input() const { return shape.n * shape.c * shape.rows.input * shape.columns.input; }
  int64_t filter() const {
    return shape.k * (shape.c / shape.groups) * shape.rows.filter * shape.columns.filter;
  }
  int64_t output() const {
    return shape.n * shape.k * shape.rows.output() * shape.columns.output();
  }
  /// Elements of the operands and the result, in their order.
  std::vector<int64_t> sizes() const {
    if (kind == AMPC_CONVOLUTION_FORWARD)
      return {input(), filter(), output()};
    if (kind == AMPC_CONVOLUTION_INPUT_GRADIENT)
      return {output(), filter(), input()};
    return {output(), input(), filter()};
  }
  std::vector<int64_t> integers() const {
    const Axis &r = shape.rows, &c = shape.columns;
    std::vector<int64_t> all = {kind,       shape.n,      shape.c,  r.input,  c.input,
                                shape.k,    r.filter,     c.filter, r.stride, c.stride,
                                r.before,   c.before,     r.after,  c.after,  r.dilation,
                                c.dilation, shape.groups, hasBias,  epilogue};
    if (channelsLast)
      all.push_back(AMPC_LAYOUT_NHWC);
    return all;
  }
};

/// Of 16-bit types, numbers whose products have exact sums in f32; else numbers that TF32 rounds.
std::vector<double> values(int64_t count, int seed, ampc_dtype_t dtype) {
  bool isNarrow = elementSize(dtype) == 2;
  std::vector<double> result(count);
  for (int64_t i = 0; i != count; ++i)
    result[i] = isNarrow ? double((i * 37 + seed * 11) % 23 - 11) / 16
                         : double((i * 1237 + seed * 311) % 4093 - 2000) / 4096;
  return result;
}

/// The place of (first, channel, row, column) in a tensor with so many of the last three.
struct Order {
  int64_t channels, rows, columns;
  bool channelsLast;
  int64_t at(int64_t i, int64_t c, int64_t r, int64_t s) const {
    return channelsLast ? ((i * rows + r) * columns + s) * channels + c
                        : ((i * channels + c) * rows + r) * columns + s;
  }
};

/// A module whose EVAL computes convolutions of constants, outputs "out0", ...
TestFiles buildConvolutions(const std::vector<Case> &cases, const std::string &name) {
  TableWriter t;
  std::vector<std::vector<ampc_argument_entry_t>> arguments;
  std::vector<uint32_t> outputs;
  for (const Case &c : cases) {
    std::string number = std::to_string(arguments.size());
    auto &call = arguments.emplace_back();
    auto addConstant = [&](const char *operand, int64_t count, int seed) {
      ampc::Elements elements(c.dtype, size_t(count));
      std::vector<double> all = values(count, seed, c.dtype);
      for (size_t i = 0; i != all.size(); ++i)
        elements.set(i, all[i]);
      uint32_t index = t.addState(operand + number, AMPC_ROLE_CONSTANT, c.dtype, {count}, 0,
                                  std::string(elements.bytes.begin(), elements.bytes.end()));
      call.push_back(t.argument(index, AMPC_ARGUMENT_READ));
    };
    addConstant("lhs", c.sizes()[0], 1);
    addConstant("rhs", c.sizes()[1], 2);
    if (c.hasBias)
      addConstant("bias", c.shape.k, 3);
    outputs.push_back(t.addTensor("out" + number, AMPC_ROLE_OUTPUT, c.result, {c.sizes()[2]}));
  }
  std::vector<ampc_binding_entry_t> bindings;
  for (size_t i = 0; i != cases.size(); ++i) {
    uint64_t bytes = cases[i].sizes()[2] * elementSize(cases[i].result);
    uint64_t at = t.placeTransient(bytes);
    arguments[i].push_back(argumentAt(at, bytes, cases[i].result, AMPC_ARGUMENT_WRITE));
    bindings.push_back(t.binding(outputs[i], cases[i].result, at));
  }
  t.beginProgram(AMPC_PROGRAM_EVAL, {}, bindings);
  for (size_t i = 0; i != cases.size(); ++i)
    t.addLibrary(AMPC_LIBRARY_CONVOLUTION, cases[i].integers(), arguments[i],
                 "Conv_" + std::to_string(i));
  return buildForCuda(t, name);
}

/// The exact sums, and those of the products' magnitudes.
void sumUp(const Case &c, std::vector<double> &sums, std::vector<double> &magnitudes) {
  const Shape &s = c.shape;
  std::vector<int64_t> sizes = c.sizes();
  std::vector<double> lhs = values(sizes[0], 1, c.dtype), rhs = values(sizes[1], 2, c.dtype);
  sums.assign(sizes[2], 0);
  magnitudes.assign(sizes[2], 0);
  int64_t channels = s.c / s.groups, filters = s.k / s.groups;
  Order input = {s.c, s.rows.input, s.columns.input, c.channelsLast};
  Order taps = {channels, s.rows.filter, s.columns.filter, /*channelsLast=*/false};
  Order output = {s.k, s.rows.output(), s.columns.output(), c.channelsLast};
  for (int64_t n = 0; n != s.n; ++n)
    for (int64_t k = 0; k != s.k; ++k)
      for (int64_t p = 0; p != output.rows; ++p)
        for (int64_t q = 0; q != output.columns; ++q) {
          if (c.hasBias)
            sums[output.at(n, k, p, q)] += values(s.k, 3, c.dtype)[k];
          for (int64_t d = 0; d != channels; ++d)
            for (int64_t r = 0; r != taps.rows; ++r)
              for (int64_t t = 0; t != taps.columns; ++t) {
                int64_t y = p * s.rows.stride + r * s.rows.dilation - s.rows.before;
                int64_t x = q * s.columns.stride + t * s.columns.dilation - s.columns.before;
                if (y < 0 || y >= input.rows || x < 0 || x >= input.columns)
                  continue;
                int64_t in = input.at(n, k / filters * channels + d, y, x);
                int64_t tap = taps.at(k, d, r, t), out = output.at(n, k, p, q);
                const int64_t places[3][3] = {{in, tap, out}, {out, tap, in}, {out, in, tap}};
                const int64_t *at = places[c.kind];
                double term = lhs[at[0]] * rhs[at[1]];
                sums[at[2]] += term;
                magnitudes[at[2]] += std::fabs(term);
              }
        }
}

void expectConvolution(ampc_session_t *session, const Case &c, const std::string &name) {
  SCOPED_TRACE(name);
  std::vector<double> sums, magnitudes;
  sumUp(c, sums, magnitudes);
  Tensor<char> out({kDLFloat, uint8_t(8 * elementSize(c.result)), 1}, {int64_t(sums.size())},
                   std::vector<char>(sums.size() * elementSize(c.result)));
  if (c.result == AMPC_DTYPE_BF16)
    out.dl.dtype.code = kDLBfloat;
  ampc_named_tensor_t outputs[] = {{name.c_str(), out.get()}};
  expectOk(ampc_session_evaluate(session, nullptr, 0, outputs, 1));
  ampc::Elements got(c.result, sums.size()), exact(c.result, sums.size());
  got.bytes = out.values;
  bool isNarrow = elementSize(c.dtype) == 2;
  double rounding = c.dtype == AMPC_DTYPE_F64 ? 0x1p-53 : 0x1p-24;
  int wrong = 0;
  for (size_t i = 0; i != sums.size(); ++i) {
    exact.set(i, sums[i]);
    // A rounding for each term and each addition; none but the result's where sums are exact.
    double allowed = isNarrow ? 0 : rounding * 1024 * magnitudes[i];
    if (!(std::fabs(got.get(i) - exact.get(i)) <= allowed) && wrong++ == 0)
      ADD_FAILURE() << "kind " << c.kind << ", type " << c.dtype << ", channels last "
                    << c.channelsLast << ": element " << i << " is " << got.get(i) << ", not "
                    << exact.get(i);
  }
  EXPECT_EQ(wrong, 0);
}

constexpr ampc_convolution_kind_t kKinds[] = {
    AMPC_CONVOLUTION_FORWARD, AMPC_CONVOLUTION_INPUT_GRADIENT, AMPC_CONVOLUTION_FILTER_GRADIENT};

std::vector<Case> casesOf(ampc_dtype_t dtype) {
  std::vector<Case> cases;
  for (const Shape &shape : kShapes)
    for (bool channelsLast : {false, true}) {
      for (ampc_convolution_kind_t kind : kKinds)
        cases.push_back({shape, kind, dtype, channelsLast});
      if (dtype != AMPC_DTYPE_F64)
        cases.push_back({shape, AMPC_CONVOLUTION_FORWARD, dtype, channelsLast, true});
    }
  return cases;
}

int count(const std::vector<ampc::standin::Event> &events, const std::string &name) {
  return int(std::count_if(events.begin(), events.end(),
                           [&](const auto &event) { return event.name == name; }));
}

const Case kPlain = {kShapes[0], AMPC_CONVOLUTION_FORWARD, AMPC_DTYPE_F16, true};

void expectRefused(const Case &c, const std::string &name, ampc_status_code_t code,
                   const std::string &text,
                   std::vector<std::pair<const char *, std::string>> environment = {}) {
  TestFiles files = buildConvolutions({c}, name);
  StandIn driver(files, std::move(environment));
  ModuleHandle module(files.module);
  ampc_session_t *session = nullptr;
  Outcome outcome = expectError(createSession(module, AMPC_DEVICE_CUDA, &session), code, text);
  if (code == AMPC_STATUS_INCOMPATIBLE)
    EXPECT_EQ(outcome.node, "Conv_0");
  EXPECT_EQ(session, nullptr);
}

} // namespace

TEST(CudaConvolution, EqualsSumsOfProducts) {
  for (ampc_dtype_t dtype : {AMPC_DTYPE_F16, AMPC_DTYPE_BF16, AMPC_DTYPE_F32, AMPC_DTYPE_F64}) {
    std::vector<Case> cases = casesOf(dtype);
    TestFiles files = buildConvolutions(cases, "convolutions" + std::to_string(dtype));
    StandIn driver(files);
    ModuleHandle module(files.module);
    Session cuda(module, AMPC_DEVICE_CUDA);
    for (size_t i = 0; i != cases.size(); ++i)
      expectConvolution(cuda, cases[i], "out" + std::to_string(i));
  }
}

TEST(CudaConvolution, EqualStepsShareAPlan) {
  // All but the second differ in something.
  Case first = kPlain, bias = kPlain, kind = kPlain, layout = kPlain, type = kPlain;
  bias.hasBias = true;
  kind.kind = AMPC_CONVOLUTION_INPUT_GRADIENT;
  layout.channelsLast = false;
  type.dtype = type.result = AMPC_DTYPE_BF16;
  std::vector<Case> cases = {first, first, bias, kind, layout, type};
  TestFiles files = buildConvolutions(cases, "shared");
  StandIn driver(files);
  ModuleHandle module(files.module);
  Session cuda(module, AMPC_DEVICE_CUDA);
  auto events = ampc::standin::takeEvents();
  // Each asks twice for what heuristics name, for its engines' notes, and its workspaces.
  TestFiles one = buildConvolutions({bias, kind, layout, type, first}, "apart");
  int shared = count(events, "cudnnBackendGetAttribute");
  ASSERT_GT(shared, 0);
  EXPECT_EQ(count(events, "cuMemAlloc"), 2); // the arena and one workspace
  for (size_t i = 0; i != cases.size(); ++i)
    expectConvolution(cuda, cases[i], "out" + std::to_string(i));
  events = ampc::standin::takeEvents();
  EXPECT_EQ(count(events, "convolution"), 6 * 6);
  EXPECT_EQ(count(events, "cudnnBackendGetAttribute"), 0);
  EXPECT_EQ(count(events, "cudnnBackendExecute"), 6); // recorded once
  ModuleHandle other(one.module);
  Session apart(other, AMPC_DEVICE_CUDA);
  EXPECT_EQ(count(ampc::standin::takeEvents(), "cudnnBackendGetAttribute"), shared);
}

TEST(CudaConvolution, RefusesWhatCudnnLacks) {
  Case wide = kPlain, bias = kPlain, relu = kPlain;
  wide.kind = AMPC_CONVOLUTION_FILTER_GRADIENT;
  wide.result = AMPC_DTYPE_F32;
  bias.hasBias = true;
  bias.dtype = bias.result = AMPC_DTYPE_F64;
  relu.epilogue = AMPC_EPILOGUE_RELU;
  expectRefused(wide, "wide", AMPC_STATUS_INCOMPATIBLE, "does not convolve f16 and f16 into f32");
  expectRefused(bias, "bias", AMPC_STATUS_INCOMPATIBLE, "does not add a bias of f64");
  expectRefused(relu, "relu", AMPC_STATUS_INCOMPATIBLE, "has no RELU that keeps NaN");
}

TEST(CudaConvolution, NamesWhatHasNoEngine) {
  expectRefused(kPlain, "engines", AMPC_STATUS_INCOMPATIBLE,
                "cuDNN 9.19.0 has no engine for a convolution of f16 2x8x6x5 with filters "
                "16x8x3x3, channels last (node 'Conv_0'): update NVIDIA's cuDNN, or use the host",
                {{"AMPC_STANDIN_CUDNN_NO_ENGINES", "1"}});
}

TEST(CudaConvolution, NeedsCudnn) {
  expectRefused(kPlain, "absent", AMPC_STATUS_NOT_FOUND,
                "there is no cuDNN on this machine (/nonexistent/cudnn.so",
                {{"AMPC_CUDNN", "/nonexistent/cudnn.so"}});
  expectRefused(kPlain, "device", AMPC_STATUS_INCOMPATIBLE,
                "cuDNN 9.19.0 has no code for sm_130 (node 'Conv_0'): update it",
                {{"AMPC_STANDIN_ARCH", "130"}});
}

// Nothing that is called may be left unchecked, or leave something behind.
TEST(CudaConvolution, FailsAtEachCallInTurn) {
  Case bias = kPlain;
  bias.hasBias = true;
  TestFiles files = buildConvolutions({bias}, "failing");
  ModuleHandle module(files.module);
  auto live = [&]() -> ampc_status_t {
    ampc_session_t *session = nullptr;
    ampc_status_t status = createSession(module, AMPC_DEVICE_CUDA, &session);
    Tensor<char> out({kDLFloat, 16, 1}, {bias.output()},
                     std::vector<char>(size_t(2 * bias.output())));
    ampc_named_tensor_t outputs[] = {{"out0", out.get()}};
    if (!status)
      status = ampc_session_evaluate(session, nullptr, 0, outputs, 1);
    ampc_session_destroy(session);
    return status;
  };
  uint64_t calls = 0;
  {
    StandIn driver(files);
    expectOk(live());
    calls = ampc::standin::callCount();
  }
  int reported = 0;
  for (uint64_t n = 1; n <= calls; ++n) {
    SCOPED_TRACE("call " + std::to_string(n));
    StandIn driver(files, {{"AMPC_STANDIN_FAIL", std::to_string(n)}});
    Outcome outcome(live());
    if (outcome.code == AMPC_STATUS_OK)
      continue; // a call that gives something back
    reported += outcome.message.find("CUDNN_STATUS_INTERNAL_ERROR") != std::string::npos;
    EXPECT_EQ(outcome.code, AMPC_STATUS_DEVICE) << outcome.message;
    if (outcome.message.find("cudnnBackend") == 0)
      EXPECT_EQ(outcome.node, "Conv_0") << outcome.message;
  }
  EXPECT_GT(reported, 50);
}
