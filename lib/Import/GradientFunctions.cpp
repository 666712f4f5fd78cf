//===- GradientFunctions.cpp - ONNX Runtime's gradients -------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A graph whose gradients are spelled out by ONNX Runtime's gradient builder, and that is no
// training_model.onnx of which the forward graph is taken, has nodes that are no ONNX operators.
// What they compute is written here in operators that are, and inlined as a model's own functions
// are: so their precision, kernels and shapes are those of what they consist of.
//
//===----------------------------------------------------------------------===//

#include "GradientFunctions.h"
#include "llvm/ADT/StringExtras.h"
#include <map>

using namespace mlir;

namespace ampc {
namespace {
/// The opset that the definitions are written in.
constexpr int64_t kOpset = 18;

/// A function begins with its name, inputs, outputs and the defaults of its attributes, those too
/// that nodes carry and that change nothing; one without a default (`pads=`) is left out where a
/// node lacks it. A line below it is a node. `0.5` is a number in the type of the function's first
/// input, `[0]` a list of integers; `@axis` is the function's attribute, as an operand a single
/// integer. `ampc.Gradient y dy x` is the gradient of x, seeded with dy, by what the lines above
/// made y of it.
constexpr StringLiteral kDefinitions = R"(
fn Scale x s -> y scale_down=0
  e = Mul @scale_down -2
  e1 = Add e 1
  ef = CastLike e1 x
  sx = CastLike s x
  f = Pow sx ef
  y = Mul x f
fn TanhGrad dy y -> dx
  yy = Mul y y
  d = Sub 1.0 yy
  dx = Mul dy d
fn SigmoidGrad dy y -> dx
  r = Sub 1.0 y
  d = Mul y r
  dx = Mul dy d
fn ReluGrad dy y -> dx
  p = Greater y 0.0
  dx = Where p dy 0.0
fn LeakyReluGrad dy y -> dx alpha=0.01
  p = Greater y 0.0
  a = CastLike @alpha dy
  n = Mul dy a
  dx = Where p dy n
fn GeluGrad dy x -> dx
  s = Mul x 0.7071067811865476
  e = Erf s
  e1 = Add e 1.0
  cdf = Mul e1 0.5
  ss = Mul s s
  ns = Neg ss
  ex = Exp ns
  pdf = Mul ex 0.3989422804014327
  xp = Mul x pdf
  d = Add cdf xp
  dx = Mul dy d
fn FastGeluGrad dy x -> dx
  xx = Mul x x
  c = Mul xx 0.044715
  c1 = Add c 1.0
  cx = Mul x c1
  u = Mul cx 0.7978845608028654
  t = Tanh u
  t1 = Add t 1.0
  h = Mul t1 0.5
  tt = Mul t t
  w = Sub 1.0 tt
  k = Mul xx 0.134145
  k1 = Add k 1.0
  du = Mul k1 0.3989422804014327
  xw = Mul x w
  r = Mul xw du
  d = Add h r
  dx = Mul dy d
fn BiasGeluGrad_dX dy x b -> dx
  z = Add x b
  dx = com.microsoft.GeluGrad dy z
fn BiasFastGeluGrad_dX dy x b -> dx
  z = Add x b
  dx = com.microsoft.FastGeluGrad dy z
fn QuickGeluGrad dy x -> dx alpha=1.702
  a = CastLike @alpha x
  ax = Mul a x
  s = Sigmoid ax
  r = Sub 1.0 s
  m = Mul ax r
  m1 = Add m 1.0
  d = Mul s m1
  dx = Mul dy d
fn SoftmaxGrad_13 dy y -> dx axis=-1
  axes = Reshape @axis [1]
  p = Mul dy y
  s = ReduceSum p axes keepdims=1
  d = Sub dy s
  dx = Mul d y
fn LogSoftmaxGrad_13 dy y -> dx axis=-1
  axes = Reshape @axis [1]
  p = Exp y
  s = ReduceSum dy axes keepdims=1
  q = Mul p s
  dx = Sub dy q
fn DropoutGrad dy mask ratio mode -> dx seed=0
  r = CastLike ratio dy
  k = Sub 1.0 r
  d = Div dy k
  dx = Where mask d 0.0
fn ConvGrad dy x w -> dx dw db auto_pad= dilations= group= kernel_shape= pads= strides=
  y = Conv x w auto_pad=@auto_pad dilations=@dilations group=@group kernel_shape=@kernel_shape pads=@pads strides=@strides
  dx, dw = com.microsoft.ampc.Gradient y dy x w
  axes, places = com.microsoft.ampc.Channels dy
  db = ReduceSum dy axes keepdims=0
fn BatchNormInternal x s b m v -> y newMean newVariance mean inv epsilon=1e-5 momentum=0.9 training_mode=0
  y, newMean, newVariance = BatchNormalization x s b m v epsilon=@epsilon momentum=@momentum training_mode=@training_mode
  axes, places = com.microsoft.ampc.Channels x
  mk = ReduceMean x axes keepdims=1
  c = Sub x mk
  cc = Mul c c
  var = ReduceMean cc axes keepdims=0
  e = CastLike @epsilon x
  ve = Add var e
  sd = Sqrt ve
  inv = Reciprocal sd
  mean = ReduceMean x axes keepdims=0
fn BatchNormalizationGrad dy x scale mean inv -> dx dscale dbias epsilon=1e-5
  axes, places = com.microsoft.ampc.Channels x
  m = Unsqueeze mean places
  i = Unsqueeze inv places
  s = Unsqueeze scale places
  c = Sub x m
  h = Mul c i
  dh = Mul dy h
  mh = ReduceMean dh axes keepdims=1
  md = ReduceMean dy axes keepdims=1
  hm = Mul h mh
  d0 = Sub dy md
  d = Sub d0 hm
  g = Mul s i
  dx = Mul d g
  dscale = ReduceSum dh axes keepdims=0
  dbias = ReduceSum dy axes keepdims=0
fn ampc.Channels x -> axes places
  r = com.microsoft.ampc.Rank x
  rest = Range 2 r 1
  axes = Concat [0] rest axis=0
  last = Sub r 1
  places = Range 1 last 1
fn DivGrad dy a b -> da db
  d = Div dy b
  q = Div a b
  p = Mul d q
  n = Neg p
  da = com.microsoft.ampc.SumTo d a
  db = com.microsoft.ampc.SumTo n b
fn SoftmaxCrossEntropyLossGrad dy lp labels -> dx ignore_index=-100
  keep, oh = com.microsoft.ampc.Labels dy lp labels ignore_index=@ignore_index
  n = ReduceSum keep
  s = Div dy n
  p = Exp lp
  d = Sub p oh
  k = Unsqueeze keep [1]
  dk = Mul d k
  dx = Mul dk s
fn SoftmaxCrossEntropyLossGrad_sum dy lp labels -> dx ignore_index=-100
  keep, oh = com.microsoft.ampc.Labels dy lp labels ignore_index=@ignore_index
  p = Exp lp
  d = Sub p oh
  k = Unsqueeze keep [1]
  dk = Mul d k
  dx = Mul dk dy
fn SoftmaxCrossEntropyLossGrad_none dy lp labels -> dx ignore_index=-100
  keep, oh = com.microsoft.ampc.Labels dy lp labels ignore_index=@ignore_index
  p = Exp lp
  d = Sub p oh
  g = Mul keep dy
  k = Unsqueeze g [1]
  dx = Mul d k
fn ampc.Labels like lp labels -> keep oh ignore_index=-100
  i = CastLike @ignore_index labels
  e = Equal labels i
  ne = Not e
  keep = CastLike ne lp
  z = CastLike 0 labels
  safe = Where ne labels z
  sh = Shape lp
  c = Gather sh 1 axis=0
  v = Concat 0.0v 1.0v axis=0
  oh = OneHot safe c v axis=1
fn LayerNormalizationGrad dy x scale mean inv -> dx dscale dbias axis=-1 epsilon=0.0 stash_type=1
  inner, outer = com.microsoft.ampc.Norm x axis=@axis
  c = Sub x mean
  h = Mul c inv
  g = Mul dy scale
  m = ReduceMean g inner keepdims=1
  d0 = com.microsoft.ampc.Upright g h inner
  d = Sub d0 m
  dx = Mul d inv
  dh = Mul dy h
  dscale = ReduceSum dh outer keepdims=0 noop_with_empty_axes=1
  dbias = ReduceSum dy outer keepdims=0 noop_with_empty_axes=1
fn SimplifiedLayerNormalizationGrad dy x scale inv -> dx dscale axis=-1 epsilon=0.0 stash_type=1
  inner, outer = com.microsoft.ampc.Norm x axis=@axis
  h = Mul x inv
  g = Mul dy scale
  d = com.microsoft.ampc.Upright g h inner
  dx = Mul d inv
  dh = Mul dy h
  dscale = ReduceSum dh outer keepdims=0 noop_with_empty_axes=1
fn ampc.Norm x -> inner outer axis=-1
  r = com.microsoft.ampc.Rank x
  a = com.microsoft.ampc.Axis r axis=@axis
  inner = Range a r 1
  outer = Range 0 a 1
fn ampc.Upright g h inner -> d
  gh = Mul g h
  m = ReduceMean gh inner keepdims=1
  hm = Mul h m
  d = Sub g hm
fn ampc.SumTo g x -> y
  to = Shape x
  from = Shape g
  rank = Size from
  own = Size to
  more = Sub rank own
  count = Reshape more [1]
  ones = Expand [1] count
  shape = Concat ones to axis=0
  isOne = Equal shape 1
  all = Range 0 rank 1
  axes = Compress all isOne axis=0
  s = ReduceSum g axes keepdims=1 noop_with_empty_axes=1
  y = Reshape s to
fn ampc.Rank x -> r
  s = Shape x
  r = Size s
fn ampc.Axis r -> a axis=-1
  n = Less @axis 0
  w = Add @axis r
  a = Where n w @axis
fn GatherGrad shape indices dy -> dx axis=0
  r = Size shape
  a = com.microsoft.ampc.Axis r axis=@axis
  a1 = Add a 1
  at = Reshape a [1]
  after = Reshape a1 [1]
  head = Slice shape [0] at
  tail = Slice shape after [1000]
  pre = ReduceProd head keepdims=1
  post = ReduceProd tail keepdims=1
  extent = Gather shape at axis=0
  whole = Concat pre extent post axis=0
  n = Size indices
  count = Reshape n [1]
  part = Concat pre count post axis=0
  zero = ConstantOfShape whole
  zeros = CastLike zero dy
  rows = Reshape indices [1,-1,1]
  places = Expand rows part
  updates = Reshape dy part
  sum = ScatterElements zeros places updates axis=1 reduction="add"
  dx = Reshape sum shape
fn GatherElementsGrad dy shape indices -> dx axis=0
  zero = ConstantOfShape shape
  zeros = CastLike zero dy
  dx = ScatterElements zeros indices dy axis=@axis reduction="add"
fn GatherNDGrad shape indices dy -> dx
  zero = ConstantOfShape shape
  zeros = CastLike zero dy
  dx = ScatterND zeros indices dy reduction="add"
fn SliceGrad dy shape starts ends axes steps -> dx
  total = ReduceProd shape keepdims=0
  count = Reshape total [1]
  flat = Range 0 total 1
  grid = Reshape flat shape
  taken = Slice grid starts ends axes steps
  places = Reshape taken [-1]
  updates = Reshape dy [-1]
  zero = ConstantOfShape count
  zeros = CastLike zero dy
  sum = ScatterElements zeros places updates axis=0 reduction="add"
  dx = Reshape sum shape
)";

/// Builds the functions of the text above.
class Parser {
public:
  std::map<std::string, onnx::FunctionProto> run();

private:
  void parseHeader(ArrayRef<StringRef> words);
  void parseNode(ArrayRef<StringRef> words);
  void parseAttribute(StringRef word, onnx::NodeProto &node);
  std::string operand(StringRef word);
  std::string constant(function_ref<void(onnx::AttributeProto &)> fill);

  onnx::FunctionProto *function = nullptr;
  std::map<std::string, onnx::FunctionProto> functions;
};

bool isNumber(StringRef word) {
  return !word.empty() && (llvm::isDigit(word[0]) || (word[0] == '-' && word != "->"));
}

/// Sets a number, integer or not as it is written.
void setNumber(onnx::AttributeProto &attribute, StringRef word) {
  int64_t integer = 0;
  if (!word.getAsInteger(10, integer)) {
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(integer);
    return;
  }
  double number = 0;
  (void)word.getAsDouble(number);
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(float(number));
}
} // namespace

/// Appends a Constant with the attribute that `fill` writes, and gives its output.
std::string Parser::constant(function_ref<void(onnx::AttributeProto &)> fill) {
  std::string name = "constant" + std::to_string(function->node_size());
  onnx::NodeProto &node = *function->add_node();
  node.set_op_type("Constant");
  node.add_output(name);
  fill(*node.add_attribute());
  return name;
}

std::string Parser::operand(StringRef word) {
  if (word.consume_front("@")) {
    auto found = llvm::find_if(function->attribute_proto(), [&](const auto &attribute) {
      return StringRef(attribute.name()) == word;
    });
    bool isInteger = found->type() == onnx::AttributeProto::INT;
    return constant([&](onnx::AttributeProto &attribute) {
      attribute.set_name(isInteger ? "value_int" : "value_float");
      attribute.set_type(found->type());
      attribute.set_ref_attr_name(word.str());
    });
  }
  if (word.consume_front("["))
    return constant([&](onnx::AttributeProto &attribute) {
      attribute.set_name("value_ints");
      attribute.set_type(onnx::AttributeProto::INTS);
      for (StringRef text : llvm::split(word.drop_back(), ',')) {
        int64_t integer = 0;
        (void)text.getAsInteger(10, integer);
        attribute.add_ints(integer);
      }
    });
  if (!isNumber(word))
    return word.str();
  bool isVector = word.consume_back("v"), isFloat = word.contains('.');
  std::string value = constant([&](onnx::AttributeProto &attribute) {
    onnx::AttributeProto number;
    setNumber(number, word);
    attribute.set_type(number.type());
    attribute.set_name(isFloat ? "value_float" : "value_int");
    if (!isVector) {
      attribute.set_f(number.f());
      attribute.set_i(number.i());
      if (isFloat)
        attribute.clear_i();
      else
        attribute.clear_f();
      return;
    }
    attribute.set_name("value_floats");
    attribute.set_type(onnx::AttributeProto::FLOATS);
    attribute.add_floats(number.f());
  });
  if (!isFloat)
    return value;
  onnx::NodeProto &cast = *function->add_node();
  cast.set_op_type("CastLike");
  cast.add_input(value);
  cast.add_input(function->input(0));
  cast.add_output(value + "_like");
  return cast.output(0);
}

void Parser::parseHeader(ArrayRef<StringRef> words) {
  function = &functions[words[1].str()];
  function->set_domain("com.microsoft");
  function->set_name(words[1].str());
  for (auto [domain, version] : {std::pair("", kOpset), std::pair("com.microsoft", int64_t(1))}) {
    onnx::OperatorSetIdProto &opset = *function->add_opset_import();
    opset.set_domain(domain);
    opset.set_version(version);
  }
  bool isOutput = false;
  for (StringRef word : words.drop_front(2)) {
    auto [name, value] = word.split('=');
    if (word == "->") {
      isOutput = true;
    } else if (word.ends_with("=")) {
      function->add_attribute(name.str());
    } else if (!value.empty()) {
      onnx::AttributeProto &attribute = *function->add_attribute_proto();
      attribute.set_name(name.str());
      setNumber(attribute, value);
    } else if (isOutput) {
      function->add_output(word.str());
    } else {
      function->add_input(word.str());
    }
  }
}

void Parser::parseAttribute(StringRef word, onnx::NodeProto &node) {
  auto [name, value] = word.split('=');
  onnx::AttributeProto &attribute = *node.add_attribute();
  attribute.set_name(name.str());
  if (value.consume_front("@")) {
    attribute.set_ref_attr_name(value.str()); // of whatever type it has where it is bound
  } else if (value.consume_front("\"")) {
    attribute.set_type(onnx::AttributeProto::STRING);
    attribute.set_s(value.drop_back().str());
  } else {
    setNumber(attribute, value);
  }
}

void Parser::parseNode(ArrayRef<StringRef> words) {
  const auto *equals = llvm::find(words, "=");
  onnx::NodeProto node;
  for (StringRef word : ArrayRef(words.begin(), equals))
    node.add_output(word.trim(',').str());
  StringRef name = equals[1];
  if (name.consume_front("com.microsoft."))
    node.set_domain("com.microsoft");
  node.set_op_type(name.str());
  for (StringRef word : ArrayRef(equals + 2, words.end()))
    if (word.contains('='))
      parseAttribute(word, node);
    else
      node.add_input(operand(word));
  *function->add_node() = std::move(node);
}

std::map<std::string, onnx::FunctionProto> Parser::run() {
  for (StringRef line : llvm::split(kDefinitions, '\n')) {
    SmallVector<StringRef> words;
    line.split(words, ' ', -1, /*KeepEmpty=*/false);
    if (words.empty())
      continue;
    if (words.front() == "fn")
      parseHeader(words);
    else
      parseNode(words);
  }
  return std::move(functions);
}

const onnx::FunctionProto *findGradientFunction(const onnx::NodeProto &node) {
  if (normalizeDomain(node.domain()) != "com.microsoft")
    return nullptr;
  static const std::map<std::string, onnx::FunctionProto> functions = Parser().run();
  std::string name = node.op_type();
  for (const onnx::AttributeProto &attribute : node.attribute())
    if (attribute.name() == "reduction" && attribute.s() != "mean")
      name += "_" + attribute.s();
  auto it = functions.find(name);
  if (it == functions.end() || node.input_size() > it->second.input_size())
    return nullptr;
  // What a definition does not know must not be left out: GatherNDGrad with batch_dims=1.
  auto isKnown = [&](const onnx::AttributeProto &attribute) {
    bool isZero = attribute.type() == onnx::AttributeProto::INT && attribute.i() == 0;
    return isZero || attribute.name() == "reduction" ||
           llvm::is_contained(it->second.attribute(), attribute.name()) ||
           llvm::any_of(it->second.attribute_proto(), [&](const onnx::AttributeProto &declared) {
             return declared.name() == attribute.name();
           });
  };
  return llvm::all_of(node.attribute(), isKnown) ? &it->second : nullptr;
}
} // namespace ampc
