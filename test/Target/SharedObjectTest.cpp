//===- SharedObjectTest.cpp - What a train.so looks like from outside -----===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TargetTest.h"

#include "ampc/Target/SharedObject.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <dlfcn.h>
#include <fstream>
#include <unistd.h>

using namespace ampc::test;

namespace {

std::string kernel(const std::string &type) {
  std::string memref = "memref<100x" + type + ">";
  return "gpu.module @host_kernels { gpu.func @k(%x: " + memref + " {llvm.noalias}, %y: " + memref +
         " {llvm.noalias}) kernel attributes "
         "{known_block_size = array<i32: 1, 1, 1>} {\n%i = gpu.block_id x\n"
         "%v = memref.load %x[%i] : " +
         memref + "\n%w = math.exp %v : " + type + "\nmemref.store %w, %y[%i] : " + memref +
         "\ngpu.return } }";
}

ampc::HostCode compile(const std::string &text) {
  Kernels kernels(text);
  auto code = ampc::compileHostKernels(kernels.gpuModule());
  check(succeeded(code), "compile", kernels.takeDiagnostics());
  return succeeded(code) ? std::move(*code) : ampc::HostCode();
}

const std::string kTables = [] {
  std::string tables;
  for (int i = 0; i < 5000; ++i)
    tables += char(i * 7);
  return tables;
}();

llvm::ArrayRef<char> tables() { return {kTables.data(), kTables.size()}; }

constexpr uint64_t kWeightsBytes = 3000001;

ampc::WeightsSource weights() {
  return {kWeightsBytes, [](llvm::raw_ostream &out) {
            for (uint64_t i = 0; i < kWeightsBytes; ++i)
              out << char(i * 31);
            return llvm::Error::success();
          }};
}

std::string messageOf(llvm::Error error) { return error ? llvm::toString(std::move(error)) : ""; }

std::vector<std::string> filesIn(const std::string &folder) {
  std::vector<std::string> files;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator it(folder, code), end; !code && it != end;
       it.increment(code))
    files.push_back(it->path());
  return files;
}

struct Elf {
  explicit Elf(const std::string &path) {
    buffer = std::move(*llvm::MemoryBuffer::getFile(path, false, false));
    object =
        llvm::cantFail(llvm::object::ObjectFile::createELFObjectFile(buffer->getMemBufferRef()));
    file = llvm::cast<llvm::object::ELF64LEObjectFile>(object.get());
  }
  std::vector<std::string> dynamicSymbols(bool defined) {
    std::vector<std::string> names;
    for (const auto &symbol : file->getDynamicSymbolIterators()) {
      bool isUndefined = llvm::cantFail(symbol.getFlags()) & llvm::object::SymbolRef::SF_Undefined;
      if (isUndefined != defined)
        names.push_back(llvm::cantFail(symbol.getName()).str());
    }
    return names;
  }
  /// DT_NEEDED entries.
  std::vector<std::string> needed() {
    std::vector<std::string> names;
    const auto &elf = file->getELFFile();
    const char *strings = nullptr;
    auto entries = llvm::cantFail(elf.dynamicEntries());
    for (const auto &entry : entries)
      if (entry.getTag() == llvm::ELF::DT_STRTAB)
        strings = reinterpret_cast<const char *>(llvm::cantFail(elf.toMappedAddr(entry.getPtr())));
    for (const auto &entry : entries)
      if (entry.getTag() == llvm::ELF::DT_NEEDED)
        names.push_back(strings + entry.getVal());
    return names;
  }
  const llvm::ELF::Elf64_Shdr *section(llvm::StringRef name) {
    for (const auto &section : file->sections())
      if (llvm::cantFail(section.getName()) == name)
        return reinterpret_cast<const llvm::ELF::Elf64_Shdr *>(
            file->getSection(section.getRawDataRefImpl()));
    return nullptr;
  }
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  std::unique_ptr<llvm::object::ObjectFile> object;
  llvm::object::ELF64LEObjectFile *file;
};

std::string join(const std::vector<std::string> &names) {
  std::string text;
  for (const std::string &name : names)
    text += name + " ";
  return text;
}

void looks(const std::string &path) {
  Elf elf(path);
  check(elf.dynamicSymbols(true) == std::vector<std::string>{AMPC_MODULE_SYMBOL},
        "one exported symbol", join(elf.dynamicSymbols(true)));
  check(elf.dynamicSymbols(false).empty(), "f32 needs no other library",
        join(elf.dynamicSymbols(false)));
  check(elf.needed().empty(), "f32 names no other library", join(elf.needed()));
  const auto *section = elf.section(AMPC_WEIGHTS_SECTION);
  if (!check(section, "weights section"))
    return;
  check(section->sh_flags == 0 && section->sh_addr == 0, "weights are not loaded");
  check(section->sh_offset % AMPC_ALIGNMENT == 0 && section->sh_addralign == AMPC_ALIGNMENT,
        "weights are aligned in the file");
  check(section->sh_size == kWeightsBytes, "size of the weights");
  const char *data = elf.buffer->getBufferStart() + section->sh_offset;
  uint64_t i = 0;
  while (i < kWeightsBytes && data[i] == char(i * 31))
    ++i;
  check(i == kWeightsBytes, "weights", "differ at " + std::to_string(i));
  check(elf.section(".symtab") == nullptr, "stripped");
}

void loads(const std::string &path) {
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!check(library, "load", library ? "" : dlerror()))
    return;
  auto *module = static_cast<const ampc_module_v1_t *>(dlsym(library, AMPC_MODULE_SYMBOL));
  check(module->version == AMPC_FORMAT_VERSION && module->struct_size == sizeof(*module), "header");
  check(uintptr_t(module->tables) % AMPC_ALIGNMENT == 0, "tables are aligned");
  check(module->tables_bytes == kTables.size() &&
            !std::memcmp(module->tables, kTables.data(), kTables.size()),
        "tables");
  check(module->host_kernel_count == 1, "kernel count");
  auto x = randoms<float>(100, 1);
  Buffer<float> y(100, -1.0f);
  void *args[] = {x.data(), y.data()};
  module->host_kernels[0](args, 10, 20);
  for (int i = 0; i < 100; ++i)
    check(i >= 10 && i < 20 ? std::fabs(y[i] - std::exp(x[i])) < 1e-5 : y[i] == -1.0f,
          "only the blocks asked for", std::to_string(i));
  dlclose(library);
}

void mistakes(const ampc::HostCode &code) {
  const std::string folder = temporaryPath("folder"), path = folder + "/train.so";
  (void)llvm::sys::fs::create_directory(folder);
  std::ofstream(path) << "what was there";
  auto expect = [&](llvm::Error error, const std::string &want) {
    std::string got = messageOf(std::move(error));
    check(got.find(want) != std::string::npos, want, got);
    check(readFile(path) == "what was there", "the output is unchanged after: " + want);
    check(filesIn(folder).size() == 1, "nothing is left after: " + want, join(filesIn(folder)));
  };
  expect(
      ampc::writeSharedObject(
          path, code, tables(),
          {10, [](llvm::raw_ostream &) { return llvm::createStringError("the source failed"); }}),
      "the source failed");
  expect(ampc::writeSharedObject(path, code, tables(),
                                 {10,
                                  [](llvm::raw_ostream &out) {
                                    out << "123";
                                    return llvm::Error::success();
                                  }}),
         "3 bytes of weights were written, 10 announced");
  ampc::HostCode unknown;
  unknown.symbols.push_back("nowhere");
  expect(ampc::writeSharedObject(path, unknown, tables(), {}), "nowhere");
  expect(ampc::writeSharedObject(folder, code, tables(), {}), "cannot write '" + folder);
  expect(ampc::writeSharedObject(folder + "/none/train.so", code, tables(), {}),
         "No such file or directory");
  expect(ampc::writeSharedObject("/dev/full", code, tables(), weights()),
         "No space left on device");
  check(messageOf(ampc::writeSharedObject("/dev/null", code, tables(), weights())).empty(),
        "/dev/null");
  llvm::sys::fs::file_status status;
  check(!llvm::sys::fs::status("/dev/null", status) &&
            status.type() == llvm::sys::fs::file_type::character_file,
        "/dev/null is what it was");
  // And a file that was there is replaced.
  check(messageOf(ampc::writeSharedObject(path, code, tables(), {})).empty() &&
            readFile(path).substr(1, 3) == "ELF",
        "replaces a file");
  check(filesIn(folder).size() == 1, "nothing else is left");
}

} // namespace

int main() {
  ampc::HostCode code = compile(kernel("f32"));
  const std::string first = temporaryPath("first.so"), second = temporaryPath("second.so");
  check(messageOf(ampc::writeSharedObject(first, code, tables(), weights())).empty(), "write");
  looks(first);
  loads(first);

  ampc::HostCode again = compile(kernel("f32"));
  check(messageOf(ampc::writeSharedObject(second, again, tables(), weights())).empty(),
        "write again");
  check(readFile(first) == readFile(second), "equal arguments give equal bytes");

  // f64 calls libm, and says so.
  const std::string exact = temporaryPath("exact.so");
  check(messageOf(ampc::writeSharedObject(exact, compile(kernel("f64")), tables(), {})).empty(),
        "write f64");
  Elf elf(exact);
  check(elf.needed() == std::vector<std::string>{"libm.so.6"}, "f64 needs libm only",
        join(elf.needed()));
  check(elf.dynamicSymbols(false) == std::vector<std::string>{"exp"}, "of libm, exp",
        join(elf.dynamicSymbols(false)));
  check(elf.section(AMPC_WEIGHTS_SECTION)->sh_size == 0, "no weights");

  // Neither kernels nor tables.
  const std::string empty = temporaryPath("empty.so");
  check(messageOf(ampc::writeSharedObject(empty, {}, {}, {})).empty(), "write an empty module");
  check(Elf(empty).dynamicSymbols(true).size() == 1, "an empty module has its symbol");

  mistakes(code);
  return failures != 0;
}
