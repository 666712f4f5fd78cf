//===- SharedObject.cpp - Writes a train.so -------------------------------===//
//
// Part of the ampc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Code and tables are linked first. The weights follow behind the linked file
// as one more section, so that their bytes are written once, wherever they come
// from.
//
//===----------------------------------------------------------------------===//

#include "ampc/Target/SharedObject.h"
#include "ampc-runtime/module_format.h"
#include "ampc/Support/OutputFiles.h"

#include "HostCodegen.h"
#include "Link.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Support/Alignment.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace {

/// An object with the exported struct, the tables, and the table of host
/// kernels.
Expected<SmallVector<char, 0>> emitModuleObject(const ampc::HostCode &host, ArrayRef<char> tables) {
  ampc::HostProcessor processor = ampc::hostProcessor("");
  auto machine = ampc::createHostMachine(processor);
  if (!machine)
    return machine.takeError();
  LLVMContext context;
  Module module("ampc_module", context);
  module.setTargetTriple((*machine)->getTargetTriple());
  module.setDataLayout((*machine)->createDataLayout());
  IRBuilder<> b(context);
  auto define = [&](Constant *value, StringRef name) {
    auto *global = new GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                      GlobalValue::InternalLinkage, value, name);
    global->setAlignment(Align(AMPC_ALIGNMENT));
    return global;
  };

  SmallVector<Constant *> kernels;
  auto *kernelType =
      FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getInt64Ty(), b.getInt64Ty()}, false);
  for (const std::string &symbol : host.symbols) {
    auto *kernel = Function::Create(kernelType, GlobalValue::ExternalLinkage, symbol, module);
    kernel->setVisibility(GlobalValue::HiddenVisibility);
    kernels.push_back(kernel);
  }
  Constant *none = ConstantPointerNull::get(b.getPtrTy());
  Constant *kernelTable = none;
  if (!kernels.empty())
    kernelTable = define(ConstantArray::get(ArrayType::get(b.getPtrTy(), kernels.size()), kernels),
                         "kernels");
  Constant *data = none;
  if (!tables.empty())
    data = define(ConstantDataArray::getRaw(StringRef(tables.data(), tables.size()), tables.size(),
                                            b.getInt8Ty()),
                  "tables");

  Constant *fields[] = {b.getInt32(AMPC_FORMAT_VERSION),
                        b.getInt32(sizeof(ampc_module_v1_t)),
                        data,
                        b.getInt64(tables.size()),
                        kernelTable,
                        b.getInt64(kernels.size())};
  static_assert(sizeof(ampc_module_v1_t) == 40, "the fields above, in order");
  auto *exported = define(ConstantStruct::getAnon(fields), AMPC_MODULE_SYMBOL);
  exported->setLinkage(GlobalValue::ExternalLinkage);
  return ampc::emitHostObject(module, **machine);
}

/// The file without its section headers, the section headers, and where the
/// weights go.
struct LinkedFile {
  SmallVector<char, 0> bytes; ///< with a new ELF header
  SmallVector<char, 0> tail;  ///< section names and headers, behind the weights
  uint64_t weightsOffset = 0;
  uint64_t tailOffset = 0;
};

/// Makes room for a section of `weightsBytes` bytes behind everything that is
/// loaded.
Expected<LinkedFile> addWeightsSection(SmallVector<char, 0> bytes, uint64_t weightsBytes) {
  using namespace ELF;
  Elf64_Ehdr header;
  if (bytes.size() < sizeof(header))
    return createStringError("the linker wrote no ELF file");
  std::memcpy(&header, bytes.data(), sizeof(header));
  const uint64_t sectionBytes = uint64_t(header.e_shnum) * sizeof(Elf64_Shdr);
  if (!header.checkMagic() || header.e_shentsize != sizeof(Elf64_Shdr) ||
      header.e_shoff > bytes.size() || bytes.size() - header.e_shoff < sectionBytes ||
      header.e_shstrndx >= header.e_shnum)
    return createStringError("the linker wrote an ELF file without section headers");
  SmallVector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), bytes.data() + header.e_shoff, sectionBytes);
  // lld puts the headers last.
  if (header.e_shoff + sectionBytes == bytes.size())
    bytes.truncate(header.e_shoff);

  Elf64_Shdr &names = sections[header.e_shstrndx];
  std::string strings(bytes.data() + names.sh_offset, names.sh_size);
  Elf64_Shdr weights = {};
  weights.sh_name = strings.size();
  weights.sh_type = SHT_PROGBITS;
  weights.sh_offset = alignTo(bytes.size(), AMPC_ALIGNMENT);
  weights.sh_size = weightsBytes;
  weights.sh_addralign = AMPC_ALIGNMENT;
  strings += AMPC_WEIGHTS_SECTION;
  strings += '\0';

  LinkedFile file;
  file.weightsOffset = weights.sh_offset;
  file.tailOffset = alignTo(file.weightsOffset + weightsBytes, alignof(Elf64_Shdr));
  names.sh_offset = file.tailOffset;
  names.sh_size = strings.size();
  strings.resize(alignTo(strings.size(), alignof(Elf64_Shdr)));
  sections.push_back(weights);
  header.e_shoff = file.tailOffset + strings.size();
  header.e_shnum = sections.size();
  std::memcpy(bytes.data(), &header, sizeof(header));
  file.tail.append(strings.begin(), strings.end());
  const char *table = reinterpret_cast<const char *>(sections.data());
  file.tail.append(table, table + sections.size() * sizeof(Elf64_Shdr));
  file.bytes = std::move(bytes);
  return file;
}

} // namespace

Error ampc::writeSharedObject(raw_ostream &out, const HostCode &host, ArrayRef<char> tables,
                              const WeightsSource &weights) {
  auto moduleObject = emitModuleObject(host, tables);
  if (!moduleObject)
    return moduleObject.takeError();
  SmallVector<ArrayRef<char>> objects = {*moduleObject};
  append_range(objects, host.objects);
  auto linked = linkShared(objects);
  if (!linked)
    return linked.takeError();
  auto file = addWeightsSection(std::move(*linked), weights.bytes);
  if (!file)
    return file.takeError();

  out.write(file->bytes.data(), file->bytes.size());
  out.write_zeros(file->weightsOffset - file->bytes.size());
  const uint64_t begin = out.tell();
  if (weights.bytes)
    if (Error error = weights.write(out))
      return error;
  const uint64_t written = out.tell() - begin;
  if (written != weights.bytes)
    return createStringError("internal error: " + Twine(written) +
                             " bytes of weights were written, " + Twine(weights.bytes) +
                             " announced");
  out.write_zeros(file->tailOffset - file->weightsOffset - weights.bytes);
  out.write(file->tail.data(), file->tail.size());
  return Error::success();
}

Error ampc::writeSharedObject(StringRef path, const HostCode &host, ArrayRef<char> tables,
                              const WeightsSource &weights) {
  return replaceFile(
      path, [&](raw_ostream &out) { return writeSharedObject(out, host, tables, weights); });
}
