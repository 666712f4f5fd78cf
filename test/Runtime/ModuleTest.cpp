//===- ModuleTest.cpp - Opening modules, sound and broken -----------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestModules.h"
#include "TestSupport.h"

#include <cmath>
#include <elf.h>
#include <functional>
#include <limits>

using namespace ampc::test;

namespace {

/// Opens a train.so with these contents and closes it again.
Outcome openBytes(const std::string &bytes) {
  static int count = 0;
  std::string path = scratchFolder() + "/m" + std::to_string(count++) + ".so";
  writeFile(path, bytes);
  ampc_module_t *module = nullptr;
  Outcome outcome(ampc_module_open(path.c_str(), &module));
  EXPECT_EQ(module != nullptr, outcome.code == AMPC_STATUS_OK);
  ampc_module_close(module);
  ::unlink(path.c_str());
  return outcome;
}

/// The tables of a train.so, changed in place.
struct Image {
  Image() : bytes(readFile(buildTrainer())) {
    at = bytes.find(std::string(AMPC_TABLES_MAGIC, 8));
    EXPECT_EQ(bytes.find(std::string(AMPC_TABLES_MAGIC, 8), at + 1), std::string::npos);
  }
  ampc_tables_t &header() { return *reinterpret_cast<ampc_tables_t *>(&bytes[at]); }
  template <class T>
  T *entries(const ampc_span_t &span) {
    return reinterpret_cast<T *>(&bytes[at + span.offset]);
  }
  ampc_tensor_entry_t &tensor(const std::string &name) {
    auto *tensors = entries<ampc_tensor_entry_t>(header().tensors);
    for (uint64_t i = 0; i != header().tensors.count; ++i)
      if (name == entries<char>(header().strings) + tensors[i].name)
        return tensors[i];
    throw std::logic_error("no tensor " + name);
  }
  ampc_program_entry_t &program(int i) {
    return entries<ampc_program_entry_t>(header().programs)[i];
  }
  ampc_binding_entry_t &binding(int i) {
    return entries<ampc_binding_entry_t>(header().bindings)[i];
  }
  ampc_step_entry_t &step(int i) { return entries<ampc_step_entry_t>(header().steps)[i]; }
  ampc_value_entry_t &value(size_t index) {
    return entries<ampc_value_entry_t>(header().values)[index];
  }
  ampc_argument_entry_t &argument(int step, int i) {
    return entries<ampc_argument_entry_t>(header().arguments)[this->step(step).first_argument + i];
  }
  int64_t &integer(int step, int i) {
    return entries<int64_t>(header().integers)[this->step(step).first_integer + i];
  }
  int64_t &dim(const std::string &name, int i) {
    return entries<int64_t>(header().integers)[tensor(name).first_dim + i];
  }
  ampc_kernel_entry_t &kernel(int i) { return entries<ampc_kernel_entry_t>(header().kernels)[i]; }

  std::string bytes;
  size_t at;
};

// The training program's steps.
constexpr int kLaunchStep = 0, kMatmulStep = 2, kCopyStep = 3;

struct Mutation {
  const char *text; ///< in the message
  std::function<void(Image &)> apply;
  ampc_status_code_t code = AMPC_STATUS_CORRUPT;
};

} // namespace

TEST(Module, OpensAndDescribesItsTensors) {
  ModuleHandle module(buildTrainer());
  ASSERT_EQ(ampc_module_tensor_count(module), 18u);
  ampc_tensor_info_t info = {};
  info.struct_size = sizeof(info);
  expectOk(ampc_module_tensor(module, 0, &info));
  EXPECT_STREQ(info.name, "x");
  EXPECT_EQ(info.role, AMPC_TENSOR_ROLE_INPUT);
  EXPECT_EQ(info.dtype.code, kDLFloat);
  EXPECT_EQ(info.dtype.bits, 32);
  ASSERT_EQ(info.rank, 2);
  EXPECT_EQ(info.shape[0], 4);
  EXPECT_EQ(info.shape[1], 3);
  EXPECT_TRUE(info.batched);
  EXPECT_FALSE(info.label || info.trained || info.loss);
  expectOk(ampc_module_tensor(module, 1, &info));
  EXPECT_TRUE(info.label);
  expectOk(ampc_module_tensor(module, 4, &info));
  EXPECT_STREQ(info.name, "loss");
  EXPECT_TRUE(info.loss);
  EXPECT_EQ(info.rank, 0);
  expectOk(ampc_module_tensor(module, 5, &info));
  EXPECT_STREQ(info.name, "w");
  EXPECT_TRUE(info.trained);
  expectError(ampc_module_tensor(module, 18, &info), AMPC_STATUS_INVALID_ARGUMENT,
              "there is no tensor 18");
  EXPECT_EQ(ampc_module_trains(module), 1);
}

TEST(Module, RefusesWhatIsNoModule) {
  ampc_module_t *module = nullptr;
  expectError(ampc_module_open("/nowhere/train.so", &module), AMPC_STATUS_NOT_FOUND,
              "/nowhere/train.so");
  expectError(ampc_module_open(scratchFolder().c_str(), &module), AMPC_STATUS_IO,
              "no regular file");
  EXPECT_NE(openBytes("").message.find("no ELF"), std::string::npos);
  EXPECT_EQ(openBytes("").code, AMPC_STATUS_CORRUPT);
  EXPECT_EQ(openBytes("\x7f"
                      "ELF")
                .code,
            AMPC_STATUS_CORRUPT);
  EXPECT_EQ(openBytes("hello, this is no shared library").code, AMPC_STATUS_CORRUPT);

  std::string bytes = readFile(buildTrainer());
  std::string other = bytes;
  reinterpret_cast<Elf64_Ehdr *>(&other[0])->e_machine = EM_S390;
  Outcome outcome = openBytes(other);
  EXPECT_EQ(outcome.code, AMPC_STATUS_INCOMPATIBLE);
  EXPECT_NE(outcome.message.find("another processor"), std::string::npos);

  // A library of another kind.
  std::string plain = scratchFolder() + "/plain";
  writeFile(plain + ".c", "int plain;\n");
  ASSERT_EQ(
      std::system((AMPC_TEST_CC " -shared -fPIC " + plain + ".c -o " + plain + ".so").c_str()), 0);
  expectError(ampc_module_open((plain + ".so").c_str(), &module), AMPC_STATUS_CORRUPT,
              "ampc_module_v1");
}

TEST(Module, RefusesFilesCutShort) {
  std::string bytes = readFile(buildTrainer());
  for (size_t length :
       {size_t(3), size_t(60), size_t(64), size_t(500), bytes.size() / 2, bytes.size() - 1}) {
    Outcome outcome = openBytes(bytes.substr(0, length));
    EXPECT_EQ(outcome.code, AMPC_STATUS_CORRUPT) << length << ": " << outcome.message;
  }
}

TEST(Module, RefusesWeightsThatAreMissing) {
  std::string path = scratchFolder() + "/stripped.so";
  writeFile(path, readFile(buildTrainer()));
  std::string command = "objcopy --remove-section=" AMPC_WEIGHTS_SECTION " " + path;
  ASSERT_EQ(std::system(command.c_str()), 0);
  ampc_module_t *module = nullptr;
  expectError(ampc_module_open(path.c_str(), &module), AMPC_STATUS_CORRUPT, "0 bytes of weights");
}

TEST(Module, RefusesEachContradiction) {
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max() - 63;
  constexpr uint32_t kFar = 1000000;
  const Mutation mutations[] = {
      // Header.
      {"magic", [](Image &i) { i.header().magic[0] = 'B'; }},
      {"format_version", [](Image &i) { i.header().format_version += 1; }},
      {"header_bytes", [](Image &i) { i.header().header_bytes += 8; }},
      {"bytes is", [](Image &i) { i.header().bytes -= 64; }},
      {"weights", [](Image &i) { i.header().weights_bytes = 1 << 20; }},
      {"'strings'", [](Image &i) { i.header().strings.count = kHuge; }},
      {"'integers'", [](Image &i) { i.header().integers.offset += 4; }},
      {"'integers'", [](Image &i) { i.header().integers.count = kHuge / 8; }},
      {"'tensors'", [](Image &i) { i.header().tensors.offset = 0; }},
      {"'tensors'", [](Image &i) { i.header().tensors.count += 100000; }},
      {"'bindings'", [](Image &i) { i.header().bindings.offset = kHuge; }},
      {"'programs'", [](Image &i) { i.header().programs.offset += 1; }},
      {"'steps'", [](Image &i) { i.header().steps.count = kHuge; }},
      {"'arguments'", [](Image &i) { i.header().arguments.count = kHuge; }},
      {"'kernels'", [](Image &i) { i.header().kernels.count = kHuge; }},
      {"'images'", [](Image &i) { i.header().images.count = kHuge; }},
      {"'gradients'", [](Image &i) { i.header().gradients.count = kHuge; }},
      {"no end", [](Image &i) { i.header().strings.count = 5; }},
      {"producer", [](Image &i) { i.header().producer = kFar; }},
      {"model", [](Image &i) { i.header().model = AMPC_NONE_U32; }},
      {"options", [](Image &i) { i.header().options = kFar; }},
      {"UTF-8",
       [](Image &i) {
         i.entries<char>(i.header().strings)[i.header().producer] = '\xff';
       }},
      {"low_dtype", [](Image &i) { i.header().low_dtype = AMPC_DTYPE_I64; }},
      {"has_scaler", [](Image &i) { i.header().has_scaler = 2; }},
      {"scale_floor", [](Image &i) { i.header().scale_floor = -1; }},
      {"scale_floor", [](Image &i) { i.header().scale_floor = NAN; }},
      // Targets.
      {"present", [](Image &i) { i.header().targets[0].present = 2; }},
      {"target 0 is not there",
       [](Image &i) {
         i.header().targets[0].present = 0;
         auto *tensors = i.entries<ampc_tensor_entry_t>(i.header().tensors);
         for (uint64_t t = 0; t != i.header().tensors.count; ++t)
           tensors[t].offset[0] = AMPC_NONE_U64;
         i.header().kernels.count = 0;
       }},
      {"state in an arena",
       [](Image &i) { i.header().targets[0].state_bytes = kHuge; }},
      {"an arena of",
       [](Image &i) { i.header().targets[0].arena_bytes = kHuge; }},
      {"target 0", [](Image &i) { i.header().targets[0].features = kFar; }},
      {"images",
       [](Image &i) {
         i.header().targets[0].first_image = 1;
         i.header().targets[0].image_count = AMPC_NONE_U32;
       }},
      // Tensors.
      {"tensor", [](Image &i) { i.tensor("w").name = kFar; }},
      {"role", [](Image &i) { i.tensor("w").role = 7; }},
      {"type", [](Image &i) { i.tensor("grid").dtype = 0; }},
      {"type", [](Image &i) { i.tensor("grid").dtype = 200; }},
      {"flags", [](Image &i) { i.tensor("grid").flags = 128; }},
      {"trained",
       [](Image &i) { i.tensor("grid").flags = AMPC_TENSOR_TRAINED; }},
      {"dimensions", [](Image &i) { i.tensor("grid").first_dim = kFar; }},
      {"dimensions", [](Image &i) { i.tensor("x").rank = 255; }},
      {"a dimension is -1", [](Image &i) { i.dim("x", 0) = -1; }},
      {"bytes do not hold",
       [](Image &i) {
         i.dim("x", 0) = int64_t(1) << 62;
         i.dim("x", 1) = int64_t(1) << 62;
       }},
      {"bytes do not hold", [](Image &i) { i.tensor("w").bytes = 16; }},
      {"initialized", [](Image &i) { i.tensor("w").init_kind = 3; }},
      {"leave the weights",
       [](Image &i) { i.tensor("w").init_value = kHuge; }},
      {"leave the weights", [](Image &i) { i.tensor("w").init_value = 4; }},
      {"leave the state",
       [](Image &i) {
         i.tensor("w").offset[0] = i.header().targets[0].state_bytes;
       }},
      {"leave the state", [](Image &i) { i.tensor("w").offset[0] = kHuge; }},
      {"leave the state", [](Image &i) { i.tensor("w").offset[0] += 4; }},
      {"has a place", [](Image &i) { i.tensor("w").offset[1] = 0; }},
      {"input or output", [](Image &i) { i.tensor("x").offset[0] = 0; }},
      {"overlap",
       [](Image &i) { i.tensor("w").offset[0] = i.tensor("bias").offset[0]; }},
      {"two tensors", [](Image &i) { i.tensor("bias").name = i.tensor("w").name; }},
      {"a scalar",
       [](Image &i) { i.tensor("grid").role = AMPC_ROLE_SCALAR; }},
      {"its type is i32",
       [](Image &i) { i.tensor(AMPC_SCALAR_LEARNING_RATE).dtype = AMPC_DTYPE_I32; }},
      {"without ampc.attempt",
       [](Image &i) { i.tensor(AMPC_SCALAR_ATTEMPT).role = AMPC_ROLE_STATE; }},
      {"without ampc.stats",
       [](Image &i) { i.tensor(AMPC_STATS_RING).offset[0] = AMPC_NONE_U64; }},
      {"ampc.stats is",
       [](Image &i) {
         i.dim(AMPC_STATS_RING, 0) = 32;
         i.dim(AMPC_STATS_RING, 1) = 16;
       }},
      {"gradient 0",
       [](Image &i) { *i.entries<uint32_t>(i.header().gradients) = kFar; }},
      {"'values'", [](Image &i) { i.header().values.count = kHuge; }},
      {"value 0: is argument", [](Image &i) { i.value(0).argument = kFar; }},
      {"value 1: is argument", [](Image &i) { i.value(1).argument = i.value(0).argument; }},
      {"value 0: its kind is 2", [](Image &i) { i.value(0).kind = 2; }},
      {"value 0: its string starts", [](Image &i) { i.value(0).name = kFar; }},
      {"value 0: its string starts", [](Image &i) { i.value(0).node = kFar; }},
      {"value 0: its string starts", [](Image &i) { i.value(0).op_type = kFar; }},
      {"outside of the integers", [](Image &i) { i.value(0).first_dim = kFar; }},
      {"outside of the integers", [](Image &i) { i.value(0).rank = kFar; }},
      {"no tensor of its dimensions", [](Image &i) { i.value(0).rank = 0; }},
      {"no tensor of its dimensions", [](Image &i) { ++i.value(1).rank; }},
      {"no tensor of its dimensions", [](Image &i) { --i.value(0).argument; }},
      // Kernels.
      {"kernel", [](Image &i) { i.kernel(0).name = kFar; }},
      {"target", [](Image &i) { i.kernel(0).target = 2; }},
      {"host function", [](Image &i) { i.kernel(0).function = 4; }},
      {"another one has its code",
       [](Image &i) { i.kernel(1).function = i.kernel(0).function; }},
      {"there are two", [](Image &i) { i.kernel(1).name = i.kernel(0).name; }},
      {"parameters from",
       [](Image &i) { i.kernel(0).parameter_count = kFar; }},
      // Launches that do not fit their kernel.
      {"was not compiled for", [](Image &i) { ++i.step(kLaunchStep).grid[0]; }},
      {"was not compiled for", [](Image &i) { ++i.step(kLaunchStep).block[2]; }},
      {"which takes", [](Image &i) { --i.step(kLaunchStep).argument_count; }},
      {"does not fit kernel",
       [](Image &i) { i.argument(kLaunchStep, 0).bytes -= 4; }},
      {"does not fit kernel",
       [](Image &i) { i.argument(kLaunchStep, 0).dtype = AMPC_DTYPE_I32; }},
      {"does not fit kernel",
       [](Image &i) { i.argument(kLaunchStep, 0).offset += 4; }},
      {"does not fit kernel",
       [](Image &i) { i.argument(kLaunchStep, 0).flags ^= 3; }},
      // Programs.
      {"its string starts", [](Image &i) { i.program(0).name = kFar; }},
      {"target", [](Image &i) { i.program(0).target = 2; }},
      {"target", [](Image &i) { i.program(0).target = 1; }},
      {"there are two", [](Image &i) { i.program(1).name = i.program(0).name; }},
      {"0 queues", [](Image &i) { i.program(0).queue_count = 0; }},
      {"33 queues", [](Image &i) { i.program(0).queue_count = 33; }},
      {"signals of", [](Image &i) { i.program(0).signal_count = kFar; }},
      {"1 signals, of which 0", [](Image &i) { i.program(0).signal_count = 1; }},
      {"steps from", [](Image &i) { i.program(0).step_count = kFar; }},
      {"inputs from", [](Image &i) { i.program(0).first_input = kFar; }},
      {"outputs from", [](Image &i) { i.program(1).output_count = kFar; }},
      {"no inputs or outputs",
       [](Image &i) {
         i.program(2).first_input = 0;
         i.program(2).input_count = 1;
       }},
      // Bindings.
      {"binds tensor", [](Image &i) { i.binding(0).tensor = kFar; }},
      {"its role", [](Image &i) { i.binding(0).tensor = 2; }},
      {"an input twice",
       [](Image &i) {
         i.binding(1) = i.binding(0);
         i.binding(1).offset += 64;
       }},
      {"overlap",
       [](Image &i) { i.binding(1).offset = i.binding(0).offset; }},
      {"cannot hold", [](Image &i) { i.binding(0).dtype = AMPC_DTYPE_I16; }},
      {"cannot hold", [](Image &i) { i.binding(0).dtype = 99; }},
      {"a slot of", [](Image &i) { i.binding(0).bytes += 2; }},
      {"leaves the arena", [](Image &i) { i.binding(0).offset = kHuge; }},
      {"leaves the arena", [](Image &i) { i.binding(0).offset += 2; }},
      // Steps.
      {"step 0", [](Image &i) { i.step(0).name = kFar; }},
      {"a step of kind 99, which this runtime",
       [](Image &i) { i.step(0).kind = 99; },
       AMPC_STATUS_INCOMPATIBLE},
      {"queue 1 of 1", [](Image &i) { i.step(0).queue = 1; }},
      {"signal 0 of 0", [](Image &i) { i.step(0).signal = 0; }},
      {"waits from", [](Image &i) { i.step(0).wait_count = 1; }},
      {"arguments from", [](Image &i) { i.step(0).first_argument = kFar; }},
      {"integers from", [](Image &i) { i.step(kMatmulStep).integer_count = kFar; }},
      {"kernel", [](Image &i) { i.step(0).index = 4; }},
      {"an argument of type",
       [](Image &i) { i.argument(kLaunchStep, 0).dtype = 8; }},
      {"an argument of",
       [](Image &i) { i.argument(kLaunchStep, 0).offset = kHuge; }},
      {"an argument of",
       [](Image &i) { i.argument(kLaunchStep, 0).bytes = kHuge; }},
      {"an argument of",
       [](Image &i) { i.argument(kLaunchStep, 2).offset += 1; }},
      {"'ampc.eval_flags': is i32 []",
       [](Image &i) { i.tensor(AMPC_EVAL_FLAGS).dtype = AMPC_DTYPE_I32; }},
      {"'ampc.eval_flags': is f32 []",
       [](Image &i) { i.tensor(AMPC_EVAL_FLAGS).role = AMPC_ROLE_STATE; }},
      {"flags", [](Image &i) { i.argument(kLaunchStep, 0).flags = 0; }},
      {"flags", [](Image &i) { i.argument(kLaunchStep, 0).flags = 4; }},
      // Scratch is read and written; a reserve is of library calls, sized at load on CUDA.
      {"flags 5",
       [](Image &i) {
         i.argument(kLaunchStep, 0).flags = AMPC_ARGUMENT_SCRATCH | AMPC_ARGUMENT_READ;
       }},
      {"flags 9",
       [](Image &i) {
         i.argument(kLaunchStep, 0).flags = AMPC_ARGUMENT_RESERVE | AMPC_ARGUMENT_READ;
       }},
      {"flags 7", [](Image &i) { i.argument(kCopyStep, 1).flags = 7; }},
      {"flags 25",
       [](Image &i) {
         i.argument(kMatmulStep, 0).flags =
             AMPC_ARGUMENT_RESERVE | AMPC_ARGUMENT_SIZED_AT_LOAD | AMPC_ARGUMENT_READ;
       }},
      {"flags 17", [](Image &i) { i.argument(kMatmulStep, 0).flags = 17; }},
      {"flags 33", [](Image &i) { i.argument(kMatmulStep, 0).flags = 33; }},
      {"neither scratch nor reserve",
       [](Image &i) { i.argument(kMatmulStep, 0).flags |= AMPC_ARGUMENT_RESERVE; }},
      {"deterministic is 2", [](Image &i) { i.header().deterministic = 2; }},
      {"equal size", [](Image &i) { i.argument(kCopyStep, 0).bytes -= 4; }},
      {"equal size",
       [](Image &i) { i.argument(kCopyStep, 1).flags = AMPC_ARGUMENT_READ; }},
      {"equal size", [](Image &i) { i.step(kCopyStep).argument_count = 1; }},
      {"library call 99",
       [](Image &i) { i.step(kMatmulStep).index = 99; },
       AMPC_STATUS_INCOMPATIBLE},
      {"integers, not",
       [](Image &i) { i.step(kMatmulStep).integer_count = 10; }},
      {"a dimension is -1",
       [](Image &i) { i.integer(kMatmulStep, AMPC_MATMUL_K) = -1; }},
      {"too small", [](Image &i) { i.integer(kMatmulStep, AMPC_MATMUL_K) = 5; }},
      {"too small",
       [](Image &i) { i.integer(kMatmulStep, AMPC_MATMUL_N) = kFar; }},
      {"too small",
       [](Image &i) {
         i.integer(kMatmulStep, AMPC_MATMUL_M) = int64_t(1) << 62;
       }},
      {"too small",
       [](Image &i) {
         i.integer(kMatmulStep, AMPC_MATMUL_BATCH) = int64_t(1) << 62;
       }},
      {"not 0 or 1",
       [](Image &i) { i.integer(kMatmulStep, AMPC_MATMUL_TRANSPOSE_LHS) = 2; }},
      {"stride",
       [](Image &i) { i.integer(kMatmulStep, AMPC_MATMUL_LHS_STRIDE) = -4; }},
      {"epilogue",
       [](Image &i) { i.integer(kMatmulStep, AMPC_MATMUL_EPILOGUE) = 2; }},
      {"alpha",
       [](Image &i) {
         i.integer(kMatmulStep, AMPC_MATMUL_ALPHA) = 0x7ff0000000000000;
       }},
      {"arguments, not",
       [](Image &i) { i.integer(kMatmulStep, AMPC_MATMUL_HAS_BIAS) = 1; }},
      {"beside a result",
       [](Image &i) { i.argument(kMatmulStep, 0).dtype = AMPC_DTYPE_I32; }},
      {"beside a result",
       [](Image &i) {
         i.argument(kMatmulStep, 0).dtype = AMPC_DTYPE_F64;
       }},
      {"not written",
       [](Image &i) { i.argument(kMatmulStep, 2).flags = AMPC_ARGUMENT_READ; }},
      {"not read",
       [](Image &i) { i.argument(kMatmulStep, 1).flags = AMPC_ARGUMENT_WRITE; }},
      {"overlaps",
       [](Image &i) {
         i.argument(kMatmulStep, 2).offset = i.argument(kMatmulStep, 0).offset;
       }},
  };
  EXPECT_EQ(openBytes(Image().bytes).code, AMPC_STATUS_OK);
  int number = 0;
  for (const Mutation &mutation : mutations) {
    Image image;
    mutation.apply(image);
    Outcome outcome = openBytes(image.bytes);
    EXPECT_EQ(outcome.code, mutation.code) << "mutation " << number << " (" << mutation.text << ")";
    EXPECT_NE(outcome.message.find(mutation.text), std::string::npos)
        << "mutation " << number << ": '" << mutation.text << "' is not in: " << outcome.message;
    ++number;
  }
}

TEST(Module, RefusesAnotherFormatVersion) {
  // The symbol itself, which lies in the data of the library: found by its
  // size and version.
  std::string bytes = Image().bytes;
  uint32_t head[2] = {AMPC_FORMAT_VERSION, sizeof(ampc_module_v1_t)};
  std::string pattern(reinterpret_cast<char *>(head), sizeof(head));
  std::vector<size_t> places;
  for (size_t at = bytes.find(pattern); at != std::string::npos; at = bytes.find(pattern, at + 1))
    places.push_back(at);
  auto isRefused = [&](char version, const std::string &message) {
    for (size_t place : places) {
      std::string changed = bytes;
      changed[place] = version;
      Outcome outcome = openBytes(changed);
      if (outcome.code == AMPC_STATUS_INCOMPATIBLE &&
          outcome.message.find(message) != std::string::npos)
        return true;
    }
    return false;
  };
  std::string reads = "reads " + std::to_string(AMPC_FORMAT_OLDEST) + " to " +
                      std::to_string(AMPC_FORMAT_VERSION) + ": ";
  EXPECT_TRUE(isRefused(99, "has format version 99, this runtime ("));
  EXPECT_TRUE(isRefused(99, reads + "update libampc_runtime, or compile the model"));
  EXPECT_TRUE(isRefused(AMPC_FORMAT_OLDEST - 1, reads + "compile the model with the ampc of this"));
}

TEST(Module, LeavesProgramsOfOtherNamesAlone) {
  Image image;
  // The name of what derives state: another string that is there.
  image.program(2).name = image.tensor("bias").name;
  Outcome outcome = openBytes(image.bytes);
  EXPECT_EQ(outcome.code, AMPC_STATUS_OK) << outcome.message;
}

// Whatever the bytes are, opening ends with a status and inspecting what was
// found sound ends as well.
TEST(Module, SurvivesAnyByte) {
  Image image;
  uint64_t random = 1;
  auto next = [&] { return random = random * 6364136223846793005u + 1442695u; };
  size_t tableBytes = image.header().bytes;
  std::string path = scratchFolder() + "/fuzz.so";
  int sound = 0, broken = 0;
  for (int round = 0; round != 2000; ++round) {
    std::string bytes = image.bytes;
    int changes = 1 + (next() >> 60) % 3;
    for (int i = 0; i != changes; ++i)
      bytes[image.at + (next() >> 16) % tableBytes] = char(next() >> 32);
    ::unlink(path.c_str());
    writeFile(path, bytes);
    ampc_module_t *module = nullptr;
    ampc_status_t status = ampc_module_open(path.c_str(), &module);
    (status ? broken : sound) += 1;
    if (!status) {
      char *json = nullptr;
      ampc_status_free(ampc_module_inspect(module, AMPC_DEVICE_HOST, &json));
      ampc_string_free(json);
    }
    ampc_status_free(status);
    ampc_module_close(module);
  }
  EXPECT_GT(sound, 100);
  EXPECT_GT(broken, 100);
}

TEST(Module, NamesTheMissingCpuFeature) {
  TrainerOptions options;
  options.features = "sse2,no-such-feature,also-none";
  ModuleHandle module(buildTrainer(options));
  ampc_session_t *session = nullptr;
  Outcome outcome = expectError(ampc_session_create(module, nullptr, &session),
                                AMPC_STATUS_INCOMPATIBLE, "no-such-feature");
  EXPECT_NE(outcome.message.find("also-none"), std::string::npos);
  EXPECT_NE(outcome.message.find("recompile"), std::string::npos);
  EXPECT_NE(outcome.message.find("--host-cpu="), std::string::npos);
  EXPECT_EQ(outcome.message.find("sse2"), std::string::npos);
}

TEST(Module, InspectsAsJson) {
  ModuleHandle module(buildTrainer());
  char *text = nullptr;
  expectOk(ampc_module_inspect(module, AMPC_DEVICE_HOST, &text));
  std::string json = text;
  ampc_string_free(text);
  for (
      const char *part :
      {R"("model":"model.onnx")", R"("producer":"ampc 0.1.0")", R"("identity":"0123456789abcdef")",
       R"("options":{"amp":"O1"})",
       R"("inputs":[{"name":"x","shape":[4,3],"dtype":"f32","label":false,"batched":true,"batch_axis":0})",
       R"({"name":"loss","shape":[],"dtype":"f32","loss":true,"batched":false,"batch_axis":0})",
       R"("parameters":[{"name":"w","shape":[3],"dtype":"f32","trained":true},{"name":"bias","shape":[1],"dtype":"f32","trained":false}])",
       R"("precision":{"low_dtype":"f16","loss_scaling":true,"loss_scale_min":0})",
       R"("steps":[{"kind":"launch","nodes":["MatMul_0","Add_1"],"kernel":"forward","read_bytes":34,"written_bytes":16,"flops":0,"scratch_bytes":0,"reserve_bytes":0,"operand_types":["f16","f16","f32","f32"]})",
       R"({"kind":"matmul","nodes":["MatMul_0"],"kernel":null,"read_bytes":40,"written_bytes":12,"flops":0,"scratch_bytes":0,"reserve_bytes":0,"operand_types":["f32","f16","f32"]})",
       R"({"kind":"copy","nodes":[])", R"("eval_steps":[{"kind":"launch")", R"("arena_bytes":)",
       R"("deterministic":false)", R"("trains":true)"})
    EXPECT_NE(json.find(part), std::string::npos) << part << "\n" << json;
  expectError(ampc_module_inspect(module, AMPC_DEVICE_CUDA, &text), AMPC_STATUS_INCOMPATIBLE,
              "no CUDA code");
  expectError(ampc_module_inspect(module, ampc_device_t(7), &text), AMPC_STATUS_INVALID_ARGUMENT,
              "device 7");
}

TEST(Module, SharesASessionlessFileWithNobody) {
  // The file may be replaced while a module is open: that keeps the old one.
  std::string path = scratchFolder() + "/replaced.so";
  writeFile(path, readFile(buildTrainer()));
  ModuleHandle module(path);
  TrainerOptions options;
  options.firstWeight = 4;
  std::string other = scratchFolder() + "/other.so";
  writeFile(other, readFile(buildTrainer(options)));
  ASSERT_EQ(::rename(other.c_str(), path.c_str()), 0);
  SessionHandle session(module);
  Tensor<float> w = f32({3}, {0, 0, 0});
  expectOk(ampc_session_get_tensor(session, "w", w.get()));
  EXPECT_EQ(w.values[0], 0.5f);
}
